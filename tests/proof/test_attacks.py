"""Ways to get a false history past the verifier that need an author, a prover or a file of one's own, each tried."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from ledger.base.encoding import encode
from ledger.base.errors import Code, CustodyError, FormError, ProofError, UnavailableError
from ledger.chain.certificate import Certificate, Checkpoint, make_certificate
from ledger.chain.votes import finalise
from ledger.proof import bundle as wire
from ledger.proof import replay as replaying
from ledger.proof.anchor import anchor_from_genesis, pinned
from ledger.proof.build import build
from ledger.proof.presented import Presented
from ledger.proof.verdict import Verdict, Word, assess
from ledger.proof.verify import verify
from ledger.state import block as executing
from ledger.trade.record import Space, SubjectKey
from ledger.trade.rules import Outcome, decide
from ledger.trade.rules.view import thing
from ledger.trade.statement import Action, Openness, Role
from tests.proof import forgery
from tests.proof.documents import Desk, event_of
from tests.world.past import Past
from tests.world.world import World, place, serial, sscc

MAKER = "9521234"
ITEM = serial(MAKER, 1, 1)
CASE = sscc(MAKER, 5)
LOW, HIGH = sscc(MAKER, 1), sscc(MAKER, 2)


def handed_over(world: World, name: str, sender: str, receiver: str) -> None:
    world.do(sender, Action.OFFER, [(Role.OBJECT, name)], to=receiver)
    world.do(receiver, Action.ACCEPT, [(Role.OBJECT, name)])


def judged(world: World, data: bytes, **options: Any) -> Verdict:
    return assess(data, forgery.anchor_of(world), now_ms=world.now_ms, **options)


def refused(world: World, data: bytes) -> CustodyError:
    with pytest.raises(CustodyError) as caught:
        verify(data, forgery.anchor_of(world))
    return caught.value


def reports(verdict: Verdict, name: str) -> list[str]:
    return [
        check.sentence for check in verdict.subjects[0].checks if check.name == name and check.state != "ok"
    ]


@pytest.fixture
def world() -> World:
    """An item in a case; a stranger without any standing."""
    world = World(("maker", "forwarder", "carrier", "customs", "stranger"))
    world.do("maker", Action.MAKE, [(Role.OBJECT, ITEM)])
    world.do("maker", Action.PACK, [(Role.PARENT, CASE), (Role.CHILD, ITEM)])
    return world


# --- what a prover keeps back


def test_a_second_parent_cannot_hide_where_the_case_really_went(
    monkeypatch: pytest.MonkeyPatch, world: World
) -> None:
    """An author names two parents; the case is in one, and its proof walks the other, whose custody never changed.

    Execution refuses two parents by now; the proof holds without that.
    """
    with pytest.raises(KeyError, match="malformed"):
        world.do("maker", Action.PACK, [(Role.PARENT, LOW), (Role.PARENT, HIGH), (Role.CHILD, CASE)])
    monkeypatch.setattr(executing, "check_entitled", lambda *_, **__: None)
    world.do("maker", Action.PACK, [(Role.PARENT, LOW), (Role.PARENT, HIGH), (Role.CHILD, CASE)])
    assert world.record(thing(CASE)).parent == LOW
    handed_over(world, LOW, "maker", "carrier")
    handed_over(world, LOW, "carrier", "maker")
    honest = forgery.check(world, thing(ITEM)).nested.proven[thing(ITEM)].replayed
    assert [step.link.custodian for step in honest.steps][-2:] == ["carrier", "maker"]
    forgery.hiding(monkeypatch, lambda opened, key: opened.entry.sequence == 2 and key == thing(LOW))
    with pytest.raises(ProofError):
        forgery.check(world, thing(ITEM))
    # without the count in the related root, the walk still has to end in the case's certified record
    monkeypatch.setattr(replaying.ReplayView, "_with_role", lambda view, role: sorted(
        key for key, (known, _) in view._opened.related.items() if known == role))  # fmt: skip
    with pytest.raises(ProofError, match="no change of"):
        forgery.check(world, thing(ITEM))


@pytest.mark.parametrize("role", [Role.PARENT, Role.DOCUMENT])
def test_a_named_record_kept_back_is_missed(
    monkeypatch: pytest.MonkeyPatch, world: World, role: Role
) -> None:
    document = "urn:custody:doc:mrn:24NL00051234567AK0"
    if role == Role.DOCUMENT:
        world.do("maker", Action.BIND, [(Role.OBJECT, CASE), (role, document)])
    forgery.hiding(monkeypatch, lambda opened, key: opened.related[key][0] == role and key != thing(CASE))
    if role == Role.PARENT:
        world.do("maker", Action.PACK, [(role, LOW), (Role.CHILD, CASE)])
    with pytest.raises(ProofError) as caught:
        forgery.check(world, thing(CASE))
    assert caught.value.code == Code.INCOMPLETE


# --- bytes of an event that somebody else wrote


def test_a_namesake_of_an_event_does_not_make_its_author_a_liar() -> None:
    """A rival puts the hash of the maker's event on the ledger again, with an extract of its own."""
    world = World(("maker", "forwarder", "carrier", "customs", "stranger"))
    desk = Desk(world)
    honest = desk.item(event_of(ITEM))
    desk.put("maker", honest)
    desk.put("stranger", desk.item(event_of(ITEM), said=event_of(ITEM, step="damaged", action="OBSERVE")))
    verdict = judged(world, desk.prove(thing(ITEM)))
    assert verdict.status == Word.CONSISTENT, verdict.headline
    assert world.record(thing(ITEM)).asides.length == 1


def test_a_namesake_does_not_cover_up_for_a_liar(world: World) -> None:
    """The author of a false extract puts the same event on the ledger again, truly told."""
    desk = Desk(world)
    other = serial(MAKER, 1, 9)
    desk.put("maker", desk.item(event_of(other, step="inspecting", action="OBSERVE"),
                                said=event_of(ITEM, step="inspecting", action="OBSERVE")))  # fmt: skip
    assert judged(world, desk.prove(thing(ITEM))).status == Word.CONTRADICTED
    true = desk.item(event_of(other, step="inspecting", action="OBSERVE"))
    named = (*true.subjects, true.subjects[0]._replace(identifier=ITEM))
    desk.put("maker", true._replace(subjects=named))
    desk.put("maker", true)
    assert judged(world, desk.prove(thing(ITEM))).status == Word.CONTRADICTED
    assert judged(world, desk.prove(thing(ITEM), thing(other))).status == Word.CONTRADICTED


def test_a_false_context_hash_is_its_authors_lie_and_stops_nobodys_proof(world: World) -> None:
    desk = Desk(world)
    note = desk.item(event_of(ITEM, step="inspecting", action="OBSERVE"))
    desk.put("maker", note)
    desk.put("stranger", note._replace(context_hash=bytes(32), subject_salt=world.salt()))
    assert judged(world, desk.prove(thing(ITEM))).status == Word.CONSISTENT
    desk.put("maker", note._replace(context_hash=bytes(32), subject_salt=world.salt()))
    assert judged(world, desk.prove(thing(ITEM))).status == Word.CONTRADICTED


@pytest.mark.parametrize("openness", Openness)
def test_bytes_agree_whether_open_or_restricted(openness: Openness) -> None:
    world = World()
    desk = Desk(world)
    desk.put("maker", desk.item(event_of(ITEM), openness=openness))
    verdict = judged(world, desk.prove(thing(ITEM)))
    assert verdict.status == Word.CONSISTENT
    assert next(check for check in verdict.checks if check.name == "bytes").state == "ok"


def test_bytes_of_no_event_of_the_proof_are_refused(world: World) -> None:
    desk = Desk(world)
    desk.put("maker", desk.item(event_of(ITEM, step="inspecting", action="OBSERVE")))
    made = wire.bundle_from_bytes(desk.prove(thing(ITEM)))
    other = made.payloads[0]._replace(event=b"{}")
    assert refused(world, made._replace(payloads=(other,)).to_bytes()).code == Code.NOT_PROVEN
    foreign = made.payloads[0]._replace(event_hash=bytes(32))
    assert refused(world, made._replace(payloads=(foreign,)).to_bytes()).code == Code.UNUSED_BYTES


# --- what strangers say


def test_a_stranger_moves_no_verdict(world: World) -> None:
    """Observing elsewhere, breaching a hold, correcting: all in the asides, and the verdict is as before."""
    where = Presented(place=place(1))
    assert judged(world, forgery.prove(world, thing(ITEM)), presented=where).status == Word.CONSISTENT
    world.do("stranger", Action.OBSERVE, [(Role.OBJECT, ITEM)], place=place(9))
    world.do("customs", Action.HOLD, [(Role.OBJECT, ITEM)], measure=("C", "B"))
    world.do("stranger", Action.OFFER, [(Role.OBJECT, ITEM)], to="carrier")
    world.do("stranger", Action.CORRECT, [(Role.OBJECT, ITEM)], cites=world.rows[0].changes.item.event_hash)  # type: ignore[union-attr]
    world.do("customs", Action.RELEASE, [(Role.OBJECT, ITEM)], measure=("C", "B"))
    assert world.record(thing(ITEM)).asides.length == 3
    verdict = judged(world, forgery.prove(world, thing(ITEM)), presented=where)
    assert verdict.status == Word.CONSISTENT, verdict.headline
    assert any("3 third-party reports" in check.sentence for check in verdict.subjects[0].checks)


def test_a_ruling_on_something_else_confirms_no_taking(world: World) -> None:
    world.do("maker", Action.OFFER, [(Role.OBJECT, CASE)])
    world.do("carrier", Action.ACCEPT, [(Role.OBJECT, CASE)])
    assert world.do("maker", Action.DISPUTE, [(Role.OBJECT, CASE)]) == (Outcome.DISPUTED,)
    dispute = world.rows[-1].changes.item
    assert dispute is not None
    ruling = world.do("customs", Action.CONFIRM, [(Role.OBJECT, CASE)], cites=dispute.event_hash)
    assert ruling == (Outcome.CONFIRMED,)
    verdict = judged(world, forgery.prove(world, thing(CASE)))
    assert any("not confirmed by the sender" in line for line in reports(verdict, "handovers"))


def test_claims_on_the_container_are_said_of_what_is_inside(world: World) -> None:
    world.do("carrier", Action.ACCEPT, [(Role.OBJECT, CASE)])
    verdict = judged(world, forgery.prove(world, thing(ITEM)))
    assert verdict.status == Word.CONSISTENT_WITH_GAPS
    assert reports(verdict, "handovers") == ["ONE-SIDED: carrier claims what it is in, maker did not sign"]


# --- subjects that are not there


def test_what_the_ledger_never_saw_has_no_history_to_be_consistent(world: World) -> None:
    """The proof of absence of a counterfeit's serial, offered as its history."""
    unknown = thing(serial(MAKER, 1, 4711))
    honest = wire.bundle_from_bytes(forgery.prove(world, thing(ITEM)))
    shown = wire.ShownRecord(unknown, None, Past(world).state_proof(unknown))
    made = wire.Bundle(1, world.network, (), honest.checkpoint, (unknown,), (shown,), (), (), (), (), ())
    assert refused(world, made.to_bytes()).code == Code.UNKNOWN_SUBJECT
    assert judged(world, made.to_bytes()).exit_code == 1
    both = honest._replace(asked=(unknown, thing(ITEM)), records=(shown, *honest.records))
    both = both._replace(
        asked=tuple(sorted(both.asked)), records=tuple(sorted(both.records, key=lambda r: r.key))
    )
    assert refused(world, both.to_bytes()).code == Code.UNKNOWN_SUBJECT
    assert refused(world, honest._replace(asked=()).to_bytes()).code == Code.NOT_PROVEN


def test_counters_and_episodes_are_no_subjects(world: World) -> None:
    world.do("stranger", Action.OBSERVE, [(Role.OBJECT, ITEM)])
    world.do("maker", Action.UNPACK_ALL, [(Role.PARENT, CASE)])
    honest = wire.bundle_from_bytes(forgery.prove(world, thing(ITEM)))
    every = {key for row in world.rows for key in row.changes.records}
    others = [key for key in every if key.space in (Space.EPISODE, Space.REPORTS)]
    assert len(others) == 2
    for key in others:
        with pytest.raises(UnavailableError):
            forgery.prove(world, key)
        shown = wire.ShownRecord(key, world.record(key), Past(world).state_proof(key))
        made = wire.Bundle(1, world.network, (), honest.checkpoint, (key,), (shown,), (), (), (), (), ())
        assert refused(world, made.to_bytes()).code == Code.UNKNOWN_SUBJECT


# --- splices


def test_no_splice_of_two_honest_bundles_verifies(world: World) -> None:
    """Every mixture of the parts of two bundles of one subject, of two heights."""
    older = forgery.unpacked(forgery.prove(world, thing(ITEM)))
    world.do("carrier", Action.OBSERVE, [(Role.OBJECT, CASE)])
    handed_over(world, CASE, "maker", "carrier")
    world.do("customs", Action.HOLD, [(Role.OBJECT, ITEM)], measure=("C", "B"))
    newer = forgery.unpacked(forgery.prove(world, thing(ITEM)))
    for chosen in product((0, 1), repeat=len(older)):
        spliced = tuple((older, newer)[side][place] for place, side in enumerate(chosen))
        if spliced not in (older, newer):
            refused(world, encode(spliced))
    assert verify(encode(older), forgery.anchor_of(world)).checkpoint.header.height == 2


def test_no_part_of_another_subjects_bundle_is_taken(world: World) -> None:
    first = forgery.unpacked(forgery.prove(world, thing(ITEM)))
    second = forgery.unpacked(forgery.prove(world, thing(CASE)))
    for part in range(wire.Bundle._fields.index("asked"), len(wire.Bundle._fields)):
        if first[part] != second[part]:
            refused(world, encode((*first[:part], second[part], *first[part + 1 :])))
            merged = tuple(sorted({*first[part], *second[part]}, key=repr))
            if merged != first[part]:
                refused(world, encode((*first[:part], merged, *first[part + 1 :])))


def test_one_bundle_of_both_is_more_than_the_two(world: World) -> None:
    handed_over(world, CASE, "maker", "carrier")
    findings = forgery.check(world, thing(ITEM), thing(CASE))
    assert set(findings.nested.asked) == {thing(CASE), thing(ITEM)}
    for key in (thing(ITEM), thing(CASE)):
        alone = forgery.check(world, key).nested.proven[key].replayed
        assert findings.nested.proven[key].replayed.record == alone.record
        assert len(findings.nested.proven[key].replayed.steps) == len(alone.steps)


# --- checkpoints and anchors


def certified(world: World, indices: tuple[int, ...], **outcome: Any) -> Checkpoint:
    last = world.checkpoints[-1]
    changed = last.outcome._replace(**outcome)
    claim = finalise(0, last.header.height, last.header.hash, changed.hash_in(world.network))
    message = claim.signing_message(world.network)
    signatures = {index: world.validator_keys[index].sign(message) for index in indices}
    while len(signatures) < 3:  # a minority makes up the rest
        signatures[next(i for i in range(4) if i not in signatures)] = bytes(64)
    return Checkpoint(last.header, changed, make_certificate(world.validators, claim, signatures))


def test_a_minority_certifies_nothing(world: World) -> None:
    bundle = wire.bundle_from_bytes(forgery.prove(world, thing(ITEM)))
    for indices in ((), (0,), (0, 1), (2, 3)):
        assert (
            refused(world, bundle._replace(checkpoint=certified(world, indices)).to_bytes()).code
            == Code.NOT_PROVEN
        )


def test_which_quorum_signed_is_the_one_freedom_of_a_bundle(world: World) -> None:
    """Nobody can tell a verifier who else signed, so any q of them do; q exactly, in order."""
    bundle = wire.bundle_from_bytes(forgery.prove(world, thing(ITEM)))
    for indices in ((0, 1, 2), (0, 1, 3), (0, 2, 3), (1, 2, 3)):
        verify(bundle._replace(checkpoint=certified(world, indices)).to_bytes(), forgery.anchor_of(world))
    full = certified(world, (0, 1, 2))
    certificate = full.certificate
    signatures = [certificate.signatures[place : place + 64] for place in (0, 64, 128)]
    variants = [
        certificate._replace(signers=b"\x0f", signatures=b"".join((*signatures, signatures[0]))),
        certificate._replace(signers=b"\x03", signatures=b"".join(signatures[:2])),
        certificate._replace(signatures=b"".join(reversed(signatures))),
        certificate._replace(signers=b"\x13"),
        certificate._replace(signers=b"\x07\x00"),
        certificate._replace(signatures=b"".join(signatures) + b"\0"),
    ]
    for variant in variants:
        refused(
            world, bundle._replace(checkpoint=full._replace(certificate=Certificate(*variant))).to_bytes()
        )


def test_a_bundle_of_another_network_is_foreign(world: World) -> None:
    other = World(("maker", "forwarder", "carrier", "customs"), name="other")
    other.do("maker", Action.MAKE, [(Role.OBJECT, ITEM)])
    data = forgery.prove(other, thing(ITEM))
    assert refused(world, data).code == Code.FOREIGN_ANCHOR
    relabelled = wire.bundle_from_bytes(data)._replace(network=world.network).to_bytes()
    assert refused(world, relabelled).code == Code.FOREIGN_ANCHOR


def test_a_pinned_anchor_tells_a_fork_and_takes_what_is_older(world: World) -> None:
    older = forgery.prove(world, thing(ITEM))
    world.do("maker", Action.OBSERVE, [(Role.OBJECT, ITEM)])
    start = anchor_from_genesis(world.genesis)
    moved = pinned(start, world.checkpoints[-1])
    assert (moved.height, moved.header_hash) == (3, world.checkpoints[-1].header.hash)
    verify(forgery.prove(world, thing(ITEM)), moved)
    verify(older, moved)
    fork = moved._replace(header_hash=bytes(32))
    with pytest.raises(ProofError, match="forked"):
        verify(forgery.prove(world, thing(ITEM)), fork)
    with pytest.raises(ProofError):
        pinned(start, certified(world, (0, 1)))


def test_an_older_checkpoint_carries_no_newer_entry(world: World) -> None:
    """The parts of today under the checkpoint of before: the roots differ, and so would the ends of the chains."""
    earlier = world.checkpoints[-1]
    world.do("maker", Action.OBSERVE, [(Role.OBJECT, ITEM)])
    bundle = wire.bundle_from_bytes(forgery.prove(world, thing(ITEM)))
    refused(world, bundle._replace(checkpoint=earlier).to_bytes())
    past = Past(world)
    past.checkpoint = Checkpoint(*earlier)  # a quorum that certifies the new state for the old height
    short = certified(world, (0, 1, 2), event_log_size=2)
    assert refused(world, bundle._replace(checkpoint=short).to_bytes()).code == Code.NOT_PROVEN


# --- files that are none


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\x00", b"\xc0", b"\x90", b"\x9a" + b"\xc0" * 10, b"\xdd\xff\xff\xff\xff", b"\x91" * 100, b"\x91" * 100_000,
        b"\xdc\xff\xff" + b"\x90" * 65_535, b"\xc7\x00\x01", b"\xcb" + bytes(8), b"\x80", b"\x81\x00\x00", b"\xc1", b"\xd9\x01\xff",
        b"\xdd\x7f\xff\xff\xff" + b"\x00" * 64, b"\xc6\xff\xff\xff\xff", b"not a bundle",
    ],
    ids=lambda data: f"{data[:4].hex()}x{len(data)}",
)  # fmt: skip
def test_anything_else_is_unreadable_and_never_an_exception(world: World, data: bytes) -> None:
    verdict = judged(world, data)
    assert (verdict.status, verdict.exit_code) == (Word.NOT_PROVEN, 5)
    assert len(verdict.headline) < 500


def test_a_bundle_too_large_is_unreadable(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    data = forgery.prove(world, thing(ITEM))
    monkeypatch.setattr("ledger.base.limits.BUNDLE_BYTES", len(data))
    assert judged(world, data).status != Word.NOT_PROVEN
    monkeypatch.setattr("ledger.base.limits.BUNDLE_BYTES", len(data) - 1)
    assert judged(world, data).exit_code == 5


def test_each_field_has_one_form(world: World) -> None:
    """An empty list written as empty text, an empty run of links, an empty list of legs: the same proof, another file."""
    bundle = wire.bundle_from_bytes(forgery.prove(world, thing(ITEM)))
    value = forgery.unpacked(bundle.to_bytes())
    empties = [path for path, node in forgery.nodes(value) if node == ()]
    assert len(empties) > 50
    for path in empties:
        for other in ("", b"", None):
            refused(world, encode(forgery.replaced(value, path, other)))
    chain = wire.ShownChain(thing(ITEM), wire.ASIDE, 1, ())
    chains = tuple(sorted((*bundle.chains, chain)))
    with pytest.raises(FormError, match="empty list"):
        verify(bundle._replace(chains=chains).to_bytes(), forgery.anchor_of(world))
    legs = (wire.ShownLegs(thing(ITEM), ()),)
    with pytest.raises(FormError, match="empty list"):
        verify(bundle._replace(legs=legs).to_bytes(), forgery.anchor_of(world))


# --- effort


def test_the_moves_of_a_container_are_run_once_for_all_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    names = [serial(MAKER, 1, number) for number in range(40)]
    world.do("maker", Action.MAKE, [(Role.OBJECT, name) for name in names])
    world.do("maker", Action.PACK, [(Role.PARENT, CASE), *((Role.CHILD, name) for name in names)])
    for number in range(20):
        world.do("maker", Action.OBSERVE, [(Role.OBJECT, CASE)], seals=(f"S{number}",))
    data = build(Past(world), [thing(name) for name in names])
    runs = 0
    honest = decide

    def counted(*arguments: Any) -> Any:
        nonlocal runs
        runs += 1
        return honest(*arguments)

    monkeypatch.setattr(replaying, "decide", counted)
    found = verify(data, forgery.anchor_of(world))
    assert all(len(one.steps) == 23 for one in found.nested.every())
    assert runs <= 40 * 3 + 21


def test_a_holder_of_a_key_never_asked_for_is_not_shown(world: World) -> None:
    """Nothing of siblings, nor of other balances, is in a bundle that does not need it."""
    sibling = serial(MAKER, 1, 2)
    world.do("maker", Action.MAKE, [(Role.OBJECT, sibling)])
    world.do("maker", Action.PACK, [(Role.PARENT, CASE), (Role.CHILD, sibling)])
    data = forgery.prove(world, thing(ITEM))
    assert sibling.encode() not in data
    assert SubjectKey(Space.THING, ITEM).identifier.encode() in data
