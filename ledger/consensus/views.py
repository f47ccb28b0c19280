"""What is known about each view: proposal, votes, certificates, and what this validator itself said (CONSENSUS 10-17, 26).

Votes are counted unverified, under exactly what they claim, and verified once a quorum is there; a signer's second,
different claim is verified at once, because it is evidence. At most two claims of one kind are kept of one signer.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

from ledger.chain.certificate import Certificate
from ledger.chain.evidence import is_contradiction
from ledger.chain.votes import Claim, Kind, Proposal, Vote
from ledger.consensus.fetching import Need


class Ballot:
    """The votes for one claim, by signer, and which of them are verified."""

    __slots__ = ("signatures", "verified")

    def __init__(self) -> None:
        self.signatures: dict[int, bytes] = {}
        self.verified: set[int] = set()


class Reason(Enum):
    """Why this validator nullified a view."""

    NO_PROPOSAL = "no proposal in t_l"
    NO_CERTIFICATE = "no certificate in t_a"
    INVALID = "an invalid proposal"
    PULLED_IN = "f + 1 others nullified"
    SKIP = "its leader is skipped"


class View:
    """One view of the epoch."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.anchor: bytes | None = None
        """The epoch's anchor block, in view 0 only: notarised and final by definition."""
        self.proposal: Proposal | None = None
        self.ballots: dict[Claim, Ballot] = {}
        self.certificates: dict[Kind, Certificate] = {}
        """By kind; `note` adds one."""
        self._certified: bytes | None = None
        self.source: int | None = None
        """Who sent the certificate by which this view was notarised or finalised."""
        self.notarised_at_ms = 0
        # What this validator said, exactly as logged.
        self.own_proposal: Proposal | None = None
        self.own: dict[Kind, Vote] = {}
        self.reason: Reason | None = None
        self.needs: tuple[Need, ...] = ()
        """What the proposal waits for."""
        self.is_invalid = False
        self.is_alarmed = False

    def note(self, certificate: Certificate) -> None:
        """Keep a certificate of this view."""
        self.certificates[certificate.claim.kind] = certificate
        best = self.certificates.get(Kind.FINALISE) or self.certificates.get(Kind.NOTARISE)
        self._certified = None if best is None else best.claim.block

    def certified_block(self) -> bytes | None:
        """The block that this view notarised: a finalisation counts as a notarisation."""
        return self._certified or self.anchor

    def has_nullification(self) -> bool:
        """Whether the view may be skipped."""
        return Kind.NULLIFY in self.certificates

    def leaving_certificate(self) -> Certificate | None:
        """The best certificate for entering the next view."""
        for kind in (Kind.FINALISE, Kind.NOTARISE, Kind.NULLIFY):
            if kind in self.certificates:
                return self.certificates[kind]
        return None

    def has_proposal(self) -> bool:
        """Whether the leader was heard; a logged notarise vote says so after a restart."""
        return self.proposal is not None or Kind.NOTARISE in self.own

    def claims_of(self, signer: int, kind: Kind) -> list[Claim]:
        """The claims of one kind by one signer."""
        return [
            claim
            for claim, ballot in self.ballots.items()
            if claim.kind == kind and signer in ballot.signatures
        ]

    def add_vote(self, vote: Vote) -> Claim | None:
        """Count a vote; returns an earlier claim of its signer that it contradicts, if there is one.

        A repeated claim changes nothing; a third claim of a kind by one signer is not kept.
        """
        claim, signer, signature = vote
        ballot = self.ballots.get(claim)
        if ballot is not None and signer in ballot.signatures:
            return None
        earlier = [
            other
            for other, other_ballot in self.ballots.items()
            if signer in other_ballot.signatures and is_contradiction(other, claim)
        ]
        if sum(other.kind == claim.kind for other in earlier) < 2:
            if ballot is None:
                ballot = self.ballots[claim] = Ballot()
            ballot.signatures[signer] = signature
        return earlier[0] if earlier else None

    def remove_vote(self, claim: Claim, signer: int) -> None:
        """Forget a vote whose signature does not hold."""
        ballot = self.ballots.get(claim)
        if ballot is not None:
            ballot.signatures.pop(signer, None)
            ballot.verified.discard(signer)
            if not ballot.signatures:
                del self.ballots[claim]

    def count(self, claim: Claim) -> int:
        """How many votes the claim has."""
        ballot = self.ballots.get(claim)
        return 0 if ballot is None else len(ballot.signatures)


class Views:
    """All views from the last committed one on; `current` is the highest one entered."""

    def __init__(self) -> None:
        self._views: dict[int, View] = {}
        self.current = 1
        self.final_view = 0
        self.final_certificate: Certificate | None = None
        """The newest finalisation known, whether or not its block is; None means the anchor."""

    def __iter__(self) -> Iterator[View]:
        return iter(self._views.values())

    def get(self, number: int) -> View | None:
        """The view, if anything is known about it."""
        return self._views.get(number)

    def at(self, number: int) -> View:
        """The view, made if nothing is known about it."""
        view = self._views.get(number)
        if view is None:
            view = self._views[number] = View(number)
        return view

    def certified_block(self, number: int) -> bytes | None:
        """The block that the view notarised, if that is known."""
        view = self._views.get(number)
        return None if view is None else view.certified_block()

    def is_nullified(self, number: int) -> bool:
        """Whether a nullification of the view is held."""
        view = self._views.get(number)
        return view is not None and view.has_nullification()

    def prune(self, oldest: int) -> None:
        """Forget views below `oldest`."""
        for number in [number for number in self._views if number < oldest]:
            del self._views[number]
