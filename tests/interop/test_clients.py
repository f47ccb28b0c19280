"""Clients of others against a gateway of a real network: epcis2.js captures GS1's examples, newman asks for every path there is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from demonstration.network import NetworkStage
from epcis_examples.comparing import difference
from epcis_examples.examples import Example, examples, rounds
from ledger.epcis.check import examine
from ledger.epcis.document import Form, read_document
from tests.interop.npm_packages import FOLDER, run_node

ORGANISATION = "manufacturer"
GS1 = "gs1/JSON/"


@contextmanager
def network(folder: Path) -> Iterator[NetworkStage]:
    with NetworkStage(folder / "network", parties={}, gateways=(ORGANISATION,)) as stage:
        yield stage


def addressed(stage: NetworkStage) -> tuple[str, str, str]:
    """The interface, the token that captures, the token that reads."""
    return (
        f"{stage.url(ORGANISATION)}/epcis",
        stage.token(ORGANISATION, "capture"),
        stage.token(ORGANISATION, "reader"),
    )


def captured(stage: NetworkStage, modules: Path, data: Path, given: list[Example]) -> None:
    """epcis2.js captures them, and what it reads back is what their authors wrote."""
    files = [data / "epcis" / one.name for one in given]
    done = run_node(modules, FOLDER / "capture.cjs", *addressed(stage), *files)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert [one["file"] for one in told] == [str(file) for file in files]
    for example, said in zip(given, told, strict=True):
        assert said["status"] == 202, said
        assert (said["running"], said["success"], said["errors"]) == (False, True, []), said
        check_events(example, said["events"])


def check_events(example: Example, events: list[dict[str, Any]]) -> None:
    document = read_document(example.data, Form.JSON)
    author = {one.place: (one.event, document.context) for one in examine(document)}
    assert [one["place"] for one in events] == list(author)
    for one in events:
        assert one["status"] == 200, one
        answer = read_document(one["body"].encode(), Form.JSON)
        assert len(answer.events) == 1
        event, context = author[one["place"]]
        assert difference((without_empty(event), context), (answer.events[0], answer.context)) is None, (
            example.name
        )


def without_empty(event: bytes) -> bytes:
    """As epcis2.js sends an event: empty lists are left out."""
    return json.dumps({name: value for name, value in json.loads(event).items() if value != []}).encode()


def test_epcis2_js_captures_all_of_gs1s_examples_and_reads_them_back(
    tmp_path: Path, npm: Path, shared_data: Path
) -> None:
    given = [one for one in examples(shared_data / "epcis") if one.name.startswith(GS1)]
    assert len(given) >= 28
    for number, part in enumerate(rounds(given)):  # two of them take an eventID again, for another event
        with network(tmp_path / str(number)) as stage:
            captured(stage, npm, shared_data, part)


def test_newman_finds_every_path_as_it_is_to_be(tmp_path: Path, npm: Path) -> None:
    with network(tmp_path) as stage:
        base, capture, reader = addressed(stage)
        variables = {"base": base, "capture": capture, "reader": reader}
        given = [part for name, text in variables.items() for part in ("--env-var", f"{name}={text}")]
        report = tmp_path / "report.json"
        newman = npm / "newman" / "bin" / "newman.js"
        done = run_node(
            npm, newman, "run", FOLDER / "collection.json", *given, "--reporters", "cli,json",
            "--reporter-json-export", report, "--timeout-request", "20000",
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-6_000:] + done.stderr
        run = json.loads(report.read_text())["run"]
    assert run["failures"] == []
    asked = {one["item"]["name"] for one in run["executions"]}
    assert asked == {item["name"] for item in json.loads((FOLDER / "collection.json").read_text())["item"]}
    assert run["stats"]["assertions"]["total"] > len(asked)


def test_the_collection_has_every_path_and_method_of_the_official_interface(shared_data: Path) -> None:
    official = json.loads((shared_data / "epcis" / "schema" / "openapi.json").read_text())
    collection = json.loads((FOLDER / "collection.json").read_text())
    methods = ("get", "put", "post", "delete", "options", "head", "patch")
    expected = {
        f"{name.upper()} {path}"
        for path, said in official["paths"].items()
        for name in said
        if name in methods
    }
    found = {item["name"].partition(":")[0] for item in collection["item"]}
    assert expected - found == set()
