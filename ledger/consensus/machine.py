"""Simplex with pushed batches, as a state machine without input or output (ledger/spec/CONSENSUS.md).

    leader(v)   on entering v, or when a batch arrives in it: propose a block on the highest notarised parent
    notarise    the proposal is valid and everything it names is held                       -> vote to all
    q notarise  the view is notarised: enter v + 1 and propose there, execute the block     -> finalise to all
    q finalise  the block, its ancestors and their outcomes are final                       -> commit
    nullify     no proposal in t_l, no certificate in t_a, an invalid one, f + 1 others     -> vote to all
    q nullify   the view is nullified: enter v + 1; later blocks may build past it

A step takes in one input, then settles: it enters views, votes, proposes, executes and commits until nothing more
follows, and last looks at its timers and at what is missing. What may be signed is decided in `safety`, when to give
up in `pacing`. Records come first among the effects of a step, so nothing it says leaves before it is logged.
"""

from __future__ import annotations

from typing import Final

from ledger.base.errors import Code, ConsensusError, ProofError, SignatureError
from ledger.base.hashing import ZERO_HASH
from ledger.base.keys import SIGNATURE_BYTES
from ledger.base.limits import (
    BATCHES_PER_ANNOUNCEMENT,
    BATCHES_PER_FETCH,
    BLOCKS_PER_RANGE,
    CERTIFICATES_PER_FETCH,
    FINALISE_VIEWS_HELD,
)
from ledger.chain.block import Block
from ledger.chain.certificate import Certificate, check_certificate, make_certificate
from ledger.chain.evidence import make_evidence
from ledger.chain.votes import Claim, Kind, Proposal, Vote, finalise, notarise, nullify
from ledger.consensus.batches import BatchPool
from ledger.consensus.fetching import Asked, Fetcher, Need, NeedBatch, NeedBlock, NeedRange
from ledger.consensus.interface import (
    Accuse,
    Alarm,
    BatchHeld,
    Broadcast,
    Commit,
    Connected,
    Drop,
    Effect,
    Execute,
    Executed,
    Halt,
    Input,
    Persist,
    Received,
    Send,
    Serve,
    SetTimer,
    Setup,
    Start,
    Tick,
)
from ledger.consensus.messages import (
    Announcement,
    Blocks,
    FetchBatches,
    FetchBlocks,
    FetchCertificates,
    Message,
    Position,
    Range,
    Record,
)
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
from ledger.consensus.views import Ballot, Reason, View, Views

_RESENT_FINALISE: Final = 4
_IDLE_POSITION_MS: Final = 30_000


class Consensus:
    """One validator's part in one epoch. See the package's docstring for the contract with its driver."""

    def __init__(self, setup: Setup, start: Start) -> None:
        """Stand where the chain on disk and the vote log say. Raises SignatureError if the key is not in the set."""
        me = setup.validators.index_of(setup.key.public_key)
        if me is None:
            raise SignatureError(Code.UNKNOWN_KEY, "expected the key of one of the validators, got another")
        self.me: Final = me
        self._setup = setup
        self._validators = setup.validators
        self._epoch = setup.epoch
        self._tree = Tree(Block(start.header, start.recent[-1] if start.recent else ()), start.outcome_hash)
        self._batches = BatchPool(len(setup.validators), start.recent)
        self._views = Views()
        self._rules = Rules(setup, self._views, self._tree, self._batches)
        self._pacing = Pacing(setup.validators, me, setup.parameters)
        self._fetcher = Fetcher(setup.epoch, me, len(setup.validators), self._pacing.half_ms)
        self._certified: dict[bytes, Certificate] = {}
        self._linked_hash = self._tree.root.hash
        self._committed_view = 0
        self._finalise_views: list[dict[int, None]] = [{} for _ in setup.validators]
        self._accused: set[tuple[int, int]] = set()
        self._asked = Asked(self._pacing.base_ms)
        self._answered: dict[tuple[int, type], int] = {}
        self._records: list[Record] = []
        self._effects: list[Effect] = []
        self._now_ms = 0
        self._wall_ms = 0
        self._final_at_ms = 0
        self._position_at_ms = 0
        self._position_peer = me
        self._timer_at_ms: int | None = None
        self._is_halted = False
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

    def has_room(self, origin: int, size: int) -> bool:
        """Whether a pushed batch of `size` bytes from `origin` may be held; if not, it is answered 429."""
        return self._batches.has_room(origin, size)

    def wants_batch(self, digest: bytes) -> bool:
        """Whether a proposal, or a block to execute, waits for this batch."""
        return self._fetcher.is_wanted(NeedBatch(digest))

    def live_records(self) -> tuple[Record, ...]:
        """The records that still matter above the last committed block, for a compacted vote log."""
        nodes = sorted(self._tree, key=lambda node: (node.height, node.hash))
        records: list[Record] = [
            Blocks((node.block,)) for node in nodes if node.logged and node is not self._tree.root
        ]
        for view in sorted(self._views, key=lambda view: view.number):
            if view.number >= self._committed_view:
                records.extend(view.certificates[kind] for kind in sorted(view.certificates))
            if view.own_proposal is not None:
                records.append(view.own_proposal)
            records.extend(view.own[kind] for kind in sorted(view.own))
        return tuple(records)

    # ---- one step

    def step(self, now_ms: int, wall_ms: int, event: Input) -> list[Effect]:
        """Take in one input at monotonic `now_ms` and Unix time `wall_ms`; returns what is to be done, in order."""
        if self._is_halted:
            return []
        self._now_ms, self._wall_ms = now_ms, wall_ms
        self._records, self._effects = [], []
        self._take(event)
        self._settle()
        self._watch()
        effects, self._effects = self._effects, []
        if self._records:
            effects.insert(0, Persist(tuple(self._records)))
        return effects

    def _take(self, event: Input) -> None:
        if isinstance(event, Received):
            self._receive(event.peer, event.message)
        elif isinstance(event, BatchHeld):
            self._batches.add(event)
        elif isinstance(event, Executed):
            self._executed(event)
        elif isinstance(event, Tick):
            self._timer_at_ms = None
        elif isinstance(event, Connected):
            self._send(event.peer, self._position())
        else:
            self._begin()

    def _settle(self) -> None:
        """Do what follows from what is known, until nothing more does."""
        while not self._is_halted and (
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
            if isinstance(record, Blocks):
                for block in record.blocks:
                    self._tree.add(block.header.hash, block).logged = True
            elif isinstance(record, Certificate):
                if record.claim.epoch == self._epoch and record.claim.view >= self._committed_view:
                    self._note_certificate(record)
            elif isinstance(record, Proposal):
                if record.epoch == self._epoch and record.view > self._committed_view:
                    view = self._views.at(record.view)
                    view.own_proposal = view.proposal = record
                    self._tree.add(record.block.header.hash, record.block).logged = True
            elif record.claim.epoch == self._epoch and record.claim.view > self._committed_view:
                self._note_own_vote(record)
        self._views.current = self._recovered_view()

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
        self._send_position_to_next()

    # ---- messages

    def _receive(self, peer: int, message: Message) -> None:
        if peer == self.me or not 0 <= peer < len(self._validators):
            return
        if isinstance(message, Vote):
            self._on_vote(peer, message)
        elif isinstance(message, Proposal):
            self._on_proposal(peer, message)
        elif isinstance(message, Certificate):
            self._on_certificate(peer, message)
        elif isinstance(message, Announcement):
            self._on_announcement(peer, message)
        elif isinstance(message, Position):
            self._on_position(peer, message)
        elif isinstance(message, Blocks):
            self._on_blocks(message)
        elif isinstance(message, Range):
            self._on_range(peer, message)
        elif isinstance(message, FetchBlocks):
            self._on_fetch_blocks(peer, message)
        elif isinstance(message, FetchCertificates):
            self._on_fetch_certificates(peer, message)
        else:
            self._effect(Serve(peer, message))

    def _is_this_epoch(self, peer: int, epoch: int) -> bool:
        """Whether a message is of this epoch; one of a later epoch makes this validator say where it stands."""
        if epoch > self._epoch and self._may_answer(peer, Position):
            self._send(peer, self._position())
        return epoch == self._epoch

    def _on_proposal(self, peer: int, proposal: Proposal) -> None:
        if not self._is_this_epoch(peer, proposal.epoch):
            return
        number = proposal.view
        if peer != self._leader(number):
            self._drop(peer, f"it proposed in view {number}, which another validator leads")
            return
        known = self._views.get(number)
        first = None if known is None else known.proposal
        claim = proposal.claim
        if first is not None and first.claim == claim:
            return
        is_accepted = self._views.current <= number <= self._views.current + VIEWS_AHEAD
        if first is None and not is_accepted and not self._pacing.is_timely(number, self._now_ms):
            return
        if not self._is_signed(peer, claim, proposal.signature):
            self._drop(peer, f"its proposal in view {number} bears no valid signature")
            return
        self._pacing.proposed(peer, number, self._now_ms)
        if first is not None:
            self._accuse(peer, first.claim, first.signature, claim, proposal.signature)
        elif is_accepted:
            view = self._views.at(number)
            view.proposal = proposal
            self._tree.add(claim.block or ZERO_HASH, proposal.block)

    def _on_vote(self, peer: int, vote: Vote) -> None:
        claim = vote.claim
        number = claim.view
        if not self._is_this_epoch(peer, claim.epoch):
            return
        if vote.signer != peer:
            self._drop(peer, f"it sent a vote of validator {vote.signer} as its own")
            return
        self._pacing.voted(peer, number, self._now_ms)
        if claim.kind != Kind.FINALISE and number < self._views.current:
            self._answer_late(peer, number)
        elif claim.kind != Kind.FINALISE and number > self._views.current + VIEWS_AHEAD:
            return
        if number <= self._views.final_view or not self._has_room_for(vote):
            return
        view = self._views.at(number)
        contradicted = view.add_vote(vote)
        if contradicted is not None:
            self._check_contradiction(view, vote, contradicted)
        if claim.kind == Kind.FINALISE:
            self._compare_outcomes(view, claim)
        if claim.kind == Kind.FINALISE or number >= self._views.current:
            self._certify(view, claim)

    def _has_room_for(self, vote: Vote) -> bool:
        """Bound the views for which one signer's finalise votes are held: the lowest goes first (rule 26)."""
        if vote.claim.kind != Kind.FINALISE:
            return True
        held = self._finalise_views[vote.signer]
        held[vote.claim.view] = None
        if len(held) <= FINALISE_VIEWS_HELD:
            return True
        lowest = min(held)
        del held[lowest]
        view = self._views.get(lowest)
        if view is not None:
            for claim in view.claims_of(vote.signer, Kind.FINALISE):
                view.remove_vote(claim, vote.signer)
        return lowest != vote.claim.view

    def _check_contradiction(self, view: View, vote: Vote, earlier: Claim) -> None:
        """A signer said two things that contradict each other: whatever is validly signed is evidence."""
        signatures = view.ballots[earlier].signatures
        for claim, signature in ((earlier, signatures[vote.signer]), (vote.claim, vote.signature)):
            if not self._is_signed(vote.signer, claim, signature):
                view.remove_vote(claim, vote.signer)
                self._drop(vote.signer, f"its vote in view {view.number} bears no valid signature")
                return
        self._accuse(vote.signer, earlier, signatures[vote.signer], vote.claim, vote.signature)

    def _compare_outcomes(self, view: View, claim: Claim) -> None:
        """Finalise votes for one block with different outcomes: somebody executes wrongly (rule 17)."""
        if view.is_alarmed:
            return
        others = [
            other
            for other in view.ballots
            if other.kind == Kind.FINALISE and other.block == claim.block and other.outcome != claim.outcome
        ]
        for other in others:
            if self._verify_ballot(view, other) and self._verify_ballot(view, claim):
                view.is_alarmed = True
                self._effect(
                    Alarm(
                        f"expected one outcome of block {(claim.block or b'').hex()[:16]}, validators "
                        f"{sorted(view.ballots[other].signatures)} and {sorted(view.ballots[claim].signatures)} differ"
                    )
                )
                return

    def _verify_ballot(self, view: View, claim: Claim) -> set[int]:
        """Verify the votes for a claim that are not yet verified; bad ones go, with their peer. Returns the good ones."""
        ballot = view.ballots.get(claim)
        if ballot is None:
            return set()
        message = claim.signing_message(self._validators.network)
        for signer in [signer for signer in ballot.signatures if signer not in ballot.verified]:
            if self._setup.verifier(self._validators[signer].public_key, message, ballot.signatures[signer]):
                ballot.verified.add(signer)
            else:
                view.remove_vote(claim, signer)
                self._drop(signer, f"its vote in view {view.number} bears no valid signature")
        return ballot.verified

    def _certify(self, view: View, claim: Claim) -> None:
        """Make a certificate once q valid votes for one claim are here (rules 16, 17, 26)."""
        if claim.kind in view.certificates or view.count(claim) < self._validators.quorum:
            return
        verified = self._verify_ballot(view, claim)
        if len(verified) < self._validators.quorum:
            return
        signatures = view.ballots[claim].signatures
        certificate = make_certificate(self._validators, claim, {i: signatures[i] for i in verified})
        self._accept_certificate(certificate, None)
        next_leads = self._leader(claim.view + 1) == self.me
        if claim.kind != Kind.NULLIFY and next_leads:
            self._effect(Broadcast(certificate))

    def _on_certificate(self, peer: int, certificate: Certificate) -> None:
        claim = certificate.claim
        if not self._is_this_epoch(peer, claim.epoch):
            return
        known = self._views.get(claim.view)
        held = None if known is None else known.certificates.get(claim.kind)
        if held is not None and (held.claim == claim or claim.kind != Kind.FINALISE):
            return
        if claim.view < self._views.final_view:
            return
        try:
            self._check_certificate(known, certificate)
        except ProofError as error:
            self._drop(peer, f"its certificate of view {claim.view} does not hold: {error.message}")
            return
        if held is not None:
            self._halt_on_fork(claim.view)
            return
        self._accept_certificate(certificate, peer)

    def _check_certificate(self, view: View | None, certificate: Certificate) -> None:
        """check_certificate, less the signatures that were verified as votes already."""
        ballot = None if view is None else view.ballots.get(certificate.claim)
        if ballot is None:
            check_certificate(self._validators, certificate, self._setup.verifier)
            return
        known = {self._validators[signer].public_key: ballot.signatures[signer] for signer in ballot.verified}

        def verifier(public_key: bytes, message: bytes, signature: bytes) -> bool:
            return known.get(public_key) == signature or self._setup.verifier(public_key, message, signature)

        check_certificate(self._validators, certificate, verifier)

    def _accept_certificate(self, certificate: Certificate, peer: int | None) -> None:
        """Take over a certificate that holds: it is logged, and passed on if everyone is to pass it on (rule 8)."""
        claim = certificate.claim
        self._records.append(certificate)
        self._note_certificate(certificate)
        view = self._views.at(claim.view)
        view.notarised_at_ms = self._now_ms
        view.source = peer
        for signer in certificate.signer_indices():
            self._pacing.voted(signer, claim.view, self._now_ms)
        if claim.kind == Kind.NULLIFY and claim.view >= self._views.current:
            self._effect(Broadcast(certificate))

    def _note_certificate(self, certificate: Certificate) -> None:
        claim = certificate.claim
        self._views.at(claim.view).certificates[claim.kind] = certificate
        if claim.kind != Kind.FINALISE or claim.block is None:
            return
        if claim.block != self._tree.root.hash:
            self._certified[claim.block] = certificate
        if claim.view > self._views.final_view:
            self._views.final_view = claim.view
            self._views.final_certificate = certificate
            self._final_at_ms = self._now_ms
            self._pacing.progressed()
            for held in self._finalise_views:
                for number in [number for number in held if number <= claim.view]:
                    del held[number]

    # ---- where peers stand, and what they ask for (rules 9, 15, 22, 28)

    def _may_answer(self, peer: int, what: type) -> bool:
        """Whether `peer` may be answered this again: once per t_l / 2."""
        last = self._answered.get((peer, what))
        if last is not None and self._now_ms < last + self._pacing.half_ms:
            return False
        self._answered[peer, what] = self._now_ms
        return True

    def _answer_late(self, peer: int, number: int) -> None:
        """Someone is stuck in a view that was left: send what leads out of it."""
        if not self._pacing.is_late(number, self._now_ms):
            return
        view = self._views.get(number)
        certificate = None if view is None else view.leaving_certificate()
        if number <= self._views.final_view:
            certificate = self._views.final_certificate
        if certificate is not None and self._may_answer(peer, Vote):
            self._send(peer, certificate)

    def _on_position(self, peer: int, position: Position) -> None:
        if not self._is_this_epoch(peer, position.epoch):
            return
        current = self._views.current
        answer: Message | None = None
        if position.final_view < self._views.final_view:
            answer = self._views.final_certificate
        elif position.view < current:
            answer = self._entering_certificate()
        elif position.view > current or position.final_view > self._views.final_view:
            answer = self._position()
        if answer is not None and self._may_answer(peer, Position):
            self._send(peer, answer)

    def _on_announcement(self, peer: int, announcement: Announcement) -> None:
        """Fetch announced batches from one announcer after another: the first may never answer."""
        if not self._may_answer(peer, Announcement):
            return
        missing = tuple(
            digest
            for digest in announcement.digests
            if digest not in self._batches
            and not self._batches.is_recent(digest)
            and self._asked.may_ask(digest, peer, self._now_ms)
        )
        for start in range(0, len(missing), BATCHES_PER_FETCH):
            self._send(peer, FetchBatches(missing[start : start + BATCHES_PER_FETCH]))

    def _on_fetch_blocks(self, peer: int, request: FetchBlocks) -> None:
        nodes = {block_hash: self._tree.get(block_hash) for block_hash in request.hashes}
        known = tuple(node.block for node in nodes.values() if node is not None)
        unknown = tuple(block_hash for block_hash, node in nodes.items() if node is None)
        if known:
            self._send(peer, Blocks(known))
        if unknown:
            self._effect(Serve(peer, FetchBlocks(unknown)))

    def _on_fetch_certificates(self, peer: int, request: FetchCertificates) -> None:
        if not self._is_this_epoch(peer, request.epoch):
            return
        sent_final = False
        for kind, number in request.wanted:
            view = self._views.get(number)
            held = {} if view is None else view.certificates
            certificate = held.get(kind)
            if certificate is None and kind == Kind.NOTARISE:
                certificate = held.get(Kind.FINALISE)
            if certificate is not None:
                self._send(peer, certificate)
            elif number <= self._views.final_view and self._views.final_certificate and not sent_final:
                sent_final = True
                self._send(peer, self._views.final_certificate)

    def _on_blocks(self, answer: Blocks) -> None:
        for block in answer.blocks:
            block_hash = block.header.hash
            if self._fetcher.is_wanted(NeedBlock(block_hash)):
                self._tree.add(block_hash, block)

    def _on_range(self, peer: int, answer: Range) -> None:
        """Take over committed blocks: linked to the chain here, the last one certified (rule 28)."""
        linked = self._linked()
        if not self._fetcher.is_wanted(NeedRange(linked.height + 1)):
            return
        members = [member for member in answer.blocks if member[0].header.height > linked.height]
        parent = linked.hash
        for block, certificate in members:
            block_hash = block.header.hash
            if block.header.parent != parent:
                self._drop(peer, f"its range does not link to block {parent.hex()[:16]}")
                return
            if certificate is not None and not self._is_finalisation_of(block_hash, certificate):
                self._drop(
                    peer, f"its range holds a certificate that is no finalisation of {block_hash.hex()[:16]}"
                )
                return
            parent = block_hash
        if not members or members[-1][1] is None:
            return
        for block, certificate in members:
            self._tree.add(block.header.hash, block)
            if certificate is None:
                continue
            if certificate.claim.view > self._views.final_view:
                self._accept_certificate(certificate, peer)
            else:
                self._certified[block.header.hash] = certificate
        self._linked_hash = parent

    def _is_finalisation_of(self, block_hash: bytes, certificate: Certificate) -> bool:
        claim = certificate.claim
        if claim.kind != Kind.FINALISE or claim.block != block_hash or claim.epoch != self._epoch:
            return False
        try:
            self._check_certificate(self._views.get(claim.view), certificate)
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
        left = max(
            (view.number for view in views if view.number >= views.current and self._may_leave(view)),
            default=None,
        )
        if left is None:
            return False
        view = views.at(views.current)
        leader = self._leader(views.current)
        if view.certified_block() is not None:
            self._pacing.view_notarised()
        elif view.has_nullification():
            by_skip = view.reason is Reason.SKIP or self._pacing.is_skipped(leader)
            self._pacing.view_nullified(by_skip=by_skip)
            if view.reason is Reason.NO_PROPOSAL and not view.has_proposal():
                self._pacing.turn_missed(leader)
        views.current = left + 1
        self._pacing.enter(views.current, self._now_ms)
        self._arm()
        return True

    def _is_tip_unfinal(self) -> bool:
        """Whether the highest notarised block known is above the final one."""
        highest = self._highest_notarised()
        return highest is not None and highest[1].height > self._rules.final_height()

    def _highest_notarised(self) -> tuple[View, Node] | None:
        best: tuple[View, Node] | None = None
        for view in self._views:
            block = view.certified_block()
            node = None if block is None else self._tree.get(block)
            if node is not None and (best is None or view.number > best[0].number):
                best = (view, node)
        return best

    def _arm(self) -> None:
        pending = bool(self._batches) or self._is_tip_unfinal() or self._is_heartbeat_due()
        self._pacing.arm(pending, self._now_ms)

    def _heartbeat_at_ms(self) -> int | None:
        heartbeat_ms = self._setup.parameters.heartbeat_ms
        return self._final_at_ms + heartbeat_ms if heartbeat_ms else None

    def _is_heartbeat_due(self) -> bool:
        due = self._heartbeat_at_ms()
        return due is not None and self._now_ms >= due

    def _nullify(self) -> bool:
        view = self._views.at(self._views.current)
        self._arm()
        if not may_nullify(view, self._views.current):
            return False
        reason = self._reason_to_nullify(view)
        if reason is None:
            return False
        view.reason = reason
        self._vote(nullify(self._epoch, view.number))
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
        if not view.has_proposal() and pacing.is_skipped(self._leader(view.number)):
            return Reason.SKIP
        if self._now_ms >= proposal_due and not view.has_proposal():
            return Reason.NO_PROPOSAL
        return Reason.NO_CERTIFICATE if self._now_ms >= certificate_due else None

    # ---- what follows: proposals and votes (rules 11-16)

    def _propose(self) -> bool:
        number = self._views.current
        view = self._views.at(number)
        if self._leader(number) != self.me or not may_propose(view, number):
            return False
        parent = self._rules.find_parent(number)
        if isinstance(parent, Wait):
            return False
        block = self._rules.fresh_block(number, parent.node, self._wall_ms)
        if block is None and self._is_reproposal_due(parent):
            block = parent.node.block
        if block is None and parent.node.height == self._rules.final_height() and self._is_heartbeat_due():
            block = self._rules.heartbeat_block(number, parent.node, self._wall_ms)
        if block is None:
            return False
        claim = Claim(Kind.PROPOSAL, self._epoch, number, block.header.hash, None, parent.view)
        signature = self._setup.key.sign(claim.signing_message(self._validators.network))
        proposal = Proposal(self._epoch, number, parent.view, block, signature)
        view.own_proposal = view.proposal = proposal
        self._tree.add(block.header.hash, block).logged = True
        self._records.append(proposal)
        self._effect(Broadcast(proposal))
        return True

    def _reproposal_at_ms(self, parent: Parent) -> int | None:
        """When an unfinal tip is due to be proposed again: t_r after the latest view that notarised it (rule 12)."""
        if parent.node.height <= self._rules.final_height():
            return None
        return self._views.at(parent.view).notarised_at_ms + self._pacing.half_ms

    def _is_reproposal_due(self, parent: Parent) -> bool:
        due = self._reproposal_at_ms(parent)
        return due is not None and self._now_ms >= due

    def _vote_on_proposal(self) -> bool:
        view = self._views.at(self._views.current)
        proposal = view.proposal
        if proposal is None or view.is_invalid or not may_notarise(view, self._views.current):
            return False
        block_hash = proposal.block.header.hash
        verdict = self._rules.judge(proposal, block_hash, self._wall_ms)
        if isinstance(verdict, Invalid):
            view.is_invalid = True
            self._effect(
                Alarm(
                    f"expected a valid proposal in view {view.number}, got an invalid one: {verdict.reason}"
                )
            )
            return True
        if isinstance(verdict, Wait):
            return False
        self._log_block(self._tree.add(block_hash, proposal.block))
        self._vote(notarise(self._epoch, view.number, block_hash))
        return True

    def _log_block(self, node: Node) -> None:
        if not node.logged:
            node.logged = True
            self._records.append(Blocks((node.block,)))

    def _vote(self, claim: Claim) -> None:
        """Sign, log, send and count a vote."""
        vote = Vote(claim, self.me, self._setup.key.sign(claim.signing_message(self._validators.network)))
        self._records.append(vote)
        self._note_own_vote(vote)
        self._effect(Broadcast(vote))
        self._certify(self._views.at(claim.view), claim)

    def _note_own_vote(self, vote: Vote) -> None:
        view = self._views.at(vote.claim.view)
        view.own[vote.claim.kind] = vote
        ballot = view.ballots.setdefault(vote.claim, Ballot())
        ballot.signatures[self.me] = vote.signature
        ballot.verified.add(self.me)

    def _finalise(self) -> bool:
        """Vote for every notarised and executed view that was not nullified, also after leaving it (rule 16)."""
        for view in list(self._views):
            block = view.certified_block()
            if block is None or not may_finalise(view, self._views.final_view):
                continue
            node = self._tree.get(block)
            if node is not None and node.outcome_hash is not None:
                self._log_block(node)
                self._vote(finalise(self._epoch, view.number, block, node.outcome_hash))
                return True
        return False

    # ---- what follows: execution and finality (rules 16, 17)

    def _final_path(self) -> list[Node]:
        """The final blocks above the root: all of them, or those that ranges linked so far."""
        final = self._views.final_certificate
        if final is None or final.claim.block is None:
            return []
        path, missing = self._tree.path(final.claim.block)
        return path if missing is None else self._tree.path(self._linked().hash)[0]

    def _linked(self) -> Node:
        """The block up to which ranges linked the final chain to the root."""
        node = self._tree.get(self._linked_hash)
        return self._tree.root if node is None else node

    def _chain_to_execute(self) -> list[Node]:
        """The blocks not executed on the way to the final block, else to the highest notarised one."""
        waiting = [node for node in self._final_path() if not node.is_executed]
        highest = self._highest_notarised()
        if waiting or highest is None:
            return waiting
        path, missing = self._tree.path(highest[1].hash)
        return [] if missing is not None else [node for node in path if not node.is_executed]

    def _execute(self) -> bool:
        waiting = self._chain_to_execute()
        if not waiting or waiting[0].executing:
            return False
        node = waiting[0]
        if not all(digest in self._batches for digest in node.block.batches):
            return False
        node.executing = True
        self._effect(Execute(node.hash, node.block))
        return True

    def _executed(self, event: Executed) -> None:
        node = self._tree.get(event.block_hash)
        if node is None or node.is_executed:
            return
        node.executing = False
        parent = self._tree.get(node.parent)
        outcome = event.outcome
        if (
            parent is None
            or outcome.header_hash != node.hash
            or outcome.parent_outcome_hash != parent.outcome_hash
        ):
            self._halt("expected an outcome of the block asked for, on its parent's outcome, got another")
            return
        node.outcome = outcome
        node.outcome_hash = outcome.hash_in(self._validators.network)

    def _commit(self) -> bool:
        """Commit the blocks up to the lowest directly certified one, once executed and equal to what was certified."""
        path = self._final_path()
        for place, node in enumerate(path):
            if not node.is_executed:
                return False
            certificate = self._certified.get(node.hash)
            if certificate is not None:
                self._commit_path(path[: place + 1], certificate)
                return True
        return False

    def _commit_path(self, path: list[Node], certificate: Certificate) -> None:
        last = path[-1]
        if certificate.claim.outcome != last.outcome_hash:
            self._halt(
                f"expected the certified outcome {(certificate.claim.outcome or b'').hex()[:16]} at height {last.height}, "
                f"executing gave {(last.outcome_hash or b'').hex()[:16]}: rebuild this node's state"
            )
            return
        for node in path:
            if node.outcome is not None:
                own = certificate if node is last else None
                self._effect(Commit(node.hash, node.block, node.outcome, own))
            self._batches.commit(node.block.batches)
        self._tree.commit(last)
        self._committed_view = max(self._committed_view, certificate.claim.view)
        self._views.prune(self._committed_view)
        self._certified = {block: held for block, held in self._certified.items() if self._tree.get(block)}
        self._certified.pop(last.hash, None)
        self._accused = {pair for pair in self._accused if pair[1] >= self._committed_view}

    # ---- timers, re-sends, fetches (rules 9, 15, 19, 20, 22)

    def _watch(self) -> None:
        if self._is_halted:
            return
        self._arm()
        if self._pacing.resend_at_ms is not None and self._now_ms >= self._pacing.resend_at_ms:
            self._pacing.resend_at_ms = self._now_ms + self._pacing.base_ms
            self._resend()
        if self._now_ms >= self._position_at_ms:
            self._send_position_to_next()
        for peer, message in self._fetcher.settle(self._needs(), self._now_ms):
            self._send(peer, message)
        self._set_timer()

    def _resend(self) -> None:
        """Stuck: say again what was said in this view, what leads into it, and which batches wait."""
        self._repeat_own_words()
        entering = self._entering_certificate()
        if entering is not None:
            self._effect(Broadcast(entering))
        waiting = self._batches.digests(BATCHES_PER_ANNOUNCEMENT)
        if waiting:
            self._effect(Broadcast(Announcement(waiting)))
        self._effect(Broadcast(self._position()))

    def _repeat_own_words(self) -> None:
        view = self._views.at(self._views.current)
        if view.own_proposal is not None:
            self._effect(Broadcast(view.own_proposal))
        for kind in sorted(view.own):
            self._effect(Broadcast(view.own[kind]))
        unfinal = sorted(
            (other for other in self._views if other.number > self._views.final_view and other is not view),
            key=lambda other: other.number,
        )
        words = [other.own[Kind.FINALISE] for other in unfinal if Kind.FINALISE in other.own]
        for vote in words[-_RESENT_FINALISE:]:
            self._effect(Broadcast(vote))

    def _entering_certificate(self) -> Certificate | None:
        """The best certificate for entering the current view."""
        before = self._views.get(self._views.current - 1)
        return None if before is None else before.leaving_certificate()

    def _send_position_to_next(self) -> None:
        self._position_peer = (self._position_peer + 1) % len(self._validators)
        if self._position_peer == self.me:
            self._position_peer = (self._position_peer + 1) % len(self._validators)
        self._send(self._position_peer, self._position())
        interval = self._setup.parameters.heartbeat_ms or _IDLE_POSITION_MS
        self._position_at_ms = self._now_ms + interval

    def _position(self) -> Position:
        return Position(self._epoch, self._views.current, self._views.final_view, self._tree.root.height)

    def _needs(self) -> dict[Need, int]:
        """Everything that is missing now, each with the peer to ask first."""
        needs: dict[Need, int] = {}
        self._add_needs_of_chain(needs)
        number = self._views.current
        view = self._views.at(number)
        leader = self._leader(number)
        if view.proposal is not None and not view.is_invalid and may_notarise(view, number):
            verdict = self._rules.judge(view.proposal, view.proposal.block.header.hash, self._wall_ms)
            if isinstance(verdict, Wait):
                for need in verdict.needs:
                    needs.setdefault(need, leader)
        if leader == self.me and may_propose(view, number) and self._pacing.start_ms() is not None:
            parent = self._rules.find_parent(number)
            if isinstance(parent, Wait):
                for need in parent.needs:
                    needs.setdefault(need, self.me + 1)
        return needs

    def _add_needs_of_chain(self, needs: dict[Need, int]) -> None:
        final = self._views.final_certificate
        if final is not None and final.claim.block is not None:
            path, missing = self._tree.path(final.claim.block)
            linked = self._linked().height
            if missing is not None and linked - self._tree.root.height <= BLOCKS_PER_RANGE:
                needs[NeedRange(linked + 1)] = self._source_of(final.claim.view)
            if path and path[0].height <= self._tree.root.height + 1 and missing == path[0].parent:
                self._halt_on_fork(final.claim.view)
        for view in self._views:
            block = view.certified_block()
            if block is None or view.number <= self._views.final_view:
                continue
            _, missing = self._tree.path(block)
            if missing is not None:
                needs.setdefault(NeedBlock(missing), self._source_of(view.number))
        for node in self._chain_to_execute():
            absent = [digest for digest in node.block.batches if digest not in self._batches]
            if len(needs) + len(absent) > BATCHES_PER_FETCH + CERTIFICATES_PER_FETCH:
                break
            for digest in absent:
                needs.setdefault(NeedBatch(digest), self._source_of(self._views.final_view))

    def _source_of(self, number: int) -> int:
        view = self._views.get(number)
        return self._leader(number) if view is None or view.source is None else view.source

    def _set_timer(self) -> None:
        """Ask to be called when something is due next; an earlier timer that is set already will do."""
        pacing = self._pacing
        view = self._views.at(self._views.current)
        due = [self._position_at_ms, self._fetcher.next_at_ms(), pacing.resend_at_ms]
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
            self._effect(SetTimer(at_ms))

    # ---- small words

    def _leader(self, view: int) -> int:
        return self._validators.leader(self._epoch, view)

    def _is_signed(self, signer: int, claim: Claim, signature: bytes) -> bool:
        if len(signature) != SIGNATURE_BYTES:
            return False
        message = claim.signing_message(self._validators.network)
        return self._setup.verifier(self._validators[signer].public_key, message, signature)

    def _effect(self, effect: Effect) -> None:
        self._effects.append(effect)

    def _send(self, peer: int, message: Message) -> None:
        self._effects.append(Send(peer, message))

    def _drop(self, peer: int, reason: str) -> None:
        self._effects.append(Drop(peer, reason))

    def _accuse(
        self, signer: int, claim: Claim, signature: bytes, other: Claim, other_signature: bytes
    ) -> None:
        if (signer, claim.view) not in self._accused:
            self._accused.add((signer, claim.view))
            self._effects.append(Accuse(make_evidence(signer, claim, signature, other, other_signature)))

    def _halt_on_fork(self, view: int) -> None:
        self._halt(
            f"expected one finalised chain, the finalisation of view {view} is of another: "
            f"more than {self._validators.faulty} validators signed against the rules"
        )

    def _halt(self, message: str) -> None:
        self._is_halted = True
        self._effects.append(Halt(ConsensusError(Code.DIVERGED, message)))
