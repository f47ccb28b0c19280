"""One seed, one run: nodes, liars, faults, a heal, and what the oracles say of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from ledger.base import limits
from ledger.chain.block import PROTOCOL_NEWEST, PROTOCOL_OLDEST
from ledger.proof.anchor import anchor_from_genesis
from ledger.proof.verify import verify
from node.config import SnapshotConfig
from tests.simulation.adversaries import KINDS, Twin
from tests.simulation.clients import Clients
from tests.simulation.faults import FAULTS, UNTRUSTWORTHY, WEIGHTS, Faults
from tests.simulation.founding import NEWCOMER, VOTED_PREFIX, Prepared, found
from tests.simulation.knobs import draw_knobs, knobs
from tests.simulation.signatures import signatures
from tests.simulation.world import World, shared_work

CHAOS_FROM_US = 100_000
CHAOS_UNTIL_US = 1_500_000
HEAL_US = 2_150_000
LIMIT_US = 10_000_000  # progress within 10 simulated seconds of the heal
PAST_US = 5_000_000
HEIGHTS = 20
FINDINGS = ("forks", "lost", "stuck", "evidence_missed", "broken")


@dataclass
class Result:
    seed: int
    adversaries: tuple[str, ...]
    is_real: bool = False
    faults: list[str] = field(default_factory=list)
    heights: int = 0
    frames: int = 0
    acknowledged: int = 0
    bundles: int = 0
    spent: int = 0
    rebuilt: int = 0
    joins: int = 0
    epochs: int = 0
    votes: int = 0
    outdated: int = 0
    settled_ms: int = 0
    forks: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    evidence_missed: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    trace: str = ""

    @property
    def is_clean(self) -> bool:
        return not any(getattr(self, name) for name in FINDINGS)


class Scenario:
    """What a seed draws. `adversaries` and `faults` may be told instead."""

    def __init__(
        self,
        seed: int,
        adversaries: tuple[str, ...] | None = None,
        *,
        real: bool | None = None,
        reads: bool = False,
    ) -> None:
        self.is_real = seed % 10 == 0 if real is None else real
        drawing = World(seed).random
        count = drawing.choice((4, 4, 4, 4, 4, 4, 5, 6, 7, 7))
        heartbeat_ms = drawing.choice((0, 1_000, 30_000))
        every = drawing.choice((0, 0, 5, 9))
        join, keep = drawing.choice(((0, 0), (6, 0), (6, 20))) if every else (0, 0)
        is_voting = Random(f"vote {seed}").random() < 0.3  # of its own: seeds go on drawing what they drew
        version = PROTOCOL_NEWEST if is_voting else PROTOCOL_OLDEST
        founding = found(count, heartbeat_ms, SnapshotConfig(every, join, keep), version)
        self.world = world = World(seed, founding)
        self.random = random = world.random
        if reads:
            world.wires.lines = []
        world.wires.latency_us = random.choice((500, 500, 2_000, 10_000))
        faulty = world.validators.faulty
        if adversaries is None:
            adversaries = tuple(random.choice(list(KINDS)) for _ in range(random.randint(0, faulty)))
        seats = world.seats
        liars = random.sample(seats, len(adversaries))
        newcomer = world.slot_of(NEWCOMER.identifier)
        is_changing = random.random() < 0.3
        for slot in (*seats, newcomer) if is_changing else seats:
            if slot not in liars:
                node = world.place(slot)
                node.machine.sync_us = random.choice((200, 1_000, 5_000))
                continue
            kind = KINDS[adversaries[liars.index(slot)]]
            world.place(slot, kind)
            if kind is Twin:
                world.place(slot, kind)
        self.clients = Clients(world, self.is_real)
        self.faults = Faults(world, faulty - len(adversaries))
        self.result = Result(seed, adversaries, self.is_real)
        self.probes: list[Prepared] = []
        if join:
            self._draw_lost_disk(Random(f"lost disk {seed}"))
        self.knobs = draw_knobs(random)
        if is_changing:
            self._draw_changes(seats, newcomer, set(liars))
        if is_voting:
            self.clients.vote(Random(f"vote at {seed}").randint(100_000, CHAOS_UNTIL_US))
            self.result.votes += 1

    def _draw_lost_disk(self, random: Random) -> None:
        """Every other time where nodes join at snapshots, late enough for one to be there."""
        if random.random() < 0.5:
            at_us = random.randint(CHAOS_FROM_US + 500_000, CHAOS_UNTIL_US)
            self.faults.lose_disk(at_us, random.choice((30_000, 300_000, 600_000)), random.random())

    def _draw_changes(self, seats: tuple[int, ...], newcomer: int, liars: set[int]) -> None:
        """One or two changes of validators: other keys, one more, one less or one for another."""
        at_us = 0
        now = tuple(seats)
        random = Random(f"version {self.result.seed}")  # of its own: seeds go on drawing what they drew
        upgrade = random.choice((0, 1, None))
        first = self.world.founding.genesis.protocol
        if first < PROTOCOL_NEWEST and random.random() < 0.7:  # one has not installed the next version yet
            slot = random.choice([slot for slot in seats if slot not in liars])
            for node in self.world.nodes:
                if node.index == slot:
                    node.protocol_newest = PROTOCOL_OLDEST
        for epoch in range(self.random.randint(1, 2)):
            at_us += self.random.randint(200_000, 900_000)
            honest = [slot for slot in now if slot not in liars and slot != newcomer]
            leaving = self.random.choice((None, self.random.choice(honest)))
            joining = newcomer if newcomer not in now and self.random.random() < 0.7 else None
            following = tuple(sorted({*now, *(() if joining is None else (joining,))} - {leaving}))
            if (len(following) - 1) // 3 >= (len(seats) - 1) // 3:
                now = following
            is_upgraded = upgrade is not None and epoch >= upgrade
            version = PROTOCOL_NEWEST if is_upgraded else first
            self.clients.change_epoch(at_us, epoch, now, version)
            self.result.epochs += 1

    def run(self) -> Result:
        with signatures(real=self.is_real), shared_work(), knobs(self.knobs):
            try:
                self._run()
            finally:
                self.world.close()
        return self.result

    def _run(self) -> None:
        world, result = self.world, self.result
        world.start()
        self.clients.begin()
        for _ in range(self.random.randint(4, 8)):
            self.faults.begin(
                self._draw_fault(),
                self.random.randint(CHAOS_FROM_US, CHAOS_UNTIL_US),
                self.random.choice((30_000, 100_000, 300_000, 600_000)),
            )
        world.loop.run_until(HEAL_US)
        self._check_progress()
        self._check_memory()
        self._check_pasts()
        self._check_bundles()
        self._check_vote()
        world.oracles.check_chains()
        result.forks += world.oracles.forks
        result.lost += world.oracles.lost
        result.broken += world.oracles.broken + world.loop.errors
        result.evidence_missed += world.oracles.evidence_missed()
        result.heights = max(world.oracles.heights.values(), default=0)
        result.frames = world.wires.frames
        result.acknowledged = len(world.oracles.acknowledged)
        result.spent = sum(node.is_spent for node in world.nodes)
        result.joins = sum(node.joins for node in world.nodes)
        result.outdated = world.oracles.outdated
        result.rebuilt = sum(node.is_rebuilt for node in world.nodes)
        result.faults = self.faults.happened
        result.notes = world.oracles.notes
        result.trace = world.trace()

    def _draw_fault(self) -> str:
        names = [name for name in FAULTS if self.faults.most_spent or name not in UNTRUSTWORTHY]
        return self.random.choices(names, [WEIGHTS[name] for name in names])[0]

    # ---- after the heal

    def _check_progress(self) -> None:
        """A fresh transaction of every honest node is final everywhere, and nothing is left behind."""
        world, result = self.world, self.result
        for node in world.honest():
            world.loop.after(0, node.start)  # whoever is still down
        world.loop.run_until(HEAL_US + 50_000)
        for node in [node for node in world.honest() if node.has_seat]:
            probe = self.clients.fresh()
            self.probes.append(probe)
            if not self.clients.submit(probe, node):
                result.stuck.append(f"node {node.instance} takes nothing in")
        before = (world.wires.frames, self._highest_view())
        world.loop.run_until(world.loop.now_us + 200_000)
        self._check_messages(*before)
        is_settled = world.loop.run_until(HEAL_US + LIMIT_US, self._is_settled)
        result.settled_ms = (world.loop.now_us - HEAL_US) // 1000
        if not is_settled:
            result.stuck += [self._whereabouts(node.instance) for node in world.honest()]

    def _whereabouts(self, instance: int) -> str:
        node = self.world.nodes[instance]
        if node.validator is None:
            return f"node {instance}: down"
        machine, mempool = node.validator.machine, node.validator.mempool
        return (
            f"node {instance}: height {self.world.oracles.heights.get(instance, 0)} view {machine.view} "
            f"final view {machine.final_view} pending {mempool.pending_transactions}"
        )

    def _highest_view(self) -> int:
        return max((n.validator.machine.view for n in self.world.nodes if n.validator is not None), default=0)

    def _check_messages(self, frames: int, view: int) -> None:
        """Frames are bounded by views, and re-sends by time: 15 a validator, peer and t_l."""
        if "flooder" in self.result.adversaries:
            return
        views = self._highest_view() - view + 1
        most = (4 * views + 30) * len(self.world.nodes) * len(self.world.validators)
        if self.world.wires.frames - frames > most:
            self.result.stuck.append(
                f"{self.world.wires.frames - frames} frames for {views} views, at most {most}"
            )

    def _is_settled(self) -> bool:
        world = self.world
        oracles = world.oracles
        if any(probe.id not in oracles.acknowledged for probe in self.probes):
            return False
        honest = world.honest()
        if self.clients.changes or any(not node.is_up for node in honest):
            return False
        heights = {oracles.heights.get(node.instance, 0) for node in honest}
        if len(heights) != 1:
            return False
        if self.clients.is_submitting:
            self.clients.is_submitting = min(heights) < HEIGHTS
            return False
        return all(  # what one that lost its seat holds, nobody need ever take
            n.validator is not None and not n.validator.mempool.pending_transactions
            for n in honest
            if n.has_seat
        )

    def _check_memory(self) -> None:
        """What a validator keeps in memory is bounded whatever peers send, and is let go of when work is done."""
        for node in self.world.honest():
            validator = node.validator
            if validator is None or self.result.stuck:
                continue
            sizes = {
                "views": (sum(1 for _ in validator.machine._views), 200),
                "tree": (sum(1 for _ in validator.machine._tree), 80),
                "held bytes": (validator.mempool.held_bytes, limits.UNORDERED_BYTES_PER_ORIGIN * 2),
                "waiting": (len(validator.mempool._waiting), 1_000),
                "waiting for the disk": (len(node.machine.process.waiting), 1_000),
            }
            for what, (size, most) in sizes.items():
                if size > most:
                    self.result.broken.append(f"node {node.instance} keeps {what}: {size}, at most {most}")

    def _check_vote(self) -> None:
        """What was voted is in force on every honest node, whatever crashed, joined or was rebuilt meanwhile."""
        if not self.result.votes or self.result.stuck:
            return
        for node in self.world.honest():
            validator = node.validator
            if validator is None:
                continue
            state = validator.executor.state
            if state.members(state.tip.header.height + 1).grantee(VOTED_PREFIX) is None:
                self.result.broken.append(f"node {node.instance} does not know what was voted")

    def _check_pasts(self) -> None:
        """Whoever joined at a snapshot has everything below it in the end; until then it may refuse to prove."""
        if self.result.stuck:
            return
        loop = self.world.loop
        if not loop.run_until(loop.now_us + PAST_US, lambda: not self._lacking()):
            self.result.stuck += self._lacking()

    def _lacking(self) -> list[str]:
        return [
            f"node {node.instance}: {said}"
            for node in self.world.honest()
            if node.validator is not None and (said := node.validator.sync.completer.said()) is not None
        ]

    def _check_bundles(self) -> None:
        """Now and then: every honest node proves the same, and a stranger with the genesis alone believes it."""
        result = self.result
        keys = self.clients.touched()
        if self.random.random() > 0.1 or not keys or result.stuck:
            return
        keys = self.random.sample(keys, min(3, len(keys)))
        honest = self.world.honest()
        for node in honest:
            self.clients.prove(node, keys)
        loop = self.world.loop
        if not loop.run_until(loop.now_us + 5_000_000, lambda: len(self.clients.bundles) == len(honest)):
            result.stuck.append(f"bundles of {len(self.clients.bundles)} nodes, of {len(honest)}")
            return
        anchor = anchor_from_genesis(self.world.founding.genesis)
        for bundle in self.clients.bundles.values():
            verify(bundle, anchor)
        result.bundles = len(self.clients.bundles)


def run_seed(seed: int, adversaries: tuple[str, ...] | None = None) -> Result:
    return Scenario(seed, adversaries).run()
