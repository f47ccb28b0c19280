"""A real disk that runs full: a small tmpfs mounted over a node's folder. Needs root; unmounted however the test ends."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Self


def missing() -> str | None:
    """Why no file system can be mounted here; None where one can."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        return "mounting a small file system needs root on Linux"
    trial = subprocess.run(
        ["unshare", "--mount", "mount", "-t", "tmpfs", "tmpfs", "/mnt"],
        capture_output=True,
        text=True,
        check=False,
    )
    return f"mounting is not allowed here: {trial.stderr.strip()}" if trial.returncode else None


class SmallDisk:
    """A tmpfs of so many bytes in the place of a folder, with what the folder held; a context manager."""

    def __init__(self, folder: Path, size: int) -> None:
        self.folder = folder
        self._size = size

    def __enter__(self) -> Self:
        held = self.folder.with_name(self.folder.name + ".held")
        self.folder.rename(held)
        self.folder.mkdir(mode=0o700)
        _run("mount", "-t", "tmpfs", "-o", f"size={self._size},mode=0700", "tmpfs", str(self.folder))
        shutil.copytree(held, self.folder, dirs_exist_ok=True)
        shutil.rmtree(held)
        return self

    def __exit__(self, *_: object) -> None:
        if subprocess.run(["umount", str(self.folder)], capture_output=True, check=False).returncode:
            _run("umount", "--lazy", str(self.folder))

    def resize(self, size: int) -> None:
        """Give it more room, or less."""
        _run("mount", "-o", f"remount,size={size}", str(self.folder))

    @property
    def free_bytes(self) -> int:
        """How much room there is."""
        return shutil.disk_usage(self.folder).free


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)
