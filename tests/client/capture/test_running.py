"""Captures of files: what is under way together, what is asked again, what is signed anew, and what a journal holds."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from client.capture.document import survey
from client.capture.journal import Counts, Header, Journal
from client.capture.making import SEED_BYTES, Drawn, Maker, stretches, taken
from client.capture.order import Touched, UnderWay
from client.capture.progress import Progress
from client.capture.running import Capture, Outcome
from client.parallel import Parallel
from client.protocol import Address, Policy
from ledger.base.errors import Code, CustodyError, FormError, StorageError, UnavailableError
from ledger.base.keys import SigningKey
from tests.client.capture.stage import NOW_MS, OneLedger, event, packing, write_document
from tests.world.world import seed

NETWORK = seed("network")
KEY = SigningKey(seed("key"))
SEED = bytes(range(SEED_BYTES))
PER_TRANSACTION = 10


class Run:
    """One process's part of a capture of `path`; everything that outlives it is in the file's journal and the ledger."""

    def __init__(
        self,
        path: Path,
        ledger: OneLedger,
        *,
        urls: Sequence[str] = ("http://one:1",),
        now_ms: int = NOW_MS,
        patience_s: float = 60.0,
        keeps_order: bool = True,
    ) -> None:
        self.ledger = ledger
        self.told: list[Outcome] = []
        self.pauses: list[float] = []
        self.hosts: list[str] = []
        self.now_ms = now_ms
        self.path = path
        self._patience_s = patience_s
        self._keeps_order = keeps_order
        self._urls = urls
        surveyed = survey(path)
        header = Header(
            NETWORK.hex(),
            "maker",
            KEY.public_key.hex(),
            surveyed.digest.hex(),
            surveyed.events,
            PER_TRANSACTION,
            SEED.hex(),
        )
        self.journal = Journal.open(path.with_suffix(".journal"), header)
        self.surveyed = surveyed

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        self.hosts.append(request.url.host)
        if request.method == "GET":
            status, body = self.ledger.get(request.url.path)
            return httpx.Response(status, json=body)
        ledger = self.ledger
        ledger.under_way += 1
        ledger.most_under_way = max(ledger.most_under_way, ledger.under_way)
        try:
            for _ in range(20):
                await asyncio.sleep(0)  # so that all who may come together do
            status, body, headers = ledger.take(request.content)
        finally:
            ledger.under_way -= 1
        return httpx.Response(status, json=body, headers=headers)

    async def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await asyncio.sleep(0)

    def __call__(self) -> Counts:
        """Run it to its end."""

        async def run() -> None:
            network = Parallel(
                [Address(url) for url in self._urls],
                in_flight=4,
                policy=Policy(patience_s=self._patience_s),
                transport=httpx.MockTransport(self._answer),
                sleep=self._pause,
            )
            maker = Maker(
                NETWORK, "maker", KEY, bytes.fromhex(self.journal.header.seed), self.surveyed.context
            )
            async with network:
                await Capture(
                    self.path,
                    self.surveyed,
                    self.journal,
                    maker,
                    network,
                    now_ms=lambda: self.now_ms,
                    told=self.told.append,
                    pause=self._pause,
                    keeps_order=self._keeps_order,
                ).run()

        try:
            asyncio.run(run())
        finally:
            self.journal.close()
        return self.journal.counts


@pytest.fixture
def ledger() -> OneLedger:
    return OneLedger(NETWORK)


def made(tmp_path: Path, count: int) -> tuple[Path, list[str]]:
    events = [event(number) for number in range(count)]
    return write_document(tmp_path / "a.json", events), events


def as_bytes(events: Sequence[str]) -> list[bytes]:
    return [one.encode() for one in events]


def test_every_event_is_executed_once_as_its_bytes_stand_in_the_file(
    tmp_path: Path, ledger: OneLedger
) -> None:
    path, events = made(tmp_path, 95)
    assert Run(path, ledger)() == Counts(applied=95)
    assert sorted(ledger.events) == sorted(as_bytes(events))
    assert len(ledger.executed) == 10
    assert ledger.most_under_way == 4


def test_a_finished_capture_keeps_its_counts_and_no_seed(tmp_path: Path, ledger: OneLedger) -> None:
    path, _ = made(tmp_path, 95)
    run = Run(path, ledger)
    run()
    assert SEED.hex() not in run.journal.path.read_text()
    assert run.journal.path.stat().st_mode & 0o777 == 0o600
    again = Run(path, ledger)
    assert again.journal.is_done
    assert again.journal.counts == Counts(applied=95)
    again.journal.close()


def test_a_capture_killed_before_its_seed_is_taken_out_is_not_done(
    tmp_path: Path, ledger: OneLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _ = made(tmp_path, 20)
    with monkeypatch.context() as killed:
        killed.setattr(Journal, "finish", lambda _: None)
        assert Run(path, ledger)() == Counts(applied=20)
    again = Run(path, ledger)
    assert not again.journal.is_done
    assert again() == Counts(applied=20)
    assert SEED.hex() not in again.journal.path.read_text()
    assert ledger.handed_in == 2


def test_things_that_are_named_twice_keep_the_files_order(tmp_path: Path, ledger: OneLedger) -> None:
    events = [event(number % 10, "inspecting", "OBSERVE", n=number) for number in range(60)]
    Run(write_document(tmp_path / "a.json", events), ledger)()
    assert ledger.events == as_bytes(events)
    assert ledger.most_under_way == 1


def test_what_may_reach_beyond_its_names_is_alone_under_way(tmp_path: Path, ledger: OneLedger) -> None:
    events = [event(number) for number in range(40)] + [packing(number) for number in range(10)]
    events += [event(number) for number in range(100, 140)]
    assert Run(write_document(tmp_path / "a.json", events), ledger)() == Counts(applied=80, recorded=10)
    assert ledger.events[40:50] == as_bytes(events[40:50])
    assert set(ledger.events[:40]) == set(as_bytes(events[:40]))
    assert ledger.most_under_way == 4


def test_in_any_order_all_is_under_way(tmp_path: Path, ledger: OneLedger) -> None:
    path = write_document(tmp_path / "a.json", [packing(number) for number in range(60)])
    run = Run(path, ledger, keeps_order=False)
    assert run() == Counts(recorded=60)
    assert ledger.most_under_way == 4
    assert sorted(one.place for one in run.told) == list(range(1, 61))


def test_an_event_that_cannot_be_read_is_refused_and_the_others_go_on(
    tmp_path: Path, ledger: OneLedger
) -> None:
    events = [event(number) for number in range(30)]
    events[0] = '{"a":}'
    events[7] = '{"type":"ObjectEvent"}'
    events[10:20] = ['{"a":}'] * 10
    run = Run(write_document(tmp_path / "a.json", events), ledger)
    assert run() == Counts(applied=18, refused=12)
    assert sorted(one.place for one in run.told) == [1, 8, *range(11, 21)]
    assert sorted(ledger.events) == sorted(as_bytes(events[1:7] + events[8:10] + events[20:]))


def test_a_gateway_that_has_too_much_to_do_is_asked_again_when_it_says(
    tmp_path: Path, ledger: OneLedger
) -> None:
    path, events = made(tmp_path, 40)
    problem = {"type": "urn:custody:overloaded", "detail": "too much to do"}
    ledger.faults = [(429, problem, {"Retry-After": "7"})] * 6
    run = Run(path, ledger)
    assert run() == Counts(applied=40)
    assert sorted(ledger.events) == sorted(as_bytes(events))
    assert len(run.pauses) == 6
    assert min(run.pauses) >= 7


def test_transactions_that_a_validator_has_no_room_for_are_handed_in_again(
    tmp_path: Path, ledger: OneLedger
) -> None:
    path, events = made(tmp_path, 10)
    refused = {"transactions": [{"id": "ab", "status": "refused", "code": "overloaded", "detail": "no room"}]}
    ledger.faults = [(200, refused, {})] * 3
    run = Run(path, ledger)
    assert run() == Counts(applied=10)
    assert run.pauses == [1.0, 2.0, 4.0]
    assert ledger.events == as_bytes(events)


def test_gateways_take_turns(tmp_path: Path, ledger: OneLedger) -> None:
    path, _ = made(tmp_path, 40)
    run = Run(path, ledger, urls=("http://one:1", "http://two:1"))
    run()
    assert (run.hosts.count("one"), run.hosts.count("two")) == (2, 2)


def test_a_refused_transaction_refuses_its_events(tmp_path: Path, ledger: OneLedger) -> None:
    path, _ = made(tmp_path, 10)
    refused = {
        "transactions": [{"id": "ab", "status": "refused", "code": "revoked", "detail": "a revoked key"}]
    }
    ledger.faults = [(200, refused, {})]
    run = Run(path, ledger)
    assert run() == Counts(refused=10)
    assert {one.detail for one in run.told} == {"a revoked key"}


def lost(ledger: OneLedger, path: Path) -> set[str]:
    """Run once with answers that are lost after all was executed; the transactions under way then."""
    problem = {"type": "urn:custody:internal", "detail": "gone"}
    take = ledger.take

    def losing(body: bytes) -> tuple[int, dict[str, Any], dict[str, str]]:
        take(body)
        return 500, problem, {}

    ledger.take = losing  # type: ignore[method-assign]
    with pytest.raises(CustodyError):
        Run(path, ledger, patience_s=0.0)()
    ledger.take = take  # type: ignore[method-assign]
    return set(ledger.executed)


def test_however_many_fail_together_one_says_why(
    tmp_path: Path, ledger: OneLedger, caplog: pytest.LogCaptureFixture
) -> None:
    path, _ = made(tmp_path, 95)
    lost(ledger, path)
    gc.collect()
    assert not caplog.records, "of no other is it said that nobody heard it"


def test_what_was_under_way_is_made_again_under_the_same_id(tmp_path: Path, ledger: OneLedger) -> None:
    path, events = made(tmp_path, 95)
    first = lost(ledger, path)
    assert 0 < len(first) <= 4
    assert Run(path, ledger)() == Counts(applied=95)
    assert first < set(ledger.executed)
    assert sorted(ledger.events) == sorted(as_bytes(events))


@pytest.mark.parametrize("refuses", [False, True])
def test_what_expired_under_way_is_looked_up_and_not_signed_anew(
    tmp_path: Path, ledger: OneLedger, refuses: bool
) -> None:
    path, events = made(tmp_path, 95)
    first = lost(ledger, path)
    ledger.time_ms = NOW_MS + 7_200_000
    if refuses:  # as if this machine's clock were slow
        ledger.expired = set(first)
    assert Run(path, ledger, now_ms=NOW_MS if refuses else ledger.time_ms)() == Counts(applied=95)
    assert sorted(ledger.events) == sorted(as_bytes(events))


def test_what_expired_and_never_was_ordered_is_signed_anew(tmp_path: Path, ledger: OneLedger) -> None:
    path, events = made(tmp_path, 35)
    first = lost(ledger, path)
    ledger.executed.clear()
    ledger.time_ms = NOW_MS + 7_200_000
    assert Run(path, ledger, now_ms=ledger.time_ms)() == Counts(applied=35)
    assert not first & set(ledger.executed)
    assert sorted(ledger.events) == sorted(as_bytes(events))


def test_nothing_is_signed_anew_before_a_block_says_that_it_is_too_late(
    tmp_path: Path, ledger: OneLedger
) -> None:
    path, _ = made(tmp_path, 10)
    lost(ledger, path)
    ledger.executed.clear()
    run = Run(path, ledger, now_ms=NOW_MS + 7_200_000)
    with pytest.raises(UnavailableError, match="expected a final block"):
        run()
    assert not ledger.executed


def test_salts_stay_and_ids_change_with_the_attempt() -> None:
    one = taken(0, next(iter(_slices(1))), None)
    maker = Maker(NETWORK, "maker", KEY, SEED, None)
    first, again, later = (maker.made(3, [one], attempt, NOW_MS).signed[0] for attempt in (0, 0, 1))
    assert first.transaction.to_bytes() == again.transaction.to_bytes()
    assert first.transaction.id != later.transaction.id
    assert first.payloads == later.payloads
    assert maker.made(4, [one], 0, NOW_MS).signed[0].payloads != first.payloads


def test_drawn_bytes_are_those_of_seed_and_purpose() -> None:
    drawn = Drawn(SEED, 1, 2)
    parts = [drawn(size) for size in (16, 1, 9_000, 16)]
    assert b"".join(parts) == Drawn(SEED, 1, 2)(sum(map(len, parts)))
    others = [
        Drawn(SEED, 1),
        Drawn(SEED, 2, 1),
        Drawn(SEED, 1, 3),
        Drawn(SEED[::-1], 1, 2),
        Drawn(SEED, 1, 2),
    ]
    assert len({one(16) for one in others}) == 5


def _slices(count: int) -> Any:
    from client.capture.document import Slice

    return [Slice(0, 0, event(number).encode()) for number in range(count)]


def test_stretches_stay_below_every_cap_of_a_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    events = [taken(place, one, None) for place, one in enumerate(_slices(10))]
    assert [len(one) for one in stretches(events, 4, None)] == [4, 4, 2]
    monkeypatch.setattr("client.capture.making.SUBJECTS_PER_TRANSACTION", 3)
    assert [len(one) for one in stretches(events, 100, None)] == [3, 3, 3, 1]
    monkeypatch.setattr("client.capture.making.STRETCH_BYTES", 2 * len(events[-1].event) + 100)
    assert [len(one) for one in stretches(events, 100, None)] == [2] * 5
    assert [len(one) for one in stretches(events, 100, b" " * 200)] == [1] * 10


# --- the journal


def header(**more: Any) -> Header:
    return Header("aa", "maker", "bb", "cc", 30, 10, "dd")._replace(**more)


def stretch(number: int) -> Any:
    from client.capture.journal import Stretch

    return Stretch(number, 100 * number, 100 * number + 90, 10 * number, 10, 0, NOW_MS, f"{number:02}")


@pytest.mark.parametrize("tail", [b'["signed",2,200', b'["signed",2,200,2\0\0\0\n', b"\0\0\n\0"])
def test_a_line_that_was_cut_short_is_taken_off(tmp_path: Path, tail: bytes) -> None:
    path = tmp_path / "journal"
    journal = Journal.open(path, header())
    journal.signed(stretch(0))
    journal.signed(stretch(1))
    journal.done(0, 8, 1, 1)
    journal.close()
    whole = path.read_bytes()
    path.write_bytes(whole + tail)
    journal = Journal.open(path, header(seed="ee"))
    assert path.read_bytes() == whole
    assert journal.header == header()
    assert (journal.under_way, journal.next, journal.at) == ({1: stretch(1)}, 2, (190, 20))
    assert journal.counts == Counts(8, 1, 1)
    journal.close()


@pytest.mark.parametrize(
    "content", [b"", b'{"custo', b'{"custody capture":1,"network', b'{"custo\0\0', b"\0\0\0"]
)
def test_a_journal_whose_first_line_was_cut_short_is_begun_anew(tmp_path: Path, content: bytes) -> None:
    path, fresh = tmp_path / "journal", tmp_path / "fresh"
    path.write_bytes(content)
    for one in (path, fresh):
        Journal.open(one, header()).close()
    assert path.read_bytes() == fresh.read_bytes()


@pytest.mark.parametrize("field", ["network", "organisation", "key", "digest"])
def test_the_journal_of_another_capture_is_refused(tmp_path: Path, field: str) -> None:
    Journal.open(tmp_path / "journal", header()).close()
    with pytest.raises(FormError, match="begun with another"):
        Journal.open(tmp_path / "journal", header(**{field: "ff"}))


def test_only_one_capture_has_a_journal(tmp_path: Path) -> None:
    journal = Journal.open(tmp_path / "journal", header())
    with pytest.raises(StorageError) as refused:
        Journal.open(tmp_path / "journal", header())
    assert refused.value.code == Code.LOCKED
    journal.close()
    Journal.open(tmp_path / "journal", header()).close()


@pytest.mark.parametrize(
    "content",
    [
        b"hello\n",
        b"[]\n",
        b'{"custody capture":1}\n',
        b'{"custody capture":2}\n',
        b"hello",
        b'{"type":"EPCISDocument"}',
        b"7\nhello",
        b"\nhello",
        b"\0\0\0 ftyp",
        b"hello\n\0\0",
    ],
)
def test_another_file_is_no_journal(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "journal"
    path.write_bytes(content)
    with pytest.raises(CustodyError):
        Journal.open(path, header())
    assert path.read_bytes() == content


def test_lines_that_no_journal_has_are_damage(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    Journal.open(path, header()).close()
    for line in ("7", '["signed",1]', '["done",1,2]', "not json"):
        path.write_text(path.read_text().partition("\n")[0] + "\n" + line + "\n")
        with pytest.raises(StorageError, match="expected the journal"):
            Journal.open(path, header())


def test_a_transaction_is_on_disk_before_it_leaves(
    tmp_path: Path, ledger: OneLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, _ = made(tmp_path, 95)
    synced: list[bytes] = []
    run = Run(path, ledger)
    monkeypatch.setattr(os, "fsync", lambda _: synced.append(run.journal.path.read_bytes()))
    take = ledger.take

    def taking(body: bytes) -> tuple[int, dict[str, Any], dict[str, str]]:
        status, answer, headers = take(body)
        for one in answer["transactions"]:
            assert one["id"].encode() in synced[-1]
        return status, answer, headers

    ledger.take = taking  # type: ignore[method-assign]
    assert run() == Counts(applied=95)
    assert len(synced) <= 12


# --- how it is told


def test_progress_says_count_share_rate_and_time_left() -> None:
    progress = Progress(1_000_000, 100_000, 0.0)
    counts = Counts(applied=100_000)
    assert progress.line(counts, 0.0) == "100,000 of 1,000,000 events (10 %)"
    counts.add(20_000, 0, 5)
    assert (
        progress.line(counts, 10.0)
        == "120,005 of 1,000,000 events (12 %), 2,000 events/s, 7 min left, 5 refused"
    )
    counts.add(779_985, 10, 0)
    assert "100 s" not in progress.line(counts, 20.0)
    line = progress.line(counts, 40.0)
    assert line.startswith(
        "900,000 of 1,000,000 events (90 %), 26,000 events/s, 4 s left, 10 recorded without effect"
    )


def test_the_rate_is_that_of_late() -> None:
    progress, counts, line = Progress(1_000_000, 0, 0.0), Counts(), ""
    for second in range(1, 101):
        counts.add(1_000 if second <= 50 else 10, 0, 0)
        line = progress.line(counts, float(second))
    assert ", 10 events/s, 26 h left" in line


def test_what_waits_for_what() -> None:
    one, other = Touched(frozenset({"a", "b"}), is_alone=False), Touched(frozenset({"c"}), is_alone=False)
    both, alone = Touched(frozenset({"b", "c"}), is_alone=False), Touched(frozenset({"z"}), is_alone=True)
    under_way = UnderWay()
    for number, what in enumerate((one, other)):
        assert not under_way.waits_for(what)
        under_way.begin(number, what)
    assert under_way.waits_for(both) == under_way.waits_for(alone) == {0, 1}
    assert under_way.waits_for(one) == {0}
    under_way.end(0)
    assert under_way.waits_for(both) == under_way.waits_for(alone) == {1}
    under_way.end(1)
    under_way.begin(2, alone)
    assert under_way.waits_for(one) == under_way.waits_for(alone) == {2}
    under_way.end(2)
    assert not under_way.waits_for(alone)
