"""Counting votes: certificates, evidence and differing outcomes come out of it (CONSENSUS 8, 17, 26, 27).

Votes are counted unverified under exactly what they claim. A quorum is verified when it is there; a second, different
claim of one signer, and two outcomes of one block, are verified at once. Whoever sent a vote that does not hold is
dropped: the transport vouches that it came from its signer.
"""

from __future__ import annotations

from ledger.base.keys import signature_bytes
from ledger.base.limits import FINALISE_VIEWS_HELD
from ledger.chain.certificate import Certificate, check_certificate, make_certificate
from ledger.chain.evidence import make_evidence
from ledger.chain.votes import Claim, Kind, Vote
from ledger.consensus.interface import Accuse, Setup
from ledger.consensus.outbox import Outbox
from ledger.consensus.views import Ballot, View, Views


class Teller:
    """Counts the votes of one epoch."""

    def __init__(self, setup: Setup, views: Views, outbox: Outbox) -> None:
        self._verifier = setup.verifier
        self._validators = setup.validators
        self._views = views
        self._outbox = outbox
        self._finalise_views: list[dict[int, None]] = [{} for _ in setup.validators]
        self._accused: set[tuple[int, int]] = set()

    def is_signed(self, signer: int, claim: Claim, signature: bytes) -> bool:
        """Whether validator `signer` signed the claim."""
        message = claim.signing_message(self._validators.network)
        public_key = self._validators[signer].public_key
        return len(signature) == signature_bytes(public_key) and self._verifier(
            public_key, message, signature
        )

    def count(self, vote: Vote) -> None:
        """Count a vote of somebody else; report what it contradicts."""
        if not self._has_room_for(vote):
            return
        view = self._views.at(vote.claim.view)
        contradicted = view.add_vote(vote)
        if contradicted is not None:
            self._check_contradiction(view, vote, contradicted)
        if vote.claim.kind == Kind.FINALISE:
            self._compare_outcomes(view, vote.claim)

    def count_own(self, vote: Vote) -> None:
        """Count, and remember as said, a vote of this validator."""
        view = self._views.at(vote.claim.view)
        view.own[vote.claim.kind] = vote
        ballot = view.ballots.setdefault(vote.claim, Ballot())
        ballot.signatures[vote.signer] = vote.signature
        ballot.verified.add(vote.signer)

    def certificate_of(self, view: View, claim: Claim) -> Certificate | None:
        """A new certificate over `claim`, once q valid votes for it are here."""
        if claim.kind in view.certificates or view.count(claim) < self._validators.quorum:
            return None
        verified = self._verify(view, claim)
        if len(verified) < self._validators.quorum:
            return None
        signatures = view.ballots[claim].signatures
        return make_certificate(self._validators, claim, {signer: signatures[signer] for signer in verified})

    def check_certificate(self, certificate: Certificate) -> None:
        """check_certificate, less the signatures that were verified as votes already. Raises ProofError."""
        view = self._views.get(certificate.claim.view)
        ballot = None if view is None else view.ballots.get(certificate.claim)
        if ballot is None:
            check_certificate(self._validators, certificate, self._verifier)
            return
        known = {self._validators[signer].public_key: ballot.signatures[signer] for signer in ballot.verified}

        def verifier(public_key: bytes, message: bytes, signature: bytes) -> bool:
            return known.get(public_key) == signature or self._verifier(public_key, message, signature)

        check_certificate(self._validators, certificate, verifier)

    def accuse(
        self, signer: int, claim: Claim, signature: bytes, other: Claim, other_signature: bytes
    ) -> None:
        """Report two verified claims that contradict each other, once per signer and view."""
        if (signer, claim.view) not in self._accused:
            self._accused.add((signer, claim.view))
            self._outbox.add(Accuse(make_evidence(signer, claim, signature, other, other_signature)))

    def prune(self, oldest: int) -> None:
        """Forget what concerns views below `oldest`."""
        self._accused = {pair for pair in self._accused if pair[1] >= oldest}
        for held in self._finalise_views:
            for number in [number for number in held if number < oldest]:
                del held[number]

    def _has_room_for(self, vote: Vote) -> bool:
        """Bound the views for which one signer's finalise votes are held: the lowest goes first."""
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
        earlier_signature = view.ballots[earlier].signatures[vote.signer]
        for claim, signature in ((earlier, earlier_signature), (vote.claim, vote.signature)):
            if not self.is_signed(vote.signer, claim, signature):
                view.remove_vote(claim, vote.signer)
                self._drop_for_vote(view, vote.signer)
                return
        self.accuse(vote.signer, earlier, earlier_signature, vote.claim, vote.signature)

    def _compare_outcomes(self, view: View, claim: Claim) -> None:
        """Finalise votes for one block with different outcomes: somebody executes wrongly."""
        if view.is_alarmed:
            return
        for other in list(view.ballots):
            if other.kind != Kind.FINALISE or other.block != claim.block or other.outcome == claim.outcome:
                continue
            one, two = sorted(self._verify(view, other)), sorted(self._verify(view, claim))
            if one and two:
                view.is_alarmed = True
                block = (claim.block or b"").hex()[:16]
                self._outbox.alarm(
                    f"expected one outcome of block {block}, validators {one} and {two} differ"
                )
                return

    def _verify(self, view: View, claim: Claim) -> set[int]:
        """Verify the votes for a claim that are not yet verified; bad ones go, with their peer. Returns the good ones."""
        ballot = view.ballots.get(claim)
        if ballot is None:
            return set()
        message = claim.signing_message(self._validators.network)
        for signer in [signer for signer in ballot.signatures if signer not in ballot.verified]:
            if self._verifier(self._validators[signer].public_key, message, ballot.signatures[signer]):
                ballot.verified.add(signer)
            else:
                view.remove_vote(claim, signer)
                self._drop_for_vote(view, signer)
        return ballot.verified

    def _drop_for_vote(self, view: View, signer: int) -> None:
        self._outbox.drop(signer, f"its vote in view {view.number} bears no valid signature")
