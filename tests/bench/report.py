"""What a bench says: a table of rows, plots, and the generated part of a document, between its marks."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.bench.load import BATCH
from tests.bench.plots import draw
from tests.bench.rows import Row, number_text, ratio_text
from tests.bench.runs import OURS, PEER, Curve, Kept
from tests.counted.hashes import MADE, TAKEN_IN

END: Final = "<!-- end -->"
VALIDATORS: Final = 4
HASHES: Final = (sum(TAKEN_IN.values()) + sum(MADE.values())) / BATCH
"""Of an event in a batch at each validator."""
_SAID: Final = {True: "yes", False: "**no**", None: ""}
_TITLES: Final = {
    (OURS, "batches"): "ledger, ingress, batches of 100",
    (OURS, "singles"): "ledger, ingress, singly signed",
    (OURS, "http"): "ledger, HTTP, batches of 100",
    (PEER, "batches"): "CometBFT, HTTP, 100 a transaction",
    (PEER, "singles"): "CometBFT, HTTP, one a transaction",
}
STATE: Final = "state.json"
"""Where `./scripts/bench state` keeps what it found."""


def state_rows(folder: Path) -> list[Row]:
    """The rows that `./scripts/bench state` left in the same folder."""
    path = folder / STATE
    found = json.loads(path.read_text()).get("rows", []) if path.exists() else []
    return [Row(**row) for row in found]


def markdown(rows: Sequence[Row]) -> str:
    """The table."""
    lines = ["| what | unit | ledger | CometBFT | ratio | target | met |", "|---|---|--:|--:|--:|---|---|"]
    lines += [
        f"| {row.name} | {row.unit} | {_number(row.ours)}{_spread(row)} | {_number(row.peer)} "
        f"| {'' if row.ratio is None else ratio_text(row.ratio)} | {row.target} | {_met(row)} |"
        for row in rows
    ]
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "" if value is None else number_text(value)


def _spread(row: Row) -> str:
    if row.spread is None or row.runs < 2 or row.spread[0] == row.spread[1]:
        return ""
    return f" ({number_text(row.spread[0])} – {number_text(row.spread[1])})"


def _met(row: Row) -> str:
    return "not measured" if row.ours is None else _SAID[row.met]


def plots(folder: Path, curves: Sequence[Curve]) -> str | None:
    """Throughput against latency, all runs' points; the reason if there are none."""
    series: dict[str, list[tuple[float, float]]] = {}
    for key, title in _TITLES.items():
        runs = [curve.points for curve in curves if (curve.side, curve.name) == key and curve.points]
        if runs:
            longest = max(len(points) for points in runs)
            series[title] = [
                (
                    statistics.median(points[place].per_second for points in runs if place < len(points)),
                    statistics.median(points[place].p50_ms for points in runs if place < len(points)),
                )
                for place in range(longest)
            ]
    if not series:
        return "no plots: no load curve was measured"
    return draw(
        folder / "throughput-latency.png",
        "Rising load, the last point ten times the best",
        "events/s until final",
        "p50 latency, ms",
        series,
        log_y=True,
        is_ordered=True,
    )


# ---- the document


def begin_of(command: str = "") -> str:
    """The mark before what a command of the bench writes."""
    return f"<!-- begin: written by ./scripts/bench {command} --write -->".replace("  ", " ")


def write_figures(document: Path, text: str, command: str = "") -> None:
    """Put what a command generated into a document, between its mark and the next end. ValueError where it has none."""
    mark = begin_of(command)
    whole = document.read_text()
    head, begin, rest = whole.partition(mark)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"expected {mark} and {END} in {document}, found them not")
    document.write_text(f"{head}{mark}\n\n{text.strip()}\n\n{END}{tail}")


def figures(rows: Sequence[Row], kept: Kept) -> str:
    """The generated part: rows, conditions, how far from what the machine allows."""
    return "\n\n".join([markdown(rows), _conditions(kept), _limits(kept)])


def _conditions(kept: Kept) -> str:
    found = kept.conditions
    length, limits = found["length"], found["limits"]
    libraries = ", ".join(f"{name} {version}" for name, version in found["libraries"].items())
    lines = [
        f"- measured {found['when']} at commit {found['commit']}, load average before it {found['load_average'][0]}",
        f"- {found['cores']} cores of {found['processor']}, {found['memory_gb']} GB, {found['system']}",
        f"- Python {found['python']}; {libraries}",
        f"- {len(kept.runs)} runs; each level of load {length['level_s']:g} s, each pace {length['paced_s']} s",
        f"- one core a second: {limits['signature_checks_per_second']:,} signature checks or {limits['hashes_per_second']:,} hashes of 150 B",
        f"- an event of a batch takes {found['work_us']:g} µs of a validator with a core for itself, ordering it apart; one in four is handed in to it",
        f"- the disk a second: {limits['syncs_per_second']:,} syncs of 2 kB, one after the other",
    ]
    if found["peer"]:
        settings = ", ".join(f"`{name}` {value}" for name, value in found["peer"]["settings"].items())
        lines.append(f"- CometBFT {found['peer']['version']}: {settings}; blocks of 1 MiB")
    else:
        lines.append(
            "- CometBFT was not measured: there is no Go here that could install it, or it was not asked for"
        )
    lines += [f"- broke: {problem.splitlines()[0]}" for problem in kept.problems]
    return "\n".join(lines)


def _limits(kept: Kept) -> str:
    """How far throughput is from what the machine allows, were there nothing else to do."""
    found, cores = kept.conditions["limits"], kept.conditions["cores"]
    checks, hashes = found["signature_checks_per_second"], found["hashes_per_second"]
    work = cores * 1e6 / VALIDATORS / kept.conditions["work_us"]
    allowed = (
        ("batches/s", "batches of 100 at ingress", "a validator's work on an event, alone, on", work),
        ("batches/s", "batches of 100 at ingress", "hashes of", cores * hashes / VALIDATORS / HASHES),
        (
            "batches/s",
            "batches of 100 at ingress",
            "signature checks of",
            cores * checks / VALIDATORS * BATCH,
        ),
        ("singles/s", "singly signed at ingress", "signature checks of", cores * checks / VALIDATORS),
        ("http/s", "batches of 100 over HTTP", "hashes of", cores * hashes / VALIDATORS / HASHES),
    )
    lines = ["| row | limit | allows, events/s | reached |", "|---|---|--:|--:|"]
    for figure, row, limit, most in allowed:
        values = [run.ours[figure] for run in kept.figures() if figure in run.ours]
        if values:
            reached = statistics.median(values) / most
            lines.append(f"| {row} | {limit} {cores} cores | {number_text(most)} | {reached:.0%} |")
    paced = [run.ours["paced ingress p50 ms"] for run in kept.figures() if "paced ingress p50 ms" in run.ours]
    if paced:
        syncs = statistics.median(paced) * found["syncs_per_second"] / 1_000
        lines.append(f"| commit at 100/s, p50 | one sync | | {syncs:.0f} syncs long |")
    return "\n".join(lines)
