"""Certificates, checkpoints and their offline verification (CONSENSUS 2, 8, 17; WIRE_CONSENSUS §4).

A certificate is a bitmap and exactly q signatures over one claim, in signer order: 193 bytes at n = 4. It opens with
the kind of engine that made it; this version knows Simplex (1) and refuses every other.

    notarisation   q notarise votes    the block may be built on
    nullification  q nullify votes     the view may be skipped
    finalisation   q finalise votes    the block, its ancestors and this outcome are final

A *checkpoint* is a header, its outcome and a finalisation over both. One is enough for every proof, and checking it
needs the validator set of its epoch and nothing else: no consensus, no network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from ledger.base.encoding import take_array, take_bytes, take_int
from ledger.base.errors import Code, FormError, ProofError
from ledger.base.keys import HYBRID_SIGNATURE_BYTES, is_signature, signature_bytes
from ledger.base.limits import VALIDATORS_MAX
from ledger.chain.block import Header, Outcome, parse_header, parse_outcome
from ledger.chain.validators import ValidatorSet
from ledger.chain.votes import Claim, Kind, parse_claim

ENGINE_SIMPLEX: Final = 1
Verifier = Callable[[bytes, bytes, bytes], bool]
"""(public key, message, signature) -> whether the signature holds."""


class Certificate(NamedTuple):
    """q signatures over `claim`: bit i of `signers` (bit i % 8 of byte i // 8) says that validator i signed."""

    engine: int
    claim: Claim
    signers: bytes
    signatures: bytes
    """The signatures, one after another in ascending order of signer, each as long as its key's are."""

    def signer_indices(self) -> list[int]:
        """The indices of the signers, ascending."""
        return [
            8 * place + bit for place, byte in enumerate(self.signers) for bit in range(8) if byte >> bit & 1
        ]


class Checkpoint(NamedTuple):
    """A block's header, what executing it gave, and the finalisation over both."""

    header: Header
    outcome: Outcome
    certificate: Certificate


def make_certificate(validators: ValidatorSet, claim: Claim, signatures: Mapping[int, bytes]) -> Certificate:
    """The certificate over `claim` from at least q signatures by index; the q lowest indices are taken."""
    chosen = sorted(signatures)[: validators.quorum]
    if len(chosen) < validators.quorum:
        raise ProofError(Code.NOT_PROVEN, f"expected {validators.quorum} signatures, got {len(chosen)}")
    signers = bytearray((len(validators) + 7) // 8)
    for index in chosen:
        signers[index // 8] |= 1 << index % 8
    return Certificate(ENGINE_SIMPLEX, claim, bytes(signers), b"".join(signatures[index] for index in chosen))


def parse_certificate(value: Any) -> Certificate:
    """A certificate from `[engine, claim, signers, signatures]`; FormError. Signatures are not checked here."""
    engine, claim_value, signers, signatures = take_array(value, "certificate", 4)
    take_int(engine, "certificate engine")
    if engine != ENGINE_SIMPLEX:
        raise FormError(
            Code.UNSUPPORTED_VERSION, f"expected a certificate of engine {ENGINE_SIMPLEX}, got {engine}"
        )
    claim = parse_claim(claim_value)
    if claim.kind == Kind.PROPOSAL:
        raise FormError(Code.MALFORMED, "expected a certificate over votes, got one over a proposal")
    take_bytes(signers, "certificate signers", most=(VALIDATORS_MAX + 7) // 8)
    take_bytes(signatures, "certificate signatures", most=VALIDATORS_MAX * HYBRID_SIGNATURE_BYTES)
    return Certificate(engine, claim, signers, signatures)


def parse_checkpoint(value: Any) -> Checkpoint:
    """A checkpoint from `[header, outcome, certificate]`; FormError. Nothing is verified here."""
    header, outcome, certificate = take_array(value, "checkpoint", 3)
    return Checkpoint(parse_header(header), parse_outcome(outcome), parse_certificate(certificate))


def check_certificate(
    validators: ValidatorSet, certificate: Certificate, verifier: Verifier = is_signature
) -> None:
    """Raise ProofError(not_proven) unless exactly q members of `validators` validly signed the claim.

    The caller decides that `validators` is the set of the claim's epoch.
    """
    if certificate.engine != ENGINE_SIMPLEX:
        raise ProofError(
            Code.UNSUPPORTED_VERSION, f"expected a Simplex certificate, got kind {certificate.engine}"
        )
    if len(certificate.signers) != (len(validators) + 7) // 8:
        raise ProofError(
            Code.NOT_PROVEN,
            f"expected a bitmap of {(len(validators) + 7) // 8} bytes, got {len(certificate.signers)}",
        )
    indices = certificate.signer_indices()
    if len(indices) != validators.quorum or indices[-1] >= len(validators):
        raise ProofError(
            Code.NOT_PROVEN,
            f"expected exactly {validators.quorum} signers out of {len(validators)}, got {indices}",
        )
    lengths = [signature_bytes(validators[index].public_key) for index in indices]
    if len(certificate.signatures) != sum(lengths):
        raise ProofError(
            Code.NOT_PROVEN,
            f"expected {len(indices)} signatures of {sum(lengths)} bytes, got {len(certificate.signatures)} bytes",
        )
    message = certificate.claim.signing_message(validators.network)
    end = 0
    for index, length in zip(indices, lengths, strict=True):
        begin, end = end, end + length
        signature = certificate.signatures[begin:end]
        if not verifier(validators[index].public_key, message, signature):
            raise ProofError(
                Code.NOT_PROVEN,
                f"expected a valid signature of validator {index} ({validators[index].organisation}), it does not hold",
            )


def check_checkpoint(
    validators: ValidatorSet, checkpoint: Checkpoint, verifier: Verifier = is_signature
) -> None:
    """Raise ProofError unless a quorum of `validators` finalised exactly this header and outcome.

    `validators` must be the set of the header's epoch, which the outcome names by hash.
    """
    header, outcome, certificate = checkpoint
    claim = certificate.claim
    header_hash = header.hash
    if header.network != validators.network:
        raise ProofError(
            Code.WRONG_NETWORK,
            f"expected a checkpoint of network {validators.network.hex()[:16]}, got {header.network.hex()[:16]}",
        )
    if claim.kind != Kind.FINALISE:
        raise ProofError(
            Code.NOT_PROVEN, f"expected a finalisation, got a certificate of {claim.kind.name.lower()}"
        )
    if claim.epoch != header.epoch:
        raise ProofError(
            Code.NOT_PROVEN, f"expected a certificate of epoch {header.epoch}, got {claim.epoch}"
        )
    if outcome.header_hash != header_hash or claim.block != header_hash:
        raise ProofError(
            Code.NOT_PROVEN, "expected outcome and certificate to name the header shown, they do not"
        )
    if claim.outcome != outcome.hash_in(header.network):
        raise ProofError(
            Code.NOT_PROVEN, "expected the certificate to name the outcome shown, it names another"
        )
    if outcome.validators_hash != validators.hash:
        raise ProofError(Code.NOT_PROVEN, "expected the outcome to name the validators it is checked against")
    check_certificate(validators, certificate, verifier)
