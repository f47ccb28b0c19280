"""Genesis: what everybody starts from, and the trust anchor of every proof (DESIGN §6; PROTOCOL.md §2).

    genesis = [version, name, time_ms, state depth, validators, registry entries]
    validator = [organisation, public key, TLS public key pin (SHA-256 of its SubjectPublicKeyInfo)]

The network id is the hash of these exact bytes, and stands in every hash and signature of the network.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from ledger.base import buckets, limits
from ledger.base.encoding import decode, encode, take_array, take_ascii, take_bytes, take_int
from ledger.base.errors import Code, FormError
from ledger.base.hashing import HASH_BYTES, ZERO_HASH, Tag, tagged_hash
from ledger.base.keys import KEY_ID_BYTES, is_hybrid, is_valid_public_key, key_id, take_public_key
from ledger.chain.block import HYBRID_SINCE, PROTOCOL_OLDEST, check_version
from ledger.members.constitution import (
    APPROVERS_LEAST,
    CONSTITUTION,
    check_rules,
    electorate_of,
    take_rules,
)
from ledger.members.draft import RegistryDraft
from ledger.members.members import (
    PLAIN_USES,
    PROTOCOL,
    SIGNATURE_SUITE,
    Key,
    Use,
    check_organisation_id,
    entry_from_wire,
    holder_of,
    key_from_data,
)
from ledger.members.registry import Entry, Kind, Registry

VERSION: Final = 1
GENESIS_BYTES: Final = 16_000_000

# Registry parameters that execution and consensus read.
ALLOW_PERSONS: Final = "allow_persons"  # whether GSRN (person identifiers) are accepted
LEADER_TIMEOUT_MS: Final = "leader_timeout_ms"
HEARTBEAT_MS: Final = (
    "heartbeat_ms"  # an idle chain gets an empty block this long after the last one; 0: never
)


class Seat(NamedTuple):
    """A validator as genesis lists it."""

    organisation: str
    public_key: bytes
    tls_pin: bytes


class Genesis(NamedTuple):
    """The parsed genesis. `entries` are registry entries in force from height 0."""

    version: int
    name: str
    time_ms: int
    state_depth: int
    validators: tuple[Seat, ...]
    entries: tuple[Entry, ...]

    def to_bytes(self) -> bytes:
        """The canonical encoding, which is the genesis file."""
        return encode(self)

    @property
    def network(self) -> bytes:
        """The network id, 32 bytes."""
        return tagged_hash(Tag.GENESIS, ZERO_HASH, self.to_bytes())

    def registry(self) -> Registry:
        """The registry at height 0."""
        return Registry(self.network, self.entries)

    def parameter(self, name: str) -> Any:
        """A parameter's value at height 0, or None."""
        for entry in self.entries:
            if entry.kind == Kind.PARAMETER and entry.name == name:
                return entry.at(0)
        return None

    @property
    def protocol(self) -> int:
        """The protocol version of the first epoch."""
        version = self.parameter(PROTOCOL)
        return 1 if version is None else int(version)


def genesis_from_bytes(data: bytes) -> Genesis:
    """Parse and check a genesis file; FormError names what is wrong."""
    fields = take_array(decode(data, max_bytes=GENESIS_BYTES), "genesis", 6)
    version = take_int(fields[0], "version")
    if version != VERSION:
        raise FormError(Code.UNSUPPORTED_VERSION, f"expected genesis version {VERSION}, got {version}")
    depth = take_int(fields[3], "state_depth")
    if depth not in buckets.DEPTHS:
        raise FormError(Code.MALFORMED, f"state_depth: expected one of {buckets.DEPTHS}, got {depth}")
    seats = []
    for seat in take_array(fields[4], "validators", most=limits.VALIDATORS_MAX):
        organisation, public_key, pin = take_array(seat, "validator", 3)
        seats.append(
            Seat(
                take_ascii(organisation, "organisation", 32),
                take_public_key(public_key, "public_key"),
                take_bytes(pin, "tls_pin", HASH_BYTES),
            )
        )
    entries = tuple(entry_from_wire(entry) for entry in take_array(fields[5], "entries", most=1_000_000))
    genesis = Genesis(
        version,
        take_ascii(fields[1], "name", 64),
        take_int(fields[2], "time_ms", 0, 2**53),
        depth,
        tuple(seats),
        entries,
    )
    check_genesis(genesis)
    return genesis


def check_genesis(genesis: Genesis) -> None:
    """Raise FormError unless validators and entries are consistent among themselves."""
    if len(genesis.validators) < limits.VALIDATORS_MIN:
        raise FormError(
            Code.MALFORMED,
            f"validators: expected at least {limits.VALIDATORS_MIN}, got {len(genesis.validators)}",
        )
    members = {entry.name for entry in genesis.entries if entry.kind == Kind.ORGANISATION}
    keys = {seat.public_key for seat in genesis.validators}
    if len(keys) != len(genesis.validators):
        raise FormError(Code.MALFORMED, "validators: expected a different key for each")
    for name in sorted(members):
        check_organisation_id(name)
    for seat in genesis.validators:
        if seat.organisation not in members:
            raise FormError(Code.MALFORMED, f"validators: expected a member, got {seat.organisation!r}")
        if not is_valid_public_key(seat.public_key):
            raise FormError(Code.BAD_KEY, f"validators: expected a valid key for {seat.organisation!r}")
    for entry in genesis.entries:
        _check_entry(entry, members)
    _check_approvers(genesis.entries)
    _check_suite(genesis)
    _check_constitution(genesis.registry(), len(genesis.validators))  # unique names, prefix-free grants


def _check_suite(genesis: Genesis) -> None:
    """All seats are hybrid exactly where the network asks for it; then organisations' keys are too."""
    suite = genesis.parameter(SIGNATURE_SUITE)
    if suite not in (None, 0, 1) or type(suite) is bool:
        raise FormError(Code.MALFORMED, f"{SIGNATURE_SUITE}: expected 0 or 1")
    if (suite == 1) != all(is_hybrid(seat.public_key) for seat in genesis.validators):
        raise FormError(
            Code.BAD_KEY, f"validators: expected hybrid keys of all exactly where {SIGNATURE_SUITE} is 1"
        )
    keys = [key_from_data(entry.at(0)) for entry in genesis.entries if entry.kind == Kind.KEY and entry.at(0)]
    is_met = any(is_hybrid(seat.public_key) for seat in genesis.validators) or any(
        key.hybrid_key for key in keys
    )
    if (is_met or suite is not None) and (genesis.parameter(PROTOCOL) or PROTOCOL_OLDEST) < HYBRID_SINCE:
        raise FormError(Code.MALFORMED, f"keys: expected plain ones before protocol version {HYBRID_SINCE}")
    for entry in genesis.entries if suite == 1 else ():
        data = entry.at(0) if entry.kind == Kind.KEY else None
        if data is not None and (key := key_from_data(data)).hybrid_key is None and key.use not in PLAIN_USES:
            raise FormError(
                Code.BAD_KEY,
                f"keys: expected hybrid ones, got a plain one of {key.organisation} for {Use(key.use).name}",
            )


def _check_approvers(entries: tuple[Entry, ...]) -> None:
    """Of one organisation there may be several keys; its approval counts once."""
    keys = [key_from_data(entry.at(0)) for entry in entries if entry.kind == Kind.KEY and entry.at(0)]
    approvers = {key.organisation for key in keys if key.use == Use.APPROVER}
    if len(approvers) > limits.APPROVERS_MAX:
        raise FormError(
            Code.LIMIT, f"keys: expected at most {limits.APPROVERS_MAX} approvers, got {len(approvers)}"
        )


def _check_constitution(registry: Registry, seats: int) -> None:
    """Where genesis says who has a vote, one of them may fail, and none alone decides."""
    draft = RegistryDraft(registry, 0)
    electorate = electorate_of(draft, seats)
    if registry.of_kind(Kind.APPROVER) and electorate.size < APPROVERS_LEAST:
        raise FormError(
            Code.MALFORMED,
            f"registry: expected at least {APPROVERS_LEAST} organisations with a vote, got {electorate.size}",
        )
    stated = draft.get(Kind.PARAMETER, CONSTITUTION)
    if stated is not None:
        check_rules(take_rules(stated), electorate)


def _check_entry(entry: Entry, members: set[str]) -> None:
    if entry.kind in (Kind.PROPOSAL, Kind.BALLOT, Kind.SUSPENSION):
        raise FormError(Code.MALFORMED, "registry: expected no votes before there is a ledger")
    if entry.kind == Kind.VALIDATOR:
        raise FormError(Code.MALFORMED, "registry: expected validators in the list of validators only")
    for period in entry.periods:
        data = period.data
        if entry.kind == Kind.PARAMETER and entry.name == PROTOCOL:
            check_version(take_int(data, PROTOCOL))
        if entry.kind == Kind.KEY:
            key = key_from_data(data)
            _check_key(entry.name, key)
            if key.use == Use.VALIDATOR:
                raise FormError(
                    Code.MALFORMED, "keys: expected validator keys in the list of validators only"
                )
            data = key.organisation
        elif entry.kind == Kind.GRANT:
            data = holder_of(data)
        if entry.kind in (Kind.JURISDICTION, Kind.SUCCESSOR, Kind.APPROVER):
            _check_member(entry.name, members)
        if entry.kind in (Kind.KEY, Kind.GRANT, Kind.PARTY, Kind.ISSUER, Kind.SUCCESSOR):
            _check_member(data, members)


def _check_key(name: str, key: Key) -> None:
    """A key is looked up by its id in lower-case hexadecimal, so it is named by nothing else."""
    if len(name) != 2 * KEY_ID_BYTES or any(character not in "0123456789abcdef" for character in name):
        raise FormError(
            Code.MALFORMED,
            f"keys: expected the 64 lower-case hexadecimal digits of a key id, got {name[:80]}",
        )
    public_key = bytes.fromhex(name) if key.hybrid_key is None else key.hybrid_key
    if not is_valid_public_key(public_key) or key_id(public_key).hex() != name:
        raise FormError(Code.BAD_KEY, f"keys: expected a valid key under its own id, got {name}")
    if key.hybrid_key is not None and key.use in (Use.DEVICE, Use.TRANSPORT):
        raise FormError(
            Code.BAD_KEY, f"keys: expected a plain key for use {Use(key.use).name}, got a hybrid one"
        )


def _check_member(organisation: str, members: set[str]) -> None:
    if organisation not in members:
        raise FormError(Code.MALFORMED, f"registry: expected a member organisation, got {organisation!r}")
