"""The registry: proofs of presence, of absence, of the one prefix; and what members are entitled to, at a height."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.base import limits
from ledger.base.errors import Code, CustodyError, FormError, ProofError, RuleError
from ledger.members.draft import RegistryDraft
from ledger.members.members import (
    Delegation,
    Members,
    Organisation,
    Use,
    check_organisation_id,
    entry_from_wire,
)
from ledger.members.registry import Entry, Kind, Period, Registry, RegistryProof, verify_registry

NETWORK = bytes(range(32))
NAMES = st.lists(st.text("abc", min_size=1, max_size=4), max_size=12, unique=True)


def entry(kind: int, name: str, data: Any = "maker", since: int = 0, until: int | None = None) -> Entry:
    return Entry(int(kind), name, (Period(since, until, data),))


def registry(*entries: Entry) -> Registry:
    return Registry(NETWORK, entries)


GRANTS = [
    entry(Kind.GRANT, digits, f"org{digits}") for digits in ("4012345", "0614141", "952", "9600", "96011")
]


@given(NAMES, NAMES, st.text("abc", min_size=1, max_size=4))
def test_every_look_up_is_proven_as_the_registry_answers(
    first: list[str], second: list[str], name: str
) -> None:
    made = registry(
        entry(Kind.PARTY, "x"),
        *(entry(Kind.ISSUER, n) for n in first),
        *(entry(Kind.SUCCESSOR, n) for n in second),
    )
    for kind in (Kind.PARTY, Kind.ISSUER, Kind.SUCCESSOR, Kind.PARAMETER, Kind.ORGANISATION):
        proof = made.prove_exact(kind, name)
        assert verify_registry(NETWORK, made.root, proof, kind, name, prefix=False) == made.exact(kind, name)


@given(st.text("0123456789", min_size=1, max_size=9))
def test_every_prefix_look_up_is_proven_as_the_registry_answers(digits: str) -> None:
    made = registry(*GRANTS, entry(Kind.KEY, "00"), entry(Kind.PARTY, "4012345"))
    expected = next((one for one in GRANTS if digits.startswith(one.name)), None)
    assert made.prefix(Kind.GRANT, digits) == expected
    proof = made.prove_prefix(Kind.GRANT, digits)
    assert verify_registry(NETWORK, made.root, proof, Kind.GRANT, digits, prefix=True) == expected


@given(st.text("0123456789", min_size=1, max_size=9), st.data())
def test_no_altered_proof_shows_anything_else(digits: str, data: st.DataObject) -> None:
    made = registry(*GRANTS, entry(Kind.KEY, "00"), entry(Kind.PARTY, "4012345"))
    truth = made.prefix(Kind.GRANT, digits)
    proof = made.prove_prefix(Kind.GRANT, digits)
    every = [(place, one, made._tree.inclusion_proof(place)) for place, one in enumerate(made.entries)]
    shown = data.draw(st.lists(st.sampled_from(every), max_size=3))
    for altered in (
        RegistryProof(proof.size, tuple(shown)),
        proof._replace(size=proof.size + 1),
        proof._replace(size=max(1, proof.size - 1)),
        proof._replace(shown=proof.shown[:1]),
        proof._replace(shown=proof.shown[::-1]),
        proof._replace(shown=proof.shown * 2),
        proof._replace(shown=tuple((place + 1, one, path) for place, one, path in proof.shown)),
        proof._replace(
            shown=tuple((place, one._replace(name="5"), path) for place, one, path in proof.shown)
        ),
        proof._replace(shown=()),
    ):
        try:
            found = verify_registry(NETWORK, made.root, altered, Kind.GRANT, digits, prefix=True)
        except ProofError:
            continue
        assert found == truth


def test_a_grant_cannot_be_denied_by_its_neighbours() -> None:
    made = registry(*GRANTS)
    gap = made.prove_prefix(Kind.GRANT, "951")
    with pytest.raises(ProofError):
        verify_registry(NETWORK, made.root, gap, Kind.GRANT, "9521234", prefix=True)
    below, above = made.prove_exact(Kind.GRANT, "952"), made.prove_exact(Kind.GRANT, "9600")
    both = RegistryProof(below.size, (*below.shown, *above.shown))
    with pytest.raises(ProofError):
        verify_registry(NETWORK, made.root, both, Kind.GRANT, "9521234", prefix=True)
    assert verify_registry(NETWORK, made.root, both, Kind.GRANT, "9521234", prefix=False) is None
    with pytest.raises(ProofError):
        verify_registry(bytes(32), made.root, below, Kind.GRANT, "952", prefix=False)


def test_names_are_unique_and_grants_prefix_free() -> None:
    for bad in (
        (entry(Kind.PARTY, "a"), entry(Kind.PARTY, "a")),
        (entry(Kind.GRANT, "95"), entry(Kind.GRANT, "952")),
    ):
        with pytest.raises(FormError):
            registry(*bad)
    registry(entry(Kind.PARTY, "95"), entry(Kind.PARTY, "952"), entry(Kind.ISSUER, "95"))
    assert registry(entry(Kind.PARTY, "a")).root != registry().root


def test_order_of_making_is_of_no_consequence() -> None:
    assert registry(*GRANTS).root == registry(*reversed(GRANTS)).root


# --- members


def members(height: int, *entries: Entry) -> Members:
    return Members(registry(*entries), height)


def test_entries_hold_from_and_until_a_height() -> None:
    periods = (Period(2, 5, "first"), Period(7, None, "second"))
    one = Entry(int(Kind.PARTY), "p", periods)
    assert [members(height, one).party("p") for height in range(9)] == [
        None, None, "first", "first", "first", None, None, "second", "second",
    ]  # fmt: skip


def test_what_members_may_ask() -> None:
    key = bytes(range(32))
    found = members(
        0,
        entry(Kind.ORGANISATION, "maker", ("Maker", "NL", ("manufacturer",), True)),
        entry(Kind.KEY, key.hex(), ("maker", int(Use.DELEGATE), 9, ("doc", 77))),
        entry(Kind.JURISDICTION, "customs", ("https://id.gs1.org/414/95",)),
        entry(Kind.JURISDICTION, "world", ("*",)),
        entry(Kind.ISSUER, "NL0005", "customs"),
        entry(Kind.SUCCESSOR, "customs", "world"),
        entry(Kind.PARAMETER, "allow_persons", True),
        *GRANTS,
    )
    assert found.organisation("maker") == Organisation("Maker", "NL", ("manufacturer",), simulated=True)
    assert found.organisation("nobody") is None
    registered = found.key(key)
    assert registered is not None
    assert (registered.organisation, registered.use, registered.compromised_since) == (
        "maker",
        Use.DELEGATE,
        9,
    )
    assert registered.delegation == Delegation("doc", 77)
    assert found.key(bytes(32)) is None
    assert found.is_authority("customs", "https://id.gs1.org/414/9521")
    assert not found.is_authority("customs", "https://id.gs1.org/414/8")
    assert not found.is_authority("customs", None)
    assert found.is_authority("world", None)
    assert not found.is_authority("maker", "https://id.gs1.org/414/9521")
    assert (found.issuer("NL0005"), found.issuer("DE"), found.issuer("")) == ("customs", None, None)
    assert found.is_same_authority("customs", "customs")
    assert found.is_same_authority("world", "customs")
    assert not found.is_same_authority("customs", "world")
    assert (found.grantee("9521234"), found.grantee("1"), found.grantee("")) == ("org952", None, None)
    assert (found.parameter("allow_persons"), found.parameter("other")) == (True, None)
    assert found.organisation("maker") == found.organisation("maker")


# --- wire

GOOD = (
    (0, "maker", ((0, None, ("Maker", "NL", ("customs",), False)),)),
    (1, "00" * 32, ((0, 5, ("maker", 0, None, None)), (5, None, ("maker", 3, 2, ("doc", 1))))),
    (2, "952", ((0, None, "maker"),)), (2, "953", ((0, None, None),)), (4, "customs", ((0, None, ("*", "a")),)),
    (7, "anything", ((0, None, (1, ("x",))),)), (3, "p", ()),
    (8, "00" * 32, ((3, 9, ("maker", bytes(32))),)),
)  # fmt: skip
BAD = (
    None, (), (0, "maker"), (99, "x", ()), (True, "x", ()), (3, "", ()), (3, "a b", ()), (3, "x", None), (3, "x", ((0, None),)),
    (3, "x", ((-1, None, "o"),)), (3, "x", ((0, -1, "o"),)), (3, "x", ((0, None, 5),)), (3, "x", ((0, None, "a b"),)),
    (0, "maker", ((0, None, ("Maker", "NL", ("customs",), 1)),)), (0, "maker", ((0, None, ("Maker", "NLD", (), True)),)),
    (0, "maker", ((0, None, (5, "NL", (), True)),)), (0, "maker", ((0, None, ("x" * 257, "NL", (), True)),)),
    (0, "maker", ((0, None, ("Maker", "NL", ("king",), True)),)), (0, "maker", ((0, None, ("Maker", "NL", (), True, 1)),)),
    (1, "00", ((0, None, ("maker", 9, None, None)),)), (1, "00", ((0, None, ("maker", 0, -1, None)),)),
    (1, "00", ((0, None, ("maker", 0, None, ("doc", 1))),)), (1, "00", ((0, None, ("maker", 3, None, None)),)),
    (1, "00", ((0, None, ("maker", 3, None, ("doc",))),)), (4, "c", ((0, None, ("a b",)),)), (4, "c", ((0, None, "x"),)),
    (0, "a|b", ()), (0, "a#0", ()), (0, "ext:a", ()), (0, "x" * 33, ()), (0, "é", ()),
    (8, "00", ((0, None, ("maker", bytes(31))),)), (8, "00", ((0, None, ("maker",)),)), (8, "00", ((0, None, "maker"),)),
)  # fmt: skip


@pytest.mark.parametrize("value", GOOD, ids=repr)
def test_entries_of_the_right_form(value: Any) -> None:
    assert entry_from_wire(value) == value


@pytest.mark.parametrize("value", BAD, ids=repr)
def test_entries_of_another_form(value: Any) -> None:
    with pytest.raises(CustodyError):
        entry_from_wire(value)


@pytest.mark.parametrize("name", ["maker", "Maker-1", "a.b_c", "0", "x" * 32])
def test_organisation_ids(name: str) -> None:
    check_organisation_id(name)


def test_an_amendment_holds_from_the_next_height_and_forgets_nothing() -> None:
    made = registry(
        entry(Kind.PARAMETER, "a", 1), entry(Kind.PARAMETER, "b", 1), entry(Kind.PARAMETER, "c", 1)
    )
    later = made.amended(7, [(7, "a", 2), (7, "b", None), (7, "c", 1), (7, "d", True), (7, "e", None)])
    periods = {one.name: tuple(one.periods) for one in later.entries}
    assert periods == {
        "a": ((0, 8, 1), (8, None, 2)),
        "b": ((0, 8, 1),),
        "c": ((0, None, 1),),
        "d": ((8, None, True),),
    }
    assert [Members(later, height).parameter("a") for height in (0, 7, 8)] == [1, 1, 2]
    again = later.amended(9, [(7, "b", 5), (7, "a", None)])
    assert [Members(again, height).parameter("b") for height in (7, 8, 9, 10)] == [1, None, None, 5]
    assert [Members(again, height).parameter("a") for height in (7, 8, 9, 10)] == [1, 2, 2, None]
    assert made.root not in (later.root, again.root)


CHANGES = st.dictionaries(
    st.tuples(st.sampled_from((Kind.KEY, Kind.PARTY, Kind.SUCCESSOR, Kind.BALLOT)), st.text("abc", min_size=1, max_size=2)),
    st.sampled_from(("maker", "carrier", None)),
    max_size=6,
)  # fmt: skip


@given(CHANGES, st.lists(CHANGES, max_size=8))
def test_amending_gives_what_building_it_anew_gives_and_proves_every_entry(
    first: dict[tuple[Kind, str], str | None], later: list[dict[tuple[Kind, str], str | None]]
) -> None:
    made = registry(*(entry(kind, name, data) for (kind, name), data in first.items() if data is not None))
    for height, changes in enumerate(later, 1):
        before = made
        made = made.amended(height, [(int(kind), name, data) for (kind, name), data in changes.items()])
        again = registry(*made.entries)
        assert (made.root, made.entries) == (again.root, again.entries)
        for one in made.entries:
            proof = made.prove_exact(one.kind, one.name)
            assert verify_registry(NETWORK, made.root, proof, one.kind, one.name, prefix=False) == one
            known = before.exact(one.kind, one.name)
            assert known is None or all(known.at(h) == one.at(h) for h in range(height + 1)), "the past stays"
        for (kind, name), data in changes.items():
            now = made.exact(kind, name)
            assert (None if now is None else now.at(height + 1)) == data


def test_a_grant_within_another_never_enters_a_registry_and_a_draft_says_so() -> None:
    made = registry(*GRANTS)
    draft = RegistryDraft(made, 1)
    for digits, other in (("9521", "952"), ("40", "4012345"), ("95", "952"), ("777", None), ("952", None)):
        assert draft.overlapping(digits) == made.overlapping(digits) == other
        if other is not None:
            with pytest.raises(FormError, match="prefix-free"):
                made.amended(1, [(int(Kind.GRANT), digits, "maker")])
    draft.set(Kind.GRANT, "7777", "maker")
    assert draft.overlapping("77771") == "7777"


def test_an_entry_that_changed_too_often_may_only_end() -> None:
    periods = tuple(Period(number, number + 1, "x") for number in range(limits.REGISTRY_PERIODS))
    draft = RegistryDraft(registry(Entry(int(Kind.PARTY), "p", periods)), limits.REGISTRY_PERIODS)
    with pytest.raises(RuleError, match="may only end") as refused:
        draft.set(Kind.PARTY, "p", "maker")
    assert refused.value.code is Code.LIMIT
    draft.set(Kind.PARTY, "p", None)
    assert draft.changes == ((int(Kind.PARTY), "p", None),)
