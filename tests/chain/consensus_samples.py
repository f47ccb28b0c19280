"""One network of four validators with real keys, and one of everything they sign."""

from __future__ import annotations

import hashlib

from ledger.base.keys import SigningKey
from ledger.base.merkle import EMPTY_ROOT
from ledger.chain.block import (
    PROTOCOL_OLDEST,
    Block,
    Header,
    Outcome,
    batches_hash,
    genesis_header,
    genesis_outcome,
    transactions_root,
)
from ledger.chain.certificate import Certificate, Checkpoint, make_certificate
from ledger.chain.validators import Validator, ValidatorSet
from ledger.chain.votes import Claim, Proposal, Vote, finalise


def digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


NETWORK = digest("a network")
KEYS = [SigningKey.from_seed(digest(f"seat {index}")) for index in range(7)]
VALIDATORS = ValidatorSet(NETWORK, [Validator(f"org{index}", KEYS[index].public_key) for index in range(4)])
GENESIS = genesis_header(NETWORK, 1_700_000_000_000, PROTOCOL_OLDEST)
GENESIS_OUTCOME = genesis_outcome(
    GENESIS, state_root=digest("state 0"), registry_root=digest("registry"), validators_hash=VALIDATORS.hash
)
DIGESTS = (digest("batch a"), digest("batch b"))
IDS = tuple(digest(f"transaction {index}") for index in range(3))
HEADER = Header(
    version=PROTOCOL_OLDEST,
    network=NETWORK,
    epoch=0,
    closes_epoch=False,
    height=1,
    parent=GENESIS.hash,
    time_ms=1_700_000_000_123,
    proposer=2,
    transactions_root=transactions_root(IDS),
    batches_hash=batches_hash(NETWORK, DIGESTS),
)
BLOCK = Block(HEADER, DIGESTS)
OUTCOME = Outcome(
    header_hash=HEADER.hash,
    parent_outcome_hash=GENESIS_OUTCOME.hash_in(NETWORK),
    receipts_root=digest("receipts"),
    event_log_root=EMPTY_ROOT,
    event_log_size=0,
    state_root=digest("state 1"),
    registry_root=digest("registry"),
    validators_hash=VALIDATORS.hash,
    next_validators_hash=VALIDATORS.hash,
)


def sign(index: int, claim: Claim) -> bytes:
    return KEYS[index].sign(claim.signing_message(NETWORK))


def vote(index: int, claim: Claim) -> Vote:
    return Vote(claim, index, sign(index, claim))


def certificate(claim: Claim, signers: tuple[int, ...] = (0, 1, 3)) -> Certificate:
    return make_certificate(VALIDATORS, claim, {index: sign(index, claim) for index in signers})


def proposal(view: int = 1, parent_view: int = 0, block: Block = BLOCK, leader: int = 2) -> Proposal:
    draft = Proposal(0, view, parent_view, block, b"")
    return draft._replace(signature=sign(leader, draft.claim))


FINAL = finalise(0, 1, HEADER.hash, OUTCOME.hash_in(NETWORK))
CHECKPOINT = Checkpoint(HEADER, OUTCOME, certificate(FINAL))
