"""One scan, whatever it came from -> the subject it names (CUSTODY_RULES, Identifiers; EXTRACT.md §2).

A scan is read by what it shows of its origin: a symbology identifier (ISO/IEC 15424) in front, a scheme of URIs, brackets,
separators; else by its form. Which spelling of the identifier is canonical, and whether its form and check digit hold, is
decided by `ledger.trade.identifiers` alone; what does not hold is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from client.scan.barcode import Elements, bracketed, elements, has_separator
from client.scan.bits import Bits
from client.scan.epc import tag
from client.spelling import subject
from ledger.base.errors import Code, FormError
from ledger.trade.identifiers import Identifier, Kind, canonical
from ledger.trade.identifiers.alphabet import percent_encoded
from ledger.trade.identifiers.gs1 import KEYS, ROOT

SCAN_CHARACTERS: Final = 4_096


class Reading(NamedTuple):
    """What a scan names, and how it said so."""

    identifier: Identifier
    form: str
    """What it was read as, in words."""
    beside: Elements = ()
    """What the label says beside, as (application identifier, value)."""


# Which of several keys on one label is the thing itself: a unit before what is in it, a serial before an asset's owner.
_KEY_ORDER: Final = (
    "00", "01", "8006", "8003", "8004", "8010", "253", "255", "401", "402", "414", "417", "8013", "8018", "8017", "415",
)  # fmt: skip
_SYMBOLOGY: Final = re.compile(r"\]([A-Za-z][0-9A-Za-z])")
_GS1_SYMBOLOGIES: Final = {
    "C1": "GS1-128",
    "e0": "GS1 DataBar",
    "d2": "GS1 DataMatrix",
    "Q3": "GS1 QR code",
    "J1": "GS1 DotCode",
}
_NUMBER_SYMBOLOGIES: Final = {"E0": "EAN/UPC", "E4": "EAN-8", "I0": "ITF", "I1": "ITF-14"}
_GTIN_LENGTHS: Final = frozenset({8, 12, 13, 14})
_UCR: Final = re.compile(r"[0-9][A-Z]{2}[0-9A-Z]{2,}-[0-9A-Z()-]+")
_CLASSIC_HEX: Final = re.compile(r"(?:2[C-F]|3[0-9A-F]|4[01]|E[6-9A-F]|F[0-9A-D])[0-9A-F]{14,}")
_TAG_URI: Final = re.compile(r"urn:epc:tag:(?:(gid)-96:|([a-z]+)-(?:[0-9]+|var):[0-9]{1,2}\.)(.+)")
_RAW_URI: Final = re.compile(r"urn:epc:raw:[^.]*\.x([0-9A-F]+)")
_COMPRESSED_EPC: Final = re.compile(r"eh([0-9a-f]+)|ex([A-Za-z0-9_-]+)")
# The whole path in base64, as the former compression of Digital Links has it; words of a plain address are in one case.
_COMPRESSED: Final = re.compile(r"(?=.*[A-Z])(?=.*[a-z])[A-Za-z0-9_-]{10,}")
_URL_64: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def read(text: str) -> Reading:
    """What a scan names. FormError bad_identifier where it names nothing that can be sure; UnavailableError without biip."""
    text = text.strip(" \t\r\n")
    if not text or len(text) > SCAN_CHARACTERS:
        raise FormError(
            Code.BAD_IDENTIFIER, f"expected a scan of 1 to {SCAN_CHARACTERS} characters, got {len(text)}"
        )
    marked = _SYMBOLOGY.match(text)
    if marked is not None:
        return _of_symbology(marked[1], text[marked.end() :])
    if text[:8].lower().startswith(("http://", "https://")):
        return _link(text)
    if text[:4].lower() == "urn:":
        return _urn(text)
    if text[0] == "(":
        return identified(bracketed(text), "GS1 element string")
    if has_separator(text):
        return identified(elements(text), "GS1 element string")
    return _bare(text)


def read_tag(text: str) -> Reading:
    """What the EPC of an RFID tag names, from hexadecimal digits. FormError bad_identifier."""
    return _of_bits(Bits.from_hex(text))


def identified(found: Elements, form: str) -> Reading:
    """What a label's elements identify. FormError bad_identifier without a key, or where it does not hold."""
    said: dict[str, str] = {}
    for code, value in found:
        if said.setdefault(code, value) != value:
            raise FormError(Code.BAD_IDENTIFIER, f"expected ({code}) once, got {said[code]!a} and {value!a}")
    key = next((code for code in _KEY_ORDER if code in said), None)
    if key is None:
        codes = ", ".join(f"({code})" for code in said)
        raise FormError(Code.BAD_IDENTIFIER, f"expected a GS1 key as (01) or (00), got only {codes}")
    path = [key, said[key]]
    for qualifier in sorted(KEYS[key].qualifiers & said.keys()):
        path += [qualifier, said[qualifier]]
    identifier = canonical(ROOT + "/".join(percent_encoded(part) for part in path))
    if identifier.kind is Kind.OPAQUE:
        raise FormError(
            Code.BAD_IDENTIFIER,
            f"expected ({key}) of the right length with its check digit, and what belongs to it, got {'/'.join(path)[:96]!a}",
        )
    kept = identifier.text.removeprefix(ROOT).split("/")[::2]
    return Reading(identifier, form, tuple(pair for pair in said.items() if pair[0] not in kept))


def _of_symbology(code: str, text: str) -> Reading:
    if code in _GS1_SYMBOLOGIES:
        return identified(elements(text), f"{_GS1_SYMBOLOGIES[code]} barcode")
    if code in _NUMBER_SYMBOLOGIES:
        return _gtin(text, f"{_NUMBER_SYMBOLOGIES[code]} barcode")
    return read(text)


def _of_bits(bits: Bits) -> Reading:
    scheme, uri = tag(bits)
    return Reading(_sure(uri, f"{scheme} tag"), f"{scheme} tag")


def _sure(uri: str, what: str) -> Identifier:
    identifier = canonical(uri)
    if identifier.kind is Kind.OPAQUE:
        raise FormError(
            Code.BAD_IDENTIFIER, f"expected a {what} whose form and check digit hold, got {uri[:96]!a}"
        )
    return identifier


def _gtin(text: str, form: str) -> Reading:
    if not text.isascii() or not text.isdigit() or len(text) not in _GTIN_LENGTHS:
        raise FormError(Code.BAD_IDENTIFIER, f"expected a GTIN of 8, 12, 13 or 14 digits, got {text[:64]!a}")
    return Reading(_sure(f"{ROOT}01/{text}", "GTIN"), form)


def _link(text: str) -> Reading:
    identifier = canonical(text)
    path = text.partition("://")[2].partition("#")[0].partition("?")[0].partition("/")[2].rstrip("/")
    if identifier.kind in (Kind.OTHER, Kind.OPAQUE):
        packed = _COMPRESSED_EPC.fullmatch(path.rpartition("/")[2])
        if packed is not None:
            bits = Bits.from_hex(packed[1]) if packed[1] else _of_base64(packed[2])
            return _of_bits(bits)._replace(form="compressed Digital Link")
        if _COMPRESSED.fullmatch(path):
            raise FormError(
                Code.BAD_IDENTIFIER,
                f"expected a Digital Link with its keys in the path, as https://id.gs1.org/01/..., got {text[:96]!a};"
                " this looks like a compressed one: ask its resolver for the long form",
            )
    return Reading(_sure(text, "Digital Link"), "URI" if identifier.kind is Kind.OTHER else "Digital Link")


def _of_base64(text: str) -> Bits:
    value = 0
    for one in text:
        value = value << 6 | _URL_64.index(one)
    return Bits(value, 6 * len(text))


def _urn(text: str) -> Reading:
    raw = _RAW_URI.fullmatch(text)
    if raw is not None:
        return read_tag(raw[1])
    tagged = _TAG_URI.fullmatch(text)
    if tagged is not None:
        pure = f"urn:epc:id:{tagged[1] or tagged[2]}:{tagged[3]}"
        return Reading(_sure(pure, "EPC tag URI"), "EPC tag URI")
    return Reading(_sure(text, "URN"), "EPC URN" if text[:8].lower() == "urn:epc:" else "URN")


_WORDS: Final[Mapping[Kind, str]] = {
    Kind.CONTAINER: "container number",
    Kind.LOGISTIC_UNIT: "SSCC",
    Kind.DOCUMENT: "document number",
    Kind.SEAL: "seal number",
}


def _bare(text: str) -> Reading:
    """A scan that shows nothing of its origin: by its form, the surest first."""
    refusals = []
    for attempt in _attempts(text):
        try:
            return attempt(text)
        except FormError as refusal:
            refusals.append(refusal)
    raise refusals[0]


def _attempts(text: str) -> list[Callable[[str], Reading]]:
    if text.isascii() and text.isdigit() and len(text) in _GTIN_LENGTHS:
        return [lambda one: _gtin(one, "GTIN")]
    begins_with_code = text[:2].isdigit() and len(text) >= 16
    is_hex = _CLASSIC_HEX.fullmatch(text.upper()) is not None
    attempts: list[Callable[[str], Reading]] = []
    if is_hex and not text.isdigit():
        attempts.append(read_tag)
    if len(text) <= 18 or not begins_with_code or ":" in text:
        attempts.append(_named)
    if _UCR.fullmatch(text):
        attempts.append(lambda one: _named(f"ucr:{one}"))
    if begins_with_code:
        attempts.append(lambda one: identified(elements(one), "GS1 element string"))
    if is_hex and text.isdigit():
        attempts.append(read_tag)
    return attempts


def _named(text: str) -> Reading:
    identifier = subject(text)
    return Reading(identifier, _WORDS.get(identifier.kind, "identifier"))
