"""What goes wrong: each fault begins at a time, lasts for a while, and ends by itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.simulation.node import Node

if TYPE_CHECKING:
    from tests.simulation.world import World

SLOW_US = 20_000
"""What a sync takes at least on a slow disk."""
Fault = Callable[["Faults", int], None]
UNTRUSTWORTHY = frozenset({"bit_flip", "lost_write", "misdirected_write"})
"""Faults after which a node may have to stay away: it then counts as one of f."""


class Faults:
    """The faults of one world. `most_spent`: how many honest nodes may lose their key to a bad disk."""

    def __init__(self, world: World, most_spent: int) -> None:
        self.world = world
        self.random = world.random
        self.most_spent = most_spent
        self.happened: list[str] = []
        self._touched: set[int] = set()
        """Nodes whose disk lied, or may have."""

    def begin(self, name: str, at_us: int, duration_us: int) -> None:
        self.world.loop.at(at_us, None, self._begin, name, duration_us)

    def _begin(self, name: str, duration_us: int) -> None:
        self.happened.append(name)
        FAULTS[name](self, duration_us)

    def _after(self, delay_us: int, what: Callable[..., object], *arguments: object) -> None:
        self.world.loop.after(delay_us, what, *arguments)

    def lose_disk(self, at_us: int, duration_us: int, draw: float) -> None:
        """An operator puts in an empty disk instead of all but the keys and the votes: the node counts as one of f.

        Not among FAULTS: it is drawn beside everything else, so that what a seed draws stays what it was.
        """
        self.world.loop.at(at_us, None, self._lose_disk, duration_us, draw)

    def _lose_disk(self, duration_us: int, draw: float) -> None:
        honest = [node for node in self.world.honest() if node.instance not in self._touched]
        if len(self._touched) >= self.most_spent or not honest:
            return
        self.happened.append("lost_disk")
        node = honest[int(draw * len(honest))]
        self._touched.add(node.instance)
        node.crash(power=True)
        node.machine.wipe("votes", "keys")
        self._after(duration_us, node.start)

    # ---- the network

    def loss(self, duration_us: int) -> None:
        self.world.wires.loss = self.random.uniform(0.02, 0.3)
        self._after(duration_us, setattr, self.world.wires, "loss", 0.0)

    def duplication(self, duration_us: int) -> None:
        self.world.wires.duplication = self.random.uniform(0.05, 0.5)
        self._after(duration_us, setattr, self.world.wires, "duplication", 0.0)

    def reordering(self, duration_us: int) -> None:
        self.world.wires.jitter_us = self.random.choice((1_000, 10_000, 60_000))
        self._after(duration_us, setattr, self.world.wires, "jitter_us", 0)

    def _cut(self, pairs: set[tuple[int, int]], duration_us: int) -> None:
        cut = tuple(sorted(pairs))
        self.world.wires.add_cut(cut)
        self._after(duration_us, self.world.wires.end_cut, cut)

    def _sides(self) -> set[tuple[int, int]]:
        instances = range(len(self.world.nodes))
        if self.random.random() < 0.5:
            side = {instance for instance in instances if self.random.random() < 0.5}
        else:
            side = set(self.random.sample(instances, len(instances) // 2))
        return {(a, b) for a in instances for b in instances if (a in side) != (b in side)}

    def partition(self, duration_us: int) -> None:
        """For a while frames between two sides are lost; now and then connections break as well."""
        pairs = self._sides()
        self._cut(pairs, duration_us)
        if self.random.random() < 0.5:
            for a, b in sorted(pairs):
                mesh = self.world.nodes[a].mesh
                if a < b and mesh is not None:
                    mesh.unlink(self.world.nodes[b], "timed out")

    def flicker(self, duration_us: int) -> None:
        """Another partition every few milliseconds: what twins need to do harm."""
        step_us = self.random.choice((4_000, 10_000, 30_000))
        for start_us in range(0, duration_us, step_us):
            self._after(start_us, self._flick, step_us)

    def _flick(self, step_us: int) -> None:
        self._cut(self._sides(), step_us)

    def one_way_cut(self, duration_us: int) -> None:
        instances = range(len(self.world.nodes))
        self._cut(
            {(a, b) for a in instances for b in instances if a != b and self.random.random() < 0.3},
            duration_us,
        )

    def slow_link(self, duration_us: int) -> None:
        wires = self.world.wires
        instance = self.random.randrange(len(self.world.nodes))
        if instance not in wires.slow_us:
            wires.slow_us[instance] = self.random.choice((20_000, 200_000))
            self._after(duration_us, wires.slow_us.__delitem__, instance)

    def disconnect(self, duration_us: int) -> None:
        node = self._anybody()
        if node.mesh is not None:
            for other in self.world.nodes:
                node.mesh.unlink(other, "reset")

    # ---- processes and clocks

    def _anybody(self) -> Node:
        return self.random.choice(self.world.nodes)

    def _somebody(self) -> Node:
        """An honest node."""
        return self.random.choice(self.world.honest() or self.world.nodes)

    def pause(self, duration_us: int) -> None:
        """The whole process stands still while its timers go stale."""
        process = self._somebody().machine.process
        self.world.loop.run_as(process, process.spend, duration_us)

    def clock_skew(self, duration_us: int) -> None:
        """One clock is off by up to 30 s, and jumps back in the end."""
        machine = self._somebody().machine
        if not machine.skew_ms:
            machine.skew_ms = self.random.choice((-1, 1)) * self.random.randint(2_000, 30_000)
            self._after(duration_us, setattr, machine, "skew_ms", 0)

    def clock_jumps(self, duration_us: int) -> None:
        machine = self._somebody().machine
        for at_us in range(0, duration_us, 40_000):
            self._after(at_us, setattr, machine, "skew_ms", self.random.randint(-10_000, 10_000))
        self._after(duration_us, setattr, machine, "skew_ms", 0)

    def crash(self, duration_us: int) -> None:
        """The power is cut between two things a node does."""
        node = self._somebody()
        node.crash(power=True)
        self._after(duration_us, node.start)

    def kill(self, duration_us: int) -> None:
        """The process alone ends."""
        node = self._somebody()
        node.crash(power=False)
        self._after(duration_us, node.start)

    def crash_while_writing(self, duration_us: int) -> None:
        """The power is cut in the middle of what the disk does."""
        node = self._somebody()
        node.machine.operations_left = self.random.randrange(12)
        self._watch(node, duration_us)

    def crash_while_sending(self, duration_us: int) -> None:
        """The power is cut when some of the peers were told."""
        node = self._somebody()
        node.sends_left = self.random.randrange(8)
        self._watch(node, duration_us)

    def _watch(self, node: Node, duration_us: int) -> None:
        self._after(duration_us, self._power_restored, node)

    def _power_restored(self, node: Node) -> None:
        node.crash(power=True)
        node.start()

    def power_cut(self, duration_us: int) -> None:
        """Everywhere at once, about."""
        for node in self.world.honest():
            self._after(self.random.randint(0, 1_000), node.crash_and_return, duration_us // 4)

    # ---- disks

    def slow_disk(self, duration_us: int) -> None:
        """One that is slow already gets no slower: what it was before is what it is again in the end."""
        machine = self._somebody().machine
        slow_us = self.random.choice((SLOW_US, 80_000))
        if machine.sync_us < SLOW_US:
            before, machine.sync_us = machine.sync_us, slow_us
            self._after(duration_us, setattr, machine, "sync_us", before)

    def failed_sync(self, duration_us: int) -> None:
        """A sync fails: the node must stop at once, and what it wrote may be lost."""
        node = self._somebody()
        node.machine.had_faults = node.machine.failing_syncs = True
        self._after(duration_us, self._disk_exchanged, node)

    def full_disk(self, duration_us: int) -> None:
        node = self._somebody()
        machine = node.machine
        machine.had_faults = True
        machine.disk.capacity = machine.disk.used() + self.random.randrange(3_000)
        self._after(duration_us, self._disk_exchanged, node)

    def _disk_exchanged(self, node: Node) -> None:
        """The disk works again; the operator starts the node, if it ended."""
        node.machine.failing_syncs = False
        node.machine.disk.capacity = 1 << 40
        if not node.machine.process.is_alive:
            node.crash(power=True)
            node.start()

    def _suspect(self) -> Node | None:
        """An honest node whose disk may lie: never more of them than may lie in all."""
        honest = [node for node in self.world.honest() if node.instance in self._touched]
        if len(self._touched) < self.most_spent:
            honest = self.world.honest()
        if not honest:
            return None
        node = self.random.choice(honest)
        self._touched.add(node.instance)
        node.machine.had_faults = node.machine.is_suspect = True
        return node

    def bit_flip(self, duration_us: int) -> None:
        """A bit of some file turns while the node is off."""
        node = self._suspect()
        if node is None:
            return
        node.crash(power=True)
        node.machine.flip_bit(lambda path: path.endswith(".seg"))
        self._after(duration_us, node.start)

    def lost_write(self, duration_us: int) -> None:
        """The disk says that it wrote, and did not."""
        node = self._suspect()
        if node is not None:
            node.machine.lying = lambda path, offset, data: (offset, b"")
            self._watch(node, duration_us)

    def misdirected_write(self, duration_us: int) -> None:
        """The disk writes to another place of the same file."""
        node = self._suspect()
        if node is not None:
            draw = self.random.random()
            node.machine.lying = lambda path, offset, data: (int(offset * draw) // 512 * 512, data)
            self._watch(node, duration_us)


WEIGHTS: dict[str, int] = {
    "loss": 2, "duplication": 1, "reordering": 2, "partition": 5, "flicker": 4, "one_way_cut": 3, "slow_link": 2,
    "disconnect": 1, "pause": 2, "clock_skew": 1, "clock_jumps": 1, "crash": 2, "kill": 1, "crash_while_writing": 3,
    "crash_while_sending": 3, "power_cut": 2, "slow_disk": 1, "failed_sync": 1, "full_disk": 1, "bit_flip": 1,
    "lost_write": 1, "misdirected_write": 1,
}  # fmt: skip
"""How often each is drawn. Partitions and crashes in the middle of something find the most."""
FAULTS: dict[str, Fault] = {name: getattr(Faults, name) for name in WEIGHTS}
