"""One node: the real validator on a simulated machine, and what an operator does with it.

`SimulatedValidator` is `node.validator.validator.Validator` with somebody looking on: what it commits, says, hears and
reports goes to the oracles as well. Liars are subclasses of it (`tests.simulation.adversaries`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from ledger.base.errors import Code, CustodyError
from ledger.chain.block import PROTOCOL_NEWEST
from ledger.chain.evidence import Evidence
from ledger.chain.transaction import Kind
from ledger.consensus.interface import Commit
from node.logs import Log
from node.storage.stores import open_stores
from node.validator import running
from node.validator.frames import CONSENSUS_FRAME
from node.validator.host import Host, OpenDoorway
from node.validator.joining import is_joining, join
from node.validator.member import Member
from node.validator.transport_keys import TransportKeys
from node.validator.validator import Validator
from tests.simulation.founding import EPOCHS, epoch_key
from tests.simulation.machine import Machine
from tests.simulation.seats import DiskKeys, deliver
from tests.simulation.wires import Caller, VirtualDoorway, VirtualMesh, open_mesh

if TYPE_CHECKING:
    from tests.simulation.world import World

RESTART_US = 20_000
__all__ = ["Node", "SimulatedValidator", "is_signed", "open_stores"]
_PROPOSAL, _VOTE = 1, 2
"""Kinds of messages (WIRE_CONSENSUS §6): what carries a claim of its sender."""


def is_signed(data: bytes) -> bool:
    """Whether an encoded message is a vote or a proposal."""
    return data[1] in (_PROPOSAL, _VOTE)


class Journal:
    """A `Log` that keeps what it is told, if anybody wants to read it."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def _note(self, what: str, **fields: Any) -> None:
        lines = self._node.world.wires.lines
        if lines is not None:
            at = self._node.machine.process.now_us / 1000
            lines.append(f"{at:10.3f} ms  {self._node.instance}: {what} {fields}")

    info = warning = error = _note


class SimulatedValidator(Validator):
    """See the module's docstring."""

    is_honest = True

    def __init__(self, node: Node, member: Member, log: Log, host: Host, join_after_s: float) -> None:
        self.node = node
        self.world = node.world
        super().__init__(member, log, host, join_after_s=join_after_s)

    def send(self, peer: int, data: bytes) -> None:
        if is_signed(data):
            self.world.oracles.said(self.node, data)
        super().send(peer, data)

    def broadcast(self, data: bytes) -> None:
        if is_signed(data):
            self.world.oracles.said(self.node, data)
        super().broadcast(data)

    def _message_came(self, key: bytes, kind: int, body: bytes) -> None:
        if kind == CONSENSUS_FRAME and is_signed(body):
            self.world.oracles.heard(self.node, self.world.node_with(key).index, self._index_of[key], body)
        super()._message_came(key, kind, body)

    def commit(self, effect: Commit) -> None:
        evidence = [
            transaction
            for batch in self.mempool.held_all(effect.block.batches)
            for transaction in batch.transactions
            if transaction.header.kind == Kind.EVIDENCE
        ]
        super().commit(effect)
        if evidence:
            self.world.oracles.executed(self.node, evidence)
        self.world.oracles.committed(self.node, effect.block.header, effect.outcome)

    def accuse(self, evidence: Evidence) -> None:
        self.world.oracles.accused(self.node, evidence)
        super().accuse(evidence)

    def drop(self, peer: int, reason: str) -> None:
        self.world.oracles.dropped(self.node, self.world.node_with(self._key_of[peer]), reason)
        super().drop(peer, reason)

    def alarm(self, message: str) -> None:
        self.world.oracles.alarmed(self.node, message)
        super().alarm(message)

    def fail(self, error: CustodyError) -> None:
        super().fail(error)
        self.node.failed(error)


class Node:
    """One validator's place: a machine, the key of slot `index`, and the process that runs there, if any."""

    def __init__(self, world: World, index: int, instance: int, kind: type[SimulatedValidator]) -> None:
        self.world = world
        self.index = index
        self.instance = instance
        self.kind = kind
        self.run = 0
        self.machine = Machine(world.loop, f"{index}.{instance}", world.network, world.random)
        organisation = world.founding.organisations[index]
        deliver(self.machine.disk, {epoch: epoch_key(organisation, epoch) for epoch in range(EPOCHS)})
        self.validator: SimulatedValidator | None = None
        self.mesh: VirtualMesh | None = None
        self.door: VirtualDoorway | None = None
        self.callers: list[Caller] = []
        self.joins = 0
        self.is_rebuilt = False
        self.is_spent = False
        """Its disk was not to be trusted: its key must never vote again."""
        self.wants_restart = True
        self.refusals: list[CustodyError] = []
        self.protocol_newest = PROTOCOL_NEWEST
        """Of the software installed; see `install`."""
        self.sends_left: int | None = None
        """Frames until the power is cut in the middle of sending."""
        self.may_leave: Callable[[Node, int, bytes], bool] = lambda other, kind, body: True

    @property
    def transport_key(self) -> bytes:
        return self.world.founding.transport[self.index].public_key

    @property
    def name(self) -> str:
        return self.world.founding.organisations[self.index]

    @property
    def is_honest(self) -> bool:
        return self.kind.is_honest and not self.is_spent

    @property
    def has_seat(self) -> bool:
        """Whether it is up and votes in the epoch under way."""
        return self.is_up and self.validator is not None and self.validator.key is not None

    @property
    def is_up(self) -> bool:
        return (
            self.validator is not None and self.machine.process.is_alive and self.validator.phase == "ready"
        )

    # ---- life

    def start(self) -> None:
        """Start, or start again from what is on the disk."""
        if self.machine.process.is_alive or not self.wants_restart:
            return
        self.run += 1
        self.sends_left = None
        process = self.machine.power_on()
        process.on_kill = self._ended
        self.world.loop.run_as(process, self._boot)

    def _boot(self) -> None:
        self.world.loop.create_task(self._live())

    def _member(self) -> Member:
        founding, index = self.world.founding, self.index
        return Member(
            self.machine.folder(),
            founding.configs[index],
            founding.genesis,
            founding.validators,
            DiskKeys(self.machine.disk),
            TransportKeys(founding.transport[index]),
        )

    async def _live(self) -> None:
        """What `node.validator.running` does, with this kind of validator."""
        log = cast("Log", Journal(self))
        join_after_s, wants_to_join = 0.0, False
        try:
            while True:
                member = self._member()
                if wants_to_join or is_joining(member):
                    self.joins += 1
                    joined = await join(member, log, self._host())
                    join_after_s = 0.0 if joined else running.JOIN_AGAIN_S
                self.validator = validator = self.kind(self, member, log, self._host(), join_after_s)
                await validator.start()
                await validator.stopped.wait()
                if validator.failure is not None or not validator.sync.must_join:
                    break
                wants_to_join = True
                await validator.close()
        except CustodyError as error:
            self.machine.kill()
            self.refused(error)
            return
        try:
            await validator.close()
        except CustodyError as error:
            self.world.oracles.noted(self, f"closing: {error.code.value}")
        self.machine.kill()

    def _host(self) -> Host:
        return self.machine.host(
            open_mesh(self), cast("OpenDoorway", self.open_doorway), self.protocol_newest
        )

    def open_doorway(self, *arguments: Any, **named: Any) -> VirtualDoorway:
        self.door = VirtualDoorway(*arguments, **named)
        return self.door

    def _ended(self) -> None:
        """The process is gone: the others see its connections break."""
        self.validator = None
        mesh, self.mesh, self.door = self.mesh, None, None
        if mesh is not None:
            mesh.lost()
        callers, self.callers = self.callers, []
        for caller in callers:
            caller.is_closing = True

    # ---- what goes wrong

    def crash(self, *, power: bool) -> None:
        """The power is cut, or the process alone is killed."""
        if power:
            self.machine.power_off()
        else:
            self.machine.kill()

    def crash_and_return(self, after_us: int) -> None:
        self.crash(power=True)
        self.world.loop.after(after_us, self.start)

    def install(self, after_us: int) -> None:
        """Its operator, told what it stopped with, installs the newest software and starts it again."""
        self.protocol_newest = PROTOCOL_NEWEST
        self.world.loop.after(after_us, self.start)

    def failed(self, error: CustodyError) -> None:
        """The validator stops by itself, with one documented error."""
        self.refusals.append(error)
        self.world.oracles.stopped(self, error)

    def refused(self, error: CustodyError) -> None:
        """The validator does not start, with one documented error."""
        self.refusals.append(error)
        self.world.oracles.refused(self, error)
        if not self.machine.is_suspect or error.code is Code.DISK_FULL or self.machine.failing_syncs:
            return
        if "votes" in error.message or self.is_rebuilt:
            self.spend()
        else:
            self.rebuild()

    def rebuild(self) -> None:
        """What an operator does when anything but the vote log is damaged: the rest is fetched from the others."""
        self.is_rebuilt = True
        self.machine.wipe("votes", "keys")
        self.world.loop.after(RESTART_US, self.start)

    def spend(self) -> None:
        """What an operator does with a node whose data is not to be trusted: its key is spent, it stays away."""
        self.is_spent = True
        self.wants_restart = False
