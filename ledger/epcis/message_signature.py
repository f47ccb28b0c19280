"""The signature on a webhook: HTTP Message Signatures (RFC 9421) with the key that a gateway captures with (EPCIS.md "Subscriptions").

One profile, the same for who signs and who checks: label `custody`, algorithm ed25519, `keyid` the public key in hexadecimal as the
registry lists it, and always the same components. Covered are the method and the whole address, so that a message to one receiver
cannot be shown to another, the body by its digest (RFC 9530), and the numbers by which a receiver drops repeats. `created` is
Unix seconds of the gateway's clock; how old a message may be is for the receiver to say, who has a clock.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from ledger.base.errors import Code, SignatureError
from ledger.base.keys import HybridKey, Signer, check_signature

LABEL: Final = "custody"
TAG: Final = "custody-webhook"
SUBSCRIPTION: Final = "custody-subscription"
DELIVERY: Final = "custody-delivery"
FIELDS: Final = ("content-digest", "content-type", SUBSCRIPTION, DELIVERY)
_COMPONENTS: Final = " ".join(f'"{name}"' for name in ("@method", "@target-uri", *FIELDS))
_PARAMETERS: Final = re.compile(
    rf'{LABEL}=(\({re.escape(_COMPONENTS)}\);created=([0-9]{{1,11}});keyid="([0-9a-f]{{64}})";alg="ed25519";tag="{TAG}")'
)
_SIGNATURE: Final = re.compile(rf"{LABEL}=:([A-Za-z0-9+/]{{86}}==):")


class Signed(NamedTuple):
    """What a signature that holds says: whose key made it, and when by that gateway's clock."""

    public_key: bytes
    created_s: int


def content_digest(body: bytes) -> str:
    """The value of Content-Digest for a body (RFC 9530 §2)."""
    return f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


def signature_fields(
    key: Signer, method: str, target_uri: str, fields: Mapping[str, str], created_s: int
) -> dict[str, str]:
    """The header fields that sign a message; `fields` are its own, by lower-case name, `FIELDS` among them.

    RFC 9421 registers no lattice signatures: of a hybrid key the Ed25519 half signs, and is named.
    """
    if isinstance(key, HybridKey):
        key = key.classical
    parameters = (
        f'({_COMPONENTS});created={created_s};keyid="{key.public_key.hex()}";alg="ed25519";tag="{TAG}"'
    )
    signature = key.sign(_base(method, target_uri, fields, parameters))
    return {
        "signature-input": f"{LABEL}={parameters}",
        "signature": f"{LABEL}=:{base64.b64encode(signature).decode()}:",
    }


def check_message(method: str, target_uri: str, fields: Mapping[str, str], body: bytes) -> Signed:
    """Whose key signed this message; SignatureError(bad_signature) unless all of it is as it was signed.

    `target_uri` is the address as the sender knows it, `fields` the header fields by lower-case name. That the key is listed on
    the ledger, and the message new, is for the caller to check.
    """
    described = _PARAMETERS.fullmatch(fields.get("signature-input", ""))
    shown = _SIGNATURE.fullmatch(fields.get("signature", ""))
    missing = [name for name in FIELDS if name not in fields]
    if described is None or shown is None or missing:
        came = f"no {missing[0]}" if missing else "another signature, or none"
        raise SignatureError(
            Code.BAD_SIGNATURE, f"expected a message signed as {TAG} says, over {_COMPONENTS}, got {came}"
        )
    if fields["content-digest"] != content_digest(body):
        raise SignatureError(
            Code.BAD_SIGNATURE, "expected a body with the digest that was signed, it has another"
        )
    public_key = bytes.fromhex(described[3])
    check_signature(public_key, _base(method, target_uri, fields, described[1]), _decoded(shown[1]))
    return Signed(public_key, int(described[2]))


def _base(method: str, target_uri: str, fields: Mapping[str, str], parameters: str) -> bytes:
    """The signature base (RFC 9421 §2.5)."""
    lines = [f'"@method": {method}', f'"@target-uri": {target_uri}']
    for name in FIELDS:
        value = fields[name].strip(" \t")
        lines.append(f'"{name}": {value}')
    lines.append(f'"@signature-params": {parameters}')
    return "\n".join(lines).encode("utf-8", "replace")


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error:
        return b""
