"""A PKCS#11 token in software (SoftHSM 2 of the distribution), in a folder of the test's own."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import NamedTuple

from tests.interop.debian import of_package

PIN = b"5678"
LABEL = "custody"
_LIBRARIES = (
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib64/softhsm/libsofthsm.so",
    "/usr/lib64/libsofthsm2.so",
)


class Token(NamedTuple):
    library: str
    label: str


def library() -> str | None:
    """The library; installed with the distribution's package where CI runs as root without it."""
    return of_package("softhsm2", _found)


def _found() -> str | None:
    return next((path for path in _LIBRARIES if Path(path).exists()), None)


def configure(folder: Path) -> None:
    """Tell this process and those it starts where tokens are: the library reads it once, when it is loaded."""
    (folder / "tokens").mkdir()
    (folder / "softhsm2.conf").write_text(
        f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n"
    )
    os.environ["SOFTHSM2_CONF"] = str(folder / "softhsm2.conf")


def initialise(label: str) -> None:
    """A new token."""
    command = [
        "softhsm2-util",
        "--init-token",
        "--free",
        "--label",
        label,
        "--so-pin",
        "12345678",
        "--pin",
        PIN.decode(),
    ]
    subprocess.run(command, check=True, capture_output=True)
