"""EPCIS.md "Subscriptions" says the numbers that hold."""

from __future__ import annotations

from ledger.base import message_signature as base_signature
from ledger.epcis import message_signature
from node.gateway import server
from node.gateway.epcis.subscriptions import feed, outbound, source, stored, streams, webhooks
from tests.conftest import PROJECT_ROOT


def test_the_specification_says_the_numbers() -> None:
    text = (PROJECT_ROOT / "ledger" / "spec" / "EPCIS.md").read_text(encoding="utf-8")
    section = " ".join(text.partition("\n## Subscriptions")[2].partition("\n## ")[0].split())
    for sentence in (
        f"at most {feed.DELIVERY_EVENTS} events or some {source.DELIVERY_BYTES // 1_000_000} MB of them each",
        f"| at most | {stored.SUBSCRIPTIONS:,} | {streams.STREAMS} both together |",
        f"takes nothing for {server.WRITE_S} s is cut off",
        f"within {outbound.ANSWER_S:g} s is a failure",
        f"again in {webhooks.FIRST_PAUSE_MS // 1000} s, 2 s, … {webhooks.LONGEST_PAUSE_MS // 3_600_000} h",
        f"After {webhooks.GIVE_UP_MS // 3_600_000} h without a success and at least {webhooks.GIVE_UP_AFTER} attempts",
        f"{webhooks.WELL} deliveries are under way at a time to receivers that took their last one and {webhooks.FAILING} to others",
        f"{outbound.ANSWER_BYTES // 1024} KiB are read",
        f'label `{base_signature.LABEL}`, `alg="ed25519"`, `tag="{message_signature.TAG}"`',
        " ".join(f'"{name}"' for name in ("@method", "@target-uri", *message_signature.FIELDS)),
    ):
        assert sentence in section
