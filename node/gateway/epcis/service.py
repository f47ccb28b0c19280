"""What the routes of the EPCIS interface share, and its life beside the gateway's (EPCIS.md).

    epcis = EpcisService(gateway, folder.index, identity, tokens)
    app = create_app(gateway, epcis)           the application opens and closes it; `stop` ends what waits

Reading asks for the reader's token, capturing for a capture token. The capture key signs as the organisation and nothing else;
without it (not in the folder, sealed, or not opened) everything but capturing works.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from ledger.base.errors import Code, CustodyError, UnavailableError
from ledger.base.keys import Signer
from node.gateway.access import ReaderToken
from node.gateway.epcis import job_store, named
from node.gateway.epcis.grants import Grants
from node.gateway.epcis.jobs import Jobs, Stored
from node.gateway.epcis.named import NamedQueries
from node.gateway.epcis.paging import Tokens
from node.gateway.epcis.preparing import Renewed, renew
from node.gateway.epcis.reading import Reader
from node.gateway.epcis.store import FILE, LocalStore
from node.gateway.epcis.subscriptions import stored
from node.gateway.epcis.subscriptions.feed import SystemClock
from node.gateway.epcis.subscriptions.outbound import Network, Policy
from node.gateway.epcis.subscriptions.service import Subscriptions
from node.gateway.epcis.subscriptions.source import IndexSource
from node.gateway.permissions import Role
from node.gateway.service import Gateway
from node.index.follower import Follower
from node.index.index import Index, Position
from node.index.reading import Erased

INDEX_FILE: Final = "index.db"


class Identity(NamedTuple):
    """As whom this gateway signs."""

    organisation: str
    key: Signer | None
    """The organisation's capture key; None where it could not be opened."""


class EpcisService:
    """The EPCIS interface of one gateway."""

    def __init__(
        self,
        gateway: Gateway,
        folder: Path,
        identity: Identity,
        tokens: Mapping[str, ReaderToken],
        *,
        index_url: str | None = None,
        clock_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        webhook_allow: Iterable[Network] = (),
    ) -> None:
        """`folder`: the node's `index/`; `index_url`: of the index, if it is not there; `clock_ms`: Unix milliseconds, about
        block time; `webhook_allow`: networks of the operator's own that webhooks may go to. Raises StorageError and FormError of an index that cannot be opened.
        """
        self.failure: CustodyError | None = None
        """Why `open` failed: the server that called it only ends."""
        self.gateway = gateway
        self.identity = identity
        gateway.callers.admit(tokens, Role.CAPTURER)
        self.clock_ms = clock_ms
        self.page_tokens = Tokens()
        self.index = Index.open(index_url or f"sqlite:///{folder / INDEX_FILE}", gateway.network)
        self.follower = Follower(
            gateway.socket, self.index, gateway.network, on_applied=self._applied, on_erased=self._erased
        )
        gateway.index_halted = lambda: self.follower.halted
        self.store = LocalStore(folder / FILE, (job_store.SCHEMA, named.SCHEMA, stored.SCHEMA))
        grants = Grants(gateway.registry)
        self.reader = Reader(self.index, self.page_tokens, grants)
        self.jobs = Jobs(self.store, gateway.submitter, self._look_up, self._renew, self._is_past)
        self.queries = NamedQueries(self.store)
        self.subscriptions = Subscriptions(
            self.store,
            IndexSource(self.index, self.queries, grants),
            Policy(webhook_allow),
            identity.key,
            gateway.metrics.registry,
            SystemClock(clock_ms),
            gateway.reads,
        )
        self.queries.deleted.append(self.subscriptions.forget)

    async def open(self) -> None:
        """Open the store, take up what was left unfinished. StorageError."""
        try:
            await self._open()
        except CustodyError as error:
            self.failure = error
            raise

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        await self.store.open()

        def indexed(position: Position) -> None:  # called in the thread that wrote
            loop.call_soon_threadsafe(self.jobs.indexed, position.height)

        self.index.subscribe(indexed)
        await self.jobs.open((await asyncio.to_thread(self.index.position)).height)
        await self.subscriptions.open()
        await self.jobs.erase_missed(lambda kept: asyncio.to_thread(self.index.are_erased, kept))
        self.follower.start()

    def stop(self) -> None:
        """End what waits for something to happen: the gateway stops."""
        self.subscriptions.stop()

    async def close(self) -> None:
        """Give everything up; what is unfinished goes on at the next start."""
        await self.subscriptions.close()
        await self.follower.close()
        await self.jobs.close()
        await self.store.close()
        await asyncio.to_thread(self.reader.close)
        self.index.close()

    def _applied(self, position: Position, waited_s: float) -> None:
        metrics = self.gateway.metrics
        metrics.index_height.set(position.height)
        metrics.index_time.set(position.time_ms / 1_000)
        metrics.index_seconds.observe(waited_s)

    async def _erased(self, erased: Sequence[Erased]) -> None:
        """Blocks with tombstones are about to be indexed: documents go first, so that a crash repeats it."""
        own = [one.event_hash for one in erased if one.organisation == self.identity.organisation]
        if own:
            await self.jobs.erase(own)

    async def _look_up(self, event_ids: Sequence[str]) -> Mapping[str, Sequence[Stored]]:
        """What the index has under some eventIDs."""
        found = await asyncio.to_thread(self.index.by_event_ids, event_ids)
        return {
            name: [Stored(one.context, one.event, one.is_correction, one.event_hash) for one in events]
            for name, events in found.items()
        }

    async def _renew(self, submission: bytes) -> Renewed | None:
        """Sign anew what expired before it could be ordered."""
        key = self.identity.key
        return None if key is None else await asyncio.to_thread(renew, submission, key, self.clock_ms())

    async def _is_past(self, time_ms: int) -> bool:
        """Whether the index has a block of that time or a later one."""
        return (await asyncio.to_thread(self.index.position)).time_ms >= time_ms

    def signing_key(self) -> Signer:
        """The capture key. UnavailableError: this gateway has none."""
        if self.identity.key is None:
            raise UnavailableError(
                Code.UNAVAILABLE,
                "expected this gateway to hold its organisation's capture key, it does not; its log says why. "
                "Capture at another node, or sign and submit",
            )
        return self.identity.key
