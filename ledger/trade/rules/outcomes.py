"""What an item did to one subject, as a stable code: ten times the row of CUSTODY_RULES, plus a variant.

The code stands in links and receipts for good, so values are never reused. `APPLIED` codes changed custody state;
the others are `recorded`: the statement stands in the chain and changed nothing it contradicts. Verdicts translate
codes into sentences (`ledger.proof.verdict`).
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final


class Outcome(IntEnum):
    """Effect on one subject. Row = value // 10 (30 and above: lots)."""

    CORRECTED = 10  # effect undone
    CORRECTION_STANDS = 11  # the original was found, its effect stands
    CORRECTION_INERT = 12  # no original
    MADE = 20
    MADE_UNATTESTED = 21
    ORIGIN_SET = 22  # made by the grantee after having been seen
    MADE_LICENSED = 23  # made under a licence of the grantee
    ORIGIN_SET_LICENSED = 24
    RESTATED = 30
    CONTESTED = 31
    CONSUMED = 50
    INPUT_RECORDED = 51  # an input that the signer could not consume
    TRANSFORMED = 52  # on the transformation's own record
    PACKED = 60
    CONTENTS_ADDED = 61  # on the parent
    PARENT_BORN = 62
    CYCLE = 63
    TOO_DEEP = 64
    UNPACKED = 70
    CONTENTS_REMOVED = 71  # on the parent
    FIRST_SEEN_UNPACKED = 72
    CHILD_LEFT = 73  # on a parent the event does not name: its contents changed
    UNPACKED_ALL = 80
    CONTENT_AGREES = 90
    CONTENT_NOT_INSIDE = 91
    OFFERED = 100
    LEFT_TO_EXTERNAL = 101
    ALREADY_OFFERED = 102
    OFFERED_OPEN = 110
    ACCEPTED = 120
    TAKEN = 130
    ACCEPTED_WITH_RESERVATION = 140
    MISSING = 141
    TAKEN_WITH_RESERVATION = 142
    CLAIMED = 150
    CLAIMED_CUSTODY = 151
    CLAIM_NOT_NOTED = 152  # eight open claims already, or one of the same claimant
    COMPLETED = 160
    COMPLETION_TOO_LATE = (
        161  # the claim was against the signer, who no longer is custodian without interruption
    )
    WITHDRAWN = 170
    VOIDED = 171
    REJECTED = 180
    DISPUTED = 181
    OBSERVED = 190
    FIRST_SEEN = 191
    TRAVELS_INSIDE = 192  # a container of it, named in the same event, is what is handed over
    WITHIN = 193  # a handover that does not change the custodian
    COMMERCIAL_HOLD = 200
    HELD = 210
    ALREADY_HELD = 211
    HOLDS_FULL = 212
    RELEASED = 220
    NO_SUCH_HOLD = 221
    BREACH = 230
    BREACH_CLAIMED_EARLIER = 231  # says to precede the hold
    INTERVENED = 240
    SAMPLED = 241
    SAMPLE_MADE = 242
    BOUND = 250
    BOUND_UNVERIFIED = 251  # no grantee of the document's issuer part: first declarant
    BOUND_FOREIGN = 252  # the document belongs to somebody else than the signer
    BINDINGS_FULL = 253
    UNBOUND = 254
    UNBOUND_ALL = 255
    NOT_BOUND = 256
    ALREADY_BOUND = 257  # the binding that stands stays with who declared it
    ENDED = 260
    CONFIRMED = 270
    DISMISSED = 271
    NOTHING_TO_RULE = 272
    CONTRADICTION = 280
    OFFER_STANDS = 281  # an open offer at or above it forbids this for now
    CONFIRMATION_WAITS = 282  # an unconfirmed taking forbids this for now
    NOT_TOGETHER = 283  # child and parent have different custodians
    PERMITTED = 290
    LOT_MOVED_OUT = 300
    LOT_MOVED_IN = 301
    LOT_MADE = 302
    LOT_REDUCED = 303
    NOT_BALANCED = 304  # no lot, no quantity, or another unit
    LOTS_FULL = 305
    LOT_EXCEEDED = 306  # as 300 or 303, but of more than was on balance: the rest is unattested
    BYTES_MISMATCH = 310  # the author's bytes contradict the extract


BOUND_TOO: Final = 1_000  # added to a handover's code when the same event bound a document (row 25 with dst)

_RECORDED: Final = frozenset(
    {
        Outcome.CORRECTION_STANDS,
        Outcome.CORRECTION_INERT,
        Outcome.CONTESTED,
        Outcome.INPUT_RECORDED,
        Outcome.CYCLE,
        Outcome.TOO_DEEP,
        Outcome.CONTENT_NOT_INSIDE,
        Outcome.ALREADY_OFFERED,
        Outcome.CLAIMED,
        Outcome.CLAIM_NOT_NOTED,
        Outcome.COMPLETION_TOO_LATE,
        Outcome.ALREADY_HELD,
        Outcome.HOLDS_FULL,
        Outcome.NO_SUCH_HOLD,
        Outcome.BREACH,
        Outcome.BREACH_CLAIMED_EARLIER,
        Outcome.BINDINGS_FULL,
        Outcome.NOT_BOUND,
        Outcome.ALREADY_BOUND,
        Outcome.NOTHING_TO_RULE,
        Outcome.CONTRADICTION,
        Outcome.OFFER_STANDS,
        Outcome.CONFIRMATION_WAITS,
        Outcome.NOT_TOGETHER,
        Outcome.NOT_BALANCED,
        Outcome.LOTS_FULL,
        Outcome.BYTES_MISMATCH,
    }
)


def row_of(code: int) -> int:
    """The row of CUSTODY_RULES that a code belongs to."""
    return code % BOUND_TOO // 10


def is_applied(code: int) -> bool:
    """Whether the event did to this subject what it says (else it is recorded)."""
    return Outcome(code % BOUND_TOO) not in _RECORDED
