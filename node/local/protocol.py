"""What the gateway and the validator of one node say to each other (WIRE_LOCAL.md).

    frame   = length u32 | kind u8 | body                    as between validators (`node.transport.framing`)
    REQUEST   [id, operation, request]                       id: chosen by the asker, not in use by another request
    ANSWER    [id, value]                                    the one answer, or the end of a stream
    PART      [id, value]                                    one element of a stream
    FAULT     [id, code, message]                            instead of an answer
    CANCEL    [id, nil]                                      the asker wants no more of it

Bodies are canonical msgpack with caps. The socket is 0600 in the node's `run/`: whoever may open it is the node's owner,
so nothing is authenticated here; transactions authenticate themselves. What is wrong with one transaction is said in its
`TransactionStatus`; a FAULT is about the request as a whole and leaves the connection usable.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Any, Final, NamedTuple, TypeVar

from ledger.base import limits
from ledger.base.encoding import (
    decode,
    encode,
    take_array,
    take_ascii,
    take_bool,
    take_bytes,
    take_int,
    take_optional_bytes,
)
from ledger.base.errors import Code, FormError, UnavailableError
from ledger.base.hashing import HASH_BYTES
from ledger.chain.batch import BatchHead, parse_batch_head
from ledger.chain.block import Header, Outcome, parse_header, parse_outcome
from ledger.chain.certificate import Certificate, Checkpoint, parse_certificate, parse_checkpoint
from ledger.state.links import Entry, Link, entry_from_wire, link_from_wire
from ledger.trade.record import EMPTY, Record, Space, SubjectKey, record_from_wire

REQUEST: Final = 16
ANSWER: Final = 17
PART: Final = 18
FAULT: Final = 19
CANCEL: Final = 20

REQUEST_BYTES: Final = limits.FRAME_BYTES
ANSWER_BYTES: Final = limits.BUNDLE_BYTES + 1_000_000
REQUEST_CAPS: Final = {REQUEST: REQUEST_BYTES, CANCEL: 64}
ANSWER_CAPS: Final = {ANSWER: ANSWER_BYTES, PART: ANSWER_BYTES, FAULT: 100_000}
TRANSACTIONS_PER_REQUEST: Final = 1_000
SUBJECTS_PER_PROOF: Final = 1_000
ERASURES: Final = 1_000
_COUNT_MAX: Final = (1 << 40) - 1
HISTORY_ROWS: Final = 1_000
GATHER_MS_MAX: Final = 1_000
HASHES_PER_REQUEST: Final = 1_000
SALT_BYTES_MAX: Final = 64

_T = TypeVar("_T")


# ---- transactions


class OpenBytes(NamedTuple):
    """The bytes behind one item: matched to its item by the event hash that they give."""

    salt: bytes
    context: int | None
    """Index among the submission's contexts; None for the default context."""
    event: bytes
    readers: tuple[str, ...] | None = None
    """None: open, travels with the batch. Else: of a restricted item, kept by this node for these organisations."""


class Submission(NamedTuple):
    """One signed transaction and the bytes of its open items."""

    transaction: bytes
    contexts: tuple[bytes, ...] = ()
    payloads: tuple[OpenBytes, ...] = ()


class BusyError(UnavailableError):
    """So much waits to be ordered that no more is taken now; `after_s`: in how many seconds it may be, about."""

    def __init__(self, message: str, after_s: int) -> None:
        super().__init__(Code.OVERLOADED, message)
        self.after_s = after_s


class WaitFor(IntEnum):
    """When a submission is answered."""

    ACCEPTED = 0  # checked, stored and handed to the other validators: promises nothing yet
    FINAL = 1  # in a final block, or refused


class State(IntEnum):
    """Where a transaction is."""

    UNKNOWN = 0  # not here: never seen, or forgotten after it was not ordered in time
    PENDING = 1  # accepted, not yet in a final block
    FINAL = 2  # in a final block; its receipts say what each item did
    REFUSED = 3  # not admitted by this node: nothing stands on the ledger


class ItemReceipt(NamedTuple):
    """What executing one item did. `refusal` is an error code, "" if the item got an entry."""

    place: int
    refusal: str
    entry: bytes | None
    """Entry hash, 32 bytes."""
    outcomes: tuple[int, ...]
    """One outcome code per leg (`ledger.trade.rules.Outcome`)."""


class TransactionStatus(NamedTuple):
    """What this node knows of a transaction."""

    transaction: bytes
    """Its id, 32 bytes; 32 zero bytes if the bytes were no transaction."""
    state: State
    code: str = ""
    """REFUSED: the error code."""
    message: str = ""
    """REFUSED: one sentence."""
    height: int | None = None
    """FINAL: the block."""
    time_ms: int | None = None
    """FINAL: block time, Unix milliseconds. REFUSED overloaded: how many milliseconds to wait."""
    receipts: tuple[ItemReceipt, ...] = ()

    @property
    def retry_after_s(self) -> int | None:
        """REFUSED overloaded: in how many seconds there is room again, about."""
        return None if self.state is not State.REFUSED or self.time_ms is None else -(-self.time_ms // 1_000)


# ---- blocks and subjects


class FinalBlock(NamedTuple):
    """One final block with what executing it did. `certificate` is None if only a later block was certified directly."""

    header: Header
    outcome: Outcome
    certificate: Certificate | None
    transactions: tuple[bytes, ...]
    """All transactions in order, encoded."""
    receipts: tuple[TransactionStatus, ...]
    """One per transaction, in order (state FINAL)."""
    batches: tuple[BatchHead, ...]
    """How the transactions lie in batches: with these the bytes that the header commits to are made again."""


class RecordAt(NamedTuple):
    """A subject's record (EMPTY if nothing was ever recorded) as of a final block."""

    record: Record
    height: int
    time_ms: int


class ToldErasure(NamedTuple):
    """A tombstone (`ledger.state.erasure.Erasure`), and whether this node keeps nothing of the event's bytes."""

    event_hash: bytes
    organisation: str
    reason: int
    erased: int
    tombstone: int
    time_ms: int
    is_gone: bool
    """False: its past is not complete yet, or another organisation put that hash on the ledger first."""


class HistoryRow(NamedTuple):
    """One link of a subject's chain with its entry and item."""

    position: int
    """From 1, in the chain asked for."""
    link: Link
    entry: Entry
    item: bytes | None
    """The encoded item (`transaction.item_from_wire`); None for evidence."""


class StoredPayload(NamedTuple):
    """An event's bytes as its author wrote them."""

    event_hash: bytes
    salt: bytes
    context: bytes | None
    event: bytes
    readers: tuple[str, ...] | None


class PeerStatus(NamedTuple):
    """Another validator as seen from here."""

    organisation: str
    address: str
    is_connected: bool


class NodeStatus(NamedTuple):
    """How the validator is doing."""

    network: bytes
    name: str
    """The network's name."""
    organisation: str
    phase: str
    """"starting", "catching up", "ready", "halted" or "stopping"."""
    height: int
    """Last final block."""
    time_ms: int
    """Its block time."""
    checkpoint_height: int
    """Last block certified directly."""
    view: int
    leader: str
    pending_transactions: int
    pending_bytes: int
    peers: tuple[PeerStatus, ...]
    warnings: tuple[str, ...]
    """Sentences an operator should read: a clock that is off, a full disk, an alarm of the consensus."""
    process: int
    """Process id."""
    started_ms: int
    epoch: int
    is_validator: bool
    """Whether this node has a seat in the epoch; else it follows."""
    protocol: int
    """The protocol version of the epoch."""


_STATUS_TEXTS: Final = tuple(
    NodeStatus._fields.index(name) for name in ("name", "organisation", "phase", "leader")
)
_STATUS_NUMBERS: Final = tuple(
    NodeStatus._fields.index(name)
    for name in (
        "height", "time_ms", "checkpoint_height", "view", "pending_transactions", "pending_bytes", "process",
        "started_ms",
    )
)  # fmt: skip


# ---- requests


class Submit(NamedTuple):
    """Take in transactions. Answer: one TransactionStatus each, in order."""

    submissions: tuple[Submission, ...]
    wait: WaitFor


class GetTransactions(NamedTuple):
    """Answer: one TransactionStatus per id."""

    ids: tuple[bytes, ...]


class Follow(NamedTuple):
    """Stream of FinalBlock from a height on, past and future, until cancelled."""

    from_height: int
    gather_ms: int = 0
    """After some were sent it is waited so long for more: for who is woken by each of them, and in no hurry."""


class GetBlock(NamedTuple):
    """Answer: FinalBlock. Fault unknown_block."""

    height: int


class GetCheckpoint(NamedTuple):
    """Answer: the newest Checkpoint at or below `height` (None: the newest)."""

    height: int | None = None


class GetRecord(NamedTuple):
    """Answer: RecordAt."""

    key: SubjectKey


class GetHistory(NamedTuple):
    """Answer: up to `most` HistoryRows from number `first` on (as far as there are any) of a subject's chain."""

    key: SubjectKey
    aside: bool
    first: int
    most: int


class GetPayloads(NamedTuple):
    """Answer: the StoredPayloads this node holds of these event hashes, as many as one answer takes and at least one of them;
    what it lacks is left out.
    """

    event_hashes: tuple[bytes, ...]
    reader: str | None = None
    """None: for this node itself. Else what that organisation may not read is left out too."""


class Prove(NamedTuple):
    """Answer: the bytes of a bundle over all subjects named. Faults unknown_subject, history_incomplete."""

    keys: tuple[SubjectKey, ...]
    payloads: bool = False
    """Whether the bytes of open events go with it."""


class GetGenesis(NamedTuple):
    """Answer: the genesis file's bytes."""


class GetStatus(NamedTuple):
    """Answer: NodeStatus."""


class GetMetrics(NamedTuple):
    """Answer: bytes, Prometheus text format."""


class GetRegistry(NamedTuple):
    """Answer: the bytes of a registry file (`ledger.proof.registry`). Faults unavailable, overloaded."""


class Reload(NamedTuple):
    """Read the peers of node.toml again. Answer: what changed, sentences. Faults as `load_config`; then all stays as it was."""


class GetErasures(NamedTuple):
    """Answer: up to `most` ToldErasures, of tombstones from a place in the event log on."""

    first: int
    most: int


Request = (
    Submit
    | GetTransactions
    | Follow
    | GetBlock
    | GetCheckpoint
    | GetRecord
    | GetHistory
    | GetPayloads
    | Prove
    | GetGenesis
    | GetStatus
    | GetMetrics
    | GetRegistry
    | Reload
    | GetErasures
)


# ---- parsing requests


def _tuple_of(parse: Callable[[Any], _T], value: Any, field: str, most: int) -> tuple[_T, ...]:
    return tuple(parse(member) for member in take_array(value, field, most=most))


def _hashes(value: Any, field: str) -> tuple[bytes, ...]:
    return _tuple_of(lambda member: take_bytes(member, field, HASH_BYTES), value, field, HASHES_PER_REQUEST)


def _open_bytes(value: Any) -> OpenBytes:
    salt, context, event, readers = take_array(value, "payload", 4)
    return OpenBytes(
        take_bytes(salt, "payload salt", most=SALT_BYTES_MAX),
        None if context is None else take_int(context, "payload context", 0, limits.ITEMS_PER_TRANSACTION),
        take_bytes(event, "payload event", most=limits.EVENT_BYTES),
        None
        if readers is None
        else _tuple_of(
            lambda name: take_ascii(name, "reader", limits.IDENTIFIER_BYTES), readers, "readers", 256
        ),
    )


def _submission(value: Any) -> Submission:
    transaction, contexts, payloads = take_array(value, "submission", 3)
    return Submission(
        take_bytes(transaction, "transaction", most=limits.TRANSACTION_BYTES),
        _tuple_of(
            lambda context: take_bytes(context, "context", most=limits.CONTEXT_BYTES),
            contexts,
            "contexts",
            limits.ITEMS_PER_TRANSACTION,
        ),
        _tuple_of(_open_bytes, payloads, "payloads", limits.ITEMS_PER_TRANSACTION),
    )


def _key(value: Any) -> SubjectKey:
    space, identifier, holder = take_array(value, "subject", 3)
    return SubjectKey(
        take_int(space, "subject space", 0, max(Space)),
        take_ascii(identifier, "subject identifier", 2 * limits.IDENTIFIER_BYTES),
        take_ascii(holder, "subject holder", 2 * limits.IDENTIFIER_BYTES, least=0),
    )


def _submit(value: Any) -> Submit:
    submissions, wait = take_array(value, "submit", 2)
    return Submit(
        _tuple_of(_submission, submissions, "submissions", TRANSACTIONS_PER_REQUEST),
        WaitFor(take_int(wait, "wait", 0, max(WaitFor))),
    )


def _one(value: Any, field: str) -> Any:
    return take_array(value, field, 1)[0]


def _get_checkpoint(value: Any) -> GetCheckpoint:
    height = _one(value, "checkpoint wanted")
    return GetCheckpoint(None if height is None else take_int(height, "height"))


def _follow(value: Any) -> Follow:
    height, gather_ms = take_array(value, "follow", 2)
    return Follow(take_int(height, "height"), take_int(gather_ms, "gather", 0, GATHER_MS_MAX))


def _get_history(value: Any) -> GetHistory:
    key, aside, first, most = take_array(value, "history wanted", 4)
    return GetHistory(
        _key(key),
        take_bool(aside, "aside"),
        take_int(first, "first", 1),
        take_int(most, "most", 1, HISTORY_ROWS),
    )


def _prove(value: Any) -> Prove:
    keys, payloads = take_array(value, "proof wanted", 2)
    return Prove(_tuple_of(_key, keys, "subjects", SUBJECTS_PER_PROOF), take_bool(payloads, "payloads"))


def _get_payloads(value: Any) -> GetPayloads:
    hashes, reader = take_array(value, "payloads wanted", 2)
    return GetPayloads(
        _hashes(hashes, "event hash"),
        None if reader is None else take_ascii(reader, "reader", limits.IDENTIFIER_BYTES),
    )


def _get_erasures(value: Any) -> GetErasures:
    first, most = take_array(value, "erasures wanted", 2)
    return GetErasures(take_int(first, "first", 0, _COUNT_MAX), take_int(most, "most", 1, ERASURES))


_REQUESTS: Final[tuple[tuple[type[Any], Callable[[Any], Any]], ...]] = (
    (Submit, _submit),
    (GetTransactions, lambda value: GetTransactions(_hashes(_one(value, "transactions wanted"), "id"))),
    (Follow, _follow),
    (GetBlock, lambda value: GetBlock(take_int(_one(value, "block wanted"), "height"))),
    (GetCheckpoint, _get_checkpoint),
    (GetRecord, lambda value: GetRecord(_key(_one(value, "record wanted")))),
    (GetHistory, _get_history),
    (GetPayloads, _get_payloads),
    (Prove, _prove),
    (GetGenesis, lambda value: GetGenesis(*take_array(value, "genesis wanted", 0))),
    (GetStatus, lambda value: GetStatus(*take_array(value, "status wanted", 0))),
    (GetMetrics, lambda value: GetMetrics(*take_array(value, "metrics wanted", 0))),
    (GetRegistry, lambda value: GetRegistry(*take_array(value, "registry wanted", 0))),
    (Reload, lambda value: Reload(*take_array(value, "reload", 0))),
    (GetErasures, _get_erasures),
)
_OPERATIONS: Final = {kind: number for number, (kind, _) in enumerate(_REQUESTS, 1)}


def encode_request(number: int, request: Request) -> bytes:
    """The body of a REQUEST frame."""
    return encode((number, _OPERATIONS[type(request)], request))


def decode_request(body: bytes) -> tuple[int, Request | FormError]:
    """(id, request) of a REQUEST frame; a request of the wrong form comes back as the error to answer with.

    Raises FormError if not even the id can be read: then the connection is useless.
    """
    number, operation, value = take_array(decode(body, max_bytes=REQUEST_BYTES), "request", 3)
    take_int(number, "request id")
    try:
        request: Request = _REQUESTS[take_int(operation, "operation", 1, len(_REQUESTS)) - 1][1](value)
    except FormError as error:
        return number, error
    return number, request


# ---- answers


def encode_answer(number: int, value: Any) -> bytes:
    """The body of an ANSWER or PART frame."""
    return encode((number, value))


def encode_fault(number: int, code: Code, message: str) -> bytes:
    """The body of a FAULT frame."""
    return encode((number, code.value, message))


def decode_answer(body: bytes) -> tuple[int, Any]:
    """(id, value) of an ANSWER or PART frame; the asker knows by its request how to parse the value."""
    number, value = take_array(decode(body, max_bytes=ANSWER_BYTES), "answer", 2)
    return take_int(number, "request id"), value


def decode_fault(body: bytes) -> tuple[int, Code, str]:
    """(id, code, message) of a FAULT frame."""
    number, code, message = take_array(decode(body, max_bytes=ANSWER_CAPS[FAULT]), "fault", 3)
    if type(message) is not str or code not in Code._value2member_map_:
        raise FormError(Code.MALFORMED, "expected a known code and a sentence in a fault")
    return take_int(number, "request id"), Code(code), message


def _item_receipt(value: Any) -> ItemReceipt:
    place, refusal, entry, outcomes = take_array(value, "receipt", 4)
    # Nearly every receipt is of this form; there are more of them than of anything else.
    is_usual = (
        type(place) is int and place >= 0 and refusal == "" and type(entry) is bytes and len(entry) == HASH_BYTES
        and type(outcomes) is tuple and len(outcomes) == 1 and type(outcomes[0]) is int and outcomes[0] >= 0
    )  # fmt: skip
    if is_usual:
        return ItemReceipt(place, "", entry, outcomes)
    return ItemReceipt(
        take_int(place, "place"),
        take_ascii(refusal, "refusal", 64, least=0),
        take_optional_bytes(entry, "entry", HASH_BYTES),
        tuple(take_int(code, "outcome code") for code in take_array(outcomes, "outcomes")),
    )


def parse_transaction_status(value: Any) -> TransactionStatus:
    """A TransactionStatus from its array."""
    transaction, state, code, message, height, time_ms, receipts = take_array(value, "transaction status", 7)
    if type(message) is not str:
        raise FormError(Code.MALFORMED, "message: expected text")
    return TransactionStatus(
        take_bytes(transaction, "transaction id", HASH_BYTES),
        State(take_int(state, "state", 0, max(State))),
        take_ascii(code, "code", 64, least=0),
        message,
        None if height is None else take_int(height, "height"),
        None if time_ms is None else take_int(time_ms, "time_ms"),
        _tuple_of(_item_receipt, receipts, "receipts", limits.ITEMS_PER_TRANSACTION),
    )


def parse_statuses(value: Any) -> tuple[TransactionStatus, ...]:
    """TransactionStatuses from an array of them."""
    return _tuple_of(parse_transaction_status, value, "statuses", limits.TRANSACTIONS_PER_BLOCK)


def parse_final_block(value: Any) -> FinalBlock:
    """A FinalBlock from its array."""
    header, outcome, certificate, transactions, receipts, batches = take_array(value, "block", 6)
    return FinalBlock(
        parse_header(header),
        parse_outcome(outcome),
        None if certificate is None else parse_certificate(certificate),
        _tuple_of(
            lambda data: take_bytes(data, "transaction"),
            transactions,
            "transactions",
            limits.TRANSACTIONS_PER_BLOCK,
        ),
        parse_statuses(receipts),
        _tuple_of(parse_batch_head, batches, "batches", limits.BATCHES_PER_BLOCK),
    )


def parse_answered_checkpoint(value: Any) -> Checkpoint:
    """A Checkpoint from its array."""
    return parse_checkpoint(value)


def parse_record_at(value: Any) -> RecordAt:
    """A RecordAt from its array."""
    record, height, time_ms = take_array(value, "record", 3)
    found = EMPTY if record is None else record_from_wire(take_array(record, "record", len(Record._fields)))
    return RecordAt(found, take_int(height, "height"), take_int(time_ms, "time_ms"))


def _history_row(value: Any) -> HistoryRow:
    position, link, entry, item = take_array(value, "history row", 4)
    return HistoryRow(
        take_int(position, "position", 1),
        link_from_wire(link),
        entry_from_wire(entry),
        None if item is None else take_bytes(item, "item"),
    )


def parse_history(value: Any) -> tuple[HistoryRow, ...]:
    """HistoryRows from an array of them."""
    return _tuple_of(_history_row, value, "history", HISTORY_ROWS)


def _stored_payload(value: Any) -> StoredPayload:
    event_hash, salt, context, event, readers = take_array(value, "payload", 5)
    return StoredPayload(
        take_bytes(event_hash, "event hash", HASH_BYTES),
        take_bytes(salt, "salt"),
        None if context is None else take_bytes(context, "context"),
        take_bytes(event, "event"),
        None
        if readers is None
        else tuple(take_ascii(name, "reader", 512) for name in take_array(readers, "readers")),
    )


def parse_payloads(value: Any) -> tuple[StoredPayload, ...]:
    """StoredPayloads from an array of them."""
    return _tuple_of(_stored_payload, value, "payloads", HASHES_PER_REQUEST)


def _told_erasure(value: Any) -> ToldErasure:
    event_hash, organisation, reason, erased, tombstone, time_ms, is_gone = take_array(value, "erasure", 7)
    return ToldErasure(
        take_bytes(event_hash, "event hash", HASH_BYTES),
        _text(organisation, "organisation"),
        take_int(reason, "reason"),
        take_int(erased, "erased"),
        take_int(tombstone, "tombstone"),
        take_int(time_ms, "time_ms"),
        take_bool(is_gone, "is gone"),
    )


def parse_erasures(value: Any) -> tuple[ToldErasure, ...]:
    """ToldErasures from an array of them."""
    return _tuple_of(_told_erasure, value, "erasures", ERASURES)


def parse_bytes(value: Any) -> bytes:
    """An answer that is a byte string."""
    return take_bytes(value, "answer")


def _text(value: Any, field: str) -> str:
    if type(value) is not str:
        raise FormError(Code.MALFORMED, f"{field}: expected text")
    return value


def _peer(value: Any) -> PeerStatus:
    organisation, address, is_connected = take_array(value, "peer", 3)
    return PeerStatus(
        _text(organisation, "peer"), _text(address, "address"), take_bool(is_connected, "connected")
    )


def parse_sentences(value: Any) -> tuple[str, ...]:
    """An answer in sentences."""
    return _tuple_of(lambda text: _text(text, "sentence"), value, "sentences", 2 * limits.PEERS_MAX + 2)


def parse_status(value: Any) -> NodeStatus:
    """A NodeStatus from its array."""
    fields = take_array(value, "status", len(NodeStatus._fields))
    for place in _STATUS_NUMBERS:
        take_int(fields[place], NodeStatus._fields[place])
    for place in _STATUS_TEXTS:
        _text(fields[place], NodeStatus._fields[place])
    status = NodeStatus(*fields)
    take_bool(status.is_validator, "is_validator")
    take_int(status.protocol, "protocol")
    take_bytes(status.network, "network", HASH_BYTES)
    return status._replace(
        peers=_tuple_of(_peer, status.peers, "peers", limits.PEERS_MAX),
        warnings=_tuple_of(lambda text: _text(text, "warning"), status.warnings, "warnings", 100),
    )


def record_at_wire(found: RecordAt) -> tuple[Any, ...]:
    """What stands for a RecordAt on the wire: nil for an empty record."""
    return (None if found.record == EMPTY else found.record, found.height, found.time_ms)
