"""What the receiver of a webhook checks: that a gateway of the network sent it, to this address, and not long ago (EPCIS.md
"Subscriptions").

The key is looked up in the network's genesis file, which a receiver has from somebody it trusts and not from the sender. Where keys
were changed since, the caller passes the entries of the registry it knows. A receiver that answers 2xx says that it has the events:
it answers only when it has kept them. `number` grows by one from delivery to delivery of a subscription and stays the same when one is
sent again, so whoever remembers the last one drops repeats.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from ledger.base.errors import Code, EntitlementError, FormError
from ledger.base.keys import PUBLIC_KEY_BYTES
from ledger.epcis.message_signature import DELIVERY, SUBSCRIPTION, check_message
from ledger.members.members import Use, key_from_data
from ledger.members.registry import Entry, Kind

MAX_AGE_S: Final = 300


class Sent(NamedTuple):
    """What is known of a delivery whose signature holds."""

    organisation: str
    subscription: str
    number: int


def check_delivery(
    entries: Iterable[Entry],
    target_uri: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    now_s: int,
    height: int = 0,
    max_age_s: int = MAX_AGE_S,
) -> Sent:
    """Whose gateway sent this POST to `target_uri`.

    `entries`: of the registry (`Genesis.entries`), as of `height`. SignatureError unless the signature holds, EntitlementError if its
    key is not one that an organisation captures with, or the message is older than `max_age_s` or from the future.
    """
    fields = {name.lower(): value for name, value in headers.items()}
    signed = check_message("POST", target_uri, fields, body)
    organisation = _organisation_of(entries, signed.public_key, height)
    if abs(now_s - signed.created_s) > max_age_s:
        raise EntitlementError(
            Code.EXPIRED,
            f"expected a message signed within {max_age_s} s of now, it was at {signed.created_s}, now is {now_s}",
        )
    number = fields[DELIVERY]
    if not (number.isascii() and number.isdecimal()) or len(number) > 18:
        raise FormError(Code.MALFORMED, f"{DELIVERY}: expected a number, got {number[:40]!a}")
    return Sent(organisation, fields[SUBSCRIPTION], int(number))


def _organisation_of(entries: Iterable[Entry], public_key: bytes, height: int) -> str:
    for entry in entries:
        data = entry.at(height) if entry.kind == Kind.KEY else None
        if data is not None:
            key = key_from_data(data)
            is_it = entry.name == public_key.hex() or (key.hybrid_key or b"")[:PUBLIC_KEY_BYTES] == public_key
            if is_it and key.use == Use.CAPTURE and key.compromised_since is None:
                return key.organisation
    raise EntitlementError(
        Code.UNKNOWN_KEY,
        f"expected a key that an organisation captures with, {public_key.hex()[:16]} is none that is known here",
    )
