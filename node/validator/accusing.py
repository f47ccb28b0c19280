"""What becomes of a contradiction: evidence on the ledger, once per culprit and epoch (CONSENSUS 27)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from ledger.base.keys import Signer
from ledger.chain.evidence import Evidence
from ledger.chain.transaction import Kind, sign_transaction
from node.local.protocol import State
from node.validator.clock import Clock
from node.validator.execution import Executor
from node.validator.mempool import Mempool

_EVIDENCE_EXPIRY_MS: Final = 1_800_000


class Accusing:
    """Hands in evidence under this validator's key."""

    def __init__(
        self,
        organisation: str,
        executor: Executor,
        mempool: Mempool,
        clock: Clock,
        random_bytes: Callable[[int], bytes],
        wake: Callable[[], None],
    ) -> None:
        """`organisation`: whose validator it is; `wake`: a transaction waits to be put into a batch."""
        self._organisation = organisation
        self._executor = executor
        self._mempool = mempool
        self._clock = clock
        self._random_bytes = random_bytes
        self._wake = wake
        self._accused: set[int] = set()
        self._reported: dict[bytes, Evidence] = {}

    def accuse(self, key: Signer | None, evidence: Evidence) -> None:
        """Report a validator that contradicted itself under the key of this epoch, if this node has one."""
        if evidence.signer in self._accused or key is None:
            return
        self._accused.add(evidence.signer)
        self._report(key, evidence)

    def begin_epoch(self) -> None:
        """Indices name others now."""
        self._accused.clear()

    def _report(self, key: Signer, evidence: Evidence) -> None:
        """Put evidence on the ledger under the key of this epoch."""
        transaction = sign_transaction(
            key,
            self._executor.network,
            self._organisation,
            (evidence,),
            nonce=self._random_bytes(16),
            expiry_ms=max(self._clock.wall_ms(), self._executor.final_header.time_ms) + _EVIDENCE_EXPIRY_MS,
            kind=Kind.EVIDENCE,
        )
        self._reported[transaction.id] = evidence
        self._mempool.submit_own(transaction.to_bytes())
        self._wake()

    def report_again(self, key: Signer) -> None:
        """Evidence that did not make it before its epoch ended was signed with a key that counts no more."""
        reported, self._reported = self._reported, {}
        for known, evidence in reported.items():
            status = self._mempool.status(known)
            is_settled = status.state is State.FINAL and not status.receipts[0].refusal
            if not is_settled:
                self._report(key, evidence)
