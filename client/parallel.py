"""Many submissions under way from one process: as many as the network takes and no more (API.md §2.4, §5).

    async with Parallel([Address(url), ...], in_flight=32) as network:
        standings = await network.submit(submission)

Each goes to the next gateway in turn, to the others where that one fails, and waits as long as a gateway asks for (429 and
Retry-After). A place is held from the first attempt to the answer, also while it waits, so a network that cannot keep up is
asked for less. What is submitted together is ordered by the validators as they please.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from itertools import count
from types import TracebackType
from typing import Any, Final, Self

import httpx

from client.gateway import AsyncGateway
from client.protocol import Address, Policy, Standing, Wait
from client.request_signing import RequestSigner
from client.signing import Submission

IN_FLIGHT: Final = 32


class Parallel:
    """Several gateways of the same ledger, with a bounded number of submissions under way."""

    def __init__(
        self,
        addresses: Sequence[Address],
        *,
        in_flight: int = IN_FLIGHT,
        policy: Policy | None = None,
        signer: RequestSigner | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Coroutine[Any, Any, None]] = asyncio.sleep,
    ) -> None:
        """`policy`, `signer`, `transport`, `sleep`: as of `AsyncGateway`."""
        self.gateways = tuple(
            AsyncGateway(
                [*addresses[place:], *addresses[:place]],
                policy=policy,
                signer=signer,
                transport=transport,
                sleep=sleep,
            )
            for place in range(max(1, len(addresses)))
        )
        """One for each address, which asks it first."""
        self.in_flight = in_flight
        self._turn = count()
        self._places = asyncio.Semaphore(in_flight)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for gateway in self.gateways:
            await gateway.close()

    async def submit(self, submission: Submission, wait: Wait = Wait.FINAL) -> tuple[Standing, ...]:
        """As `AsyncGateway.submit`, once there is a place."""
        async with self._places:
            return await self.gateways[next(self._turn) % len(self.gateways)].submit(submission, wait)
