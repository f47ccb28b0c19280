"""What validators sign: claims, and votes that carry them (CONSENSUS 4, 6, 7; WIRE_CONSENSUS §3).

Every signature of the consensus is over one *claim*. The tag names the kind, the hash takes in the network, and the
claim names epoch and view, so no signature can be shown for anything else. A claim's identity is what it says, never
its signature.

    proposal  (leader)  epoch, view, parent view, block
    notarise            epoch, view, block
    nullify             epoch, view
    finalise            epoch, view, block, outcome
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, Final, NamedTuple

from ledger.base.encoding import encode, take_array, take_bytes, take_int
from ledger.base.errors import Code, FormError
from ledger.base.hashing import HASH_BYTES, Tag, signing_message
from ledger.base.keys import take_signature
from ledger.base.limits import VALIDATORS_MAX
from ledger.chain.block import COUNTER_MAX, Block, parse_block


class Kind(IntEnum):
    """What a claim says."""

    PROPOSAL = 0
    NOTARISE = 1
    NULLIFY = 2
    FINALISE = 3


_TAGS: Final = (Tag.PROPOSAL, Tag.NOTARISE, Tag.NULLIFY, Tag.FINALISE)


class Claim(NamedTuple):
    """One statement that a validator signs. `block` and `outcome` are hashes; what a kind does not name is None."""

    kind: Kind
    epoch: int
    view: int
    block: bytes | None = None
    outcome: bytes | None = None
    parent_view: int | None = None

    def signing_message(self, network: bytes) -> bytes:
        """The 32 bytes that are signed."""
        said: tuple[int | bytes | None, ...]
        if self.kind == Kind.NOTARISE:
            said = (self.epoch, self.view, self.block)
        elif self.kind == Kind.NULLIFY:
            said = (self.epoch, self.view)
        elif self.kind == Kind.FINALISE:
            said = (self.epoch, self.view, self.block, self.outcome)
        else:
            said = (self.epoch, self.view, self.parent_view, self.block)
        return signing_message(_TAGS[self.kind], network, encode(said))


def notarise(epoch: int, view: int, block: bytes) -> Claim:
    """'This block may stand in this view.'"""
    return Claim(Kind.NOTARISE, epoch, view, block)


def nullify(epoch: int, view: int) -> Claim:
    """'This view may be skipped; I shall not finalise in it.'"""
    return Claim(Kind.NULLIFY, epoch, view)


def finalise(epoch: int, view: int, block: bytes, outcome: bytes) -> Claim:
    """'This block was notarised in this view, executing it gives this outcome, and I did not nullify the view.'"""
    return Claim(Kind.FINALISE, epoch, view, block, outcome)


class Vote(NamedTuple):
    """A notarise, nullify or finalise claim signed by validator `signer`."""

    claim: Claim
    signer: int
    signature: bytes


class Proposal(NamedTuple):
    """A block offered by the leader of `view`, on the block that `parent_view` notarised (CONSENSUS 6)."""

    epoch: int
    view: int
    parent_view: int
    block: Block
    signature: bytes

    @property
    def claim(self) -> Claim:
        """What the leader signed."""
        return Claim(Kind.PROPOSAL, self.epoch, self.view, self.block.header.hash, None, self.parent_view)


def parse_claim(value: Any) -> Claim:
    """A claim from its wire form, `[kind, epoch, view, block|nil, outcome|nil, parent view|nil]`; FormError."""
    kind_value, epoch, view, block, outcome, parent_view = take_array(value, "claim", 6)
    kind = Kind(take_int(kind_value, "claim kind", 0, 3))
    take_int(epoch, "claim epoch", 0, COUNTER_MAX)
    take_int(view, "claim view", 1, COUNTER_MAX)
    if (
        (block is None) != (kind == Kind.NULLIFY)
        or (outcome is None) != (kind != Kind.FINALISE)
        or (parent_view is None) != (kind != Kind.PROPOSAL)
    ):
        raise FormError(Code.MALFORMED, f"expected exactly what a claim of kind {kind.name.lower()} names")
    if block is not None:
        take_bytes(block, "claim block", HASH_BYTES)
    if outcome is not None:
        take_bytes(outcome, "claim outcome", HASH_BYTES)
    if parent_view is not None:
        take_int(parent_view, "claim parent view", 0, view - 1)
    return Claim(kind, epoch, view, block, outcome, parent_view)


def parse_vote(value: Any) -> Vote:
    """A vote from its wire form, `[claim, signer, signature]`; FormError. The signature is not checked here."""
    claim_value, signer, signature = take_array(value, "vote", 3)
    claim = parse_claim(claim_value)
    if claim.kind == Kind.PROPOSAL:
        raise FormError(
            Code.MALFORMED, "expected a notarise, nullify or finalise vote, got a proposal's claim"
        )
    return Vote(
        claim,
        take_int(signer, "vote signer", 0, VALIDATORS_MAX - 1),
        take_signature(signature, "vote signature"),
    )


def parse_proposal(value: Any) -> Proposal:
    """A proposal from `[epoch, view, parent view, block, signature]`; FormError. The signature is not checked here."""
    epoch, view, parent_view, block, signature = take_array(value, "proposal", 5)
    take_int(epoch, "proposal epoch", 0, COUNTER_MAX)
    take_int(view, "proposal view", 1, COUNTER_MAX)
    take_int(parent_view, "proposal parent view", 0, view - 1)
    return Proposal(
        epoch,
        view,
        parent_view,
        parse_block(block),
        take_signature(signature, "proposal signature"),
    )
