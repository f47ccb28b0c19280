"""Every function that reads bytes or text written by somebody else, in one table.

A row names the functions it covers (`module:function`), runs them on bytes, and says what else they may do but answer:
raise one of `errors`. What a decoder of ours accepts has one form: `read` gives it back encoded again, and that must be
the bytes that came; None where the form is somebody else's (JSON, TOML, identifiers as people spell them).

`tests/architecture/test_decoders_listed.py` finds the functions that are missing here.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from client.anchor import anchor_from_bytes, anchor_to_bytes, shown_in
from client.auditing import block_from_bytes
from client.directory import load_directory
from client.prepare import payload_from_wire, prepare_document, prepared_from_wire, wire_of
from client.protocol import Answer, json_in, problem_in, standing_from_json
from client.scan.reading import read, read_tag
from client.settings import load_settings
from client.signing import read_file
from client.spelling import bill, logistic_unit, party, place, subject, thing
from client.stream import Parser
from ledger.base import limits
from ledger.base.encoding import decode, encode
from ledger.base.errors import (
    Code,
    CustodyError,
    EntitlementError,
    FormError,
    ProofError,
    SignatureError,
    StorageError,
)
from ledger.base.keyfile import inspect_key, open_key
from ledger.base.request_signature import check_request, shown_request
from ledger.chain.batch import batch_from_bytes
from ledger.chain.block import parse_block, parse_header, parse_outcome
from ledger.chain.certificate import parse_certificate, parse_checkpoint
from ledger.chain.closing import parse_closing
from ledger.chain.epoch import parse_change
from ledger.chain.evidence import parse_evidence
from ledger.chain.genesis import GENESIS_BYTES, genesis_from_bytes
from ledger.chain.transaction import (
    attestation_from_wire,
    header_ahead,
    header_from_wire,
    item_from_wire,
    transaction_from_bytes,
)
from ledger.chain.validators import parse_validators
from ledger.chain.votes import parse_claim, parse_proposal, parse_vote
from ledger.consensus.messages import decode_message, decode_record, encode_message
from ledger.epcis.check import examine, frame_findings
from ledger.epcis.document import Form, read_document
from ledger.epcis.event_hash import Mode, event_hashes
from ledger.epcis.message_signature import check_message
from ledger.members.certificate import certificate_from_bytes
from ledger.members.members import entry_from_wire as registry_entry_from_wire
from ledger.proof.bundle import bundle_from_bytes
from ledger.proof.registry import registry_file_from_bytes
from ledger.state import snapshot
from ledger.state.approval import approval_from_wire
from ledger.state.backfill import links_from_wire, owner_from_wire
from ledger.state.erasure import tombstone_from_wire
from ledger.state.links import entry_from_wire, link_from_wire
from ledger.state.snapshot import parse_manifest
from ledger.trade.extract import extract
from ledger.trade.identifiers import canonical, document
from ledger.trade.record import record_from_wire
from ledger.trade.slices import document_slices, parse
from ledger.trade.statement import statement_from_wire, subject_from_wire
from node.config import load_config
from node.founding import read_plan
from node.gateway.access import ReaderToken
from node.gateway.epcis.problems import EpcisError
from node.gateway.epcis.subscriptions.asked import request_of
from node.gateway.persons.routes import _fields
from node.gateway.submission import check_media_type, parse_submissions
from node.index.facets import derive
from node.index.parameters import query_from_json, query_from_url
from node.local import protocol as local
from node.newcomer import peer_tables
from node.storage.segment_format import HEADER_BYTES, decode_header, encode_header
from node.transport.framing import FrameReader
from node.transport.framing import encode_header as frame_header
from node.validator.batches import check_frame
from node.validator.sync_wire import (
    decode_answer,
    decode_ask,
    encode_answer,
    encode_ask,
    offer_from_wire,
    slice_from_wire,
)
from tests.chain import consensus_samples
from tests.fuzz import samples


class Decoder(NamedTuple):
    """One reader of untrusted bytes."""

    name: str
    covers: tuple[str, ...]
    read: Callable[[bytes], bytes | None]
    samples: Callable[[], tuple[bytes, ...]]
    form: str
    """msgpack, json, xml, toml, text or binary: how its samples are altered."""
    most: int
    """The most bytes it is meant to take; bombs are of this size."""
    errors: tuple[type[CustodyError], ...] = (FormError,)


def _value(parse_value: Callable[[Any], Any], most: int = 8_000_000) -> Callable[[bytes], bytes]:
    """Reads an encoded value with a parser of decoded values."""
    return lambda data: encode(parse_value(decode(data, max_bytes=most)))


def _parts(whole: Callable[[], tuple[bytes, ...]], *path: int) -> Callable[[], tuple[bytes, ...]]:
    """One member of each sample as a sample of its own."""

    def made() -> tuple[bytes, ...]:
        found = []
        for data in whole():
            value = decode(data, max_bytes=limits.BUNDLE_BYTES)
            for step in path:
                value = value[step] if type(value) is tuple and len(value) > step else None
            if value is not None:
                found.append(encode(value))
        return tuple(found)

    return made


@cache
def _folder() -> Path:
    """Where files stand for readers that take a path."""
    held = tempfile.TemporaryDirectory(prefix="custody-fuzz-")
    _HELD.append(held)
    return Path(held.name)


_HELD: list[tempfile.TemporaryDirectory[str]] = []  # removed when the process ends


def _written(name: str, data: bytes) -> Path:
    path = _folder() / name
    path.write_bytes(data)
    return path


def _record_at(data: bytes) -> bytes:
    return encode(local.record_at_wire(local.parse_record_at(decode(data, max_bytes=1_000_000))))


def _record_answers() -> tuple[bytes, ...]:
    return tuple(encode((decode(data, max_bytes=1_000_000), 4, 1)) for data in samples.records())


def _request(data: bytes) -> bytes | None:
    number, request = local.decode_request(data)
    if isinstance(request, FormError):
        raise request
    return local.encode_request(number, request)


def _answer(data: bytes) -> bytes:
    return local.encode_answer(*local.decode_answer(data))


def _fault(data: bytes) -> bytes:
    return local.encode_fault(*local.decode_fault(data))


def _message(data: bytes) -> bytes:
    return encode_message(decode_message(data))


def _log_record(data: bytes) -> bytes:
    return encode_message(decode_record(data))


def _network(data: bytes) -> bytes:
    """Of the two networks that samples are of, the one these bytes name."""
    of_random = samples.random_world().network
    return of_random if of_random in data else samples.played().world.network


def _transaction(data: bytes) -> bytes:
    transaction = transaction_from_bytes(data, _network(data))
    if header_ahead(data) != transaction.header:
        raise AssertionError("the header read ahead is another than the transaction's")
    for item in transaction.items:
        try:
            item_from_wire(item)
        except FormError:
            continue
    return transaction.to_bytes()


def _anchor(data: bytes) -> bytes:
    """An anchor file comes back the same; a genesis as the anchor that it is."""
    anchor = anchor_from_bytes(data)
    again = anchor_to_bytes(anchor)
    if data[:1] == b"\x9a":  # ten fields: an anchor file, not a genesis
        return again
    anchor_from_bytes(again)
    return data


def _checkpoint(data: bytes) -> bytes | None:
    checkpoint, _ = shown_in(data)
    return encode(checkpoint) if data[:1] == b"\x93" else None  # else a bundle's


def _directory(data: bytes) -> None:
    load_directory(_written("directory.custody", data)).party("maker")


def _file(data: bytes) -> bytes:
    return read_file(data, samples.played().world.network).to_bytes()


def _prepared(data: bytes) -> bytes:
    value = decode(data, max_bytes=2_000_000)
    return encode(wire_of([prepared_from_wire(samples.played().world.network, "maker", value)])[0])


def _state_part(data: bytes) -> bytes:
    made = samples.taken()
    return snapshot.state_part(snapshot.check_state_part(made.network, made.depth, made.manifest, 0, data))


def _registry_part(data: bytes) -> bytes:
    made = samples.taken()
    return snapshot.registry_part(*snapshot.check_registry_part(made.world.genesis, made.manifest, data))


def _window_part(data: bytes) -> bytes:
    manifest = samples.taken().manifest
    return snapshot.window_part(
        snapshot.check_window_part(manifest, snapshot.first_anchor(manifest), data)[0]
    )


def _key_file(data: bytes) -> bytes | None:
    about = inspect_key(data)
    if not about.is_sealed:  # opening a sealed one costs what it says, up to its cap
        open_key(data, samples.PASSPHRASE)
    return None


def _body(data: bytes) -> bytes | None:
    parse_submissions(data, _network(data))
    return None


def _batch(data: bytes) -> bytes:
    return batch_from_bytes(data, _network(data)).data


def _block_told(data: bytes) -> None:
    block_from_bytes(data)  # what a client needs not is left out, so it is not encoded again


def _batch_frame(data: bytes) -> None:
    check_frame(data, _network(data))


def _frames(data: bytes) -> bytes:
    """A stream cut into frames is those frames and the rest, however it came in pieces."""
    reader = FrameReader({1: 1_000, 2: 10})
    whole = b""
    half = len(data) // 2
    for piece in (data[:half], data[half:], b""):
        for kind, body in reader.feed(piece):
            whole += frame_header(kind, len(body)) + body
    return whole + data[len(data) - reader.held_bytes :] if reader.held_bytes else whole


def _segment_header(data: bytes) -> bytes:
    return encode_header(decode_header(data[:HEADER_BYTES], "a file")) + data[HEADER_BYTES:]


def _slices(data: bytes) -> None:
    slices = document_slices(data)
    for event in slices.events:
        if event not in data:
            raise AssertionError("a slice that is not in the document")


def _epcis_json(data: bytes) -> None:
    """Whatever can be read can be checked, to the end."""
    document = read_document(data, Form.JSON)
    if len(list(examine(document))) != len(document.events):
        raise AssertionError("an event that was not examined")
    frame_findings(document)


def _event_hashes(data: bytes) -> None:
    """Whatever can be read as JSON and has types has a hash in each mode."""
    document = read_document(data, Form.JSON)
    for mode in Mode:
        if len(list(event_hashes(document, mode))) != len(document.events):
            raise AssertionError("an event without a hash")


def _scan(data: bytes) -> None:
    try:
        read_tag(data.hex())
    except FormError:
        read(_text(data))


def _index_facets(data: bytes) -> None:
    derive(data, samples.contexts()[0])


def _url_query(data: bytes) -> None:
    text = data.decode("latin-1")
    query_from_url([(name, value) for name, _, value in (part.partition("=") for part in text.split("&"))])


def _json_query(data: bytes) -> None:
    query_from_json(parse(data, limits.EVENT_BYTES))


def _subscription(data: bytes) -> None:
    request_of(data)


def _message_signature(data: bytes) -> None:
    lines = [line.partition(": ") for line in data.decode("latin-1").split("\n")]
    check_message("POST", "https://receiver.example/", {name: value for name, _, value in lines}, b"body")


def _request_signature(data: bytes) -> None:
    lines = [line.partition(": ") for line in data.decode("latin-1").split("\n")]
    fields = {name: value for name, _, value in lines}
    found = shown_request(fields, has_body=True)
    check_request(found, found.key_id, "POST", "https://gateway.example/", fields["content-digest"])


def _epcis_xml(data: bytes) -> None:
    document = read_document(data, Form.XML)
    for event in document.events:
        parse(event, limits.EVENT_BYTES)
    parse(document.context or b"", limits.CONTEXT_BYTES)


def _json_slice(data: bytes) -> None:
    parse(data, limits.EVENT_BYTES)


def _extract(data: bytes) -> None:
    extract(data, samples.contexts()[0])


def _context(data: bytes) -> None:
    extract(samples.events()[0], data)


def _document(data: bytes) -> None:
    prepare_document(bytes(32), data, random_bytes=bytes)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _canonical(data: bytes) -> None:
    text = _text(data)
    for found in (canonical(text), document("mrn", text), document("bol", text)):
        if canonical(found.text).text != found.text:
            raise AssertionError(f"canonical is not idempotent on {text!a}")


def _spelling(data: bytes) -> None:
    text, refused = _text(data), 0
    for spelled in (subject, thing, party, place, logistic_unit, bill):
        try:
            spelled(text)
        except FormError:
            refused += 1
    if refused == 6:
        raise FormError(Code.BAD_IDENTIFIER, "refused by every spelling")


def _problem(data: bytes) -> None:
    for status in (400, 401, 404, 409, 429, 503):
        problem_in(Answer(status, {"retry-after": _text(data[:8])}, data))


def _standing(data: bytes) -> None:
    standing_from_json(json_in(Answer(200, {}, data)))


def _stream(data: bytes) -> None:
    parser = Parser()
    for start in range(0, len(data), 7 if len(data) < 10_000 else 65_536):
        parser.feed(data[start : start + (7 if len(data) < 10_000 else 65_536)])


def _node_settings(data: bytes) -> None:
    _written("node.toml", data)
    load_config(_folder())


def _peers(data: bytes) -> None:
    head = 'organisation = "newcomer"\n[validator]\nlisten = "h:1"\n[gateway]\nlisten = "h:2"\n'
    _written("node.toml", (head + peer_tables(_written("peers.toml", data))).encode())
    load_config(_folder())


def _client_settings(data: bytes) -> None:
    path = _written("custody.toml", data)
    load_settings({"CUSTODY_CONFIG": str(path)}, _folder())


def _plan(data: bytes) -> None:
    read_plan(_written("plan.toml", data))


def _authorization(data: bytes) -> None:
    ReaderToken("t" * 43).is_borne_by(_text(data))


def _ceremony(data: bytes) -> None:
    _fields(data, ("secret", "credential"))


def _media_type(data: bytes) -> None:
    check_media_type(_text(data))


FORM, SIGNED = (FormError,), (FormError, SignatureError)
DECODERS: tuple[Decoder, ...] = (
    # --- ledger: what consensus and proofs read
    Decoder("genesis", ("ledger.chain.genesis:genesis_from_bytes",), lambda d: genesis_from_bytes(d).to_bytes(),
            samples.genesis, "msgpack", GENESIS_BYTES),
    Decoder("bundle", ("ledger.proof.bundle:bundle_from_bytes",), lambda d: bundle_from_bytes(d).to_bytes(),
            samples.bundles, "msgpack", limits.BUNDLE_BYTES, SIGNED),
    Decoder("registry file", ("ledger.proof.registry:registry_file_from_bytes",),
            lambda d: registry_file_from_bytes(d).to_bytes(), samples.registry_files, "msgpack", limits.BUNDLE_BYTES, SIGNED),
    Decoder("transaction", ("ledger.chain.transaction:transaction_from_bytes", "ledger.chain.transaction:transaction_from_wire",
                            "ledger.chain.transaction:header_ahead"),
            _transaction, samples.transactions, "msgpack", limits.TRANSACTION_BYTES, SIGNED),
    Decoder("item", ("ledger.chain.transaction:item_from_wire",), _value(item_from_wire), samples.items, "msgpack", 1_000_000),
    Decoder("tombstone", ("ledger.state.erasure:tombstone_from_wire",), _value(tombstone_from_wire), samples.tombstones,
            "msgpack", 1_000),
    Decoder("statement", ("ledger.trade.statement:statement_from_wire",), _value(statement_from_wire),
            _parts(samples.items, 0), "msgpack", 100_000),
    Decoder("subject", ("ledger.trade.statement:subject_from_wire",), _value(subject_from_wire),
            _parts(samples.items, 1, 0), "msgpack", 10_000),
    Decoder("attestation", ("ledger.chain.transaction:attestation_from_wire",), _value(attestation_from_wire),
            _parts(samples.items, 5), "msgpack", 1_000),
    Decoder("transaction header", ("ledger.chain.transaction:header_from_wire",), _value(header_from_wire),
            _parts(samples.transactions, 0), "msgpack", 1_000),
    Decoder("message", ("ledger.consensus.messages:decode_message",), _message, samples.messages, "msgpack",
            limits.CONSENSUS_MESSAGE_BYTES),
    Decoder("vote log record", ("ledger.consensus.messages:decode_record",), _log_record, samples.messages, "msgpack",
            limits.CONSENSUS_MESSAGE_BYTES),
    Decoder("certificate", ("ledger.chain.certificate:parse_certificate",), _value(parse_certificate),
            _parts(samples.checkpoints, 2), "msgpack", 10_000),
    Decoder("checkpoint", ("ledger.chain.certificate:parse_checkpoint",), _value(parse_checkpoint), samples.checkpoints,
            "msgpack", 65_536),
    Decoder("claim", ("ledger.chain.votes:parse_claim",), _value(parse_claim), samples.claims, "msgpack", 1_000),
    Decoder("vote", ("ledger.chain.votes:parse_vote",), _value(parse_vote),
            lambda: (encode(consensus_samples.vote(1, consensus_samples.FINAL)),), "msgpack", 1_000),
    Decoder("proposal", ("ledger.chain.votes:parse_proposal",), _value(parse_proposal),
            lambda: (encode(consensus_samples.proposal()),), "msgpack", 100_000),
    Decoder("block header", ("ledger.chain.block:parse_header",), _value(parse_header),
            lambda: (encode(consensus_samples.HEADER),), "msgpack", 1_000),
    Decoder("block", ("ledger.chain.block:parse_block",), _value(parse_block),
            lambda: (encode(consensus_samples.BLOCK),), "msgpack", 100_000),
    Decoder("outcome", ("ledger.chain.block:parse_outcome",), _value(parse_outcome),
            lambda: (encode(consensus_samples.OUTCOME),), "msgpack", 1_000),
    Decoder("approval", ("ledger.state.approval:approval_from_wire",), _value(approval_from_wire), samples.approval, "msgpack", 1_000),
    Decoder("evidence", ("ledger.chain.evidence:parse_evidence",), _value(parse_evidence), samples.evidence, "msgpack", 10_000),
    Decoder("validators", ("ledger.chain.validators:parse_validators",),
            _value(lambda value: parse_validators(consensus_samples.NETWORK, value).members), samples.validators, "msgpack",
            100_000, SIGNED),
    Decoder("entry", ("ledger.state.links:entry_from_wire",), _value(entry_from_wire), _parts(samples.histories, 0, 2),
            "msgpack", 10_000),
    Decoder("link", ("ledger.state.links:link_from_wire",), _value(link_from_wire), _parts(samples.histories, 0, 1),
            "msgpack", 10_000),
    Decoder("certificate of a key", ("ledger.members.certificate:certificate_from_bytes",),
            lambda d: certificate_from_bytes(d).to_bytes(), samples.certificates, "binary", limits.CERTIFICATE_BYTES),
    Decoder("registry entry", ("ledger.members.members:entry_from_wire", "ledger.members.members:key_from_data"),
            _value(registry_entry_from_wire), _parts(samples.genesis, 5, 0), "msgpack", 100_000),
    Decoder("record", ("ledger.trade.record:record_from_wire",), _value(record_from_wire), samples.records, "msgpack", 1_000_000),
    Decoder("closing", ("ledger.chain.closing:parse_closing",), _value(parse_closing), samples.closings, "msgpack", 65_536, SIGNED),
    Decoder("change of validators", ("ledger.chain.epoch:parse_change",), _value(parse_change), samples.changes, "msgpack",
            1_000_000),
    Decoder("manifest", ("ledger.state.snapshot:parse_manifest",), lambda d: parse_manifest(d).to_bytes(), samples.manifests,
            "msgpack", limits.SNAPSHOT_PART_BYTES),
    Decoder("state part", ("ledger.state.snapshot:check_state_part",), _state_part, samples.state_parts, "msgpack",
            limits.SNAPSHOT_PART_BYTES, (ProofError,)),
    Decoder("registry part", ("ledger.state.snapshot:check_registry_part",), _registry_part, samples.registry_parts, "msgpack",
            limits.SNAPSHOT_PART_BYTES, (ProofError,)),
    Decoder("window part", ("ledger.state.snapshot:check_window_part",), _window_part, samples.window_parts, "msgpack",
            limits.SNAPSHOT_PART_BYTES, (ProofError,)),
    Decoder("links of a subject", ("ledger.state.backfill:links_from_wire",), _value(links_from_wire), samples.subject_links,
            "msgpack", limits.SNAPSHOT_PART_BYTES, FORM),
    Decoder("ask of a joiner", ("node.validator.sync_wire:decode_ask",), lambda d: encode_ask(*decode_ask(d)), samples.asks, "msgpack",
            limits.SYNC_REQUEST_BYTES, FORM),
    Decoder("answer to an ask", ("node.validator.sync_wire:decode_answer",), lambda d: encode_answer(*decode_answer(d)), samples.answers_to_asks,
            "msgpack", limits.FRAME_BYTES, FORM),
    Decoder("offer of a past", ("node.validator.sync_wire:offer_from_wire",), _value(offer_from_wire), samples.offers, "msgpack",
            limits.FRAME_BYTES, FORM),
    Decoder("slice of a part", ("node.validator.sync_wire:slice_from_wire",), _value(slice_from_wire), samples.slices, "msgpack",
            limits.FRAME_BYTES, FORM),
    Decoder("owner of links", ("ledger.state.backfill:owner_from_wire",), _value(owner_from_wire), samples.owners, "msgpack",
            10_000, FORM),
    Decoder("key file", ("ledger.base.keyfile:inspect_key", "ledger.base.keyfile:open_key"), _key_file, samples.key_files,
            "msgpack", limits.KEY_FILE_BYTES, SIGNED),
    # --- ledger: what authors write
    Decoder("event", ("ledger.trade.extract.event:extract",), _extract, samples.events, "json", limits.EVENT_BYTES),
    Decoder("context", ("ledger.trade.extract.event:extract",), _context, samples.contexts, "json", limits.CONTEXT_BYTES),
    Decoder("document", ("ledger.trade.slices:document_slices",), _slices, samples.documents, "json", limits.EVENT_BYTES),
    Decoder("EPCIS document", ("ledger.epcis.document:read_document",), _epcis_json, samples.documents, "json", limits.EVENT_BYTES),
    Decoder("event hash", ("ledger.epcis.event_hash:prehashes",), _event_hashes, samples.documents, "json", limits.EVENT_BYTES),
    Decoder("EPCIS document in XML", ("ledger.epcis.xml.reader:read_events", "ledger.epcis.xml.reader:read_poll",
                                      "ledger.epcis.xml.parser:Parser.read"), _epcis_xml, samples.xml_documents, "xml",
            8 * limits.EVENT_BYTES),
    Decoder("slice", ("ledger.trade.slices:parse",), _json_slice, samples.events, "json", limits.EVENT_BYTES),
    Decoder("identifier", ("ledger.trade.identifiers.links:from_link", "ledger.trade.identifiers.urns:from_urn",
                           "ledger.trade.identifiers.documents:from_own_urn"), _canonical, samples.spellings, "text", 100_000),
    # --- node: peers, the gateway's process, requests, disk
    Decoder("frames", ("node.transport.framing:FrameReader.feed",), _frames, samples.frames, "binary", 100_000),
    Decoder("batch", ("ledger.chain.batch:batch_from_bytes",), _batch, samples.batches, "msgpack", limits.BLOCK_BYTES, SIGNED),
    Decoder("batch frame", ("node.validator.batches:check_frame", "node.validator.batches:open_frame",
                            "node.validator.batches:events_of_frame"), _batch_frame, samples.batch_frames, "msgpack",
            limits.FRAME_BYTES, SIGNED),
    Decoder("request body", ("node.gateway.submission:parse_submissions",), _body, samples.bodies, "msgpack",
            limits.SUBMISSION_BYTES, SIGNED),
    Decoder("request", ("node.local.protocol:decode_request",), _request, samples.requests, "msgpack", local.REQUEST_BYTES),
    Decoder("answer", ("node.local.protocol:decode_answer",), _answer, samples.answers, "msgpack", local.ANSWER_BYTES),
    Decoder("fault", ("node.local.protocol:decode_fault",), _fault, samples.faults, "msgpack", 100_000),
    Decoder("statuses", ("node.local.protocol:parse_statuses", "node.local.protocol:parse_transaction_status"),
            _value(local.parse_statuses), samples.statuses, "msgpack", 8_000_000),
    Decoder("block told", ("client.auditing:block_from_bytes",), _block_told, samples.final_blocks, "msgpack",
            limits.BUNDLE_BYTES),
    Decoder("final block", ("node.local.protocol:parse_final_block", "ledger.chain.batch:parse_batch_head"), _value(local.parse_final_block), samples.final_blocks,
            "msgpack", 8_000_000),
    Decoder("answered checkpoint", ("node.local.protocol:parse_answered_checkpoint",),
            _value(local.parse_answered_checkpoint), samples.checkpoints, "msgpack", 65_536),
    Decoder("record answered", ("node.local.protocol:parse_record_at",), _record_at, _record_answers, "msgpack", 1_000_000),
    Decoder("history", ("node.local.protocol:parse_history",), _value(local.parse_history), samples.histories, "msgpack", 8_000_000),
    Decoder("payloads", ("node.local.protocol:parse_payloads",), _value(local.parse_payloads), samples.payload_answers,
            "msgpack", 8_000_000),
    Decoder("erasures", ("node.local.protocol:parse_erasures",), _value(local.parse_erasures),
            lambda: (encode(((bytes(32), "maker", 1, 2, 3, 4, True),)),), "msgpack", 8_000_000),
    Decoder("bytes answered", ("node.local.protocol:parse_bytes",), _value(local.parse_bytes), lambda: (encode(b"abc"),),
            "msgpack", 8_000_000),
    Decoder("node status", ("node.local.protocol:parse_status",), _value(local.parse_status), samples.node_statuses,
            "msgpack", 100_000),
    Decoder("facets of an event", ("node.index.facets:derive",), _index_facets, samples.events, "json", limits.EVENT_BYTES),
    Decoder("query in a URL", ("node.index.parameters:query_from_url",), _url_query, samples.url_queries, "text", 100_000),
    Decoder("query", ("node.index.parameters:query_from_json",), _json_query, samples.json_queries, "json", 100_000),
    Decoder("subscription", ("node.gateway.epcis.subscriptions.schedule:schedule_from_fields",), _subscription,
            samples.subscriptions, "json", 65_536, (EpcisError,)),
    Decoder("signature of a request", (), _request_signature, samples.request_fields_of_a_member, "text", 65_536, (SignatureError,)),
    Decoder("signature of a webhook", (), _message_signature, samples.webhook_fields, "text", 65_536, (SignatureError,)),
    Decoder("segment header", ("node.storage.segment_format:decode_header",), _segment_header, samples.segment_headers,
            "binary", 1_000, (StorageError,)),
    Decoder("sentences", ("node.local.protocol:parse_sentences",), _value(local.parse_sentences),
            lambda: (encode(("carrier is no peer any more", "nothing else")),), "msgpack", 100_000),
    Decoder("file of peers", ("node.newcomer:peer_tables",), _peers, samples.node_settings, "toml", 100_000),
    Decoder("node settings", ("node.config:load_config",), _node_settings, samples.node_settings, "toml", 100_000),
    Decoder("plan", ("node.founding:read_plan",), _plan, samples.plans, "toml", 100_000),
    Decoder("authorization", ("node.gateway.access:ReaderToken.is_borne_by",), _authorization, lambda: (b"Bearer " + b"s" * 43,),
            "text", 100_000, (EntitlementError,)),
    Decoder("ceremony body", ("node.gateway.persons.routes:_fields",), _ceremony,
            lambda: (b'{"secret": "x", "credential": {"rawId": "AA"}}',), "json", 100_000),
    Decoder("media type", ("node.gateway.submission:check_media_type",), _media_type,
            lambda: (b"application/msgpack; charset=x",), "text", 100_000),
    # --- client: files and what gateways answer
    Decoder("anchor", ("client.anchor:anchor_from_bytes",), _anchor, samples.anchors, "msgpack", GENESIS_BYTES, SIGNED),
    Decoder("checkpoint file", ("client.anchor:shown_in",), _checkpoint,
            lambda: (*samples.checkpoints(), *samples.bundles()), "msgpack", limits.BUNDLE_BYTES, SIGNED),
    Decoder("directory", ("client.directory:load_directory",), _directory, samples.anchors, "msgpack", GENESIS_BYTES, SIGNED),
    Decoder("events file", ("client.signing:read_file",), _file, samples.client_files, "msgpack", 1_000_000, SIGNED),
    Decoder("prepared event", ("client.prepare:prepared_from_wire",), _prepared, _parts(samples.client_files, 4, 0),
            "msgpack", 1_000_000, SIGNED),
    Decoder("payload", ("client.prepare:payload_from_wire",), _value(payload_from_wire),
            _parts(samples.client_files, 4, 0, 1), "msgpack", 1_000_000),
    Decoder("events to prepare", ("client.prepare:prepare_document",), _document, samples.documents, "json", limits.EVENT_BYTES),
    Decoder("spelling", tuple(f"client.spelling:{name}" for name in ("subject", "thing", "party", "place")), _spelling,
            samples.spellings, "text", 100_000),
    Decoder("scan", ("client.scan.reading:read", "client.scan.reading:read_tag"), _scan, samples.spellings, "text", 100_000),
    Decoder("problem", ("client.protocol:problem_in",), _problem, samples.problems, "json", 1_000_000),
    Decoder("standing", ("client.protocol:standing_from_json", "client.protocol:json_in"), _standing, samples.standings, "json",
            1_000_000, (CustodyError,)),
    Decoder("event stream", ("client.stream:Parser.feed",), _stream, samples.event_streams, "json", 1_000_000, (CustodyError,)),
    Decoder("client settings", ("client.settings:load_settings",), _client_settings, samples.client_settings, "toml", 100_000,
            (FormError, StorageError)),
)  # fmt: skip
BY_NAME = {decoder.name: decoder for decoder in DECODERS}
