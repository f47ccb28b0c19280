"""A virtual clock and network, seeded: one seed is one run, the same under any hash seed."""

from __future__ import annotations

import hashlib
import heapq
import random
from collections.abc import Callable, Iterator
from typing import Any

from ledger.base.keys import is_signature
from ledger.chain.block import genesis_header, genesis_outcome
from ledger.chain.validators import Validator as Seat
from ledger.chain.validators import ValidatorSet
from ledger.chain.votes import Proposal, Vote
from ledger.consensus import Setup
from ledger.consensus.interface import Parameters, Signer
from ledger.consensus.messages import Message
from tests.simulation.keys import StubKey, real_key, stub_verifier
from tests.simulation.oracles import Oracles
from tests.simulation.validator import Batch, Validator, over_the_wire

NETWORK = hashlib.sha256(b"simulated network").digest()
GENESIS_MS = 1_700_000_000_000


class World:
    def __init__(
        self,
        seed: int,
        count: int,
        *,
        real: bool = False,
        execute_us: int = 0,
        sync_us: int = 200,
        latency_us: int = 500,
        parameters: Parameters | None = None,
    ) -> None:
        self.random = random.Random(seed)
        self.now_us = 0
        self.execute_us = execute_us
        self.sync_us = sync_us
        self.latency_us = latency_us
        self.jitter_us = 0
        self.loss = 0.0
        self.duplication = 0.0
        self.cut: set[tuple[int, int]] = set()
        self.slow_us: dict[int, int] = {}
        self.skew_ms: dict[int, int] = {}
        self.messages = 0
        self.is_real = real
        self.verifier = is_signature if real else stub_verifier
        self.parameters = parameters or Parameters()
        seats = sorted((f"org{index:02d}", real_key(index)) for index in range(count))
        self.keys: list[Signer] = [key if real else StubKey(key.public_key) for _, key in seats]
        self.validators = ValidatorSet(NETWORK, [Seat(name, key.public_key) for name, key in seats])
        self.genesis = genesis_header(NETWORK, GENESIS_MS)
        outcome = genesis_outcome(
            self.genesis, state_root=bytes(32), registry_root=bytes(32), validators_hash=self.validators.hash
        )
        self.genesis_outcome_hash = outcome.hash_in(NETWORK)
        self.oracles = Oracles(self)
        self.slots: list[list[Validator]] = [[] for _ in range(count)]
        self._queue: list[tuple[int, int, Callable[..., None], tuple[Any, ...]]] = []
        self._sequence = 0
        self._trace = hashlib.sha256()
        self._batches = 0

    # ---- who

    def place(self, index: int, kind: type[Validator] = Validator) -> Validator:
        instance = sum(len(slot) for slot in self.slots)
        validator = kind(self, index, instance)
        self.slots[index].append(validator)
        return validator

    def instances(self) -> Iterator[Validator]:
        for slot in self.slots:
            yield from slot

    def honest(self) -> list[Validator]:
        return [validator for validator in self.instances() if validator.is_honest]

    def is_honest(self, index: int) -> bool:
        return all(validator.is_honest for validator in self.slots[index])

    def setup(self, index: int) -> Setup:
        return Setup(self.validators, 0, self.keys[index], self.parameters, self.verifier)

    # ---- time

    def wall_ms(self, index: int) -> int:
        return GENESIS_MS + 1 + self.now_us // 1000 + self.skew_ms.get(index, 0)

    def draw(self, low: int, high: int) -> int:
        return self.random.randint(low, high)

    def at(self, time_us: int, what: Callable[..., None], *arguments: Any) -> None:
        self._sequence += 1
        heapq.heappush(self._queue, (max(time_us, self.now_us), self._sequence, what, arguments))

    def after(self, delay_us: int, what: Callable[..., None], *arguments: Any) -> None:
        self.at(self.now_us + delay_us, what, *arguments)

    def run_until(self, time_us: int, is_done: Callable[[], bool] | None = None) -> bool:
        """Run to a time, or until `is_done` (looked at every 20 ms); whether it was done."""
        look_us = self.now_us
        while self._queue and self._queue[0][0] <= time_us:
            when, _, what, arguments = heapq.heappop(self._queue)
            if is_done is not None and when >= look_us:
                if is_done():
                    return True
                look_us = when + 20_000
            self.now_us = when
            what(*arguments)
        self.now_us = time_us
        return is_done is not None and is_done()

    # ---- the network

    def send(self, sender: Validator, peer: int, message: Message | Batch) -> None:
        self.messages += 1
        for receiver in self.slots[peer]:
            if receiver.machine is None or (sender.instance, receiver.instance) in self.cut:
                continue
            copies = 1
            if self.loss and self.random.random() < self.loss:
                copies = 0
            elif self.duplication and self.random.random() < self.duplication:
                copies = 2
            for _ in range(copies):
                delay = (
                    self.latency_us
                    + self.slow_us.get(sender.instance, 0)
                    + self.slow_us.get(receiver.instance, 0)
                )
                if self.jitter_us:
                    delay += self.random.randint(0, self.jitter_us)
                self.after(delay, self._deliver, sender.index, receiver, message, receiver.run)

    def _deliver(self, sender: int, receiver: Validator, message: Message | Batch, run: int) -> None:
        if run != receiver.run or receiver.machine is None:
            return
        self._trace.update(
            b"%d %d %d %s;" % (self.now_us, sender, receiver.instance, type(message).__name__.encode())
        )
        if isinstance(message, Vote | Proposal):
            self.oracles.heard(receiver, sender, message)
        if self.is_real and not isinstance(message, Batch):
            message = over_the_wire(message)
        receiver.receive(sender, message, run)

    def trace(self) -> str:
        """A hash over everything delivered, and over every chain."""
        digest = self._trace.copy()
        for validator in self.instances():
            for entry in validator.disk.chain:
                digest.update(entry.block_hash)
        return digest.hexdigest()

    # ---- clients

    def new_batch(self) -> Batch:
        self._batches += 1
        digest = hashlib.sha256(b"batch %d" % self._batches).digest()
        return Batch(digest, (hashlib.sha256(digest).digest(),), 650)
