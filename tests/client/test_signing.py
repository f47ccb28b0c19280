"""Prepared, attested, signed, written to files, read back: nothing changes on the way, and nothing altered passes."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client import signing
from client.attest import attest, counter_path, next_counter
from client.events import Circumstances, Draft, make, observe
from client.prepare import prepare, prepare_document
from client.signing import PreparedFile, Submission, read_file, sign
from client.spelling import Thing
from ledger.base import limits
from ledger.base.encoding import decode, encode
from ledger.base.errors import CustodyError, FormError, SignatureError, StorageError
from ledger.base.keys import SigningKey
from ledger.chain.signing import Prepared
from ledger.chain.transaction import Mode, extract_hash_of, is_attested, item_from_wire
from ledger.trade.identifiers import canonical
from ledger.trade.statement import Openness
from tests.world.world import seed, serial

NETWORK = seed("network")
KEY = SigningKey(seed("key"))
DEVICE = SigningKey(seed("device"))
AT = Circumstances(1_700_000_000_000)
NOW_MS = 1_700_000_000_000


def things(count: int, start: int = 1) -> list[Thing]:
    return [Thing(canonical(serial("9521234", 1, number))) for number in range(start, start + count)]


def drafts(count: int, subjects: int = 1) -> list[Draft]:
    return [make(AT, things(subjects, 1 + number * subjects)) for number in range(count)]


def prepared(count: int, subjects: int = 1) -> list[Prepared]:
    return [prepare(NETWORK, draft) for draft in drafts(count, subjects)]


def test_salts_are_new_for_each_event_so_that_equal_events_differ() -> None:
    draft = make(AT, things(1))
    one, other = prepare(NETWORK, draft), prepare(NETWORK, draft)
    assert one.item.event_hash != other.item.event_hash
    assert one.item.subject_salt != other.item.subject_salt
    assert one.payload.salt != one.item.subject_salt


def test_a_submission_reads_back_from_its_file() -> None:
    submission = sign(KEY, "maker", prepared(3), now_ms=NOW_MS)
    again = read_file(submission.to_bytes(), NETWORK)
    assert isinstance(again, Submission)
    assert again.to_bytes() == submission.to_bytes()
    assert again.prepared() == submission.prepared()
    header = submission.signed[0].transaction.header
    assert (header.organisation, header.public_key, header.item_count) == ("maker", KEY.public_key, 3)
    assert submission.expiry_ms == NOW_MS + signing.LIFETIME_MS


def test_the_request_carries_what_is_open_and_keeps_back_what_is_restricted() -> None:
    kept = prepare(NETWORK, make(AT, things(1)).with_openness(Openness.RESTRICTED))
    submission = sign(KEY, "maker", [*prepared(1), kept], now_ms=NOW_MS)
    ((transaction, payloads),) = decode(submission.request_body(), max_bytes=10**6)
    assert transaction == submission.signed[0].transaction.to_bytes()
    assert payloads[0] == tuple(submission.signed[0].payloads[0])
    assert payloads[1] is None
    assert kept.payload.event in submission.to_bytes()
    assert kept.payload.event not in submission.request_body().replace(payloads[0][2], b"")


@given(count=st.integers(1, 40), subjects=st.integers(1, 300))
@settings(max_examples=15)
def test_events_are_grouped_within_every_cap_and_in_order(count: int, subjects: int) -> None:
    events = prepared(count, subjects)
    submission = sign(KEY, "maker", events, now_ms=NOW_MS)
    assert list(submission.prepared()) == events
    for one in submission.signed:
        assert one.transaction.subject_count <= limits.SUBJECTS_PER_TRANSACTION
        assert one.transaction.size <= limits.TRANSACTION_BYTES
    parts = list(submission.parts())
    assert [one for part in parts for one in part.signed] == list(submission.signed)
    assert all(len(part.request_body()) <= limits.SUBMISSION_BYTES for part in parts)


def test_large_events_are_split_over_requests() -> None:
    draft = observe(AT, things(1))
    event = draft.event[:-1] + b',"ext:note":"' + b"x" * 900_000 + b'"}'
    events = [prepare(NETWORK, Draft(event, None, draft.extract)) for _ in range(20)]
    parts = list(sign(KEY, "maker", events, now_ms=NOW_MS).parts())
    assert len(parts) > 2
    assert all(len(part.request_body()) <= limits.SUBMISSION_BYTES for part in parts)


def test_all_or_nothing_fits_into_one_transaction_or_is_refused() -> None:
    with pytest.raises(FormError, match="all-or-nothing"):
        sign(KEY, "maker", prepared(5, 500), now_ms=NOW_MS, mode=Mode.ALL_OR_NOTHING)
    (one,) = sign(KEY, "maker", prepared(4, 500), now_ms=NOW_MS, mode=Mode.ALL_OR_NOTHING).signed
    assert one.transaction.header.mode == Mode.ALL_OR_NOTHING
    with pytest.raises(FormError, match="at least one event"):
        sign(KEY, "maker", [], now_ms=NOW_MS)
    with pytest.raises(SignatureError, match="one network"):
        sign(KEY, "maker", [*prepared(1), prepare(seed("other"), make(AT, things(1)))], now_ms=NOW_MS)


def test_an_attestation_made_offline_outlives_the_file_it_travels_in() -> None:
    (event,) = prepared(1)
    attested = attest(DEVICE, event, "carrier", counter=7, time_ms=AT.time_ms)
    file = read_file(PreparedFile(NETWORK, "carrier", (attested,)).to_bytes(), NETWORK)
    assert isinstance(file, PreparedFile)
    assert file == PreparedFile(NETWORK, "carrier", (attested,))
    later_ms = NOW_MS + 3 * 86_400_000
    transaction = sign(KEY, "carrier", file.events, now_ms=later_ms).signed[0].transaction
    item = item_from_wire(transaction.items[0])
    extract = extract_hash_of(NETWORK, item)
    assert item.attestation is not None
    assert is_attested(NETWORK, "carrier", item.event_hash, extract, item.attestation)
    assert not is_attested(NETWORK, "forwarder", item.event_hash, extract, item.attestation)


def test_a_file_altered_in_one_byte_says_the_same_or_is_refused() -> None:
    (event,) = prepared(1)
    event = attest(DEVICE, event, "carrier", counter=1, time_ms=AT.time_ms)
    for file in (PreparedFile(NETWORK, "carrier", (event,)), sign(KEY, "carrier", [event], now_ms=NOW_MS)):
        content = file.to_bytes()
        for place in range(len(content)):
            altered = content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]
            with pytest.raises(CustodyError):
                read_file(altered, NETWORK)


def test_files_of_another_network_kind_or_version_are_refused() -> None:
    file = sign(KEY, "maker", prepared(1), now_ms=NOW_MS).to_bytes()
    with pytest.raises(SignatureError, match="of network"):
        read_file(file, seed("other"))
    members = decode(file, max_bytes=10**6)
    with pytest.raises(FormError, match="file version"):
        read_file(encode((members[0], 2, *members[2:])), NETWORK)
    for other in (b"", b"\xc0", encode(("something", 1)), encode((members[0], 1)), file + b"\0"):
        with pytest.raises(FormError):
            read_file(other, NETWORK)


def test_a_document_keeps_the_bytes_of_each_event() -> None:
    events = [draft.event for draft in drafts(3)]
    document = b'{"type":"EPCISDocument","epcisBody":{"eventList":[\n %b]}}' % b" ,\n".join(events)
    found = prepare_document(NETWORK, document, openness=Openness.RESTRICTED)
    assert [one.payload.event for one in found] == events
    assert all(one.item.statement.openness == Openness.RESTRICTED for one in found)
    broken = document.replace(events[1], b'{"type":"Nothing"}')
    with pytest.raises(FormError, match="event 2 of 3: type"):
        prepare_document(NETWORK, broken)


def test_a_counter_is_spent_before_it_is_used(tmp_path: Path) -> None:
    path = counter_path(tmp_path / "device.key")
    assert [next_counter(path) for _ in range(3)] == [1, 2, 3]
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_bytes(b"many\n")
    with pytest.raises(StorageError, match="restore or raise"):
        next_counter(path)
    with pytest.raises(StorageError, match="expected to count"):
        next_counter(tmp_path / "none" / "device.counter")
