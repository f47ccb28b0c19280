"""A validator that has nothing joins at a snapshot, takes part, and then proves what the others prove, bit for bit."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ledger.base import limits
from ledger.base.encoding import decode, encode
from ledger.base.errors import Code, StorageError, UnavailableError
from ledger.proof.anchor import anchor_from_genesis
from ledger.proof.verify import verify
from node.local.protocol import State
from node.storage.block_store import BlockStore
from node.storage.filesystem import RealFileSystem
from node.storage.snapshots import Part, PartKind, SnapshotStore
from node.validator.completing import Completer
from node.validator.provider import Provider
from node.validator.sync_wire import AskEntries, AskLinks, AskPart
from tests.validator.joiners import Joined, bundles, feed, govern, lose, snapshots_of, with_snapshots
from tests.validator.network import Network, item, until

ITEMS = range(20)


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a little state has many parts."""
    monkeypatch.setattr(limits, "SNAPSHOT_RECORDS_PER_PART", 4)
    monkeypatch.setattr(limits, "SNAPSHOT_LOG_BITS", 2)
    monkeypatch.setattr(limits, "SNAPSHOT_WINDOW_BYTES", 3_000)


async def without_customs(network: Network) -> dict[str, int]:
    """Feed the network and vote, let customs lose everything; the height of each other's newest snapshot."""
    await govern(network, "broker")
    await feed(network, ITEMS)
    await network.stop("customs")
    heights = await snapshots_of(network, 20, *(name for name in network.names if name != "customs"))
    lose(network, "customs")
    return heights


async def same_bundles(network: Network, joined: Joined, numbers: range) -> None:
    """The joined node proves what another proves, to the bit, and it verifies."""
    height = network.running["maker"].chain.height
    while (await joined.client.status()).height < height:  # noqa: ASYNC110 - asked over a socket
        await asyncio.sleep(0.02)
    expected = await bundles(network.clients["maker"], numbers)
    assert await bundles(joined.client, numbers) == expected
    for key in expected:
        verify(await joined.client.prove([key], payloads=True), anchor_from_genesis(network.made.genesis))
        assert await joined.client.history(key) == await network.clients["maker"].history(key)


@pytest.mark.usefixtures("small_parts")
def test_a_node_without_anything_joins_takes_part_and_proves_the_same(tmp_path: Path) -> None:
    async def scenario(network: Network) -> None:
        heights = await without_customs(network)
        joined = Joined(network, "customs")
        try:
            await joined.is_in()
            height = joined.events("joined")[0]["height"]
            assert height in heights.values()
            assert joined.events("joining at a snapshot")[1]["parts"] >= 20
            await joined.completed()
            await same_bundles(network, joined, ITEMS)
            await network.stop("carrier")  # now every block needs the vote of who joined
            await feed(network, range(20, 24))
            await network.start("carrier")
            await govern(network, "agent")
            (again,) = await joined.client.submit((network.author().submission((50,)),))
            assert again.state is State.FINAL
            assert [receipt.refusal for receipt in again.receipts] == [""]
            await same_bundles(network, joined, range(24))
        finally:
            await joined.close()
        kept = SnapshotStore(RealFileSystem(network.made.folders["customs"]))
        assert kept.planned is None
        assert height in kept.heights or len(kept.heights) == 2

    with_snapshots(tmp_path, scenario)


def test_nothing_is_proven_before_the_past_is_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(network: Network) -> None:
        await without_customs(network)
        may_go_on = asyncio.Event()
        bring = Completer._do

        async def held_up(self: Completer, peer: bytes, unit: Any) -> Any:
            await may_go_on.wait()
            return await bring(self, peer, unit)

        monkeypatch.setattr(Completer, "_do", held_up)
        joined = Joined(network, "customs")
        try:
            await joined.is_in()
            await feed(network, range(20, 22))
            for asked in (
                lambda: joined.client.prove([item(1)]),
                lambda: joined.client.history(item(1)),
                lambda: joined.client.prove([item(21)]),
            ):
                with pytest.raises(UnavailableError) as caught:
                    await asked()
                assert caught.value.code is Code.HISTORY_INCOMPLETE
            assert any("completes the past" in warning for warning in (await joined.client.status()).warnings)
            may_go_on.set()
            await joined.completed()
            await same_bundles(network, joined, range(22))
            assert not (await joined.client.status()).warnings
        finally:
            await joined.close()

    with_snapshots(tmp_path, scenario)


# ---- peers that lie

Lie = Callable[[Provider, Any, Any], Any]


def _flip(data: bytes) -> bytes:
    return data[:-1] + bytes((data[-1] ^ 1,))


def _other_part(self: Provider, ask: AskPart, value: Any) -> Any:
    """The slice of another part than was asked for."""
    if ask.part.kind != PartKind.STATE:
        return value
    return self._slice(ask._replace(part=Part(PartKind.STATE, ask.part.number ^ 1)))


def _older_part(self: Provider, ask: AskPart, value: Any) -> Any:
    """The same part of the snapshot before."""
    older = self._snapshots.heights[0]
    if ask.part.kind not in (PartKind.STATE, PartKind.WINDOW) or older == ask.height:
        return value
    return self._slice(ask._replace(height=older))


def _without_record(_self: Provider, ask: AskPart, value: Any) -> Any:
    if ask.part.kind != PartKind.STATE:
        return value
    data = encode(decode(value[1], max_bytes=10_000_000)[1:])
    return (len(data), data)


def _with_record(_self: Provider, ask: AskPart, value: Any) -> Any:
    if ask.part.kind != PartKind.STATE:
        return value
    data = encode((*decode(value[1], max_bytes=10_000_000), (b"\xff" * 32, b"\xc0")))
    return (len(data), data)


def _windows(more: int) -> Callable[[Provider, AskPart, Any], Any]:
    """A manifest with another number of windows, which no certificate proves."""

    def lied(_self: Provider, ask: AskPart, value: Any) -> Any:
        if ask.part.kind != PartKind.MANIFEST:
            return value
        *rest, windows = decode(value[1], max_bytes=10_000_000)
        data = encode((*rest, windows + more))
        return (len(data), data)

    return lied


def _cut_shorter(_self: Provider, ask: AskPart, value: Any) -> Any:
    """A window whose blocks are true, but that the windows of others do not go on from."""
    if ask.part.kind != PartKind.WINDOW:
        return value
    data = encode(decode(value[1], max_bytes=10_000_000)[:1])
    return (len(data), data)


PART_LIES: dict[str, Callable[[Provider, AskPart, Any], Any]] = {
    "flipped": lambda _self, _ask, value: (value[0], _flip(value[1])),
    "another part": _other_part,
    "an older snapshot's": _older_part,
    "a record missing": _without_record,
    "a record more": _with_record,
    "a window more": _windows(1),
    "a window less": _windows(-1),
    "a window cut shorter": _cut_shorter,
}


def _about_parts(lie: Callable[[Provider, AskPart, Any], Any]) -> Lie:
    return lambda self, ask, value: lie(self, ask, value) if isinstance(ask, AskPart) and value else value


def _links(change: Callable[[list[Any]], list[Any]]) -> Callable[[Any, Any], Any]:
    def lied(ask: Any, value: Any) -> Any:
        if not isinstance(ask, AskLinks):
            return value
        return [(owner, change(list(links)), asides, moves) for owner, links, asides, moves in value]

    return lied


HISTORY_LIES: dict[str, Callable[[Any, Any], Any]] = {
    "entries cut": lambda ask, value: value[:-1] if isinstance(ask, AskEntries) else value,
    "links reordered": _links(
        lambda links: links[::-1] if len(links) > 1 else [(one[0], one[1] + 1, *one[2:]) for one in links]
    ),
}


def _about_the_past(lie: Callable[[Any, Any], Any]) -> Lie:
    return lambda _self, ask, value: None if value is None else lie(ask, value)


LIES: dict[str, Lie] = {
    **{name: _about_parts(lie) for name, lie in PART_LIES.items()},
    **{name: _about_the_past(lie) for name, lie in HISTORY_LIES.items()},
}


@pytest.mark.usefixtures("small_parts")
def test_a_peer_that_lies_is_named_and_the_others_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One lies, in one way after another; customs joins all the same each time, and says who lied.

    It is the one whose key comes first of those that have what is joined at, who is asked for the manifest.
    """

    async def scenario(network: Network) -> None:
        await without_customs(network)
        keys = {name: network.running[name].member.transport.current.public_key for name in network.running}
        offered = {name: network.running[name].sync.provider.offer().snapshots for name in keys}
        found = Counter(height for heights in offered.values() for height in heights)
        height = max(height for height, count in found.items() if count > 1)
        first = min((name for name in keys if height in offered[name]), key=lambda name: keys[name])
        liar = network.running[first].sync.provider
        honest = Provider.answer
        lie: list[Lie] = []

        def answer(self: Provider, ask: Any) -> Any:
            value = honest(self, ask)
            return lie[0](self, ask, value) if self is liar else value

        bring = Completer._do
        is_asked = asyncio.Event()
        lied_about: list[bool] = []

        async def after_the_liar(self: Completer, peer: bytes, unit: Any) -> Any:
            """It dials, and may come when the others have brought all: they wait where it is to lie."""
            if unit.is_links in lied_about:
                if peer == keys[first]:
                    is_asked.set()
                await is_asked.wait()
            return await bring(self, peer, unit)

        monkeypatch.setattr(Provider, "answer", answer)
        monkeypatch.setattr(Completer, "_do", after_the_liar)
        for name, told in LIES.items():
            lie[:] = [told]
            lied_about[:] = [name == "links reordered"] if name in HISTORY_LIES else []
            refused: set[str] = set()
            for _ in range(10):  # it may happen that what it was asked for was nothing to lie about
                is_asked.clear()
                refused |= await joined_beside(network)
                if refused:
                    break
            assert refused == {first}, name

    async def joined_beside(network: Network) -> set[str]:
        """Join once; who was named as a liar."""
        lose(network, "customs")
        joined = Joined(network, "customs")
        try:
            await joined.completed()
            await joined.is_in()
            await same_bundles(network, joined, range(0, 20, 6))
        finally:
            await joined.close()
        return {event["peer"] for event in joined.events("refused a peer's answer")}

    with_snapshots(tmp_path, scenario)


@pytest.mark.usefixtures("small_parts")
def test_a_newer_snapshot_that_one_peer_alone_has_is_not_waited_for(tmp_path: Path) -> None:
    """It may be a liar's, who never gives all of it: what more than f peers have comes first."""

    async def scenario(network: Network) -> None:
        for name, blocks in (
            ("maker", 20),
            ("forwarder", 20),
            ("carrier", 31),
        ):  # the last block is number 31
            await network.stop(name)
            settings = network.made.folders[name] / "node.toml"
            settings.write_text(settings.read_text().replace("every_blocks = 10", f"every_blocks = {blocks}"))
            await network.start(name)
        heights = await without_customs(network)
        assert heights["carrier"] > max(heights["maker"], heights["forwarder"])
        joined = Joined(network, "customs")
        try:
            await joined.completed()
            assert joined.events("joined")[0]["height"] in (heights["maker"], heights["forwarder"])
        finally:
            await joined.close()

    with_snapshots(tmp_path, scenario)


# ---- crashes


@pytest.mark.usefixtures("small_parts")
def test_joining_goes_on_after_a_crash_with_the_parts_that_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario(network: Network) -> None:
        await without_customs(network)
        put = SnapshotStore.put
        left = [4]

        def until_it_breaks(self: SnapshotStore, height: int, part: Part, data: bytes) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise StorageError(Code.DAMAGED, "the power is cut")
            put(self, height, part, data)

        missing: list[int] = []
        for puts in (3, 4, 9, 1_000):
            left[0] = puts
            monkeypatch.setattr(SnapshotStore, "put", until_it_breaks)
            joined = Joined(network, "customs")
            if puts < 1_000:
                with pytest.raises(StorageError, match="the power is cut"):
                    await joined.task
                await joined.client.close()
            else:
                await joined.completed()
                await same_bundles(network, joined, range(5))
                await joined.close()
            missing += [
                event["missing"] for event in joined.events("joining at a snapshot") if "missing" in event
            ]
        assert missing == sorted(missing, reverse=True)
        assert missing[0] > missing[1] > missing[2] > missing[3]

    with_snapshots(tmp_path, scenario)


# ---- pruning


def test_bodies_are_let_go_of_and_who_asks_for_them_joins_at_a_snapshot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(BlockStore.__init__.__kwdefaults__ or {}, "segment_bytes", 8_192)
    monkeypatch.setattr("node.config.KEEP_BODIES_LEAST", 1)

    async def scenario(network: Network) -> None:
        await feed(network, range(3))
        height = await network.same_height()
        await network.stop("customs")
        await feed(network, range(3, 60))
        others = [network.running[name] for name in network.names if name != "customs"]
        before = await bundles(network.clients["maker"], range(6))
        await until(lambda: all((one.stores.blocks.first_height or 0) > height + 1 for one in others))
        assert await bundles(network.clients["maker"], range(6)) == before
        joined = Joined(network, "customs")
        try:
            await joined.completed()
            await joined.is_in()
            assert joined.events("joining at a snapshot")[0]["height"] == height
            await same_bundles(network, joined, range(60))
        finally:
            await joined.close()
        await network.stop("maker")
        await network.start("maker")
        assert await bundles(network.clients["maker"], range(6)) == before
        with pytest.raises(UnavailableError) as caught:
            await network.clients["maker"].block(1)
        assert caught.value.code is Code.PRUNED
        assert (await network.clients["maker"].checkpoint(1)).header.height == 1

    with_snapshots(tmp_path, scenario, ahead=1_000_000, more="keep_bodies_blocks = 5\n")
