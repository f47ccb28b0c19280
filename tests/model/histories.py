"""Running a list of acts through both, and cutting a history down to the shortest on which they disagree."""

from __future__ import annotations

from collections.abc import Sequence

from tests.model.acts import Act
from tests.model.both import Both, DisagreementError

CHUNKS = (16, 8, 4, 2, 1)


def disagreement(acts: Sequence[Act]) -> tuple[int, DisagreementError] | None:
    """How many acts it took until the ledger and the model disagreed, and on what; None if they never did."""
    both = Both()
    for number, act in enumerate(acts, 1):
        try:
            both.act(act)
        except DisagreementError as found:
            return number, found
    return None


def check(acts: Sequence[Act]) -> None:
    """Raise the disagreement on the shortest history found, if there is one."""
    found = disagreement(acts)
    if found is not None:
        short = shortest(list(acts[: found[0]]))
        last = disagreement(short)
        raise found[1] if last is None else last[1]


def simpler(act: Act, field: str) -> Act:
    """The act with the first of all choices in a field."""
    return Act(act.kind, *(0 if name == field else getattr(act, name) for name in Act._fields[1:]))


def shortest(acts: list[Act]) -> list[Act]:
    """Leave out whatever can be left out, and make simple whatever can be simple."""
    before = 0
    while before != len(acts):
        before = len(acts)
        for size in CHUNKS:
            start = len(acts) - 1 - size
            while start >= 0:
                cut = acts[:start] + acts[start + size :]
                found = disagreement(cut)
                if found is not None:
                    acts = cut[: found[0]]
                start = min(start, len(acts)) - 1
    for place in range(len(acts)):
        for field in ("wait", "option", "who", "b", "c"):
            simple = [*acts[:place], simpler(acts[place], field), *acts[place + 1 :]]
            found = disagreement(simple)
            if found is not None and found[0] == len(acts):
                acts = simple
    return acts
