"""Batches on their way: whole, withheld, altered, or anything at all."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.base.encoding import decode, encode
from ledger.base.errors import Code, CustodyError, FormError
from ledger.base.keys import SigningKey
from ledger.chain.batch import Batch, batch_from_bytes, make_batch
from ledger.chain.transaction import context_hash, event_hash, sign_transaction, transaction_from_bytes
from ledger.trade.extract import extract
from ledger.trade.statement import Openness
from node.validator.batches import (
    OpenEvent,
    check_frame,
    encode_frame,
    open_event,
    open_items,
)
from tests.bench.load import event_of

NETWORK = bytes(range(32))
KEY = SigningKey.from_seed(bytes(32))
CONTEXT = b'["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"]'


def made(*numbers: int, openness: Openness = Openness.OPEN) -> tuple[Batch, list[OpenEvent]]:
    items, events = [], []
    for number in numbers:
        event = event_of(number, is_first=True)
        found = open_event(NETWORK, bytes((number,)) * 16, CONTEXT, event)
        events.append(found)
        statement, subjects = extract(event, CONTEXT, openness=openness)
        items.append(
            (statement, subjects, bytes(16), found.payload.event_hash, found.payload.context_hash, None)
        )
    raw = decode(encode(items), max_bytes=1_000_000)
    signed = sign_transaction(KEY, NETWORK, "maker", raw, nonce=os.urandom(16), expiry_ms=1)
    data = signed.to_bytes()
    return make_batch(NETWORK, 0, 1, [transaction_from_bytes(data, NETWORK)], [data]), events


def test_a_whole_batch_arrives_as_it_left_with_each_context_once() -> None:
    batch, events = made(1, 2, 3)
    frame = encode_frame(batch.data, events)
    arrived, shown = check_frame(frame, NETWORK)
    assert arrived.digest == batch.digest
    assert arrived.ids == batch.ids
    assert shown == tuple(events)
    assert frame.count(CONTEXT) == 1


def test_the_digest_covers_signatures_and_no_open_bytes() -> None:
    batch, events = made(1)
    _, _, (data,) = decode(batch.data, max_bytes=100_000)
    header, items, _ = decode(data, max_bytes=100_000)
    other = encode((0, 1, (encode((header, items, bytes(64))),)))
    assert batch_from_bytes(other, NETWORK, check_signatures=False).digest != batch.digest
    with pytest.raises(CustodyError) as refused:
        batch_from_bytes(other, NETWORK)
    assert refused.value.code is Code.BAD_SIGNATURE
    assert check_frame(encode_frame(batch.data, events), NETWORK)[0].digest == batch.digest


@pytest.mark.parametrize("left", [0, 1, 2])
def test_a_batch_with_one_event_withheld_or_altered_is_not_whole(left: int) -> None:
    batch, events = made(1, 2, 3)
    with pytest.raises(FormError):
        check_frame(encode_frame(batch.data, events[:left] + events[left + 1 :]), NETWORK)
    payload, context = events[left]
    events[left] = OpenEvent(payload._replace(event=payload.event + b" "), context)
    with pytest.raises(FormError):
        check_frame(encode_frame(batch.data, events), NETWORK)


def test_an_event_under_another_context_than_its_item_names_is_not_whole() -> None:
    event, salt = event_of(1, is_first=True), bytes(16)
    statement, subjects = extract(event, CONTEXT)
    hashed = event_hash(NETWORK, salt, CONTEXT, event)
    raw = decode(
        encode(((statement, subjects, salt, hashed, context_hash(NETWORK, b"[]"), None),)), max_bytes=10_000
    )
    data = sign_transaction(KEY, NETWORK, "maker", raw, nonce=bytes(16), expiry_ms=1).to_bytes()
    batch = make_batch(NETWORK, 0, 1, [transaction_from_bytes(data, NETWORK)], [data])
    with pytest.raises(FormError):
        check_frame(encode_frame(batch.data, [open_event(NETWORK, salt, CONTEXT, event)]), NETWORK)


def test_restricted_items_need_no_bytes_beside_them() -> None:
    batch, _ = made(1, 2, openness=Openness.RESTRICTED)
    arrived, shown = check_frame(encode_frame(batch.data, []), NETWORK)
    assert (arrived.digest, shown) == (batch.digest, ())
    assert list(open_items(arrived.transactions[0])) == []


def test_a_batch_of_nothing_is_refused() -> None:
    with pytest.raises(FormError):
        batch_from_bytes(encode((0, 1, ())), NETWORK)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_frame_or_an_error_of_form(data: bytes) -> None:
    with pytest.raises(CustodyError):
        check_frame(data, NETWORK)


@given(st.integers(0, 10_000), st.integers(0, 255))
def test_a_changed_byte_never_passes_as_the_same_batch(place: int, value: int) -> None:
    batch, events = made(1)
    frame = bytearray(encode_frame(batch.data, events))
    place %= len(frame)
    if frame[place] == value:
        return
    frame[place] = value
    try:
        arrived, _ = check_frame(bytes(frame), NETWORK)
    except CustodyError:
        return
    assert arrived.digest != batch.digest  # origin and number are nobody's signature: another batch
