"""What the machine does by itself, and what processes take from it: processor time, memory, disk.

Figures of a ledger mean little without these: a row is as far from what the machine allows as its distance to the signature
checks, hashes and syncs that one core does in a second.
"""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from ledger.base.keys import SigningKey, is_signature
from tests.bench.processes import PROJECT

PEAK: Final = "VmHWM"
OWN: Final = "RssAnon"
"""What a process cannot give back."""
FILES: Final = "RssFile"
"""Pages of files that the system keeps in memory for it."""
_TICKS: Final = os.sysconf("SC_CLK_TCK")
_LIBRARIES: Final = ("msgpack", "pynacl", "lmdb", "uvloop")
_CHECKS: Final = 2_000
_HASHES: Final = 100_000
_SYNCS: Final = 200
_ROUNDS: Final = 3
_HASHED_BYTES: Final = 150  # a record or a link, about
_SYNCED_BYTES: Final = 2_000


def cpu_seconds(process: int) -> float:
    """Processor time a process has taken, of itself and the system for it; 0 for one that is gone."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


def memory_bytes(process: int, kind: str = PEAK) -> int:
    """The most memory that a process ever had, or what it has now of a kind; 0 where the system does not say."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith(f"{kind}:")), 0)


def disk_bytes(folder: Path) -> int:
    """Blocks that the files of a folder take. Files may go while it looks."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_blocks * 512 if path.is_file() else 0
        except FileNotFoundError:
            continue
    return total


# ---- conditions


def conditions(folder: Path) -> dict[str, Any]:
    """What figures were measured on and with."""
    return {
        "when": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "cores": os.cpu_count(),
        "processor": _processor(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_version()}, {_build()}",
        "libraries": {name: _version(name) for name in _LIBRARIES},
        "commit": _commit(),
        "load_average": [round(each, 2) for each in os.getloadavg()],
        "limits": limits(folder),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def _build() -> str:
    """How the interpreter was built; one in a shared library is slower, by a tenth or so."""
    try:
        is_shared = "libpython" in Path("/proc/self/maps").read_text()
    except OSError:
        is_shared = False
    return f"{platform.python_compiler()}, {'in a shared library' if is_shared else 'one program'}"


def _version(name: str) -> str:
    try:
        return version(name)
    except ModuleNotFoundError:
        return "not installed"


def _commit() -> str:
    """Of the project, with a mark where files differ from it."""
    command = ["git", "describe", "--always", "--dirty", "--exclude", "*"]
    try:
        found = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "no repository"
    return found.stdout.strip()


# ---- limits


def limits(folder: Path) -> dict[str, float]:
    """Signature checks and hashes a second of one core, and syncs a second of the disk under a folder."""
    key = SigningKey.from_seed(bytes(32))
    signature = key.sign(b"m" * 32)
    data = bytes(_HASHED_BYTES)
    return {
        "signature_checks_per_second": round(
            _best(lambda: is_signature(key.public_key, b"m" * 32, signature), _CHECKS)
        ),
        "hashes_per_second": round(_best(lambda: hashlib.sha256(data).digest(), _HASHES)),
        "syncs_per_second": round(1 / sync_seconds(folder)),
    }


def _best(work: Callable[[], object], times: int) -> float:
    """How often a second of processor time allows; the best of some rounds."""
    best = 0.0
    for _ in range(_ROUNDS):
        start = time.process_time()
        for _ in range(times):
            work()
        best = max(best, times / (time.process_time() - start))
    return best


def sync_seconds(folder: Path) -> float:
    """How long a sync of a file takes there; the median of many."""
    path = folder / "sync.probe"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    waits = []
    try:
        for _ in range(_SYNCS):
            os.write(descriptor, bytes(_SYNCED_BYTES))
            start = time.perf_counter()
            os.fdatasync(descriptor)
            waits.append(time.perf_counter() - start)
    finally:
        os.close(descriptor)
        path.unlink()
    return sorted(waits)[len(waits) // 2]
