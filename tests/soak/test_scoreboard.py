"""A soak calls nothing good that is missing, failed or found something; its table is what its figures say."""

from __future__ import annotations

import copy
import importlib.util
import json
import subprocess
import sys
from typing import Any

import pytest

from tests.soak import run
from tests.soak.parts import PARTS, Line, Part
from tests.soak.scoreboard import FIGURES, TABLE, table

KEPT = json.loads(FIGURES.read_text())
BY_NAME = {part.name: part for part in PARTS}
HARM: dict[str, tuple[tuple[str, ...], Any]] = {
    "simulation": (("forks",), 1),
    "processes": (("lost",), 1),
    "mutants": (("killed",), KEPT["parts"]["mutants"]["figures"]["killed"] - 1),
    "disk": (("parts", "flips of blocks", "wrong"), 1),
    "decoders": (("findings",), [{"decoder": "genesis"}]),
    "proofs": (("accepted",), 1),
    "api": (("findings",), ["a 500"]),
    "overload": (("ok",), False),
}


def harmed(name: str) -> dict[str, Any]:
    figures: dict[str, Any] = copy.deepcopy(KEPT["parts"][name]["figures"])
    path, value = HARM[name]
    inner = figures
    for step in path[:-1]:
        inner = inner[step]
    assert path[-1] in inner
    inner[path[-1]] = value
    return figures


def test_the_table_is_what_the_kept_figures_say() -> None:
    assert TABLE.read_text() == table(KEPT)


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.name)
def test_each_part_is_a_command_of_the_project(part: Part) -> None:
    assert importlib.util.find_spec(part.command(60)[0]) is not None


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_what_a_part_found_is_not_called_good(name: str) -> None:
    assert not all(line.is_good for line in BY_NAME[name].lines(harmed(name)))


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_a_missing_figure_is_no_success(name: str) -> None:
    with pytest.raises(KeyError):
        BY_NAME[name].lines({})


def test_a_part_that_did_not_run_or_said_nothing_is_shown_as_failed() -> None:
    found = copy.deepcopy(KEPT)
    del found["parts"]["simulation"]
    del found["parts"]["mutants"]["figures"]
    found["parts"]["mutants"]["error"] = "still running long after its time"
    shown = table(found)
    assert "| simulation | | not run | FAILED |" in shown
    assert "| mutants | | still running long after its time | FAILED |" in shown


@pytest.mark.parametrize(
    ("code", "is_good"),
    [
        ("print('{}')", True),
        ("print('{}'); raise SystemExit(1)", False),
        ("print('no object')", False),
        ("pass", False),
    ],
)
def test_a_part_counts_by_its_object_and_its_exit(
    code: str, is_good: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda _, **how: started([sys.executable, "-c", code], **how))
    part = PARTS[0]._replace(lines=lambda _: [Line("all", "much", "nothing", is_good=True)])
    assert run._is_good(part, run._run(part, 10)) is is_good
