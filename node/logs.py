"""Logs: one JSON object a line on stderr, for machines to read (DESIGN §6).

    {"event": "...", "level": "info", "time": "2026-01-01T00:00:00.000000Z", ...}

An event's name is a fixed phrase; what varies stands in fields. No secret, and no content of an event, is ever logged.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog

Log = structlog.typing.FilteringBoundLogger


def set_up_logs(level: str = "info", **fields: Any) -> Log:
    """Send logs to stderr from `level` on; `fields` stand in every line. Answers the logger."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(sort_keys=True),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    log: Log = structlog.get_logger(**fields)
    return log
