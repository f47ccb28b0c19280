"""What exists in the naive model: plain objects that point at each other by name, and full scans over all of them.

Nothing is summed up, hashed or resolved later: what is in a container is found by looking at everything; emptying a
container really frees every child. So wherever the ledger takes a short cut, this takes the long way.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ledger.trade.record import Origin, Status


@dataclass(frozen=True)
class Offer:
    """An unanswered offer; `receiver` None: whoever comes."""

    offerer: str
    receiver: str | None
    lapse_ms: int
    dead: bool = False  # custody passed since, if only inside a container


@dataclass(frozen=True)
class Claim:
    """Somebody says to hold what `custodian` held then."""

    event: int
    claimant: str
    custodian: str | None
    late: bool = False  # custody passed since


@dataclass(frozen=True)
class Taking:
    """An open offer was taken and not yet confirmed."""

    event: int
    taker: str
    offerer: str
    until_ms: int


@dataclass(frozen=True)
class Hold:
    """An official hold."""

    authority: str
    case: str
    basis: str
    seize: bool
    since_ms: int


@dataclass(frozen=True)
class Permit:
    """A permit to move under hold; the first `used` legs are spent."""

    authority: str
    generation: int
    legs: tuple[tuple[str, str], ...]
    used: int
    until_ms: int
    seal: str | None


@dataclass(frozen=True)
class Binding:
    """A document bound to a thing, live while the document's generation is the same."""

    document: str
    generation: int
    declarant: str


@dataclass(frozen=True)
class Contradiction:
    """An open contradiction."""

    event: int
    organisation: str
    row: int


@dataclass(frozen=True)
class Effect:
    """The last effect on a thing, with the thing as it was before it."""

    event: int
    row: int
    before: Thing
    moves_above: tuple[tuple[str, int], ...]  # each ancestor, before and after, with its count of moves


@dataclass
class Thing:
    """Anything that is moved."""

    name: str
    status: Status = Status.UNBORN
    origin: Origin = Origin.NONE
    maker: str | None = None
    shipped: bool = False
    holder: str | None = None
    claimed: bool = False
    former: tuple[str, ...] = ()
    parent: str | None = None
    generation: int = 0
    offer: Offer | None = None
    claims: tuple[Claim, ...] = ()
    taking: Taking | None = None
    holds: tuple[Hold, ...] = ()
    permits: tuple[Permit, ...] = ()
    seals: tuple[str, ...] = ()
    bindings: tuple[Binding, ...] = ()
    contradictions: tuple[Contradiction, ...] = ()
    last: Effect | None = None
    moves: int = 0
    source: str | None = None

    def copy(self) -> Thing:
        """The same, apart."""
        return replace(self)


@dataclass
class State:
    """Everything at one moment."""

    things: dict[str, Thing] = field(default_factory=dict)

    def copy(self) -> State:
        """The same, apart."""
        return State({name: thing.copy() for name, thing in self.things.items()})

    def thing(self, name: str) -> Thing:
        """The thing of that name, unborn if nothing was ever said of it."""
        return self.things.get(name) or Thing(name)

    def own(self, name: str) -> Thing:
        """The thing of that name, to be changed."""
        return self.things.setdefault(name, Thing(name))

    def children(self, name: str) -> list[str]:
        """What is directly inside, by looking at everything."""
        return [other.name for other in self.things.values() if other.parent == name]

    def below(self, name: str) -> list[str]:
        """Everything inside, however deep."""
        found = []
        for child in self.children(name):
            found += [child, *self.below(child)]
        return found

    def above(self, name: str) -> list[str]:
        """What it is in, from the nearest to the root."""
        parent = self.thing(name).parent
        return [] if parent is None else [parent, *self.above(parent)]

    def root(self, name: str) -> Thing:
        """The outermost container, or itself."""
        return self.thing([name, *self.above(name)][-1])

    def custodian(self, name: str) -> str | None:
        """Who holds it: whoever holds the outermost container."""
        return self.root(name).holder

    def levels(self, name: str) -> int:
        """How deep things lie inside it."""
        return max((1 + self.levels(child) for child in self.children(name)), default=0)

    def held_inside(self, name: str) -> dict[str, int]:
        """Per authority, how many things inside it holds."""
        counts: dict[str, int] = {}
        for other in self.below(name):
            for authority in {hold.authority for hold in self.thing(other).holds}:
                counts[authority] = counts.get(authority, 0) + 1
        return counts

    def offer(self, name: str, now_ms: int) -> Offer | None:
        """The offer of it that still stands."""
        offer = self.thing(name).offer
        stands = offer is not None and now_ms < offer.lapse_ms and not offer.dead
        return offer if stands else None

    def is_offered(self, name: str, now_ms: int) -> bool:
        """Whether it, or anything that it is in, is on offer."""
        return any(self.offer(n, now_ms) is not None for n in [name, *self.above(name)])

    def taking(self, name: str, now_ms: int) -> Taking | None:
        """The unconfirmed taking of it, or of what it is in, that still stands: the nearest."""
        for n in [name, *self.above(name)]:
            taking = self.thing(n).taking
            if taking is not None and now_ms < taking.until_ms and self.custodian(n) == taking.taker:
                return taking
        return None
