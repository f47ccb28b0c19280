"""A record read back is the one that was written, in types as in values, and nothing of another shape is one."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.base.encoding import decode, decode_known, encode
from ledger.base.errors import FormError
from ledger.trade.record import (
    EMPTY,
    Amount,
    Binding,
    Chain,
    Claim,
    Contradiction,
    Hold,
    LastEffect,
    LivePermit,
    Offer,
    Quantity,
    Record,
    Unconfirmed,
    record_from_wire,
)

HASH = bytes(range(32))
BOUND = Binding("urn:custody:doc:ucr:1", 1, "maker")
OFFER = Offer(3, HASH, "maker", None, 5, Amount(7, 1, "KGM"), Chain(2, HASH))
FULL = Record(
    status=1, origin=2, maker="maker", shipped=True, custodian="carrier", claimed=True, former=("maker",), passed=4,
    handed=4, parent="box", parent_generation=1, parent_since=2, generation=3, children=4, levels=1, offer=OFFER,
    claims=(Claim(1, HASH, "rival", None, None), Claim(2, HASH, "rival", "maker", Amount(1, 0, ""))),
    unconfirmed=Unconfirmed(1, HASH, "carrier", "maker", 9), holds=(Hold("customs", "case", "basis", True, 8),),
    inside=(("customs", 2),), permits=(LivePermit("customs", 0, (("maker", "carrier"),), 1, 9, None),), seals=("S",),
    bindings=(BOUND,), contradictions=(Contradiction(1, HASH, "rival", 28),),
    last=LastEffect(1, HASH, "maker", 2, 1, None, None, 0, 1, "maker", False, ("S",), (BOUND,), Quantity(1, 2, 0, "")),
    quantity=Quantity(5, 0, 0, "KGM"), lots=("lot",), offers=(OFFER, OFFER._replace(quantity=None)), source="maker|lot",
    legs=Chain(1, HASH), tally=(1, 2, 3), moved=9, links=Chain(3, HASH), moves=Chain(2, HASH), asides=Chain(1, HASH),
)  # fmt: skip


def types(value: Any) -> Any:
    """The types of a value and of all in it."""
    return (type(value), *map(types, value)) if isinstance(value, tuple) else type(value)


@pytest.mark.parametrize(
    "record", [FULL, EMPTY._replace(status=0, origin=0), FULL._replace(last=FULL.last and FULL.last._replace(quantity=None))]
)  # fmt: skip
def test_a_record_read_back_is_the_one_written(record: Record) -> None:
    data = encode(record)
    assert len(set(FULL) & set(EMPTY)) == 0, (
        "a field of the example is the default, so that nothing shows of it"
    )
    for value in (decode(data, max_bytes=10_000), decode_known(data)):
        read = record_from_wire(value)
        assert read == record
        assert types(read) == types(record)
        assert encode(read) == data


@pytest.mark.parametrize(
    "change",
    [
        {"links": (1,)}, {"offer": OFFER[:-1]}, {"claims": ((1, 2),)}, {"last": (1,)}, {"quantity": ()}, {"legs": None},
        {"holds": "hold"}, {"unconfirmed": ()}, {"offers": ((),)}, {"moves": (1, 2, 3)}, {"asides": 1},
    ],
)  # fmt: skip
def test_a_value_of_another_shape_is_no_record(change: dict[str, Any]) -> None:
    for value in (tuple(FULL._replace(**change)), (*FULL, None), FULL[:-1], None):
        with pytest.raises(FormError):
            record_from_wire(value)  # type: ignore[arg-type]


def test_fields_replaced_are_those_that_were_named_and_only_they() -> None:
    for name in Record._fields:
        found = EMPTY._replace(**{name: getattr(FULL, name)})
        assert found == Record(**{name: getattr(FULL, name)})  # what the standard library makes of it
        assert type(found) is Record
    assert FULL._replace(**EMPTY._asdict()) == EMPTY
    assert FULL._replace() == FULL
    with pytest.raises(KeyError):
        EMPTY._replace(holder="maker")  # type: ignore[call-arg]
