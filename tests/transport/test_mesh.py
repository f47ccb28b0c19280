"""Meshes on loopback: every test runs real sockets and real TLS."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from ledger.base.errors import Code, UnavailableError
from ledger.base.keys import SigningKey
from node.transport.connection import Lane
from node.transport.framing import encode_header
from node.transport.identity import Identity
from node.transport.mesh import FrameKind, Mesh, MeshOptions, Peer

NETWORK = bytes(range(32))
VOTE, BATCH = 16, 17
KINDS = {VOTE: FrameKind(10_000, Lane.URGENT), BATCH: FrameKind(2_000_000, Lane.BULK)}
QUICK = MeshOptions(retry_first_ms=5, retry_most_ms=20, ping_ms=20, dead_after_ms=200, connect_timeout_ms=500)
SLOW = MeshOptions(retry_first_ms=5, retry_most_ms=20)
KEYS = sorted(
    (SigningKey.from_seed(bytes((number,)) * 32) for number in range(1, 6)), key=lambda key: key.public_key
)
"""In ascending order of public key, and of the names that their nodes have: each dials those after it."""


def name_of(key: SigningKey) -> str:
    return f"node {KEYS.index(key)}"


class Node:
    def __init__(
        self,
        key: SigningKey,
        peers: list[Peer],
        options: MeshOptions,
        network: bytes = NETWORK,
        port: int = 0,
        name: str | None = None,
    ) -> None:
        self.messages: list[tuple[bytes, int, bytes]] = []
        self.connects: list[bytes] = []
        self.disconnects: list[tuple[bytes, str]] = []
        self.refused: list[tuple[str, str]] = []
        self.mesh = Mesh(
            Identity(key, network),
            peers,
            lambda peer, kind, body: self.messages.append((peer, kind, body)),
            self.connects.append,
            lambda peer, reason: self.disconnects.append((peer, reason)),
            kinds=KINDS,
            name=name_of(key) if name is None else name,
            port=port,
            options=options,
            on_refused=lambda whom, reason: self.refused.append((whom, reason)),
        )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def peers_of(keys: list[SigningKey]) -> list[Peer]:
    return [Peer(key.public_key, "127.0.0.1", free_port(), name_of(key)) for key in keys]


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition; a test that waits in vain is stopped by the suite's limit."""
    while not condition():  # noqa: ASYNC110 - conditions of several meshes at once, none of which has an event
        await asyncio.sleep(0.002)


def with_nodes(
    count: int, scenario: Callable[[list[Node]], Awaitable[None]], options: MeshOptions = SLOW
) -> None:
    async def run() -> None:
        keys = KEYS[:count]
        peers = peers_of(keys)
        nodes = [Node(key, peers, options, port=peer.port) for key, peer in zip(keys, peers, strict=True)]
        for node in nodes:
            await node.mesh.start()
        try:
            await scenario(nodes)
        finally:
            for node in nodes:
                await node.mesh.close()

    asyncio.run(run())


def is_complete(nodes: list[Node]) -> bool:
    return all(len(node.mesh.connected) == len(nodes) - 1 for node in nodes)


def test_four_nodes_meet_once_each_and_talk() -> None:
    async def scenario(nodes: list[Node]) -> None:
        await until(lambda: is_complete(nodes))
        for index, node in enumerate(nodes):
            assert node.mesh.broadcast(VOTE, b"vote of %d" % index) == 3
            assert node.mesh.send(KEYS[(index + 1) % 4].public_key, BATCH, b"x" * 1_500_000)
        await until(lambda: all(len(node.messages) == 4 for node in nodes))
        for index, node in enumerate(nodes):
            votes = {(peer, body) for peer, kind, body in node.messages if kind == VOTE}
            assert votes == {(KEYS[n].public_key, b"vote of %d" % n) for n in range(4) if n != index}
            assert sum(len(body) for _, kind, body in node.messages if kind == BATCH) == 1_500_000
            assert sorted(node.connects) == sorted(
                key.public_key for key in KEYS[:4] if key is not KEYS[index]
            )
            assert node.disconnects == []
            assert node.mesh.counters.refused == 0
            assert node.mesh.counters.connects == 3

    with_nodes(4, scenario)


def test_order_holds_within_a_lane_and_every_byte_arrives() -> None:
    async def scenario(nodes: list[Node]) -> None:
        await until(lambda: is_complete(nodes))
        for number in range(3_000):
            assert nodes[0].mesh.send(KEYS[1].public_key, VOTE, b"%d" % number)
            if number % 100 == 0:
                assert nodes[0].mesh.send(KEYS[1].public_key, BATCH, b"%d" % number * 10_000)
        await until(lambda: len(nodes[1].messages) == 3_030)
        votes = [body for _, kind, body in nodes[1].messages if kind == VOTE]
        assert votes == [b"%d" % number for number in range(3_000)]
        batches = [body for _, kind, body in nodes[1].messages if kind == BATCH]
        assert batches == [b"%d" % number * 10_000 for number in range(0, 3_000, 100)]

    with_nodes(2, scenario)


def test_a_restarted_peer_is_met_again() -> None:
    async def scenario(nodes: list[Node]) -> None:
        await until(lambda: is_complete(nodes))
        for index in (0, 2):
            old = nodes[index]
            peers = [*old.mesh._peers.values()]
            port = old.mesh.port
            await old.mesh.close()
            others = [node for node in nodes if node is not old]
            await until(lambda others=others: all(len(node.mesh.connected) == 1 for node in others))  # type: ignore[misc]
            assert not others[0].mesh.send(KEYS[index].public_key, VOTE, b"lost")
            nodes[index] = Node(KEYS[index], peers, SLOW, port=port)
            await nodes[index].mesh.start()
            await until(lambda: is_complete(nodes))
        assert nodes[1].disconnects != []

    with_nodes(3, scenario)


def test_closing_sends_what_waits() -> None:
    async def scenario(nodes: list[Node]) -> None:
        await until(lambda: is_complete(nodes))
        for number in range(20):
            nodes[0].mesh.send(KEYS[1].public_key, BATCH, bytes(100_000) + b"%d" % number)
        await nodes[0].mesh.close()
        await until(lambda: bool(nodes[1].disconnects))
        assert len(nodes[1].messages) >= 2

    with_nodes(2, scenario)


def test_dropping_a_peer_says_why_and_it_may_come_back() -> None:
    async def scenario(nodes: list[Node]) -> None:
        await until(lambda: is_complete(nodes))
        nodes[0].mesh.drop(KEYS[1].public_key, "it sent two proposals")
        await until(lambda: nodes[0].disconnects == [(KEYS[1].public_key, "it sent two proposals")])
        await until(lambda: len(nodes[0].connects) == 2 and len(nodes[1].connects) == 2)

    with_nodes(2, scenario)


def test_peers_can_be_exchanged() -> None:
    async def scenario(nodes: list[Node]) -> None:
        await until(lambda: is_complete(nodes))
        known = dict(nodes[0].mesh._peers)
        nodes[0].mesh.set_peers([known[KEYS[1].public_key]])
        await until(lambda: nodes[0].mesh.connected == (KEYS[1].public_key,))
        nodes[0].mesh.set_peers(known.values())
        await until(lambda: is_complete(nodes))
        assert [peer for peer, _ in nodes[0].disconnects] == [KEYS[2].public_key]

    with_nodes(3, scenario)


# ---- impostors ------------------------------------------------------------------------------------------------


def test_a_listener_without_the_pinned_key_is_never_connected() -> None:
    async def run() -> None:
        stranger, pinned = KEYS[2], KEYS[1]
        server = Node(stranger, [Peer(KEYS[0].public_key, "127.0.0.1", 1, "node 0")], SLOW)
        await server.mesh.start()
        dialler = Node(KEYS[0], [Peer(pinned.public_key, "127.0.0.1", server.mesh.port, "node 1")], SLOW)
        await dialler.mesh.start()
        await until(lambda: len(dialler.refused) > 2)
        assert dialler.connects == server.connects == []
        assert "CERTIFICATE_VERIFY_FAILED" in dialler.refused[0][1]
        await dialler.mesh.close()
        await server.mesh.close()

    asyncio.run(run())


def test_a_dialler_without_a_pinned_key_is_never_connected() -> None:
    async def run() -> None:
        server = Node(KEYS[2], [Peer(KEYS[1].public_key, "127.0.0.1", 1, "node 1")], SLOW)
        await server.mesh.start()
        stranger = Node(KEYS[0], [Peer(KEYS[2].public_key, "127.0.0.1", server.mesh.port, "node 2")], SLOW)
        await stranger.mesh.start()
        await until(lambda: len(server.refused) > 2)
        assert stranger.connects == server.connects == []
        await stranger.mesh.close()
        await server.mesh.close()

    asyncio.run(run())


def test_the_one_that_listens_waits_to_be_dialled() -> None:
    async def run() -> None:
        came: list[str] = []

        async def listening(name: str) -> asyncio.Server:
            def take(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                came.append(name)
                writer.transport.abort()

            return await asyncio.start_server(take, "127.0.0.1", 0)

        servers = {name_of(key): await listening(name_of(key)) for key in (KEYS[0], KEYS[2])}
        peers = [
            Peer(key.public_key, "127.0.0.1", servers[name_of(key)].sockets[0].getsockname()[1], name_of(key))
            for key in (KEYS[0], KEYS[2])
        ]
        between = Node(KEYS[1], peers, SLOW)
        await between.mesh.start()
        await until(lambda: len(came) > 2)
        assert set(came) == {name_of(KEYS[2])}
        await between.mesh.close()
        for server in servers.values():
            server.close()
            await server.wait_closed()

    asyncio.run(run())


def test_the_one_that_listens_dials_where_nobody_comes() -> None:
    async def run() -> None:
        listener = Node(KEYS[0], [], SLOW)
        await listener.mesh.start()
        options = MeshOptions(retry_first_ms=5, retry_most_ms=20, wait_ms=10)
        address = Peer(KEYS[0].public_key, "127.0.0.1", listener.mesh.port, name_of(KEYS[0]))
        waiting = Node(KEYS[1], [address], options)
        await waiting.mesh.start()
        nowhere = Peer(KEYS[1].public_key, "127.0.0.1", 1, name_of(KEYS[1]))
        listener.mesh.set_peers([nowhere])  # which dials there in vain
        await until(lambda: bool(listener.connects) and bool(waiting.connects))
        await waiting.mesh.close()
        await listener.mesh.close()

    asyncio.run(run())


# ---- keys that change -----------------------------------------------------------------------------------------


def with_keys(node: Node, of: SigningKey, *keys: SigningKey) -> list[Peer]:
    """The peers of a node, one of them known by its key as before and let in with these."""
    accepted = tuple(key.public_key for key in keys)
    peers = node.mesh._peers.values()
    return [replace(peer, keys=accepted) if peer.public_key == of.public_key else peer for peer in peers]


@pytest.mark.parametrize("place", [0, 2])
def test_a_key_is_exchanged_with_overlap_and_the_peer_stays_who_it_was(place: int) -> None:
    async def scenario(nodes: list[Node]) -> None:
        await until(lambda: is_complete(nodes))
        rotated, others = nodes[place], [node for node in nodes if node is not nodes[place]]
        old, new = KEYS[place], KEYS[4]
        for node in others:
            node.mesh.set_peers(with_keys(node, old, old, new))
        assert all(node.disconnects == [] for node in nodes), "more keys disturb nobody"
        rotated.mesh.set_transport(new)
        await until(lambda: len(rotated.connects) == 4 and is_complete(nodes))
        for node in others:
            node.mesh.set_peers(with_keys(node, old, new))
            assert node.mesh._links[old.public_key].key == new.public_key
        rotated.mesh.broadcast(VOTE, b"under the new key")
        await until(lambda: all(node.messages for node in others))
        assert all(node.messages == [(old.public_key, VOTE, b"under the new key")] for node in others)
        assert sorted(peer for peer, _ in rotated.disconnects) == sorted(
            n.mesh.identity.public_key for n in others
        )

    with_nodes(3, scenario)


def test_a_key_that_is_no_longer_accepted_ends_its_connection_and_makes_no_other() -> None:
    async def scenario(nodes: list[Node]) -> None:
        await until(lambda: is_complete(nodes))
        link = nodes[1].mesh._links[KEYS[0].public_key]
        for keys in ((KEYS[4],), ()):
            nodes[1].mesh.set_peers(with_keys(nodes[1], KEYS[0], *keys))
            assert link.is_closing
            await until(lambda: nodes[1].mesh.connected == ())
            refused = nodes[1].mesh.counters.refused
            await until(lambda refused=refused: nodes[1].mesh.counters.refused > refused)  # type: ignore[misc]
        assert len(nodes[1].connects) == 1
        assert nodes[1].disconnects == [(KEYS[0].public_key, "its key is no longer accepted")]

    with_nodes(2, scenario)


def test_a_connection_made_with_a_key_that_goes_before_its_hello_does_not_count() -> None:
    async def run() -> None:
        server = Node(KEYS[1], [Peer(KEYS[0].public_key, "127.0.0.1", 1, "node 0")], SLOW)
        await server.mesh.start()
        context = Identity(KEYS[0], NETWORK).client_context([KEYS[1].public_key])
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", server.mesh.port, ssl=context, server_hostname=""
        )
        await until(lambda: bool(server.mesh._greeting))
        server.mesh.set_peers(with_keys(server, KEYS[0], KEYS[2]))
        writer.write(encode_header(0, 36) + HELLO)
        with contextlib.suppress(ConnectionError):
            await reader.read()
        assert server.connects == []
        writer.transport.abort()
        await server.mesh.close()

    asyncio.run(run())


async def expect_closed(port: int, context: ssl.SSLContext | None, first: bytes = b"") -> None:
    """Connect as an outsider and see the connection end without a byte of the protocol."""
    try:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=context, server_hostname="" if context else None
        )
        writer.write(first)
        received = await reader.read(1 << 16)
        if context is not None:
            assert received == b""
        writer.close()
        await writer.wait_closed()
    except OSError:
        pass


def outsider_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@pytest.mark.parametrize("kind", ["no certificate", "TLS 1.2", "plain TCP", "silence", "garbage"])
def test_outsiders_are_turned_away(kind: str) -> None:
    async def run() -> None:
        server = Node(KEYS[1], [Peer(KEYS[0].public_key, "127.0.0.1", 1, "node 0")], QUICK)
        await server.mesh.start()
        if kind == "no certificate":
            await expect_closed(server.mesh.port, outsider_context())
        elif kind == "TLS 1.2":
            context = outsider_context()
            context.maximum_version = ssl.TLSVersion.TLSv1_2
            await expect_closed(server.mesh.port, context)
        elif kind == "plain TCP":
            await expect_closed(server.mesh.port, None, encode_header(0, 0))
        elif kind == "garbage":
            await expect_closed(server.mesh.port, None, bytes(range(256)) * 100)
        else:
            await expect_closed(server.mesh.port, None)
        await until(lambda: bool(server.refused))
        assert server.connects == []
        assert server.mesh.connected == ()
        await server.mesh.close()

    asyncio.run(run())


def test_a_tls_1_2_server_is_refused_by_the_dialler() -> None:
    """Even one that holds the pinned key."""

    async def run() -> None:
        context = Identity(KEYS[1], NETWORK).server_context([KEYS[0].public_key])
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        server = await asyncio.start_server(
            lambda reader, writer: writer.close(), "127.0.0.1", 0, ssl=context
        )
        dialler = Node(
            KEYS[0],
            [Peer(KEYS[1].public_key, "127.0.0.1", server.sockets[0].getsockname()[1], "node 1")],
            SLOW,
        )
        await dialler.mesh.start()
        await until(lambda: len(dialler.refused) > 1)
        assert dialler.connects == []
        await dialler.mesh.close()
        server.close()
        await server.wait_closed()

    asyncio.run(run())


def test_a_peer_of_another_network_is_told_apart() -> None:
    async def run() -> None:
        server = Node(KEYS[1], [Peer(KEYS[0].public_key, "127.0.0.1", 1, "node 0")], SLOW)
        await server.mesh.start()
        dialler = Node(
            KEYS[0],
            [Peer(KEYS[1].public_key, "127.0.0.1", server.mesh.port, "node 1")],
            SLOW,
            network=bytes(32),
        )
        await dialler.mesh.start()
        await until(lambda: bool(server.refused) and bool(dialler.refused))
        assert server.connects == dialler.connects == []
        assert bytes(32).hex() in server.refused[0][1]
        assert NETWORK.hex() in server.refused[0][1]
        await dialler.mesh.close()
        await server.mesh.close()

    asyncio.run(run())


# ---- peers that misbehave, with a pinned key ------------------------------------------------------------------


async def as_peer(
    server: Node, body: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
) -> None:
    context = Identity(KEYS[0], NETWORK).client_context([KEYS[1].public_key])
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", server.mesh.port, ssl=context, server_hostname=""
    )
    try:
        await body(reader, writer)
    finally:
        writer.transport.abort()


HELLO = b"\x92\x01\xc4\x20" + NETWORK


def with_rogue(
    body: Callable[[Node, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    options: MeshOptions = SLOW,
) -> None:
    async def run() -> None:
        server = Node(KEYS[1], [Peer(KEYS[0].public_key, "127.0.0.1", 1, "node 0")], options)
        await server.mesh.start()
        await as_peer(server, lambda reader, writer: body(server, reader, writer))
        await server.mesh.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        (encode_header(VOTE, 1) + b"x", "hello first"),
        (encode_header(0, 3) + b"\x92\x01\xc4", "msgpack"),
        (encode_header(0, 36) + b"\x92\x02\xc4\x20" + NETWORK, "version 1"),
        (encode_header(0, 36) + b"\x92\x01\xc4\x20" + bytes(32), "expected network"),
    ],
)
def test_a_bad_hello_ends_the_connection(first: bytes, reason: str) -> None:
    async def body(server: Node, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        await until(lambda: bool(server.refused or server.connects))
        assert server.connects == []
        assert reason in server.refused[0][1]
        assert server.messages == []

    with_rogue(body)


@pytest.mark.parametrize(
    "bad",
    [
        encode_header(99, 1),
        encode_header(VOTE, 10_001),
        encode_header(BATCH, 0xFFFFFFFF),
        encode_header(1, 1),
    ],
)
def test_a_frame_out_of_form_ends_the_connection(bad: bytes) -> None:
    async def body(server: Node, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(encode_header(0, 36) + HELLO + encode_header(VOTE, 2) + b"ok" + bad + b"more")
        await until(lambda: bool(server.disconnects))
        assert [message for _, _, message in server.messages] == [b"ok"]
        assert server.mesh.counters.refused == 1

    with_rogue(body)


def test_no_hello_in_time_ends_the_connection() -> None:
    async def body(server: Node, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await until(lambda: bool(server.refused))
        assert "hello in time" in server.refused[0][1]

    with_rogue(body, QUICK)


def test_a_silent_peer_is_dropped() -> None:
    async def body(server: Node, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(encode_header(0, 36) + HELLO)
        await until(lambda: bool(server.connects))
        await until(lambda: bool(server.disconnects))
        assert "said nothing" in server.disconnects[0][1]
        assert (await reader.read(1 << 16))[:5] == encode_header(0, 36)

    with_rogue(body, QUICK)


def test_pings_keep_an_idle_connection() -> None:
    async def scenario(nodes: list[Node]) -> None:
        await until(lambda: is_complete(nodes))
        await asyncio.sleep(0.5)  # more than twice dead_after_ms
        assert nodes[0].disconnects == nodes[1].disconnects == []

    with_nodes(2, scenario, QUICK)


def test_a_peer_that_takes_nothing_costs_its_caps_and_is_dropped() -> None:
    options = MeshOptions(ping_ms=20, dead_after_ms=300, urgent_bytes=100_000, bulk_bytes=3_000_000)

    async def body(server: Node, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(encode_header(0, 36) + HELLO)
        await until(lambda: bool(server.connects))
        transport = writer.transport
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()
        peer = KEYS[0].public_key
        sent = 0
        for _ in range(200):
            sent += server.mesh.send(peer, BATCH, bytes(500_000))
            for number in range(20):
                server.mesh.send(peer, VOTE, bytes(5_000) + b"%d" % number)
            assert server.mesh.waiting_bytes(peer) <= 3_100_000
            await asyncio.sleep(0)
        assert sent < 200
        assert server.mesh.counters.dropped_bulk == 200 - sent
        assert server.mesh.counters.dropped_urgent > 0
        while not server.disconnects:
            writer.write(encode_header(1, 0))  # it goes on saying that it lives
            await asyncio.sleep(0.02)
        assert "took nothing" in server.disconnects[0][1]

    with_rogue(body, options)


def test_reading_can_be_paused() -> None:
    async def scenario(nodes: list[Node]) -> None:
        await until(lambda: is_complete(nodes))
        nodes[1].mesh.pause_reading(KEYS[0].public_key)
        nodes[1].mesh.pause_reading(KEYS[0].public_key)
        nodes[0].mesh.send(KEYS[1].public_key, VOTE, b"later")
        await asyncio.sleep(0.05)
        assert nodes[1].messages == []
        nodes[1].mesh.resume_reading(KEYS[0].public_key)
        await until(lambda: len(nodes[1].messages) == 1)

    with_nodes(2, scenario)


def test_many_half_open_connections_do_not_keep_a_peer_out() -> None:
    async def run() -> None:
        peers = peers_of(KEYS[:2])
        options = MeshOptions(handshakes=4, retry_first_ms=5, retry_most_ms=20)
        server = Node(KEYS[1], peers, options, port=peers[1].port)
        await server.mesh.start()
        strangers = [await asyncio.open_connection("127.0.0.1", server.mesh.port) for _ in range(40)]
        await until(lambda: server.mesh._acceptor.handshakes_under_way == 4)
        dialler = Node(KEYS[0], peers, options, port=peers[0].port)
        await dialler.mesh.start()
        await until(lambda: bool(server.connects))
        assert server.mesh._acceptor.handshakes_under_way <= 4
        for _, writer in strangers:
            writer.close()
        await dialler.mesh.close()
        await server.mesh.close()

    asyncio.run(run())


def test_a_taken_port_is_named() -> None:
    async def scenario(nodes: list[Node]) -> None:
        second = Node(KEYS[3], [], SLOW, port=nodes[0].mesh.port)
        with pytest.raises(UnavailableError) as caught:
            await second.mesh.start()
        assert caught.value.code is Code.PORT_IN_USE
        assert str(nodes[0].mesh.port) in caught.value.message
        await second.mesh.close()

    with_nodes(1, scenario)


def test_small_frames_do_not_wait_for_each_other() -> None:
    async def scenario(nodes: list[Node]) -> None:
        await until(lambda: is_complete(nodes))
        link = next(iter(nodes[0].mesh._links.values()))
        assert link.transport is not None
        raw = link.transport.get_extra_info("socket")
        assert raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

    with_nodes(2, scenario)


def test_nothing_shows_a_secret() -> None:
    assert repr(Identity(KEYS[0], NETWORK)) == f"Identity({KEYS[0].public_key.hex()[:16]}...)"
