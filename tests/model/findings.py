"""Where the ledger and the rules are known to differ: random histories keep off it, `test_model_findings` shows each.

Every entry has its shortest history there, as a strict expected failure: mending one makes that test fail until its line
here and its mark there are gone.
"""

from __future__ import annotations

from ledger.trade.statement import Action
from tests.model.case import Event
from tests.model.things import State


def is_known(event: Event, state: State) -> bool:
    """Whether an event would run into a known difference."""
    things = [state.thing(name) for _, name in event.subjects]
    if event.action != Action.CORRECT or event.cites is None:
        return False
    lapsed = [thing for thing in things if all(claim.event != event.cites for claim in thing.claims)]
    return any(
        event.cites < thing.passed for thing in lapsed
    )  # a claim that lapsed is taken back all the same
