"""The rule table: (action, role) -> the rule that decides a leg (CUSTODY_RULES; RULES.md §3).

`ROWS` says in one line each what the EPCIS pattern is, who has to sign, and what happens; the documentation's table is
generated from it. `decide` is the only entrance: execution and the offline verifier both call it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from ledger.base.errors import Code, EntitlementError, RuleError
from ledger.trade.identifiers import Kind
from ledger.trade.record import Space, SubjectKey
from ledger.trade.rules import documents, endings, handover, lots, making, measures, packing, rulings
from ledger.trade.rules.outcomes import Outcome
from ledger.trade.rules.standing import note
from ledger.trade.rules.view import Act, Decision, Leg, View, identify, lot_key, situation
from ledger.trade.statement import Action, Flag, Role, Subject
from ledger.trade.vocabulary import Step

TRANSFORMATION: Final = 102  # role of a transformation's own record
Rule = Callable[[Act, Leg, View], Decision]


class Row(NamedTuple):
    """One row of the table, for people."""

    number: int
    pattern: str
    signer: str
    effect: str


ROWS: Final = (
    Row(1, "any event with an errorDeclaration", "the original's author", "its original is undone, subject by subject, if nothing has moved since"),
    Row(2, "Object ADD; commissioning, creating_class_instance or no step", "holder of the prefix grant", "born, attested; by others unattested; a grantee's late make sets the origin"),
    Row(3, "made again", "anyone", "by the maker before the first offer: restated; else contested"),
    Row(4, "Object ADD, any other step", "as that step's row", "never makes; the origin stays unattested"),
    Row(5, "Transformation", "custodian of the inputs", "inputs consumed, outputs born, the transformation counts both"),
    Row(6, "Aggregation or Association ADD", "custodian of child and parent", "child in parent; unknown ones are born unattested"),
    Row(7, "Aggregation or Association DELETE, children listed", "custodian or authority", "child out, in the root's custody, with what held it"),
    Row(8, "Aggregation or Association DELETE, none listed", "custodian or authority", "everything out in one step; next generation"),
    Row(9, "Aggregation OBSERVE; receiving, accepting", "as rows 12 to 15", "the parent is accepted, contents are compared"),
    Row(10, "shipping, departing, consigning to another organisation", "custodian or its delegate", "an open offer"),
    Row(11, "shipping, consigning without a destination", "custodian", "an offer that any member may take"),
    Row(12, "receiving, accepting; named in the offer", "the receiver or its delegate", "custody passes with all that is inside: two-sided"),
    Row(13, "receiving, accepting; open offer", "any member", "custody passes, one-sided until confirmed or seven days have passed"),
    Row(14, "12 or 13 with damage, mismatch, another seal or missing items", "as there", "custody of what came passes, with reservation"),
    Row(15, "receiving without a fitting offer; 5 to 11 by a non-custodian", "any member", "a claim beside the custodian; moves nothing"),
    Row(16, "shipping after a fitting claim", "custodian at the time of the claim", "the claim becomes two-sided"),
    Row(17, "void_shipping", "the offerer", "the offer is closed, or an unconfirmed taking voided"),
    Row(18, "OBSERVE with a handover extension: reject, dispute", "the receiver; either side", "offer closed; custody contested"),
    Row(19, "any other step, or none known", "any member", "noted"),
    Row(20, "holding without a measure", "custodian", "a note"),
    Row(21, "holding with measure detain or seize", "authority", "held under its case; every container of it counts it"),
    Row(22, "measure release", "the same authority or its successor", "that hold is lifted"),
    Row(23, "5 to 18 and 26 while another authority's hold stands", "anyone", "breach: a link without effect"),
    Row(24, "inspecting, sampling, packing, unpacking, resealing", "authority", "custody unchanged"),
    Row(25, "Transaction ADD, DELETE", "custodian or delegate", "documents bound or unbound, seen from both sides"),
    Row(26, "destroying, decommissioning, Object DELETE, retail_selling, dispensing", "custodian if unheld, else authority", "ended; contents come out first"),
    Row(27, "ruling confirm, dismiss", "custodian for a claim; authority", "the claim or contradiction is closed"),
    Row(28, "any of these by another signer", "-", "a contradiction: stands in the chain, changes nothing"),
    Row(29, "measure permit", "the authority of the hold", "a movement under hold, leg by leg"),
)  # fmt: skip

_EVERY: Final = tuple(Role)
_GOODS: Final = (Role.OBJECT, Role.PARENT)

RULES: Final[dict[tuple[int, int], Rule]] = {
    **{(Action.CORRECT, role): rulings.correct for role in _EVERY},
    **{(Action.MISMATCH, role): rulings.mismatch for role in _EVERY},
    (Action.MAKE, Role.OBJECT): making.make,
    (Action.TRANSFORM, Role.INPUT): endings.consume,
    (Action.TRANSFORM, Role.OUTPUT): endings.produce,
    (Action.PACK, Role.PARENT): packing.pack_parent,
    (Action.PACK, Role.CHILD): packing.pack_child,
    (Action.UNPACK, Role.PARENT): packing.unpack_parent,
    (Action.UNPACK, Role.CHILD): packing.unpack_child,
    **{(Action.UNPACK_ALL, role): packing.unpack_all for role in _GOODS},
    **{(Action.OFFER, role): handover.offer for role in _GOODS},
    **{(Action.ACCEPT, role): handover.accept for role in _GOODS},
    (Action.ACCEPT, Role.CONTENT): handover.content,
    (Action.ACCEPT, Role.MISSING): handover.missing,
    **{(Action.WITHDRAW, role): handover.withdraw for role in _GOODS},
    **{(Action.REJECT, role): handover.reject for role in _GOODS},
    **{(Action.DISPUTE, role): handover.dispute for role in _GOODS},
    **{(Action.COMMERCIAL_HOLD, role): rulings.commercial_hold for role in _GOODS},
    **{(Action.HOLD, role): measures.hold for role in _EVERY},
    **{(Action.RELEASE, role): measures.release for role in _EVERY},
    **{(Action.PERMIT, role): measures.permit for role in _GOODS},
    (Action.BIND, Role.OBJECT): documents.bind,
    (Action.BIND, Role.PARENT): documents.bind,
    (Action.BIND, Role.DOCUMENT): documents.bind_document,
    (Action.UNBIND, Role.OBJECT): documents.unbind,
    (Action.UNBIND, Role.PARENT): documents.unbind,
    (Action.UNBIND, Role.DOCUMENT): documents.unbind_document,
    (Action.UNBIND_ALL, Role.DOCUMENT): documents.unbind_all,
    **{(Action.END, role): endings.end for role in _GOODS},
    **{(Action.CONFIRM, role): rulings.confirm for role in _EVERY},
    **{(Action.DISMISS, role): rulings.dismiss for role in _EVERY},
    (Action.SAMPLE, Role.INPUT): measures.sample,
    (Action.SAMPLE, Role.OUTPUT): measures.sample_made,
}
_ON_ANY_RECORD: Final = (
    Action.HOLD,
    Action.RELEASE,
    Action.CONFIRM,
    Action.DISMISS,
    Action.CORRECT,
    Action.MISMATCH,
)
_BY_DELEGATE: Final = (
    Action.OBSERVE, Action.OFFER, Action.ACCEPT, Action.REJECT, Action.DISPUTE, Action.WITHDRAW, Action.BIND,
)  # fmt: skip
_OFFICIAL: Final = (Action.HOLD, Action.RELEASE, Action.PERMIT, Action.DISMISS)


def check_entitled(act: Act, subjects: tuple[Subject, ...], *, allow_persons: bool) -> None:
    """Refuse what no rule may see: official acts by others, a delegate beyond its bounds, person identifiers.

    Raises EntitlementError (not_entitled, expired) or RuleError (person_identifier), FormError (not canonical).
    """
    action = act.statement.action
    if action in _OFFICIAL and not act.authority:
        raise EntitlementError(
            Code.NOT_ENTITLED,
            f"expected an authority with jurisdiction at the place stated for this official act, got {act.organisation}",
        )
    if act.delegation is not None:
        if action not in _BY_DELEGATE:
            raise EntitlementError(
                Code.NOT_ENTITLED, "expected a handover or an observation from a delegate's key"
            )
        if act.time_ms >= act.delegation.until_ms:
            raise EntitlementError(
                Code.EXPIRED,
                f"expected a delegate's act before {act.delegation.until_ms}, it is {act.time_ms}",
            )
    for subject in subjects:
        if identify(subject.identifier).kind == Kind.PERSON and not allow_persons:
            raise RuleError(
                Code.PERSON_IDENTIFIER,
                "expected no identifier of a person, this network's genesis forbids them",
            )


def legs_of(act: Act, subjects: tuple[Subject, ...], view: View) -> list[Leg]:
    """The records that an item acts upon, in the order of its subjects; each key once."""
    legs: list[Leg] = []
    for subject in subjects:
        legs += _legs_of_subject(act, subject, view)
    if act.statement.action == Action.TRANSFORM:
        key = endings.transformation_key(act)
        legs.append(Leg(key, TRANSFORMATION, None, key.identifier))
    unique: dict[SubjectKey, Leg] = {}
    for leg in legs:
        unique.setdefault(leg.key, leg)
    return list(unique.values())


def _legs_of_subject(act: Act, subject: Subject, view: View) -> list[Leg]:
    key = key_of(subject.role, subject.identifier)
    if key.space == Space.LOT:
        return lots.lot_legs(act, subject.role, subject.identifier, subject.quantity, view)
    legs = [Leg(key, subject.role, subject.quantity, subject.identifier)]
    if key.space == Space.THING and act.statement.action in (Action.UNPACK_ALL, Action.END, Action.TRANSFORM):
        legs += lots.emptied_legs(act, key, view)
    return legs


def key_of(role: int, identifier: str) -> SubjectKey:
    """The record that a subject of this role and identifier names first."""
    if role == Role.PLACE:
        return SubjectKey(Space.PLACE, identifier)
    kind = identify(identifier).kind
    if kind in (Kind.LOT, Kind.CLASS, Kind.PATTERN):
        return lot_key(identifier)
    if kind == Kind.DOCUMENT or role == Role.DOCUMENT:
        return SubjectKey(Space.DOCUMENT, identifier)
    return SubjectKey(Space.THING, identifier)


def decide(act: Act, leg: Leg, view: View) -> Decision:
    """What the event does to one record."""
    action, space = act.statement.action, leg.key.space
    if space == Space.TRANSFORMATION:
        return endings.transform(act, leg, view)
    if space in (Space.LOT, Space.BALANCE) and action not in _ON_ANY_RECORD:
        return _decide_lot(act, leg, view)
    if action == Action.OBSERVE:
        is_intervention = act.statement.step == Step.INSPECTING or act.statement.flags & Flag.RESEAL
        return (measures.intervene if act.authority and is_intervention else rulings.observe)(act, leg, view)
    rule = RULES.get((action, leg.role))
    if rule is None:
        return note(act, situation(view, leg.key), view, Outcome.OBSERVED)
    return rule(act, leg, view)


def _decide_lot(act: Act, leg: Leg, view: View) -> Decision:
    if leg.key.space == Space.BALANCE:
        return lots.move(act, leg, view)
    makes = act.statement.action == Action.MAKE and leg.role == Role.OBJECT
    makes = makes or (act.statement.action == Action.TRANSFORM and leg.role == Role.OUTPUT)
    if makes and identify(leg.identifier).kind == Kind.LOT:
        return lots.make_lot(act, leg, view)
    return lots.unbalanced(act, leg, view)
