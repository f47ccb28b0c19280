"""Four validators of CometBFT with its built-in kvstore, tuned for what is measured, as processes that leave nothing behind.

The application runs inside the node and in memory (`kvstore`), nothing is indexed and no results are kept: all of it in the
peer's favour. Consensus writes its log with a sync and blocks to LevelDB, as it does in production. kvstore checks no
signature of a client and no rule.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from tests.bench.http import Connection
from tests.bench.processes import Nodes, free_ports, started

VERSION: Final = "0.38.26"
_SOURCE: Final = f"github.com/cometbft/cometbft/cmd/cometbft@v{VERSION}"
_VALIDATORS: Final = 4
_BLOCK_BYTES: Final = 1 << 20
_POLL_S: Final = 0.1
_READY_HEIGHT: Final = 1

TUNING: Final[Mapping[tuple[str, str], str]] = {
    ("", "proxy_app"): '"kvstore"',
    ("", "log_level"): '"error"',
    ("rpc", "max_request_batch_size"): "0",
    ("rpc", "max_body_bytes"): "8000000",
    ("p2p", "flush_throttle_timeout"): '"10ms"',
    ("p2p", "send_rate"): "512000000",
    ("p2p", "recv_rate"): "512000000",
    ("p2p", "max_packet_msg_payload_size"): "65536",
    ("p2p", "pex"): "false",
    ("mempool", "recheck"): "false",
    ("mempool", "size"): "200000",
    ("mempool", "cache_size"): "400000",
    ("consensus", "timeout_propose"): '"1s"',
    ("consensus", "timeout_commit"): '"0s"',
    ("consensus", "skip_timeout_commit"): "true",
    ("consensus", "create_empty_blocks"): "false",
    ("consensus", "peer_gossip_sleep_duration"): '"10ms"',
    ("storage", "discard_abci_responses"): "true",
    ("tx_index", "indexer"): '"null"',
}
"""Section and setting; what is not named stays as `cometbft testnet` writes it."""


def program() -> Path | None:
    """The program of that version, installed with Go where it is not there yet; nothing where that cannot be done."""
    found = shutil.which("cometbft")
    if found and _said([found, "version"]) == VERSION:
        return Path(found)
    go = shutil.which("go")
    if go is None:
        return None
    path = Path(_said([go, "env", "GOPATH"])) / "bin" / "cometbft"
    if not path.exists() or _said([path, "version"]) != VERSION:
        subprocess.run([go, "install", _SOURCE], check=False)
    return path if path.exists() and _said([path, "version"]) == VERSION else None


def _said(command: Sequence[str | Path]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def configured(text: str, settings: Mapping[tuple[str, str], str]) -> str:
    """A configuration with settings in place of its own; ValueError where it has no such setting."""
    section, left, lines = "", dict(settings), []
    for line in text.splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        name = line.partition(" = ")[0]
        value = left.pop((section, name), None) if " = " in line else None
        lines.append(line if value is None else f"{name} = {value}")
    if left:
        raise ValueError(f"expected settings {sorted(left)} in the configuration of CometBFT, found none")
    return "\n".join(lines) + "\n"


class Comet(Nodes):
    """Validators of CometBFT."""

    def __init__(self, root: Path, binary: Path, tuning: Mapping[tuple[str, str], str] = TUNING) -> None:
        super().__init__()
        self.root = root
        self.names = tuple(f"node{number}" for number in range(_VALIDATORS))
        ports = free_ports(2 * _VALIDATORS)
        self.rpc_ports = ports[:_VALIDATORS]
        self._binary = binary
        made: list[str | Path] = [
            binary,
            "testnet",
            "--v",
            str(_VALIDATORS),
            "--o",
            root,
            "--starting-ip-address",
            "127.0.0.1",
        ]
        subprocess.run(made, check=True, stdout=subprocess.DEVNULL)
        self._configure(ports[_VALIDATORS:], tuning)

    def _configure(self, peer_ports: tuple[int, ...], tuning: Mapping[tuple[str, str], str]) -> None:
        identifiers = []
        for name in self.names:
            command: list[str | Path] = [self._binary, "show-node-id", "--home", self.root / name]
            identifiers.append(_said(command))
        peers = ",".join(
            f"{each}@127.0.0.1:{port}" for each, port in zip(identifiers, peer_ports, strict=True)
        )
        for name, rpc, port in zip(self.names, self.rpc_ports, peer_ports, strict=True):
            own = {
                ("rpc", "laddr"): f'"tcp://127.0.0.1:{rpc}"',
                ("p2p", "laddr"): f'"tcp://127.0.0.1:{port}"',
                ("p2p", "persistent_peers"): f'"{peers}"',
            }
            path = self.root / name / "config" / "config.toml"
            path.write_text(configured(path.read_text(), {**tuning, **own}))
            path = self.root / name / "config" / "genesis.json"
            genesis = json.loads(path.read_text())
            genesis["consensus_params"]["block"]["max_bytes"] = str(_BLOCK_BYTES)
            path.write_text(json.dumps(genesis))

    def start(self, name: str) -> None:
        """Start one validator."""
        command: list[str | Path] = [self._binary, "start", "--home", self.root / name]
        self.processes[name] = started(command, self.root / f"{name}.log")

    async def wait_until_ready(self, name: str) -> None:
        """Wait until a node has all its peers and the first block."""
        port = self.rpc_ports[self.names.index(name)]
        while True:
            if any(process.poll() is not None for process in self.processes.values()):
                raise SystemExit("bench: a node of CometBFT ended while it started; see its log")
            try:
                connection = await Connection.open(port)
                _, _, body = await connection.ask(connection.request("GET", "/net_info"))
                peers = int(json.loads(body)["result"]["n_peers"])
                _, _, body = await connection.ask(connection.request("GET", "/status"))
                height = int(json.loads(body)["result"]["sync_info"]["latest_block_height"])
                await connection.close()
                if peers == _VALIDATORS - 1 and height >= _READY_HEIGHT:
                    return
            except (ConnectionError, KeyError):
                pass
            await asyncio.sleep(_POLL_S)
