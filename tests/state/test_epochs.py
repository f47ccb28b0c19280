"""Blocks that close an epoch: who certifies the next one, what is written, what cannot be executed."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.base import limits
from ledger.base.errors import Code, ConsensusError, CustodyError, FormError, ProofError
from ledger.chain.block import Header
from ledger.chain.certificate import Checkpoint, make_certificate
from ledger.chain.closing import Closing, check_closings
from ledger.chain.epoch import check_change, make_change, registry_after
from ledger.chain.evidence import make_evidence
from ledger.chain.genesis import ALLOW_PERSONS, LEADER_TIMEOUT_MS, Genesis, check_genesis
from ledger.chain.transaction import Kind, check_protocol
from ledger.chain.votes import finalise, notarise
from ledger.members.registry import Entry, Period
from ledger.members.registry import Kind as RegistryKind
from ledger.proof.anchor import anchor_from_genesis
from ledger.proof.build import build
from ledger.proof.verify import verify
from ledger.state.audit import Audit
from ledger.state.block import apply_block
from ledger.trade.rules.view import thing
from ledger.trade.statement import Action, Role
from tests.world.chain import ChainedWorld
from tests.world.past import Past
from tests.world.world import World, seed, serial

FIVE = ("maker", "forwarder", "carrier", "customs", "rival")
ITEM = (Role.OBJECT, serial("9521234", 1, 1))


@pytest.fixture
def world() -> World:
    return World(FIVE)


def test_the_block_after_a_closing_is_certified_by_the_next_set(world: World) -> None:
    first = world.validators
    closing = world.close_epoch(FIVE).outcome
    assert closing.validators_hash == first.hash
    assert closing.next_validators_hash == world.state.sets[1].hash != first.hash
    world.do("maker", Action.MAKE, [ITEM])
    header, outcome, _ = world.checkpoints[-1]
    assert (header.epoch, header.closes_epoch) == (1, False)
    assert outcome.validators_hash == outcome.next_validators_hash == world.state.sets[1].hash
    assert [one.organisation for one in world.state.sets[1]] == sorted(FIVE)


def test_four_five_four_and_the_sets_are_known_from_the_closings(world: World) -> None:
    genesis_set = world.validators
    for organisations in (FIVE, FIVE[1:], FIVE[:4]):
        world.close_epoch(organisations)
        world.commit()
    assert check_closings(genesis_set, world.closings) == world.state.sets
    assert check_closings(world.state.sets[2], world.closings[2:], epoch=2) == world.state.sets[2:]
    assert [len(one) for one in world.state.sets] == [4, 5, 4, 4]


def test_a_change_stands_on_the_event_log_and_is_remembered(world: World) -> None:
    change = world.carry(world.change(FIVE))
    execution = world.commit(change, closes_epoch=True)
    assert [(one.refusal, one.outcomes) for one in execution.receipts] == [("", ())]
    assert execution.outcome.event_log_size == 1
    assert change.id in world.state.remembered


def test_parameters_and_seats_are_bound_by_the_registry_root(world: World) -> None:
    before = world.state.registry
    change = world.change(FIVE, [(ALLOW_PERSONS, True), (LEADER_TIMEOUT_MS, 90)])
    outcome = world.commit(world.carry(change), closes_epoch=True).outcome
    height = world.state.tip.header.height
    assert outcome.registry_root == world.state.registry.root == registry_after(before, change, height).root
    assert world.state.members(height).parameter(LEADER_TIMEOUT_MS) is None
    assert world.state.members(height + 1).parameter(LEADER_TIMEOUT_MS) == 90
    assert world.state.members(height).parameter(ALLOW_PERSONS) is False
    assert world.state.members(height + 1).parameter(ALLOW_PERSONS) is True
    for other in (change._replace(parameters=()), change._replace(seats=change.seats[1:])):
        assert registry_after(before, other, height).root != outcome.registry_root
    pins = change._replace(seats=tuple(seat._replace(tls_pin=seed("pin")) for seat in change.seats))
    assert registry_after(before, pins, height).root != outcome.registry_root


def test_seats_of_an_ended_epoch_are_closed_in_the_registry(world: World) -> None:
    world.close_epoch(FIVE)
    height = world.state.tip.header.height
    names = [key.public_key.hex() for key in world.validator_keys]
    world.close_epoch(FIVE)
    ended = world.state.tip.header.height
    for name in names:
        seat = world.state.registry.exact(RegistryKind.VALIDATOR, name)
        assert seat is not None
        assert [(one.since, one.until) for one in seat.periods] == [(height + 1, ended + 1)]


def test_undoing_a_closing_block_takes_everything_back(world: World) -> None:
    world.do("maker", Action.MAKE, [ITEM])
    before = (world.state.registry.root, world.state.sets, world.state.epoch, world.state.tip)
    change = world.carry(world.change(FIVE, [(LEADER_TIMEOUT_MS, 90)]))
    header = world.header(change, closes_epoch=True)
    execution = apply_block(world.state, header, [change])
    assert world.state.epoch == 1
    world.state.undo(execution.undo)
    assert (world.state.registry.root, world.state.sets, world.state.epoch, world.state.tip) == before
    assert apply_block(world.state, header, [change]).outcome == execution.outcome


def test_a_change_elsewhere_than_alone_in_a_closing_block_does_nothing(world: World) -> None:
    change = world.carry(world.change(FIVE))
    execution = world.commit(change)
    assert [one.refusal for one in execution.receipts] == ["wrong_epoch"]
    assert world.state.epoch == 0
    assert world.state.sets[-1].hash == execution.outcome.next_validators_hash


def _of_epoch(world: World, epoch: int) -> Any:
    return world.carry(world.change(FIVE)._replace(epoch=epoch))


@pytest.mark.parametrize(
    ("code", "transactions"),
    [
        (Code.MALFORMED, lambda world: []),
        (Code.MALFORMED, lambda world: [world.sign("maker", world.item(Action.MAKE, [ITEM]))]),
        (Code.MALFORMED, lambda world: [world.carry(world.change(FIVE))] * 2),
        (Code.WRONG_EPOCH, lambda world: [_of_epoch(world, 1)]),
        (Code.NOT_APPROVED, lambda world: [world.carry(world.change(FIVE)._replace(approvals=()))]),
        (Code.NOT_ENTITLED, lambda world: [world.sign("maker", world.change(FIVE), kind=Kind.EPOCH_CHANGE)]),
    ],
)
def test_a_closing_block_that_is_none_is_never_executed(code: Code, transactions: Any, world: World) -> None:
    made = transactions(world)
    tip = world.state.tip
    with pytest.raises(CustodyError) as refused:
        world.commit(*made, closes_epoch=True)
    assert refused.value.code == code
    assert (world.state.tip, world.state.epoch) == (tip, 0)


def test_a_block_of_another_epoch_is_never_executed(world: World) -> None:
    old = world.header()
    world.close_epoch(FIVE)
    for header in (world.header()._replace(epoch=0), world.header()._replace(epoch=2)):
        with pytest.raises(ConsensusError):
            apply_block(world.state, header, ())
    assert old.epoch == 0


def test_a_change_of_an_ended_epoch_closes_no_other(world: World) -> None:
    change = world.carry(world.change(FIVE))
    world.commit(change, closes_epoch=True)
    world.epoch_keys.append([world.epoch_key(one.organisation, 1) for one in world.state.sets[1]])
    with pytest.raises(CustodyError) as refused:
        world.commit(change, closes_epoch=True)
    assert refused.value.code == Code.WRONG_EPOCH


def test_evidence_is_judged_by_the_set_of_its_epoch(world: World) -> None:
    culprit = world.validator_keys[2]
    world.close_epoch(FIVE)
    world.close_epoch(FIVE)

    def evidence(epoch: int, signer: int = 2) -> Any:
        first, second = (notarise(epoch, 7, seed(name)) for name in ("one", "other"))
        signatures = [culprit.sign(claim.signing_message(world.network)) for claim in (first, second)]
        return make_evidence(signer, first, signatures[0], second, signatures[1])

    for shown, refusal in ((evidence(0), ""), (evidence(1), "not_proven"), (evidence(3), "not_proven")):
        execution = world.commit(world.sign("carrier", shown, kind=Kind.EVIDENCE))
        assert [one.refusal for one in execution.receipts] == [refusal]


# --- closings


@pytest.mark.parametrize(
    "spoil",
    [
        lambda closings: closings[1:],
        lambda closings: closings[::-1],
        lambda closings: [closings[0], closings[2]],
        lambda closings: [closings[0], *closings],
        lambda closings: [closings[0]._replace(members=closings[1].members), *closings[1:]],
    ],
)
def test_closings_out_of_order_or_of_other_sets_prove_nothing(spoil: Any, world: World) -> None:
    genesis_set = world.validators
    for organisations in (FIVE, FIVE[1:], FIVE[:4]):
        world.close_epoch(organisations)
    assert check_closings(genesis_set, world.closings)
    with pytest.raises(CustodyError):
        check_closings(genesis_set, spoil(world.closings))


def test_closings_of_another_network_prove_nothing(world: World) -> None:
    other = World(FIVE, name="other")
    other.close_epoch(FIVE)
    world.close_epoch(FIVE)
    assert other.closings[0].members == world.closings[0].members
    with pytest.raises(ProofError):
        check_closings(world.state.sets[0], other.closings)


def test_any_view_may_finalise_the_closing_block(world: World) -> None:
    world.close_epoch(FIVE)
    header, outcome, _ = world.checkpoints[-1]
    again = Closing(world.certify(header, outcome, view=77), world.closings[0].members)
    assert check_closings(world.state.sets[0], [again]) == world.state.sets


def test_an_ordinary_block_closes_nothing(world: World) -> None:
    world.commit()
    with pytest.raises(ProofError):
        check_closings(world.validators, [Closing(world.checkpoints[-1], world.validators.members)])


def certified_by(world: World, epoch: int, header: Header) -> Closing:
    """A closing with this header, signed by the validators of `epoch`, whatever the header says."""
    known = world.closings[epoch]
    outcome = known.checkpoint.outcome._replace(header_hash=header.hash)
    claim = finalise(header.epoch, 1, header.hash, outcome.hash_in(world.network))
    message = claim.signing_message(world.network)
    signatures = {i: key.sign(message) for i, key in enumerate(world.epoch_keys[epoch])}
    certificate = make_certificate(world.state.sets[epoch], claim, signatures)
    return Closing(Checkpoint(header, outcome, certificate), known.members)


def test_closings_name_their_epoch_and_ascend(world: World) -> None:
    genesis_set = world.validators
    world.commit()
    for _ in range(2):
        world.close_epoch(FIVE)
    first, second = world.closings
    header = second.checkpoint.header
    assert check_closings(genesis_set, [first, certified_by(world, 1, header)])
    for wrong in (
        header._replace(epoch=0),
        header._replace(epoch=2),
        header._replace(closes_epoch=False),
        header._replace(height=first.checkpoint.header.height),
        header._replace(time_ms=first.checkpoint.header.time_ms),
    ):
        with pytest.raises(ProofError):
            check_closings(genesis_set, [first, certified_by(world, 1, wrong)])


# --- protocol versions


def test_a_vote_moves_the_network_to_the_next_version_and_bundles_of_before_and_after_hold() -> None:
    world = ChainedWorld(FIVE, protocol=1)
    world.do("maker", Action.MAKE, [ITEM])
    before = build(Past(world), [thing(ITEM[1])])
    world.close_epoch(FIVE, protocol=2)
    world.do("maker", Action.OBSERVE, [ITEM])
    assert [header.version for header, _, _ in world.checkpoints] == [1, 1, 2]
    anchor = anchor_from_genesis(world.genesis)
    for bundle in (before, build(Past(world), [thing(ITEM[1])])):
        assert verify(bundle, anchor)
    audit = Audit(world.genesis)
    assert [audit.check(block) for block in world.supplied] == [None] * 3


def test_a_block_of_another_version_than_its_epochs_is_found() -> None:
    chained = ChainedWorld(FIVE, protocol=1)
    chained.do("maker", Action.MAKE, [ITEM])
    (block,) = chained.supplied
    found = Audit(chained.genesis).check(block._replace(header=block.header._replace(version=2)))
    assert found is not None
    assert found.what == "header.version"


@pytest.mark.parametrize("kind", [Kind.GOVERNANCE, Kind.REGISTRATION, Kind.ERASURE, Kind.APPROVAL])
def test_version_1_has_none_of_the_kinds_of_version_2(kind: Kind) -> None:
    chained = ChainedWorld(FIVE, protocol=1)
    made = chained.sign("maker", (1,), kind=kind)
    chained.commit(made)
    found = Audit(chained.genesis).check(chained.supplied[0])
    assert found is not None
    assert (found.what, "version 2" in found.detail) == ("batches", True)
    check_protocol(made.header, 2)
    with pytest.raises(FormError) as refused:
        check_protocol(made.header, 1)
    assert refused.value.code is Code.UNSUPPORTED_VERSION


# --- approvers


def test_without_entries_those_with_a_key_in_genesis_approve(world: World) -> None:
    approvers = world.state.approvers(1)
    assert (approvers.organisations, approvers.needed(4)) == (tuple(sorted(FIVE[:4])), 3)


def test_who_lost_its_vote_approves_until_sixteen_blocks_after(world: World) -> None:
    names = ["forwarder", "carrier", "customs"]
    change = world.change(FIVE)
    by_three = change._replace(approvals=tuple(one for one in change.approvals if one.organisation in names))
    world.state.registry = world.state.registry.amended(
        world.state.tip.header.height, [(int(RegistryKind.APPROVER), "customs", False)]
    )
    ended = world.state.tip.header.height + 1
    while world.state.tip.header.height + 1 < ended + limits.APPROVERS_BELOW:
        check_change(by_three, 0, world.validators, world.state.approvers(world.state.tip.header.height + 1),
                     protocol=2, time_ms=world.now_ms)  # fmt: skip
        world.commit()
    with pytest.raises(CustodyError) as refused:
        world.commit(world.carry(by_three, "carrier"), closes_epoch=True)
    assert refused.value.code is Code.NOT_ENTITLED


def test_a_genesis_lists_no_validators_in_its_registry(world: World) -> None:
    entry = Entry(int(RegistryKind.VALIDATOR), seed("k").hex(), (Period(0, None, ("maker", bytes(32))),))
    spoiled: Genesis = world.genesis._replace(entries=tuple(sorted([*world.genesis.entries, entry])))
    with pytest.raises(CustodyError):
        check_genesis(spoiled)


def test_a_set_of_other_members_than_delivered_is_not_a_set(world: World) -> None:
    assert make_change(0, [], protocol=1).seats == ()
    with pytest.raises(CustodyError):
        world.close_epoch(FIVE[:3])


# --- audit


def _audited(blocks: Any, world: ChainedWorld) -> Any:
    audit = Audit(world.genesis)
    return next((found for found in map(audit.check, blocks) if found is not None), None)


@pytest.fixture
def chained() -> ChainedWorld:
    world = ChainedWorld(FIVE)
    for organisations in (FIVE, FIVE[1:]):
        world.do("maker", Action.MAKE, [(Role.OBJECT, serial("9521234", 1, world.state.epoch + 1))])
        world.close_epoch(organisations)
    world.commit()
    return world


def test_an_audit_follows_every_change(chained: ChainedWorld) -> None:
    assert chained.state.epoch == 2
    assert _audited(chained.supplied, chained) is None


def test_an_audit_names_a_block_that_closes_its_epoch_and_may_not(chained: ChainedWorld) -> None:
    blocks = chained.supplied
    for place, closes_epoch in ((0, True), (1, False)):
        header = blocks[place].header._replace(closes_epoch=closes_epoch)
        spoiled = [*blocks[:place], blocks[place]._replace(header=header, certificate=None)]
        found = _audited(spoiled, chained)
        assert (found.height, found.what) == (place + 1, "header.closes_epoch")


def test_an_audit_names_a_change_that_no_quorum_approved() -> None:
    world, other = ChainedWorld(FIVE), ChainedWorld(FIVE)
    world.close_epoch(FIVE)
    change = other.carry(other.change(FIVE)._replace(approvals=()))
    header = other.header(change, closes_epoch=True)
    batches = tuple(batch.data for batch in other.batches([change]))
    found = _audited([world.supplied[0]._replace(header=header, certificate=None, batches=batches)], world)
    assert (found.height, found.what) == (1, "change")


def test_an_audit_names_a_closing_that_the_wrong_set_certified(chained: ChainedWorld) -> None:
    blocks = chained.supplied
    closing = blocks[3]
    chained.epoch_keys[1] = chained.epoch_keys[0]
    forged = chained.certify(closing.header, closing.outcome).certificate
    found = _audited([*blocks[:3], closing._replace(certificate=forged)], chained)
    assert (found.height, found.what) == (4, "certificate")
