"""Asking several peers at once: when it is given up."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from unittest.mock import MagicMock

from ledger.base.errors import Code, ProofError
from node.validator.peers import Crew, Peers

_LIAR = bytes(32)


def test_a_unit_that_liars_alone_have_is_given_up_at_once() -> None:
    peers = Peers(MagicMock(), lambda: (_LIAR,), MagicMock(), MagicMock(), bytes.hex)

    async def lied(_peer: bytes, _unit: int) -> Iterable[int]:
        raise ProofError(Code.NOT_PROVEN, "expected what was asked for, got something else")

    async def run() -> bool:
        crew: Crew[int] = Crew(peers, lied, str)
        crew.add([1])
        return await crew.run(3_600.0, lambda: peers.is_refused(_LIAR))

    assert asyncio.run(run()) is False
    assert peers.is_refused(_LIAR)
    assert not peers.is_refused(bytes([1]) * 32)
