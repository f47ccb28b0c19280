"""The signature on a request to a gateway (RFC 9421; API.md §2.1): a member's software shows whose it is by a key on the ledger.

Covered are the method and the whole address, so that a request to one gateway says nothing to another, and the body by its
digest where there is one (RFC 9530). `keyid` is the key's id on the ledger, `created` Unix seconds, and `nonce` makes it one request:
who checks remembers it for as long as the request is young.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from ledger.base import message_signature
from ledger.base.errors import Code, SignatureError
from ledger.base.keys import Signer, key_id
from ledger.base.message_signature import DIGEST, Shown, content_digest

TAG: Final = "custody-request"
MAX_AGE_S: Final = 300
"""How far from the gateway's clock `created` may be, either way."""
_ADDRESS: Final = ("@method", "@target-uri")
_NONCE: Final = re.compile(r"[A-Za-z0-9_+/=.-]{16,64}")


def request_fields(
    key: Signer, method: str, target_uri: str, body: bytes, created_s: int, nonce: str
) -> dict[str, str]:
    """The header fields to add to a request. `target_uri`: scheme, host, path and query as they are sent; `nonce`: never used before."""
    digest = {DIGEST: content_digest(body)} if body else {}
    components = [("@method", method), ("@target-uri", target_uri), *digest.items()]
    return digest | message_signature.signed(key, key_id(key.public_key), TAG, components, created_s, nonce)


def shown_request(fields: Mapping[str, str], *, has_body: bool) -> Shown:
    """What the signature of a request says of itself; SignatureError bad_signature for another form than this profile's."""
    names = (*_ADDRESS, DIGEST) if has_body else _ADDRESS
    found = message_signature.shown(fields, TAG, names, is_once=True)
    if _NONCE.fullmatch(found.nonce or "") is None:
        raise SignatureError(
            Code.BAD_SIGNATURE, 'expected a nonce of 16 .. 64 letters, digits and "_+/=.-", got another'
        )
    return found


def check_request(found: Shown, public_key: bytes, method: str, target_uri: str, digest: str | None) -> None:
    """Raise SignatureError(bad_signature) unless this key signed this request; `digest`: Content-Digest, of one with a body."""
    body = () if digest is None else ((DIGEST, digest.strip(" \t")),)
    found.check(public_key, (("@method", method), ("@target-uri", target_uri), *body))
