"""What a MATCH_ parameter's value matches (EPCIS 2.0 §8.2.7.1.1; TDS pure identity patterns; EPCIS.md, Index).

A value is a URI, which equals the same thing in any spelling, or a pure identity pattern, `urn:epc:idpat:sgtin:9521234.001010.*`.
Canonical identifiers carry digits and no length of the company prefix, so a pattern whose first wildcard stands behind the
company prefix matches by its digits: 9521234.* also what a company with prefix 95212340 identifies.
"""

from __future__ import annotations

from typing import Final

from ledger.base.errors import Code, FormError
from ledger.trade.identifiers import Kind, canonical
from node.index.query import Matches, Pattern

_PATTERN: Final = "urn:epc:idpat:"
_ROOT: Final = "https://id.gs1.org/"
# Where a class's own text ends, what makes an instance of it: AI and slash, or the digits go on.
_SERIAL: Final = {"sgtin": "/21/", "upui": "/235/", "itip": "/21/", "cpi": "/8011/"}
# How each scheme's canonical text begins, before the company prefix: `_` stands for any digit in front of it.
_BEGINS: Final = {
    "sgtin": "01/_", "upui": "01/_", "itip": "8006/_", "sscc": "00/_", "sgln": "414/", "pgln": "417/", "gsrn": "8018/",
    "gsrnp": "8017/", "gsin": "402/", "grai": "8003/0", "gdti": "253/", "sgcn": "255/", "giai": "8004/", "ginc": "401/",
    "cpi": "8010/",
}  # fmt: skip
_INFIX_AT: Final = {"sgtin": 36, "upui": 36, "itip": 42}
"""Where the serial's AI stands: behind https://id.gs1.org/01/ and 14 digits, or /8006/ and 18."""
_INDICATED: Final = frozenset({"sgtin", "upui", "itip", "sscc"})
"""Schemes whose second field begins with the digit that stands in front of the company prefix."""


def matches(parameter: str, values: tuple[str, ...]) -> Matches:
    """What the values of one parameter match. FormError for a pattern that is none."""
    keys: list[str] = []
    patterns: list[Pattern] = []
    for value in values:
        if value[: len(_PATTERN)].lower() != _PATTERN:
            keys.append(canonical(value).text)
            continue
        identifier = canonical(value)
        keys.append(identifier.text)  # a class is named by its pattern, too
        if identifier.kind in (Kind.OPAQUE, Kind.PATTERN) or "*" in value:
            patterns.append(_pattern(parameter, value))
    return Matches(tuple(dict.fromkeys(keys)), tuple(dict.fromkeys(patterns)))


def _pattern(parameter: str, value: str) -> Pattern:
    scheme, _, body = value[len(_PATTERN) :].partition(":")
    scheme = scheme.lower()
    fields = body.split(".")
    first = next((place for place, field in enumerate(fields) if field == "*"), len(fields))
    is_plain = value.isascii() and value.isprintable()  # as are all canonical texts
    if not is_plain or first == len(fields) or any(field != "*" for field in fields[first:]) or "[" in body:
        raise _no_pattern(parameter, value)
    text = canonical(value)
    infix = _SERIAL.get(scheme, "")
    if text.kind not in (Kind.OPAQUE, Kind.PATTERN):  # only the serial is wild: the class's own text, and on
        return Pattern((text.text + infix,))
    if scheme not in _BEGINS:
        if scheme not in ("gid", "usdod", "adi", "bic", "imovn"):
            raise _no_pattern(parameter, value)
        fixed = "".join(f"{field}." for field in fields[:first])
        return Pattern((f"urn:epc:id:{scheme}:{fixed}",))
    return Pattern(
        _beginnings(scheme, fields[:first]), _INFIX_AT.get(scheme, 0), infix if scheme in _INFIX_AT else ""
    )


def _beginnings(scheme: str, fixed: list[str]) -> tuple[str, ...]:
    """How canonical texts begin of which the first fields are fixed: none, the company prefix, or prefix and reference."""
    begins = _ROOT + _BEGINS[scheme]
    if not fixed:
        return (begins.rstrip("_"),)
    if len(fixed) == 1 or scheme not in _INDICATED:
        digits = "".join(fixed[:2])
        if not begins.endswith("_"):
            return (begins + digits,)
        return tuple(begins[:-1] + indicator + digits for indicator in "0123456789")
    return (begins[:-1] + fixed[1][:1] + fixed[0] + fixed[1][1:],)


def _no_pattern(parameter: str, value: str) -> FormError:
    return FormError(
        Code.MALFORMED,
        f"{parameter}: expected a URI or a pure identity pattern whose wildcards are its last fields, got {value[:96]!a}",
    )
