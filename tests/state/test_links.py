"""What entries, chains and related roots commit to, and what of a record counts as a move (DESIGN §4)."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.base import merkle
from ledger.base.hashing import ZERO_HASH
from ledger.base.merkle import EMPTY_ROOT
from ledger.chain.transaction import leaf_salt
from ledger.state.links import (
    Entry,
    Link,
    Related,
    counted,
    extended,
    is_move,
    linked,
    related_leaf,
    related_leaves,
    related_root,
    related_root_of,
    related_salt,
    with_root,
)
from ledger.trade.record import (
    EMPTY,
    Binding,
    Chain,
    Contradiction,
    Hold,
    LivePermit,
    Origin,
    Quantity,
    Record,
    Status,
    SubjectKey,
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


CHAINS = st.builds(Chain, st.integers(0, 2**40), st.binary(min_size=32, max_size=32))
NAMES = st.none() | st.text("abc", min_size=1, max_size=40)
RECORDS = st.builds(
    Record, status=st.sampled_from(Status), custodian=NAMES, parent=NAMES, children=st.integers(0, 3),
    shipped=st.booleans(), moved=st.integers(0, 9), links=CHAINS, moves=CHAINS, asides=CHAINS, legs=CHAINS,
)  # fmt: skip
LINKS = st.builds(Link, st.binary(min_size=32, max_size=32), st.integers(0, 200), NAMES)
KEYS = st.builds(
    SubjectKey, st.integers(0, 11), st.text("xyz", min_size=1, max_size=300), st.text("h", max_size=3)
)
RELATED = st.tuples(
    st.sampled_from([0, 1, 2, 5, 9, 255]), KEYS, st.just(EMPTY), st.binary(min_size=32, max_size=32)
)


def plainly_linked(before: Record, after: Record, link: Link, sequence: int, *, aside: bool) -> Record:
    """`linked` as RULES.md says it, one chain after the other."""
    if aside:
        return before._replace(asides=extended(NETWORK, before.asides, link))
    record = after._replace(
        links=extended(NETWORK, before.links, link), moves=before.moves, asides=before.asides
    )
    if is_move(before, after):
        record = record._replace(moves=extended(NETWORK, before.moves, link), moved=sequence)
    return record


@given(RECORDS, RECORDS, LINKS, st.integers(0, 2**40), st.booleans())
def test_a_link_extends_the_chains_of_its_record(
    before: Record, after: Record, link: Link, sequence: int, aside: bool
) -> None:
    for decided in (after, before, before._replace(children=7)):
        record = linked(NETWORK, before, decided, link, sequence, aside=aside)
        assert record == plainly_linked(before, decided, link, sequence, aside=aside)
        assert type(record) is Record
        assert {type(chain) for chain in (record.links, record.moves, record.asides)} == {Chain}


@given(st.binary(min_size=16, max_size=16), st.lists(RELATED, max_size=6))
def test_a_related_root_is_over_one_salted_leaf_of_each_record(salt: bytes, related: list[Related]) -> None:
    leaves = [
        related_leaf(NETWORK, related_salt(NETWORK, salt, key), role, key, hashed)
        for role, key, _, hashed in related
    ]
    assert related_leaves(NETWORK, salt, related) == leaves
    named = counted(role for role, _, _, _ in related)
    root = related_root(NETWORK, len(leaves), named, merkle.root(leaves))
    assert related_root_of(NETWORK, salt, related) == root


def test_an_entry_takes_its_root_and_nothing_else() -> None:
    entry = Entry(1, b"i" * 32, b"t" * 32, 2, 3, 4, "maker", b"k" * 32, ZERO_HASH)
    assert with_root(entry, b"r" * 32) == entry._replace(related_root=b"r" * 32)
    assert type(with_root(entry, b"r" * 32)) is Entry


def test_a_move_is_on_both_chains_and_an_aside_on_neither() -> None:
    link = Link(bytes(32), 20, "maker")
    moved = linked(NETWORK, EMPTY, EMPTY._replace(custodian="maker"), link, 7, aside=False)
    seen = linked(NETWORK, moved, moved._replace(children=3), link, 8, aside=False)
    said = linked(NETWORK, seen, seen._replace(custodian="rival"), link, 9, aside=True)
    assert [
        (one.links.length, one.moves.length, one.asides.length, one.moved, one.custodian)
        for one in (moved, seen, said)
    ] == [(1, 1, 0, 7, "maker"), (2, 1, 0, 7, "maker"), (2, 1, 1, 7, "maker")]
