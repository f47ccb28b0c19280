"""Clients: they hand in what happens to the items, step by step, now and then twice, too early, or too late.

They come in through the private socket's service, as the gateway does, and believe an answer only when it says final.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ledger.base.errors import Code
from ledger.chain.block import PROTOCOL_OLDEST
from ledger.trade.record import SubjectKey
from node.local import protocol
from node.local.protocol import State, Submission, TransactionStatus, WaitFor
from tests.simulation.founding import Prepared, stories, subject_of
from tests.simulation.signatures import signatures
from tests.simulation.wires import Caller

if TYPE_CHECKING:
    from tests.simulation.node import Node
    from tests.simulation.world import World

HURRY = 0.2
"""How often a step is handed in before the one before is known to be final."""
AGAIN = 0.1
"""How often something old is handed in again instead."""
PROVE_AGAIN_US = 100_000


@dataclass
class Clients:
    world: World
    is_real: bool
    rate: int = 14
    """Submissions a second."""
    is_submitting: bool = True
    submitted: int = 0
    changes: int = 0
    """Of epoch, that are not final yet."""
    refused: dict[str, int] = field(default_factory=dict)
    bundles: dict[int, bytes] = field(default_factory=dict)
    """By instance, of those asked for last."""
    ballots: tuple[Prepared, ...] = ()
    """Of the one vote, if there is one."""
    _number: int = 0

    def __post_init__(self) -> None:
        with signatures(real=self.is_real):
            self._stories = stories(self.world.network, real=self.is_real)
        self._steps = [0] * len(self._stories)
        self._handed_in: list[Prepared] = []

    # ---- what they do

    def begin(self) -> None:
        self.world.loop.after(5_000, self._go_on)

    def _go_on(self) -> None:
        if not self.is_submitting:
            return
        self.submit(self.next())
        random = self.world.random
        if random.random() < 0.1:  # somebody hands the same in at another node at the same time
            self.submit(self._handed_in[-1])
        self.world.loop.after(int(random.expovariate(self.rate) * 1e6), self._go_on)

    def next(self) -> Prepared:
        """The next step of some item, or an old one again."""
        random = self.world.random
        if self._handed_in and random.random() < AGAIN:
            return random.choice(self._handed_in)
        while True:
            item = random.randrange(len(self._stories))
            story, step = self._stories[item], self._steps[item]
            if step == len(story):
                continue
            is_known = step == 0 or story[step - 1].id in self.world.oracles.acknowledged
            if is_known or random.random() < HURRY:
                self._steps[item] += 1
                self._handed_in.append(story[step])
                return story[step]

    def fresh(self) -> Prepared:
        """The first step of an item that nothing happened to."""
        item = max(item for item, step in enumerate(self._steps) if step == 0)
        self._steps[item] = 1
        return self._stories[item][0]

    def submit(self, prepared: Prepared, node: Node | None = None) -> bool:
        """Hand in at a node, or at any that answers; False if there is none."""
        if node is None:
            up = [node for node in self.world.nodes if node.has_seat]
            if not up:
                return False
            node = self.world.random.choice(up)
        self.submitted += 1
        return self._ask(node, protocol.Submit((prepared.submission,), WaitFor.FINAL), self._answered)

    def _ask(self, node: Node, request: protocol.Request, on_answer: object) -> bool:
        door = node.door
        if door is None or not door.is_open:
            return False
        process = node.machine.process
        self._number += 1
        caller = Caller(process, on_answer)  # type: ignore[arg-type]
        node.callers.append(caller)
        body = protocol.encode_request(self._number, request)
        self.world.loop.at(self.world.loop.now_us, process, door.on_frame, caller, protocol.REQUEST, body)
        return True

    def _answered(self, kind: int, body: bytes) -> None:
        if kind != protocol.ANSWER:
            _, code, message = protocol.decode_fault(body)
            self.world.oracles.broken.append(f"a submission fails as a whole: {code}: {message}")
            return
        _, value = protocol.decode_answer(body)
        for status in protocol.parse_statuses(value):
            self._note(status)

    def _note(self, status: TransactionStatus) -> None:
        if status.state is State.REFUSED:
            self.refused[status.code] = self.refused.get(status.code, 0) + 1
        self.world.oracles.answered(status)

    # ---- changes of validators

    def change_epoch(
        self, at_us: int, epoch: int, slots: tuple[int, ...], protocol: int = PROTOCOL_OLDEST
    ) -> None:
        """From a time on, hand in the change that closes an epoch, here and there, until it is final."""
        self.changes += 1
        with signatures(real=self.is_real):
            change = self.world.founding.change(epoch, slots, protocol)
        self.world.loop.at(at_us, None, self._hand_in, epoch, change)

    def _hand_in(self, epoch: int, change: Prepared) -> None:
        up = [node for node in self.world.honest() if node.has_seat]
        if any(node.validator is not None and node.validator.epoch.number > epoch for node in up):
            self.changes -= 1
            return
        ready = [node for node in up if node.validator is not None and node.validator.epoch.number == epoch]
        if ready:
            self.submit(change, self.world.random.choice(ready))
        self.world.loop.after(300_000, self._hand_in, epoch, change)

    # ---- votes

    def vote(self, at_us: int) -> None:
        """From a time on, propose and then vote, here and there, until enough ballots are final."""
        self.changes += 1
        with signatures(real=self.is_real):
            proposal, *ballots = self.world.founding.vote()
        self.ballots = tuple(ballots)
        self.world.loop.at(at_us, None, self._vote, proposal)

    def _vote(self, proposal: Prepared) -> None:
        known = self.world.oracles.acknowledged
        waiting = [one for one in self.ballots if one.id not in known] if proposal.id in known else [proposal]
        if not waiting:
            self.changes -= 1
            return
        for one in waiting:
            self.submit(one)
        self.world.loop.after(200_000, self._vote, proposal)

    # ---- proofs

    def touched(self) -> list[SubjectKey]:
        """Subjects of which something happened."""
        acknowledged = self.world.oracles.acknowledged
        return [
            subject_of(item)
            for item, story in enumerate(self._stories)
            if any(
                step.id in acknowledged and not acknowledged[step.id].receipts[0].refusal
                for step in story[:1]
            )
        ]

    def prove(self, node: Node, keys: list[SubjectKey]) -> None:
        """Ask a node for a bundle; one that joined may say that it lacks history, and is asked again as it says."""

        def answered(kind: int, body: bytes) -> None:
            if kind == protocol.ANSWER:
                self.bundles[node.instance] = protocol.parse_bytes(protocol.decode_answer(body)[1])
                return
            _, code, message = protocol.decode_fault(body)
            if code is Code.HISTORY_INCOMPLETE and node.joins:
                self.world.loop.after(PROVE_AGAIN_US, self.prove, node, keys)
                return
            self.world.oracles.broken.append(f"node {node.instance} proves nothing: {code.value}: {message}")

        self._ask(node, protocol.Prove(tuple(keys), payloads=False), answered)


__all__ = ["Clients", "Submission"]
