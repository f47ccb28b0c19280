"""One small network and an executor over the stores of one of its nodes, for the tests that have none of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from node.init import MadeNetwork, create_network
from tests.validator.test_execution import Node


@pytest.fixture
def made(tmp_path: Path) -> MadeNetwork:
    """A network of four on a tree that is quick to make."""
    return create_network(tmp_path / "net", state_depth=8)


@pytest.fixture
def node(made: MadeNetwork) -> Iterator[Node]:
    """The maker's stores and executor, at genesis."""
    opened = Node.open(made)
    opened.executor.redo()
    yield opened
    opened.close()
