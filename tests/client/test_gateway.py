"""Gateways as clients meet them: answering, refusing, slow, gone. The same flows behind both shells."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from typing import Any

import httpx
import pytest

from client.events import Circumstances, make
from client.gateway import AsyncGateway, Gateway
from client.prepare import prepare
from client.protocol import Address, Policy, Pool, Standing, Wait
from client.signing import Submission, sign
from client.spelling import Thing
from ledger.base.encoding import decode
from ledger.base.errors import Code, CustodyError, EntitlementError, FormError, RuleError, UnavailableError
from ledger.base.keys import SigningKey
from ledger.trade.identifiers import canonical
from tests.world.world import seed, serial

ONE, TWO = Address("http://one:8100/", "token-one"), Address("http://two:8100", "token-two")
NETWORK = seed("network")


def submission() -> Submission:
    draft = make(Circumstances(1_700_000_000_000), [Thing(canonical(serial("9521234", 1, 1)))])
    return sign(SigningKey(seed("key")), "maker", [prepare(NETWORK, draft)], now_ms=1_700_000_000_000)


def problem(status: int, code: str, detail: str = "a sentence", **headers: str) -> httpx.Response:
    body = {"type": f"urn:custody:{code}", "detail": detail, "status": status}
    return httpx.Response(status, json=body, headers={"content-type": "application/problem+json", **headers})


class Ledger:
    """A fake ledger behind any number of gateways; `faults` happen first, one a request."""

    def __init__(self, *faults: httpx.Response | type[httpx.TransportError]) -> None:
        self.faults = list(faults)
        self.requests: list[httpx.Request] = []
        self.pauses: list[float] = []
        self.executed: dict[str, int] = {}
        self.accepted_first = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if self.faults:
            fault = self.faults.pop(0)
            if isinstance(fault, httpx.Response):
                return fault
            raise fault("gone", request=request)
        return self._answer(request)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json={"path": request.url.path, "query": request.url.query.decode()})
        found: list[Any] = []
        for transaction, _payloads in decode(request.content, max_bytes=10**7):
            number = seed(transaction.hex()).hex()
            self.executed.setdefault(number, len(self.executed) + 1)
            if self.accepted_first > 0:
                self.accepted_first -= 1
                found.append({"id": number, "status": "accepted"})
                continue
            receipt = {
                "place": 0,
                "refusal": None,
                "entry": "ab",
                "outcomes": [{"name": "made", "applied": True}],
            }
            found.append({"id": number, "status": "final", "height": 7, "receipts": [receipt]})
        return httpx.Response(200, json={"transactions": found})

    def call(self, use: Callable[[Gateway], Any], *addresses: Address, policy: Policy | None = None) -> Any:
        """What `use` gives with a gateway in front of this ledger."""
        with Gateway(
            addresses or (ONE, TWO),
            policy=policy,
            transport=httpx.MockTransport(self),
            sleep=self.pauses.append,
        ) as gateway:
            return use(gateway)


def test_a_submission_is_final_with_its_receipts() -> None:
    ledger = Ledger()
    (standing,) = ledger.call(lambda gateway: gateway.submit(submission()))
    assert (standing.status, standing.height) == ("final", 7)
    assert standing.receipts[0].outcomes == ({"name": "made", "applied": True},)
    (request,) = ledger.requests
    assert str(request.url) == "http://one:8100/v1/transactions?wait=final"
    assert request.headers["content-type"] == "application/msgpack"
    assert "authorization" not in request.headers


@pytest.mark.parametrize(
    "fault",
    [
        httpx.ConnectError,
        httpx.ReadTimeout,
        httpx.RemoteProtocolError,
        problem(429, "overloaded"),
        problem(503, "unavailable"),
        problem(408, "timed_out"),
        httpx.Response(502, text="<html>a proxy</html>"),
    ],
)
def test_the_same_bytes_go_to_the_next_gateway_and_execute_once(fault: Any) -> None:
    ledger = Ledger(fault)
    (standing,) = ledger.call(lambda gateway: gateway.submit(submission()))
    assert standing.status == "final"
    assert [request.url.host for request in ledger.requests] == ["one", "two"]
    assert len({request.content for request in ledger.requests}) == 1
    assert len(ledger.executed) == 1


def test_an_answer_that_got_lost_is_asked_for_again_with_the_same_bytes() -> None:
    ledger = Ledger()

    def lossy(request: httpx.Request) -> httpx.Response:
        answer = ledger(request)
        if len(ledger.requests) == 1:
            raise httpx.ReadError("cut", request=request)
        return answer

    with Gateway([ONE], transport=httpx.MockTransport(lossy), sleep=lambda _: None) as gateway:
        (standing,) = gateway.submit(submission())
    assert standing.status == "final"
    assert len(ledger.requests) == 2
    assert len(ledger.executed) == 1


def test_an_overloaded_gateway_is_left_alone_for_as_long_as_it_asks() -> None:
    ledger = Ledger(problem(429, "overloaded", **{"retry-after": "7"}))
    ledger.call(lambda gateway: gateway.submit(submission()), ONE)
    assert len(ledger.pauses) == 1
    assert ledger.pauses[0] >= 7


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "malformed", FormError),
        (413, "too_large", FormError),
        (403, "not_entitled", EntitlementError),
        (401, "unauthorised", EntitlementError),
        (404, "unknown_subject", UnavailableError),
        (409, "repeated", RuleError),
        (422, "expired", RuleError),
    ],
)
def test_what_cannot_become_better_is_said_at_once(status: int, code: str, kind: type[CustodyError]) -> None:
    ledger = Ledger(problem(status, code, "expected this, got that"))
    with pytest.raises(kind, match="expected this, got that") as raised:
        ledger.call(lambda gateway: gateway.submit(submission()))
    assert raised.value.code == code
    assert len(ledger.requests) == 1
    assert ledger.pauses == []


def test_patience_ends_and_says_what_happened_last() -> None:
    clock = iter(range(0, 10_000, 5))
    pool = Pool([ONE], Policy(patience_s=30), clock=lambda: float(next(clock)), draw=lambda: 0.0)
    ledger = Ledger(*[problem(503, "unavailable", "no validator")] * 50)
    with Gateway([ONE], transport=httpx.MockTransport(ledger), sleep=lambda _: None) as gateway:
        gateway._pool = pool
        with pytest.raises(
            UnavailableError, match=r"no validator \(asked \d times; submitting the same again is safe"
        ):
            gateway.submit(submission())
    assert len(ledger.requests) < 10


def test_nobody_reachable_is_given_up_earlier_than_a_busy_ledger() -> None:
    clock = iter(range(0, 10_000, 5))
    pool = Pool([ONE, TWO], Policy(patience_s=600, reach_s=20), clock=lambda: float(next(clock)))
    ledger = Ledger(*[httpx.ConnectError] * 500)
    with Gateway([ONE], transport=httpx.MockTransport(ledger), sleep=lambda _: None) as gateway:
        gateway._pool = pool
        with pytest.raises(UnavailableError, match="nothing answers at two:8100; is its node"):
            gateway.subject("x")
    assert len(ledger.requests) < 20


def test_finality_is_waited_for_by_handing_in_the_same_again() -> None:
    ledger = Ledger()
    ledger.accepted_first = 2
    (standing,) = ledger.call(lambda gateway: gateway.submit(submission()))
    assert standing.status == "final"
    assert len({request.content for request in ledger.requests}) == 1
    assert len(ledger.requests) == 3


def test_accepted_is_enough_where_it_was_asked_for() -> None:
    ledger = Ledger()
    ledger.accepted_first = 1
    (standing,) = ledger.call(lambda gateway: gateway.submit(submission(), Wait.ACCEPTED))
    assert standing == Standing(standing.id, "accepted", None, None, None, ())
    assert not standing.is_settled
    assert ledger.requests[0].url.query == b"wait=accepted"


def test_reads_bear_the_token_of_the_gateway_that_is_asked() -> None:
    ledger = Ledger(httpx.ConnectError)
    found = ledger.call(lambda gateway: gateway.history("urn:x:1", ("from", "3")))
    assert found == {"path": "/v1/subjects/history", "query": "id=urn%3Ax%3A1&from=3"}
    assert [request.headers["authorization"] for request in ledger.requests] == [
        "Bearer token-one",
        "Bearer token-two",
    ]


def test_a_bundle_and_the_anchors_come_as_bytes() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=request.headers["accept"].encode() + b" " + request.url.raw_path)

    with Gateway([ONE], transport=httpx.MockTransport(answer)) as gateway:
        assert gateway.bundle(["a", "b"]) == b"application/vnd.custody.bundle /v1/bundle?id=a&id=b"
        assert gateway.checkpoint() == b"application/msgpack /v1/checkpoint"
        assert gateway.genesis() == b"application/msgpack /v1/genesis"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"7", b'{"transactions":[{}]}', b"[" * 100_000])
def test_what_is_no_gateway_is_said_to_be_none(body: bytes) -> None:
    ledger = Ledger(httpx.Response(200, content=body))
    with pytest.raises(UnavailableError, match="expected"):
        ledger.call(lambda gateway: gateway.submit(submission()))


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"7", b"[" * 100_000])
def test_a_read_wants_an_object(body: bytes) -> None:
    ledger = Ledger(httpx.Response(200, content=body))
    with pytest.raises(UnavailableError, match="expected"):
        ledger.call(lambda gateway: gateway.subject("x"))


def test_an_answer_beyond_its_cap_is_not_read_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("client.protocol.limits.BUNDLE_BYTES", 1_000)

    def endless(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=(b"x" * 600 for _ in iter(int, 1)))

    with (
        Gateway([ONE], transport=httpx.MockTransport(endless)) as gateway,
        pytest.raises(UnavailableError, match="at most 1000 bytes"),
    ):
        gateway.bundle(["a"])


def test_gateways_have_to_be_named_as_addresses() -> None:
    for addresses in ((), (Address("ftp://one"),), (Address("one:8100"),)):
        with pytest.raises(FormError) as raised:
            Gateway(addresses)
        assert raised.value.code is Code.USAGE


def test_the_async_gateway_does_what_the_sync_one_does() -> None:
    async def all_of_it() -> list[Any]:
        ledger = Ledger(httpx.ConnectError, problem(503, "unavailable"))
        pauses: list[float] = []

        async def sleep(seconds: float) -> None:
            pauses.append(seconds)

        def answer(request: httpx.Request) -> httpx.Response:
            return ledger(request)

        async with AsyncGateway([ONE, TWO], transport=httpx.MockTransport(answer), sleep=sleep) as gateway:
            calls: list[Coroutine[Any, Any, Any]] = [
                gateway.submit(submission()),
                gateway.subject("x"),
                gateway.history("x"),
                gateway.block(3),
            ]
            found = [await call for call in calls]
            for octets in (gateway.genesis(), gateway.checkpoint(), gateway.bundle(["x"])):
                assert await octets
            with pytest.raises(UnavailableError):
                await gateway.transaction("ab")
        assert len(pauses) == 1
        return found

    standings, *objects = asyncio.run(all_of_it())
    assert standings[0].status == "final"
    assert [one["path"] for one in objects] == ["/v1/subjects", "/v1/subjects/history", "/v1/blocks/3"]


# --- following


def block(height: int) -> bytes:
    return b'id: %d\nevent: block\ndata: {"height": %d}\n\n' % (height, height)


class Stream:
    """Gateways whose streams break after some events."""

    def __init__(self, *streams: Any) -> None:
        self.streams = list(streams)
        self.asked: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(f"{request.url.host} {request.url.query.decode()}")
        found = self.streams.pop(0)
        if isinstance(found, httpx.Response):
            return found
        if isinstance(found, bytes):
            return httpx.Response(200, content=found, headers={"content-type": "text/event-stream"})
        raise found("gone", request=request)


def test_following_goes_on_where_a_stream_broke_each_block_once() -> None:
    stream = Stream(
        b": hello\n\n" + block(5) + block(6) + b"id: 7\nda",
        httpx.ConnectError,
        problem(429, "overloaded"),
        block(6) + block(7) + block(8),
    )
    pauses: list[float] = []
    with Gateway([ONE, TWO], transport=httpx.MockTransport(stream), sleep=pauses.append) as gateway:
        found = []
        for notice in gateway.follow(5):
            found.append(notice.data["height"])
            if len(found) == 4:
                break
    assert found == [5, 6, 7, 8]
    assert stream.asked == ["one from=5", "two from=7", "one from=7", "two from=7"]
    assert len(pauses) == 3


def test_following_ends_where_it_cannot_go_on() -> None:
    for last in (
        problem(401, "unauthorised", "no token"),
        b'event: problem\ndata: {"type": "urn:custody:history_incomplete", "detail": "no token"}\n\n',
    ):
        with (
            Gateway([ONE], transport=httpx.MockTransport(Stream(last)), sleep=lambda _: None) as gateway,
            pytest.raises(CustodyError, match="no token"),
        ):
            next(gateway.follow(1))


def test_following_works_asynchronously() -> None:
    async def heights() -> list[int]:
        async def sleep(_: float) -> None:
            return None

        stream = Stream(block(1), block(2))
        found = []
        async with AsyncGateway([ONE], transport=httpx.MockTransport(stream), sleep=sleep) as gateway:
            follower = gateway.follow(1)
            async for notice in follower:
                found.append(notice.data["height"])
                if len(found) == 2:
                    break
            await follower.aclose()  # type: ignore[attr-defined]
        return found

    assert asyncio.run(heights()) == [1, 2]


def test_json_in_problems_is_never_trusted_to_be_text() -> None:
    body = json.dumps({"type": "urn:custody:malformed", "detail": "a\x1b[31mred\x07"}).encode()
    ledger = Ledger(httpx.Response(400, content=body))
    with pytest.raises(FormError) as raised:
        ledger.call(lambda gateway: gateway.subject("x"))
    assert "\x1b" not in str(raised.value)
