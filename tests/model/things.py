"""What exists in the naive model: plain objects that point at each other by name, and full scans over all of them.

Nothing is summed up, hashed or resolved later: what is in a container is found by looking at everything; emptying a
container really frees every child; custody that passes with a container is noted on everything in it. So wherever the
ledger takes a short cut, this takes the long way.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ledger.trade.record import Origin, Status


@dataclass(frozen=True)
class Offer:
    """An unanswered offer; `receiver` None: whoever comes."""

    event: int
    offerer: str
    receiver: str | None
    lapse_ms: int


@dataclass(frozen=True)
class Claim:
    """Somebody says to hold what `custodian` held then."""

    event: int
    claimant: str
    custodian: str | None


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
    author: str
    row: int
    before: Thing
    parent_generation: int  # of what it was in


@dataclass
class Thing:
    """Anything that is moved; or a document, whose holder is its owner and whose generation ends its bindings."""

    name: str
    status: Status = Status.UNBORN
    origin: Origin = Origin.NONE
    maker: str | None = None
    shipped: bool = False
    holder: str | None = None
    claimed: bool = False
    former: tuple[str, ...] = ()
    passed: int = -1  # by which event custody passed last, inside a container too
    parent: str | None = None
    since: int = -1  # by which event it came into its parent
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
    moved: int = -1  # by which event anything that counts for corrections changed last
    source: str | None = None

    def copy(self) -> Thing:
        """The same, apart."""
        return replace(self)


@dataclass
class State:
    """Everything at one moment."""

    things: dict[str, Thing] = field(default_factory=dict)
    tallies: dict[tuple[str, str], tuple[int, int, int]] = field(default_factory=dict)  # of transformations

    def copy(self) -> State:
        """The same, apart."""
        return State({name: thing.copy() for name, thing in self.things.items()}, dict(self.tallies))

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

    def bindings(self, name: str) -> list[Binding]:
        """The documents bound to a thing that still are."""
        return [b for b in self.thing(name).bindings if b.generation == self.thing(b.document).generation]

    def offer(self, name: str, now_ms: int) -> Offer | None:
        """The offer of it that still stands: not lapsed, and custody never passed since."""
        thing = self.thing(name)
        stands = (
            thing.offer is not None and now_ms < thing.offer.lapse_ms and thing.offer.event >= thing.passed
        )
        return thing.offer if stands else None

    def is_offered(self, name: str, now_ms: int) -> bool:
        """Whether it, or anything that it is in, is on offer."""
        return any(self.offer(n, now_ms) is not None for n in [name, *self.above(name)])

    def mark(self, name: str) -> Taking | None:
        """The unconfirmed taking of it, or of what it was in by then, that custody did not pass since: the nearest."""
        came_in = -1
        for n in [name, *self.above(name)]:
            taking = self.thing(n).taking
            stands = taking is not None and taking.event > came_in and taking.event >= self.thing(name).passed
            if taking is not None and stands and taking.taker == self.custodian(name):
                return taking
            came_in = max(came_in, self.thing(n).since)
        return None

    def live_mark(self, name: str, now_ms: int) -> Taking | None:
        """The mark, while it may still be voided."""
        mark = self.mark(name)
        return mark if mark is not None and now_ms < mark.until_ms else None
