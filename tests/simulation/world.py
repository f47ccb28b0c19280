"""A whole network in one thread: virtual time, machines, wires, nodes, clients and oracles; one seed is one run."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from ledger.chain import batch
from ledger.consensus import messages
from node.validator import holding, serving, validator
from node.validator.frames import BATCH_FRAME
from tests.simulation.founding import Founding, found
from tests.simulation.loop import VirtualLoop
from tests.simulation.node import Node, SimulatedValidator
from tests.simulation.oracles import Oracles
from tests.simulation.wires import Wires

_decode_message = lru_cache(maxsize=4_000)(messages.decode_message)
_batch_from_bytes = lru_cache(maxsize=1_000)(batch.batch_from_bytes)
_SHARED: tuple[tuple[Any, str, Any], ...] = (
    (validator, "decode_message", _decode_message),
    (holding, "batch_from_bytes", _batch_from_bytes),
    (serving, "batch_from_bytes", _batch_from_bytes),
)


@contextmanager
def shared_work() -> Iterator[None]:
    """Within: what is a function of bytes alone is worked out once for all nodes of the process."""
    before = [(module, name, getattr(module, name)) for module, name, _ in _SHARED]
    for module, name, remembering in _SHARED:
        setattr(module, name, remembering)
    try:
        yield
    finally:
        for module, name, plain in before:
            setattr(module, name, plain)


class World:
    """Everything of one run."""

    def __init__(self, seed: int, founding: Founding | None = None) -> None:
        self.random = random.Random(seed)
        self.founding = founding or found(4)
        self.network = self.founding.genesis.network
        self.validators = self.founding.validators
        self.loop = VirtualLoop()
        self.wires = Wires(self)
        self.nodes: list[Node] = []
        self.oracles = Oracles(self)

    # ---- who

    def place(self, index: int, kind: type[SimulatedValidator] = SimulatedValidator) -> Node:
        """A node with the keys of slot `index`."""
        node = Node(self, index, len(self.nodes), kind)
        self.nodes.append(node)
        return node

    def node_with(self, transport_key: bytes) -> Node:
        return next(node for node in self.nodes if node.transport_key == transport_key)

    @property
    def seats(self) -> tuple[int, ...]:
        """The slots that validate at first."""
        return tuple(self.slot_of(member.organisation) for member in self.validators)

    def slot_of(self, organisation: str) -> int:
        return self.founding.organisations.index(organisation)

    def honest(self) -> list[Node]:
        return [node for node in self.nodes if node.is_honest]

    def is_honest(self, index: int) -> bool:
        """Whether nothing but the truth may be expected of that slot's key.

        A disk that says it wrote and did not can make anybody vote twice: no log can tell the last record it lost from one
        that was never written. Such a node counts as one of f.
        """
        nodes = [node for node in self.nodes if node.index == index]
        return all(node.kind.is_honest and not node.machine.is_suspect for node in nodes)

    # ---- running

    @contextmanager
    def _inside(self) -> Iterator[None]:
        """Within: whatever asks asyncio for the loop gets this one, and makes none that nobody closes."""
        asyncio._set_running_loop(self.loop.as_loop)
        try:
            yield
        finally:
            asyncio._set_running_loop(None)

    def start(self) -> None:
        with self._inside():
            for node in self.nodes:
                node.start()

    def close(self) -> None:
        """Let go of everything, so that nothing of this run is heard of later."""
        with self._inside():
            for node in self.nodes:
                node.machine.process.kill()

    def draw(self, low: int, high: int) -> int:
        return self.random.randint(low, high)

    def describe(self, kind: int, body: bytes) -> str:
        """A frame in words."""
        if kind == BATCH_FRAME:
            return f"batch frame of {len(body)} bytes"
        try:
            return str(_decode_message(body))
        except Exception as error:  # noqa: BLE001 - it is for reading only
            return f"{len(body)} bytes: {error}"

    def trace(self) -> str:
        """A hash over everything delivered, and over every chain."""
        digest = self.wires.trace.copy()
        for height, (block_hash, outcome_hash) in sorted(self.oracles.chain.items()):
            digest.update(b"%d %s %s" % (height, block_hash, outcome_hash))
        for node in self.nodes:
            digest.update(b"%d %d" % (node.instance, self.oracles.heights.get(node.instance, 0)))
        return digest.hexdigest()


@contextmanager
def started(founding: Founding) -> Iterator[World]:
    """A world whose nodes have all begun."""
    made = World(5, founding)
    for slot in made.seats:
        made.place(slot)
    made.start()
    made.loop.run_until(50_000)
    yield made
    made.close()
