"""Builders of custody events: one function an act, so that nobody writes EPCIS JSON by hand (CUSTODY_RULES).

    goods      make pack unpack unpack_all transform sample end
    handover   offer open_offer accept reject dispute withdraw
    official   hold release permit confirm dismiss
    documents  bind unbind
    notes      observe holding correct

Each takes `Circumstances` and things and returns a `Draft`: the event's bytes, its context and its extract.
"""

from __future__ import annotations

from client.events.documents import bind, unbind
from client.events.draft import Circumstances, Draft, draft_of
from client.events.goods import end, make, pack, sample, transform, unpack, unpack_all
from client.events.handover import accept, dispute, offer, open_offer, reject, withdraw
from client.events.notes import correct, holding, observe
from client.events.official import confirm, dismiss, hold, permit, release

__all__ = [
    "Circumstances", "Draft", "accept", "bind", "confirm", "correct", "dismiss", "dispute", "draft_of", "end", "hold",
    "holding", "make", "observe", "offer", "open_offer", "pack", "permit", "reject", "release", "sample", "transform",
    "unbind", "unpack", "unpack_all", "withdraw",
]  # fmt: skip
