"""The buckets of the state tree where the node keeps them: in the table of records (STORAGE.md §7).

A bucket's entries are the keys that begin with its number, and the hashes of their records; nothing is kept twice. Beside
them, in `buckets`, stand the hashes of all buckets that have entries: with these a start has the tree (`tree_of`), and
every bucket is compared with its hash when it is read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from itertools import groupby

from ledger.base.bucket import EMPTY, Bucket
from ledger.base.buckets import BucketTree, bucket_hash, bucket_of
from ledger.base.errors import Code, StorageError
from ledger.base.hashing import HASH_BYTES, Tag
from node.storage.state_store import Table

_KEY_BYTES = 4
_sha256 = hashlib.sha256


def bucket_key(index: int) -> bytes:
    """Where the hash of a bucket stands."""
    return index.to_bytes(_KEY_BYTES, "big")


def bucket_rows(
    network: bytes, depth: int, records: Iterable[tuple[bytes, bytes]]
) -> Iterator[tuple[bytes, bytes]]:
    """The rows of `buckets` for whole buckets of these (state key, record), ascending by key."""
    for index, members in groupby(records, key=lambda pair: bucket_of(pair[0], depth)):
        bucket = Bucket.of(_entries(network, members))
        yield bucket_key(index), bucket_hash(network, bucket.size, bucket.root)


def _entries(network: bytes, records: Iterable[tuple[bytes, bytes]]) -> Iterator[tuple[bytes, bytes]]:
    """The (state key, record hash) pairs of records."""
    prefix = Tag.RECORD + network
    for key, data in records:
        yield key, _sha256(prefix + data).digest()


class RecordEntries:
    """Entries of buckets, read from the records."""

    def __init__(self, network: bytes, depth: int, records: Table) -> None:
        self._network = network
        self._depth = depth
        self._records = records

    def read(self, index: int) -> Iterator[tuple[bytes, bytes]]:
        """The (state key, record hash) pairs of a bucket, ascending, after the block executed last."""
        return _entries(self._network, self._records.group(self._depth, index))


def tree_of(network: bytes, depth: int, records: Table, buckets: Table, *, cache_bytes: int) -> BucketTree:
    """The state tree over the hashes that are stored. Raises StorageError damaged for rows that are none."""
    hashes = bytearray(bucket_hash(network, 0, EMPTY.root) * (1 << depth))
    for key, hashed in buckets.range():
        index = int.from_bytes(key, "big")
        if len(key) != _KEY_BYTES or len(hashed) != HASH_BYTES or index >> depth:
            raise StorageError(
                Code.DAMAGED,
                f"expected the hash of one of {1 << depth} buckets under {key.hex()}; remove the state folder, it is "
                "rebuilt from the chain",
            )
        hashes[HASH_BYTES * index : HASH_BYTES * (index + 1)] = hashed
    entries = RecordEntries(network, depth, records)
    return BucketTree(network, depth, entries, bytes(hashes), cache_bytes=cache_bytes)
