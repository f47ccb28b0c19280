from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pytest

from ledger.base.errors import Code
from node.local.client import LocalClient
from node.local.protocol import (
    ItemReceipt,
    OpenBytes,
    State,
    Submission,
    TransactionStatus,
    WaitFor,
)
from tests.bench.comet import TUNING, configured
from tests.bench.comet_load import NAME_BYTES, final_names, prepare, transaction
from tests.bench.load import Hand, Ingress, Measured, Outcome, closed_loop, event_of, open_loop
from tests.bench.throughput import Kind, Length, Site, rises, throughput


def measured(*took: tuple[float, float]) -> Measured:
    return Measured(events=len(took), seconds=2.0, took=list(took))


def test_quantiles_and_rate() -> None:
    found = measured(*((0.0, place / 1_000) for place in range(100, 0, -1)))
    assert (found.quantile_ms(0.5), found.quantile_ms(0.99), found.quantile_ms(1.0)) == (51.0, 100.0, 100.0)
    assert found.per_second == 50.0


def test_what_was_under_way_when_a_validator_ended_counts_as_after_it() -> None:
    found = measured((1.0, 0.1), (1.9, 1.5), (2.5, 0.2), (4.0, 9.0))
    assert found.quantile_ms(1.0, since=2.0, until=4.0) == 1_500
    assert found.quantile_ms(0.0, since=2.0, until=4.0) == 200


def counting(most: list[int]) -> Hand[int]:
    """Notes how many are under way; every fourth piece is refused, and each waits once."""
    under_way = 0

    async def hand(piece: int) -> Outcome:
        nonlocal under_way
        under_way += 1
        most.append(under_way)
        await asyncio.sleep(0)
        under_way -= 1
        return Outcome(0, 1, 1) if piece % 4 == 0 else Outcome(10, 0, 1)

    return hand


def test_a_closed_loop_keeps_so_much_under_way_at_each_hand() -> None:
    most: list[int] = []
    found = asyncio.run(closed_loop([counting(most), counting(most)], range(40), outstanding=3))
    assert (max(most), found.events, found.refused, found.waits, len(found.took)) == (3, 300, 10, 40, 40)


def test_an_open_loop_hands_in_at_its_rate_whatever_answers_take() -> None:
    most: list[int] = []
    found = asyncio.run(open_loop([counting(most)], range(8), per_second=1_000))
    assert (found.events, len(found.took)) == (60, 8)


class Socket:
    """A validator that answers what it is asked in one request, and is overloaded once."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    async def submit(self, submissions: Sequence[Submission], _wait: WaitFor) -> list[TransactionStatus]:
        self.asked.append(len(submissions))
        is_first = len(self.asked) == 1
        await asyncio.sleep(0)
        if is_first:
            code = Code.OVERLOADED.value
            return [TransactionStatus(each.transaction, State.REFUSED, code) for each in submissions]
        good, bad = ItemReceipt(0, "", b"", ()), ItemReceipt(1, "not_entitled", None, ())
        return [
            TransactionStatus(each.transaction, State.FINAL, receipts=(good, bad)) for each in submissions
        ]


def submission(events: int) -> Submission:
    return Submission(b"", (), (OpenBytes(b"", None, b""),) * events)


@pytest.mark.parametrize(("events", "asked"), [(1, [100, 20]), (40, [2] * 60), (100, [1] * 120)])
def test_what_is_ready_at_the_same_time_goes_in_one_request(events: int, asked: list[int]) -> None:
    socket = Socket()
    hand = Ingress(cast("LocalClient", socket))
    found = asyncio.run(closed_loop([hand], [submission(events)] * 120, outstanding=120))
    assert socket.asked[: len(asked)] == asked
    assert (found.events, found.refused, found.waits) == (120, 120, asked[0])


def test_a_hand_that_breaks_ends_the_loop() -> None:
    async def broken(_: int) -> Outcome:
        raise ConnectionError

    with pytest.raises(ExceptionGroup):
        asyncio.run(closed_loop([broken], range(3), outstanding=2))


@pytest.mark.parametrize(
    ("rates", "goes_on"),
    [
        ([5], True),
        ([5, 4], True),
        ([5, 4, 3], False),
        ([5, 4, 5.1], False),
        ([5, 4, 5.2], True),
        ([3, 5, 4, 4], False),
    ],
)
def test_load_rises_until_two_levels_bring_no_more(rates: list[float], goes_on: bool) -> None:
    assert rises(rates) is goes_on


def test_a_level_and_ten_times_as_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.bench.throughput.SETTLE_S", 0)
    asked: list[int] = []

    def make(count: int) -> Sequence[int]:
        asked.append(count)
        return range(1, 4 * count, 4)

    kind = Kind("work", make, [counting([])], 10, (1, 2, 4, 8), 100)
    found = asyncio.run(throughput(kind, Site([], tmp_path), Length(1.0, 1, 1), is_pressed=True))
    assert len(asked) == 2
    assert asked[0] == 10
    assert [point.outstanding for point in found.curves["work"]] == [10, 100]
    assert found.figures["work refused"] == 0.0
    assert found.figures["work disk bytes"] == 0.0


def test_settings_take_the_place_of_the_peers_own() -> None:
    text = 'proxy_app = "tcp"\n[p2p]\nladdr = "a"\n[rpc]\nladdr = "b"  \n'
    found = configured(text, {("rpc", "laddr"): '"c"', ("", "proxy_app"): '"kvstore"'})
    assert found == 'proxy_app = "kvstore"\n[p2p]\nladdr = "a"\n[rpc]\nladdr = "c"\n'
    with pytest.raises(ValueError, match="indexer"):
        configured(text, {("tx_index", "indexer"): '"null"'})


def test_the_peer_is_tuned_as_it_is_said() -> None:
    assert TUNING["consensus", "timeout_commit"] == '"0s"'
    assert TUNING["consensus", "create_empty_blocks"] == "false"
    assert (
        TUNING["p2p", "flush_throttle_timeout"]
        == TUNING["consensus", "peer_gossip_sleep_duration"]
        == '"10ms"'
    )


@pytest.mark.parametrize("count", [1, 100])
def test_the_peer_gets_the_same_events(count: int) -> None:
    """kvstore takes `name=value` with one `=` and no colon; else the bytes are those that the ledger gets."""
    data = transaction(7, count)
    assert (data.count(b"="), data.count(b":")) == (1, 0)
    assert len(data) == NAME_BYTES + 1 + sum(
        len(event_of(number, is_first=True)) for number in range(7, 7 + count)
    )


def test_transactions_are_found_in_a_block_by_their_names() -> None:
    made = [prepare(1, 1), prepare(2, 2)]
    block = b'{"block":{"data":{"txs":["' + b'","'.join(each.text for each in made) + b'"]},"evidence":{}}}'
    assert final_names(block) == [each.name for each in made]
    assert made[0].name != made[1].name
    assert final_names(b'{"block":{"data":{"txs":[]}}}') == []
