"""The Standard Business Document Header beside what JSON documents say instead of it (EPCIS.md, Forms; EPCIS 2.0 §9.2, §10.2).

XML names sender, receiver and instance in a header of UN/CEFACT's, JSON in three members of the document. Reading XML gives
both: the three members, and the header whole as an extension of `epcisHeader`. Writing makes the header from the three
where there is none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

PREFIX: Final = "sbdh"
_NAME: Final = "StandardBusinessDocumentHeader"
SAID: Final = ("sender", "receiver", "instanceIdentifier")
_WAYS: Final = {
    "sender": ("Sender", "Identifier"),
    "receiver": ("Receiver", "Identifier"),
    "instanceIdentifier": ("DocumentIdentification", "InstanceIdentifier"),
}


def said_by_header(header: Any) -> dict[str, str]:
    """What the header of a document that was read says in three members: those that it has, once each."""
    found = _child(header, _NAME)
    said = {}
    for member, way in _WAYS.items():
        value = found
        for step in way:
            value = _child(value, step)
        if type(value) is dict:
            value = _child(value, "value")  # an identifier with attributes
        if type(value) is str:
            said[member] = value
    return said


def _child(value: Any, local: str) -> Any:
    if type(value) is dict:
        for name, member in value.items():
            if name.rpartition(":")[2] == local:
                return member
    return None


def header_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """The members of the header to write: what the document has, and a standard header made of the three members."""
    own = document.get("epcisHeader")
    header = dict(own) if type(own) is dict else {}
    texts = [document.get(member) for member in SAID]
    if _child(header, _NAME) is not None or not all(type(text) is str for text in texts):
        return header
    sender, receiver, instance = texts
    made = {
        "HeaderVersion": "1.0",
        "Sender": {f"{PREFIX}:Identifier": sender},
        "Receiver": {f"{PREFIX}:Identifier": receiver},
        "DocumentIdentification": {
            f"{PREFIX}:Standard": "EPCglobal",
            f"{PREFIX}:TypeVersion": "1.0",
            f"{PREFIX}:InstanceIdentifier": instance,
            f"{PREFIX}:Type": "Events",
            f"{PREFIX}:CreationDateAndTime": document.get("creationDate", ""),
        },
    }
    return {f"{PREFIX}:{_NAME}": {f"{PREFIX}:{name}": member for name, member in made.items()}} | header
