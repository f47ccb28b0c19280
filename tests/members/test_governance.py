"""Votes on the ledger: what is enacted, by how many, and what is refused with nothing changed (GOVERNANCE.md)."""

from __future__ import annotations

import pytest

from ledger.base import limits
from ledger.base.errors import Code
from ledger.chain.transaction import Kind as TransactionKind
from ledger.members.constitution import ChangeKind
from ledger.members.governance import Act, Status, proposal_id
from ledger.members.registry import Kind
from tests.world.council import DAY_MS, FOUR, Council, add, authority
from tests.world.world import gln


@pytest.fixture
def council() -> Council:
    return Council()


def test_a_quorum_adds_an_organisation_and_two_of_four_do_not(council: Council) -> None:
    proposal = council.propose(add())
    assert council.vote(proposal, "maker") == ""
    assert council.vote(proposal, "forwarder") == ""
    assert council.status(proposal) == Status.OPEN
    assert council.data(Kind.ORGANISATION, "broker") is None
    assert council.vote(proposal, "carrier") == ""
    assert council.status(proposal) == Status.ENACTED
    assert council.data(Kind.ORGANISATION, "broker") == ("Broker", "NL", ("logistics",), False, None)
    assert council.data(Kind.PARTY, gln(77)) == "broker"
    assert council.data(Kind.KEY, authority("broker").hex())[:2] == ("broker", 6)
    assert council.vote(proposal, "customs") == Code.NOT_OPEN


def test_a_second_ballot_a_strangers_and_one_too_late_are_refused(council: Council) -> None:
    proposal = council.propose(add(), days=1)
    assert council.vote(proposal, "maker") == ""
    assert council.vote(proposal, "maker", yes=False) == Code.ALREADY_VOTED
    assert council.vote(bytes(32), "maker") == Code.NOT_FOUND
    world = council.world
    signed = world.sign("maker", (int(Act.BALLOT), proposal, True, None), kind=TransactionKind.GOVERNANCE)
    assert world.commit(signed).receipts[0].refusal == Code.WRONG_USE
    world.commit(advance_ms=DAY_MS)
    assert council.vote(proposal, "forwarder") == Code.EXPIRED
    assert council.act("maker", (int(Act.WITHDRAW), proposal)) == Code.EXPIRED


def test_what_cannot_pass_any_more_is_rejected_and_its_proposer_may_withdraw(council: Council) -> None:
    proposal = council.propose(add())
    assert council.vote(proposal, "forwarder", yes=False) == ""
    assert council.status(proposal) == Status.OPEN
    assert council.vote(proposal, "carrier", yes=False) == ""
    assert council.status(proposal) == Status.REJECTED
    other = council.propose(add(), reason="again")
    assert council.act("forwarder", (int(Act.WITHDRAW), other)) == Code.NOT_ENTITLED
    assert council.act("maker", (int(Act.WITHDRAW), other)) == ""
    assert council.status(other) == Status.WITHDRAWN
    assert council.vote(other, "carrier") == Code.NOT_OPEN


def test_what_passed_and_no_longer_applies_fails_and_sets_nothing(council: Council) -> None:
    first, second = council.propose(add()), council.propose(add(name="Other"), by="carrier")
    for who in FOUR[:3]:
        assert council.vote(first, who) == ""
    for who in FOUR[:2]:
        assert council.vote(second, who) == ""
    held = council.data(Kind.ORGANISATION, "broker")
    assert council.vote(second, "carrier") == ""
    assert council.status(second) == Status.FAILED
    assert council.data(Kind.ORGANISATION, "broker") == held


def test_all_acts_of_one_block_see_each_other(council: Council) -> None:
    world = council.world
    item = (int(Act.PROPOSE), add(), world.now_ms + DAY_MS, "")
    proposal = proposal_id(world.network, "maker", item)
    signed = [world.sign("maker", item, kind=TransactionKind.GOVERNANCE, key=world.approvers["maker"])]
    ballot = (int(Act.BALLOT), proposal, True, None)
    signed += [
        world.sign(who, ballot, kind=TransactionKind.GOVERNANCE, key=world.approvers[who])
        for who in (*FOUR, "maker")
    ]
    codes = [receipt.refusal for receipt in world.commit(*signed).receipts]
    assert codes == ["", "", "", "", Code.NOT_OPEN, Code.NOT_OPEN]
    assert council.status(proposal) == Status.ENACTED


def test_an_emergency_needs_two_of_four_bars_custody_never_votes_and_lapses(council: Council) -> None:
    proposal = council.pass_((int(ChangeKind.EMERGENCY), "carrier"), FOUR[:1])
    assert council.status(proposal) == Status.OPEN
    assert council.vote(proposal, "forwarder") == ""
    assert council.status(proposal) == Status.ENACTED
    world = council.world
    assert world.commit(world.sign("carrier", world.item(0, []))).receipts[0].refusal == Code.SUSPENDED
    other = council.propose(add(), by="carrier")
    assert council.vote(other, "carrier") == ""
    assert council.refused((int(ChangeKind.EMERGENCY), "carrier")) == Code.NOT_APPLICABLE
    world.commit(advance_ms=limits.EMERGENCY_MS)
    assert world.commit(world.sign("carrier", world.item(0, []))).receipts[0].refusal != Code.SUSPENDED
    assert council.refused((int(ChangeKind.EMERGENCY), "carrier")) == Code.NOT_APPLICABLE
    council.pass_((int(ChangeKind.REINSTATE), "carrier"))
    assert council.refused((int(ChangeKind.EMERGENCY), "carrier")) == ""


def test_an_ordinary_suspension_bars_ballots_until_it_lapses_and_not_so_many_that_nothing_is_decided(
    council: Council,
) -> None:
    until = council.world.now_ms + DAY_MS
    council.pass_((int(ChangeKind.SUSPEND), "carrier", until), ("maker", "forwarder", "customs"))
    proposal = council.propose(add())
    assert council.vote(proposal, "carrier") == Code.SUSPENDED
    assert council.refused((int(ChangeKind.SUSPEND), "customs", None)) == Code.LIMIT
    council.world.commit(advance_ms=DAY_MS)
    assert council.vote(proposal, "carrier") == ""
