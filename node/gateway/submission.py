"""Transactions in, receipts out (API.md §5). The hot path: no models, no copies, the ledger's own decoders only.

A body is canonical msgpack: [[transaction, [payload | nil for each item]], ...], payload = [salt, context | nil, event].
Header, network and signature of every transaction are checked before the validator hears of any; a body with one bad
transaction is refused as a whole. So sending it again when mended is safe: a transaction is known by its id, and what is
final already is answered with its receipts. What items hold is the validator's to judge, once, and said in the
transaction's place.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

from starlette.requests import Request

from ledger.base import limits
from ledger.base.encoding import decode, take_array, take_bytes
from ledger.base.errors import Code, CustodyError, FormError, UnavailableError
from ledger.chain.transaction import Envelope, Kind, envelope_from_wire
from ledger.trade.statement import Openness
from node.gateway.metrics import Metrics
from node.local.protocol import SALT_BYTES_MAX, OpenBytes, Submission, TransactionStatus

BODY_S: Final = 30
"""How long a body may take to arrive."""
GRACE_S: Final = 2
"""How long it may take even when memory is short."""
FINAL_S: Final = 30
"""How long a request waits for finality before it is answered with what is known."""
MEDIA_TYPES: Final = ("application/msgpack", "application/x-msgpack", "application/vnd.msgpack")
BODIES_BYTES: Final = 64_000_000
"""Of all bodies in memory together; beyond it 429."""
WAITING: Final = 2_000
"""Requests that may wait for finality at a time; beyond it 429."""
LARGE_BYTES: Final = 65_536
"""A body above this is large: reading it is work that others wait for, so it is done by turns."""
PENANCE: Final = 4.0
"""For each second that refused large bodies cost, large ones wait so many: they get a fifth of this process at most."""
READ_S_PER_BYTE: Final = 3e-8
"""What taking in a byte costs, about; for bodies that are refused before they are parsed."""
JUDGED_S_PER_BYTE: Final = 1e-7
"""What reading a body costs and judging its transactions, about; for those that the validator finds to be worth nothing."""
_WORTHLESS: Final = (Code.UNKNOWN_KEY, Code.MALFORMED, Code.TOO_LARGE)
_OPENNESS_FIELD: Final = 11


class Turns:
    """Large bodies are read one at a time, and after one that was refused the next wait some times its cost.

    Nobody needs a key to send bytes, so those that are worth nothing must not hold up small requests; honest large bodies
    wait with them while that goes on.
    """

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._paid_at = 0.0

    async def paid(self) -> None:
        """Wait until what refused bodies cost is paid off."""
        while (left_s := self._paid_at - asyncio.get_running_loop().time()) > 0:  # noqa: ASYNC110 - time is waited for
            await asyncio.sleep(left_s)

    def charge(self, seconds: float) -> None:
        """A refused body cost that much."""
        now = asyncio.get_running_loop().time()
        self._paid_at = max(self._paid_at, now) + PENANCE * seconds

    def judged(self, size: int, statuses: Sequence[TransactionStatus]) -> None:
        """What became of a body of `size` bytes: it is charged like a refused one where nothing in it is a member's."""
        if size > LARGE_BYTES and all(status.code in _WORTHLESS for status in statuses):
            self.charge(size * JUDGED_S_PER_BYTE)

    @asynccontextmanager
    async def turn(self, size: int) -> AsyncIterator[None]:
        """Time to read a body of `size` bytes."""
        if size <= LARGE_BYTES:
            yield
            return
        async with self._lock:
            await self.paid()
            began = asyncio.get_running_loop().time()
            try:
                yield
            except CustodyError:
                self.charge(asyncio.get_running_loop().time() - began)
                raise


class Intake:
    """Memory and places given to submissions, bounded over all clients."""

    def __init__(
        self,
        metrics: Metrics,
        *,
        bodies_bytes: int = BODIES_BYTES,
        waiting: int = WAITING,
        body_s: float = BODY_S,
    ) -> None:
        self.turns = Turns()
        self._metrics = metrics
        self._body_s = body_s
        self._bytes_left = bodies_bytes
        self._places_left = waiting
        self._arriving: dict[Body, None] = {}  # the longest under way first

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """A place among those who wait for their transactions. UnavailableError overloaded."""
        if self._places_left <= 0:
            raise UnavailableError(
                Code.OVERLOADED, "expected fewer requests at a time, all places are taken; try again"
            )
        self._places_left -= 1
        self._metrics.awaiting_final.inc()
        try:
            yield
        finally:
            self._places_left += 1
            self._metrics.awaiting_final.dec()

    @contextmanager
    def body(self) -> Iterator[Body]:
        """Room for one request's body."""
        body = Body(self, self._body_s)
        try:
            yield body
        finally:
            self._bytes_left += body.held
            self._metrics.body_bytes.dec(body.held)

    @contextmanager
    def _arrival(self, body: Body) -> Iterator[None]:
        self._arriving[body] = None
        try:
            yield
        finally:
            del self._arriving[body]

    def _take(self, count: int) -> None:
        """Reserve memory; where there is none, the body longest on its way gives way to whoever asks next."""
        if count > self._bytes_left:
            next(iter(self._arriving)).give_way()
            raise UnavailableError(
                Code.OVERLOADED,
                f"expected room for {count} more bytes, other requests take it all; try again",
            )
        self._bytes_left -= count
        self._metrics.body_bytes.inc(count)


class Body:
    """One request's body. Memory grows with the bytes that came, never with a length announced."""

    def __init__(self, intake: Intake, within_s: float) -> None:
        self._intake = intake
        self._within_s = within_s
        self._timeout: asyncio.Timeout | None = None
        self._began = 0.0
        self.held = 0

    async def read(self, request: Request) -> bytes:
        """All of it. Raises FormError too_large, UnavailableError overloaded or timed_out, ClientDisconnect."""
        announced = request.headers.get("content-length", "")
        if announced.isascii() and announced.isdigit():
            self._check(int(announced[:20]))
        chunks = []
        try:
            with self._intake._arrival(self):  # noqa: SLF001 - two halves of one thing
                async with asyncio.timeout(self._within_s) as self._timeout:
                    self._began = asyncio.get_running_loop().time()
                    async for chunk in request.stream():
                        if self.held + len(chunk) > limits.SUBMISSION_BYTES:
                            self._intake.turns.charge(self.held * READ_S_PER_BYTE)
                        self._check(self.held + len(chunk))
                        self._intake._take(len(chunk))  # noqa: SLF001
                        self.held += len(chunk)
                        chunks.append(chunk)
                        if self.held > LARGE_BYTES:
                            await self._intake.turns.paid()
        except TimeoutError:
            raise UnavailableError(
                Code.TIMED_OUT,
                f"expected the whole body within {self._within_s} s, or sooner while others wait; got {self.held} bytes",
            ) from None
        return b"".join(chunks)

    def give_way(self) -> None:
        """Fail with timed_out unless it began just now."""
        now = asyncio.get_running_loop().time()
        if self._timeout is not None and now - self._began > GRACE_S:
            self._timeout.reschedule(now)

    def _check(self, count: int) -> None:
        if count > limits.SUBMISSION_BYTES:
            raise FormError(
                Code.TOO_LARGE,
                f"expected a body of at most {limits.SUBMISSION_BYTES} bytes, got {count} or more; send several",
            )


def check_media_type(content_type: str | None) -> None:
    """Raise FormError(unsupported_media_type) unless the body is declared as msgpack."""
    name = (content_type or "").partition(";")[0].strip().lower()
    if name not in MEDIA_TYPES:
        raise FormError(
            Code.UNSUPPORTED_MEDIA_TYPE,
            f"expected a body of type {MEDIA_TYPES[0]}, got {(name or 'none')[:80]!a}",
        )


def parse_submissions(body: bytes, network: bytes) -> tuple[list[Submission], list[bytes]]:
    """What to hand to the validator, and the transactions' ids. CustodyError names the transaction that is wrong."""
    pairs = take_array(
        decode(body, max_bytes=limits.SUBMISSION_BYTES), "body", most=limits.SUBMISSION_TRANSACTIONS
    )
    if not pairs:
        raise FormError(Code.MALFORMED, "expected at least one transaction in the body, got none")
    submissions = []
    ids = []
    for place, pair in enumerate(pairs):
        try:
            data, payloads = take_array(pair, "submission", 2)
            encoded = take_bytes(data, "transaction")
            envelope = envelope_from_wire(decode(encoded, max_bytes=limits.TRANSACTION_BYTES), network)
            known = envelope.checked_id()
            submissions.append(_submission(data, envelope, payloads))
        except CustodyError as error:
            raise type(error)(error.code, f"transaction {place}: {error.message}") from None
        ids.append(known)
    return submissions, ids


def _submission(data: bytes, transaction: Envelope, payloads: Any) -> Submission:
    """The transaction with its payloads, contexts kept once."""
    given = take_array(payloads, "payloads", transaction.header.item_count)
    if transaction.header.kind != Kind.EVENTS and any(payload is not None for payload in given):
        raise FormError(Code.MALFORMED, "payloads: expected nil for items that are no events, got a payload")
    contexts: dict[bytes, int] = {}
    taken = []
    owner = (transaction.header.organisation,)
    for item, payload in zip(transaction.items, given, strict=True):
        if payload is None:
            continue
        salt, context, event = take_array(payload, "payload", 3)
        taken.append(
            OpenBytes(
                take_bytes(salt, "payload salt", most=SALT_BYTES_MAX),
                None if context is None else contexts.setdefault(_context(context), len(contexts)),
                take_bytes(event, "payload event", most=limits.EVENT_BYTES),
                owner if _is_restricted(item) else None,
            )
        )
    return Submission(data, tuple(contexts), tuple(taken))


def _context(value: Any) -> bytes:
    return take_bytes(value, "payload context", most=limits.CONTEXT_BYTES)


def _is_restricted(item: Any) -> bool:
    """Whether an item of yet unjudged form says that its bytes are restricted: then this node keeps them for its author."""
    statement = item[0] if type(item) is tuple and item else None
    return (
        type(statement) is tuple
        and len(statement) > _OPENNESS_FIELD
        and statement[_OPENNESS_FIELD] == Openness.RESTRICTED
    )
