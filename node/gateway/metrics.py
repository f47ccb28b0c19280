"""The gateway's numbers, in a registry of its own (API.md §2.5).

Labels are route templates, methods, statuses and codes: a bounded set, whatever clients send.
"""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.02, 0.04, 0.06, 0.1, 0.25, 0.6, 1.0, 2.5, 10.0, 30.0)
_METHODS: Final = frozenset({"GET", "POST", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Metrics:
    """Everything the gateway counts."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = Counter(
            "custody_gateway_requests",
            "Requests answered, by route, method and status.",
            ("route", "method", "status"),
            registry=registry,
        )
        self.seconds = Histogram(
            "custody_gateway_request_seconds",
            "From a request's head to the end of its answer, by route; streams are left out.",
            ("route",),
            buckets=_SECONDS,
            registry=registry,
        )
        self.transactions = Counter(
            "custody_gateway_transactions",
            "Transactions taken from clients, by what became of them within their request.",
            ("status",),
            registry=registry,
        )
        self.refused = Counter(
            "custody_gateway_problems", "Problem documents sent, by code.", ("code",), registry=registry
        )
        self.body_bytes = Gauge(
            "custody_gateway_body_bytes", "Bytes of request bodies in memory.", registry=registry
        )
        self.awaiting_final = Gauge(
            "custody_gateway_awaiting_final",
            "Requests that wait for their transactions to be final.",
            registry=registry,
        )
        self.streams = Gauge("custody_gateway_streams", "Followers connected.", registry=registry)
        self.slow_readers = Counter(
            "custody_gateway_slow_readers",
            "Connections cut because they did not take their answer.",
            registry=registry,
        )
        self.height = Gauge(
            "custody_gateway_height",
            "Height of the last final block the validator told of.",
            registry=registry,
        )
        self.is_connected = Gauge(
            "custody_gateway_validator_connected", "1 while the validator is reachable.", registry=registry
        )
        self.index_height = Gauge(
            "custody_index_height", "Height of the last block in the query index.", registry=registry
        )
        self.index_time = Gauge("custody_index_block_time_seconds", "Its block time.", registry=registry)
        self.index_seconds = Histogram(
            "custody_index_seconds",
            "From a final block's coming to the gateway to its events being found.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.reconnects = Counter(
            "custody_gateway_validator_reconnects", "Connections made to the validator.", registry=registry
        )

    def answered(self, route: str, method: str, status: int, seconds: float | None) -> None:
        """Count one request; `seconds` None for a stream."""
        known = method if method in _METHODS else "other"
        self.requests.labels(route, known, str(status)).inc()
        if seconds is not None:
            self.seconds.labels(route).observe(seconds)
