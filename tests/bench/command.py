"""What all commands of the bench do alike: they speak or are silent, work in a folder that is gone afterwards, and can be ended.

A signal to terminate ends a process where it stands, unless it is asked not to: whatever it started and gigabytes of folders
would stay. It has to do, since a shell's background commands do not hear an interrupt.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NoReturn

Say = Callable[[str], None]


def speaker(*, is_silent: bool) -> Say:
    """What tells how it goes; nothing where only the result is wanted."""
    return (lambda _: None) if is_silent else (lambda text: print(text, flush=True))


@contextmanager
def work_folder(name: str) -> Iterator[Path]:
    """A folder that is gone afterwards."""
    with TemporaryDirectory(prefix=f"custody-{name}-", ignore_cleanup_errors=True) as path:
        yield Path(path)


def end_when_told() -> None:
    """Have a signal to terminate end this process by the way that ends what it started."""
    signal.signal(signal.SIGTERM, _leave)


def _leave(*_: object) -> NoReturn:
    raise SystemExit(128 + signal.SIGTERM)
