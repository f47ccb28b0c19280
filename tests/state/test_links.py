"""What entries, chains and related roots commit to, and what of a record counts as a move (DESIGN §4)."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.base.merkle import EMPTY_ROOT
from ledger.chain.transaction import leaf_salt
from ledger.state.links import Link, extended, is_move, related_root, related_salt
from ledger.trade.record import (
    EMPTY,
    Binding,
    Contradiction,
    Hold,
    LivePermit,
    Origin,
    Quantity,
    Status,
    Unconfirmed,
)
from ledger.trade.rules.view import thing

NETWORK = bytes(range(32))


def head_of(*codes: int) -> tuple[int, bytes]:
    chain = EMPTY.links
    for code in codes:
        chain = extended(NETWORK, chain, Link(bytes(32), code, None))
    return chain.length, chain.head


def test_a_head_covers_every_link_before_it() -> None:
    assert head_of(20, 60, 70) == head_of(20, 60, 70)
    assert len({head_of(20, 60, 70), head_of(21, 60, 70), head_of(20, 61, 70), head_of(60, 20, 70)}) == 4


def test_a_related_root_binds_how_many_records_were_read_and_in_which_roles() -> None:
    roots = {
        related_root(NETWORK, count, named, EMPTY_ROOT)
        for count in (1, 2)
        for named in ((0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1))
    }
    assert len(roots) == 8


def test_no_leaf_is_guessed_by_who_does_not_know_the_item() -> None:
    """The salt of a leaf tells nothing of another's: it differs by leaf and by item, and is no constant."""
    items = bytes(16), bytes(15) + b"\1"
    things = (
        thing("https://id.gs1.org/01/09521234000013/21/1"),
        thing("https://id.gs1.org/01/09521234000013/21/2"),
    )
    related = {related_salt(NETWORK, item, key) for item in items for key in things}
    subjects = {leaf_salt(NETWORK, item, place) for item in items for place in (0, 1)}
    assert len(related) == len(subjects) == 4
    assert all(len(salt) == 16 for salt in related | subjects)


@pytest.mark.parametrize(
    "change",
    [
        {"status": Status.ENDED}, {"origin": Origin.ATTESTED}, {"custodian": "carrier"}, {"parent": "box"}, {"parent_generation": 1},
        {"generation": 1}, {"holds": (Hold("customs", "1", "", False, 0),)}, {"seals": ("S",)}, {"maker": "maker"},
        {"bindings": (Binding("urn:custody:doc:ucr:1", 0, "maker"),)}, {"quantity": Quantity(1, 0, 0, "")},
        {"permits": (LivePermit("customs", 0, (), 0, 1, None),)}, {"unconfirmed": Unconfirmed(0, bytes(32), "a", "b", 1)},
        {"contradictions": (Contradiction(0, bytes(32), "rival", 28),)},
    ],
)  # fmt: skip
def test_what_bears_on_contents_is_a_move(change: dict[str, Any]) -> None:
    """A proof of what lies in a container shows its moves only: none of these may be kept out of it."""
    assert is_move(EMPTY, EMPTY._replace(**change))


@pytest.mark.parametrize(
    "change", [{"children": 1}, {"levels": 1}, {"inside": (("customs", 1),)}, {"lots": ("lot",)}]
)
def test_a_sibling_packed_is_no_move(change: dict[str, Any]) -> None:
    """Or a proof of one item would grow with the thousand beside it."""
    assert not is_move(EMPTY, EMPTY._replace(**change))
