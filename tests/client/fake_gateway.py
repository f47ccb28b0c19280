"""A gateway on a loopback port in front of an in-memory ledger: what the command meets in its tests."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from client.prepare import payload_from_wire
from ledger.base.encoding import decode, encode
from ledger.base.request_signature import check_request, shown_request
from ledger.chain.transaction import Kind, item_from_wire, transaction_from_bytes
from ledger.proof.registry import build_registry_file
from ledger.state.approval import Approval
from ledger.trade.record import EMPTY, Space, SubjectKey
from ledger.trade.rules.outcomes import Outcome, is_applied
from tests.client.ledger_files import Ledger
from tests.world.past import Past

TOKEN = "t" * 43


class FakeGateway:
    """Answers as gateways do, from one `Ledger`; each transaction is a block of its own."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.bodies: list[bytes] = []
        self.signed: list[bytes] = []
        self.url = ""

    def submit(self, body: bytes) -> dict[str, Any]:
        self.bodies.append(body)
        world = self.ledger.world
        answers = []
        for data, payloads in decode(body, max_bytes=10**7):
            transaction = transaction_from_bytes(data, world.network)
            for item, payload in zip(transaction.items, payloads, strict=True):
                if payload is not None:
                    self.ledger.payloads[item_from_wire(item).event_hash] = payload_from_wire(payload)
            ahead_ms = transaction.header.expiry_ms - 1_800_000 - world.now_ms
            execution = world.commit(transaction, advance_ms=max(ahead_ms, 1_000))
            receipts = [
                {
                    "place": receipt.place,
                    "refusal": receipt.refusal or None,
                    "entry": None if receipt.entry is None else receipt.entry.hex(),
                    "outcomes": [
                        {"code": code, "name": Outcome(code).name.lower(), "applied": is_applied(code)}
                        for code in receipt.outcomes
                    ],
                }
                for receipt in execution.receipts
            ]
            height = world.checkpoints[-1].header.height
            answers.append(
                {"id": transaction.id.hex(), "status": "final", "height": height, "receipts": receipts}
            )
        return {"transactions": answers}

    def ask(self, body: bytes) -> dict[str, Any]:
        """A person approves every act at once, with a passkey of nobody."""
        world = self.ledger.world
        acts = []
        for data, _ in decode(body, max_bytes=10**7):
            transaction = transaction_from_bytes(data, world.network)
            item = Approval(transaction.item_hashes[0], bytes(32), bytes(32), bytes(32))
            who = transaction.header.organisation
            world.commit(world.sign(who, item, kind=Kind.APPROVAL, key=world.keys[who]))
            act = transaction.item_hashes[0].hex()
            acts.append(
                {"act": act, "lines": [["What", "a vote"]], "link": f"http://localhost/approve#{act}"}
            )
        return {"acts": acts}

    def get(self, path: str, query: dict[str, list[str]]) -> bytes | dict[str, Any] | None:
        world = self.ledger.world
        if path == "/v1/bundle":
            return self.ledger.bundle(*query["id"], payloads="payloads" in query)
        if path.startswith("/v1/approvals/"):
            return {"act": path.rpartition("/")[2], "status": "approved", "height": 1}
        if path == "/v1/registry":
            return build_registry_file(Past(world))
        if path == "/v1/checkpoint":
            return encode(world.checkpoints[-1])
        if path not in ("/v1/subjects", "/v1/subjects/history"):
            return None
        key = SubjectKey(Space.THING, query["id"][0])
        record = world.record(key)
        if record == EMPTY:
            return None
        if path == "/v1/subjects":
            shown = {"status": "live", "custodian": record.custodian, "seals": list(record.seals)}
            return {"subject": {"id": key.identifier}, "height": 1, "time": "2026", "record": shown}
        history = Past(world)
        first = int(query.get("from", ["1"])[0])
        links = []
        for position in range(first, min(first + 2, record.links.length + 1)):
            link = history.link(key, position, aside=False)
            row = history.row(link.entry)
            links.append(
                {
                    "position": position,
                    "outcome": {"name": Outcome(link.code).name.lower()},
                    "custodian": link.custodian,
                    "entry": {
                        "time": "2026",
                        "organisation": row.entry.organisation,
                        "sequence": row.entry.sequence,
                    },
                    "event": "" if row.item is None else row.item.event_hash.hex(),
                }
            )
        following = first + 2 if first + 2 <= record.links.length else None
        return {"subject": {"id": key.identifier}, "links": links, "next": following}


def _handler(gateway: FakeGateway) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            take = gateway.ask if self.path.startswith("/v1/approvals") else gateway.submit
            self.answer(200, json.dumps(take(body)).encode())

        def do_GET(self) -> None:
            address = urlsplit(self.path)
            if self.headers.get("authorization") != f"Bearer {TOKEN}" and not self.is_signed():
                self.answer(
                    401, b'{"type": "urn:custody:unauthorised", "detail": "expected a token, got none"}'
                )
                return
            if address.path == "/v1/follow":
                data = b"".join(b'id: %d\ndata: {"height": %d}\n\n' % (n, n) for n in range(1, 4))
                self.answer(200, data)
                return
            found = gateway.get(address.path, parse_qs(address.query))
            if found is None:
                self.answer(
                    404, b'{"type": "urn:custody:unknown_subject", "detail": "expected a known subject"}'
                )
            else:
                self.answer(200, found if isinstance(found, bytes) else json.dumps(found).encode())

        def is_signed(self) -> bool:
            """By whatever key: whose it is, real gateways ask the ledger."""
            fields = {name.lower(): value for name, value in self.headers.items()}
            if "signature" not in fields:
                return False
            shown = shown_request(fields, has_body=False)
            check_request(shown, shown.key_id, "GET", gateway.url + self.path, None)
            gateway.signed.append(shown.key_id)
            return True

        def answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            return

    return Handler


@contextmanager
def served(ledger: Ledger) -> Iterator[FakeGateway]:
    """A running fake gateway; its address is `url`."""
    gateway = FakeGateway(ledger)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(gateway))
    gateway.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield gateway
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
