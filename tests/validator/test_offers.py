"""What peers offer to one that joins: nobody who is silent holds up the others, and the order of what is tried."""

from __future__ import annotations

import asyncio
from unittest.mock import MagicMock

import pytest

from node.validator import peers as asking
from node.validator.offers import Offers
from node.validator.peers import Peers
from node.validator.sync_wire import Offer, decode_answer, decode_ask, encode_answer

_A, _B, _C, _D = (bytes([number]) * 32 for number in range(4))


async def heard(offered: dict[bytes, tuple[int, ...] | None]) -> Offers:
    """The offers of four peers; None: it never says anything."""

    def send(peer: bytes, data: bytes) -> bool:
        heights = offered[peer]
        if heights is not None:
            answer = encode_answer(decode_ask(data)[0], Offer(max(heights, default=0), heights, 1, True))
            asyncio.get_running_loop().call_soon(lambda: peers.answered(peer, *decode_answer(answer)))
        return True

    peers = Peers(MagicMock(), lambda: tuple(offered), send, MagicMock(), bytes.hex)
    offers = Offers(peers, len(offered), 1)
    async with asyncio.timeout(60):
        await offers.hear(again=True)
    return offers


def run(offered: dict[bytes, tuple[int, ...] | None]) -> Offers:
    return asyncio.run(heard(offered))


def test_one_that_is_silent_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "ANSWER_S", 3_600.0)
    offers = run({_A: None, _B: (10,), _C: (10,), _D: (10,)})
    assert [offers.has(peer, 10) for peer in (_A, _B, _C, _D)] == [False, True, True, True]


def test_what_more_than_f_peers_have_comes_first_and_the_newest_of_it() -> None:
    offers = run({_A: (90,), _B: (10, 20), _C: (10, 20), _D: (20, 30)})
    assert offers.heights(0) == [20, 10, 90, 30]
    assert offers.heights(20) == [90, 30]


def test_what_all_let_go_of_is_not_to_be_had() -> None:
    offers = run({_A: (10, 20), _B: (10,), _C: (20,), _D: ()})
    assert offers.heights(0) == [20, 10]
    offers.let_go(_A, 10)
    assert not offers.is_vain(10)
    offers.let_go(_B, 10)
    assert offers.is_vain(10)
    assert not offers.is_vain(20)
    assert offers.heights(0) == [20]
