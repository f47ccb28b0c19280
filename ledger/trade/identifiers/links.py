"""GS1 Digital Link URIs of any host -> GS1 key (EXTRACT.md §2.4).

A link is read as the GS1 Digital Link standard's uncompressed form says, with all freedom that does not change what is
identified: any scheme http or https, any host and path prefix, AI numbers or the former short names, any percent
spelling, qualifiers in any order, attributes in the query, a fragment. The host says who answers, not what is meant.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from ledger.trade.identifiers.alphabet import lower, percent_decoded
from ledger.trade.identifiers.gs1 import KEY_DIGITS_LEAST, KEYS, ROOT, Key, gs1_key, looks_like
from ledger.trade.identifiers.model import Identifier

_SHORT_NAMES: Final[Mapping[str, str]] = {
    "sscc": "00", "gtin": "01", "gdti": "253", "gcn": "255", "ginc": "401", "gsin": "402", "gln": "414", "payto": "415",
    "party": "417", "grai": "8003", "giai": "8004", "itip": "8006", "cpid": "8010", "gmn": "8013", "gsrnp": "8017",
    "gsrn": "8018", "lot": "10", "ser": "21", "cpv": "22", "tpx": "235", "glnx": "254", "cpsn": "8011", "srin": "8019",
    "refno": "8020",
}  # fmt: skip
_GS1_HOST: Final = "id.gs1.org"


class _Found(NamedTuple):
    """A key as it stands in a link."""

    code: str
    value: str
    qualifiers: Mapping[str, str] | None  # None where they do not belong to the key


def from_link(text: str) -> tuple[bool, Identifier | None]:
    """(whether the URI claims to carry a GS1 key, the key it carries or None).

    `text` is any text; one that is no http(s) URI with a host claims nothing.
    """
    claims, found = _found(text)
    if found is None or found.qualifiers is None:
        return claims, None
    return True, gs1_key(found.code, found.value, found.qualifiers)


def key_in(text: str) -> tuple[str, str, Mapping[str, str]] | None:
    """Code, value and qualifiers of the key that a link names, before its check digit is looked at; None without one."""
    found = _found(text)[1]
    return None if found is None or found.qualifiers is None else (found.code, found.value, found.qualifiers)


def lot_beside(text: str) -> Identifier | None:
    """The lot that a link names beside a serial (AI 10 beside 21 or 235), None without one.

    The lot is an attribute there, so `canonical` drops it; whoever makes the serial thereby says what lot it is from.
    """
    found = _found(text)[1]
    if found is None or found.code != "01" or found.qualifiers is None or gs1_key(*found) is None:
        return None
    lot = found.qualifiers.get("10")
    return None if lot is None or len(found.qualifiers) < 2 else gs1_key("01", found.value, {"10": lot})


def says_more(text: str) -> bool:
    """Whether a link that carries a key says more than the key: attributes, a query, a fragment.

    `canonical` drops these; whoever spells the key in another way would lose them.
    """
    claims, identifier = from_link(text)
    found = _found(text)[1]
    if not claims or identifier is None or found is None or found.qualifiers is None:
        return False
    told = [name for name, value in found.qualifiers.items() if (name, value) != ("254", "0")]
    return "?" in text or "#" in text or 2 * len(told) + 2 > identifier.text.removeprefix(ROOT).count("/") + 1


def _found(text: str) -> tuple[bool, _Found | None]:
    scheme, separator, rest = text.partition("://")
    if not separator or lower(scheme) not in ("http", "https"):
        return False, None
    rest = rest.partition("#")[0]
    rest, _, query = rest.partition("?")
    authority, _, path = rest.partition("/")
    segments = path.split("/")
    while segments and not segments[-1]:
        segments.pop()
    decoded = [percent_decoded(segment) or "" for segment in segments]
    codes = [_code(segment) for segment in decoded]
    # Pairs are counted from the end, so that a value that looks like a code is never taken for one.
    for start in range(len(decoded) - 2, -1, -2):
        if looks_like(codes[start], decoded[start + 1]):
            names, values = codes[start + 2 :: 2], decoded[start + 3 :: 2]
            return True, _Found(
                codes[start], decoded[start + 1], _qualifiers(codes[start], names, values, query)
            )
    shaped = any(
        KEYS[code].digits > KEY_DIGITS_LEAST and looks_like(code, value)
        for code, value in zip(codes, decoded[1:], strict=False)
        if code in KEYS
    )
    return shaped or _is_gs1_host(authority), None


def _code(segment: str) -> str:
    return _SHORT_NAMES.get(lower(segment), segment)


def _is_gs1_host(authority: str) -> bool:
    host = authority.rpartition("@")[2].partition(":")[0]
    return lower(host).removesuffix(".") == _GS1_HOST


def _qualifiers(code: str, names: list[str], values: list[str], query: str) -> Mapping[str, str] | None:
    key = KEYS[code]
    qualifiers: dict[str, str] = {}
    for name, value in zip(names, values, strict=True):
        if name not in key.qualifiers or name in qualifiers:
            return None
        qualifiers[name] = value
    return None if _query_tells(key, qualifiers, query) else qualifiers


def _query_tells(key: Key, qualifiers: Mapping[str, str], query: str) -> bool:
    """Whether the query holds a qualifier that belongs into the path: what is meant would depend on the reader."""
    for pair in query.replace(";", "&").split("&"):
        name = _code(percent_decoded(pair.partition("=")[0]) or "")
        if name in key.telling and not (name == "10" and ("21" in qualifiers or "235" in qualifiers)):
            return True
    return False
