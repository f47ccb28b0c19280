"""Questions that rules ask of the registry, each at a height (CUSTODY_RULES: signer, grantee, A, dst).

Invariants: every answer is a function of registry entries and the height alone, so the offline verifier, given the same
entries by proof, answers the same.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, Final, NamedTuple

from ledger.base import limits
from ledger.base.encoding import (
    take_array,
    take_ascii,
    take_bool,
    take_bytes,
    take_int,
    take_optional_ascii,
    take_optional_bytes,
)
from ledger.base.errors import Code, FormError, SignatureError
from ledger.base.hashing import HASH_BYTES
from ledger.base.keys import HYBRID_PUBLIC_KEY_BYTES, is_hybrid, key_id
from ledger.members.identity import check_lei
from ledger.members.policy import take_policy
from ledger.members.registry import Entry, Kind, Period, Source

ROLES: Final = ("manufacturer", "logistics", "customs", "rights_holder", "auditor", "regulator", "validator")
EVERYWHERE: Final = "*"
PROTOCOL: Final = "protocol_version"
"""The registry parameter that says under which version of the protocol blocks are; absent in version 1."""
SIGNATURE_SUITE: Final = "signature_suite"
"""The registry parameter that is 1 where keys of organisations and validators are hybrid, and all seats are exactly then."""
ORGANISATION_CHARACTERS: Final = 32


class Use(IntEnum):
    """What a registered key may do."""

    SIGN = 0  # sign transactions as the organisation
    DEVICE = 1  # attest at capture
    CAPTURE = 2  # a gateway signing for clients that cannot
    DELEGATE = 3  # sign handovers for one consignment until a date
    APPROVER = 4  # approve changes of the network
    VALIDATOR = 5
    AUTHORITY = 6  # sign the organisation's certificates
    TRANSPORT = 7  # speak as the organisation's node


PLAIN_USES: Final = (Use.DEVICE, Use.DELEGATE, Use.TRANSPORT)
"""For which a plain key will do in a network of hybrid ones: devices and TLS know no other, a delegate's time is short."""


class Delegation(NamedTuple):
    """A one-time key's bounds: the consignment's document, and until when (block time)."""

    document: str
    until_ms: int


class Validity(NamedTuple):
    """When a key may be used, both ends included (block time), as its certificate says."""

    not_before_ms: int
    not_after_ms: int


class Key(NamedTuple):
    """A registered key. Genesis files of before certificates end with the delegation."""

    organisation: str
    use: int
    compromised_since: int | None
    """The height from which on somebody else may have used it."""
    delegation: Delegation | None
    validity: Validity | None = None
    certificate_hash: bytes | None = None
    """SHA-256 of the certificate (its fingerprint), if it was enrolled by one."""
    hybrid_key: bytes | None = None
    """The whole public key, both halves, where it is a hybrid one: what its id is the hash of."""

    def check_in_force(self, time_ms: int) -> None:
        """Raise unless the key may be used at this block time: SignatureError compromised, not_yet_valid or key_expired."""
        if self.compromised_since is not None:
            raise SignatureError(
                Code.COMPROMISED,
                f"expected a key in good standing, got one marked as compromised since height {self.compromised_since}",
            )
        if self.validity is None:
            return
        if time_ms < self.validity.not_before_ms:
            raise SignatureError(
                Code.NOT_YET_VALID,
                f"expected a key valid at block time {time_ms}, got one valid from {self.validity.not_before_ms}",
            )
        if time_ms > self.validity.not_after_ms:
            raise SignatureError(
                Code.KEY_EXPIRED,
                f"expected a key valid at block time {time_ms}, got one valid until {self.validity.not_after_ms}",
            )


class Organisation(NamedTuple):
    """A member."""

    name: str
    country: str
    roles: tuple[str, ...]
    simulated: bool
    lei: str | None = None


class Suspension(NamedTuple):
    """A member that may not act for a while."""

    until_ms: int | None
    """Block time at which it lapses; None: until it is reinstated."""
    is_emergency: bool
    """Voted by few: it bars acts of custody and registration, never votes."""

    def is_in_force(self, time_ms: int) -> bool:
        """Whether it holds in a block of this time."""
        return self.until_ms is None or time_ms < self.until_ms


class Members:
    """The registry as seen at one height."""

    __slots__ = ("_grants", "_known", "_source", "height")

    def __init__(self, source: Source, height: int) -> None:
        self._source = source
        self._known: dict[tuple[int, str], Any] = {}
        self._grants: dict[str, tuple[str, Any, str | None]] = {}
        self.height = height

    def _exact(self, kind: Kind, name: str) -> Any:
        place = (kind, name)
        if place in self._known:
            return self._known[place]
        entry = self._source.exact(kind, name)
        found = self._known[place] = None if entry is None else entry.at(self.height)
        return found

    def organisation(self, identifier: str) -> Organisation | None:
        """The member of that id, or None."""
        data = self._exact(Kind.ORGANISATION, identifier)
        return None if data is None else Organisation(*data)

    def key(self, public_key: bytes) -> Key | None:
        """The registration in force of a key, or of the key with that id; None if there is none."""
        data = self._exact(Kind.KEY, key_id(public_key).hex())
        return None if data is None else key_from_data(data)

    def at(self, height: int) -> Members:
        """The same registry as seen at another height."""
        return Members(self._source, height)

    def compromised_since(self, public_key: bytes) -> int | None:
        """From which height on the key is known to have been compromised, by its latest registration whatever the height."""
        entry = self._source.exact(Kind.KEY, key_id(public_key).hex())
        if entry is None or not entry.periods:
            return None
        return key_from_data(entry.periods[-1].data).compromised_since

    def no_key(self, public_key: bytes) -> SignatureError:
        """Why there is no registration of this key in force: revoked, or never known."""
        name = key_id(public_key).hex()
        entry = self._source.exact(Kind.KEY, name)
        ended = None if entry is None else entry.ended(self.height)
        if ended is None:
            return SignatureError(Code.UNKNOWN_KEY, f"expected a registered key, got {name[:16]}")
        return SignatureError(
            Code.REVOKED,
            f"expected a key in force, got {name[:16]}, which was revoked from height {ended} on",
        )

    def party(self, identifier: str) -> str | None:
        """The organisation a canonical party stands for: itself if listed, else that of its 13-digit GLN."""
        found: str | None = self._exact(Kind.PARTY, identifier)
        return found

    def _grant(self, digits: str) -> tuple[str, Any, str | None]:
        """(company prefix, data in force, holder) of the grant whose prefix `digits` begin with; all empty without one.

        A product line asks for it all day.
        """
        found = self._grants.get(digits)
        if found is None:
            entry = self._source.prefix(Kind.GRANT, digits) if digits else None
            data = None if entry is None else entry.at(self.height)
            found = ("" if entry is None else entry.name, data, holder_of(data))
            self._grants[digits] = found
        return found

    def grantee(self, digits: str) -> str | None:
        """Who holds the GS1 company prefix that `digits` begin with, or None."""
        return self._grant(digits)[2]

    def is_licensed(self, digits: str, organisation: str, time_ms: int) -> bool:
        """Whether the holder of the prefix of `digits` lets `organisation` make under it at this block time.

        Licences are looked up only under a grant that says that there are some: others need no proof that there are none.
        """
        prefix, grant, _ = self._grant(digits)
        if type(grant) is not tuple:
            return False
        licence = self._exact(Kind.LICENCE, licence_name(prefix, organisation))
        if licence is None:
            return False
        holder, until_ms = licence
        return bool(holder == holder_of(grant) and (until_ms is None or time_ms <= until_ms))

    def is_authority(self, organisation: str, place: str | None) -> bool:
        """Whether `organisation` is a customs authority with jurisdiction over `place`."""
        prefixes = self._exact(Kind.JURISDICTION, organisation)
        if prefixes is None:
            return False
        return any(
            prefix == EVERYWHERE or (place is not None and place.startswith(prefix)) for prefix in prefixes
        )

    def issuer(self, part: str) -> str | None:
        """The organisation that owns documents with this issuer part, or None."""
        if not part:
            return None
        found: str | None = self._exact(Kind.ISSUER, part)
        return found

    def is_same_authority(self, signer: str, authority: str) -> bool:
        """Whether `signer` is the authority or its registered successor."""
        return signer == authority or self._exact(Kind.SUCCESSOR, authority) == signer

    def policy(self, organisation: str) -> tuple[str, ...]:
        """The names of this organisation's acts that a person must approve (`ledger.members.policy`)."""
        found: tuple[str, ...] | None = self._exact(Kind.POLICY, organisation)
        return found or ()

    def suspension(self, organisation: str, time_ms: int) -> Suspension | None:
        """What bars an organisation in a block of this time, or None."""
        data = self._exact(Kind.SUSPENSION, organisation)
        found = None if data is None else Suspension(*data)
        return found if found is not None and found.is_in_force(time_ms) else None

    def parameter(self, name: str) -> Any:
        """The value of a parameter, or None."""
        return self._exact(Kind.PARAMETER, name)

    @property
    def asks_for_hybrid(self) -> bool:
        """Whether the network asks for hybrid keys."""
        return bool(self.parameter(SIGNATURE_SUITE) == 1)

    @property
    def protocol(self) -> int:
        """The protocol version of a block at this height."""
        version = self.parameter(PROTOCOL)
        return version if type(version) is int else 1


def holder_of(grant: Any) -> str | None:
    """Who holds a prefix, from the data of its grant: the organisation, or [organisation, true] once it licensed anybody."""
    holder: str | None = grant[0] if type(grant) is tuple else grant
    return holder


def licence_name(prefix: str, organisation: str) -> str:
    """What the entry of a licence is called."""
    return f"{prefix}|{organisation}"


def check_organisation_id(identifier: str) -> None:
    """Raise FormError unless it is 1 .. 32 ASCII letters, digits, "-", "_" or ".".

    Records write organisations beside other things (`holder#generation`, `organisation|transformation`, `ext:party`), so no
    id may contain what separates them.
    """
    take_ascii(identifier, "organisation id", ORGANISATION_CHARACTERS)
    for character in identifier:
        if not ("a" <= character <= "z" or "A" <= character <= "Z" or character in "0123456789-_."):
            raise FormError(
                Code.MALFORMED,
                f'organisation id: expected letters, digits, "-", "_" or ".", got {character!a}',
            )


def key_data(
    organisation: str, use: int, public_key: bytes, delegation: tuple[str, int] | None = None
) -> tuple[Any, ...]:
    """The data of a key that genesis lists, with no certificate: four fields of a plain key, as they always were."""
    if not is_hybrid(public_key):
        return (organisation, int(use), None, delegation)
    return (organisation, int(use), None, delegation, None, None, public_key)


def key_from_data(data: Any) -> Key:
    """A Key from an entry's data."""
    organisation, use, compromised, delegation, *certified = data
    key = Key(organisation, use, compromised, None if delegation is None else Delegation(*delegation))
    if not certified:
        return key
    validity, certificate_hash, hybrid_key = certified
    return key._replace(
        validity=None if validity is None else Validity(*validity),
        certificate_hash=certificate_hash,
        hybrid_key=hybrid_key,
    )


def entry_from_wire(value: Any) -> Entry:
    """A registry entry from a decoded array, with the data's form checked for its kind; FormError otherwise."""
    kind, name, periods = take_array(value, "registry entry", 3)
    kind = take_int(kind, "kind", 0, max(Kind))
    name = take_ascii(name, "name", limits.IDENTIFIER_BYTES)
    if kind == Kind.ORGANISATION:
        check_organisation_id(name)
    checked = []
    for period in take_array(periods, "periods", most=1_000):
        since, until, data = take_array(period, "period", 3)
        _check_data(Kind(kind), data)
        until = None if until is None else take_int(until, "until")
        checked.append(Period(take_int(since, "since"), until, data))
    return Entry(kind, name, tuple(checked))


def _check_data(kind: Kind, data: Any) -> None:
    _FORMS.get(kind, _check_optional_organisation)(data)


def _check_grant(data: Any) -> None:
    if type(data) is not tuple:
        _check_optional_organisation(data)
        return
    holder, is_licensing = take_array(data, "grant", 2)
    take_ascii(holder, "organisation", ORGANISATION_CHARACTERS)
    if is_licensing is not True:
        raise FormError(Code.MALFORMED, "grant: expected a mark of licences that is true")


def _check_jurisdiction(data: Any) -> None:
    for prefix in take_array(data, "jurisdiction", most=1_000):
        take_ascii(prefix, "jurisdiction", limits.IDENTIFIER_BYTES)


def _check_validator(data: Any) -> None:
    organisation, pin = take_array(data, "validator", 2)
    take_ascii(organisation, "organisation", ORGANISATION_CHARACTERS)
    take_bytes(pin, "tls_pin", HASH_BYTES)


def _check_licence(data: Any) -> None:
    holder, until_ms = take_array(data, "licence", 2)
    take_ascii(holder, "holder", ORGANISATION_CHARACTERS)
    if until_ms is not None:
        take_int(until_ms, "until_ms")


def _check_optional_organisation(data: Any) -> None:
    take_optional_ascii(data, "organisation", ORGANISATION_CHARACTERS)


def _check_any(data: Any) -> None:
    """A parameter's value is its reader's business."""


def _check_proposal(data: Any) -> None:
    """The form alone: what a proposal would change was checked when it was made."""
    proposer, change, expires_ms, reason, status = take_array(data, "proposal", 5)
    take_ascii(proposer, "proposer", ORGANISATION_CHARACTERS)
    take_array(change, "change")
    take_int(expires_ms, "expires_ms")
    take_text(reason, "reason")
    take_int(status, "status", 0, 4)


def _check_ballot(data: Any) -> None:
    is_yes, public_key, _ = take_array(data, "ballot", 3)
    take_bool(is_yes, "is yes")
    take_bytes(public_key, "public key")


def _check_suspension(data: Any) -> None:
    until_ms, is_emergency = take_array(data, "suspension", 2)
    take_bool(is_emergency, "is emergency")
    if until_ms is not None:
        take_int(until_ms, "until_ms")


def _check_approver(data: Any) -> None:
    take_bool(data, "has a vote")


def take_text(value: Any, field: str) -> str:
    """Text of at most 256 bytes in UTF-8; FormError."""
    if type(value) is not str or len(value.encode()) > limits.TEXT_BYTES:
        raise FormError(Code.MALFORMED, f"{field}: expected text of at most {limits.TEXT_BYTES} bytes")
    return value


def _check_organisation(data: Any) -> None:
    is_short = type(data) is tuple and len(data) == 4
    name, country, roles, simulated, lei = (*data, None) if is_short else take_array(data, "organisation", 5)
    if type(name) is not str or len(name) > limits.TEXT_BYTES:
        raise FormError(Code.MALFORMED, f"name: expected text of at most {limits.TEXT_BYTES} characters")
    take_ascii(country, "country", 2, least=2)
    take_bool(simulated, "simulated")
    for role in take_array(roles, "roles", most=len(ROLES)):
        if role not in ROLES:
            raise FormError(Code.MALFORMED, f"roles: expected each to be one of {', '.join(ROLES)}")
    if lei is not None:
        check_lei(lei)


def _check_key(data: Any) -> None:
    fields = take_array(data, "key", most=len(Key._fields))
    if len(fields) not in (4, len(Key._fields)):
        raise FormError(Code.MALFORMED, f"key: expected 4 or {len(Key._fields)} fields, got {len(fields)}")
    organisation, use, compromised, delegation, *certified = fields
    take_ascii(organisation, "organisation", 32)
    take_int(use, "use", 0, max(Use))
    if compromised is not None:
        take_int(compromised, "compromised_since")
    if (use == Use.DELEGATE) != (delegation is not None):
        raise FormError(Code.MALFORMED, "delegation: expected its bounds with a delegate key, and only there")
    if delegation is not None:
        document, until_ms = take_array(delegation, "delegation", 2)
        take_ascii(document, "document", limits.IDENTIFIER_BYTES)
        take_int(until_ms, "until_ms")
    if certified:
        _check_certified(*certified)


def _check_certified(validity: Any, certificate_hash: Any, hybrid_key: Any) -> None:
    if validity is not None:
        not_before_ms, not_after_ms = take_array(validity, "validity", 2)
        take_int(not_after_ms, "not_after_ms", take_int(not_before_ms, "not_before_ms"))
    take_optional_bytes(certificate_hash, "certificate hash", HASH_BYTES)
    take_optional_bytes(hybrid_key, "hybrid key", HYBRID_PUBLIC_KEY_BYTES)


_FORMS: Final = {
    Kind.ORGANISATION: _check_organisation,
    Kind.KEY: _check_key,
    Kind.GRANT: _check_grant,
    Kind.JURISDICTION: _check_jurisdiction,
    Kind.PARAMETER: _check_any,
    Kind.VALIDATOR: _check_validator,
    Kind.LICENCE: _check_licence,
    Kind.POLICY: take_policy,
    Kind.PROPOSAL: _check_proposal,
    Kind.SUSPENSION: _check_suspension,
    Kind.BALLOT: _check_ballot,
    Kind.APPROVER: _check_approver,
}
"""What checks the data of an entry, by its kind; of all others it is an organisation or nothing."""
