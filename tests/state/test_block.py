"""Blocks executed: what a transaction fails with, what a limit does, what mismatched bytes do; and all of it undone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ledger.base import buckets, limits
from ledger.base.encoding import encode
from ledger.base.errors import Code, CustodyError, StorageError
from ledger.base.keys import SigningKey
from ledger.chain.evidence import make_evidence
from ledger.chain.transaction import Item, Kind, Mode, Transaction, context_hash, event_hash
from ledger.chain.votes import finalise
from ledger.proof.build import known_keys
from ledger.state.mismatch import mismatch_extract
from ledger.trade.extract import extract
from ledger.trade.record import EMPTY, Space, SubjectKey, record_hash, state_key
from ledger.trade.rules import Outcome
from ledger.trade.rules.view import thing
from ledger.trade.statement import Action, Openness, Role
from tests.world.world import World, lot, serial, sscc

MAKER = "9521234"
ITEM, OTHER = serial(MAKER, 1, 1), serial(MAKER, 1, 2)
CASE = sscc(MAKER, 1)


@pytest.fixture
def world() -> World:
    return World()


def made(world: World, *names: str, **fields: Any) -> Item:
    return world.item(Action.MAKE, [(Role.OBJECT, name) for name in names], **fields)


def refusals(world: World, *transactions: Transaction) -> list[str]:
    return [receipt.refusal for receipt in world.commit(*transactions).receipts]


# --- admission


def test_a_transaction_is_executed_once(world: World) -> None:
    signed = world.sign("maker", made(world, ITEM))
    assert refusals(world, signed, signed) == ["", "repeated"]
    assert refusals(world, signed) == ["repeated"]


def test_an_id_is_remembered_until_it_expires(world: World) -> None:
    signed = world.sign("maker", made(world, ITEM), expiry_ms=world.now_ms + 2_000)
    world.commit(signed)
    assert signed.id in world.state.remembered
    world.commit(advance_ms=999)
    assert signed.id in world.state.remembered
    world.commit(advance_ms=1)
    assert signed.id not in world.state.remembered
    assert refusals(world, signed) == ["expired"]


@pytest.mark.parametrize(
    ("ahead_ms", "code"),
    [(1_000, "expired"), (1_001, ""), (limits.EXPIRY_AHEAD_MS + 1_000, ""), (limits.EXPIRY_AHEAD_MS + 1_001, "expiry_too_far")],
)  # fmt: skip
def test_expiry_is_block_time_and_at_most_an_hour_ahead(world: World, ahead_ms: int, code: str) -> None:
    signed = world.sign("maker", made(world, ITEM), expiry_ms=world.now_ms + ahead_ms)
    assert refusals(world, signed) == [code]


def test_keys_are_registered_of_the_organisation_and_for_signing(world: World) -> None:
    unknown = SigningKey.from_seed(bytes(32))
    item = made(world, ITEM)
    assert refusals(world, world.sign("maker", item, key=unknown)) == ["unknown_key"]
    assert refusals(world, world.sign("maker", item, key=world.keys["carrier"])) == ["not_entitled"]
    assert refusals(world, world.sign("maker", item, key=world.devices["maker"])) == ["wrong_use"]


def test_a_failed_transaction_is_not_remembered(world: World) -> None:
    signed = world.sign("maker", made(world, ITEM), expiry_ms=world.now_ms + 1_000)
    assert refusals(world, signed) == ["expired"]
    assert signed.id not in world.state.remembered


# --- modes


def test_all_or_nothing(world: World) -> None:
    item, act = made(world, ITEM), world.item(Action.HOLD, [(Role.OBJECT, ITEM)], measure=("C", "B"))
    signed = world.sign("maker", item, act, mode=Mode.ALL_OR_NOTHING)
    assert refusals(world, signed) == ["rolled_back", "not_entitled"]
    assert world.record(thing(ITEM)) == EMPTY
    assert world.state.log.size == 0


def test_each_on_its_own(world: World) -> None:
    item, act = made(world, ITEM), world.item(Action.HOLD, [(Role.OBJECT, ITEM)], measure=("C", "B"))
    signed = world.sign("maker", act, item, mode=Mode.EACH_ON_ITS_OWN)
    assert refusals(world, signed) == ["not_entitled", ""]
    assert world.record(thing(ITEM)).custodian == "maker"
    assert world.rows[-1].changes.entry.place == 1


def test_what_is_recorded_rolls_nothing_back(world: World) -> None:
    world.do("maker", Action.MAKE, [(Role.OBJECT, ITEM)])
    signed = world.sign("carrier", made(world, ITEM), made(world, OTHER), mode=Mode.ALL_OR_NOTHING)
    assert refusals(world, signed) == ["", ""]


def test_items_of_a_transaction_see_each_other(world: World) -> None:
    pack = world.item(Action.PACK, [(Role.PARENT, CASE), (Role.CHILD, ITEM)])
    execution = world.commit(world.sign("maker", made(world, ITEM), pack, mode=Mode.ALL_OR_NOTHING))
    assert [receipt.outcomes for receipt in execution.receipts] == [
        (Outcome.MADE,),
        (Outcome.PARENT_BORN, Outcome.PACKED),
    ]


def test_an_ill_formed_item_is_a_refusal(world: World) -> None:
    item = made(world, ITEM)
    twice = item._replace(subjects=item.subjects * 2)
    longer = item._replace(subject_salt=bytes(17))
    assert refusals(world, world.sign("maker", twice, longer, item)) == ["duplicate_subject", "malformed", ""]


# --- attestations


def test_a_device_counter_executes_once(world: World) -> None:
    first = world.attested("maker", made(world, ITEM), 5)
    again = world.attested("maker", made(world, OTHER), 5)
    later = world.attested("maker", made(world, OTHER), 9)
    signed = world.sign("maker", first, again, later)
    assert refusals(world, signed) == ["", "attestation_repeated", ""]
    seen = world.record(SubjectKey(Space.DEVICE, world.devices["maker"].public_key.hex()))
    assert (seen.children, seen.levels) == (2, 9)


def test_a_rolled_back_attestation_is_not_spent(world: World) -> None:
    first = world.attested("maker", made(world, ITEM), 5)
    act = world.item(Action.HOLD, [(Role.OBJECT, ITEM)], measure=("C", "B"))
    assert refusals(world, world.sign("maker", first, act, mode=Mode.ALL_OR_NOTHING)) == [
        "rolled_back",
        "not_entitled",
    ]
    assert refusals(world, world.sign("maker", first)) == [""]


def test_an_attestation_binds_item_organisation_and_device(world: World) -> None:
    item = made(world, ITEM)
    others = world.attested("carrier", item, 1)
    about = world.attested("maker", made(world, OTHER), 1).attestation
    assert about is not None
    assert refusals(world, world.sign("maker", others)) == ["unknown_key"]
    assert refusals(world, world.sign("maker", item._replace(attestation=about))) == ["bad_signature"]
    signing = about._replace(device_key=world.keys["maker"].public_key)
    assert refusals(world, world.sign("maker", item._replace(attestation=signing))) == ["unknown_key"]


# --- third parties


def test_reports_of_one_stranger_about_one_thing_are_capped() -> None:
    world = World(("maker", "forwarder", "carrier", "customs", "stranger"))
    world.do("maker", Action.MAKE, [(Role.OBJECT, ITEM)])
    for number in range(limits.ASIDES_PER_ORGANISATION + 2):
        assert world.do("stranger", Action.OBSERVE, [(Role.OBJECT, ITEM)]) == (Outcome.OBSERVED,)
        assert world.record(thing(ITEM)).asides.length == min(number + 1, limits.ASIDES_PER_ORGANISATION)
    world.do("forwarder", Action.OBSERVE, [(Role.OBJECT, ITEM)])
    assert world.record(thing(ITEM)).asides.length == limits.ASIDES_PER_ORGANISATION + 1


# --- a full bucket


def test_a_full_bucket_refuses_the_item_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody looked for identifiers that share a bucket of the state tree; the ledger goes on."""
    world = World()
    target = world.state.tree.find(world.state.state_key(thing(ITEM)))[0]
    names = [ITEM]
    number = 10
    while len(names) < 4:
        name = serial(MAKER, 7, number)
        if world.state.tree.find(world.state.state_key(thing(name)))[0] == target:
            names.append(name)
        number += 1
    monkeypatch.setattr(limits, "BUCKET_ENTRIES", 2)
    monkeypatch.setattr(buckets, "BUCKET_ENTRIES", 2)
    world.do("maker", Action.MAKE, [(Role.OBJECT, names[0])])
    execution = world.commit(
        world.sign("maker", made(world, names[1], names[2])),
        world.sign("maker", made(world, names[1]), made(world, names[2]), mode=Mode.ALL_OR_NOTHING),
        world.sign("maker", made(world, names[3])),
        world.sign("maker", made(world, names[2])),
    )
    assert [receipt.refusal for receipt in execution.receipts] == [
        "limit",
        "rolled_back",
        "limit",
        "",
        "limit",
    ]
    assert world.do("maker", Action.OBSERVE, [(Role.OBJECT, names[0])]) == (Outcome.OBSERVED,)
    assert world.record(thing(names[3])) != EMPTY


# --- bytes that contradict their extract


def event_of(name: str) -> bytes:
    event = {
        "type": "ObjectEvent", "eventTime": "2026-04-19T13:35:18.250-05:00", "eventTimeZoneOffset": "-05:00",
        "action": "ADD", "bizStep": "commissioning", "epcList": [name],
    }  # fmt: skip
    return json.dumps(event).encode()


def item_over(world: World, event: bytes, said: bytes, openness: Openness = Openness.OPEN) -> Item:
    """An item whose event hash is that of `event`, with the extract of `said`."""
    derived = extract(said, None, 1, openness)
    salt = bytes(16)
    return Item(
        derived.statement, derived.subjects, world.salt(), event_hash(world.network, salt, None, event),
        context_hash(world.network, None), None,
    )  # fmt: skip


def mismatch_of(world: World, sequence: int, event: bytes) -> Any:
    original = world.rows[sequence].changes
    assert original.item is not None
    stated = mismatch_extract(original.item, original.entry.organisation, event, None)
    item = Item(stated.statement, stated.subjects, world.salt(), original.item.event_hash, None, None)
    return (item, sequence, bytes(16), None, event)


def test_anybody_with_the_bytes_may_publish_that_they_contradict(world: World) -> None:
    event = event_of(OTHER)
    world.commit(world.sign("maker", item_over(world, event, event_of(ITEM))))
    published = world.sign("carrier", mismatch_of(world, 0, event), kind=Kind.MISMATCH)
    assert refusals(world, published) == [""]
    for name in (ITEM, OTHER):
        link = next(new for new in world.rows[-1].changes.links if new.key == thing(name))
        assert (link.link.code, link.aside) == (Outcome.BYTES_MISMATCH, False)
    assert len(world.record(thing(ITEM)).contradictions) == 1


@pytest.mark.parametrize("openness", Openness)
def test_nobody_may_publish_that_agreeing_bytes_contradict(world: World, openness: Openness) -> None:
    event = event_of(ITEM)
    world.commit(world.sign("maker", item_over(world, event, event, openness)))
    with pytest.raises(CustodyError, match="agree"):
        mismatch_of(world, 0, event)
    original = world.rows[0].changes.item
    assert original is not None
    invented = original._replace(
        statement=original.statement._replace(action=Action.MISMATCH, counterparty="maker")
    )
    forged = (invented, 0, bytes(16), None, event)
    assert refusals(world, world.sign("carrier", forged, kind=Kind.MISMATCH)) == ["malformed"]


def test_a_mismatch_names_an_event_before_it_with_its_bytes(world: World) -> None:
    event = event_of(OTHER)
    lying = item_over(world, event, event_of(ITEM))
    world.commit(world.sign("maker", lying))
    good = mismatch_of(world, 0, event)
    for sequence, shown in ((1, event), (99, event), (0, event + b" ")):
        bad = (good[0], sequence, bytes(16), None, shown)
        assert refusals(world, world.sign("carrier", bad, kind=Kind.MISMATCH)) == ["malformed"]
    other = (good[0]._replace(event_hash=bytes(32)), 0, bytes(16), None, event)
    assert refusals(world, world.sign("carrier", other, kind=Kind.MISMATCH)) == ["malformed"]


def test_a_mismatch_may_name_an_event_of_its_own_block_or_transaction(world: World) -> None:
    event = event_of(OTHER)
    world.commit(world.sign("maker", item_over(world, event, event_of(ITEM))))
    good = mismatch_of(world, 0, event)
    again = item_over(world, event, event_of(ITEM))
    same_block = world.commit(
        world.sign("maker", again),
        world.sign(
            "carrier",
            (good[0], 1, *good[2:]),
            (good[0], 2, *good[2:]),
            (good[0], 9, *good[2:]),
            kind=Kind.MISMATCH,
        ),
    )
    # number 2 is the mismatch before it: it cites bytes too, and its extract is about them
    assert [receipt.refusal for receipt in same_block.receipts][:2] == ["", ""]
    assert same_block.receipts[3].refusal == "malformed"


def test_bytes_that_are_no_event_contradict_every_extract(world: World) -> None:
    world.commit(world.sign("maker", item_over(world, b"no event", event_of(ITEM))))
    assert refusals(world, world.sign("carrier", mismatch_of(world, 0, b"no event"), kind=Kind.MISMATCH)) == [
        ""
    ]


# --- evidence


def test_evidence_names_the_culprit_and_touches_no_record(world: World) -> None:
    key = world.validator_keys[1]
    first, second = (finalise(0, 3, bytes([number]) * 32, bytes(32)) for number in (1, 2))
    signatures = [key.sign(claim.signing_message(world.network)) for claim in (first, second)]
    evidence = make_evidence(1, first, signatures[0], second, signatures[1])
    root = world.state.tree.root
    assert refusals(world, world.sign("carrier", evidence, kind=Kind.EVIDENCE)) == [""]
    assert (world.state.tree.root, world.state.log.size) == (root, 1)
    assert world.rows[0].changes.item is None
    of_another = evidence._replace(signer=2)
    signed = world.sign("maker", of_another, ("nonsense",), kind=Kind.EVIDENCE)
    assert refusals(world, signed) == ["not_proven", "malformed"]


def test_a_validator_reports_with_the_key_it_votes_with_and_nothing_else(world: World) -> None:
    key = world.validator_keys[1]
    claim = finalise(0, 3, bytes(32), bytes(32))
    other = claim._replace(outcome=bytes([1]) * 32)
    signed = [key.sign(one.signing_message(world.network)) for one in (claim, other)]
    evidence = make_evidence(1, claim, signed[0], other, signed[1])
    organisation = world.validators[1].organisation
    assert refusals(world, world.sign(organisation, evidence, kind=Kind.EVIDENCE, key=key)) == [""]
    assert refusals(world, world.sign(organisation, made(world, ITEM), key=key)) == ["unknown_key"]


# --- undo


def snapshot(world: World) -> Any:
    state = world.state
    return (
        state.tree.root, state.log.root(), state.log.size, dict(state.remembered), state.tip,
        {key: state.record(key) for key in sorted({k for row in world.rows for k in row.changes.records})},
    )  # fmt: skip


def test_undoing_blocks_restores_everything(world: World) -> None:
    steps = []
    for number in range(6):
        before = snapshot(world)
        item = world.attested("maker", made(world, serial(MAKER, 1, number)), number)
        pack = world.item(Action.PACK, [(Role.PARENT, CASE), (Role.CHILD, serial(MAKER, 1, number))])
        signed = world.sign("maker", item, pack, expiry_ms=world.now_ms + 2_500)
        steps.append((before, world.commit(signed)))
    last = world.executions[-1]
    for before, execution in reversed(steps):
        world.state.undo(execution.undo)
        del world.rows[-2:]
        assert snapshot(world)[:5] == before[:5]
        for key, record in before[5].items():
            assert world.state.record(key) == record
    with pytest.raises(CustodyError, match="undo"):
        world.state.undo(last.undo)


def test_undone_rows_are_forgotten(world: World) -> None:
    execution = world.commit(world.sign("maker", made(world, ITEM)))
    assert world.state.entry_row(0) is not None
    world.state.undo(execution.undo)
    world.rows.clear()
    assert world.state.entry_row(0) is None
    assert world.record(thing(ITEM)) == EMPTY


def test_what_the_backing_holds_need_not_be_kept(world: World) -> None:
    world.do("maker", Action.MAKE, [(Role.OBJECT, ITEM)])
    record = world.record(thing(ITEM))
    world.blobs[world.state.state_key(thing(ITEM))] = encode(record)
    world.state.forget(world.state.log.size, keep=0)
    assert world.state.record(thing(ITEM)) == record
    hashed = record_hash(world.network, record)
    found = world.state.stored(thing(ITEM), world.state.record(thing(ITEM)))
    assert found == (record, hashed, encode(record), state_key(world.network, thing(ITEM)))
    assert world.state.stored(thing(OTHER), record)[1] == hashed
    assert world.state.entry_row(0) is not None


def test_the_oldest_records_are_let_go_first(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    names = [serial(MAKER, 1, number) for number in range(1, 7)]
    for name in names:
        world.do("maker", Action.MAKE, [(Role.OBJECT, name)])
    keys = [thing(name) for name in names]
    world.blobs = {world.state.state_key(key): encode(world.record(key)) for key in keys}
    read: list[bytes] = []

    def get(key: bytes) -> bytes | None:
        read.append(key)
        return world.blobs.get(key)

    monkeypatch.setattr(world, "get", get)
    world.state.forget(world.state.log.size, keep=2)
    assert [world.record(key).links.length for key in keys[4:]] == [1, 1]
    assert read == []
    assert [world.record(key).links.length for key in keys] == 6 * [1]
    assert read == [state_key(world.network, key) for key in keys[:4]]


def test_what_is_stored_is_what_is_hashed(world: World) -> None:
    """Records are encoded once; every one that a related root names can be stored under its hash."""
    world.do("maker", Action.MAKE, [(Role.OBJECT, ITEM)])
    seen = world.item(Action.OBSERVE, [(Role.OBJECT, ITEM)])
    again = world.item(Action.OBSERVE, [(Role.OBJECT, ITEM)], step=1)
    execution = world.commit(world.sign("maker", seen, again, made(world, OTHER)))
    network, tree = world.network, world.state.tree
    assert set(execution.records) >= {thing(ITEM), thing(OTHER)}
    assert len(execution.encoded) == len(execution.records)
    for key, record in execution.records.items():
        assert execution.encoded[state_key(network, key)] == encode(record)
        assert tree.get(state_key(network, key)) == record_hash(network, record)
    related = {leaf.record_hash: leaf.record for row in execution.rows for leaf in row.related}
    assert len(related) == 3  # the item before each, and nothing
    assert execution.versions == {
        hashed: encode(record) for hashed, record in related.items() if record != EMPTY
    }


def test_a_record_that_is_not_the_one_in_the_tree_is_not_executed_on(world: World) -> None:
    """It is this machine that is damaged: a refusal would let its chain and the others' part."""
    world.do("maker", Action.MAKE, [(Role.OBJECT, ITEM)])
    place, record = world.state.state_key(thing(ITEM)), world.record(thing(ITEM))
    observed = world.sign("maker", world.item(Action.OBSERVE, [(Role.OBJECT, ITEM)]))
    for stored in (encode(record._replace(custodian="carrier")), encode(record)[:-1], None):
        world.blobs = {} if stored is None else {place: stored}
        world.state.forget(world.state.log.size, keep=0)
        with pytest.raises(StorageError) as refused:
            world.commit(observed)
        assert refused.value.code == Code.DAMAGED
    world.blobs = {place: encode(record)}
    assert refusals(world, observed) == [""]


def test_a_rolled_back_transaction_leaves_what_was_there(world: World) -> None:
    """Of its block and of the state, records it changed twice, room it took, and its places on the log."""
    world.do("maker", Action.MAKE, [(Role.OBJECT, ITEM)])
    first = world.sign("maker", world.item(Action.OBSERVE, [(Role.OBJECT, ITEM)], step=1))
    undone = world.sign(
        "maker",
        made(world, OTHER),
        world.item(Action.OBSERVE, [(Role.OBJECT, ITEM), (Role.OBJECT, OTHER)], step=2),
        world.item(Action.OBSERVE, [(Role.OBJECT, ITEM), (Role.OBJECT, OTHER)], step=3),
        world.item(Action.HOLD, [(Role.OBJECT, ITEM)], measure=("case", "basis")),
        mode=Mode.ALL_OR_NOTHING,
    )
    last = world.sign("maker", made(world, CASE))
    assert refusals(world, first, undone, last) == [""] + 3 * ["rolled_back"] + ["not_entitled", ""]
    assert world.record(thing(OTHER)) == EMPTY
    assert world.record(thing(ITEM)).links.length == 2
    assert [row.entry.sequence for row in world.executions[-1].rows] == [1, 2]
    assert world.state.entry_row(2) is world.executions[-1].rows[1]


def test_an_empty_block_changes_no_root(world: World) -> None:
    world.do("maker", Action.MAKE, [(Role.OBJECT, ITEM)])
    before = world.state.tip.outcome
    after = world.commit().outcome
    assert (after.state_root, after.event_log_root, after.registry_root) == (
        before.state_root, before.event_log_root, before.registry_root,
    )  # fmt: skip
    assert after.parent_outcome_hash == before.hash_in(world.network)


def test_known_keys_are_what_the_ledger_keeps_of_an_identifier(world: World) -> None:
    world.do("maker", Action.MAKE, [(Role.OBJECT, lot(MAKER, 1, "A"), (5, 0, ""))])
    assert [key.space for key in known_keys(world.record, lot(MAKER, 1, "A"))] == [Space.LOT]
    assert known_keys(world.record, OTHER) == ()
