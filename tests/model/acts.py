"""Acts: small tuples of choices that mean something in every situation, so that histories can be drawn and cut short.

An act is a kind and a few numbers. What it is about and who signs it is looked up in the naive model as it stands: mostly
whoever may, so that deep states are reached, now and then somebody else, so that everything is tried by everybody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

from ledger.trade.statement import Action, Flag, Leg, Measure, Permit, Role
from tests.model.case import Event, Registry
from tests.model.things import State
from tests.world.world import party, serial, sscc

PREFIX: Final = "9521234"
OTHER_PREFIX: Final = "9529999"
ORGANISATIONS: Final = ("maker", "forwarder", "carrier", "customs", "police", "rival")
AUTHORITIES: Final = ("customs", "police")
MRN: Final = "urn:custody:doc:mrn:24NL00051234567AK0"
UCR: Final = "urn:custody:doc:ucr:4NL123456-7"
DOCUMENTS: Final = (MRN, UCR)
ISSUERS: Final = {"NL0005": "carrier"}  # of the MRN; the UCR's trader is nobody known
GRANTS: Final = {PREFIX: "maker", OTHER_PREFIX: "rival"}
SUCCESSORS: Final = {"customs": "police"}
REGISTRY: Final = Registry(GRANTS, frozenset(AUTHORITIES), SUCCESSORS, {MRN: "carrier"})
ITEMS: Final = (*(serial(PREFIX, 1, n) for n in range(1, 5)), serial(OTHER_PREFIX, 1, 1), "urn:uuid:item")
BOXES: Final = (sscc(PREFIX, 1), sscc(PREFIX, 2), "urn:epc:id:bic:CSQU3054383", "urn:epc:id:bic:MSKU2345671")
PRODUCTS: Final = (serial(PREFIX, 3, 1), serial(OTHER_PREFIX, 3, 1))
THINGS: Final = (*ITEMS, *BOXES, *PRODUCTS)
OUTSIDE: Final = party(4711)
HOUR_MS: Final = 3_600_000
WAITS_MS: Final = (1_000, HOUR_MS, 5 * 24 * HOUR_MS, 31 * 24 * HOUR_MS)


class Act(NamedTuple):
    """Choices: `kind` of act, `who` signs (0-5: whoever may; else somebody), what it is about, and variants."""

    kind: str
    who: int
    a: int
    b: int
    c: int
    option: int
    wait: int


WEIGHTS: Final = {
    "make": 4, "pack": 22, "unpack": 6, "unpack_all": 4, "offer": 10, "accept": 16, "receive": 2, "withdraw": 2,
    "reject": 1, "dispute": 1, "observe": 4, "commercial": 1, "hold": 2, "release": 4, "permit": 3, "transform": 1,
    "sample": 1, "end": 1, "rule": 5, "correct": 6, "bind": 4, "bind_and_hand": 3, "unbind": 2, "unbind_all": 1,
}  # fmt: skip
KINDS: Final = tuple(kind for kind, weight in WEIGHTS.items() for _ in range(weight))
CHOICES: Final = 16


def pick(options: tuple[str, ...] | list[str], number: int) -> str:
    """One of them."""
    return options[number % len(options)]


class Interpreter:
    """Turns acts into events, given the situation."""

    def __init__(self, state: State, past: dict[int, Event], now_ms: int) -> None:
        self.state, self.past, self.number, self.now_ms = state, past, len(past), now_ms
        self.claimed_ms = now_ms

    def signer(self, act: Act, likely: str | None) -> str:
        """Whoever is likely, or somebody."""
        if act.who < 13 and likely in ORGANISATIONS:
            return str(likely)
        return ORGANISATIONS[act.who % len(ORGANISATIONS)]

    def holder(self, name: str) -> str | None:
        return self.state.custodian(name)

    def another(self, number: int, first: str, *, always: bool = False) -> str:
        """One more thing, mostly of the same custodian as the first, or known to nobody."""
        like = [name for name in THINGS if self.holder(name) in (None, self.holder(first)) and name != first]
        return pick(like if like and (always or number % 4) else THINGS, number)

    def event(self, act: Act) -> Event:
        """What the act comes to."""
        self.claimed_ms = self.now_ms - (60 * 24 * HOUR_MS if act.wait == 11 else 10)
        made: Event = getattr(self, act.kind)(act)
        return made

    def say(self, signer: str, action: int, subjects: Sequence[tuple[int, str]], **more: Any) -> Event:
        unique = list({name: (role, name) for role, name in reversed(subjects)}.values())[::-1]
        more.setdefault("time_ms", self.claimed_ms)
        return Event(
            self.number, signer, int(action), tuple((int(r), n) for r, n in unique), self.now_ms, **more
        )

    # --- acts
    def make(self, act: Act) -> Event:
        names = sorted({pick(THINGS, act.a), pick(THINGS, act.b)})
        signer = pick(("maker", "maker", "maker", "rival", "carrier", "customs"), act.who)
        return self.say(signer, Action.MAKE, [(Role.OBJECT, name) for name in names])

    def pack(self, act: Act) -> Event:
        parent = pick(BOXES, act.a)
        first = self.another(act.b, parent, always=act.option < 12)
        first = pick(ITEMS, act.b) if first == parent else first
        children = [first] if act.option % 4 else [first, self.another(act.c, parent)]
        children = [name for name in children if name != parent]
        signer = self.signer(act, self.holder(parent) if act.option % 2 else self.holder(children[0]))
        return self.say(
            signer, Action.PACK, [(Role.PARENT, parent), *((Role.CHILD, name) for name in children)]
        )

    def _packed(self, act: Act) -> str:
        packed = [name for name in THINGS if self.state.thing(name).parent is not None]
        return pick(packed or THINGS, act.b)

    def unpack(self, act: Act) -> Event:
        child = self._packed(act)
        parent = self.state.thing(child).parent
        if parent is None or act.option > 13:
            parent = pick([box for box in BOXES if box != child], act.a)
        others = [name for name in self.state.children(parent) if act.option % 2]
        signer = self.signer(act, self.holder(parent))
        return self.say(
            signer,
            Action.UNPACK,
            [(Role.PARENT, parent), *((Role.CHILD, name) for name in [child, *others[:2]])],
        )

    def unpack_all(self, act: Act) -> Event:
        full = [box for box in BOXES if self.state.children(box)]
        names = [pick(full if full and act.option % 4 else BOXES, act.a)]
        if act.option == 15:
            names.append(pick(BOXES, act.b))
        return self.say(
            self.signer(act, self.holder(names[0])), Action.UNPACK_ALL, [(Role.PARENT, n) for n in names]
        )

    def offer(self, act: Act) -> Event:
        first = pick(BOXES if act.b % 2 else THINGS, act.a)
        names = [first, self.another(act.b, first)][: 1 + act.option % 2]
        signer = self.signer(act, self.holder(first))
        more: dict[str, Any] = {"to": pick(ORGANISATIONS, act.c)}
        if act.option in (12, 13, 14):
            more = {}
        elif act.option == 15:
            more = {"outside": OUTSIDE}
        if act.c == 15:
            more["lapse_ms"] = self.now_ms + HOUR_MS
        return self.say(signer, Action.OFFER, [(Role.OBJECT, name) for name in names], **more)

    def accept(self, act: Act) -> Event:
        offered = [name for name in THINGS if self.state.offer(name, self.now_ms) is not None]
        if not offered:
            return self.receive(act)
        name = pick(offered, act.a)
        if act.option >= 10 and act.c % 2:
            name = next((other for other in offered if self.state.children(other)), name)
        stands = self.state.offer(name, self.now_ms)
        receiver = stands.receiver if stands is not None else None
        signer = self.signer(act, receiver or pick(ORGANISATIONS, act.c))
        flags = Flag.RESERVATION if act.option == 15 else 0
        if act.option < 10:
            more = [self.another(act.b, name)] if act.option < 2 else []
            return self.say(
                signer, Action.ACCEPT, [(Role.OBJECT, n) for n in [name, *more]], flags=int(flags)
            )
        inside = self.state.below(name) or list(THINGS)
        subjects = [(Role.PARENT, name)]
        subjects += [(Role.CONTENT, pick(inside if act.c % 3 else THINGS, act.b))] if act.option % 2 else []
        if act.option > 11:
            subjects.append((Role.MISSING, pick(inside, act.b)))
            flags |= Flag.FEWER
        return self.say(signer, Action.ACCEPT, subjects, flags=int(flags))

    def receive(self, act: Act) -> Event:
        names = [pick(THINGS, act.a), pick(THINGS, act.b)][: 1 + act.option % 2]
        return self.say(pick(ORGANISATIONS, act.who), Action.ACCEPT, [(Role.OBJECT, name) for name in names])

    def _about(self, act: Act, action: Action) -> Event:
        stood = [name for name in THINGS if self.state.thing(name).offer is not None]
        taken = [name for name in THINGS if self.state.thing(name).taking is not None]
        name = pick((taken + stood) if act.option % 4 and (taken or stood) else list(THINGS), act.a)
        stands, taking = self.state.thing(name).offer, self.state.thing(name).taking
        likely = self.holder(name)
        if taking is not None:
            likely = taking.offerer
        elif stands is not None:
            likely = stands.offerer if action == Action.WITHDRAW else stands.receiver
        return self.say(self.signer(act, likely), action, [(Role.OBJECT, name)])

    def withdraw(self, act: Act) -> Event:
        return self._about(act, Action.WITHDRAW)

    def reject(self, act: Act) -> Event:
        return self._about(act, Action.REJECT)

    def dispute(self, act: Act) -> Event:
        return self._about(act, Action.DISPUTE)

    def commercial(self, act: Act) -> Event:
        name = pick(THINGS, act.a)
        return self.say(self.signer(act, self.holder(name)), Action.COMMERCIAL_HOLD, [(Role.OBJECT, name)])

    def observe(self, act: Act) -> Event:
        name = pick(THINGS, act.a)
        seals = ("S1",) if act.option % 3 == 0 else ("S2", "S3") if act.option % 3 == 1 else ()
        flags = int(Flag.RESEAL) if seals and act.option > 8 else 0
        likely = self.holder(name) if act.b % 4 else pick(AUTHORITIES, act.c)
        return self.say(
            self.signer(act, likely), Action.OBSERVE, [(Role.OBJECT, name)], seals=seals, flags=flags
        )

    def hold(self, act: Act) -> Event:
        measure = Measure(pick(("C1", "C2"), act.c), "basis")
        return self.say(
            pick(AUTHORITIES, act.who), Action.HOLD, [(Role.OBJECT, pick(THINGS, act.a))], measure=measure,
            flags=int(Flag.SEIZE) if act.option > 12 else 0,
        )  # fmt: skip

    def release(self, act: Act) -> Event:
        held = [name for name in THINGS if self.state.thing(name).holds]
        name = pick(held if held and act.option < 14 else THINGS, act.a)
        holds = self.state.thing(name).holds
        measure, likely = Measure(pick(("C1", "C2"), act.c), "basis"), pick(AUTHORITIES, act.who)
        if holds and act.option < 12:
            measure, likely = Measure(holds[0].case, "basis"), holds[0].authority
        return self.say(
            likely if act.who < 12 else pick(AUTHORITIES, act.who),
            Action.RELEASE,
            [(Role.OBJECT, name)],
            measure=measure,
        )

    def permit(self, act: Act) -> Event:
        held = [name for name in THINGS if any(self.state.thing(n).holds for n in self._over(name))]
        name = pick(held if held and act.option < 14 else THINGS, act.a)
        holds = [hold for n in self._over(name) for hold in self.state.thing(n).holds]
        signer = holds[act.b % len(holds)].authority if holds and act.who < 13 else pick(AUTHORITIES, act.who)
        sender = self.holder(name) if act.b < 13 else pick(ORGANISATIONS, act.b)
        sender = sender if sender in ORGANISATIONS else "maker"
        legs = [(str(sender), pick(ORGANISATIONS, act.c))]
        if act.option % 2:
            legs.append((legs[0][1], pick(ORGANISATIONS, act.b)))
        terms = Permit(
            tuple(Leg(party_of(one), party_of(other)) for one, other in legs),
            self.now_ms + (HOUR_MS if act.option == 12 else 90 * 24 * HOUR_MS),
            "S1" if act.option == 13 else None,
        )
        measure = Measure(pick(("C1", "C2"), act.c), "basis")
        return self.say(
            signer,
            Action.PERMIT,
            [(Role.OBJECT, name)],
            permit=terms,
            permit_legs=tuple(legs),
            measure=measure,
        )

    def _over(self, name: str) -> list[str]:
        return [name, *self.state.above(name), *self.state.below(name)]

    def transform(self, act: Act) -> Event:
        first, made = pick((*ITEMS, *BOXES), act.a), pick(PRODUCTS, act.c)
        names = sorted({first, self.another(act.b, first)} - {made})
        signer = self.signer(act, self.holder(first))
        subjects = [*((Role.INPUT, name) for name in names), (Role.OUTPUT, made)]
        named = "urn:example:batch" if act.option % 2 else None
        return self.say(signer, Action.TRANSFORM, subjects, transformation=named)

    def sample(self, act: Act) -> Event:
        name, drawn = pick((*ITEMS, *BOXES), act.a), pick(PRODUCTS, act.c)
        signer = self.signer(act, self.holder(name)) if act.b % 2 else pick(AUTHORITIES, act.who)
        return self.say(signer, Action.SAMPLE, [(Role.INPUT, name), (Role.OUTPUT, drawn)])

    def end(self, act: Act) -> Event:
        name = pick(THINGS, act.a)
        holds = [hold for n in self._over(name) for hold in self.state.thing(n).holds]
        likely = holds[0].authority if holds and act.option % 4 else self.holder(name)
        return self.say(self.signer(act, likely), Action.END, [(Role.OBJECT, name)])

    def rule(self, act: Act) -> Event:
        claimed = [name for name in THINGS if self.state.thing(name).claims]
        taken = [name for name in THINGS if self.state.mark(name) is not None]
        denied = [name for name in THINGS if self.state.thing(name).contradictions]
        name = pick((claimed, taken, denied)[act.b % 3] or THINGS, act.a)
        thing, taking = self.state.thing(name), self.state.mark(name)
        cites: int | None = act.c % max(1, self.number)
        likely = self.holder(name)
        if act.b % 3 == 0 and thing.claims:
            cites = thing.claims[act.c % len(thing.claims)].event
        elif act.b % 3 == 1 and taking is not None:
            cites, likely = taking.event, taking.offerer
        elif thing.contradictions:
            cites, likely = thing.contradictions[0].event, pick(AUTHORITIES, act.c)
        signer = self.signer(act, likely)
        action = Action.DISMISS if signer in AUTHORITIES and act.option % 2 else Action.CONFIRM
        return self.say(signer, action, [(Role.OBJECT, name)], cites=cites)

    def correct(self, act: Act) -> Event:
        back = 1 + (act.a % 4 if act.option < 12 else act.a)
        original = self.past.get(self.number - back)
        if (
            original is None or len(original.named(Role.PARENT)) > 1
        ):  # the latter is refused, and nothing to undo
            return self.observe(act)
        signer = original.signer if act.who < 13 else pick(ORGANISATIONS, act.who)
        cites = None if act.option == 15 else original.number
        return self.say(signer, Action.CORRECT, original.subjects, cites=cites)

    def bind(self, act: Act) -> Event:
        first = pick(THINGS, act.a)
        names = [first, self.another(act.b, first)][: 1 + act.option % 2]
        documents = DOCUMENTS if act.option > 12 else (pick(DOCUMENTS, act.c),)
        subjects = [*((Role.OBJECT, name) for name in names), *((Role.DOCUMENT, name) for name in documents)]
        return self.say(self.signer(act, self.holder(names[0])), Action.BIND, subjects)

    def bind_and_hand(self, act: Act) -> Event:
        event = self.offer(act) if act.option % 2 else self.accept(act)
        if event.outside is not None or (event.to is None and event.action == Action.OFFER) or event.flags:
            return event
        document = (int(Role.DOCUMENT), pick(DOCUMENTS, act.c))
        return replace(
            event, action=int(Action.BIND), handover=event.action, subjects=(*event.subjects, document)
        )

    def unbind(self, act: Act) -> Event:
        bound = [name for name in THINGS if self.state.bindings(name)]
        name = pick(bound or THINGS, act.a)
        bindings = self.state.bindings(name)
        document = bindings[0].document if bindings and act.option % 4 else pick(DOCUMENTS, act.c)
        signer = self.signer(act, bindings[0].declarant if bindings else None)
        return self.say(signer, Action.UNBIND, [(Role.OBJECT, name), (Role.DOCUMENT, document)])

    def unbind_all(self, act: Act) -> Event:
        document = pick(DOCUMENTS, act.a)
        return self.say(
            self.signer(act, self.state.thing(document).holder),
            Action.UNBIND_ALL,
            [(Role.DOCUMENT, document)],
        )


def party_of(organisation: str) -> str:
    """The party of an organisation, as the world registers it."""
    return party(ORGANISATIONS.index(organisation) + 1)
