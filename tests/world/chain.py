"""A world whose blocks are whole: batches, receipts and certificates as a node keeps them."""

from __future__ import annotations

from typing import Any

from ledger.chain.batch import make_batch
from ledger.chain.block import Header, batches_hash, transactions_root
from ledger.chain.transaction import Transaction
from ledger.state.audit import SuppliedBlock
from ledger.state.block import Execution, apply_block
from tests.world.world import Row, World


class ChainedWorld(World):
    """`supplied` are the final blocks from height 1 on. Every `uncertified`-th has no certificate of its own."""

    def __init__(self, *values: Any, uncertified: int = 0, **named: Any) -> None:
        self.supplied: list[SuppliedBlock] = []
        self._uncertified = uncertified
        super().__init__(*values, **named)

    def commit(self, *transactions: Transaction, advance_ms: int = 1_000) -> Execution:
        """Execute one block of these transactions in one batch each and certify it."""
        tip = self.state.tip.header
        batches = [
            make_batch(self.network, place % 4, tip.height, [one], [one.to_bytes()])
            for place, one in enumerate(transactions)
        ]
        header = Header(
            1, self.network, 0, False, tip.height + 1, tip.hash, tip.time_ms + advance_ms, 0,
            transactions_root([t.id for t in transactions]),
            batches_hash(self.network, [batch.digest for batch in batches]),
        )  # fmt: skip
        execution = apply_block(self.state, header, transactions, self.validators)
        by_id = {t.id: t for t in transactions}
        self.rows += [Row(row, by_id[row.entry.transaction], row.entry.place) for row in execution.rows]
        self.executions.append(execution)
        self.blocks.append(transactions)
        checkpoint = self.certify(execution)
        self.checkpoints.append(checkpoint)
        is_certified = not self._uncertified or header.height % self._uncertified
        self.supplied.append(
            SuppliedBlock(
                header, execution.outcome, checkpoint.certificate if is_certified else None,
                tuple(batch.data for batch in batches), execution.receipts,
            )
        )  # fmt: skip
        return execution
