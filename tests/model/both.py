"""The ledger and the naive model side by side: every event to both, every subject of both compared."""

from __future__ import annotations

from typing import Any

from ledger.trade.record import EMPTY, Record, Space, SubjectKey
from ledger.trade.statement import Action, Role
from tests.model.acts import (
    AUTHORITIES,
    ORGANISATIONS,
    OTHER_PREFIX,
    PREFIX,
    REGISTRY,
    THINGS,
    WAITS_MS,
    Act,
    Interpreter,
)
from tests.model.case import Event
from tests.model.custody import Custody, Said
from tests.world.world import World


class DisagreementError(AssertionError):
    """The ledger and the model say different things."""


class Both:
    """One history in both."""

    def __init__(self) -> None:
        self.world = World(
            ORGANISATIONS, authorities=AUTHORITIES, grants={PREFIX: "maker", OTHER_PREFIX: "rival"}, successors={"customs": "police"}
        )  # fmt: skip
        self.custody = Custody(REGISTRY)
        self.hashes: dict[int, bytes] = {}
        self.told: list[str] = []

    def act(self, act: Act) -> None:
        """Say it to both, and compare what they make of it."""
        wait_ms = WAITS_MS[act.wait % len(WAITS_MS)] if act.wait >= 12 else 1_000
        now_ms = self.world.now_ms + wait_ms
        event = Interpreter(self.custody.state, len(self.hashes), now_ms).event(act)
        self.told.append(told(event, wait_ms))
        item = self.world.item(
            event.action, event.subjects, time_ms=event.time_ms, to=event.to, flags=event.flags, step=event.step,
            seals=event.seals, measure=event.measure, permit=event.permit, lapse_ms=event.lapse_ms,
            cites=None if event.cites is None else self.hashes.get(event.cites, bytes(32)),
            **({"counterparty": event.outside} if event.outside is not None else {}),
        )  # fmt: skip
        self.hashes[event.number] = item.event_hash
        transaction = self.world.sign(event.signer, item, expiry_ms=now_ms + 1_800_000)
        (receipt,) = self.world.commit(transaction, advance_ms=wait_ms).receipts
        if receipt.refusal:
            raise DisagreementError(self.report("refused", receipt.refusal, None))
        said = self.custody.apply(event)
        links = {
            new.key.identifier: Said(new.link.code, new.aside, new.link.custodian)
            for new in self.world.rows[-1].changes.links
            if new.key.space == Space.THING
        }
        if links != said:
            names = [n for n in sorted({*links, *said}) if links.get(n) != said.get(n)]
            raise DisagreementError(
                self.report(
                    "said", {short(n): links.get(n) for n in names}, {short(n): said.get(n) for n in names}
                )
            )
        for name in THINGS:
            ledger, model = self.ledger(name), self.model(name)
            if model["parent"] is not None or self.episode(name) is not None:
                ledger["claims"] = model[
                    "claims"
                ]  # those inside lapse with the container's, seen when they come out
            if ledger != model:
                fields = [field for field in model if model[field] != ledger[field]]
                raise DisagreementError(
                    self.report(short(name), {f: ledger[f] for f in fields}, {f: model[f] for f in fields})
                )

    def report(self, what: str, ledger: Any, model: Any) -> str:
        """The history and where the two part."""
        return "\n".join(
            [*self.told, f"{what}: ledger {shorten(ledger)}", f"{what}: model  {shorten(model)}"]
        )

    # --- the model's side
    def model(self, name: str) -> dict[str, Any]:
        """Everything of custody that the model says of a thing now."""
        state, thing, now_ms = self.custody.state, self.custody.state.thing(name), self.world.now_ms
        offer, taking = state.offer(name, now_ms), state.taking(name, now_ms)
        return {
            "status": int(thing.status),
            "origin": int(thing.origin),
            "maker": thing.maker,
            "shipped": thing.shipped,
            "custodian": state.custodian(name),
            "claimed": state.root(name).claimed,
            "former": thing.former,
            "parent": thing.parent,
            "generation": thing.generation,
            "children": len(state.children(name)),
            "offer": None if offer is None else (offer.offerer, offer.receiver, offer.lapse_ms),
            "claims": [(self.hashes[claim.event], claim.claimant, claim.custodian) for claim in thing.claims],
            "taking": None
            if taking is None
            else (self.hashes[taking.event], taking.taker, taking.offerer, taking.until_ms),
            "holds": sorted((h.authority, h.case, h.basis, h.seize, h.since_ms) for h in thing.holds),
            "inside": dict(sorted(state.held_inside(name).items())),
            "seals": thing.seals,
            "contradictions": [(self.hashes[c.event], c.organisation, c.row) for c in thing.contradictions],
        }

    # --- the ledger's side, with every unpack-all resolved
    def record(self, name: str) -> Record:
        return self.world.record(SubjectKey(Space.THING, name))

    def episode(self, name: str) -> Record | None:
        """What the unpack-all left that this record has not yet been told of, or None."""
        record = self.record(name)
        if record.parent is None or self.record(record.parent).generation == record.parent_generation:
            return None
        return self.world.record(SubjectKey(Space.EPISODE, record.parent, str(record.parent_generation)))

    def resolved(self, name: str) -> Record:
        """The record as it stands after every unpack-all that freed it."""
        record, episode = self.record(name), self.episode(name)
        if episode is None:
            return record
        if episode == EMPTY:
            raise DisagreementError(self.report(f"{name} is stale", "no episode", None))
        holds = {(h.authority, h.case): h for h in (*episode.holds, *record.holds)}
        former = record.former
        if record.custodian not in (None, episode.custodian):
            former = (*(who for who in former if who != record.custodian), str(record.custodian))[-8:]
        return record._replace(
            parent=None, custodian=episode.custodian,
            claimed=episode.claimed or (record.claimed and record.custodian == episode.custodian), holds=tuple(holds.values())[:8],
            unconfirmed=record.unconfirmed or episode.unconfirmed, former=former, last=None, passed=max(record.passed, episode.passed),
        )  # fmt: skip

    def above(self, name: str) -> list[str]:
        """What it is in, nearest first."""
        parent = self.resolved(name).parent
        return [] if parent is None else [parent, *self.above(parent)]

    def ledger(self, name: str) -> dict[str, Any]:
        """The same of the ledger's records."""
        record, now_ms = self.resolved(name), self.world.now_ms
        chain = [record, *(self.resolved(n) for n in self.above(name))]
        custodian = chain[-1].custodian
        offer = record.offer
        if offer is not None and (offer.lapse_ms <= now_ms or has_passed(chain, offer.sequence)):
            offer = None
        marks = [r.unconfirmed for r in chain if r.unconfirmed is not None]
        taking = next((m for m in marks if now_ms < m.until_ms and m.taker == custodian), None)
        return {
            "status": int(record.status),
            "origin": int(record.origin),
            "maker": record.maker,
            "shipped": record.shipped,
            "custodian": custodian,
            "claimed": chain[-1].claimed,
            "former": record.former,
            "parent": record.parent,
            "generation": record.generation,
            "children": record.children,
            "offer": None if offer is None else (offer.offerer, offer.receiver, offer.lapse_ms),
            "claims": [(claim.event, claim.claimant, claim.custodian) for claim in record.claims],
            "taking": None if taking is None else tuple(taking)[1:],
            "holds": sorted(tuple(hold) for hold in record.holds),
            "inside": dict(record.inside),
            "seals": record.seals,
            "contradictions": [(c.event, c.organisation, c.row) for c in record.contradictions],
        }


def has_passed(chain: list[Record], since: int) -> bool:
    """Whether custody of the first of a chain of containers passed since, with whatever it was in by then."""
    for record in chain:
        if record.passed > since:
            return True
        since = max(since, record.parent_since)
    return False


# --- telling
def short(name: str) -> str:
    """A short name of a thing."""
    return (
        f"t{THINGS.index(name)}"
        if name in THINGS[:6]
        else f"B{THINGS.index(name) - 6}"
        if name in THINGS
        else name
    )


def shorten(value: Any) -> str:
    """A value with short names in it."""
    text = repr(value)
    for name in THINGS:
        text = text.replace(repr(name), short(name))
    return text


def told(event: Event, wait_ms: int) -> str:
    """One line about an event."""
    subjects = ", ".join(f"{Role(role).name.lower()} {short(name)}" for role, name in event.subjects)
    more = {
        key: value
        for key, value in vars(event).items()
        if key in ("to", "outside", "flags", "step", "seals", "measure", "permit", "lapse_ms", "cites")
        and value
    }
    waited = f"  (after {wait_ms} ms)" if wait_ms > 1_000 else ""
    return f"{event.number}: {event.signer} {Action(event.action).name} {subjects} {more or ''}{waited}"
