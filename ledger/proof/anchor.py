"""Trust anchors: what a verifier knows before it sees a bundle (DESIGN §7; PROOF.md §2).

An anchor is a genesis, or a checkpoint once verified from an older anchor and pinned. It fixes the network, the depth of the
state tree, and every epoch it has heard of: its validators and, once it ended, its last block. A bundle is believed as far as
a quorum of the validators of its epoch signed it, and as far as it contradicts nothing that the anchor knows.

What an anchor knows only grows. So the keys of a set whose epoch it knows to have ended, leaked all of them, cannot extend that
epoch, close it another way, or certify anything in a later one; what they might still sign is a block below its end, which a
verdict therefore never calls current (`is_of_an_ended_epoch`).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from ledger.base.errors import Code, ProofError
from ledger.base.hashing import ZERO_HASH
from ledger.chain.block import genesis_header
from ledger.chain.certificate import Checkpoint, check_checkpoint
from ledger.chain.closing import Closing, check_closing
from ledger.chain.genesis import Genesis
from ledger.chain.validators import Validator, ValidatorSet


class LastBlock(NamedTuple):
    """The block that closed an epoch."""

    height: int
    header_hash: bytes
    outcome_hash: bytes
    time_ms: int


class Epoch(NamedTuple):
    """What an anchor knows of one epoch."""

    validators: ValidatorSet
    last: LastBlock | None
    """None while it is not known to have ended."""


class Anchor(NamedTuple):
    """A point of the ledger that the verifier trusts, and the epochs it knows."""

    network: bytes
    name: str
    depth: int
    epochs: tuple[Epoch, ...]
    """From epoch 0 on, without a gap; all but the last have ended."""
    height: int
    header_hash: bytes
    outcome_hash: bytes
    """Of the pinned block; 32 zero bytes at genesis, which is known by its header."""
    time_ms: int

    @property
    def epoch(self) -> int:
        """The newest epoch whose validators are known."""
        return len(self.epochs) - 1

    @property
    def validators(self) -> ValidatorSet:
        """Of that epoch."""
        return self.epochs[-1].validators


class ForkError(ProofError):
    """A quorum signed what contradicts something the anchor knows: it lied, or its keys leaked. Keep `checkpoint`."""

    def __init__(self, message: str, checkpoint: Checkpoint) -> None:
        super().__init__(Code.NOT_PROVEN, message)
        self.checkpoint = checkpoint


def anchor_from_genesis(genesis: Genesis) -> Anchor:
    """The anchor that a genesis is."""
    network = genesis.network
    validators = ValidatorSet(
        network, [Validator(seat.organisation, seat.public_key) for seat in genesis.validators]
    )
    header = genesis_header(network, genesis.time_ms, genesis.protocol)
    return Anchor(
        network,
        genesis.name,
        genesis.state_depth,
        (Epoch(validators, None),),
        0,
        header.hash,
        ZERO_HASH,
        genesis.time_ms,
    )


def pinned(anchor: Anchor, checkpoint: Checkpoint, closings: Sequence[Closing] = ()) -> Anchor:
    """The anchor with all that checkpoint and closings show, moved up to the checkpoint if that is newer; else ProofError."""
    known = check_against(anchor, checkpoint, closings)
    header, outcome, _ = checkpoint
    if header.height <= anchor.height:
        return known
    return known._replace(
        height=header.height,
        header_hash=header.hash,
        outcome_hash=outcome.hash_in(header.network),
        time_ms=header.time_ms,
    )


def check_against(anchor: Anchor, checkpoint: Checkpoint, closings: Sequence[Closing] = ()) -> Anchor:
    """The anchor with the epochs that `closings` show, if a quorum of its epoch's validators certified the checkpoint.

    `closings` are those of consecutive epochs up to the one before the checkpoint's, from one the anchor knows or from an
    earlier one. Raises ProofError: foreign_anchor, incomplete (a closing lacks), not_proven; ForkError for what is certified
    and contradicts the anchor.
    """
    header, outcome, _ = checkpoint
    if header.network != anchor.network:
        raise ProofError(
            Code.FOREIGN_ANCHOR,
            f"expected a bundle of network {anchor.network.hex()[:16]}, got one of {header.network.hex()[:16]}",
        )
    if header.height == 0:
        raise ProofError(Code.NOT_PROVEN, "expected a block after genesis, nobody certifies that one")
    epochs = [closing.epoch for closing in closings] + [header.epoch]
    if any(following != epoch + 1 for epoch, following in pairwise(epochs)):
        raise ProofError(
            Code.NOT_PROVEN,
            f"expected closings of each epoch up to {header.epoch}, got those of {epochs[:-1]}",
        )
    if epochs[0] > anchor.epoch:
        raise ProofError(
            Code.INCOMPLETE,
            f"expected a proof of every change of validators from epoch {anchor.epoch} on, which the anchor knows, to epoch "
            f"{header.epoch}; this one begins at epoch {epochs[0]}",
        )
    anchor = followed(anchor, closings)
    validators = anchor.epochs[header.epoch].validators
    check_checkpoint(validators, checkpoint)
    if not header.closes_epoch and outcome.next_validators_hash != validators.hash:
        raise ProofError(
            Code.NOT_PROVEN, f"expected block {header.height}, which closes no epoch, to leave the validators"
        )
    _check_place(anchor, checkpoint)
    return _noting_end(anchor, checkpoint) if header.closes_epoch else anchor


def followed(anchor: Anchor, closings: Sequence[Closing]) -> Anchor:
    """The anchor that knows these closings, of epochs that it knows or that they lead to, in order.

    Raises ProofError where one does not hold, ForkError where one contradicts what is known.
    """
    for closing in closings:
        epoch = closing.epoch
        if epoch > anchor.epoch:
            raise ProofError(
                Code.INCOMPLETE, f"expected how epoch {anchor.epoch} was closed, got how epoch {epoch} was"
            )
        following = check_closing(anchor.epochs[epoch].validators, epoch, closing)
        _check_place(anchor, closing.checkpoint)
        anchor = _noting_end(anchor, closing.checkpoint)
        if (
            epoch == anchor.epoch
        ):  # else it is the same block with the same outcome, which names the set known
            anchor = anchor._replace(epochs=(*anchor.epochs, Epoch(following, None)))
    return anchor


def _noting_end(anchor: Anchor, checkpoint: Checkpoint) -> Anchor:
    header, outcome, _ = checkpoint
    last = LastBlock(header.height, header.hash, outcome.hash_in(header.network), header.time_ms)
    ended = anchor.epochs[header.epoch]._replace(last=last)
    return anchor._replace(epochs=(*anchor.epochs[: header.epoch], ended, *anchor.epochs[header.epoch + 1 :]))


def _check_place(anchor: Anchor, checkpoint: Checkpoint) -> None:
    """Raise ForkError where a certified checkpoint contradicts what the anchor knows of the order of blocks."""
    header, outcome, _ = checkpoint
    what = f"block {header.height} of epoch {header.epoch} ({header.hash.hex()[:16]})"
    outcome_hash = outcome.hash_in(header.network)
    last = anchor.epochs[header.epoch].last
    if last is not None:
        is_last = (header.height, header.hash, outcome_hash) == last[:3]
        if header.height >= last.height and not is_last:
            raise _fork(f"epoch {header.epoch} to end with block {last.height}", what, checkpoint)
        if header.closes_epoch and not is_last:
            raise _fork(f"one end of epoch {header.epoch}, block {last.height}", what, checkpoint)
    elif header.closes_epoch and header.height < anchor.height:
        raise _fork(f"epoch {header.epoch} to reach block {anchor.height}, which is pinned", what, checkpoint)
    if header.height == anchor.height and (
        header.hash != anchor.header_hash or anchor.outcome_hash not in (ZERO_HASH, outcome_hash)
    ):
        raise _fork(f"the pinned block {anchor.header_hash.hex()[:16]} and its outcome", what, checkpoint)
    points = [(anchor.height, anchor.time_ms)]
    points += [(epoch.last.height, epoch.last.time_ms) for epoch in anchor.epochs if epoch.last is not None]
    for height, time_ms in points:
        if (header.height > height) != (header.time_ms > time_ms):
            raise _fork(f"times to ascend from block {height} on or to it", what, checkpoint)
    before = anchor.epochs[header.epoch - 1].last if header.epoch else None
    if before is not None and header.height <= before.height:
        raise _fork(f"epoch {header.epoch} to begin after block {before.height}", what, checkpoint)


def _fork(expected: str, what: str, checkpoint: Checkpoint) -> ForkError:
    return ForkError(
        f"expected {expected}, a quorum also signed {what}: the ledger forked, or keys of validators leaked",
        checkpoint,
    )


def is_of_an_ended_epoch(anchor: Anchor, checkpoint: Checkpoint) -> bool:
    """Whether the anchor knows that the checkpoint's epoch ended, and does not know the checkpoint's block itself.

    Its validators were to destroy their keys when it ended; if they did not, whoever has them could sign this today.
    """
    header = checkpoint.header
    if header.epoch > anchor.epoch:
        return False
    last = anchor.epochs[header.epoch].last
    return last is not None and header.height not in (last.height, anchor.height)
