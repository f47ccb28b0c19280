"""A world whose blocks are whole: batches, receipts and certificates as a node keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ledger.chain.batch import Batch, make_batch
from ledger.chain.transaction import Transaction
from ledger.state.audit_source import SuppliedBlock
from ledger.state.block import Execution
from tests.world.world import World


class ChainedWorld(World):
    """`supplied` are the final blocks from height 1 on. Every `uncertified`-th has no certificate of its own."""

    def __init__(self, *values: Any, uncertified: int = 0, **named: Any) -> None:
        self.supplied: list[SuppliedBlock] = []
        self._uncertified = uncertified
        super().__init__(*values, **named)

    def batches(self, transactions: Sequence[Transaction]) -> list[Batch]:
        height = self.state.tip.header.height
        return [
            make_batch(self.network, place % 4, height, [one], [one.to_bytes()])
            for place, one in enumerate(transactions)
        ]

    def commit(
        self, *transactions: Transaction, advance_ms: int = 1_000, closes_epoch: bool = False
    ) -> Execution:
        """Execute one block of these transactions in one batch each and certify it."""
        batches = tuple(batch.data for batch in self.batches(transactions))
        execution = super().commit(*transactions, advance_ms=advance_ms, closes_epoch=closes_epoch)
        header, outcome, certificate = self.checkpoints[-1]
        is_certified = not self._uncertified or header.height % self._uncertified
        self.supplied.append(
            SuppliedBlock(header, outcome, certificate if is_certified else None, batches, execution.receipts)
        )
        return execution
