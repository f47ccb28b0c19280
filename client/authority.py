"""An organisation's authority: certificates for its keys, and the items that enrol, end and lend them (KEYS.md).

    data = issue(authority, key.public_key, "maker", Use.SIGN, label="line 4", valid=(now_ms, until_ms))
    item = enrolment(network, data, key, authority)     -> `client.acts.sign_acts(..., Kind.REGISTRATION, [item])`

The authority's key may be kept elsewhere than the keys that it certifies: `issue` needs its key and their public keys only,
`enrolment` the certificate and the key that it is for.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final

from ledger.base.errors import Code, FormError
from ledger.base.keys import PUBLIC_KEY_BYTES, Signer, is_hybrid, key_id
from ledger.members.certificate import (
    LABEL_CHARACTERS,
    Certificate,
    certificate_from_bytes,
    classical_half,
    fingerprint,
)
from ledger.members.members import Use
from ledger.members.registration import Act, endorsement_message, enrolment_message

_SERIAL_BYTES: Final = 16


def issue(
    authority: Signer,
    public_key: bytes,
    organisation: str,
    use: Use,
    *,
    label: str,
    valid_ms: tuple[int, int],
    random_bytes: Callable[[int], bytes] = os.urandom,
) -> bytes:
    """A certificate (DER) by the organisation's authority for a key, plain or hybrid, valid from .. until in whole seconds.

    FormError where the label or the validity is none of the profile.
    """
    since_ms, until_ms = (moment - moment % 1_000 for moment in valid_ms)
    if len(label) > LABEL_CHARACTERS or not label.isascii():
        raise FormError(
            Code.USAGE, f"expected a label of at most {LABEL_CHARACTERS} ASCII characters, got {label!a}"
        )
    made = Certificate(
        int.from_bytes(random_bytes(_SERIAL_BYTES), "big") | 1,
        organisation,
        key_id(authority.public_key),
        since_ms,
        until_ms,
        organisation,
        label,
        public_key[:PUBLIC_KEY_BYTES],
        key_id(public_key),
        int(use),
    )
    data = made._replace(signature=classical_half(authority).sign(made.to_be_signed())).to_bytes()
    certificate_from_bytes(data)
    return data


def endorsed(network: bytes, certificate: bytes, authority: Signer) -> bytes | None:
    """What a hybrid authority signs beside the certificate; None of a plain one."""
    return (
        authority.sign(endorsement_message(network, certificate)) if is_hybrid(authority.public_key) else None
    )


def enrolment(
    network: bytes, certificate: bytes, key: Signer, endorsement: bytes | None = None
) -> tuple[Any, ...]:
    """The item that enrols a key by its certificate; the key shows that it is held."""
    said = certificate_from_bytes(certificate)
    if said.key_id != key_id(key.public_key):
        raise FormError(
            Code.USAGE,
            f"expected the certificate of key {key_id(key.public_key).hex()[:16]}, got one of another",
        )
    message = enrolment_message(network, said.subject, said.key_id, fingerprint(certificate))
    hybrid_key = key.public_key if is_hybrid(key.public_key) else None
    return (int(Act.ENROL), certificate, hybrid_key, key.sign(message), endorsement)


def delegation(
    network: bytes, organisation: str, key: Signer, document: str, until_ms: int
) -> tuple[Any, ...]:
    """The item that lists a one-time key for one consignment; the key shows that it is held."""
    message = enrolment_message(network, organisation, key_id(key.public_key), None)
    return (int(Act.DELEGATE), key.public_key, document, until_ms, key.sign(message))
