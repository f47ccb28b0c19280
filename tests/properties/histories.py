"""Random histories of several organisations over a handful of things, and what a scan of all records says of them.

A history is a list of draws; `Player` turns each draw into one signed event on an in-memory ledger. Signers are mostly the
custodians of what they name, so that histories get somewhere; the rest are whoever comes up. Every draw is a plain tuple,
so a falsifying history shrinks to a short one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple, cast

from hypothesis import strategies as st

from ledger.chain.block import Header, batches_hash, transactions_root
from ledger.chain.transaction import Item, Transaction
from ledger.state.block import Execution, apply_block
from ledger.trade.record import EMPTY, Record, Space, SubjectKey
from ledger.trade.rules.view import View, held_by, situation, thing
from ledger.trade.statement import Action, Flag, Leg, Permit, Role
from ledger.trade.vocabulary import Step
from tests.world.world import World, lot, party, serial, sscc

MAKER, FORWARDER, CARRIER, CUSTOMS, EXCISE, RIVAL = (
    "maker",
    "forwarder",
    "carrier",
    "customs",
    "excise",
    "rival",
)
CAST: Final = (MAKER, FORWARDER, CARRIER, CUSTOMS, EXCISE, RIVAL)
AUTHORITIES: Final = (CUSTOMS, EXCISE)
PREFIX: Final = "9521234"
ITEMS: Final = tuple(serial(PREFIX, 1, number) for number in range(4))
BOXES: Final = (*(sscc(PREFIX, number) for number in range(4)), "urn:epc:id:bic:CSQU3054383")
THINGS: Final = (*ITEMS, *BOXES)
LOTS: Final = (lot(PREFIX, 7, "A"), lot(PREFIX, 7, "B"))
DOCUMENTS: Final = ("urn:custody:doc:bol:MAEU:1", "urn:custody:doc:ucr:4NL123456789-A7")
OUTSIDE: Final = "https://id.gs1.org/417/4000001000005"
CASES: Final = ("1", "2")
Draw = tuple[int, ...]

ACTIONS: Final = (
    *(Action.PACK,) * 6, *(Action.UNPACK,) * 3, *(Action.UNPACK_ALL,) * 3, *(Action.OFFER,) * 6, *(Action.ACCEPT,) * 7,
    *(Action.MAKE,) * 3, *(Action.HOLD,) * 2, *(Action.RELEASE,) * 2, *(Action.CORRECT,) * 6, Action.WITHDRAW, Action.WITHDRAW,
    Action.REJECT, Action.DISPUTE, Action.PERMIT, Action.PERMIT, Action.END, Action.TRANSFORM, Action.BIND, Action.BIND,
    Action.UNBIND, Action.UNBIND_ALL, Action.CONFIRM, Action.CONFIRM, Action.DISMISS, Action.SAMPLE, Action.OBSERVE,
    Action.COMMERCIAL_HOLD,
)  # fmt: skip

draws = st.lists(
    st.tuples(
        st.integers(0, len(ACTIONS) - 1),
        st.integers(0, 15),  # signer: 0 .. 5 a member, else whoever may do it, to a thing it may be done to
        st.integers(0, len(THINGS) - 1),
        st.integers(0, len(THINGS) - 1),
        st.integers(0, len(THINGS) - 1),
        st.integers(0, 7),  # other party: 0 .. 5 a member, 6 nobody, 7 no member
        st.integers(0, 11),  # an amount, a past event, a seal ...
    ),
    min_size=1,
    max_size=30,
)


class Past(NamedTuple):
    """An event that stands on the ledger."""

    signer: str
    event: bytes
    subjects: tuple[tuple[Any, ...], ...]


class Player(World):
    """Plays draws. `events`: what was played, with whether it was refused."""

    def __init__(self) -> None:
        super().__init__(CAST, authorities=AUTHORITIES)
        self.past: list[Past] = []
        self.commit(self.sign(MAKER, self.item(Action.MAKE, [(Role.OBJECT, name) for name in ITEMS[:3]])))

    def held_by(self, identifier: str) -> str | None:
        """The effective custodian now."""
        return situation(self.view, thing(identifier)).custodian

    @property
    def view(self) -> View:
        return cast("View", self)

    def event_of(self, draw: Draw) -> tuple[str, Item]:
        """The signer and the item that a draw stands for, as things are now."""
        action, is_fitting = ACTIONS[draw[0]], draw[1] >= len(CAST)
        things = list(dict.fromkeys(THINGS[place] for place in draw[2:5]))
        if is_fitting:
            things = self._fitting(action, things)
        signer = self._signer(action, draw, things[0], is_fitting=is_fitting)
        subjects, fields = self._said(action, things, draw)
        other = draw[5]
        if action in (Action.OFFER, Action.BIND, Action.ACCEPT):
            if other < len(CAST):
                fields["source_of" if action == Action.ACCEPT else "to"] = CAST[other]
            elif other == 7 and action == Action.OFFER:
                fields["counterparty"] = OUTSIDE
        if action == Action.CORRECT and self.past:
            cited = self.past[-1 - draw[6] % min(len(self.past), 4)]
            signer = cited.signer if is_fitting else signer
            subjects, fields["cites"] = cited.subjects, cited.event
        item = self.item(action, subjects, **fields)
        self.past.append(Past(signer, item.event_hash, subjects))
        return signer, item

    def _fitting(self, action: Action, things: list[str]) -> list[str]:
        """The first thing exchanged for one that the action applies to, if there is one; contents chosen to match."""
        records = {name: self.record(thing(name)) for name in THINGS}
        ats = {name: situation(self.view, thing(name)) for name in THINGS}
        wanted = {
            Action.ACCEPT: [name for name, record in records.items() if record.offer is not None],
            Action.WITHDRAW: [
                name for name, at in ats.items() if at.own.offer is not None or at.mark is not None
            ],
            Action.REJECT: [name for name, record in records.items() if record.offer is not None],
            Action.RELEASE: [name for name, record in records.items() if record.holds],
            Action.PERMIT: [
                name for name, at in ats.items() if any(level.holds or level.inside for level in at.whole)
            ],
            Action.CONFIRM: [name for name, record in records.items() if record.claims or record.unconfirmed],
            Action.DISMISS: [
                name for name, record in records.items() if record.claims or record.contradictions
            ],
            Action.UNPACK: [name for name, at in ats.items() if at.ancestors],
        }.get(action, [])
        first = wanted[THINGS.index(things[0]) % len(wanted)] if wanted else things[0]
        if action == Action.UNPACK and ats[first].ancestors:
            return [ats[first].ancestors[0][0].identifier, first]
        inside = (
            [name for name, at in ats.items() if thing(first) in at.line[1:]]
            if action == Action.ACCEPT
            else []
        )
        alike = [
            name for name in things if name != first and ats[name].custodian in (ats[first].custodian, None)
        ]
        return list(dict.fromkeys((first, *inside[:1], *(alike if action == Action.PACK else things))))[:3]

    def _signer(self, action: Action, draw: Draw, first: str, *, is_fitting: bool) -> str:
        number = draw[1]
        if action in (Action.HOLD, Action.RELEASE, Action.PERMIT, Action.DISMISS):
            held = sorted(authority for authority, _ in held_by(self.record(thing(first))))
            return held[0] if is_fitting and held else AUTHORITIES[number % 2]
        if not is_fitting:
            return CAST[number]
        at = situation(self.view, thing(first))
        holder, offer, mark = at.custodian, at.own.offer, at.mark
        if action in (Action.ACCEPT, Action.REJECT) and offer is not None:
            return offer.receiver or CAST[draw[5] % len(CAST)]
        if action in (Action.WITHDRAW, Action.CONFIRM) and mark is not None:
            return mark.offerer
        return holder if holder in CAST else MAKER

    def _said(
        self, action: Action, things: list[str], draw: Draw
    ) -> tuple[tuple[tuple[Any, ...], ...], dict[str, Any]]:
        number = draw[6]
        quantity = (number + 1, 0, "")
        some_lot = (LOTS[number % 2], quantity)
        fields: dict[str, Any] = {"seals": [f"S{number % 3}"]} if number > 8 else {}
        objects = [(Role.OBJECT, name) for name in things]
        if action in (Action.PACK, Action.UNPACK):
            children: list[tuple[Any, ...]] = [(Role.CHILD, name) for name in things[1:]]
            if number % 3 == 0 or not children:
                children.append((Role.CHILD, *some_lot))
            return ((Role.PARENT, things[0]), *children), fields
        if action == Action.UNPACK_ALL:
            return tuple((Role.PARENT, name) for name in things[: 1 + number % 2]), fields
        if action in (Action.HOLD, Action.RELEASE):
            subjects = objects[:1] if number % 4 else [(Role.OBJECT, LOTS[number % 2])]
            return tuple(subjects), {"measure": (CASES[number % 2], "")}
        if action == Action.PERMIT:
            holder = self.held_by(things[0])
            sender = party(1 + CAST.index(holder)) if holder in CAST else OUTSIDE
            legs = (Leg(sender, party(1 + draw[5] % 3)),) * (1 + number % 2)
            return tuple(objects[:1]), {
                "measure": ("1", ""),
                "permit": Permit(legs, self.now_ms + 5_000, None),
            }
        if action in (Action.TRANSFORM, Action.SAMPLE):
            roles = [Role.INPUT] * (len(things) - 1) + [Role.OUTPUT] if len(things) > 1 else [Role.INPUT]
            subjects = list(zip(roles, things, strict=True))
            return tuple(subjects) + (((Role.INPUT, *some_lot),) if number % 2 else ()), fields
        if action in (Action.BIND, Action.UNBIND):
            if action == Action.BIND and number % 3 == 0:
                fields["handover"] = Action.ACCEPT if number % 2 else Action.OFFER
            return (*objects[:2], (Role.DOCUMENT, DOCUMENTS[number % 2])), fields
        if action == Action.UNBIND_ALL:
            return ((Role.DOCUMENT, DOCUMENTS[number % 2]),), fields
        if action in (Action.CONFIRM, Action.DISMISS):
            fields["cites"] = self._open_event(things[0])
            return tuple(objects[:1]), fields
        if action == Action.OBSERVE and number % 3 == 0:
            fields["step"] = Step.INSPECTING
        if action == Action.ACCEPT:
            return self._accepted(objects, some_lot, number), {
                **fields,
                "flags": Flag.RESERVATION if number == 7 else 0,
            }
        mixed = action in (Action.OFFER, Action.MAKE, Action.END) and number % 3 == 0
        return tuple(objects[: 1 + number % 3]) + (((Role.OBJECT, *some_lot),) if mixed else ()), fields

    @staticmethod
    def _accepted(
        objects: list[tuple[Any, ...]], some_lot: tuple[Any, ...], number: int
    ) -> tuple[tuple[Any, ...], ...]:
        first, *rest = objects
        if number % 4 == 0:
            return first, *((Role.MISSING, name) for _, name in rest), (Role.MISSING, *some_lot)
        if number % 4 == 1:
            return first, (Role.OBJECT, *some_lot)
        return tuple(objects[: 1 + number % 3])

    def _open_event(self, name: str) -> bytes:
        record = self.record(thing(name))
        if record.claims:
            return record.claims[0].event
        if record.unconfirmed is not None:
            return record.unconfirmed.event
        return record.contradictions[0].event if record.contradictions else bytes(32)

    # --- executing

    def play(self, draw: Draw) -> tuple[str, Item, Execution]:
        """One draw, alone in a block."""
        signer, item = self.event_of(draw)
        return signer, item, self.commit(self.sign(signer, item))

    def probe(self, signer: str, item: Item) -> tuple[Execution, dict[SubjectKey, Record]]:
        """What an item would do now: executed, and undone. Records come without the heads of their chains."""
        transaction = self.sign(signer, item)
        execution = self.execute(transaction)
        found = {key: bare(record) for key, record in execution.records.items()}
        self.state.undo(execution.undo)
        return execution, found

    def execute(self, *transactions: Transaction) -> Execution:
        """A block of transactions on the state as it is, not certified."""
        tip = self.state.tip.header
        header = Header(
            self.state.protocol, self.network, 0, False, tip.height + 1, tip.hash, tip.time_ms + 1_000, 0,
            transactions_root([transaction.id for transaction in transactions]), batches_hash(self.network, ()),
        )  # fmt: skip
        return apply_block(self.state, header, transactions)

    def every(self) -> Iterator[tuple[SubjectKey, Record]]:
        """All records touched so far."""
        seen: dict[SubjectKey, None] = {}
        for execution in self.executions:
            seen.update(dict.fromkeys(execution.records))
        for key in sorted(seen):
            yield key, self.record(key)


def bare(record: Record) -> Record:
    """A record without the heads of its chains, whose links name the entry."""
    chains = {name: getattr(record, name)._replace(head=b"") for name in ("links", "moves", "asides", "legs")}
    offer = None if record.offer is None else record.offer._replace(chain=EMPTY.links)
    offers = tuple(one._replace(chain=EMPTY.links) for one in record.offers)
    return record._replace(**chains, offer=offer, offers=offers)


class Sums(NamedTuple):
    """What a container's record should say of what lies below it."""

    children: int
    depth: int
    inside: tuple[tuple[str, int], ...]
    lots: tuple[str, ...]


def scan(player: Player) -> dict[str, Sums]:
    """The sums of every thing, counted from all records."""
    records = dict(player.every())
    children: dict[str, list[str]] = {}
    lots: dict[str, list[str]] = {}
    for key, record in records.items():
        parent = record.parent
        if parent is None or player.record(thing(parent)).generation != record.parent_generation:
            continue
        if key.space == Space.THING:
            children.setdefault(parent, []).append(key.identifier)
        elif key.space == Space.BALANCE and record.quantity is not None:
            lots.setdefault(parent, []).append(key.identifier)

    def below(name: str) -> Iterator[str]:
        for child in children.get(name, ()):
            yield child
            yield from below(child)

    def depth(name: str) -> int:
        return max((1 + depth(child) for child in children.get(name, ())), default=0)

    found = {}
    for key in records:
        if key.space == Space.THING:
            held: dict[str, int] = {}
            for name in below(key.identifier):
                for authority, number in held_by(player.record(thing(name))._replace(inside=())):
                    held[authority] = held.get(authority, 0) + number
            name = key.identifier
            found[name] = Sums(
                len(children.get(name, ())),
                depth(name),
                tuple(sorted(held.items())),
                tuple(sorted(lots.get(name, ()))),
            )
    return found
