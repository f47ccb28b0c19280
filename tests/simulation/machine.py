"""The machine under one node: its disk, its tables, its clocks, its randomness; and what a power cut leaves of them."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from random import Random

from node.storage.folder import FOLDERS, NodeFolder
from node.storage.state_store import Backend
from node.validator.host import Host, OpenConnections, OpenDoorway
from tests.simulation.loop import PowerCut, Process, VirtualLoop
from tests.storage.memory_backend import MemoryBackend
from tests.storage.memory_files import MemoryFileSystem

GENESIS_MS = 1_700_000_000_000
THREAD_US = 3_000
"""What work on another thread takes."""


class Machine:
    """Outlives the processes on it, one at a time."""

    def __init__(self, loop: VirtualLoop, name: str, network: bytes, random: Random) -> None:
        self.loop = loop
        self.name = name
        self.network = network
        self.random = random
        self.process = Process(loop, name)
        self.process.is_alive = False
        self.disk = MemoryFileSystem()
        for folder in ("", *FOLDERS):
            self.disk.make_folder(folder)
        self.tables: dict[str, MemoryBackend] = {}
        self.sync_us = 200
        self.skew_ms = 0
        self.failing_syncs = False
        self.lying: Callable[[str, int, bytes], tuple[int, bytes]] | None = None
        """What a disk that misdirects or drops a write does to the next one."""
        self.operations_left: int | None = None
        """Of the disk, until the power is cut in the middle of one."""
        self.is_dark = False
        """Whether the power was cut and has not come back."""
        self.draws = 0
        self.had_faults = False
        """Whether the disk ever failed, ran full or lied."""
        self.is_suspect = False
        """Whether the disk may hold what nobody wrote."""

    # ---- life

    def power_on(self) -> Process:
        """A fresh process."""
        if self.is_dark:
            self.power_off()
        self.process = Process(self.loop, self.name)
        self.operations_left = None
        self.disk.fault = self._before
        self.disk.divert = self._divert
        return self.process

    def kill(self) -> None:
        """The process alone ends: what it wrote is still there."""
        self.process.kill()
        self.disk.locks.clear()

    def power_off(self) -> None:
        """What was not synced is lost or torn."""
        self.process.kill()
        self.is_dark = False
        capacity = self.disk.capacity
        self.disk = self.disk.crash(self.random.randrange)
        self.disk.capacity = capacity
        self.failing_syncs = False
        self.lying = None
        for backend in self.tables.values():
            backend.crash()

    def wipe(self, *kept: str) -> None:
        """An operator clears all but some folders."""
        before, self.disk = self.disk, MemoryFileSystem()
        for folder in ("", *FOLDERS):
            self.disk.make_folder(folder)
        for path, inode in before.names.items():
            if path.partition("/")[0] in kept:
                self.disk.names[path] = inode
        self.tables = {}

    # ---- the disk

    def _before(self, operation: str, path: str) -> None:
        if operation in ("read", "open"):
            return
        if self.operations_left is not None:
            self.operations_left -= 1
            if self.operations_left < 0:
                self.is_dark = True
                self.process.kill()
                raise PowerCut
        if operation in ("sync", "sync_folder"):
            if self.failing_syncs:
                raise OSError(errno.EIO, os.strerror(errno.EIO), path)
            self.process.spend(self.sync_us)

    def _divert(self, path: str, offset: int, data: bytes) -> tuple[int, bytes]:
        lie, self.lying = self.lying, None
        return (offset, data) if lie is None else lie(path, offset, data)

    def flip_bit(self, choose: Callable[[str], bool]) -> str | None:
        """Flip one bit of a file at rest; where, or None if there is no such file."""
        found = sorted(path for path, inode in self.disk.names.items() if inode.content and choose(path))
        if not found:
            return None
        path = self.random.choice(found)
        content = self.disk.names[path].content
        place = self.random.randrange(len(content))
        content[place] ^= 1 << self.random.randrange(8)
        return f"{path} byte {place}"

    # ---- the host of a process

    def random_bytes(self, count: int) -> bytes:
        self.draws += 1
        return hashlib.shake_128(b"%s %d" % (self.name.encode(), self.draws)).digest(count)

    def monotonic_ms(self) -> int:
        return self.process.now_us // 1000

    def wall_ms(self) -> int:
        return GENESIS_MS + 1 + self.process.now_us // 1000 + self.skew_ms

    def _open_tables(self, path: Path, network: bytes, tables: Iterable[str]) -> Backend:
        return self.tables.setdefault(path.name, MemoryBackend())

    async def _in_thread(self, work: Callable[[], None]) -> None:
        await asyncio.sleep(THREAD_US / 2e6)
        work()
        await asyncio.sleep(THREAD_US / 2e6)

    def host(self, connect: OpenConnections, open_doorway: OpenDoorway, protocol_newest: int) -> Host:
        in_thread: Callable[[Callable[[], None]], Awaitable[None]] = self._in_thread
        return Host(
            self.monotonic_ms,
            self.wall_ms,
            self.random_bytes,
            self._open_tables,
            connect,
            open_doorway,
            in_thread,
            protocol_newest,
        )

    def folder(self) -> NodeFolder:
        return NodeFolder(Path("/simulated") / self.name, self.network, None, self.disk)
