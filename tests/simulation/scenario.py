"""One seed, one run: validators, adversaries, faults, a heal, and what the oracles say of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ledger.consensus.interface import Parameters
from tests.simulation.adversaries import KINDS, Twin
from tests.simulation.validator import Validator
from tests.simulation.world import World

CHAOS_FROM_US = 100_000
CHAOS_UNTIL_US = 1_500_000
HEAL_US = 2_000_000
LIMIT_US = 10_000_000  # progress within 10 simulated seconds of the heal
MOST_MESSAGES_PER_VIEW = 60  # times n / 4 squared; 36 are needed


@dataclass
class Result:
    seed: int
    adversaries: tuple[str, ...]
    heights: int = 0
    forks: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    evidence_missed: list[str] = field(default_factory=list)
    trace: str = ""
    faults: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        return not (self.forks or self.lost or self.stuck or self.evidence_missed)


class Scenario:
    def __init__(self, seed: int, adversaries: tuple[str, ...] | None = None) -> None:
        world = self.world = World(seed, 4, real=False)
        random = world.random
        count = random.choice((4, 4, 4, 4, 4, 4, 5, 6, 7, 7))
        self.world = world = World(
            seed,
            count,
            real=seed % 10 == 0,
            execute_us=random.choice((0, 300, 2_000, 30_000)),
            sync_us=random.choice((200, 1_000, 5_000)),
            latency_us=random.choice((500, 500, 2_000, 10_000)),
            parameters=Parameters(heartbeat_ms=random.choice((0, 1_000, 30_000))),
        )
        self.random = random = world.random
        faulty = world.validators.faulty
        if adversaries is None:
            adversaries = tuple(random.choice(list(KINDS)) for _ in range(random.randint(0, faulty)))
        self.adversaries = adversaries
        liars = random.sample(range(count), len(adversaries))
        for index in range(count):
            if index not in liars:
                world.place(index)
                world.skew_ms[index] = random.choice((0, 0, random.randint(-2_000, 2_000)))
                continue
            kind = KINDS[adversaries[liars.index(index)]]
            world.place(index, kind)
            if kind is Twin:
                world.place(index, kind)
        self.result = Result(seed, adversaries)
        self._pauses = 0
        self._is_submitting = True

    # ---- faults, each with its own end

    def _faults(self) -> list[Callable[[int], None]]:
        return [
            self._loss, self._duplication, self._jitter, self._partition, self._partition, self._flicker, self._one_way,
            self._slow, self._crash, self._crash, self._crash, self._power_cut,
        ]  # fmt: skip

    def _loss(self, duration_us: int) -> None:
        self.world.loss = self.random.uniform(0.02, 0.3)
        self.world.after(duration_us, setattr, self.world, "loss", 0.0)

    def _duplication(self, duration_us: int) -> None:
        self.world.duplication = self.random.uniform(0.05, 0.5)
        self.world.after(duration_us, setattr, self.world, "duplication", 0.0)

    def _jitter(self, duration_us: int) -> None:
        self.world.jitter_us = self.random.choice((1_000, 10_000, 60_000))
        self.world.after(duration_us, setattr, self.world, "jitter_us", 0)

    def _cut(self, pairs: set[tuple[int, int]], duration_us: int) -> None:
        self.world.cut |= pairs
        self.world.after(duration_us, self.world.cut.difference_update, pairs)

    def _sides(self) -> set[tuple[int, int]]:
        instances = [validator.instance for validator in self.world.instances()]
        side = {instance for instance in instances if self.random.random() < 0.5}
        return {(a, b) for a in instances for b in instances if (a in side) != (b in side)}

    def _partition(self, duration_us: int) -> None:
        self._cut(self._sides(), duration_us)

    def _flicker(self, duration_us: int) -> None:
        """Another partition every few milliseconds: what twins need to do harm."""
        step_us = self.random.choice((2_000, 8_000, 30_000))
        for start_us in range(0, duration_us, step_us):
            self.world.after(start_us, self._cut, self._sides(), step_us)

    def _one_way(self, duration_us: int) -> None:
        instances = [validator.instance for validator in self.world.instances()]
        pairs = {(a, b) for a in instances for b in instances if a != b and self.random.random() < 0.3}
        self._cut(pairs, duration_us)

    def _slow(self, duration_us: int) -> None:
        instance = self.random.choice(list(self.world.instances())).instance
        if instance in self.world.slow_us:
            return
        self.world.slow_us[instance] = self.random.choice((20_000, 200_000))
        self.world.after(duration_us, self.world.slow_us.__delitem__, instance)

    def _crash(self, duration_us: int) -> None:
        self._crash_one(self.random.choice(self.world.honest()), duration_us)

    def _crash_one(self, validator: Validator, duration_us: int) -> None:
        if validator.is_up:
            validator.crash()
            self.world.after(duration_us, validator.start)

    def _power_cut(self, duration_us: int) -> None:
        for validator in self.world.honest():
            self.world.after(self.random.randint(0, 1_000), self._crash_one, validator, duration_us // 4)

    # ---- clients

    def _client(self) -> None:
        if not self._is_submitting:
            return
        up = [validator for validator in self.world.instances() if validator.is_up]
        if up:
            self.random.choice(up).submit(self.world.new_batch())
        self.world.after(int(self.random.expovariate(80) * 1e6), self._client)

    # ---- the run

    def run(self) -> Result:
        world, result = self.world, self.result
        for validator in world.instances():
            validator.start()
        world.after(5_000, self._client)
        for _ in range(self.random.randint(3, 6)):
            fault = self.random.choice(self._faults())
            result.faults.append(fault.__name__)
            world.at(
                self.random.randint(CHAOS_FROM_US, CHAOS_UNTIL_US),
                fault,
                self.random.randint(20_000, 500_000),
            )
        world.run_until(HEAL_US + 50_000)
        self._check_progress()
        result.forks += world.oracles.forks + world.oracles.faults
        result.evidence_missed += world.oracles.evidence_missed()
        result.heights = max((validator.height for validator in world.honest()), default=0)
        result.trace = world.trace()
        return result

    def _check_progress(self) -> None:
        """After the heal: a fresh batch of every honest validator is final everywhere, and nothing is left behind."""
        world, result = self.world, self.result
        probes = []
        for validator in world.honest():
            batch = world.new_batch()
            probes.append(batch.digest)
            validator.submit(batch)
        before = (world.messages, self._highest_view())
        world.run_until(world.now_us + 200_000)
        self._check_messages(*before)
        self._is_submitting = False
        if not world.run_until(HEAL_US + LIMIT_US, lambda: self._is_settled(probes)):
            for validator in world.honest():
                machine = validator.machine
                result.stuck.append(
                    f"validator {validator.index}: "
                    + (
                        "down"
                        if machine is None
                        else f"height {validator.height} view {machine.view} final view {machine.final_view}"
                    )
                )
        result.lost += world.oracles.lost() if not result.stuck else []

    def _highest_view(self) -> int:
        return max((v.machine.view for v in self.world.instances() if v.machine is not None), default=0)

    def _check_messages(self, messages: int, view: int) -> None:
        """Messages are bounded by views, and re-sends by time: 20 a validator, peer and t_l."""
        count = len(self.world.validators)
        views = self._highest_view() - view + 1
        instances = sum(1 for _ in self.world.instances())
        most = (4 * views + 40) * instances * count
        if self.world.messages - messages > most:
            self.result.stuck.append(
                f"{self.world.messages - messages} messages for {views} views, at most {most}"
            )

    def _is_settled(self, probes: list[bytes]) -> bool:
        world = self.world
        if any(probe not in world.oracles.batches for probe in probes):
            return False
        honest = world.honest()
        heights = {validator.height for validator in honest}
        return len(heights) == 1 and all(
            validator.machine is not None and not validator.machine._batches for validator in honest
        )


def run_seed(seed: int, adversaries: tuple[str, ...] | None = None) -> Result:
    return Scenario(seed, adversaries).run()
