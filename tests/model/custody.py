"""The naive model of custody: says of every event what it does to every subject."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from ledger.trade.rules.outcomes import Outcome
from tests.model.case import CUSTODY_AND_MARKS, Case, Event, Registry
from tests.model.rows import ROWS
from tests.model.things import State


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
        codes: dict[str, tuple[int, bool]] = {}
        for role, name in event.subjects:
            case = Case(self.registry, event, role, name, before, after, self.past)
            code = ROWS[event.action](case)
            case.born()
            changed = before.thing(name) != after.thing(name) or code in _CHANGES_ELSEWHERE
            codes[name] = code, not changed and not case.has_standing()
        for name in [name for name in after.things if name in before.things]:
            left = before.thing(name).parent
            if left is None or after.thing(name).parent == left or left in codes:
                continue
            lost = before.thing(name).parent
            if lost is not None and before.thing(lost).generation == after.thing(lost).generation:
                codes[lost] = Outcome.CHILD_LEFT, False
        for name, thing in after.things.items():
            old = before.thing(name)
            if any(getattr(old, field) != getattr(thing, field) for field in CUSTODY_AND_MARKS):
                thing.moves = event.number
            if before.custodian(name) != after.custodian(name):
                if old.offer is not None and thing.offer == old.offer:
                    thing.offer = replace(thing.offer, dead=True)
                thing.claims = tuple(replace(c, late=c.late or c in old.claims) for c in thing.claims)
        self.state = after
        self.past[event.number] = event
        return {name: Said(int(code), aside, after.custodian(name)) for name, (code, aside) in codes.items()}


_CHANGES_ELSEWHERE = frozenset({Outcome.CONTENTS_ADDED, Outcome.CONTENTS_REMOVED})
