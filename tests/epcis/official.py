"""The standard's own artefacts as oracles, and the shared examples: what they are, and which are refused all the same.

Nothing of them is part of the project; they are read where the shared documents lie.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs

# Of the shared examples that pass for valid, those that are refused, with the rule they break.
REFUSED = {
    "eventhash/examples/epcisDocWithAllGS1Keys.jsonld": "names one SSCC twice in one event, as URN and as Digital Link; a subject"
    " stands once in an event (custody rules, EXTRACT.md §7)",
    "openepcis/2.0/EPCIS/JSON/Capture/Documents/epcisDocWithAllGS1Keys.json": "the same event",
}
# Taken without a notice although the JSON Schema refuses it: the XSD of the same standard has persistentDisposition in every event.
_ALSO_DISPOSED = ("AggregationEvent", "AssociationEvent", "TransactionEvent")
# No documents of events: a query, and the vectors of the event hash.
_OTHERS = ("Queries", "event_hash_vectors.json", "schema/", "CaptureJob")


def is_invalid(name: str) -> bool:
    """Whether the author of an example lists it as invalid."""
    return "/Invalid/" in name


def documents(shared_data: Path, *suffixes: str) -> Iterator[tuple[str, bytes]]:
    """Every shared document with one of these suffixes, by its path below `epcis/`, in order."""
    root = shared_data / "epcis"
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.suffix in suffixes and not any(other in name for other in _OTHERS):
            yield name, path.read_bytes()


def schema(shared_data: Path) -> Any:
    """A validator by the JSON Schema of the standard, with the formats it names, and the one amendment above."""
    text = (shared_data / "epcis" / "schema" / "EPCIS-JSON-Schema.json").read_text()
    official = json.loads(text)
    for kind in _ALSO_DISPOSED:
        part = official["definitions"][kind]["allOf"][1]
        part["properties"]["persistentDisposition"] = {"$ref": "#/definitions/persistentDisposition"}
        part["propertyNames"]["anyOf"][1]["enum"].append("persistentDisposition")
    return jsonschema_rs.Draft7Validator(official, validate_formats=True)
