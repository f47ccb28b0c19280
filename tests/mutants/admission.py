"""Bugs in taking in: one member that starves others, room that is never given back, and slices read otherwise than they are."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

_QUEUE: Final = "node/validator/fair_queue.py"
_MEMPOOL: Final = "node/validator/mempool.py"
_SLICES: Final = "ledger/trade/slices.py"
_T_QUEUE: Final = "tests/validator/test_fair_queue.py::"
_T_ADMISSION: Final = "tests/validator/test_admission.py::"
_T_SLICES: Final = "tests/trade/test_slices.py::"

MUTANTS: Final = (
    Mutant(
        "flood-keeps-its-turn",
        "Whoever has most waiting is served until nothing of it waits, and everybody else after that.",
        "WIRE_LOCAL §3",
        _QUEUE,
        "self._lanes[organisation] = self._lanes.pop(organisation)",
        "self._lanes[organisation] = lane",
        _T_QUEUE + "test_one_transaction_waits_for_one_round_however_much_another_has_waiting",
    ),
    Mutant(
        "flood-takes-all-room",
        "One member that floods a node fills its queue, and all others are refused there.",
        "WIRE_LOCAL §3",
        _QUEUE,
        "return held + size <= self._most_bytes - self.size",
        "return size <= self._most_bytes - self.size or held < 0",
        _T_QUEUE + "test_each_that_floods_leaves_as_much_as_it_takes",
    ),
    Mutant(
        "work-under-way-never-given-back",
        "What became final still counts as under way, so after a while a node makes no batch any more.",
        "WIRE_LOCAL §3",
        _MEMPOOL,
        "self._work_under_way -= self._under_way.pop(digest, 0)",
        "self._under_way.pop(digest, 0)",
        _T_ADMISSION + "test_what_is_under_way_is_bounded_and_all_of_it_is_let_go_of",
    ),
    Mutant(
        "refused-after-all-the-work",
        "What is too much is decoded, hashed and its signature checked before it is refused, so a flood costs as if it were taken.",
        "WIRE_LOCAL §3",
        _MEMPOOL,
        "                self._check_room(ahead.organisation, size)\n",
        "",
        _T_ADMISSION + "test_refusing_what_is_too_much_reads_and_checks_nothing_of_it",
    ),
    Mutant(
        "member-twice-in-plain-slices",
        "In an event without escapes a member may stand twice, and nodes with another reader take the other one.",
        "EXTRACT §1",
        _SLICES,
        "return members if len(members) == len(pairs) else _leave(pairs)",
        "return members if pairs is not None else _leave(pairs)",
        _T_SLICES + "test_the_stock_scanner_never_answers_otherwise_than_the_own_reader",
    ),
)
