"""An organisation's keys on the running ledger: enrolled, revoked, marked, delegated; what is refused changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ledger.base import limits
from ledger.base.errors import Code, CustodyError
from ledger.base.keys import HybridKey, Signer, SigningKey, key_id
from ledger.chain.transaction import Kind, Mode
from ledger.members.certificate import fingerprint
from ledger.members.draft import Author, RegistryDraft
from ledger.members.members import SIGNATURE_SUITE, Delegation, Key, Members, Use, Validity
from ledger.members.registration import (
    Act,
    Reason,
    apply_registration,
    endorsement_message,
    enrolment_message,
)
from ledger.members.registry import Kind as Entries
from ledger.state.block import Execution
from ledger.trade.rules import Outcome
from ledger.trade.statement import Action, Role
from tests.world.certificates import DAY_MS, issued
from tests.world.council import Council, add
from tests.world.world import World, seed, serial

NEW = SigningKey(seed("new"))
ITEM = serial("9521234", 1, 1)


@pytest.fixture
def world() -> World:
    return World(certifying=True)


def register(world: World, *items: Any, by: str = "maker", key: Signer | None = None) -> Execution:
    return world.commit(world.sign(by, *items, kind=Kind.REGISTRATION, key=key or world.authorities[by]))


def refusals(execution: Execution) -> list[str]:
    return [receipt.refusal for receipt in execution.receipts]


def enrolment(world: World, key: Signer = NEW, who: str = "maker", **named: Any) -> tuple[Any, ...]:
    named.setdefault("authority", world.authorities[who])
    data = issued(named.pop("authority"), key, who, now_ms=world.now_ms, **named)
    return carried(world, key, who, data)


def carried(world: World, key: Signer, who: str, data: bytes) -> tuple[Any, ...]:
    message = enrolment_message(world.network, who, key.public_key, fingerprint(data))
    return (Act.ENROL, data, None, key.sign(message), None)


def key_now(world: World, key: Signer) -> Key | None:
    return world.state.members(world.state.tip.header.height + 1).key(key.public_key)


def makes(world: World, key: Signer, number: int = 1, who: str = "maker") -> str:
    """Let the key sign an event; its refusal, "" if it got an entry."""
    item = world.item(Action.MAKE, [(Role.OBJECT, serial("9521234", 1, number))])
    return refusals(world.commit(world.sign(who, item, key=key)))[0]


# --- the ordinary life of a key


def test_an_enrolled_key_signs_from_the_next_block_on(world: World) -> None:
    made = enrolment(world)
    item = world.item(Action.MAKE, [(Role.OBJECT, ITEM)])
    both = world.commit(
        world.sign(
            "carrier", made, kind=Kind.REGISTRATION, key=world.keys["carrier"]
        ),  # anybody may carry it
        world.sign("maker", item, key=NEW),
    )
    assert refusals(both) == ["", "unknown_key"]
    data = made[1]
    found = key_now(world, NEW)
    assert found is not None
    assert found[:4] == ("maker", Use.SIGN, None, None)
    assert found.certificate_hash == fingerprint(data)
    assert found.validity is not None
    assert found.validity.not_before_ms < world.now_ms < found.validity.not_after_ms
    assert makes(world, NEW) == ""


def test_a_key_is_rotated_with_overlap(world: World) -> None:
    register(world, enrolment(world))
    assert (makes(world, world.keys["maker"], 1), makes(world, NEW, 2)) == ("", "")
    old = world.keys["maker"].public_key
    assert refusals(register(world, (Act.REVOKE, old, Reason.SUPERSEDED), key=world.keys["maker"])) == [""]
    assert (makes(world, world.keys["maker"], 3), makes(world, NEW, 4)) == ("revoked", "")


def test_a_revoked_key_signs_in_the_block_that_revokes_it_and_never_again(world: World) -> None:
    old = world.keys["maker"]
    item = world.item(Action.MAKE, [(Role.OBJECT, ITEM)])
    execution = world.commit(
        world.sign(
            "maker", (Act.REVOKE, old.public_key, 1), kind=Kind.REGISTRATION, key=world.approvers["maker"]
        ),
        world.sign("maker", item),
    )
    assert refusals(execution) == ["", ""]
    height = world.state.tip.header.height
    assert world.state.members(height).key(old.public_key) is not None
    assert world.state.members(height + 1).key(old.public_key) is None
    assert f"height {height + 1}" in world.state.members(height + 1).no_key(old.public_key).message
    assert makes(world, old, 2) == "revoked"


def test_an_approvers_key_is_enrolled_where_the_organisation_has_a_vote() -> None:
    world = World((*World().organisations, "newcomer"), certifying=True)
    made = enrolment(world, use=Use.APPROVER, who="newcomer")
    assert refusals(register(world, made, by="newcomer")) == ["not_entitled"]
    assert refusals(register(world, enrolment(world, use=Use.APPROVER))) == [""]
    device = world.devices["maker"].public_key
    assert refusals(register(world, (Act.REVOKE, device, Reason.UNSPECIFIED), key=NEW)) == [""]


@pytest.mark.parametrize("item", [(3, bytes(32), "d", 1), (5, "952", "x"), (6, "952")], ids=repr)
def test_items_of_a_signing_key_of_another_form(world: World, item: Any) -> None:
    assert refusals(register(world, item, key=world.keys["maker"])) == ["malformed"]


def test_a_certificate_is_judged_by_block_time_and_ends_by_it(world: World) -> None:
    end = world.now_ms + 10_000
    register(world, enrolment(world, until_ms=end))
    item = world.item(Action.MAKE, [(Role.OBJECT, ITEM)])
    world.commit(advance_ms=end - world.now_ms - 1)
    assert refusals(world.commit(world.sign("maker", item, key=NEW), advance_ms=1)) == [""]
    again = world.item(Action.MAKE, [(Role.OBJECT, serial("9521234", 1, 2))])
    assert refusals(world.commit(world.sign("maker", again, key=NEW), advance_ms=1)) == ["key_expired"]


def test_a_device_that_was_enrolled_attests_until_it_is_revoked(world: World) -> None:
    register(world, enrolment(world, use=Use.DEVICE))
    world.devices["maker"] = NEW

    def attested(number: int) -> str:
        item = world.item(Action.MAKE, [(Role.OBJECT, serial("9521234", 1, number))])
        return refusals(world.commit(world.sign("maker", world.attested("maker", item, number))))[0]

    assert attested(1) == ""
    assert makes(world, NEW, 2) == "wrong_use"
    register(world, (Act.REVOKE, NEW.public_key, Reason.UNSPECIFIED))
    assert attested(3) == "unknown_key"


def test_a_marked_key_signs_no_more_whether_revoked_or_not(world: World) -> None:
    world.commit()
    old = world.keys["maker"]
    assert refusals(register(world, (Act.COMPROMISED, old.public_key, 1))) == [""]
    assert makes(world, old) == "compromised"
    assert refusals(register(world, (Act.REVOKE, old.public_key, Reason.KEY_COMPROMISE))) == [""]
    assert makes(world, old) == "revoked"
    assert refusals(register(world, (Act.COMPROMISED, old.public_key, 0))) == [""]
    assert makes(world, old) == "compromised"
    entry = world.state.registry.exact(Entries.KEY, old.public_key.hex())
    assert entry is not None
    assert [period.data[2] for period in entry.periods] == [None, 1, 0]


def test_a_delegate_is_listed_for_one_consignment_and_ended(world: World) -> None:
    until_ms = world.now_ms + DAY_MS
    possession = NEW.sign(enrolment_message(world.network, "maker", NEW.public_key, None))
    listed = (Act.DELEGATE, NEW.public_key, "urn:custody:doc:waybill", until_ms, possession)
    assert refusals(register(world, listed, key=world.keys["maker"])) == [""]
    found = key_now(world, NEW)
    assert found == Key("maker", Use.DELEGATE, None, Delegation("urn:custody:doc:waybill", until_ms))
    ended = (Act.REVOKE, NEW.public_key, Reason.CESSATION_OF_OPERATION)
    assert refusals(register(world, ended, key=world.keys["maker"])) == [""]
    assert key_now(world, NEW) is None


def test_two_items_of_one_block_see_each_other(world: World) -> None:
    made = enrolment(world)
    assert refusals(register(world, made, made)) == ["", "bad_key"]


def test_what_fails_together_leaves_nothing(world: World) -> None:
    before = world.state.registry.root
    execution = world.commit(
        world.sign(
            "maker", enrolment(world), (Act.REVOKE, bytes(32), 0), kind=Kind.REGISTRATION,
            key=world.authorities["maker"], mode=Mode.ALL_OR_NOTHING,
        )
    )  # fmt: skip
    assert refusals(execution) == ["rolled_back", "unknown_key"]
    assert world.state.registry.root == before


# --- what is refused


def expired(world: World) -> tuple[Any, ...]:
    return enrolment(world, since_ms=0, until_ms=world.now_ms - world.now_ms % 1_000)


def not_yet_valid(world: World) -> tuple[Any, ...]:
    return enrolment(world, since_ms=world.now_ms + 60_000, until_ms=world.now_ms + DAY_MS)


def self_signed(world: World) -> tuple[Any, ...]:
    return enrolment(world, authority=NEW)


def with_own_key_under_the_authoritys_name(world: World) -> tuple[Any, ...]:
    return enrolment(world, signer=NEW)


def by_another_members_authority(world: World) -> tuple[Any, ...]:
    return enrolment(world, authority=world.authorities["carrier"])


def by_another_authority_in_its_own_name(world: World) -> tuple[Any, ...]:
    return enrolment(world, authority=world.authorities["carrier"], issuer="carrier")


def by_no_authority(world: World) -> tuple[Any, ...]:
    return enrolment(world, authority=SigningKey(seed("an authority elsewhere")))


def by_a_signing_key(world: World) -> tuple[Any, ...]:
    return enrolment(world, authority=world.keys["maker"])


def of_no_member(world: World) -> tuple[Any, ...]:
    data = issued(world.authorities["maker"], NEW, "stranger", now_ms=world.now_ms)
    return carried(world, NEW, "stranger", data)


def of_an_authority(world: World) -> tuple[Any, ...]:
    return enrolment(world, use=Use.AUTHORITY)


def of_a_validator(world: World) -> tuple[Any, ...]:
    return enrolment(world, use=Use.VALIDATOR)


def of_a_delegate(world: World) -> tuple[Any, ...]:
    return enrolment(world, use=Use.DELEGATE)


def of_a_key_in_use(world: World) -> tuple[Any, ...]:
    return enrolment(world, world.keys["maker"])


def of_anothers_key(world: World) -> tuple[Any, ...]:
    return enrolment(world, world.keys["carrier"])


def without_possession(world: World) -> tuple[Any, ...]:
    act, data, other, _, _ = enrolment(world)
    return (act, data, other, world.keys["maker"].sign(b"x"), None)


def with_possession_for_another_certificate(world: World) -> tuple[Any, ...]:
    act, data, other, _, _ = enrolment(world)
    return (act, data, other, enrolment(world, serial=8)[3], None)


def with_another_half_it_does_not_name(world: World) -> tuple[Any, ...]:
    act, data, _, possession, _ = enrolment(world)
    return (act, data, NEW.public_key + bytes(1_952), possession, None)


def with_an_endorsement_nobody_needs(world: World) -> tuple[Any, ...]:
    return (*enrolment(world)[:-1], bytes(3_373))


def of_small_order(world: World) -> tuple[Any, ...]:
    act, data, other, possession, _ = enrolment(world)
    return (act, data.replace(NEW.public_key, b"\1" + bytes(31)), other, possession, None)


REFUSED: list[tuple[Callable[[World], tuple[Any, ...]], Code]] = [
    (expired, Code.KEY_EXPIRED), (not_yet_valid, Code.NOT_YET_VALID), (self_signed, Code.NOT_ENTITLED),
    (with_own_key_under_the_authoritys_name, Code.BAD_SIGNATURE), (by_another_members_authority, Code.NOT_ENTITLED),
    (by_another_authority_in_its_own_name, Code.NOT_ENTITLED), (by_no_authority, Code.NOT_ENTITLED),
    (by_a_signing_key, Code.NOT_ENTITLED), (of_no_member, Code.NOT_ENTITLED), (of_an_authority, Code.WRONG_USE),
    (of_a_validator, Code.WRONG_USE), (of_a_delegate, Code.WRONG_USE), (of_a_key_in_use, Code.BAD_KEY),
    (of_anothers_key, Code.BAD_KEY), (without_possession, Code.BAD_SIGNATURE),
    (with_possession_for_another_certificate, Code.BAD_SIGNATURE),
    (with_another_half_it_does_not_name, Code.BAD_KEY), (with_an_endorsement_nobody_needs, Code.MALFORMED), (of_small_order, Code.BAD_SIGNATURE),
]  # fmt: skip


@pytest.mark.parametrize(("make", "code"), REFUSED, ids=lambda value: getattr(value, "__name__", str(value)))
def test_a_certificate_that_does_not_hold_enrols_nothing(
    world: World, make: Callable[[World], tuple[Any, ...]], code: Code
) -> None:
    before = world.state.registry.root
    execution = register(world, make(world))
    assert refusals(execution) == [code.value]
    assert world.state.registry.root == before
    assert execution.amendments == ()


def test_a_revoked_authority_certifies_no_more(world: World) -> None:
    authority = world.authorities["maker"]
    register(world, (Act.REVOKE, authority.public_key, Reason.KEY_COMPROMISE), key=world.approvers["maker"])
    assert refusals(register(world, enrolment(world), by="carrier")) == ["not_entitled"]


def test_a_marked_authority_certifies_no_more(world: World) -> None:
    authority = world.authorities["maker"]
    register(world, (Act.COMPROMISED, authority.public_key, 0), key=world.approvers["maker"])
    assert refusals(register(world, enrolment(world), by="carrier")) == ["compromised"]


def test_a_revoked_key_is_never_enrolled_again(world: World) -> None:
    register(world, enrolment(world))
    register(world, (Act.REVOKE, NEW.public_key, Reason.SUPERSEDED))
    assert refusals(register(world, enrolment(world, serial=9))) == ["bad_key"]


def test_possession_on_one_network_is_none_on_another(world: World) -> None:
    other = World(certifying=True, name="other")
    assert refusals(register(other, enrolment(world))) == ["bad_signature"]


@pytest.mark.parametrize(
    "item",
    [
        (), 5, None, (None,), (99, b""), (True, b"", None, bytes(64), None), (0,), (0, b"", None, bytes(64)), (0, "x", None, bytes(64), None),
        (0, b"", None, bytes(64), None), (0, bytes(1_025), None, bytes(64), None), (1, bytes(32)), (1, bytes(31), 0), (2, bytes(32), -1),
        (4, b""),
    ],
    ids=repr,
)  # fmt: skip
def test_items_of_another_form(world: World, item: Any) -> None:
    before = world.state.registry.root
    assert refusals(register(world, item))[0] in ("malformed", "too_large")
    assert world.state.registry.root == before


@pytest.mark.parametrize(
    ("by", "use", "code"),
    [
        ("maker", "authorities", ""), ("maker", "approvers", ""), ("maker", "keys", "not_entitled"),
        ("carrier", "authorities", "not_entitled"), ("carrier", "approvers", "not_entitled"), ("carrier", "keys", "not_entitled"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("act", [Act.REVOKE, Act.COMPROMISED])
def test_who_may_revoke_and_mark(world: World, by: str, use: str, code: str, act: Act) -> None:
    item = (act, world.devices["maker"].public_key, 0)
    assert refusals(register(world, item, by=by, key=getattr(world, use)[by])) == [code]


def test_what_is_refused_of_marks_and_reasons(world: World) -> None:
    world.commit()
    key = world.devices["maker"].public_key
    late = world.state.tip.header.height + 2
    assert refusals(register(world, (Act.COMPROMISED, key, late))) == ["malformed"]  # time going back
    assert refusals(register(world, (Act.REVOKE, key, 2))) == ["malformed"]
    assert refusals(register(world, (Act.COMPROMISED, bytes(32), 0))) == ["unknown_key"]
    assert refusals(register(world, (Act.COMPROMISED, key, 1), (Act.COMPROMISED, key, 1))) == [
        "",
        "not_applicable",
    ]
    assert refusals(register(world, (Act.COMPROMISED, key, 2))) == ["not_applicable"]


def test_what_is_refused_of_delegates(world: World) -> None:
    possession = NEW.sign(enrolment_message(world.network, "maker", NEW.public_key, None))

    def listing(**changed: Any) -> list[str]:
        fields: dict[str, Any] = {
            "public_key": NEW.public_key, "document": "urn:custody:doc:waybill", "until_ms": world.now_ms + DAY_MS,
            "possession": possession,
        } | changed  # fmt: skip
        by = fields.pop("by", "maker")
        key = fields.pop("key", world.keys[by])
        return refusals(register(world, (Act.DELEGATE, *fields.values()), by=by, key=key))

    assert listing(until_ms=world.now_ms + 1_000) == ["expired"]
    assert listing(until_ms=world.now_ms + 367 * DAY_MS) == ["limit"]
    assert listing(document="two words") == ["malformed"]
    assert listing(key=world.authorities["maker"]) == ["not_entitled"]
    assert listing(by="carrier") == ["bad_signature"]  # a stranger uses up nobody's key
    assert listing(public_key=world.keys["carrier"].public_key) == ["bad_key"]
    assert listing(public_key=bytes(32)) == ["bad_key"]
    assert listing() == [""]
    assert listing() == ["bad_key"]


def test_validity_of_a_key_includes_both_ends() -> None:
    key = Key("maker", Use.SIGN, None, None, Validity(5, 7))
    for time_ms in (5, 6, 7):
        key.check_in_force(time_ms)


# --- hybrid keys


def hybrid(world: World, key: HybridKey, authority: SigningKey | HybridKey, **named: Any) -> tuple[Any, ...]:
    """An enrolment of a hybrid key; where the authority's is one too, with its endorsement."""
    data = issued(authority, key, "maker", now_ms=world.now_ms, **named)
    message = enrolment_message(world.network, "maker", key_id(key.public_key), fingerprint(data))
    endorsed = (
        authority.sign(endorsement_message(world.network, data)) if isinstance(authority, HybridKey) else None
    )
    return (Act.ENROL, data, key.public_key, key.sign(message), endorsed)


BOTH = HybridKey.from_seed(seed("classical") + seed("lattice"))


def test_a_hybrid_key_is_enrolled_with_both_halves(world: World) -> None:
    made = hybrid(world, BOTH, world.authorities["maker"])
    half = world.authorities["maker"].sign(b"x")
    wrong = [
        (*made[:3], BOTH.classical.sign(b"x"), None),
        (*made[:2], made[2][:-1] + b"\0", *made[3:]),
        (*made[:2], None, *made[3:]),
        (*made[:4], half),
    ]
    assert refusals(register(world, *wrong)) == ["bad_signature", "bad_key", "bad_key", "malformed"]
    assert refusals(register(world, hybrid(world, BOTH, world.authorities["maker"], use=Use.DEVICE))) == [
        "wrong_use"
    ]
    assert refusals(register(world, made)) == [""]
    found = world.state.members(world.state.tip.header.height + 1).key(BOTH.public_key)
    assert found is not None
    assert found.hybrid_key == BOTH.public_key
    assert refusals(register(world, made)) == ["bad_key"]


def test_an_authority_with_a_hybrid_key_signs_certificates_with_both_halves() -> None:
    authority = HybridKey.from_seed(seed("authority") + seed("authority, lattice"))
    world = World(certifying=True)
    height = world.state.tip.header.height + 1
    data = ("maker", int(Use.AUTHORITY), None, None, None, None, authority.public_key)
    registry = world.state.registry.amended(
        height - 1, [(Entries.KEY, key_id(authority.public_key).hex(), data)]
    )
    members = Members(registry, height)
    author = Author(
        world.network, "carrier", world.keys["carrier"].public_key, Use.SIGN, height, world.now_ms
    )
    made = (int(Act.ENROL), *hybrid(world, BOTH, authority)[1:])
    classical = authority.classical.sign(endorsement_message(world.network, made[1]))
    for endorsed in (None, bytes(3_373), classical, classical + bytes(3_309)):
        with pytest.raises(CustodyError, match=r"endorsement|hybrid signature"):
            apply_registration(RegistryDraft(registry, height), members, author, (*made[:4], endorsed))
    draft = RegistryDraft(registry, height)
    apply_registration(draft, members, author, made)
    assert [change[1] for change in draft.changes] == [key_id(BOTH.public_key).hex()]


# --- licences

LICENCE = ("9521234", "carrier", None)


def made_by(world: World, who: str, number: int) -> Outcome:
    (outcome,) = world.do(who, Action.MAKE, [(Role.OBJECT, serial("9521234", 1, number))])
    return Outcome(outcome)


def test_a_licensee_makes_under_the_holders_prefix_until_the_licence_ends(world: World) -> None:
    assert made_by(world, "carrier", 1) == Outcome.MADE_UNATTESTED
    license_ = (Act.LICENSE, *LICENCE)
    assert refusals(register(world, license_, key=world.keys["maker"])) == [""]
    assert made_by(world, "carrier", 2) == Outcome.MADE_LICENSED
    assert made_by(world, "carrier", 1) == Outcome.ORIGIN_SET_LICENSED  # late, as a holder may
    assert made_by(world, "maker", 3) == Outcome.MADE
    assert made_by(world, "forwarder", 4) == Outcome.MADE_UNATTESTED
    assert refusals(register(world, (Act.END_LICENCE, *LICENCE[:2]), key=world.keys["maker"])) == [""]
    assert made_by(world, "carrier", 5) == Outcome.MADE_UNATTESTED
    assert refusals(register(world, (Act.END_LICENCE, *LICENCE[:2]), key=world.keys["maker"])) == [
        "not_entitled"
    ]


def test_a_licence_lapses_at_its_time(world: World) -> None:
    end = world.now_ms + 3_000
    register(world, (Act.LICENSE, "9521234", "carrier", end), key=world.keys["maker"])
    assert made_by(world, "carrier", 1) == Outcome.MADE_LICENSED
    assert world.now_ms + 1_000 == end
    assert made_by(world, "carrier", 2) == Outcome.MADE_LICENSED
    assert made_by(world, "carrier", 3) == Outcome.MADE_UNATTESTED


def test_a_licence_holds_only_of_who_holds_the_prefix(world: World) -> None:
    register(world, (Act.LICENSE, *LICENCE), key=world.keys["maker"])
    registry, height = world.state.registry, world.state.tip.header.height
    members = Members(registry, height + 1)
    assert members.is_licensed("9521234000013", "carrier", world.now_ms)
    assert not members.is_licensed("9521234000013", "forwarder", world.now_ms)
    assert not members.is_licensed("952", "carrier", world.now_ms)
    moved = registry.amended(height, [(Entries.GRANT, "9521234", ("forwarder", True))])
    assert not Members(moved, height + 1).is_licensed("9521234000013", "carrier", world.now_ms)


@pytest.mark.parametrize(
    ("by", "use", "item", "code"),
    [
        ("carrier", "keys", (Act.LICENSE, *LICENCE), "not_entitled"),
        ("maker", "authorities", (Act.LICENSE, *LICENCE), "not_entitled"),
        ("maker", "keys", (Act.LICENSE, "9521234", "maker", None), "not_entitled"),
        ("maker", "keys", (Act.LICENSE, "9521234", "stranger", None), "not_entitled"),
        ("maker", "keys", (Act.LICENSE, "952", "carrier", None), "not_entitled"),
        ("maker", "keys", (Act.LICENSE, "9521234", "carrier", 1), "expired"),
        ("carrier", "keys", (Act.END_LICENCE, *LICENCE[:2]), "not_entitled"),
    ],
    ids=repr,
)
def test_what_is_refused_of_licences(
    world: World, by: str, use: str, item: tuple[Any, ...], code: str
) -> None:
    before = world.state.registry.root
    assert refusals(register(world, item, by=by, key=getattr(world, use)[by])) == [code]
    assert world.state.registry.root == before


# --- acts of one block, and acts carried by others


def delegation(world: World, who: str) -> tuple[Any, ...]:
    possession = NEW.sign(enrolment_message(world.network, who, NEW.public_key, None))
    return (Act.DELEGATE, NEW.public_key, "urn:custody:doc:waybill", world.now_ms + DAY_MS, possession)


def test_a_key_that_ended_in_the_block_lists_no_other_behind_that(world: World) -> None:
    old = world.keys["maker"]
    for ends, code in (
        ((Act.COMPROMISED, old.public_key, 0), "compromised"),
        ((Act.REVOKE, old.public_key, 1), "revoked"),
    ):
        other = World(certifying=True)
        execution = other.commit(
            other.sign("maker", ends, kind=Kind.REGISTRATION, key=other.authorities["maker"]),
            other.sign("maker", delegation(other, "maker"), kind=Kind.REGISTRATION),
        )
        assert refusals(execution) == ["", code]
        assert key_now(other, NEW) is None


def test_an_authority_that_ended_in_the_block_certifies_nothing_behind_that(world: World) -> None:
    authority = world.authorities["maker"]
    execution = world.commit(
        world.sign(
            "maker",
            (Act.REVOKE, authority.public_key, 1),
            kind=Kind.REGISTRATION,
            key=world.approvers["maker"],
        ),
        world.sign("carrier", enrolment(world), kind=Kind.REGISTRATION),
    )
    assert refusals(execution) == ["", "revoked"]
    assert key_now(world, NEW) is None


def test_nobody_carries_a_certificate_around_the_policy_of_its_organisation(world: World) -> None:
    register(world, (Act.POLICY, ("enrol",)), key=world.approvers["maker"])
    assert refusals(register(world, enrolment(world))) == ["not_approved"]
    assert refusals(register(world, enrolment(world), by="carrier")) == ["not_approved"]
    assert key_now(world, NEW) is None


def test_a_key_is_not_marked_so_often_that_proofs_do_not_hold_its_entry(world: World) -> None:
    old = world.keys["maker"]
    for _ in range(limits.KEY_PERIODS + 4):
        world.commit()
    codes = [
        refusals(register(world, (Act.COMPROMISED, old.public_key, height)))[0]
        for height in range(limits.KEY_PERIODS + 4, 0, -1)
    ]
    assert codes[: limits.KEY_PERIODS - 1] == [""] * (limits.KEY_PERIODS - 1)
    assert codes[limits.KEY_PERIODS - 1 :] == ["limit"] * 5
    assert makes(world, old) == "compromised"
    assert refusals(register(world, (Act.REVOKE, old.public_key, Reason.KEY_COMPROMISE))) == [""]


def test_a_plain_authority_certifies_nothing_where_hybrid_keys_are_asked_for() -> None:
    world = World(certifying=True, hybrid=("sign", "approver"))
    key = HybridKey.from_seed(seed("next") + seed("lattice next"))
    data = issued(world.authorities["maker"], key, "maker", now_ms=world.now_ms)
    message = enrolment_message(world.network, "maker", key_id(key.public_key), fingerprint(data))
    carried = (int(Act.ENROL), data, key.public_key, key.sign(message), None)
    registry = world.state.registry
    for suite, code in ((1, "bad_key"), (0, "")):
        asked = registry.amended(0, [(int(Entries.PARAMETER), SIGNATURE_SUITE, suite)])
        author = Author(world.network, "carrier", world.keys["carrier"].public_key, Use.SIGN, 1, world.now_ms)
        try:
            apply_registration(RegistryDraft(asked, 1), Members(asked, 1), author, carried)
            refused = ""
        except CustodyError as error:
            refused = error.code
        assert refused == code


def test_votes_let_no_plain_authority_in_where_hybrid_keys_are_asked_for() -> None:
    council = Council()
    council.world = World(hybrid=("",))
    assert council.refused(add()) == Code.BAD_KEY
    lattice = HybridKey.from_seed(seed("authority broker") + seed("lattice broker"))
    assert council.refused(add(key=lattice.public_key)) == ""
    assert council.refused((11, "carrier", SigningKey(seed("next")).public_key, True)) == Code.BAD_KEY
