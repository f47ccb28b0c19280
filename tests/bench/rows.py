"""What the ledger must do, row by row, and whether a run's figures do it.

A row compares one figure with a bound, with the same run's figure of the peer, or with both. What was not measured
is neither met nor missed, and says so by having no figure; a row without a bound is there to be known. Figures of several runs become one by their median,
ratios by the median of the runs' own ratios: what changes on the machine between runs then changes neither. Where the peer
was never measured, nothing is asked of ratios.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

Figures = Mapping[str, float]


class Run(NamedTuple):
    """Figures of one run, by name."""

    ours: Figures
    peer: Figures


class Spec(NamedTuple):
    """One row."""

    name: str
    ours: str
    """The figure."""
    unit: str
    better: Literal["more", "less"]
    bound: float | str | None = None
    """At least it, or at most it; a name is another figure of ours."""
    peer: str = ""
    """The peer's figure."""
    ratio: float | None = None
    """Of ours to the peer's: at least it, or at most it."""


class Row(NamedTuple):
    """One row with what was found."""

    name: str
    unit: str
    ours: float | None
    peer: float | None
    ratio: float | None
    target: str
    met: bool | None
    """None where nothing is asked, or nothing was measured."""
    runs: int
    spread: tuple[float, float] | None
    """Least and most of the runs."""

    def to_json(self) -> dict[str, Any]:
        """As written."""
        return self._asdict()


_SINGLE: Final = "singles/s"
SPECS: Final = (
    Spec("client over HTTP to final, batches of 100", "http/s", "events/s", "more", 10_000, "batches/s", 2),
    Spec("at ingress, batches of 100; peer: one event a transaction", "batches/s", "events/s", "more", 20_000, _SINGLE, 6),
    Spec("at ingress, singly signed; peer: one event, unsigned", "singles/s", "events/s", "more", 6_000, _SINGLE, 2),
    Spec("commit at 100/s, ingress, p50", "paced ingress p50 ms", "ms", "less", 12, "paced p50 ms", 1 / 5),
    Spec("commit at 100/s, ingress, p99", "paced ingress p99 ms", "ms", "less", 40, "paced p99 ms"),
    Spec("commit at 100/s, HTTP, p50", "paced http p50 ms", "ms", "less", 20, "paced p50 ms", 1 / 5),
    Spec("commit at 100/s, HTTP, p99", "paced http p99 ms", "ms", "less", 60, "paced p99 ms"),
    Spec("one of four killed, first 10 s, p99", "killed p99 ms", "ms", "less", 600, "killed p99 ms", 1 / 3),
    Spec("one of four killed, later, p99", "killed later p99 ms", "ms", "less", 60, "killed later p99 ms"),
    Spec("eight writers on one container", "container/s", "events/s", "more", 5_000),
    Spec("eight writers on one container, lost", "container lost", "events", "less", 0),
    Spec("10 × outstanding at ingress, of the peak", "batches 10x share", "share", "more", 0.9, "singles 10x share"),
    Spec("10 × outstanding over HTTP, of the peak", "http 10x share", "share", "more", 0.9, "batches 10x share"),
    Spec("10 × outstanding, memory, of the peak's", "batches 10x memory", "share", "less", 1.25, "singles 10x memory"),
    Spec("bundle of an item in a case on a pallet in a container, bound from counts", "item bytes", "B", "less", "item bound"),
    Spec("bundle of one of 1,000 items made at once, bound from counts", "loose bytes", "B", "less", "loose bound"),
    Spec("bundle of a case in it, bound from counts", "case bytes", "B", "less", "case bound"),
    Spec("bundle of a container with 3 handovers, bound from counts", "container bytes", "B", "less", "container bound"),
    Spec("verify 20 events, in process", "verify ms", "ms", "less", 10),
    Spec("verify 20 events, command from cold", "verify cold s", "s", "less", 0.4),
    Spec("disk, chain + links + state", "ledger share", "× the event", "less", 2),
    Spec("disk, payload included, batches of 100", "batches disk bytes", "B/event", "less", None, "batches disk bytes", 1 / 2),
    Spec("disk, payload included, one event a transaction", "singles disk bytes", "B/event", "less", None, "singles disk bytes", 1 / 2),
    Spec("processor, four validators, batches of 100", "batches cpu us", "µs/event", "less", None, "batches cpu us"),
    Spec("processor, four validators, one event a transaction", "singles cpu us", "µs/event", "less", None, "singles cpu us"),
    Spec("processor, with the gateway and its index, batches of 100", "http cpu us", "µs/event", "less", None, "batches cpu us"),
    Spec("memory of the largest node, at the peak", "batches memory MB", "MB", "less", None, "batches memory MB"),
)  # fmt: skip


def judged(runs: Sequence[Run], specs: Sequence[Spec] = SPECS) -> list[Row]:
    """Every row, of any number of runs."""
    return [_judge(spec, runs) for spec in specs]


def _judge(spec: Spec, runs: Sequence[Run]) -> Row:
    ours = _values(spec.ours, [run.ours for run in runs])
    peers = _values(spec.peer, [run.peer for run in runs])
    ratios = [
        run.ours[spec.ours] / run.peer[spec.peer]
        for run in runs
        if spec.ours in run.ours and run.peer.get(spec.peer)
    ]
    bound = (
        _median(_values(spec.bound, [run.ours for run in runs]))
        if isinstance(spec.bound, str)
        else spec.bound
    )
    value, ratio = _median(ours), _median(ratios)
    has_peer = any(run.peer for run in runs)
    asked = [(value, bound)] if bound is not None else []
    asked += [(ratio, spec.ratio)] if spec.ratio is not None and has_peer else []
    return Row(
        spec.name,
        spec.unit,
        value,
        _median(peers),
        ratio,
        _target(spec, bound),
        None if value is None or not asked else all(_holds(spec, *each) for each in asked),
        len(ours),
        (min(ours), max(ours)) if ours else None,
    )


def _values(name: str, figures: Sequence[Figures]) -> list[float]:
    return [each[name] for each in figures if name in each]


def _median(values: Sequence[float]) -> float | None:
    return statistics.median(values) if values else None


def _holds(spec: Spec, found: float | None, bound: float) -> bool:
    if found is None:
        return False
    return found >= bound if spec.better == "more" else found <= bound


def _target(spec: Spec, bound: float | None) -> str:
    sign = "≥" if spec.better == "more" else "≤"
    parts = [] if bound is None else [f"{sign} {number_text(bound)}"]
    if spec.ratio is not None:
        parts.append(f"{sign} {ratio_text(spec.ratio)} peer")
    return ", ".join(parts)


def number_text(value: float) -> str:
    """A figure as read: with as many digits as mean something."""
    if value == int(value) or abs(value) >= 1_000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def ratio_text(ratio: float) -> str:
    """A ratio as read: so many times, or one in so many."""
    return f"{ratio:.3g} ×" if ratio >= 1 else f"1/{1 / ratio:.3g}"
