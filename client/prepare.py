"""From an event's bytes to what a transaction carries: the item, and the bytes beside it (DESIGN §4 Item, Bytes).

Salts are drawn here and nowhere else in the client, from the system.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Final

from client.events.draft import Draft
from ledger.base.encoding import take_array, take_bytes
from ledger.base.errors import Code, FormError
from ledger.base.limits import CONTEXT_BYTES, EVENT_BYTES
from ledger.chain.signing import Payload, Prepared, RandomBytes, prepare_event
from ledger.chain.transaction import (
    SALT_BYTES,
    context_hash,
    event_hash,
    extract_hash_of,
    is_attested,
    item_from_wire,
)
from ledger.epcis.document import Form, read_document
from ledger.epcis.original import with_original
from ledger.trade.extract import extract
from ledger.trade.statement import EXTRACTOR_VERSION, Openness

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


def prepare(network: bytes, draft: Draft, *, random_bytes: RandomBytes = os.urandom) -> Prepared:
    """The item and payload of a draft on the network with that id (32 bytes)."""
    return prepare_event(network, draft.event, draft.context, draft.extract, random_bytes)


def prepare_document(
    network: bytes, data: bytes, *, openness: Openness = Openness.OPEN, random_bytes: RandomBytes = os.urandom
) -> tuple[Prepared, ...]:
    """Every event of an EPCIS document: of JSON its bytes unchanged, of XML as it is converted.

    Under the context made for converted events the document is named by its SHA-256, so that whoever keeps it can be held to
    it. FormError names the first event that is none.
    """
    document = read_document(data, Form.XML if is_xml(data) else Form.JSON)
    context = with_original(document.context, data) if document.form is Form.XML else document.context
    found = []
    for number, event in enumerate(document.events, 1):
        try:
            draft = Draft(event, context, extract(event, context, openness=openness))
        except FormError as error:
            raise FormError(
                error.code, f"event {number} of {len(document.events)}: {error.message}"
            ) from None
        found.append(prepare(network, draft, random_bytes=random_bytes))
    return tuple(found)


def is_document(data: bytes) -> bool:
    """Whether a file is an EPCIS document, and no file of this client."""
    return is_xml(data) or data.lstrip()[:1] in (b"{", b"[")


def is_xml(data: bytes) -> bool:
    """Whether a document is written in XML; anything else is taken for JSON."""
    return data.removeprefix(_BYTE_ORDER_MARK).lstrip()[:1] == b"<"


def payload_from_wire(value: Any) -> Payload:
    """A payload from a decoded array; FormError otherwise."""
    salt, context, event = take_array(value, "payload", 3)
    return Payload(
        take_bytes(salt, "salt", SALT_BYTES),
        None if context is None else take_bytes(context, "context", most=CONTEXT_BYTES),
        take_bytes(event, "event", most=EVENT_BYTES),
    )


def prepared_from_wire(network: bytes, organisation: str, value: Any) -> Prepared:
    """A prepared event from `[item, payload]`, checked to say what its bytes say; FormError otherwise."""
    item_value, payload_value = take_array(value, "prepared event", 2)
    prepared = Prepared(network, item_from_wire(item_value), payload_from_wire(payload_value))
    check_prepared(prepared, organisation)
    return prepared


def check_prepared(prepared: Prepared, organisation: str) -> None:
    """Raise FormError unless hashes and extract of the item follow from the payload, and an attestation holds."""
    item, (salt, context, event) = prepared.item, prepared.payload
    if item.event_hash != event_hash(prepared.network, salt, context, event):
        raise FormError(
            Code.EXTRACT_DIFFERS, "expected the event's bytes to give the event hash, they do not"
        )
    if item.context_hash != context_hash(prepared.network, context):
        raise FormError(
            Code.EXTRACT_DIFFERS, "expected the context's bytes to give the context hash, they do not"
        )
    if item.extract != extract(event, context, EXTRACTOR_VERSION, Openness(item.statement.openness)):
        raise FormError(
            Code.EXTRACT_DIFFERS, "expected the extract that follows from the event's bytes, got another"
        )
    attested = item.attestation is None or is_attested(
        prepared.network,
        organisation,
        item.event_hash,
        extract_hash_of(prepared.network, item),
        item.attestation,
    )
    if not attested:
        raise FormError(
            Code.BAD_SIGNATURE,
            f"expected a device's attestation made for {organisation} over this event, it does not hold",
        )


def wire_of(events: Sequence[Prepared]) -> tuple[Any, ...]:
    """Prepared events in wire form."""
    return tuple((prepared.item, prepared.payload) for prepared in events)
