"""One ledger with a shipment on it, shared by the tests that only read it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.client.ledger_files import DECLARATION, ITEM, Ledger, shipped, write_files


@pytest.fixture(scope="session")
def ledger() -> Ledger:
    """A shipment under way."""
    return shipped(Ledger())


@pytest.fixture(scope="session")
def held() -> Ledger:
    """The same, detained."""
    return shipped(Ledger(), held=True)


@pytest.fixture
def files(tmp_path: Path, ledger: Ledger) -> tuple[Path, Path]:
    """(bundle of the item, genesis)."""
    return write_files(tmp_path, ledger, ITEM)


@pytest.fixture
def document_files(tmp_path: Path, ledger: Ledger) -> tuple[Path, Path]:
    """(bundle of the item and the declaration, genesis)."""
    return write_files(tmp_path, ledger, ITEM, DECLARATION)
