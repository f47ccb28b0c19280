"""A node's machine made bad from outside: its clock jumps, its disk is slow, full or failing (machine.c).

The shim is compiled when it is first asked for and preloaded into one node; what it does is written into a mapped file while
the node runs. Where there is no C compiler, or no dynamic loader that preloads, there is no `Machine`.
"""

from __future__ import annotations

import mmap
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import Final, Self

_SOURCE: Final = Path(__file__).with_name("machine.c")
_ORDERS: Final = struct.Struct("=qqqq")


def missing() -> str | None:
    """Why there can be no such machine here; None where there can."""
    if not sys.platform.startswith("linux"):
        return "preloading into a node needs Linux"
    if shutil.which("cc") is None:
        return "preloading into a node needs a C compiler (cc)"
    return None


class Machine:
    """The machine of one node; a context manager. `environment` is what the node's processes are started with."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        library, orders = folder / "machine.so", folder / "orders"
        if not library.exists():
            command = ["cc", "-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o", str(library), str(_SOURCE)]
            subprocess.run([*command, "-ldl"], check=True)
        orders.write_bytes(_ORDERS.pack(0, 0, 0, 0))
        with orders.open("r+b") as file:
            self._mapped = mmap.mmap(file.fileno(), _ORDERS.size)
        self.environment = {"LD_PRELOAD": str(library), "CUSTODY_TEST_MACHINE": str(orders)}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._mapped.close()

    def behave(self, *, clock_ms: int = 0, sync_ms: float = 0, write_ms: float = 0, error: int = 0) -> None:
        """From now on; without arguments like any other machine."""
        self._mapped[:] = _ORDERS.pack(clock_ms, round(1000 * sync_ms), round(1000 * write_ms), error)
