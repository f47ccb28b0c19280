"""A chain executed again: an honest one audits clean, and the first height at which another differs is named, with what."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from ledger.base.encoding import decode, encode
from ledger.base.errors import FormError, ProofError, UnavailableError
from ledger.base.keys import SigningKey
from ledger.chain.block import Header
from ledger.chain.certificate import Certificate, make_certificate
from ledger.chain.transaction import Item, Kind, event_hash
from ledger.chain.votes import finalise
from ledger.state.audit import Audit, Difference
from ledger.state.audit_source import Base, ShownEvent, SuppliedBlock
from ledger.state.block import apply_block
from ledger.state.mismatch import mismatch_extract
from ledger.trade.extract import extract
from ledger.trade.statement import Action, Openness, Role
from tests.world.chain import ChainedWorld
from tests.world.world import serial, sscc

MAKER = "9521234"
ITEM, OTHER, CASE = serial(MAKER, 1, 1), serial(MAKER, 1, 2), sscc(MAKER, 1)


def event_of(identifier: str) -> bytes:
    return json.dumps(
        {
            "type": "ObjectEvent", "action": "ADD", "bizStep": "commissioning", "epcList": [identifier],
            "eventTime": "2023-11-14T22:13:20Z", "eventTimeZoneOffset": "+00:00",
        }
    ).encode()  # fmt: skip


class Shown:
    def __init__(self) -> None:
        self.events: dict[bytes, ShownEvent] = {}
        self.erased: set[bytes] = set()

    def find(self, event: bytes) -> ShownEvent | None:
        return self.events.get(event)

    def is_erased(self, event: bytes) -> bool:
        return event in self.erased


def over(world: ChainedWorld, event: bytes, said: bytes, openness: Openness = Openness.OPEN) -> Item:
    """An item over the bytes `event` whose extract is that of `said`."""
    stated = extract(said, None, openness=openness)
    return Item(
        stated.statement,
        stated.subjects,
        world.salt(),
        event_hash(world.network, bytes(16), None, event),
        None,
        None,
    )


def story(uncertified: int = 0) -> ChainedWorld:
    """Ten blocks: goods made, packed, handed over, refused, contradicted; an empty block; a batch of two items."""
    world = ChainedWorld(uncertified=uncertified)
    world.do("maker", Action.MAKE, [(Role.OBJECT, ITEM), (Role.OBJECT, OTHER)])
    world.do("maker", Action.PACK, [(Role.PARENT, CASE), (Role.CHILD, ITEM)])
    world.commit()
    world.do("maker", Action.OFFER, [(Role.OBJECT, CASE)], to="forwarder")
    world.do("forwarder", Action.ACCEPT, [(Role.OBJECT, CASE)], source_of="maker")
    late = world.sign("maker", world.item(Action.OBSERVE, [(Role.OBJECT, OTHER)]), expiry_ms=1)
    world.commit(late, world.sign("carrier", world.item(Action.OBSERVE, [(Role.OBJECT, OTHER)])))
    lie = over(world, event_of(OTHER), event_of(serial(MAKER, 1, 9)))
    world.commit(world.sign("maker", lie))
    stated = mismatch_extract(lie, "maker", event_of(OTHER), None)
    sequence = world.rows[-1].changes.entry.sequence
    published = (
        Item(stated.statement, stated.subjects, world.salt(), lie.event_hash, None, None),
        sequence, bytes(16), None, event_of(OTHER),
    )  # fmt: skip
    world.commit(world.sign("carrier", published, kind=Kind.MISMATCH))
    world.do("forwarder", Action.OFFER, [(Role.OBJECT, CASE)], to="customs")
    world.do("customs", Action.ACCEPT, [(Role.OBJECT, CASE)], source_of="forwarder")
    return world


@pytest.fixture(scope="module")
def world() -> ChainedWorld:
    return story()


def test_a_chain_with_tombstones_audits_clean_and_a_bent_one_does_not() -> None:
    world = story()
    assert world.erase("maker", 0, 1) == ""
    assert world.erase("carrier", 0) == "not_entitled"
    assert world.erase("maker", 0) == "erased"
    audit = Audit(world.genesis)
    assert first_difference(audit, world.supplied) is None
    assert audit.height == 13
    erased = world.supplied[10]
    bent = erased._replace(receipts=None, outcome=erased.outcome._replace(state_root=bytes(32)))
    found = first_difference(Audit(world.genesis), [*world.supplied[:10], bent])
    assert found is not None
    assert found.height == 11


def first_difference(audit: Audit, blocks: list[SuppliedBlock]) -> Difference | None:
    return next((found for found in map(audit.check, blocks) if found is not None), None)


def test_an_honest_chain_audits_clean(world: ChainedWorld) -> None:
    audit = Audit(world.genesis)
    assert first_difference(audit, world.supplied) is None
    assert (audit.height, audit.certified_height, audit.transactions) == (10, 10, 10)
    assert audit.tip == world.checkpoints[-1].outcome
    assert world.executions[7].receipts[0].refusal == "", "the mismatch read an entry of an earlier block"


def test_what_no_certificate_stands_above_is_said() -> None:
    world = story(uncertified=5)
    audit = Audit(world.genesis)
    assert first_difference(audit, world.supplied) is None
    assert (audit.height, audit.certified_height) == (10, 9)


# ---- one thing altered


Alteration = Callable[[ChainedWorld, SuppliedBlock], SuppliedBlock]


def header(**changed: object) -> Alteration:
    return lambda _world, block: block._replace(header=block.header._replace(**changed))  # type: ignore[arg-type]


def without_certificate(alter: Alteration) -> Alteration:
    return lambda world, block: alter(world, block)._replace(certificate=None)


def outcome(name: str, value: object = bytes(32)) -> Alteration:
    return lambda _world, block: block._replace(outcome=block.outcome._replace(**{name: value}))  # type: ignore[arg-type]


def one_byte_of_a_batch(_world: ChainedWorld, block: SuppliedBlock) -> SuppliedBlock:
    data = bytearray(block.batches[0])
    data[len(data) // 2] ^= 1
    return block._replace(batches=(bytes(data),))


def number_of_a_batch(_world: ChainedWorld, block: SuppliedBlock) -> SuppliedBlock:
    origin, number, encoded = decode(block.batches[0], max_bytes=1_000_000)
    return block._replace(batches=(encode((origin, number + 1, encoded)),))


def a_signature_by_another(world: ChainedWorld, block: SuppliedBlock) -> SuppliedBlock:
    """The author's signature over the transaction is of another key; the id is over the header, so it stays."""
    origin, number, encoded = decode(block.batches[0], max_bytes=1_000_000)
    fields = list(decode(encoded[0], max_bytes=1_000_000))
    place = next(at for at, field in enumerate(fields) if type(field) is bytes and len(field) == 64)
    fields[place] = SigningKey(bytes(32)).sign(b"something else")
    return block._replace(batches=(encode((origin, number, (encode(tuple(fields)),))),))


def a_receipt(_world: ChainedWorld, block: SuppliedBlock) -> SuppliedBlock:
    first, *rest = block.receipts or ()
    return block._replace(receipts=(first._replace(outcomes=(7, *first.outcomes[1:])), *rest))


def a_receipt_less(_world: ChainedWorld, block: SuppliedBlock) -> SuppliedBlock:
    return block._replace(receipts=(block.receipts or ())[:-1])


def certificate(change: Callable[[ChainedWorld, Certificate], Certificate]) -> Alteration:
    def alter(world: ChainedWorld, block: SuppliedBlock) -> SuppliedBlock:
        given = block.certificate
        return block if given is None else block._replace(certificate=change(world, given))

    return alter


def another_signer(_world: ChainedWorld, given: Certificate) -> Certificate:
    return given._replace(signers=bytes((given.signers[0] ^ 0b1001,)))


def signed_over(what: str) -> Callable[[ChainedWorld, Certificate], Certificate]:
    """A quorum signed something else: what only dishonest validators can make."""

    def change(world: ChainedWorld, given: Certificate) -> Certificate:
        claim = given.claim._replace(**{what: bytes(32)})  # type: ignore[arg-type]
        message = claim.signing_message(world.network)
        signatures = {i: key.sign(message) for i, key in enumerate(world.validator_keys)}
        return make_certificate(world.validators, claim, signatures)

    return change


def of_another_epoch(world: ChainedWorld, given: Certificate) -> Certificate:
    block, result = given.claim.block, given.claim.outcome
    if block is None or result is None:
        raise ValueError("expected a finalisation")
    claim = finalise(1, given.claim.view, block, result)
    message = claim.signing_message(world.network)
    return make_certificate(
        world.validators, claim, {i: key.sign(message) for i, key in enumerate(world.validator_keys)}
    )


ALTERED: dict[str, tuple[Alteration, str]] = {
    "another network's header": (header(network=bytes(32)), "header.network"),
    "a version": (header(version=1), "header.version"),
    "a height": (header(height=9), "header.height"),
    "a hash link": (header(parent=bytes(32)), "header.parent"),
    "an epoch": (header(epoch=1), "header.epoch"),
    "a time before the parent's": (header(time_ms=5), "header.time_ms"),
    "a time": (header(time_ms=1_700_000_005_500), "header"),
    "a proposer": (header(proposer=2), "header"),
    "a proposer that does not exist": (header(proposer=4), "header.proposer"),
    "a proposer without a certificate": (without_certificate(header(proposer=2)), "header_hash"),
    "a transactions root without a certificate": (
        without_certificate(header(transactions_root=bytes(32))), "transactions_root",
    ),
    "the batches named, without a certificate": (without_certificate(header(batches_hash=bytes(32))), "batches"),
    "a byte of the body": (one_byte_of_a_batch, "batches"),
    "a number of a batch": (number_of_a_batch, "batches"),
    "a batch less": (lambda _world, block: block._replace(batches=()), "batches"),
    "an author's signature": (a_signature_by_another, "signature"),
    "a receipt": (a_receipt, "receipts"),
    "a receipt less": (a_receipt_less, "receipts"),
    "a signer": (certificate(another_signer), "certificate"),
    "a block that a quorum signed": (certificate(signed_over("block")), "header"),
    "an outcome that a quorum signed": (certificate(signed_over("outcome")), "certificate"),
    "a certificate of another epoch": (certificate(of_another_epoch), "certificate"),
    **{
        f"outcome: {name}": (outcome(name), name)
        for name in (
            "parent_outcome_hash", "receipts_root", "event_log_root", "state_root", "registry_root",
            "validators_hash", "next_validators_hash",
        )
    },
    "outcome: event_log_size": (outcome("event_log_size", 3), "event_log_size"),
}  # fmt: skip


@pytest.mark.parametrize("name", ALTERED)
def test_the_first_height_that_differs_is_named(world: ChainedWorld, name: str) -> None:
    alter, what = ALTERED[name]
    blocks = list(world.supplied)
    blocks[4] = alter(world, blocks[4])
    assert blocks[4] != world.supplied[4]
    audit = Audit(world.genesis)
    found = first_difference(audit, blocks)
    assert found is not None
    assert (found.height, found.what.startswith(what)) == (5, True), found
    assert audit.height == 4


def test_a_chain_whose_blocks_were_all_executed_by_other_rules_is_found_at_the_first(
    world: ChainedWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Headers, links and certificates all hold: only executing it again tells."""

    def other_rules(*values: object) -> object:
        execution = apply_block(*values)  # type: ignore[arg-type]
        if execution.outcome.event_log_size < 4:
            return execution
        return execution._replace(outcome=execution.outcome._replace(state_root=bytes(32)))

    monkeypatch.setattr("ledger.state.audit.apply_block", other_rules)
    found = first_difference(Audit(world.genesis), world.supplied)
    assert found is not None
    assert (found.height, found.what) == (5, "state_root")


def test_a_missing_block_is_a_broken_link(world: ChainedWorld) -> None:
    found = first_difference(Audit(world.genesis), world.supplied[:3] + world.supplied[4:])
    assert found is not None
    assert (found.height, found.what) == (4, "header.height")


def test_below_what_an_earlier_audit_reached_only_signatures_are_believed(world: ChainedWorld) -> None:
    for name in ("a signer", "an author's signature"):
        blocks = list(world.supplied)
        blocks[4] = ALTERED[name][0](world, blocks[4])
        found = first_difference(Audit(world.genesis, trusted_below=6), blocks)
        assert found is None or found.what == "batches", "the bytes are not those the header commits to"
    for name in ("outcome: state_root", "a receipt", "a hash link", "a byte of the body"):
        blocks = list(world.supplied)
        blocks[4] = ALTERED[name][0](world, blocks[4])
        found = first_difference(Audit(world.genesis, trusted_below=6), blocks)
        assert found is not None
        assert found.height == 5


def test_a_header_is_not_taken_from_the_future(world: ChainedWorld) -> None:
    """The audit stands on the last block that was right, and takes only its child."""
    audit = Audit(world.genesis)
    assert audit.check(world.supplied[1]) is not None
    assert audit.check(world.supplied[0]) is None
    assert audit.check(world.supplied[1]) is None


# ---- from a snapshot


def base_at(height: int) -> Base:
    """The state after a height of the story, told again: the same salts and keys give the same chain."""
    world = story()
    audit = Audit(world.genesis)
    assert first_difference(audit, world.supplied[:height]) is None
    state, backing = audit._state, audit._backing
    return Base(
        state.tip,
        state.registry,
        state.sets,
        tuple(backing._records.items()),
        tuple(state.log.peaks),
        dict(state.remembered),
    )


@pytest.mark.parametrize("height", [1, 3, 6, 8, 10])
def test_an_audit_may_begin_at_a_proven_state(world: ChainedWorld, height: int) -> None:
    audit = Audit(world.genesis, base=base_at(height))
    assert (audit.first, audit.height, audit.certified_height) == (height, height, height)
    assert first_difference(audit, world.supplied[height:]) is None
    assert audit.tip == world.checkpoints[-1].outcome


def test_a_difference_above_the_snapshot_is_named(world: ChainedWorld) -> None:
    blocks = list(world.supplied)
    blocks[8] = outcome("state_root")(world, blocks[8])
    found = first_difference(Audit(world.genesis, base=base_at(4)), blocks[4:])
    assert found is not None
    assert (found.height, found.what) == (9, "state_root")


def test_what_reads_below_the_snapshot_ends_the_audit_and_is_no_difference(world: ChainedWorld) -> None:
    """The mismatch in block 8 reads the entry of block 7."""
    with pytest.raises(UnavailableError, match="audit from genesis"):
        first_difference(Audit(world.genesis, base=base_at(7)), world.supplied[7:])


def test_a_state_that_is_not_that_of_its_checkpoint_is_refused(world: ChainedWorld) -> None:
    base = base_at(6)
    records = tuple(base.records)
    for other in (
        base._replace(records=records[1:]),
        base._replace(records=((records[0][0], records[1][1]), *records[1:])),
        base._replace(peaks=tuple(reversed(base.peaks)) if len(base.peaks) > 1 else (bytes(32),)),
        base._replace(sets=(ChainedWorld(name="another").validators,)),
        base._replace(registry=ChainedWorld(persons=True).genesis.registry()),
    ):
        with pytest.raises(ProofError, match="block 6"):
            Audit(world.genesis, base=other)


# ---- between two checkpoints


def test_consistency_between_any_two_heights(world: ChainedWorld) -> None:
    audit = Audit(world.genesis, sizes=range(11))
    assert first_difference(audit, world.supplied) is None
    for old in range(11):
        for new in range(old, 11):
            audit.consistency(old, new)
    with pytest.raises(ProofError):
        audit.consistency(9, 2)
    with pytest.raises(FormError, match="it is at 10"):
        audit.consistency(2, 11)


# ---- events


def test_extracts_are_compared_with_the_bytes_at_hand() -> None:
    world, shown = ChainedWorld(), Shown()
    honest, lying = over(world, event_of(ITEM), event_of(ITEM)), over(world, event_of(OTHER), event_of(ITEM))
    third, fourth = event_of(serial(MAKER, 1, 3)), event_of(serial(MAKER, 1, 4))
    rotten, erased = over(world, third, third), over(world, fourth, fourth)
    hidden = over(world, event_of(serial(MAKER, 1, 5)), event_of(serial(MAKER, 1, 5)), Openness.RESTRICTED)
    absent = world.item(Action.OBSERVE, [(Role.OBJECT, ITEM)])._replace()
    opened = absent._replace(statement=absent.statement._replace(openness=Openness.OPEN))
    for item in (honest, lying, rotten, erased, hidden, opened):
        world.commit(world.sign("maker", item))
    shown.events = {
        honest.event_hash: ShownEvent(bytes(16), None, event_of(ITEM)),
        lying.event_hash: ShownEvent(bytes(16), None, event_of(OTHER)),
        rotten.event_hash: ShownEvent(bytes(16), None, third + b" "),
    }
    shown.erased = {erased.event_hash}
    audit = Audit(world.genesis, events=shown)
    assert first_difference(audit, world.supplied) is None, "the chain stands without bytes"
    assert audit.events._asdict() == {
        "agree": 1, "mismatch": 1, "damaged": 1, "erased": 1, "restricted": 1, "absent": 1,
    }  # fmt: skip
    assert [(one.height, one.what) for one in audit.findings] == [(2, "mismatch"), (3, "damaged event")]
    assert lying.event_hash.hex() in audit.findings[0].detail


def test_a_block_is_what_its_header_says() -> None:
    """The words used for a difference are fields of the header or of the outcome."""
    names = {what.partition(".")[2] for _, what in ALTERED.values() if what.startswith("header.")}
    assert names <= set(Header._fields)
