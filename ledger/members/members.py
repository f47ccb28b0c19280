"""Questions that rules ask of the registry, each at a height (CUSTODY_RULES: signer, grantee, A, dst).

Invariants: every answer is a function of registry entries and the height alone, so the offline verifier, given the same
entries by proof, answers the same.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any, Final, NamedTuple

from ledger.base import limits
from ledger.base.encoding import take_array, take_ascii, take_bool, take_bytes, take_int, take_optional_ascii
from ledger.base.errors import Code, FormError
from ledger.base.hashing import HASH_BYTES
from ledger.members.registry import Entry, Kind, Period, Source

ROLES: Final = ("manufacturer", "logistics", "customs", "rights_holder", "auditor", "regulator", "validator")
EVERYWHERE: Final = "*"
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


class Delegation(NamedTuple):
    """A one-time key's bounds: the consignment's document, and until when (block time)."""

    document: str
    until_ms: int


class Key(NamedTuple):
    """A registered key."""

    organisation: str
    use: int
    compromised_since: int | None
    delegation: Delegation | None


class Organisation(NamedTuple):
    """A member."""

    name: str
    country: str
    roles: tuple[str, ...]
    simulated: bool


class Members:
    """The registry as seen at one height."""

    __slots__ = ("_known", "_source", "height")

    def __init__(self, source: Source, height: int) -> None:
        self._source = source
        self._known: dict[tuple[int, str], Any] = {}
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
        """The key's registration in force, or None."""
        data = self._exact(Kind.KEY, public_key.hex())
        return None if data is None else key_from_data(data)

    def party(self, identifier: str) -> str | None:
        """The organisation a canonical party stands for: itself if listed, else that of its 13-digit GLN."""
        found: str | None = self._exact(Kind.PARTY, identifier)
        return found

    def grantee(self, digits: str) -> str | None:
        """Who holds the GS1 company prefix that `digits` begin with, or None."""
        if not digits:
            return None
        entry = self._source.prefix(Kind.GRANT, digits)
        return None if entry is None else entry.at(self.height)

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

    def parameter(self, name: str) -> Any:
        """The value of a parameter, or None."""
        return self._exact(Kind.PARAMETER, name)


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


def key_from_data(data: Any) -> Key:
    """A Key from an entry's data."""
    organisation, use, compromised, delegation = data
    return Key(organisation, use, compromised, None if delegation is None else Delegation(*delegation))


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
    if kind == Kind.ORGANISATION:
        name, country, roles, simulated = take_array(data, "organisation", 4)
        if type(name) is not str or len(name) > limits.TEXT_BYTES:
            raise FormError(Code.MALFORMED, f"name: expected text of at most {limits.TEXT_BYTES} characters")
        take_ascii(country, "country", 2, least=2)
        take_bool(simulated, "simulated")
        for role in take_array(roles, "roles", most=len(ROLES)):
            if role not in ROLES:
                raise FormError(Code.MALFORMED, f"roles: expected each to be one of {', '.join(ROLES)}")
    elif kind == Kind.KEY:
        _check_key(data)
    elif kind == Kind.JURISDICTION:
        for prefix in take_array(data, "jurisdiction", most=1_000):
            take_ascii(prefix, "jurisdiction", limits.IDENTIFIER_BYTES)
    elif kind == Kind.VALIDATOR:
        organisation, pin = take_array(data, "validator", 2)
        take_ascii(organisation, "organisation", 32)
        take_bytes(pin, "tls_pin", HASH_BYTES)
    elif kind != Kind.PARAMETER:
        take_optional_ascii(data, "organisation", 32)


def _check_key(data: Any) -> None:
    organisation, use, compromised, delegation = take_array(data, "key", 4)
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
