"""A small cast on an in-memory ledger, and short words for what they do: the tests of single rows are written in them.

Every act is an event alone in its block, through the whole of execution. Outcomes come back by identifier, so that a test
reads as the table does: who does what to which thing, and what comes of it.
"""

from __future__ import annotations

from typing import Any, Final, cast

from ledger.chain.transaction import Item
from ledger.trade.record import Quantity, Record, Space, SubjectKey
from ledger.trade.rules import Outcome
from ledger.trade.rules.balances import balance_key, inside
from ledger.trade.rules.documents import document_key
from ledger.trade.rules.outcomes import BOUND_TOO
from ledger.trade.rules.view import lot_key, situation, thing
from ledger.trade.statement import Action, Role
from tests.world.world import World, lot, party, serial, sscc

PREFIX: Final = "9521234"
MAKER, FORWARDER, CARRIER, CUSTOMS, RIVAL, EXCISE, HEIR = (
    "maker", "forwarder", "carrier", "customs", "rival", "excise", "heir",
)  # fmt: skip
ITEM, OTHER, THIRD = serial(PREFIX, 1, 1), serial(PREFIX, 1, 2), serial(PREFIX, 1, 3)
CASE, PALLET, CRATE = sscc(PREFIX, 1), sscc(PREFIX, 2), sscc(PREFIX, 3)
CONTAINER: Final = "urn:epc:id:bic:CSQU3054383"
LOT, LOT_B = lot(PREFIX, 7, "A"), lot(PREFIX, 7, "B")
BOL: Final = "urn:custody:doc:bol:MAEU:1"
UCR: Final = "urn:custody:doc:ucr:4NL123456789-A7"
OUTSIDE: Final = "https://id.gs1.org/417/4000001000005"  # a party that is no member
DAY_MS: Final = 86_400_000


class Stage(World):
    """The world with two customs authorities, one of which has an heir, and a rival."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(
            (MAKER, FORWARDER, CARRIER, CUSTOMS, RIVAL, EXCISE, HEIR),
            authorities=(CUSTOMS, EXCISE, HEIR),
            successors={CUSTOMS: HEIR},
            **settings,
        )
        self.event = b""

    def act(self, who: str, action: Action, *subjects: tuple[Any, ...], **fields: Any) -> dict[str, Outcome]:
        """One event alone in a block; outcomes by identifier (of a balance: `identifier@holder`)."""
        key = fields.pop("key", None)
        return self.run(who, self.item(action, subjects, **fields), key=key)

    def run(self, who: str, item: Item, *, key: Any = None, advance_ms: int = 1_000) -> dict[str, Outcome]:
        """One item alone in a block; KeyError with the code if it was refused."""
        self.event = item.event_hash
        execution = self.commit(self.sign(who, item, key=key), advance_ms=advance_ms)
        receipt = execution.receipts[0]
        if receipt.refusal:
            raise KeyError(receipt.refusal)
        return {
            name_of(found): cast("Outcome", Outcome(code) if code < BOUND_TOO else code)
            for found, code in execution.rows[0].outcomes
        }

    def wait(self, milliseconds: int) -> None:
        """Let block time pass."""
        self.commit(advance_ms=milliseconds)

    # --- what they do

    def make(self, *things: str, who: str = MAKER, **fields: Any) -> dict[str, Outcome]:
        return self.act(who, Action.MAKE, *objects(things), **fields)

    def make_lot(
        self, amount: int, who: str = MAKER, of: str = LOT, scale: int = 0, unit: str = ""
    ) -> dict[str, Outcome]:
        return self.act(who, Action.MAKE, (Role.OBJECT, of, (amount, scale, unit)))

    def pack(self, parent: str, *children: Any, who: str = MAKER, **fields: Any) -> dict[str, Outcome]:
        return self.act(
            who, Action.PACK, (Role.PARENT, parent), *(_child(child) for child in children), **fields
        )

    def unpack(self, parent: str, *children: Any, who: str = MAKER, **fields: Any) -> dict[str, Outcome]:
        return self.act(
            who, Action.UNPACK, (Role.PARENT, parent), *(_child(child) for child in children), **fields
        )

    def unpack_all(self, *parents: str, who: str = MAKER, **fields: Any) -> dict[str, Outcome]:
        return self.act(who, Action.UNPACK_ALL, *((Role.PARENT, parent) for parent in parents), **fields)

    def offer(
        self, *things: Any, who: str = MAKER, to: str | None = FORWARDER, **fields: Any
    ) -> dict[str, Outcome]:
        receiver = {} if to is None else {"to": to}
        return self.act(who, Action.OFFER, *objects(things), **receiver, **fields)

    def accept(self, *things: Any, who: str = FORWARDER, **fields: Any) -> dict[str, Outcome]:
        return self.act(who, Action.ACCEPT, *objects(things), **fields)

    def hand_over(self, *things: str, who: str = MAKER, to: str = FORWARDER) -> None:
        self.offer(*things, who=who, to=to)
        outcomes = self.accept(*things, who=to)
        assert set(outcomes.values()) == {Outcome.ACCEPTED}

    def hold(self, *things: str, who: str = CUSTOMS, case: str = "1", **fields: Any) -> dict[str, Outcome]:
        return self.act(who, Action.HOLD, *objects(things), measure=(case, ""), **fields)

    def release(self, *things: str, who: str = CUSTOMS, case: str = "1") -> dict[str, Outcome]:
        return self.act(who, Action.RELEASE, *objects(things), measure=(case, ""))

    def correct(self, event: bytes, *subjects: tuple[Any, ...], who: str = MAKER) -> dict[str, Outcome]:
        return self.act(who, Action.CORRECT, *subjects, cites=event)

    def bind(self, document: str, *things: Any, who: str = MAKER, **fields: Any) -> dict[str, Outcome]:
        return self.act(who, Action.BIND, *objects(things), (Role.DOCUMENT, document), **fields)

    # --- what is known

    def of(self, identifier: str) -> Record:
        """The record of a thing, as it stands in the state."""
        return self.record(thing(identifier))

    def holder(self, identifier: str) -> str | None:
        """The effective custodian of a thing."""
        return situation(cast("Any", self), thing(identifier)).custodian

    def balance(self, holder: str, of: str = LOT) -> tuple[int, int] | None:
        """(attested, unattested) of a lot with a holder."""
        held = self.record(balance_key(of, holder)).quantity
        return None if held is None else (held.attested, held.unattested)

    def balance_in(self, container: str, of: str = LOT, generation: int = 0) -> tuple[int, int] | None:
        return self.balance(inside(container, generation), of)


def objects(things: Any) -> list[tuple[Any, ...]]:
    """Subjects in role OBJECT: identifiers, or (identifier, amount[, scale, unit])."""
    return [
        (Role.OBJECT, given) if isinstance(given, str) else (Role.OBJECT, given[0], _quantity(given))
        for given in things
    ]


def _child(given: Any) -> tuple[Any, ...]:
    return (Role.CHILD, given) if isinstance(given, str) else (Role.CHILD, given[0], _quantity(given))


def _quantity(given: tuple[Any, ...]) -> tuple[int, int, str]:
    return (given[1], given[2] if len(given) > 2 else 0, given[3] if len(given) > 3 else "")


def name_of(key: SubjectKey) -> str:
    """How `act` names a record in its answer."""
    return f"{key.identifier}@{key.holder}" if key.space == Space.BALANCE else key.identifier


__all__ = [
    "BOL", "CARRIER", "CASE", "CONTAINER", "CRATE", "CUSTOMS", "DAY_MS", "EXCISE", "FORWARDER", "HEIR", "ITEM", "LOT", "LOT_B",
    "MAKER", "OTHER", "OUTSIDE", "PALLET", "PREFIX", "RIVAL", "THIRD", "UCR", "Action", "Outcome", "Quantity", "Role", "Stage",
    "document_key", "lot_key", "name_of", "objects", "party", "serial", "sscc", "thing",
]  # fmt: skip
