"""Scans and tags: every form of the same thing is one subject, and what is no sure subject is refused."""

from __future__ import annotations

import shlex
import sys
import warnings
from contextlib import suppress
from types import SimpleNamespace
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from client.scan.bits import Bits
from client.scan.epc import tag
from client.scan.reading import read, read_tag
from client.scan.suggest import Known, suggestions, typed
from ledger.base.check_digits import gs1_check_digit
from ledger.base.errors import Code, FormError, UnavailableError
from ledger.trade.identifiers import Kind, canonical
from ledger.trade.record import EMPTY, Chain, Hold, Offer, Status
from node.gateway.rendering import record_json

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # its regular expressions are spelled as Python 3.12 dislikes
    from epcpy import epc_schemes
    from stdnum import iso6346

ROOT = "https://id.gs1.org"
ITEM = "/01/09521234000013/21/42"
GS = "\x1d"

# The examples of every scheme in annex E.3 of the EPC Tag Data Standard 2.3. Those of SSCC++ and ITIP++ are printed there
# with the headers of SSCC+ and ITIP+; here they have their own.
E3 = [
    ("SGTIN-96", "3066C4409047E140075BCD15", "/01/09506000134352/21/123456789"),
    ("SGTIN-198", "3666C4409047E159B2C2BF100000000000000000000000000000", "/01/09506000134352/21/32a%2Fb"),
    ("SGTIN+", "F73795211411234538566CB0AFC4", "/01/79521141123453/21/32a%2Fb"),
    ("DSGTIN+", "FB342CDE795211411234538566CB0AFC4", "/01/79521141123453/21/32a%2Fb"),
    ("SGTIN++", "FD3795211411234538566CB0AFC525065F1876F0D996D800", "/01/79521141123453/21/32a%2Fb"),
    ("DSGTIN++", "FC342CDE795211411234538566CB0AFC525065F1876F0D996D80", "/01/79521141123453/21/32a%2Fb"),
    ("SSCC-96", "311BA1B300CE0A6A83000000", "/00/095201234567891235"),
    ("SSCC+", "F90095201234567891235", "/00/095201234567891235"),
    ("SSCC++", "EF009520123456789123592832F8C3B786CCB6C0", "/00/095201234567891235"),
    ("SGLN-96", "3276451FD46072000000162E", "/414/9521141123454/254/5678"),
    ("SGLN-195", "3976451FD46072CD9615F8800000000000000000000000000000", "/414/9521141123454/254/32a%2Fb"),
    ("SGLN+", "F2395211411234548566CB0AFC4", "/414/9521141123454/254/32a%2Fb"),
    ("SGLN++", "E9395211411234548566CB0AFC525065F1876F0D996D8000", "/414/9521141123454/254/32a%2Fb"),
    ("GRAI-96", "3376451FD40C0E400000162E", "/8003/095211411234545678"),
    ("GRAI-170", "3776451FD40C0E59B2C2BF1000000000000000000000", "/8003/0952114112345432a%2Fb"),
    ("GRAI+", "F13095211411234548566CB0AFC4", "/8003/0952114112345432a%2Fb"),
    ("GRAI++", "EB3095211411234548566CB0AFC525065F1876F0D996D800", "/8003/0952114112345432a%2Fb"),
    ("GIAI-96", "3476451FD40000000000162E", "/8004/95211415678"),
    ("GIAI-202", "3876451FD59B2C2BF10000000000000000000000000000000000", "/8004/952114132a%2Fb"),
    ("GIAI+", "FA3952114132E83C2BF10", "/8004/952114132a%2Fb"),
    ("GIAI++", "EE3952114132E83C2BF1494197C61DBC3665B600", "/8004/952114132a%2Fb"),
    ("GSRN-96", "2D76451FD4499602D2000000", "/8018/952114112345678906"),
    ("GSRN+", "F43952114112345678906", "/8018/952114112345678906"),
    ("GSRN++", "E7395211411234567890692832F8C3B786CCB6C0", "/8018/952114112345678906"),
    ("GSRNP-96", "2E76451FD4499602D2000000", "/8017/952114112345678906"),
    ("GSRNP+", "F53952114112345678906", "/8017/952114112345678906"),
    ("GSRNP++", "E8395211411234567890692832F8C3B786CCB6C0", "/8017/952114112345678906"),
    ("GDTI-96", "2C76451FD46072000000162E", "/253/95211411234545678"),
    ("GDTI-174", "3E76451FD7039B061438997367D0C18B266D1AB66EE0", "/253/9521141987650ABCDefgh012345678"),
    ("GDTI+", "F6395211411234540458B8", "/253/95211411234545678"),
    ("GDTI++", "EA395211411234540458BA4A0CBE30EDE1B32DB0", "/253/95211411234545678"),
    ("CPI-96", "3C76451FD400C0E680003039", "/8010/952114198765/8011/12345"),
    ("CPI-var", "3D76451FD75411DEF6B4CC00000003039000", "/8010/95211415PQ7%2FZ43/8011/12345"),
    ("CPI+", "F0395211415E87A145BAFB4D19A8C0E4", "/8010/95211415PQ7%2FZ43/8011/12345"),
    ("CPI++", "E6395211415E87A145BAFB4D19A8C0E64A0CBE30EDE1B32DB000", "/8010/95211415PQ7%2FZ43/8011/12345"),
    ("SGCN-96", "3F76451FD612640000019907", "/255/952114167890904711"),
    ("SGCN+", "F839521141678909509338", "/255/952114167890904711"),
    ("SGCN++", "EC3952114167890950933C94197C61DBC3665B60", "/255/952114167890904711"),
    ("ITIP-110", "4076451FD40C0E40820000000F54", "/8006/095211411234540102/21/981"),
    (
        "ITIP-212",
        "4176451FD40C0E4082DBDD8B36600000000000000000000000000000",
        "/8006/095211411234540102/21/mw133",
    ),
    ("ITIP+", "F3309521141123454010266AE27FDF35", "/8006/095211411234540102/21/rif981"),
    ("ITIP++", "ED309521141123454010266AE27FDF3592832F8C3B786CCB6C00", "/8006/095211411234540102/21/rif981"),
    ("GID-96", "3500E86F8000A9E000000586", "urn:epc:id:gid:952056.2718.1414"),
    ("USDOD-96", "2F320434147455900000162E", "urn:epc:id:usdod:CAGEY.5678"),
    ("ADI-var", "3B0E0CF5E76C9047759AD00373DC7602E7200", "urn:epc:id:adi:35962.PQ7VZ4.M37GXB92"),
]


# ---- tags ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("scheme", "digits", "expected"), E3, ids=[row[0] for row in E3])
def test_every_example_of_the_tag_data_standard_is_read(scheme: str, digits: str, expected: str) -> None:
    reading = read_tag(digits)
    assert reading.form == f"{scheme} tag"
    assert reading.identifier.text.removeprefix(ROOT) == expected
    # Readers deliver whole words of 16 bits, in either case, with or without blanks.
    padded = digits + "0" * (-len(digits) % 4)
    blanks = " ".join(padded[place : place + 4] for place in range(0, len(padded), 4))
    assert read_tag(f"0x{blanks.lower()}") == reading
    if len(digits) >= 24:
        assert read(padded).identifier == reading.identifier


@pytest.mark.parametrize(("scheme", "digits", "expected"), E3, ids=[row[0] for row in E3])
def test_a_tag_cut_short_is_refused(scheme: str, digits: str, expected: str) -> None:
    bits = Bits.from_hex(digits)
    used = bits.left
    tag(bits)
    length_in_name = scheme.rpartition("-")[2]
    needed = int(length_in_name) if length_in_name.isdigit() else used - bits.left if "+" in scheme else 64
    whole = int(digits, 16)
    for length in (0, 8, 63, needed - 1):
        with pytest.raises(FormError) as refused:
            tag(Bits(whole >> (used - length), length))
        assert refused.value.code is Code.BAD_IDENTIFIER


CLASSIC = [row for row in E3 if "+" not in row[0]]


@pytest.mark.parametrize(("scheme", "digits", "expected"), CLASSIC, ids=[row[0] for row in CLASSIC])
def test_bits_behind_a_tag_of_fixed_length_are_refused(scheme: str, digits: str, expected: str) -> None:
    with pytest.raises(FormError, match=f"zeros in what follows an {scheme}"):
        read_tag(digits + "0001")


@given(st.binary(min_size=0, max_size=64))
def test_any_bits_are_read_or_refused(data: bytes) -> None:
    for first in (
        data[:1],
        *(bytes([header]) for header in (0x30, 0x36, 0x3B, 0x3D, 0x3F, 0x41, 0xF0, 0xF7, 0xFB)),
    ):
        body = first + data[1:]
        with suppress(FormError):
            canonical(tag(Bits(int.from_bytes(body, "big"), 8 * len(body))).uri)


CHARACTERS = "!\"%&'()*+,-./0123456789:;<=>?ABCXYZ_abcxyz"
FILTER = SimpleNamespace(value="3")


@st.composite
def fields(draw: st.DrawFn, total: int) -> tuple[str, str]:
    """Company prefix and reference of `total` digits together."""
    digits = draw(st.text("0123456789", min_size=total, max_size=total))
    cut = draw(st.integers(6, 12))
    return digits[:cut], digits[cut:]


def serials(most: int) -> st.SearchStrategy[str]:
    # The other library breaks off at a colon, and counts an escape as three characters or cannot read it.
    return st.text([one for one in CHARACTERS if one not in '":%&/<>?'], min_size=1, max_size=most)


def numbers(bits: int) -> st.SearchStrategy[str]:
    return st.integers(0, 2**bits - 1).map(str)


# By scheme: digits of prefix and reference together, and what may follow as the serial.
ENCODED = {
    "SGTIN_96": (13, numbers(38)), "SGTIN_198": (13, serials(20)), "SSCC_96": (17, None), "SGLN_96": (12, numbers(41)),
    "SGLN_195": (12, serials(20)), "GRAI_96": (12, numbers(38)), "GRAI_170": (12, serials(16)), "GSRN_96": (17, None),
    "GSRNP_96": (17, None), "GDTI_96": (12, numbers(41)), "GDTI_174": (12, serials(17)),
    "SGCN_96": (12, st.text("0123456789", min_size=1, max_size=12)),
}  # fmt: skip


@given(st.data(), st.sampled_from(sorted(ENCODED)))
def test_what_another_encoder_writes_is_read_as_it_was(data: st.DataObject, scheme: str) -> None:
    total, serial = ENCODED[scheme]
    parts = list(data.draw(fields(total)))
    if serial is not None:
        parts.append(data.draw(serial))
    kind = getattr(epc_schemes, scheme.partition("_")[0])
    uri = f"urn:epc:id:{kind.__name__.lower()}:{'.'.join(parts)}"
    written = kind(uri).binary(binary_coding_scheme=kind.BinaryCodingScheme[scheme], filter_value=FILTER)
    found = tag(Bits(int(written, 2), len(written)))
    assert canonical(found.uri) == canonical(uri)
    assert found.scheme == scheme.replace("_", "-")
    assert canonical(uri).kind is not Kind.OPAQUE


@given(st.integers(6, 12), st.data(), st.booleans())
def test_assets_of_either_length(cut: int, data: st.DataObject, is_named: bool) -> None:
    prefix = data.draw(st.text("0123456789", min_size=cut, max_size=cut))
    if is_named:
        reference = data.draw(serials(30 - cut))
        name = "GIAI_202"
    else:
        reference = data.draw(numbers((42, 45, 48, 52, 55, 58, 62)[12 - cut] - 2))
        name = "GIAI_96"
    uri = f"urn:epc:id:giai:{prefix}.{reference}"
    giai: Any = epc_schemes.__dict__["GIAI"]
    scheme = giai.BinaryCodingScheme[name]
    written = giai(uri).binary(binary_coding_scheme=scheme, filter_value=FILTER)
    assert canonical(tag(Bits(int(written, 2), len(written))).uri) == canonical(uri)


def _alphanumeric(text: str, encoding: int) -> str:
    """A serial as TDS 2.0 encodes it, in one of its alphabets."""
    head = f"{encoding:03b}{len(text):05b}"
    if encoding == 0:
        return head + f"{int(text):0{(10 ** len(text) - 1).bit_length()}b}"
    if encoding in (1, 2):
        return head + "".join(f"{int(one, 16):04b}" for one in text)
    if encoding == 3:
        table = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        return head + "".join(f"{table.index(one):06b}" for one in text)
    if encoding == 4:
        return head + "".join(f"{ord(one):07b}" for one in text)
    table = " ABCDEFGHIJKLMNOPQRSTUVWXYZ-.:0123456789"
    filled = text + " " * (-len(text) % 3)
    groups = [[table.index(one) for one in filled[place : place + 3]] for place in range(0, len(filled), 3)]
    return head + "".join(f"{1600 * a + 40 * b + c + 1:016b}" for a, b, c in groups)


ALPHABETS = ["0123456789", "0123456789ABCDEF", "0123456789abcdef", "AZaz09-_", CHARACTERS, "AZ-.:09"]


@given(st.sampled_from(range(6)), st.data(), st.text("0123456789", min_size=13, max_size=13))
def test_every_alphabet_of_the_new_encodings_is_read_as_it_was(
    encoding: int, data: st.DataObject, digits: str
) -> None:
    serial = data.draw(st.text(ALPHABETS[encoding], min_size=1, max_size=20))
    gtin = digits + gs1_check_digit(digits)
    bits = "11110111" + "0011" + "".join(f"{int(one):04b}" for one in gtin) + _alphanumeric(serial, encoding)
    found = tag(Bits(int(bits, 2), len(bits)))
    assert canonical(found.uri) == canonical(
        f"{ROOT}/01/{gtin}/21/" + "".join(f"%{ord(one):02X}" for one in serial)
    )


@pytest.mark.parametrize(
    ("digits", "sentence"),
    [
        ("", "expected an EPC of at most 128 hexadecimal digits, got ''"),
        ("30" * 65, "expected an EPC of at most 128 hexadecimal digits"),
        ("3074xyz", "expected an EPC of at most 128 hexadecimal digits"),
        ("E2801160600002054CC2096F", "the header of an EPC scheme of the Tag Data Standard, got E2"),
        ("307C257BF7194E4000001A85", "expected a partition value of 0 to 6, got 7"),
        ("307BFFFFFFFFFFFFFFFFFFFF", "expected a company prefix of 6 digits"),
        ("30743FFFFFFFFFC000001A85", "expected a reference of 6 digits"),
        ("3174257BF4499602D2000001", "expected zeros in the reserved bits, got ones"),
        ("3676451FD40C0E" + "00" * 18, "at least one character"),
        ("F7395A12341234538566CB0AFC4", "expected decimal digits, got others"),
        ("F7379521141123453E566CB0AFC4", "expected one of the encodings 0 to 5 of a serial, got 7"),
        ("F8395211416789091F", "expected a number of 1 digits, got 15"),
        ("F7309521234000013A10000", "expected three characters of URN Code 40, got 0"),
        ("F7309521234000013A1066A", "expected 1 characters, got more"),
        ("FA39521141A000000000", "expected digits up to a delimiter or an end, got A"),
        ("F7309521234123454066CB0AFC40", "whose form and check digit hold"),
    ],
)  # fmt: skip
def test_a_tag_that_breaks_the_standard_is_refused_by_what_is_wrong(digits: str, sentence: str) -> None:
    with pytest.raises(FormError) as refused:
        read_tag(digits)
    assert sentence in str(refused.value)


# ---- scans --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected", "form"),
    [
        ("https://id.gs1.org/01/09521234000013/21/42", ITEM, "Digital Link"),
        ("HTTP://x.example/a/b/gtin/9521234000013/ser/42?17=261231#x", ITEM, "Digital Link"),
        ("https://x.example/01/09521234000013/22/A/10/L7/21/42", ITEM, "Digital Link"),
        ("https://example.com/eh30164596f40c0e5cbe991a83", "/01/09528765123457/21/123456789123", "compressed Digital Link"),
        ("https://id.gs1.org/exMBZFlvQMDly-mRqD", "/01/09528765123457/21/123456789123", "compressed Digital Link"),
        ("urn:epc:id:sgtin:9521234.000001.42", ITEM, "EPC URN"),
        ("urn:epc:tag:sgtin-198:3.9521234.000001.42", ITEM, "EPC tag URI"),
        ("urn:epc:tag:gid-96:952056.2718.1414", "urn:epc:id:gid:952056.2718.1414", "EPC tag URI"),
        ("urn:epc:raw:96.x3500E86F8000A9E000000586", "urn:epc:id:gid:952056.2718.1414", "GID-96 tag"),
        ("(01)09521234000013(21)42", ITEM, "GS1 element string"),
        ("]C1010952123400001321" + "42" + GS + "10L7", ITEM, "GS1-128 barcode"),
        ("]d2" + "0109521234000013" + "10L7" + GS + "2142", ITEM, "GS1 DataMatrix barcode"),
        ("]Q3010952123400001317261231" + "2142", ITEM, "GS1 QR code barcode"),
        ("]e0" + "0109521234000013", "/01/09521234000013", "GS1 DataBar barcode"),
        ("]E09521234000013", "/01/09521234000013", "EAN/UPC barcode"),
        ("]I109521234000013", "/01/09521234000013", "ITF-14 barcode"),
        ("]Q1https://id.gs1.org/01/09521234000013/21/42", ITEM, "Digital Link"),
        ("]C0CSQU3054383", "urn:epc:id:bic:CSQU3054383", "container number"),
        (GS + "010952123400001321" + "42" + GS, ITEM, "GS1 element string"),
        ("010952123400001321" + "42<GS>10L7", ITEM, "GS1 element string"),
        ("010952123400001321" + "42", ITEM, "GS1 element string"),
        ("00195212340000000017"[:19] + gs1_check_digit("19521234000000001"), "/00/19521234000000001" + gs1_check_digit("19521234000000001"), "GS1 element string"),
        ("9521234000013", "/01/09521234000013", "GTIN"),
        ("csqu 305438-3", "urn:epc:id:bic:CSQU3054383", "container number"),
        ("4NL123456789-A7", "urn:custody:doc:ucr:4NL123456789-A7", "document number"),
        ("ucr:4NL123456789-A7", "urn:custody:doc:ucr:4NL123456789-A7", "document number"),
        ("seal:NL-1", "urn:custody:seal:NL-1", "seal number"),
        ("https://example.com/products/some-thing", "https://example.com/products/some-thing", "URI"),
        (" (01)09521234000013(21)42\r\n", ITEM, "GS1 element string"),
    ],
)  # fmt: skip
def test_every_form_of_a_scan_is_one_subject(text: str, expected: str, form: str) -> None:
    reading = read(text)
    assert (reading.identifier.text.removeprefix(ROOT), reading.form) == (expected, form)
    assert read(typed(reading.identifier)).identifier == reading.identifier


def test_an_mrn_is_read_with_its_check_character() -> None:
    mrn = "26NL00012345678901"
    good = next(mrn[:17] + digit for digit in "0123456789" if _is_read(mrn[:17] + digit))
    assert read(good).identifier.text == f"urn:custody:doc:mrn:{good}"


def _is_read(text: str) -> bool:
    try:
        read(text)
    except FormError:
        return False
    return True


def test_a_pallet_label_names_the_pallet_and_says_the_rest() -> None:
    sscc = "19521234000000001" + gs1_check_digit("19521234000000001")
    reading = read(f"(02)09521234000013(37)24(00){sscc}(10)L7")
    assert reading.identifier.text == f"{ROOT}/00/{sscc}"
    assert reading.beside == (("02", "09521234000013"), ("37", "24"), ("10", "L7"))
    assert read("(01)09521234000013(17)261231(10)L7(21)42").beside == (("17", "261231"), ("10", "L7"))
    assert read("(01)09521234000013(17)261231(10)L7").beside == (("17", "261231"),)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "expected a scan of 1 to 4096 characters, got 0"),
        ("x" * 5000, "expected a scan of 1 to 4096 characters, got 5000"),
        ("hello", "expected a URI, an element string, a container number or"),
        ("CSQU3054384", "expected check digit 3 after CSQU305438, got '4'"),
        ("(01)09521234000014(21)1", "expected (01) of the right length with its check digit"),
        ("(01)09521234000013(21", "expected an element string as (01)...(21)..."),
        ("(10)L7(17)261231", "expected a GS1 key as (01) or (00), got only (10), (17)"),
        ("(01)09521234000013(01)09521234000020", "expected (01) once"),
        ("01095212340000132142" + "9" * 30, "expected a separator (FNC1) or the end after (21)"),
        ("]C1hello", "expected a GS1 element string, got 'hello'"),
        ("]E0123", "expected a GTIN of 8, 12, 13 or 14 digits, got '123'"),
        ("9521234000014", "expected a GTIN whose form and check digit hold"),
        ("https://id.gs1.org/01/09521234000014", "expected a Digital Link whose form and check digit hold"),
        ("https://id.gs1.org/AQnYUc1gmiCNV4JGYgYBAA", "ask its resolver for the long form"),
        ("https://x.example/eh30", "expected an EPC of at least 64 bits"),
        ("urn:epc:tag:sgtin-96:3.9521234.42", "expected a EPC tag URI whose form and check digit hold"),
        ("urn:epc:id:sgtin:9521234.42", "expected a URN whose form and check digit hold"),
    ],
)
def test_what_is_no_sure_subject_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(FormError) as refused:
        read(text)
    assert sentence in str(refused.value)
    assert refused.value.code in (Code.BAD_IDENTIFIER, Code.BAD_CHECK_DIGIT)


@given(st.text(max_size=60), st.sampled_from(["", "]C1", "]Q3", "(01)", "urn:epc:", "https://", "01", "eh"]))
def test_any_text_is_read_or_refused(text: str, start: str) -> None:
    try:
        reading = read(start + text)
    except FormError:
        return
    assert reading.identifier.kind is not Kind.OPAQUE


@given(
    st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ", min_size=3, max_size=3),
    st.sampled_from("UJZ"),
    st.integers(0, 9_999_999),
)
def test_container_numbers_are_those_of_another_library(owner: str, category: str, number: int) -> None:
    text = f"{owner}{category}{number:07d}"
    if iso6346.calc_check_digit(text[:10]) == text[10]:
        assert read(text).identifier == canonical(f"urn:epc:id:bic:{text}")
        assert iso6346.is_valid(text)
    else:
        with pytest.raises(FormError) as refused:
            read(text)
        assert refused.value.code is Code.BAD_CHECK_DIGIT


def test_without_the_extra_brackets_and_tags_are_still_read() -> None:
    with mock.patch.dict(sys.modules, {"biip": None, "biip.gs1_messages": None}):
        for text in ("(01)09521234000013(21)42", "3074257BF7194E4000001A85", "CSQU3054383", f"{ROOT}{ITEM}"):
            read(text)
        with pytest.raises(UnavailableError, match=r"pip install 'custody-ledger\[scan\]'"):
            read("]C10109521234000013")


# ---- what may be recorded next ------------------------------------------------------------------------------------

OFFER = {"offerer": "maker", "receiver": "forwarder", "lapse_ms": 2_000}


@pytest.mark.parametrize(
    ("text", "record", "me", "expected"),
    [
        ("(01)09521234000013(10)L7(21)42", None, "maker", ["make THIS --lot L7", "accept THIS --from MEMBER"]),
        ("CSQU3054383", None, "maker", ["pack THIS THING", "accept THIS --from MEMBER"]),
        ("(01)09521234000013(21)42", {"custodian": "maker"}, "maker",
         ["offer THIS --to MEMBER", "pack PARENT THIS", "observe THIS"]),
        ("CSQU3054383", {"custodian": "maker"}, "maker", ["offer THIS --to MEMBER", "pack THIS THING", "observe THIS"]),
        ("(01)09521234000013(21)42", {"custodian": "maker", "offer": OFFER}, "forwarder",
         ["accept THIS --from maker", "reject THIS", "observe THIS"]),
        ("(01)09521234000013(21)42", {"custodian": "maker", "offer": OFFER | {"receiver": None}}, "carrier",
         ["accept THIS --from maker", "reject THIS", "observe THIS"]),
        ("(01)09521234000013(21)42", {"custodian": "maker", "offer": OFFER}, "carrier", ["observe THIS"]),
        ("(01)09521234000013(21)42", {"custodian": "maker", "offer": OFFER}, "maker",
         ["withdraw THIS", "pack PARENT THIS", "observe THIS"]),
        ("(01)09521234000013(21)42", {"custodian": "maker", "offer": OFFER | {"lapse_ms": 1_000}}, "forwarder",
         ["accept THIS --from maker", "observe THIS"]),
        ("(01)09521234000013(21)42", {"custodian": None}, "maker", ["accept THIS", "observe THIS"]),
        ("(01)09521234000013(21)42", {"custodian": "maker"}, None, ["observe THIS"]),
        ("(01)09521234000013(21)42", {"custodian": "maker", "parent": "urn:epc:id:bic:CSQU3054383"}, "maker",
         ["unpack CSQU3054383 THIS", "custody scan CSQU3054383"]),
        ("(01)09521234000013(21)42", {"custodian": "maker", "holds": [{"authority": "customs", "case": "2026/1"}]},
         "customs", ["release THIS --case 2026/1", "accept THIS --from maker", "observe THIS"]),
        ("(01)09521234000013(21)42", {"custodian": "maker", "holds": [{"authority": "customs", "case": "2026/1"}]},
         "carrier", ["custody trace THIS", "accept THIS --from maker", "observe THIS"]),
        ("(01)09521234000013(21)42", {"custodian": None, "status": "ended"}, "maker", ["custody trace THIS"]),
        ("(01)09521234000013(10)L7", {"custodian": None}, "maker",
         ["make (01)09521234000013(10)L7=1", "accept (01)09521234000013(10)L7=1 --from MEMBER",
          "offer (01)09521234000013(10)L7=1 --to MEMBER"]),
        ("(414)9521234000013", None, "maker", ["observe THING --place 9521234000013"]),
        ("(417)9521234000013", None, "maker", ["offer THING --to 9521234000013"]),
        ("ucr:4NL123456789-A7", {}, "maker", ["bind THING --under ucr:4NL123456789-A7", "custody trace ucr:4NL123456789-A7"]),
        ("seal:NL-1", None, "maker", ["observe THING --seal NL-1"]),
        ("(8018)952123400000000017", None, "maker", []),
    ],
)  # fmt: skip
def test_what_comes_next_follows_from_the_record(
    text: str, record: dict[str, Any] | None, me: str | None, expected: list[str]
) -> None:
    reading = read(text)
    if record is not None:
        record = {"status": "live"} | record
    found = suggestions(reading, Known(record, 1_000), me)
    this = typed(reading.identifier)
    assert [" ".join(shlex.split(one.command)).removeprefix("custody record ") for one in found] == [
        line.replace("THIS", this) for line in expected
    ]
    assert all(one.reason for one in found)


def test_a_record_is_understood_as_gateways_write_it() -> None:
    offer = Offer(7, b"e" * 32, "maker", "forwarder", 2_000, None, Chain(1, b"h" * 32))
    shown = record_json(EMPTY._replace(status=Status.LIVE, custodian="maker", offer=offer, seals=("ML-1",)))
    found = suggestions(read("CSQU3054383"), Known(shown, 1_000), "forwarder")
    assert [one.command for one in found][:2] == [
        "custody record accept CSQU3054383 --from maker",
        "custody record reject CSQU3054383",
    ]
    assert found[0].reason.endswith("seals on record: ML-1")
    held = record_json(EMPTY._replace(status=Status.LIVE, holds=(Hold("customs", "7", "", False, 1),)))
    assert suggestions(read("CSQU3054383"), Known(held, 1_000), "customs")[0].command.endswith("--case 7")
    ended = record_json(EMPTY._replace(status=Status.ENDED))
    assert (
        suggestions(read("CSQU3054383"), Known(ended, 1_000), "maker")[0].reason == "its life is over: ended"
    )
    inside = record_json(EMPTY._replace(status=Status.LIVE, parent="urn:epc:id:bic:CSQU3054383"))
    first = suggestions(read("(01)09521234000013(21)42"), Known(inside, 1_000), "maker")[0]
    assert first.command == "custody record unpack CSQU3054383 '(01)09521234000013(21)42'"


def test_seals_on_record_are_named_where_goods_are_taken_over() -> None:
    record = {"status": "live", "custodian": "maker", "offer": OFFER, "seals": ["ML-1", "ML-2"]}
    first = suggestions(read("CSQU3054383"), Known(record, 1_000), "forwarder")[0]
    assert first.reason == "maker offers it to you; compare the seals on record: ML-1, ML-2"


def test_without_a_gateway_what_is_common_is_listed() -> None:
    found = suggestions(read("(01)09521234000013(21)42"), None, "maker")
    assert [one.command.split(" ")[2] for one in found] == ["make", "accept", "offer"]
