"""Events that move nothing: observations, commercial holds, corrections (CUSTODY_RULES rows 1, 19, 20)."""

from __future__ import annotations

import json
from collections.abc import Sequence

from client.events.draft import Circumstances, Draft, check_some, draft_of, drafted, listed, spelled_time
from client.spelling import Thing
from ledger.base.errors import Code, FormError
from ledger.base.limits import EVENT_BYTES
from ledger.trade.slices import parse
from ledger.trade.statement import Action
from ledger.trade.vocabulary import EXTENSION_NAMESPACE, STEPS


def observe(
    at: Circumstances, things: Sequence[Thing], *, step: str = "inspecting", count: int | None = None
) -> Draft:
    """Row 19: report place, condition or seals of things; without things, of the place itself."""
    if step not in STEPS:
        raise FormError(Code.MALFORMED, f"expected a business step of the CBV, as inspecting, got {step!a}")
    members = {
        "action": "OBSERVE",
        "bizStep": step,
        **listed(things, "epcList", "quantityList"),
        "custody:count": count,
    }
    draft = drafted("ObjectEvent", at, members)
    if draft.action != Action.OBSERVE:
        raise FormError(
            Code.MALFORMED,
            f"expected a step that only observes, got {step}, which means {draft.action.name.lower()}; record that act",
        )
    return draft


def holding(at: Circumstances, things: Sequence[Thing]) -> Draft:
    """Row 20: hold back one's own goods for one's own reasons; no act of an authority."""
    check_some(things, "what is held back")
    members = {"action": "OBSERVE", "bizStep": "holding", **listed(things, "epcList", "quantityList")}
    return drafted("ObjectEvent", at, members)


def correct(
    at: Circumstances,
    event: bytes,
    context: bytes | None,
    *,
    original: bytes | None,
    reason: str = "incorrect_data",
) -> Draft:
    """Row 1: declare an event of one's own to be in error. `original` is its hash; None where it is on no ledger.

    The event's bytes are repeated as they stand, with an errorDeclaration behind the last member, so that the correction
    is about exactly the subjects of its original.
    """
    members = parse(event, EVENT_BYTES)
    if type(members) is not dict or not members:
        raise FormError(Code.MALFORMED, "expected the event to correct as a JSON object, got something else")
    if members.get("errorDeclaration") is not None:
        raise FormError(
            Code.MALFORMED, "expected an event that is no correction itself, got one; record a new event"
        )
    if "errorDeclaration" in members:
        raise FormError(Code.MALFORMED, "expected an event without errorDeclaration, got one that is null")
    declaration = {"declarationTime": spelled_time(at.time_ms, at.offset_minutes), "reason": reason}
    if original is not None:
        declaration[f"{EXTENSION_NAMESPACE}original"] = original.hex()
    body = (
        event.rstrip()[:-1]
        + b',"errorDeclaration":'
        + json.dumps(declaration, separators=(",", ":")).encode()
    )
    return draft_of(body + b"}", context)
