"""Deliveries by POST to receivers that fail, hang and come back (EPCIS.md "Subscriptions").

Each webhook has a task of its own and waits for its own receiver only. A delivery counts as taken when the receiver answers 2xx, and
is sent again until then: after a pause that doubles from `FIRST_PAUSE_MS` to `LONGEST_PAUSE_MS`, with jitter, and is never shorter than
the receiver's `Retry-After`. 413 ends the delivery earlier, so that less comes at once. After `GIVE_UP_MS` without a success, but not
before `GIVE_UP_AFTER` attempts, or at once after 410, the webhook is *dead*: it stays where it is, shows its state, and goes on
when it is resumed. Nothing is lost by that, for the log is the queue.

So many requests are under way at a time: `WELL` to receivers that took their last delivery, `FAILING` to the others, so that any
number of receivers that hang hold up each other and nobody else.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import random
from base64 import b64encode
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Final

import structlog

from ledger.base.errors import Code, CustodyError, UnavailableError
from ledger.base.keys import Signer
from ledger.base.message_signature import content_digest
from ledger.epcis.message_signature import DELIVERY, SUBSCRIPTION, signature_fields
from node.gateway.epcis.subscriptions.feed import Clock, Delivery, Feed, Heading, Source
from node.gateway.epcis.subscriptions.measures import Measures
from node.gateway.epcis.subscriptions.outbound import Answer, DeliveryError, Outbound, Target, target_of
from node.gateway.epcis.subscriptions.stored import Standing, State, Webhook, WebhookStore
from node.gateway.permissions import Caller
from node.gateway.reads import Reads

WELL: Final = 32
FAILING: Final = 8
FIRST_PAUSE_MS: Final = 1_000
LONGEST_PAUSE_MS: Final = 3_600_000
LONGEST_RETRY_AFTER_MS: Final = 86_400_000
GIVE_UP_MS: Final = 72 * 3_600_000
GIVE_UP_AFTER: Final = 10
_LONGEST_HOLD_MS: Final = 60_000
_GONE: Final = 410
_TOO_LARGE: Final = 413
_JSON: Final = "application/json"
_ROUTE: Final = "POST webhook"
"""In the log of reads."""
_AGENT: Final = "custody-gateway"


class Webhooks:
    """All webhooks of one gateway."""

    def __init__(
        self,
        store: WebhookStore,
        source: Source,
        outbound: Outbound,
        key: Signer | None,
        measures: Measures,
        *,
        clock: Clock,
        jitter: random.Random | None = None,
        reads: Reads | None = None,
    ) -> None:
        """`reads`: where deliveries are noted. `key`: the organisation's capture key; None: no webhooks can be made, those there are wait."""
        self.store = store
        self.source = source
        self.outbound = outbound
        self.key = key
        self.measures = measures
        self.clock = clock
        self.reads = reads
        self.jitter = jitter or random.SystemRandom()
        self.lanes = {True: asyncio.Semaphore(WELL), False: asyncio.Semaphore(FAILING)}
        self._workers: dict[str, Worker] = {}

    async def open(self) -> None:
        """Go on with those that were there."""
        for webhook in await self.store.all():
            self._start(webhook)

    async def close(self) -> None:
        """Stop where each one is. What is under way is sent again at the next start."""
        workers = list(self._workers.values())
        self._workers.clear()
        for worker in workers:
            await worker.stop()
            await self.store.save(worker.webhook)
        self.count()
        await self.outbound.close()

    async def add(self, webhook: Webhook) -> Webhook:
        """Begin a new one: all that matches from its position on is delivered."""
        if self.key is None:
            raise UnavailableError(
                Code.UNAVAILABLE,
                "expected this gateway to hold its organisation's capture key, which signs webhooks, it does not; "
                "its log says why",
            )
        feed = self._feed(webhook)
        await feed.begin()
        kept = await self.store.add(webhook._replace(progress=feed.progress))
        self._start(kept)
        return kept

    def of_query(self, query_name: str) -> list[Webhook]:
        """Those of a named query, the oldest first."""
        return [worker.webhook for worker in self._of(query_name)]

    def get(self, query_name: str, subscription_id: str) -> Webhook | None:
        """One, None if there is none of that id for that query."""
        worker = self._workers.get(subscription_id)
        return worker.webhook if worker is not None and worker.webhook.query_name == query_name else None

    async def remove(self, subscription_id: str) -> None:
        """End one: nothing is sent any more."""
        worker = self._workers.pop(subscription_id, None)
        if worker is not None:
            await worker.stop()
            await self.store.remove(subscription_id)
            self.count()

    def forget(self, query_name: str) -> None:
        """End all of a named query that is no more, and their rows with it."""
        for worker in list(self._of(query_name)):
            del self._workers[worker.webhook.id]
            worker.cancel()
        self.count()

    async def resume(self, subscription_id: str) -> Webhook | None:
        """Try again now: one that is dead goes on where it stood, one that waits waits no longer."""
        worker = self._workers.get(subscription_id)
        if worker is None:
            return None
        await worker.stop()
        standing = worker.webhook.standing._replace(
            state=State.ACTIVE, failures=0, failing_since_ms=None, next_attempt_ms=None
        )
        webhook = worker.webhook._replace(standing=standing)
        await self.store.save(webhook)
        now = self._workers.get(subscription_id)
        if now is not worker:  # it was ended, or somebody else resumed it, while this one stopped
            return None if now is None else now.webhook
        self._start(webhook)
        return webhook

    def _feed(self, webhook: Webhook) -> Feed:
        terms = webhook.terms
        return Feed(
            self.source,
            self.clock,
            webhook.query_name,
            webhook.progress,
            schedule=terms.times(),
            report_if_empty=terms.report_if_empty,
            initial_ms=terms.initial_ms,
        )

    def _of(self, query_name: str) -> Iterator[Worker]:
        return (worker for worker in self._workers.values() if worker.webhook.query_name == query_name)

    def _start(self, webhook: Webhook) -> None:
        self._workers[webhook.id] = Worker(self, webhook, self._feed(webhook))
        self.count()

    def count(self) -> None:
        """Say in numbers how they are doing."""
        self.measures.count([worker.webhook.standing.state for worker in self._workers.values()])


class Worker:
    """One webhook: what its receiver gets, in order, one delivery at a time."""

    def __init__(self, webhooks: Webhooks, webhook: Webhook, feed: Feed) -> None:
        self.webhook = webhook
        self._all = webhooks
        self._feed = feed
        self._log = structlog.get_logger("gateway").bind(subscription=webhook.id)
        self._task = asyncio.create_task(self._run(), name=f"webhook {webhook.id}")
        self._task.add_done_callback(self._ended)

    def cancel(self) -> None:
        """Send nothing any more, soon."""
        self._task.cancel()

    async def stop(self) -> None:
        """Send nothing any more."""
        self.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self.webhook = self.webhook._replace(progress=self._feed.progress)

    async def _run(self) -> None:
        target = target_of(self.webhook.dest)
        if self.webhook.standing.next_attempt_ms is not None:
            await self._all.clock.sleep_until(self.webhook.standing.next_attempt_ms)
        pause_ms = FIRST_PAUSE_MS
        while self.webhook.standing.state != State.DEAD:
            try:
                delivery = await self._feed.next()
                await self._save()
                answer = await self._attempt(target, delivery)
            except CustodyError as error:  # the index is away, the disk is full: not the receiver's doing
                self._log.warning("delivery held up", code=error.code.value, detail=error.message)
                await self._all.clock.sleep_until(self._all.clock.now_ms() + pause_ms)
                pause_ms = min(2 * pause_ms, _LONGEST_HOLD_MS)
                continue
            pause_ms = FIRST_PAUSE_MS
            await self._judge(delivery, answer)

    def _ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._log.error("fault", reason="a webhook's task ended", exc_info=error)

    async def _attempt(self, target: Target, delivery: Delivery) -> Answer | str:
        """Send once: what was answered, or why nothing was."""
        headers, body = await self._message(target.url, delivery)
        async with self._all.lanes[self.webhook.standing.state == State.ACTIVE]:
            if self._all.reads is not None:
                self._all.reads.reserve()
            status = 0
            try:
                answer = await self._all.outbound.post(target, headers, body)
                status = answer.status
                return answer
            except DeliveryError as error:
                return str(error)
            finally:
                if self._all.reads is not None:
                    self._note(self._all.reads, delivery, status, len(body))

    def _note(self, reads: Reads, delivery: Delivery, status: int, size: int) -> None:
        """That these bytes went out, whatever came of it: also where this task was ended meanwhile."""
        asked = (*delivery.asked(self.webhook.query_name), ("dest", self.webhook.dest))
        reads.note(Caller(frozenset(), f"webhook {self.webhook.id}"), _ROUTE, asked, status, size)

    async def _judge(self, delivery: Delivery, answer: Answer | str) -> None:
        """Go on after a delivery that was taken; else wait until it is to be sent again."""
        now_ms = self._all.clock.now_ms()
        standing = self.webhook.standing
        if isinstance(answer, Answer) and 200 <= answer.status < 300:
            self._feed.done(delivery)
            self._all.measures.taken()
            self._stand(
                standing._replace(
                    state=State.ACTIVE, failures=0, failing_since_ms=None, next_attempt_ms=None, last_error=None,
                    notified_ms=now_ms, delivered=standing.delivered + 1,
                )
            )  # fmt: skip
            await self._save()
            return
        if isinstance(answer, Answer) and answer.status == _TOO_LARGE and await self._feed.cut(delivery):
            return
        self._all.measures.failed()
        since_ms = now_ms if standing.failing_since_ms is None else standing.failing_since_ms
        failures = standing.failures + 1
        said = answer if isinstance(answer, str) else f"expected a 2xx answer, got {answer.status}"
        is_dead = isinstance(answer, Answer) and answer.status == _GONE
        is_dead = is_dead or (failures >= GIVE_UP_AFTER and now_ms - since_ms >= GIVE_UP_MS)
        next_ms = None if is_dead else now_ms + self._pause_ms(failures, answer, now_ms)
        self._stand(
            standing._replace(
                state=State.DEAD if is_dead else State.FAILING, failures=failures, failing_since_ms=since_ms,
                next_attempt_ms=next_ms, last_error=said,
            )
        )  # fmt: skip
        await self._save()
        if next_ms is None:
            self._log.error("webhook given up", failures=failures)
        else:
            await self._all.clock.sleep_until(next_ms)

    def _pause_ms(self, failures: int, answer: Answer | str, now_ms: int) -> int:
        pause_ms = min(FIRST_PAUSE_MS << min(failures - 1, 32), LONGEST_PAUSE_MS)
        pause_ms = int(pause_ms * (0.5 + self._all.jitter.random() / 2))
        asked_ms = retry_after_ms(answer.retry_after, now_ms) if isinstance(answer, Answer) else 0
        return max(pause_ms, min(asked_ms, LONGEST_RETRY_AFTER_MS))

    def _stand(self, standing: Standing) -> None:
        before = self.webhook.standing.state
        self.webhook = self.webhook._replace(standing=standing)
        if self.webhook.standing.state != before:
            self._all.count()

    async def _save(self) -> None:
        self.webhook = self.webhook._replace(progress=self._feed.progress)
        await self._all.store.save(self.webhook)

    async def _message(self, url: str, delivery: Delivery) -> tuple[list[tuple[str, str]], bytes]:
        """Headers and body of a delivery, signed now."""
        webhook, key = self.webhook, self._all.key
        if key is None:
            raise UnavailableError(
                Code.UNAVAILABLE, "expected the capture key, which signs webhooks, there is none"
            )
        body = await self._all.source.document(
            webhook.query_name,
            delivery.events,
            Heading(
                webhook.id, delivery.number, delivery.after, delivery.until, webhook.terms.epc_format,
                webhook.terms.cbv_format,
            ),
        )  # fmt: skip
        fields = {
            "content-type": _JSON,
            "content-digest": content_digest(body),
            SUBSCRIPTION: webhook.id,
            DELIVERY: str(delivery.number),
        }
        fields |= signature_fields(key, "POST", url, fields, self._all.clock.now_ms() // 1000)
        fields |= {"user-agent": _AGENT, "gs1-epcis-version": "2.0.0", "gs1-cbv-version": "2.0.0"}
        if webhook.secret is not None:
            fields["gs1-signature"] = token_signature(webhook.secret, body)
        return list(fields.items()), body


def token_signature(secret: str, body: bytes) -> str:
    """GS1-Signature: HMAC-SHA-256 of the body with the subscriber's signatureToken, base64."""
    return b64encode(hmac.digest(secret.encode(), body, hashlib.sha256)).decode()


def retry_after_ms(text: str | None, now_ms: int) -> int:
    """How long a receiver asks to be left alone (RFC 9110 §10.2.3): seconds, or a date; 0 if it says nothing of use."""
    text = (text or "").strip()
    if text.isascii() and text.isdigit() and len(text) <= 9:
        return int(text) * 1000
    try:
        return max(0, int(parsedate_to_datetime(text).timestamp() * 1000) - now_ms)
    except (ValueError, OverflowError):
        return 0
