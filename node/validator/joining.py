"""A node without a chain joins at a snapshot, before its validator runs (CONSENSUS 28; PROTOCOL.md §9; STORAGE.md §9).

    choose    the newest snapshot that more than f peers offer, else that any does, and whose manifest a quorum's certificate
              proves; it becomes the *plan*. Peers keep two: what they let go of after offering it is asked for no more, and
              where nothing is left all are asked again
    fetch     every part, from all peers that have it at once; each is proven when it is whole, and only then kept
    install   blocks and tables are replaced by what the parts say, then the plan becomes this node's own snapshot

While the plan is on disk, joining goes on: after a crash the parts that are there are proven again and the rest is fetched;
installing is repeated from the parts. The vote log is not touched: what this validator said stays said. Memory holds one
part per peer.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Final

from ledger.base.errors import Code, FormError, ProofError, StorageError, UnavailableError
from ledger.chain.validators import ValidatorSet
from ledger.state import snapshot
from ledger.state.snapshot import Anchor, Manifest
from node.local import protocol
from node.local.protocol import NodeStatus, PeerStatus
from node.logs import Log
from node.storage.block_store import BlockStore, clear_blocks
from node.storage.snapshots import (
    MANIFEST,
    PLAN,
    Part,
    PartKind,
    SnapshotReader,
    SnapshotStore,
    parts_of,
)
from node.storage.stores import open_state
from node.transport.mesh import Peer
from node.validator.frames import ANSWER_FRAME, ASK_FRAME, KINDS
from node.validator.host import REAL, Host
from node.validator.offers import Offers
from node.validator.past import heads_of, tables_of
from node.validator.peers import Crew, LacksError, Peers
from node.validator.sync_wire import (
    AskPart,
    decode_answer,
    decode_ask,
    encode_answer,
    slice_from_wire,
)
from node.validator.tables import TABLES

if TYPE_CHECKING:
    from node.transport.local_service import LocalConnection
    from node.validator.member import Member

CHOICES: Final = 3
"""How often offers are asked for, when those that were made came to nothing."""
PATIENCE_S: Final = 60.0
"""How long a snapshot that nobody can give parts of is waited for before another is chosen."""
TELL_S: Final = 5.0


async def join(member: Member, log: Log, host: Host = REAL) -> bool:
    """Join at a snapshot, or go on joining; whether the chain begins at one now. Raises StorageError.

    Nothing else may use the folder's chain, state and network meanwhile. Where no peer has a snapshot that is proven, or
    all have less than is there, nothing is changed.
    """
    joining = Joining(member, log, host)
    try:
        return await joining.run()
    finally:
        await joining.close()


def is_joining(member: Member) -> bool:
    """Whether joining was begun and not finished: it must be, before the validator is started."""
    return SnapshotStore(member.folder.files).planned is not None


class Joining:
    """One node on its way in."""

    def __init__(self, member: Member, log: Log, host: Host = REAL) -> None:
        self._member = member
        self._log = log
        self._host = host
        self._genesis = member.genesis
        self._validators: ValidatorSet = member.validators
        self._store = SnapshotStore(member.folder.files)
        self._names = {peer.transport_key: peer.organisation for peer in member.config.peers}
        self._anchors: dict[int, Anchor] = {}
        self._windows: int | None = None
        """How many parts the last hour has, once it is whole; what the manifest says of it is not proven."""
        self._chosen_from: bytes | None = None
        self._done = self._total = 0
        self._bytes = 0
        self._told_at = 0.0
        self._started_ms = host.wall_ms()
        self._mesh = host.connect(
            member.transport.current,
            member.genesis.network,
            [
                Peer(peer.transport_key, peer.address.host, peer.address.port, peer.organisation)
                for peer in member.config.peers
            ],
            self._frame_came,
            lambda _peer: None,
            lambda peer, _reason: self.peers.lost(peer),
            kinds=KINDS,
            name=member.config.organisation,
            host=member.config.validator.host,
            port=member.config.validator.port,
            on_refused=lambda whom, reason: log.warning("refused a connection", whom=whom, reason=reason),
        )
        self.peers = Peers(
            log,
            lambda: self._mesh.connected,
            lambda peer, data: self._mesh.send(peer, ASK_FRAME, data),
            self._mesh.drop,
            lambda peer: self._names.get(peer, peer.hex()[:16]),
        )
        self._offers = Offers(self.peers, len(self._names), self._validators.faulty)
        self._doorway = host.open_doorway(
            member.folder.validator_socket, protocol.REQUEST_CAPS, self._request_came, requests=64
        )

    async def run(self) -> bool:
        """See `join`."""
        await self._mesh.start()
        await self._doorway.start()
        while True:
            height = self._store.planned
            if height is None:
                height = await self._choose()
            if height is None:
                self._log.warning("no snapshot to join at", peers=len(self._offers))
                return False
            reader = SnapshotReader(partial(self._part, height), self._genesis)
            if await self._fetch(reader):
                await self._install(reader)
                return True
            self._log.warning("nobody has this snapshot any more, choosing another", height=height)
            self._store.clean(())

    async def close(self) -> None:
        """Leave the network."""
        await self._doorway.close()
        await self._mesh.close()

    def _part(self, height: int, part: Part) -> bytes:
        return self._store.read(height, PLAN if part == MANIFEST else part)

    # ---- frames

    def _frame_came(self, peer: bytes, kind: int, body: bytes) -> None:
        if kind == ANSWER_FRAME:
            self.peers.answered(peer, *decode_answer(body))
        elif kind == ASK_FRAME:
            self._mesh.send(peer, ANSWER_FRAME, encode_answer(decode_ask(body)[0], None))

    def _request_came(self, connection: LocalConnection, kind: int, body: bytes) -> None:
        """The gateway, or `custody node status`, wants something: say how far it is."""
        if kind == protocol.CANCEL:
            return
        number, request = protocol.decode_request(body)
        if isinstance(request, protocol.GetStatus):
            connection.send_or_end(protocol.ANSWER, protocol.encode_answer(number, self.status()))
        else:
            message = f"expected a running validator, it is joining: {self.progress}"
            connection.send_or_end(protocol.FAULT, protocol.encode_fault(number, Code.UNAVAILABLE, message))

    @property
    def progress(self) -> str:
        """How far it is, for people."""
        return f"{self._done} of {self._total} parts of a snapshot, {self._bytes} bytes"

    def status(self) -> NodeStatus:
        """How the node is doing."""
        connected = set(self._mesh.connected)
        peers = tuple(
            PeerStatus(peer.organisation, str(peer.address), peer.transport_key in connected)
            for peer in self._member.config.peers
        )
        return NodeStatus(
            self._genesis.network,
            self._genesis.name,
            self._member.config.organisation,
            "catching up",
            0,
            self._genesis.time_ms,
            0,
            0,
            "",
            0,
            0,
            peers,
            (f"joining at a snapshot: {self.progress}",),
            os.getpid(),
            self._started_ms,
            0,
            False,  # noqa: FBT003 - whether it has a seat is seen when it has joined
            self._genesis.protocol,
        )

    # ---- choosing

    async def _choose(self) -> int | None:
        """Take the newest snapshot that is proven; its manifest becomes the plan."""
        own = self._own_height()
        for attempt in range(CHOICES):
            await self._offers.hear(again=attempt > 0)
            offered = self._offers.heights(own)
            for height in offered:
                if await self._plan(height):
                    return height
            if not offered:
                break
        return None

    async def _plan(self, height: int) -> bool:
        """Fetch the manifest of one snapshot; whether it is the plan now."""
        for peer in self.peers.free():
            if not self._offers.has(peer, height):
                continue
            try:
                data = await self._fetch_part(peer, height, MANIFEST)
                SnapshotReader(lambda _part, data=data: data, self._genesis)  # type: ignore[misc]
            except (ProofError, FormError) as error:
                self.peers.accuse(peer, f"snapshot {height}", error)
                continue
            except UnavailableError:
                continue
            self._store.clean(())
            self._store.put(height, PLAN, data)
            self._chosen_from = peer
            return True
        return False

    def _own_height(self) -> int:
        """The last block of the chain that is here."""
        folder = self._member.folder
        blocks = BlockStore(folder.files, folder.network, random_bytes=self._host.random_bytes)
        try:
            return blocks.last_height or 0
        finally:
            blocks.close()

    # ---- fetching

    async def _fetch(self, reader: SnapshotReader) -> bool:
        """Fetch what is missing; False if nobody has it any more."""
        manifest = reader.manifest
        height = manifest.height
        if not self._offers:
            await self._offers.hear()
        parts = parts_of(manifest)
        self._total = len(parts)
        self._begin_windows(manifest)
        waiting = [part for part in parts if part.kind != PartKind.WINDOW and not self._is_kept(reader, part)]
        waiting[:0] = self._next_window(reader)
        missing = [part for part in parts if not self._store.has(height, part)]
        self._done = len(parts) - len(missing)
        self._log.info("joining at a snapshot", height=height, parts=len(parts), missing=len(missing))
        crew: Crew[Part] = Crew(
            self.peers,
            partial(self._work, manifest),
            lambda part: f"{part.name} of snapshot {height}",
            lambda peer: self._offers.has(peer, height),
        )
        crew.add(waiting)
        if not await crew.run(PATIENCE_S, lambda: self._offers.is_vain(height)):
            return False
        if self._windows is not None:
            reader.manifest = manifest._replace(windows=self._windows)
        return True

    def _begin_windows(self, manifest: Manifest) -> None:
        self._anchors = {0: snapshot.first_anchor(manifest)}
        self._windows = None

    def _next_window(self, reader: SnapshotReader) -> tuple[Part, ...]:
        """The first window that was not fetched before; none if all were, and are still proven."""
        number = 0
        while self._is_kept(reader, Part(PartKind.WINDOW, number)):
            number += 1
            if number == self._windows:
                return ()
        return (Part(PartKind.WINDOW, number),)

    def _window_is_whole(self, manifest: Manifest, windows: int) -> None:
        """All of the last hour is here: now what the manifest said of it can be checked."""
        self._windows = windows
        self._total += windows - manifest.windows
        if windows != manifest.windows and self._chosen_from is not None:
            error = ProofError(Code.NOT_PROVEN, f"expected {windows} windows, got {manifest.windows}")
            self.peers.accuse(self._chosen_from, f"{MANIFEST.name} of snapshot {manifest.height}", error)

    def _is_kept(self, reader: SnapshotReader, part: Part) -> bool:
        """Whether a part was fetched before and is still proven; one that is not is removed."""
        height = reader.manifest.height
        if not self._store.has(height, part):
            return False
        try:
            self._check(reader.manifest, part, self._store.read(height, part))
        except (ProofError, StorageError) as error:
            self._log.warning("fetching a part again", part=part.name, reason=error.message)
            self._store.remove(height, part)
            return False
        return True

    def _check(self, manifest: Manifest, part: Part, data: bytes) -> None:
        """Raise ProofError unless the part is what the checkpoint proves."""
        network = self._genesis.network
        if part.kind == PartKind.STATE:
            snapshot.check_state_part(network, self._genesis.state_depth, manifest, part.number, data)
        elif part.kind == PartKind.REGISTRY:
            snapshot.check_registry_part(self._genesis, manifest, data)
        else:
            anchor = self._anchors.get(part.number)
            if anchor is None:
                raise ProofError(Code.NOT_PROVEN, f"{part.name}: expected the windows after it first")
            blocks, following = snapshot.check_window_part(manifest, anchor, data)
            is_last = snapshot.check_window_cut(blocks, manifest.checkpoint.header)
            self._anchors[part.number + 1] = following
            if is_last:
                self._window_is_whole(manifest, part.number + 1)

    async def _work(self, manifest: Manifest, peer: bytes, part: Part) -> Iterable[Part]:
        data = await self._fetch_part(peer, manifest.height, part)
        self._check(manifest, part, data)
        await self._host.in_thread(partial(self._store.put, manifest.height, part, data))
        self._done += 1
        self._tell()
        is_followed = part.kind == PartKind.WINDOW and self._windows is None
        return (Part(PartKind.WINDOW, part.number + 1),) if is_followed else ()

    async def _fetch_part(self, peer: bytes, height: int, part: Part) -> bytes:
        pieces: list[bytes] = []
        size = 0
        while True:
            try:
                answer = await self.peers.ask(peer, AskPart(height, part, size))
            except LacksError:
                self._offers.let_go(peer, height)
                raise
            total, piece = slice_from_wire(answer)
            pieces.append(piece)
            size += len(piece)
            self._bytes += len(piece)
            if size > total:
                raise FormError(Code.MALFORMED, f"expected {total} bytes of {part.name}, got {size}")
            if size == total:
                return b"".join(pieces)

    def _tell(self) -> None:
        now = asyncio.get_running_loop().time()
        if now >= self._told_at + TELL_S:
            self._told_at = now
            self._log.info("joining", done=self._done, parts=self._total, bytes=self._bytes)

    # ---- installing

    async def _install(self, reader: SnapshotReader) -> None:
        """Replace chain and state by the snapshot; begun again from the start after a crash."""
        folder, manifest = self._member.folder, reader.manifest
        self._log.info("putting the snapshot in place", height=manifest.height)
        heads = heads_of(reader)
        state = open_state(folder, TABLES, self._host.open_tables)
        try:
            clear_blocks(folder.files)
            blocks = BlockStore(folder.files, folder.network, random_bytes=self._host.random_bytes)
            try:
                blocks.append_heads(heads)
            finally:
                blocks.close()
            for _ in state.install(tables_of(reader), manifest.height):
                await asyncio.sleep(0)
        finally:
            state.close()
        self._store.put(manifest.height, MANIFEST, manifest.to_bytes())
        self._store.remove(manifest.height, PLAN)
        self._store.clean((manifest.height,))
        self._log.info("joined", height=manifest.height)
