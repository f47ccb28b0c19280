"""What an identifier is (EXTRACT.md §2.1)."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple


class Kind(StrEnum):
    """What sort of thing an identifier names."""

    ITEM = "item"  # one serialised thing: SGTIN, UPUI, ITIP, CPI, SGCN, GID
    CLASS = "class"  # a kind of thing, without serial or lot
    LOT = "lot"  # class and batch: 01 + 10
    LOGISTIC_UNIT = "logistic_unit"  # SSCC, shipment (GSIN), consignment (GINC)
    CONTAINER = "container"  # ISO 6346
    ASSET = "asset"  # GRAI, GIAI, aerospace and defence serials, vessels
    PLACE = "place"  # GLN with or without extension
    PARTY = "party"  # party GLN
    DOCUMENT = "document"  # GDTI, MRN, UCR, bill of lading, business transaction
    SEAL = "seal"
    PERSON = "person"  # GSRN, GSRNP: a genesis may refuse these
    PATTERN = "pattern"  # a set of EPCs that is no class
    OPAQUE = "opaque"  # claims a scheme and does not parse; the text is a hash
    OTHER = "other"  # any other URI


class Identifier(NamedTuple):
    """A canonical identifier and what the rules read off it.

    `digits` is what a grant of a GS1 company prefix is looked up by: at most 12 digits that begin with the company
    prefix (the indicator digit of a GTIN and the extension digit of an SSCC are left out), "" without a GS1 key.
    `issuer` is the part of a document's number that names who issued it, "" where there is none.
    """

    text: str
    kind: Kind
    digits: str = ""
    issuer: str = ""


_PARTY_PREFIXES: Final = ("https://id.gs1.org/414/", "https://id.gs1.org/417/")


def gln_of(text: str) -> str | None:
    """The 13-digit GLN inside a canonical place or party, None in anything else.

    An extension (AI 254) names a spot within the location, so it does not change whose GLN it is.
    """
    if text[:23] in _PARTY_PREFIXES:
        return text[23:36]
    return None
