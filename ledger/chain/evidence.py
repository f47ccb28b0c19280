"""Evidence: two signed claims that no honest validator makes both of (CONSENSUS 27; WIRE_CONSENSUS §5).

Checkable offline, by anyone who knows the validator set of the epoch, and it names the culprit. Contradictions are
two different claims by one key in one epoch and view, where both are of one kind (two proposals, two notarise or two
finalise votes), or one is a finalise and the other a nullify vote. Notarise and then nullify is legal, and so is to
notarise one block and finalise another that a quorum notarised.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ledger.base.encoding import take_array, take_int
from ledger.base.errors import Code, FormError, ProofError
from ledger.base.keys import is_signature, take_plain_signature, take_signature
from ledger.base.limits import VALIDATORS_MAX
from ledger.chain.certificate import Verifier
from ledger.chain.validators import Validator, ValidatorSet
from ledger.chain.votes import Claim, Kind, parse_claim


class Evidence(NamedTuple):
    """Two claims by validator `signer` with their signatures, the lower claim first (so a pair has one encoding)."""

    signer: int
    first: Claim
    first_signature: bytes
    second: Claim
    second_signature: bytes


def _order(claim: Claim) -> tuple[int, bytes, bytes, int]:
    return (claim.kind, claim.block or b"", claim.outcome or b"", claim.parent_view or 0)


def is_contradiction(first: Claim, second: Claim) -> bool:
    """Whether one honest validator never signs both."""
    if first == second or (first.epoch, first.view) != (second.epoch, second.view):
        return False
    return first.kind == second.kind or {first.kind, second.kind} == {Kind.NULLIFY, Kind.FINALISE}


def make_evidence(
    signer: int, claim: Claim, signature: bytes, other_claim: Claim, other_signature: bytes
) -> Evidence:
    """The evidence that two contradicting claims of one signer are, in its one order."""
    if _order(claim) > _order(other_claim):
        claim, signature, other_claim, other_signature = other_claim, other_signature, claim, signature
    return Evidence(signer, claim, signature, other_claim, other_signature)


def parse_evidence(value: Any, *, knows_hybrid: bool = True) -> Evidence:
    """Evidence from `[signer, claim, signature, claim, signature]`; FormError. Nothing is verified here.

    `knows_hybrid` False where only plain signatures are of the form: in execution under protocol version 1.
    """
    take = take_signature if knows_hybrid else take_plain_signature
    signer, first, first_signature, second, second_signature = take_array(value, "evidence", 5)
    evidence = Evidence(
        take_int(signer, "evidence signer", 0, VALIDATORS_MAX - 1),
        parse_claim(first),
        take(first_signature, "evidence signature"),
        parse_claim(second),
        take(second_signature, "evidence signature"),
    )
    if _order(evidence.first) > _order(evidence.second):
        raise FormError(Code.NOT_CANONICAL, "expected the lower claim first in a piece of evidence")
    return evidence


def check_evidence(
    validators: ValidatorSet, evidence: Evidence, verifier: Verifier = is_signature
) -> Validator:
    """The culprit, or ProofError unless its key signed two claims that contradict each other.

    `validators` must be the set of the claims' epoch; the caller decides that.
    """
    if evidence.signer >= len(validators):
        raise ProofError(Code.NOT_PROVEN, f"expected a signer below {len(validators)}, got {evidence.signer}")
    if not is_contradiction(evidence.first, evidence.second):
        raise ProofError(
            Code.NOT_PROVEN, "expected two claims that contradict each other, these may stand together"
        )
    culprit = validators[evidence.signer]
    for claim, signature in (
        (evidence.first, evidence.first_signature),
        (evidence.second, evidence.second_signature),
    ):
        if not verifier(culprit.public_key, claim.signing_message(validators.network), signature):
            raise ProofError(
                Code.NOT_PROVEN, f"expected both claims to be signed by {culprit.organisation}, one is not"
            )
    return culprit
