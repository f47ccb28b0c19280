"""The parts of a soak: each is a command of its own with `--json`, a share of the time, and lines of the scoreboard.

A part is judged by its own figures, never by its exit code alone: `Line.is_good` says what must hold. A part that printed
no JSON, or lacks a figure, is a failed part: an absence is no success.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

Figures = dict[str, Any]
LEAST_MUTANTS: Final = 40
RECOVERY_P99_MS: Final = 3_000
DEAD_VALIDATOR_P99_MS: Final = 600
SECONDS_PER_KILL: Final = 7.5
WHOLE_DISK_S: Final = 1_800


class Line(NamedTuple):
    """One line of the scoreboard: what was tried, how much of it, what came out wrong."""

    tried: str
    amount: str
    wrong: str
    is_good: bool


class Part(NamedTuple):
    """One command of the soak."""

    name: str
    share: float
    """Of the minutes asked for; 0 for one that takes as long as it takes."""
    command: Callable[[int], Sequence[str]]
    """Arguments after `python -m`, for so many seconds."""
    lines: Callable[[Figures], list[Line]]
    """What its figures say; KeyError where one is missing."""


def _simulation(found: Figures) -> list[Line]:
    bad = ("forks", "lost", "stuck", "evidence_missed", "broken")
    liars = ", ".join(f"{name} {seeds:,}" for name, seeds in found["by_adversary"].items())
    faults = ", ".join(f"{name.replace('_', ' ')} {seeds:,}" for name, seeds in found["by_fault"].items())
    return [
        Line(
            "whole validators on a virtual network and disk, with faults and liars",
            f"{found['seeds']:,} seeds ({found['seeds_per_minute']:,} a minute; {found['real_signature_seeds']:,} with real "
            f"signatures), {found['heights']:,} heights",
            ", ".join(f"{found[name]} {name.replace('_', ' ')}" for name in bad),
            found["seeds"] > 0 and not any(found[name] for name in bad),
        ),
        Line("seeds with each liar", liars, "", bool(liars)),
        Line("seeds with each fault", faults, "", bool(faults)),
    ]


def _mutants(found: Figures) -> list[Line]:
    survivors = found["survivors"]
    return [
        Line(
            "bugs planted in the real code",
            f"{found['planted']} planted",
            f"{found['killed']} killed" + (f"; survivors: {', '.join(survivors)}" if survivors else ""),
            found["planted"] >= LEAST_MUTANTS and found["killed"] == found["planted"],
        )
    ]


def _disk(found: Figures) -> list[Line]:
    crashes = [part for name, part in found["parts"].items() if name.startswith("crash points")]
    damage = [part for name, part in found["parts"].items() if not name.startswith("crash points")]
    sizes, wrong = sum(part["cases"] for part in damage), sum(part["wrong"] for part in damage)
    disks, lost = sum(part["cases"] for part in crashes), sum(part["wrong"] for part in crashes)
    sample = f", {found['sample']:,} of each kind" if found["sample"] else ""
    return [
        Line(
            "every cut, every flipped bit and torn sectors of each log and snapshot",
            f"{sizes:,} damaged files{sample}",
            f"{sum(part['recovered'] for part in damage):,} recovered, "
            f"{sum(part['refused'] for part in damage):,} refused, {wrong:,} silently wrong",
            sizes > 0 and not wrong,
        ),
        Line(
            "every crash point of short sequences of operations, the power going again while the log opens",
            f"{disks:,} disks opened",
            f"{lost:,} with something promised lost, or something never written",
            disks > 0 and not lost,
        ),
    ]


def _decoders(found: Figures) -> list[Line]:
    guided = found["guided_inputs"]
    how = "atheris not installed" if guided is None else f"{guided:,} guided by coverage"
    return [
        Line(
            "decoders of untrusted bytes",
            f"{found['decoders']} decoders, {found['inputs']:,} inputs, {found['bombs']:,} bombs, {how}",
            f"{len(found['findings'])} findings",
            found["inputs"] > 0 and not found["findings"],
        )
    ]


def _proofs(found: Figures) -> list[Line]:
    return [
        Line(
            "forged and spliced proofs",
            f"{found['forged']:,} files, {found['deep_share']:.0%} of them past decoding",
            f"{found['accepted']} accepted, {found['crashed']} crashed",
            found["forged"] > 0 and not found["accepted"] and not found["crashed"],
        )
    ]


def _spread(figures: Figures) -> str:
    return f"p50 {figures['p50']:,.0f} ms, p99 {figures['p99']:,.0f} ms"


def _processes(found: Figures) -> list[Line]:
    bad = ("lost", "forks", "nonlinear")
    dead = found["dead_validator_ms"]
    first, later = dead["first_10_s"], dead["later"]
    return [
        Line(
            "four real nodes, kill -9 under load",
            f"{found['kills']} kills, {found['acknowledged']:,} of {found['submitted']:,} submissions acknowledged, "
            f"{found['reads']:,} reads",
            ", ".join(f"{found[name]} {name}" for name in bad),
            found["kills"] > 0 and not any(found[name] for name in bad),
        ),
        Line(
            "time to be back after a kill",
            f"{found['kills']} restarts",
            f"{_spread(found['recovery_ms'])} (target: p99 <= 3,000)",
            found["recovery_ms"]["p99"] <= RECOVERY_P99_MS,
        ),
        Line(
            "what one dead validator costs clients",
            "commit latency at 100 events/s",
            f"first 10 s {_spread(first)} (target: p99 <= 600), later {_spread(later)}",
            first["p99"] <= DEAD_VALIDATOR_P99_MS,
        ),
    ]


def _api(found: Figures) -> list[Line]:
    return [
        Line(
            "the HTTP API under requests drawn from its own document, with and without the token",
            f"{found['requests']:,} requests",
            f"{len(found['findings'])} findings",
            found["requests"] > 0 and not found["findings"],
        )
    ]


def _overload(found: Figures) -> list[Line]:
    kept = ", ".join(f"{name} {one['kept']:.0%}" for name, one in found["attacks"].items())
    return [
        Line(
            "a node under floods, slow and idle connections, bombs and a hostile validator",
            f"{len(found['attacks'])} attacks, {found['idle_connections']:,} idle connections",
            f"honest clients kept {kept}; gateway at most {found['gateway_peak_mb']} MB, validator "
            f"{found['validator_peak_mb']} MB",
            found["ok"],
        )
    ]


def _disk_command(seconds: int) -> Sequence[str]:
    """All of it in a long soak; else as much as there is time for."""
    sample = () if seconds >= WHOLE_DISK_S else ("--sample", str(max(300, 2 * seconds)))
    return ("tests.storage.exhaustive", *sample, "--json")


PARTS: Final = (
    Part(
        "simulation",
        0.25,
        lambda seconds: ("tests.simulation.run", "--seconds", str(seconds), "--json"),
        _simulation,
    ),
    Part(
        "processes",
        0.25,
        lambda seconds: (
            *("tests.process.chaos", "--minutes", str(round(seconds / 60, 2))),
            *("--kills", str(max(4, round(seconds / SECONDS_PER_KILL))), "--json"),
        ),
        _processes,
    ),
    Part("mutants", 0.0, lambda _: ("tests.mutants.run", "--json"), _mutants),
    Part("disk", 0.1, _disk_command, _disk),
    Part("decoders", 0.1, lambda seconds: ("tests.fuzz", "--seconds", str(seconds), "--json"), _decoders),
    Part("proofs", 0.0, lambda _: ("tests.fuzz.forge", "--count", "100000", "--json"), _proofs),
    Part("api", 0.0, lambda _: ("tests.api.exercise", "--examples", "60", "--json"), _api),
    Part("overload", 0.0, lambda _: ("tests.api.overload", "--json"), _overload),
)
