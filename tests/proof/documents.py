"""Events with bytes: items whose event hash is that of a document, and a history that can show it."""

from __future__ import annotations

import json
from typing import Any

from ledger.base.keys import SigningKey
from ledger.chain.transaction import Item, context_hash, event_hash
from ledger.proof.build import build
from ledger.proof.history import Payload
from ledger.trade.extract import extract
from ledger.trade.record import SubjectKey
from ledger.trade.statement import Openness
from tests.world.past import Past
from tests.world.world import World


def event_of(*names: str, step: str = "commissioning", action: str = "ADD", **more: Any) -> bytes:
    """The bytes of an object event about these things."""
    event = {
        "type": "ObjectEvent", "eventTime": "2026-04-19T13:35:18.250-05:00", "eventTimeZoneOffset": "-05:00",
        "action": action, "bizStep": step, "epcList": list(names), **more,
    }  # fmt: skip
    return json.dumps(event).encode()


class Desk:
    """Puts events with bytes on a world's ledger and keeps the bytes."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.payloads: dict[bytes, Payload] = {}

    def item(
        self,
        event: bytes,
        *,
        said: bytes | None = None,
        openness: Openness = Openness.OPEN,
        context: bytes | None = None,
    ) -> Item:
        """An item whose event hash is that of `event`; its extract is that of `said`, if that is something else."""
        derived = extract(event if said is None else said, context, 1, openness)
        network = self.world.network
        hashed = event_hash(network, bytes(16), context, event)
        self.payloads[hashed] = Payload(bytes(16), context, event)
        return Item(
            derived.statement,
            derived.subjects,
            self.world.salt(),
            hashed,
            context_hash(network, context),
            None,
        )

    def put(self, organisation: str, *items: Item, key: SigningKey | None = None) -> None:
        """Commit the items, which must not be refused."""
        execution = self.world.commit(self.world.sign(organisation, *items, key=key))
        assert [receipt.refusal for receipt in execution.receipts] == [""] * len(items)

    def prove(self, *keys: SubjectKey) -> bytes:
        """A bundle with all bytes."""
        return build(Past(self.world, self.payloads), keys, payloads=True)
