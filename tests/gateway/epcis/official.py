"""The repository under requests drawn from GS1's own OpenAPI document: `python -m tests.gateway.epcis.official --examples N`.

The document is read from the shared data, where it is whole (GS1's JSON form has its remote references in it). schemathesis draws
requests as it allows and as it forbids; half of the names in addresses are names that are there. Held of every answer: no 5xx, and
nothing that the document does not say: status, content type, headers, schema.

Where the document contradicts itself or forgets what the standard's text says, `corrected` puts it right, place by place.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx
from hypothesis import reject
from structlog.testing import capture_logs

from tests.api.drawing import conformance, draw
from tests.gateway.epcis.epcis_stage import CAPTURER, READER
from tests.gateway.epcis.told import Told, event, telling
from tests.gateway.stage import item_id
from tests.world.world import place

CAPTURING: Final = {("POST", "/capture"), ("POST", "/events")}
_EVERY: Final = (
    "/queries",
    "/bizSteps",
    "/epcs",
    "/eventTypes",
    "/readPoints",
    "/bizLocations",
    "/dispositions",
    "/capture",
)


class Exercised(NamedTuple):
    """What a run came to."""

    requests: int
    by_status: Counter[str]
    by_operation: Counter[str]
    findings: tuple[str, ...]


def corrected(document: dict[str, Any]) -> dict[str, Any]:
    """The official document with its slips put right; each line says which."""
    paths, answers = document["paths"], document["components"]["responses"]
    # A wrong parameter is a QueryParameterException (EPCIS 2.0 §8.2.3) wherever there are parameters; here it is forgotten.
    for path, operation in [("/events", "get"), ("/queries", "post"), *((path, "get") for path in _EVERY)]:
        paths[path][operation]["responses"].setdefault(
            "400", {"$ref": "#/components/responses/400QueryIssues"}
        )
    # So is what maxEventCount asks for, and that anybody may use an eventID again, as often as they like.
    for path, methods in paths.items():
        if path.endswith("/events") or path == "/events/{eventID}":
            methods["get"]["responses"].setdefault(
                "413", {"$ref": "#/components/responses/413QueryScopeOrSize"}
            )
    # Problems of polling are said to be application/json, unlike all others.
    content = answers["400SubscriptionIssues"]["content"]
    content["application/problem+json"] = content.pop("application/json")
    content["application/problem+xml"] = content.pop("application/xml")
    # Polling takes a perPage and a nextPageToken as any other reading does.
    names = content["application/problem+json"]["schema"]["allOf"][0]["properties"]["type"]["enum"]
    names += ["epcisException:QueryParameterException", "epcisException:QueryValidationException"]
    # A conflict is said to have 406 in its body.
    for media in answers["409ResourceAlreadyExistsException"]["content"].values():
        media["schema"]["allOf"][0]["properties"]["status"]["enum"] = [409]
    # The definition of one query is a query, as its example says, not a list of them.
    shown = paths["/queries/{queryName}"]["get"]["responses"]["200"]["content"]["application/json"]
    shown["schema"] = shown["schema"]["items"]
    # A link with its relation is no URI, as the example beside it shows.
    del document["components"]["schemas"]["Link"]["format"]
    # A disposition's own example is a bare word, which is no URI.
    del document["components"]["parameters"]["Disposition"]["schema"]["format"]
    # An event is one of the five or an extension; by the letter of oneOf every one of the five is an extension as well.
    schemas = document["components"]["schemas"]
    schemas["EPCISEvent"]["anyOf"] = schemas["EPCISEvent"].pop("oneOf")
    # A job has errors or a file of them; neither is required, so every job, that of the example too, fits both.
    for part in schemas["CaptureJob"]["allOf"]:
        if "oneOf" in part:
            part["anyOf"] = part.pop("oneOf")
    return document


def official(folder: Path) -> dict[str, Any]:
    """The document of the shared data, put right."""
    return corrected(json.loads((folder / "epcis" / "schema" / "openapi.json").read_bytes()))


async def _tell(told: Told) -> None:
    """Something of each sort of name, and two queries."""
    where = {"readPoint": {"id": place(1)}, "bizLocation": {"id": place(2)}, "disposition": "active"}
    await told.record(*(event(number, eventID=f"urn:uuid:{number}", **where) for number in range(1, 40)))
    await told.record(event(50), restricted=True)
    for name in ("first", "second"):
        definition = {"name": name, "query": {"EQ_bizStep": ["commissioning"]}}
        response = await told.http.post("/queries", json=definition)
        assert response.status_code == 201


KNOWN: Final[dict[str, str]] = {
    "eventID": "urn:uuid:1", "epc": item_id(1), "bizStep": "commissioning", "bizLocation": place(2), "readPoint": place(1),
    "disposition": "active", "eventType": "ObjectEvent", "queryName": "first",
}  # fmt: skip


@contextmanager
def _on_stage() -> Iterator[tuple[asyncio.Runner, Told]]:
    with capture_logs(), asyncio.Runner() as runner, tempfile.TemporaryDirectory() as folder:
        context = telling(Path(folder))
        told = runner.run(context.__aenter__())
        try:
            runner.run(_tell(told))
            yield runner, told
        finally:
            runner.run(context.__aexit__(None, None, None))


class _Run:
    """One run over all operations."""

    def __init__(self, runner: asyncio.Runner, told: Told, drawn: int, checks: list[Any]) -> None:
        self.by_status: Counter[str] = Counter()
        self.by_operation: Counter[str] = Counter()
        self.findings: dict[str, str] = {}
        self._runner, self._told, self._checks = runner, told, checks
        self._draw = random.Random(drawn)

    def over(self, operation: Any) -> Any:
        """What is done with each case of an operation."""
        name = f"{operation.method.upper()} {operation.path}"

        def tried(case: Any, _: int) -> None:
            for parameter, known in KNOWN.items():
                if parameter in (case.path_parameters or {}) and self._draw.random() < 0.5:
                    case.path_parameters[parameter] = known
            if (
                case.query and self._draw.random() < 0.7
            ):  # else hardly any request asks for what can be answered
                kept = self._draw.sample(sorted(case.query), min(2, len(case.query)))
                case.query = {key: case.query[key] for key in kept}
            for header in [
                name for name in case.headers or {} if name.endswith(("-Min", "-Max", "-Version"))
            ]:
                if self._draw.random() < 0.8:  # else hardly any client reads version 2.0
                    del case.headers[header]
            try:
                request = _request(case)
            except httpx.InvalidURL:
                reject()
            response = self._runner.run(self._told.http.send(request))
            self.by_status[str(response.status_code)] += 1
            self.by_operation[name] += 1
            try:
                case.validate_response(response, checks=self._checks)
            except BaseException as error:  # noqa: BLE001  # groups of failures descend from BaseException
                text = " ".join(str(one) for one in getattr(error, "exceptions", [error]))
                self.findings.setdefault(f"{name} {response.status_code}", f"{request.url}: {text}"[:900])

        return tried


def _request(case: Any) -> httpx.Request:
    """The case as a request with the token that it needs."""
    asked = case.as_transport_kwargs(base_url="http://gateway/epcis")
    token = CAPTURER if (case.method.upper(), case.operation.path) in CAPTURING else READER
    left_out = ("authorization", "content-length", "host", "upgrade", "connection")
    headers = {
        name: value for name, value in dict(asked["headers"]).items() if name.lower() not in left_out
    } | token
    raw = [
        (name.encode("latin-1"), str(value).encode("latin-1", "replace")) for name, value in headers.items()
    ]
    body = {name: asked[name] for name in ("json", "content", "data") if name in asked}
    return httpx.Request(asked["method"], asked["url"], params=asked.get("params"), headers=raw, **body)


def exercise(
    document: dict[str, Any], examples: int, drawn: int = 1, *, only: str | None = None
) -> Exercised:
    """Draw `examples` requests for each operation (or those of one path) and each way of drawing."""
    with _on_stage() as (runner, told):
        run = _Run(runner, told, drawn, conformance())
        draw(document, run.over, examples=examples, drawn=drawn, only=only)
    findings = tuple(f"{where}: {what}" for where, what in run.findings.items())
    return Exercised(sum(run.by_status.values()), run.by_status, run.by_operation, findings)


def main() -> int:
    """Parse the options, run, report."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.gateway.epcis.official", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--examples", type=int, default=100, help="requests per operation and way of drawing")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", help="one path of the document")
    options = parser.parse_args()
    found = exercise(
        official(Path(os.environ["CUSTODY_TEST_DATA"])), options.examples, options.seed, only=options.only
    )
    print(json.dumps(found._asdict(), indent=1))
    return 1 if found.findings else 0


if __name__ == "__main__":
    sys.exit(main())
