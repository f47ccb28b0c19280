"""The gateway's OpenAPI document lists the EPCIS interface, with examples of every answer and every exception."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from node.gateway import reference
from node.gateway.access import ReaderToken
from node.gateway.app import create_app
from node.gateway.epcis.problems import JSON, XML
from node.gateway.epcis.service import EpcisService, Identity
from node.gateway.service import Gateway
from tests.api.json_schema import check

OURS_ALONE = {"/epcis/nextPageToken/{token}": {"options"}}
"""Beside the official document: every resource answers OPTIONS here."""


def our_document(folder: Path) -> dict[str, Any]:
    gateway = Gateway(bytes(32), ReaderToken("x" * 32), folder / "nowhere")
    epcis = EpcisService(gateway, folder, Identity("maker", None), {})
    try:
        return create_app(gateway, epcis).openapi()
    finally:
        epcis.index.close()


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return our_document(tmp_path_factory.mktemp("index"))


def of_epcis(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (path, method): operation
        for path, methods in document["paths"].items()
        if path.startswith("/epcis")
        for method, operation in methods.items()
    }


def test_every_route_is_described(document: dict[str, Any]) -> None:
    found = of_epcis(document)
    assert len(found) > 50
    for (path, method), operation in found.items():
        where = f"{method} {path}"
        assert operation["summary"], where
        assert operation["description"], where
        assert operation["tags"] == ["EPCIS"], where
        captures = method == "post" and path in ("/epcis/capture", "/epcis/events")
        assert operation["security"] == [{"capture" if captures else "reader": []}], where
        assert {"401", "406", "503"} <= set(operation["responses"]), where
        named = {parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "path"}
        assert named == {part[1:-1] for part in path.split("/") if part.startswith("{")}, where
        for parameter in operation["parameters"]:
            assert parameter["description"], where


def test_every_example_is_of_its_schema_and_status(document: dict[str, Any]) -> None:
    for (path, method), operation in of_epcis(document).items():
        for status, response in operation["responses"].items():
            assert response["description"]
            for media_type, content in response.get("content", {}).items():
                if media_type == JSON:
                    assert XML in response["content"]
                    for name, example in content["examples"].items():
                        check(document, content["schema"], example["value"], f"{method} {path}")
                        assert example["value"]["type"] == f"epcisException:{name}"
                        assert str(example["value"]["status"]) == status
                elif content["schema"].get("format") != "binary":
                    check(document, content["schema"], content["example"], f"{method} {path}")


def test_the_references_lead_somewhere(document: dict[str, Any]) -> None:
    names = {part.partition("'")[0] for part in str(document).split("#/components/schemas/")[1:]}
    assert names <= set(document["components"]["schemas"])
    assert "HTTPValidationError" not in str(document)


def test_all_paths_of_the_official_document_are_there(document: dict[str, Any], shared_data: Path) -> None:
    official = json.loads((shared_data / "epcis" / "schema" / "openapi.json").read_bytes())
    ours = {path: set(methods) for path, methods in document["paths"].items()}
    for path, methods in official["paths"].items():
        expected = set(methods) - {"parameters"}
        assert ours["/epcis" + path] - OURS_ALONE.get("/epcis" + path, set()) == expected, path


def test_the_page_for_people_shows_them(document: dict[str, Any]) -> None:
    page = reference.page(document)
    for path, method in of_epcis(document):
        assert f"<b>{method.upper()}</b> {path}</h3>" in page
    ET.fromstring(page.removeprefix("<!doctype html>"))
