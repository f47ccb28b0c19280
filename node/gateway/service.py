"""What the routes share: the validator, asked with deadlines and within caps, and who may read (API.md §2).

A validator that hangs costs an answer and not the gateway: every question has a deadline, and no more than so many are open at
a time. Beyond that a client is told to come again, at once and cheaply. Submissions, which wait for finality, questions, and
the stream of blocks each have a connection of their own, so that none holds up another.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, TypeVar

import structlog
from starlette.requests import HTTPConnection

from ledger.base.errors import Code, CustodyError, FormError, UnavailableError
from ledger.chain.certificate import Checkpoint
from node.gateway.access import ReaderToken
from node.gateway.callers import Callers, standing_of
from node.gateway.follow import HEARTBEAT_S, Followers
from node.gateway.metrics import Metrics
from node.gateway.permissions import Caller, check_permitted, row_of
from node.gateway.reads import READING, Reads
from node.gateway.registry import RegistryView
from node.gateway.submission import BODY_S, FINAL_S, Intake
from node.local.client import LocalClient

READ_S: Final = 5.0
PROOF_S: Final = 60.0
PROBE_S: Final = 1.0
READS: Final = 256
PROOFS: Final = 4

_T = TypeVar("_T")


class Questions:
    """Questions of one sort, at most so many at a time."""

    def __init__(self, most: int, within_s: float, on_outcome: Callable[[bool], None]) -> None:
        """`on_outcome` hears after each question whether the validator could be reached."""
        self._left = most
        self._most = most
        self._within_s = within_s
        self._on_outcome = on_outcome

    async def __call__(self, question: Callable[[], Awaitable[_T]]) -> _T:
        """The validator's answer. UnavailableError: overloaded, unavailable; and what the validator raises."""
        if self._left <= 0:
            raise UnavailableError(
                Code.OVERLOADED, f"expected fewer than {self._most} such questions at a time; try again"
            )
        self._left -= 1
        is_reachable = False
        try:
            async with asyncio.timeout(self._within_s):
                answer = await persistently(question)
            is_reachable = True
            return answer
        except TimeoutError:
            raise UnavailableError(
                Code.UNAVAILABLE,
                f"expected the validator to answer within {self._within_s:g} s, it did not; try again later",
            ) from None
        except CustodyError as error:
            is_reachable = error.code != Code.UNAVAILABLE
            raise (error if is_reachable else away(error)) from None
        finally:
            self._left += 1
            self._on_outcome(is_reachable)


async def persistently(question: Callable[[], Awaitable[_T]]) -> _T:
    """Ask, and once more if the connection broke: a validator that was restarted is dialled anew. Every question is safe
    to repeat, also a submission: a transaction is known by its id.
    """
    try:
        try:
            return await question()
        except UnavailableError as error:
            if error.code != Code.UNAVAILABLE:
                raise
        return await question()
    except FormError as error:
        structlog.get_logger("gateway").error("answer not understood", detail=error.message)
        raise UnavailableError(
            Code.INTERNAL,
            "expected an answer in the protocol of this gateway, the validator gave another; are both of one version?",
        ) from None


def away(error: CustodyError) -> UnavailableError:
    """What clients are told when the validator cannot be reached: not where its socket is."""
    structlog.get_logger("gateway").warning("validator away", detail=error.message)
    return UnavailableError(
        Code.UNAVAILABLE,
        "expected a running validator behind this gateway, it does not answer; start it, or try again later",
    )


class Gateway:
    """What all routes stand on."""

    def __init__(
        self,
        network: bytes,
        token: ReaderToken,
        socket: Path,
        *,
        reads: int = READS,
        read_s: float = READ_S,
        final_s: float = FINAL_S,
        body_s: float = BODY_S,
        heartbeat_s: float = HEARTBEAT_S,
        organisation: str | None = None,
        noted: Reads | None = None,
    ) -> None:
        """`noted`: where reads are noted, which ends with the gateway. `socket`: the validator's. `final_s`: how long a submission waits before it is answered with what is known."""
        self.network = network
        self.socket = socket
        self.callers = Callers(token, organisation)
        self.reads = noted
        self._final_s = final_s
        self._deadlines: set[asyncio.Timeout] = set()
        self.validator = LocalClient(socket)
        self.submitter = LocalClient(socket)
        self._follower = LocalClient(socket)
        self.index_halted: Callable[[], CustodyError | None] = lambda: None
        """Why the query index stands still; None while it follows, or where there is none."""
        self.registry = RegistryView(_Asked(self))
        self.metrics = Metrics()
        self.intake = Intake(self.metrics, body_s=body_s)
        self.followers = Followers(self._follower, self.metrics, heartbeat_s=heartbeat_s)
        self.ask = Questions(reads, read_s, self._heard)
        self.prove = Questions(PROOFS, PROOF_S, self._heard)
        self.probe = Questions(reads, PROBE_S, self._heard)

    def _heard(self, is_reachable: bool) -> None:
        self.metrics.is_connected.set(is_reachable)

    @asynccontextmanager
    async def finality(self) -> AsyncIterator[None]:
        """As long as a submission waits; TimeoutError after `final_s`, or as soon as the gateway stops."""
        async with asyncio.timeout(self._final_s) as deadline:
            self._deadlines.add(deadline)
            try:
                yield
            finally:
                self._deadlines.discard(deadline)

    def stop(self) -> None:
        """End streams, and answer submissions that wait with what is known."""
        self.followers.stop()
        for deadline in self._deadlines:
            deadline.reschedule(asyncio.get_running_loop().time())

    async def guard(self, connection: HTTPConnection, route: str) -> None:
        """Let a request pass only if its caller may use its route (`permissions`), and only if it can be noted where it reads;
        the caller stands in its state afterwards.

        `route`: its template, whole.
        EntitlementError: unauthorised, not_entitled; SignatureError; UnavailableError of the log of reads.
        """
        row = row_of(connection.scope.get("method", "GET"), route)
        standing = standing_of(connection)
        caller = Caller(standing) if standing & row.roles else await self.callers.caller(connection)
        connection.state.caller = caller
        check_permitted(caller, row)
        if row.is_read and self.reads is not None:
            self.reads.reserve()
            connection.scope["state"][READING] = f"{row.method} {row.path}"

    async def close(self) -> None:
        """End streams and connections."""
        await self.followers.close()
        for client in (self.validator, self.submitter, self._follower):
            await client.close()
        if self.reads is not None:
            await asyncio.to_thread(self.reads.close)


class _Asked:
    """The validator as the registry is asked of it: within the caps of all questions."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def checkpoint(self) -> Checkpoint:
        return await self._gateway.ask(self._gateway.validator.checkpoint)

    async def registry(self) -> bytes:
        return await self._gateway.prove(self._gateway.validator.registry)

    async def genesis(self) -> bytes:
        return await self._gateway.ask(self._gateway.validator.genesis)
