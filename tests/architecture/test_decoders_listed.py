"""Every function that reads what somebody else wrote stands in `tests/fuzz/decoders.py`, or here with why it need not.

Two nets. By name: public functions called `parse_*`, `decode_*`, `read_*`, `load_*`, `open_*`, `*_from_*` and the like. By deed:
every function, whatever its name, that itself calls a reader of bytes (`decode`, `json.loads`, `tomllib.loads`, `unpack`).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.fuzz.decoders import DECODERS

ROOT = Path(__file__).resolve().parents[2]
NAMES = re.compile(
    r"(parse|decode|read|load|open|inspect|scan|feed|extract|unpacked)(_\w+)?|\w+_from_\w+|\w+_slices|\w+_of_frame"
)
READERS = frozenset(
    {"json.loads", "tomllib.loads", "tomllib.load", "msgpack.unpackb", "decode", "decode_known"}
)
UNPACKERS = frozenset({"unpack", "unpack_from", "iter_unpack"})

OWN = "reads what this node wrote itself; damage is found by checksums (tests/storage)"
INNER = "part of a decoder that is listed"
FILES = "reads a file and gives its bytes to a decoder that is listed"
VALUES = "makes a value from values that were read already"
ELSEWHERE = {
    # --- ledger
    "ledger.base.calendar:date_from_days": VALUES,
    "ledger.base.calendar:days_from_date": VALUES,
    "ledger.base.encoding:decode": "what all the others stand on: reached through each of them, and tests/base",
    "ledger.base.encoding:decode_known": "bytes whose hash was checked against one made here: its callers are below",
    "ledger.base.keyfile:_parse": INNER,
    "ledger.chain.transaction:envelope_from_wire": INNER,
    "ledger.base.merkle:root_from_inclusion": "takes hashes; forged paths are tests/fuzz/forge",
    "ledger.proof.anchor:anchor_from_genesis": VALUES,
    "ledger.chain.transaction:read_events": INNER,
    "ledger.trade.slices:read_exactly": INNER,
    "ledger.chain.transaction:extract_hash": VALUES,
    "ledger.trade.extract.event:extract_read": VALUES,
    "ledger.chain.transaction:extract_hash_of": VALUES,
    "ledger.state.audit_source:MemoryBacking.entry_row": OWN,
    "ledger.state.state:LedgerState.record": OWN,
    # --- node
    "node.terminal:read_passphrase": "the operator's passphrase, any bytes",
    "node.config:load_genesis": FILES,
    "node.gateway.access:read_token": FILES,
    "node.gateway.people:_key_set": "JSON and keys of the standard library and joserfc, capped (tests/gateway/test_people.py)",
    "node.index.stored:IndexedEvent.item": OWN,
    "node.index.stored:_event": OWN,
    "node.index.reading:open_block": "reads transactions that the ledger executed",
    "node.index.reading:read_block": VALUES,
    "node.index.reading:read_item": VALUES,
    "node.index.tables:open_engine": "the operator's setting, through SQLAlchemy",
    "node.index.values:read_time": "a text through a strict pattern and the extractor's own reader of times",
    "node.gateway.epcis.preparing:read_body": INNER,
    "node.gateway.epcis.preparing:kept_submission": OWN,
    "node.gateway.epcis.preparing:renew": OWN,
    "node.gateway.epcis.job_store:_job": OWN,
    "node.gateway.epcis.job_store:_named": OWN,
    "node.gateway.epcis.job_store:_fate": OWN,
    "node.gateway.epcis.subscriptions.stored:_webhook": OWN,
    "node.gateway.epcis.paging:Tokens.read": "sealed by this process: others are refused unread, tests/gateway/epcis",
    "node.gateway.persons.ceremony:_json": "what the library that makes options wrote",
    "node.gateway.persons.store:PersonStore._read": OWN,
    "node.gateway.persons.store:PersonStore.read": OWN,
    "node.gateway.rendering:row_json": "reads items that the ledger executed",
    "node.storage.read_log:ReadLog._entry": OWN,
    "node.storage.read_log:_after": OWN,
    "node.storage.segment_format:decode_record_header": OWN,
    "node.storage.block_store:_Log.read": OWN,
    "node.storage.filesystem:read_whole": "bytes only",
    "node.storage.token:open_token_key": "a key file that was read already: the key file",
    "node.storage.payload_store:PayloadStore._read": OWN,
    "node.storage.payload_store:PayloadStore._record": OWN,
    "node.storage.payload_store:PayloadStore._unpacked": OWN,
    "node.storage.payload_store:PayloadStore._take_up": OWN,
    "node.storage.stores:open_state": OWN,
    "node.storage.stores:open_stores": OWN,
    "node.storage.vote_log:_parse_replacement": OWN,
    "node.validator.execution:batches_of": OWN,
    "node.validator.execution:block_of": OWN,
    "node.validator.execution:certificate_of": OWN,
    "node.validator.execution:outcome_of": OWN,
    "node.storage.snapshots:open_snapshot": OWN,
    "node.validator.completing:Completer._bring_links": "reads records of a snapshot that was proven (tests/validator/test_joining)",
    "node.validator.past:read_progress": OWN,
    "node.validator.past:_erasures": "reads records of a snapshot that was proven (tests/validator/test_erasing.py)",
    "node.gateway.epcis.preparing:event_hashes": OWN,
    "node.validator.tables:Tables.read_erasures": OWN,
    "node.validator.rows:Rows._chunk": OWN,
    "node.validator.rows:Rows.get": OWN,
    "node.validator.tables:Tables._link": OWN,
    "node.storage.journal:Journal.finish": OWN,
    "node.storage.journal:_redo": OWN,
    "node.storage.packing:PackedBackend.get": OWN,
    "node.storage.packing:PackedBackend.read_range": OWN,
    "node.validator.tables:Tables.kept_row": OWN,
    "node.validator.tables:Tables.transaction": OWN,
    "node.storage.snapshots:SnapshotStore.read": OWN,
    "node.storage.state_store:Kept.read": OWN,
    "node.validator.tables:Tables.final_log": OWN,
    "node.validator.tables:Tables.headers_of": OWN,
    "node.validator.tables:Tables.joined_closings": OWN,
    "node.validator.tables:Tables.read_changes": OWN,
    "node.validator.tables:Tables.read_registry": OWN,
    "node.validator.tables:Tables.link": OWN,
    "node.validator.tables:Tables.read_log": OWN,
    "node.validator.tables:Tables.row": OWN,
    "node.validator.tables:_record": OWN,
    "node.transport.mesh:Mesh._check_hello": "two fields through the checks of the others (tests/transport)",
    "ledger.chain.batch:take_apart": OWN,
    "ledger.chain.signing:_signed": "reads back what it has just encoded",
    "node.validator.batches:open_items": "judges items of transactions that were read already: the batch frame",
    "node.validator.batches:open_event": VALUES,
    "node.validator.member:open_member": FILES,
    "node.changes:read_seat": FILES,
    "node.changes:read_change": FILES,
    "node.changes:compose": VALUES,
    "node.changes:carry": VALUES,
    # --- client
    "client.capture.journal:_line": "what this client noted itself; other content is refused (tests/client/capture)",
    "client.acts:sign_acts": VALUES,
    "client.anchor:load_anchor": FILES,
    "client.cli.proposing:_application": "TOML of the standard library; what is in it is checked in execution",
    "client.cli.proposing:propose_validators": "a change of validators, which is listed",
    "client.governing:_seats": "a change of validators, which is listed",
    "client.auditing:_newest": "a checkpoint, which is listed",
    "client.anchor:AnchorFolder.begin": INNER,
    "client.anchor:AnchorFolder.closings": "closings, which are listed",
    "client.cli.anchor:_is_root": "tells an anchor from a checkpoint, both listed",
    "client.cli.record:unpack": "a command",
    "client.cli.scan:scan": "a command",
    "client.events.handover:open_offer": VALUES,
    "client.files:read_bytes": "bytes only",
    "client.keys:read_private": "bytes only",
    "client.keys:load_key": FILES,
    "client.keys:inspect": FILES,
    "client.protocol:read_json": INNER,
    "client.settings:_read": INNER,
    "client.stream:Parser._notice": INNER,
    "client.signing:sign": VALUES,
}


def functions() -> Iterator[tuple[str, str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """(module, name within it, definition) of every function of the installed code."""
    for package in ("ledger", "node", "client"):
        for path in sorted((ROOT / package).rglob("*.py")):
            module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                inside = node.body if isinstance(node, ast.ClassDef) else [node]
                prefix = f"{node.name}." if isinstance(node, ast.ClassDef) else ""
                for one in inside:
                    if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef):
                        yield module, prefix + one.name, one


def reads_bytes(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether it calls a reader itself. `decode` as a bare name is the codec's; `data.decode()` is text."""
    for call in ast.walk(function):
        if isinstance(call, ast.Call):
            called = ast.unparse(call.func)
            if called in READERS or called.rpartition(".")[2] in UNPACKERS:
                return True
    return False


def candidates() -> set[str]:
    found = set()
    for module, name, function in functions():
        last = name.rpartition(".")[2]
        is_named = "." not in name and not last.startswith("_") and NAMES.fullmatch(last) is not None
        if is_named or reads_bytes(function):
            found.add(f"{module}:{name}")
    return found


def covered() -> set[str]:
    return {name for decoder in DECODERS for name in decoder.covers}


def test_every_reader_is_fuzzed_or_says_why_not() -> None:
    assert sorted(candidates() - covered() - set(ELSEWHERE)) == []


def test_nothing_is_excused_that_is_not_there() -> None:
    there = {f"{module}:{name}" for module, name, _ in functions()}
    assert sorted((covered() | set(ELSEWHERE)) - there) == []
    assert sorted(covered() & set(ELSEWHERE)) == []


def test_a_new_reader_would_be_seen() -> None:
    source = "def anything(data):\n    return decode(data, max_bytes=1)\n"
    function = ast.parse(source).body[0]
    assert isinstance(function, ast.FunctionDef)
    assert reads_bytes(function)
    assert NAMES.fullmatch("parse_letter")
    assert NAMES.fullmatch("letter_from_bytes")
