"""Bugs planted in the running node: each oracle must report the one it is there for, or it is worth nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from ledger.chain import validators
from ledger.consensus import machine
from node.storage.vote_log import VoteLog
from node.validator.completing import Completer
from node.validator.mempool import Mempool
from node.validator.tables import Tables
from node.validator.validator import Validator
from tests.simulation.founding import found
from tests.simulation.scenario import run_seed
from tests.storage.memory_files import MemoryFile

Plant = Callable[[pytest.MonkeyPatch], None]


def quorum_of_half(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two sides of a partition each have a quorum."""
    monkeypatch.setattr(validators, "quorum", lambda count: count // 2)


def syncs_that_do_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a power cut a node finds that its disk kept some of this and some of that."""
    monkeypatch.setattr(MemoryFile, "sync", lambda _: None)


def transactions_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """One node does not know what it told a client an hour ago."""
    write = Tables.write_transaction

    def some(tables: Tables, known: bytes, *arguments: Any, **named: Any) -> None:
        if known[0] >= 32:
            write(tables, known, *arguments, **named)

    monkeypatch.setattr(Tables, "write_transaction", some)


def nobody_gives_up_on_a_leader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "may_nullify", lambda *_, **__: False)


def nobody_accuses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Validator, "accuse", lambda *_: None)


def votes_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """A restarted validator does not know what it said."""
    monkeypatch.setattr(VoteLog, "records", ())


def batches_are_never_let_go_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Mempool, "finalised", lambda *_: None)


def everything_is_said_five_times(monkeypatch: pytest.MonkeyPatch) -> None:
    said = Validator.broadcast

    def broadcast(validator: Validator, data: bytes) -> None:
        for _ in range(5):
            said(validator, data)

    monkeypatch.setattr(Validator, "broadcast", broadcast)


def is_found(finding: str, seeds: Iterable[int], adversaries: tuple[str, ...]) -> bool:
    """Whether an oracle reports anything in one of these seeds."""
    return any(getattr(run_seed(seed, adversaries), finding) for seed in seeds)


@pytest.mark.parametrize(
    ("plant", "finding", "adversaries"),
    [
        (quorum_of_half, "forks", ("twin",)),
        (syncs_that_do_nothing, "broken", ()),
        (transactions_are_forgotten, "lost", ()),
        (nobody_gives_up_on_a_leader, "stuck", ("silent",)),
        (nobody_accuses, "evidence_missed", ("double voter",)),
        (votes_are_forgotten, "broken", ()),
        (batches_are_never_let_go_of, "stuck", ()),
        (everything_is_said_five_times, "stuck", ()),
    ],
)
def test_a_planted_bug_is_found(
    plant: Plant, finding: str, adversaries: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    found.cache_clear()
    plant(monkeypatch)
    try:
        assert is_found(finding, range(1, 30), adversaries)
    finally:
        found.cache_clear()


def test_a_past_that_is_never_completed_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a seed in which a node joins."""
    monkeypatch.setattr(Completer, "start", lambda *_: None)
    result = run_seed(10_351)
    assert result.joins
    assert "completes the past below" in result.stuck[0]
