"""Numbers about subscriptions, for /metrics."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge

from node.gateway.epcis.subscriptions.stored import State


class Measures:
    """Counted by those who deliver."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._webhooks = Gauge(
            "custody_gateway_webhooks", "Webhook subscriptions, by state.", ("state",), registry=registry
        )
        self._attempts = Counter(
            "custody_gateway_webhook_attempts",
            "Deliveries sent to webhooks, by whether they were taken.",
            ("outcome",),
            registry=registry,
        )
        self.streams = Gauge(
            "custody_gateway_epcis_streams",
            "Subscribers connected, by way.",
            ("way",),
            registry=registry,
        )
        self.count(())

    def count(self, states: Iterable[State]) -> None:
        """How many webhooks there are in each state."""
        tally = Tally(states)
        for state in State:
            self._webhooks.labels(state.value).set(tally[state])

    def taken(self) -> None:
        """A delivery was answered with 2xx."""
        self._attempts.labels("taken").inc()

    def failed(self) -> None:
        """A delivery was not."""
        self._attempts.labels("failed").inc()
