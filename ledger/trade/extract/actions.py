"""Which action an event's form states: the EPCIS pattern column of the custody rules (RULES.md; EXTRACT.md §5).

Signer and state never matter here; the rules choose among the rows of an action.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from ledger.base.errors import Code, FormError
from ledger.trade.extract.extensions import HANDOVERS, MEASURES, RULINGS, Extensions
from ledger.trade.statement import Action
from ledger.trade.vocabulary import ENDING, INBOUND, MAKING, OUTBOUND, Step

OBJECT: Final = "ObjectEvent"
AGGREGATION: Final = "AggregationEvent"
ASSOCIATION: Final = "AssociationEvent"
TRANSACTION: Final = "TransactionEvent"
TRANSFORMATION: Final = "TransformationEvent"
TYPES: Final = (OBJECT, AGGREGATION, ASSOCIATION, TRANSACTION, TRANSFORMATION)
NESTING: Final = (AGGREGATION, ASSOCIATION)


class Pattern(NamedTuple):
    """What of an event decides its action."""

    type: str
    verb: str  # ADD, OBSERVE, DELETE; "" in a transformation
    step: int
    is_known_step: bool  # the step is in the table, or there is none
    has_party: bool  # a destination names a possessing or owning party
    has_objects: bool  # epcList and quantityList, or children
    has_parent: bool


def action_of(pattern: Pattern, extensions: Extensions) -> Action:
    """The action of an event without errorDeclaration.

    FormError malformed where custody terms contradict the form they stand in.
    """
    official = _official(pattern, extensions)
    if official is not None:
        return official
    if _is_about_its_place(pattern):
        return Action.OBSERVE
    if pattern.type == TRANSFORMATION:
        return Action.SAMPLE if pattern.step == Step.SAMPLING else Action.TRANSFORM
    if pattern.type in NESTING and pattern.verb == "ADD":
        return Action.PACK
    if pattern.type in NESTING and pattern.verb == "DELETE":
        return Action.UNPACK if pattern.has_objects else Action.UNPACK_ALL
    if pattern.type == TRANSACTION and pattern.verb == "ADD":
        return Action.BIND
    if pattern.type == TRANSACTION and pattern.verb == "DELETE":
        return Action.UNBIND if pattern.has_objects or pattern.has_parent else Action.UNBIND_ALL
    if pattern.step == Step.VOID_SHIPPING:
        return Action.WITHDRAW
    if pattern.type == OBJECT and pattern.verb == "DELETE":
        return Action.END
    if pattern.type == OBJECT and pattern.verb == "ADD" and pattern.is_known_step and pattern.step in MAKING:
        return Action.MAKE
    return _by_step(pattern)


def handover_of(pattern: Pattern) -> Action | None:
    """What a binding does to its objects at the same time (row 25): only where it names the other party."""
    if not pattern.has_party:
        return None
    if pattern.step in OUTBOUND:
        return Action.OFFER
    return Action.ACCEPT if pattern.step in INBOUND else None


def _is_about_its_place(pattern: Pattern) -> bool:
    binds = pattern.type == TRANSACTION and pattern.verb != "OBSERVE"
    return not (pattern.has_objects or pattern.has_parent or binds)


def _by_step(pattern: Pattern) -> Action:
    step = pattern.step
    if step in OUTBOUND and (pattern.has_party or step != Step.DEPARTING):
        return Action.OFFER
    if step in INBOUND:
        return Action.ACCEPT
    if step == Step.HOLDING:
        return Action.COMMERCIAL_HOLD
    if pattern.type == OBJECT and step in ENDING:
        return Action.END
    if pattern.type == OBJECT and step == Step.SAMPLING:
        return Action.SAMPLE
    return Action.OBSERVE


def _official(pattern: Pattern, extensions: Extensions) -> Action | None:
    """The action that a measure, ruling or handover term states, None without one."""
    said = [name for name in ("measure", "ruling", "handover") if name in extensions.terms]
    if not said:
        return None
    where = (OBJECT,) if said[0] != "handover" else (OBJECT, *NESTING, TRANSACTION)
    if len(said) > 1 or pattern.verb != "OBSERVE" or pattern.type not in where:
        raise FormError(
            Code.MALFORMED,
            f"custody:{said[-1]}: expected alone in an ObjectEvent of action OBSERVE, got {' and '.join(said)} in"
            f" an {pattern.type} of action {pattern.verb or 'none'}",
        )
    measure = extensions.word("measure", MEASURES)
    if measure in ("detain", "seize") and pattern.step != Step.HOLDING:
        raise FormError(Code.MALFORMED, f"custody:measure {measure}: expected bizStep holding, got another")
    if measure is not None:
        return {"release": Action.RELEASE, "permit": Action.PERMIT}.get(measure, Action.HOLD)
    ruling = extensions.word("ruling", RULINGS)
    if ruling is not None:
        return Action.CONFIRM if ruling == "confirm" else Action.DISMISS
    return Action.REJECT if extensions.word("handover", HANDOVERS) == "reject" else Action.DISPUTE
