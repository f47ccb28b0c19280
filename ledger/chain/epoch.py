"""The change that closes one epoch and opens the next (CONSENSUS 29, 30; WIRE_CONSENSUS §7).

    change   = [version, epoch, protocol version, seats, possessions, parameters, approvals]
    seats    = [[organisation, public key, TLS pin], ...]    of the next epoch, ascending by organisation, as in genesis
    parameters = [[name, value], ...]                        those that change, ascending by name
    approval = [organisation, approver's public key, signature]           ascending by organisation

It is the one item of a transaction of kind EPOCH_CHANGE, which is signed by an approver and stands alone in the one batch of
a block whose header says `closes_epoch`. `epoch` is the epoch it closes; the seats are those of epoch + 1.

*Approvers* are the organisations with a vote (`ledger.members.constitution.voting`) and their keys of use `approver`, as the
registry names them 16 blocks before the one that closes the epoch. A quorum of them sign (network, epoch closed,
protocol version, next seats with their epoch keys, parameters). Each next key signs that it is had: whose key was not
delivered is not in the set. A key never serves two epochs in a row, or destroying it would mean nothing.

Whoever votes checks a change wholly before notarising, from bytes, constants of the epoch and what is final:

    approvers = Approvers(network, registry, approvers_height(height))               of a block at `height`
    change = change_of(transaction)                                                  None unless of kind EPOCH_CHANGE
    next_validators = check_change(change, epoch, validators, approvers, protocol=...)  on taking in the batch that carries it
    check_closing_block(header, transactions, validators, approvers)                 a whole block, in execution and audit

    registry_after(registry, change, height)                                          what it writes

A batch with a change of another epoch is neither pending nor proposed; one of a past epoch is dropped. A block is valid
only if `is_well_closed(header, kinds)` holds for the kinds of its transactions batch by batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, Final, NamedTuple

from ledger.base import limits
from ledger.base.encoding import encode, take_array, take_ascii, take_bytes, take_int
from ledger.base.errors import Code, EntitlementError, FormError, RuleError, SignatureError
from ledger.base.hashing import HASH_BYTES, Tag, signing_message
from ledger.base.keys import Signer, is_hybrid, is_signature, key_id, take_public_key, take_signature
from ledger.chain.approvers import Approvers, Company
from ledger.chain.block import COUNTER_MAX, HYBRID_SINCE, PROTOCOL_OLDEST, Header
from ledger.chain.certificate import Verifier
from ledger.chain.genesis import ALLOW_PERSONS, HEARTBEAT_MS, LEADER_TIMEOUT_MS, Seat
from ledger.chain.transaction import Kind, Transaction, check_expiry
from ledger.chain.validators import Validator, ValidatorSet
from ledger.members.members import PROTOCOL, SIGNATURE_SUITE
from ledger.members.registry import Kind as RegistryKind
from ledger.members.registry import Registry

VERSION: Final = 1
_LEADER_TIMEOUT_MOST_MS: Final = 60_000
_HEARTBEAT_MOST_MS: Final = 86_400_000
_PARAMETERS: Final = {
    ALLOW_PERSONS: None,  # a boolean
    HEARTBEAT_MS: (0, _HEARTBEAT_MOST_MS),
    LEADER_TIMEOUT_MS: (1, _LEADER_TIMEOUT_MOST_MS),
    SIGNATURE_SUITE: (0, 1),
}
"""What a change may set, and from where to where."""


class Approval(NamedTuple):
    """One approver's signature over `approval_message`."""

    organisation: str
    public_key: bytes
    signature: bytes


class EpochChange(NamedTuple):
    """The next epoch as proposed, with everything that speaks for it. Field order is the wire's."""

    version: int
    """Of this structure; 1."""
    epoch: int
    """The epoch it closes."""
    protocol: int
    """Protocol version from the next epoch on."""
    seats: tuple[Seat, ...]
    """Of the next epoch: organisation, key for that epoch alone, TLS pin; ascending by organisation."""
    possessions: tuple[bytes, ...]
    """Of each seat in order, its key's signature over `possession_message`."""
    parameters: tuple[tuple[str, Any], ...]
    """(name, value) of what changes, ascending by name; all else stays."""
    approvals: tuple[Approval, ...]
    """Ascending by organisation, one of each."""

    def next_validators(self, network: bytes) -> ValidatorSet:
        """The set of the next epoch. Raises FormError or SignatureError where the seats are no set."""
        return ValidatorSet(network, [Validator(seat.organisation, seat.public_key) for seat in self.seats])


# --- making a change


def possession_message(network: bytes, epoch: int, seat: Seat) -> bytes:
    """What the key of a seat in the epoch after `epoch` signs to show that it is had."""
    return signing_message(Tag.POSSESSION, network, encode((epoch, seat)))


def prove_possession(key: Signer, network: bytes, epoch: int, seat: Seat) -> bytes:
    """The signature that a validator delivers with its key for the epoch after `epoch`."""
    return key.sign(possession_message(network, epoch, seat))


def approval_message(network: bytes, change: EpochChange) -> bytes:
    """What approvers sign: the epoch closed, protocol version, next seats and parameters; not each other's approvals."""
    said = (change.epoch, change.protocol, change.seats, change.parameters)
    return signing_message(Tag.APPROVAL, network, encode(said))


def make_change(
    epoch: int,
    delivered: Iterable[tuple[Seat, bytes]],
    parameters: Iterable[tuple[str, Any]] = (),
    *,
    protocol: int,
) -> EpochChange:
    """The change that closes `epoch`, without approvals: `delivered` are the next seats, each with its possession.

    `protocol`: the version of the next epoch, that of the one it closes or the next one.
    """
    ordered = sorted(delivered)
    return EpochChange(
        VERSION,
        epoch,
        protocol,
        tuple(seat for seat, _ in ordered),
        tuple(possession for _, possession in ordered),
        tuple(sorted(parameters)),
        (),
    )


def approve(key: Signer, organisation: str, network: bytes, change: EpochChange) -> Approval:
    """An approver's signature over the change."""
    return Approval(organisation, key.public_key, key.sign(approval_message(network, change)))


def with_approvals(change: EpochChange, approvals: Iterable[Approval]) -> EpochChange:
    """The change with these approvals too, in their order; an organisation's later one replaces its earlier one."""
    known = {approval.organisation: approval for approval in (*change.approvals, *approvals)}
    return change._replace(approvals=tuple(known[organisation] for organisation in sorted(known)))


# --- reading one


def parse_change(value: Any) -> EpochChange:
    """A change from its decoded array; FormError. Form and order only: nothing is verified here."""
    fields = take_array(value, "epoch change", len(EpochChange._fields))
    version = take_int(fields[0], "epoch change version")
    if version != VERSION:
        raise FormError(Code.UNSUPPORTED_VERSION, f"expected epoch change version {VERSION}, got {version}")
    seats = tuple(
        _seat(seat) for seat in take_array(fields[3], "next validators", most=limits.VALIDATORS_MAX)
    )
    possessions = tuple(
        take_signature(one, "possession") for one in take_array(fields[4], "possessions", len(seats))
    )
    parameters = tuple(
        _parameter(one) for one in take_array(fields[5], "parameters", most=limits.CHANGED_PARAMETERS)
    )
    approvals = tuple(_approval(one) for one in take_array(fields[6], "approvals", most=limits.APPROVERS_MAX))
    _check_ascending([seat.organisation for seat in seats], "next validators")
    _check_ascending([name for name, _ in parameters], "parameters")
    _check_ascending([approval.organisation for approval in approvals], "approvals")
    return EpochChange(
        version,
        take_int(fields[1], "epoch closed", 0, COUNTER_MAX - 1),
        take_int(fields[2], "protocol version", PROTOCOL_OLDEST, COUNTER_MAX),
        seats,
        possessions,
        parameters,
        approvals,
    )


def _check_ascending(names: Sequence[str], field: str) -> None:
    for name, following in pairwise(names):
        if name >= following:
            raise FormError(
                Code.NOT_CANONICAL, f"{field}: expected each name once, in ascending order, got {following!r}"
            )


def _seat(value: Any) -> Seat:
    organisation, public_key, pin = take_array(value, "next validator", 3)
    return Seat(
        take_ascii(organisation, "organisation", 32),
        take_public_key(public_key, "public_key"),
        take_bytes(pin, "tls_pin", HASH_BYTES),
    )


def _parameter(value: Any) -> tuple[str, Any]:
    name, setting = take_array(value, "parameter", 2)
    if name not in _PARAMETERS:
        raise FormError(
            Code.MALFORMED, f"parameters: expected only {', '.join(sorted(_PARAMETERS))}, got another"
        )
    span = _PARAMETERS[name]
    if span is not None:
        take_int(setting, name, *span)
    elif type(setting) is not bool:
        raise FormError(Code.MALFORMED, f"{name}: expected a boolean, got another type")
    return name, setting


def _approval(value: Any) -> Approval:
    organisation, public_key, signature = take_array(value, "approval", 3)
    return Approval(
        take_ascii(organisation, "organisation", 32),
        take_public_key(public_key, "public_key"),
        take_signature(signature, "signature"),
    )


def change_of(transaction: Transaction) -> EpochChange | None:
    """The change that a transaction carries, None if it is of another kind; FormError if it is ill-formed."""
    if transaction.header.kind != Kind.EPOCH_CHANGE:
        return None
    if transaction.header.item_count != 1:
        raise FormError(Code.MALFORMED, f"expected one change in a transaction, got {len(transaction.items)}")
    return parse_change(transaction.items[0])


def sets_of(change: EpochChange) -> tuple[tuple[int, str, Any], ...]:
    """What a change writes into the registry: the next seats with their TLS pins, parameters, and the protocol version.

    Version 1 is written nowhere: networks of that version never had the parameter.
    """
    seats = [
        (int(RegistryKind.VALIDATOR), key_id(seat.public_key).hex(), (seat.organisation, seat.tls_pin))
        for seat in change.seats
    ]
    settings = [(int(RegistryKind.PARAMETER), name, setting) for name, setting in change.parameters]
    if change.protocol != PROTOCOL_OLDEST:
        settings.append((int(RegistryKind.PARAMETER), PROTOCOL, change.protocol))
    return (*seats, *settings)


def amendments_of(registry: Registry, change: EpochChange) -> tuple[tuple[int, str, Any], ...]:
    """What executing `change` sets in the registry: what it writes, and that the seats before it end.

    So all are bound by the closing block's registry root, TLS pins included; the seats' keys also by its next validators hash.
    """
    written = sets_of(change)
    kept = {(kind, name) for kind, name, _ in written}
    ended = [
        (entry.kind, entry.name, None)
        for entry in registry.of_kind(RegistryKind.VALIDATOR)
        if (entry.kind, entry.name) not in kept
    ]
    return (*ended, *written)


def registry_after(registry: Registry, change: EpochChange, height: int) -> Registry:
    """The registry after the block at `height` that executed `change`."""
    return registry.amended(height, amendments_of(registry, change))


# --- checking one


def check_change(
    change: EpochChange,
    epoch: int,
    validators: ValidatorSet,
    approvers: Approvers,
    verifier: Verifier = is_signature,
    *,
    protocol: int,
    time_ms: int,
) -> ValidatorSet:
    """The validators of epoch + 1, if `change` may close `epoch`, whose set `validators` is and whose version `protocol`.

    `time_ms`: of the block that is to have it, or about that. The next epoch has the same version or the one after it. Whether this software knows that one does not matter here: what
    closes an epoch is judged by that epoch's own rules, so nodes of both versions agree on the block between them.

    Raises RuleError wrong_epoch (it closes another epoch), FormError (unsupported_version; no set: size, a key twice, a key
    of the epoch it closes), SignatureError bad_key or bad_signature (a seat's key, possession or an approval that does not
    hold), EntitlementError not_entitled (a seat or approval of a stranger), not_approved (fewer than a quorum).
    """
    following = check_draft(change, epoch, validators, approvers, verifier, protocol=protocol)
    _check_approvals(change, approvers, len(validators), verifier, time_ms)
    return following


def check_draft(
    change: EpochChange,
    epoch: int,
    validators: ValidatorSet,
    company: Company,
    verifier: Verifier = is_signature,
    *,
    protocol: int,
) -> ValidatorSet:
    """As `check_change`, but for the approvals: what a change must hold to before anybody votes on it."""
    network = validators.network
    if change.epoch != epoch:
        raise RuleError(
            Code.WRONG_EPOCH, f"expected a change that closes epoch {epoch}, got one of epoch {change.epoch}"
        )
    if change.protocol not in (protocol, protocol + 1):
        raise FormError(
            Code.UNSUPPORTED_VERSION,
            f"expected protocol version {protocol} or {protocol + 1} after an epoch of version {protocol}, got {change.protocol}",
        )
    following = change.next_validators(network)
    for seat, possession in zip(change.seats, change.possessions, strict=True):
        _check_seat(seat, possession, change, validators, company, verifier)
    _check_suite(change, validators, following, protocol)
    return following


def _check_suite(
    change: EpochChange, validators: ValidatorSet, following: ValidatorSet, protocol: int
) -> None:
    """Raise SignatureError bad_key unless all next seats are hybrid exactly if the next epoch's suite is.

    So the suite is a constant of the epoch, nobody leaves it unawares, and who approves a change to it or under it shows by
    that very approval to have a hybrid key: a quorum can still sign afterwards.
    """
    setting = dict(change.parameters).get(SIGNATURE_SUITE)
    keys = [*(seat.public_key for seat in change.seats), *(one.public_key for one in change.approvals)]
    if protocol < HYBRID_SINCE and (setting is not None or any(is_hybrid(key) for key in keys)):
        raise FormError(
            Code.MALFORMED,
            f"expected plain keys in the change that closes an epoch of a protocol version before {HYBRID_SINCE}, whose nodes "
            "know no others; move the network to that version first",
        )
    is_asked = _asks_for_hybrid(change, validators)
    if following.is_hybrid != is_asked:
        raise SignatureError(
            Code.BAD_KEY,
            f"expected all next seats with hybrid keys exactly where {SIGNATURE_SUITE} is 1, it is {int(is_asked)}: "
            "deliver other keys, or set it",
        )
    for approval in change.approvals:
        check_approving_key(change, validators, approval.organisation, approval.public_key)


def _asks_for_hybrid(change: EpochChange, validators: ValidatorSet) -> bool:
    """Whether the suite of the next epoch is 1."""
    setting = dict(change.parameters).get(SIGNATURE_SUITE)
    return validators.is_hybrid if setting is None else setting == 1


def check_approving_key(
    change: EpochChange, validators: ValidatorSet, organisation: str, public_key: bytes
) -> None:
    """Raise SignatureError bad_key for a plain key where the suite before or after the change is 1."""
    if not is_hybrid(public_key) and (validators.is_hybrid or _asks_for_hybrid(change, validators)):
        raise SignatureError(
            Code.BAD_KEY,
            f"expected {organisation} to approve with a hybrid key, as {SIGNATURE_SUITE} asks, got a plain one",
        )


def _check_seat(
    seat: Seat,
    possession: bytes,
    change: EpochChange,
    validators: ValidatorSet,
    company: Company,
    verifier: Verifier,
) -> None:
    if not company.is_member(seat.organisation):
        raise EntitlementError(
            Code.NOT_ENTITLED, f"expected seats of members, got one of {seat.organisation}"
        )
    if validators.index_of(seat.public_key) is not None:
        raise FormError(
            Code.MALFORMED,
            f"expected a new key of {seat.organisation} for the next epoch, got one of epoch {change.epoch}",
        )
    if not verifier(seat.public_key, possession_message(validators.network, change.epoch, seat), possession):
        raise SignatureError(
            Code.BAD_SIGNATURE,
            f"expected {seat.organisation} to have delivered its key for the next epoch: its signature does not hold",
        )


def _check_approvals(
    change: EpochChange, approvers: Approvers, seats: int, verifier: Verifier, time_ms: int
) -> None:
    needed = approvers.needed(seats)
    if len(change.approvals) < needed:
        raise EntitlementError(
            Code.NOT_APPROVED,
            f"expected approvals of {needed} of the {len(approvers.organisations)} approvers, "
            f"got {len(change.approvals)}",
        )
    message = approval_message(approvers.network, change)
    for approval in change.approvals:
        if approvers.organisation_of(approval.public_key, time_ms) != approval.organisation:
            raise EntitlementError(
                Code.NOT_ENTITLED,
                f"expected approver's keys in force of organisations with a vote, got another of {approval.organisation}",
            )
        if not verifier(approval.public_key, message, approval.signature):
            raise SignatureError(
                Code.BAD_SIGNATURE,
                f"expected {approval.organisation} to have approved exactly this change, its signature does not hold",
            )


def is_well_closed(header: Header, kinds: Sequence[Sequence[int]]) -> bool:
    """Whether a block closes its epoch exactly if it holds one change, alone; `kinds`: of transactions, batch by batch."""
    holds_change = any(kind == Kind.EPOCH_CHANGE for batch in kinds for kind in batch)
    is_alone = len(kinds) == 1 and len(kinds[0]) == 1
    return header.closes_epoch == holds_change and (is_alone or not holds_change)


def check_closing_block(
    header: Header,
    transactions: Sequence[Transaction],
    validators: ValidatorSet,
    approvers: Approvers,
    verifier: Verifier = is_signature,
) -> tuple[EpochChange, ValidatorSet]:
    """The change and next set of a block that closes its epoch; `validators` is the set of that epoch.

    Raises as `check_change`; FormError malformed where the block is no closing block; RuleError expired or expiry_too_far
    where the transaction was not to be ordered at the block's time; EntitlementError where no approver signed it.
    """
    change = change_of(transactions[0]) if len(transactions) == 1 else None
    if not header.closes_epoch or change is None:
        raise FormError(
            Code.MALFORMED, "expected a block that closes its epoch with one change and nothing else"
        )
    check_carrier(transactions[0], header.time_ms, approvers)
    following = check_change(
        change,
        header.epoch,
        validators,
        approvers,
        verifier,
        protocol=header.version,
        time_ms=header.time_ms,
    )
    return change, following


def check_carrier(transaction: Transaction, time_ms: int, approvers: Approvers) -> None:
    """Raise unless the transaction that carries a change is an approver's and may be ordered at block time `time_ms`."""
    signed = transaction.header
    if approvers.organisation_of(signed.public_key, time_ms) != signed.organisation:
        raise EntitlementError(
            Code.NOT_ENTITLED, f"expected a change sent by an approver, got one by {signed.organisation}"
        )
    check_expiry(signed, time_ms)
