"""Messages between validators, and the records of the vote log: the same bytes (CONSENSUS 5-9, 22, 23; WIRE_CONSENSUS §6).

A message is `[kind, ...]` in canonical msgpack. Votes, proposals and certificates are logged exactly as they are sent, so
a restarted validator re-sends what it said and never says it anew. Parsing checks form and caps; nothing is verified.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from ledger.base.encoding import decode, encode, take_array, take_bytes, take_int
from ledger.base.errors import Code, FormError
from ledger.base.hashing import HASH_BYTES
from ledger.base.limits import (
    BATCHES_PER_ANNOUNCEMENT,
    BATCHES_PER_FETCH,
    BLOCKS_PER_FETCH,
    BLOCKS_PER_RANGE,
    CERTIFICATES_PER_FETCH,
    CONSENSUS_MESSAGE_BYTES,
)
from ledger.chain.block import COUNTER_MAX, Block, parse_block
from ledger.chain.certificate import Certificate, parse_certificate
from ledger.chain.votes import Kind, Proposal, Vote, parse_proposal, parse_vote


class Announcement(NamedTuple):
    """Digests of batches that the sender holds and nobody ordered yet (CONSENSUS 15)."""

    digests: tuple[bytes, ...]


class Position(NamedTuple):
    """Where the sender stands (CONSENSUS 22)."""

    epoch: int
    view: int
    final_view: int
    final_height: int


class FetchBatches(NamedTuple):
    """Asks for batches by digest."""

    digests: tuple[bytes, ...]


class FetchBlocks(NamedTuple):
    """Asks for blocks by hash."""

    hashes: tuple[bytes, ...]


class FetchCertificates(NamedTuple):
    """Asks for certificates of one epoch by (kind, view): a view can be both notarised and nullified."""

    epoch: int
    wanted: tuple[tuple[Kind, int], ...]


class FetchRange(NamedTuple):
    """Asks for committed blocks from a height on."""

    from_height: int


class Blocks(NamedTuple):
    """Answers FetchBlocks."""

    blocks: tuple[Block, ...]


class Range(NamedTuple):
    """Answers FetchRange: consecutive blocks, each with its own finalisation if it has one; the last one has."""

    blocks: tuple[tuple[Block, Certificate | None], ...]


Message = (
    Proposal
    | Vote
    | Certificate
    | Announcement
    | Position
    | FetchBatches
    | FetchBlocks
    | FetchCertificates
    | FetchRange
    | Blocks
    | Range
)
Request = FetchBatches | FetchBlocks | FetchRange
Record = Proposal | Vote | Certificate | Blocks
"""What the vote log holds."""

_KINDS: Final[tuple[type[Message], ...]] = (
    Proposal,
    Vote,
    Certificate,
    Announcement,
    Position,
    FetchBatches,
    FetchBlocks,
    FetchCertificates,
    FetchRange,
    Blocks,
    Range,
)
_KIND_OF: Final = {message_type: kind for kind, message_type in enumerate(_KINDS, 1)}


def encode_message(message: Message) -> bytes:
    """The canonical bytes `[kind, message]`."""
    return encode((_KIND_OF[type(message)], message))


def decode_message(data: bytes) -> Message:
    """The message that `data` is; FormError for anything but canonical bytes of a known kind within its caps."""
    kind, value = take_array(decode(data, max_bytes=CONSENSUS_MESSAGE_BYTES), "message", 2)
    parse = _PARSERS[take_int(kind, "message kind", 1, len(_KINDS)) - 1]
    return parse(value)


def decode_record(data: bytes) -> Record:
    """A record of the vote log; FormError also for messages that are never logged."""
    message = decode_message(data)
    if isinstance(message, Proposal | Vote | Certificate | Blocks):
        return message
    raise FormError(Code.MALFORMED, f"expected a record of the vote log, got a {type(message).__name__}")


def _hashes(value: Any, field: str, most: int) -> tuple[bytes, ...]:
    (members,) = take_array(value, field, 1)
    for member in take_array(members, field, most=most):
        take_bytes(member, field, HASH_BYTES)
    return take_array(members, field)


def _parse_position(value: Any) -> Position:
    fields = take_array(value, "position", 4)
    return Position(*(take_int(field, "position", 0, COUNTER_MAX) for field in fields))


def _parse_fetch_certificates(value: Any) -> FetchCertificates:
    epoch, wanted_value = take_array(value, "certificates wanted", 2)
    wanted = []
    for pair in take_array(wanted_value, "certificates wanted", most=CERTIFICATES_PER_FETCH):
        kind, view = take_array(pair, "certificate wanted", 2)
        wanted.append(
            (
                Kind(take_int(kind, "certificate kind", Kind.NOTARISE, Kind.FINALISE)),
                take_int(view, "certificate view", 1, COUNTER_MAX),
            )
        )
    return FetchCertificates(take_int(epoch, "certificates epoch", 0, COUNTER_MAX), tuple(wanted))


def _parse_fetch_range(value: Any) -> FetchRange:
    (from_height,) = take_array(value, "range wanted", 1)
    return FetchRange(take_int(from_height, "range height", 0, COUNTER_MAX))


def _parse_blocks(value: Any) -> Blocks:
    (blocks,) = take_array(value, "blocks", 1)
    return Blocks(tuple(parse_block(block) for block in take_array(blocks, "blocks", most=BLOCKS_PER_FETCH)))


def _parse_range(value: Any) -> Range:
    (members,) = take_array(value, "range", 1)
    parsed = []
    for member in take_array(members, "range", most=BLOCKS_PER_RANGE):
        block, certificate = take_array(member, "range block", 2)
        parsed.append((parse_block(block), None if certificate is None else parse_certificate(certificate)))
    return Range(tuple(parsed))


_PARSERS: Final[tuple[Callable[[Any], Message], ...]] = (
    parse_proposal,
    parse_vote,
    parse_certificate,
    lambda value: Announcement(_hashes(value, "announcement", BATCHES_PER_ANNOUNCEMENT)),
    _parse_position,
    lambda value: FetchBatches(_hashes(value, "batches wanted", BATCHES_PER_FETCH)),
    lambda value: FetchBlocks(_hashes(value, "blocks wanted", BLOCKS_PER_FETCH)),
    _parse_fetch_certificates,
    _parse_fetch_range,
    _parse_blocks,
    _parse_range,
)
