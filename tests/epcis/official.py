"""The standard's JSON Schema as an oracle. It is no part of the project and is read where the shared documents lie."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs

# Taken without a notice although the JSON Schema refuses it: the XSD of the same standard has persistentDisposition in every event.
_ALSO_DISPOSED = ("AggregationEvent", "AssociationEvent", "TransactionEvent")


def schema(shared_data: Path) -> Any:
    """A validator by the JSON Schema of the standard, with the formats it names, and the one amendment above."""
    text = (shared_data / "epcis" / "schema" / "EPCIS-JSON-Schema.json").read_text()
    official = json.loads(text)
    for kind in _ALSO_DISPOSED:
        part = official["definitions"][kind]["allOf"][1]
        part["properties"]["persistentDisposition"] = {"$ref": "#/definitions/persistentDisposition"}
        part["propertyNames"]["anyOf"][1]["enum"].append("persistentDisposition")
    return jsonschema_rs.Draft7Validator(official, validate_formats=True)
