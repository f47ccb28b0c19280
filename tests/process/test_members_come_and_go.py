"""Real nodes under load: a newcomer joins at a snapshot, is voted in, validates; a key is exchanged; another leaves. Nobody stops."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from ledger.base.errors import CustodyError
from ledger.base.keys import SigningKey
from ledger.base.limits import APPROVERS_BELOW
from ledger.chain.epoch import EpochChange
from ledger.chain.transaction import Kind, sign_transaction
from ledger.members.certificate import fingerprint
from ledger.members.constitution import ChangeKind
from ledger.members.governance import Act as Vote
from ledger.members.governance import proposal_id
from ledger.members.members import PROTOCOL, Use
from ledger.members.registration import Act, Reason, enrolment_message
from ledger.proof.anchor import anchor_from_genesis
from ledger.proof.verify import verify
from node.changes import approved, carry, compose, deliver_key
from node.config import FILE, GENESIS_FILE
from node.init import gln
from node.local.client import LocalClient
from node.local.protocol import NodeStatus, State, Submission, TransactionStatus
from node.storage.keystore import Keystore
from tests.bench.processes import PROJECT, Validators
from tests.process.test_real_processes import Load, assert_nothing_lost
from tests.validator.network import item, until
from tests.world.certificates import issued

NEW, LEAVER, ROTATED = "broker", "customs", "maker"
SNAPSHOTS = "\n[snapshots]\nevery_blocks = 10\njoin_blocks_ahead = 10\n"


class Members(Validators):
    """Four validators, and who comes and goes."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, state_depth=8, more=1)
        for name in self.names:
            self._append(name, SNAPSHOTS)

    def _append(self, name: str, text: str) -> None:
        settings = self.folder(name) / FILE
        settings.write_text(settings.read_text() + text)

    def folder(self, name: str) -> Path:
        return self.made.folders[name]

    def keystore(self, name: str) -> Keystore:
        return Keystore(self.folder(name) / "keys")

    async def command(self, *arguments: str) -> str:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "node.cli", *arguments, cwd=self.root, env={**os.environ, "PYTHONPATH": str(PROJECT)},
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        said, _ = await process.communicate()
        assert process.returncode == 0, said.decode()
        return said.decode()

    async def join(self) -> None:
        """What the newcomer does with what members gave it, and what they do with what it gives them."""
        await self.command("peers", "-f", str(self.folder("carrier")), "-o", "peers.toml")
        port = self.port_base + 4
        await self.command(
            "join", str(self.root / NEW), "--organisation", NEW, "--genesis", str(self.folder("maker") / GENESIS_FILE),
            "--network", self.network.hex(), "--peers", "peers.toml", "--listen", f"127.0.0.1:{port}",
            "--gateway", f"127.0.0.1:{port + 1_000}", "--unsealed",
        )  # fmt: skip
        self.made.folders[NEW] = self.root / NEW
        self._append(NEW, SNAPSHOTS)
        for name in self.names:
            self._append(name, (self.root / f"peer-{NEW}.toml").read_text())
        for name in self.names[:1]:
            assert f"{NEW} at 127.0.0.1:{port} is a peer now" in await self.command(
                "reload", "-f", str(self.folder(name))
            )
        for name in self.names[1:]:
            self.processes[name].send_signal(signal.SIGHUP)

    async def drop(self, leaver: str, names: Sequence[str]) -> None:
        """Take a node out of the others' settings."""
        for name in names:
            settings = self.folder(name) / FILE
            table = rf'\n\[\[peers\]\]\norganisation = "{leaver}"\n.*\n.*\n'
            text, count = re.subn(table, "", settings.read_text())
            assert count == 1
            settings.write_text(text)
            client = self.client(name)
            assert await client.reload() == (f"{leaver} is no peer any more",)
            await client.close()

    def change(self, epoch: int, names: Sequence[str]) -> EpochChange:
        delivered = [deliver_key(self.keystore(name), name, self.network, epoch, None) for name in names]
        change = compose(delivered, [], self.made.genesis.parameter(PROTOCOL))
        for name in self.names:
            change = approved(change, self.keystore(name).load("approver"), name, self.network)
        return change

    async def carry(self, client: LocalClient, change: EpochChange) -> None:
        made = carry(
            change, self.keystore("maker").load("approver"), "maker", self.network,
            now_ms=now_ms(), random_bytes=os.urandom,
        )  # fmt: skip
        assert_executed(await client.submit([Submission(made.to_bytes(), (), ())]))

    async def act(self, client: LocalClient, name: str, kind: Kind, *items: object, use: str) -> None:
        made = sign_transaction(
            self.keystore(name).load(use), self.network, name, items,
            nonce=os.urandom(16), expiry_ms=now_ms() + 60_000, kind=kind,
        )  # fmt: skip
        assert_executed(await client.submit([Submission(made.to_bytes(), (), ())]))

    async def register(self, client: LocalClient, name: str, *items: object) -> None:
        await self.act(client, name, Kind.REGISTRATION, *items, use="authority")

    async def vote(self, client: LocalClient, change: tuple[object, ...], voters: Sequence[str]) -> None:
        """The first proposes, and all vote for it."""
        proposal = (int(Vote.PROPOSE), change, now_ms() + 3_600_000, "")
        await self.act(client, voters[0], Kind.GOVERNANCE, proposal, use="approver")
        known = proposal_id(self.network, voters[0], proposal)
        for name in voters:
            ballot = (int(Vote.BALLOT), known, True, None)
            await self.act(client, name, Kind.GOVERNANCE, ballot, use="approver")

    async def vote_in(self, client: LocalClient) -> None:
        """The newcomer becomes a member with a vote, and enrols its approver's key."""
        authority = self.keystore(NEW).load("authority").public_key
        add = (
            int(ChangeKind.ADD_ORGANISATION), NEW, "Broker", "NL", ("logistics",), False, (gln(9),), None, authority, True,
        )  # fmt: skip
        await self.vote(client, add, self.names[:3])
        key = self.keystore(NEW).load_plain("approver")
        await self.register(client, NEW, self.enrolment(NEW, key, Use.APPROVER))

    def enrolment(self, name: str, key: SigningKey, use: Use = Use.TRANSPORT) -> tuple[object, ...]:
        authority = self.keystore(name).load_plain("authority")
        data = issued(authority, key, name, use=use, now_ms=now_ms())
        message = enrolment_message(self.network, name, key.public_key, fingerprint(data))
        return (int(Act.ENROL), data, None, key.sign(message), None)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def assert_executed(found: Sequence[TransactionStatus]) -> None:
    (status,) = found
    assert status.state is State.FINAL, status
    assert [receipt.refusal for receipt in status.receipts] == [""] * len(status.receipts)


async def status_of(client: LocalClient) -> NodeStatus | None:
    try:
        return await client.status()
    except CustodyError:
        return None  # not yet, or between joining and taking part


async def reaches(client: LocalClient, *, height: int, epoch: int, is_validator: bool) -> NodeStatus:
    while True:
        found = await status_of(client)
        if (
            found is not None
            and (found.phase, found.epoch, found.is_validator) == ("ready", epoch, is_validator)
            and found.checkpoint_height >= height
        ):
            return found
        await asyncio.sleep(0.05)


async def connected(network: Members, names: Sequence[str]) -> None:
    """Wait until each is connected to all others of these."""
    for name in names:
        client = network.client(name)
        while True:
            found = await client.status()
            if {peer.organisation for peer in found.peers if peer.is_connected} >= {*names} - {name}:
                break
            await asyncio.sleep(0.05)
        await client.close()


async def alone(client: LocalClient) -> None:
    """Wait until nobody is connected to it any more."""
    while True:
        found = await client.status()
        if not any(peer.is_connected for peer in found.peers):
            return
        await asyncio.sleep(0.05)


async def exchange_key(network: Members, load: Load, names: Sequence[str]) -> None:
    """The maker's transport key: both hold, then the new one alone; then the old one is nowhere any more."""
    client, keys, folder = network.client(ROTATED), network.keystore(ROTATED), str(network.folder(ROTATED))
    old = keys.load_plain("transport")
    await network.command("transport-key", "-f", folder, "--unsealed")
    new = keys.load_plain("transport-next")
    assert new.public_key.hex() in await network.command("reload", "-f", folder)
    await network.register(client, ROTATED, network.enrolment(ROTATED, old), network.enrolment(ROTATED, new))
    log = network.root / f"{ROTATED}.log"
    await until(lambda: log.read_text().count("it is made anew") >= len(names) - 1)
    await connected(network, names)
    await load.reaches(len(load.acknowledged) + 10)
    assert set(keys.names()) >= {"transport", "transport-next"}
    await network.register(client, ROTATED, (int(Act.REVOKE), old.public_key, int(Reason.SUPERSEDED)))
    await until(lambda: not {"transport-next", "transport-last"} & {*keys.names()})
    assert keys.load_plain("transport").public_key == new.public_key
    await load.reaches(len(load.acknowledged) + 10)
    await connected(network, names)
    await client.close()


def test_a_newcomer_is_voted_in_and_validates_a_key_is_exchanged_and_another_leaves_without_a_stop(
    tmp_path: Path,
) -> None:
    async def run() -> None:
        async with Members(tmp_path / "net") as network:
            anchor = anchor_from_genesis(network.made.genesis)
            first, client = network.names, network.client("carrier")
            started = {name: network.processes[name].pid for name in first}
            load = Load(network, ("forwarder", "maker"), 0)
            await load.reaches(40)
            bundles = [await client.prove([item(1)])]

            await network.join()
            network.start(NEW)
            newcomer = network.client(NEW)
            here = await client.status()
            await reaches(newcomer, height=here.height, epoch=0, is_validator=False)
            assert '"joined"' in (network.root / f"{NEW}.log").read_text(), "at a snapshot"
            await network.vote_in(client)
            voted = (await client.status()).height
            await exchange_key(network, load, (*first, NEW))
            await reaches(client, height=voted + APPROVERS_BELOW, epoch=0, is_validator=True)

            await network.carry(client, network.change(1, sorted((*first, NEW))))
            here = await client.status()
            await reaches(newcomer, height=here.height + 1, epoch=1, is_validator=True)
            await load.reaches(len(load.acknowledged) + 10)
            bundles.append(await client.prove([item(1), item(len(load.acknowledged))]))
            seats, proposers = sorted((*first, NEW)), set[str]()
            while NEW not in proposers:
                head = await client.block((await client.status()).height)
                proposers.add(seats[head.header.proposer])
                await asyncio.sleep(0.01)

            stay = [name for name in sorted((*first, NEW)) if name != LEAVER]
            await network.carry(client, network.change(2, stay))
            leaver = network.client(LEAVER)
            await reaches(leaver, height=0, epoch=2, is_validator=False)
            await load.reaches(len(load.acknowledged) + 10)
            await network.vote(client, (int(ChangeKind.REMOVE_ORGANISATION), LEAVER), stay)
            await alone(leaver)
            await network.drop(LEAVER, stay)
            await load.reaches(len(load.acknowledged) + 20)
            await load.stop()
            bundles.append(await client.prove([item(1), item(len(load.acknowledged))]))

            for bundle in bundles:
                verify(bundle, anchor)
            assert {name: network.processes[name].pid for name in first} == started
            assert all(network.processes[name].poll() is None for name in (*first, NEW))
            await assert_nothing_lost(client, load.acknowledged)
            for each in (client, newcomer, leaver):
                await each.close()

    asyncio.run(run())
