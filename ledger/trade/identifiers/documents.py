"""Trade documents, freight containers and seals (EXTRACT.md §2.6).

Only a document's number travels in events, so its canonical form is a URN of our own that keeps the number and names
its scheme; `issuer` is the part of the number that says who issued it, by which a grant is looked up:

    urn:custody:doc:mrn:<18>              declaration; issuer = country (2) and the four characters of the office
    urn:custody:doc:ucr:<year><rest>      WCO unique consignment reference; issuer = country and trader
    urn:custody:doc:bol:<carrier>:<no>    bill of lading; issuer = carrier (SCAC, or the GLN of a CBV identifier)
    urn:custody:seal:<number>
    urn:epcglobal:cbv:bt:<gln>:<no>       any other business transaction in the CBV's own form; digits = the GLN's

The MRN's last character is checked (ISO 6346) for the countries whose customs systems define it so: the European Union,
the parties to the Common Transit Convention and the United Kingdom.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from ledger.base.check_digits import has_gs1_check_digit
from ledger.base.errors import Code, FormError
from ledger.trade.identifiers.alphabet import (
    DIGITS,
    UPPER,
    is_digits,
    is_of,
    iso6346_check_digit,
    lower,
    percent_decoded,
    percent_encoded,
    upper,
)
from ledger.trade.identifiers.gs1 import PREFIX_DIGITS
from ledger.trade.identifiers.model import Identifier, Kind
from ledger.trade.identifiers.urns import freight_container

NUMBER_CHARACTERS: Final = 35  # an..35 of UN/EDIFACT and the WCO data model
_ALNUM: Final = DIGITS | UPPER
_NUMBER: Final = _ALNUM | frozenset("-./_()")
_CHECKED_COUNTRIES: Final = frozenset({
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "EL", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IT", "LT", "LU", "LV",
    "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK", "AD", "CH", "GB", "GE", "IS", "LI", "MD", "ME", "MK", "NO", "RS", "SM",
    "TR", "UA", "XI",
})  # fmt: skip
_OWN: Final = "urn:custody:"
_BUSINESS_TRANSACTION: Final = "urn:epcglobal:cbv:bt:"
_BUSINESS_CHARACTERS: Final = 300


def _number(text: str) -> str:
    """A number as written or read aloud: upper case, without spaces."""
    return upper(text).replace(" ", "")


def _mrn(number: str) -> Identifier | None:
    number = _number(number)
    if len(number) != 18 or not is_digits(number[:2], 2) or not UPPER.issuperset(number[2:4]):
        return None
    if not _ALNUM.issuperset(number[4:]):
        return None
    if number[2:4] in _CHECKED_COUNTRIES and iso6346_check_digit(number[:17]) != number[17]:
        return None
    return Identifier(f"{_OWN}doc:mrn:{number}", Kind.DOCUMENT, "", number[2:8])


def _ucr(number: str) -> Identifier | None:
    number = _number(number)
    if (
        not is_of(number, _NUMBER, 5, NUMBER_CHARACTERS)
        or number[0] not in DIGITS
        or not UPPER.issuperset(number[1:3])
    ):
        return None
    trader = number[1:].partition("-")[0]
    if not is_of(trader, _ALNUM, 3, NUMBER_CHARACTERS) or number[-1] == "-":
        return None
    return Identifier(f"{_OWN}doc:ucr:{number}", Kind.DOCUMENT, "", trader)


def _bol(text: str) -> Identifier | None:
    carrier, separator, number = _number(text).partition(":")
    if not separator or not is_of(number, _NUMBER, 1, NUMBER_CHARACTERS):
        return None
    if is_digits(carrier, 13) and has_gs1_check_digit(carrier):
        return Identifier(
            f"{_OWN}doc:bol:{carrier}:{number}", Kind.DOCUMENT, carrier[:PREFIX_DIGITS], carrier
        )
    if not is_of(carrier, UPPER, 2, 4):
        return None
    return Identifier(f"{_OWN}doc:bol:{carrier}:{number}", Kind.DOCUMENT, "", carrier)


def _seal(number: str) -> Identifier | None:
    number = _number(number)
    return (
        Identifier(f"{_OWN}seal:{number}", Kind.SEAL)
        if is_of(number, _NUMBER, 1, NUMBER_CHARACTERS)
        else None
    )


_FORMS: Final[Mapping[str, tuple[Callable[[str], Identifier | None], str]]] = {
    "doc:mrn": (_mrn, "a declaration's MRN (18 characters, check digit where its country defines one)"),
    "doc:ucr": (
        _ucr,
        "a consignment reference (year digit, country, trader, reference; at most 35 characters)",
    ),
    "doc:bol": (_bol, "a bill of lading (carrier code of 2 to 4 letters or GLN, colon, number)"),
    "seal": (_seal, "a seal number (letters, digits and -./_() ; at most 35 characters)"),
}


def from_own_urn(text: str) -> tuple[bool, Identifier | None]:
    """(whether the text is a document, seal or CBV business transaction URN, the identifier or None)."""
    folded = lower(text)
    if folded.startswith(_BUSINESS_TRANSACTION):
        return True, _business_transaction(text[len(_BUSINESS_TRANSACTION) :])
    if not folded.startswith(_OWN):
        return False, None
    for name, (parse, _expected) in _FORMS.items():
        if folded.startswith(f"{_OWN}{name}:"):
            body = percent_decoded(text[len(_OWN) + len(name) + 1 :])
            return True, None if body is None else parse(body)
    return True, None


def _business_transaction(body: str) -> Identifier | None:
    gln, separator, number = body.partition(":")
    decoded = percent_decoded(number)
    if not separator or not decoded or not is_digits(gln, 13) or not has_gs1_check_digit(gln):
        return None
    if len(decoded) > _BUSINESS_CHARACTERS // 3 or not decoded.isascii():
        return None
    text = f"{_BUSINESS_TRANSACTION}{gln}:{percent_encoded(decoded)}"
    return Identifier(text, Kind.DOCUMENT, gln[:PREFIX_DIGITS], gln)


def _required(name: str, text: str) -> Identifier:
    parse, expected = _FORMS[name]
    identifier = parse(text)
    if identifier is None:
        raise FormError(Code.BAD_IDENTIFIER, f"expected {expected}, got {text[:64]!a}")
    return identifier


def declaration(mrn: str) -> Identifier:
    """The subject of a customs declaration by its MRN; FormError bad_identifier where it is none."""
    return _required("doc:mrn", mrn)


def reference(ucr: str) -> Identifier:
    """The subject of a WCO unique consignment reference; FormError bad_identifier where it is none."""
    return _required("doc:ucr", ucr)


def bill_of_lading(carrier: str, number: str) -> Identifier:
    """The subject of a bill of lading; FormError bad_identifier where carrier or number are malformed."""
    return _required("doc:bol", f"{carrier}:{number}")


def seal(number: str) -> Identifier:
    """The subject of a seal; FormError bad_identifier where the number has other characters or is too long."""
    return _required("seal", number)


def seal_number(text: str) -> str:
    """A seal's number in its one spelling, from the number or a seal's URN."""
    body = text[len(f"{_OWN}seal:") :] if lower(text).startswith(f"{_OWN}seal:") else text
    return seal(body).text[len(f"{_OWN}seal:") :]


def container(number: str) -> Identifier:
    """The subject of a freight container by its ISO 6346 number as painted (spaces and hyphens allowed).

    FormError: bad_identifier for another form, bad_check_digit where only the last digit is wrong.
    """
    plain = _number(number).replace("-", "")
    identifier = freight_container(plain)
    if identifier is not None:
        return identifier
    if plain[10:] in DIGITS and freight_container(plain[:10] + _expected_digit(plain[:10])) is not None:
        raise FormError(
            Code.BAD_CHECK_DIGIT,
            f"expected check digit {_expected_digit(plain[:10])} after {plain[:10]}, got {plain[10]!a}",
        )
    raise FormError(
        Code.BAD_IDENTIFIER,
        f"expected an ISO 6346 number (four letters, seven digits, as CSQU3054383), got {number[:64]!a}",
    )


def _expected_digit(plain: str) -> str:
    return iso6346_check_digit(plain) if _ALNUM.issuperset(plain) else "?"


# Business transaction types whose number alone, or in the CBV's form, is an identifier of ours.
TYPED_FORMS: Final[Mapping[str, str]] = {"mrn": "doc:mrn", "ucr": "doc:ucr", "bol": "doc:bol", "seal": "seal"}


def typed_number(kind: str, text: str) -> Identifier | None:
    """The document that the bare number `text` names under a transaction type of `TYPED_FORMS`, None if it does not.

    A bill of lading's number begins with its carrier's four letters, or stands in the CBV's form behind a GLN.
    """
    if lower(text).startswith(_BUSINESS_TRANSACTION):
        body = percent_decoded(text[len(_BUSINESS_TRANSACTION) :])
        return _bol(body) if kind == "bol" and body is not None else None
    if ":" in text:
        return None
    number = _number(text)
    if kind == "bol":
        number = f"{number[:4]}:{number[4:]}"
    return _FORMS[TYPED_FORMS[kind]][0](number)
