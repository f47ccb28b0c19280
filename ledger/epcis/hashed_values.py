"""One spelling for every value that goes into a CBV event hash (EPCIS.md, Event hash; CBV 2.0 §8.9.2).

Two documents that say the same in other words hash alike: numbers lose zeros, times go to UTC, CBV words become Web
URIs, and GS1 keys become constrained canonical Digital Links. Nothing here judges; what has no better spelling stays.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

from ledger.base.limits import IDENTIFIER_BYTES
from ledger.trade.identifiers import canonical
from ledger.trade.identifiers.alphabet import percent_encoded
from ledger.trade.identifiers.links import key_in
from ledger.trade.vocabulary import CBV_NAMESPACE

BLANKS: Final = " \t\n\r"
_ROOT: Final = "https://id.gs1.org/"
# The keys that CBV 2.0 §8.9.2 lists; a link of any other key stays as it is.
_KEYS: Final = frozenset(
    {"00", "01", "253", "255", "401", "402", "414", "417", "8003", "8004", "8006", "8010", "8017", "8018"}
)
# Qualifiers that name something finer than the key, the finest first.
_FINEST: Final = {"01": ("21", "235", "10"), "8006": ("21", "10"), "414": ("254",), "8010": ("8011",)}
_LINKS: Final = frozenset({"http", "HTTP"})
_URIS: Final = frozenset({"urn:", "http", "URN:", "HTTP"})
_CBV_URN: Final = "urn:epcglobal:cbv:"
_CBV_KINDS: Final = {"bizstep": "BizStep-", "disp": "Disp-", "btt": "BTT-", "sdt": "SDT-", "er": "ER-"}
_NUMERAL: Final = re.compile(r"([+-]?)(?:([0-9]+)(?:\.([0-9]*))?|\.([0-9]+))(?:[eE]([+-]?[0-9]{1,3}))?")
NUMERAL_STARTS: Final = frozenset("+-.0123456789")
_PLAIN_ZEROS: Final = 40
_LEAST_POINT: Final = -3
_EXACT_DIGITS: Final = 15
_DOUBLE_BITS: Final = 53
_TIME: Final = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]+))?(?:Z|([+-])([0-9]{2}):([0-9]{2}))"
)
_CACHED: Final = 16_384
_PLAIN_LINK: Final = re.compile(_ROOT + r"01/[0-9]{14}/21/[0-9A-Za-z-]{1,20}")
_PLAIN_URN: Final = re.compile(r"urn:epc:id:sgtin:([0-9]{6,12}\.[0-9]{1,7})\.([0-9A-Za-z-]{1,20})")


def spelled(text: str) -> str:
    """The one spelling of a text that is neither a number nor a time. Pure and idempotent."""
    if text[:4] in _URIS:
        return _remembered(text) if len(text) <= IDENTIFIER_BYTES else _uri(text)
    return text


def _uri(text: str) -> str:
    if text.startswith(_CBV_URN):
        return _word(text)
    # Serials of items are what every event has anew, so their plain forms are not read character by character.
    if _PLAIN_LINK.fullmatch(text):
        return text
    plain = _PLAIN_URN.fullmatch(text)
    if plain is not None:
        item = _class_link(plain[1])
        if item is not None:
            return f"{item}/21/{plain[2]}"
    return _link(text)


@lru_cache(maxsize=_CACHED)
def _class_link(fields: str) -> str | None:
    """The link of the GTIN that company prefix and item reference make, None where they make none."""
    link = canonical(f"urn:epc:idpat:sgtin:{fields}.*").text
    return link if link.startswith(_ROOT) else None


# Places, parties and words return in every event of a document.
_remembered: Final = lru_cache(maxsize=_CACHED)(_uri)


def _word(text: str) -> str:
    kind, separator, word = text[len(_CBV_URN) :].partition(":")
    prefix = _CBV_KINDS.get(kind)
    return text if prefix is None or not separator else CBV_NAMESPACE + prefix + word


def _link(text: str) -> str:
    """The constrained canonical Digital Link of a GS1 key in any spelling; `text` where it is none."""
    if text[:4] in _LINKS:
        found = key_in(text)
        if found is None or found[0] not in _KEYS or "" in found[2].values():
            return text
        return _constrained(*found)
    link = canonical(text).text
    return _respelled(link) if link[: len(_ROOT)] == _ROOT else text


def _constrained(code: str, value: str, qualifiers: Mapping[str, str]) -> str:
    """A key with the finest of its qualifiers. Nothing is checked: a link of a mistyped number is still that link."""
    parts = [code, value.rjust(14, "0") if code == "01" else value]
    finest = next((one for one in _FINEST.get(code, ()) if one in qualifiers), None)
    if finest is not None and (finest, qualifiers[finest]) != ("254", "0"):  # the SGLN's way to say "none"
        parts += [finest, qualifiers[finest]]
    return _respelled(_ROOT + "/".join(percent_encoded(part) for part in parts))


def _respelled(link: str) -> str:
    """A link with the three characters as they are that the Digital Link standard leaves in a path."""
    return link.replace("%27", "'").replace("%3B", ";").replace("%3D", "=") if "%" in link else link


def numeral(text: str, *, as_binary: bool) -> str:
    """A decimal number without sign of plus, needless zeros or, within reason, an exponent; any other text as it is.

    Exact, unless `as_binary`: the reference reads numbers into IEEE 754 doubles and writes what Python writes of these.
    Of that we follow how integers round beyond 2^53, and the exponents of numbers under 0.0001.
    """
    match = _NUMERAL.fullmatch(text)
    if match is None:
        return text
    fraction = match[3] or match[4] or ""
    digits = ((match[2] or "") + fraction).lstrip("0")
    exponent = int(match[5] or "0") - len(fraction)
    stripped = digits.rstrip("0")
    exponent += len(digits) - len(stripped)
    if not stripped:
        return "0"
    sign = "-" if match[1] == "-" else ""
    if as_binary and len(stripped) + exponent < _LEAST_POINT:
        mantissa = stripped[0] + ("." + stripped[1:] if stripped[1:] else "")
        return f"{sign}{mantissa}e-{1 - len(stripped) - exponent:02d}"
    if exponent > _PLAIN_ZEROS or exponent < -_PLAIN_ZEROS:
        return f"{sign}{stripped}e{exponent}"
    if exponent >= 0:
        whole = stripped + "0" * exponent
        return sign + (_rounded(whole) if as_binary else whole)
    padded = stripped.rjust(1 - exponent, "0")
    return f"{sign}{padded[:exponent]}.{padded[exponent:]}"


def _rounded(whole: str) -> str:
    """An integer as the nearest one that a double holds, the even of two."""
    if len(whole) <= _EXACT_DIGITS or len(whole) > _PLAIN_ZEROS:
        return whole
    number = int(whole)
    beyond = max(0, number.bit_length() - _DOUBLE_BITS)
    kept, rest = number >> beyond, number & ((1 << beyond) - 1)
    kept += 2 * rest + (kept & 1) > 1 << beyond
    return str(kept << beyond)


def utc(text: str, *, half_even: bool) -> str:
    """An xsd:dateTimeStamp in UTC to the millisecond; `text` where it is none.

    CBV 2.0 is silent on digits beyond the third. They round half up, or `half_even`: the reference keeps six digits and
    rounds these to the even neighbour.
    """
    text = text.strip(BLANKS)
    match = _TIME.fullmatch(text)
    if match is None:
        return text
    fraction = match[7] or ""
    micros = int((fraction + "000000")[:6])
    millis, rest = divmod(micros, 1000)
    if half_even:
        millis += rest > 500 or (rest == 500 and millis % 2 == 1)
    else:
        millis += rest >= 500
    east = 0
    if match[8] is not None:
        east = int(match[9]) * 60 + int(match[10])
        east = -east if match[8] == "-" else east
    try:
        moment = datetime(*(int(match[part]) for part in range(1, 7)))  # type: ignore[arg-type]  # noqa: DTZ001
        moment += timedelta(minutes=-east, milliseconds=millis)
    except (ValueError, OverflowError):
        return text
    return moment.isoformat(timespec="milliseconds") + "Z"
