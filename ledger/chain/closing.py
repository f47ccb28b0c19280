"""Closings: how one set of validators hands over to the next, checkable offline (CONSENSUS 29, 30; PROOF.md §2).

    closing = [checkpoint, [[organisation, public key], ...]]

The checkpoint is that of the block which closed an epoch, certified by a quorum of that epoch's set; the members are the
next set, whose hash the checkpoint's outcome names. From a set one trusts, a run of closings leads to every later one:

    sets = check_closings(genesis_set, closings)              sets[e] is the set of epoch e

A closing block can be finalised in two views; either finalisation is as good. What must agree is header and outcome.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from ledger.base.encoding import take_array
from ledger.base.errors import Code, ProofError
from ledger.base.keys import is_signature
from ledger.chain.certificate import Checkpoint, Verifier, check_checkpoint, parse_checkpoint
from ledger.chain.validators import Validator, ValidatorSet, parse_validators


class Closing(NamedTuple):
    """The checkpoint of an epoch's last block, and the members of the next set in their order."""

    checkpoint: Checkpoint
    members: tuple[Validator, ...]

    @property
    def epoch(self) -> int:
        """The epoch it closes."""
        return self.checkpoint.header.epoch


def parse_closing(value: Any) -> Closing:
    """A closing from its decoded array; FormError or SignatureError (a bad key). Nothing is verified here."""
    checkpoint_value, members_value = take_array(value, "closing", 2)
    checkpoint = parse_checkpoint(checkpoint_value)
    return Closing(checkpoint, parse_validators(checkpoint.header.network, members_value).members)


def check_closing(
    validators: ValidatorSet, epoch: int, closing: Closing, verifier: Verifier = is_signature
) -> ValidatorSet:
    """The set of epoch + 1, if a quorum of `validators`, the set of `epoch`, closed it with this one; else ProofError."""
    header, outcome, _ = closing.checkpoint
    if header.epoch != epoch or not header.closes_epoch:
        raise ProofError(
            Code.WRONG_EPOCH,
            f"expected the block that closes epoch {epoch}, got block {header.height} of epoch {header.epoch}",
        )
    check_checkpoint(validators, closing.checkpoint, verifier)
    following = ValidatorSet(validators.network, closing.members)
    if following.hash != outcome.next_validators_hash:
        raise ProofError(
            Code.NOT_PROVEN, f"expected the validators that block {header.height} introduces, got others"
        )
    return following


def check_closings(
    first: ValidatorSet, closings: Iterable[Closing], *, epoch: int = 0, verifier: Verifier = is_signature
) -> tuple[ValidatorSet, ...]:
    """The sets of `epoch`, epoch + 1, ...: `first` is that of `epoch`, each closing leads to the next.

    Raises ProofError unless each is closed by the one before, epochs are consecutive and heights and times ascend.
    """
    sets = [first]
    height, time_ms = -1, -1
    for closing in closings:
        header = closing.checkpoint.header
        sets.append(check_closing(sets[-1], epoch + len(sets) - 1, closing, verifier))
        if header.height <= height or header.time_ms <= time_ms:
            raise ProofError(
                Code.NOT_PROVEN, f"expected epoch {header.epoch} to end after the one before, it does not"
            )
        height, time_ms = header.height, header.time_ms
    return tuple(sets)
