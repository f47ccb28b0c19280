"""What single values and lists of an event may be (EPCIS.md, What is refused; EPCIS 2.0 §7.3, CBV 2.0 §7; RFC 3986).

A rule looks at one value and adds to the findings of its reading; it returns nothing and never raises. It is given the
place around the value and the value's own key, so that a place is put together only where something is found.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Final

from ledger.base.errors import Code, FormError
from ledger.epcis.findings import Place, Reading, shown
from ledger.epcis.vocabulary import Vocabulary
from ledger.trade.extract.context import SCHEMES
from ledger.trade.extract.fields import time_ms
from ledger.trade.slices import Number
from ledger.trade.vocabulary import CBV_NAMESPACE, RESERVED_TERMS

Rule = Callable[[Reading, Any, Place, "str | int"], None]
ObjectRule = Callable[[Reading, dict[str, Any], Place], None]
NameRule = Callable[[Reading, str, Place], None]

_PCHAR: Final = r"A-Za-z0-9\-._~!$&'()*+,;=:@"


def _run(characters: str) -> str:
    """Any number of these characters and percent escapes, without a choice that could be retried."""
    return rf"[{characters}]*(?:%[0-9A-Fa-f]{{2}}[{characters}]*)*"


# RFC 3986 §3 with something after the scheme.
_AUTHORITY: Final = (
    rf"//(?:{_run(_PCHAR.replace('@', ''))}@)?"
    rf"(?:\[[0-9A-Fa-f:.]+\]|{_run(_PCHAR.replace(':@', ''))})(?::[0-9]*)?(?=[/?#]|\Z)"
)
URI: Final = re.compile(
    rf"[A-Za-z][A-Za-z0-9+\-.]*:(?!\Z)(?:{_AUTHORITY}|(?!//)){_run(_PCHAR + '/')}"
    rf"(?:\?{_run(_PCHAR + '/?')})?(?:#{_run(_PCHAR + '/?')})?"
)
_SHORT_URI: Final = 128
"""Of longer ones none is remembered."""
_OFFSET: Final = re.compile(r"[+-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00)")
_UNIT: Final = re.compile(r"[A-Z0-9]{2,3}")
_NUMBER: Final = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_BARE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_HEX: Final = re.compile(r"[0-9A-Fa-f]+")
_UUID: Final = re.compile(r"urn:uuid:[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
_HASH: Final = re.compile(r"ni:///sha-256;[0-9a-f]{64}\?ver=CBV[0-9.]+")

# What claims to name a word of a CBV vocabulary; `https://ref.gs1.org/cbv/` alone has other names too.
_CLAIMS_CBV: Final = re.compile(
    r"urn:epcglobal:cbv|https?://ns\.gs1\.org/cbv/"
    r"|https?://ref\.gs1\.org/cbv/(?:BizStep|Disp|BTT|SDT|ER|Comp)-"
)
_GS1_ADDRESS: Final = re.compile(r"https?://(?:www\.)?gs1\.org/voc/")
# Bound by the EPCIS context beside those the extractor knows.
_BOUND_BY_EPCIS: Final = frozenset({"rdfs", "owl", "xsd", "dcterms"})


def is_uri(text: str) -> bool:
    """Whether a text is a URI (RFC 3986). Events name the same places, documents and words again and again."""
    return _is_known_uri(text) if len(text) <= _SHORT_URI else URI.fullmatch(text) is not None


@lru_cache(maxsize=4_096)
def _is_known_uri(text: str) -> bool:
    return URI.fullmatch(text) is not None


def uri(reading: Reading, value: Any, place: Place, key: str | int) -> None:
    """A URI; compact ones have the form of one."""
    if type(value) is not str or not is_uri(value):
        reading.found(place, key, "a URI", value)


def certificate(reading: Reading, value: Any, place: Place, key: str | int) -> None:
    """A URI; a text that is none is noted: nothing is decided by it, and XML takes any."""
    if type(value) is not str or not value:
        reading.found(place, key, "a URI", value)
    elif not is_uri(value):
        reading.noted(place, key, "a URI", value)


def text(reading: Reading, value: Any, place: Place, key: str | int) -> None:
    """Text."""
    if type(value) is not str:
        reading.found(place, key, "text", value)


def number(reading: Reading, value: Any, place: Place, key: str | int) -> None:
    """A number, and no text that looks like one."""
    if type(value) is not Number:
        reading.found(place, key, "a number", value)


def measured(reading: Reading, value: Any, place: Place, key: str | int) -> None:
    """A number; a text that is one is noted: sensors' values are never reckoned with."""
    if type(value) is str and _NUMBER.fullmatch(value):
        reading.noted(place, key, "a number, not a text", value)
    elif type(value) is not Number:
        reading.found(place, key, "a number", value)


def truth(reading: Reading, value: Any, place: Place, key: str | int) -> None:
    """True or false."""
    if type(value) is not bool:
        reading.found(place, key, "true or false", value)


def time(reading: Reading, value: Any, place: Place, key: str | int) -> None:
    """A time with its zone (xsd:dateTimeStamp, as the extractor reads it)."""
    if type(value) is str:
        try:
            time_ms(value, "")
        except FormError:
            pass
        else:
            return
    reading.findings.add(
        (place, key), "a time with its zone, as 2026-04-19T13:35:18.250-05:00", shown(value), Code.BAD_TIME
    )


def event_id(reading: Reading, value: Any, place: Place, key: str | int) -> None:
    """A URI; one that claims to be a UUID or a hash is one (CBV 2.0 §8)."""
    if type(value) is not str or not is_uri(value):
        reading.found(place, key, "a URI", value)
    elif value.startswith("urn:uuid:") and _UUID.fullmatch(value) is None:
        reading.found(place, key, "a UUID of 32 hexadecimal digits in five groups", value)
    elif value.startswith("ni:///sha-256;") and _HASH.fullmatch(value) is None:
        reading.found(
            place, key, "an event hash of 64 hexadecimal digits and its version, as ?ver=CBV2.0", value
        )


def of_pattern(pattern: re.Pattern[str], expected: str, code: Code = Code.MALFORMED) -> Rule:
    """Text that a pattern matches wholly."""

    def rule(reading: Reading, value: Any, place: Place, key: str | int) -> None:
        if type(value) is not str or pattern.fullmatch(value) is None:
            reading.findings.add((place, key), expected, shown(value), code)

    return rule


offset: Final = of_pattern(_OFFSET, "an offset from UTC, as +02:00", Code.BAD_TIME)
unit: Final = of_pattern(_UNIT, "a unit of UN/ECE Recommendation 20, as KGM")
hex_binary: Final = of_pattern(_HEX, "hexadecimal digits")


def one_of(*words: str) -> Rule:
    """One of a few words."""
    expected = " or ".join(words)

    def rule(reading: Reading, value: Any, place: Place, key: str | int) -> None:
        if value not in words:
            reading.found(place, key, expected, value)

    return rule


def cbv_word(name: str, vocabulary: Vocabulary) -> Rule:
    """A bare word of a CBV vocabulary, the same as ref.gs1.org spells it, or a URI that does not claim to be such a word.

    `name` is how people call the vocabulary. A word as URN or at its former address is noted: JSON writes them bare.
    """

    def rule(reading: Reading, value: Any, place: Place, key: str | int) -> None:
        if type(value) is str and value in vocabulary.words:
            return None
        if type(value) is not str or not is_uri(value):
            return reading.found(place, key, f"a {name} of the CBV or a URI", value)
        full = reading.prefixes.expanded(value)
        if vocabulary.bare(full) in vocabulary.words:
            if not full.startswith(CBV_NAMESPACE):
                reading.noted(place, key, f"a {name} by its bare word", value)
        elif _CLAIMS_CBV.match(full):
            # A word of a later CBV is known by its place; one of another vocabulary would be taken for another thing.
            is_of_kind = full.startswith((vocabulary.urn or vocabulary.web, vocabulary.web))
            (reading.noted if is_of_kind else reading.found)(place, key, f"a {name} of the CBV", value)
        return None

    return rule


def gs1_word(name: str, vocabulary: Vocabulary) -> Rule:
    """A bare word of GS1's Web vocabulary or a URI; other words and that vocabulary's own addresses are noted."""

    def rule(reading: Reading, value: Any, place: Place, key: str | int) -> None:
        if type(value) is str and value in vocabulary.words:
            return
        expected = f"a {name} of the CBV or a URI"
        if type(value) is str and _BARE.fullmatch(value):
            reading.noted(place, key, expected, value)
        elif type(value) is not str or not is_uri(value):
            reading.found(place, key, expected, value)
        elif _GS1_ADDRESS.match(value):
            reading.noted(place, key, f"a {name} by its bare word", value)

    return rule


def list_of(element: Rule, *, least: int = 0, is_set: bool = False) -> Rule:
    """An array of at least `least` values; in a set of texts each stands once."""

    def rule(reading: Reading, value: Any, place: Place, key: str | int) -> None:
        if type(value) is not list:
            return reading.found(place, key, "an array", value)
        here = (place, key)
        if len(value) < least:
            reading.findings.add(here, f"at least {least} value", "an empty array")
        for position, member in enumerate(value):
            element(reading, member, here, position)
        if is_set and len(value) > 1:
            _each_once(reading, value, here)
        return None

    return rule


def _each_once(reading: Reading, value: list[Any], here: Place) -> None:
    seen: set[str] = set()
    for position, member in enumerate(value):
        if type(member) is not str:
            continue
        if member in seen:
            reading.findings.add(
                (here, position), "each value once", f"{member[:96]!a} again", Code.DUPLICATE_SUBJECT
            )
        seen.add(member)


def one_or_list_of(element: Rule) -> Rule:
    """A value or an array of them."""
    several = list_of(element)

    def rule(reading: Reading, value: Any, place: Place, key: str | int) -> None:
        (several if type(value) is list else element)(reading, value, place, key)

    return rule


def object_of(
    members: Mapping[str, Rule],
    needed: tuple[str, ...] = (),
    *,
    others: NameRule | None = None,
    also: ObjectRule | None = None,
) -> Rule:
    """An object of these members and of others whose names `others` judges; `also` looks at it as a whole."""
    judge = extension_name if others is None else others

    def rule(reading: Reading, value: Any, place: Place, key: str | int) -> None:
        if type(value) is not dict:
            return reading.found(place, key, "an object", value)
        here = (place, key)
        check_members(reading, value, here, members, needed, judge)
        if also is not None:
            also(reading, value, here)
        return None

    return rule


def check_members(
    reading: Reading,
    value: dict[str, Any],
    here: Place,
    members: Mapping[str, Rule],
    needed: tuple[str, ...],
    others: NameRule,
) -> None:
    """Check each member of an object by its rule, and those without rule by their names."""
    for name, member in value.items():
        rule = members.get(name)
        if rule is not None:
            rule(reading, member, here, name)
        else:
            others(reading, name, here)
    for name in needed:
        if name not in value:
            missing(reading, here, name)


def missing(reading: Reading, here: Place, name: str) -> None:
    """A mandatory member that is not there."""
    reading.findings.add((here, name), f"{name}, which is mandatory", "nothing")


def extension_name(reading: Reading, name: str, here: Place) -> None:
    """The name of a member that EPCIS does not have here: a URI, or a name under a prefix that a context binds.

    Without a namespace it says nothing to anybody and is noted; a term of EPCIS in the wrong place, or a keyword of
    JSON-LD, could be taken for something that it is not.
    """
    if not is_uri(name):
        is_misplaced = name in RESERVED_TERMS or name[:1] == "@"
        (reading.findings.add if is_misplaced else reading.findings.note)(
            (here, name), "a member of EPCIS, or an extension in a namespace", shown(name)
        )
    else:
        _bound(reading, name, here)


def extension_only(reading: Reading, name: str, here: Place) -> None:
    """A name where all are extensions (`ilmd`)."""
    if not is_uri(name):
        reading.findings.add((here, name), "an extension in a namespace", shown(name))
    else:
        _bound(reading, name, here)


def no_other(reading: Reading, name: str, here: Place) -> None:
    """A name where EPCIS allows no extension; only a term of EPCIS could be taken for something there."""
    is_misplaced = name in RESERVED_TERMS or name[:1] == "@"
    (reading.findings.add if is_misplaced else reading.findings.note)(
        (here, name), "no member beside those of EPCIS here", shown(name)
    )


def any_name(reading: Reading, name: str, here: Place) -> None:
    """Where EPCIS leaves the names of further members free: all but the keywords of JSON-LD, which change what others mean."""
    if name[:1] == "@":
        reading.findings.add((here, name), "no keyword of JSON-LD here", shown(name))


def _bound(reading: Reading, name: str, here: Place) -> None:
    prefix = name.partition(":")[0]
    is_bound = reading.prefixes.expanded(name) != name or prefix in _BOUND_BY_EPCIS
    if not (is_bound or reading.is_open or prefix in SCHEMES):
        reading.findings.add((here, name), f"the context to bind the prefix {prefix!a}", "none that does")
