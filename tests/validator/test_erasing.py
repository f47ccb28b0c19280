"""Erased bytes leave every node: those that run, those that were away, killed or are new; and nobody else's bytes leave."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Iterable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ledger.base.encoding import decode, encode
from ledger.chain.transaction import Item, Kind, event_hash, sign_transaction
from ledger.proof.anchor import anchor_from_genesis
from ledger.proof.verify import verify
from ledger.state.erasure import Reason
from ledger.trade.extract import extract
from ledger.trade.statement import Openness
from node.cli import app
from node.local.client import LocalClient
from node.local.protocol import OpenBytes, State, Submission, TransactionStatus
from node.validator import erasing, holding, serving
from node.validator.batches import OpenEvent, encode_frame
from node.validator.mending import Mender
from tests.bench.load import event_of
from tests.validator.joiners import Joined, lose, with_snapshots
from tests.validator.network import Network, item, until, with_network

SECRET = "J0 D03, 1 4NY R04D"
"""As no vocabulary has it, so that packing leaves it to be seen in files (`node.storage.compression`)."""


def secret_of(number: int) -> bytes:
    return event_of(number, is_first=True).replace(
        b'"ObjectEvent"', f'"ObjectEvent", "ex:said": "{SECRET}"'.encode()
    )


async def record(network: Network, number: int, name: str = "maker") -> tuple[int, bytes]:
    """The sequence and hash of an event about an item, that has bytes nobody may keep."""
    submission = network.author(name).submission((number,), event=secret_of(number))
    await done(network.clients[name], submission)
    (row,) = (await network.clients[name].history(item(number)))[-1:]
    return row.entry.sequence, decode(row.item or b"", max_bytes=100_000)[3]


async def done(client: LocalClient, submission: Submission) -> TransactionStatus:
    (status,) = await client.submit((submission,))
    assert status.state is State.FINAL, status
    return status


def tombstones(network: Network, items: Iterable[tuple[int, bytes]], name: str = "maker") -> Submission:
    signed = sign_transaction(
        network.key(name),
        network.network,
        name,
        decode(encode(tuple((*one, int(Reason.PERSONAL_DATA)) for one in items)), max_bytes=100_000),
        nonce=os.urandom(16),
        expiry_ms=time.time_ns() // 1_000_000 + 600_000,
        kind=Kind.ERASURE,
    )
    return Submission(signed.to_bytes(), (), ())


async def erase(network: Network, *items: tuple[int, bytes], name: str = "maker") -> list[str]:
    status = await done(network.clients[name], tombstones(network, items, name))
    return [receipt.refusal for receipt in status.receipts]


def listed(folder: Path) -> list[tuple[str, bool]]:
    """What `custody node erasures` says."""
    done = CliRunner().invoke(app, ["erasures", "--folder", str(folder), "--json"])
    assert done.exit_code == 0, done.output
    return [(one["event"], one["gone"]) for one in json.loads(done.stdout)]


def is_on_disk(folder: Path) -> bool:
    """Whether the secret stands in any file of a node, wherever it keeps what."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    assert any(file.suffix == ".seg" for file in files)
    return any(SECRET.encode() in file.read_bytes() for file in files)


def test_erased_bytes_are_on_no_disk_and_the_proof_says_so(tmp_path: Path) -> None:
    async def scenario(network: Network) -> None:
        sequence, hashed = await record(network, 1)
        await record(network, 2)
        await network.same_height()
        assert all(is_on_disk(folder) for folder in network.made.folders.values())
        assert await erase(network, (sequence, hashed)) == [""]
        await network.same_height()
        for name, node in network.running.items():
            assert node.stores.payload.is_erased(hashed)
            assert await network.clients[name].payloads([hashed]) == ()
        findings = verify(
            await network.clients["carrier"].prove([item(1), item(2)], payloads=True),
            anchor_from_genesis(network.made.genesis),
        )
        assert [one.event_hash for one in findings.erasures.values()] == [hashed]
        assert len(findings.payloads) == 1
        told = await network.clients["carrier"].erasures()
        assert [(one.event_hash, one.organisation, one.erased, one.is_gone) for one in told] == [
            (hashed, "maker", sequence, True)
        ]
        assert await asyncio.to_thread(listed, network.made.folders["carrier"]) == [(hashed.hex(), True)]
        (status,) = await network.clients["maker"].submit((tombstones(network, [(sequence, hashed)]),))
        assert (status.state, status.code) == (State.REFUSED, "erased")

    with_network(tmp_path, scenario)


def test_nothing_of_it_is_left_in_any_file(tmp_path: Path) -> None:
    async def scenario(network: Network) -> None:
        only = await record(network, 1)
        assert await erase(network, only) == [""]
        await network.same_height()
        assert not any(is_on_disk(folder) for folder in network.made.folders.values())
        await network.stop()
        assert not any(is_on_disk(folder) for folder in network.made.folders.values())

    with_network(tmp_path, scenario)


def test_who_was_away_catches_up_though_nobody_has_the_bytes(tmp_path: Path) -> None:
    async def scenario(network: Network) -> None:
        await record(network, 1)
        await network.same_height()
        await network.stop("carrier")
        away = [await record(network, number) for number in range(2, 6)]
        assert await erase(network, *away) == [""] * 4
        kept = await record(network, 7)
        await network.start("carrier")
        await network.same_height()
        carrier = network.running["carrier"]
        assert all(carrier.stores.payload.is_erased(hashed) for _, hashed in away)
        assert carrier.stores.payload.get(kept[1]) is not None
        assert carrier.eraser.said() is None
        again = await record(network, 8, "maker")
        await until(lambda: carrier.stores.payload.get(again[1]) is not None)

    with_network(tmp_path, scenario)


def test_bytes_that_peers_withhold_without_a_tombstone_are_told_and_brought(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without(data: bytes, events: Iterable[OpenEvent]) -> bytes:
        return encode_frame(data, [one for one in events if one.payload.event != secret_of(2)])

    async def scenario(network: Network) -> None:
        await record(network, 1)
        await network.same_height()
        await network.stop("carrier")
        _, hidden = await record(network, 2)
        await network.same_height()
        for module in (holding, serving):
            monkeypatch.setattr(module, "encode_frame", without)
        with monkeypatch.context() as patch:
            patch.setattr(Mender, "wake", lambda _self: None)
            await network.start("carrier")
            await network.same_height()
        carrier = network.running["carrier"]
        assert carrier.stores.payload.get(hidden) is None
        assert any("neither (yet)" in said for said in carrier.status().warnings)
        carrier.sync.mender.wake()
        await until(lambda: carrier.stores.payload.get(hidden) is not None)
        assert carrier.eraser.said() is None
        (shown,) = await network.clients["carrier"].payloads([hidden])
        assert shown.event == secret_of(2)

    with_network(tmp_path, scenario)


def test_an_erasure_that_a_crash_interrupted_is_finished_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(network: Network) -> None:
        only = await record(network, 1)
        with monkeypatch.context() as patch:  # killed between the block and the erasure
            patch.setattr(erasing.Eraser, "finalised", lambda _self, _final: None)
            assert await erase(network, only) == [""]
            await network.same_height()
        await network.stop("carrier")
        assert is_on_disk(network.made.folders["carrier"])
        await network.start("carrier")
        assert network.running["carrier"].stores.payload.is_erased(only[1])
        assert not is_on_disk(network.made.folders["carrier"])

    with_network(tmp_path, scenario)


def test_who_puts_a_hash_on_the_ledger_again_cannot_have_its_authors_bytes_erased(tmp_path: Path) -> None:
    async def scenario(network: Network) -> None:
        sequence, hashed = await record(network, 1)
        (shown,) = await network.clients["maker"].payloads([hashed])
        copied = network.author("carrier").submission((1,), event=shown.event)
        statement = decode(copied.transaction, max_bytes=100_000)[1][0]
        same = sign_transaction(
            network.key("carrier"), network.network, "carrier", ((*statement[:3], hashed, None, None),),
            nonce=os.urandom(16), expiry_ms=time.time_ns() // 1_000_000 + 600_000,
        )  # fmt: skip
        payload = OpenBytes(shown.salt, None, shown.event)
        assert event_hash(network.network, shown.salt, None, shown.event) == hashed
        await done(network.clients["carrier"], Submission(same.to_bytes(), (), (payload,)))
        (status,) = await network.clients["carrier"].submit(
            (tombstones(network, [(sequence, hashed)], "carrier"),)
        )
        assert (status.state, status.code) == (State.REFUSED, "not_entitled")
        assert await erase(network, (sequence + 1, hashed), name="carrier") == [""]
        await network.same_height()
        for node in network.running.values():
            assert node.stores.payload.get(hashed) is not None
        await network.stop("customs")
        await network.start("customs")
        assert network.running["customs"].executor.tables.author(hashed) == "maker"
        assert network.running["customs"].stores.payload.get(hashed) is not None
        assert await erase(network, (sequence, hashed)) == [""]
        assert network.running["maker"].stores.payload.is_erased(hashed)

    with_network(tmp_path, scenario)


def test_who_joins_at_a_snapshot_has_none_of_it_and_takes_none(tmp_path: Path) -> None:
    async def scenario(network: Network) -> None:
        only = await record(network, 1)
        assert await erase(network, only) == [""]
        for number in range(2, 24):
            await record(network, number)
        await network.same_height()
        await network.stop("customs")
        lose(network, "customs")
        joined = Joined(network, "customs")
        try:
            await joined.is_in()
            await joined.completed()
            assert await joined.client.payloads([only[1]]) == ()
            bundle = await joined.client.prove([item(1)], payloads=True)
        finally:
            await joined.close()
        findings = verify(bundle, anchor_from_genesis(network.made.genesis))
        assert [one.event_hash for one in findings.erasures.values()] == [only[1]]
        await network.start("customs")
        assert network.running["customs"].stores.payload.is_erased(only[1])

    with_snapshots(tmp_path, scenario)


def test_nobody_publishes_what_was_erased(tmp_path: Path) -> None:
    async def scenario(network: Network) -> None:
        sequence, hashed = await record(network, 1)
        (shown,) = await network.clients["maker"].payloads([hashed])
        (row,) = await network.clients["maker"].history(item(1))
        assert await erase(network, (sequence, hashed)) == [""]
        whole = decode(row.item or b"", max_bytes=100_000)
        signed = sign_transaction(
            network.key("carrier"), network.network, "carrier", ((whole, sequence, shown.salt, None, shown.event),),
            nonce=os.urandom(16), expiry_ms=time.time_ns() // 1_000_000 + 600_000, kind=Kind.MISMATCH,
        )  # fmt: skip
        height = await network.same_height()
        (status,) = await network.clients["maker"].submit((Submission(signed.to_bytes(), (), ()),))
        assert (status.state, status.code) == (State.REFUSED, "erased")
        assert network.running["maker"].chain.height == height

    with_network(tmp_path, scenario)


def test_restricted_bytes_leave_their_node_for_nobody_and_go_to_readers_there(tmp_path: Path) -> None:
    async def scenario(network: Network) -> None:
        event = secret_of(1)
        salt = os.urandom(16)
        statement, subjects = extract(event, None, openness=Openness.RESTRICTED)
        hashed = event_hash(network.network, salt, None, event)
        whole = Item(statement, subjects, os.urandom(16), hashed, None, None)
        signed = sign_transaction(
            network.key("maker"), network.network, "maker", decode(encode((whole,)), max_bytes=100_000),
            nonce=os.urandom(16), expiry_ms=time.time_ns() // 1_000_000 + 600_000,
        )  # fmt: skip
        payload = OpenBytes(salt, None, event, ("carrier", "maker"))
        await done(network.clients["maker"], Submission(signed.to_bytes(), (), (payload,)))
        await network.same_height()
        assert [name for name in network.names if is_on_disk(network.made.folders[name])] == ["maker"]
        maker = network.clients["maker"]
        assert [one.event for one in await maker.payloads([hashed], "carrier")] == [event]
        assert await maker.payloads([hashed], "forwarder") == ()
        bundle = await maker.prove([item(1)], payloads=True)
        assert SECRET.encode() not in bundle
        (row,) = await maker.history(item(1))
        assert await erase(network, (row.entry.sequence, hashed)) == [""]
        assert await maker.payloads([hashed], "carrier") == ()
        assert not is_on_disk(network.made.folders["maker"])

    with_network(tmp_path, scenario)
