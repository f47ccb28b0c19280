"""`./scripts/bench state`: what grows when the state grows, from 10^4 to 10^7 subjects.

    one replica      execution and storage without network: the executor over real stores, blocks of 1,000 events, half of
                     them about new items, half about items drawn from all there are; flushed and synced as a validator does
    four validators  real processes, where four states of that size fit into this machine's memory
    one bucket       10^4 identifiers that somebody found to fall into one bucket of the state tree: the hash is told where
                     to put them, since finding them would take 2^18 trials each

The state is put in place as joining does it (`tests.bench.filled`). Memory is what a process cannot give back (RssAnon);
pages of files that the system keeps in memory for it are named apart. A start is cold, and so is the first stretch after it: the
files are out of the page cache. Then they are read into it, as far as this machine has room, and the measured minute begins.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any, Final

from ledger.base.encoding import encode
from node.cli import collect_rarely
from node.init import STATE_DEPTH, create_network
from tests.bench.command import Say, add_output, output_of, speaker, work_folder
from tests.bench.filled import FIRST, fill, subject
from tests.bench.ground import bucket
from tests.bench.load import BATCH, Ingress, Measured, closed_loop
from tests.bench.machine import FILES, OWN, disk_bytes, memory_bytes
from tests.bench.plots import draw
from tests.bench.processes import PROJECT, WITH_PARENT, Validators
from tests.bench.replica import TRANSACTIONS, Ran, Replica
from tests.bench.report import STATE, write_figures
from tests.bench.rows import Row, Run, Spec, judged

FULL: Final = (10_000, 1_000_000, 10_000_000)
QUICK: Final = (1_000, 10_000)
FOUR_BYTES: Final = 1_500
"""Of memory that four validators together are taken to need for a subject: beyond what is free, they are not started."""
_ROUND: Final = 5
"""Blocks made and signed between two measured stretches."""
_PROOFS: Final = 200
_OUTSTANDING: Final = 12
_STRETCH: Final = 100
"""Transactions handed in to four validators between two stretches of signing more."""
_ROWS: Final = ("events_per_second", "events_per_cpu_second", "anonymous_mb", "start_s", "proof_bytes")


def main(arguments: Sequence[str]) -> int:
    """Measure and say; 0 unless something is broken."""
    parser = argparse.ArgumentParser(prog="./scripts/bench state", description=str(__doc__).split("\n")[0])
    parser.add_argument("--sizes", type=int, nargs="+", help="numbers of subjects")
    parser.add_argument("--seconds", type=float, help="how long each is measured (60)")
    parser.add_argument("--alone", action="store_true", help="one replica only, no four validators")
    add_output(parser)
    parser.add_argument("--json", action="store_true", help="the result on standard output, nothing else")
    parser.add_argument("--write", type=Path, help="put the table into this document, between its marks")
    parser.add_argument("--replica", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    options.sizes = options.sizes or (QUICK if options.quick else FULL)
    options.seconds = options.seconds or (3.0 if options.quick else 60.0)
    if options.replica:
        print(json.dumps(_replica(options.replica, options.sizes[0], options.seconds)))
        return 0
    found = _measure(options)
    if options.json:
        print(json.dumps(found))
    return 0


def _measure(options: argparse.Namespace) -> dict[str, Any]:
    """All sizes asked for, beside those measured before; what is written is whole after each."""
    say = speaker(is_silent=options.json)
    output = output_of(options)
    path = output / STATE
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() and not options.quick else {}
    sizes: dict[str, Any] = found.get("sizes", {})
    for count in options.sizes:
        sizes[str(count)] = one = _of_size(count, options, say)
        say(f"{count:>10,} subjects: " + ", ".join(f"{name} {one[name]:,}" for name in _ROWS))
        found["sizes"] = {size: sizes[size] for size in sorted(sizes, key=int)}
        path.write_text(json.dumps(found, indent=1))
    collect_rarely()
    found["bucket"] = bucket(min(options.seconds, 20.0), STATE_DEPTH)
    say(f"one bucket: {found['bucket']}")
    found["conditions"] = {
        "load": round(os.getloadavg()[2], 1),
        "cores": os.cpu_count(),
        "depth": STATE_DEPTH,
        "python": sys.version.split()[0],
    }
    found["rows"] = [row.to_json() for row in _rows(sizes)]
    path.write_text(json.dumps(found, indent=1))
    (output / "state.md").write_text(_markdown(found))
    if options.write:
        write_figures(options.write, _markdown(found), "state")
    say(_plots(output, found["sizes"]) or f"written: {output}/state.json, .md, .png")
    return found


# ---- one size


def _of_size(count: int, options: argparse.Namespace, say: Say) -> dict[str, Any]:
    with work_folder("state") as root:
        start = time.perf_counter()
        fill(create_network(root, state_depth=STATE_DEPTH), count, "maker")
        say(f"{count:>10,} subjects put in place in {time.perf_counter() - start:.0f} s")
        _forget(root / "maker")
        command = [sys.executable, "-m", "tests.bench", "state", "--replica", str(root / "maker")]
        command += ["--sizes", str(count), "--seconds", str(options.seconds)]
        said = subprocess.check_output(command, cwd=PROJECT, preexec_fn=WITH_PARENT)
        found: dict[str, Any] = json.loads(said)
    if not options.alone and count * FOUR_BYTES < _free_bytes():
        with work_folder("state") as root:
            found["four"] = asyncio.run(_four(root, count, options.seconds))
        say(f"{count:>10,} subjects, four validators: {found['four']}")
    return found


def _replica(folder: Path, count: int, seconds: float) -> dict[str, Any]:
    """In a process of its own: how long it takes to be ready, what it then does, and what that takes."""
    collect_rarely()  # as a validator does
    own = os.getpid()
    start, cpu = time.perf_counter(), time.process_time()
    replica = Replica(folder)
    started_s, started_cpu_s = time.perf_counter() - start, time.process_time() - cpu
    with replica:
        at_start, disk = _megabytes(own, OWN), disk_bytes(folder)
        cold, ran, draw_from = Ran(), Ran(), Random(count)
        new = iter(range(FIRST + count, 2 * FIRST))
        _run(replica, count, new, draw_from, cold)
        _read(folder)
        while ran.seconds < seconds:
            _run(replica, count, new, draw_from, ran)
        at_end = _megabytes(own, OWN), _megabytes(own, FILES)
        drawn = [draw_from.randrange(count) for _ in range(_PROOFS)]
        proofs = sorted(len(encode(replica.executor.state.prove(subject(number)))) for number in drawn)
    return {
        "events": ran.events,
        "refused": ran.refused,
        "seconds": round(ran.seconds, 1),
        "events_per_second": round(ran.events / ran.seconds),
        "events_per_cpu_second": round(ran.events / ran.cpu_seconds),
        "cold_events_per_second": round(cold.events / cold.seconds),
        "start_s": round(started_s, 2),
        "start_cpu_s": round(started_cpu_s, 2),
        "anonymous_at_start_mb": at_start,
        "anonymous_mb": at_end[0],
        "file_pages_mb": at_end[1],
        "proof_bytes": proofs[len(proofs) // 2],
        "proof_bytes_most": proofs[-1],
        "state_disk_mb": round(disk / 1e6, 1),
        "disk_bytes_per_subject": round(disk / count),
        "disk_bytes_per_event": round((disk_bytes(folder) - disk) / ran.events),
    }


def _run(replica: Replica, count: int, new: Iterator[int], draw_from: Random, ran: Ran) -> None:
    """One stretch: made and signed first, then run."""
    prepared = [list(_transactions(replica, count, new, draw_from)) for _ in range(_ROUND)]
    for transactions in prepared:
        replica.run(replica.batches(transactions), ran)


def _transactions(replica: Replica, count: int, new: Iterator[int], draw_from: Random) -> Iterator[bytes]:
    """Of one block."""
    for place in range(TRANSACTIONS):
        numbers, is_first = _drawn(place, count, new, draw_from)
        yield replica.author.transaction(numbers, replica.now_ms, is_first=is_first)


def _drawn(place: int, count: int, new: Iterator[int], draw_from: Random) -> tuple[list[int], bool]:
    """The items of one transaction, and whether they are new: half of the transactions are about new items, half about old ones."""
    is_first = place % 2 == 0
    return [next(new) if is_first else FIRST + draw_from.randrange(count) for _ in range(BATCH)], is_first


async def _four(root: Path, count: int, seconds: float) -> dict[str, Any]:
    """The same over four real validators, with clients at all of them."""
    network = Validators(root, state_depth=STATE_DEPTH)
    fill(network.made, count, *network.names)
    for name in network.names:
        _forget(network.made.folders[name])
    start = time.perf_counter()
    async with network:
        ready_s = time.perf_counter() - start
        clients = [network.client(name) for name in network.names]
        author = network.author("maker")
        draw_from, new = Random(count), iter(range(FIRST + count, 2 * FIRST))
        hands, measured = [Ingress(client) for client in clients], Measured()
        try:
            while measured.seconds < seconds:
                submissions = []
                for place in range(_STRETCH):
                    numbers, is_first = _drawn(place, count, new, draw_from)
                    submissions.append(author.submission(numbers, is_first=is_first))
                stretch = await closed_loop(hands, submissions, outstanding=_OUTSTANDING)
                measured.events += stretch.events
                measured.refused += stretch.refused
                measured.seconds += stretch.seconds
                measured.took += stretch.took
        finally:
            for client in clients:
                await client.close()
        memory = [_megabytes(process.pid, OWN) for process in network.processes.values()]
    return {
        "events": measured.events,
        "refused": measured.refused,
        "seconds": round(measured.seconds, 1),
        "events_per_second": round(measured.per_second),
        "p50_ms": round(measured.quantile_ms(0.5), 1),
        "ready_s": round(ready_s, 1),
        "anonymous_mb_each": max(memory),
    }


# ---- the machine


def _megabytes(process: int, kind: str) -> float:
    return round(memory_bytes(process, kind) / 1e6, 1)


def _free_bytes() -> int:
    fields = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    return int(fields["MemAvailable"].split()[0]) * 1024


def _read(folder: Path) -> None:
    """Have the system keep a folder's files in memory, as far as it can: as it does after hours of work with them."""
    for path in (path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            while file.read(1 << 24):
                pass


def _forget(folder: Path) -> None:
    """Have the system write a folder's files and drop them from memory."""
    for path in folder.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            os.fsync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


# ---- what is said of it


_SPECS: Final = (
    Spec("10^6 subjects against 10^4, events/s", "10^6 to 10^4", "share", "more", 0.8),
    Spec("cold start at 10^7 subjects", "10^7 start s", "s", "less", 10),
)


def _rows(sizes: dict[str, Any]) -> list[Row]:
    """Against the targets, what was measured of it: events/s as the state grows, and the start at the largest."""
    figures: dict[str, float] = {}
    if "10000" in sizes and "1000000" in sizes:
        small, large = (sizes[size]["events_per_cpu_second"] for size in ("10000", "1000000"))
        figures["10^6 to 10^4"] = large / small
    if "10000000" in sizes:
        figures["10^7 start s"] = sizes["10000000"]["start_s"]
    return [row for row in judged([Run(figures, {})], _SPECS) if row.ours is not None]


_COLUMNS: Final = (
    ("events/s", "events_per_second"),
    ("per CPU second", "events_per_cpu_second"),
    ("cold, events/s", "cold_events_per_second"),
    ("start, s", "start_s"),
    ("memory after start, MB", "anonymous_at_start_mb"),
    ("after the run, MB", "anonymous_mb"),
    ("state proof, B", "proof_bytes"),
    ("state on disk, MB", "state_disk_mb"),
    ("disk per event, B", "disk_bytes_per_event"),
)


def _markdown(found: dict[str, Any]) -> str:
    names = [name for name, _ in _COLUMNS]
    lines = ["| subjects | " + " | ".join(names) + " | four validators, events/s |", "|---" * (len(names) + 2) + "|"]  # fmt: skip
    for size, one in found["sizes"].items():
        cells = [f"{one[field]:,}" if field in one else "" for _, field in _COLUMNS]
        four = f"{one['four']['events_per_second']:,}" if "four" in one else "not measured"
        lines.append(f"| {int(size):,} | " + " | ".join(cells) + f" | {four} |")
    one = found["bucket"]
    lines += [
        "",
        f"Of {one['ground']:,} identifiers ground into one bucket of the tree, {one['taken_in']:,} were taken in.",
        f"Observing those costs {one['us_per_event_in_one_bucket']} µs an event, others {one['us_per_event_anywhere']};",
        f"in blocks of one event {one['us_per_block_of_one_in_one_bucket']}, others {one['us_per_block_of_one_anywhere']}.",
        "",
        f"{found['conditions']['cores']} cores, tree of depth {found['conditions']['depth']}, Python {found['conditions']['python']}, load average {found['conditions']['load']}.",
    ]
    return "\n".join(lines) + "\n"


def _plots(folder: Path, sizes: dict[str, Any]) -> str | None:
    def points(field: str) -> list[tuple[float, float]]:
        return [(float(size), float(one[field])) for size, one in sizes.items()]

    cost = [(size, 1e6 / value) for size, value in points("events_per_cpu_second")]
    missing = draw(
        folder / "state-cost.png",
        "Cost of an event as the state grows, one replica",
        "subjects",
        "µs of processor time",
        {"execution and storage": cost},
        log_x=True,
    )
    draw(
        folder / "state-memory.png",
        "Memory and start as the state grows",
        "subjects",
        "MB; 0.1 s",
        {
            "memory after start, MB": points("anonymous_at_start_mb"),
            "memory after the run, MB": points("anonymous_mb"),
            "cold start, 0.1 s": [(size, 10 * value) for size, value in points("start_s")],
        },
        log_x=True,
    )
    return missing
