"""Events that make, nest, transform, sample and end goods (CUSTODY_RULES rows 2, 5 to 8, 24, 26)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from client.events.draft import Circumstances, Draft, check_some, drafted, either, listed
from client.spelling import Thing
from ledger.base.errors import Code, FormError
from ledger.trade.identifiers import Identifier

ENDS: Final = {
    "destroying": "destroyed",
    "decommissioning": "inactive",
    "retail_selling": "retail_sold",
    "dispensing": "dispensed",
}


def make(at: Circumstances, things: Sequence[Thing], *, lot: str | None = None) -> Draft:
    """Row 2: commission items, lots or units; `lot` is the batch number that serials belong to."""
    check_some(things, "what is made")
    return drafted(
        "ObjectEvent",
        _with(at, "active"),
        {
            "action": "ADD",
            "bizStep": "commissioning",
            **listed(things, "epcList", "quantityList"),
            "ilmd": None if lot is None else {"cbvmda:lotNumber": lot},
        },
    )


def pack(
    at: Circumstances,
    parent: Identifier,
    things: Sequence[Thing],
    *,
    count: int | None = None,
    mounted: bool = False,
) -> Draft:
    """Row 6: put things into a parent; `mounted` fixes them to it for long (an association)."""
    check_some(things, "what is packed")
    return drafted(
        "AssociationEvent" if mounted else "AggregationEvent",
        _with(at, None if mounted else "in_progress"),
        {
            "parentID": parent.text,
            "action": "ADD",
            "bizStep": "installing" if mounted else "packing",
            **listed(things, "childEPCs", "childQuantityList"),
            "custody:count": count,
        },
    )


def unpack(at: Circumstances, parent: Identifier, things: Sequence[Thing], *, mounted: bool = False) -> Draft:
    """Row 7: take the named things out of a parent."""
    check_some(things, "what is unpacked; unpack-all empties a parent")
    return _taken_out(at, parent, things, mounted=mounted)


def unpack_all(at: Circumstances, parent: Identifier, *, mounted: bool = False) -> Draft:
    """Row 8: empty a parent, whatever is in it."""
    return _taken_out(at, parent, (), mounted=mounted)


def _taken_out(at: Circumstances, parent: Identifier, things: Sequence[Thing], *, mounted: bool) -> Draft:
    return drafted(
        "AssociationEvent" if mounted else "AggregationEvent",
        at,
        {
            "parentID": parent.text,
            "action": "DELETE",
            "bizStep": "removing" if mounted else "unpacking",
            **listed(things, "childEPCs", "childQuantityList"),
        },
    )


def transform(
    at: Circumstances, inputs: Sequence[Thing], outputs: Sequence[Thing], *, transformation: str | None = None
) -> Draft:
    """Row 5: use inputs up and make outputs; `transformation` joins several events of one run."""
    if not inputs and not outputs:
        raise FormError(Code.MALFORMED, "expected inputs or outputs of a transformation, got neither")
    return drafted(
        "TransformationEvent",
        at,
        {
            "transformationID": transformation,
            "bizStep": "commissioning",
            **listed(inputs, "inputEPCList", "inputQuantityList"),
            **listed(outputs, "outputEPCList", "outputQuantityList"),
        },
    )


def sample(at: Circumstances, things: Sequence[Thing], samples: Sequence[Thing]) -> Draft:
    """Row 24: take samples, each a new subject, from things that stay."""
    check_some(things, "what is sampled")
    return drafted(
        "ObjectEvent",
        at,
        {
            "action": "OBSERVE",
            "bizStep": "sampling",
            **listed(things, "epcList", "quantityList"),
            "custody:samples": [either(one) for one in samples],
        },
    )


def end(at: Circumstances, things: Sequence[Thing], *, how: str = "destroying") -> Draft:
    """Row 26: destroy, decommission, sell or dispense; with a quantity, that much of a lot."""
    check_some(things, "what ends")
    if how not in ENDS:
        raise FormError(Code.MALFORMED, f"expected an end by {', '.join(ENDS)}, got {how!a}")
    return drafted(
        "ObjectEvent",
        _with(at, ENDS[how]),
        {"action": "DELETE", "bizStep": how, **listed(things, "epcList", "quantityList")},
    )


def _with(at: Circumstances, disposition: str | None) -> Circumstances:
    return at if at.disposition is not None else at._replace(disposition=disposition)
