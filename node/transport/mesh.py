"""Every validator connected to every other, by pinned keys (WIRE_TRANSPORT.md §4).

Of two nodes the one with the smaller name dials, and tries again at once when a connection that had lasted is lost, then at
growing intervals. The other listens, and dials only where it has waited in vain: so there is hardly ever a second connection
to choose from. A new connection from a peer replaces the one before.

A peer keeps its name when its keys change: to those above it is the key its settings were written with (`Peer.public_key`),
whichever of the keys that are accepted of it (`Peer.keys`) it proved. So keys are exchanged one by one, both ways:
`set_peers` leaves connections alone whose key is still accepted, `set_transport` makes them anew one after another.

After the handshake each side says hello with the protocol version and the network's id; a peer counts as connected once its
hello came. Silence is broken by pings; a peer from whom nothing came for a while, or who takes nothing, is dropped and
dialled anew. Nothing is kept for a peer that is not connected: `send` answers False, and what it missed it asks for.

Frames are capped by kind before they are held. What strangers may cost is `acceptor`'s business.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from ledger.base.encoding import decode, encode, take_array, take_bytes, take_int
from ledger.base.errors import Code, CustodyError, EntitlementError, SignatureError, UnavailableError
from ledger.base.hashing import HASH_BYTES
from ledger.base.keys import SigningKey
from node.transport.acceptor import Acceptor, listen
from node.transport.connection import Counters, FrameConnection, Lane, Outbox
from node.transport.identity import Identity, peer_key

VERSION: Final = 1
FIRST_KIND: Final = 16
"""Kinds below are the transport's own."""
_HELLO: Final = 0
_PING: Final = 1
_HELLO_BYTES: Final = 64


@dataclass(frozen=True, slots=True)
class Peer:
    """Another node: how it is known here, where it listens, and which transport keys (32 bytes each) it may prove."""

    public_key: bytes
    """Names it to whoever uses the mesh, whether it is among `keys` or not."""
    host: str
    port: int
    name: str = ""
    """Its organisation: of two nodes the one with the smaller name dials."""
    keys: tuple[bytes, ...] | None = None
    """None: `public_key` alone. Empty: it is let in with none."""

    @property
    def accepted(self) -> tuple[bytes, ...]:
        """The keys that it may prove."""
        return (self.public_key,) if self.keys is None else self.keys

    def __str__(self) -> str:
        return f"{self.name or self.public_key.hex()[:16]} at {self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class FrameKind:
    """What the application says of one of its kinds of frame (16 .. 255)."""

    max_bytes: int
    lane: Lane


@dataclass(frozen=True, slots=True)
class MeshOptions:
    """Times in milliseconds, sizes in bytes."""

    connect_timeout_ms: int = 3_000
    """For reaching a peer, and again for the handshake and the hello."""
    retry_first_ms: int = 20
    retry_most_ms: int = 500
    wait_ms: int = 3_000
    """How long the one that listens waits to be dialled before it dials."""
    renew_ms: int = 2_000
    """How long making one connection anew may take before the next one's turn."""
    ping_ms: int = 2_000
    dead_after_ms: int = 10_000
    close_ms: int = 1_000
    urgent_bytes: int = 4_000_000
    bulk_bytes: int = 64_000_000
    handshakes: int = 32
    """Under way at a time, of those who connect to us."""


class _Link(FrameConnection):
    """One connection of the mesh, and whose it is."""

    def __init__(self, mesh: Mesh, caps: Mapping[int, int], outbox: Outbox, dialled: bytes | None) -> None:
        super().__init__(
            caps,
            outbox,
            mesh.counters,
            on_frame=partial(mesh.frame_came, self),
            on_made=partial(mesh.link_made, self),
            on_lost=partial(mesh.link_lost, self),
        )
        self.dialled = dialled
        self.peer: bytes | None = None
        """Whose it is: a `Peer.public_key`."""
        self.key = b""
        """The key proven by the handshake."""
        self.identity = mesh.identity
        """Which of ours it was made with."""
        self.has_greeted = False
        self.since = self.heard_at


class Mesh:
    """This node's connections to its peers. All callbacks run on the event loop and must return soon.

    `on_message(peer, kind, body)`, `on_connect(peer)`, `on_disconnect(peer, reason)` name peers by `Peer.public_key`. A
    CustodyError raised by `on_message` drops the peer. `on_refused(whom, reason)` tells of connections that never came
    to be: for the log.
    """

    def __init__(
        self,
        identity: Identity,
        peers: Iterable[Peer],
        on_message: Callable[[bytes, int, bytes], None],
        on_connect: Callable[[bytes], None],
        on_disconnect: Callable[[bytes, str], None],
        *,
        kinds: Mapping[int, FrameKind],
        name: str = "",
        host: str = "127.0.0.1",
        port: int = 0,
        options: MeshOptions | None = None,
        on_refused: Callable[[str, str], None] | None = None,
    ) -> None:
        if any(not FIRST_KIND <= kind <= 255 for kind in kinds):
            raise UnavailableError(Code.USAGE, f"expected frame kinds of {FIRST_KIND} .. 255")
        self.counters = Counters()
        self.identity = identity
        self._name = name
        self._on_message = on_message
        self._on_connect = on_connect
        self._on_disconnect = on_disconnect
        self._on_refused = on_refused
        self._kinds = dict(kinds)
        self._caps = {kind: form.max_bytes for kind, form in kinds.items()} | {_HELLO: _HELLO_BYTES, _PING: 0}
        self._host, self._port = host, port
        self._options = options or MeshOptions()
        self._hello = encode((VERSION, identity.network))
        self._peers: dict[bytes, Peer] = {}
        self._known_as: dict[bytes, bytes] = {}
        """By each key that is accepted, whose it is."""
        self._contexts: dict[bytes, ssl.SSLContext] = {}
        """For dialling, by peer, as far as they were needed."""
        self._links: dict[bytes, _Link] = {}
        self._greeting: set[_Link] = set()
        self._dials: dict[bytes, asyncio.Task[None]] = {}
        self._keeping_alive: asyncio.Task[None] | None = None
        self._renewing: asyncio.Task[None] | None = None
        self._set_pins(peers)
        self._acceptor = Acceptor(
            lambda: self._new_link(None),
            lambda: self._server_context,
            self._refused,
            handshakes=self._options.handshakes,
            handshake_timeout_ms=self._options.connect_timeout_ms,
            shutdown_timeout_ms=self._options.close_ms,
        )

    # ---- life -------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Listen and begin to dial. UnavailableError port_in_use when another process listens there."""
        listener = listen(self._host, self._port)
        self._port = int(listener.getsockname()[1])
        self._acceptor.start(listener)
        self._keeping_alive = asyncio.create_task(self._keep_alive(), name="keep alive")
        self._start_dials()

    @property
    def port(self) -> int:
        """The port listened on."""
        return self._port

    async def close(self) -> None:
        """Send what waits, close every connection, stop listening."""
        others = (self._keeping_alive, self._renewing)
        tasks = [*self._dials.values(), *(task for task in others if task is not None)]
        self._dials.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._acceptor.close()
        links = [*self._links.values(), *self._greeting]
        for link in links:
            link.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._options.close_ms / 1000):
                for link in links:
                    await link.lost.wait()
        for link in links:
            if not link.lost.is_set():
                link.abort()
                await link.lost.wait()

    # ---- peers ------------------------------------------------------------------------------------------------

    def set_peers(self, peers: Iterable[Peer]) -> None:
        """Exchange the set of peers: new ones are dialled, others closed.

        Who stays stays connected, unless it moved or the key it proved is no longer accepted.
        """
        before = dict(self._peers)
        self._set_pins(peers)
        for known, peer in before.items():
            now = self._peers.get(known)
            is_same_place = now is not None and (now.host, now.port) == (peer.host, peer.port)
            if not is_same_place:
                dial = self._dials.pop(known, None)
                if dial is not None:
                    dial.cancel()
                self.drop(known, "it is no longer a peer, or moved")
        for link in [*self._links.values(), *self._greeting]:
            if link.peer is not None and self._known_as.get(link.key) != link.peer:
                link.abort(UnavailableError(Code.UNAVAILABLE, "its key is no longer accepted"))
        if self._keeping_alive is not None:
            self._start_dials()

    def set_transport(self, transport: SigningKey) -> None:
        """Prove another key from now on. Connections made before are made anew, one after another."""
        self.identity = Identity(transport, self.identity.network)
        self._set_pins(self._peers.values())
        if self._renewing is not None:
            self._renewing.cancel()
        self._renewing = asyncio.create_task(self._renew(), name="renew connections")

    async def _renew(self) -> None:
        for peer, link in list(self._links.items()):
            if self._links.get(peer) is not link or link.identity is self.identity:
                continue
            self.drop(peer, "it is made anew: this node has another transport key now")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._options.renew_ms / 1000):
                    while self._links.get(peer, link) is link:  # noqa: ASYNC110 - links have no event for being replaced
                        await asyncio.sleep(self._options.retry_first_ms / 1000)

    def _set_pins(self, peers: Iterable[Peer]) -> None:
        own = self.identity.public_key
        self._peers = {peer.public_key: peer for peer in peers if peer.public_key != own}
        self._known_as = {key: peer.public_key for peer in self._peers.values() for key in peer.accepted}
        self._contexts.clear()
        self._server_context = self.identity.server_context(self._known_as)

    def _start_dials(self) -> None:
        for known, peer in self._peers.items():
            if known not in self._dials:
                self._dials[known] = asyncio.create_task(self._dial(known), name=f"dial {peer}")

    @property
    def connected(self) -> tuple[bytes, ...]:
        """The peers connected now, each by its `Peer.public_key`."""
        return tuple(self._links)

    def drop(self, peer: bytes, reason: str) -> None:
        """Close the connection to a peer at once; it may come back."""
        link = self._links.get(peer)
        if link is not None:
            link.abort(UnavailableError(Code.UNAVAILABLE, reason))

    def pause_reading(self, peer: bytes) -> None:
        """Take nothing more from a peer for now; a long pause makes it drop us."""
        link = self._links.get(peer)
        if link is not None:
            link.pause_reading()

    def resume_reading(self, peer: bytes) -> None:
        """Take from a peer again."""
        link = self._links.get(peer)
        if link is not None:
            link.resume_reading()

    # ---- sending ----------------------------------------------------------------------------------------------

    def send(self, peer: bytes, kind: int, body: bytes) -> bool:
        """Queue a frame for a peer; False if it is not connected or the frame was dropped. It may be lost all the same."""
        link = self._links.get(peer)
        return link is not None and link.send(kind, body, self._kinds[kind].lane)

    def broadcast(self, kind: int, body: bytes) -> int:
        """Queue a frame for every connected peer; for how many it was."""
        lane = self._kinds[kind].lane
        return sum(link.send(kind, body, lane) for link in tuple(self._links.values()))

    def send_now(self) -> None:
        """Hand what waits for peers to the system now, not after all else that this turn of the loop has to do."""
        for link in tuple(self._links.values()):
            link.send_now()

    def waiting_bytes(self, peer: bytes) -> int:
        """Bytes queued for a peer and not yet handed to the network."""
        link = self._links.get(peer)
        return 0 if link is None else link.outbox.urgent_bytes + link.outbox.bulk_bytes

    # ---- connections, called by _Link -------------------------------------------------------------------------

    def link_made(self, link: _Link) -> None:
        """The handshake is over: see who it is, say hello."""
        self._greeting.add(link)
        try:
            link.key, link.peer = self._proven_peer(link)
        except CustodyError as error:
            self._refuse(link, error)
            return
        for other in tuple(self._greeting):
            if other is not link and other.peer == link.peer:
                other.abort()
        link.send(_HELLO, self._hello)

    def _proven_peer(self, link: _Link) -> tuple[bytes, bytes]:
        connection = link.transport.get_extra_info("ssl_object") if link.transport is not None else None
        if connection is None:
            raise SignatureError(Code.BAD_KEY, "expected a TLS connection")
        key = peer_key(connection)
        peer = self._known_as.get(key)
        if peer is None or link.dialled not in (None, peer):
            raise SignatureError(Code.BAD_KEY, f"expected a key of the peer, got {key.hex()}")
        return key, peer

    def _refuse(self, link: _Link, error: CustodyError) -> None:
        whom = link.transport.get_extra_info("peername") if link.transport is not None else None
        self._refused(str(whom), error.message)
        self._greeting.discard(link)
        link.close(error)  # not at once: our hello tells the other side what is wrong

    def _refused(self, whom: str, reason: str) -> None:
        self.counters.refused += 1
        if self._on_refused is not None:
            self._on_refused(whom, reason)

    def frame_came(self, link: _Link, kind: int, body: bytes) -> None:
        """A frame of a peer."""
        if link.has_greeted:
            if kind >= FIRST_KIND and link.peer is not None:
                self._on_message(link.peer, kind, body)
            return
        try:
            self._check_hello(kind, body)
        except CustodyError as error:
            self._refuse(link, error)
            return
        self._greeted(link)

    def _check_hello(self, kind: int, body: bytes) -> None:
        if kind != _HELLO:
            raise SignatureError(Code.MALFORMED, f"expected a hello first, got a frame of kind {kind}")
        version, network = take_array(decode(body, max_bytes=_HELLO_BYTES), "hello", 2)
        if take_int(version, "version") != VERSION:
            raise EntitlementError(
                Code.UNSUPPORTED_VERSION, f"expected transport version {VERSION}, got {version}"
            )
        if take_bytes(network, "network", HASH_BYTES) != self.identity.network:
            raise EntitlementError(
                Code.WRONG_NETWORK,
                f"expected network {self.identity.network.hex()}, the peer is of {network.hex()}",
            )

    def _greeted(self, link: _Link) -> None:
        peer = link.peer
        if peer is None or self._known_as.get(link.key) != peer:
            link.abort()
            return
        link.has_greeted = True
        self._greeting.discard(link)
        earlier = self._links.pop(peer, None)
        if earlier is not None:
            earlier.abort(UnavailableError(Code.UNAVAILABLE, "a newer connection took its place"))
            self._disconnected(peer, "a newer connection took its place")
        self._links[peer] = link
        self.counters.connects += 1
        self._on_connect(peer)

    def link_lost(self, link: _Link, reason: Exception | None) -> None:
        """A connection is gone."""
        self._greeting.discard(link)
        if link.peer is not None and self._links.get(link.peer) is link:
            del self._links[link.peer]
            text = reason.message if isinstance(reason, CustodyError) else str(reason or "the peer closed it")
            self._disconnected(link.peer, text)

    def _disconnected(self, peer: bytes, reason: str) -> None:
        self.counters.disconnects += 1
        self._on_disconnect(peer, reason)

    def _new_link(self, dialled: bytes | None) -> _Link:
        outbox = Outbox(self._options.urgent_bytes, self._options.bulk_bytes, self.counters)
        return _Link(self, self._caps, outbox, dialled)

    # ---- dialling and accepting -------------------------------------------------------------------------------

    async def _dial(self, known: bytes) -> None:
        """Keep one connection to a peer, for ever."""
        retry_ms = self._options.retry_first_ms
        while True:
            peer = self._peers[known]
            if known not in self._links and peer.name < self._name:
                await asyncio.sleep(self._options.wait_ms / 1000)
            try:
                link = self._links.get(known) or await self._connect(peer)
                await link.lost.wait()
                if link.has_greeted and self._lasted_ms(link) > self._options.retry_most_ms:
                    retry_ms = self._options.retry_first_ms
            except (
                OSError,
                TimeoutError,
            ) as error:  # refused, unreachable, or TLS failed (ssl.SSLError is an OSError)
                if isinstance(error, ssl.SSLError | ConnectionResetError | ConnectionAbortedError):
                    self._refused(
                        str(peer), f"expected a TLS 1.3 handshake with the key pinned for it: {error!r}"
                    )
            await asyncio.sleep(retry_ms / 1000)
            retry_ms = min(2 * retry_ms, self._options.retry_most_ms)

    @staticmethod
    def _lasted_ms(link: _Link) -> float:
        return (asyncio.get_running_loop().time() - link.since) * 1000

    def _context(self, peer: Peer) -> ssl.SSLContext:
        context = self._contexts.get(peer.public_key)
        if context is None:
            context = self._contexts[peer.public_key] = self.identity.client_context(peer.accepted)
        return context

    async def _connect(self, peer: Peer) -> _Link:
        seconds = self._options.connect_timeout_ms / 1000
        async with asyncio.timeout(2 * seconds):
            _, link = await asyncio.get_running_loop().create_connection(
                lambda: self._new_link(peer.public_key),
                peer.host,
                peer.port,
                ssl=self._context(peer),
                server_hostname="",
                ssl_handshake_timeout=seconds,
                ssl_shutdown_timeout=self._options.close_ms / 1000,
            )
        return link

    async def _keep_alive(self) -> None:
        loop = asyncio.get_running_loop()
        interval = self._options.ping_ms / 1000
        while True:
            await asyncio.sleep(interval)
            now = loop.time()
            for link in tuple(self._greeting):
                if now - link.since > self._options.connect_timeout_ms / 1000:
                    self._refuse(link, SignatureError(Code.MALFORMED, "expected a hello in time, got none"))
            for link in tuple(self._links.values()):
                silent = link.is_reading and now - link.heard_at > self._options.dead_after_ms / 1000
                stuck = link.is_stalled and now - link.wrote_at > self._options.dead_after_ms / 1000
                if silent or stuck:
                    what = "it said nothing" if silent else "it took nothing"
                    link.abort(
                        UnavailableError(Code.UNAVAILABLE, f"{what} for {self._options.dead_after_ms} ms")
                    )
                elif now - link.wrote_at >= interval / 2:
                    link.send(_PING, b"")
