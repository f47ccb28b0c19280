"""An assert in a module that tests share."""

from __future__ import annotations


def must(fact: bool) -> None:
    """Hold that something is so."""
    assert fact
