"""Coverage-guided fuzzing with atheris: inputs that reach new branches are kept and altered further.

One process fuzzes all named decoders: the first byte of an input chooses which. Half of the alterations are libFuzzer's,
half are those of `tests.fuzz.mutation`. A finding does not stop the run; each kind is written once, as a line of JSON, to the
file named. atheris is there for CPython 3.11 .. 3.13 on x86-64 Linux only, so it is imported when asked for:
`is_available` says whether it can be.
"""

from __future__ import annotations

import importlib.util
import json
import random
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parents[2]
_LONGEST: Final = 65_536


def is_available() -> bool:
    """Whether atheris is installed here."""
    return importlib.util.find_spec("atheris") is not None


class Guided(NamedTuple):
    """What a guided run came to."""

    inputs: int
    findings: tuple[dict[str, str], ...]


def run_guided(seconds: int, names: Sequence[str] = (), seed: int = 1) -> Guided:
    """Fuzz for about `seconds` in a process of its own; all decoders if none is named."""
    with tempfile.TemporaryDirectory(prefix="custody-guided-") as folder:
        report = Path(folder) / "report"
        command = [sys.executable, "-m", "tests.fuzz.guided", str(report), str(seconds), str(seed), *names]
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=seconds + 300
        )
        units = re.search(r"stat::number_of_executed_units: *([0-9]+)", done.stderr)
        if done.returncode != 0 or units is None:
            raise RuntimeError(f"the guided run ended with {done.returncode}:\n{done.stderr[-4_000:]}")
        return Guided(int(units[1]), tuple(json.loads(line) for line in report.read_text().splitlines()))


def _fuzz(report: Path, seconds: int, seed: int, names: Sequence[str]) -> None:
    import atheris

    with atheris.instrument_imports(include=["ledger", "node", "client"]):
        from tests.fuzz.checking import Finding, check, pool
        from tests.fuzz.decoders import DECODERS
        from tests.fuzz.mutation import mutate
    decoders = [one for one in DECODERS if not names or one.name in names]
    written: set[tuple[str, str]] = set()
    out = report.open("w", buffering=1)

    def tried(data: bytes) -> None:
        if not data:
            return
        found = check(decoders[data[0] % len(decoders)], data[1:])
        if isinstance(found, Finding) and (found.decoder, found.what) not in written:
            written.add((found.decoder, found.what))
            out.write(
                json.dumps({"decoder": found.decoder, "what": found.what, "data": found.data.hex()}) + "\n"
            )

    def altered(data: bytes, max_size: int, drawn: int) -> bytes:
        draw = random.Random(drawn)
        if not data or draw.random() < 0.05:
            place = draw.randrange(len(decoders))
            return bytes((place,)) + draw.choice(decoders[place].samples())[: max_size - 1]
        if draw.random() < 0.5:
            return data[:1] + bytes(atheris.Mutate(data[1:], max_size - 1))
        form = decoders[data[0] % len(decoders)].form
        return data[:1] + mutate(data[1:], form, pool(form), draw)[: max_size - 1]

    with tempfile.TemporaryDirectory(prefix="custody-corpus-") as corpus:
        for place, decoder in enumerate(decoders):
            for number, sample in enumerate(decoder.samples()[:40]):
                (Path(corpus) / f"{place}-{number}").write_bytes(bytes((place,)) + sample)
        flags = [f"-max_total_time={seconds}", f"-max_len={_LONGEST}", f"-seed={seed}", "-rss_limit_mb=4096", "-timeout=60",
                 "-verbosity=0", "-print_final_stats=1", corpus]  # fmt: skip
        settings: dict[str, Any] = {"custom_mutator": altered}
        atheris.Setup([sys.argv[0], *flags], tried, **settings)
        atheris.Fuzz()


if __name__ == "__main__":
    _fuzz(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
