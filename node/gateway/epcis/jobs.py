"""Capture jobs: taken, handed in, followed until final, and taken up again after a restart (EPCIS.md "Capture").

Once `begin` answered the job is on disk with its signed transactions. What happens to this process then costs time only: the
transactions are handed in until the validator says what became of them, with patience while it is away or has too much
to do. A job's transactions go one after another, so that its events keep their order; jobs go side by side, `RUNNING` at a time.

An eventID that is being captured is spoken for until the index shows its event: two captures of one never both succeed here.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, NamedTuple

import structlog

from ledger.base.errors import Code, CustodyError, UnavailableError
from node.gateway.epcis import job_store
from node.gateway.epcis.job_store import Fate, Job, JobPart, Opened
from node.gateway.epcis.preparing import (
    Behaviour,
    Body,
    Candidate,
    Fault,
    Named,
    Part,
    Renewed,
    event_names,
    kept_submission,
)
from node.gateway.epcis.store import LocalStore
from node.local.client import LocalClient
from node.local.protocol import State, Submission, TransactionStatus, WaitFor

RUNNING: Final = 8
"""Jobs whose transactions are handed in at a time."""
UNFINISHED: Final = 2_000
UNFINISHED_BYTES: Final = 1_000_000_000
"""Jobs that may wait or run, and the bytes that are kept for them; beyond it 429."""
FIRST_PAUSE_S: Final = 0.05
LONGEST_PAUSE_S: Final = 2.0
_LATER: Final = frozenset({Code.OVERLOADED, Code.UNAVAILABLE, Code.WRONG_EPOCH})
"""Refusals that say nothing of the transaction: the same bytes are handed in again."""


class Stored(NamedTuple):
    """An event of the repository, as far as a capture must know it."""

    context: bytes | None
    event: bytes | None
    """None where nobody can read it any more."""
    is_correction: bool
    event_hash: bytes


Lookup = Callable[[Sequence[str]], Awaitable[Mapping[str, Sequence[Stored]]]]
Renew = Callable[[bytes], Awaitable[Renewed | None]]
IsPast = Callable[[int], Awaitable[bool]]
Sign = Callable[[Sequence[Candidate]], Awaitable[tuple[Part, ...]]]
_Name = tuple[str, bool]


class Jobs:
    """All captures of this gateway."""

    def __init__(
        self, store: LocalStore, validator: LocalClient, look_up: Lookup, renew: Renew, is_past: IsPast
    ) -> None:
        """`look_up`: the events in the index under some eventIDs. `renew`: signs anew what expired, if there is a key.
        `is_past`: whether the index has a block of that time, so that nothing which expired then is executed any more.
        """
        self._store = store
        self._validator = validator
        self._look_up = look_up
        self._renew = renew
        self._is_past = is_past
        self._spoken_for: dict[_Name, str] = {}
        self._unseen: list[tuple[int, tuple[Named, ...]]] = []
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._bytes: dict[int, int] = {}
        self._beginning: set[asyncio.Task[Job]] = set()
        self._places = asyncio.Semaphore(RUNNING)
        self._log = structlog.get_logger("gateway")

    async def open(self, height: int) -> None:
        """Take up what was left unfinished; `height`: up to which block the index shows events."""
        for job, final, events in await self._store.run(lambda found: job_store.unseen(found, height)):
            self._spoken_for.update(dict.fromkeys(_names(events), job))
            if final is not None:
                self._unseen.append((final, events))
        for number, size in await self._store.run(job_store.unfinished):
            self._start(number, size)

    async def close(self) -> None:
        """Stop following; everything is on disk."""
        await asyncio.gather(*self._beginning, return_exceptions=True)
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # ---- taking

    async def begin(
        self, captured_by: str, behaviour: Behaviour, body: Body, sign: Sign, document: bytes | None
    ) -> Job:
        """A job for what a body came to, on disk and under way. UnavailableError overloaded; what `sign` raises.

        A client that goes away meanwhile changes nothing of it.
        """
        if len(self._tasks) >= UNFINISHED or sum(self._bytes.values()) >= UNFINISHED_BYTES:
            raise UnavailableError(
                Code.OVERLOADED,
                f"expected fewer than {UNFINISHED} unfinished captures of {UNFINISHED_BYTES} bytes, all room is taken; try again",
            )
        beginning = asyncio.create_task(self._begin(captured_by, behaviour, body, sign, document))
        self._beginning.add(beginning)
        beginning.add_done_callback(self._beginning.discard)
        return await asyncio.shield(beginning)

    async def _begin(
        self, captured_by: str, behaviour: Behaviour, body: Body, sign: Sign, document: bytes | None
    ) -> Job:
        job = secrets.token_hex(16)
        taken, again, repeated = self._speak_for(job, body.candidates)
        try:
            fresh, unchanged, known, here = await self._sifted(taken)
            faults = (*body.faults, *repeated, *known)
            if behaviour is Behaviour.ROLLBACK and faults:
                fresh = []
            parts = await sign(fresh) if fresh else ()
            row = Job(
                0, job, captured_by, behaviour.value, _now_ms(), None if parts else _now_ms(), not faults,
                body.original, faults, tuple((one.place, one.event_id or "") for one in (*unchanged, *again)),
                body.notices,
            )  # fmt: skip
            number = await self._store.run(
                lambda found: job_store.begin(found, row, parts, document if parts else None, here)
            )
        except BaseException:
            self._give_up(taken)
            raise
        handed = {one.place for one in fresh}
        self._give_up([one for one in taken if one.place not in handed])
        if parts:
            self._start(number, sum(len(part.submission) for part in parts))
        return row._replace(number=number)

    def _speak_for(
        self, job: str, candidates: Sequence[Candidate]
    ) -> tuple[list[Candidate], list[Candidate], list[Fault]]:
        """Take the eventIDs of all candidates. Those that now have theirs; those that stand in the body before, byte by byte
        (the check sees to that); and those whose eventID is being captured elsewhere.
        """
        taken, again, faults = [], [], []
        for one in candidates:
            if one.event_id is None:
                taken.append(one)
                continue
            place = f"{job}{one.place}"
            holder = self._spoken_for.setdefault((one.event_id, one.is_correction), place)
            if holder == place:
                taken.append(one)
            elif holder.startswith(job):
                again.append(one)
            else:
                faults.append(
                    Fault(
                        one.place, one.event_id, Code.REPEATED,
                        f"expected an eventID that no event here has, capture {holder[:32]} has {one.event_id[:96]!a}",
                    )
                )  # fmt: skip
        return taken, again, faults

    def _give_up(self, candidates: Sequence[Candidate]) -> None:
        for one in candidates:
            if one.event_id is not None:
                self._spoken_for.pop((one.event_id, one.is_correction), None)

    async def _sifted(
        self, candidates: Sequence[Candidate]
    ) -> tuple[list[Candidate], list[Candidate], list[Fault], list[bytes]]:
        """Those that are new; those that the repository has as they are; those whose eventID is another event's; and the hashes
        of those that are there.
        """
        stored = await self._look_up([one.event_id for one in candidates if one.event_id is not None])
        fresh, unchanged, faults, here = [], [], [], []
        for one in candidates:
            there = [
                found
                for found in stored.get(one.event_id or "", ())
                if found.is_correction == one.is_correction
            ]
            if not there:
                fresh.append(one)
            elif same := [found.event_hash for found in there if found.event == one.event]:
                unchanged.append(one)
                here += same
            else:
                faults.append(
                    Fault(
                        one.place, one.event_id, Code.REPEATED,
                        f"expected an eventID that no event here has, {(one.event_id or '')[:96]!a} has one; "
                        "what is captured is never changed: declare it in error instead",
                    )
                )  # fmt: skip
        return fresh, unchanged, faults, here

    # ---- following

    async def wait(self, number: int) -> None:
        """Until a job is finished. To be cancelled by who has waited long enough."""
        task = self._tasks.get(number)
        if task is not None:
            await asyncio.shield(task)

    def indexed(self, height: int) -> None:
        """The index shows all events up to that block: their eventIDs are found there from now on."""
        seen = [events for final, events in self._unseen if final <= height]
        if seen:
            self._unseen = [(final, events) for final, events in self._unseen if final > height]
        for events in seen:
            self._release(events)

    def _release(self, events: Sequence[Named]) -> None:
        for name in _names(events):
            self._spoken_for.pop(name, None)

    def _start(self, number: int, size: int) -> None:
        task = asyncio.create_task(self._run(number), name=f"capture {number}")
        self._tasks[number] = task
        self._bytes[number] = size

        def ended(_: asyncio.Task[None]) -> None:
            del self._tasks[number], self._bytes[number]

        task.add_done_callback(ended)

    async def _run(self, number: int) -> None:
        async with self._places:
            pause_s = FIRST_PAUSE_S
            while True:
                try:
                    opened = await self._store.run(lambda found: job_store.opened(found, number))
                    if opened is None:
                        await self._store.run(lambda found: job_store.finish(found, number, _now_ms()))
                        return
                    if await self._settled(number, opened):
                        pause_s = FIRST_PAUSE_S
                        continue
                except (
                    CustodyError
                ) as error:  # the disk: what is not written down is not lost, it is asked again
                    self._log.error("capture waits", code=error.code.value, detail=error.message)
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    async def _settled(self, number: int, opened: Opened) -> bool:
        """Hand one part in and keep what became of it. False: it expired and is to be handed in again, perhaps signed anew."""
        status = await self._handed_in(kept_submission(opened.submission))
        if _is_expired(status) and await self._renewed(number, opened):
            return False
        fate = _fate(status, len(opened.events))
        height, time_ms = status.height, status.time_ms
        await self._store.run(
            lambda found: job_store.settle(found, number, opened.part, fate, height, time_ms)
        )
        captured = [
            event
            for event, (refusal, _) in zip(opened.events, fate.events, strict=True)
            if not fate.code and not refusal
        ]
        kept = set(captured)
        self._release([event for event in opened.events if event not in kept])
        if height is not None and captured:
            self._unseen.append((height, tuple(captured)))
        return True

    async def _renewed(self, number: int, opened: Opened) -> bool:
        """Sign what expired anew, unless it cannot be or the repository has any of it. True: to be handed in again.

        A validator refuses by its clock what the next block could not take. One that began anew may not know that it stands in a
        block already, which is not final yet or which the index has not got to: only behind a block of a later time than the
        expiry it is certain that nothing executes it any more, and that the index would show it.
        """
        if not await self._is_past(opened.expiry_ms):
            return True
        if await self._look_up(event_names(opened.submission)):
            return False
        renewed = await self._renew(opened.submission)
        if renewed is None:
            return False
        await self._store.run(lambda found: job_store.renew(found, number, opened.part, renewed))
        return True

    async def _handed_in(self, submission: Submission) -> TransactionStatus:
        """What became of a transaction, however long it takes."""
        pause_s = FIRST_PAUSE_S
        was_said = False
        while True:
            try:
                (status,) = await self._validator.submit([submission], WaitFor.FINAL)
                if status.state is State.FINAL or (
                    status.state is State.REFUSED and Code(status.code) not in _LATER
                ):
                    return status
                code, detail = status.code, status.message
            except CustodyError as error:
                code, detail = error.code.value, error.message
            if not was_said:
                self._log.warning("capture waits", code=code, detail=detail)
            was_said = True
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    # ---- telling

    async def job(self, captured: str) -> tuple[Job, tuple[JobPart, ...]] | None:
        """A job by its id."""
        return await self._store.run(lambda found: job_store.job_of(found, captured))

    async def document(self, name: str) -> bytes | None:
        """A document that was captured, as it came; empty where an author erased an event of it."""
        return await self._store.run(lambda found: job_store.document_of(found, name))

    async def erase(self, event_hashes: Sequence[bytes]) -> None:
        """Forget the documents that any of these events was captured in, and what the file's journal keeps of what is gone."""
        if await self._store.run(lambda found: job_store.erase(found, event_hashes)):
            await self._store.clean()

    async def erase_missed(self, are_erased: Callable[[Sequence[bytes]], Awaitable[set[bytes]]]) -> None:
        """Forget the documents of events that were erased while nobody followed here."""
        kept = await self._store.run(job_store.documented)
        await self.erase(sorted(await are_erased(kept)) if kept else [])

    async def before(self, number: int, most: int) -> list[Job]:
        """Up to `most` jobs with lower numbers, the newest first."""
        return await self._store.run(lambda found: job_store.jobs_before(found, number, most))


def _is_expired(status: TransactionStatus) -> bool:
    """Whether it was refused, here or by every validator, for nothing but its expiry."""
    codes = [status.code] if status.state is State.REFUSED else [one.refusal for one in status.receipts]
    return all(code == Code.EXPIRED for code in codes)


def _names(events: Sequence[Named]) -> list[_Name]:
    return [(event.event_id, event.is_correction) for event in events if not event.is_derived]


def _fate(status: TransactionStatus, count: int) -> Fate:
    if status.state is State.REFUSED:
        return Fate(status.code, status.message, (("", ()),) * count)
    found = {receipt.place: (receipt.refusal, receipt.outcomes) for receipt in status.receipts}
    return Fate("", "", tuple(found[place] for place in range(count)))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
