"""`./scripts/bench network`: 4, 7, 16 and 31 validators, near to each other and far apart.

One machine cannot run 31 validators with a core each, so they are simulated: the real consensus machine in simulated time,
with the costs that this machine has now (`tests.bench.costs`, `tests.bench.network_model`) and the delays stated here. Where
the processes fit, 4 and 7 of them run for real, all on this machine's cores, beside a model of just that: how far the model is
off is part of the result.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from node.init import DEMONSTRATION, STATE_DEPTH, OrganisationPlan, party
from tests.bench import estimate
from tests.bench.command import Say, add_output, output_of, speaker, work_folder
from tests.bench.costs import Costs, measure
from tests.bench.load import BATCH, Ingress, closed_loop
from tests.bench.machine import cpu_seconds
from tests.bench.network_model import Figures, Links, Model
from tests.bench.plots import draw
from tests.bench.processes import Validators
from tests.bench.report import write_figures

COUNTS: Final = (4, 7, 16, 31)
OUTSTANDING: Final = (8, 32, 128)
"""Transactions of 100 events under way in the whole network."""
LIGHT_PER_S: Final = 100
"""Singly signed events a second, for the latency of a network that has little to do."""
_REAL: Final = (4, 7)
_REAL_OUTSTANDING: Final = 48
_CALIBRATION_US: Final = 30.0


def _evenly(delay_us: float) -> Callable[[int, int], float]:
    return lambda _sender, _receiver: delay_us


def _over_the_world(one: int, other: int) -> float:
    """100 .. 150 ms, the same both ways."""
    return 100_000.0 + 10_000.0 * ((one + 1) * (other + 1) % 6)


LAN: Final = Links("one site, 0.25 ms, 1 Gbit/s", _evenly(250.0), 1e9, 150)
CONTINENT: Final = Links("one continent, 20 ms, 1 Gbit/s", _evenly(20_000.0), 1e9, 300)
WORLD: Final = Links("the world, 100-150 ms, 200 Mbit/s", _over_the_world, 2e8, 1_500)
HERE: Final = Links("this machine", _evenly(30.0), 1e10, 150)


def main(arguments: Sequence[str]) -> int:
    """Measure and say; 0 unless something is broken."""
    parser = argparse.ArgumentParser(prog="./scripts/bench network", description=str(__doc__).split("\n")[0])
    parser.add_argument("--seconds", type=float, help="how long real validators are measured (30)")
    parser.add_argument("--modelled", action="store_true", help="no real validators")
    add_output(parser)
    parser.add_argument("--write", type=Path, help="put the tables into this document, between its marks")
    parser.add_argument("--json", action="store_true", help="the result on standard output, nothing else")
    options = parser.parse_args(arguments)
    options.seconds = options.seconds or (3.0 if options.quick else 30.0)
    say = speaker(is_silent=options.json)
    found = _measure(options, say)
    output = output_of(options)
    (output / "network.json").write_text(json.dumps(found, indent=1))
    (output / "network.md").write_text(_markdown(found))
    if options.write:
        write_figures(options.write, _markdown(found), "network")
    missing = _plots(output, found["modelled"])
    say(missing or f"written: {output}/network.json, .md, .png")
    if options.json:
        print(json.dumps(found))
    return 0


def _measure(options: argparse.Namespace, say: Say) -> dict[str, Any]:
    costs = measure()
    step_us = _step_us(costs)
    say(f"costs in µs: {_rounded(asdict(costs))}, a step {step_us:.1f}")
    stretch = 0.5 if options.quick else 1.0
    modelled = []
    for links in (LAN, CONTINENT, WORLD):
        for count in COUNTS:
            modelled.append(_modelled(count, links, costs, step_us, stretch))
            say(_in_words(modelled[-1]))
    real = [] if options.modelled else [_compared(count, costs, step_us, options.seconds) for count in _REAL]
    for one in real:
        say(f"{one['validators']} real validators on {os.cpu_count()} cores: {one}")
    conditions = {
        "load": round(os.getloadavg()[2], 1),
        "cores": os.cpu_count(),
        "python": sys.version.split()[0],
        "step_us": round(step_us, 1),
    }
    return {
        "costs_us": _rounded(asdict(costs)),
        "modelled": modelled,
        "real": real,
        "estimate": estimate.table(costs),
        "conditions": conditions,
    }


def _rounded(costs: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 1) for name, value in costs.items()}


def _step_us(costs: Costs) -> float:
    """What a step of the real machine takes, on average, in a network of seven."""
    model = Model(7, LAN, costs, step_us=_CALIBRATION_US)
    model.closed_loop(32, 1.0, 2.0)
    return model.stepped_ns / 1_000 / model.steps


# ---- the model


def _modelled(count: int, links: Links, costs: Costs, step_us: float, stretch: float) -> dict[str, Any]:
    """Throughput at rising load, and latency with little to do."""
    far = links.delay_us(0, 1) / 1_000
    seconds = stretch * (2.0 + far / 25)
    loads = []
    for outstanding in OUTSTANDING:
        figures = Model(count, links, costs, step_us=step_us).closed_loop(outstanding, seconds, 2 * seconds)
        loads.append({"outstanding": outstanding, **_shown(figures)})
    light = Model(count, links, costs, events=1, step_us=step_us).open_loop(LIGHT_PER_S, seconds / 2, seconds)
    best = max(loads, key=lambda load: float(load["events_per_second"]))
    return {
        "validators": count,
        "links": links.name,
        "loads": loads,
        "best": best,
        "light": _shown(light),
        "leader_timeout_ms": links.timeout_ms,
    }


def _shown(figures: Figures) -> dict[str, Any]:
    return {
        "events_per_second": round(figures.per_second),
        "blocks_per_second": round(figures.blocks / figures.seconds, 1),
        "p50_ms": round(figures.quantile_ms(0.5), 1),
        "p99_ms": round(figures.quantile_ms(0.99), 1),
        "busiest": round(figures.busiest, 2),
    }


def _in_words(one: dict[str, Any]) -> str:
    best, light = one["best"], one["light"]
    return (
        f"{one['validators']:>3} validators, {one['links']}: {best['events_per_second']:,} events/s at p50 {best['p50_ms']} ms "
        f"({best['outstanding']} transactions under way); at {LIGHT_PER_S}/s p50 {light['p50_ms']} ms, p99 {light['p99_ms']} ms"
    )


# ---- against reality


def _plans(count: int) -> Sequence[OrganisationPlan]:
    more = [
        OrganisationPlan(f"member{number}", f"Member {number}", "NL", ("logistics",), (party(number),))
        for number in range(5, count + 1)
    ]
    return (*DEMONSTRATION, *more)


def _compared(count: int, costs: Costs, step_us: float, seconds: float) -> dict[str, Any]:
    """Real validators, all on this machine, and the model of just that."""
    with work_folder("network") as root:
        measured = asyncio.run(_real(root, count, seconds))
    model = Model(count, HERE, costs, cores=os.cpu_count(), step_us=step_us)
    figures = model.closed_loop(_REAL_OUTSTANDING, 5.0, 10.0)
    return {
        "validators": count,
        "outstanding": _REAL_OUTSTANDING,
        "measured_events_per_second": round(measured[0]),
        "measured_p50_ms": round(measured[1], 1),
        "model_events_per_second": round(figures.per_second),
        "model_p50_ms": round(figures.quantile_ms(0.5), 1),
        "model_to_measured": round(figures.per_second / measured[0], 2),
        "measured_cpu_us": round(measured[2], 1),
        "model_cpu_us": round(figures.cpu_us_per_event(count), 1),
    }


async def _real(root: Path, count: int, seconds: float) -> tuple[float, float, float]:
    """(events/s, p50 in ms, processor time in µs of a validator for an event) of a closed loop."""
    async with Validators(root, state_depth=STATE_DEPTH, plans=_plans(count)) as network:
        clients = [network.client(name) for name in network.names]
        hands = [Ingress(client) for client in clients]
        author = network.author("maker")
        try:
            outstanding = max(1, _REAL_OUTSTANDING // count)
            probe = [author.submission(range(at, at + BATCH)) for at in range(0, 4_000, BATCH)]
            first = await closed_loop(hands, probe, outstanding=outstanding)
            wanted = max(2, int(first.per_second * seconds) // BATCH)
            starts = range(1_000_000, 1_000_000 + wanted * BATCH, BATCH)
            submissions = [author.submission(range(at, at + BATCH)) for at in starts]
            before = _cpu_seconds(network)
            measured = await closed_loop(hands, submissions, outstanding=outstanding)
            cpu_us = 1e6 * (_cpu_seconds(network) - before) / measured.events / count
        finally:
            for client in clients:
                await client.close()
    return measured.per_second, measured.quantile_ms(0.5), cpu_us


def _cpu_seconds(network: Validators) -> float:
    return sum(cpu_seconds(process.pid) for process in network.processes.values())


# ---- what is said of it


def _markdown(found: dict[str, Any]) -> str:
    lines = [
        "| links | validators | events/s | at p50, ms | p50 at 100/s, ms | p99 at 100/s, ms |",
        "|---|---|---|---|---|---|",
    ]
    for one in found["modelled"]:
        best, light = one["best"], one["light"]
        lines.append(
            f"| {one['links']} | {one['validators']} | {best['events_per_second']:,} | {best['p50_ms']} | {light['p50_ms']} | "
            f"{light['p99_ms']} |"
        )
    lines += [
        "",
        "| real validators, one machine | events/s | model of that | model to measured | processor of one for an event, µs | model |",
        "|---|---|---|---|---|---|",
    ]
    for one in found["real"]:
        lines.append(
            f"| {one['validators']} | {one['measured_events_per_second']:,} | {one['model_events_per_second']:,} | "
            f"{one['model_to_measured']} | {one['measured_cpu_us']} | {one['model_cpu_us']} |"
        )
    if found["real"]:
        share = min(one["model_cpu_us"] / one["measured_cpu_us"] for one in found["real"])
        lines += [
            "",
            f"The model takes {share:.0%} of the processor time that real validators take for an event: of a throughput above,",
            "so much is left in earnest.",
        ]
    costs = ", ".join(f"{name} {value}" for name, value in found["costs_us"].items())
    conditions = found["conditions"]
    lines += [
        "",
        f"Costs measured in the same run, in µs: {costs}, a step of the consensus machine {conditions['step_us']}; load average {conditions['load']}.",
    ]
    return "\n".join([*lines, "", found["estimate"]]) + "\n"


def _plots(folder: Path, modelled: list[dict[str, Any]]) -> str | None:
    def series(value: Callable[[dict[str, Any]], float]) -> dict[str, list[tuple[float, float]]]:
        names = dict.fromkeys(one["links"] for one in modelled)
        return {
            name: [(one["validators"], value(one)) for one in modelled if one["links"] == name]
            for name in names
        }

    draw(
        folder / "network-latency.png",
        "Commit latency at 100 events/s (modelled)",
        "validators",
        "p50, ms",
        series(lambda one: float(one["light"]["p50_ms"])),
    )
    return draw(
        folder / "network-throughput.png",
        "Throughput, transactions of 100 events (modelled, a core each)",
        "validators",
        "events/s",
        series(lambda one: float(one["best"]["events_per_second"])),
    )
