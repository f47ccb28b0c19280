"""Random histories on a small ledger: few things, few parties, everything that may happen to them.

A history is drawn from a seed by a generator of its own, so that it is the same everywhere and short to report. Most events
are signed by whoever holds the subject, so that things happen; the rest by anybody, so that things go wrong.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from ledger.chain.transaction import Item, Mode
from ledger.trade.record import EMPTY, Space, SubjectKey
from ledger.trade.rules.view import situation, thing
from ledger.trade.statement import Action, Flag, Leg, Permit, Role
from ledger.trade.vocabulary import Step
from tests.world.world import World, lot, place, serial, sscc

MAKER = "9521234"
RIVAL = "9529999"
ORGANISATIONS = ("maker", "forwarder", "carrier", "customs", "police", "retailer", "rival")
AUTHORITIES = ("customs", "police")
ITEMS = tuple(serial(MAKER, 1, number) for number in range(1, 6))
CASES = tuple(sscc(MAKER, number) for number in range(1, 4))
CONTAINERS = ("urn:epc:id:bic:CSQU3054383", "urn:epc:id:bic:MSKU2345671")
DOCUMENTS = ("urn:custody:doc:mrn:24NL00051234567AK0", "urn:custody:doc:ucr:4NL123456-7")
LOTS = (lot(MAKER, 2, "A"), lot(MAKER, 2, "B"))
THINGS = (*ITEMS, *CASES, *CONTAINERS)
OUTSIDER = "https://id.gs1.org/417/4000001000005"


def new_world(**options: Any) -> World:
    """A ledger of seven organisations, two of them authorities, and a driver with a key for one consignment."""
    return World(
        ORGANISATIONS,
        authorities=AUTHORITIES,
        grants={MAKER: "maker", "9520000": "retailer"},
        delegates={"driver": ("carrier", DOCUMENTS[0], 1_800_000_000_000)},
        successors={"customs": "police"},
        simulated=("retailer",),
        **options,
    )


class CurrentView:
    """The records now, for choosing a plausible signer."""

    def __init__(self, world: World) -> None:
        self.record = world.state.record


class Author:
    """Draws events one after another and commits them."""

    def __init__(self, seed: int, world: World | None = None) -> None:
        self.random = random.Random(seed)
        self.world = world or new_world()
        self.events: list[tuple[bytes, str, tuple[tuple[Any, ...], ...]]] = []
        self._counters = dict.fromkeys(ORGANISATIONS, 0)
        self._advance_ms = 0

    def run(self, length: int) -> World:
        """Commit `length` blocks of one to three transactions."""
        for _ in range(length):
            self._advance_ms = self.random.choice((1_000, 1_000, 60_000, 3_600_000, 3_600_000 * 100))
            transactions = [self._transaction() for _ in range(self.random.choice((1, 1, 1, 2, 3)))]
            self.world.commit(*transactions, advance_ms=self._advance_ms)
        return self.world

    # --- choices
    def custodian(self, identifier: str) -> str | None:
        """Who effectively holds a thing now."""
        found = situation(CurrentView(self.world), thing(identifier)).custodian  # type: ignore[arg-type]
        return found if found in ORGANISATIONS else None

    def signer(self, identifier: str) -> str:
        if self.random.random() < 0.75:
            holder = self.custodian(identifier)
            if holder is not None:
                return holder
        return self.random.choice(ORGANISATIONS)

    def other(self, organisation: str) -> str:
        return self.random.choice([known for known in ORGANISATIONS if known != organisation])

    def things(self, least: int = 1, most: int = 3) -> list[str]:
        return self.random.sample(THINGS, self.random.randint(least, most))

    def cited(self) -> bytes | None:
        if not self.events or self.random.random() < 0.1:
            return None
        return self.random.choice(self.events[-12:])[0]

    def _transaction(self) -> Any:
        kinds: list[tuple[int, Callable[[], tuple[str, Item]]]] = [
            (10, self._make), (12, self._pack), (6, self._unpack), (5, self._unpack_all), (14, self._offer),
            (16, self._accept), (2, self._withdraw), (2, self._reject), (8, self._observe), (4, self._hold),
            (4, self._release), (3, self._permit), (4, self._bind), (2, self._unbind), (2, self._transform),
            (2, self._end), (3, self._rule), (4, self._correct), (4, self._lots), (1, self._sample),
        ]  # fmt: skip
        weights = [weight for weight, _ in kinds]
        items: list[Item] = []
        organisation = ""
        for _ in range(self.random.choice((1, 1, 1, 2))):
            signer, item = self.random.choices([draw for _, draw in kinds], weights)[0]()
            if organisation and signer != organisation:
                continue
            organisation = signer
            self.events.append((item.event_hash, signer, tuple(item.subjects)))
            if self.random.random() < 0.1:
                self._counters[signer] += self.random.choice((0, 1, 1, 2))
                item = self.world.attested(signer, item, self._counters[signer])
            items.append(item)
        key = None
        if organisation == "carrier" and self.random.random() < 0.3:
            key = self.world.delegates["driver"]
        mode = self.random.choice((Mode.ALL_OR_NOTHING, Mode.EACH_ON_ITS_OWN))
        expiry_ms = self.world.now_ms + self._advance_ms + 1_800_000
        return self.world.sign(organisation, *items, mode=mode, key=key, expiry_ms=expiry_ms)

    # --- events
    def _make(self) -> tuple[str, Item]:
        names = self.random.sample(ITEMS, self.random.randint(1, 3))
        signer = self.random.choice(("maker", "maker", "maker", "rival", "retailer"))
        subjects: list[tuple[Any, ...]] = [(Role.OBJECT, name) for name in names]
        if self.random.random() < 0.3:
            subjects.append((Role.LOT, self.random.choice(LOTS), (len(names), 0, "")))
        return signer, self.world.item(Action.MAKE, subjects)

    def _pack(self) -> tuple[str, Item]:
        parent = self.random.choice((*CASES, *CONTAINERS))
        children = sorted({self._inside()[0], *self.things()} - {parent})
        children = self.random.sample(children, self.random.randint(min(1, len(children)), len(children)))
        signer = self.signer(children[0] if children and self.random.random() < 0.5 else parent)
        subjects: list[tuple[Any, ...]] = [(Role.PARENT, parent), *((Role.CHILD, name) for name in children)]
        if self.random.random() < 0.2:
            subjects.append((Role.CHILD, self.random.choice(LOTS), (self.random.randint(1, 5), 0, "")))
        seals = ("S1",) if self.random.random() < 0.2 else ()
        return signer, self.world.item(Action.PACK, subjects, seals=seals)

    def _inside(self) -> tuple[str, str | None]:
        found = [(name, self.world.record(thing(name)).parent) for name in THINGS]
        packed = [(name, parent) for name, parent in found if parent is not None]
        return self.random.choice(packed) if packed else (self.random.choice(ITEMS), None)

    def _unpack(self) -> tuple[str, Item]:
        child, parent = self._inside()
        parent = parent if parent is not None and self.random.random() < 0.9 else self.random.choice(CASES)
        subjects: list[tuple[Any, ...]] = [(Role.PARENT, parent)]
        if child != parent:
            subjects.append((Role.CHILD, child))
        if self.random.random() < 0.2:
            subjects.append((Role.CHILD, self.random.choice(LOTS), (self.random.randint(1, 5), 0, "")))
        return self.signer(parent), self.world.item(Action.UNPACK, subjects)

    def _unpack_all(self) -> tuple[str, Item]:
        names = [self.random.choice((*CASES, *CONTAINERS))]
        if self.random.random() < 0.2:
            names = self.random.sample((*CASES, *CONTAINERS), 2)
        return self.signer(names[0]), self.world.item(
            Action.UNPACK_ALL, [(Role.PARENT, name) for name in names]
        )

    def _offer(self) -> tuple[str, Item]:
        names = self.things(1, 2)
        signer = self.signer(names[0])
        roll = self.random.random()
        if roll < 0.7:
            return signer, self.world.item(
                Action.OFFER, [(Role.OBJECT, name) for name in names], to=self.other(signer)
            )
        more = {"counterparty": OUTSIDER} if roll < 0.76 else {}
        return signer, self.world.item(Action.OFFER, [(Role.OBJECT, name) for name in names], **more)

    def _accept(self) -> tuple[str, Item]:
        offered = [
            (name, self.world.record(thing(name)).offer)
            for name in THINGS
            if self.world.record(thing(name)).offer is not None
        ]
        if not offered or self.random.random() < 0.15:
            names = self.things(1, 2)
            return self.random.choice(ORGANISATIONS), self.world.item(
                Action.ACCEPT, [(Role.OBJECT, name) for name in names]
            )
        name, offer = self.random.choice(offered)
        receiver = offer.receiver if offer is not None else None
        flags = self.random.choice((0, 0, 0, Flag.RESERVATION))
        subjects: list[tuple[Any, ...]] = [(Role.OBJECT, name)]
        if self.random.random() < 0.3:
            subjects = [(Role.PARENT, name)]
            inside = [n for n in THINGS if self.world.record(thing(n)).parent == name]
            for other in sorted({*self.things(0, 1), *inside[:2]}):
                if other != name:
                    subjects.append((self.random.choice((Role.MISSING, Role.CONTENT)), other))
        return receiver or self.random.choice(ORGANISATIONS), self.world.item(
            Action.ACCEPT, subjects, flags=flags
        )

    def _withdraw(self) -> tuple[str, Item]:
        name = self.random.choice(THINGS)
        taken = [known for known in THINGS if self.world.record(thing(known)).unconfirmed is not None]
        if taken and self.random.random() < 0.5:
            name = self.random.choice(taken)
        record = self.world.record(thing(name))
        signer = record.offer.offerer if record.offer is not None else self.signer(name)
        if record.unconfirmed is not None:
            signer = record.unconfirmed.offerer
        return signer, self.world.item(Action.WITHDRAW, [(Role.OBJECT, name)])

    def _reject(self) -> tuple[str, Item]:
        name = self.random.choice(THINGS)
        offer = self.world.record(thing(name)).offer
        action = self.random.choice((Action.REJECT, Action.DISPUTE, Action.COMMERCIAL_HOLD))
        signer = self.random.choice(ORGANISATIONS)
        if self.random.random() < 0.6:
            signer = offer.receiver if offer is not None and offer.receiver else self.signer(name)
        return signer, self.world.item(action, [(Role.OBJECT, name)])

    def _observe(self) -> tuple[str, Item]:
        names = self.things(1, 3)
        seals = (self.random.choice(("S1", "S2")),) if self.random.random() < 0.3 else ()
        step = self.random.choice((0, int(Step.INSPECTING)))
        return self.signer(names[0]), self.world.item(
            Action.OBSERVE, [(Role.OBJECT, name) for name in names], seals=seals, step=step, place=place(2)
        )

    def _hold(self) -> tuple[str, Item]:
        signer = self.random.choice(AUTHORITIES)
        names: list[tuple[Any, ...]] = [(Role.OBJECT, self.random.choice((*THINGS, *THINGS, LOTS[0])))]
        case = self.random.choice(("C1", "C2"))
        return signer, self.world.item(Action.HOLD, names, measure=(case, "basis"))

    def _release(self) -> tuple[str, Item]:
        held = [name for name in THINGS if self.world.record(thing(name)).holds]
        name = self.random.choice(held) if held else self.random.choice(THINGS)
        holds = self.world.record(thing(name)).holds
        case, signer = ("C1", "customs") if not holds else (holds[0].case, holds[0].authority)
        return signer, self.world.item(Action.RELEASE, [(Role.OBJECT, name)], measure=(case, "basis"))

    def _permit(self) -> tuple[str, Item]:
        held = [name for name in THINGS if self.world.record(thing(name)).holds]
        name = self.random.choice(held) if held else self.random.choice(THINGS)
        sender, receiver = self.custodian(name) or "maker", self.random.choice(ORGANISATIONS)
        legs = (Leg(self.world.party_of(sender), self.world.party_of(receiver)),)
        permit = Permit(legs, self.world.now_ms + 10**9, None)
        return self.random.choice(AUTHORITIES), self.world.item(
            Action.PERMIT, [(Role.OBJECT, name)], measure=("C1", "basis"), permit=permit
        )

    def _bind(self) -> tuple[str, Item]:
        names = self.things(1, 2)
        documents = self.random.sample(DOCUMENTS, self.random.randint(1, 2))
        subjects = [(Role.OBJECT, n) for n in names] + [(Role.DOCUMENT, d) for d in documents]
        signer = self.signer(names[0])
        if self.random.random() < 0.3:
            return signer, self.world.item(
                Action.BIND, subjects, handover=int(Action.OFFER), to=self.other(signer)
            )
        return signer, self.world.item(Action.BIND, subjects)

    def _unbind(self) -> tuple[str, Item]:
        document = self.random.choice(DOCUMENTS)
        if self.random.random() < 0.4:
            return self.signer(ITEMS[0]), self.world.item(Action.UNBIND_ALL, [(Role.DOCUMENT, document)])
        name = self.random.choice(THINGS)
        return self.signer(name), self.world.item(
            Action.UNBIND, [(Role.OBJECT, name), (Role.DOCUMENT, document)]
        )

    def _transform(self) -> tuple[str, Item]:
        inputs = self.random.sample((*ITEMS, *CASES), self.random.randint(1, 2))
        output = serial(MAKER, 3, self.random.randint(1, 3))
        subjects: list[tuple[Any, ...]] = [(Role.INPUT, name) for name in inputs]
        subjects.append((Role.OUTPUT, output))
        return self.signer(inputs[0]), self.world.item(
            Action.TRANSFORM, subjects, transformation=self.random.choice((None, "urn:example:t1"))
        )

    def _end(self) -> tuple[str, Item]:
        name = self.random.choice(THINGS)
        return self.signer(name), self.world.item(Action.END, [(Role.OBJECT, name)])

    def _rule(self) -> tuple[str, Item]:
        name = self.random.choice(THINGS)
        record = self.world.record(thing(name))
        cites = self.cited()
        if record.claims and self.random.random() < 0.7:
            cites = record.claims[0].event
        elif record.contradictions and self.random.random() < 0.7:
            cites = record.contradictions[0].event
        action = self.random.choice((Action.CONFIRM, Action.CONFIRM, Action.DISMISS))
        signer = "customs" if self.random.random() < 0.4 else self.signer(name)
        if record.unconfirmed is not None:
            signer = record.unconfirmed.offerer
        return signer, self.world.item(action, [(Role.OBJECT, name)], cites=cites)

    def _correct(self) -> tuple[str, Item]:
        if not self.events:
            return self._observe()
        event, signer, subjects = self.random.choice(self.events[-8:])
        return signer, self.world.item(Action.CORRECT, subjects, cites=event)

    def _lots(self) -> tuple[str, Item]:
        name = self.random.choice(LOTS)
        quantity = (self.random.randint(1, 20), self.random.choice((0, 1)), "")
        roll = self.random.random()
        if roll < 0.4:
            return "maker", self.world.item(Action.MAKE, [(Role.OBJECT, name, quantity)])
        signer = self.random.choice(ORGANISATIONS)
        if roll < 0.6:
            return signer, self.world.item(
                Action.OFFER, [(Role.OBJECT, name, quantity)], to=self.other(signer)
            )
        if roll < 0.8:
            return signer, self.world.item(
                Action.ACCEPT, [(Role.OBJECT, name, quantity)], source_of=self.other(signer)
            )
        if roll < 0.9:
            return signer, self.world.item(Action.END, [(Role.OBJECT, name, quantity)])
        output = serial(MAKER, 3, self.random.randint(1, 3))
        return signer, self.world.item(
            Action.TRANSFORM, [(Role.INPUT, name, quantity), (Role.OUTPUT, output)]
        )

    def _sample(self) -> tuple[str, Item]:
        name = self.random.choice(ITEMS)
        drawn = serial(MAKER, 4, self.random.randint(1, 3))
        return self.random.choice(("customs", self.signer(name))), self.world.item(
            Action.SAMPLE, [(Role.INPUT, name), (Role.OUTPUT, drawn)]
        )


def history(seed: int, length: int, **options: Any) -> World:
    """The history of that seed."""
    return Author(seed, new_world(**options)).run(length)


PROVABLE = (Space.THING, Space.LOT, Space.BALANCE, Space.DOCUMENT, Space.TRANSFORMATION, Space.PLACE)


def subjects_of(world: World) -> list[SubjectKey]:
    """Every subject with a chain, in order."""
    found = {new.key for row in world.rows for new in row.changes.links}
    return sorted(key for key in found if key.space in PROVABLE and world.record(key) != EMPTY)


__all__ = ["Author", "CurrentView", "history", "new_world", "subjects_of"]
