"""The standard's own artefacts as oracles, and the shared examples: what they are, and where they break the standard.

Nothing of them is part of the project; they are read where the shared documents lie.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs

# Of the shared examples that pass for valid, those that are not, by folder or file, with the rule they break.
NOT_VALID = {
    "dpp/": "the JSON Schema of the standard refuses every file here: `_comment` members outside a namespace, CBV words as"
    " URNs, measured values as text, an action in a TransformationEvent",
    "eventhash/examples/epcisDocWithAllGS1Keys.jsonld": "names one SSCC twice in one event, as URN and as Digital Link; a subject"
    " stands once in an event (CUSTODY_RULES, EXTRACT.md §7)",
    "openepcis/2.0/EPCIS/JSON/Capture/Documents/epcisDocWithAllGS1Keys.json": "names one SSCC twice in one event, as URN and as"
    " Digital Link; a subject stands once in an event (CUSTODY_RULES, EXTRACT.md §7)",
    "openepcis/2.0/EPCIS/JSON/Capture/Documents/TransactionEvent_with_userExtensions.json": "EffectiveDoseRate is no measurement"
    " type of CBV 2.0, and bare words are CBV's (JSON Schema, measurementType)",
    "openepcis/2.0/EPCIS/JSON/Query/TransactionEvent_with_userExtensions.json": "EffectiveDoseRate is no measurement type of"
    " CBV 2.0, and bare words are CBV's (JSON Schema, measurementType)",
}
# Accepted although the JSON Schema refuses it: the XSD of the same standard has persistentDisposition in every event.
_ALSO_DISPOSED = ("AggregationEvent", "AssociationEvent", "TransactionEvent")
# No documents of events: a query, and the vectors of the event hash.
_OTHERS = ("Queries", "event_hash_vectors.json", "schema/", "CaptureJob")


def is_invalid(name: str) -> bool:
    """Whether the author of an example lists it as invalid."""
    return "/Invalid/" in name


def why_not_valid(name: str) -> str | None:
    """The rule that an example breaks although it passes for valid, None for all others."""
    return next((why for start, why in NOT_VALID.items() if name.startswith(start)), None)


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
