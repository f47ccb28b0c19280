"""The safety rules: what this validator may sign, and on what it may build (CONSENSUS 10-14, 16, 18).

Everything that could fork the chain is decided here, over the state the machine keeps:

    propose    once per view, as its leader, before any other word in it
    notarise   once per view, the current one, unless it was nullified; a proposal that `judge` finds valid
    nullify    once per view, the current one, unless it was finalised; also after notarise
    finalise   once per view, any notarised and executed one, unless it was nullified; also after leaving it

`judge` uses bytes, epoch constants and digests, and of state only what is final: a block is proposed before its parent is
executed.
Missing data means wait; only what can never become right is invalid.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from ledger.base.errors import CustodyError
from ledger.base.limits import (
    BATCH_WINDOW_BLOCKS,
    CERTIFICATES_PER_FETCH,
    CLOCK_AHEAD_MS,
    CLOCK_BEHIND_MS,
    EXPIRY_AHEAD_MS,
    UNEXECUTED_BLOCKS,
    UNFINAL_BLOCKS,
)
from ledger.chain.block import Block, Header, batches_hash
from ledger.chain.epoch import change_of, check_change, check_closing_block
from ledger.chain.transaction import Transaction, check_expiry
from ledger.chain.votes import Kind, Proposal
from ledger.consensus.batches import BatchPool
from ledger.consensus.fetching import Need, NeedBatch, NeedBlock, NeedCertificate
from ledger.consensus.finality import Finality
from ledger.consensus.interface import Setup
from ledger.consensus.tree import Node, Tree
from ledger.consensus.views import View, Views


class Valid(NamedTuple):
    """May be notarised now."""


class Wait(NamedTuple):
    """Not yet: these are missing, or (none) the block bounds are reached."""

    needs: tuple[Need, ...]


class Invalid(NamedTuple):
    """Can never be notarised."""

    reason: str


Verdict = Valid | Wait | Invalid
VALID: Final = Valid()
_BOUND: Final = Wait(())


class Parent(NamedTuple):
    """The block to build on, and the latest view that notarised it."""

    view: int
    node: Node


def may_propose(view: View, current: int) -> bool:
    """Whether the leader of `view` may sign a proposal in it."""
    return view.number == current and view.own_proposal is None and not view.own


def may_notarise(view: View, current: int) -> bool:
    """Whether a notarise vote in `view` contradicts nothing said before (rule 14)."""
    return view.number == current and Kind.NOTARISE not in view.own and Kind.NULLIFY not in view.own


def may_nullify(view: View, current: int) -> bool:
    """Whether a nullify vote in `view` contradicts nothing said before: never after finalise (rule 16)."""
    return view.number == current and Kind.NULLIFY not in view.own and Kind.FINALISE not in view.own


def may_finalise(view: View, final_view: int) -> bool:
    """Whether a finalise vote in `view` contradicts nothing said before: never after nullify (rule 16)."""
    return view.number > final_view and Kind.NULLIFY not in view.own and Kind.FINALISE not in view.own


class Rules:
    """Judges proposals, and finds what to propose, over what is held right now."""

    def __init__(
        self, setup: Setup, views: Views, tree: Tree, finality: Finality, batches: BatchPool
    ) -> None:
        self._setup = setup
        self._views = views
        self._tree = tree
        self._finality = finality
        self._batches = batches

    # ---- proposals of others (rules 12, 14)

    def judge(self, proposal: Proposal, block_hash: bytes, wall_ms: int) -> Verdict:
        """Whether the proposal, signed by the leader of its view, may be notarised."""
        parent_view = proposal.parent_view
        if parent_view < self._views.final_view:
            return Invalid(f"expected a parent view of {self._views.final_view} or later, got {parent_view}")
        needs: list[Need] = list(self._missing_nullifications(parent_view, proposal.view))
        certified = self._views.certified_block(parent_view)
        if certified is None:
            needs.append(NeedCertificate(Kind.NOTARISE, parent_view))
            return Wait(tuple(needs))
        if certified == block_hash:
            return Wait(tuple(needs)) if needs else VALID
        if proposal.block.header.parent != certified:
            return Invalid(f"expected a block on {certified.hex()[:16]}, which view {parent_view} notarised")
        parent = self._tree.get(certified)
        if parent is None:
            return Wait((*needs, NeedBlock(certified)))
        verdict = self._judge_fresh(proposal, parent, wall_ms)
        if needs and not isinstance(verdict, Invalid):
            return Wait((*needs, *(verdict.needs if isinstance(verdict, Wait) else ())))
        return verdict

    def _missing_nullifications(self, parent_view: int, view: int) -> tuple[Need, ...]:
        missing = [
            between for between in range(parent_view + 1, view) if not self._views.is_nullified(between)
        ]
        return tuple(NeedCertificate(Kind.NULLIFY, between) for between in missing[:CERTIFICATES_PER_FETCH])

    def _judge_fresh(self, proposal: Proposal, parent: Node, wall_ms: int) -> Verdict:
        header, digests = proposal.block
        wrong = self._wrong_header(header, proposal.view, parent) or self._wrong_time(header, parent, wall_ms)
        if wrong:
            return Invalid(wrong)
        if self.is_closing(parent):
            return Invalid("expected nothing on a block that closes its epoch but that block again")
        if header.closes_epoch and len(digests) != 1:
            return Invalid("expected a change of epoch alone in the block that closes it")
        path, missing = self._tree.path(parent.hash)
        if missing is not None:
            return Wait((NeedBlock(missing),))
        if not digests and not self._is_heartbeat(header, parent):
            return Invalid("expected a block with batches, or a heartbeat that is due")
        if len(set(digests)) != len(digests) or self._is_repeated(digests, path):
            return Invalid(f"expected batches that none of the {BATCH_WINDOW_BLOCKS} blocks before has")
        absent = tuple(NeedBatch(digest) for digest in digests if digest not in self._batches)
        if absent:
            return Wait(absent)
        if not self._batches.fits(digests):
            return Invalid("expected batches that together keep the caps of a block")
        if not self.has_room(path):
            return _BOUND
        verdict = self._judge_change(header, digests)
        if verdict is not VALID:
            return verdict
        if header.transactions_root != self._batches.transactions_root(digests):
            return Invalid("expected the transactions root over the batches named, got another")
        return VALID

    def _wrong_header(self, header: Header, view: int, parent: Node) -> str | None:
        setup = self._setup
        if header.network != setup.validators.network or header.epoch != setup.epoch:
            return f"expected a block of this network and epoch {setup.epoch}"
        if header.version != setup.protocol:
            return f"expected protocol version {setup.protocol} in epoch {setup.epoch}, got {header.version}"
        if header.height != parent.height + 1:
            return f"expected height {parent.height + 1}, got {header.height}"
        leader = setup.validators.leader(setup.epoch, view)
        if header.proposer != leader:
            return f"expected proposer {leader}, got {header.proposer}"
        return None

    @staticmethod
    def _wrong_time(header: Header, parent: Node, wall_ms: int) -> str | None:
        least = parent.block.header.time_ms + 1
        if header.time_ms < max(least, wall_ms - CLOCK_BEHIND_MS):
            return f"expected a block time of {max(least, wall_ms - CLOCK_BEHIND_MS)} or later, got {header.time_ms}"
        # parent + 1 is never too late, or a leader stamping ahead would starve validators with slow clocks.
        if header.time_ms > max(least, wall_ms + CLOCK_AHEAD_MS):
            return f"expected a block time of {wall_ms + CLOCK_AHEAD_MS} at most, got {header.time_ms}"
        return None

    def _is_heartbeat(self, header: Header, parent: Node) -> bool:
        heartbeat_ms = self._setup.parameters.heartbeat_ms
        return heartbeat_ms > 0 and header.time_ms >= parent.block.header.time_ms + heartbeat_ms

    def _is_repeated(self, digests: tuple[bytes, ...], path: list[Node]) -> bool:
        uncommitted = path[-BATCH_WINDOW_BLOCKS:]
        ordered = {digest for node in uncommitted for digest in node.block.batches}
        committed = BATCH_WINDOW_BLOCKS - len(uncommitted)
        return any(digest in ordered or self._batches.is_recent(digest, committed) for digest in digests)

    def _judge_change(self, header: Header, digests: tuple[bytes, ...]) -> Verdict:
        """A block closes its epoch iff it has a change of it, alone and approved: all of that is checked here (rule 29)."""
        change = self._batches.change_in(digests)
        if change is None and not header.closes_epoch:
            return VALID
        setup = self._setup
        if change is None or setup.approvers is None:
            return Invalid(
                "expected a block that closes its epoch to have a change of it, and approvers to be known"
            )
        approvers = setup.approvers(header.height)
        if approvers is None:  # what is final elsewhere is not yet committed here
            return _BOUND
        try:
            check_closing_block(header, (change,), setup.validators, approvers, setup.verifier)
        except CustodyError as error:
            return Invalid(error.message)
        return VALID

    def may_close(self, change: Transaction, height: int, time_ms: int) -> bool:
        """Whether a change may close this epoch at about that height and time: approved, and sent by an approver."""
        setup, sender = self._setup, change.header
        approvers = None if setup.approvers is None else setup.approvers(height)
        if approvers is None or approvers.organisation_of(sender.public_key, time_ms) != sender.organisation:
            return False
        try:
            found = change_of(change)
            if found is None:
                return False
            check_change(
                found,
                setup.epoch,
                setup.validators,
                approvers,
                setup.verifier,
                protocol=setup.protocol,
                time_ms=time_ms,
            )
        except CustodyError:
            return False
        return True

    def drop_untimely_changes(self, wall_ms: int) -> None:
        """Forget changes that no block of about now may have: they would keep timers armed for nothing."""
        latest = wall_ms + EXPIRY_AHEAD_MS + CLOCK_AHEAD_MS
        for digest, change in self._batches.changes():
            if not wall_ms - CLOCK_BEHIND_MS < change.header.expiry_ms <= latest:
                self._batches.drop(digest)

    def _due_change(self, ordered: set[bytes], height: int, time_ms: int) -> tuple[bytes, ...]:
        """The oldest change that may stand in a block of that height and time, if any.

        One that may not close the epoch any more, since approvers changed meanwhile, is forgotten.
        """
        for digest, change in self._batches.changes():
            if digest in ordered or not self._is_timely(change, time_ms):
                continue
            if self.may_close(change, height, time_ms):
                return (digest,)
            self._batches.drop(digest)
        return ()

    @staticmethod
    def _is_timely(change: Transaction, time_ms: int) -> bool:
        try:
            check_expiry(change.header, time_ms)
        except CustodyError:
            return False
        return True

    def is_closing(self, node: Node) -> bool:
        """Whether a block is the last of this epoch: nothing may stand on it (rule 29)."""
        header = node.block.header
        return header.closes_epoch and header.epoch == self._setup.epoch

    def has_room(self, path: list[Node]) -> bool:
        """Whether a fresh block may stand on the last block of `path` (rule 18); else only re-proposals may."""
        if sum(not node.is_executed for node in path) >= UNEXECUTED_BLOCKS:
            return False
        return sum(node.height > self._finality.height() for node in path) < UNFINAL_BLOCKS

    # ---- the own proposal (rule 11)

    def find_parent(self, view: int) -> Parent | Wait:
        """The highest notarised parent such that every view between is nullified, or what is missing to know it."""
        for below in range(view - 1, self._views.final_view - 1, -1):
            certified = self._views.certified_block(below)
            if certified is not None:
                _, missing = self._tree.path(certified)
                node = self._tree.get(certified)
                if missing is not None or node is None:
                    return Wait((NeedBlock(missing or certified),))
                return Parent(below, node)
            if not self._views.is_nullified(below):
                return Wait((NeedCertificate(Kind.NOTARISE, below), NeedCertificate(Kind.NULLIFY, below)))
        return _BOUND

    def fresh_block(self, view: int, parent: Node, wall_ms: int, most_subjects: int) -> Block | None:
        """A new block on `parent`: a change of epoch alone, else the oldest batches; None without either, or room."""
        path, _ = self._tree.path(parent.hash)
        if self.is_closing(parent) or not self.has_room(path):
            return None
        ordered = {digest for node in path for digest in node.block.batches}
        time_ms = max(wall_ms, parent.block.header.time_ms + 1)
        change = self._due_change(ordered, parent.height + 1, time_ms)
        digests = change or self._batches.select(ordered, most_subjects)
        return self._block(view, parent, digests, time_ms, closes_epoch=bool(change)) if digests else None

    def heartbeat_block(self, view: int, parent: Node, wall_ms: int) -> Block | None:
        """An empty block on `parent`; None if that closes the epoch."""
        if self.is_closing(parent):
            return None
        due_ms = parent.block.header.time_ms + self._setup.parameters.heartbeat_ms
        return self._block(view, parent, (), max(wall_ms, due_ms))

    def _block(
        self,
        view: int,
        parent: Node,
        digests: tuple[bytes, ...],
        time_ms: int,
        *,
        closes_epoch: bool = False,
    ) -> Block:
        setup = self._setup
        network = setup.validators.network
        header = Header(
            version=setup.protocol,
            network=network,
            epoch=setup.epoch,
            closes_epoch=closes_epoch,
            height=parent.height + 1,
            parent=parent.hash,
            time_ms=time_ms,
            proposer=setup.validators.leader(setup.epoch, view),
            transactions_root=self._batches.transactions_root(digests),
            batches_hash=batches_hash(network, digests),
        )
        return Block(header, digests)
