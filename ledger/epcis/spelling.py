"""Identifiers of an event as EPC URNs or as GS1 Digital Links, as a client asks (EPCIS.md, Forms; EPCIS 2.0 §12.6; TDS 1.13 §6).

A URN says where the company prefix ends and a Digital Link does not, so that towards URNs somebody must know: the length
comes as a parameter (grants on the ledger). Nothing is guessed: an identifier that has no other spelling, whose prefix
nobody knows, or that says more than the other spelling could, is left as it was written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, Final

from ledger.base.errors import FormError
from ledger.trade.identifiers import canonical
from ledger.trade.identifiers.alphabet import percent_decoded
from ledger.trade.identifiers.gs1 import ROOT
from ledger.trade.identifiers.links import says_more
from ledger.trade.identifiers.model import Identifier

PrefixLength = Callable[[str], int | None]
"""How many of these digits are the company prefix (`Identifier.digits`), None where nobody knows."""


_PREFIX_LENGTHS: Final = range(6, 13)


class EpcFormat(StrEnum):
    """How EPCs are spelt in an answer: the values of the header GS1-EPC-Format."""

    NO_PREFERENCE = "No_Preference"
    DIGITAL_LINK = "Always_GS1_Digital_Link"
    URN = "Always_EPC_URN"
    AS_WRITTEN = "Never_Translates"


def respelled(event: dict[str, Any], wanted: EpcFormat, prefix_length: PrefixLength) -> dict[str, Any]:
    """The event with its identifiers as wanted: itself where nothing changes, else a copy; total over any value."""
    if wanted in {EpcFormat.NO_PREFERENCE, EpcFormat.AS_WRITTEN}:
        return event
    changed = _changed(event, _MEMBERS, lambda text: spelled(text, wanted, prefix_length))
    return changed if type(changed) is dict else event


def spelled(text: str, wanted: EpcFormat, prefix_length: PrefixLength) -> str:
    """One identifier as wanted, or as it is."""
    if wanted is EpcFormat.DIGITAL_LINK and text[:8] in {"urn:epc:", "URN:EPC:"}:
        found = _read(text)
        return found.text if found is not None and found.text.startswith(ROOT) else text
    if wanted is EpcFormat.URN and "://" in text:
        found = _read(text)
        if found is not None and found.text.startswith(ROOT) and not says_more(text):
            return urn_of(found, prefix_length(found.digits)) or text
    return text


def urn_of(found: Identifier, length: int | None) -> str | None:
    """The EPC URN of a canonical identifier whose company prefix has `length` digits; None where it has none.

    The URN is read again: only one that names the very same is given.
    """
    if length is None or length not in _PREFIX_LENGTHS or not found.text.startswith(ROOT):
        return None
    parts = [percent_decoded(part) or "" for part in found.text.removeprefix(ROOT).split("/")]
    code, value, qualifiers = parts[0], parts[1], dict(zip(parts[2::2], parts[3::2], strict=False))
    build = _URNS.get(code)
    urn = None if build is None else build(value, qualifiers, length)
    again = None if urn is None else _read(urn)
    return urn if again is not None and again.text == found.text else None


def _read(text: str) -> Identifier | None:
    try:
        return canonical(text)
    except FormError:  # an empty text
        return None


# --- which members of an event hold identifiers

_ID: Final = object()
_QUANTITIES: Final = {"epcClass": _ID}
_DEVICE: Final = {"deviceID": _ID}
_MEMBERS: Final[Mapping[str, Any]] = {
    "epcList": _ID, "childEPCs": _ID, "inputEPCList": _ID, "outputEPCList": _ID, "parentID": _ID, "transformationID": _ID,
    "quantityList": _QUANTITIES, "childQuantityList": _QUANTITIES, "inputQuantityList": _QUANTITIES,
    "outputQuantityList": _QUANTITIES, "readPoint": {"id": _ID}, "bizLocation": {"id": _ID},
    "bizTransactionList": {"bizTransaction": _ID}, "sourceList": {"source": _ID}, "destinationList": {"destination": _ID},
    "sensorElementList": {"sensorMetadata": _DEVICE, "sensorReport": _DEVICE},
}  # fmt: skip


def _changed(value: Any, members: Any, spell: Callable[[str], str]) -> Any:
    """`value` with every identifier that `members` points at spelt anew; the same object where none changes."""
    if type(value) is list:
        elements = [_changed(one, members, spell) for one in value]
        return value if all(new is old for new, old in zip(elements, value, strict=True)) else elements
    if type(value) is str and members is _ID:
        text = spell(value)
        return value if text == value else text
    if type(value) is dict and members is not _ID:
        found = {
            name: _changed(value[name], inner, spell) for name, inner in members.items() if name in value
        }
        if any(found[name] is not value[name] for name in found):
            return value | found
    return value


# --- URNs by key (TDS 1.13 §6.3; EPC classes and patterns §6.4, §8)

Build = Callable[[str, Mapping[str, str], int], str | None]
# What TDS has escaped in a URN.
_ESCAPES: Final = {ord(character): f"%{ord(character):02X}" for character in '"#%&/<>?'}


def _split(digits: str, length: int, indicator: str = "") -> str:
    return f"{digits[:length]}.{indicator}{digits[length:]}"


def _escaped(text: str) -> str:
    return text.translate(_ESCAPES)


def _sscc(value: str, _qualifiers: Mapping[str, str], length: int) -> str:
    return f"urn:epc:id:sscc:{_split(value[1:17], length, value[0])}"


def _gtin(value: str, qualifiers: Mapping[str, str], length: int) -> str:
    item = _split(value[1:13], length, value[0])
    for code, scheme in (("21", "id:sgtin"), ("235", "id:upui"), ("10", "class:lgtin")):
        if code in qualifiers:
            return f"urn:epc:{scheme}:{item}.{_escaped(qualifiers[code])}"
    return f"urn:epc:idpat:sgtin:{item}.*"


def _pieces(value: str, qualifiers: Mapping[str, str], length: int) -> str:
    item = f"{_split(value[1:13], length, value[0])}.{value[14:16]}.{value[16:18]}"
    serial = qualifiers.get("21")
    return f"urn:epc:idpat:itip:{item}.*" if serial is None else f"urn:epc:id:itip:{item}.{_escaped(serial)}"


def _location(value: str, qualifiers: Mapping[str, str], length: int) -> str:
    return f"urn:epc:id:sgln:{_split(value[:12], length)}.{_escaped(qualifiers.get('254', '0'))}"


def _serialised(scheme: str, filler: int = 0) -> Build:
    def build(value: str, _qualifiers: Mapping[str, str], length: int) -> str:
        key, serial = _split(value[filler : filler + 12], length), value[filler + 13 :]
        return (
            f"urn:epc:id:{scheme}:{key}.{_escaped(serial)}" if serial else f"urn:epc:idpat:{scheme}:{key}.*"
        )

    return build


def _plain(scheme: str, digits: int) -> Build:
    def build(value: str, qualifiers: Mapping[str, str], length: int) -> str | None:
        return None if qualifiers else f"urn:epc:id:{scheme}:{_split(value[:digits], length)}"

    return build


def _variable(scheme: str) -> Build:
    def build(value: str, _qualifiers: Mapping[str, str], length: int) -> str:
        return f"urn:epc:id:{scheme}:{value[:length]}.{_escaped(value[length:])}"

    return build


def _component(value: str, qualifiers: Mapping[str, str], length: int) -> str:
    part = f"{value[:length]}.{_escaped(value[length:])}"
    serial = qualifiers.get("8011")
    return f"urn:epc:idpat:cpi:{part}.*" if serial is None else f"urn:epc:id:cpi:{part}.{serial}"


_URNS: Final[Mapping[str, Build]] = {
    "00": _sscc,
    "01": _gtin,
    "253": _serialised("gdti"),
    "255": _serialised("sgcn"),
    "401": _variable("ginc"),
    "402": _plain("gsin", 16),
    "414": _location,
    "417": _plain("pgln", 12),
    "8003": _serialised("grai", 1),
    "8004": _variable("giai"),
    "8006": _pieces,
    "8010": _component,
    "8017": _plain("gsrnp", 17),
    "8018": _plain("gsrn", 17),
}
