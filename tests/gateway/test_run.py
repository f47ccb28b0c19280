"""The gateway as a process: from a node's folder until a signal ends it."""

from __future__ import annotations

import gc
import json
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from ledger.base.errors import Code, FormError, StorageError, UnavailableError
from node import cli
from node.config import Address
from node.gateway.access import TOKEN_FILE
from node.gateway.run import listen, run_gateway
from node.index.index import Index
from node.init import create_network


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A node's folder whose gateway's port is free."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    made = create_network(tmp_path / "network", port_base=7_900).folders["carrier"]
    settings = made / "node.toml"
    settings.write_text(settings.read_text().replace('"127.0.0.1:8900"', f'"127.0.0.1:{port}"'))
    return made


@pytest.fixture
def process(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A gateway that listens, and its port."""
    command = [sys.executable, "-m", "node.cli", "run", "--folder", str(folder), "--role", "gateway"]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as running:
        assert running.stderr is not None
        line = json.loads(running.stderr.readline())
        assert line["event"] == "listening"
        yield running, int(line["address"].rpartition(":")[2])
        running.kill()


def test_it_listens_before_its_validator_and_ends_in_order(
    folder: Path, process: tuple[subprocess.Popen[bytes], int]
) -> None:
    running, port = process
    token = (folder / "keys" / TOKEN_FILE).read_text().strip()
    assert stat.S_IMODE((folder / "keys" / TOKEN_FILE).stat().st_mode) == 0o600
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:
        assert http.get("/livez").status_code == 200
        assert http.get("/readyz").status_code == 503
        answer = http.get("/v1/status", headers={"Authorization": f"Bearer {token}"})
        assert answer.json()["code"] == "unavailable"
        with http.stream("GET", "/v1/follow", headers={"Authorization": f"Bearer {token}"}) as stream:
            running.send_signal(signal.SIGTERM)
            assert b"".join(stream.iter_raw()) == b"retry: 1000\n\n"
    assert running.stderr is not None
    logged = [json.loads(line) for line in running.stderr]
    assert running.wait(20) == 0
    assert logged[-1]["event"] == "stopped"
    routes = [line["route"] for line in logged if line["event"] == "request"]
    assert routes == ["/livez", "/readyz", "/v1/status", "/v1/follow"]
    assert token not in json.dumps(logged)


def test_an_index_that_cannot_be_used_costs_the_epcis_interface_only(folder: Path) -> None:
    Index.open(f"sqlite:///{folder / 'index' / 'index.db'}", bytes(32)).close()
    command = [sys.executable, "-m", "node.cli", "run", "--folder", str(folder), "--role", "gateway"]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as running:
        assert running.stderr is not None
        said = json.loads(running.stderr.readline())
        assert (said["event"], said["code"]) == ("no EPCIS", "foreign_data")
        assert "custody node index rebuild" in said["detail"]
        line = json.loads(running.stderr.readline())
        with httpx.Client(base_url=f"http://{line['address']}", trust_env=False) as http:
            assert http.get("/livez").status_code == 200
            assert http.get("/epcis/events").status_code == 404
        running.send_signal(signal.SIGTERM)
        assert running.wait() == 0


def test_a_port_in_use_is_named() -> None:
    with listen(Address("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(UnavailableError, match=str(port)) as caught:
            listen(Address("127.0.0.1", port))
    assert caught.value.code == Code.PORT_IN_USE


def test_an_address_that_is_not_of_this_machine_is_named() -> None:
    with pytest.raises(UnavailableError, match=r"192\.0\.2\.1") as caught:
        listen(Address("192.0.2.1", 9))
    assert caught.value.code == Code.UNAVAILABLE


def test_a_folder_that_is_not_in_order_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(FormError, match="expected a node's folder"):
        run_gateway(tmp_path)
    other = create_network(tmp_path / "other", name="other").folders["carrier"]
    (folder / "genesis.custody").write_bytes((other / "genesis.custody").read_bytes())
    with pytest.raises((FormError, StorageError)):
        run_gateway(folder)


def test_neither_indexing_nor_garbage_holds_up_the_event_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[tuple[float, tuple[int, int, int]]] = []

    def serve(_folder: Path, _passphrase: bytes | None, *, log_level: str) -> None:
        assert log_level == "info"
        served.append((sys.getswitchinterval(), gc.get_threshold()))

    monkeypatch.setattr("node.gateway.run.run_gateway", serve)
    before = sys.getswitchinterval(), gc.get_threshold()
    try:
        cli._run_gateway(tmp_path, None, "info", with_parent=False)
    finally:
        sys.setswitchinterval(before[0])
        gc.set_threshold(*before[1])
        gc.unfreeze()
    ((switch_s, (young, _, whole)),) = served
    assert switch_s < before[0] / 5
    assert young > 10 * before[1][0]
    assert whole < 100  # what waits on clients leaves cycles
