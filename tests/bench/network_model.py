"""A network of validators in simulated time: the real consensus machine, and costs instead of the rest.

Every validator is one process on a core of its own (or all share `cores`), which does one thing at a time, as the real event
loop does: it takes in all that came, steps the machine with it, waits for the disk if something is to be said, sends, and then
executes a block that waits. Each of these takes what `tests.bench.costs` measured. A frame takes the sender's uplink for its
bytes, votes before batches, and then the delay of the link.

Not modelled: TCP's windows and losses, the receiver's downlink (it carries what the uplinks do), gateways, garbage collection.
"""

from __future__ import annotations

import hashlib
import heapq
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from ledger.base.keys import is_signature
from ledger.base.limits import BLOCKS_PER_RANGE
from ledger.base.merkle import EMPTY_ROOT
from ledger.chain.block import PROTOCOL_OLDEST, Block, Outcome, genesis_header
from ledger.chain.certificate import Certificate
from ledger.chain.validators import Validator, ValidatorSet
from ledger.consensus import Consensus, Setup, Start
from ledger.consensus.interface import (
    BatchHeld,
    Begin,
    Broadcast,
    Commit,
    Connected,
    Effect,
    Execute,
    Executed,
    Input,
    Parameters,
    Persist,
    Received,
    Send,
    Serve,
    SetTimer,
    Tick,
)
from ledger.consensus.messages import (
    Blocks,
    FetchBatches,
    FetchBlocks,
    Message,
    Range,
    Request,
    encode_message,
)
from node.validator.driver import is_promise
from tests.bench.costs import Costs
from tests.bench.load import BATCH
from tests.simulation.keys import StubKey, real_key, stub_verifier

NETWORK: Final = hashlib.sha256(b"network model").digest()
GENESIS: Final = genesis_header(NETWORK, 1_700_000_000_000, PROTOCOL_OLDEST)
ANCHOR: Final = hashlib.sha256(b"anchor").digest()
DOOR_US: Final = 100.0
_CLIENTS_WAIT_US: Final = 10_000.0
_BATCH_BYTES: Final = 1_000_000
_BEGIN_US: Final = 1_000_000.0


@dataclass(frozen=True)
class Links:
    """How validators are connected: one-way delays by (from, to) in microseconds, and uplinks in bits per second."""

    name: str
    delay_us: Callable[[int, int], float]
    bits_per_s: float
    timeout_ms: int
    """t_l, which a network chooses at its founding by its longest way."""


@dataclass
class Figures:
    """What one run came to."""

    events: int = 0
    seconds: float = 0.0
    blocks: int = 0
    latencies_ms: list[float] = field(default_factory=list)
    busiest: float = 0.0
    """Share of the time that the busiest validator computes or waits for its disk."""
    cpu_us: float = 0.0
    """Processor time of all validators."""

    def cpu_us_per_event(self, validators: int) -> float:
        """Of one validator, for an event."""
        return self.cpu_us / self.events / validators

    @property
    def per_second(self) -> float:
        return self.events / self.seconds

    def quantile_ms(self, share: float) -> float:
        ordered = sorted(self.latencies_ms)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


@dataclass(frozen=True)
class _Batch:
    held: BatchHeld
    events: int
    frame_bytes: int
    handed_in: tuple[float, ...]
    """When each of its transactions was."""


class _Node:
    """One validator."""

    def __init__(self, model: Model, index: int) -> None:
        self.model = model
        self.index = index
        self.inbox: deque[tuple[Input | None, float]] = deque()
        """Inputs and what taking them in costs; None: nothing but the cost."""
        self.submissions: deque[float] = deque()
        self.executions: deque[Execute] = deque()
        self.busy_until = 0.0
        self.busy_us = 0.0
        self.waited_us = 0.0
        """Of it, for the disk."""
        self.executing_us = 0.0
        """For so long the machine's clock stood still."""
        self.uplink_free = 0.0
        self.is_scheduled = False
        self.has_unsynced = False
        self.timer = 0
        self.held: set[bytes] = set()
        self.numbers = 0
        self.chain: list[tuple[Block, Certificate | None]] = []
        self.verified = 0
        setup = Setup(
            model.validators,
            0,
            model.keys[index],
            Parameters(leader_timeout_ms=model.links.timeout_ms, heartbeat_ms=0),
            self._verify,
        )
        self.machine = Consensus(setup, Start(GENESIS, ANCHOR))

    def _verify(self, public_key: bytes, message: bytes, signature: bytes) -> bool:
        self.verified += 1
        return stub_verifier(public_key, message, signature) or is_signature(public_key, message, signature)

    # ---- what comes

    def post(self, event: Input | None, cost: float = 0.0) -> None:
        self.inbox.append((event, cost))
        self.wake()

    def wake(self) -> None:
        if not self.is_scheduled:
            self.is_scheduled = True
            self.model.at(max(self.model.now, self.busy_until), self._turn)

    def batch_came(self, batch: _Batch, sender: int) -> None:
        costs, digest = self.model.costs, batch.held.digest
        receiving = costs.frame + costs.kilobyte * batch.frame_bytes / 1_000
        is_taken = digest not in self.held and (
            self.machine.wants_batch(digest) or self.machine.has_room(sender, batch.held.size)
        )
        if not is_taken:
            self.post(None, receiving)
            return
        self.held.add(digest)
        work = costs.peer_event * batch.events + costs.verify * len(batch.handed_in)
        held = batch.held
        origin = BatchHeld(held.digest, sender, held.transactions, held.size, held.subjects)
        self.post(origin, receiving + work)

    # ---- a turn

    def _turn(self) -> None:
        model = self.model
        start = model.core_free(self)
        if start > model.now:
            model.at(start, self._turn)
            return
        self.is_scheduled = False
        self.spent = 0.0
        self._make_batches()
        effects: list[Effect] = []
        while self.inbox:
            event, cost = self.inbox.popleft()
            self.spent += cost
            if event is not None:
                effects += self._step(event)
        self._perform(effects)
        self._finish()
        if self.executions:
            model.at(self.busy_until, self._execute)

    def _finish(self) -> None:
        self.busy_until = self.model.now + self.spent
        self.busy_us += self.spent
        self.model.core_taken(self.busy_until)

    def _step(self, event: Input) -> list[Effect]:
        costs, now_us = self.model.costs, self.model.now + self.spent - self.executing_us
        self.verified = 0
        begun = time.process_time_ns()
        effects = self.machine.step(
            int(now_us / 1_000), GENESIS.time_ms + 1 + int(self.model.now / 1_000), event
        )
        self.model.steps += 1
        self.model.stepped_ns += time.process_time_ns() - begun
        self.spent += self.model.step_us + costs.verify * self.verified
        return effects

    def _make_batches(self) -> None:
        """Of what was handed in since the last turn; each leaves at once."""
        costs, model = self.model.costs, self.model
        while self.submissions:
            taken: list[float] = []
            while self.submissions and len(taken) * model.transaction_bytes < _BATCH_BYTES:
                taken.append(self.submissions.popleft())
            self.numbers += 1
            events = len(taken) * model.events
            digest = hashlib.sha256(b"%d %d" % (self.index, self.numbers)).digest()
            ids = tuple(hashlib.sha256(digest + bytes((place,))).digest() for place in range(len(taken)))
            size = len(taken) * model.transaction_bytes
            batch = _Batch(
                BatchHeld(digest, self.index, ids, size, events),
                events,
                len(taken) * model.frame_bytes,
                tuple(taken),
            )
            model.batches[digest] = batch
            self.held.add(digest)
            self.spent += costs.own_event * events + (costs.verify + costs.frame) * len(taken)
            for peer in model.others(self.index):
                self.spent += costs.frame + costs.kilobyte * batch.frame_bytes / 1_000
                self._leave(peer, batch.frame_bytes, model.nodes[peer].batch_came, batch, self.index)
            self.inbox.append((batch.held, 0.0))

    def _perform(self, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, Persist):
                self.has_unsynced = True
            elif self.has_unsynced and is_promise(effect):
                self.spent += self.model.costs.sync
                self.waited_us += self.model.costs.sync
                self.has_unsynced = False
        for effect in effects:
            self._carry_out(effect)

    def _carry_out(self, effect: Effect) -> None:
        model = self.model
        if isinstance(effect, Broadcast):
            size = len(encode_message(effect.message))
            for peer in model.others(self.index):
                self._say(peer, effect.message, size)
        elif isinstance(effect, Send):
            self._say(effect.peer, effect.message, len(encode_message(effect.message)))
        elif isinstance(effect, Execute):
            self.executions.append(effect)
        elif isinstance(effect, Commit):
            self._commit(effect)
        elif isinstance(effect, SetTimer):
            self.timer += 1
            due_us = 1_000.0 * (effect.at_ms + 1) + self.executing_us
            model.at(max(model.now, due_us), self._tick, self.timer)
        elif isinstance(effect, Serve):
            self._serve(effect.peer, effect.request)
        elif not isinstance(effect, Persist):
            raise SystemExit(f"bench: expected a healthy network, got {effect}")

    def _tick(self, timer: int) -> None:
        if timer == self.timer:
            self.post(Tick())

    def _say(self, peer: int, message: Message, size: int) -> None:
        model, costs = self.model, self.model.costs
        self.spent += costs.frame + costs.kilobyte * size / 1_000
        receiving = costs.frame + costs.message + costs.kilobyte * size / 1_000
        arrives = model.now + self.spent + 8e6 * size / model.links.bits_per_s
        arrives += model.links.delay_us(self.index, peer)
        model.at(arrives, model.nodes[peer].post, Received(self.index, message), receiving)

    def _leave(self, peer: int, size: int, arrive: Callable[..., None], *arguments: Any) -> None:
        """Bulk: one after another over the uplink."""
        model = self.model
        self.uplink_free = max(self.uplink_free, model.now + self.spent) + 8e6 * size / model.links.bits_per_s
        model.at(self.uplink_free + model.links.delay_us(self.index, peer), arrive, *arguments)

    def _serve(self, peer: int, request: Request) -> None:
        model = self.model
        if isinstance(request, FetchBatches):
            for digest in request.digests:
                if digest in self.held:
                    batch = model.batches[digest]
                    self._leave(peer, batch.frame_bytes, model.nodes[peer].batch_came, batch, self.index)
            return
        answer: Message
        if isinstance(request, FetchBlocks):
            known = {block.header.hash: block for block, _ in self.chain[-64:]}
            blocks = tuple(known[wanted] for wanted in request.hashes if wanted in known)
            if not blocks:
                return
            answer = Blocks(blocks)
        else:
            first = request.from_height - 1
            found = self.chain[first : first + BLOCKS_PER_RANGE]
            while found and found[-1][1] is None:
                found.pop()
            if not found:
                return
            answer = Range(tuple(found))
        self._say(peer, answer, len(encode_message(answer)))

    # ---- blocks

    def _execute(self) -> None:
        model = self.model
        start = max(model.core_free(self), self.busy_until)
        if start > model.now:
            model.at(start, self._execute)
            return
        if not self.executions:
            return
        effect = self.executions.popleft()
        self.spent = model.costs.execute_event * sum(
            model.batches[digest].events for digest in effect.block.batches
        )
        self._finish()
        self.executing_us += self.spent
        done = Executed(effect.block_hash, model.outcome(effect.block), int(self.spent / 1_000))
        model.at(self.busy_until, self.post, done)

    def _commit(self, effect: Commit) -> None:
        self.chain.append((effect.block, effect.certificate))
        self.model.committed(self, effect.block, self.model.now + self.spent)


class Model:
    """The whole network; `run` once."""

    def __init__(
        self,
        count: int,
        links: Links,
        costs: Costs,
        *,
        events: int = BATCH,
        cores: int | None = None,
        step_us: float,
    ) -> None:
        """`events`: in a transaction. `cores`: that all share, with the clients; None: each validator has its own.

        `step_us`: what a step of the machine takes.
        """
        self.links = links
        self.costs = costs
        self.events = events
        self.step_us = step_us
        self.steps = self.stepped_ns = 0
        """Steps of the real machine, and what they really took."""
        self.transaction_bytes = 150 + (costs.transaction_bytes - 150) * events // BATCH
        self.frame_bytes = 200 + (costs.batch_bytes - 200) * events // BATCH
        self.now = 0.0
        self.batches: dict[bytes, _Batch] = {}
        self._outcomes: dict[bytes, Outcome] = {}
        self._events: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._sequence = 0
        self._cores = None if cores is None else [0.0] * cores
        self._closed = True
        self.figures = Figures()
        self._measure_from = float("inf")
        self.keys = [StubKey(real_key(index).public_key) for index in range(count)]
        members = [Validator(f"org{index:02}", key.public_key) for index, key in enumerate(self.keys)]
        self.validators = ValidatorSet(NETWORK, members)
        self.nodes = [_Node(self, index) for index in range(count)]

    # ---- time

    def at(self, when: float, what: Callable[..., None], *arguments: Any) -> None:
        """Do something at a time, in microseconds."""
        self._sequence += 1
        heapq.heappush(self._events, (max(when, self.now), self._sequence, what, arguments))

    def _run_until(self, when: float) -> None:
        while self._events and self._events[0][0] <= when:
            self.now, _, what, arguments = heapq.heappop(self._events)
            what(*arguments)
        self.now = when

    def core_free(self, node: _Node) -> float:
        """When a core is free for a validator."""
        return node.busy_until if self._cores is None else max(node.busy_until, min(self._cores))

    def core_taken(self, until: float) -> None:
        """The free core is taken for as long."""
        if self._cores is not None:
            self._cores[self._cores.index(min(self._cores))] = until

    def others(self, index: int) -> list[int]:
        """All validators but one."""
        return [other for other in range(len(self.keys)) if other != index]

    # ---- the chain

    def outcome(self, block: Block) -> Outcome:
        """Of executing a block: the same on all."""
        found = self._outcomes.get(block.header.hash)
        if found is None:
            parent = self._outcomes.get(block.header.parent)
            before = ANCHOR if parent is None else parent.hash_in(NETWORK)
            found = self._outcomes[block.header.hash] = Outcome(
                block.header.hash, before, EMPTY_ROOT, EMPTY_ROOT, 0, bytes(32), EMPTY_ROOT, bytes(32), bytes(32)
            )  # fmt: skip
        return found

    def committed(self, node: _Node, block: Block, when: float) -> None:
        """A validator has a final block: those who handed in there hear of it, and hand in again."""
        figures = self.figures
        is_measured = when >= self._measure_from
        if node.index == 0 and is_measured:
            figures.blocks += 1
        for digest in block.batches:
            batch = self.batches[digest]
            if node.index == 0 and is_measured:
                figures.events += batch.events
            if batch.held.origin != node.index:
                continue
            for handed_in in batch.handed_in:
                if is_measured:
                    figures.latencies_ms.append((when + DOOR_US - handed_in) / 1_000)
                if self._closed:
                    self.at(when + DOOR_US, self._hand_in, node)

    def _hand_in(self, node: _Node) -> None:
        if self._cores is not None:
            self.core_taken(min(self._cores) + self.costs.client_event * self.events)
        self.at(self.now + DOOR_US, self._arrive, node, self.now)

    def _arrive(self, node: _Node, handed_in: float) -> None:
        if not node.machine.has_room(node.index, self.transaction_bytes * (len(node.submissions) + 1)):
            self.at(self.now + _CLIENTS_WAIT_US, self._arrive, node, handed_in)
            return
        node.submissions.append(handed_in)
        node.wake()

    # ---- running

    def _start(self) -> None:
        for node in self.nodes:
            node.post(Begin())
            for peer in self.others(node.index):
                node.post(Connected(peer))
        self._run_until(_BEGIN_US)

    def closed_loop(self, outstanding: int, warm_s: float, seconds: float) -> Figures:
        """Clients, spread over the validators, keep so many transactions under way."""
        self._start()
        for place in range(outstanding):
            self.at(self.now + 10.0 * place, self._hand_in, self.nodes[place % len(self.nodes)])
        return self._measured(warm_s, seconds)

    def open_loop(self, per_second: float, warm_s: float, seconds: float) -> Figures:
        """Transactions come in at a steady rate, at one validator after another."""
        self._start()
        self._closed = False
        for place in range(int(per_second * (warm_s + seconds))):
            node = self.nodes[place % len(self.nodes)]
            self.at(self.now + 1e6 * place / per_second, self._hand_in, node)
        return self._measured(warm_s, seconds)

    def _measured(self, warm_s: float, seconds: float) -> Figures:
        self._run_until(self.now + 1e6 * warm_s)
        self._measure_from = self.now
        before = [node.busy_us for node in self.nodes]
        computed = sum(node.busy_us - node.waited_us for node in self.nodes)
        self._run_until(self.now + 1e6 * seconds)
        self.figures.seconds = seconds
        busy = [node.busy_us - earlier for node, earlier in zip(self.nodes, before, strict=True)]
        self.figures.busiest = max(busy) / (1e6 * seconds)
        self.figures.cpu_us = sum(node.busy_us - node.waited_us for node in self.nodes) - computed
        return self.figures
