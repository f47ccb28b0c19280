from __future__ import annotations

from typing import Any

import pytest

from ledger.base.encoding import decode, encode
from ledger.base.errors import FormError, ProofError
from ledger.chain.evidence import Evidence, check_evidence, is_contradiction, make_evidence, parse_evidence
from ledger.chain.validators import Validator, ValidatorSet
from ledger.chain.votes import Claim, finalise, notarise, nullify
from tests.chain.consensus_samples import FINAL, HEADER, KEYS, NETWORK, VALIDATORS, digest, proposal, sign

OTHER = digest("another block")
CONTRADICTIONS = [
    (notarise(0, 1, HEADER.hash), notarise(0, 1, OTHER)),
    (FINAL, finalise(0, 1, OTHER, FINAL.outcome or b"")),
    (FINAL, FINAL._replace(outcome=digest("another outcome"))),
    (FINAL, nullify(0, 1)),
    (proposal().claim, proposal().claim._replace(block=OTHER)),
    (proposal(view=3).claim, proposal(view=3, parent_view=2).claim),
]
LEGAL = [
    (notarise(0, 1, HEADER.hash), notarise(0, 1, HEADER.hash)),
    (notarise(0, 1, HEADER.hash), nullify(0, 1)),
    (notarise(0, 1, HEADER.hash), notarise(0, 2, OTHER)),
    (notarise(0, 1, HEADER.hash), notarise(1, 1, OTHER)),
    (notarise(0, 1, OTHER), FINAL),
    (nullify(0, 1), nullify(0, 2)),
    (nullify(0, 2), FINAL),
    (nullify(1, 1), FINAL),
    (proposal().claim, notarise(0, 1, OTHER)),
    (proposal().claim, nullify(0, 1)),
]


def evidence(first: Claim, second: Claim, signer: int = 2) -> Evidence:
    return make_evidence(signer, first, sign(signer, first), second, sign(signer, second))


def wire(value: Any) -> Any:
    return decode(encode(value), max_bytes=10_000)


@pytest.mark.parametrize(("first", "second"), CONTRADICTIONS)
def test_a_contradiction_names_its_culprit(first: Claim, second: Claim) -> None:
    made = evidence(first, second)
    assert check_evidence(VALIDATORS, made) == VALIDATORS[2]
    assert parse_evidence(wire(made)) == made
    assert evidence(second, first) == made, "a pair has one encoding"


@pytest.mark.parametrize(("first", "second"), LEGAL)
def test_what_an_honest_validator_may_say_is_no_evidence(first: Claim, second: Claim) -> None:
    assert not is_contradiction(first, second)
    assert not is_contradiction(second, first)
    with pytest.raises(ProofError):
        check_evidence(VALIDATORS, evidence(first, second))


@pytest.mark.parametrize(("first", "second"), CONTRADICTIONS)
def test_unsigned_or_foreign_claims_accuse_nobody(first: Claim, second: Claim) -> None:
    made = evidence(first, second)
    for bad in (
        made._replace(first_signature=made.second_signature),
        made._replace(second_signature=bytes(64)),
        made._replace(signer=1),
        made._replace(signer=4),
        make_evidence(2, first, sign(2, first), second, sign(1, second)),
    ):
        with pytest.raises(ProofError):
            check_evidence(VALIDATORS, bad)
    elsewhere = ValidatorSet(digest("another"), VALIDATORS.members)
    others = ValidatorSet(
        NETWORK, [Validator(f"org{index}", KEYS[index + 1].public_key) for index in range(4)]
    )
    for wrong in (elsewhere, others):
        with pytest.raises(ProofError):
            check_evidence(wrong, made)


def test_the_other_order_and_other_shapes_are_refused() -> None:
    made = evidence(*CONTRADICTIONS[0])
    swapped = Evidence(2, made.second, made.second_signature, made.first, made.first_signature)
    for value in (
        wire(swapped),
        None,
        (),
        wire(made)[:4],
        (31, *wire(made)[1:]),
        (*wire(made)[:4], b"short"),
    ):
        with pytest.raises(FormError):
            parse_evidence(value)


def test_conformance_bytes() -> None:
    """Change only with the wire format, and then on purpose."""
    assert (
        digest(encode(evidence(*CONTRADICTIONS[0])).hex()).hex()
        == "6fa2cccb8296a36c05f8216f7a996a8321cdab59d799cb4eb7b72746e52e24f2"
    )
