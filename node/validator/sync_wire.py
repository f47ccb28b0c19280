"""What a node asks others for when it has no past of its own, and what they answer (WIRE_TRANSPORT.md §6).

    ask     [number, kind, arguments]        one frame, number >= 1
    answer  [number, value | nil]            one frame; nil: it is not here. Number 0, unasked: an offer, to one who asked for
                                             blocks whose bodies are pruned

Parsing checks form and caps only; what proves an answer is `ledger.state.snapshot` and `ledger.state.backfill`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from ledger.base import limits
from ledger.base.encoding import decode, encode, take_array, take_bool, take_bytes, take_int
from ledger.base.errors import Code, FormError
from ledger.base.hashing import HASH_BYTES
from ledger.chain.block import COUNTER_MAX
from node.storage.snapshots import KEPT, Part, PartKind

ANSWER_BYTES: Final = 1_000_000
"""About how much is put into one answer; a single item may be larger."""
ENTRIES_PER_ASK: Final = 1 << 20
LINKS_WANTED: Final = 256
_POSITION_MAX: Final = (1 << 40) - 1
_INDEX_MAX: Final = 1 << 32


class AskOffer(NamedTuple):
    """How far are you, and what do you have?"""


class AskPart(NamedTuple):
    """A slice of one part of a snapshot."""

    height: int
    part: Part
    offset: int


class AskEntries(NamedTuple):
    """Entries of the event log, by sequence."""

    first: int
    end: int


class AskItems(NamedTuple):
    """What stands behind entries; answered with as many as fit, one at least."""

    first: int
    end: int


class AskVersions(NamedTuple):
    """Former records by hash; answered with as many as fit, one at least."""

    hashes: tuple[bytes, ...]


class WantedLinks(NamedTuple):
    """Positions first .. last of each chain of one record; none where last < first."""

    key: bytes
    links: tuple[int, int]
    asides: tuple[int, int]
    moves: tuple[int, int]
    has_legs: bool


class AskLinks(NamedTuple):
    """Links of several records; answered in order with as many as fit, the last one perhaps in part."""

    wanted: tuple[WantedLinks, ...]


Ask = AskOffer | AskPart | AskEntries | AskItems | AskVersions | AskLinks


class Offer(NamedTuple):
    """Where a peer stands and what it can give."""

    height: int
    """Its last final block."""
    snapshots: tuple[int, ...]
    """Heights of its snapshots."""
    first_body: int
    """The lowest block that it has wholly."""
    has_history: bool
    """Whether it has the whole past of every subject."""


# ---- asks


def encode_ask(number: int, ask: Ask) -> bytes:
    """The frame of a question."""
    return encode((number, _KINDS.index(type(ask)), ask))


def decode_ask(data: bytes) -> tuple[int, Ask]:
    """(number, question); FormError."""
    number, kind, value = take_array(decode(data, max_bytes=limits.SYNC_REQUEST_BYTES), "ask", 3)
    parse = _PARSERS[take_int(kind, "ask kind", 0, len(_PARSERS) - 1)]
    return take_int(number, "ask number", 1, COUNTER_MAX), parse(value)


def _parse_part(value: Any) -> AskPart:
    height, part, offset = take_array(value, "part asked", 3)
    kind, number = take_array(part, "part", 2)
    return AskPart(
        take_int(height, "height", 0, COUNTER_MAX),
        Part(
            PartKind(take_int(kind, "part kind", 0, PartKind.WINDOW)), take_int(number, "part", 0, _INDEX_MAX)
        ),
        take_int(offset, "offset", 0, limits.SNAPSHOT_PART_BYTES),
    )


def _span(value: Any) -> tuple[int, int]:
    first, end = take_array(value, "span", 2)
    take_int(first, "first", 0, COUNTER_MAX)
    return first, take_int(end, "end", first + 1, first + ENTRIES_PER_ASK)


def _parse_versions(value: Any) -> AskVersions:
    (hashes,) = take_array(value, "versions", 1)
    members = take_array(hashes, "versions", most=limits.VERSIONS_PER_FETCH)
    return AskVersions(tuple(take_bytes(member, "version", HASH_BYTES) for member in members))


def _parse_links(value: Any) -> AskLinks:
    (members,) = take_array(value, "links wanted", 1)
    wanted = []
    for member in take_array(members, "links wanted", most=LINKS_WANTED):
        key, links, asides, moves, has_legs = take_array(member, "links wanted", 5)
        wanted.append(
            WantedLinks(
                take_bytes(key, "state key", HASH_BYTES),
                _range(links),
                _range(asides),
                _range(moves),
                take_bool(has_legs, "has legs"),
            )
        )
    return AskLinks(tuple(wanted))


def _range(value: Any) -> tuple[int, int]:
    first, last = take_array(value, "positions", 2)
    return take_int(first, "first", 0, _POSITION_MAX), take_int(last, "last", 0, _POSITION_MAX)


def _parse_offer(value: Any) -> AskOffer:
    take_array(value, "offer asked", 0)
    return AskOffer()


_KINDS: Final[tuple[type[Ask], ...]] = (AskOffer, AskPart, AskEntries, AskItems, AskVersions, AskLinks)
_PARSERS: Final[tuple[Callable[[Any], Ask], ...]] = (
    _parse_offer,
    _parse_part,
    lambda value: AskEntries(*_span(value)),
    lambda value: AskItems(*_span(value)),
    _parse_versions,
    _parse_links,
)

# ---- answers


def encode_answer(number: int, value: Any) -> bytes:
    """The frame of an answer; None: it is not here."""
    return encode((number, value))


def decode_answer(data: bytes) -> tuple[int, Any]:
    """(number, value as decoded arrays); FormError."""
    number, value = take_array(decode(data, max_bytes=limits.FRAME_BYTES), "answer", 2)
    return take_int(number, "answer number", 0, COUNTER_MAX), value


def offer_from_wire(value: Any) -> Offer:
    """An offer; FormError."""
    height, snapshots, first_body, has_history = take_array(value, "offer", 4)
    return Offer(
        take_int(height, "height", 0, COUNTER_MAX),
        tuple(
            take_int(one, "snapshot", 0, COUNTER_MAX)
            for one in take_array(snapshots, "snapshots", most=KEPT + 1)
        ),
        take_int(first_body, "first body", 0, COUNTER_MAX),
        take_bool(has_history, "has history"),
    )


def slice_from_wire(value: Any) -> tuple[int, bytes]:
    """(bytes of the whole part, a slice of it); FormError."""
    total, data = take_array(value, "slice", 2)
    if not take_bytes(data, "slice", most=limits.SNAPSHOT_SLICE_BYTES):
        raise FormError(Code.MALFORMED, "slice: expected at least one byte, got none")
    return take_int(total, "part size", 1, limits.SNAPSHOT_PART_BYTES), data
