from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.bench.processes import PROJECT
from tests.bench.profile import fold
from tests.bench.report import STATE, begin_of, figures, markdown, plots, state_rows, write_figures
from tests.bench.rows import Run, Spec, judged
from tests.bench.runs import OURS, PEER, Curve, Kept
from tests.bench.throughput import Point

SPECS = (
    Spec("fast", "batches/s", "events/s", "more", 100, "batches/s", 2),
    Spec("small", "size", "B", "less", 5),
    Spec("known", "cpu", "us", "less"),
)
CONDITIONS: dict[str, Any] = {
    "when": "today", "commit": "abc", "load_average": [0.5], "cores": 2, "processor": "one", "memory_gb": 8, "system": "Linux",
    "python": "3.11", "libraries": {"lmdb": "1"}, "length": {"level_s": 3.0, "paced_s": 10}, "peer": None, "work_us": 50.0,
    "limits": {"signature_checks_per_second": 10_000, "hashes_per_second": 2_846_000, "syncs_per_second": 500},
}  # fmt: skip


def kept_in(folder: Path) -> Kept:
    kept = Kept(folder, is_new=True)
    kept.conditions = CONDITIONS
    kept.runs += [
        {OURS: {"batches/s": rate, "paced ingress p50 ms": 10.0}, PEER: {"batches/s": 50.0}}
        for rate in (500.0, 400.0, 600.0)
    ]
    kept.curves.append(Curve(OURS, "batches", [Point(100, 400.0, 1.0, 2.0)]))
    return kept


def test_a_row_says_figure_spread_ratio_and_whether_it_holds() -> None:
    runs = [Run({"batches/s": rate}, {"batches/s": 50.0}) for rate in (500.0, 400.0, 600.0)]
    runs[0] = Run({"batches/s": 500.0, "size": 6, "cpu": 12.34}, {"batches/s": 50.0})
    assert markdown(judged(runs, SPECS)).splitlines()[2:] == [
        "| fast | events/s | 500 (400 – 600) | 50 | 10 × | ≥ 100, ≥ 2 × peer | yes |",
        "| small | B | 6 |  |  | ≤ 5 | **no** |",
        "| known | us | 12.3 |  |  |  |  |",
    ]
    assert markdown(judged([], SPECS)).splitlines()[2] == (
        "| fast | events/s |  |  |  | ≥ 100, ≥ 2 × peer | not measured |"
    )


def test_what_is_kept_is_read_again_unless_it_is_to_be_new(tmp_path: Path) -> None:
    kept = kept_in(tmp_path)
    kept.write()
    again = Kept(tmp_path, is_new=False)
    assert (again.runs, again.curves, again.conditions) == (kept.runs, kept.curves, kept.conditions)
    assert Kept(tmp_path, is_new=True).runs == []


def test_how_far_a_figure_is_from_what_the_machine_allows(tmp_path: Path) -> None:
    """Four validators share two cores; an event of a batch takes 27.47 hashes at each, and a hundredth of a check."""
    said = figures([], kept_in(tmp_path))
    assert (
        "| batches of 100 at ingress | a validator's work on an event, alone, on 2 cores | 10,000 | 5% |"
        in said
    )
    assert "| batches of 100 at ingress | hashes of 2 cores | 51,802 | 1% |" in said
    assert "| batches of 100 at ingress | signature checks of 2 cores | 500,000 | 0% |" in said
    assert "| commit at 100/s, p50 | one sync | | 5 syncs long |" in said
    assert "singly signed" not in said
    assert "CometBFT was not measured" in said


def test_rows_of_the_state_are_told_as_they_were_judged(tmp_path: Path) -> None:
    assert state_rows(tmp_path) == []
    rows = judged([Run({"batches/s": 90.0}, {})], SPECS[:1])
    (tmp_path / STATE).write_text(json.dumps({"rows": [row.to_json() for row in rows]}))
    assert markdown(state_rows(tmp_path)) == markdown(rows)


def test_a_plot_of_nothing_is_none(tmp_path: Path) -> None:
    assert plots(tmp_path, [Curve(OURS, "batches", [])]) == "no plots: no load curve was measured"
    assert list(tmp_path.iterdir()) == []


def test_only_what_stands_between_its_own_marks_is_written_anew(tmp_path: Path) -> None:
    document = tmp_path / "document.md"
    other = f"{begin_of('state')}\n\nkept\n\n<!-- end -->"
    document.write_text(f"head\n{other}\n{begin_of()}\nold\n<!-- end -->\ntail\n")
    write_figures(document, "new\n")
    assert document.read_text() == f"head\n{other}\n{begin_of()}\n\nnew\n\n<!-- end -->\ntail\n"
    with pytest.raises(ValueError, match="bench network --write"):
        write_figures(document, "new", "network")


@pytest.mark.parametrize("command", ["", "profile", "state", "network"])
def test_the_document_has_a_place_for_what_each_command_writes(command: str) -> None:
    assert (PROJECT / "PERFORMANCE.md").read_text().count(begin_of(command)) == 1


def test_a_profile_is_folded_to_shares_of_work() -> None:
    main, step = f"main ({PROJECT}/node/cli.py:9)", f"step ({PROJECT}/node/validator/driver.py:5)"
    packed = f"{PROJECT}/.venv/lib/python3.11/site-packages/msgpack/fallback.py:7"
    profile = fold(
        [
            f"{main};{step};encode ({PROJECT}/ledger/base/encoding.py:20) 6",
            f"{main};{step};{step};pack ({packed}) 3",
            f"{main};{step} 1",
            f"{main};select (/usr/lib/python3.11/selectors.py:468) 70",
            "_worker (/usr/lib/python3.11/concurrent/futures/thread.py:81) 20",
        ]
    )
    assert profile.own == [
        ("ledger/base/encoding.py encode", 0.6),
        ("msgpack/fallback.py pack", 0.3),
        ("node/validator/driver.py step", 0.1),
    ]
    assert profile.below == [("node/validator/driver.py step", 1.0), ("ledger/base/encoding.py encode", 0.6)]
    assert fold([]) == ([], [])
