"""Every spelling of one thing has one canonical form, and nothing else has it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.base.check_digits import gs1_check_digit
from ledger.base.errors import Code, FormError
from ledger.base.limits import IDENTIFIER_BYTES
from ledger.trade.identifiers import (
    Kind,
    canonical,
    check_canonical,
    container,
    document,
    gln_of,
    lot_beside,
    lot_of,
    seal,
    seal_number,
    spelling,
)
from ledger.trade.identifiers.alphabet import (
    has_gmn_check_pair,
    has_imo_check_digit,
    iso6346_check_digit,
    percent_decoded,
    percent_encoded,
)

SET_82 = "!\"%&'()*+,-./0123456789:;<=>?ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"
digits = st.text("0123456789", min_size=1)
serials = st.text(SET_82, min_size=1, max_size=20)


def digits_of(length: int) -> st.SearchStrategy[str]:
    return st.text("0123456789", min_size=length, max_size=length)


@st.composite
def split_keys(draw: st.DrawFn, total: int) -> tuple[str, str]:
    """A company prefix and the reference that fills it up to `total` digits."""
    prefix = draw(st.integers(6, min(12, total - 1)).flatmap(digits_of))
    return prefix, draw(digits_of(total - len(prefix)))


def any_spelling(text: str, data: st.DataObject) -> str:
    """`text` with each character percent-encoded or, where a path segment allows it, not."""
    return "".join(f"%{ord(one):02x}" if one in "%/?#" or data.draw(st.booleans()) else one for one in text)


# --- one thing, one form


@given(data=st.data(), key=split_keys(13), serial=serials)
def test_urn_and_links_of_one_serial_agree(data: st.DataObject, key: tuple[str, str], serial: str) -> None:
    prefix, reference = key
    body = reference[0] + prefix + reference[1:]
    gtin = body + gs1_check_digit(body)
    urn = canonical(f"urn:epc:id:sgtin:{prefix}.{reference}.{quote(serial, safe='')}")
    assert urn.text == f"https://id.gs1.org/01/{gtin}/21/{quote(serial, safe='')}"
    assert urn.kind is Kind.ITEM
    assert (urn.digits + "x" * 12).startswith(prefix)
    host = data.draw(
        st.sampled_from(["https://id.gs1.org", "HTTP://b.example:80", "https://u@c.example/a/b/21/c"])
    )
    names = data.draw(st.sampled_from([("01", "21"), ("gtin", "ser"), ("GTIN", "21")]))
    lot = data.draw(st.sampled_from(["", "/10/L%2F1", "/lot/21", "/22/2A"]))
    query = data.draw(st.sampled_from(["", "?17=271231", "?10=L1&linkType=all", "#part"]))
    spelled = any_spelling(serial, data)
    assert canonical(f"{host}/{names[0]}/{gtin}{lot}/{names[1]}/{spelled}{query}") == urn


@given(key=split_keys(17))
def test_logistic_units_agree(key: tuple[str, str]) -> None:
    prefix, reference = key
    unit = canonical(f"urn:epc:id:sscc:{prefix}.{reference}")
    sscc = unit.text.removeprefix("https://id.gs1.org/00/")
    assert len(sscc) == 18
    assert sscc[0] == reference[0]
    assert sscc[1 : 1 + len(prefix)] == prefix == unit.digits[: len(prefix)]
    assert canonical(f"https://example.org/sscc/{sscc}") == unit


@pytest.mark.parametrize(
    ("scheme", "code", "most"), [("grai", "8003", 16), ("gdti", "253", 17), ("sgcn", "255", 12)]
)
@given(data=st.data())
def test_serialised_keys_agree(scheme: str, code: str, most: int, data: st.DataObject) -> None:
    prefix, reference = data.draw(split_keys(12))
    serial = data.draw(st.text("0123456789" if scheme == "sgcn" else SET_82, min_size=1, max_size=most))
    urn = canonical(f"urn:epc:id:{scheme}:{prefix}.{reference}.{quote(serial, safe='')}")
    head = ("0" if scheme == "grai" else "") + prefix + reference + gs1_check_digit(prefix + reference)
    assert urn.text == f"https://id.gs1.org/{code}/{head}{quote(serial, safe='')}"
    assert (
        canonical(f"urn:epc:idpat:{scheme}:{prefix}.{reference}.*").text
        == f"https://id.gs1.org/{code}/{head}"
    )


@given(prefix=digits_of(7), reference=st.text(SET_82, min_size=1, max_size=23))
def test_individual_assets_agree(prefix: str, reference: str) -> None:
    urn = canonical(f"urn:epc:id:giai:{prefix}.{quote(reference, safe='')}")
    assert urn == canonical(f"https://id.gs1.org/giai/{prefix}{quote(reference, safe='')}")
    assert urn.kind is Kind.ASSET
    assert urn.digits.startswith(prefix)


@given(st.one_of(st.text(), serials.map(lambda text: f"urn:epc:id:sgtin:0614141.107346.{text}"), st.from_regex(
    r"(?i)https?://[a-z.]{0,12}(/(01|21|10|8004|414|254|[0-9]{13,14}|[A-Z%/]{1,6})){1,6}/?(\?[a-z0-9=&]*)?", fullmatch=True
)))  # fmt: skip
def test_total_idempotent_and_plain(text: str) -> None:
    try:
        identifier = canonical(text)
    except FormError as error:
        assert not text or error.code is Code.BAD_IDENTIFIER  # noqa: PT017
        return
    assert canonical(identifier.text) == identifier
    assert check_canonical(identifier.text) == identifier
    assert len(identifier.text) <= IDENTIFIER_BYTES
    assert all("!" <= one <= "~" for one in identifier.text)


@given(
    st.from_regex(r"https://id\.gs1\.org/01/[0-9]{13,15}/(21|10|235)/[A-Za-z0-9%./\-]{0,22}", fullmatch=True),
    st.booleans(),
)
def test_a_plain_serial_is_what_its_link_says(text: str, mended: bool) -> None:
    text = text[:35] + gs1_check_digit(text[22:35]) + text[36:] if mended else text
    assert canonical(text) == spelling._read(text)
    if canonical(text).text == text:
        assert canonical(text).kind is not Kind.ITEM or lot_beside(text) is None


@given(first=serials, second=serials)
def test_two_serials_are_two_things(first: str, second: str) -> None:
    one, two = (
        canonical(f"urn:epc:id:sgtin:0614141.107346.{quote(text, safe='')}") for text in (first, second)
    )
    assert (one == two) == (first == second)


# --- check digits


@given(body=digits_of(13), wrong=st.integers(1, 9), serial=serials)
def test_a_wrong_check_digit_is_opaque(body: str, wrong: int, serial: str) -> None:
    right = gs1_check_digit(body)
    altered = str((int(right) + wrong) % 10)
    uri = f"https://any.example/01/{body}{altered}/21/{quote(serial, safe='')}"
    identifier = canonical(uri)
    assert identifier.kind is Kind.OPAQUE
    assert identifier.text.startswith("urn:custody:opaque:")


@pytest.mark.parametrize(
    "link",
    [
        "https://id.gs1.org/00/106141412345678909",
        "https://id.gs1.org/402/40123452223334443",
        "https://id.gs1.org/414/0614141073468",
        "https://id.gs1.org/417/9999999999995",
        "https://id.gs1.org/415/0614141073468/8020/A",
        "https://id.gs1.org/8003/04012345555555987",
        "https://id.gs1.org/8003/14012345555554987",
        "https://id.gs1.org/253/06141410000131618034",
        "https://id.gs1.org/255/401234599998044",
        "https://id.gs1.org/8017/401234500000987659",
        "https://id.gs1.org/8018/401234598765400001",
        "https://id.gs1.org/8006/040123451111190102/21/987",
        "https://id.gs1.org/8006/040123451111180201/21/987",
        "https://id.gs1.org/8006/040123451111180002",
    ],
)
def test_wrong_check_digits_of_the_other_keys(link: str) -> None:
    assert canonical(link).kind is Kind.OPAQUE
    # The same shape at another host is a claim too.
    assert canonical(link.replace("id.gs1.org", "example.com")).kind is Kind.OPAQUE


def test_published_check_digits() -> None:
    assert gs1_check_digit("629104150021") == "3"  # GS1's own worked example of a GTIN-13
    assert gs1_check_digit("37610425002123456") == "9"  # and of an SSCC
    assert iso6346_check_digit("CSQU305438") == "3"  # ISO 6346, annex A
    assert iso6346_check_digit("06DE586600006143E") == "1"  # a published German MRN
    assert iso6346_check_digit("10NL5663962BE1E82") == "5"  # a published Dutch MRN
    assert has_imo_check_digit("9074729")
    assert not has_imo_check_digit("9074728")
    assert has_gmn_check_pair("1987654Ad4X4bL5ttr2310c2K")  # GS1 General Specifications, GMN
    assert not has_gmn_check_pair("1987654Ad4X4bL5ttr2310c2L")
    assert not has_gmn_check_pair("2K")


@given(st.text(st.characters(max_codepoint=126, min_codepoint=33), max_size=40))
def test_percent_spelling_round_trips(text: str) -> None:
    encoded = percent_encoded(text)
    assert percent_decoded(encoded) == text == unquote(encoded)
    assert encoded == quote(text, safe="")


@pytest.mark.parametrize("broken", ["%", "%4", "a%zz", "%G0", "%80", "%FFa", "%4é"])
def test_broken_escapes(broken: str) -> None:
    assert percent_decoded(broken) is None


# --- lengths that a URN states


@given(prefix=st.text("0123456789", min_size=1, max_size=14), reference=st.text("0123456789", max_size=14))
def test_a_urn_needs_both_lengths_right(prefix: str, reference: str) -> None:
    identifier = canonical(f"urn:epc:id:sgtin:{prefix}.{reference}.1")
    fits = 6 <= len(prefix) <= 12 and len(prefix) + len(reference) == 13
    assert (identifier.kind is Kind.ITEM) == fits
    assert fits or identifier.kind is Kind.OPAQUE


# --- what stands beside the key


def test_qualifiers_in_the_query_leave_a_key_open() -> None:
    gtin = "https://id.gs1.org/01/10614141073464"
    assert canonical(f"{gtin}?10=L1").kind is Kind.OPAQUE
    assert canonical(f"{gtin}?ser=1").kind is Kind.OPAQUE
    assert canonical(f"{gtin}/10/L1?21=1").kind is Kind.OPAQUE
    assert canonical(f"{gtin}/21/1?10=L1").kind is Kind.ITEM
    assert canonical(f"{gtin}/235/1?10=L1").kind is Kind.ITEM
    assert canonical(f"{gtin}/21/1?235=1").kind is Kind.OPAQUE
    assert canonical(f"{gtin}/21/1/235/1").kind is Kind.OPAQUE
    assert canonical(f"{gtin}/21/{'1' * 21}").kind is Kind.OPAQUE
    assert canonical("https://id.gs1.org/01/1061414107/21/1").kind is Kind.OPAQUE
    assert canonical("https://id.gs1.org/255/401234599999044A").kind is Kind.OPAQUE
    assert canonical("https://id.gs1.org/414/0614141073467?254=1").kind is Kind.OPAQUE


def test_the_lot_beside_a_serial() -> None:
    item = "https://id.gs1.org/01/10614141073464/10/L%2F1/21/2017"
    lot = lot_beside(item)
    assert lot is not None
    assert lot.text == "https://id.gs1.org/01/10614141073464/10/L%2F1"
    assert lot.kind is Kind.LOT
    assert lot_of(canonical(item), "L/1") == lot
    assert lot_beside("https://id.gs1.org/01/10614141073464/10/L1") is None
    assert lot_beside("https://id.gs1.org/01/10614141073464/21/2017") is None
    assert lot_beside("https://id.gs1.org/01/10614141073465/10/L1/21/2017") is None
    assert lot_beside("urn:epc:id:sgtin:0614141.107346.2017") is None
    assert lot_of(canonical("urn:epc:id:sscc:0614141.1234567890"), "L1") is None
    assert lot_of(canonical(item), "two words") is None


def test_the_gln_of_places_and_parties() -> None:
    assert gln_of(canonical("urn:epc:id:sgln:0614141.07346.1234").text) == "0614141073467"
    assert gln_of(canonical("urn:epc:id:pgln:0614141.07346").text) == "0614141073467"
    assert gln_of("https://id.gs1.org/00/106141412345678908") is None
    assert gln_of("geo:1,2") is None


# --- numbers that people read off a box


def test_container_numbers_as_painted() -> None:
    assert container("CSQU 305438-3").text == "urn:epc:id:bic:CSQU3054383"
    assert container("csqu3054383") == canonical("urn:epc:id:bic:CSQU3054383")
    assert container("csqu3054383").kind is Kind.CONTAINER
    with pytest.raises(FormError, match="expected check digit 3 after CSQU305438, got '4'") as refused:
        container("CSQU3054384")
    assert refused.value.code is Code.BAD_CHECK_DIGIT
    for text in (
        "",
        "CSQU305438",
        "CSQA3054383",
        "CSQU30543833",
        "C5QU3054383",
        "CSQU3O54383",
        "CSQU305438\u0663",
    ):
        with pytest.raises(FormError) as refused:
            container(text)
        assert refused.value.code is Code.BAD_IDENTIFIER


def test_seal_numbers() -> None:
    assert seal_number("hlg 7788991") == "HLG7788991" == seal_number("urn:custody:seal:HLG7788991")
    assert seal("HLG7788991") == canonical("urn:custody:seal:hlg7788991")
    for text in ("", "HLG#1", "A" * 36, "sigill\u00e9"):
        with pytest.raises(FormError):
            seal_number(text)


def test_documents_by_their_type() -> None:
    assert document("mrn", "06DE586600006143E1").text == "urn:custody:doc:mrn:06DE586600006143E1"
    assert document("mrn", "06DE586600006143E2").kind is Kind.OPAQUE
    assert document("mrn", "urn:custody:doc:mrn:06DE586600006143E1") == document("mrn", "06DE586600006143E1")
    assert document("ucr", "6GB123456789000-INV77").issuer == "GB123456789000"
    assert document("seal", "HLG 7788991").kind is Kind.SEAL
    assert document("bol", "MAEU123456789").text == "urn:custody:doc:bol:MAEU:123456789"
    assert (
        document("bol", "urn:epcglobal:cbv:bt:0860009999992:211-101").text
        == "urn:custody:doc:bol:0860009999992:211-101"
    )
    assert document("bol", "urn:epcglobal:cbv:bt:0860009999991:211-101").kind is Kind.OPAQUE
    assert document("bol", "urn:epc:id:gdti:0614141.00001.1618034").text.startswith("https://id.gs1.org/253/")
    assert document("bol", "https://example.com/bol/7").text == "https://example.com/bol/7"
    assert document("po", "urn:epcglobal:cbv:bt:0860009999992:850-1").kind is Kind.DOCUMENT
    assert document("", "https://example.com/po/7").kind is Kind.OTHER


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("urn:custody:doc:ucr:6GB123456789000-", "no reference after the trader"),
        ("urn:custody:doc:ucr:GB123456789000-1", "no year digit"),
        ("urn:custody:doc:ucr:6GB-1", "no trader"),
        ("urn:custody:doc:bol:MAERSKLINE:1", "no carrier code"),
        ("urn:custody:doc:bol:MAEU:", "no number"),
        ("urn:custody:doc:bol:MAEU", "no number"),
        ("urn:custody:doc:mrn:6DE586600006143E11", "no year"),
        ("urn:custody:doc:mrn:06DE58660000614-E1", "another character"),
        ("urn:custody:doc:mrn:%FF", "a broken escape"),
        ("urn:epcglobal:cbv:bt:0860009999992:", "no number"),
        ("urn:epcglobal:cbv:bt:0860009999992:%zz", "a broken escape"),
        ("urn:epcglobal:cbv:bt:0860009999992:caf\u00e9", "beyond ASCII"),
        ("urn:custody:opaque:ABC", "no hash"),
        ("urn:epc:id", "no scheme"),
        ("urn:epc:id:unheard:1", "no such scheme"),
        ("urn:epc:class:sgtin:0614141.107346", "no such class"),
        ("urn:epc:idpat:unheard:*", "no such scheme"),
        ("urn:epc:idpat:sgtin:0614141.10734.*", "lengths"),
        ("urn:epc:idpat:itip:0614141.107346.1.02.*", "pieces"),
        ("urn:epc:idpat:grai:0614141.1.*", "lengths"),
        ("urn:epc:idpat:cpi:0614141..*", "no component"),
        ("urn:epc:idpat:sgtin:" + "1" * 200, "too long"),
        ("urn:epc:idpat:sgtin:a b", "a space"),
        ("urn:epc:id:gid:095100000.12345.400", "leading zero"),
        ("urn:epc:id:usdod:2S1O4.1", "letter O in a CAGE code"),
        ("urn:epc:id:adi:W81X9C.3kl.1", "lower case"),
        ("urn:epc:id:adi:W81X9C.3KL.", "no serial"),
        ("urn:epc:id:adi:W81X.3KL.1", "short CAGE code"),
        ("urn:epc:id:cpi:0614141.A.01", "leading zero"),
        ("urn:epc:id:cpi:061414.a.1", "lower case"),
        ("urn:epc:id:cpi:0614141..1", "no component"),
        ("urn:epc:id:giai:06141.1", "short prefix"),
        ("urn:epc:id:giai:0614141.", "no reference"),
        ("urn:epc:id:itip:4012345.011111.1.02.987", "one-digit piece"),
        ("urn:epc:id:grai:4012345.55555.", "no serial"),
        ("urn:epc:id:imovn:917618", "six digits"),
        ("https://id.gs1.org/401/ABC12345", "no company prefix"),
        ("https://id.gs1.org/8018/401234598765400000/8019/A", "no instance number"),
        ("https://id.gs1.org/8004/4012345a%20b", "a space"),
        ("https://id.gs1.org/8010/4012345abc", "lower case"),
        ("https://id.gs1.org/8013/1987a2K", "check pair"),
        ("https://id.gs1.org/8013/1987abc%7F2K", "character"),
        ("https://id.gs1.org/417/9999999999994/7040/12345", "long index"),
        ("https://id.gs1.org/414/0614141073467/254/%20", "a space"),
        ("https://id.gs1.org/8006/040123451111180102/21/a%20b", "a space"),
        ("https://u:p@ID.GS1.org.:443/", "GS1's host without a key"),
    ],
)  # fmt: skip
def test_claims_that_do_not_hold_are_opaque(text: str, reason: str) -> None:
    assert canonical(text).kind is Kind.OPAQUE, reason


@pytest.mark.parametrize(
    "text",
    ["urn:isbn:0451450523", "ftp://example.com/01/10614141073464", "https:", "https://", "x:y", "urn:epcglobal:cbv:x",
     "https://example.com/orders/00/1234", "https://example.com/8004/abc", "https://Example.com?A=B"],
)  # fmt: skip
def test_other_addresses_stand_for_themselves(text: str) -> None:
    assert canonical(text).kind is Kind.OTHER


def test_what_is_no_text_of_a_document_is_refused() -> None:
    for text in ("", "\ud800"):
        with pytest.raises(FormError) as refused:
            canonical(text)
        assert refused.value.code is Code.BAD_IDENTIFIER
    with pytest.raises(FormError, match="expected the canonical identifier") as refused:
        check_canonical("urn:epc:id:sgtin:0614141.107346.2017")
    assert refused.value.code is Code.NOT_CANONICAL


# --- vectors made elsewhere


def events_of(document: Any) -> list[dict[str, Any]]:
    if isinstance(document, list):
        return document
    body = document.get("epcisBody")
    if body is None:
        return [document]
    found: list[dict[str, Any]] = (
        body["eventList"] if "eventList" in body else body["queryResults"]["resultsBody"]["eventList"]
    )
    return found


def test_agrees_with_the_pre_hashes_of_the_event_hash_generator(shared_data: Path) -> None:
    folder = shared_data / "epcis"
    compared = 0
    for vector in json.loads((folder / "event_hash_vectors.json").read_text()):
        path = folder / vector["file"]
        if path.suffix not in (".json", ".jsonld") or "Invalid" in vector["file"]:
            continue
        event = events_of(json.loads(path.read_text()))[vector["index"]]
        prehash = unquote(vector["prehash"])
        for field in ("epcList", "childEPCs", "inputEPCList", "outputEPCList"):
            for text in event.get(field, []):
                identifier = canonical(text)
                if identifier.kind is not Kind.OPAQUE:
                    assert f"epc={unquote(identifier.text)}" in prehash, (vector["file"], text)
                    compared += 1
        for field in ("quantityList", "childQuantityList", "inputQuantityList", "outputQuantityList"):
            for element in event.get(field, []):
                assert f"epcClass={unquote(canonical(element['epcClass']).text)}" in prehash, vector["file"]
                compared += 1
    assert compared > 150


@given(st.integers(0, 10**12), st.text("0129AZaz-._%/", min_size=0, max_size=22))
def test_the_short_way_to_a_plain_serial_agrees_with_reading_the_link(number: int, serial: str) -> None:
    body = str(number).zfill(13)[:13]
    total = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(body))
    text = f"https://id.gs1.org/01/{body}{-total % 10}/21/{serial}"
    read = canonical(text)
    if read.text == text:
        assert check_canonical(text) == read
    else:
        with pytest.raises(FormError):
            check_canonical(text)
