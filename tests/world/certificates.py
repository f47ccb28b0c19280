"""Certificates made by the `cryptography` library, which knows nothing of the ledger's own writer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from ledger.base.keys import HybridKey, Signer, SigningKey, key_id
from ledger.members.certificate import USE_ARC
from ledger.members.members import Use

DAY_MS = 86_400_000


def name(organisation: str, label: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, label),
        ]
    )


def instant(time_ms: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time_ms)


def extensions(authority_key_id: bytes, key_id: bytes, use: int) -> list[tuple[Any, bool]]:
    usage = dict.fromkeys(
        ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
         "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"), False,
    ) | {"digital_signature": True}  # fmt: skip
    return [
        (x509.AuthorityKeyIdentifier(authority_key_id, None, None), False),
        (x509.SubjectKeyIdentifier(key_id), False),
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (x509.KeyUsage(**usage), True),
        (x509.ExtendedKeyUsage([x509.ObjectIdentifier(f"{USE_ARC}.{use}")]), True),
    ]


def builder(
    *, issuer: str, subject: str, label: str, public_key: bytes, serial: int, since_ms: int, until_ms: int,
    carried: list[tuple[Any, bool]],
) -> x509.CertificateBuilder:  # fmt: skip
    made = (
        x509.CertificateBuilder()
        .issuer_name(name(issuer, "authority"))
        .subject_name(name(subject, label))
        .public_key(Ed25519PublicKey.from_public_bytes(public_key))
        .serial_number(serial)
        .not_valid_before(instant(since_ms))
        .not_valid_after(instant(until_ms))
    )
    for extension, critical in carried:
        made = made.add_extension(extension, critical)
    return made


def signed(made: x509.CertificateBuilder, authority: SigningKey | HybridKey) -> bytes:
    return made.sign(Ed25519PrivateKey.from_private_bytes(authority.seed[:32]), None).public_bytes(
        Encoding.DER
    )


def issued(
    authority: SigningKey | HybridKey, key: Signer, organisation: str, *, use: int = Use.SIGN, now_ms: int,
    since_ms: int | None = None, until_ms: int | None = None, issuer: str | None = None, label: str = "a key",
    serial: int = 7, signer: SigningKey | None = None,
) -> bytes:  # fmt: skip
    """A certificate of the profile, by default valid now and for a year, made by the other library."""
    now_ms -= now_ms % 1_000
    made = builder(
        issuer=issuer or organisation, subject=organisation, label=label, public_key=key.public_key[:32], serial=serial,
        since_ms=now_ms - DAY_MS if since_ms is None else since_ms,
        until_ms=now_ms + 365 * DAY_MS if until_ms is None else until_ms,
        carried=extensions(key_id(authority.public_key), key_id(key.public_key), int(use)),
    )  # fmt: skip
    return signed(made, signer or authority)
