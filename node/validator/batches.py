"""What travels between validators beside the votes: batches of transactions (CONSENSUS 5; WIRE_TRANSPORT.md).

    frame = [batch bytes, [context, ...], [[salt, context index | nil, event], ...]]

The frame carries, beside the batch (`ledger.chain.batch`), the bytes of its open items; they are not part of the digest, since they can be erased
later. A batch is *whole* when every transaction is well formed and signed, and for every open item there are bytes with
exactly its event hash and context hash. All of this depends on bytes alone, never on state, so every validator judges alike; but
that bytes which were erased are asked of nobody, nor any of a block that is final (PROTOCOL.md §7.5).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from ledger.base import limits
from ledger.base.encoding import decode, encode, take_array, take_bytes, take_int
from ledger.base.errors import Code, FormError
from ledger.base.hashing import HASH_BYTES
from ledger.chain.batch import Batch, batch_from_bytes
from ledger.chain.transaction import Kind, Transaction, context_hash, event_hash
from ledger.trade.statement import Openness, Statement
from node.storage.payload_store import SALT_BYTES_MAX, Payload

_new: Final[Any] = tuple.__new__  # half the price of a call of the class, for what every event has
_OPENNESS: Final = Statement._fields.index("openness")
_STATEMENT_FIELDS: Final = len(Statement._fields)


class OpenEvent(NamedTuple):
    """The bytes of one open item, with the hashes they give."""

    payload: Payload
    context: bytes | None


# ---- the bytes of open items


def open_items(transaction: Transaction) -> Iterator[tuple[bytes, bytes | None]]:
    """(event hash, context hash | nil) of every item that says it is open, judged on its raw shape alone."""
    if transaction.header.kind != Kind.EVENTS:
        return
    for item in transaction.items:
        statement, _, _, event, context, _ = item
        if (
            type(statement) is tuple
            and len(statement) == _STATEMENT_FIELDS
            and statement[_OPENNESS] == Openness.OPEN
            and type(statement[_OPENNESS]) is int
            and type(event) is bytes
            and len(event) == HASH_BYTES
        ):
            yield event, context


def check_open_bytes(
    transactions: Iterable[Transaction],
    events: Mapping[bytes, OpenEvent],
    may_lack: Callable[[bytes], bool] = lambda _event: False,
) -> tuple[OpenEvent, ...]:
    """The bytes of all open items, in order, each once; FormError if one is under another context, or lacks and may not."""
    needed: dict[bytes, OpenEvent] = {}
    for transaction in transactions:
        for event, context in open_items(transaction):
            found = events.get(event)
            if found is None:
                if may_lack(event):
                    continue
                raise FormError(
                    Code.MALFORMED, f"expected the bytes of open event {event.hex()}, they did not come"
                )
            if found.payload.context_hash != context:
                raise FormError(
                    Code.MALFORMED,
                    f"expected the bytes of open event {event.hex()} under the context that its item names",
                )
            needed[event] = found
    return tuple(needed.values())


def open_event(
    network: bytes,
    salt: bytes,
    context: bytes | None,
    event: bytes,
    readers: tuple[str, ...] | None = None,
) -> OpenEvent:
    """The hashes that an event's bytes give."""
    hashed = event_hash(network, salt, context, event)
    under = None if context is None else context_hash(network, context)
    found: OpenEvent = _new(OpenEvent, (_new(Payload, (hashed, salt, event, under, readers)), context))
    return found


def event_shown(network: bytes, value: Any) -> OpenEvent:
    """The bytes that a peer shows as `[salt, context | nil, event]`, with the hashes they give; FormError."""
    salt, context, event = take_array(value, "payload", 3)
    return open_event(
        network,
        take_bytes(salt, "salt", most=SALT_BYTES_MAX),
        None if context is None else take_bytes(context, "context", most=limits.CONTEXT_BYTES),
        take_bytes(event, "event", most=limits.EVENT_BYTES),
    )


# ---- frames


def encode_frame(data: bytes, events: Iterable[OpenEvent]) -> bytes:
    """The frame that carries a batch and the bytes of its open items."""
    contexts: dict[bytes, int] = {}
    shown = []
    for payload, context in events:
        place = None if context is None else contexts.setdefault(context, len(contexts))
        shown.append((payload.salt, place, payload.event))
    return encode((data, tuple(contexts), shown))


def open_frame(body: bytes) -> tuple[bytes, Any, Any]:
    """(batch bytes, contexts, events) of a frame whose outer shape holds; FormError."""
    data, contexts, events = take_array(decode(body, max_bytes=limits.FRAME_BYTES), "batch frame", 3)
    return take_bytes(data, "batch", most=limits.BLOCK_BYTES), contexts, events


def events_of_frame(network: bytes, contexts_value: Any, events_value: Any) -> dict[bytes, OpenEvent]:
    """The bytes that a frame carries, by the event hash they give; FormError."""
    contexts = take_array(contexts_value, "contexts", most=limits.SUBJECTS_PER_BLOCK)
    for context in contexts:
        take_bytes(context, "context", most=limits.CONTEXT_BYTES)
    events: dict[bytes, OpenEvent] = {}
    for value in take_array(events_value, "events", most=limits.SUBJECTS_PER_BLOCK):
        salt, place, event = take_array(value, "event", 3)
        if place is not None:
            take_int(place, "context index", 0, len(contexts) - 1)
        found = open_event(
            network,
            take_bytes(salt, "salt", most=SALT_BYTES_MAX),
            None if place is None else contexts[place],
            take_bytes(event, "event", most=limits.EVENT_BYTES),
        )
        events[found.payload.event_hash] = found
    return events


def check_frame(body: bytes, network: bytes) -> tuple[Batch, tuple[OpenEvent, ...]]:
    """A batch and the bytes of its open items from a frame, checked to be whole; FormError or SignatureError."""
    data, contexts, events = open_frame(body)
    batch = batch_from_bytes(data, network)
    return batch, check_open_bytes(batch.transactions, events_of_frame(network, contexts, events))
