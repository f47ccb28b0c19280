"""Whom an event is about: its lists, and the role of each identifier (EXTRACT.md §7)."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from ledger.base.errors import Code, FormError
from ledger.base.limits import SUBJECTS_PER_EVENT
from ledger.trade.extract.actions import NESTING, OBJECT, TRANSFORMATION, Pattern
from ledger.trade.extract.context import Prefixes
from ledger.trade.extract.extensions import Extensions
from ledger.trade.extract.fields import Event, as_object, list_of, object_of, quantity_of, refused, text_of
from ledger.trade.identifiers import Identifier, Kind, canonical, lot_beside, lot_of
from ledger.trade.statement import Action, Quantity, Role, Subject
from ledger.trade.vocabulary import MASTER_DATA_NAMESPACE

_LOT_NUMBER: Final = MASTER_DATA_NAMESPACE + "lotNumber"
_COUNTED: Final = (Role.PARENT, Role.OBJECT)


class Named(NamedTuple):
    """One mention: the identifier, what is said of its quantity, and the text it was written as."""

    identifier: Identifier
    quantity: Quantity | None
    written: str


class Names(NamedTuple):
    """All mentions of one event in its lists of objects."""

    parent: Named | None
    objects: tuple[Named, ...]  # epcList and quantityList, or children
    inputs: tuple[Named, ...]
    outputs: tuple[Named, ...]


def names_in(members: Event, prefixes: Prefixes, event_type: str) -> Names:
    """The mentions in the lists that belong to the event's type; other lists are no part of it."""
    if event_type == TRANSFORMATION:
        inputs = _listed(members, prefixes, "inputEPCList", "inputQuantityList")
        return Names(None, (), inputs, _listed(members, prefixes, "outputEPCList", "outputQuantityList"))
    parent = None if event_type == OBJECT else text_of(members, "parentID")
    lists = ("childEPCs", "childQuantityList") if event_type in NESTING else ("epcList", "quantityList")
    return Names(
        None if parent is None else _named(parent, prefixes, "parentID"),
        _listed(members, prefixes, *lists),
        (),
        (),
    )


def _listed(members: Event, prefixes: Prefixes, instances: str, classes: str) -> tuple[Named, ...]:
    found = [_named(value, prefixes, instances) for value in list_of(members, instances)]
    found += [_quantified(value, prefixes, classes) for value in list_of(members, classes)]
    return tuple(found)


def _named(value: Any, prefixes: Prefixes, field: str) -> Named:
    if type(value) is not str:
        raise refused(field, "an identifier", value)
    return Named(canonical(prefixes.expanded(value)), None, value)


def _quantified(value: Any, prefixes: Prefixes, field: str) -> Named:
    element = as_object(value, field)
    return _named(element.get("epcClass"), prefixes, f"{field} epcClass")._replace(
        quantity=quantity_of(element, field)
    )


def _either(value: Any, prefixes: Prefixes, field: str) -> Named:
    return _quantified(value, prefixes, field) if type(value) is dict else _named(value, prefixes, field)


class Subjects:
    """The subjects of one event, each identifier once."""

    def __init__(self, *, is_correction: bool) -> None:
        self._is_correction = is_correction
        self._found: dict[str, Subject] = {}

    def add(self, role: Role, *named: Named) -> None:
        """Add mentions in one role. FormError duplicate_subject, too_large.

        A correction is never executed, and the event it corrects may stand outside the ledger: there the first mention
        of an identifier counts.
        """
        for identifier, quantity, _written in named:
            if identifier.text not in self._found:
                self._found[identifier.text] = Subject(role, identifier.text, quantity)
            elif not self._is_correction:
                raise FormError(
                    Code.DUPLICATE_SUBJECT,
                    f"expected each identifier once in an event, got {identifier.text} again",
                )
        if len(self._found) > SUBJECTS_PER_EVENT:
            raise FormError(
                Code.TOO_LARGE, f"expected at most {SUBJECTS_PER_EVENT} subjects in an event, got more"
            )

    def add_lot(self, lot: Identifier, count: int) -> None:
        """Add the lot that `count` serials come from, except where the event names the lot itself."""
        if lot.text not in self._found:
            self.add(Role.LOT, Named(lot, Quantity(count, 0, ""), lot.text))

    def count(self, number: int) -> None:
        """Put the number of contents counted on the one parent or object. FormError malformed where it is not clear."""
        holders = [subject for subject in self._found.values() if subject.role in _COUNTED]
        parents = [subject for subject in holders if subject.role == Role.PARENT]
        chosen = parents or holders
        if len(chosen) != 1 or chosen[0].quantity is not None:
            raise FormError(
                Code.MALFORMED,
                f"custody:count: expected in an event about one unit, got one about {len(chosen)}",
            )
        self._found[chosen[0].identifier] = chosen[0]._replace(quantity=Quantity(number, 0, ""))

    def all(self) -> tuple[Subject, ...]:
        """The subjects in the order they were added."""
        return tuple(self._found.values())


def add_objects(subjects: Subjects, names: Names, pattern: Pattern, action: Action) -> None:
    """Add parent, objects, inputs and outputs in the roles their event type and action give them."""
    if names.parent is not None:
        subjects.add(Role.PARENT, names.parent)
    subjects.add(_role_of_objects(pattern, action), *names.objects)
    subjects.add(Role.INPUT, *names.inputs)
    subjects.add(Role.OUTPUT, *names.outputs)


def _role_of_objects(pattern: Pattern, action: Action) -> Role:
    if pattern.type in NESTING and pattern.has_parent:
        return Role.CONTENT if pattern.verb == "OBSERVE" else Role.CHILD
    return Role.INPUT if action == Action.SAMPLE else Role.OBJECT


def extra(extensions: Extensions, name: str) -> tuple[Named, ...]:
    """The identifiers or quantity elements of a custody term that lists them, in order; empty where it is absent."""
    value = extensions.terms.get(name)
    if value is None:
        return ()
    if type(value) is not list or not value:
        raise refused(f"custody:{name}", "an array of identifiers or quantity elements", value)
    return tuple(_either(element, extensions.prefixes, f"custody:{name}") for element in value)


def lot_made_from(names: Names, members: Event, prefixes: Prefixes) -> tuple[Identifier, int] | None:
    """The one lot that all serials made come from, and their number; None where they come from none or several.

    A serial's lot is AI 10 beside it in the link as written, else the event's lot number (ilmd) with its GTIN.
    """
    number = _lot_number(members, prefixes)
    lots: list[Identifier | None] = []
    for identifier, _quantity, written in names.objects:
        if identifier.kind is Kind.ITEM:
            # What is written as the canonical text has no lot beside it.
            lot = None if written == identifier.text else lot_beside(prefixes.expanded(written))
            lots.append(lot if lot is not None or number is None else lot_of(identifier, number))
    first = lots[0] if lots else None
    return (first, len(lots)) if first is not None and lots.count(first) == len(lots) else None


def _lot_number(members: Event, prefixes: Prefixes) -> str | None:
    ilmd = object_of(members, "ilmd")
    if ilmd is None:
        return None
    for key, value in ilmd.items():
        if prefixes.expanded(key) == _LOT_NUMBER and type(value) is str:
            return value
    return None
