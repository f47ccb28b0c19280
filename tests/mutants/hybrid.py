"""Bugs in hybrid keys: whichever half is not looked at, and every way back to plain keys that nobody voted for."""

from __future__ import annotations

from typing import Final

from tests.mutants.mutant import Mutant

_KEYS: Final = "ledger/base/keys.py"
_EPOCH: Final = "ledger/chain/epoch.py"
_BLOCK: Final = "ledger/state/block.py"
_GENESIS: Final = "ledger/chain/genesis.py"
_T_KEYS: Final = "tests/base/test_hybrid_keys.py::"
_T_STATE: Final = "tests/state/test_hybrid.py::"

MUTANTS: Final = (
    Mutant(
        "either-half-will-do",
        "A hybrid signature holds if one half does: who breaks either scheme signs for everybody.",
        "SIGNATURES 1",
        _KEYS,
        ") and mldsa.holds(",
        ") or mldsa.holds(",
        _T_KEYS + "test_either_half_broken_is_refused",
    ),
    Mutant(
        "halves-that-do-not-name-each-other",
        "Both halves sign the bare message, so each passes for a plain signature and beside any other half.",
        "SIGNATURES 1",
        _KEYS,
        "return tagged_hash(Tag.HYBRID, ZERO_HASH, key_id(public_key) + message)",
        "return message",
        _T_KEYS + "test_neither_half_of_a_signature_passes_for_a_plain_one_or_beside_another_half",
    ),
    Mutant(
        "plain-seats-under-the-hybrid-suite",
        "Seats may be of any kind, so a change of validators leaves the suite without saying so.",
        "SIGNATURES 2",
        _EPOCH,
        "if following.is_hybrid != is_asked:",
        "if following.is_hybrid and not is_asked:",
        _T_STATE + "test_plain_approvals_move_nobody_to_hybrid_keys_or_away_from_them",
    ),
    Mutant(
        "plain-keys-under-the-hybrid-suite",
        "A plain key goes on signing for its organisation where the network asks for hybrid ones.",
        "SIGNATURES 2",
        _BLOCK,
        "if is_weak and seat is None and members.asks_for_hybrid:",
        "if is_weak and seat is None and members.protocol == 0:",
        _T_STATE + "test_a_network_that_asks_for_hybrid_keys_refuses_plain_ones_but_of_delegates",
    ),
    Mutant(
        "a-key-under-anothers-id",
        "Genesis lists a hybrid key under any name, so who signs is not whom the registry shows.",
        "SIGNATURES 2",
        _GENESIS,
        "if not is_valid_public_key(public_key) or key_id(public_key).hex() != name:",
        "if not is_valid_public_key(public_key):",
        _T_STATE + "test_a_key_stands_under_its_own_id",
    ),
)
