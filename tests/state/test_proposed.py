"""Validators chosen by vote: proposed, balloted with approvals, collected from the registry, and the epoch closed with that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from ledger.base import limits
from ledger.base.encoding import decode, encode
from ledger.base.errors import Code, CustodyError
from ledger.base.keys import HYBRID_PUBLIC_KEY_BYTES, HYBRID_SIGNATURE_BYTES
from ledger.chain.epoch import EpochChange, approve, make_change, prove_possession
from ledger.chain.genesis import Seat
from ledger.chain.proposed import collect
from ledger.chain.transaction import Kind
from ledger.members.constitution import ChangeKind
from ledger.members.governance import Act, proposal_id
from ledger.members.members import SIGNATURE_SUITE
from tests.world.world import World, seed

FIVE = ("maker", "forwarder", "carrier", "customs", "rival")
VOTERS = ("maker", "forwarder", "carrier")


class Vote:
    """A world in which a change of validators is put to the vote."""

    def __init__(
        self,
        *,
        protocol: int | None = None,
        world: World | None = None,
        parameters: Sequence[tuple[str, Any]] = (),
    ) -> None:
        self.world = world or World(FIVE)
        self.change = self.world.change(FIVE, parameters, protocol=protocol)._replace(approvals=())
        self.proposal = b""

    def act(self, who: str, item: tuple[Any, ...]) -> str:
        world = self.world
        made = world.sign(who, item, kind=Kind.GOVERNANCE, key=world.approvers[who])
        return world.commit(made).receipts[0].refusal

    def propose(self, change: EpochChange | None = None) -> str:
        change = self.change if change is None else change
        wire = decode(encode((int(ChangeKind.VALIDATORS), change)), max_bytes=100_000)
        item = (int(Act.PROPOSE), wire, self.world.now_ms + 86_400_000, "a fifth validator")
        self.proposal = proposal_id(self.world.network, "maker", item)
        return self.act("maker", item)

    def vote(self, who: str, change: EpochChange | None = None) -> str:
        key = self.world.approvers[who]
        approval = approve(key, who, self.world.network, change or self.change)
        return self.act(who, (int(Act.BALLOT), self.proposal, True, approval.signature))

    def collected(self) -> EpochChange:
        world = self.world
        height = world.state.tip.header.height + 1
        return collect(world.network, world.state.registry, height, self.proposal, world.now_ms)


def test_a_vote_brings_the_approvals_that_close_the_epoch() -> None:
    vote = Vote()
    assert vote.propose() == ""
    with pytest.raises(CustodyError) as early:
        vote.collected()
    assert early.value.code is Code.NOT_OPEN
    assert [vote.vote(who) for who in VOTERS] == ["", "", ""]
    change = vote.collected()
    assert [one.organisation for one in change.approvals] == sorted(VOTERS)
    execution = vote.world.commit(vote.world.carry(change, "carrier"), closes_epoch=True)
    assert execution.receipts[0].refusal == ""
    assert [one.organisation for one in vote.world.state.sets[1]] == sorted(FIVE)


@pytest.mark.parametrize("hybrid", [("",), ("approver",), ("approver", "validator")])
def test_votes_by_hybrid_keys_bring_approvals_of_the_whole_key(hybrid: tuple[str, ...]) -> None:
    asking = hybrid == ("approver", "validator")
    world = World(FIVE, hybrid=("approver",) if asking else hybrid)
    world.hybrid = hybrid
    vote = Vote(world=world, parameters=[(SIGNATURE_SUITE, 1)] if asking else [])
    assert vote.propose() == ""
    assert [vote.vote(who) for who in VOTERS] == ["", "", ""]
    change = vote.collected()
    assert [len(one.public_key) for one in change.approvals] == [HYBRID_PUBLIC_KEY_BYTES] * 3
    execution = world.commit(world.carry(change, "carrier"), closes_epoch=True)
    assert execution.receipts[0].refusal == ""
    assert world.state.sets[1].is_hybrid == (hybrid != ("approver",))


def test_a_plain_key_votes_for_no_suite_that_it_could_not_approve_under() -> None:
    world = World(FIVE)
    world.hybrid = ("validator",)
    vote = Vote(world=world, parameters=[(SIGNATURE_SUITE, 1)])
    assert vote.propose() == ""
    assert vote.vote("maker") == Code.BAD_KEY


def test_a_vote_moves_the_network_to_another_version() -> None:
    vote = Vote(protocol=3)
    assert vote.propose() == ""
    assert [vote.vote(who) for who in VOTERS] == ["", "", ""]
    vote.world.commit(vote.world.carry(vote.collected(), "carrier"), closes_epoch=True)
    assert vote.world.state.protocol == 3


def test_an_approval_of_another_change_or_of_none_is_no_vote() -> None:
    vote = Vote()
    assert vote.propose() == ""
    other = vote.change._replace(protocol=3)
    assert vote.vote("maker", other) == Code.BAD_SIGNATURE
    assert vote.act("maker", (int(Act.BALLOT), vote.proposal, True, None)) == Code.MALFORMED
    assert vote.vote("maker") == ""


def delivered(world: World, names: tuple[str, ...], **key_of: Any) -> list[tuple[Seat, bytes]]:
    found = []
    for name in names:
        key = key_of.get(name) or world.epoch_key(name, 1)
        seat = Seat(name, key.public_key, seed(name))
        found.append((seat, prove_possession(key, world.network, 0, seat)))
    return found


def test_what_could_never_close_the_epoch_is_not_put_to_the_vote() -> None:
    vote = Vote()
    world = vote.world
    stranger = world.epoch_key("nobody", 1)
    seat = Seat("nobody", stranger.public_key, seed("nobody"))
    with_stranger = [
        *delivered(world, FIVE[:4]), (seat, prove_possession(stranger, world.network, 0, seat)),
    ]  # fmt: skip
    old_key = world.epoch_key("maker", 0)
    refused = {
        Code.LIMIT: make_change(0, delivered(world, FIVE[:3]), protocol=2),
        Code.NOT_ENTITLED: make_change(0, with_stranger, protocol=2),
        Code.WRONG_EPOCH: vote.change._replace(epoch=1),
        Code.UNSUPPORTED_VERSION: vote.change._replace(protocol=1),
        Code.BAD_SIGNATURE: vote.change._replace(possessions=vote.change.possessions[::-1]),
        Code.MALFORMED: make_change(0, delivered(world, FIVE[:4], maker=old_key), protocol=2),
    }
    for code, change in refused.items():
        assert vote.propose(change) == code
    assert vote.propose(world.change(FIVE)) == Code.MALFORMED, "approvals come with ballots"


def test_votes_of_an_epoch_that_is_over_count_no_more() -> None:
    vote = Vote()
    assert vote.propose() == ""
    vote.world.close_epoch(FIVE)
    assert vote.vote("maker") == Code.WRONG_EPOCH


def test_approvals_by_keys_that_were_revoked_since_are_left_out() -> None:
    vote = Vote()
    vote.propose()
    for who in VOTERS:
        vote.vote(who)
    world = vote.world
    gone = world.approvers["carrier"].public_key.hex()
    world.state.registry = world.state.registry.amended(world.state.tip.header.height, [(1, gone, None)])
    assert [one.organisation for one in vote.collected().approvals] == ["forwarder", "maker"]


def test_a_proposal_may_hold_as_many_hybrid_seats_as_there_may_be() -> None:
    seats = [(Seat("o" * 32, bytes(HYBRID_PUBLIC_KEY_BYTES), bytes(32)), bytes(HYBRID_SIGNATURE_BYTES))]
    change = make_change(2**62, seats * limits.VALIDATORS_MAX, protocol=2)
    assert len(encode((int(ChangeKind.VALIDATORS), change))) < limits.PROPOSAL_BYTES
