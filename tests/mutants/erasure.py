"""Bugs in erasing: bytes that stay, that come back, that somebody else has erased, and proofs that say too much."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

_STATE: Final = "ledger/state/erasure.py"
_ERASING: Final = "node/validator/erasing.py"
_T_STATE: Final = "tests/state/test_erasure.py::"
_T_NODE: Final = "tests/validator/test_erasing.py::"
_T_PROOF: Final = "tests/proof/test_erased.py::"
_T_GATEWAY: Final = "tests/gateway/epcis/test_erasing.py::"

MUTANTS: Final = (
    Mutant(
        "anybody-erases",
        "A member has another's event erased.",
        "PROTOCOL §7.5",
        _STATE,
        "    if author != entry.organisation:",
        "    if not author:",
        _T_STATE + "test_nobody_else_may_and_nobody_twice",
    ),
    Mutant(
        "erased-published",
        "Whoever kept the bytes of an erased event puts them into a block for good.",
        "PROTOCOL §7.5",
        "ledger/state/mismatch.py",
        "if is_erased(records, original.item.event_hash, original.entry.organisation):",
        "if is_erased(records, original.item.event_hash, str()):",
        _T_STATE + "test_nobody_publishes_the_bytes_of_an_erased_event",
    ),
    Mutant(
        "last-author-erases",
        "Who repeats an event hash on the ledger has the author's bytes erased everywhere.",
        "PROTOCOL §7.5",
        _ERASING,
        "if self._executor.tables.author(one.event_hash) == one.organisation",
        "if one.organisation",
        _T_NODE + "test_who_puts_a_hash_on_the_ledger_again_cannot_have_its_authors_bytes_erased",
    ),
    Mutant(
        "torn-erasure-left",
        "A node killed between a tombstone's block and the erasure keeps the bytes for ever.",
        "STORAGE §6",
        "node/validator/validator.py",
        "        self.eraser.sweep()\n",
        "",
        _T_NODE + "test_an_erasure_that_a_crash_interrupted_is_finished_at_the_next_start",
    ),
    Mutant(
        "restricted-for-all",
        "Any member that asks is given the bytes of restricted events.",
        "API §6",
        "node/storage/payload_store.py",
        "found.readers is None or (reader is not None and found.is_readable_by(reader))",
        "found.readers is None or reader is not None",
        "tests/storage/test_payload_store.py::test_restricted_bytes_are_read_by_those_named_and_open_ones_by_all",
    ),
    Mutant(
        "absent-tombstone-shown",
        "A bundle may be padded with proofs that events were not erased.",
        "PROOF §6",
        "ledger/proof/verify.py",
        "        if record != EMPTY:  # that there is none is not for a bundle to show\n            self._use",
        "        if record is not None:\n            self._use",
        _T_PROOF + "test_a_tombstone_cannot_be_invented_and_not_shown_for_nothing",
    ),
    Mutant(
        "document-outlives-its-event",
        "The XML document of a capture is kept when an event that it only repeated is erased.",
        "EPCIS, Erasure",
        "node/gateway/epcis/jobs.py",
        "                here += same\n",
        "",
        _T_GATEWAY + "test_a_document_that_repeats_an_event_goes_with_it_too",
    ),
)
