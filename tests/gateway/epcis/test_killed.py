"""A gateway as a process, killed in the middle of a capture and started again."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx

from node.storage.folder import NodeFolder
from node.storage.keystore import Keystore
from tests.gateway.epcis.documents import JSON, PROCEED, document, event, uuid
from tests.gateway.fake_validator import FakeValidator
from tests.gateway.stage import until
from tests.world.chain import ChainedWorld


def made_folder(path: Path, world: ChainedWorld, port: int) -> NodeFolder:
    """The folder of the world's maker, whose clock is the world's."""
    NodeFolder.create(path, world.network)
    (path / "genesis.custody").write_bytes(world.genesis.to_bytes())
    offset_ms = world.state.tip.header.time_ms - time.time_ns() // 1_000_000
    (path / "node.toml").write_text(
        f'organisation = "maker"\nclock_offset_ms = {offset_ms}\n'
        f'[validator]\nlisten = "127.0.0.1:1"\n[gateway]\nlisten = "127.0.0.1:{port}"\n'
    )
    Keystore(path / "keys").save("capture", world.gateways["maker"], "capture", None)
    return NodeFolder.open(path, world.network, lock=False)


@contextlib.asynccontextmanager
async def gateway(folder: Path) -> AsyncIterator[subprocess.Popen[bytes]]:
    """The process, once it listens; killed at the end if it is still there."""
    command = [sys.executable, "-m", "node.cli", "run", "--folder", str(folder), "--role", "gateway"]
    with (folder / "log").open("ab") as log, subprocess.Popen(command, stderr=log) as running:  # noqa: ASYNC220
        try:
            seen = (folder / "log").stat().st_size
            await until(lambda: b'"listening"' in (folder / "log").read_bytes()[seen:])
            yield running
        finally:
            running.kill()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


async def answered(http: httpx.AsyncClient, path: str) -> Any:
    """What a gateway that is just starting answers, once it does."""
    while True:
        with contextlib.suppress(httpx.TransportError):
            return (await http.get(path)).json()
        await asyncio.sleep(0.01)


def test_a_killed_gateway_finishes_its_captures_when_it_starts_again(tmp_path: Path) -> None:
    async def act() -> None:
        world = ChainedWorld(gateways=["maker"])
        port = free_port()
        folder = made_folder(tmp_path / "maker", world, port)
        validator = FakeValidator(world, folder.validator_socket)
        validator.is_finalising = False
        await validator.start()
        data = document(*(event(number, event_id=uuid(number)) for number in range(1_200)))
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}/epcis", timeout=60, trust_env=False
        ) as http:
            async with gateway(folder.path) as running:
                await answered(http, "/")
                token = (folder.keys / "capture.token").read_text().strip()
                http.headers["Authorization"] = f"Bearer {token}"
                response = await http.post("/capture", content=data, headers=JSON | PROCEED)
                assert response.status_code == 202, response.text
                await until(lambda: bool(validator.submissions))
                running.send_signal(signal.SIGKILL)
                running.wait()
            assert world.state.tip.header.height == 0
            validator.commit(validator.submissions[0].transaction)  # it was ordered all the same
            validator.is_finalising = True
            async with gateway(folder.path) as running:
                path = response.headers["location"].removeprefix("/epcis")
                while (job := await answered(http, path))["running"]:  # noqa: ASYNC110 - another process
                    await asyncio.sleep(0.02)
                running.send_signal(signal.SIGTERM)
                assert running.wait(20) == 0
        assert job["success"] is True, job["errors"][:1]
        assert [one["height"] for one in job["custody:transactions"]] == [1, 2]
        assert len({one["eventID"] for one in job["custody:events"]}) == 1_200
        assert world.state.tip.header.height == 2
        await validator.stop()
        assert token not in (folder.path / "log").read_text()
        assert json.loads((folder.path / "log").read_text().splitlines()[-1])["event"] == "stopped"

    asyncio.run(act())


def test_a_store_that_cannot_be_opened_ends_the_gateway_with_its_reason(tmp_path: Path) -> None:
    folder = made_folder(tmp_path / "maker", ChainedWorld(gateways=["maker"]), free_port())
    (folder.index / "gateway.db").write_bytes(b"no database" * 1_000)
    command = [sys.executable, "-m", "node.cli", "run", "--folder", str(folder.path), "--role", "gateway"]
    ended = subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert ended.returncode != 0
    assert b"gateway.db" in ended.stderr.splitlines()[-1]
    assert b"[damaged]" in ended.stderr.splitlines()[-1]
