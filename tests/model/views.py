"""The same account of a subject from the model's objects and from the ledger's records, so that they can be compared.

The ledger leaves things in an emptied container until somebody speaks of them; its view resolves that, as anybody reading
records must: a thing whose container has moved on to another generation stands as that generation's *episode* says.
"""

from __future__ import annotations

from typing import Any

from ledger.trade.record import EMPTY, Record, Space, SubjectKey, Unconfirmed
from tests.model.things import State
from tests.world.world import World


class ModelView:
    """What the naive model says."""

    def __init__(self, state: State, now_ms: int, hashes: dict[int, bytes]) -> None:
        self.state, self.now_ms, self.hashes = state, now_ms, hashes

    def thing(self, name: str) -> dict[str, Any]:
        """Everything of custody."""
        state, thing = self.state, self.state.thing(name)
        offer, taking = state.offer(name, self.now_ms), state.mark(name)
        return {
            "status": int(thing.status),
            "origin": int(thing.origin),
            "maker": thing.maker,
            "shipped": thing.shipped,
            "custodian": state.custodian(name),
            "claimed": state.root(name).claimed,
            "former": thing.former,
            "parent": thing.parent,
            "generation": thing.generation,
            "children": len(state.children(name)),
            "offer": None if offer is None else (offer.offerer, offer.receiver, offer.lapse_ms),
            "claims": [(self.hashes[claim.event], claim.claimant, claim.custodian) for claim in thing.claims],
            "taking": taking and (self.hashes[taking.event], taking.taker, taking.offerer, taking.until_ms),
            "holds": sorted((h.authority, h.case, h.basis, h.seize, h.since_ms) for h in thing.holds),
            "inside": state.held_inside(name),
            "permits": [tuple(vars(p).values()) for p in thing.permits if p.generation == thing.generation],
            "seals": thing.seals,
            "bindings": sorted((b.document, b.declarant) for b in state.bindings(name)),
            "source": thing.source and "|".join(self.transformation(tuple(thing.source.split("|")))[::-1]),
            "contradictions": [(self.hashes[c.event], c.organisation, c.row) for c in thing.contradictions],
        }

    def document(self, name: str) -> dict[str, Any]:
        """Everything of a document."""
        thing = self.state.thing(name)
        return {
            "owner": thing.holder,
            "others": thing.former,
            "generation": thing.generation,
            "contradictions": [(self.hashes[c.event], c.organisation, c.row) for c in thing.contradictions],
        }

    def transformation(self, key: tuple[str, ...]) -> tuple[str, str]:
        """Its identifier and organisation on the ledger: an unnamed one is called after its event."""
        organisation, name = key
        if name.startswith("event "):
            name = f"urn:custody:event:{self.hashes[int(name[6:])].hex()}"
        return name, organisation

    def tally(self, key: tuple[str, str]) -> tuple[int, int, int]:
        """What it knows of its inputs."""
        return self.state.tallies[key]


class LedgerView:
    """What the ledger's records say, with every unpack-all resolved."""

    def __init__(self, world: World) -> None:
        self.world = world

    def record(self, space: Space, name: str, holder: str = "") -> Record:
        return self.world.record(SubjectKey(space, name, holder))

    def episode(self, name: str) -> Record | None:
        """What the unpack-all left that this record has not yet been told of, or None."""
        record = self.record(Space.THING, name)
        parent = record.parent
        if parent is None or self.record(Space.THING, parent).generation == record.parent_generation:
            return None
        return self.record(Space.EPISODE, parent, str(record.parent_generation))

    def resolved(self, name: str) -> Record:
        """The record as it stands after every unpack-all that freed it."""
        record, episode = self.record(Space.THING, name), self.episode(name)
        if episode is None:
            return record
        if episode == EMPTY:
            raise AssertionError(f"{name} was freed by an unpack-all that left nothing behind")
        holds = {(h.authority, h.case): h for h in (*episode.holds, *record.holds)}
        bindings = {b.document: b for b in (*episode.bindings, *self.live(record))}
        former, old = record.former, record.custodian
        stays = old == episode.custodian and episode.passed <= record.parent_since
        if old is not None and old != episode.custodian:
            former = (*(who for who in former if who != old), old)[-8:]
        return record._replace(
            parent=None,
            custodian=episode.custodian,
            claimed=record.claimed if stays else episode.claimed,
            former=former,
            passed=sum_up([record, episode], [record.passed, episode.passed]),
            handed=sum_up([record, episode], [record.handed, episode.handed]),
            holds=tuple(holds.values()),
            bindings=tuple(bindings.values()),
            unconfirmed=mark([record, episode]),
            last=None,
        )

    def live(self, record: Record) -> list[Any]:
        """The bindings whose document still has their generation."""
        return [
            b for b in record.bindings if b.generation == self.record(Space.DOCUMENT, b.document).generation
        ]

    def above(self, name: str) -> list[Record]:
        """It, and what it is in, nearest first."""
        record = self.resolved(name)
        return [record] if record.parent is None else [record, *self.above(record.parent)]

    def thing(self, name: str) -> dict[str, Any]:
        """Everything of custody."""
        now_ms, chain = self.world.now_ms, self.above(name)
        record, custodian, offer = chain[0], chain[-1].custodian, chain[0].offer
        if offer is not None and (offer.lapse_ms <= now_ms or has_passed(chain, offer.sequence)):
            offer = None
        taking = mark(chain)
        return {
            "status": int(record.status),
            "origin": int(record.origin),
            "maker": record.maker,
            "shipped": record.shipped,
            "custodian": custodian,
            "claimed": chain[-1].claimed,
            "former": record.former,
            "parent": record.parent,
            "generation": record.generation,
            "children": record.children,
            "offer": None if offer is None else (offer.offerer, offer.receiver, offer.lapse_ms),
            "claims": [
                (claim.event, claim.claimant, claim.custodian)
                for claim in record.claims
                if not was_handed(chain, claim.sequence)
            ],
            "taking": None if taking is None else tuple(taking)[1:],
            "holds": sorted(tuple(hold) for hold in record.holds),
            "inside": dict(record.inside),
            "permits": [tuple(permit) for permit in record.permits if permit.generation == record.generation],
            "seals": record.seals,
            "bindings": sorted((b.document, b.declarant) for b in self.live(record)),
            "source": record.source,
            "contradictions": [(c.event, c.organisation, c.row) for c in record.contradictions],
        }

    def document(self, name: str) -> dict[str, Any]:
        """Everything of a document."""
        record = self.record(Space.DOCUMENT, name)
        return {
            "owner": record.custodian,
            "others": record.former,
            "generation": record.generation,
            "contradictions": [(c.event, c.organisation, c.row) for c in record.contradictions],
        }

    def tally(self, name: str, organisation: str) -> tuple[int, int, int]:
        """What a transformation knows of its inputs."""
        return self.record(Space.TRANSFORMATION, name, organisation).tally


def has_passed(chain: list[Record], since: int) -> bool:
    """Whether custody of the first of a chain of containers passed since, with whatever it was in by then."""
    return since < sum_up(chain, [record.passed for record in chain])


def was_handed(chain: list[Record], since: int) -> bool:
    """Whether it passed since with both sides' signatures."""
    return since <= sum_up(chain, [record.handed for record in chain])


def sum_up(chain: list[Record], sequences: list[int]) -> int:
    """The latest of these that concerns the first of the chain: of a container only what came after it came in."""
    came_in, latest = 0, sequences[0]
    for inner, sequence in zip(chain, sequences[1:], strict=False):
        came_in = max(came_in, inner.parent_since)
        if sequence > came_in:
            latest = max(latest, sequence)
    return latest


def mark(chain: list[Record]) -> Unconfirmed | None:
    """The unconfirmed taking that stands over the first of the chain."""
    came_in = 0
    for place, record in enumerate(chain):
        found = record.unconfirmed
        over = found is not None and (place == 0 or found.sequence > came_in)
        stands = over and found is not None and not has_passed(chain, found.sequence)
        if found is not None and stands and found.taker == chain[-1].custodian:
            return found
        came_in = max(came_in, record.parent_since)
    return None
