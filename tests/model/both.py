"""The ledger and the naive model side by side: every event to both, every subject of both compared."""

from __future__ import annotations

from typing import Any

from ledger.trade.record import Space
from ledger.trade.statement import Action, Role
from tests.model.acts import (
    AUTHORITIES,
    BOXES,
    DOCUMENTS,
    GRANTS,
    ISSUERS,
    ITEMS,
    ORGANISATIONS,
    PRODUCTS,
    REGISTRY,
    SUCCESSORS,
    THINGS,
    WAITS_MS,
    Act,
    Interpreter,
)
from tests.model.case import Event
from tests.model.custody import Custody, Said
from tests.model.views import LedgerView, ModelView
from tests.world.world import World

SECOND_MS = 1_000
TOLD = (
    "to", "outside", "flags", "step", "seals", "measure", "permit_legs", "lapse_ms", "cites", "handover",
    "transformation",
)  # fmt: skip


class DisagreementError(AssertionError):
    """The ledger and the model say different things."""


class Both:
    """One history in both."""

    def __init__(self) -> None:
        self.world = World(
            ORGANISATIONS, authorities=AUTHORITIES, grants=GRANTS, successors=SUCCESSORS, issuers=ISSUERS
        )
        self.custody = Custody(REGISTRY)
        self.hashes: dict[int, bytes] = {}
        self.told: list[str] = []

    def act(self, act: Act) -> None:
        """What an act comes to, said to both."""
        wait_ms = WAITS_MS[act.wait % len(WAITS_MS)] if act.wait >= 12 else SECOND_MS
        self.play(self.interpreter(wait_ms).event(act), wait_ms)

    def interpreter(self, wait_ms: int = SECOND_MS) -> Interpreter:
        """Who makes events for the situation as it will stand then."""
        return Interpreter(self.custody.state, self.custody.past, self.world.now_ms + wait_ms)

    def say(self, signer: str, action: int, *subjects: tuple[int, str], **more: Any) -> None:
        """One event, a second later."""
        interpreter = self.interpreter()
        self.play(interpreter.say(signer, action, subjects, **more))

    def play(self, event: Event, wait_ms: int = SECOND_MS) -> None:
        """Say it to both, and compare what they make of it."""
        self.told.append(told(event, wait_ms))
        links = self.commit(event, wait_ms)
        said = self.custody.apply(event)
        if links != said:
            names = [name for name in sorted({*links, *said}) if links.get(name) != said.get(name)]
            self.differ("said", {n: links.get(n) for n in names}, {n: said.get(n) for n in names})
        ledger, model = LedgerView(self.world), ModelView(self.custody.state, self.world.now_ms, self.hashes)
        for name in THINGS:
            one, other = ledger.thing(name), model.thing(name)
            if other["parent"] is not None or ledger.episode(name) is not None:
                one["claims"] = other[
                    "claims"
                ]  # those inside lapse with the container's, seen when they come out
            self.compare(name, one, other)
        for name in DOCUMENTS:
            self.compare(name, ledger.document(name), model.document(name))
        for key in self.custody.state.tallies:
            self.compare(
                f"{key}", {"tally": ledger.tally(*model.transformation(key))}, {"tally": model.tally(key)}
            )

    def commit(self, event: Event, wait_ms: int) -> dict[str, Said]:
        """What the ledger says to each subject."""
        item = self.world.item(
            event.action, event.subjects, time_ms=event.time_ms, to=event.to, flags=event.flags, step=event.step,
            seals=event.seals, measure=event.measure, permit=event.permit, lapse_ms=event.lapse_ms,
            handover=event.handover, transformation=event.transformation,
            cites=None if event.cites is None else self.hashes.get(event.cites, bytes(32)),
            **({"counterparty": event.outside} if event.outside is not None else {}),
        )  # fmt: skip
        self.hashes[event.number] = item.event_hash
        transaction = self.world.sign(event.signer, item, expiry_ms=event.now_ms + 1_800_000)
        (receipt,) = self.world.commit(transaction, advance_ms=wait_ms).receipts
        if receipt.refusal:
            self.differ("refused", receipt.refusal, None)
        return {
            new.key.identifier: Said(new.link.code, new.aside, new.link.custodian)
            for new in self.world.rows[-1].changes.links
            if new.key.space in (Space.THING, Space.DOCUMENT)
        }

    def compare(self, name: str, ledger: dict[str, Any], model: dict[str, Any]) -> None:
        """Every field of two accounts of one subject."""
        fields = [field for field in model if model[field] != ledger[field]]
        if fields:
            self.differ(name, {f: ledger[f] for f in fields}, {f: model[f] for f in fields})

    def differ(self, what: str, ledger: Any, model: Any) -> None:
        """The history and where the two part."""
        lines = [*self.told, f"{what}: ledger {ledger!r}", f"{what}: model  {model!r}"]
        raise DisagreementError(shortened("\n".join(lines)))


# --- telling
def shortened(text: str) -> str:
    """Short names of things in a text."""
    for letter, names in (("t", ITEMS), ("B", BOXES), ("p", PRODUCTS), ("D", DOCUMENTS)):
        for number, name in enumerate(names):
            text = text.replace(repr(name), name).replace(name, f"{letter}{number}")
    return text


def told(event: Event, wait_ms: int) -> str:
    """One line about an event."""
    subjects = ", ".join(f"{Role(role).name.lower()} {name}" for role, name in event.subjects)
    more = {key: value for key, value in vars(event).items() if key in TOLD and value}
    if event.action in (Action.CORRECT, Action.CONFIRM, Action.DISMISS):
        more["cites"] = event.cites
    waited = f"  (after {wait_ms} ms)" if wait_ms > SECOND_MS else ""
    return f"{event.number}: {event.signer} {Action(event.action).name} {subjects} {more or ''}{waited}"
