"""The naive model of custody: says of every event what it does to every subject."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from ledger.trade.record import Origin, Status
from ledger.trade.rules.outcomes import Outcome
from ledger.trade.statement import Action, Role
from tests.model import bindings, handover, making, measures, packing, rulings
from tests.model.case import Case, Event, Registry
from tests.model.things import State, Thing

ROWS: Final[dict[int, Callable[[Case], int]]] = {
    Action.MAKE: making.make,
    Action.TRANSFORM: making.transform,
    Action.SAMPLE: making.sample,
    Action.END: making.end,
    Action.PACK: packing.pack,
    Action.UNPACK: packing.unpack,
    Action.UNPACK_ALL: packing.unpack_all,
    Action.OFFER: handover.offer,
    Action.ACCEPT: handover.accept,
    Action.WITHDRAW: handover.withdraw,
    Action.REJECT: handover.reject,
    Action.DISPUTE: handover.dispute,
    Action.OBSERVE: measures.observe,
    Action.COMMERCIAL_HOLD: measures.hold_commercially,
    Action.HOLD: measures.hold,
    Action.RELEASE: measures.release,
    Action.PERMIT: measures.permit,
    Action.BIND: bindings.bind,
    Action.UNBIND: bindings.unbind,
    Action.UNBIND_ALL: bindings.unbind_all,
    Action.CONFIRM: rulings.confirm,
    Action.DISMISS: rulings.dismiss,
    Action.CORRECT: rulings.correct,
}
MOVES: Final = (
    "status", "origin", "maker", "holder", "claimed", "parent", "generation", "taking", "holds", "permits", "seals",
    "bindings", "contradictions", "source",
)  # fmt: skip


class Said(NamedTuple):
    """What an event came to for one subject; `aside`: said by somebody without standing, and changed nothing."""

    code: int
    aside: bool
    holder: str | None  # effective custodian after the event


class Custody:
    """All that ever happened, judged one event after another."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.state = State()
        self.past: dict[int, Event] = {}

    def apply(self, event: Event) -> dict[str, Said]:
        """Judge every subject on the state before the event; then every effect happens."""
        before, after = self.state, self.state.copy()
        said: dict[str, tuple[int, bool]] = {}
        for role, name in event.subjects:
            case = Case(self.registry, event, role, name, before, after)
            said[name] = ROWS[event.action](case), case.aside
        said |= {
            name: (Outcome.CHILD_LEFT, False)
            for name in left_without_a_word(before, after)
            if name not in said
        }
        for name, thing in after.things.items():
            follow(event, before, after, before.thing(name), thing)
        count(event, before, after, {name: code for name, (code, _) in said.items()})
        self.state = after
        self.past[event.number] = event
        return {name: Said(int(code), aside, after.custodian(name)) for name, (code, aside) in said.items()}


def left_without_a_word(before: State, after: State) -> list[str]:
    """The containers that something came out of, but for those that were emptied as a whole."""
    return [
        parent
        for parent in [thing.parent for thing in before.things.values() if thing.parent is not None]
        if before.thing(parent).generation == after.thing(parent).generation
        and set(before.children(parent)) - set(after.children(parent))
    ]


def follow(event: Event, before: State, after: State, was: Thing, thing: Thing) -> None:
    """What a change means for later: corrections of what came before are too late; custody passed."""
    if any(getattr(was, field) != getattr(thing, field) for field in MOVES):
        thing.moved = event.number
    found_inside = was.status == Status.UNBORN and thing.passed != was.passed
    if before.custodian(thing.name) != after.custodian(thing.name) and not found_inside:
        thing.passed = event.number


def count(event: Event, before: State, after: State, codes: dict[str, int]) -> None:
    """What a transformation knows of its inputs: consumed, recorded only, unattested."""
    if event.action == Action.TRANSFORM:
        inputs = event.named(Role.INPUT)
        key = event.signer, event.transformation or f"event {event.number}"
        consumed, recorded, unattested = after.tallies.get(key, (0, 0, 0))
        taken = sum(codes[name] == Outcome.CONSUMED for name in inputs)
        strange = sum(before.thing(name).origin != Origin.ATTESTED for name in inputs)
        after.tallies[key] = consumed + taken, recorded + len(inputs) - taken, unattested + strange
