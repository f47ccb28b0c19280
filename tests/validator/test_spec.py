"""WIRE_LOCAL.md, WIRE_TRANSPORT.md, STORAGE.md and API.md say what the validator does, where they say it in numbers."""

from __future__ import annotations

from ledger.base import limits
from node.local import protocol
from node.storage import lmdb_backend
from node.transport import local_service
from node.validator import drain, fair_queue, mempool, rows, service, tables
from tests.conftest import PROJECT_ROOT

SPEC = PROJECT_ROOT / "ledger" / "spec"


def missing(document: str, said: list[str]) -> list[str]:
    """What a document does not say, its lines joined."""
    text = " ".join((SPEC / document).read_text(encoding="utf-8").split())
    return [one for one in said if one not in text]


def test_what_gateway_and_validator_say_to_each_other() -> None:
    caps = protocol.REQUEST_CAPS | protocol.ANSWER_CAPS
    told = {
        protocol.REQUEST: "REQUEST | `[id, operation, request]`",
        protocol.ANSWER: "ANSWER | `[id, value]`: the one answer",
        protocol.PART: "PART | `[id, value]`: one element of a stream",
        protocol.FAULT: "FAULT | `[id, code, message]`: instead of an answer, or the end of a stream",
        protocol.CANCEL: "CANCEL | `[id, nil]`: no more of this is wanted",
    }
    assert set(told) == set(caps)
    said = [f"| {kind} | {text} | {caps[kind]:,} |" for kind, text in told.items()]
    least, most = mempool.UNDER_WAY
    said += [
        f"up to `most` ({protocol.HISTORY_ROWS:,}) HistoryRows",
        f"with about {service.HISTORY_BYTES // 1_000_000} MB of items at most",
        f"about {service.PAYLOADS_BYTES // 1_000_000} MB at most",
        f"where {service.ARRIVED_BYTES // 1_000_000} MB of submissions wait to be checked",
        f"up to `most` ({protocol.ERASURES:,}) tombstones",
        f"{mempool.QUEUE_BYTES // 1_000_000} MB in all",
        f"becomes final in a second, {least:,} to {most:,}",
    ]
    assert missing("WIRE_LOCAL.md", said) == []
    assert mempool.UNDER_WAY_MS == 1_000
    assert missing("API.md", [f"has room again, about: 1 to {drain.LONGEST_S},"]) == []
    assert least > fair_queue.QUANTUM
    operations = [f"| {number} | {kind.__name__} `[" for kind, number in protocol._OPERATIONS.items()]
    assert missing("WIRE_LOCAL.md", operations) == []


def test_the_socket_of_a_node() -> None:
    said = [
        f"with {service.REQUESTS:,} requests under way on a connection",
        f"with {local_service.WAITING_BYTES // 1_000_000} MB of answers not taken",
    ]
    assert missing("WIRE_TRANSPORT.md", said) == []


def test_how_the_state_is_laid_out() -> None:
    said = [
        f"`format` = {lmdb_backend.FORMAT.hex()}",
        f"`layout` in table `meta`, now {tables.LAYOUT.hex()}",
        f"in chunks of {rows.CHUNK} by place",
        f"a row above {rows.LARGE_BYTES // 1024} KiB is in no chunk",
    ]
    assert missing("STORAGE.md", said) == []


def test_a_page_of_history_fits_into_an_answer() -> None:
    link_and_entry = 1_000
    page = max(service.HISTORY_BYTES, limits.TRANSACTION_BYTES) + protocol.HISTORY_ROWS * link_and_entry
    assert page < protocol.ANSWER_BYTES
