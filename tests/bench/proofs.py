"""How much bundles weigh against what their parts may (DESIGN §8): computed from counts, the same on every machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ledger.proof.build import build
from ledger.trade.rules.view import thing
from tests.proof.shipment import CASE, CONTAINER, ITEMS, shipment
from tests.proof.size import bound_of
from tests.world.past import Past

_SUBJECTS: Final[Mapping[str, str]] = {
    "item": ITEMS[0],
    "loose": ITEMS[900],
    "case": CASE,
    "container": CONTAINER,
}


def sizes() -> dict[str, float]:
    """Bytes of each bundle, and its bound."""
    past = Past(shipment())
    found: dict[str, float] = {}
    for name, subject in _SUBJECTS.items():
        data = build(past, [thing(subject)])
        found[f"{name} bytes"] = len(data)
        found[f"{name} bound"] = bound_of(data)
    return found
