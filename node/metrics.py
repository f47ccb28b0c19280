"""What a validator counts, for Prometheus (https://prometheus.io/docs/practices/naming/).

Numbers are kept as plain integers where things happen and collected when somebody asks, so counting costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from node.validator.validator import Validator


class _Collector(Collector):
    """Reads a validator's numbers."""

    def __init__(self, validator: Validator) -> None:
        self._validator = validator

    def collect(self) -> Iterable[Metric]:
        """All metrics, now."""
        validator = self._validator
        executor, mempool, driver = validator.executor, validator.mempool, validator.driver
        counters = validator.mesh.counters
        yield from (
            _gauge("height", "Height of the last final block.", executor.final_header.height),
            _gauge("block_time_seconds", "Its block time.", executor.final_header.time_ms / 1000),
            _gauge("view", "Current view of the consensus.", validator.machine.view),
            _gauge("peers_connected", "Validators connected.", len(validator.mesh.connected)),
            _gauge("pending_transactions", "Transactions not final yet.", mempool.pending_transactions),
            _gauge("pending_bytes", "Their bytes.", mempool.queued_bytes + mempool.held_bytes),
            _gauge("overlay_bytes", "State not written to disk yet.", validator.stores.state.overlay_bytes),
            _gauge(
                "clock_is_off",
                "Whether peers say that this clock is off.",
                int(validator.clock.offset_ms() is not None),
            ),
            _counter("entries", "Items on the event log.", executor.final_outcome.event_log_size),
            _counter("transactions_admitted", "Transactions taken in here.", mempool.admitted),
            _counter("transactions_refused", "Transactions refused here.", mempool.refused),
            _counter("turns", "Turns of the driver.", driver.turns),
            _counter("syncs", "Syncs before sending.", driver.syncs),
            _counter("bundles", "Bundles made.", validator.prover.made),
            _counter("alarms", "Alarms of the consensus.", validator.alarms.count),
            _counter("bytes_in", "Bytes from validators.", counters.bytes_in),
            _counter("bytes_out", "Bytes to validators.", counters.bytes_out),
            _counter(
                "frames_dropped",
                "Frames not sent for lack of room.",
                counters.dropped_urgent + counters.dropped_bulk,
            ),
            _counter("connections_refused", "Connections refused.", counters.refused),
        )


def _gauge(name: str, says: str, value: float) -> Metric:
    return GaugeMetricFamily(f"custody_{name}", says, value=value)


def _counter(name: str, says: str, value: float) -> Metric:
    return CounterMetricFamily(f"custody_{name}", says, value=value)


def render_metrics(validator: Validator) -> bytes:
    """The text exposition format."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(validator))
    return generate_latest(registry)
