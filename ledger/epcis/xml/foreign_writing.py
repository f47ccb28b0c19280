"""Writes members of anybody's as elements and attributes: the way back of `ledger.epcis.xml.foreign` (EPCIS.md, Forms)."""

from __future__ import annotations

from typing import Any, Final

from ledger.epcis.json_text import json_text
from ledger.epcis.xml.escaping import UnsayableError, in_attribute, in_text, json_safe
from ledger.epcis.xml.values import SPACE
from ledger.epcis.xml.writing_names import OURS, Namespaces
from ledger.trade.slices import Number
from ledger.trade.vocabulary import EXTENSION_NAMESPACE

RDF: Final = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_LANGUAGE: Final = {"@value", "@language"}


def write_member(out: list[str], member: str, value: Any, names: Namespaces) -> None:
    """Write a member as one element, or as several where it is an array.

    Raises UnsayableError where its name can be none in XML; any value can be said.
    """
    name = names.name(member)
    if type(value) is list and len(value) > 1 and not any(type(one) is list for one in value):
        for one in value:
            _write(out, name, one, names)
    else:
        _write(out, name, value, names)


def attribute(member: str, value: Any, names: Namespaces) -> str:
    """A member as an attribute. Raises UnsayableError for any value but a string."""
    if type(value) is not str:
        raise UnsayableError
    names.mention(value)
    return f' {names.name(member)}="{in_attribute(value)}"'


def _write(out: list[str], name: str, value: Any, names: Namespaces) -> None:
    kind = ""
    if type(value) is list and len(value) == 1 and type(value[0]) in {str, dict}:
        kind, value = _kind("array", names), value[0]
    start = len(out)
    try:
        if type(value) is str:
            out.append(f"<{name}{kind}{_content(value, names)}</{name}>")
            return
        if type(value) is dict and value:
            _write_object(out, name, kind, value, names)
            return
    except UnsayableError:
        del out[start:]
    out.append(_marked(name, [value] if kind else value, names))


def _content(text: str, names: Namespaces) -> str:
    """The end of a start tag and the text behind it."""
    names.mention(text)
    preserved = ' xml:space="preserve"' if text != text.strip(SPACE) else ""
    return f"{preserved}>{in_text(text)}"


def _write_object(out: list[str], name: str, kind: str, value: dict[str, Any], names: Namespaces) -> None:
    if value.keys() == _LANGUAGE and type(value["@value"]) is str and type(value["@language"]) is str:
        language = in_attribute(value["@language"])
        out.append(f'<{name}{kind} xml:lang="{language}"{_content(value["@value"], names)}</{name}>')
        return
    texts = [member for member in value if member[-6:] == ":value" and names.meaning(member[:-6]) == RDF]
    if texts and len(value) > 1 and all(type(held) is str for held in value.values()):
        # An element of text that has attributes, as the reader told it.
        said = "".join(attribute(member, held, names) for member, held in value.items() if member != texts[0])
        if value[texts[0]] != value[texts[0]].strip(SPACE) or not value[texts[0]]:
            raise UnsayableError
        out.append(f"<{name}{kind}{said}>{in_text(value[texts[0]])}</{name}>")
        return
    out.append(f"<{name}{kind}>")
    for member, held in value.items():
        write_member(out, member, held, names)
    out.append(f"</{name}>")


def _marked(name: str, value: Any, names: Namespaces) -> str:
    """A value that XML has no way to say but by its kind."""
    if type(value) is Number:
        return f"<{name}{_kind('number', names)}>{value.text}</{name}>"
    if type(value) is bool:
        return f"<{name}{_kind('boolean', names)}>{'true' if value else 'false'}</{name}>"
    if value is None:
        return f"<{name}{_kind('null', names)}/>"
    if type(value) is int:
        return _marked(name, Number(str(value)), names)
    names.is_needed = True
    return f"<{name}{_kind('json', names)}>{in_text(json_safe(json_text(value)))}</{name}>"


def _kind(kind: str, names: Namespaces) -> str:
    names.declare(OURS, EXTENSION_NAMESPACE)
    return f' {OURS}:kind="{kind}"'
