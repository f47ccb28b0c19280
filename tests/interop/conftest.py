"""Other people's software that this project works with, the real thing: run by `./scripts/test --interop` only."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.chromium import browser
from tests.interop.npm_packages import has_node, installed
from tests.interop.postgresql import Server, programs
from tests.interop.softhsm import LABEL, Token, configure, initialise, library


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """A PostgreSQL of its own, on a temporary folder and port."""
    if programs() is None:
        pytest.skip("no PostgreSQL: apt-get install postgresql; as root in CI this is done by itself")
    with Server() as server:
        yield server


@pytest.fixture
def database(postgresql: Server) -> str:
    """The URL of an empty database."""
    postgresql.drop_all()
    return postgresql.url


@pytest.fixture(scope="session")
def npm() -> Path:
    """node_modules with the clients of others."""
    if not has_node():
        pytest.skip("no node and npm: apt-get install nodejs npm; as root in CI this is done by itself")
    return installed()


@pytest.fixture(scope="session")
def softhsm(tmp_path_factory: pytest.TempPathFactory) -> Token:
    """A PKCS#11 token of its own."""
    found = library()
    if found is None:
        pytest.skip("no SoftHSM: apt-get install softhsm2; as root in CI this is done by itself")
    configure(tmp_path_factory.mktemp("softhsm"))
    initialise(LABEL)
    return Token(found, LABEL)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of the distribution's Chromium."""
    found = browser()
    if found is None:
        pytest.skip("no chromium: apt-get install chromium; as root in CI this is done by itself")
    return found
