"""Nodes of two adjacent protocol versions in one network: together up to the block that the vote names, apart after it."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from ledger.base.errors import Code, ConsensusError, FormError
from ledger.chain.block import PROTOCOL_NEWEST, Block
from ledger.chain.transaction import Kind, sign_transaction
from ledger.chain.votes import Proposal
from ledger.consensus.messages import decode_message, encode_message
from ledger.proof.anchor import anchor_from_genesis
from ledger.proof.verify import verify
from node.changes import approved, carry, compose, deliver_key
from node.local.protocol import State, Submission, TransactionStatus
from node.storage.keystore import Keystore
from node.validator.epochs import check_known
from node.validator.frames import CONSENSUS_FRAME
from node.validator.host import REAL
from tests.validator.network import Network, item, until, with_made
from tests.validator.test_roster import EPOCH

OLD = replace(REAL, protocol_newest=1)
"""A machine with the software of before."""


async def handed_in(network: Network, number: int) -> TransactionStatus:
    (status,) = await network.clients["maker"].submit((network.author().submission((number,)),))
    return status


async def upgrade(network: Network) -> TransactionStatus:
    """Close epoch 0 with the same validators, under new keys and version 2."""
    delivered = [
        deliver_key(Keystore(network.made.folders[name] / "keys"), name, network.network, 1, None)
        for name in network.names
    ]
    change = compose(delivered, [], 2)
    for name in network.names[:3]:
        change = approved(change, network.key(name, "approver"), name, network.network)
    made = carry(
        change, network.key("maker", "approver"), "maker", network.network,
        now_ms=time.time_ns() // 1_000_000, random_bytes=os.urandom,
    )  # fmt: skip
    (status,) = await network.clients["maker"].submit((Submission(made.to_bytes(), (), ()),))
    return status


async def governed(network: Network) -> TransactionStatus:
    made = sign_transaction(
        network.key("maker", "approver"), network.network, "maker", ((2, bytes(32)),), nonce=os.urandom(16),
        expiry_ms=time.time_ns() // 1_000_000 + 600_000, kind=Kind.GOVERNANCE,
    )  # fmt: skip
    (status,) = await network.clients["maker"].submit((Submission(made.to_bytes(), (), ()),))
    return status


def test_the_older_software_votes_for_the_change_stops_with_one_sentence_and_goes_on_once_newer(
    tmp_path: Path,
) -> None:
    async def scenario(network: Network) -> None:
        anchor = anchor_from_genesis(network.made.genesis)
        await network.stop("carrier")
        await network.start("carrier", host=OLD)
        await network.connected()
        assert (await handed_in(network, 1)).state is State.FINAL
        before = await network.clients["maker"].prove([item(1)])
        early = await governed(network)
        assert (early.state, early.code) == (State.REFUSED, Code.UNSUPPORTED_VERSION)

        assert (await upgrade(network)).receipts[0].refusal == ""
        old = network.running["carrier"]
        await until(lambda: old.failure is not None)
        assert isinstance(old.failure, ConsensusError)
        assert old.failure.code is Code.UNSUPPORTED_VERSION
        assert "version 2" in old.failure.message
        assert "epoch 1" in old.failure.message
        assert old.executor.final_header.closes_epoch, "it has all blocks up to the change"
        await network.stop("carrier")
        with pytest.raises(ConsensusError):
            await network.start("carrier", host=OLD)
        assert (await handed_in(network, 2)).state is State.FINAL

        await network.start("carrier")
        assert (await handed_in(network, 3)).state is State.FINAL
        await network.same_height()
        assert network.running["carrier"].executor.final_header.version == 2
        assert (await network.clients["carrier"].status()).protocol == 2
        assert (await governed(network)).code != Code.UNSUPPORTED_VERSION
        for bundle in (before, await network.clients["carrier"].prove([item(3)])):
            verify(bundle, anchor)

    with_made(lambda: Network(tmp_path, protocol=1), scenario)


def test_an_epoch_of_a_version_that_is_not_known_is_not_taken_part_in() -> None:
    check_known(EPOCH, newest=1)
    check_known(EPOCH._replace(protocol=2), newest=2)
    with pytest.raises(ConsensusError) as refused:
        check_known(EPOCH._replace(protocol=2), newest=1)
    assert refused.value.code is Code.UNSUPPORTED_VERSION


def test_a_peer_that_speaks_a_version_not_known_here_is_heard_out(tmp_path: Path) -> None:
    """It is in a later epoch already, and nothing but the software here is old."""

    async def scenario(network: Network) -> None:
        validator, peer = network.running["maker"], network.running["carrier"]
        assert (await handed_in(network, 1)).state is State.FINAL
        header = validator.executor.final_header
        unknown = Block(header._replace(version=PROTOCOL_NEWEST + 1), ())
        body = encode_message(Proposal(1, 1, 0, unknown, bytes(64)))
        with pytest.raises(FormError):
            decode_message(body)
        before = len(validator.mesh.connected)
        validator._message_came(peer.member.transport.current.public_key, CONSENSUS_FRAME, body)
        assert len(validator.mesh.connected) == before
        assert validator.failure is None

    with_made(lambda: Network(tmp_path), scenario)
