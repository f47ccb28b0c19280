"""The consensus machine's hands: input -> step -> persist + sync -> send (ledger/consensus/__init__.py, the contract).

Inputs that come in one turn of the event loop are stepped one after another; their records are appended. Where this
validator says something of its own, one sync makes them durable together with the batches and bytes they rest on, and
only then anything leaves, and at once: nobody waits for a vote behind the commit of another block. Execution comes after
that, so that it never delays a vote that is ready. A failed sync, or an error nobody foresaw, ends the process: what is on
disk is whole, and a restart is the one recovery there is.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import Final, Protocol

from ledger.base.errors import Code, CustodyError, UnavailableError
from ledger.chain.block import Block, Outcome
from ledger.chain.evidence import Evidence
from ledger.chain.votes import Proposal, Vote
from ledger.consensus import Consensus
from ledger.consensus.interface import (
    Accuse,
    Alarm,
    Broadcast,
    Commit,
    Drop,
    Effect,
    EndEpoch,
    Execute,
    Executed,
    Halt,
    Input,
    Persist,
    Send,
    SendClosing,
    Serve,
    SetTimer,
    Tick,
)
from ledger.consensus.messages import Request, encode_message
from node.storage.stores import Stores
from node.validator.clock import Clock

_TICK_S: Final = 0.001


class Surroundings(Protocol):
    """What the driver needs of the node around it."""

    def before_step(self) -> None:
        """A turn begins: hand in what waits (`Driver.post`)."""

    def send(self, peer: int, data: bytes) -> None:
        """Send an encoded message to one validator; may be lost."""

    def broadcast(self, data: bytes) -> None:
        """Send an encoded message to all validators; may be lost."""

    def send_now(self) -> None:
        """Let what was sent leave before other work of this turn."""

    def serve(self, peer: int, request: Request) -> None:
        """Answer a request from the stores."""

    def execute(self, block_hash: bytes, block: Block) -> Outcome:
        """Execute a block on its parent's state."""

    def commit(self, effect: Commit) -> None:
        """A block is final."""

    def end_epoch(self) -> None:
        """The block committed before closed the epoch: make that durable, hand in the next epoch's machine (`replace`)."""

    def send_closing(self, peer: int, epoch: int) -> None:
        """Send a peer the finalisation of the block that closed an epoch."""

    def may_execute(self, block: Block) -> bool:
        """Whether to execute now, or to wait for `Driver.resume`."""

    def accuse(self, evidence: Evidence) -> None:
        """A validator contradicted itself."""

    def alarm(self, message: str) -> None:
        """Tell the operator."""

    def drop(self, peer: int, reason: str) -> None:
        """Close the connection to a peer."""

    def fail(self, error: CustodyError) -> None:
        """This node must stop."""


def is_promise(effect: Effect) -> bool:
    """Whether with it something leaves that this validator signed: a vote or a proposal, now or again.

    Certificates and blocks prove themselves, and what a position or a question says binds nobody.
    """
    return isinstance(effect, Send | Broadcast) and isinstance(effect.message, Vote | Proposal)


class Driver:
    """Runs one machine on the event loop."""

    def __init__(self, machine: Consensus, stores: Stores, clock: Clock, around: Surroundings) -> None:
        self.machine = machine
        self._stores = stores
        self._clock = clock
        self._around = around
        self._loop = asyncio.get_running_loop()
        self._inputs: deque[Input] = deque()
        self._executions: deque[Execute] = deque()
        self._is_scheduled = False
        self._execution_scheduled = False
        self._timer: asyncio.TimerHandle | None = None
        self._is_stopped = False
        self._has_unsynced = False
        self._executing_ms = 0
        self.turns = 0
        self.steps = 0
        self.syncs = 0

    # ---- inputs

    def post(self, event: Input) -> None:
        """Hand in an input; it is stepped in this turn of the loop or the next."""
        self._inputs.append(event)
        self.wake()

    def wake(self) -> None:
        """Make sure that a turn comes."""
        if not self._is_scheduled and not self._is_stopped:
            self._is_scheduled = True
            self._loop.call_soon(self._turn)

    def replace(self, machine: Consensus) -> None:
        """Go on with another machine; what waited for the one before falls away."""
        self.machine = machine
        self._inputs.clear()
        self._executions.clear()
        if self._timer is not None:
            self._timer.cancel()

    def resume(self) -> None:
        """Execution may go on."""
        if self._executions and not self._execution_scheduled and not self._is_stopped:
            self._execution_scheduled = True
            self._loop.call_soon(self._execute_next)

    @property
    def waits_to_execute(self) -> bool:
        """Whether a block waits to be executed."""
        return bool(self._executions)

    def stop(self) -> None:
        """Take no further step."""
        self._is_stopped = True
        self._inputs.clear()
        self._executions.clear()
        if self._timer is not None:
            self._timer.cancel()

    # ---- a turn

    def _turn(self) -> None:
        self._is_scheduled = False
        if self._is_stopped:
            return
        self.turns += 1
        try:
            self._around.before_step()
            self._perform(self._step_all())
        except Exception as error:  # noqa: BLE001 - whatever it is, nothing may be said after it
            self._fail(error)
        self.resume()

    def _fail(self, error: Exception) -> None:
        self.stop()
        if isinstance(error, CustodyError):
            self._around.fail(error)
            return
        unforeseen = UnavailableError(
            Code.UNAVAILABLE,
            f"expected no error of this program itself, got {type(error).__name__}: {error}; what is on disk is whole, "
            "start it again",
        )
        unforeseen.__cause__ = error
        self._around.fail(unforeseen)

    def _now_ms(self) -> int:
        """The machine's time: it stands still while a block is executed, since nobody can be heard meanwhile.

        Else whatever takes longer than a time-out would end views whose proposals and votes have long come in.
        """
        return self._clock.now_ms() - self._executing_ms

    def _step_all(self) -> list[Effect]:
        effects: list[Effect] = []
        step, inputs = self.machine.step, self._inputs
        while inputs:
            self.steps += 1
            effects += step(self._now_ms(), self._clock.wall_ms(), inputs.popleft())
        return effects

    def _perform(self, effects: list[Effect]) -> None:
        """Carry out the effects of a turn: all records first, one sync if a promise leaves, then the rest in order."""
        append = self._stores.votes.append
        logged: dict[int, bytes] = {}
        must_sync = False
        for effect in effects:
            if isinstance(effect, Persist):
                self._has_unsynced = True
                for record in effect.records:
                    data = logged[id(record)] = encode_message(record)
                    append(data)
            elif self._has_unsynced and is_promise(effect):
                must_sync = True
        if must_sync:
            self.syncs += 1
            self._stores.sync_before_sending()
            self._has_unsynced = False
        is_said = False
        for effect in effects:
            is_message = isinstance(effect, Send | Broadcast)
            if is_said and not is_message:
                self._around.send_now()
            self._carry_out(effect, logged)
            is_said = is_message
        if is_said:
            self._around.send_now()

    def _carry_out(self, effect: Effect, logged: Mapping[int, bytes]) -> None:
        """`logged`: by identity, the bytes of what was logged in this turn, which is sent as it stands there."""
        around = self._around
        if isinstance(effect, Broadcast):
            around.broadcast(logged.get(id(effect.message)) or encode_message(effect.message))
        elif isinstance(effect, Send):
            around.send(effect.peer, encode_message(effect.message))
        elif isinstance(effect, Execute):
            self._executions.append(effect)
        elif isinstance(effect, Commit):
            around.commit(effect)
        elif isinstance(effect, SetTimer):
            self._set_timer(effect.at_ms)
        elif isinstance(effect, Serve):
            around.serve(effect.peer, effect.request)
        else:
            self._carry_out_rare(effect)

    def _carry_out_rare(self, effect: Effect) -> None:
        around = self._around
        if isinstance(effect, EndEpoch):
            around.end_epoch()
        elif isinstance(effect, SendClosing):
            around.send_closing(effect.peer, effect.epoch)
        elif isinstance(effect, Accuse):
            around.accuse(effect.evidence)
        elif isinstance(effect, Alarm):
            around.alarm(effect.message)
        elif isinstance(effect, Drop):
            around.drop(effect.peer, effect.reason)
        elif isinstance(effect, Halt):
            raise effect.error

    def _set_timer(self, at_ms: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        delay_s = max(0, at_ms - self._now_ms()) / 1000 + _TICK_S
        self._timer = self._loop.call_later(delay_s, self.post, Tick())

    # ---- execution

    def _execute_next(self) -> None:
        self._execution_scheduled = False
        if (
            self._is_stopped
            or not self._executions
            or not self._around.may_execute(self._executions[0].block)
        ):
            return
        effect = self._executions.popleft()
        began_ms = self._clock.now_ms()
        try:
            outcome = self._around.execute(effect.block_hash, effect.block)
        except Exception as error:  # noqa: BLE001 - as above
            self._fail(error)
            return
        took_ms = self._clock.now_ms() - began_ms
        self._executing_ms += took_ms
        self.post(Executed(effect.block_hash, outcome, took_ms))
