"""The part of JSON Schema that the interface's own description uses, checked without a library."""

from __future__ import annotations

import re
from typing import Any

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "boolean": (bool,),
    "null": (type(None),),
}
KNOWN = {
    "$ref", "anyOf", "const", "enum", "type", "required", "properties", "items", "pattern", "minimum", "maximum", "format",
}  # fmt: skip


def check(document: dict[str, Any], schema: dict[str, Any], value: Any, where: str = "$") -> None:
    """AssertionError naming the place where `value` does not fit `schema`."""
    unknown = set(schema) - KNOWN
    assert not unknown, f"{where}: the schema says {unknown}, which this checker does not know"
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        check(document, document["components"]["schemas"][name], value, where)
        return
    if "anyOf" in schema:
        _check_any(document, schema["anyOf"], value, where)
        return
    if "const" in schema:
        assert value == schema["const"], where
    if "enum" in schema:
        assert value in schema["enum"], f"{where}: {value!r}"
    if "type" in schema:
        names = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
        assert any(type(value) in _TYPES[name] for name in names), f"{where}: {value!r} is no {names}"
    if isinstance(value, str) and "pattern" in schema:
        assert re.search(schema["pattern"], value), f"{where}: {value!r}"
    if type(value) is int:
        assert schema.get("minimum", value) <= value <= schema.get("maximum", value), f"{where}: {value}"
    if isinstance(value, dict):
        for name in schema.get("required", ()):
            assert name in value, f"{where}: lacks {name}"
        for name, part in schema.get("properties", {}).items():
            if name in value:
                check(document, part, value[name], f"{where}.{name}")
    if isinstance(value, list) and "items" in schema:
        for position, member in enumerate(value):
            check(document, schema["items"], member, f"{where}[{position}]")


def _check_any(document: dict[str, Any], schemas: list[dict[str, Any]], value: Any, where: str) -> None:
    reasons = []
    for schema in schemas:
        try:
            check(document, schema, value, where)
        except AssertionError as error:
            reasons.append(str(error))
        else:
            return
    raise AssertionError(f"{where}: fits none: {reasons}")
