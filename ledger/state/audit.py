"""Audit: a chain executed again from genesis, and the first height at which it is not what it says (PROTOCOL.md §10).

    audit = Audit(genesis, source); for height in 1 .. last: audit.check(height) -> None | Difference

Nothing a block says is believed: its hash link, the batches its header commits to, authors' signatures, the outcome that
executing it gives, receipts, and the certificate by the validators of its epoch are all worked out anew. A block without a
certificate of its own is final through a later one, so a chain is agreed up to `certified_height`, no further.

After a difference the audit is over: what follows rests on what differed. Memory grows with records and entries.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ledger.base import limits, merkle
from ledger.base.errors import Code, CustodyError, FormError, ProofError, SignatureError, UnavailableError
from ledger.chain.batch import Batch, batch_from_bytes, check_batch_protocol
from ledger.chain.block import Header, Outcome, batches_hash, transactions_root
from ledger.chain.certificate import Checkpoint, check_certificate, check_checkpoint
from ledger.chain.epoch import is_well_closed
from ledger.chain.genesis import Genesis
from ledger.chain.transaction import Transaction, event_hash
from ledger.state.audit_source import Base, BeforeBase, Events, SuppliedBlock, start_of
from ledger.state.block import Execution, apply_block
from ledger.state.item import ItemChanges
from ledger.trade.extract import extract
from ledger.trade.statement import Action, Openness


class Difference(NamedTuple):
    """The first thing found that is not as it should be."""

    height: int
    what: str
    """Which part of the block: header, batches, signature, receipts_root, state_root, certificate, ..."""
    detail: str
    """One sentence: what was expected and what came."""


class EventCounts(NamedTuple):
    """What became of the events that got an entry. The first five are apart; `mismatches` names places."""

    agree: int = 0
    """Bytes at hand give the hash, and the extract follows from them."""
    erased: int = 0
    restricted: int = 0
    """Restricted to named parties, and not at hand."""
    absent: int = 0
    """Open, and not at hand."""
    damaged: int = 0
    """Bytes at hand that do not give the hash."""
    mismatch: int = 0
    """Bytes at hand that contradict the extract: the author's contradiction, which anybody may publish."""


class _Differs(Exception):  # noqa: N818 - ends the checks of one block
    def __init__(self, what: str, detail: str) -> None:
        super().__init__(detail)
        self.what = what
        self.detail = detail


class Audit:
    """A chain under audit, executed up to `height`."""

    def __init__(
        self,
        genesis: Genesis,
        *,
        events: Events | None = None,
        sizes: Sequence[int] = (),
        trusted_below: int = 1,
        base: Base | None = None,
    ) -> None:
        """Stand at genesis, or at `base`; ProofError if that is not the state of its own roots. `events`: compare extracts with bytes too. `sizes`: heights to show consistency between.

        Below `trusted_below`, which an earlier audit reached, signatures, certificates and events are not checked
        again; everything is executed and compared all the same.
        """
        self.genesis = genesis
        self.network = genesis.network
        self._backing, self._state = start_of(genesis, base)
        self.first = self.height
        """Where it began: 0, or the height of `base`."""
        self._events = events
        self._trusted_below = trusted_below
        self._outcomes: dict[int, Outcome] = {}
        self._kept = frozenset(sizes)
        self._leaves: list[bytes] | None = [] if sizes and base is None else None
        if 0 in self._kept:
            self._outcomes[0] = self._state.tip.outcome
        self.certified_height = self.height
        """The last height whose own certificate held, or where the audit began."""
        self.transactions = 0
        self.events = EventCounts()
        self.findings: list[Difference] = []
        """Events whose bytes contradict their extract or do not give their hash: the chain itself stands."""

    @property
    def height(self) -> int:
        """The last block that was as it should be."""
        return self._state.tip.header.height

    @property
    def tip(self) -> Outcome:
        """The outcome of that block."""
        return self._state.tip.outcome

    @property
    def header(self) -> Header:
        """The header of that block."""
        return self._state.tip.header

    def check(self, block: SuppliedBlock) -> Difference | None:
        """Execute the next block; None if it is as it should be, after which the audit stands on it.

        Raises UnavailableError history_incomplete where a block reads what lies before the `base`.
        """
        height = self.height + 1
        try:
            self._check_header(block.header, height)
            self._check_claim(block, height)
            batches = self._check_batches(block, height)
            transactions = [transaction for batch in batches for transaction in batch.transactions]
            execution = self._execute(block.header, batches, transactions)
            try:
                self._check_outcome(block, execution)
            except _Differs:
                self._state.undo(execution.undo)
                raise
        except _Differs as found:
            return Difference(height, found.what, found.detail)
        except BeforeBase as wanted:
            raise UnavailableError(
                Code.HISTORY_INCOMPLETE,
                f"expected block {height} to read entries since the snapshot at {self.first} only, it reads entry {wanted}; "
                "audit from genesis",
            ) from None
        self._settle(block, execution, transactions)
        return None

    # ---- one block

    def _execute(
        self, header: Header, batches: Sequence[Batch], transactions: Sequence[Transaction]
    ) -> Execution:
        kinds = [[transaction.header.kind for transaction in batch.transactions] for batch in batches]
        if not is_well_closed(header, kinds):
            raise _Differs(
                "header.closes_epoch",
                f"expected it exactly where a change of epoch is alone in the block, got {header.closes_epoch}",
            )
        try:
            return apply_block(self._state, header, transactions)
        except (
            CustodyError
        ) as error:  # of a block that closes its epoch: any other is executed or fails item by item
            raise _Differs("change", error.message) from None

    def _check_header(self, header: Header, height: int) -> None:
        parent = self._state.tip.header
        expected: tuple[tuple[str, Any, Any], ...] = (
            ("network", header.network.hex(), self.network.hex()),
            ("version", header.version, self._state.protocol),
            ("height", header.height, height),
            ("parent", header.parent.hex(), parent.hash.hex()),
            ("epoch", header.epoch, self._state.epoch),
        )
        for name, came, wanted in expected:
            if came != wanted:
                raise _Differs(f"header.{name}", f"expected {wanted}, got {came}")
        if header.time_ms <= parent.time_ms:
            raise _Differs("header.time_ms", f"expected a time after {parent.time_ms}, got {header.time_ms}")
        count = len(self._state.sets[header.epoch])
        if header.proposer >= count:
            raise _Differs("header.proposer", f"expected one of {count} validators, got {header.proposer}")

    def _check_claim(self, block: SuppliedBlock, height: int) -> None:
        """That a quorum signed something about this height, and this header of all."""
        certificate = block.certificate
        if certificate is None:
            return
        if height >= self._trusted_below:
            try:
                check_certificate(self._state.sets[block.header.epoch], certificate)
            except ProofError as error:
                raise _Differs("certificate", error.message) from None
        if certificate.claim.block != block.header.hash:
            named = "none" if certificate.claim.block is None else certificate.claim.block.hex()
            raise _Differs(
                "header",
                f"expected the header whose hash a quorum signed, {named}, got {block.header.hash.hex()}",
            )

    def _check_batches(self, block: SuppliedBlock, height: int) -> list[Batch]:
        """The batches that the header commits to, with the signatures of their authors."""
        batches = []
        for place, data in enumerate(block.batches):
            try:
                batches.append(
                    batch_from_bytes(data, self.network, check_signatures=height >= self._trusted_below)
                )
            except SignatureError as error:
                raise _Differs("signature", f"batch {place}: {error.message}") from None
            except FormError as error:
                raise _Differs("batches", f"batch {place}: {error.message}") from None
        self._check_protocol(batches)
        digests = [batch.digest for batch in batches]
        if batches_hash(self.network, digests) != block.header.batches_hash:
            raise _Differs(
                "batches", f"expected the batches that the header commits to, got {_listed(digests)}"
            )
        ids = [known for batch in batches for known in batch.ids]
        if transactions_root(ids) != block.header.transactions_root:
            raise _Differs(
                "transactions_root",
                f"expected {transactions_root(ids).hex()} over the batches, got {block.header.transactions_root.hex()}",
            )
        return batches

    def _check_protocol(self, batches: Sequence[Batch]) -> None:
        for place, batch in enumerate(batches):
            try:
                check_batch_protocol(batch, self._state.protocol)
            except FormError as error:
                raise _Differs("batches", f"batch {place}: {error.message}") from None

    def _check_outcome(self, block: SuppliedBlock, execution: Execution) -> None:
        for name, wanted, came in zip(Outcome._fields, execution.outcome, block.outcome, strict=True):
            if wanted != came:
                raise _Differs(name, f"executing it gives {_shown(wanted)}, it says {_shown(came)}")
        if block.receipts is not None and block.receipts != execution.receipts:
            place = next(
                (
                    place
                    for place, (wanted, came) in enumerate(
                        zip(execution.receipts, block.receipts, strict=False)
                    )
                    if wanted != came
                ),
                min(len(execution.receipts), len(block.receipts)),
            )
            raise _Differs("receipts", f"executing it gives another receipt of item {place} than it says")
        if block.certificate is not None:
            try:
                check_checkpoint(
                    self._state.sets[block.header.epoch],
                    Checkpoint(block.header, block.outcome, block.certificate),
                    lambda *_: True,  # the signatures were checked, this is about what they are over
                )
            except ProofError as error:
                raise _Differs("certificate", error.message) from None

    def _settle(
        self, block: SuppliedBlock, execution: Execution, transactions: Sequence[Transaction]
    ) -> None:
        self._backing.keep(execution)
        self._state.forget(self._state.log.size)
        self.transactions += len(transactions)
        if self._leaves is not None:
            self._leaves += [row.entry_hash for row in execution.rows]
        if self.height in self._kept:
            self._outcomes[self.height] = execution.outcome
        if block.certificate is not None:
            self.certified_height = self.height
        if self._events is not None and self.height >= self._trusted_below:
            for row in execution.rows:
                self._compare(row, self._events)

    # ---- events

    def _compare(self, row: ItemChanges, events: Events) -> None:
        """Compare an item's extract with its event's bytes, if they are at hand."""
        item = row.item
        if item is None or item.statement.action == Action.MISMATCH:
            return
        counts, shown = self.events, events.find(item.event_hash)
        if shown is None:
            if events.is_erased(item.event_hash):
                self.events = counts._replace(erased=counts.erased + 1)
            elif item.statement.openness == Openness.OPEN:
                self.events = counts._replace(absent=counts.absent + 1)
            else:
                self.events = counts._replace(restricted=counts.restricted + 1)
            return
        where = f"event {item.event_hash.hex()} of item {row.entry.place} of {row.entry.transaction.hex()}"
        if event_hash(self.network, shown.salt, shown.context, shown.event) != item.event_hash:
            self.events = counts._replace(damaged=counts.damaged + 1)
            self._note("damaged event", f"expected bytes that give {where}, got others")
            return
        try:
            derived = extract(
                shown.event, shown.context, item.statement.version, Openness(item.statement.openness)
            )
        except CustodyError:
            derived = None
        if derived == item.extract:
            self.events = counts._replace(agree=counts.agree + 1)
        else:
            self.events = counts._replace(mismatch=counts.mismatch + 1)
            self._note(
                "mismatch", f"expected the extract that follows from the bytes of {where}, got another"
            )

    def _note(self, what: str, detail: str) -> None:
        if len(self.findings) < limits.AUDIT_FINDINGS:
            self.findings.append(Difference(self.height, what, detail))

    # ---- between two checkpoints

    def consistency(self, old: int, new: int) -> tuple[bytes, ...]:
        """The RFC 6962 proof that the event log at height `new` extends that at `old`, checked; heights of `sizes`.

        Raises ProofError not_proven; FormError usage where the audit did not come so far.
        """
        first, second = self._outcomes.get(old), self._outcomes.get(new)
        if first is None or second is None or self._leaves is None:
            raise FormError(
                Code.USAGE,
                f"expected two heights that the audit passed, got {old} and {new}, it is at {self.height}",
            )
        if first.event_log_size == 0:
            return ()  # everything extends the empty log
        proof = merkle.consistency_proof(self._leaves[: second.event_log_size], first.event_log_size)
        merkle.check_consistency(
            first.event_log_size, first.event_log_root, second.event_log_size, second.event_log_root, proof
        )
        return proof


def _shown(value: Any) -> str:
    return value.hex() if type(value) is bytes else str(value)


def _listed(digests: Sequence[bytes]) -> str:
    return ", ".join(digest.hex()[:16] for digest in digests[:4]) or "none"
