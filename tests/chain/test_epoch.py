"""Changes of validators: what a change must hold to be notarised, judged from bytes and the epoch's constants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ledger.base.encoding import decode, encode
from ledger.base.errors import Code, CustodyError, EntitlementError, FormError
from ledger.base.keys import SigningKey
from ledger.chain.approvers import Approvers, approvers_height
from ledger.chain.block import PROTOCOL_NEWEST
from ledger.chain.epoch import (
    EpochChange,
    approve,
    change_of,
    check_carrier,
    check_change,
    check_closing_block,
    is_well_closed,
    make_change,
    parse_change,
    prove_possession,
    registry_after,
    with_approvals,
)
from ledger.chain.genesis import LEADER_TIMEOUT_MS, Seat
from ledger.chain.transaction import Kind, Transaction, sign_transaction, transaction_from_bytes
from ledger.members.constitution import CONSTITUTION, ChangeKind
from ledger.members.members import PROTOCOL, Members, Use
from ledger.members.registry import Entry, Period, Registry
from ledger.members.registry import Kind as RegistryKind
from tests.chain.consensus_samples import HEADER, NETWORK, VALIDATORS, digest

NOW_MS = HEADER.time_ms
ORGANISATIONS = [f"org{index}" for index in range(7)]
APPROVER_KEYS = {name: SigningKey.from_seed(digest(f"approver {name}")) for name in ORGANISATIONS[:4]}
NEXT_KEYS = {name: SigningKey.from_seed(digest(f"{name} epoch 1")) for name in ORGANISATIONS}
CLOSING = HEADER._replace(closes_epoch=True)


def entry(kind: RegistryKind, name: str, data: Any) -> Entry:
    return Entry(int(kind), name, (Period(0, None, data),))


ENTRIES = [entry(RegistryKind.ORGANISATION, name, (name, "NL", (), False)) for name in ORGANISATIONS] + [
    entry(RegistryKind.KEY, key.public_key.hex(), (name, int(Use.APPROVER), None, None))
    for name, key in APPROVER_KEYS.items()
]
APPROVERS = Approvers(NETWORK, Registry(NETWORK, ENTRIES), 0)


def delivered(
    names: list[str], epoch: int = 0, network: bytes = NETWORK, keys: dict[str, SigningKey] = NEXT_KEYS
) -> list[tuple[Seat, bytes]]:
    seats = [Seat(name, keys[name].public_key, digest(f"pin {name}")) for name in names]
    return [(seat, prove_possession(keys[seat.organisation], network, epoch, seat)) for seat in seats]


def approved(change: EpochChange, by: list[str] = ORGANISATIONS[:3], network: bytes = NETWORK) -> EpochChange:
    return with_approvals(change, [approve(APPROVER_KEYS[name], name, network, change) for name in by])


def drafted(epoch: int, seats: Any, parameters: Any = ()) -> EpochChange:
    return make_change(epoch, seats, parameters, protocol=1)


DRAFT = make_change(0, delivered(ORGANISATIONS[1:6]), [(LEADER_TIMEOUT_MS, 200)], protocol=1)
CHANGE = approved(DRAFT)


def wire(change: Any) -> Any:
    return decode(encode(change), max_bytes=100_000)


def carried(change: EpochChange, *, expiry_ms: int = NOW_MS + 60_000, by: str = "org0") -> Transaction:
    made = sign_transaction(
        APPROVER_KEYS[by], NETWORK, by, (wire(change),), nonce=bytes(16), expiry_ms=expiry_ms,
        kind=Kind.EPOCH_CHANGE,
    )  # fmt: skip
    return transaction_from_bytes(made.to_bytes(), NETWORK)


def test_a_change_that_a_quorum_approves_gives_the_next_set() -> None:
    following = check_change(parse_change(wire(CHANGE)), 0, VALIDATORS, APPROVERS, protocol=1, time_ms=NOW_MS)
    assert [member.organisation for member in following] == ORGANISATIONS[1:6]
    assert parse_change(wire(CHANGE)) == CHANGE
    assert change_of(carried(CHANGE)) == CHANGE
    assert check_closing_block(CLOSING, [carried(CHANGE)], VALIDATORS, APPROVERS) == (CHANGE, following)


def test_all_approvers_may_approve_and_approvals_have_one_order() -> None:
    everybody = approved(DRAFT, ORGANISATIONS[:4])
    assert check_change(everybody, 0, VALIDATORS, APPROVERS, protocol=1, time_ms=NOW_MS)
    assert approved(DRAFT, ORGANISATIONS[3::-1]) == everybody
    shuffled = everybody._replace(approvals=everybody.approvals[::-1])
    with pytest.raises(FormError) as refused:
        parse_change(wire(shuffled))
    assert refused.value.code == Code.NOT_CANONICAL


def _signed_by(name: str, key: SigningKey) -> Callable[[], EpochChange]:
    return lambda: with_approvals(approved(DRAFT, ORGANISATIONS[:2]), [approve(key, name, NETWORK, DRAFT)])


STRANGER = SigningKey.from_seed(digest("stranger"))
FOREIGN = digest("another network")
REUSED = {**NEXT_KEYS, "org2": SigningKey.from_seed(digest("seat 2"))}
REFUSED: dict[str, tuple[Code, Callable[[], EpochChange]]] = {
    "one approval short": (Code.NOT_APPROVED, lambda: approved(DRAFT, ORGANISATIONS[:2])),
    "no approval": (Code.NOT_APPROVED, lambda: DRAFT),
    "a past epoch": (Code.WRONG_EPOCH, lambda: approved(drafted(1, delivered(ORGANISATIONS[:4], 1)))),
    "approved for other parameters": (
        Code.BAD_SIGNATURE, lambda: CHANGE._replace(parameters=((LEADER_TIMEOUT_MS, 201),)),
    ),
    "approved for no parameters": (Code.BAD_SIGNATURE, lambda: CHANGE._replace(parameters=())),
    "approved for another set": (
        Code.BAD_SIGNATURE,
        lambda: drafted(0, delivered(ORGANISATIONS[:4]))._replace(approvals=CHANGE.approvals),
    ),
    "approved for another set of the same size": (
        Code.BAD_SIGNATURE,
        lambda: drafted(0, delivered(ORGANISATIONS[:5]), DRAFT.parameters)._replace(approvals=CHANGE.approvals),
    ),
    "approved for another epoch": (
        Code.BAD_SIGNATURE,
        lambda: DRAFT._replace(approvals=approved(DRAFT._replace(epoch=5)).approvals),
    ),
    "approved in another network": (Code.BAD_SIGNATURE, lambda: approved(DRAFT, network=FOREIGN)),
    "approved by a stranger's key": (Code.NOT_ENTITLED, _signed_by("org2", STRANGER)),
    "approved by a member that is no approver": (Code.NOT_ENTITLED, _signed_by("org5", STRANGER)),
    "approved twice by one under two names": (Code.NOT_ENTITLED, _signed_by("org2", APPROVER_KEYS["org1"])),
    "a key that was not delivered": (
        Code.BAD_SIGNATURE,
        lambda: approved(DRAFT._replace(possessions=(bytes(64), *DRAFT.possessions[1:]))),
    ),
    "a key delivered for another epoch": (
        Code.BAD_SIGNATURE, lambda: approved(drafted(0, delivered(ORGANISATIONS[:4], 1))),
    ),
    "a key delivered to another network": (
        Code.BAD_SIGNATURE, lambda: approved(drafted(0, delivered(ORGANISATIONS[:4], network=FOREIGN))),
    ),
    "somebody else's delivery": (
        Code.BAD_SIGNATURE, lambda: approved(DRAFT._replace(possessions=DRAFT.possessions[::-1])),
    ),
    "a key delivered by another organisation": (
        Code.BAD_SIGNATURE,
        lambda: approved(
            DRAFT._replace(seats=(DRAFT.seats[0]._replace(organisation="org0"), *DRAFT.seats[1:]))
        ),
    ),
    "a key delivered with another TLS pin": (
        Code.BAD_SIGNATURE,
        lambda: approved(
            DRAFT._replace(seats=(DRAFT.seats[0]._replace(tls_pin=digest("other")), *DRAFT.seats[1:]))
        ),
    ),
    "a key of the epoch it closes": (
        Code.MALFORMED, lambda: approved(drafted(0, delivered(ORGANISATIONS[:4], keys=REUSED))),
    ),
    "a validator that is no member": (
        Code.NOT_ENTITLED,
        lambda: approved(drafted(0, delivered(["new", *ORGANISATIONS[:3]], keys={**NEXT_KEYS, "new": STRANGER}))),
    ),
    "three validators": (Code.LIMIT, lambda: approved(drafted(0, delivered(ORGANISATIONS[:3])))),
    "one key for two": (
        Code.MALFORMED,
        lambda: approved(drafted(0, delivered(ORGANISATIONS[:4], keys={**NEXT_KEYS, "org1": NEXT_KEYS["org0"]}))),
    ),
    "a version that is not the next": (Code.UNSUPPORTED_VERSION, lambda: approved(DRAFT._replace(protocol=3))),
}  # fmt: skip


def test_a_change_moves_to_the_next_version_or_stays_and_never_goes_back() -> None:
    to_second = approved(DRAFT._replace(protocol=2))
    assert check_change(to_second, 0, VALIDATORS, APPROVERS, protocol=1, time_ms=NOW_MS)
    assert check_change(to_second, 0, VALIDATORS, APPROVERS, protocol=2, time_ms=NOW_MS)
    # Whoever knows no version after this one judges and executes the change to it all the same: it closes this epoch.
    beyond = approved(DRAFT._replace(protocol=PROTOCOL_NEWEST + 1))
    assert check_change(beyond, 0, VALIDATORS, APPROVERS, protocol=PROTOCOL_NEWEST, time_ms=NOW_MS)
    with pytest.raises(FormError) as refused:
        check_change(CHANGE, 0, VALIDATORS, APPROVERS, protocol=2, time_ms=NOW_MS)
    assert refused.value.code is Code.UNSUPPORTED_VERSION


def test_the_version_of_the_next_epoch_stands_in_the_registry() -> None:
    before = Registry(NETWORK, ENTRIES)
    assert Members(registry_after(before, CHANGE, 7), 8).protocol == 1
    assert registry_after(before, CHANGE, 7).exact(RegistryKind.PARAMETER, PROTOCOL) is None
    after = registry_after(before, CHANGE._replace(protocol=2), 7)
    assert (Members(after, 7).protocol, Members(after, 8).protocol) == (1, 2)
    later = registry_after(after, CHANGE._replace(protocol=2), 9)
    assert later.exact(RegistryKind.PARAMETER, PROTOCOL) == after.exact(RegistryKind.PARAMETER, PROTOCOL)


@pytest.mark.parametrize("what", sorted(REFUSED))
def test_what_may_not_close_an_epoch(what: str) -> None:
    code, make = REFUSED[what]
    change = make()
    with pytest.raises(CustodyError) as refused:
        check_change(change, 0, VALIDATORS, APPROVERS, protocol=1, time_ms=NOW_MS)
    assert refused.value.code == code


def test_a_duplicate_approval_is_not_canonical() -> None:
    twice = CHANGE._replace(approvals=(CHANGE.approvals[0], *CHANGE.approvals[:2]))
    with pytest.raises(FormError):
        parse_change(wire(twice))


def test_without_approvers_nobody_changes_anything() -> None:
    members = [one for one in ENTRIES if one.kind == RegistryKind.ORGANISATION]
    nobody = Approvers(NETWORK, Registry(NETWORK, members), 0)
    with pytest.raises(CustodyError) as refused:
        check_change(DRAFT, 0, VALIDATORS, nobody, protocol=1, time_ms=NOW_MS)
    assert refused.value.code == Code.NOT_APPROVED


def test_an_approver_with_two_keys_counts_once() -> None:
    second = SigningKey.from_seed(digest("second key"))
    data = ("org0", int(Use.APPROVER), None, None)
    entries = [*ENTRIES, entry(RegistryKind.KEY, second.public_key.hex(), data)]
    approvers = Approvers(NETWORK, Registry(NETWORK, entries), 0)
    assert approvers.needed(4) == APPROVERS.needed(4) == 3
    with_second = with_approvals(CHANGE, [approve(second, "org0", NETWORK, DRAFT)])
    assert len(with_second.approvals) == 3
    assert check_change(with_second, 0, VALIDATORS, approvers, protocol=1, time_ms=NOW_MS)


def test_a_constitution_that_asks_for_more_than_a_quorum_binds_whoever_closes_an_epoch() -> None:
    rules = ((int(ChangeKind.VALIDATORS), 4, 4),)
    entries = [*ENTRIES, entry(RegistryKind.PARAMETER, CONSTITUTION, rules)]
    approvers = Approvers(NETWORK, Registry(NETWORK, entries), 0)
    assert approvers.needed(4) == 4
    with pytest.raises(EntitlementError) as caught:
        check_change(CHANGE, 0, VALIDATORS, approvers, protocol=1, time_ms=NOW_MS)
    assert caught.value.code == Code.NOT_APPROVED
    everybody = approved(DRAFT, ORGANISATIONS[:4])
    assert check_change(everybody, 0, VALIDATORS, approvers, protocol=1, time_ms=NOW_MS)


@pytest.mark.parametrize(
    "alter",
    [
        lambda fields: fields[:-1],
        lambda fields: (2, *fields[1:]),
        lambda fields: (*fields[:4], fields[4][1:], *fields[5:]),
        lambda fields: (*fields[:5], (("unheard_of", 1),), fields[6]),
        lambda fields: (*fields[:5], (("leader_timeout_ms", 0),), fields[6]),
        lambda fields: (*fields[:5], (("allow_persons", 1),), fields[6]),
        lambda fields: (*fields[:5], ((("leader_timeout_ms",), 1),), fields[6]),
        lambda fields: (*fields[:3], fields[3][::-1], *fields[4:]),
        lambda fields: (*fields[:6], fields[6] * 60),
    ],
)
def test_another_form_is_refused(alter: Callable[[tuple[Any, ...]], Any]) -> None:
    with pytest.raises(FormError):
        parse_change(alter(wire(CHANGE)))


def test_a_change_is_alone_in_the_block_that_closes() -> None:
    change, event = int(Kind.EPOCH_CHANGE), int(Kind.EVENTS)
    assert is_well_closed(CLOSING, [[change]])
    assert is_well_closed(HEADER, [[event, event], [event]])
    assert is_well_closed(HEADER, [])
    for kinds in (
        [],
        [[event]],
        [[change, event]],
        [[change], [event]],
        [[event], [change]],
        [[change], [change]],
    ):
        assert not is_well_closed(CLOSING, kinds), kinds
    for kinds in ([[change]], [[event], [change, event]]):
        assert not is_well_closed(HEADER, kinds), kinds


def test_a_closing_block_holds_one_change_in_time_sent_by_an_approver() -> None:
    stranger = sign_transaction(
        STRANGER, NETWORK, "org0", (wire(CHANGE),), nonce=bytes(16), expiry_ms=NOW_MS + 1, kind=Kind.EPOCH_CHANGE
    )  # fmt: skip
    for transactions, code in (
        ([], Code.MALFORMED),
        ([carried(CHANGE)] * 2, Code.MALFORMED),
        ([carried(CHANGE, expiry_ms=NOW_MS)], Code.EXPIRED),
        ([carried(CHANGE, expiry_ms=NOW_MS + 3_600_001)], Code.EXPIRY_TOO_FAR),
        ([carried(approved(DRAFT, ORGANISATIONS[:2]))], Code.NOT_APPROVED),
        ([stranger], Code.NOT_ENTITLED),
    ):
        with pytest.raises(CustodyError) as refused:
            check_closing_block(CLOSING, transactions, VALIDATORS, APPROVERS)
        assert refused.value.code == code
    with pytest.raises(FormError):
        check_closing_block(HEADER, [carried(CHANGE)], VALIDATORS, APPROVERS)
    check_carrier(carried(CHANGE, expiry_ms=NOW_MS + 3_600_000), NOW_MS, APPROVERS)
    with pytest.raises(CustodyError):
        check_closing_block(CLOSING._replace(epoch=1), [carried(CHANGE)], VALIDATORS, APPROVERS)


def test_one_transaction_carries_one_change() -> None:
    made = sign_transaction(
        APPROVER_KEYS["org0"], NETWORK, "org0", (wire(CHANGE),) * 2, nonce=bytes(16), expiry_ms=NOW_MS + 1,
        kind=Kind.EPOCH_CHANGE,
    )  # fmt: skip
    with pytest.raises(FormError):
        change_of(made)


# --- who approves at which height


def registry_of(*changes: tuple[int, RegistryKind, str, Any]) -> Registry:
    registry = Registry(NETWORK, ENTRIES)
    for height, kind, name, data in changes:
        registry = registry.amended(height, [(int(kind), name, data)])
    return registry


def approvers_at(registry: Registry, height: int) -> Approvers:
    return Approvers(NETWORK, registry, height)


LATE_KEY = ("org5", int(Use.APPROVER), None, None)


def test_a_new_approver_counts_from_the_height_after_on_and_every_later_registry_says_so() -> None:
    registry = registry_of(
        (6, RegistryKind.APPROVER, "org5", True), (7, RegistryKind.KEY, STRANGER.public_key.hex(), LATE_KEY)
    )
    assert len(approvers_at(registry, 6).organisations) == 4
    assert "org5" in approvers_at(registry, 7).organisations
    assert approvers_at(registry, 7).organisation_of(STRANGER.public_key, NOW_MS) is None
    assert approvers_at(registry, 8).organisation_of(STRANGER.public_key, NOW_MS) == "org5"
    ended = registry.amended(9, [(int(RegistryKind.KEY), STRANGER.public_key.hex(), None)])
    assert approvers_at(ended, 9).organisation_of(STRANGER.public_key, NOW_MS) == "org5"
    assert approvers_at(ended, 10).organisation_of(STRANGER.public_key, NOW_MS) is None


def test_a_key_without_a_vote_approves_nothing_and_neither_does_a_vote_that_ended() -> None:
    key_only = registry_of((1, RegistryKind.KEY, STRANGER.public_key.hex(), LATE_KEY))
    assert approvers_at(key_only, 9).organisation_of(STRANGER.public_key, NOW_MS) is None
    key = APPROVER_KEYS["org0"].public_key
    ended = approvers_at(registry_of((1, RegistryKind.APPROVER, "org0", False)), 2)
    assert ended.organisation_of(key, NOW_MS) is None
    assert ended.organisations == ("org1", "org2", "org3")


@pytest.mark.parametrize(
    ("until_ms", "is_emergency", "approves"),
    [(None, False, False), (NOW_MS + 1, False, False), (NOW_MS, False, True), (NOW_MS + 1, True, True)],
)
def test_a_suspended_organisation_approves_nothing_but_still_counts(
    until_ms: int | None, is_emergency: bool, approves: bool
) -> None:
    suspended = approvers_at(registry_of((1, RegistryKind.SUSPENSION, "org0", (until_ms, is_emergency))), 2)
    found = suspended.organisation_of(APPROVER_KEYS["org0"].public_key, NOW_MS)
    assert found == ("org0" if approves else None)
    assert len(suspended.organisations) == 4


def test_a_key_marked_as_compromised_approves_nothing() -> None:
    key = APPROVER_KEYS["org0"].public_key
    marked = registry_of((1, RegistryKind.KEY, key.hex(), ("org0", int(Use.APPROVER), 1, None)))
    assert approvers_at(marked, 2).organisation_of(key, NOW_MS) is None


def test_approvers_of_a_block_stand_sixteen_below_it() -> None:
    assert [approvers_height(height) for height in (1, 16, 17, 40)] == [0, 0, 1, 24]
