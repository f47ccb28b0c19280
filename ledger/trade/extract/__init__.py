"""From an author's EPCIS event to the extract the rules work on (DESIGN §4; EXTRACT.md).

`extract` is a pure function of the verbatim event slice, the verbatim context slice and the extractor version, so
anybody who holds the bytes can check what an item claims they say. It is strict: what it does not understand about
custody it refuses rather than ignores; what lies outside custody (sensors, master data, extensions of others) it skips.
"""

from __future__ import annotations

from ledger.trade.extract.alike import Alike
from ledger.trade.extract.event import extract, extract_read, persons_in

__all__ = ["Alike", "extract", "extract_read", "persons_in"]
