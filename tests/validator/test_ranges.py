"""A range of blocks fits into one message however long its certificates are."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from ledger.base.limits import BLOCKS_PER_RANGE, CONSENSUS_MESSAGE_BYTES
from node.storage.block_store import StoredBlock
from node.validator import chain as chain_module
from node.validator.chain import Chain

HYBRID_AT_31 = 71_000


@pytest.mark.parametrize("size", [272, HYBRID_AT_31])
def test_certificates_of_hybrid_keys_make_a_range_shorter(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = {height: StoredBlock(height, b"", b"", bytes(size), b"") for height in range(1, 200)}
    executor = SimpleNamespace(network=bytes(32), blocks=stored, final_header=SimpleNamespace(height=199))
    monkeypatch.setattr(chain_module, "block_of", lambda one: one)
    monkeypatch.setattr(chain_module, "certificate_of", lambda one: one.certificate)
    found = Chain(cast("Any", executor)).range(1)
    assert found is not None
    certificates = sum(len(cast("bytes", certificate)) for _, certificate in found.blocks)
    assert certificates < CONSENSUS_MESSAGE_BYTES * 3 // 4
    assert len(found.blocks) == BLOCKS_PER_RANGE if size < 1_000 else len(found.blocks) > 10
