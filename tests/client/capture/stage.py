"""What captures meet in their tests: a file of events, and a ledger that says how often it executed what."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ledger.base.encoding import decode
from ledger.base.errors import Code
from ledger.chain.transaction import transaction_from_bytes
from ledger.trade.statement import Action
from tests.world.world import serial

NOW_MS = 1_800_000_000_000
HEAD = (
    '{"@context":["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld",{"ex":"https://example.org/"}],'
    '"type":"EPCISDocument","schemaVersion":"2.0","creationDate":"2026-01-15T09:00:00Z","epcisBody":{"eventList":['
)
TAIL = "]}}\n"


def event(number: int, step: str = "commissioning", action: str = "ADD", **more: Any) -> str:
    """One event; the making of an item of that number."""
    members = {
        "type": "ObjectEvent",
        "eventTime": "2026-01-15T08:30:00.000Z",
        "eventTimeZoneOffset": "+01:00",
        "action": action,
        "bizStep": step,
        "epcList": [serial("9521234", 1, number)],
        "ex:note": f'{number} "]}}, [{{ \\ in a text',
    }
    return json.dumps(members | more)


def packing(number: int) -> str:
    """An event that may reach what it does not name."""
    members = {
        "type": "AggregationEvent",
        "eventTime": "2026-01-15T08:30:00.000Z",
        "eventTimeZoneOffset": "+01:00",
        "action": "ADD",
        "bizStep": "packing",
        "parentID": "urn:epc:id:bic:CSQU3054383",
        "childEPCs": [serial("9521234", 1, number)],
    }
    return json.dumps(members)


def write_document(path: Path, events: list[str], separator: str = ",\n") -> Path:
    """A document of these events."""
    path.write_text(HEAD + separator.join(events) + TAIL)
    return path


class OneLedger:
    """Executes each transaction once; what it is told again it answers as before. Safe to call from any thread."""

    def __init__(self, network: bytes) -> None:
        self.network = network
        self.executed: dict[str, list[bytes]] = {}
        """Bytes of the events of each transaction, in the order in which they were executed."""
        self.handed_in = 0
        self.time_ms = NOW_MS
        self.faults: list[tuple[int, dict[str, Any], dict[str, str]]] = []
        """Answers given before anything is executed, one a request."""
        self.expired: set[str] = set()
        """Transactions that are refused as too late."""
        self.under_way = self.most_under_way = 0
        self._lock = threading.Lock()

    def take(self, body: bytes) -> tuple[int, dict[str, Any], dict[str, str]]:
        """Status, JSON and headers that answer a submission."""
        with self._lock:
            self.handed_in += 1
            if self.faults:
                return self.faults.pop(0)
            pairs = decode(body, max_bytes=10**7)
            return 200, {"transactions": [self._execute(*pair) for pair in pairs]}, {}

    def _execute(self, data: bytes, payloads: tuple[Any, ...]) -> dict[str, Any]:
        transaction = transaction_from_bytes(data, self.network)
        transaction.check_signature()
        name = transaction.id.hex()
        if name in self.expired:
            return {"id": name, "status": "refused", "code": Code.EXPIRED, "detail": "too late"}
        self.executed.setdefault(name, [event for _, _, event in payloads])
        is_applied = [item[0][1] != Action.PACK for item in transaction.items]
        return self.standing(name, is_applied)

    def standing(self, name: str, is_applied: list[bool]) -> dict[str, Any]:
        """A final transaction."""
        receipts = [
            {
                "place": place,
                "refusal": None,
                "entry": "ab",
                "outcomes": [{"name": "noted", "applied": applied}],
            }
            for place, applied in enumerate(is_applied)
        ]
        return {"id": name, "status": "final", "height": 7, "receipts": receipts}

    def get(self, path: str) -> tuple[int, dict[str, Any]]:
        """Status and JSON of what is read."""
        if path == "/v1/status":
            return 200, {"time_ms": self.time_ms}
        name = path.rpartition("/")[2]
        found = self.executed.get(name)
        if found is None:
            return 404, {"type": "urn:custody:unknown_transaction", "detail": "expected a known one"}
        return 200, self.standing(name, [True] * len(found))

    @property
    def events(self) -> list[bytes]:
        """Bytes of all events executed."""
        return [event for events in self.executed.values() for event in events]


@contextmanager
def served(ledger: OneLedger, taken: Callable[[], None] = lambda: None) -> Iterator[str]:
    """The address of a gateway in front of a ledger; `taken` is called after each submission, before it is answered."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            status, body, headers = ledger.take(self.rfile.read(int(self.headers["content-length"])))
            taken()
            self.answer(status, body, headers)

        def do_GET(self) -> None:
            self.answer(*ledger.get(urlsplit(self.path).path), {})

        def answer(self, status: int, body: Any, headers: dict[str, str]) -> None:
            data = json.dumps(body).encode()
            try:
                self.send_response(status)
                for name, value in {"Content-Length": str(len(data)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)
            except OSError:
                self.close_connection = True  # whoever asked was killed

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            return

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            if not isinstance(sys.exception(), ConnectionError):  # whoever asked was killed
                super().handle_error(request, client_address)

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
