"""Quantiles, as they stand in what a run says."""

from __future__ import annotations

from collections.abc import Sequence


def quantile(values: Sequence[float], share: float) -> float | None:
    """The value below which `share` of them lie; None of none."""
    ordered = sorted(values)
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1) if ordered else None


def spread(values: Sequence[float]) -> dict[str, float | int | None]:
    """How many, p50, p99, max."""
    return {
        "count": len(values),
        "p50": quantile(values, 0.5),
        "p99": quantile(values, 0.99),
        "max": quantile(values, 1.0),
    }
