"""Webhooks over real connections: receivers that fail, hang, redirect, answer late and come back, and a gateway that is killed."""

from __future__ import annotations

import asyncio
import signal
import sys
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from http_message_signatures import HTTPMessageVerifier, InvalidSignature, MappingKeyResolver, algorithms
from prometheus_client import CollectorRegistry

from client.webhook import check_delivery
from ledger.base.errors import Code, CustodyError, StorageError, UnavailableError
from ledger.base.message_signature import content_digest
from ledger.members.registry import Entry, Kind, Period
from node.gateway.epcis.subscriptions import webhooks as module
from node.gateway.epcis.subscriptions.asked import Terms
from node.gateway.epcis.subscriptions.feed import SystemClock
from node.gateway.epcis.subscriptions.stored import State
from node.gateway.epcis.subscriptions.webhooks import retry_after_ms, token_signature
from node.gateway.reads import Reads
from node.storage.filesystem import RealFileSystem
from node.storage.read_log import ReadLog
from tests.conftest import PROJECT_ROOT
from tests.gateway.epcis.webhook_stage import (
    KEY,
    QUERY,
    START_MS,
    Behaviour,
    Got,
    HandClock,
    HastyClock,
    Log,
    Receiver,
    says,
    until,
    webhook,
    webhooks_over,
)

_CAPTURE_KEY = Entry(Kind.KEY, KEY.public_key.hex(), (Period(0, None, ["maker", 2, None, None]),))


def test_what_comes_is_delivered_in_order(tmp_path: Path) -> None:
    async def act() -> None:
        log = Log(3)
        async with Receiver() as receiver, webhooks_over(tmp_path, log) as webhooks:
            await webhooks.add(webhook(receiver.url, query="even"))
            for _ in range(5):
                log.grow(2)
                await until(lambda: webhooks.get("even", "one").progress.position == log.count)  # type: ignore[union-attr]
        events = [event for got in receiver.got for event in got.events]
        assert events == [4, 6, 8, 10, 12]
        assert [got.number for got in receiver.got] == list(range(1, len(receiver.got) + 1))

    asyncio.run(act())


def test_each_attempt_is_noted_with_what_the_receiver_answered(tmp_path: Path) -> None:
    async def act() -> None:
        log = Log(3)
        reads = Reads(ReadLog(RealFileSystem(tmp_path), bytes(32)), lambda: START_MS)
        async with Receiver([says(500)]) as receiver, webhooks_over(tmp_path, log, reads=reads) as webhooks:
            await webhooks.add(webhook(receiver.url, query="even"))
            log.grow(2)
            await until(lambda: webhooks.get("even", "one").progress.position == log.count)  # type: ignore[union-attr]
            sizes.extend(len(got.body) for got in receiver.got)
        await asyncio.to_thread(reads.close)

    sizes: list[int] = []
    asyncio.run(act())
    kept = ReadLog(RealFileSystem(tmp_path), bytes(32))
    found = [entry.read for entry in kept.follow()]
    kept.close()
    assert [(read.caller, read.status, read.size) for read in found] == [
        ("webhook one", 500, sizes[0]),
        ("webhook one", 204, sizes[1]),
    ]
    assert dict(found[0].asked)["queryName"] == "even"


def test_what_was_before_is_delivered_from_the_initial_record_time_on(tmp_path: Path) -> None:
    async def act() -> None:
        async with (
            Receiver() as receiver,
            webhooks_over(tmp_path, Log(9), clock=HandClock(START_MS + 60_000)) as webhooks,
        ):
            await webhooks.add(webhook(receiver.url, Terms(None, initial_ms=START_MS + 7_000)))
            await until(lambda: bool(receiver.got))
        assert receiver.got[0].events == [7, 8, 9]

    asyncio.run(act())


def test_the_signature_holds_and_says_whose_gateway_sent_it(tmp_path: Path) -> None:
    async def act() -> None:
        async with Receiver() as receiver, webhooks_over(tmp_path, log := Log()) as webhooks:
            await webhooks.add(webhook(receiver.url, secret="told to nobody"))
            log.grow(1)
            await until(lambda: bool(receiver.got))
        got = receiver.got[0]
        now_s = START_MS // 1000
        sent = check_delivery([_CAPTURE_KEY], receiver.url, got.headers, got.body, now_s=now_s)
        assert sent == ("maker", "one", 1)
        assert got.headers["gs1-signature"] == token_signature("told to nobody", got.body)
        changes: list[dict[str, object]] = [
            {"body": got.body + b" "},
            {
                "body": got.body + b" ",
                "headers": got.headers | {"content-digest": content_digest(got.body + b" ")},
            },
            {"target": receiver.url + "?"},
            {"headers": got.headers | {"custody-delivery": "2"}},
            {"headers": got.headers | {"content-type": "text/plain"}},
            {"headers": got.headers | {"content-digest": ""}},
            {"headers": {name: value for name, value in got.headers.items() if name != "signature"}},
            {"now_s": now_s + 301},
            {"now_s": now_s - 301},
            {"entries": []},
            {"entries": [_CAPTURE_KEY._replace(periods=(Period(0, None, ["maker", 0, None, None]),))]},
            {"entries": [_CAPTURE_KEY._replace(periods=(Period(0, None, ["maker", 2, 0, None]),))]},
            {"entries": [_CAPTURE_KEY._replace(periods=(Period(1, None, ["maker", 2, None, None]),))]},
        ]
        for changed in changes:
            whole = {
                "entries": [_CAPTURE_KEY],
                "target": receiver.url,
                "headers": got.headers,
                "body": got.body,
                "now_s": now_s,
            }
            with pytest.raises(CustodyError):
                check(**(whole | changed))  # type: ignore[arg-type]

    asyncio.run(act())


def check(entries: list[Entry], target: str, headers: dict[str, str], body: bytes, now_s: int) -> None:
    check_delivery(entries, target, headers, body, now_s=now_s)


class _Message(NamedTuple):
    method: str
    url: str
    headers: dict[str, str]


def test_another_implementation_of_the_standard_finds_the_signature_in_order(tmp_path: Path) -> None:
    async def act() -> None:
        async with (
            Receiver() as receiver,
            webhooks_over(tmp_path, log := Log(), clock=SystemClock()) as webhooks,
        ):
            await webhooks.add(webhook(receiver.url + "?to=a%20b&c"))
            log.grow(1)
            await until(lambda: bool(receiver.got))
        got = receiver.got[0]
        message = _Message("POST", f"http://127.0.0.1:{receiver.port}{got.target}", got.headers)
        keys = MappingKeyResolver(
            public_keys={KEY.public_key.hex(): Ed25519PublicKey.from_public_bytes(KEY.public_key)},
            private_keys={},
        )
        verifier = HTTPMessageVerifier(signature_algorithm=algorithms.ED25519, key_resolver=keys)
        (found,) = verifier.verify(message, expect_tag="custody-webhook", body=got.body)
        assert found.label == "custody"
        with pytest.raises(InvalidSignature):
            verifier.verify(message._replace(method="PUT"), expect_tag="custody-webhook", body=got.body)

    asyncio.run(act())


@pytest.mark.parametrize(
    "name", ["says 500", "redirects", "closes", "answers rubbish", "answers late", "endless", "is away"]
)
def test_a_delivery_is_sent_again_until_it_is_taken(tmp_path: Path, name: str) -> None:
    """The same delivery under the same number, whatever came meanwhile; nothing is passed over."""

    async def act() -> None:
        late = asyncio.Event()

        async def answers_late(got: Got) -> bytes:
            await late.wait()
            return says(200)

        async def closes(got: Got) -> bytes:
            raise ConnectionResetError

        async with Receiver() as elsewhere:
            behaviours: dict[str, bytes | Behaviour] = {
                "says 500": says(500),
                "redirects": says(307, f"Location: {elsewhere.url}"),
                "closes": closes,
                "answers rubbish": b"HTTP/9 hello\r\n\r\n",
                "answers late": answers_late,
                "endless": b"HTTP/1.1 100 Continue\r\nA: b\r\n\r\n" * 10
                + b"HTTP/1.1 200 OK\r\nX: "
                + b"x" * 1_000_000,
            }
            behaviour = behaviours.get(name)
            receiver = Receiver([] if behaviour is None else [behaviour, behaviour])
            async with receiver:
                pass
            log = Log()
            async with webhooks_over(
                tmp_path, log, answer_s=0.2 if name == "answers late" else 10
            ) as webhooks:
                await webhooks.add(webhook(receiver.url))
                log.grow(1)
                if name == "is away":
                    await until(lambda: webhooks.get(QUERY, "one").standing.failures > 1)  # type: ignore[union-attr]
                async with receiver:
                    await until(lambda: bool(receiver.got) or name == "is away")
                    log.grow(1)
                    await until(lambda: webhooks.get(QUERY, "one").progress.position == 2)  # type: ignore[union-attr]
                late.set()
        assert not elsewhere.got
        numbers = [got.number for got in receiver.got]
        assert numbers == ([1, 2] if name == "is away" else [1, 1, 1, 2])
        assert [got.events for got in receiver.got] == [[number] for number in numbers]

    asyncio.run(act())


def test_pauses_grow_and_the_receiver_may_ask_for_longer_ones(tmp_path: Path) -> None:
    async def act() -> None:
        clock = HastyClock()
        date = format_datetime(datetime.fromtimestamp(START_MS / 1000 + 50_000, UTC), usegmt=True)
        script = [says(500)] * 5 + [
            says(429, "Retry-After: 7200"),
            says(503, f"Retry-After: {date}"),
            says(500),
        ]
        async with (
            Receiver(script) as receiver,
            webhooks_over(tmp_path, log := Log(), clock=clock) as webhooks,
        ):
            await webhooks.add(webhook(receiver.url))
            log.grow(1)
            await until(lambda: len(receiver.got) == 9)
        pauses = [slept for slept in clock.slept if slept]
        for number, pause in enumerate(pauses[:5]):
            assert 500 << number <= pause <= 1000 << number
        assert pauses[5] == 7_200_000
        assert pauses[6] == 50_000_000 - sum(pauses[:6])
        assert 500 << 7 <= pauses[7] <= 1000 << 7

    asyncio.run(act())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, 0),
        ("", 0),
        ("12", 12_000),
        ("-1", 0),
        ("1.5", 0),
        ("soon", 0),
        ("9" * 12, 0),
        ("Mon, 01 Jan 1990 00:00:00 GMT", 0),
    ],
)
def test_what_retry_after_may_say(text: str | None, expected: int) -> None:
    assert retry_after_ms(text, START_MS) == expected


def test_a_receiver_that_takes_less_at_once_gets_less(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def act() -> None:
        async def takes_two(got: Got) -> bytes:
            return says(204 if len(got.events) <= 2 else 413)

        log = Log(10)
        async with (
            Receiver([takes_two] * 40) as receiver,
            webhooks_over(tmp_path, log, clock=HandClock(START_MS + 60_000)) as webhooks,
        ):
            await webhooks.add(webhook(receiver.url, Terms(None, initial_ms=START_MS)))
            await until(lambda: webhooks.get(QUERY, "one").progress.position == 10)  # type: ignore[union-attr]
        taken = [event for got in receiver.got if len(got.events) <= 2 for event in got.events]
        assert taken == list(range(1, 11))

    asyncio.run(act())


def test_a_webhook_that_fails_for_long_is_dead_and_goes_on_when_it_is_resumed(tmp_path: Path) -> None:
    async def act() -> None:
        registry = CollectorRegistry()
        async with Receiver([says(500)] * 200) as receiver:
            log, clock = Log(), HastyClock()
            async with webhooks_over(tmp_path, log, clock=clock, registry=registry) as webhooks:
                await webhooks.add(webhook(receiver.url))
                log.grow(2)
                await until(lambda: webhooks.get(QUERY, "one").standing.state == State.DEAD)  # type: ignore[union-attr]
                attempts = len(receiver.got)
                assert attempts >= module.GIVE_UP_AFTER
                assert clock.time_ms - START_MS >= module.GIVE_UP_MS
                assert registry.get_sample_value("custody_gateway_webhooks", {"state": "dead"}) == 1
                assert (
                    registry.get_sample_value("custody_gateway_webhook_attempts_total", {"outcome": "failed"})
                    == attempts
                )
                log.grow(1)
            async with webhooks_over(tmp_path, log) as webhooks:  # also after a new start
                found = webhooks.get(QUERY, "one")
                assert found is not None
                assert found.standing.state == State.DEAD
                assert found.standing.last_error == "expected a 2xx answer, got 500"
                receiver.script.clear()
                await webhooks.resume("one")
                await until(lambda: webhooks.get(QUERY, "one").progress.position == 3)  # type: ignore[union-attr]
        assert len(receiver.got) == attempts + 2
        assert [got.events for got in receiver.got[attempts:]] == [[1, 2], [3]]

    asyncio.run(act())


def test_a_receiver_that_is_gone_is_left_alone(tmp_path: Path) -> None:
    async def act() -> None:
        async with Receiver([says(410)]) as receiver, webhooks_over(tmp_path, log := Log()) as webhooks:
            await webhooks.add(webhook(receiver.url))
            log.grow(1)
            await until(lambda: webhooks.get(QUERY, "one").standing.state == State.DEAD)  # type: ignore[union-attr]
        assert len(receiver.got) == 1

    asyncio.run(act())


def test_receivers_that_hang_hold_up_nobody_else(tmp_path: Path) -> None:
    async def act() -> None:
        async def hangs(got: Got) -> bytes:
            await asyncio.Event().wait()
            raise AssertionError

        hanging = module.WELL + module.FAILING + 5
        log, clock = Log(), HandClock()
        async with (
            Receiver([hangs] * 1000) as slow,
            Receiver() as well,
            webhooks_over(tmp_path, log, answer_s=0.3, clock=clock) as webhooks,
        ):
            for number in range(hanging):
                await webhooks.add(webhook(slow.url, name=f"slow {number}"))
            log.grow(1)
            await until(lambda: all(one.standing.failures for one in webhooks.of_query(QUERY)))
            webhooks.outbound._answer_s = 1_000
            await webhooks.add(webhook(well.url, name="well"))
            clock.move_to(START_MS + 1_000)  # all of them are sent again, and hang again
            await until(lambda: len(slow.got) >= hanging + module.FAILING)
            for _ in range(3):
                log.grow(1)
                await until(lambda: webhooks.get(QUERY, "well").progress.position == log.count)  # type: ignore[union-attr]
        assert [got.events for got in well.got] == [[2], [3], [4]]

    asyncio.run(act())


def test_what_is_removed_gets_nothing_more(tmp_path: Path) -> None:
    async def act() -> None:
        async with Receiver() as receiver, webhooks_over(tmp_path, log := Log()) as webhooks:
            for name, query in (("one", QUERY), ("two", QUERY), ("three", "even")):
                await webhooks.add(webhook(receiver.url, name=name, query=query))
            await webhooks.remove("one")
            log.grow(2)
            await until(lambda: len(receiver.got) == 2)
            await webhooks.store._store.run(
                lambda connection: connection.execute("DELETE FROM named_queries WHERE name = ?", (QUERY,))
            )
            webhooks.forget(QUERY)
            with pytest.raises(UnavailableError, match="was deleted"):
                await webhooks.add(webhook(receiver.url))
            assert webhooks.of_query(QUERY) == []
            assert webhooks.get(QUERY, "three") is None
            log.grow(2)
            await until(lambda: len(receiver.got) == 3)
        assert sorted(got.headers["custody-subscription"] for got in receiver.got) == [
            "three",
            "three",
            "two",
        ]
        async with webhooks_over(tmp_path, log) as webhooks:
            assert [one.id for one in webhooks.of_query("even")] == ["three"]

    asyncio.run(act())


def test_one_that_is_resumed_twice_or_ended_meanwhile_is_one_or_none(tmp_path: Path) -> None:
    async def act() -> None:
        async with Receiver() as receiver, webhooks_over(tmp_path, log := Log()) as webhooks:
            for name in ("one", "two"):
                await webhooks.add(webhook(receiver.url, name=name))
            both = await asyncio.gather(webhooks.resume("one"), webhooks.resume("one"))
            assert [found is not None and found.id for found in both] == ["one", "one"]
            ended, _ = await asyncio.gather(webhooks.resume("two"), webhooks.remove("two"))
            assert (ended, webhooks.get(QUERY, "two")) == (None, None)
            at_work = [task for task in asyncio.all_tasks() if task.get_name().startswith("webhook")]
            assert [task.get_name() for task in at_work] == ["webhook one"]
            log.grow(1)
            await until(lambda: bool(receiver.got))

    asyncio.run(act())


def test_what_is_wrong_at_home_is_not_laid_at_the_receivers_door(tmp_path: Path) -> None:
    async def act() -> None:
        async with Receiver() as receiver, webhooks_over(tmp_path, log := Log()) as webhooks:
            await webhooks.add(webhook(receiver.url))
            log.fault = StorageError(Code.UNAVAILABLE, "expected the index to answer")
            log.grow(1)
            await asyncio.sleep(0.01)
            assert webhooks.get(QUERY, "one").standing.failures == 0  # type: ignore[union-attr]
            log.fault = None
            await until(lambda: bool(receiver.got))
        assert receiver.got[0].number == 1

    asyncio.run(act())


def test_without_a_capture_key_there_are_no_webhooks(tmp_path: Path) -> None:
    async def act() -> None:
        async with webhooks_over(tmp_path, Log()) as webhooks:
            webhooks.key = None
            with pytest.raises(UnavailableError, match="capture key"):
                await webhooks.add(webhook("http://127.0.0.1:1/"))

    asyncio.run(act())


_GATEWAY = """
import asyncio, os, signal, sys
from pathlib import Path
from typing import NamedTuple
from tests.gateway.epcis.webhook_stage import Log, until, webhook, webhooks_over
from node.gateway.epcis.subscriptions.stored import WebhookStore

async def main() -> None:
    folder, url, is_new, dies = Path(sys.argv[1]), sys.argv[2], sys.argv[3] == "new", sys.argv[4] == "dies"
    kept = WebhookStore.save
    async def save(self, one):
        if dies and one.standing.delivered == 2:
            os.kill(os.getpid(), signal.SIGKILL)  # taken by the receiver, and not yet on record
        await kept(self, one)
    WebhookStore.save = save
    log = Log(0 if is_new else 2)
    async with webhooks_over(folder, log) as webhooks:
        if is_new:
            await webhooks.add(webhook(url))
            log.grow(1)
            await until(lambda: webhooks.get("everything", "one").standing.delivered == 1)
        log.grow(1)
        await until(lambda: webhooks.get("everything", "one").progress.position == log.count)

asyncio.run(main())
"""


def test_killed_between_delivery_and_record_a_gateway_delivers_again_under_the_same_number(
    tmp_path: Path,
) -> None:
    async def act() -> None:
        async with Receiver() as receiver:
            for is_new, dies, expected in (("new", "dies", -signal.SIGKILL), ("old", "lives", 0)):
                process = await asyncio.create_subprocess_exec(
                    sys.executable, "-c", _GATEWAY, str(tmp_path), receiver.url, is_new, dies, cwd=PROJECT_ROOT,
                )  # fmt: skip
                assert await process.wait() == expected
        assert [(got.number, got.events) for got in receiver.got] == [(1, [1]), (2, [2]), (2, [2]), (3, [3])]

    asyncio.run(act())
