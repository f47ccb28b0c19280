"""The passkeys that this gateway knows, and the acts that wait for them: files of 0600 in the node's `persons/` (PERSONS.md §4).

Persons stand there by random ids. A label is the operator's own note and leaves the file never; no name, no biometric and no
private key is ever seen here. Every change is one file put in place whole, under a lock that the command and the gateway share.

    persons.json        passkeys with their counters, and invitations that are open
    acts/<act>.json     one act: its words, and, once approved, the assertion and the transaction that says so
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from ledger.base.errors import Code, StorageError, UnavailableError

FOLDER: Final = "persons"
_STORE: Final = "persons.json"
_ACTS: Final = "acts"
_EMPTY: Final[dict[str, Any]] = {"persons": [], "invitations": []}
_HEX: Final = frozenset("0123456789abcdef")


class PersonStore:
    """The folder; nothing of it is held in memory, so that the command and the gateway see the same."""

    def __init__(self, node: Path) -> None:
        """`node`: the node's folder."""
        self._folder = node / FOLDER

    @contextmanager
    def changing(self) -> Iterator[dict[str, Any]]:
        """All passkeys and invitations, to be changed in place; written when the block ends without an error."""
        self._make()
        descriptor = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            known = self.read()
            before = json.dumps(known)
            yield known
            if json.dumps(known) != before:
                self._write(self._folder / _STORE, known)
        finally:
            os.close(descriptor)

    def read(self) -> dict[str, Any]:
        """All passkeys and invitations as they are."""
        found = self._read(self._folder / _STORE)
        return json.loads(json.dumps(_EMPTY)) if found is None else found

    def act(self, act: str) -> dict[str, Any]:
        """What waits for approval, or was approved; UnavailableError not_found."""
        is_hash = len(act) == 64 and set(act) <= _HEX
        found = self._read(self._folder / _ACTS / f"{act}.json") if is_hash else None
        if found is None:
            raise UnavailableError(
                Code.NOT_FOUND,
                "expected the hash of an act that was handed in here for approval, got another",
            )
        return found

    def acts(self) -> list[dict[str, Any]]:
        """All acts, by their hashes."""
        folder = self._folder / _ACTS
        return [self.act(path.stem) for path in sorted(folder.glob("*.json"))]

    def keep_act(self, act: dict[str, Any]) -> None:
        """Keep an act as it is now."""
        self._make()
        self._write(self._folder / _ACTS / f"{act['act']}.json", act)

    def forget_act(self, act: str) -> None:
        """Let go of an act that nobody approved."""
        (self._folder / _ACTS / f"{act}.json").unlink(missing_ok=True)

    def _make(self) -> None:
        try:
            for folder in (self._folder, self._folder / _ACTS):
                folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise StorageError(
                Code.UNAVAILABLE, f"expected to make {self._folder}: {error.strerror}"
            ) from None

    def _read(self, path: Path) -> dict[str, Any] | None:
        try:
            if path.stat().st_mode & 0o077:
                raise StorageError(Code.USAGE, f"expected {path} to be its owner's only (0600); chmod it")
            found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise StorageError(Code.DAMAGED, f"expected to read {path}: {error}") from None
        return found

    def _write(self, path: Path, value: dict[str, Any]) -> None:
        partial = path.with_name(f".{path.name}.new")
        try:
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(value, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        except OSError as error:
            raise StorageError(Code.UNAVAILABLE, f"expected to write {path}: {error.strerror}") from None
