from __future__ import annotations

from typing import Any

import pytest

from ledger.base.encoding import decode, encode
from ledger.base.errors import Code, CustodyError, FormError, ProofError
from ledger.chain.certificate import (
    Certificate,
    Checkpoint,
    check_certificate,
    check_checkpoint,
    make_certificate,
    parse_certificate,
    parse_checkpoint,
)
from ledger.chain.validators import Validator, ValidatorSet
from ledger.chain.votes import (
    Claim,
    Kind,
    finalise,
    notarise,
    nullify,
    parse_claim,
    parse_proposal,
    parse_vote,
)
from tests.chain.consensus_samples import (
    BLOCK,
    CHECKPOINT,
    FINAL,
    HEADER,
    KEYS,
    NETWORK,
    OUTCOME,
    VALIDATORS,
    certificate,
    digest,
    proposal,
    sign,
    vote,
)

CLAIMS = [notarise(0, 1, HEADER.hash), nullify(0, 1), FINAL]


def wire(value: Any) -> Any:
    return decode(encode(value), max_bytes=100_000)


@pytest.mark.parametrize("claim", CLAIMS)
def test_certificates_of_every_kind_round_trip_and_hold(claim: Claim) -> None:
    made = certificate(claim)
    assert parse_certificate(wire(made)) == made
    check_certificate(VALIDATORS, made)
    assert made.signer_indices() == [0, 1, 3]
    assert len(made.signers) + len(made.signatures) == 193
    assert wire(made)[0] == 1, "the kind of engine comes first"


def test_the_lowest_quorum_of_signers_is_taken() -> None:
    assert certificate(FINAL, (3, 2, 1, 0)).signer_indices() == [0, 1, 2]
    with pytest.raises(ProofError):
        certificate(FINAL, (0, 1))


def test_conformance_bytes() -> None:
    """Change only with the wire format, and then on purpose."""
    assert [claim.signing_message(NETWORK).hex() for claim in CLAIMS] == [
        "2065c103787509a259a09e35046ab995a9fe6bbcc9bcc8dfe9272d0e66638b7f",
        "09c80e80d13432e46a818e0a8f930ae09010097964cc2aa265a55c717f76fe95",
        "f31e9cef6262b7f94c8ce35fb204fced3f8cf921908ed6277834e92dfc711589",
    ]
    assert (
        proposal().claim.signing_message(NETWORK).hex()
        == "139977930bbe7b24696c6f974dff6c4da6adb17c5958f02d574d0ebb0de22ac2"
    )
    assert (
        digest(encode(CHECKPOINT).hex()).hex()
        == "b17f1e40ae612cb31142bc47986ee921d7bedb746535f245e6eeab4c0371d65e"
    )


def test_no_two_claims_share_a_signed_message() -> None:
    other = digest("another block")
    claims = [
        *CLAIMS, proposal().claim, notarise(1, 1, HEADER.hash), notarise(0, 2, HEADER.hash), notarise(0, 1, other),
        nullify(0, 2), nullify(1, 1), finalise(0, 1, HEADER.hash, other), finalise(0, 1, other, HEADER.hash),
        proposal(view=2).claim, proposal(view=2, parent_view=1).claim,
    ]  # fmt: skip
    messages = {
        claim.signing_message(network) for claim in claims for network in (NETWORK, digest("another"))
    }
    assert len(messages) == 2 * len(claims)


# ---- what must not hold


def forged(base: Certificate, **changes: Any) -> Certificate:
    return base._replace(**changes)


GOOD = certificate(FINAL)
SIGNATURES = [GOOD.signatures[at : at + 64] for at in (0, 64, 128)]
FORGED = {
    "another claim": forged(GOOD, claim=FINAL._replace(view=2)),
    "another epoch": forged(GOOD, claim=FINAL._replace(epoch=1)),
    "another outcome": forged(GOOD, claim=FINAL._replace(outcome=digest("x"))),
    "another kind": forged(GOOD, claim=notarise(0, 1, HEADER.hash)),
    "signers swapped": forged(GOOD, signatures=b"".join([SIGNATURES[1], SIGNATURES[0], SIGNATURES[2]])),
    "one signer twice": forged(GOOD, signatures=SIGNATURES[0] * 3),
    "another bitmap": forged(GOOD, signers=b"\x07"),
    "one signature short": forged(GOOD, signers=b"\x03", signatures=b"".join(SIGNATURES[:2])),
    "q - 1 claimed as q": forged(GOOD, signatures=b"".join(SIGNATURES[:2])),
    "one signature more": forged(
        GOOD, signers=b"\x0f", signatures=b"".join([*SIGNATURES[:2], sign(2, FINAL), SIGNATURES[2]])
    ),
    "a trailing byte": forged(GOOD, signatures=GOOD.signatures + b"\0"),
    "a signer beyond the set": forged(GOOD, signers=b"\x13"),
    "a longer bitmap": forged(GOOD, signers=b"\x0b\x00"),
    "an empty bitmap": forged(GOOD, signers=b""),
    "no signer": forged(GOOD, signers=b"\x00", signatures=b""),
    "a flipped bit": forged(GOOD, signatures=GOOD.signatures[:-1] + bytes([GOOD.signatures[-1] ^ 1])),
    "another engine": forged(GOOD, engine=2),
}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_certificate_does_not_hold(name: str) -> None:
    with pytest.raises(ProofError):
        check_certificate(VALIDATORS, FORGED[name])


def test_an_unknown_engine_is_refused_by_the_parser() -> None:
    with pytest.raises(FormError) as caught:
        parse_certificate(wire(FORGED["another engine"]))
    assert caught.value.code == Code.UNSUPPORTED_VERSION


def test_a_certificate_of_other_validators_does_not_hold() -> None:
    others = ValidatorSet(
        NETWORK, [Validator(f"org{index}", KEYS[index + 1].public_key) for index in range(4)]
    )
    with pytest.raises(ProofError):
        check_certificate(others, GOOD)
    elsewhere = ValidatorSet(digest("another"), VALIDATORS.members)
    with pytest.raises(ProofError):
        check_certificate(elsewhere, GOOD)


@pytest.mark.parametrize("count", [5, 6, 7])
def test_quorums_of_other_sizes(count: int) -> None:
    chosen = ValidatorSet(
        NETWORK, [Validator(f"org{index}", KEYS[index].public_key) for index in range(count)]
    )
    signatures = {index: sign(index, FINAL) for index in range(count)}
    made = make_certificate(chosen, FINAL, signatures)
    check_certificate(chosen, made)
    assert len(made.signer_indices()) == chosen.quorum
    with pytest.raises(ProofError):
        make_certificate(chosen, FINAL, {index: signatures[index] for index in range(chosen.quorum - 1)})


# ---- checkpoints


def test_a_checkpoint_round_trips_and_holds() -> None:
    assert parse_checkpoint(wire(CHECKPOINT)) == CHECKPOINT
    check_checkpoint(VALIDATORS, CHECKPOINT)


def certified(header: Any = HEADER, outcome: Any = OUTCOME, claim: Any = None) -> Checkpoint:
    claim = claim or finalise(header.epoch, 1, header.hash, outcome.hash_in(NETWORK))
    return Checkpoint(header, outcome, certificate(claim))


LATER = HEADER._replace(time_ms=HEADER.time_ms + 1)
CHECKPOINTS = {
    "another header": CHECKPOINT._replace(header=LATER),
    "another outcome": CHECKPOINT._replace(outcome=OUTCOME._replace(state_root=digest("x"))),
    "an outcome of another block": certified(header=LATER),
    "a notarisation": certified(claim=notarise(0, 1, HEADER.hash)),
    "a nullification": certified(claim=nullify(0, 1)),
    "an epoch the header is not of": certified(claim=FINAL._replace(epoch=1)),
    "an outcome that is not certified": certified(claim=FINAL._replace(outcome=digest("x"))),
    "a block that is not certified": certified(claim=FINAL._replace(block=digest("x"))),
    "an outcome of other validators": certified(outcome=OUTCOME._replace(validators_hash=digest("x"))),
    "another network": certified(
        header=HEADER._replace(network=digest("x")), outcome=OUTCOME._replace(header_hash=HEADER.hash)
    ),
    "too few signatures": CHECKPOINT._replace(certificate=FORGED["one signature short"]),
}


@pytest.mark.parametrize("name", CHECKPOINTS)
def test_a_checkpoint_that_proves_something_else_does_not_hold(name: str) -> None:
    with pytest.raises(ProofError):
        check_checkpoint(VALIDATORS, CHECKPOINTS[name])


def test_flipping_any_byte_of_a_checkpoint_breaks_it() -> None:
    data = encode(CHECKPOINT)
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 0x01
        with pytest.raises(CustodyError):
            check_checkpoint(VALIDATORS, parse_checkpoint(decode(bytes(changed), max_bytes=len(data))))


# ---- forms


@pytest.mark.parametrize("claim", [*CLAIMS, proposal().claim])
def test_claims_round_trip(claim: Claim) -> None:
    assert parse_claim(wire(claim)) == claim


def test_votes_and_proposals_round_trip() -> None:
    for claim in CLAIMS:
        assert parse_vote(wire(vote(1, claim))) == vote(1, claim)
        assert len(encode(vote(1, claim))) <= 145
    assert parse_proposal(wire(proposal())) == proposal()
    with pytest.raises(FormError):
        parse_vote(wire(vote(1, proposal().claim)))
    with pytest.raises(FormError):
        parse_certificate(wire(certificate(proposal().claim)))


@pytest.mark.parametrize(
    "claim",
    [
        CLAIMS[0]._replace(block=None), CLAIMS[0]._replace(outcome=digest("x")), CLAIMS[0]._replace(parent_view=0),
        CLAIMS[1]._replace(block=digest("x")), FINAL._replace(outcome=None), FINAL._replace(block=None),
        CLAIMS[0]._replace(view=0), CLAIMS[0]._replace(view=-1), CLAIMS[0]._replace(epoch=2**63),
        CLAIMS[0]._replace(kind=4), CLAIMS[0]._replace(kind=True), CLAIMS[0]._replace(block=b"short"),  # type: ignore[arg-type]
        proposal().claim._replace(parent_view=1), proposal().claim._replace(parent_view=None),
    ],
)  # fmt: skip
def test_claims_that_name_too_much_or_too_little_are_refused(claim: Claim) -> None:
    with pytest.raises(FormError):
        parse_claim(wire(claim))


def test_a_proposal_on_itself_or_the_future_is_refused() -> None:
    with pytest.raises(FormError):
        parse_proposal((0, 3, 3, wire(BLOCK), bytes(64)))
    assert parse_proposal((0, 3, 2, wire(BLOCK), bytes(64))).claim.kind == Kind.PROPOSAL


@pytest.mark.parametrize("value", [None, 1, (), (1,), (1, 2, 3, 4), (1, wire(FINAL), b"\x0b", None)])
def test_malformed_values_are_refused(value: object) -> None:
    for parse in (parse_certificate, parse_checkpoint, parse_vote, parse_proposal, parse_claim):
        with pytest.raises(FormError):
            parse(value)
