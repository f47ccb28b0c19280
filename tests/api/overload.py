"""Four real validators and a gateway under attack: `python -m tests.api.overload --json`.

Honest clients hand in events one after another, over HTTP, and obey 429. Between attacks they are measured alone, during each
with it; what counts is the ratio within one run. Memory of the gateway's and of its validator's process is read all along and
held against caps that stand in API.md.

    {"attacks": {name: {"per_second", "alone_per_second", "kept", "attackers": {...}}}, "kept_least", "failures",
     "gateway_peak_mb", "validator_peak_mb", "idle_connections", "ok"}

`tenfold` is ten times the outstanding work, half of it by clients that do not obey: what counts there is all that obey,
together. `member` is a member that floods with valid events of its own, twenty to a body: its work is taken in the order of
arrival like everybody's, so honest clients wait behind it. What they keep is told, and not held.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx

from ledger.base.encoding import encode
from ledger.base.keys import Signer
from node.init import GATEWAY_PORTS
from node.local.protocol import Submission
from node.storage.keystore import Keystore
from tests.api.attackers import HOST
from tests.bench.load import Author
from tests.bench.processes import PROJECT, Validators

HONEST: Final = 6
TENFOLD: Final = 10
KEPT_LEAST: Final = 0.8
TOLD: Final = ("member",)
GATEWAY_MB: Final = 600
VALIDATOR_MB: Final = 1_000
_IDLE: Final = 10_000
_SETTLE_S: Final = 4.0
"""Until an attack is under way."""
_SPARE: Final = 500
"""Descriptors left for everything else."""


def body_of(submission: Submission) -> bytes:
    """The body of a request with one transaction."""
    payloads = [(one.salt, None, one.event) for one in submission.payloads]
    return encode([(submission.transaction, payloads)])


class Honest:
    """Clients that hand in one event after another and wait for each to be final."""

    def __init__(self, author: Author, port: int) -> None:
        self._author = author
        self._url = f"http://{HOST}:{port}/v1/transactions"
        self._next = 0
        self.final = 0
        self.failures: list[str] = []

    async def run(self, count: int) -> None:
        """`count` clients, until cancelled."""
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        async with httpx.AsyncClient(timeout=60, trust_env=False, limits=limits) as http:
            await asyncio.gather(*(self._one(http) for _ in range(count)))

    async def _one(self, http: httpx.AsyncClient) -> None:
        while True:
            self._next += 1
            body = body_of(self._author.submission([self._next]))
            while not await self._handed_in(http, body):
                pass

    async def _handed_in(self, http: httpx.AsyncClient, body: bytes) -> bool:
        try:
            answer = await http.post(self._url, content=body, headers={"Content-Type": "application/msgpack"})
        except httpx.TransportError:  # the connection gave way to another: the same again is safe
            await asyncio.sleep(0.05)
            return False
        if answer.status_code in (429, 503):
            await asyncio.sleep(float(answer.headers["retry-after"]))
            return False
        if answer.status_code not in (200, 202):
            self.failures.append(f"{answer.status_code} {answer.text[:200]}")
            return True
        self.final += answer.status_code == 200
        return answer.status_code == 200

    async def measured(self, seconds: float) -> float:
        """Final events a second over the next so many."""
        before, started_s = self.final, time.monotonic()
        await asyncio.sleep(seconds)
        return (self.final - before) / (time.monotonic() - started_s)


class Memory:
    """Peak of the resident memory of a process, in MB."""

    def __init__(self, process: int) -> None:
        self._status = Path(f"/proc/{process}/status")

    def peak_mb(self) -> int:
        """Since it began."""
        lines = self._status.read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) // 1024


@asynccontextmanager
async def gateway_of(network: Validators, name: str, port: int) -> AsyncIterator[subprocess.Popen[bytes]]:
    """The gateway process of one node."""
    command = [
        sys.executable,
        "-m",
        "node.cli",
        "run",
        "--role",
        "gateway",
        "--log-level",
        "warning",
        "--folder",
    ]
    with (network.root / "gateway.log").open("ab") as log:
        process = subprocess.Popen(  # noqa: ASYNC220 - starting it takes no time
            [*command, str(network.made.folders[name])],
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    try:
        async with httpx.AsyncClient(trust_env=False) as http:
            while True:
                try:
                    if (await http.get(f"http://{HOST}:{port}/readyz")).status_code == 200:
                        break
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.1)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)


@asynccontextmanager
async def attack(kind: str, spec: dict[str, Any], root: Path) -> AsyncIterator[Path]:
    """The attackers' process; the file its counts go to."""
    told = root / f"attack-{kind}"
    with told.open("wb") as out:
        process = subprocess.Popen(  # noqa: ASYNC220 - as above
            [sys.executable, "-m", "tests.api.attackers", kind, json.dumps(spec)],
            cwd=PROJECT, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.DEVNULL,
        )  # fmt: skip
    try:
        while not told.stat().st_size and process.poll() is None:  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.1)
        yield told
    finally:
        process.kill()
        process.wait()


def _bodies(author: Author, count: int, events: int, path: Path) -> None:
    """Ready bodies of greedy members, about things of their own."""
    with path.open("wb") as out:
        for number in range(count):
            first = 10_000_000 + number * events
            body = body_of(author.submission(range(first, first + events)))
            out.write(len(body).to_bytes(4, "big") + body)


def allowed_idle() -> int:
    """How many idle connections this machine's limit on descriptors allows, at most 10,000."""
    return min(_IDLE, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - _SPARE)


class Overload:
    """One run."""

    def __init__(self, network: Validators, port: int, seconds: float, honest: Honest) -> None:
        self._network = network
        self._port = port
        self._seconds = seconds
        self._honest = honest
        self._validator = network.names.index("maker") + network.port_base
        self.attacks: dict[str, dict[str, Any]] = {}

    def _spec(self, connections: int, **more: str) -> dict[str, Any]:
        return {"gateway": self._port, "validator": self._validator, "connections": connections, **more}

    async def phase(self, kind: str, connections: int, **more: str) -> None:
        """Alone, under attack, alone again."""
        before = await self._honest.measured(self._seconds)
        helpers = asyncio.ensure_future(self._honest.run(connections if kind == "tenfold" else 0))
        async with attack(kind, self._spec(connections, **more), self._network.root) as told:
            await asyncio.sleep(_SETTLE_S)
            during = await self._honest.measured(self._seconds)
            lines = told.read_text(encoding="ascii").splitlines()
        helpers.cancel()
        await asyncio.sleep(1)
        after = await self._honest.measured(self._seconds)
        alone = (before + after) / 2
        self.attacks[kind] = {
            "per_second": round(during, 1), "alone_per_second": round(alone, 1), "kept": round(during / max(alone, 0.01), 2),
            "held": kind not in TOLD, "attackers": {"connections": connections, **(json.loads(lines[-1]) if lines else {})},
        }  # fmt: skip
        print(f"{kind}: {self.attacks[kind]}", file=sys.stderr, flush=True)


async def overload(root: Path, seconds: float, kinds: list[str]) -> dict[str, Any]:
    """All attacks, one after another."""
    async with Validators(root, state_depth=8) as network:
        place = network.names.index("maker")
        port = network.port_base + place + GATEWAY_PORTS
        maker, other = network.key("maker"), network.key("forwarder")
        async with gateway_of(network, "maker", port) as gateway:
            honest = Honest(Author(maker, "maker", network.network), port)
            clients = asyncio.ensure_future(honest.run(HONEST))
            run = Overload(network, port, seconds, honest)
            await honest.measured(2)
            for kind, connections in _PHASES.items():
                if kind in kinds:
                    await run.phase(kind, connections, **_more(kind, root, network, other))
            peaks = Memory(gateway.pid).peak_mb(), Memory(network.processes["maker"].pid).peak_mb()
            clients.cancel()
    kept = min((one["kept"] for one in run.attacks.values() if one["held"]), default=1.0)
    ok = kept >= KEPT_LEAST and peaks[0] <= GATEWAY_MB and peaks[1] <= VALIDATOR_MB and not honest.failures
    return {
        "attacks": run.attacks, "kept_least": kept, "failures": honest.failures[:5], "gateway_peak_mb": peaks[0],
        "validator_peak_mb": peaks[1], "idle_connections": allowed_idle(), "cpus": os.cpu_count(), "ok": ok,
    }  # fmt: skip


def _more(kind: str, root: Path, network: Validators, other: Signer) -> dict[str, str]:
    if kind in ("tenfold", "member"):
        path = root / f"bodies-{kind}"
        _bodies(Author(other, "forwarder", network.network), 600, 1 if kind == "tenfold" else 20, path)
        return {"bodies": str(path)}
    if kind == "peer":  # a validator that turned: its process ends, its key floods
        network.kill("customs")
        target = Keystore(network.made.folders["maker"] / "keys").load("transport").public_key.hex()
        folder = str(network.made.folders["customs"])
        return {"folder": folder, "target_key": target, "network": network.network.hex()}
    return {}


_PHASES: Final = {
    "slow": 500, "idle": allowed_idle(), "oversized": 30, "bombs": 8, "strangers": 200,
    "tenfold": HONEST * (TENFOLD - 1) // 2, "member": 30, "peer": 4,
}  # fmt: skip


def main() -> int:
    """Parse the options, run, report."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.api.overload", description="A real node under attack."
    )
    parser.add_argument("--seconds", type=float, default=8, help="of each measurement; three for each attack")
    parser.add_argument("--attacks", nargs="*", default=list(_PHASES), choices=list(_PHASES))
    parser.add_argument("--json", action="store_true", help="one line of JSON on standard output")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="custody-overload-") as folder:
        found = asyncio.run(overload(Path(folder), options.seconds, options.attacks))
    print(json.dumps(found) if options.json else json.dumps(found, indent=2))
    return 0 if found["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
