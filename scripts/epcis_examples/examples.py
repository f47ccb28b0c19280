"""The examples of others: GS1's, those of tool makers, valid and invalid. Which they are, and what is to become of each.

They are read where they lie and are no part of the project.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple

from ledger.base.errors import FormError
from ledger.epcis.check import examine
from ledger.epcis.document import Form, read_document

FORMS: Final = {".json": Form.JSON, ".jsonld": Form.JSON, ".xml": Form.XML}
# Nothing that this interface takes: schemas, vectors of the event hash, answers about capture jobs, master data alone, and a
# query in XML, which belongs to a binding of EPCIS that is not built.
_OTHERS: Final = (
    "schema/", "event_hash_vectors.json", "/CaptureJob/", "/CBV-11.4-", "/XML/Query/Queries/SimpleEventQuery.xml",
)  # fmt: skip
_QUERY: Final = "/Queries/"
_SSCC: Final = (
    "one SSCC twice in one event, in two spellings; a subject stands once in an event (EXTRACT.md §7)"
)
_LOT: Final = "one lot as input and as output of one event; a subject stands once in an event (EXTRACT.md §7)"
_ORDER: Final = (
    "elements in another order than the XSD's: the fault of Invalid/ObjectEvent_with_wrong_element_order.xml"
)
# Those that are called valid and are refused all the same, with the rule they break.
REFUSED: Final = {
    "eventhash/examples/epcisDocWithAllGS1Keys.jsonld": _SSCC,
    "gs1/XML/WithFullCombinationOfFields/transformation_event_all_possible_fields.xml": _LOT,
    "openepcis/2.0/EPCIS/JSON/Capture/Documents/epcisDocWithAllGS1Keys.json": _SSCC,
    "openepcis/2.0/EPCIS/XML/Capture/Documents/JumbledFieldsOrder.xml": _ORDER,
    "openepcis/2.0/EPCIS/XML/Capture/Documents/epcisDocWithAllGS1Keys.xml": _SSCC,
    "openepcis/2.0/EPCIS/XML/Query/JumbledFieldsOrder.xml": _ORDER,
}


class Fate(StrEnum):
    """What is to become of an example."""

    CAPTURED = "captured"
    ASKED = "asked"
    """A query."""
    REFUSED = "refused"
    """Its author says that it is invalid."""
    AGAINST_THE_RULES = "against the rules"
    """Called valid, and refused by a rule that is named."""


class Example(NamedTuple):
    """One file."""

    name: str
    """Its path below the folder of examples."""
    data: bytes
    form: Form
    fate: Fate


def examples(folder: Path) -> Iterator[Example]:
    """Every document of events in the folder, and every query, in order of their paths."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        form = FORMS.get(path.suffix)
        if form is None or any(other in f"/{name}" for other in _OTHERS):
            continue
        yield Example(name, path.read_bytes(), form, _fate(name))


def _fate(name: str) -> Fate:
    if "/Invalid/" in name:
        return Fate.REFUSED
    if name in REFUSED:
        return Fate.AGAINST_THE_RULES
    return Fate.ASKED if _QUERY in name else Fate.CAPTURED


def rounds(given: Iterable[Example]) -> list[list[Example]]:
    """The examples in as few rounds as have no eventID twice: many tell the same event in other words.

    A repository takes an eventID once, so each round is captured by a repository of its own.
    """
    made: list[list[Example]] = []
    taken: list[set[tuple[str, bool]]] = []
    for example in given:
        names = _event_ids(example)
        number = next((place for place, ids in enumerate(taken) if not ids & names), len(made))
        if number == len(made):
            made.append([])
            taken.append(set())
        made[number].append(example)
        taken[number] |= names
    return made


def _event_ids(example: Example) -> set[tuple[str, bool]]:
    """Its eventIDs, each with whether it is that of an error declaration, which stands under the ID it declares."""
    try:
        document = read_document(example.data, example.form)
    except FormError:
        return set()
    told = [one.members for one in examine(document)]
    return {(event["eventID"], "errorDeclaration" in event) for event in told if "eventID" in event}
