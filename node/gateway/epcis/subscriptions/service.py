"""Subscriptions of one gateway: webhooks and streams over one source, from its start to its end."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from ledger.base.keys import Signer
from node.gateway.epcis.store import LocalStore
from node.gateway.epcis.subscriptions.feed import Clock
from node.gateway.epcis.subscriptions.measures import Measures
from node.gateway.epcis.subscriptions.outbound import Outbound, Policy
from node.gateway.epcis.subscriptions.source import IndexSource
from node.gateway.epcis.subscriptions.stored import WebhookStore
from node.gateway.epcis.subscriptions.streams import Streams
from node.gateway.epcis.subscriptions.webhooks import Webhooks
from node.gateway.reads import Reads


class Subscriptions:
    """To be opened after the store."""

    def __init__(
        self,
        store: LocalStore,
        source: IndexSource,
        policy: Policy,
        key: Signer | None,
        registry: CollectorRegistry,
        clock: Clock,
        reads: Reads | None,
    ) -> None:
        measures = Measures(registry)
        self.policy = policy
        self.clock = clock
        self._source = source
        self.webhooks = Webhooks(
            WebhookStore(store), source, Outbound(policy), key, measures, clock=self.clock, reads=reads
        )
        self.streams = Streams(source, measures, clock=self.clock)

    async def open(self) -> None:
        """Go on with the webhooks that were there."""
        self._source.open()
        await self.webhooks.open()

    def stop(self) -> None:
        """End every stream soon."""
        self.streams.stop()

    async def close(self) -> None:
        """Stop delivering; what is unfinished goes on at the next start."""
        self.streams.stop()
        await self.webhooks.close()
        self._source.close()

    def forget(self, query_name: str) -> None:
        """End all subscriptions of a named query that is no more."""
        self._source.forget(query_name)
        self.streams.forget(query_name)
        self.webhooks.forget(query_name)
