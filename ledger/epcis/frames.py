"""What stands around the events of a JSON document (EPCIS 2.0 §9.5, §10; EPCIS.md, What is refused): its header, body and master data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from ledger.base.errors import Code
from ledger.epcis.document import Document, Shape
from ledger.epcis.findings import Place, Reading, shown
from ledger.epcis.values import (
    Rule,
    any_name,
    check_members,
    extension_name,
    list_of,
    object_of,
    one_of,
    text,
    time,
    uri,
)
from ledger.trade.slices import Number

_VERSION: Final = re.compile(r"[0-9]+(?:\.[0-9]+)*")


def _attribute(reading: Reading, value: Any, place: Place, key: str | int) -> None:
    if type(value) not in {Number, str, dict}:
        reading.found(place, key, "a number, text or an object", value)


def _version(reading: Reading, value: Any, place: Place, key: str | int) -> None:
    """A version 2 of EPCIS: earlier ones have no JSON form, later ones are not known."""
    if type(value) is not str or _VERSION.fullmatch(value) is None:
        reading.found(place, key, "a version, as 2.0", value)
    elif value.partition(".")[0] != "2":
        reading.findings.add((place, key), "version 2.0 in JSON", shown(value), Code.UNSUPPORTED_VERSION)


def _events(reading: Reading, value: Any, place: Place, key: str | int) -> None:
    """The events themselves are not in the frame; that there is a list of them is."""
    if type(value) is not list:
        reading.found(place, key, "an array of events", value)


_VOCABULARIES: Final = list_of(
    object_of(
        {
            "type": uri,
            "vocabularyElementList": list_of(
                object_of(
                    {
                        "id": uri,
                        "attributes": list_of(
                            object_of({"id": uri, "attribute": _attribute}, ("id",), others=any_name)
                        ),
                        "children": list_of(uri),
                    },
                    ("id",),
                    others=any_name,
                )
            ),
        },
        ("type",),
        others=any_name,
    )
)
_RESULTS: Final = object_of(
    {
        "queryName": text,
        "subscriptionID": text,
        "resultsBody": object_of({"eventList": _events, "vocabularyList": _VOCABULARIES}, ("eventList",)),
    },
    ("queryName", "resultsBody"),
)


class _Frame(NamedTuple):
    members: Mapping[str, Rule]
    needed: tuple[str, ...]


_BOTH: Final[dict[str, Rule]] = {"id": uri, "schemaVersion": _version, "creationDate": time}
_FRAMES: Final[Mapping[Shape, _Frame]] = {
    Shape.DOCUMENT: _Frame(
        {
            **_BOTH,
            "type": one_of(Shape.DOCUMENT),
            "instanceIdentifier": text,
            "sender": text,
            "receiver": text,
            "epcisHeader": object_of(
                {"epcisMasterData": object_of({"vocabularyList": _VOCABULARIES}, others=any_name)}
            ),
            "epcisBody": object_of({"eventList": _events}, ("eventList",), others=any_name),
        },
        ("type", "schemaVersion", "creationDate", "epcisBody"),
    ),
    Shape.QUERY_DOCUMENT: _Frame(
        {
            **_BOTH,
            "type": one_of(Shape.QUERY_DOCUMENT),
            "epcisBody": object_of({"queryResults": _RESULTS}, ("queryResults",)),
        },
        ("type", "epcisBody"),
    ),
}


def check_frame(reading: Reading, document: Document) -> None:
    """Check all of a JSON document but its `@context` and its events. Lists and single events have no frame."""
    frame = _FRAMES.get(document.shape)
    if frame is None:
        return
    if document.context is None:
        reading.findings.add((None, "@context"), "@context, which is mandatory", "nothing")
    check_members(reading, document.frame, None, frame.members, frame.needed, extension_name)
