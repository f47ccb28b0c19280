"""What all commands of the bench do alike: they speak or are silent, work in a folder that is gone afterwards, and can be ended.

A signal to terminate ends a process where it stands, unless it is asked not to: whatever it started and gigabytes of folders
would stay. It has to do, since a shell's background commands do not hear an interrupt.
"""

from __future__ import annotations

import signal
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NoReturn

from tests.bench.processes import PROJECT

_OUTPUT: Final = PROJECT / "bench-output"
Say = Callable[[str], None]


def speaker(*, is_silent: bool) -> Say:
    """What tells how it goes; nothing where only the result is wanted."""
    return (lambda _: None) if is_silent else (lambda text: print(text, flush=True))


@contextmanager
def work_folder(name: str) -> Iterator[Path]:
    """A folder that is gone afterwards."""
    with TemporaryDirectory(prefix=f"custody-{name}-", ignore_cleanup_errors=True) as path:
        yield Path(path)


def add_output(parser: ArgumentParser) -> None:
    """The folder of what is kept, and a short run, which does not write over it."""
    parser.add_argument("--quick", action="store_true", help="a short run, to see that it works")
    parser.add_argument(
        "--output", type=Path, help="folder (bench-output; of a short run bench-output/quick)"
    )


def output_of(options: Namespace) -> Path:
    """The folder, which is there then."""
    folder: Path = options.output or (_OUTPUT / "quick" if options.quick else _OUTPUT)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def end_when_told() -> None:
    """Have a signal to terminate end this process by the way that ends what it started."""
    signal.signal(signal.SIGTERM, _leave)


def _leave(*_: object) -> NoReturn:
    raise SystemExit(128 + signal.SIGTERM)
