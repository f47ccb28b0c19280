"""Pictures of measurements. Where matplotlib lacks (extra `bench`), there are none, and that is said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

Points = Sequence[tuple[float, float]]


def draw(
    path: Path,
    title: str,
    x: str,
    y: str,
    series: Mapping[str, Points],
    *,
    log_x: bool = False,
    log_y: bool = False,
    is_ordered: bool = False,
) -> str | None:
    """One plot of lines by name, at `path` (its ending says the format); the reason if there is none.

    `is_ordered`: points are joined as they come, else by their x.
    """
    try:
        import matplotlib as mpl  # a large library, for who wants pictures
    except ImportError:
        return "no plots: matplotlib is not installed (pip install '.[bench]')"
    mpl.use("Agg")
    from matplotlib import pyplot as plt  # after the choice of where it draws

    figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for name, points in series.items():
        ordered = points if is_ordered else sorted(points)
        axes.plot([point[0] for point in ordered], [point[1] for point in ordered], marker="o", label=name)
    if log_x:
        axes.set_xscale("log")
    if log_y:
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
    axes.set_title(title)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(visible=True, alpha=0.3)
    if len(series) > 1:
        axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)
    plt.close(figure)
    return None
