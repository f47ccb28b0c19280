"""JSON text of a value: what an event converted from XML is signed as (EPCIS.md, Forms).

One form: members in the order of the value, no space, every character but those that JSON must escape as it is. The
standard encoder would write a `Number` as a list, and a float is never made here.
"""

from __future__ import annotations

from json.encoder import encode_basestring as quoted
from typing import Any

from ledger.base.errors import Code, FormError
from ledger.base.limits import JSON_DEPTH
from ledger.trade.slices import Number


def json_text(value: Any, depth: int = JSON_DEPTH) -> str:
    """The JSON text of dict, list, str, `Number`, int, bool or None.

    Raises FormError: too_deep, for a text that the strict reader (`ledger.trade.slices`) would refuse.
    """
    if type(value) is str:
        return quoted(value)
    if type(value) is dict:
        inner = _inner(depth)
        members = [f"{quoted(name)}:{json_text(member, inner)}" for name, member in value.items()]
        return "{" + ",".join(members) + "}"
    if type(value) is list:
        inner = _inner(depth)
        return "[" + ",".join([json_text(element, inner) for element in value]) + "]"
    if type(value) is Number:
        return value.text
    if value is None:
        return "null"
    if type(value) is bool:
        return "true" if value else "false"
    return str(int(value))


def _inner(depth: int) -> int:
    if depth == 0:
        raise FormError(Code.TOO_DEEP, f"expected at most {JSON_DEPTH} nested values, got more")
    return depth - 1
