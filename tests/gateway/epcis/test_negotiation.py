"""What client and repository agree on: versions, media types, formats; and how errors are told (EPCIS.md "Query")."""

from __future__ import annotations

import json
from collections.abc import Mapping
from xml.etree import ElementTree as ET

import pytest
from starlette.requests import Request

from ledger.base.errors import Code, EntitlementError, FormError, UnavailableError
from ledger.epcis.spelling import EpcFormat
from ledger.epcis.vocabulary import CbvFormat
from node.gateway.epcis import negotiation
from node.gateway.epcis.negotiation import check_versions, discovery, wish_of
from node.gateway.epcis.problems import EpcisError, Exceptional, epcis_error_of, problem_response, status_of


def asked(headers: Mapping[str, str]) -> Request:
    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
    return Request(
        {"type": "http", "method": "GET", "path": "/epcis/events", "headers": raw, "query_string": b""}
    )


def test_without_wishes_it_is_json_with_digital_links() -> None:
    wish = wish_of(asked({}))
    assert wish == ("application/json", EpcFormat.DIGITAL_LINK, CbvFormat.NO_PREFERENCE)


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("*/*", "application/json"),
        ("application/ld+json", "application/ld+json"),
        ("application/xml", "application/xml"),
        ("application/*", "application/json"),
        ("application/json;q=0.4, application/xml;q=0.5", "application/xml"),
    ],
)
def test_the_media_type_liked_best(accept: str, expected: str) -> None:
    assert wish_of(asked({"Accept": accept})).media_type == expected


@pytest.mark.parametrize(
    "headers",
    [
        {"GS1-EPCIS-Min": "1.0.0", "GS1-EPCIS-Max": "2.0.0"},
        {"GS1-EPCIS-Min": "2.0", "GS1-EPCIS-Max": "2.0"},
        {"GS1-EPCIS-Min": "2", "GS1-EPCIS-Max": "2.1"},
        {"GS1-CBV-Min": "1.2.0"},
        {"GS1-CBV-Max": "10.0"},
        {"GS1-EPCIS-Version": "9.9"},  # of a body, which is not sent here
        {"GS1-Extensions": "fit=https://example.org/fit"},
    ],
)
def test_versions_that_include_ours(headers: dict[str, str]) -> None:
    check_versions(asked(headers))


@pytest.mark.parametrize(
    ("header", "value"),
    [
        ("GS1-EPCIS-Min", "2.0.1"),
        ("GS1-EPCIS-Max", "1.2.0"),
        ("GS1-CBV-Min", "3"),
        ("GS1-CBV-Max", "1.2"),
        ("GS1-EPCIS-Min", "new"),
        ("GS1-EPCIS-Min", "2..0"),
        ("GS1-EPCIS-Min", "²"),
        ("GS1-EPCIS-Min", "2" * 40),
        ("GS1-EPC-Format", "Sometimes"),
        ("GS1-CBV-XML-Format", ""),
        ("Accept", "text/csv"),
    ],
)
def test_what_cannot_be_satisfied_is_not_acceptable(header: str, value: str) -> None:
    with pytest.raises(EpcisError) as caught:
        wish_of(asked({header: value}))
    assert caught.value.exception is Exceptional.NOT_ACCEPTABLE
    assert status_of(caught.value.exception, caught.value.code) == 406
    assert caught.value.message.isascii()


def test_a_sent_version_is_checked() -> None:
    check_versions(asked({"GS1-EPCIS-Version": "1.2", "GS1-CBV-Version": "2.0.0"}), sends=True)
    for value in ("1.1", "2.1", "x"):
        with pytest.raises(EpcisError):
            check_versions(asked({"GS1-EPCIS-Version": value}), sends=True)


def test_discovery_names_methods_versions_and_formats() -> None:
    answer = discovery(("OPTIONS", "GET"), {"X-More": "1"})
    assert answer.status_code == 204
    said = {name: value for name, value in answer.headers.items() if name.startswith("gs1")}
    assert answer.headers["allow"] == "OPTIONS, GET"
    assert answer.headers["x-more"] == "1"
    assert said == {
        "gs1-epcis-version": "2.0.0", "gs1-epcis-min": "2.0.0", "gs1-epcis-max": "2.0.0",
        "gs1-cbv-version": "2.0.0", "gs1-cbv-min": "2.0.0", "gs1-cbv-max": "2.0.0",
        "gs1-epc-format": "No_Preference", "gs1-cbv-xml-format": "No_Preference",
        "gs1-extensions": "custody=https://custody-ledger.org/ns/,ledger=https://custody-ledger.org/answer/",
        "gs1-vendor-version": negotiation.VENDOR_VERSION,
    }  # fmt: skip
    assert discovery(("OPTIONS", "POST"), captures=True).headers["gs1-epcis-min"] == "1.2.0"


@pytest.mark.parametrize(
    ("error", "name", "status"),
    [
        (FormError(Code.MALFORMED, "expected x"), "ValidationException", 400),
        (FormError(Code.PERSON_IDENTIFIER, "expected x"), "ValidationException", 400),
        (FormError(Code.TOO_LARGE, "expected x"), "CaptureLimitExceededException", 413),
        (EntitlementError(Code.UNAUTHORISED, "expected x"), "SecurityException", 401),
        (EntitlementError(Code.NOT_ENTITLED, "expected x"), "SecurityException", 403),
        (UnavailableError(Code.UNKNOWN_SUBJECT, "expected x"), "NoSuchNameException", 404),
        (UnavailableError(Code.UNAVAILABLE, "expected x"), "ImplementationException", 503),
        (FormError(Code.REPEATED, "expected x"), "ResourceAlreadyExistsException", 409),
        (
            EpcisError(Exceptional.QUERY_TOO_LARGE, Code.TOO_LARGE, "expected x"),
            "QueryTooLargeException",
            413,
        ),
    ],
)
def test_every_error_is_an_exception_of_epcis(error: FormError, name: str, status: int) -> None:
    answer = problem_response(epcis_error_of(error), request_id="1")
    document = json.loads(bytes(answer.body))
    assert (document["type"], document["status"], answer.status_code) == (
        "epcisException:" + name,
        status,
        status,
    )
    assert (document["code"], document["detail"]) == (error.code.value, "expected x")
    assert ("retry-after" in answer.headers) == (status == 503)
    assert ("www-authenticate" in answer.headers) == (status == 401)


def test_every_code_has_an_exception_and_every_exception_a_status() -> None:
    for code in Code:
        error = epcis_error_of(FormError(code, "expected x"))
        assert problem_response(error).status_code == status_of(error.exception, code)
    for exception in Exceptional:
        assert 400 <= problem_response(EpcisError(exception, Code.INTERNAL, "expected x")).status_code < 600


def test_those_who_ask_for_xml_are_told_in_xml() -> None:
    error = EpcisError(Exceptional.NO_SUCH_NAME, Code.NOT_FOUND, "expected <a> & b, got '\x00'")
    answer = problem_response(error, request_id="7", accept="application/xml")
    assert answer.headers["content-type"].startswith("application/problem+xml")
    found = {element.tag: element.text for element in ET.fromstring(bytes(answer.body).decode())}
    space = "{urn:ietf:rfc:7807}"
    assert found[space + "type"] == "epcisException:NoSuchNameException"
    assert found[space + "detail"] == "expected <a> & b, got ''"
    listed = EpcisError(
        Exceptional.VALIDATION,
        Code.MALFORMED,
        "expected x",
        more={"errors": [{"place": "/a", "detail": "<"}]},
    )
    answer = problem_response(listed, accept="text/xml")
    root = ET.fromstring(bytes(answer.body).decode())
    assert [one.text for one in root.iterfind(f"{space}errors/{space}i/{space}place")] == ["/a"]
    assert (
        problem_response(error, accept="application/xml, application/json").media_type
        == "application/problem+json"
    )
