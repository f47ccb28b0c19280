"""Identifiers: every spelling of the same thing becomes one canonical text (CUSTODY_RULES, Identifiers; EXTRACT.md §2).

The ledger keeps one record per canonical text, so two spellings of one serial would be two histories, and one spelling
of two serials would be none. `canonical` is therefore total, pure and idempotent:

    EPC URN, EPC class, EPC pattern of a class, GS1 Digital Link of any host   -> https://id.gs1.org/<key>[/<qualifier>]
    an EPC scheme without a Digital Link (gid, usdod, adi, bic, imovn)         -> its URN in one spelling
    declarations, consignment references, bills of lading, seals               -> urn:custody:doc:... urn:custody:seal:...
    what claims to be one of these and does not parse                          -> urn:custody:opaque:<sha256>, flagged
    any other URI                                                              -> itself, or its hash where it is too odd

All results are printable ASCII of at most `limits.IDENTIFIER_BYTES` characters. The code is ASCII-only: it compares
code points and uses no library whose tables differ by version or locale.
"""

from __future__ import annotations

from ledger.trade.identifiers.documents import (
    bill_of_lading,
    container,
    declaration,
    reference,
    seal,
    seal_number,
)
from ledger.trade.identifiers.gs1 import lot_of
from ledger.trade.identifiers.links import lot_beside
from ledger.trade.identifiers.model import Identifier, Kind, gln_of
from ledger.trade.identifiers.spelling import canonical, check_canonical, document, plain_class

__all__ = [
    "Identifier",
    "Kind",
    "bill_of_lading",
    "canonical",
    "check_canonical",
    "container",
    "declaration",
    "document",
    "gln_of",
    "lot_beside",
    "lot_of",
    "plain_class",
    "reference",
    "seal",
    "seal_number",
]
