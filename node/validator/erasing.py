"""Removing what authors erased, on this node: after a block, after a crash, after joining (PROTOCOL.md §7.5, STORAGE.md §6).

A tombstone works once its block is final here. What is due is found in the state, not remembered: a node that was killed in
between, that executes an old chain, or that joined at a snapshot removes at its next start, as it executes, or once its past is
complete, whatever it still has. Bytes that come later are refused by the payload store.

Only who put an event hash on the ledger first can have the bytes erased. While the past is not complete a node cannot tell who
that was, so it waits; it brings no bytes of erased events in meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from typing import Final

from ledger.chain.transaction import Kind
from ledger.state.erasure import Erasure, erasure_key, erasure_of, tombstone_from_wire
from node.logs import Log
from node.storage.payload_store import PayloadStore
from node.validator.execution import Executor, FinalBlockData

_AT_ONCE: Final = 500


class Eraser:
    """Keeps one node's payload store to what the tombstones of its chain say."""

    def __init__(self, executor: Executor, payload: PayloadStore, log: Log) -> None:
        self._executor = executor
        self._payload = payload
        self._log = log
        self._lacking: set[bytes] = set()  # any order: counted, and membership

    def lacks(self, event_hashes: Iterable[bytes]) -> None:
        """Bytes of open events of a final block were at nobody who was asked: a tombstone further on is to say why."""
        self._lacking.update(event_hashes)

    @property
    def lacking(self) -> list[bytes]:
        """The events whose bytes lack without a tombstone (yet)."""
        store = self._payload
        self._lacking = {one for one in self._lacking if not store.is_erased(one) and store.get(one) is None}
        return sorted(self._lacking)

    def said(self) -> str | None:
        """What lacks without a tombstone, for people; None if nothing does."""
        lacking = len(self.lacking)
        if not lacking:
            return None
        return (
            f"expected the bytes of all open events or their tombstones, of {lacking} that were ordered while this node was away"
            " there is neither (yet)"
        )

    def finalised(self, final: FinalBlockData) -> None:
        """A block is final: erase what its tombstones name."""
        position = 0
        due: list[Erasure] = []
        for transaction in final.transactions:
            receipts = final.receipts[position : position + transaction.header.item_count]
            position += transaction.header.item_count
            if transaction.header.kind != Kind.ERASURE:
                continue
            for receipt in receipts:
                if receipt.entry is not None:
                    tombstone = tombstone_from_wire(transaction.items[receipt.place])
                    found = self.find(tombstone.event_hash, transaction.header.organisation)
                    due += [] if found is None else [found]
        if due and not self._executor.tables.lacks_history:
            self._erase(due)

    def sweep(self) -> None:
        """Erase whatever is due and was not done. Nothing while the past is not complete."""
        tables = self._executor.tables
        if tables.lacks_history:
            return
        size = self._executor.final_outcome.event_log_size
        final = (erasure for erasure in tables.read_erasures() if erasure.tombstone < size)
        while some := list(islice(final, _AT_ONCE)):
            self._erase(some)

    def find(self, event_hash: bytes, organisation: str) -> Erasure | None:
        """The final tombstone of an organisation over an event of its own."""
        return erasure_of(self._executor.committed_record(erasure_key(event_hash, organisation)))

    def _erase(self, due: list[Erasure]) -> None:
        hashes = [
            one.event_hash
            for one in due
            if self._executor.tables.author(one.event_hash) == one.organisation
            and not self._payload.is_erased(one.event_hash)
        ]
        there = self._payload.erase_all(hashes)
        if hashes:
            self._log.info("erased", events=len(hashes), with_bytes_here=there)
