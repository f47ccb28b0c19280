"""The rule table: (action, role) -> the rule that decides a leg (CUSTODY_RULES; RULES.md §3).

`ROWS` says in one line each what the EPCIS pattern is, who has to sign, and what happens; the documentation's table is
generated from it. `decide` is the only entrance: execution and the offline verifier both call it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, NamedTuple

from ledger.base.errors import Code, EntitlementError, FormError, RuleError
from ledger.trade.identifiers import Kind
from ledger.trade.record import Space, SubjectKey
from ledger.trade.rules import (
    documents,
    endings,
    handover,
    lot_handover,
    lots,
    making,
    measures,
    packing,
    rulings,
)
from ledger.trade.rules.outcomes import Outcome
from ledger.trade.rules.standing import note
from ledger.trade.rules.view import Act, Decision, Leg, View, identify, situation
from ledger.trade.statement import Action, Flag, Role, Statement, Subject
from ledger.trade.vocabulary import Step

TRANSFORMATION: Final = 102  # role of a transformation's own record
# Named once for the questions asked of every leg (`rules.view`).
_new: Final[Any] = tuple.__new__  # half the price of a call of the class
_PERSON: Final = Kind.PERSON
_THING, _LOT, _BALANCE, _DOCUMENT, _TRANSFORMATION = (
    Space.THING, Space.LOT, Space.BALANCE, Space.DOCUMENT, Space.TRANSFORMATION,
)  # fmt: skip
_OBSERVE, _CONFIRM, _TRANSFORM, _UNPACK_ALL = (
    Action.OBSERVE, Action.CONFIRM, Action.TRANSFORM, Action.UNPACK_ALL,
)  # fmt: skip
_PLACE_ROLE, _DOCUMENT_ROLE = Role.PLACE, Role.DOCUMENT
_SPACES: Final = {
    Kind.LOT: _LOT, Kind.CLASS: _LOT, Kind.PATTERN: _LOT, Kind.DOCUMENT: _DOCUMENT, Kind.SEAL: _DOCUMENT,
}  # fmt: skip
"""Where there are records of identifiers of a kind; of all others they are things."""
Rule = Callable[[Act, Leg, View], Decision]


class Row(NamedTuple):
    """One row of the table, for people."""

    number: int
    pattern: str
    signer: str
    effect: str


ROWS: Final = (
    Row(1, "any event with an errorDeclaration", "the original's author", "its original is undone, subject by subject, if nothing has moved since"),
    Row(2, "Object ADD; commissioning, creating_class_instance or no step", "holder of the prefix grant, or of its licence", "born, attested; by others unattested; a grantee's late make sets the origin"),
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

_SAID: Final[dict[int, Rule]] = {
    Action.HOLD: measures.hold,
    Action.RELEASE: measures.release,
    Action.CONFIRM: rulings.confirm,
    Action.DISMISS: rulings.dismiss,
    Action.CORRECT: rulings.correct,
    Action.MISMATCH: rulings.mismatch,
}
"""Acts upon any record whatever its kind and role."""

_THINGS: Final[dict[tuple[int, int], Rule]] = {
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
    **{(Action.PERMIT, role): measures.permit for role in _GOODS},
    **{(Action.BIND, role): documents.bind for role in _GOODS},
    **{(Action.UNBIND, role): documents.unbind for role in _GOODS},
    **{(Action.END, role): endings.end for role in _GOODS},
    (Action.SAMPLE, Role.INPUT): measures.sample,
    (Action.SAMPLE, Role.OUTPUT): measures.sample_made,
}
_DOCUMENTS: Final[dict[tuple[int, int], Rule]] = {
    (Action.BIND, Role.DOCUMENT): documents.bind_document,
    (Action.UNBIND, Role.DOCUMENT): documents.unbind_document,
    (Action.UNBIND_ALL, Role.DOCUMENT): documents.unbind_all,
}
_BALANCES: Final[dict[int, Rule]] = {
    Action.MAKE: lots.move,
    Action.TRANSFORM: lots.move,
    Action.PACK: lots.move,
    Action.UNPACK: lots.move,
    Action.UNPACK_ALL: lots.move,
    Action.END: lots.move,
    Action.SAMPLE: lots.move,
    Action.BIND: lots.move,
    Action.UNBIND: lots.move,
    Action.OFFER: lot_handover.hand_over,
    Action.ACCEPT: lot_handover.hand_over,
    Action.WITHDRAW: lot_handover.close_offers,
    Action.REJECT: lot_handover.close_offers,
    Action.CONFIRM: lot_handover.rule,
    Action.DISMISS: lot_handover.rule,
    Action.CORRECT: lot_handover.correct,
}


def check_entitled(act: Act, subjects: tuple[Subject, ...], *, allow_persons: bool) -> None:
    """Refuse what no rule may see: a delegate after its time, persons, an unclear container. That the key may do the act at all is
    judged before (`members.acts`).

    Raises EntitlementError (expired), RuleError (person_identifier), FormError (two parents or lots where
    only one can be meant; an identifier anywhere in the extract that is not canonical).
    """
    if act.delegation is not None and act.time_ms >= act.delegation.until_ms:
        raise EntitlementError(
            Code.EXPIRED,
            f"expected a delegate's act before {act.delegation.until_ms}, it is {act.time_ms}",
        )
    if len(subjects) > 1:
        roles = [subject.role for subject in subjects]
        many_parents = roles.count(Role.PARENT) > 1 and act.statement.action != _UNPACK_ALL
        if many_parents or roles.count(Role.LOT) > 1:
            raise FormError(
                Code.MALFORMED, "expected one parent and one lot of serials at most in an event, got more"
            )
    kinds = [identify(subject.identifier).kind for subject in subjects]
    kinds += _kinds_in(act.statement)
    if not allow_persons and _PERSON in kinds:
        raise RuleError(
            Code.PERSON_IDENTIFIER, "expected no identifier of a person, this network's genesis forbids them"
        )


def _kinds_in(statement: Statement) -> list[Kind]:
    """The kinds of all identifiers of a statement."""
    kinds = list(
        _kinds_of(statement.counterparty, statement.source, statement.place, statement.transformation)
    )
    if statement.permit is not None:
        kinds += [identify(party).kind for step in statement.permit.legs for party in step]
    return kinds + [identify(document).kind for document in statement.documents]


@lru_cache(maxsize=1 << 12)
def _kinds_of(*texts: str | None) -> tuple[Kind, ...]:
    """The kinds of those that there are: they hardly differ from one event of an author to the next."""
    return tuple(identify(text).kind for text in texts if text is not None)


def legs_of(act: Act, subjects: list[tuple[SubjectKey, Subject]], view: View) -> list[Leg]:
    """The records that an item acts upon, in the order of its subjects, each with its `key_of`; each key once.

    Raises RuleError (duplicate_subject) if it would move a lot's balance by two of its subjects.
    """
    legs: list[Leg] = []
    action = act.statement.action
    for key, subject in subjects:
        if key.space == _LOT:
            legs += lots.lot_legs(act, subject.role, subject.identifier, subject.quantity, view)
            continue
        legs.append(_new(Leg, (key, subject.role, subject.quantity, subject.identifier)))
        if (action, subject.role) in _EMPTYING and key.space == _THING:
            legs += lots.emptied_legs(act, key, view)
    if action == _TRANSFORM:
        key = endings.transformation_key(act)
        legs.append(Leg(key, TRANSFORMATION, None, key.identifier))
    if len(legs) == len(subjects):  # only subjects, each of which has a key of its own
        return legs
    unique: dict[SubjectKey, Leg] = {}
    for leg in legs:
        if unique.setdefault(leg.key, leg) != leg:
            raise RuleError(
                Code.DUPLICATE_SUBJECT,
                f"expected an event that moves a balance of {leg.identifier} once, got one that does so twice",
            )
    return list(unique.values())


_EMPTYING: Final = frozenset({
    (Action.UNPACK_ALL, Role.OBJECT), (Action.UNPACK_ALL, Role.PARENT), (Action.END, Role.OBJECT),
    (Action.END, Role.PARENT), (Action.TRANSFORM, Role.INPUT),
})  # fmt: skip


def key_of(role: int, identifier: str) -> SubjectKey:
    """The record that a subject of this role and identifier names first."""
    if role == _PLACE_ROLE:
        return SubjectKey(Space.PLACE, identifier)
    space = _SPACES.get(identify(identifier).kind, _THING)
    if role == _DOCUMENT_ROLE and space != _LOT:
        space = _DOCUMENT
    found: SubjectKey = _new(SubjectKey, (space, identifier, ""))
    return found


def decide(act: Act, leg: Leg, view: View) -> Decision:
    """What the event does to one record."""
    if act.delegation is not None and leg.key.space != _DOCUMENT:
        at = lots.balance_situation(leg.key, view) if leg.key.space == _BALANCE else situation(view, leg.key)
        if not documents.is_within_delegation(act, at, view):
            return Decision(Outcome.CONTRADICTION, at.own, aside=True)  # it speaks for nobody here
    rule = _rule_for(act, leg)
    if rule is None:
        return note(act, situation(view, leg.key), view, Outcome.OBSERVED)
    return rule(act, leg, view)


def _rule_for(act: Act, leg: Leg) -> Rule | None:
    """The rule that decides a leg, None for a mere mention."""
    action, space = act.statement.action, leg.key.space
    rule = _THINGS.get((action, leg.role)) if space == _THING else None
    if rule is not None:
        return rule
    if space == _TRANSFORMATION:
        return endings.transform
    if space == _BALANCE:
        return _BALANCES.get(lots.meant(act))
    if action == _CONFIRM and space == _LOT and not act.authority:
        return (
            lots.mention
        )  # a claim on a quantity stands on a balance; only an authority rules upon a lot as such
    if action in _SAID:
        return _SAID[action]
    if space == _LOT:
        makes = leg.role in (Role.OBJECT, Role.OUTPUT) and action in (Action.MAKE, Action.TRANSFORM)
        return lots.make_lot if makes and identify(leg.identifier).kind == Kind.LOT else lots.mention
    if space == _DOCUMENT:
        return _DOCUMENTS.get((action, leg.role))
    if space == _THING and action == _OBSERVE:
        stated = act.statement
        intervenes = act.authority and (stated.step == Step.INSPECTING or stated.flags & Flag.RESEAL)
        return measures.intervene if intervenes else rulings.observe
    return None
