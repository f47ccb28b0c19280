"""Four real validator processes: killed, restarted, misused. Nothing acknowledged is lost, nothing is left behind."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from ledger.base.errors import CustodyError
from node.config import GENESIS_FILE
from node.init import create_network
from node.local.client import LocalClient
from node.local.protocol import State, TransactionStatus
from tests.bench.processes import PROJECT, Validators, free_port_base

VICTIM = "carrier"


def with_validators(tmp_path: Path, scenario: Callable[[Validators], Awaitable[None]]) -> None:
    async def run() -> None:
        async with Validators(tmp_path / "net", state_depth=16) as network:
            await scenario(network)

    asyncio.run(run())


class Load:
    """Submits one event after another through one validator, to others when it is away; keeps what was acknowledged."""

    def __init__(self, network: Validators, names: tuple[str, ...], first: int) -> None:
        self._author = network.author("maker")
        self._clients = [network.client(name) for name in names]
        self._number = first
        self.acknowledged: dict[bytes, TransactionStatus] = {}
        self._task = asyncio.create_task(self._run())
        self._is_over = False

    async def _run(self) -> None:
        while not self._is_over:
            self._number += 1
            submission = self._author.submission((self._number,))
            while True:
                client = self._clients[0]
                try:
                    (status,) = await client.submit((submission,))
                except CustodyError:
                    self._clients.append(self._clients.pop(0))
                    await asyncio.sleep(0.01)
                    continue
                break
            assert status.state is State.FINAL
            self.acknowledged[status.transaction] = status

    async def reaches(self, count: int) -> None:
        while len(self.acknowledged) < count:
            assert not self._task.done(), self._task.exception()
            await asyncio.sleep(0.01)

    async def stop(self) -> None:
        self._is_over = True
        await self._task
        for client in self._clients:
            await client.close()


async def assert_nothing_lost(client: LocalClient, acknowledged: dict[bytes, TransactionStatus]) -> None:
    """Once caught up, a validator knows every acknowledged transaction as it was acknowledged."""
    ids = list(acknowledged)
    while True:
        found = [
            status
            for start in range(0, len(ids), 500)
            for status in await client.transactions(ids[start : start + 500])
        ]
        if all(status.state is State.FINAL for status in found):
            break
        await asyncio.sleep(0.05)
    assert {status.transaction: status for status in found} == acknowledged


async def checkpoint_height(client: LocalClient) -> int:
    return (await client.status()).checkpoint_height


def test_any_one_killed_under_load_loses_nothing_acknowledged_and_rejoins_by_itself(tmp_path: Path) -> None:
    async def scenario(network: Validators) -> None:
        for round_number, victim in enumerate(network.names):
            others = tuple(name for name in network.names if name != victim)
            loads = [
                Load(network, (victim, *others), 1_000_000 * round_number),
                Load(network, others, 1_000_000 * round_number + 500_000),
            ]
            for load in loads:
                await load.reaches(20)
            network.kill(victim)
            for load in loads:
                await load.reaches(len(load.acknowledged) + 20)
            network.start(victim)
            await network.wait_until_ready(victim)
            for load in loads:
                await load.reaches(len(load.acknowledged) + 10)
                await load.stop()
            acknowledged = {**loads[0].acknowledged, **loads[1].acknowledged}
            for name in network.names:
                client = network.client(name)
                await assert_nothing_lost(client, acknowledged)
                await client.close()

    with_validators(tmp_path, scenario)


def test_all_killed_at_once_come_back_with_everything_acknowledged(tmp_path: Path) -> None:
    async def scenario(network: Validators) -> None:
        load = Load(network, network.names, 0)
        await load.reaches(30)
        for name in network.names:
            network.processes[name].send_signal(signal.SIGKILL)
        for name in network.names:
            network.processes[name].wait()
        for name in network.names:
            network.start(name)
        for name in network.names:
            await network.wait_until_ready(name)
        await load.reaches(len(load.acknowledged) + 10)
        await load.stop()
        for name in network.names:
            client = network.client(name)
            await assert_nothing_lost(client, load.acknowledged)
            await client.close()

    with_validators(tmp_path, scenario)


def run_again(network: Validators, name: str) -> subprocess.CompletedProcess[str]:
    """Run a validator that is expected to refuse the start."""
    folder = network.made.folders[name]
    command = [sys.executable, "-m", "node.cli", "run", "--role", "validator", "--folder", str(folder)]
    return subprocess.run(
        command, cwd=PROJECT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )


def sentence(ended: subprocess.CompletedProcess[str]) -> str:
    """The last line of what a refused start said."""
    return ended.stderr.strip().splitlines()[-1]


def stop(network: Validators, name: str) -> int:
    network.processes[name].terminate()
    return network.processes[name].wait()


def test_starts_that_must_be_refused_are_and_leave_everything_as_it_was(tmp_path: Path) -> None:
    async def scenario(network: Validators) -> None:
        folder = network.made.folders[VICTIM]
        load = Load(network, ("maker", "forwarder"), 0)
        await load.reaches(5)

        ended = run_again(network, VICTIM)
        assert (ended.returncode, "[locked]" in sentence(ended)) == (5, True)
        client = network.client(VICTIM)
        assert (await client.status()).phase == "ready"
        await client.close()

        assert stop(network, VICTIM) == 0
        assert not (folder / "run" / "validator.sock").exists()
        await load.reaches(len(load.acknowledged) + 5)

        def refused(code: str, returncode: int) -> None:
            ended = run_again(network, VICTIM)
            assert f"[{code}]" in sentence(ended), ended.stderr
            assert sentence(ended).startswith("custody node: ")
            assert "Traceback" not in ended.stderr
            assert ended.returncode == returncode

        port = network.made.genesis.validators.index(
            next(seat for seat in network.made.genesis.validators if seat.organisation == VICTIM)
        )
        with socket.socket() as taken:
            # Connections of the stopped one linger.
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            taken.bind(("127.0.0.1", network.port_base + port))
            taken.listen()
            refused("port_in_use", 1)

        key = folder / "keys" / "validator-0.key"
        key.chmod(0o644)
        refused("bad_key", 5)
        key.chmod(0o600)

        genesis = (folder / GENESIS_FILE).read_bytes()
        renamed = network.made.genesis._replace(name="another")
        (folder / GENESIS_FILE).write_bytes(renamed.to_bytes())
        refused("foreign_data", 5)
        (folder / GENESIS_FILE).write_bytes(genesis)

        stranger = create_network(tmp_path / "stranger", port_base=free_port_base()).folders[VICTIM]
        (folder / GENESIS_FILE).write_bytes((stranger / GENESIS_FILE).read_bytes())
        refused("foreign_data", 5)
        (folder / GENESIS_FILE).write_bytes(genesis)

        votes = folder / "votes"
        votes.rename(folder / "away")
        refused("damaged", 5)
        shutil.rmtree(votes)
        (folder / "away").rename(votes)

        blocks = folder / "chain" / "blocks-00000000.seg"
        whole = blocks.read_bytes()
        middle = len(whole) // 2
        blocks.write_bytes(whole[:middle] + bytes((whole[middle] ^ 1,)) + whole[middle + 1 :])
        refused("damaged", 5)
        blocks.write_bytes(whole)

        network.start(VICTIM)
        await network.wait_until_ready(VICTIM)
        await load.stop()
        client = network.client(VICTIM)
        await assert_nothing_lost(client, load.acknowledged)
        await client.close()

    with_validators(tmp_path, scenario)


@pytest.mark.parametrize("offset_ms", [3_600_000, -3_600_000])
def test_a_clock_off_by_an_hour_is_said_and_stops_nobody(tmp_path: Path, offset_ms: int) -> None:
    async def scenario(network: Validators) -> None:
        stop(network, VICTIM)
        settings = network.made.folders[VICTIM] / "node.toml"
        whole = settings.read_text()
        settings.write_text(f"clock_offset_ms = {offset_ms}\n{whole}")
        network.start(VICTIM)
        await network.wait_until_ready(VICTIM)
        load = Load(network, ("maker", "customs"), 0)
        client = network.client(VICTIM)
        while not any("clock" in warning for warning in (await client.status()).warnings):
            await load.reaches(len(load.acknowledged) + 1)
        (warning,) = [
            text for text in (await client.status()).warnings if text.startswith("expected this clock")
        ]
        assert ("ahead of" in warning) == (offset_ms > 0)
        await load.stop()
        await assert_nothing_lost(client, load.acknowledged)
        (status,) = await client.submit((network.author("maker").submission((77_000,)),))
        assert status.state is State.FINAL
        await client.close()

        stop(network, VICTIM)
        settings.write_text(whole)
        network.start(VICTIM)
        await network.wait_until_ready(VICTIM)

    with_validators(tmp_path, scenario)


def test_validator_and_gateway_end_with_whoever_started_them(tmp_path: Path) -> None:
    folder = create_network(tmp_path / "net", port_base=free_port_base(4)).folders["maker"]
    command = [sys.executable, "-m", "node.cli", "run", "--folder", str(folder)]
    parent = subprocess.Popen(
        command, cwd=PROJECT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
    if not children.parent.exists():
        parent.kill()
        parent.wait()
        pytest.skip("this system does not say who a process's children are")
    try:
        while not (folder / "run" / "validator.sock").exists() or len(children.read_text().split()) < 2:
            assert parent.poll() is None
            time.sleep(0.05)
        started = [int(number) for number in children.read_text().split()]
    finally:
        parent.kill()
        parent.wait()
    while any(is_alive(number) for number in started):
        time.sleep(0.05)


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return "\nState:\tZ" not in Path(f"/proc/{process}/status").read_text()
