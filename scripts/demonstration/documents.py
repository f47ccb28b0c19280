"""Your own EPCIS 2.0 documents on a fresh network: what each event comes to, and what every subject in them proves.

Nobody real is on that network. The organisations that sign are simulated, registered as such, and every verdict says so.
Who signs: with `--as` always that organisation; else what arrives is signed by whoever the document names as receiver,
what leaves by whoever it names as sender, and everything else by the manufacturer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from client.events.draft import Draft, draft_of
from demonstration import cast
from demonstration.stage import Played, Stage
from ledger.base.errors import CustodyError
from ledger.proof.anchor import Anchor
from ledger.proof.verdict import Verdict, assess
from ledger.trade.identifiers import Identifier, canonical
from ledger.trade.rules.outcomes import BOUND_TOO, Outcome, is_applied
from ledger.trade.slices import document_slices
from ledger.trade.statement import Action, Role

_SPARE: Final = (cast.FORWARDER, cast.CARRIER)
_OFFICIAL: Final = (Action.HOLD, Action.RELEASE, Action.PERMIT, Action.DISMISS)


class Given(NamedTuple):
    """One event of a file, or why it cannot be one."""

    path: Path
    number: int  # from 1, in order of the document; 0 for the file as a whole
    draft: Draft | None
    refusal: str


class Judged(NamedTuple):
    """What became of one event."""

    given: Given
    organisation: str
    word: str
    """applied, recorded or refused."""
    why: str


def read(paths: Sequence[Path]) -> list[Given]:
    """Every event of every file, its bytes unchanged."""
    found: list[Given] = []
    for path in paths:
        try:
            slices = document_slices(path.read_bytes())
        except (CustodyError, OSError) as error:
            why = f"expected to read it: {error.strerror}" if isinstance(error, OSError) else error.message
            found.append(Given(path, 0, None, why))
            continue
        for number, event in enumerate(slices.events, 1):
            try:
                found.append(Given(path, number, draft_of(event, slices.context), ""))
            except CustodyError as error:
                found.append(Given(path, number, None, str(error)))
    return found


def parties(given: Sequence[Given]) -> dict[str, str]:
    """Which simulated organisation stands for which party named in the documents, in order of appearance."""
    named: dict[str, str] = {}
    for one in given:
        if one.draft is None:
            continue
        statement = one.draft.extract.statement
        if statement.source is not None:
            named.setdefault(statement.source, cast.MANUFACTURER)
        if statement.counterparty is not None:
            named.setdefault(statement.counterparty, _SPARE[len(named) % len(_SPARE)])
    return named


def signer(draft: Draft, named: dict[str, str]) -> str:
    """Who signs an event without `--as`."""
    statement = draft.extract.statement
    if statement.action in _OFFICIAL:
        return cast.CUSTOMS
    if statement.action in (Action.ACCEPT, Action.REJECT) or statement.handover == Action.ACCEPT:
        return named.get(statement.counterparty or "", cast.FORWARDER)
    return named.get(statement.source or "", cast.MANUFACTURER)


def play(stage: Stage, given: Sequence[Given], organisation: str | None) -> Iterator[Judged]:
    """Put every event on the ledger, one after another, and say what it came to."""
    named = parties(given)
    for one in given:
        if one.draft is None:
            yield Judged(one, "-", "refused", one.refusal)
            continue
        who = organisation or signer(one.draft, named)
        [played] = stage.submit(who, [one.draft])
        yield _judged(one, who, played)


def _judged(given: Given, organisation: str, played: Played) -> Judged:
    if played.refusal:
        return Judged(given, organisation, "refused", played.refusal)
    codes = [Outcome(code % BOUND_TOO) for code in played.outcomes]
    recorded = sorted({code.name.lower() for code in codes if not is_applied(code)})
    applied = sorted({code.name.lower() for code in codes if is_applied(code)})
    if recorded:
        return Judged(given, organisation, "recorded", ", ".join(recorded))
    return Judged(given, organisation, "applied", ", ".join(applied))


def subjects(given: Sequence[Given]) -> list[Identifier]:
    """Every subject of the documents, once, in order of appearance."""
    found: dict[str, None] = {}
    for one in given:
        if one.draft is not None:
            for subject in one.draft.extract.subjects:
                if subject.role not in (Role.PLACE, Role.LOT):
                    found.setdefault(subject.identifier)
    return [canonical(text) for text in found]


def prove(stage: Stage, anchor: Anchor, subject: Identifier) -> tuple[bytes, Verdict]:
    """The bundle of one subject and the verdict on it."""
    data = stage.bundle([subject], payloads=True)
    return data, assess(data, anchor, now_ms=stage.now_ms())
