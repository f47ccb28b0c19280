"""An event in a few lines, said from its extract: what a person sees before it is signed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from client.events.draft import Draft, spelled_time
from client.report import display_text
from ledger.trade.statement import Action, Flag, Openness, Permit, Quantity, Role, Subject

_SHOWN: Final = 12
_ACTS: Final = {
    Action.OBSERVE: "observes",
    Action.MAKE: "states to have made",
    Action.TRANSFORM: "transforms",
    Action.PACK: "packs",
    Action.UNPACK: "unpacks",
    Action.UNPACK_ALL: "empties",
    Action.OFFER: "offers",
    Action.ACCEPT: "receives",
    Action.WITHDRAW: "withdraws the offer of",
    Action.REJECT: "rejects",
    Action.DISPUTE: "disputes the handover of",
    Action.COMMERCIAL_HOLD: "holds back (commercially)",
    Action.HOLD: "HOLDS officially",
    Action.RELEASE: "releases",
    Action.PERMIT: "permits to move",
    Action.BIND: "declares under documents",
    Action.UNBIND: "takes off documents",
    Action.UNBIND_ALL: "ends all bindings of",
    Action.END: "ends",
    Action.CONFIRM: "confirms",
    Action.DISMISS: "dismisses",
    Action.CORRECT: "corrects an earlier statement about",
    Action.SAMPLE: "samples",
}
_ROLES: Final = {
    Role.OBJECT: "",
    Role.PARENT: "the parent",
    Role.CHILD: "inside",
    Role.INPUT: "from",
    Role.OUTPUT: "into",
    Role.DOCUMENT: "under",
    Role.PLACE: "the place",
    Role.MISSING: "NOT come",
    Role.CONTENT: "found inside",
    Role.LOT: "of the lot",
}

Name = Callable[[str], str | None]


def summary(draft: Draft, organisation: str | None, name: Name = lambda _: None) -> str:
    """What `organisation` (None: not said yet) states with this event; `name` knows members by their party."""
    said = draft.extract.statement
    who = organisation or "(whoever signs)"
    lines = [f"{who} {_ACTS[Action(said.action)]}:"]
    for role in Role:
        named = [subject for subject in draft.extract.subjects if subject.role == role]
        lines += [f"  {_ROLES[role]} {_subject(one)}".replace("   ", "  ") for one in named[:_SHOWN]]
        if len(named) > _SHOWN:
            lines.append(f"  {_ROLES[role]} ... and {len(named) - _SHOWN} more".replace("   ", "  "))
    details = {
        "from": _party(said.source, name),
        "to": _party(said.counterparty, name),
        "time claimed": spelled_time(said.time_ms),
        "place": said.place,
        "mentions": ", ".join(said.documents),
        "seals": ", ".join(said.seals),
        "offer lapses": None if said.lapse_ms is None else spelled_time(said.lapse_ms),
        "case": None if said.measure is None else said.measure.case,
        "basis": None if said.measure is None else said.measure.basis,
        "permit": None if said.permit is None else _permit(said.permit, name),
        "names event": None if said.cites is None else said.cites.hex(),
        "also": "" if not said.handover else f"{_ACTS[Action(said.handover)]} what it declares",
        "note": _flags(said.flags),
        "bytes": "kept by the author" if said.openness == Openness.RESTRICTED else None,
    }
    lines += [f"{label + ':':<14}{text}" for label, text in details.items() if text]
    return "\n".join(lines)


def _subject(subject: Subject) -> str:
    text = display_text(subject.identifier)
    return text if subject.quantity is None else f"{text} = {quantity_text(subject.quantity)}"


def quantity_text(quantity: Quantity) -> str:
    """A quantity with its unit."""
    digits = str(quantity.amount).rjust(quantity.scale + 1, "0")
    amount = digits if not quantity.scale else f"{digits[: -quantity.scale]}.{digits[-quantity.scale :]}"
    return f"{amount} {quantity.unit or 'pieces'}"


def _party(text: str | None, name: Name) -> str | None:
    if text is None:
        return None
    known = name(text)
    return text if known is None else f"{known} ({text})"


def _permit(permit: Permit, name: Name) -> str:
    legs = "; ".join(
        f"{name(leg.sender) or leg.sender} to {name(leg.receiver) or leg.receiver}" for leg in permit.legs
    )
    under = "" if permit.seal is None else f", under seal {permit.seal}"
    return f"{legs}, until {spelled_time(permit.until_ms)}{under}"


def _flags(flags: int) -> str:
    notes = {
        Flag.RESERVATION: "with reservation",
        Flag.OTHER_SEAL: "another seal than on record",
        Flag.FEWER: "fewer than offered",
        Flag.SEIZE: "seized",
        Flag.RESEAL: "resealed",
        Flag.UNKNOWN_STEP: "an unknown business step",
        Flag.OPAQUE: "an identifier that does not parse",
        Flag.UNREADABLE_PARTY: "a party that does not parse",
    }
    return ", ".join(text for flag, text in notes.items() if flags & flag)
