"""Packages of the distribution, installed where CI runs as root without them, and nowhere else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def of_package(name: str, found: Callable[[], T | None]) -> T | None:
    """What `found` finds, once the package is there; None where it is not and is not to be installed."""
    there = found()
    if there is None and os.environ.get("CI") and os.geteuid() == 0 and shutil.which("apt-get"):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in ("update", f"install --yes --no-install-recommends {name}"):
            subprocess.run(
                ["apt-get", "-q", *command.split()], env=environment, stdout=sys.stderr, check=True
            )
        there = found()
    return there
