"""The gateway under requests drawn from its own OpenAPI: `python -m tests.api.exercise --examples N --json`.

In one process: the application over a validator that serves real ledger code from memory. schemathesis draws requests, both
as the document allows and as it forbids; some name what is on the ledger, some carry altered bodies. Held of every answer:

    no 5xx; only documented statuses, content types, headers and schemas; errors as problem documents
    without the token, or with another one, whatever asks for it is answered 401 and nothing else

    {"examples", "requests", "by_status": {status: N}, "by_operation": {name: N}, "findings": [...]}
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx
from hypothesis import reject
from structlog.testing import capture_logs

from ledger.trade.statement import Action, Role
from tests.api.drawing import conformance, draw
from tests.fuzz.mutation import mutate
from tests.gateway.stage import BEARER, Stage, body_of, item_id, staged

MSGPACK: Final = "application/msgpack"
_STREAM_S: Final = 0.03
_OTHER_TOKENS: Final = (
    None, "Bearer", "Bearer ", "Bearer " + "x" * 43, "Basic " + "t" * 43, "t" * 43, "bearer " + "T" * 43, "Bearer " + "t" * 42,
    "Bearer " + "t" * 44, "Bearer\t" + "t" * 43, "Bearer " + "t" * 43 + ", x", "Bearer x " + "t" * 43,
)  # fmt: skip


class Exercised(NamedTuple):
    """What a run came to."""

    requests: int
    by_status: Counter[str]
    by_operation: Counter[str]
    findings: tuple[str, ...]


class _Loop:
    """An application on a loop of its own that goes on between requests."""

    def __init__(self, runner: asyncio.Runner, stage: Stage) -> None:
        self._runner = runner
        self.stage = stage

    def send(self, request: httpx.Request) -> httpx.Response:
        """The answer; of a stream, what came in the first moment."""
        return self._runner.run(_answer(self.stage.app, request))


@contextmanager
def on_stage() -> Iterator[_Loop]:
    """A ledger with something on it."""
    with capture_logs(), asyncio.Runner() as runner, tempfile.TemporaryDirectory() as folder:
        context = staged(Path(folder), read_s=5, final_s=0.2, body_s=5)
        stage = runner.run(context.__aenter__())  # entered and left in runs of their own
        try:
            runner.run(_tell(stage))
            yield _Loop(runner, stage)
        finally:
            runner.run(context.__aexit__(None, None, None))


async def _tell(stage: Stage) -> None:
    item, world = stage.world.item, stage.world
    for organisation, one in (
        ("maker", item(Action.MAKE, [(Role.OBJECT, item_id(1))])),
        ("maker", item(Action.OFFER, [(Role.OBJECT, item_id(1))], to="carrier", seals=("S1",))),
        ("customs", item(Action.HOLD, [(Role.OBJECT, item_id(1))], measure=("case-7", "Art.198"))),
        ("carrier", item(Action.ACCEPT, [(Role.OBJECT, item_id(1))])),
    ):
        await stage.submit(world.sign(organisation, one))


async def _answer(app: Any, request: httpx.Request) -> httpx.Response:
    body = request.read()
    gone, sent = asyncio.Event(), [False]
    status, headers, chunks = 0, [], []
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": request.method, "scheme": "http",
        "path": request.url.path, "raw_path": request.url.raw_path.partition(b"?")[0], "query_string": request.url.query,
        "root_path": "", "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "client": ("127.0.0.1", 1), "server": ("gateway", 80),
    }  # fmt: skip

    async def receive() -> dict[str, Any]:
        if not sent[0]:
            sent[0] = True
            return {"type": "http.request", "body": body, "more_body": False}
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]
            headers.extend(message["headers"])
            if any(value.startswith(b"text/event-stream") for _, value in headers):
                asyncio.get_running_loop().call_later(_STREAM_S, gone.set)
        else:
            chunks.append(message.get("body", b""))

    await asyncio.wait_for(app(scope, receive, send), 30)
    answer = httpx.Response(status, headers=headers, content=b"".join(chunks), request=request)
    answer.elapsed = timedelta(0)
    return answer


class _Run:
    """One run over all operations: what was asked, what came, what was found."""

    def __init__(self, loop: _Loop, drawn: int, checks: list[Any]) -> None:
        self.by_status: Counter[str] = Counter()
        self.by_operation: Counter[str] = Counter()
        self.findings: dict[str, str] = {}
        self._loop = loop
        self._checks = checks
        self._draw = random.Random(drawn)

    def over(self, operation: Any) -> Callable[[Any, int], None]:
        """The test of one case of an operation."""
        name = f"{operation.method.upper()} {operation.path}"
        needs_token = "security" in operation.definition.raw

        def tried(case: Any, _: int) -> None:
            try:
                request = _request(self._loop.stage, case, self._draw)
            except (
                httpx.InvalidURL
            ):  # longer than a client sends; the server's own cap on the request line is below
                reject()
            response = self._loop.send(request)
            self.by_status[str(response.status_code)] += 1
            self.by_operation[name] += 1
            try:
                # OpenAPI 3.1 describes a stream as one text; schemathesis holds each of its events against that.
                is_stream = response.headers.get("content-type", "").startswith("text/event-stream")
                case.validate_response(response, checks=self._checks[: -1 if is_stream else None])
            except BaseException as error:  # noqa: BLE001  # groups of failures descend from BaseException
                text = " ".join(str(one) for one in getattr(error, "exceptions", [error]))
                self.findings.setdefault(f"{name} {response.status_code}", f"{request.url}: {text}"[:600])
            if needs_token:
                self._check_guarded(request, name)

        return tried

    def _check_guarded(self, request: httpx.Request, name: str) -> None:
        """The same request without the token, or with what is none: 401, whatever else is wrong with it."""
        token = self._draw.choice(_OTHER_TOKENS)
        headers = [(key, value) for key, value in request.headers.raw if key.lower() != b"authorization"]
        if token is not None:
            headers.append((b"authorization", token.encode()))
        url = request.url
        if self._draw.random() < 0.2:
            url = url.copy_merge_params(
                {"access_token": "t" * 43, "token": "t" * 43, "Authorization": "Bearer " + "t" * 43}
            )
        response = self._loop.send(httpx.Request(request.method, url, headers=headers))
        if response.status_code != 401:
            self.findings.setdefault(
                f"{name} unguarded", f"{url} with {token!r} was answered {response.status_code}"
            )


def exercise(examples: int, drawn: int = 1, *, only: str | None = None) -> Exercised:
    """Draw `examples` requests for each operation (or that of one path) and each way of drawing."""
    with on_stage() as loop:
        run = _Run(loop, drawn, conformance())
        draw(
            loop.stage.app.openapi(), run.over, examples=examples, drawn=drawn, only=only,
            body=lambda operation: {"body": b"", "media_type": MSGPACK} if operation.method == "post" else {},
        )  # fmt: skip
    findings = tuple(f"{where}: {what}" for where, what in run.findings.items())
    return Exercised(sum(run.by_status.values()), run.by_status, run.by_operation, findings)


def _request(stage: Stage, case: Any, draw: random.Random) -> httpx.Request:
    """The case as a request with the token; sometimes about what is there, and with a body that was good once."""
    known = [item_id(1), item_id(2), "(01)09521234000016(21)1"]
    if case.query and "id" in case.query and draw.random() < 0.5:
        case.query["id"] = draw.choice(known)
    if case.path_parameters and draw.random() < 0.5:
        if "id" in case.path_parameters:
            case.path_parameters["id"] = draw.choice(list(stage.validator.statuses)).hex()
        if "height" in case.path_parameters:
            case.path_parameters["height"] = str(draw.randint(0, 6))
    from schemathesis.core import NotSet

    body = None
    if case.method.upper() == "POST":
        good = body_of(stage.made(draw.randint(1, 9)))
        body = good if draw.random() < 0.2 else mutate(good, "msgpack", (good, body_of(stage.made(3))), draw)
        case.body = NotSet()
    asked = case.as_transport_kwargs(base_url="http://gateway")
    headers = {
        name: value
        for name, value in dict(asked["headers"]).items()
        if name.lower() not in ("authorization", "content-length", "host")
    }
    if body is not None:
        headers.setdefault("Content-Type", MSGPACK)
    headers.update(BEARER)
    raw = [
        (name.encode("latin-1"), str(value).encode("latin-1", "replace")) for name, value in headers.items()
    ]
    return httpx.Request(asked["method"], asked["url"], params=asked.get("params"), headers=raw, content=body)


def main() -> int:
    """Parse the options, run, report."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.api.exercise", description="The API under drawn requests."
    )
    parser.add_argument(
        "--examples", type=int, default=300, help="for each operation and each way of drawing"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="one line of JSON and nothing else")
    options = parser.parse_args()
    found = exercise(options.examples, options.seed)
    said = {"examples": options.examples, "seed": options.seed, **found._asdict()}
    print(json.dumps(said) if options.json else "\n".join(f"{name}: {value}" for name, value in said.items()))
    return 1 if found.findings else 0


if __name__ == "__main__":
    sys.exit(main())
