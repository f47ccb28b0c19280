"""Whatever an item of good form says, executing it gives a receipt: an error that is no refusal would end the block on every validator.

All actions, with every kind of identifier in every role, alone and beside another, said by members and by an authority, on a state in
which what was said before stands.
"""

from __future__ import annotations

from itertools import product
from typing import Any, Final

from ledger.trade.statement import Action, Permit, Role
from tests.properties.histories import AUTHORITIES, CAST, MAKER, PREFIX, RIVAL
from tests.world.world import World, gtin14, lot, party, place, serial, sscc

KINDS: Final = (
    serial(PREFIX, 1, 1),
    lot(PREFIX, 1, "A"),  # of the same class
    f"https://id.gs1.org/01/{gtin14(PREFIX, 1)}",
    sscc(PREFIX, 1),
    serial("4000001", 1, 1),  # of nobody's prefix
    "urn:epc:id:bic:CSQU3054383",
    "urn:epc:idpat:sgtin:952123.4.*.*",
    "urn:custody:doc:ucr:4NL123456789-A7",
    "urn:custody:seal:AB1",
    f"urn:custody:opaque:{'0' * 64}",
    "urn:uuid:00000001-0000-4000-8000-000000000000",
    place(1),
    party(1),
)
BESIDE: Final = (
    None,
    (Role.OBJECT, sscc(PREFIX, 2)),
    (Role.PARENT, sscc(PREFIX, 3)),
    (Role.DOCUMENT, "urn:custody:doc:bol:MAEU:1"),
)
SAYING: Final = ((MAKER, None), (RIVAL, (3, 0, "")), (AUTHORITIES[0], None))
"""Who says it, and of how much."""
TOGETHER: Final = 100


def fields_of(action: Action, cited: bytes) -> dict[str, Any]:
    """What a statement with that action must have besides."""
    if action in (Action.HOLD, Action.RELEASE):
        return {"measure": ("case", "")}
    if action == Action.PERMIT:
        return {"measure": ("case", ""), "permit": Permit((), 2**53, None)}
    if action in (Action.CORRECT, Action.CONFIRM, Action.DISMISS):
        return {"cites": cited}
    if action == Action.BIND:
        return {"handover": int(Action.OFFER)}
    return {"to": RIVAL} if action == Action.OFFER else {}


def test_an_item_of_any_action_roles_and_kinds_has_a_receipt() -> None:
    world = World(CAST, authorities=AUTHORITIES, grants={PREFIX: MAKER})
    applied: set[int] = set()
    cited = bytes(32)
    actions = [action for action in Action if action != Action.MISMATCH]  # which is no event
    for action, beside, (signer, quantity) in product(actions, BESIDE, SAYING):
        items = []
        for role, identifier in product(Role, KINDS):
            subjects = [(role, identifier, quantity), *([] if beside is None else [(*beside, None)])]
            items.append(world.item(action, subjects, **fields_of(action, cited)))
        for start in range(0, len(items), TOGETHER):
            some = items[start : start + TOGETHER]
            receipts = world.commit(world.sign(signer, *some)).receipts
            assert len(receipts) == len(some)
            for receipt, item in zip(receipts, some, strict=True):
                if not receipt.refusal:
                    applied.add(item.statement.action)
                    cited = item.event_hash
    assert applied == set(map(int, actions))
