"""Gateways over HTTP, in a sync and an async shell around the same flows (`client.protocol`).

    with Gateway([Address("http://127.0.0.1:8100", token)]) as gateway:
        standings = gateway.submit(submission, wait=Wait.FINAL)

Both are context managers and hold connections until closed. A method raises CustodyError: the problem that a gateway
answered with, or unavailable when none answered in time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import httpx

from client import protocol
from client.acts import request_body
from client.protocol import Address, Answer, Exchange, Flow, Pause, Policy, Pool, Standing, Unreachable, Wait
from client.request_signing import RequestSigner
from client.signing import Submission
from client.stream import Follower, Notice
from ledger.base.errors import Code, FormError, UnavailableError
from ledger.chain.transaction import Transaction

T = TypeVar("T")
_CONNECT_S: Final = 5.0
_LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")
_CONNECTIONS: Final = 512
"""Kept open by an asynchronous client: as many as its callers use at a time, so none is made anew for each request."""
_IDLE_S: Final = 60.0
"""A stream that says nothing for so long is taken for dead; gateways send comments in between."""


def _timeout(exchange: Exchange) -> httpx.Timeout:
    return httpx.Timeout(exchange.timeout_s, connect=min(_CONNECT_S, exchange.timeout_s))


def _uses_environment(addresses: Sequence[Address]) -> bool:
    """Whether proxies named in the environment apply: not where every gateway is on this machine."""
    return not all(address.url.partition("://")[2].startswith(_LOOPBACK) for address in addresses)


def _check_shows_one(addresses: Sequence[Address], signer: RequestSigner | None) -> None:
    if signer is not None and any(address.token is not None for address in addresses):
        raise FormError(Code.USAGE, "expected requests with a token or with a signature, got both")


def _arguments(exchange: Exchange) -> dict[str, Any]:
    return {
        "method": exchange.method,
        "url": exchange.url,
        "params": list(exchange.params),
        "headers": dict(exchange.headers),
        "content": exchange.content,
        "timeout": _timeout(exchange),
    }


class _Body:
    """An answer's body while it comes, up to the most that was asked for."""

    def __init__(self, exchange: Exchange) -> None:
        self._most = exchange.most_bytes
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, chunk: bytes) -> None:
        self._size += len(chunk)
        if self._size > self._most:
            raise UnavailableError(
                Code.TOO_LARGE,
                f"expected at most {self._most} bytes from the gateway, got more; ask for less",
            )
        self._parts.append(chunk)

    def answer(self, response: httpx.Response) -> Answer:
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status_code, headers, b"".join(self._parts))


def _unreachable(exchange: Exchange, error: httpx.HTTPError) -> Unreachable:
    host = exchange.url.partition("://")[2].partition("/")[0]
    if isinstance(error, httpx.ConnectError):
        return Unreachable(f"nothing answers at {host}; is its node running?")
    return Unreachable(f"{host}: {type(error).__name__}")


class Gateway:
    """One or several gateways of the same ledger, called synchronously."""

    def __init__(
        self,
        addresses: Sequence[Address],
        *,
        policy: Policy | None = None,
        signer: RequestSigner | None = None,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """`signer`: signs every request, instead of tokens."""
        self._pool = Pool(addresses, policy)
        _check_shows_one(addresses, signer)
        self._http = httpx.Client(auth=signer, transport=transport, trust_env=_uses_environment(addresses))
        self._sleep = sleep

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def _run(self, flow: Flow[T]) -> T:
        answer: Answer | Unreachable | None = None
        while True:
            try:
                step = flow.send(answer)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            if isinstance(step, Pause):
                self._sleep(step.seconds)
                answer = None
            else:
                answer = self._exchange(step)

    def _exchange(self, exchange: Exchange) -> Answer | Unreachable:
        body = _Body(exchange)
        try:
            with self._http.stream(**_arguments(exchange)) as response:
                for chunk in response.iter_bytes():
                    body.add(chunk)
                return body.answer(response)
        except httpx.HTTPError as error:
            return _unreachable(exchange, error)

    def submit(self, submission: Submission, wait: Wait = Wait.FINAL) -> tuple[Standing, ...]:
        """Submit signed transactions, in order; their standings when each is as waited for, or patience ends.

        Safe to repeat with the same submission, at any gateway.
        """
        return tuple(
            standing
            for part in submission.parts()
            for standing in self._run(protocol.submit(self._pool, part.request_body(), wait))
        )

    def hand_in(self, transactions: Sequence[Transaction]) -> tuple[Standing, ...]:
        """Hand in transactions that carry nothing beside them (`client.acts`); their standings once final or refused."""
        return self._run(protocol.submit(self._pool, request_body(transactions), Wait.FINAL))

    def ask_approval(self, body: bytes) -> dict[str, Any]:
        """Hand in signed acts for a person's approval, in the form in which they are submitted: the link and words of each."""
        return self._object(protocol.post_json(self._pool, "/v1/approvals", body))

    def approval(self, act: str) -> dict[str, Any]:
        """What became of an act that waits for approval, by its item hash in hexadecimal."""
        return self._object(protocol.read_json(self._pool, f"/v1/approvals/{act}"))

    def transaction(self, identifier: str) -> Standing:
        """Where a transaction is, by its id in hexadecimal."""
        return self._run(protocol.transaction(self._pool, identifier))

    def status(self) -> dict[str, Any]:
        """How the node is doing, as JSON; `time_ms` is that of its newest final block."""
        return self._object(protocol.read_json(self._pool, "/v1/status"))

    def subject(self, identifier: str) -> dict[str, Any]:
        """A subject's record as JSON, by its canonical identifier."""
        return self._object(protocol.read_json(self._pool, "/v1/subjects", ("id", identifier)))

    def history(self, identifier: str, *params: tuple[str, str]) -> dict[str, Any]:
        """A subject's chain as JSON, oldest first."""
        return self._object(
            protocol.read_json(self._pool, "/v1/subjects/history", ("id", identifier), *params)
        )

    def block(self, height: int) -> dict[str, Any]:
        """A block as JSON."""
        return self._object(protocol.read_json(self._pool, f"/v1/blocks/{height}"))

    def whole_block(self, height: int) -> bytes:
        """A block in the ledger's encoding, which can be audited."""
        return self._run(protocol.octets(self._pool, f"/v1/blocks/{height}"))

    def bundle(self, identifiers: Sequence[str], *params: tuple[str, str]) -> bytes:
        """The bundle that proves the given subjects."""
        return self._run(protocol.bundle(self._pool, identifiers, *params))

    def checkpoint(self) -> bytes:
        """The newest checkpoint in the ledger's encoding."""
        return self._run(protocol.octets(self._pool, "/v1/checkpoint"))

    def genesis(self) -> bytes:
        """The genesis file. Whoever takes it from a gateway trusts that gateway; compare the network id."""
        return self._run(protocol.octets(self._pool, "/v1/genesis"))

    def registry(self) -> bytes:
        """The registry file (`ledger.proof.registry`), to be verified."""
        return self._run(protocol.octets(self._pool, "/v1/registry"))

    def _object(self, flow: Flow[Any]) -> dict[str, Any]:
        return _as_object(self._run(flow))

    def follow(self, start: int) -> Iterator[Notice]:
        """Blocks from height `start` on, each once, over connections that may break; it ends only when closed."""
        follower = Follower(self._pool, start)
        while True:
            exchange = follower.request()
            arguments = _arguments(exchange) | {"timeout": httpx.Timeout(_IDLE_S, connect=_CONNECT_S)}
            try:
                with self._http.stream(**arguments) as response:
                    if response.is_success:
                        for chunk in response.iter_bytes():
                            yield from follower.feed(chunk)
                    else:
                        protocol.check_may_return(Answer(response.status_code, {}, response.read()))
            except httpx.HTTPError:
                pass  # a connection that broke is taken up again below
            self._sleep(follower.lost().seconds)


class AsyncGateway:
    """One or several gateways of the same ledger, called asynchronously; the methods are those of `Gateway`."""

    def __init__(
        self,
        addresses: Sequence[Address],
        *,
        policy: Policy | None = None,
        signer: RequestSigner | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Coroutine[Any, Any, None]] = asyncio.sleep,
    ) -> None:
        self._pool = Pool(addresses, policy)
        _check_shows_one(addresses, signer)
        self._http = httpx.AsyncClient(
            auth=signer,
            transport=transport,
            trust_env=_uses_environment(addresses),
            limits=httpx.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS),
        )
        self._sleep = sleep

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def _run(self, flow: Flow[T]) -> T:
        answer: Answer | Unreachable | None = None
        while True:
            try:
                step = flow.send(answer)
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
            if isinstance(step, Pause):
                await self._sleep(step.seconds)
                answer = None
            else:
                answer = await self._exchange(step)

    async def _exchange(self, exchange: Exchange) -> Answer | Unreachable:
        body = _Body(exchange)
        try:
            async with self._http.stream(**_arguments(exchange)) as response:
                async for chunk in response.aiter_bytes():
                    body.add(chunk)
                return body.answer(response)
        except httpx.HTTPError as error:
            return _unreachable(exchange, error)

    async def submit(self, submission: Submission, wait: Wait = Wait.FINAL) -> tuple[Standing, ...]:
        """As `Gateway.submit`."""
        found: list[Standing] = []
        for part in submission.parts():
            found += await self._run(protocol.submit(self._pool, part.request_body(), wait))
        return tuple(found)

    async def hand_in(self, transactions: Sequence[Transaction]) -> tuple[Standing, ...]:
        """As `Gateway.hand_in`."""
        return await self._run(protocol.submit(self._pool, request_body(transactions), Wait.FINAL))

    async def transaction(self, identifier: str) -> Standing:
        """As `Gateway.transaction`."""
        return await self._run(protocol.transaction(self._pool, identifier))

    async def status(self) -> dict[str, Any]:
        """As `Gateway.status`."""
        return await self._object(protocol.read_json(self._pool, "/v1/status"))

    async def subject(self, identifier: str) -> dict[str, Any]:
        """As `Gateway.subject`."""
        return await self._object(protocol.read_json(self._pool, "/v1/subjects", ("id", identifier)))

    async def history(self, identifier: str, *params: tuple[str, str]) -> dict[str, Any]:
        """As `Gateway.history`."""
        flow = protocol.read_json(self._pool, "/v1/subjects/history", ("id", identifier), *params)
        return await self._object(flow)

    async def block(self, height: int) -> dict[str, Any]:
        """As `Gateway.block`."""
        return await self._object(protocol.read_json(self._pool, f"/v1/blocks/{height}"))

    async def bundle(self, identifiers: Sequence[str], *params: tuple[str, str]) -> bytes:
        """As `Gateway.bundle`."""
        return await self._run(protocol.bundle(self._pool, identifiers, *params))

    async def checkpoint(self) -> bytes:
        """As `Gateway.checkpoint`."""
        return await self._run(protocol.octets(self._pool, "/v1/checkpoint"))

    async def genesis(self) -> bytes:
        """As `Gateway.genesis`."""
        return await self._run(protocol.octets(self._pool, "/v1/genesis"))

    async def registry(self) -> bytes:
        """As `Gateway.registry`."""
        return await self._run(protocol.octets(self._pool, "/v1/registry"))

    async def _object(self, flow: Flow[Any]) -> dict[str, Any]:
        return _as_object(await self._run(flow))

    async def follow(self, start: int) -> AsyncIterator[Notice]:
        """As `Gateway.follow`."""
        follower = Follower(self._pool, start)
        while True:
            exchange = follower.request()
            arguments = _arguments(exchange) | {"timeout": httpx.Timeout(_IDLE_S, connect=_CONNECT_S)}
            try:
                async with self._http.stream(**arguments) as response:
                    if response.is_success:
                        async for chunk in response.aiter_bytes():
                            for notice in follower.feed(chunk):
                                yield notice
                    else:
                        protocol.check_may_return(Answer(response.status_code, {}, await response.aread()))
            except httpx.HTTPError:
                pass  # a connection that broke is taken up again below
            await self._sleep(follower.lost().seconds)


def _as_object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UnavailableError(
            Code.UNAVAILABLE, "expected a JSON object from the gateway, got something else"
        )
    return value
