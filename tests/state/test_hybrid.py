"""A network of hybrid keys: everything that is signed, from the event to the bundle; and the way into it, by a change of epoch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from ledger.base.encoding import decode, encode
from ledger.base.errors import Code, CustodyError, FormError, ProofError, SignatureError
from ledger.base.keys import HYBRID_SIGNATURE_BYTES, HybridKey, Signer, SigningKey, is_hybrid, key_id
from ledger.chain.certificate import make_certificate
from ledger.chain.epoch import approve, make_change, prove_possession, with_approvals
from ledger.chain.evidence import make_evidence
from ledger.chain.genesis import Genesis, Seat, check_genesis, genesis_from_bytes
from ledger.chain.transaction import Kind, transaction_from_wire
from ledger.chain.votes import notarise, nullify
from ledger.members.members import SIGNATURE_SUITE
from ledger.proof.anchor import anchor_from_genesis
from ledger.proof.build import build
from ledger.proof.bundle import bundle_from_bytes
from ledger.proof.verify import verify
from ledger.trade.record import Space, SubjectKey
from ledger.trade.statement import Action, Role
from tests.world.past import Past
from tests.world.world import World, seed, serial

THING = serial("9521234", 1, 1)


def hybrid_world(**options: Any) -> World:
    return World(hybrid=("",), gateways=("maker",), **options)


def making(world: World, number: int = 1) -> Any:
    return world.item(Action.MAKE, [(Role.OBJECT, serial("9521234", 1, number))])


def refusals(world: World, transaction: Any) -> list[str]:
    return [receipt.refusal for receipt in world.commit(transaction).receipts]


def test_what_a_hybrid_key_signed_is_executed_proven_and_known_by_its_id() -> None:
    world = hybrid_world()
    assert refusals(world, world.sign("maker", making(world))) == [""]
    key = world.keys["maker"].public_key
    assert is_hybrid(key)
    assert world.rows[-1].changes.entry.public_key == key_id(key)
    assert world.state.members(2).key(key) == world.state.members(2).key(key_id(key))
    data = build(Past(world), [SubjectKey(Space.THING, THING)])
    anchor = anchor_from_genesis(genesis_from_bytes(world.genesis.to_bytes()))
    findings = verify(data, anchor)
    assert findings.anchor == anchor
    certificate = bundle_from_bytes(data).checkpoint.certificate
    assert len(certificate.signatures) == 3 * HYBRID_SIGNATURE_BYTES


@pytest.mark.parametrize("place", [5, HYBRID_SIGNATURE_BYTES - 5, 2 * HYBRID_SIGNATURE_BYTES + 100])
def test_a_bundle_whose_validators_lack_one_half_proves_nothing(place: int) -> None:
    world = hybrid_world()
    world.commit(world.sign("maker", making(world)))
    bundle = bundle_from_bytes(build(Past(world), [SubjectKey(Space.THING, THING)]))
    checkpoint = bundle.checkpoint
    signatures = bytearray(checkpoint.certificate.signatures)
    signatures[place] ^= 1
    forged = checkpoint._replace(certificate=checkpoint.certificate._replace(signatures=bytes(signatures)))
    with pytest.raises(ProofError, match="expected a valid signature of validator"):
        verify(bundle._replace(checkpoint=forged).to_bytes(), anchor_from_genesis(world.genesis))


def test_a_transaction_that_lacks_one_half_is_ill_formed() -> None:
    world = hybrid_world()
    made = world.sign("maker", making(world))
    made.check_signature()
    for place in (3, 64, 3_000):
        signature = bytearray(made.signature)
        signature[place] ^= 1
        wire = decode(encode((made.header, made.items, bytes(signature))), max_bytes=100_000)
        with pytest.raises(SignatureError):
            transaction_from_wire(wire, world.network).check_signature()
    for length in (64, 3_309):
        wire = decode(encode((made.header, made.items, made.signature[:length])), max_bytes=100_000)
        with pytest.raises(CustodyError):
            transaction_from_wire(wire, world.network).check_signature()


def test_a_network_that_asks_for_hybrid_keys_refuses_plain_ones_but_of_delegates() -> None:
    world = World(
        hybrid=("",), delegates={"driver": ("maker", "urn:custody:doc:ucr:4NL123456-7", 1_900_000_000_000)}
    )
    listed = SigningKey(seed("an older key"))
    height = world.state.tip.header.height
    world.state.registry = world.state.registry.amended(
        height, [(1, listed.public_key.hex(), ("maker", 0, None, None))]
    )
    assert refusals(world, world.sign("maker", making(world), key=listed)) == ["bad_key"]
    assert refusals(world, world.sign("maker", making(world), key=world.delegates["driver"])) != ["bad_key"]
    assert refusals(world, world.sign("maker", making(world))) == [""]


def test_validators_with_hybrid_keys_are_accused_by_both_halves() -> None:
    world = hybrid_world()
    key = world.epoch_keys[0][1]
    claims = [notarise(0, 3, bytes([number]) * 32) for number in (1, 2)]
    signatures = [key.sign(claim.signing_message(world.network)) for claim in claims]
    true = make_evidence(1, claims[0], signatures[0], claims[1], signatures[1])
    half = true._replace(second_signature=true.second_signature[:64] + bytes(3_309))
    refused = world.commit(
        world.sign("maker", true, kind=Kind.EVIDENCE), world.sign("maker", half, kind=Kind.EVIDENCE)
    )
    codes = [receipt.refusal for receipt in refused.receipts]
    assert codes == ["", "not_proven"]


def test_a_certificate_takes_as_many_bytes_of_each_as_its_key_says() -> None:
    world = hybrid_world()
    validators = world.state.sets[0]
    message = nullify(0, 1).signing_message(world.network)
    signatures = {place: key.sign(message) for place, key in enumerate(world.epoch_keys[0][:3])}
    certificate = make_certificate(validators, nullify(0, 1), signatures)
    assert len(certificate.signatures) == 3 * HYBRID_SIGNATURE_BYTES


# --- genesis


def test_genesis_asks_for_hybrid_keys_exactly_where_all_seats_have_them() -> None:
    genesis = hybrid_world().genesis
    plain = World().genesis
    check_genesis(genesis)
    without = tuple(entry for entry in genesis.entries if entry.name != SIGNATURE_SUITE)
    asking = next(entry for entry in genesis.entries if entry.name == SIGNATURE_SUITE)
    a_plain_seat = (plain.validators[0], *genesis.validators[1:])
    for wrong in (
        genesis._replace(entries=without),
        genesis._replace(validators=a_plain_seat),
        plain._replace(entries=tuple(sorted((*plain.entries, asking)))),
        genesis._replace(entries=tuple(sorted((*genesis.entries, plain_signer(plain))))),
    ):
        with pytest.raises(FormError) as caught:
            check_genesis(wrong)
        assert caught.value.code is Code.BAD_KEY


def plain_signer(genesis: Genesis) -> Any:
    return next(entry for entry in genesis.entries if entry.kind == 1 and entry.at(0)[1] == 0)


def test_a_key_stands_under_its_own_id() -> None:
    genesis = hybrid_world().genesis
    place, entry = next(
        (place, entry)
        for place, entry in enumerate(genesis.entries)
        if entry.kind == 1 and entry.at(0)[1] == 0
    )
    other = HybridKey.from_seed(bytes(64)).public_key
    period = entry.periods[0]
    for data in ((*period.data[:6], other), period.data[:4]):
        altered = entry._replace(periods=(period._replace(data=data),))
        entries = (*genesis.entries[:place], altered, *genesis.entries[place + 1 :])
        with pytest.raises(FormError):
            check_genesis(genesis._replace(entries=entries))


# --- changing the suite


def change(
    world: World,
    keys: Mapping[str, Signer],
    parameters: Any,
    approvers: Mapping[str, Signer],
    protocol: int = 2,
) -> Any:
    delivered = []
    for name, key in keys.items():
        seat = Seat(name, key.public_key, seed(name))
        delivered.append((seat, prove_possession(key, world.network, world.state.epoch, seat)))
    draft = make_change(world.state.epoch, delivered, parameters, protocol=protocol)
    return with_approvals(
        draft, [approve(key, name, world.network, draft) for name, key in approvers.items()]
    )


def new_keys(world: World, *, hybrid: bool) -> Mapping[str, Signer]:
    names = [member.organisation for member in world.validators]
    if hybrid:
        return {name: HybridKey.from_seed(seed(name) + seed(f"{name} lattice")) for name in names}
    return {name: SigningKey(seed(f"{name} again")) for name in names}


def closes(world: World, made: Any) -> str:
    carried = world.sign("maker", made, kind=Kind.EPOCH_CHANGE, key=world.approvers["maker"])
    try:
        world.commit(carried, closes_epoch=True)
    except CustodyError as error:
        return error.code.value
    return ""


def test_a_vote_moves_a_network_to_hybrid_keys_if_approvers_and_seats_have_them() -> None:
    world = World(hybrid=("approver",))
    hybrid, plain = new_keys(world, hybrid=True), new_keys(world, hybrid=False)
    mixed = {**hybrid, "maker": plain["maker"]}
    ask = [(SIGNATURE_SUITE, 1)]
    assert closes(world, change(world, hybrid, [], world.approvers)) == "bad_key"
    assert closes(world, change(world, mixed, ask, world.approvers)) == "bad_key"
    assert closes(world, change(world, hybrid, ask, world.approvers)) == ""
    assert world.state.sets[-1].is_hybrid
    assert world.state.members(world.state.tip.header.height + 1).parameter(SIGNATURE_SUITE) == 1


def test_plain_approvals_move_nobody_to_hybrid_keys_or_away_from_them() -> None:
    world = World()
    assert (
        closes(world, change(world, new_keys(world, hybrid=True), [(SIGNATURE_SUITE, 1)], world.approvers))
        == "bad_key"
    )
    asking = hybrid_world()
    plain = new_keys(asking, hybrid=False)
    assert closes(asking, change(asking, plain, [], asking.approvers)) == "bad_key"
    assert closes(asking, change(asking, plain, [(SIGNATURE_SUITE, 0)], asking.approvers)) == ""
    assert not asking.state.sets[-1].is_hybrid


def test_what_nodes_of_version_1_cannot_read_closes_no_epoch_of_version_1() -> None:
    world = World(hybrid=("approver",), protocol=2)
    old = World(protocol=1)
    plain = new_keys(old, hybrid=False)
    hybrid = new_keys(old, hybrid=True)
    for made in (
        change(old, hybrid, [(SIGNATURE_SUITE, 1)], old.approvers),
        change(old, {**plain, "maker": hybrid["maker"]}, [], old.approvers),
        change(old, plain, [(SIGNATURE_SUITE, 0)], old.approvers),
        change(old, plain, [], {**old.approvers, "maker": world.approvers["maker"]}),
    ):
        assert closes(old, made) == "malformed"
    assert closes(old, change(old, plain, [], old.approvers)) == ""
    with pytest.raises(FormError, match="expected plain ones before protocol version 2"):
        World(hybrid=("approver",), protocol=1)
