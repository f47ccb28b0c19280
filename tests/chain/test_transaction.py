"""The signed unit: its form is judged before any state is asked, and one byte more or less is another form."""

from __future__ import annotations

from typing import Any

import pytest

from ledger.base import limits
from ledger.base.encoding import decode, encode
from ledger.base.errors import Code, CustodyError, FormError, SignatureError
from ledger.chain.transaction import (
    Attestation,
    Header,
    Item,
    Kind,
    Mode,
    Transaction,
    attestation_from_wire,
    extract_hash_of,
    is_attested,
    is_open,
    item_from_wire,
    item_hash,
    sign_transaction,
    transaction_from_bytes,
    transaction_from_wire,
)
from ledger.trade.statement import Action, Role
from tests.world.world import World, serial

MAKER = "9521234"
WORLD = World()
ITEM = WORLD.item(Action.MAKE, [(Role.OBJECT, serial(MAKER, 1, number)) for number in range(3)])
SIGNED = WORLD.sign("maker", ITEM, ITEM._replace(event_hash=bytes(32)), mode=Mode.ALL_OR_NOTHING)
WIRE = decode(SIGNED.to_bytes(), max_bytes=100_000)


def put(value: Any, path: tuple[int, ...], new: Any) -> Any:
    if not path:
        return new
    return (*value[: path[0]], put(value[path[0]], path[1:], new), *value[path[0] + 1 :])


def read(value: Any) -> Transaction:
    return transaction_from_bytes(encode(value), WORLD.network)


def test_a_transaction_reads_as_it_was_written() -> None:
    again = transaction_from_bytes(SIGNED.to_bytes(), WORLD.network)
    again.check_signature()
    assert (again.id, again.header, again.items) == (SIGNED.id, SIGNED.header, SIGNED.items)
    assert again.size == len(SIGNED.to_bytes())
    assert again.subject_count == 6
    assert Transaction(again.header, again.items, again.signature).size == again.size
    assert item_from_wire(again.items[0]) == ITEM
    assert item_from_wire(again.items[0]).extract == ITEM.extract


@pytest.mark.parametrize(("place", "field"), list(enumerate(Header._fields)), ids=Header._fields)
def test_the_signature_is_over_every_field(place: int, field: str) -> None:
    changed: dict[str, Any] = {
        "version": 2, "network": bytes(32), "organisation": "carrier", "public_key": bytes(32), "nonce": bytes(16),
        "expiry_ms": 5, "kind": 1, "mode": 1, "payload_root": bytes(32), "item_count": 1,
    }  # fmt: skip
    with pytest.raises(CustodyError):
        read(put(WIRE, (0, place), changed[field])).check_signature()


@pytest.mark.parametrize(
    ("path", "new"),
    [
        ((0, 0), True), ((0, 1), b"x"), ((0, 2), ""), ((0, 2), "x" * 33), ((0, 3), bytes(31)), ((0, 4), bytes(17)), ((0, 5), -1),
        ((0, 5), 2**53 + 1), ((0, 6), 3), ((0, 7), 2), ((0, 8), bytes(31)), ((0, 9), 0), ((0, 9), limits.ITEMS_PER_TRANSACTION + 1),
        ((0,), ()), ((0,), None), ((1,), ()), ((1,), WIRE[1][:1]), ((1,), (*WIRE[1], WIRE[1][0])), ((1, 0), ()), ((1, 0), None),
        ((1, 0), (*WIRE[1][0], None)), ((1, 0, 1), None), ((1, 0, 1), WIRE[1][0][1][:2]), ((1,), WIRE[1][::-1]), ((2,), bytes(63)),
        ((2,), None), ((), None), ((), (*WIRE, None)),
    ],
    ids=repr,
)  # fmt: skip
def test_another_form_is_refused(path: tuple[int, ...], new: Any) -> None:
    with pytest.raises(FormError):
        read(put(WIRE, path, new))


def test_another_network_and_another_signature_are_told() -> None:
    with pytest.raises(SignatureError) as caught:
        transaction_from_bytes(SIGNED.to_bytes(), bytes(32))
    assert caught.value.code == Code.WRONG_NETWORK
    with pytest.raises(SignatureError) as caught:
        read(put(WIRE, (2,), bytes(64))).check_signature()
    assert caught.value.code == Code.BAD_SIGNATURE


def test_any_change_of_an_item_changes_the_payload_root() -> None:
    for path in ((1, 0, 0, 3), (1, 1, 3), (1, 0, 2)):
        new = WIRE[1][0][2] if path[-1] == 3 and len(path) == 3 else 7 if len(path) == 4 else bytes(16)
        if path == (1, 1, 3):
            new = bytes([1]) * 32
        with pytest.raises(FormError, match="payload root"):
            read(put(WIRE, path, new))


def test_caps() -> None:
    names = [(Role.OBJECT, serial(MAKER, 2, number)) for number in range(limits.SUBJECTS_PER_EVENT)]
    full, one = WORLD.item(Action.MAKE, names), WORLD.item(Action.MAKE, names[:1])
    assert WORLD.sign("maker", full, full).subject_count == limits.SUBJECTS_PER_TRANSACTION
    with pytest.raises(FormError) as caught:
        WORLD.sign("maker", full, full, one)
    assert caught.value.code == Code.TOO_LARGE
    with pytest.raises(FormError):
        transaction_from_wire(
            (*WIRE[:1], (put(WIRE[1][0], (1,), WIRE[1][0][1] * 400), WIRE[1][1]), WIRE[2]), WORLD.network
        )
    with pytest.raises(FormError) as caught:
        transaction_from_bytes(bytes(limits.TRANSACTION_BYTES + 1), WORLD.network)
    assert caught.value.code == Code.TOO_LARGE


def test_subjects_are_counted_before_any_is_hashed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A transaction of 4 MB could name 700,000: seconds of hashing, for a signature by whatever key."""
    item = (1, ((0, "a", None),) * limits.SUBJECTS_PER_EVENT, b"", b"", None, None)
    header = (*WIRE[0][:-1], 3)
    hashed: list[bytes] = []

    def leaves(_network: bytes, salt: bytes, _subjects: Any) -> list[bytes]:
        hashed.append(salt)
        return [salt]

    monkeypatch.setattr("ledger.chain.transaction.subject_leaves", leaves)
    with pytest.raises(FormError) as caught:
        transaction_from_wire((header, (item,) * 3, WIRE[2]), WORLD.network)
    assert caught.value.code == Code.TOO_LARGE
    assert not hashed


def test_items_are_judged_late() -> None:
    """A transaction of ill-formed items is well formed: each of them fails on its own in execution."""
    odd = (None, ("?", None), 5, "no hash", b"", 77)
    made = sign_transaction(
        WORLD.keys["maker"],
        WORLD.network,
        "maker",
        (odd,),
        nonce=bytes(16),
        expiry_ms=9,
        mode=Mode.EACH_ON_ITS_OWN,
    )
    again = transaction_from_bytes(made.to_bytes(), WORLD.network)
    again.check_signature()
    with pytest.raises(FormError):
        item_from_wire(again.items[0])


@pytest.mark.parametrize(
    ("place", "new"),
    [
        (0, None),
        (1, ()),
        (1, None),
        (1, (("x",),)),
        (2, bytes(15)),
        (3, bytes(31)),
        (3, None),
        (4, bytes(31)),
        (5, ()),
        (5, (1,)),
    ],
)
def test_an_items_form(place: int, new: Any) -> None:
    wire = WIRE[1][0]
    with pytest.raises(FormError):
        item_from_wire(put(wire, (place,), new))
    with pytest.raises(FormError):
        item_from_wire(wire[:-1])


def test_a_subject_stands_once() -> None:
    wire = WIRE[1][0]
    twice = put(wire, (1,), (wire[1][0], put(wire[1][0], (0,), 3)))
    with pytest.raises(FormError) as caught:
        item_from_wire(twice)
    assert caught.value.code == Code.DUPLICATE_SUBJECT


def test_every_part_of_an_item_is_in_its_hash() -> None:
    signed = WORLD.attested("maker", ITEM, 1)
    others: list[Item] = [
        ITEM, signed, ITEM._replace(statement=ITEM.statement._replace(flags=1)), ITEM._replace(subjects=ITEM.subjects[:2]),
        ITEM._replace(subjects=ITEM.subjects[::-1]), ITEM._replace(subject_salt=bytes(16)), ITEM._replace(event_hash=bytes(32)),
        ITEM._replace(context_hash=bytes(32)),
    ]  # fmt: skip
    assert len({item_hash(WORLD.network, other) for other in others}) == len(others)
    assert item_hash(WORLD.network, ITEM) != item_hash(bytes(32), ITEM)


def test_kinds_have_leaves_of_their_own() -> None:
    item = decode(encode(ITEM), max_bytes=10_000)
    mismatch = (item, 0, b"", None, b"{}")
    made = WORLD.sign("maker", mismatch, kind=Kind.MISMATCH)
    assert made.item_hashes == [item_hash(WORLD.network, ITEM)]
    assert made.subject_count == 1
    evidence = WORLD.sign("maker", ("anything", 1), kind=Kind.EVIDENCE)
    assert transaction_from_bytes(evidence.to_bytes(), WORLD.network).item_hashes == evidence.item_hashes
    for bad in ((item,), None, (None, 0, b"", None, b"{}")):
        with pytest.raises(FormError):
            WORLD.sign("maker", bad, kind=Kind.MISMATCH)


def test_attestations() -> None:
    signed = WORLD.attested("maker", ITEM, 3)
    attestation = signed.attestation
    assert attestation is not None
    digest = extract_hash_of(WORLD.network, ITEM)
    assert is_attested(WORLD.network, "maker", ITEM.event_hash, digest, attestation)
    assert not is_attested(WORLD.network, "maker", ITEM.event_hash, digest, None)
    assert not is_attested(WORLD.network, "carrier", ITEM.event_hash, digest, attestation)
    assert not is_attested(bytes(32), "maker", ITEM.event_hash, digest, attestation)
    assert not is_attested(WORLD.network, "maker", bytes(32), digest, attestation)
    assert not is_attested(WORLD.network, "maker", ITEM.event_hash, bytes(32), attestation)
    for altered in (
        attestation._replace(counter=4),
        attestation._replace(time_ms=0),
        attestation._replace(signature=bytes(64)),
    ):
        assert not is_attested(WORLD.network, "maker", ITEM.event_hash, digest, altered)
    wire = decode(encode(attestation), max_bytes=1_000)
    assert attestation_from_wire(wire) == attestation
    assert attestation_from_wire(None) is None
    for place, new in ((0, bytes(31)), (1, -1), (2, 2**60), (3, bytes(63))):
        with pytest.raises(FormError):
            attestation_from_wire(put(wire, (place,), new))
    assert Attestation(*wire) == attestation
    assert not is_open(ITEM)
