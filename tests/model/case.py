"""One event, and one subject of it, as the naive model judges them: everything looked up in the state before the event."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ledger.base import limits
from ledger.trade.record import Origin, Status
from ledger.trade.rules.outcomes import Outcome
from ledger.trade.statement import Measure, Role
from ledger.trade.statement import Permit as Terms
from tests.model.things import Claim, Contradiction, Effect, Permit, State, Thing


@dataclass(frozen=True)
class Registry:
    """Who is who, for good."""

    grants: dict[str, str]  # digits -> organisation
    authorities: frozenset[str]
    successors: dict[str, str]
    issuers: dict[str, str]  # document -> organisation

    def issuer(self, document: str) -> str | None:
        """Who owns documents like this one."""
        return self.issuers.get(document)

    def grantee(self, name: str) -> str | None:
        """Who holds the company prefix of a GTIN or SSCC."""
        for key in ("/01/", "/00/"):
            if key in name:
                digits = name.partition(key)[2][1:13]
                return next((who for prefix, who in self.grants.items() if digits.startswith(prefix)), None)
        return None

    def is_same(self, signer: str, authority: str) -> bool:
        """Whether the signer is that authority or follows it in office."""
        return signer == authority or self.successors.get(authority) == signer


@dataclass(frozen=True)
class Event:
    """What was said. `number` is its place among all events; `cites` that of another."""

    number: int
    signer: str
    action: int
    subjects: tuple[tuple[int, str], ...]
    now_ms: int
    time_ms: int
    to: str | None = None  # an organisation
    outside: str | None = None  # a party that is no member
    flags: int = 0
    step: int = 0
    seals: tuple[str, ...] = ()
    measure: Measure | None = None
    permit: Terms | None = None
    permit_legs: tuple[tuple[str, str], ...] = ()
    lapse_ms: int | None = None
    cites: int | None = None
    handover: int = 0
    transformation: str | None = None

    def named(self, *roles: int) -> list[str]:
        """What it names in these roles."""
        return [name for role, name in self.subjects if role in roles]


def no_one(holder: str | None) -> bool:
    """Whether nobody on the ledger holds it: nobody is known, or it was left to somebody outside."""
    return holder is None or holder.startswith("ext:")


class Case:
    """One subject of an event: `before` is only read, `state` is what comes out."""

    def __init__(
        self, registry: Registry, event: Event, role: int, name: str, before: State, state: State
    ) -> None:
        self.registry, self.event, self.role, self.name = registry, event, role, name
        self.before, self.state = before, state
        self.signer, self.now_ms = event.signer, event.now_ms
        self.was = before.thing(name)
        self.holder = before.custodian(name)
        self.nobody = no_one(self.holder)
        self.aside = False

    def elsewhere(self, name: str, role: int) -> Case:
        """The same event about another of its subjects, to see what it comes to without doing it."""
        return Case(self.registry, self.event, role, name, self.before, self.before.copy())

    # --- questions
    @property
    def is_unborn(self) -> bool:
        return self.was.status == Status.UNBORN

    @property
    def is_over(self) -> bool:
        return self.was.status in (Status.CONSUMED, Status.ENDED)

    @property
    def is_authority(self) -> bool:
        return self.signer in self.registry.authorities

    @property
    def is_mine(self) -> bool:
        return self.holder == self.signer

    def is_party(self) -> bool:
        """Authority, custodian, maker, former custodian, counterparty, grantee of the prefix, issuer."""
        line = [self.name, *self.before.above(self.name)]
        offers = [self.before.offer(n, self.now_ms) for n in line]
        return (
            self.is_authority
            or self.is_mine
            or self.signer == self.was.maker
            or any(self.signer in self.before.thing(n).former for n in line)
            or any(offer is not None and offer.receiver == self.signer for offer in offers)
            or self.signer in (self.registry.grantee(self.name), self.registry.issuer(self.name))
        )

    def over(self) -> list[str]:
        """It, what it is in and what is in it."""
        return [self.name, *self.before.above(self.name), *self.before.below(self.name)]

    def holding(self, *, inside: bool = True) -> set[str]:
        """The authorities that hold it, what it is in and (if asked) anything in it."""
        names = self.over() if inside else [self.name, *self.before.above(self.name)]
        return {hold.authority for n in names for hold in self.before.thing(n).holds}

    def blocking(self, *, inside: bool = True) -> list[str]:
        """Of these the ones that the signer neither is nor follows."""
        return [a for a in sorted(self.holding(inside=inside)) if not self.registry.is_same(self.signer, a)]

    def is_offered_above(self) -> bool:
        """Whether something that it is in is on offer."""
        return any(self.before.offer(n, self.now_ms) is not None for n in self.before.above(self.name))

    def permits(self, sender: str | None, receiver: str | None) -> list[Permit] | None:
        """Live permits of every authority in the way for this leg; None if one lacks."""
        found = []
        seals = self.event.seals or self.was.seals
        for authority in self.blocking():
            live = [
                p
                for p in self.was.permits
                if p.authority == authority
                and p.generation == self.was.generation
                and self.now_ms < p.until_ms
                and p.legs[p.used : p.used + 1] == ((sender, receiver),)
                and (p.seal is None or p.seal in seals)
            ]
            if not live:
                return None
            found += live
        return found

    # --- changes
    @property
    def thing(self) -> Thing:
        """The subject, to be changed."""
        return self.state.own(self.name)

    def born(self) -> None:
        """Something was said of it for the first time."""
        if self.thing.status == Status.UNBORN:
            self.thing.status, self.thing.origin = Status.LIVE, Origin.UNATTESTED

    def give(self, thing: Thing, holder: str | None, *, claimed: bool = False) -> None:
        """Another holder; who held it is remembered."""
        old = thing.holder
        if holder != old and old is not None:
            thing.former = (*(who for who in thing.former if who != old), old)[-limits.FORMER_CUSTODIANS :]
        thing.holder, thing.claimed = holder, claimed

    def free(self, name: str, parent: str | None = None, *, ended: bool = False) -> None:
        """Out of whatever it is in: with the root's custodian, the holds, the mark and the bindings of what held it.

        `ended`: it is emptied itself by the same event, so that bindings of its own have ended.
        """
        thing = self.state.own(name)
        was_in = self.before.thing(name).parent
        parent = parent or was_in
        if parent is None or thing.parent != was_in:
            return  # in nothing, or out already with what it was in
        mark = self.before.mark(name) or (self.before.mark(parent) if thing.parent is None else None)
        holds, bindings = list(thing.holds), [] if ended else self.before.bindings(name)
        for above in [parent, *self.before.above(parent)]:
            have = {(hold.authority, hold.case) for hold in holds}
            holds += [h for h in self.before.thing(above).holds if (h.authority, h.case) not in have]
            bound = {binding.document for binding in bindings}
            bindings += [b for b in self.before.bindings(above) if b.document not in bound]
        thing.holds, thing.bindings, thing.taking = tuple(holds), tuple(bindings), mark
        root = self.before.root(parent)
        stays = thing.parent is not None and thing.holder == root.holder and thing.passed <= thing.since
        self.give(thing, root.holder, claimed=thing.claimed if stays else root.claimed)
        thing.parent, thing.since = None, -1
        if was_in is None:
            thing.passed = self.before.thing(parent).passed  # as if it had been there all along

    def pass_to(self, receiver: str | None, permits: list[Permit]) -> None:
        """Custody passes with all that is inside; a packed subject is first unpacked; permits spend a leg."""
        self.born()
        self.free(self.name)
        self.give(self.thing, receiver)
        self.thing.offer = self.thing.taking = self.thing.last = None
        self.thing.permits = tuple(
            replace(p, used=p.used + 1) if p in permits else p for p in self.was.permits
        )
        for name in [self.name, *self.stays_inside()]:
            self.state.own(name).passed = self.event.number

    def both_signed(self) -> None:
        """Claims to it and to what is inside lapse."""
        for name in [self.name, *self.stays_inside()]:
            self.state.own(name).claims = ()

    def stays_inside(self) -> list[str]:
        """Everything inside but what is named as missing, with what is in that."""
        gone = self.event.named(Role.MISSING)
        return [n for n in self.before.below(self.name) if not {n, *self.before.above(n)} & set(gone)]

    def effect(self, row: int) -> None:
        """Remember what a correction needs to undo this."""
        generation = 0 if self.was.parent is None else self.before.thing(self.was.parent).generation
        self.thing.last = Effect(self.event.number, self.signer, row, self.was.copy(), generation)

    # --- words
    def note(self, code: int) -> int:
        """Said, and nothing changed but that it may be the first that was said of it."""
        if self.is_unborn:
            self.born()
            return Outcome.FIRST_SEEN if code == Outcome.OBSERVED else code
        self.aside = not self.is_party()
        return code

    def contradict(self, code: int) -> int:
        """A party says otherwise: it stands open on the record; anybody else's stands aside."""
        party = self.is_party()
        self.aside = not (party or self.is_unborn)
        if not self.aside:
            self.born()
        if party and len(self.thing.contradictions) < limits.OPEN_CONTRADICTIONS:
            self.thing.contradictions += (Contradiction(self.event.number, self.signer, code // 10),)
        return code

    def claim(self) -> int:
        """Row 15: noted beside the custodian, or custody if nobody has it."""
        if self.nobody:
            self.claim_custody()
            return Outcome.CLAIMED_CUSTODY
        known = {claim.claimant for claim in self.was.claims}
        if self.signer in known or len(self.was.claims) >= limits.OPEN_CLAIMS:
            return self.note(Outcome.CLAIM_NOT_NOTED)
        self.thing.claims += (Claim(self.event.number, self.signer, self.holder),)
        return Outcome.CLAIMED

    def claim_custody(self) -> None:
        """Nobody holds it: out of everything, into the signer's hands."""
        self.born()
        self.free(self.name)
        self.give(self.thing, self.signer, claimed=True)
        self.thing.offer = self.thing.taking = self.thing.last = None
        for name in [self.name, *self.before.below(self.name)]:
            self.state.own(name).passed = self.event.number

    def breach(self) -> int:
        """Row 23: a link without effect; said to be earlier than the holds on it if it claims so."""
        names = [self.name, *self.before.above(self.name)]
        holds = [hold for n in names for hold in self.before.thing(n).holds]
        earlier = bool(holds) and all(self.event.time_ms < hold.since_ms for hold in holds)
        return self.note(Outcome.BREACH_CLAIMED_EARLIER if earlier else Outcome.BREACH)

    def obstacle(self, *, inside: bool = True) -> int | None:
        """What forbids most acts: another authority's hold, or an offer of it or of what it is in."""
        if self.blocking(inside=inside):
            return self.breach()
        if self.before.is_offered(self.name, self.now_ms):
            return self.note(Outcome.OFFER_STANDS)
        return None
