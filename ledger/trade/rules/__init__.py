"""The custody rules: what an event does to custody (CUSTODY_RULES; RULES.md is generated from `table`).

table     which rule decides which leg, row by row; the one place to start reading
view      what a rule may see, and how a subject's situation is read
outcomes  the stable codes of what came of it
standing  who counts; contradictions, claims; what holds and offers forbid
making packing handover measures documents endings rulings    the rules for things and documents
balances lots lot_handover    the rules for quantities of lots
"""

from __future__ import annotations

from ledger.trade.rules.outcomes import BOUND_TOO, Outcome, is_applied, row_of
from ledger.trade.rules.table import check_entitled, decide, legs_of
from ledger.trade.rules.view import (
    ANCESTOR,
    EXTERNAL,
    Act,
    Decision,
    Leg,
    Situation,
    View,
    custodian_after,
)

__all__ = [
    "ANCESTOR",
    "BOUND_TOO",
    "EXTERNAL",
    "Act",
    "Decision",
    "Leg",
    "Outcome",
    "Situation",
    "View",
    "check_entitled",
    "custodian_after",
    "decide",
    "is_applied",
    "legs_of",
    "row_of",
]
