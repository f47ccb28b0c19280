"""One event, and one subject of it, as the naive model judges them: everything looked up in the state before the event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ledger.base import limits
from ledger.trade.record import Origin, Status
from ledger.trade.rules.outcomes import Outcome
from ledger.trade.statement import Measure, Permit
from tests.model.things import Claim, Contradiction, Effect, Hold, State, Thing

CUSTODY_AND_MARKS = (
    "status", "origin", "maker", "holder", "claimed", "parent", "generation", "taking", "holds", "permits", "seals",
    "bindings", "contradictions",
)  # fmt: skip


@dataclass(frozen=True)
class Registry:
    """Who is who, for good."""

    grants: dict[str, str]  # digits -> organisation
    authorities: frozenset[str]
    successors: dict[str, str]

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
    permit: Permit | None = None
    permit_legs: tuple[tuple[str, str], ...] = ()
    lapse_ms: int | None = None
    cites: int | None = None
    options: tuple[Any, ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """Everything it is about."""
        return frozenset(name for _, name in self.subjects)

    def named(self, role: int) -> list[str]:
        """What it names in a role."""
        return [name for r, name in self.subjects if r == role]


def no_one(holder: str | None) -> bool:
    """Whether nobody on the ledger holds it: nobody is known, or it was left to somebody outside."""
    return holder is None or holder.startswith("ext:")


class Case:
    """One subject of an event: `before` is only read, `state` is what comes out."""

    def __init__(
        self,
        registry: Registry,
        event: Event,
        role: int,
        name: str,
        before: State,
        state: State,
        past: dict[int, Event],
    ) -> None:
        self.registry, self.event, self.role, self.name = registry, event, role, name
        self.before, self.state, self.past = before, state, past
        self.signer, self.now_ms = event.signer, event.now_ms
        self.was = before.thing(name)
        self.holder = before.custodian(name)
        self.nobody = no_one(self.holder)

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

    def has_standing(self) -> bool:
        """Custodian; former custodian of it or of what it is in; counterparty of the offer; maker, grantee; authority."""
        names = [self.name, *self.before.above(self.name)]
        return (
            self.signer == self.holder
            or any(self.signer in self.before.thing(n).former for n in names)
            or self.signer in self.counterparties()
            or self.signer == self.was.maker
            or self.signer == self.registry.grantee(self.name)
            or self.is_authority
        )

    def counterparties(self) -> list[str | None]:
        """To whom it, or what it is in, is on offer by name."""
        offers = [self.before.offer(n, self.now_ms) for n in [self.name, *self.before.above(self.name)]]
        return [offer.receiver for offer in offers if offer is not None and offer.receiver is not None]

    def blocking(self, name: str, *, inside: bool = True) -> list[Hold]:
        """The holds of other authorities that stand over a thing: on it, above it and (if asked) inside it."""
        over = [name, *self.before.above(name), *(self.before.below(name) if inside else [])]
        holds = [hold for n in over for hold in self.before.thing(n).holds]
        return [hold for hold in holds if not self.registry.is_same(self.signer, hold.authority)]

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
        """Custody passes; who held it is remembered."""
        old = thing.holder
        if holder != old and old is not None:
            thing.former = (*(who for who in thing.former if who != old), old)[-limits.FORMER_CUSTODIANS :]
        thing.holder, thing.claimed = holder, claimed

    def free(self, name: str, parent: str | None = None) -> None:
        """Out of whatever it is in: with the root's custodian, the holds, the mark and the bindings of what held it."""
        thing = self.state.own(name)
        parent = parent or self.before.thing(name).parent
        if parent is None:
            return
        for above in [parent, *self.before.above(parent)]:
            over = self.before.thing(above)
            have = {(hold.authority, hold.case) for hold in thing.holds}
            thing.holds = (*thing.holds, *(h for h in over.holds if (h.authority, h.case) not in have))[
                : limits.HOLDS
            ]
            bound = {binding.document for binding in thing.bindings}
            thing.bindings = (*thing.bindings, *(b for b in over.bindings if b.document not in bound))[
                : limits.BINDINGS
            ]
        root = self.before.root(parent)
        thing.taking = self.before.taking(name, self.now_ms) or self.before.taking(parent, self.now_ms)
        self.give(thing, root.holder, claimed=root.claimed or (thing.claimed and thing.holder == root.holder))
        thing.parent = None

    def effect(self, row: int) -> None:
        """Remember what a correction needs to undo this."""
        self.thing.last = Effect(self.event.number, row, self.was.copy(), ())

    def no_effect_left(self) -> None:
        """A later correction of what came before is too late."""
        self.thing.last = None

    def contradict(self, row: int, code: int) -> int:
        """Somebody with standing says otherwise: it stands open on the record; anybody else's stands aside."""
        self.born()
        if self.has_standing() and len(self.thing.contradictions) < limits.OPEN_CONTRADICTIONS:
            self.thing.contradictions += (Contradiction(self.event.number, self.signer, row),)
        return code

    def claim(self) -> int:
        """Row 15: noted beside the custodian, or custody if nobody has it."""
        self.born()
        if self.nobody:
            self.free(self.name)
            self.give(self.thing, self.signer, claimed=True)
            self.no_effect_left()
            return Outcome.CLAIMED_CUSTODY
        known = {claim.claimant for claim in self.was.claims}
        if self.signer in known or len(self.was.claims) >= limits.OPEN_CLAIMS:
            return Outcome.CLAIM_NOT_NOTED
        self.thing.claims += (Claim(self.event.number, self.signer, self.holder),)
        return Outcome.CLAIMED

    def breach(self, over: str, *, inside: bool = True) -> int:
        """Row 23: a link without effect; said to be earlier than the hold if it claims so."""
        holds = self.blocking(over, inside=inside)
        earlier = bool(holds) and all(self.event.time_ms < hold.since_ms for hold in holds)
        return Outcome.BREACH_CLAIMED_EARLIER if earlier else Outcome.BREACH
