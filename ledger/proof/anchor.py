"""Trust anchors: what a verifier knows before it sees a bundle (DESIGN §7; PROOF.md §1).

An anchor is a genesis, or a checkpoint once verified from an older anchor and pinned. It fixes the network, the depth of
the state tree and the validators that certify; a bundle is believed as far as a quorum of these signed it.
"""

from __future__ import annotations

from typing import NamedTuple

from ledger.base.errors import Code, ProofError
from ledger.chain.block import genesis_header
from ledger.chain.certificate import Checkpoint, check_checkpoint
from ledger.chain.genesis import Genesis
from ledger.chain.validators import Validator, ValidatorSet


class Anchor(NamedTuple):
    """A point of the ledger that the verifier trusts."""

    network: bytes
    name: str
    depth: int
    validators: ValidatorSet
    height: int
    header_hash: bytes
    time_ms: int


def anchor_from_genesis(genesis: Genesis) -> Anchor:
    """The anchor that a genesis is."""
    network = genesis.network
    validators = ValidatorSet(
        network, [Validator(seat.organisation, seat.public_key) for seat in genesis.validators]
    )
    header = genesis_header(network, genesis.time_ms)
    return Anchor(network, genesis.name, genesis.state_depth, validators, 0, header.hash, genesis.time_ms)


def pinned(anchor: Anchor, checkpoint: Checkpoint) -> Anchor:
    """The anchor moved up to a checkpoint that the old one verifies; ProofError otherwise."""
    check_against(anchor, checkpoint)
    header = checkpoint.header
    return anchor._replace(height=header.height, header_hash=header.hash, time_ms=header.time_ms)


def check_against(anchor: Anchor, checkpoint: Checkpoint) -> None:
    """Raise ProofError unless the checkpoint is of the anchor's network, certified, and no fork of it."""
    header = checkpoint.header
    if header.network != anchor.network:
        raise ProofError(
            Code.FOREIGN_ANCHOR,
            f"expected a bundle of network {anchor.network.hex()[:16]}, got one of {header.network.hex()[:16]}",
        )
    check_checkpoint(anchor.validators, checkpoint)
    if header.height == anchor.height and header.hash != anchor.header_hash:
        raise ProofError(
            Code.NOT_PROVEN,
            f"expected the pinned block at height {header.height}, got another: the ledger forked",
        )
