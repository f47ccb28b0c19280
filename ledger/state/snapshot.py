"""What proves a snapshot: the state after one checkpoint, in parts, each checked by itself (PROTOCOL.md §9).

    manifest   checkpoint, closings from genesis, hashes of a level of the state tree, hashes of a level of the event log
               and its right edge, number of windows (a hint: who fetches goes on until the last hour is whole)
    state      the records below one node of that level            proven by that node's hash
    registry   every entry                                         proven by the registry root
    window     blocks of the last hour, newest first, with the     proven by hash links from the checkpoint and by
               headers of their transactions                       the transactions roots

Both levels are proven by the roots in the checkpoint's outcome, and the checkpoint by its certificate. Where the tree and
the log are cut follows from the length of the log, and where the last hour is from its blocks, so that honest validators cut one checkpoint alike and its parts can be
taken from several. Nothing else is needed to go on executing: the ids that must not be executed again are a function of
the last hour's transactions, and the batches that must not be ordered again stand in the last blocks. (A mismatch reads an
older item by its place in the event log; a node that has not got it yet waits for it, `ledger.state.backfill`.)

Invariant: every function here either raises ProofError or returns what the quorum's state holds, wholly.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from ledger.base import limits, merkle
from ledger.base.buckets import range_root, root_of_level
from ledger.base.encoding import decode, encode, take_array, take_bytes, take_int
from ledger.base.errors import Code, CustodyError, FormError, ProofError
from ledger.base.hashing import HASH_BYTES, Tag, tagged_hash
from ledger.base.merkle import LogFrontier
from ledger.chain.block import Block, Header, Outcome, parse_block, parse_outcome, transactions_root
from ledger.chain.certificate import Checkpoint, check_checkpoint, parse_checkpoint
from ledger.chain.closing import Closing, check_closings, parse_closing
from ledger.chain.epoch import EpochChange, parse_change, sets_of
from ledger.chain.genesis import Genesis
from ledger.chain.transaction import Header as TransactionHeader
from ledger.chain.transaction import header_from_wire
from ledger.chain.validators import ValidatorSet
from ledger.members.members import Members, entry_from_wire
from ledger.members.registry import Registry
from ledger.state.block import check_standing

VERSION: Final = 1
_REGISTRY_ENTRIES: Final = 10_000_000
_PART_RECORDS: Final = 1 << 24
_CLOSINGS: Final = 100_000


class Manifest(NamedTuple):
    """What a snapshot says of itself; every member but the last is proven by the checkpoint."""

    checkpoint: Checkpoint
    closings: tuple[Closing, ...]
    """Of every epoch before the checkpoint's."""
    state: tuple[bytes, ...]
    """The nodes of one level of the state tree: one state part below each."""
    log: tuple[bytes, ...]
    """The nodes of one level of the event log: one part of the history below each."""
    peaks: tuple[bytes, ...]
    """The right edge of the event log, to append to."""
    windows: int

    @property
    def height(self) -> int:
        """The height of the checkpoint."""
        return self.checkpoint.header.height

    def to_bytes(self) -> bytes:
        """The canonical encoding."""
        return encode((VERSION, *self))


class WindowBlock(NamedTuple):
    """A block of the last hour: `transactions` are the headers in order, or None where all have expired."""

    block: Block
    outcome: Outcome
    transactions: tuple[TransactionHeader, ...] | None


class Anchor(NamedTuple):
    """The block that the next window must begin with: height, header hash, outcome hash."""

    height: int
    header: bytes
    outcome: bytes


# ---- how a snapshot is cut


def state_level(log_size: int, depth: int) -> int:
    """The level of the state tree whose nodes a snapshot is cut at."""
    level = 0
    while (
        limits.SNAPSHOT_RECORDS_PER_PART << 2 * level < log_size
        and level < limits.SNAPSHOT_STATE_LEVEL
        and 2 * level < depth
    ):
        level += 1
    return level


def log_bits(log_size: int) -> int:
    """A part of the history has 2^bits entries."""
    bits = limits.SNAPSHOT_LOG_BITS
    while log_size > limits.SNAPSHOT_LOG_PARTS << bits:
        bits += 1
    return bits


def log_part(log_size: int, index: int) -> range:
    """The sequences of the entries in one part of the history."""
    bits = log_bits(log_size)
    return range(index << bits, min(log_size, (index + 1) << bits))


# ---- the manifest


def parse_manifest(data: bytes) -> Manifest:
    """A manifest; FormError. Nothing is verified here."""
    value = decode(data, max_bytes=limits.SNAPSHOT_PART_BYTES)
    version, checkpoint, closings, state, log, peaks, windows = take_array(value, "manifest", 7)
    if take_int(version, "manifest version") != VERSION:
        raise FormError(Code.UNSUPPORTED_VERSION, f"expected snapshot version {VERSION}, got {version}")
    return Manifest(
        parse_checkpoint(checkpoint),
        tuple(parse_closing(closing) for closing in take_array(closings, "closings", most=_CLOSINGS)),
        _hashes(state, "state nodes", 1 << 2 * limits.SNAPSHOT_STATE_LEVEL),
        _hashes(log, "log nodes", limits.SNAPSHOT_LOG_PARTS),
        _hashes(peaks, "peaks", 64),
        take_int(windows, "windows", 1, limits.SNAPSHOT_WINDOW_PARTS),
    )


def _hashes(value: Any, field: str, most: int) -> tuple[bytes, ...]:
    return tuple(take_bytes(member, field, HASH_BYTES) for member in take_array(value, field, most=most))


def check_manifest(manifest: Manifest, depth: int, first: ValidatorSet) -> tuple[ValidatorSet, ...]:
    """The validator sets of all epochs up to the checkpoint's; `first` is that of genesis.

    Raises ProofError unless a quorum certified the checkpoint and its roots are those of the nodes shown.
    """
    header, outcome, _ = manifest.checkpoint
    if len(manifest.closings) != header.epoch:
        raise _refused("closings", f"one of each of the {header.epoch} epochs before")
    sets = check_closings(first, manifest.closings)
    check_checkpoint(sets[-1], manifest.checkpoint)
    size = outcome.event_log_size
    if len(manifest.state) != 1 << 2 * state_level(size, depth):
        raise _refused("state nodes", "as many as the length of the log asks for")
    if root_of_level(first.network, manifest.state) != outcome.state_root:
        raise _refused("state nodes", "those under the certified state root")
    if len(manifest.log) != log_parts(size):
        raise _refused("log nodes", "as many as the length of the log asks for")
    if merkle.root_of_nodes(manifest.log) != outcome.event_log_root:
        raise _refused("log nodes", "those under the certified event log root")
    if LogFrontier(size, manifest.peaks).root() != outcome.event_log_root:
        raise _refused("peaks", "the right edge of the certified event log")
    return sets


def log_parts(log_size: int) -> int:
    """How many parts the history is cut into."""
    bits = log_bits(log_size)
    return (log_size + (1 << bits) - 1) >> bits


def _refused(what: str, expected: str) -> ProofError:
    return ProofError(Code.NOT_PROVEN, f"{what}: expected {expected}, got others")


# ---- the records


def state_part(records: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The part that holds these (state key, encoded record) pairs, in order of key."""
    return encode(tuple(records))


def state_node(
    network: bytes, depth: int, level: int, index: int, records: Sequence[tuple[bytes, bytes]]
) -> bytes:
    """The hash of the node of the state tree above these records; ProofError if they do not belong there."""
    hashed = [(key, tagged_hash(Tag.RECORD, network, data)) for key, data in records]
    return range_root(network, depth, level, index, hashed)


def check_state_part(
    network: bytes, depth: int, manifest: Manifest, index: int, data: bytes
) -> tuple[tuple[bytes, bytes], ...]:
    """The (state key, encoded record) pairs of one part; ProofError unless they are all there is below its node."""
    with _Form(f"state part {index}"):
        value = take_array(decode(data, max_bytes=limits.SNAPSHOT_PART_BYTES), "records", most=_PART_RECORDS)
        records = []
        for pair in value:
            key, record = take_array(pair, "record", 2)
            records.append((take_bytes(key, "state key", HASH_BYTES), take_bytes(record, "record")))
    level = (len(manifest.state).bit_length() - 1) // 2
    if state_node(network, depth, level, index, records) != manifest.state[index]:
        raise _refused(f"state part {index}", "the records below its node of the state tree")
    return tuple(records)


# ---- the registry


Changes = tuple[tuple[int, EpochChange], ...]
"""(height of its block, change) of every epoch before the checkpoint's."""


def registry_part(registry: Registry, changes: Changes = ()) -> bytes:
    """The part that holds every entry, and the changes of epochs that led to it from that of genesis."""
    return encode((tuple(registry.entries), changes))


def check_registry_part(genesis: Genesis, manifest: Manifest, data: bytes) -> tuple[Registry, Changes]:
    """The registry at the checkpoint, and the changes of epochs; ProofError."""
    network = genesis.network
    with _Form("registry"):
        entries_value, changes_value = take_array(
            decode(data, max_bytes=limits.SNAPSHOT_PART_BYTES), "registry part", 2
        )
        entries = [
            entry_from_wire(entry) for entry in take_array(entries_value, "registry", most=_REGISTRY_ENTRIES)
        ]
        registry = Registry(network, entries)
        changes = []
        begun = _begun(registry)
        for closing, value in zip(
            manifest.closings, take_array(changes_value, "changes", len(manifest.closings)), strict=True
        ):
            height, change_value = take_array(value, "change", 2)
            change = parse_change(change_value)
            members = change.next_validators(network).members
            if height != closing.checkpoint.header.height or members != closing.members:
                raise _refused("registry", "the change that closed each epoch")
            if not _is_written(registry, begun, change, height):
                raise _refused("registry", "the seats and parameters that the change of each epoch set")
            changes.append((height, change))
    if registry.root != manifest.checkpoint.outcome.registry_root:
        raise _refused("registry", "the entries under the certified registry root")
    if registry_part(registry, tuple(changes)) != data:
        raise _refused("registry", "its entries in order")
    return registry, tuple(changes)


def _begun(registry: Registry) -> dict[int, set[tuple[int, str]]]:
    """By height, which entries got a new period from it on."""
    begun: dict[int, set[tuple[int, str]]] = {}
    for entry in registry.entries:
        for period in entry.periods:
            begun.setdefault(period.since, set()).add((entry.kind, entry.name))
    return begun


def _is_written(
    registry: Registry, begun: dict[int, set[tuple[int, str]]], change: EpochChange, height: int
) -> bool:
    """Whether the registry holds from `height` + 1 exactly what this change set, which was alone in its block."""
    written = sets_of(change)
    found = {(kind, name): registry.exact(kind, name) for kind, name, _ in written}
    held = all(
        (entry := found[kind, name]) is not None and entry.at(height + 1) == data
        for kind, name, data in written
    )
    return held and begun.get(height + 1, set()) <= found.keys()


# ---- the last hour


def first_anchor(manifest: Manifest) -> Anchor:
    """What the first window must begin with: the checkpoint's own block."""
    header, outcome, _ = manifest.checkpoint
    return Anchor(header.height, header.hash, outcome.hash_in(header.network))


def window_part(blocks: Iterable[WindowBlock]) -> bytes:
    """The part that holds these blocks, newest first."""
    return encode(tuple(blocks))


def check_window_part(
    manifest: Manifest, anchor: Anchor, data: bytes
) -> tuple[tuple[WindowBlock, ...], Anchor]:
    """The blocks of one window, newest first, and what the next one begins with; ProofError."""
    with _Form(f"window from block {anchor.height} down"):
        value = take_array(decode(data, max_bytes=limits.SNAPSHOT_PART_BYTES), "window")
        blocks = [_window_block(member) for member in value]
    if not blocks:
        raise _refused("window", "at least one block")
    network, now_ms = manifest.checkpoint.header.network, manifest.checkpoint.header.time_ms
    for block, outcome, transactions in blocks:
        header = block.header
        if Anchor(header.height, header.hash, outcome.hash_in(network)) != anchor:
            raise _refused(
                "window", f"block {anchor.height} with its outcome, as the one above it names them"
            )
        if outcome.header_hash != header.hash:
            raise _refused("window", f"the outcome of block {header.height}")
        if transactions is None:
            if may_matter(header, now_ms):
                raise _refused(
                    "window", f"the transactions of block {header.height}, which may not have expired"
                )
        elif transactions_root([signed.id() for signed in transactions]) != header.transactions_root:
            raise _refused("window", f"the transactions under the root of block {header.height}")
        anchor = Anchor(header.height - 1, header.parent, outcome.parent_outcome_hash)
    return tuple(blocks), anchor


def _window_block(value: Any) -> WindowBlock:
    block, outcome, transactions = take_array(value, "window block", 3)
    headers = None
    if transactions is not None:
        members = take_array(transactions, "transactions", most=limits.TRANSACTIONS_PER_BLOCK)
        headers = tuple(header_from_wire(member) for member in members)
    return WindowBlock(parse_block(block), parse_outcome(outcome), headers)


def may_matter(header: Header, now_ms: int) -> bool:
    """Whether a transaction executed in this block may be unexpired."""
    return header.time_ms + limits.EXPIRY_AHEAD_MS > now_ms


def is_window_whole(last: Header, checkpoint: Header) -> bool:
    """Whether blocks from the checkpoint down to `last` are all that execution may ask for."""
    is_long = checkpoint.height - last.height >= limits.BATCH_WINDOW_BLOCKS - 1
    return last.height <= 1 or (is_long and not may_matter(last, checkpoint.time_ms))


def window_size(block: WindowBlock) -> int:
    """What a block counts for where the window is cut: a part ends with the block that reaches the limit."""
    return 500 + len(encode(block.transactions))


def check_window_cut(blocks: Sequence[WindowBlock], checkpoint: Header) -> bool:
    """Whether these blocks of a part are the last of the window. ProofError unless they are cut as every honest node does.

    Otherwise one peer could cut so that the parts of all others do not fit to its own.
    """
    for block, _, transactions in blocks:
        if transactions is not None and not may_matter(block.header, checkpoint.time_ms):
            raise _refused("window", f"no transactions of block {block.header.height}, which have expired")
    sizes = [window_size(block) for block in blocks]
    is_full = sum(sizes) >= limits.SNAPSHOT_WINDOW_BYTES
    ends = [is_window_whole(block.block.header, checkpoint) for block in blocks]
    if any(ends[:-1]) or sum(sizes[:-1]) >= limits.SNAPSHOT_WINDOW_BYTES or not (is_full or ends[-1]):
        raise _refused("window", "a part cut where it reaches its size, or at the end of the last hour")
    return ends[-1]


def check_window_whole(last: Header, manifest: Manifest) -> None:
    """Raise ProofError unless the windows, which end with block `last`, are whole."""
    if not is_window_whole(last, manifest.checkpoint.header):
        raise _refused("window", "the blocks of the last hour")


def remembered_ids(
    blocks: Iterable[WindowBlock], registry: Registry, sets: Sequence[ValidatorSet], now_ms: int
) -> Iterator[tuple[bytes, int]]:
    """(id, expiry_ms) of every transaction of a whole window that was executed and has not expired at `now_ms`.

    `sets` are the validators by epoch.

    One that was refused as a whole may come again and is not remembered. Whether it was, its header and the registry of
    that height tell; repetition does not matter, since what repeats was executed before it.
    """
    for block, _, transactions in blocks:
        members = Members(registry, block.header.height)
        for signed in transactions or ():
            if signed.expiry_ms <= now_ms:
                continue
            try:
                check_standing(members, signed, block.header, sets[block.header.epoch])
            except CustodyError:
                continue
            yield signed.id(), signed.expiry_ms


class _Form:
    """Turns whatever is wrong with a part's form into the ProofError that names the part."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, ProofError) or error is None:
            return
        if isinstance(error, CustodyError):
            raise ProofError(Code.NOT_PROVEN, f"{self._what}: {error.message}") from None
