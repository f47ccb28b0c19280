"""Simplex with pushed batches, as a state machine without input or output (ledger/spec/CONSENSUS.md).

    leader(v)   on entering v, or when a batch arrives in it: propose a block on the highest notarised parent
    notarise    the proposal is valid and everything it names is held                       -> vote to all
    q notarise  the view is notarised: enter v + 1 and propose there, execute the block     -> finalise to all
    q finalise  the block, its ancestors and their outcomes are final                       -> commit
    nullify     no proposal in t_l, no certificate in t_a, an invalid one, f + 1 others     -> vote to all
    q nullify   the view is nullified: enter v + 1; later blocks may build past it
    the end     a block that closes the epoch is final: committed, it ends the machine; the next epoch has another one

A step takes in one input, then settles: it enters views, votes, proposes, executes and commits until nothing more
follows, and last looks at its timers and at what is missing. What may be signed is decided in `safety`, when to give
up in `pacing`. Records come first among the effects of a step, so nothing it says leaves before it is logged.
"""

from __future__ import annotations

from typing import Final

from ledger.base.errors import Code, ConsensusError, ProofError, SignatureError
from ledger.base.hashing import ZERO_HASH
from ledger.base.keys import Signer
from ledger.base.limits import BATCHES_PER_ANNOUNCEMENT
from ledger.chain.block import Block
from ledger.chain.certificate import Certificate
from ledger.chain.transaction import Transaction
from ledger.chain.votes import Claim, Kind, Proposal, Vote, finalise, notarise, nullify
from ledger.consensus.batches import BatchPool
from ledger.consensus.counting import Teller
from ledger.consensus.exchange import Exchange
from ledger.consensus.fetching import Fetcher, Need, NeedBatch, NeedBlock, NeedRange
from ledger.consensus.finality import Finality
from ledger.consensus.interface import (
    FOLLOWER,
    BatchHeld,
    Commit,
    Connected,
    Effect,
    EndEpoch,
    Execute,
    Executed,
    Halt,
    Input,
    OthersChanged,
    Received,
    SetTimer,
    Setup,
    Start,
    Tick,
)
from ledger.consensus.messages import (
    Announcement,
    Blocks,
    Message,
    Range,
    Record,
)
from ledger.consensus.outbox import Outbox
from ledger.consensus.pacing import VIEWS_AHEAD, Pacing
from ledger.consensus.safety import (
    Invalid,
    Parent,
    Rules,
    Wait,
    may_finalise,
    may_notarise,
    may_nullify,
    may_propose,
)
from ledger.consensus.tree import Node, Tree
from ledger.consensus.views import Reason, View, Views

_RESENT_FINALISE: Final = 4


class Consensus:
    """One validator's part in one epoch. See the package's docstring for the contract with its driver."""

    def __init__(self, setup: Setup, start: Start) -> None:
        """Stand where the chain on disk and the vote log say. Raises SignatureError if the key is not in the set."""
        me = FOLLOWER if setup.key is None else setup.validators.index_of(setup.key.public_key)
        if me is None:
            raise SignatureError(Code.UNKNOWN_KEY, "expected the key of one of the validators, got another")
        self.me: Final = me
        self._setup = setup
        self._key = setup.key
        self._validators = setup.validators
        self._epoch = setup.epoch
        self._leader_offset = setup.validators.leader_offset(setup.epoch)
        self._count: Final = len(setup.validators)
        self._outbox = Outbox()
        self._tree = Tree(Block(start.header, start.recent[-1] if start.recent else ()), start.outcome_hash)
        self._batches = BatchPool(len(setup.validators), start.recent, self._may_close)
        self._views = Views()
        self._finality = Finality(self._tree, self._views)
        self._rules = Rules(setup, self._views, self._tree, self._finality, self._batches)
        self._teller = Teller(setup, self._views, self._outbox)
        self._pacing = Pacing(setup.validators, me, setup.parameters)
        self._fetcher = Fetcher(setup.epoch, me, len(setup.validators) + setup.others, self._pacing.half_ms)
        self._exchange = Exchange(
            setup, me, self._views, self._tree, self._finality, self._batches, self._pacing, self._outbox
        )
        self._committed_view = 0
        self._executing: bytes | None = None
        """The block that is to be executed now: one at a time, so that what stands is known (`Tree.standing`)."""
        self._final_at_ms = 0
        self._timer_at_ms: int | None = None
        self._now_ms = 0
        self._wall_ms = 0
        self._is_halted = False
        self._is_ended = False
        self._later: list[Record] = []
        """What the log holds of later epochs: said before a power cut took this epoch's end from the chain."""
        self._is_news = True
        """Whether anything can follow from the input; most votes only add to a count."""
        self._recover(start)

    # ---- what the driver may ask

    @property
    def view(self) -> int:
        """The current view."""
        return self._views.current

    @property
    def final_view(self) -> int:
        """The highest view known to be finalised."""
        return self._views.final_view

    @property
    def committed_height(self) -> int:
        """The height of the last block handed out with `Commit`."""
        return self._tree.root.height

    @property
    def leader(self) -> int:
        """The index of the leader of the current view."""
        return self._leader(self._views.current)

    @property
    def is_halted(self) -> bool:
        """Whether `Halt` was among the effects."""
        return self._is_halted

    @property
    def is_ended(self) -> bool:
        """Whether `EndEpoch` was among the effects."""
        return self._is_ended

    @property
    def held(self) -> tuple[BatchHeld, ...]:
        """The batches that wait to be ordered, oldest first."""
        return self._batches.held()

    def has_room(self, origin: int, size: int) -> bool:
        """Whether a pushed batch of `size` bytes from `origin` may be held; if not, it is answered 429."""
        return self._batches.has_room(origin, size)

    def wants_batch(self, digest: bytes) -> bool:
        """Whether a proposal, or a block to execute, waits for this batch."""
        return self._fetcher.is_wanted(NeedBatch(digest))

    def is_settled(self, digest: bytes) -> bool:
        """Whether a block known to be final and not committed here yet has this batch: a quorum held it whole."""
        return self._finality.is_settled(digest)

    def live_records(self) -> tuple[Record, ...]:
        """The records that still matter above the last committed block, for a compacted vote log."""
        nodes = sorted(self._tree, key=lambda node: (node.height, node.hash))
        records: list[Record] = [
            Blocks((node.block,)) for node in nodes if node.logged and node is not self._tree.root
        ]
        for view in sorted(self._views, key=lambda view: view.number):
            records.extend(view.certificates[kind] for kind in sorted(view.certificates))
            if view.own_proposal is not None:
                records.append(view.own_proposal)
            records.extend(view.own[kind] for kind in sorted(view.own))
        return (*records, *self._later)

    # ---- one step

    def step(self, now_ms: int, wall_ms: int, event: Input) -> list[Effect]:
        """Take in one input at monotonic `now_ms` and Unix time `wall_ms`; returns what is to be done, in order."""
        if self._is_over():
            return []
        self._now_ms, self._wall_ms = now_ms, wall_ms
        self._is_news = True
        self._take(event)
        if self._is_news:
            self._settle()
            if not self._is_over():
                self._watch()
        return self._outbox.take()

    def _take(self, event: Input) -> None:
        if isinstance(event, Received):
            self._receive(event.peer, event.message)
        elif isinstance(event, BatchHeld):
            self._on_batch(event)
        elif isinstance(event, Executed):
            self._executed(event)
        elif isinstance(event, Tick):
            self._timer_at_ms = None
        elif isinstance(event, Connected):
            self._outbox.send(event.peer, self._exchange.position())
        elif isinstance(event, OthersChanged):
            self._fetcher.peers = self._exchange.peers = len(self._validators) + event.others
        else:
            self._begin()

    def _settle(self) -> None:
        """Do what follows from what is known, until nothing more does."""
        while not self._is_over() and (
            self._commit()
            or self._enter_view()
            or self._vote_on_proposal()
            or self._nullify()
            or self._propose()
            or self._execute()
            or self._finalise()
        ):
            pass

    # ---- restart (rules 23, 24)

    def _recover(self, start: Start) -> None:
        if start.certificate is None:
            self._views.at(0).anchor = self._tree.root.hash
        else:
            self._committed_view = start.certificate.claim.view
            self._note_certificate(start.certificate)
        for record in start.records:
            self._recover_record(record)
        self._views.current = self._recovered_view()

    def _recover_record(self, record: Record) -> None:
        epoch = record.blocks[0].header.epoch if isinstance(record, Blocks) else record.claim.epoch
        if epoch != self._epoch:
            if epoch > self._epoch:
                self._later.append(record)
            return
        if isinstance(record, Blocks):
            for block in record.blocks:
                self._tree.add(block.header.hash, block).logged = True
            return
        claim = record.claim
        if claim.view < self._committed_view:
            return
        if isinstance(record, Certificate):
            self._note_certificate(record)
        elif isinstance(record, Proposal):
            view = self._views.at(claim.view)
            view.own_proposal = view.proposal = record
            self._tree.add(record.block.header.hash, record.block).logged = True
        else:
            self._teller.count_own(record)

    def _recovered_view(self) -> int:
        """The view that the log puts this validator in: where it spoke last, or what its certificates let it enter."""
        current = self._views.final_view + 1
        for view in self._views:
            if self._may_leave(view):
                current = max(current, view.number + 1)
            elif view.own_proposal is not None or Kind.NOTARISE in view.own or Kind.NULLIFY in view.own:
                current = max(current, view.number)
        return current

    def _begin(self) -> None:
        """Take up the timers, say again what was said in the current view, and ask one peer where it stands."""
        self._final_at_ms = self._now_ms
        self._pacing.restart(self._views.current, self._now_ms)
        for view in self._views:
            view.notarised_at_ms = self._now_ms
        self._repeat_own_words()
        self._exchange.tell_next_peer(self._now_ms)

    def _on_batch(self, batch: BatchHeld) -> None:
        """Hold a batch. Where work is pending already, it is news to the leader, and where a block or a vote waits."""
        is_wanted = self.wants_batch(batch.digest)
        view = self._views.at(self._views.current)
        is_waiting = view.proposal is not None and may_notarise(view, view.number)
        self._is_news = is_wanted or is_waiting or not self._batches or self.leader == self.me
        self._batches.add(batch, is_wanted=is_wanted)

    # ---- messages

    def _receive(self, peer: int, message: Message) -> None:
        self._is_news = False
        if peer == self.me or peer < 0:
            return
        if peer >= len(self._validators) and isinstance(message, Vote | Proposal | Announcement):
            self._receive_from_other(peer, message)
        elif isinstance(message, Vote):
            self._on_vote(peer, message)
        elif isinstance(message, Proposal):
            self._on_proposal(peer, message)
        elif isinstance(message, Certificate):
            self._on_certificate(peer, message)
        elif isinstance(message, Blocks):
            self._on_blocks(message)
        elif isinstance(message, Range):
            self._on_range(peer, message)
        else:
            self._exchange.receive(peer, message, self._now_ms)

    def _receive_from_other(self, peer: int, message: Vote | Proposal | Announcement) -> None:
        """What one outside the set votes, proposes or announces is nothing; but it may have to be told of an epoch's end."""
        if not isinstance(message, Announcement):
            self._is_this_epoch(peer, message.claim.epoch)

    def _is_this_epoch(self, peer: int, epoch: int) -> bool:
        return self._exchange.is_this_epoch(peer, epoch, self._now_ms)

    def _on_proposal(self, peer: int, proposal: Proposal) -> None:
        """Take the leader's first proposal for a view; a second, different one is evidence (rule 13)."""
        if not self._is_this_epoch(peer, proposal.epoch):
            return
        number = proposal.view
        if peer != self._leader(number):
            self._outbox.drop(peer, f"it proposed in view {number}, which another validator leads")
            return
        known = self._views.get(number)
        first = None if known is None else known.proposal
        claim = proposal.claim
        is_accepted = self._views.current <= number <= self._views.current + VIEWS_AHEAD
        if first is not None and first.claim == claim:
            return
        if first is None and not is_accepted and not self._pacing.is_timely(number, self._now_ms):
            return
        if not self._teller.is_signed(peer, claim, proposal.signature):
            self._outbox.drop(peer, f"its proposal in view {number} bears no valid signature")
            return
        self._pacing.proposed(peer, number, self._now_ms)
        if first is not None:
            self._teller.accuse(peer, first.claim, first.signature, claim, proposal.signature)
        elif is_accepted:
            self._is_news = True
            self._views.at(number).proposal = proposal
            self._tree.add(proposal.block.header.hash, proposal.block)

    def _on_vote(self, peer: int, vote: Vote) -> None:
        """Count a vote; one for a view that was left comes too late, but may be from someone who is stuck there."""
        claim = vote.claim
        number = claim.view
        if not self._is_this_epoch(peer, claim.epoch):
            return
        if vote.signer != peer:
            self._outbox.drop(peer, f"it sent a vote of validator {vote.signer} as its own")
            return
        self._pacing.voted(peer, number, self._now_ms)
        if claim.kind != Kind.FINALISE:
            if number < self._views.current:
                self._exchange.answer_late(peer, number, self._now_ms)
            elif number > self._views.current + VIEWS_AHEAD:
                return
        if number <= self._views.final_view:
            return
        self._teller.count(vote)
        self._is_news = claim.kind == Kind.NULLIFY
        if claim.kind == Kind.FINALISE or number >= self._views.current:
            self._certify(claim)

    def _certify(self, claim: Claim) -> None:
        """Make a certificate once q valid votes for one claim are here (rules 8, 16, 17)."""
        view = self._views.get(claim.view)
        certificate = None if view is None else self._teller.certificate_of(view, claim)
        if certificate is None:
            return
        self._accept_certificate(certificate, None)
        if claim.kind != Kind.NULLIFY and self._leader(claim.view + 1) == self.me:
            self._outbox.broadcast(certificate)

    def _on_certificate(self, peer: int, certificate: Certificate) -> None:
        claim = certificate.claim
        if claim.epoch < self._epoch:  # perhaps the answer to what was asked: never answered in turn
            return
        if not self._is_this_epoch(peer, claim.epoch) or claim.view < self._views.final_view:
            return
        known = self._views.get(claim.view)
        held = None if known is None else known.certificates.get(claim.kind)
        if held is not None and (held.claim == claim or claim.kind != Kind.FINALISE):
            return
        try:
            self._teller.check_certificate(certificate)
        except ProofError as error:
            self._outbox.drop(peer, f"its certificate of view {claim.view} does not hold: {error.message}")
            return
        if held is not None:
            self._halt_on_fork()
            return
        self._accept_certificate(certificate, peer)

    def _accept_certificate(self, certificate: Certificate, peer: int | None) -> None:
        """Take over a certificate that holds: log it, and pass it on if everyone is to pass it on (rules 8, 23)."""
        claim = certificate.claim
        self._is_news = True
        self._outbox.log(certificate)
        self._note_certificate(certificate)
        view = self._views.at(claim.view)
        view.notarised_at_ms = self._now_ms
        view.source = peer
        for signer in certificate.signer_indices():
            self._pacing.voted(signer, claim.view, self._now_ms)
        if claim.kind == Kind.NULLIFY and claim.view >= self._views.current:
            self._outbox.broadcast(certificate)

    def _note_certificate(self, certificate: Certificate) -> None:
        claim = certificate.claim
        self._views.at(claim.view).note(certificate)
        if claim.kind != Kind.FINALISE or claim.block is None:
            return
        self._finality.certify(claim.block, certificate)
        if claim.view > self._views.final_view:
            self._views.final_view = claim.view
            self._views.final_certificate = certificate
            self._final_at_ms = self._now_ms
            self._pacing.progressed()

    def _on_blocks(self, answer: Blocks) -> None:
        for block in answer.blocks:
            block_hash = block.header.hash
            if self._fetcher.is_wanted(NeedBlock(block_hash)):
                self._is_news = True
                self._tree.add(block_hash, block)

    def _on_range(self, peer: int, answer: Range) -> None:
        """Take over committed blocks of this epoch: linked to the chain here, the last one certified (rule 28)."""
        linked = self._finality.linked()
        if not self._fetcher.is_wanted(NeedRange(linked.height + 1)):
            return
        members = [
            member
            for member in answer.blocks
            if member[0].header.height > linked.height and member[0].header.epoch <= self._epoch
        ]
        if not members or members[-1][1] is None:
            return
        parent = linked.hash
        for block, certificate in members:
            if block.header.parent != parent:
                self._outbox.drop(peer, f"its range does not link to block {parent.hex()[:16]}")
                return
            parent = block.header.hash
            if certificate is not None and not self._is_finalisation_of(parent, certificate):
                self._outbox.drop(peer, f"its range holds no valid finalisation of block {parent.hex()[:16]}")
                return
        self._is_news = True
        self._finality.link([block for block, _ in members])
        for block, certificate in members:
            if certificate is None:
                continue
            if certificate.claim.view > self._views.final_view:
                self._accept_certificate(certificate, peer)
            else:
                self._finality.certify(block.header.hash, certificate)

    def _is_finalisation_of(self, block_hash: bytes, certificate: Certificate) -> bool:
        claim = certificate.claim
        if claim.kind != Kind.FINALISE or claim.block != block_hash or claim.epoch != self._epoch:
            return False
        try:
            self._teller.check_certificate(certificate)
        except ProofError:
            return False
        return True

    # ---- what follows: views (rules 10, 19-21)

    def _may_leave(self, view: View) -> bool:
        """Whether the next view may be entered from this one."""
        if view.has_nullification() or Kind.FINALISE in view.certificates:
            return True
        block = view.certified_block()
        return block is not None and self._tree.get(block) is not None

    def _enter_view(self) -> bool:
        views = self._views
        current = left = views.current - 1
        for known in views:
            if known.number > left and self._may_leave(known):
                left = known.number
        if left == current:
            return False
        view = views.at(views.current)
        if view.certified_block() is not None:
            self._pacing.view_notarised()
        elif view.has_nullification():
            by_skip = view.reason is Reason.SKIP or self._pacing.is_skipped(self._leader(views.current))
            self._pacing.view_nullified(by_skip=by_skip)
            if view.reason is Reason.NO_PROPOSAL and not view.has_proposal():
                self._pacing.turn_missed(self._leader(views.current))
        views.current = left + 1
        self._pacing.enter(views.current, self._now_ms)
        return True

    def _arm(self) -> None:
        """Timers run only while work is pending (rule 19); nothing is, once the epoch's last block is final.

        To a follower batches are no work: it cannot have them ordered.
        """
        self._rules.drop_untimely_changes(self._wall_ms)
        pending = (
            (bool(self._batches) and self._key is not None)
            or self._finality.is_tip_unfinal()
            or self._is_heartbeat_due()
        )
        self._pacing.arm(pending and not self._finality.is_closed(self._epoch), self._now_ms)

    def _heartbeat_at_ms(self) -> int | None:
        heartbeat_ms = self._setup.parameters.heartbeat_ms
        return self._final_at_ms + heartbeat_ms if heartbeat_ms else None

    def _is_heartbeat_due(self) -> bool:
        due = self._heartbeat_at_ms()
        return due is not None and self._now_ms >= due

    def _nullify(self) -> bool:
        view = self._views.at(self._views.current)
        self._arm()
        if self._key is None or not may_nullify(view, self._views.current):
            return False
        reason = self._reason_to_nullify(view)
        if reason is None:
            return False
        view.reason = reason
        self._vote(self._key, nullify(self._epoch, view.number))
        return True

    def _reason_to_nullify(self, view: View) -> Reason | None:
        if view.is_invalid:
            return Reason.INVALID
        if view.count(nullify(self._epoch, view.number)) > self._validators.faulty:
            return Reason.PULLED_IN
        pacing = self._pacing
        proposal_due, certificate_due = pacing.proposal_due_ms(), pacing.certificate_due_ms()
        if proposal_due is None or certificate_due is None:
            return None
        if not view.has_proposal():
            if pacing.is_skipped(self._leader(view.number)):
                return Reason.SKIP
            if self._now_ms >= proposal_due:
                return Reason.NO_PROPOSAL
        return Reason.NO_CERTIFICATE if self._now_ms >= certificate_due else None

    # ---- what follows: proposals and votes (rules 11-16)

    def _propose(self) -> bool:
        number = self._views.current
        view = self._views.at(number)
        if self._key is None or self._leader(number) != self.me or not may_propose(view, number):
            return False
        parent = self._rules.find_parent(number)
        if isinstance(parent, Wait):
            return False
        most = self._pacing.subjects_in_time()
        block = self._rules.fresh_block(number, parent.node, self._wall_ms, most)
        if block is None and self._is_reproposal_due(parent):
            block = parent.node.block
        if block is None and parent.node.height == self._finality.height() and self._is_heartbeat_due():
            block = self._rules.heartbeat_block(number, parent.node, self._wall_ms)
        if block is None:
            return False
        claim = Claim(Kind.PROPOSAL, self._epoch, number, block.header.hash, None, parent.view)
        signature = self._key.sign(claim.signing_message(self._validators.network))
        proposal = Proposal(self._epoch, number, parent.view, block, signature)
        view.own_proposal = view.proposal = proposal
        self._tree.add(block.header.hash, block).logged = True
        self._outbox.log(proposal)
        self._outbox.broadcast(proposal)
        return True

    def _reproposal_at_ms(self, parent: Parent) -> int | None:
        """When an unfinal tip is due to be proposed again: t_r after the latest view that notarised it (rule 12)."""
        if parent.node.height <= self._finality.height():
            return None
        return self._views.at(parent.view).notarised_at_ms + self._pacing.half_ms

    def _is_reproposal_due(self, parent: Parent) -> bool:
        due = self._reproposal_at_ms(parent)
        return due is not None and self._now_ms >= due

    def _vote_on_proposal(self) -> bool:
        view = self._views.at(self._views.current)
        proposal = view.proposal
        if self._key is None or proposal is None or view.is_invalid:
            return False
        if not may_notarise(view, self._views.current):
            return False
        block_hash = proposal.block.header.hash
        verdict = self._rules.judge(proposal, block_hash, self._wall_ms)
        if isinstance(verdict, Invalid):
            view.is_invalid = True
            self._outbox.alarm(f"the proposal of view {view.number} is invalid: {verdict.reason}")
            return True
        view.needs = verdict.needs if isinstance(verdict, Wait) else ()
        if isinstance(verdict, Wait):
            return False
        self._log_block(self._tree.add(block_hash, proposal.block))
        self._vote(self._key, notarise(self._epoch, view.number, block_hash))
        return True

    def _log_block(self, node: Node) -> None:
        if not node.logged:
            node.logged = True
            self._outbox.log(Blocks((node.block,)))

    def _vote(self, key: Signer, claim: Claim) -> None:
        """Sign, log, send and count a vote."""
        vote = Vote(claim, self.me, key.sign(claim.signing_message(self._validators.network)))
        self._outbox.log(vote)
        self._outbox.broadcast(vote)
        self._teller.count_own(vote)
        self._certify(claim)

    def _finalise(self) -> bool:
        """Vote for every notarised and executed view that was not nullified, also after leaving it (rule 16)."""
        if self._key is None:
            return False
        for view in list(self._views):
            block_hash = view.certified_block()
            if block_hash is None or not may_finalise(view, self._views.final_view):
                continue
            node = self._tree.get(block_hash)
            if node is not None and node.outcome_hash is not None:
                self._log_block(node)
                self._vote(self._key, finalise(self._epoch, view.number, block_hash, node.outcome_hash))
                return True
        return False

    # ---- what follows: execution and finality (rules 16, 17)

    def _execute(self) -> bool:
        """Have the next block executed, one at a time, once its batches are held."""
        waiting = () if self._executing is not None else self._finality.waiting()
        if not waiting:
            return False
        node = waiting[0]
        if not all(digest in self._batches for digest in node.block.batches):
            return False
        self._executing = node.hash
        self._outbox.add(Execute(node.hash, node.block))
        return True

    def _executed(self, event: Executed) -> None:
        if event.block_hash != self._executing:
            return
        self._executing = None
        node = self._tree.get(event.block_hash)
        if node is None:
            return
        parent = self._tree.get(node.parent)
        outcome = event.outcome
        if (
            parent is None
            or outcome.header_hash != node.hash
            or outcome.parent_outcome_hash != parent.outcome_hash
        ):
            self._halt("expected an outcome of the block asked for, on its parent's outcome, got another")
            return
        self._tree.stand(node)
        self._pacing.executed(self._batches.subjects(node.block.batches), event.took_ms)
        node.outcome = outcome
        node.outcome_hash = outcome.hash_in(self._validators.network)

    def _commit(self) -> bool:
        """Commit up to the lowest directly certified block, if executing it gave what was certified."""
        found = self._finality.committable()
        if found is None:
            return False
        path, certificate = found
        last = path[-1]
        certified = certificate.claim.outcome or ZERO_HASH
        if certified != last.outcome_hash:
            self._halt(
                f"expected the certified outcome {certified.hex()[:16]} at height {last.height}, executing gave "
                f"{(last.outcome_hash or ZERO_HASH).hex()[:16]}: rebuild this node's state"
            )
            return True
        for node in path:
            if node.outcome is not None:
                own = certificate if node is last else None
                self._outbox.add(Commit(node.hash, node.block, node.outcome, own))
            self._batches.commit(node.block.batches)
        self._finality.commit(last)
        self._committed_view = max(self._committed_view, certificate.claim.view)
        self._views.prune(self._committed_view)
        self._teller.prune(self._committed_view)
        if self._rules.is_closing(last):
            self._is_ended = True
            self._outbox.add(EndEpoch())
        return True

    # ---- timers, re-sends, fetches (rules 9, 15, 19, 20, 22)

    def _watch(self) -> None:
        if self._finality.is_forked():
            self._halt_on_fork()
            return
        self._arm()
        if self._pacing.resend_at_ms is not None and self._now_ms >= self._pacing.resend_at_ms:
            self._pacing.resend_at_ms = self._now_ms + self._pacing.base_ms
            self._resend()
        if self._now_ms >= self._exchange.position_at_ms:
            self._exchange.tell_next_peer(self._now_ms)
        for peer, message in self._fetcher.settle(self._needs(), self._now_ms):
            self._outbox.send(peer, message)
        self._set_timer()

    def _resend(self) -> None:
        """Stuck: say again what was said in this view, what leads into it, and which batches wait."""
        self._repeat_own_words()
        entering = self._exchange.entering_certificate()
        if entering is not None:
            self._outbox.broadcast(entering)
        waiting = self._batches.digests(BATCHES_PER_ANNOUNCEMENT)
        if waiting:
            self._outbox.broadcast(Announcement(waiting))
        self._outbox.broadcast(self._exchange.position())

    def _repeat_own_words(self) -> None:
        """The proposal and votes of the current view, and the last finalise votes that settled nothing yet."""
        view = self._views.at(self._views.current)
        if view.own_proposal is not None:
            self._outbox.broadcast(view.own_proposal)
        for kind in sorted(view.own):
            self._outbox.broadcast(view.own[kind])
        unfinal = sorted(
            other.number
            for other in self._views
            if other.number > self._views.final_view and Kind.FINALISE in other.own and other is not view
        )
        for number in unfinal[-_RESENT_FINALISE:]:
            self._outbox.broadcast(self._views.at(number).own[Kind.FINALISE])

    def _needs(self) -> dict[Need, int]:
        """Everything that is missing now, each with the peer to ask first."""
        needs = self._exchange.needs()
        number = self._views.current
        view = self._views.at(number)
        leader = self._leader(number)
        if view.proposal is not None and not view.is_invalid and may_notarise(view, number):
            for need in view.needs:
                needs.setdefault(need, leader)
        if leader == self.me and may_propose(view, number) and self._pacing.start_ms() is not None:
            parent = self._rules.find_parent(number)
            if isinstance(parent, Wait):
                for need in parent.needs:
                    needs.setdefault(need, self.me + 1)
        return needs

    def _set_timer(self) -> None:
        """Ask to be called when something is due next; an earlier timer that is set already will do."""
        pacing = self._pacing
        view = self._views.at(self._views.current)
        due = [self._exchange.position_at_ms, self._fetcher.next_at_ms(), pacing.resend_at_ms]
        if may_nullify(view, self._views.current):
            due.append(pacing.certificate_due_ms())
            if not view.has_proposal():
                due.append(pacing.proposal_due_ms())
        if not self._is_heartbeat_due():
            due.append(self._heartbeat_at_ms())
        if self._leader(view.number) == self.me and may_propose(view, view.number):
            parent = self._rules.find_parent(view.number)
            due.append(self._reproposal_at_ms(parent) if isinstance(parent, Parent) else None)
        at_ms = min(moment for moment in due if moment is not None and moment > self._now_ms)
        if self._timer_at_ms is None or at_ms < self._timer_at_ms:
            self._timer_at_ms = at_ms
            self._outbox.add(SetTimer(at_ms))

    # ---- small words

    def _is_over(self) -> bool:
        return self._is_halted or self._is_ended

    def _may_close(self, change: Transaction) -> bool:
        return self._rules.may_close(change, self._finality.height() + 1, self._wall_ms)

    def _leader(self, view: int) -> int:
        return (view + self._leader_offset) % self._count

    def _halt_on_fork(self) -> None:
        self._halt(
            "expected one finalised chain, got finalisations of two: more than "
            f"{self._validators.faulty} validators signed against the rules"
        )

    def _halt(self, message: str) -> None:
        self._is_halted = True
        self._outbox.add(Halt(ConsensusError(Code.DIVERGED, message)))
