"""What a subject comes from and hangs on: transformations, their inputs, its lot, its documents (PROOF.md §4.5).

An output's verdict is worth what its inputs are worth. So a proof replays the transformation an output comes from, lists
all its legs against the certified list, and replays each consumed input in turn, at most TRANSFORMATION_DEPTH levels
deep and TRANSFORMATION_INPUTS in all; the verdict says what was not opened. Prover and verifier run this same walk.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from ledger.base import limits
from ledger.proof.replay import Evidence, Replayed, Step, check_legs, replay
from ledger.trade.record import Record, Space, SubjectKey
from ledger.trade.rules import Outcome
from ledger.trade.rules.documents import document_key
from ledger.trade.rules.view import lot_key

_LISTED: Final = (Space.DOCUMENT, Space.TRANSFORMATION)
Elements = tuple[tuple[SubjectKey, int], ...]


class Proven(NamedTuple):
    """One subject replayed, with the current records of what it hangs on."""

    replayed: Replayed
    elements: Elements
    """All legs, of a document or transformation."""
    documents: tuple[tuple[str, Record], ...]
    """Current records of the documents bound to it or to what it is in."""
    lot: Record | None
    """Current record of the lot it was made from."""
    transformation: SubjectKey | None
    inputs: tuple[SubjectKey, ...]
    """Consumed inputs of a transformation that are replayed too."""
    unopened: int
    """Consumed inputs that are not."""


class NestedReplay(NamedTuple):
    """The subjects asked for and everything replayed for them."""

    asked: tuple[SubjectKey, ...]
    proven: dict[SubjectKey, Proven]

    def every(self) -> Iterator[Replayed]:
        """All replays, in order of their keys."""
        for key in sorted(self.proven):
            yield self.proven[key].replayed


def replay_with_sources(
    evidence: Evidence, asked: Sequence[SubjectKey], height: int, log_size: int
) -> NestedReplay:
    """Replay all subjects asked for and what they come from; ProofError names what does not hold."""
    proven: dict[SubjectKey, Proven] = {}
    moves: dict[Any, Step] = {}
    waiting = deque((key, 0) for key in asked)
    while waiting:
        key, depth = waiting.popleft()
        if key in proven:
            continue
        found = _prove(evidence, key, height, log_size, moves)
        if found.transformation is not None:
            waiting.append((found.transformation, depth))
        if key.space == Space.TRANSFORMATION:
            room = max(0, limits.TRANSFORMATION_INPUTS - len(proven) - len(waiting))
            opened = found.inputs[:room] if depth < limits.TRANSFORMATION_DEPTH else ()
            waiting += [(given, depth + 1) for given in opened]
            found = found._replace(inputs=opened, unopened=len(found.inputs) - len(opened))
        proven[key] = found
    return NestedReplay(tuple(asked), proven)


def transformation_of(source: str | None) -> SubjectKey | None:
    """The transformation that a record's `source` names, if it names one."""
    if source is None or source.startswith("|"):
        return None
    organisation, _, identifier = source.partition("|")
    return SubjectKey(Space.TRANSFORMATION, identifier, organisation)


def _prove(evidence: Evidence, key: SubjectKey, height: int, log_size: int, moves: dict[Any, Step]) -> Proven:
    replayed = replay(evidence, key, height, log_size, moves)
    record = replayed.record
    elements: Elements = ()
    if key.space in _LISTED:
        elements = tuple(evidence.elements(key))
        check_legs(evidence.network, record, elements)
    bound = sorted({binding.document for shown in replayed.whole for binding in shown.bindings})
    lot = None
    if record.source is not None and record.source.startswith("|"):
        lot = evidence.current(lot_key(record.source[1:]))
    elif key.space == Space.BALANCE:
        lot = evidence.current(lot_key(key.identifier))
    consumed = [given for given, code in elements if code == Outcome.CONSUMED and given.space == Space.THING]
    return Proven(
        replayed,
        elements,
        tuple((document, evidence.current(document_key(document))) for document in bound),
        lot,
        transformation_of(record.source),
        tuple(sorted(set(consumed))) if key.space == Space.TRANSFORMATION else (),
        0,
    )
