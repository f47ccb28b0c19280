"""Runs tests over scratch copies of the sources, with a bug planted or without, and judges what came of it.

A copy holds the sources only and serves one mutant after another; each run is a pytest process of its own, forked from one
that has the libraries imported (`warm`).
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from enum import Enum
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Final, NamedTuple, Self

from tests.mutants.mutant import Mutant, patched

ROOT: Final = Path(__file__).resolve().parents[2]
LIMIT_S: Final = 20.0
_COPIED: Final = ("ledger", "node", "client", "tests", "scripts", "pyproject.toml")
# Of what a test may die: what it asserts, what it expected to be raised, what the project raises on purpose; and where a
# test itself takes apart what it was given, of getting less or more than it expects.
_ORACLES: Final = frozenset({"AssertionError", "Failed", "CustodyError"})
_ORACLES_OF_TESTS: Final = frozenset({"ValueError", "LookupError", "StopIteration"})


class Fate(Enum):
    """What came of a mutant."""

    KILLED = "killed"
    SURVIVED = "survived"
    BROKEN = "broken"
    """Its test does not pass without it, did not run, or died of something that no test asserts."""


class Result(NamedTuple):
    """One mutant's fate."""

    mutant: Mutant
    fate: Fate
    why: str
    seconds: float


class Run(NamedTuple):
    """What one pytest process did."""

    is_over: bool
    """Whether it ended in time."""
    passed: int
    died: tuple[str, ...]
    """Failures by an oracle."""
    broke: tuple[str, ...]
    """Failures by anything else, and tests that did not run."""
    seconds: float


def _surroundings() -> dict[str, str]:
    """This process's environment, less what would make runs differ."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST_", "COV_"))}
    kept.pop("PYTHONOPTIMIZE", None)
    return {**kept, "PYTHONHASHSEED": "0"}


class Copy:
    """A scratch copy of the sources, and a process that runs tests over it."""

    def __init__(self, root: Path, source: Path = ROOT) -> None:
        self.root = root
        for name in _COPIED:
            if (source / name).is_dir():
                shutil.copytree(
                    source / name, root / name, ignore=shutil.ignore_patterns("__pycache__", "*.log")
                )
            elif (source / name).exists():
                shutil.copy2(source / name, root / name)
        environment = {**_surroundings(), "PYTHONPATH": str(ROOT)}
        self._warm = subprocess.Popen(
            [sys.executable, "-m", "tests.mutants.warm"], cwd=ROOT, env=environment, bufsize=0,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip

    def close(self) -> None:
        """End the process."""
        self._warm.kill()
        self._warm.communicate()

    @contextmanager
    def planted(self, mutant: Mutant) -> Iterator[None]:
        """The copy with the bug in it; PatchError if it does not fit."""
        sound = (self.root / mutant.file).read_text(encoding="utf-8")
        self._write(mutant.file, patched(mutant, sound))
        try:
            yield
        finally:
            self._write(mutant.file, sound)

    def _write(self, file: str, source: str) -> None:
        """Write, and drop what was compiled: it is told apart by size and second only."""
        path = self.root / file
        path.write_text(source, encoding="utf-8")
        for stale in (path.parent / "__pycache__").glob(f"{path.stem}.*"):
            stale.unlink()

    def run(self, test: str, limit_s: float = LIMIT_S) -> Run:
        """Run one test here, for `limit_s` at most."""
        with tempfile.TemporaryDirectory(prefix="custody-judge-") as folder:
            said = Path(folder) / "said.json"
            started = time.monotonic()
            is_over = self._pytest(test, said, Path(folder) / "temporary", limit_s)
            seconds = time.monotonic() - started
            found = json.loads(said.read_text(encoding="utf-8")) if is_over and said.exists() else None
        if not is_over:
            return Run(is_over=False, passed=0, died=(), broke=(), seconds=seconds)
        return self._judged(found, seconds)

    def _pytest(self, test: str, said: Path, temporary: Path, limit_s: float) -> bool:
        """Whether pytest was over in time."""
        arguments = ["-q", "-x", "-p", "tests.mutants.judge", "-p", "no:xdist", "-p", "no:cov"]
        arguments += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]
        arguments += [f"--rootdir={self.root}", f"--basetemp={temporary}", f"{self.root}/{test}"]
        environment = {**_surroundings(), "CUSTODY_JUDGE": str(said), "HYPOTHESIS_PROFILE": "ci", "CI": ""}
        environment.setdefault("CUSTODY_TEST_DATA", str(ROOT.parent / "shared" / "data"))
        order = {"arguments": arguments, "environment": environment, "folder": str(self.root)}
        assert self._warm.stdin is not None
        self._warm.stdin.write(json.dumps(order).encode() + b"\n")
        child = self._read_number(None) or 0
        code = self._read_number(limit_s)
        with suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)  # what a test started, too
        if code is None:
            self._read_number(None)
        return code is not None

    def _read_number(self, limit_s: float | None) -> int | None:
        """The next line of the process; None if it does not come in time."""
        pipe = self._warm.stdout
        assert pipe is not None
        if not select.select([pipe], [], [], limit_s)[0]:
            return None
        line = b""
        while not line.endswith(b"\n"):
            byte = pipe.read(1)
            if not byte:
                raise RuntimeError("expected the process that runs tests to live, it ended")
            line += byte
        return int(line)

    def _judged(self, found: dict[str, Any] | None, seconds: float) -> Run:
        if found is None:
            return Run(True, 0, (), ("pytest ended before any test",), seconds)
        if Path(found["home"]).resolve() != self.root.resolve():
            raise RuntimeError(f"expected the tests to run on {self.root}, they ran on {found['home']}")
        died: list[str] = []
        broke: list[str] = []
        passed = 0
        for report in found["reports"]:
            if report["outcome"] == "failed":
                oracle = report["causes"] and all(self._is_oracle(cause) for cause in report["causes"])
                (died if oracle else broke).append(report["message"])
            elif report["outcome"] == "skipped":
                broke.append(f"skipped: {report['message']}")
            elif report["when"] == "call":
                passed += 1
        if not (passed or died or broke):
            broke.append("no test was found")
        return Run(True, passed, tuple(died), tuple(broke), seconds)

    def _is_oracle(self, cause: dict[str, Any]) -> bool:
        if _ORACLES.intersection(cause["classes"]):
            return True
        in_a_test = (self.root / "tests").resolve() in Path(cause["file"]).resolve().parents
        return in_a_test and bool(_ORACLES_OF_TESTS.intersection(cause["classes"]))


class Harness:
    """Judges mutants, several at a time. A context manager: the copies are gone afterwards."""

    def __init__(self, jobs: int, source: Path = ROOT, limit_s: float = LIMIT_S) -> None:
        self._jobs = jobs
        self._source = source
        self._limit_s = limit_s
        self._copies: list[Copy] = []
        self._idle: SimpleQueue[Copy] = SimpleQueue()
        self._folder = tempfile.TemporaryDirectory(prefix="custody-mutants-")
        self._sound: dict[str, Future[Run]] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        for number in range(self._jobs):
            root = Path(self._folder.name) / str(number)
            root.mkdir()
            self._copies.append(Copy(root, self._source))
            self._idle.put(self._copies[-1])
        return self

    def __exit__(self, *_: object) -> None:
        for copy in self._copies:
            copy.close()
        self._folder.cleanup()

    def judge(
        self, mutants: Iterable[Mutant], tell: Callable[[Result], None] = lambda _: None
    ) -> list[Result]:
        """The fate of each mutant, in order. Each test is first shown to pass on the real code. PatchError."""
        results = []
        pool = ThreadPoolExecutor(self._jobs)
        try:
            for result in pool.map(self._fate, mutants):
                tell(result)
                results.append(result)
        finally:
            pool.shutdown(cancel_futures=True)
        return results

    @contextmanager
    def _copy(self) -> Iterator[Copy]:
        copy = self._idle.get()
        try:
            yield copy
        finally:
            self._idle.put(copy)

    def _run_sound(self, killer: str) -> Run:
        """What a test does on the real code: run once, however many mutants it is to kill."""
        with self._lock:
            is_known = killer in self._sound
            sound = self._sound.setdefault(killer, Future())
        if not is_known:
            try:
                with self._copy() as copy:
                    sound.set_result(copy.run(killer, self._limit_s))
            except BaseException as error:
                sound.set_exception(error)
                raise
        return sound.result()

    def _fate(self, mutant: Mutant) -> Result:
        sound = self._run_sound(mutant.killer)
        if not sound.is_over or not sound.passed or sound.died or sound.broke:
            why = "; ".join((*sound.died, *sound.broke)) or "it takes too long"
            return Result(
                mutant, Fate.BROKEN, f"its test does not pass on the real code: {why}", sound.seconds
            )
        with self._copy() as copy, copy.planted(mutant):
            run = copy.run(mutant.killer, self._limit_s)
        if not run.is_over:
            return Result(
                mutant, Fate.SURVIVED, f"its test was not over after {self._limit_s:.0f} s", run.seconds
            )
        if run.died:
            return Result(mutant, Fate.KILLED, run.died[0], run.seconds)
        if run.broke:
            return Result(mutant, Fate.BROKEN, f"its test died of no oracle: {run.broke[0]}", run.seconds)
        return Result(mutant, Fate.SURVIVED, "its test passes with it", run.seconds)
