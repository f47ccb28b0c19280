"""Which document an event was converted from, said under its author's signature (EPCIS.md "Capture").

An XML document is captured as JSON events; what is signed are those, and the context that was made for them. So the context
names the document by its SHA-256, as an `ni` URI (RFC 6920): under a term of its own, which leaves the events as they are and
means nothing to readers of JSON-LD. Whoever keeps the document can be held to it.
"""

from __future__ import annotations

import base64
import hashlib
from functools import lru_cache
from typing import Final

from ledger.base.errors import FormError
from ledger.base.limits import CONTEXT_BYTES
from ledger.epcis.xml.names import EPCIS_CONTEXT
from ledger.trade.slices import parse

TERM: Final = "capturedDocument"
_SCHEME: Final = "ni:///sha-256;"
_SPACES: Final = b" \t\r\n"
_EPCIS: Final = b'"%s"' % EPCIS_CONTEXT.encode("ascii")


def name_of(document: bytes) -> str:
    """The `ni` URI of a document's bytes."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(document).digest()).rstrip(b"=")
    return _SCHEME + digest.decode("ascii")


def with_original(context: bytes | None, document: bytes) -> bytes:
    """A made context (JSON text: an address, an object, or an array of these), naming the document besides."""
    member = b'{"%s":"%s"}' % (TERM.encode("ascii"), name_of(document).encode("ascii"))
    made = _EPCIS if context is None else context.strip(_SPACES)
    parts = made[1:-1].rstrip(_SPACES) if made[:1] == b"[" else made
    return b"[%s,%s]" % (parts, member) if parts else b"[%s]" % member


@lru_cache(maxsize=256)
def original_of(context: bytes | None) -> str | None:
    """The `ni` URI of the document that a context says its events were converted from, None if it says nothing of it."""
    if context is None or TERM.encode("ascii") not in context:
        return None
    try:
        value = parse(context, CONTEXT_BYTES)
    except FormError:
        return None
    last = value[-1] if type(value) is list and value else value
    name = last.get(TERM) if type(last) is dict else None
    return name if type(name) is str and name.startswith(_SCHEME) else None
