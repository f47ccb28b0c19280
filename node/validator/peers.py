"""Asking several peers at once, each for its share, and what becomes of one that lies (CONSENSUS 28).

Work is cut into units; every connected peer works on one unit at a time, so that fast ones do more. A unit that a peer
cannot answer goes to another, and the peer is left alone for a while. A peer whose answer does not hold is named in the log,
dropped, and asked no more until there is nobody else.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final, Generic, TypeVar

from ledger.base.errors import Code, CustodyError, FormError, ProofError, UnavailableError
from node.logs import Log
from node.validator.sync_wire import Ask, encode_ask

ANSWER_S: Final = 10.0
"""How long an answer may take."""
REST_S: Final = 2.0
"""How long a peer that lacked something is left alone."""
ALL_BAD_S: Final = 30.0
LOOK_S: Final = 0.2

Unit = TypeVar("Unit")


class LacksError(UnavailableError):
    """A peer answers that it has not got what it was asked for."""


class Peers:
    """The peers of one node as those who answer."""

    def __init__(
        self,
        log: Log,
        connected: Callable[[], tuple[bytes, ...]],
        send: Callable[[bytes, bytes], bool],
        drop: Callable[[bytes, str], None],
        name: Callable[[bytes], str],
    ) -> None:
        """`connected` gives the keys of peers, `send` a question to one, `drop` closes its connection, `name` for the log."""
        self._log = log
        self._connected = connected
        self._send = send
        self._drop = drop
        self._name = name
        self._number = 0
        self._asked: dict[int, tuple[bytes, asyncio.Future[Any]]] = {}
        self._rests: dict[bytes, float] = {}
        self._liars: dict[bytes, str] = {}
        self.refused = 0
        """Answers that did not hold."""

    # ---- questions

    async def ask(self, peer: bytes, ask: Ask) -> Any:
        """The decoded value that a peer answers; LacksError if it has it not, UnavailableError if it does not answer."""
        self._number += 1
        number = self._number
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._asked[number] = (peer, answer)
        try:
            if not self._send(peer, encode_ask(number, ask)):
                raise UnavailableError(Code.UNAVAILABLE, "expected a connected peer")
            async with asyncio.timeout(ANSWER_S):
                value = await answer
        except TimeoutError:
            raise UnavailableError(
                Code.TIMED_OUT, f"expected {self._name(peer)} to answer within {ANSWER_S:.0f} s"
            ) from None
        finally:
            self._asked.pop(number, None)
        if value is None:
            raise LacksError(Code.UNAVAILABLE, f"expected {self._name(peer)} to have it, it has not")
        return value

    def answered(self, peer: bytes, number: int, value: Any) -> None:
        """An answer came; one that nobody waits for is passed over."""
        asked = self._asked.get(number)
        if asked is not None and asked[0] == peer and not asked[1].done():
            asked[1].set_result(value)

    def lost(self, peer: bytes) -> None:
        """A peer is gone: its answers will not come."""
        for asked, answer in self._asked.values():
            if asked == peer and not answer.done():
                gone = f"expected {self._name(peer)} to stay connected, it is gone"
                answer.set_exception(UnavailableError(Code.UNAVAILABLE, gone))

    # ---- whom to ask

    def free(self) -> tuple[bytes, ...]:
        """The peers that may be asked now, in the order of their keys."""
        now = asyncio.get_running_loop().time()
        connected = sorted(self._connected())
        return tuple(
            peer for peer in connected if peer not in self._liars and self._rests.get(peer, now) <= now
        )

    def rest(self, peer: bytes) -> None:
        """It has not got what was asked: leave it alone for a while."""
        self._rests[peer] = asyncio.get_running_loop().time() + REST_S

    def accuse(self, peer: bytes, what: str, error: CustodyError) -> None:
        """Its answer does not hold."""
        self.refused += 1
        self._liars[peer] = error.message
        reason = f"what it sent of {what} does not hold: {error.message}"
        self._log.warning("refused a peer's answer", peer=self._name(peer), part=what, reason=error.message)
        self._drop(peer, reason)

    def forgive(self) -> None:
        """Nobody else is left: ask everybody again, what they send is checked as before."""
        self._liars.clear()
        self._rests.clear()

    def is_refused(self, peer: bytes) -> bool:
        """Whether it sent something that did not hold."""
        return peer in self._liars

    @property
    def are_all_refused(self) -> bool:
        """Whether every peer met so far sent something that did not hold."""
        return bool(self._liars) and not set(self._connected()) - set(self._liars)


class Crew(Generic[Unit]):
    """Works off units with all peers at once."""

    def __init__(
        self,
        peers: Peers,
        work: Callable[[bytes, Unit], Awaitable[Iterable[Unit]]],
        name: Callable[[Unit], str],
        may: Callable[[bytes], bool] = lambda _peer: True,
    ) -> None:
        """`work(peer, unit)` does one unit, raising ProofError or FormError where the peer's answer does not hold and
        UnavailableError where it has none; it returns units that follow. `may`: whether a peer is to be asked at all.
        """
        self._peers = peers
        self._work = work
        self._name = name
        self._may = may
        self._waiting: deque[Unit] = deque()
        self._tasks: dict[bytes, asyncio.Task[None]] = {}
        self._stuck_since: float | None = None

    def add(self, units: Iterable[Unit]) -> None:
        """More to do, after what waits."""
        self._waiting.extend(units)

    def first(self, unit: Unit) -> None:
        """Do a waiting unit next."""
        if unit in self._waiting:
            self._waiting.remove(unit)
            self._waiting.appendleft(unit)

    async def run(self, patience_s: float | None = None, is_vain: Callable[[], bool] = lambda: False) -> bool:
        """Work until all is done; False if for `patience_s` nobody could do anything, or at once where waiting `is_vain`."""
        loop = asyncio.get_running_loop()
        try:
            while self._waiting or self._tasks:
                for peer in self._peers.free():
                    if self._waiting and peer not in self._tasks and self._may(peer):
                        unit = self._waiting.popleft()
                        self._tasks[peer] = asyncio.create_task(self._do(peer, unit))
                if self._tasks:
                    self._stuck_since = None
                    await asyncio.wait(
                        self._tasks.values(), timeout=LOOK_S, return_when=asyncio.FIRST_COMPLETED
                    )
                    self._collect()
                    continue
                now = loop.time()
                self._stuck_since = self._stuck_since or now
                if is_vain() or (patience_s is not None and now - self._stuck_since > patience_s):
                    return False
                if self._peers.are_all_refused and now - self._stuck_since > ALL_BAD_S:
                    self._peers.forgive()
                await asyncio.sleep(LOOK_S)
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        return True

    def _collect(self) -> None:
        for peer, task in list(self._tasks.items()):
            if task.done():
                del self._tasks[peer]
                task.result()

    async def _do(self, peer: bytes, unit: Unit) -> None:
        try:
            self._waiting.extend(await self._work(peer, unit))
        except (ProofError, FormError) as error:
            self._waiting.appendleft(unit)
            self._peers.accuse(peer, self._name(unit), error)
        except UnavailableError:
            self._waiting.appendleft(unit)
            self._peers.rest(peer)
