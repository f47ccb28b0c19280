"""One replica's share of the work without a network: blocks executed, stored, flushed and synced as a validator does.

What the blocks carry is made and signed between the measured stretches. Its items have the statement and the subjects of
real events; the bytes of the events, which execution never reads, are not made.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final, Self

from ledger.base.encoding import decode, encode
from ledger.base.keys import SigningKey
from ledger.chain.batch import Batch, make_batch
from ledger.chain.block import Block, Header, batches_hash, transactions_root
from ledger.chain.certificate import make_certificate
from ledger.chain.genesis import Genesis, genesis_from_bytes
from ledger.chain.transaction import Item, sign_transaction, transaction_from_bytes
from ledger.chain.validators import Validator, ValidatorSet
from ledger.chain.votes import finalise
from ledger.trade.extract import extract
from ledger.trade.statement import Subject
from node.config import GENESIS_FILE
from node.storage.folder import NodeFolder
from node.storage.keystore import Keystore
from node.storage.stores import open_stores
from node.validator.execution import Executor
from node.validator.housekeeping import FLUSH_S, OVERLAY_BYTES
from node.validator.tables import TABLES
from tests.bench.load import event_of, serial

TRANSACTIONS: Final = 10
"""In a block."""
_EXPIRY_MS: Final = 1_000_000
_BLOCK_MS: Final = 10


@dataclass
class Ran:
    """What blocks came to; times in seconds."""

    events: int = 0
    refused: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0


class Prepared:
    """Signs transactions of one organisation whose items stand for events about item numbers."""

    def __init__(self, key: SigningKey, organisation: str, network: bytes) -> None:
        self._key = key
        self._organisation = organisation
        self._network = network
        self._drawn = count()
        self._statements = {first: extract(event_of(0, is_first=first), None) for first in (True, False)}

    def _random(self, length: int) -> bytes:
        return next(self._drawn).to_bytes(length, "big")

    def transaction(self, numbers: Sequence[int], now_ms: int, *, is_first: bool) -> bytes:
        """One item of its own for each number: made, or observed."""
        statement, subjects = self._statements[is_first]
        role = subjects[0].role
        items = [
            Item(statement, (Subject(role, serial(number), None),), self._random(16), self._random(32), None, None)
            for number in numbers
        ]  # fmt: skip
        wire = decode(encode(items), max_bytes=10_000_000)
        return sign_transaction(
            self._key,
            self._network,
            self._organisation,
            wire,
            nonce=self._random(16),
            expiry_ms=now_ms + _EXPIRY_MS,
        ).to_bytes()


class Replica:
    """The executor of one folder."""

    def __init__(self, path: Path) -> None:
        """Open it and redo what is to be redone: ready to execute the next block."""
        self.genesis: Genesis = genesis_from_bytes((path / GENESIS_FILE).read_bytes())
        self.network = self.genesis.network
        self._folder = NodeFolder.open(path, self.network)
        self.stores = open_stores(self._folder, TABLES)
        seats = [Validator(seat.organisation, seat.public_key) for seat in self.genesis.validators]
        self._validators = ValidatorSet(self.network, seats)
        self.executor = Executor(self.genesis, self._validators, self.stores.blocks, self.stores.state)
        self.executor.redo()
        self.author = Prepared(Keystore(path / "keys").load_plain("sign"), "maker", self.network)
        self._number = 0
        self._flushed_at = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stores.state.flush(self.stores.blocks.synced_height)
        self.stores.close()
        self._folder.close()

    @property
    def now_ms(self) -> int:
        """Block time of the last block."""
        return self.executor.state.tip.header.time_ms

    def batches(self, transactions: Sequence[bytes]) -> tuple[Batch, ...]:
        """Batches of one transaction each, as they are after admission."""
        made = []
        for data in transactions:
            self._number += 1
            parsed = transaction_from_bytes(data, self.network)
            made.append(make_batch(self.network, 0, self._number, [parsed], [data]))
        return tuple(made)

    def run(self, batches: Sequence[Batch], ran: Ran) -> None:
        """Execute and store one block of these; the time it takes, a sync and now and then a flush with it, is `ran`'s."""
        header = self._header(batches)
        block = Block(header, tuple(batch.digest for batch in batches))
        start, cpu = time.perf_counter(), time.process_time()
        outcome = self.executor.execute(header.hash, block, batches)
        claim = finalise(0, header.height, header.hash, outcome.hash_in(self.network))
        certificate = make_certificate(
            self._validators, claim, dict.fromkeys(range(len(self._validators)), bytes(64))
        )
        final = self.executor.commit(header.hash, block, outcome, certificate, batches)
        self.stores.blocks.sync()
        self._flush(ran.seconds)
        ran.seconds += time.perf_counter() - start
        ran.cpu_seconds += time.process_time() - cpu
        ran.events += len(final.receipts)
        ran.refused += sum(bool(receipt.refusal) for receipt in final.receipts)

    def _header(self, batches: Sequence[Batch]) -> Header:
        parent = self.executor.state.tip.header
        ids = [known for batch in batches for known in batch.ids]
        return parent._replace(
            height=parent.height + 1,
            parent=parent.hash,
            time_ms=parent.time_ms + _BLOCK_MS,
            transactions_root=transactions_root(ids),
            batches_hash=batches_hash(self.network, tuple(batch.digest for batch in batches)),
        )

    def _flush(self, now: float) -> None:
        """As housekeeping does, but for the second thread: what it does there is counted here too."""
        store = self.stores.state
        if store.overlay_bytes >= OVERLAY_BYTES or now >= self._flushed_at + FLUSH_S:
            self._flushed_at = now
            store.flush(self.stores.blocks.synced_height)
