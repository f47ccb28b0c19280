"""Votes on the ledger: what is enacted, by how many, and what is refused with nothing changed (GOVERNANCE.md)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ledger.base import limits
from ledger.base.errors import Code
from ledger.base.keys import SigningKey
from ledger.chain.transaction import Kind as TransactionKind
from ledger.members.certificate import fingerprint
from ledger.members.constitution import ChangeKind, electorate_of
from ledger.members.draft import Change, RegistryDraft
from ledger.members.governance import Act, Status, ballot_name, proposal_id
from ledger.members.registration import enrolment_message
from ledger.members.registry import Kind, verify_registry
from tests.world.certificates import issued
from tests.world.council import DAY_MS, FIVE, FOUR, Council, add, authority
from tests.world.world import World, gln, seed


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


def test_one_that_is_suspended_revokes_its_keys_and_enrols_and_licenses_nothing(council: Council) -> None:
    world = council.world
    council.pass_((int(ChangeKind.SUSPEND), "maker", None), ("forwarder", "carrier", "customs"))

    def registers(*item: Any) -> str:
        made = world.sign("maker", item, kind=TransactionKind.REGISTRATION, key=world.approvers["maker"])
        return world.commit(made).receipts[0].refusal

    device = world.devices["maker"].public_key
    assert registers(0, b"", None, b"", None) == Code.SUSPENDED
    assert registers(7, ("vote",)) == Code.SUSPENDED
    assert registers(1, device, 0) == ""
    assert council.data(Kind.KEY, device.hex()) is None


def test_an_organisation_that_lost_its_vote_neither_proposes_nor_votes() -> None:
    council = Council(FIVE)
    council.pass_((int(ChangeKind.APPROVER), "broker", True))
    council.pass_((int(ChangeKind.APPROVER), "carrier", False), FOUR)
    proposal = council.propose(add("agent", parties=()))
    assert council.vote(proposal, "carrier") == Code.NOT_ENTITLED
    assert council.refused(add("agent", parties=()), by="carrier") == Code.NOT_ENTITLED
    assert council.vote(proposal, "maker") == ""


def test_the_constitution_changes_by_its_own_threshold_alone() -> None:
    council = Council()
    kind = int(ChangeKind.CONSTITUTION)
    stricter = (kind, ((int(ChangeKind.ADD_ORGANISATION), 1, 1), (kind, 1, 1)))
    proposal = council.pass_(stricter)
    assert council.status(proposal) == Status.OPEN, "three of four are less than four fifths"
    assert council.vote(proposal, "customs") == ""
    assert council.status(proposal) == Status.ENACTED
    other = council.pass_(add())
    assert council.status(other) == Status.OPEN
    assert council.refused((kind, ((int(ChangeKind.GRANT), 1, 2),))) == Code.LIMIT
    assert council.refused((kind, ((int(ChangeKind.GRANT), 1, 1), (kind, 3, 4)))) == Code.LIMIT
    assert council.refused((kind, ((kind, 4, 3),))) == Code.TOO_LARGE or council.refused(
        (kind, ((kind, 4, 3),))
    )


def test_votes_and_seats_that_must_remain() -> None:
    council = Council(FIVE)
    assert council.refused((int(ChangeKind.APPROVER), "carrier", False)) == Code.LIMIT
    assert council.refused((int(ChangeKind.REMOVE_ORGANISATION), "maker"), by="maker") == Code.LIMIT
    assert council.refused((int(ChangeKind.REMOVE_ORGANISATION), "maker"), by="carrier") == Code.LIMIT
    council.pass_((int(ChangeKind.APPROVER), "broker", True))
    assert council.refused((int(ChangeKind.REMOVE_ORGANISATION), "carrier")) == Code.LIMIT, "it validates"
    assert council.refused((int(ChangeKind.APPROVER), "broker", False)) == ""
    council.pass_((int(ChangeKind.REMOVE_ORGANISATION), "broker"), FOUR)
    world = council.world
    assert council.data(Kind.KEY, world.keys["broker"].public_key.hex()) is None
    assert council.data(Kind.PARTY, world.party_of("broker")) is None
    assert council.data(Kind.APPROVER, "broker") is False
    assert world.commit(world.sign("broker", world.item(0, []))).receipts[0].refusal == Code.REVOKED
    assert council.refused(add("broker")) == Code.NOT_APPLICABLE, "an id is never used twice"


LEI = "529900T8BM49AURSDO55"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ((), Code.MALFORMED),
        ((99,), Code.MALFORMED),
        ((int(ChangeKind.SUSPEND), "maker"), Code.MALFORMED),
        (add("maker"), Code.NOT_APPLICABLE),
        (add("a b"), Code.MALFORMED),
        (add(country="nl"), Code.MALFORMED),
        (add(roles=("pirate",)), Code.MALFORMED),
        (add(roles=("logistics", "customs")), Code.NOT_CANONICAL),
        (add(parties=(gln(77)[:-1] + "0",)), Code.BAD_CHECK_DIGIT),
        (add(parties=("https://id.gs1.org/417/123",)), Code.BAD_IDENTIFIER),
        (add(parties=("https://id.gs1.org/417/" + gln(1),)), Code.NOT_APPLICABLE),
        (add(lei=LEI[:-1] + "6"), Code.BAD_CHECK_DIGIT),
        (add(lei="short"), Code.BAD_IDENTIFIER),
        (add(key=bytes(32)), Code.BAD_KEY),
        ((int(ChangeKind.REMOVE_ORGANISATION), "nobody"), Code.NOT_FOUND),
        ((int(ChangeKind.SUSPEND), "maker", 1), Code.EXPIRED),
        ((int(ChangeKind.REINSTATE), "maker"), Code.NOT_APPLICABLE),
        ((int(ChangeKind.EMERGENCY), "nobody"), Code.NOT_FOUND),
        ((int(ChangeKind.GRANT), "95212345", "maker"), Code.NOT_APPLICABLE),
        ((int(ChangeKind.GRANT), "9521", "maker"), Code.NOT_APPLICABLE),
        ((int(ChangeKind.GRANT), "9521234", "maker"), Code.NOT_APPLICABLE),
        ((int(ChangeKind.GRANT), "95x9", "maker"), Code.BAD_IDENTIFIER),
        ((int(ChangeKind.GRANT), "7777777", None), Code.NOT_APPLICABLE),
        ((int(ChangeKind.PARTY), gln(77), "nobody"), Code.NOT_FOUND),
        ((int(ChangeKind.ISSUER), "part", None), Code.NOT_APPLICABLE),
        ((int(ChangeKind.JURISDICTION), "customs", ("b", "a")), Code.NOT_CANONICAL),
        ((int(ChangeKind.JURISDICTION), "carrier", ("a",)), Code.NOT_ENTITLED),
        ((int(ChangeKind.SUCCESSOR), "customs", "customs"), Code.MALFORMED),
        ((int(ChangeKind.SUCCESSOR), "nobody", "customs"), Code.NOT_FOUND),
        ((int(ChangeKind.PARAMETER), "heartbeat_ms", 1), Code.MALFORMED),
        ((int(ChangeKind.APPROVER), "maker", True), Code.NOT_APPLICABLE),
        ((int(ChangeKind.VALIDATORS), ()), Code.MALFORMED),
    ],
)
def test_changes_that_do_not_fit_are_refused(council: Council, change: tuple[Any, ...], code: Code) -> None:
    assert council.refused(change) == code


@pytest.mark.parametrize(
    ("change", "kind", "name", "data"),
    [
        (add(lei=LEI), Kind.ORGANISATION, "broker", ("Broker", "NL", ("logistics",), False, LEI)),
        (add(approver=True), Kind.APPROVER, "broker", True),
        ((int(ChangeKind.SUSPEND), "carrier", None), Kind.SUSPENSION, "carrier", (None, False)),
        ((int(ChangeKind.GRANT), "7777777", "carrier"), Kind.GRANT, "7777777", "carrier"),
        ((int(ChangeKind.GRANT), "9521234", None), Kind.GRANT, "9521234", None),
        ((int(ChangeKind.PARTY), gln(77), "carrier"), Kind.PARTY, gln(77), "carrier"),
        ((int(ChangeKind.ISSUER), "part", "carrier"), Kind.ISSUER, "part", "carrier"),
        ((int(ChangeKind.JURISDICTION), "customs", ("a", "b")), Kind.JURISDICTION, "customs", ("a", "b")),
        ((int(ChangeKind.SUCCESSOR), "customs", "carrier"), Kind.SUCCESSOR, "customs", "carrier"),
        ((int(ChangeKind.PARAMETER), "allow_persons", True), Kind.PARAMETER, "allow_persons", True),
        ((int(ChangeKind.RECOVER), "carrier", authority("new"), True), Kind.KEY, authority("new").hex(), ("carrier", 6, None, None)),
    ],
)  # fmt: skip
def test_changes_that_pass_are_in_force_from_the_next_height(
    council: Council, change: tuple[Any, ...], kind: Kind, name: str, data: object
) -> None:
    proposal = council.pass_(change)
    assert council.status(proposal) == Status.ENACTED
    entry = council.world.state.registry.exact(kind, name)
    height = council.world.state.tip.header.height
    assert entry is not None
    assert entry.at(height + 1) == data
    assert entry.at(height) != data


def test_recovering_ends_all_keys_that_a_lost_authority_may_have_signed(council: Council) -> None:
    council.pass_((int(ChangeKind.RECOVER), "carrier", authority("new"), True))
    world = council.world
    for key in (world.keys["carrier"], world.devices["carrier"], world.approvers["carrier"]):
        assert council.data(Kind.KEY, key.public_key.hex()) is None
    assert council.data(Kind.KEY, world.keys["maker"].public_key.hex()) is not None


def test_proposals_are_bounded(council: Council) -> None:
    now_ms = council.world.now_ms
    far = (int(Act.PROPOSE), add(), now_ms + limits.PROPOSAL_AHEAD_MS + 10_000, "")
    assert council.act("maker", far) == Code.EXPIRY_TOO_FAR
    assert council.act("maker", (int(Act.PROPOSE), add(), now_ms, "")) == Code.EXPIRED
    assert council.act("maker", (int(Act.PROPOSE), add(), now_ms + DAY_MS, "x" * 257)) == Code.MALFORMED
    large = (int(ChangeKind.JURISDICTION), "customs", tuple(f"{n:0500d}" for n in range(140)))
    assert council.refused(large) == Code.TOO_LARGE
    item = (int(Act.PROPOSE), add(), council.world.now_ms + DAY_MS, "")
    assert [council.act("maker", item), council.act("maker", item)] == ["", Code.NOT_APPLICABLE]
    for number in range(limits.OPEN_PROPOSALS - 1):
        council.propose(add(), reason=str(number), days=2)
    assert council.refused(add()) == Code.LIMIT
    council.world.commit(advance_ms=3 * DAY_MS)
    assert council.refused(add()) == ""


def test_the_whole_history_of_a_vote_is_proven_by_the_registry_root(council: Council) -> None:
    proposal = council.pass_(add())
    world = council.world
    root = world.checkpoints[-1].outcome.registry_root
    shown = {}
    for kind, name in [
        (Kind.PROPOSAL, proposal.hex()),
        *((Kind.BALLOT, ballot_name(proposal, who)) for who in FOUR),
    ]:
        proof = world.state.registry.prove_exact(kind, name)
        shown[kind, name] = verify_registry(world.network, root, proof, kind, name, prefix=False)
    history = shown[Kind.PROPOSAL, proposal.hex()]
    assert history is not None
    assert [(period.since, period.data[4]) for period in history.periods] == [
        (2, Status.OPEN),
        (5, Status.ENACTED),
    ]
    ballots = [shown[Kind.BALLOT, ballot_name(proposal, who)] for who in FOUR]
    assert [ballot is not None for ballot in ballots] == [True, True, True, False]


def certifying() -> Council:
    made = Council()
    made.world = World((*FOUR, "leaver"), certifying=True)
    return made


def test_who_is_removed_or_replaced_lists_no_key_behind_the_vote_in_its_block() -> None:
    for change in ((1, "leaver"), (11, "leaver", authority("next"), True)):
        council = certifying()
        world = council.world
        proposal = council.pass_(change, FOUR[:2])
        key = SigningKey(seed("behind"))
        message = enrolment_message(world.network, "leaver", key.public_key, None)
        listed = (3, key.public_key, "urn:custody:doc:waybill", world.now_ms + DAY_MS, key.sign(message))
        data = issued(world.authorities["leaver"], key, "leaver", now_ms=world.now_ms)
        message = enrolment_message(world.network, "leaver", key.public_key, fingerprint(data))
        execution = world.commit(
            world.sign(
                "carrier",
                (1, proposal, True, None),
                kind=TransactionKind.GOVERNANCE,
                key=world.approvers["carrier"],
            ),
            world.sign("leaver", listed, kind=TransactionKind.REGISTRATION),
            world.sign("maker", (0, data, None, key.sign(message), None), kind=TransactionKind.REGISTRATION),
        )
        assert council.status(proposal) == Status.ENACTED
        assert [receipt.refusal for receipt in execution.receipts][1] == "revoked"
        assert execution.receipts[2].refusal in {"revoked", "not_entitled"}
        assert council.data(Kind.KEY, key.public_key.hex()) is None


def test_nobody_enrols_a_key_for_whoever_is_suspended() -> None:
    council = certifying()
    world = council.world
    council.pass_((2, "leaver", None))
    key = SigningKey(seed("behind"))
    data = issued(world.authorities["leaver"], key, "leaver", now_ms=world.now_ms)
    message = enrolment_message(world.network, "leaver", key.public_key, fingerprint(data))
    carried = (0, data, None, key.sign(message), None)
    execution = world.commit(world.sign("maker", carried, kind=TransactionKind.REGISTRATION))
    assert execution.receipts[0].refusal == "suspended"


def test_withdrawing_makes_no_room_for_more_proposals(council: Council) -> None:
    for number in range(limits.OPEN_PROPOSALS):
        proposal = council.propose((8, f"part{number}", "carrier"), days=1)
        assert council.act("maker", (int(Act.WITHDRAW), proposal)) == ""
    assert council.refused((8, "onemore", "carrier")) == Code.LIMIT
    assert council.refused((8, "onemore", "carrier"), by="forwarder") == ""
    council.world.commit(advance_ms=DAY_MS)
    assert council.refused((8, "onemore", "carrier")) == ""


class Unsearched(list[Change]):
    """Changes of a block that nobody may look through."""

    def __iter__(self) -> Iterator[Change]:
        raise AssertionError("expected what was set to be found by its name, all of it was looked through")

    __reversed__ = __iter__


def test_what_an_act_reads_of_its_block_is_found_not_searched(council: Council) -> None:
    state = council.world.state
    draft = RegistryDraft(state.registry, state.tip.header.height + 1)
    draft._changes = Unsearched()
    draft.set(Kind.PARTY, "a", "maker")
    first = draft.mark()
    draft.set(Kind.PARTY, "a", "carrier")
    assert draft.get(Kind.PARTY, "a") == "carrier"
    draft.roll_back(first)
    assert draft.get(Kind.PARTY, "a") == "maker"
    assert draft.get(Kind.ORGANISATION, "maker") is not None


def test_what_follows_from_a_draft_follows_it(council: Council) -> None:
    state = council.world.state
    draft = RegistryDraft(state.registry, state.tip.header.height + 1)
    assert electorate_of(draft, 4).organisations == tuple(sorted(FOUR))
    begun = draft.mark()
    draft.set(Kind.APPROVER, "maker", False)
    assert "maker" not in electorate_of(draft, 4).organisations
    draft.roll_back(begun)
    assert electorate_of(draft, 4).organisations == tuple(sorted(FOUR))
