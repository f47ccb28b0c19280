"""Whoever acts, and whatever they do: nothing changes that fewer than the threshold signed (GOVERNANCE.md §3)."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.base.quorum import max_faulty, quorum
from ledger.members.constitution import ChangeKind, Electorate
from ledger.members.governance import Act, Status, ballot_name
from ledger.members.registry import Kind
from tests.world.council import DAY_MS, FOUR, Council, add

VOTES = (Kind.PROPOSAL, Kind.BALLOT)
CHANGES: tuple[tuple[Any, ...], ...] = (
    add(approver=True),
    add("agent", parties=()),
    (int(ChangeKind.SUSPEND), "carrier", None),
    (int(ChangeKind.REINSTATE), "carrier"),
    (int(ChangeKind.EMERGENCY), "customs"),
    (int(ChangeKind.GRANT), "7777777", "forwarder"),
    (int(ChangeKind.APPROVER), "broker", False),
    (int(ChangeKind.REMOVE_ORGANISATION), "broker"),
    (int(ChangeKind.CONSTITUTION), ((int(ChangeKind.GRANT), 1, 1), (int(ChangeKind.CONSTITUTION), 1, 1))),
    (int(ChangeKind.PARAMETER), "allow_persons", True),
)
actors = st.sampled_from(FOUR)
acts = st.one_of(
    st.tuples(st.just(Act.PROPOSE), actors, st.integers(0, len(CHANGES) - 1)),
    st.tuples(st.just(Act.BALLOT), actors, st.integers(0, 3), st.booleans()),
    st.tuples(st.just(Act.WITHDRAW), actors, st.integers(0, 3)),
)


@st.composite
def campaigns(draw: st.DrawFn) -> list[tuple[Any, ...]]:
    """A proposal with ballots of some, most of them yes."""
    voters = draw(st.lists(actors, max_size=4, unique=True))
    made: list[tuple[Any, ...]] = [(Act.PROPOSE, draw(actors), draw(st.integers(0, len(CHANGES) - 1)))]
    return made + [(Act.BALLOT, who, 0, draw(st.integers(0, 5)) > 0) for who in voters]


histories = st.lists(st.one_of(campaigns(), st.lists(acts, max_size=3)), max_size=8).map(
    lambda parts: [act for part in parts for act in part]
)


def settled(council: Council) -> dict[tuple[int, str], Any]:
    """Everything the registry holds but votes."""
    height = council.world.state.tip.header.height + 1
    entries = council.world.state.registry.entries
    return {(one.kind, one.name): one.at(height) for one in entries if one.kind not in VOTES}


def do(council: Council, made: list[bytes], act: tuple[Any, ...]) -> bytes | None:
    """One act; the proposal that it is a ballot on."""
    what, who, number = act[:3]
    if what == Act.PROPOSE:
        item = (int(Act.PROPOSE), CHANGES[number], council.world.now_ms + DAY_MS, str(len(made)))
        if council.act(who, item) == "":
            made.append(council.proposal_of(who, item))
        return None
    if number >= len(made):
        return None
    proposal: bytes = made[-1 - number]
    if what == Act.WITHDRAW:
        council.act(who, (int(Act.WITHDRAW), proposal))
        return None
    council.vote(proposal, who, yes=act[3])
    return proposal


@settings(max_examples=40)
@given(histories)
def test_nothing_that_fewer_than_the_threshold_signed_ever_changed_anything(
    drawn: list[tuple[Any, ...]],
) -> None:
    council, made = Council(), list[bytes]()
    for act in drawn:
        before, electorate = settled(council), council.electorate
        proposal = do(council, made, act)
        after = settled(council)
        if after == before:
            continue
        assert proposal is not None, "only a ballot enacts"
        yes = [
            who
            for who in electorate.organisations
            if (ballot := council.data(Kind.BALLOT, ballot_name(proposal, who))) is not None and ballot[0]
        ]
        kind = council.data(Kind.PROPOSAL, proposal.hex())[1][0]
        assert council.status(proposal) == Status.ENACTED
        assert len(yes) >= electorate.needed(kind) >= 2
        assert len(yes) > max_faulty(electorate.size)
        if kind != ChangeKind.EMERGENCY:
            assert len(yes) >= quorum(electorate.size)


@settings(max_examples=20)
@given(st.sampled_from(FOUR), histories)
def test_one_of_four_alone_changes_nothing_whatever_it_does(who: str, drawn: list[tuple[Any, ...]]) -> None:
    council, made = Council(), list[bytes]()
    before = settled(council)
    for what, _, *rest in drawn:
        do(council, made, (what, who, *rest))
    assert settled(council) == before


@given(
    st.integers(1, 128),
    st.integers(4, 31),
    st.sampled_from(ChangeKind),
    st.integers(1, 100),
    st.integers(1, 100),
)
def test_rules_never_let_f_of_the_voters_or_validators_decide(
    size: int, seats: int, kind: ChangeKind, numerator: int, denominator: int
) -> None:
    rules = ((int(kind), min(numerator, denominator), denominator),)
    electorate = Electorate(tuple(f"o{number}" for number in range(size)), seats, rules)
    for other in ChangeKind:
        assert electorate.needed(other) > max(max_faulty(size), max_faulty(seats), 1)
        assert electorate.needed(ChangeKind.CONSTITUTION) >= electorate.needed(other)
