"""Where peers stand, what they ask for, and what is missing here (CONSENSUS 9, 15, 22, 28).

Answers to a peer that seems behind are limited to one of a kind per t_l / 2, so that two validators that disagree about
where they stand cannot keep each other busy.
"""

from __future__ import annotations

from typing import Final

from ledger.base.limits import BATCHES_PER_FETCH
from ledger.chain.certificate import Certificate
from ledger.chain.votes import Kind
from ledger.consensus.batches import BatchPool
from ledger.consensus.fetching import Asked, Need, NeedBatch, NeedBlock, NeedRange
from ledger.consensus.finality import Finality
from ledger.consensus.interface import SendClosing, Serve, Setup
from ledger.consensus.messages import (
    Announcement,
    Blocks,
    FetchBatches,
    FetchBlocks,
    FetchCertificates,
    FetchRange,
    Message,
    Position,
)
from ledger.consensus.outbox import Outbox
from ledger.consensus.pacing import Pacing
from ledger.consensus.tree import Tree
from ledger.consensus.views import Views

Query = Position | Announcement | FetchBatches | FetchBlocks | FetchCertificates | FetchRange
_IDLE_POSITION_MS: Final = 30_000
_NEEDS_MOST: Final = 4 * BATCHES_PER_FETCH


class Exchange:
    """Tells peers what they lack, and finds what is lacking here."""

    def __init__(
        self,
        setup: Setup,
        me: int,
        views: Views,
        tree: Tree,
        finality: Finality,
        batches: BatchPool,
        pacing: Pacing,
        outbox: Outbox,
    ) -> None:
        self._setup = setup
        self._me = me
        self.peers = len(setup.validators) + setup.others
        """How many there are to tell, this node among them."""
        self._views = views
        self._tree = tree
        self._finality = finality
        self._batches = batches
        self._pacing = pacing
        self._outbox = outbox
        self._asked = Asked(pacing.base_ms)
        self._answered: dict[tuple[int, type], int] = {}
        self._position_peer = me
        self.position_at_ms = 0
        """When the next peer is told where this validator stands."""

    def receive(self, peer: int, message: Query, now_ms: int) -> None:
        """Take in what a peer says of where it stands, announces or asks for."""
        if isinstance(message, Position):
            if self.is_this_epoch(peer, message.epoch, now_ms):
                self._on_position(peer, message, now_ms)
        elif isinstance(message, Announcement):
            self._on_announcement(peer, message, now_ms)
        elif isinstance(message, FetchBlocks):
            self._on_fetch_blocks(peer, message)
        elif isinstance(message, FetchCertificates):
            if self.is_this_epoch(peer, message.epoch, now_ms):
                self._on_fetch_certificates(peer, message)
        else:
            self._outbox.add(Serve(peer, message))

    # ---- where everyone stands

    def position(self) -> Position:
        """Where this validator stands."""
        return Position(
            self._setup.epoch, self._views.current, self._views.final_view, self._tree.root.height
        )

    def tell_next_peer(self, now_ms: int) -> None:
        """Say to one peer in turn where this validator stands (on start, and at every heartbeat)."""
        self._position_peer = (self._position_peer + 1) % self.peers
        if self._position_peer == self._me:
            self._position_peer = (self._position_peer + 1) % self.peers
        self._outbox.send(self._position_peer, self.position())
        self.position_at_ms = now_ms + (self._setup.parameters.heartbeat_ms or _IDLE_POSITION_MS)

    def is_this_epoch(self, peer: int, epoch: int, now_ms: int) -> bool:
        """Whether a message is of this epoch. One of a later epoch makes this validator say where it stands.

        One of an earlier epoch is answered with the finalisation that closed it: its sender may have been removed since.
        """
        if epoch > self._setup.epoch and self._may_answer(peer, Position, now_ms):
            self._outbox.send(peer, self.position())
        if epoch < self._setup.epoch and self._may_answer(peer, SendClosing, now_ms):
            self._outbox.add(SendClosing(peer, epoch))
        return epoch == self._setup.epoch

    def _on_position(self, peer: int, position: Position, now_ms: int) -> None:
        """Lead a peer that is behind to here; ask one that is ahead to do the same."""
        answer: Message | None = None
        if position.final_view < self._views.final_view:
            answer = self._views.final_certificate
        elif position.view < self._views.current:
            answer = self.entering_certificate()
        elif position.view > self._views.current or position.final_view > self._views.final_view:
            answer = self.position()
        if answer is not None and self._may_answer(peer, Position, now_ms):
            self._outbox.send(peer, answer)

    def answer_late(self, peer: int, number: int, now_ms: int) -> None:
        """Someone is stuck in a view that was left: send what leads out of it."""
        if not self._pacing.is_late(number, now_ms):
            return
        view = self._views.get(number)
        certificate = None if view is None else view.leaving_certificate()
        if number <= self._views.final_view:
            certificate = self._views.final_certificate
        if certificate is not None and self._may_answer(peer, Certificate, now_ms):
            self._outbox.send(peer, certificate)

    def entering_certificate(self) -> Certificate | None:
        """The best certificate for entering the current view."""
        before = self._views.get(self._views.current - 1)
        return None if before is None else before.leaving_certificate()

    def _may_answer(self, peer: int, what: type, now_ms: int) -> bool:
        last = self._answered.get((peer, what))
        if last is not None and now_ms < last + self._pacing.half_ms:
            return False
        self._answered[peer, what] = now_ms
        return True

    # ---- what peers ask for

    def _on_announcement(self, peer: int, announcement: Announcement, now_ms: int) -> None:
        """Fetch announced batches from one announcer after another: the first may never answer."""
        if not self._may_answer(peer, Announcement, now_ms):
            return
        missing = tuple(
            digest
            for digest in announcement.digests
            if digest not in self._batches
            and not self._batches.is_recent(digest)
            and self._asked.may_ask(digest, peer, now_ms)
        )
        for start in range(0, len(missing), BATCHES_PER_FETCH):
            self._outbox.send(peer, FetchBatches(missing[start : start + BATCHES_PER_FETCH]))

    def _on_fetch_blocks(self, peer: int, request: FetchBlocks) -> None:
        """Answer with the blocks known here; the driver has the committed ones."""
        nodes = {block_hash: self._tree.get(block_hash) for block_hash in request.hashes}
        known = tuple(node.block for node in nodes.values() if node is not None)
        unknown = tuple(block_hash for block_hash, node in nodes.items() if node is None)
        if known:
            self._outbox.send(peer, Blocks(known))
        if unknown:
            self._outbox.add(Serve(peer, FetchBlocks(unknown)))

    def _on_fetch_certificates(self, peer: int, request: FetchCertificates) -> None:
        """Answer with each certificate held, and with the newest finalisation for views that it settles."""
        answers: list[Certificate] = []
        for kind, number in request.wanted:
            view = self._views.get(number)
            held = {} if view is None else view.certificates
            certificate = held.get(kind)
            if certificate is None and kind == Kind.NOTARISE:
                certificate = held.get(Kind.FINALISE)
            if certificate is None and number <= self._views.final_view:
                certificate = self._views.final_certificate
            if certificate is not None and certificate not in answers:
                answers.append(certificate)
        for certificate in answers:
            self._outbox.send(peer, certificate)

    # ---- what is missing here

    def needs(self) -> dict[Need, int]:
        """What the certified chain lacks, each with the peer to ask first: whoever sent its certificate."""
        needs: dict[Need, int] = {}
        height = self._finality.range_from()
        final_source = self._source_of(self._views.final_view)
        if height is not None:
            needs[NeedRange(height)] = final_source
        for view in self._views:
            block_hash = view.certified_block()
            if block_hash is None or view.number <= self._views.final_view:
                continue
            _, missing = self._tree.path(block_hash)
            if missing is not None:
                needs.setdefault(NeedBlock(missing), self._source_of(view.number))
        for node in self._finality.waiting():
            for digest in node.block.batches:
                if len(needs) >= _NEEDS_MOST:
                    return needs
                if digest not in self._batches:
                    needs.setdefault(NeedBatch(digest), final_source)
        return needs

    def _source_of(self, number: int) -> int:
        view = self._views.get(number)
        if view is None or view.source is None:
            return self._setup.validators.leader(self._setup.epoch, number)
        return view.source
