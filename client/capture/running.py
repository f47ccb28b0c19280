"""Carries a capture through: stretches under way in parallel, each noted before it leaves and when its fate is known.

Nothing is lost: what is not noted as done is made again, and what was not noted at all never left. Nothing is double: a stretch
is one transaction under one id, handed in again as the same bytes; it is signed anew under another id only when every gateway
that is asked has a final block from after its expiry and does not know it, so that it can never execute any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

from client.capture.document import Surveyed, events_from
from client.capture.journal import Journal, Stretch
from client.capture.making import Maker, Taken, stretches, taken
from client.capture.order import Touched, UnderWay, touched
from client.parallel import Parallel
from client.protocol import Receipt, Standing
from client.signing import LIFETIME_MS, Submission
from ledger.base.errors import Code, CustodyError, StorageError, UnavailableError

EXPIRES_SOON_MS: Final = 120_000
"""A signature with less left than this is not handed in any more."""
_ASK_AGAIN_S: Final = 1.0
_ASKS: Final = 180
"""How often the ledger is asked what became of an expired transaction: for longer than an idle chain has no block."""
_NOT_NOW: Final = (Code.OVERLOADED, Code.UNAVAILABLE, Code.DISK_FULL)


class Outcome(NamedTuple):
    """What became of one event that did not simply come to hold."""

    place: int
    """Of the event among all of the file, from 1."""
    result: str
    """`recorded` or `refused`."""
    detail: str


class _Signed(NamedTuple):
    """A stretch as it is signed, and the transaction, unless it has to be made again."""

    stretch: Stretch
    submission: Submission | None


class Capture:
    """One capture of one file. `told` hears of each event that was refused or only recorded."""

    def __init__(
        self,
        path: Path,
        surveyed: Surveyed,
        journal: Journal,
        maker: Maker,
        network: Parallel,
        *,
        keeps_order: bool,
        now_ms: Callable[[], int],
        told: Callable[[Outcome], None] = lambda _: None,
        pause: Callable[[float], Coroutine[Any, Any, None]] = asyncio.sleep,
    ) -> None:
        self._path = path
        self._surveyed = surveyed
        self._journal = journal
        self._maker = maker
        self._network = network
        self._keeps_order = keeps_order
        self._now_ms = now_ms
        self._told = told
        self._pause = pause
        self._under_way = UnderWay()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Until every event's fate is known. CustodyError: what stands in the way; running again goes on from here."""
        try:
            for number, events, signed in self._work():
                what = touched([one.extract for one in events if one.extract is not None])
                await self._room_for(what)
                self._under_way.begin(number, what)
                self._begin(number, events, signed)
            while self._tasks:
                await self._one_ends()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        self._journal.finish()

    def _work(self) -> Iterator[tuple[int, list[Taken], Stretch | None]]:
        """Stretches in the file's order: those that were under way, then those never signed."""
        for old in sorted(self._journal.under_way.values()):
            found = islice(self._events(old.start, old.first), old.events)
            yield old.number, list(found), old
        at, first = self._journal.at or (self._surveyed.first, 0)
        new = stretches(self._events(at, first), self._journal.header.per_transaction, self._surveyed.context)
        for events in new:
            yield self._journal.next, events, None

    def _events(self, at: int, first: int) -> Iterator[Taken]:
        for place, found in enumerate(events_from(self._path, at), first):
            yield taken(place, found, self._surveyed.context)

    # ---- under way

    async def _room_for(self, what: Touched) -> None:
        while len(self._tasks) >= self._network.in_flight or (
            self._keeps_order and self._under_way.waits_for(what)
        ):
            await self._one_ends()

    def _begin(self, number: int, events: Sequence[Taken], signed: Stretch | None) -> None:
        work = _Signed(signed, None) if signed else self._sign(number, events, 0)
        self._tasks.add(asyncio.create_task(self._carry(work, events)))

    async def _one_ends(self) -> None:
        ended, self._tasks = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        errors = [error for task in ended if (error := task.exception()) is not None]
        if errors:
            raise errors[0]

    # ---- one stretch

    def _sign(self, number: int, events: Sequence[Taken], attempt: int) -> _Signed:
        """Sign a stretch and note it; it may leave once the journal is synced."""
        expiry_ms = self._now_ms() + LIFETIME_MS
        stretch = Stretch(
            number, events[0].start, events[-1].end, events[0].place, len(events), attempt, expiry_ms, ""
        )
        made = None
        if any(one.extract is not None for one in events):
            made = self._maker.made(number, events, attempt, expiry_ms)
            stretch = stretch._replace(id=made.signed[0].transaction.id.hex())
        self._journal.signed(stretch)
        return _Signed(stretch, made)

    async def _carry(self, signed: _Signed, events: Sequence[Taken]) -> None:
        await self._journal.synced()
        stretch = signed.stretch
        standing = await self._standing(signed, events) if stretch.id else None
        readable = [one for one in events if one.extract is not None]
        receipts = {} if standing is None else {receipt.place: receipt for receipt in standing.receipts}
        results = [_outcome(one, standing, receipts.get(place)) for place, one in enumerate(readable)] + [
            Outcome(one.place + 1, "refused", str(one.error)) for one in events if one.error is not None
        ]
        results.sort()
        tally = [sum(one.result == word for one in results) for word in ("applied", "recorded", "refused")]
        self._journal.done(stretch.number, *tally)
        self._under_way.end(stretch.number)
        for one in results:
            if one.result != "applied":
                self._told(one)

    async def _standing(self, signed: _Signed, events: Sequence[Taken]) -> Standing:
        """What becomes of a stretch: final or refused. It is signed anew where its time runs out before it is ordered."""
        while True:
            stretch = signed.stretch
            if stretch.expiry_ms - self._now_ms() > EXPIRES_SOON_MS:
                submission = signed.submission or self._made_again(stretch, events)
                standing = await self._handed_in(stretch, submission)
                if standing.code != Code.EXPIRED:
                    return standing
            found = await self._found_after_expiry(stretch)
            if found is not None:
                return found
            signed = self._sign(stretch.number, events, stretch.attempt + 1)
            await self._journal.synced()

    def _made_again(self, stretch: Stretch, events: Sequence[Taken]) -> Submission:
        made = self._maker.made(stretch.number, events, stretch.attempt, stretch.expiry_ms)
        if made.signed[0].transaction.id.hex() != stretch.id:
            raise StorageError(
                Code.DIVERGED,
                f"expected events {stretch.first + 1} and on to make transaction {stretch.id} again, they make another: "
                "finish this capture with the version of the program that began it",
            )
        return made

    async def _handed_in(self, stretch: Stretch, submission: Submission) -> Standing:
        pause_s = _ASK_AGAIN_S
        while True:
            (standing,) = await self._network.submit(submission)
            if not standing.is_settled:
                raise UnavailableError(
                    Code.UNAVAILABLE,
                    "expected the ledger to make transactions final in time, it did not; run the same command again",
                )
            if standing.status != "refused" or standing.code not in _NOT_NOW:
                return standing
            if stretch.expiry_ms - self._now_ms() < EXPIRES_SOON_MS:
                return standing._replace(code=Code.EXPIRED)
            await self._pause(pause_s)
            pause_s = min(2 * pause_s, 30.0)

    async def _found_after_expiry(self, stretch: Stretch) -> Standing | None:
        """What became of a transaction that can no longer execute; None where it never did."""
        for _ in range(_ASKS):
            times = [(await gateway.status()).get("time_ms", 0) for gateway in self._network.gateways]
            found = [await self._known(place, stretch.id) for place in range(len(self._network.gateways))]
            final = next((one for one in found if one is not None and one.status == "final"), None)
            if final is not None:
                return final
            if min(times) > stretch.expiry_ms and not any(found):
                return None
            await self._pause(_ASK_AGAIN_S)
        raise UnavailableError(
            Code.UNAVAILABLE,
            f"expected a final block from after {stretch.expiry_ms} to say what became of {stretch.id}, none came; "
            "run the same command again",
        )

    async def _known(self, place: int, identifier: str) -> Standing | None:
        try:
            return await self._network.gateways[place].transaction(identifier)
        except CustodyError as error:
            if error.code == Code.UNKNOWN_TRANSACTION:
                return None
            raise


def _outcome(event: Taken, standing: Standing | None, receipt: Receipt | None) -> Outcome:
    place = event.place + 1
    if standing is None or receipt is None:
        why = "" if standing is None else standing.detail or standing.code or ""
        return Outcome(place, "refused", why)
    return Outcome(place, *receipt.result())
