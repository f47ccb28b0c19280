"""A network that makes snapshots, and a validator of it that lost everything but its keys and joins again."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any

import structlog

from client.acts import sign_acts
from ledger.base.encoding import decode, encode
from ledger.base.keys import SigningKey
from ledger.chain.transaction import Kind
from ledger.members.governance import proposal_id
from ledger.trade.record import SubjectKey
from node.local.client import LocalClient
from node.local.protocol import State, Submission
from node.validator.member import open_member
from node.validator.running import run_validator
from tests.validator.network import Network, item, until, with_made
from tests.world.world import seed

SETTINGS = """
[snapshots]
every_blocks = 10
join_blocks_ahead = {ahead}
"""
LOST = ("chain", "votes", "payload", "state", "snapshots")


class Joined:
    """One validator under `run_validator`, as the command runs it."""

    def __init__(self, network: Network, name: str) -> None:
        self.network = network
        self.name = name
        self.folder: Path = network.made.folders[name]
        self.said: list[dict[str, Any]] = []
        self.stop = asyncio.Event()
        self.client = LocalClient(self.folder / "run" / "validator.sock")
        self.task = asyncio.create_task(
            run_validator(lambda: open_member(self.folder), lambda _member: self.log(), self.stop)
        )

    def log(self) -> Any:
        def note(_logger: object, _method: str, event: MutableMapping[str, Any]) -> Any:
            self.said.append(dict(event))
            raise structlog.DropEvent

        return structlog.wrap_logger(structlog.PrintLogger(), processors=[note])

    def events(self, name: str) -> list[dict[str, Any]]:
        return [event for event in self.said if event["event"] == name]

    async def is_in(self) -> None:
        """Wait until the node has joined and its validator is ready."""
        await until(lambda: bool(self.events("joined")) or self.task.done())
        while True:
            if self.task.done():
                self.task.result()
            try:
                if (await self.client.status()).phase == "ready":
                    return
            except Exception:  # noqa: BLE001 - it is not listening yet, or again
                await asyncio.sleep(0.02)

    async def completed(self) -> None:
        await until(lambda: bool(self.events("the past is complete")) or self.task.done())

    async def close(self) -> None:
        self.stop.set()
        await self.client.close()
        await self.task


def lose(network: Network, name: str) -> None:
    """Everything but keys and settings is gone."""
    folder = network.made.folders[name]
    for part in LOST:
        shutil.rmtree(folder / part, ignore_errors=True)
        (folder / part).mkdir(mode=0o700)


def with_snapshots(
    tmp_path: Path, scenario: Callable[[Network], Awaitable[None]], *, ahead: int = 5, more: str = ""
) -> None:
    """Run a scenario on four validators that make snapshots every ten blocks."""

    def make() -> Network:
        network = Network(tmp_path)
        for folder in network.made.folders.values():
            settings = folder / "node.toml"
            settings.write_text(settings.read_text() + SETTINGS.format(ahead=ahead) + more)
        return network

    with_made(make, scenario)


async def feed(network: Network, numbers: range, *, by: str = "maker") -> None:
    """One block a number: a new item, and a look at the one before."""
    author = network.author()
    client = network.clients[by]
    for number in numbers:
        await client.submit((author.submission((number,)),))
        if number % 3 == 0:
            await client.submit((author.submission((number,), is_first=False),))


async def govern(network: Network, identifier: str) -> None:
    """Add an organisation by the votes of three of four, each in a block of its own."""
    now_ms = time.time_ns() // 1_000_000
    key = SigningKey(seed(identifier)).public_key
    change = (0, identifier, identifier.title(), "NL", ("logistics",), False, (), None, key, False)
    item = (0, change, now_ms + 3_600_000, "")
    proposal = proposal_id(network.network, "maker", item)
    for who, act in (
        ("maker", item),
        *((one, (1, proposal, True, None)) for one in ("maker", "forwarder", "carrier")),
    ):
        approver = network.key(who, "approver")
        signed = sign_acts(approver, network.network, who, Kind.GOVERNANCE, (act,), now_ms=now_ms)
        (status,) = await network.clients["maker"].submit((Submission(signed.to_bytes()),))
        assert status.state is State.FINAL, status
        assert not status.receipts[0].refusal, status


async def snapshots_of(network: Network, least: int, *names: str) -> dict[str, int]:
    """Wait until these validators have a snapshot of `least` or above; the height of each one's newest.

    They are the same but where one had its state written just then, or heard of a later finalisation first.
    """
    makers = {name: network.running[name].snapshotter for name in names}
    await until(lambda: all(one.newest >= least and not one.is_busy for one in makers.values()))
    return {name: one.newest for name, one in makers.items()}


async def bundles(client: LocalClient, numbers: range) -> dict[SubjectKey, bytes]:
    """The bundle of each item, with bytes, but for which quorum of signatures its certificate shows.

    Of one block every validator may hold another certificate; header and outcome are the same.
    """
    found = {}
    for number in numbers:
        bundle = await client.prove([item(number)], payloads=True)
        version, network, closings, (header, outcome, _), *rest = decode(bundle, max_bytes=10_000_000)
        found[item(number)] = encode((version, network, closings, (header, outcome), *rest))
    return found
