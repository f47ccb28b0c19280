"""The signature on a webhook: HTTP Message Signatures (RFC 9421) with the key that a gateway captures with (EPCIS.md "Subscriptions").

One profile of `ledger.base.message_signature`, the same for who signs and who checks: algorithm ed25519, `keyid` the public key in hexadecimal as the
registry lists it, and always the same components. Covered are the method and the whole address, so that a message to one receiver
cannot be shown to another, the body by its digest (RFC 9530), and the numbers by which a receiver drops repeats. `created` is
Unix seconds of the gateway's clock; how old a message may be is for the receiver to say, who has a clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from ledger.base import message_signature
from ledger.base.errors import Code, SignatureError
from ledger.base.keys import PUBLIC_KEY_BYTES, Signer
from ledger.base.message_signature import content_digest

TAG: Final = "custody-webhook"
SUBSCRIPTION: Final = "custody-subscription"
DELIVERY: Final = "custody-delivery"
FIELDS: Final = ("content-digest", "content-type", SUBSCRIPTION, DELIVERY)
_NAMES: Final = ("@method", "@target-uri", *FIELDS)


class Signed(NamedTuple):
    """What a signature that holds says: whose key made it, and when by that gateway's clock."""

    public_key: bytes
    created_s: int


def signature_fields(
    key: Signer, method: str, target_uri: str, fields: Mapping[str, str], created_s: int
) -> dict[str, str]:
    """The header fields that sign a message; `fields` are its own, by lower-case name, `FIELDS` among them.

    Of a hybrid key the Ed25519 half is named: a receiver needs no registry to see that the signature holds.
    """
    half = key.public_key[:PUBLIC_KEY_BYTES]
    return message_signature.signed(key, half, TAG, _components(method, target_uri, fields), created_s)


def check_message(method: str, target_uri: str, fields: Mapping[str, str], body: bytes) -> Signed:
    """Whose key signed this message; SignatureError(bad_signature) unless all of it is as it was signed.

    `target_uri` is the address as the sender knows it, `fields` the header fields by lower-case name. That the key is listed on
    the ledger, and the message new, is for the caller to check.
    """
    shown = message_signature.shown(fields, TAG, _NAMES)
    if fields["content-digest"] != content_digest(body):
        raise SignatureError(
            Code.BAD_SIGNATURE, "expected a body with the digest that was signed, it has another"
        )
    shown.check(shown.key_id, _components(method, target_uri, fields))
    return Signed(shown.key_id, shown.created_s)


def _components(method: str, target_uri: str, fields: Mapping[str, str]) -> list[tuple[str, str]]:
    own = [(name, fields[name].strip(" \t")) for name in FIELDS]
    return [("@method", method), ("@target-uri", target_uri), *own]
