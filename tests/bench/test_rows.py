from __future__ import annotations

import pytest

from tests.bench.rows import SPECS, Run, Spec, judged, number_text, ratio_text

FAST = Spec("fast", "rate", "events/s", "more", 100, "rate", 2)
SOON = Spec("soon", "wait", "ms", "less", 10, "wait", 1 / 5)
SMALL = Spec("small", "size", "B", "less", "allowed")
KNOWN = Spec("known", "cpu", "us", "less", None, "cpu")


def one(spec: Spec, ours: dict[str, float], peer: dict[str, float]) -> bool | None:
    (row,) = judged([Run(ours, peer)], [spec])
    return row.met


@pytest.mark.parametrize(
    ("ours", "peer", "met"),
    [(100, 50, True), (100, 51, False), (99, 40, False), (200, 0, False)],
)
def test_more_is_better(ours: float, peer: float, met: bool) -> None:
    assert one(FAST, {"rate": ours}, {"rate": peer}) is met


@pytest.mark.parametrize(("ours", "peer", "met"), [(10, 50, True), (10, 49, False), (11, 500, False)])
def test_less_is_better(ours: float, peer: float, met: bool) -> None:
    assert one(SOON, {"wait": ours}, {"wait": peer}) is met


def test_a_bound_may_be_another_figure() -> None:
    assert one(SMALL, {"size": 5, "allowed": 5}, {}) is True
    assert one(SMALL, {"size": 6, "allowed": 5}, {}) is False


def test_nothing_is_asked_of_what_is_only_to_be_known() -> None:
    (row,) = judged([Run({"cpu": 3.0}, {"cpu": 6.0})], [KNOWN])
    assert (row.ours, row.peer, row.ratio, row.target, row.met) == (3.0, 6.0, 0.5, "", None)


def test_what_was_not_measured_is_neither_met_nor_missed() -> None:
    (row,) = judged([Run({}, {"rate": 5.0})], [FAST])
    assert (row.ours, row.ratio, row.met, row.runs, row.spread) == (None, None, None, 0, None)


def test_without_the_peer_nothing_is_asked_of_ratios() -> None:
    assert one(FAST, {"rate": 100}, {}) is True
    assert one(FAST, {"rate": 99}, {}) is False


def test_a_peer_that_was_measured_but_not_in_this_row_leaves_it_missed() -> None:
    assert one(FAST, {"rate": 100}, {"wait": 3}) is False


def test_medians_of_runs_and_of_their_own_ratios() -> None:
    """The machine was half as fast in the second run, for both: ratios do not see it, and no run is mixed with another."""
    runs = [
        Run({"rate": 400.0}, {"rate": 100.0}),
        Run({"rate": 200.0}, {"rate": 50.0}),
        Run({"rate": 500.0}, {"rate": 100.0}),
        Run({}, {"rate": 1.0}),
    ]
    (row,) = judged(runs, [FAST])
    assert (row.ours, row.peer, row.ratio, row.runs, row.spread) == (400.0, 75.0, 4.0, 3, (200.0, 500.0))


def test_targets_are_said_as_they_are_judged() -> None:
    texts = {spec.name: row.target for spec, row in zip(SPECS, judged([], SPECS), strict=True)}
    assert texts["client over HTTP to final, batches of 100"] == "≥ 10,000, ≥ 2 × peer"
    assert texts["commit at 100/s, ingress, p50"] == "≤ 12, ≤ 1/5 peer"
    assert texts["disk, payload included, batches of 100"] == "≤ 1/2 peer"


def test_names_of_rows_are_theirs_alone() -> None:
    assert len({spec.name for spec in SPECS}) == len(SPECS)


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0"), (0.951, "0.95"), (12.34, "12.3"), (96.0, "96"), (20_123.6, "20,124")]
)
def test_figures_are_written_with_the_digits_that_mean_something(value: float, text: str) -> None:
    assert number_text(value) == text


@pytest.mark.parametrize(("ratio", "text"), [(2.0, "2 ×"), (0.2, "1/5"), (1 / 3, "1/3"), (6.54, "6.54 ×")])
def test_ratios_are_written_as_they_are_spoken(ratio: float, text: str) -> None:
    assert ratio_text(ratio) == text
