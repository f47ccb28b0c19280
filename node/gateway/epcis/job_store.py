"""Capture jobs on disk (EPCIS.md "Capture"): each function is done within one transaction of the local store.

A job is a row, and one for each of its transactions. The signed transaction with its events' bytes stands there from before it
is handed in until its fate is known; a gateway that was killed hands the same bytes in again, which executes nothing twice.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from node.gateway.epcis.preparing import Fault, Named, Part, Renewed, event_hashes

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS capture_jobs (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    captured_by TEXT NOT NULL,
    behaviour TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    finished_ms INTEGER,
    is_success INTEGER NOT NULL,
    original TEXT,
    faults TEXT NOT NULL,
    unchanged TEXT NOT NULL,
    notices TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS capture_jobs_open ON capture_jobs (number) WHERE finished_ms IS NULL;
CREATE TABLE IF NOT EXISTS capture_parts (
    job INTEGER NOT NULL REFERENCES capture_jobs (number) ON DELETE CASCADE,
    part INTEGER NOT NULL,
    id BLOB NOT NULL,
    expiry_ms INTEGER NOT NULL,
    events TEXT NOT NULL,
    submission BLOB,
    height INTEGER,
    time_ms INTEGER,
    fate TEXT,
    PRIMARY KEY (job, part)
) STRICT;
CREATE INDEX IF NOT EXISTS capture_parts_height ON capture_parts (height) WHERE height IS NOT NULL;
CREATE TABLE IF NOT EXISTS captured_documents (
    name TEXT PRIMARY KEY,
    data BLOB NOT NULL,
    captured_ms INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS document_events (
    event BLOB NOT NULL,
    name TEXT NOT NULL,
    PRIMARY KEY (event, name)
) STRICT, WITHOUT ROWID;
"""
KEPT_MS: Final = 30 * 86_400_000
"""Jobs that finished longer ago are forgotten; what they captured stands on the ledger."""
_FORGOTTEN_AT_ONCE: Final = 32


class Fate(NamedTuple):
    """What became of a transaction: refused as a whole (`code`, `message`), or for each event a refusal or its outcomes."""

    code: str
    message: str
    events: tuple[tuple[str, tuple[int, ...]], ...]
    """(error code or "", outcome codes) of each."""

    @property
    def is_success(self) -> bool:
        """Whether every event was captured."""
        return not self.code and not any(refusal for refusal, _ in self.events)


class JobPart(NamedTuple):
    """One transaction of a job."""

    id: bytes
    events: tuple[Named, ...]
    height: int | None
    time_ms: int | None
    fate: Fate | None
    """None while it is not known."""


class Job(NamedTuple):
    """One capture."""

    number: int
    """In the order in which they began."""
    id: str
    captured_by: str
    """The name of the capture token."""
    behaviour: str
    created_ms: int
    finished_ms: int | None
    is_success: bool
    """No event failed so far."""
    original: str | None
    faults: tuple[Fault, ...]
    """Events that were never handed in."""
    unchanged: tuple[tuple[str, str], ...]
    """(place, eventID) of events that the repository already had, byte by byte."""
    notices: tuple[Fault, ...]
    """In what events deviate from the standard that were taken all the same."""


class Opened(NamedTuple):
    """A part whose fate is to be found out."""

    part: int
    expiry_ms: int
    submission: bytes
    events: tuple[Named, ...]


_JOB: Final = "number, id, captured_by, behaviour, created_ms, finished_ms, is_success, original, faults, unchanged, notices"


def begin(
    connection: sqlite3.Connection,
    job: Job,
    parts: Sequence[Part],
    document: bytes | None,
    here: Sequence[bytes] = (),
) -> int:
    """Keep a job (its number is not looked at), its transactions and the document it came from; the number it got.

    `here`: hashes of events of the document that the repository has already.
    """
    forget(connection, job.created_ms - KEPT_MS)
    cursor = connection.execute(
        "INSERT INTO capture_jobs (id, captured_by, behaviour, created_ms, finished_ms, is_success, original, faults,"
        " unchanged, notices) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (*job[1:8], json.dumps(job.faults), json.dumps(job.unchanged), json.dumps(job.notices)),
    )
    number = cursor.lastrowid or 0
    connection.executemany(
        "INSERT INTO capture_parts (job, part, id, expiry_ms, events, submission) VALUES (?, ?, ?, ?, ?, ?)",
        [
            (number, place, part.transaction, part.expiry_ms, json.dumps(part.events), part.submission)
            for place, part in enumerate(parts)
        ],
    )
    if document is not None:
        connection.execute(
            "INSERT INTO captured_documents VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            (job.original, document, job.created_ms),
        )
        connection.executemany(
            "INSERT INTO document_events VALUES (?, ?) ON CONFLICT DO NOTHING",
            [
                (event, job.original)
                for event in (*here, *(e for part in parts for e in event_hashes(part.submission)))
            ],
        )
    return number


def settle(
    connection: sqlite3.Connection,
    number: int,
    part: int,
    fate: Fate,
    height: int | None,
    time_ms: int | None,
) -> None:
    """Keep what became of a part, and its bytes no longer."""
    connection.execute(
        "UPDATE capture_parts SET submission = NULL, height = ?, time_ms = ?, fate = ? WHERE job = ? AND part = ?",
        (height, time_ms, json.dumps(fate), number, part),
    )
    if not fate.is_success:
        connection.execute("UPDATE capture_jobs SET is_success = 0 WHERE number = ?", (number,))


def renew(connection: sqlite3.Connection, number: int, part: int, renewed: Renewed) -> None:
    """Keep another signature for a part."""
    connection.execute(
        "UPDATE capture_parts SET id = ?, expiry_ms = ?, submission = ? WHERE job = ? AND part = ?",
        (*renewed, number, part),
    )


def finish(connection: sqlite3.Connection, number: int, finished_ms: int) -> None:
    """Nothing of the job is open any more."""
    connection.execute("UPDATE capture_jobs SET finished_ms = ? WHERE number = ?", (finished_ms, number))


def opened(connection: sqlite3.Connection, number: int) -> Opened | None:
    """The first part of a job whose fate is open."""
    row = connection.execute(
        "SELECT part, expiry_ms, submission, events FROM capture_parts WHERE job = ? AND fate IS NULL"
        " ORDER BY part LIMIT 1",
        (number,),
    ).fetchone()
    if row is None:
        return None
    part, expiry_ms, submission, events = row
    return Opened(part, expiry_ms, submission, _named(events))


def unfinished(connection: sqlite3.Connection) -> list[tuple[int, int]]:
    """Jobs to be taken up, the oldest first, and the bytes that are kept for each."""
    rows = connection.execute(
        "SELECT number, COALESCE(SUM(LENGTH(submission)), 0) FROM capture_jobs LEFT JOIN capture_parts ON job = number"
        " WHERE finished_ms IS NULL GROUP BY number ORDER BY number"
    )
    return [(number, size) for number, size in rows]


def unseen(connection: sqlite3.Connection, height: int) -> list[tuple[str, int | None, tuple[Named, ...]]]:
    """(job's id, height, events) of parts that are open, or final above `height`."""
    rows = connection.execute(
        "SELECT jobs.id, height, events FROM capture_parts JOIN capture_jobs AS jobs ON jobs.number = job"
        " WHERE jobs.finished_ms IS NULL AND fate IS NULL OR height > ?",
        (height,),
    )
    return [(job, height, _named(events)) for job, height, events in rows]


def job_of(connection: sqlite3.Connection, captured: str) -> tuple[Job, tuple[JobPart, ...]] | None:
    """A job by its id, with its parts in order."""
    row = connection.execute(f"SELECT {_JOB} FROM capture_jobs WHERE id = ?", (captured,)).fetchone()  # noqa: S608
    if row is None:
        return None
    parts = connection.execute(
        "SELECT id, events, height, time_ms, fate FROM capture_parts WHERE job = ? ORDER BY part", (row[0],)
    )
    return _job(row), tuple(
        JobPart(part, _named(events), height, time_ms, _fate(fate))
        for part, events, height, time_ms, fate in parts
    )


def jobs_before(connection: sqlite3.Connection, number: int, most: int) -> list[Job]:
    """Up to `most` jobs with lower numbers, the newest first."""
    rows = connection.execute(
        f"SELECT {_JOB} FROM capture_jobs WHERE number < ? ORDER BY number DESC LIMIT ?",  # noqa: S608
        (number, most),
    )
    return [_job(row) for row in rows]


def document_of(connection: sqlite3.Connection, name: str) -> bytes | None:
    """The document of that name, as it came."""
    row = connection.execute("SELECT data FROM captured_documents WHERE name = ?", (name,)).fetchone()
    return None if row is None else bytes(row[0])


def documented(connection: sqlite3.Connection) -> list[bytes]:
    """The events of all documents that are kept."""
    return [bytes(event) for (event,) in connection.execute("SELECT DISTINCT event FROM document_events")]


def erase(connection: sqlite3.Connection, erased: Sequence[bytes]) -> int:
    """Forget the bytes of the documents that these events were captured in, for good; of how many.

    A document stays known by its name, empty: captured again it is not kept again.
    """
    names: set[str] = set()
    for event in erased:
        rows = connection.execute("SELECT name FROM document_events WHERE event = ?", (event,))
        names.update(name for (name,) in rows)
    for name in sorted(names):
        connection.execute("UPDATE captured_documents SET data = x'' WHERE name = ?", (name,))
        connection.execute("DELETE FROM document_events WHERE name = ?", (name,))
    return len(names)


def forget(connection: sqlite3.Connection, before_ms: int) -> None:
    """Forget some of the jobs that finished before that; documents are kept."""
    connection.execute(
        "DELETE FROM capture_jobs WHERE number IN (SELECT number FROM capture_jobs WHERE finished_ms < ?"
        " ORDER BY number LIMIT ?)",
        (before_ms, _FORGOTTEN_AT_ONCE),
    )


def _job(row: Sequence[Any]) -> Job:
    number, captured, captured_by, behaviour, created_ms, finished_ms, success, original, *texts = row
    faults, unchanged, notices = (json.loads(text) for text in texts)
    return Job(
        number,
        captured,
        captured_by,
        behaviour,
        created_ms,
        finished_ms,
        bool(success),
        original,
        tuple(Fault(*fault) for fault in faults),
        tuple((place, event) for place, event in unchanged),
        tuple(Fault(*notice) for notice in notices),
    )


def _named(text: str) -> tuple[Named, ...]:
    return tuple(Named(*event) for event in json.loads(text))


def _fate(text: str | None) -> Fate | None:
    if text is None:
        return None
    code, message, events = json.loads(text)
    return Fate(code, message, tuple((refusal, tuple(outcomes)) for refusal, outcomes in events))
