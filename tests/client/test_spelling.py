"""What people type and scanners send comes to the one canonical identifier, or to one clear sentence."""

from __future__ import annotations

import pytest
from hypothesis import given

from client.spelling import Thing, bill, logistic_unit, party, place, subject, thing
from ledger.base.errors import FormError
from ledger.trade.statement import Quantity
from tests.client.strategies import LOTS, SERIALS

ITEM = "https://id.gs1.org/01/09521234000013/21/42"
SSCC = "https://id.gs1.org/00/195212340000000010"
BOX = "urn:epc:id:bic:CSQU3054383"


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("(01)09521234000013(21)42", ITEM),
        ("(01)09521234000013(10)L7(21)42", ITEM),
        ("urn:epc:id:sgtin:9521234.000001.42", ITEM),
        ("https://example.org/gtin/9521234000013/ser/42", ITEM),
        (" https://id.gs1.org/01/09521234000013/21/42 ", ITEM),
        ("(00)195212340000000010", SSCC),
        ("195212340000000010", SSCC),
        ("sscc:195212340000000010", SSCC),
        ("09521234000013", "https://id.gs1.org/01/09521234000013"),
        ("gtin:9521234000013", "https://id.gs1.org/01/09521234000013"),
        ("CSQU3054383", BOX),
        ("csqu 305438-3", BOX),
        ("container:CSQU3054383", BOX),
        ("Container:csqu 305438 3", BOX),
        ("ucr:4NL123456789-A7", "urn:custody:doc:ucr:4NL123456789-A7"),
        ("bol:MAEU:4711", "urn:custody:doc:bol:MAEU:4711"),
        ("seal:77-b", "urn:custody:seal:77-B"),
        ("epc:(01)09521234000013(21)42", ITEM),
        ("(01)09521234000013(21)a/b%", "https://id.gs1.org/01/09521234000013/21/a%2Fb%25"),
        ("urn:uuid:2B4C1F3E-0000-4000-8000-000000000001", "urn:uuid:2b4c1f3e-0000-4000-8000-000000000001"),
    ],
)
def test_every_spelling_comes_to_one_text(text: str, canonical: str) -> None:
    assert subject(text).text == canonical


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("(01)09521234000014(21)42", "check digits"),
        ("195212340000000011", "SSCC of 18 digits with its check digit"),
        ("CSQU3054384", "expected check digit 3"),
        ("container:CSQ", "ISO 6346"),
        ("4006381333931", "18 digits .* or 14"),
        ("pallet one", "expected a URI"),
        ("(01)09521234000013(21)", "element string"),
        ("urn:epc:id:sgtin:broken", "form and check digit"),
        ("bol:4711", "CARRIER:NUMBER"),
        ("24XX", "expected a URI"),
        ("", "expected a URI"),
    ],
)
def test_what_is_no_identifier_is_refused_in_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(FormError, match=sentence):
        subject(text)


@given(one=SERIALS)
def test_a_canonical_identifier_is_its_own_spelling(one: Thing) -> None:
    assert thing(one.identifier.text) == one


@given(one=LOTS)
def test_quantities_are_read_as_they_are_written(one: Thing) -> None:
    quantity = one.quantity
    assert quantity is not None
    digits = str(quantity.amount).rjust(quantity.scale + 1, "0")
    amount = f"{digits[: -quantity.scale]}.{digits[-quantity.scale :]}" if quantity.scale else digits
    assert thing(f"{one.identifier.text}={amount}{quantity.unit}") == one


def test_quantities_end_in_no_zero() -> None:
    assert thing("(01)09521234000013(10)L7=12.50KGM").quantity == Quantity(125, 1, "KGM")
    assert thing("(01)09521234000013(10)L7=3").quantity == Quantity(3, 0, "")
    assert thing("(01)09521234000013(10)A=B").identifier.text.endswith("/10/A%3DB")
    with pytest.raises(FormError, match="behind the item"):
        thing("(01)09521234000013(21)42=5")


def test_parties_and_places_are_read_from_bare_digits() -> None:
    assert party("9521200000016").text == "https://id.gs1.org/417/9521200000016"
    assert place("9521200000016").text == "https://id.gs1.org/414/9521200000016"
    assert place("9521200000016:dock/3").text == "https://id.gs1.org/414/9521200000016/254/dock%2F3"
    assert place("geo:52.1,4.3").text == "geo:52.1,4.3"
    for read in (party, place):
        with pytest.raises(FormError, match="GLN of 13 digits"):
            read("9521200000017")
    with pytest.raises(FormError, match="expected a URI"):
        party("forwarder")


def test_documents_and_units_have_readers_of_their_own() -> None:
    assert logistic_unit("195212340000000010").text == SSCC
    assert logistic_unit("CSQU3054383").text == BOX
    assert bill("MAEU:4711").text == "urn:custody:doc:bol:MAEU:4711"
