"""The validators of one epoch (CONSENSUS 1, 10; WIRE_CONSENSUS §1).

A set is sorted by organisation, so a validator keeps its index when it changes its key from epoch to epoch, and no
organisation can have two seats. Indices, leaders and certificate bitmaps all refer to that order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Any, Final, NamedTuple

from ledger.base.encoding import encode, take_array, take_ascii
from ledger.base.errors import Code, FormError, SignatureError
from ledger.base.hashing import Tag, tagged_hash
from ledger.base.keys import is_hybrid, is_valid_public_key, take_public_key
from ledger.base.limits import IDENTIFIER_BYTES, VALIDATORS_MAX, VALIDATORS_MIN
from ledger.base.quorum import max_faulty, quorum

_OFFSET_BYTES: Final = 8


@lru_cache(maxsize=64)
def _drawn(network: bytes, epoch: int) -> int:
    """The number an epoch's rotation is drawn by; asked for at every step of the consensus."""
    digest = tagged_hash(Tag.LEADER, network, encode(epoch))
    return int.from_bytes(digest[:_OFFSET_BYTES], "big")


class Validator(NamedTuple):
    """One seat: the organisation that holds it and the key (plain or hybrid) it signs votes with in this epoch."""

    organisation: str
    public_key: bytes


class ValidatorSet:
    """An immutable, sorted set of 4 .. 31 validators of one network; equal iff network and members are."""

    __slots__ = ("_positions", "faulty", "hash", "is_hybrid", "members", "network", "quorum")

    def __init__(self, network: bytes, members: Iterable[Validator]) -> None:
        """Sort and check `members`. Raises FormError (size, a repeated organisation or key) or SignatureError (bad key)."""
        self.network = network
        self.members = tuple(sorted(members))
        count = len(self.members)
        if not VALIDATORS_MIN <= count <= VALIDATORS_MAX:
            raise FormError(
                Code.LIMIT, f"expected {VALIDATORS_MIN} .. {VALIDATORS_MAX} validators, got {count}"
            )
        self._positions = {member.public_key: index for index, member in enumerate(self.members)}
        if len(self._positions) != count:
            raise FormError(
                Code.MALFORMED, "expected each validator to have its own public key, one is used twice"
            )
        for member, following in zip(self.members, self.members[1:], strict=False):
            if member.organisation == following.organisation:
                raise FormError(Code.MALFORMED, f"expected one validator of {member.organisation}, got two")
        for member in self.members:
            if not is_valid_public_key(member.public_key):
                raise SignatureError(Code.BAD_KEY, f"expected a valid public key of {member.organisation}")
        self.is_hybrid = all(is_hybrid(member.public_key) for member in self.members)
        """Whether every seat has a hybrid key: exactly then the epoch's `signature_suite` is 1."""
        self.faulty = max_faulty(count)
        self.quorum = quorum(count)
        self.hash = tagged_hash(Tag.VALIDATORS, network, encode(self.members))

    def __len__(self) -> int:
        return len(self.members)

    def __iter__(self) -> Iterator[Validator]:
        return iter(self.members)

    def __getitem__(self, index: int) -> Validator:
        return self.members[index]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ValidatorSet) and self.hash == other.hash and self.network == other.network

    def __hash__(self) -> int:
        return hash(self.hash)

    def index_of(self, public_key: bytes) -> int | None:
        """The index of the validator that signs with `public_key`, or None."""
        return self._positions.get(public_key)

    def leader_offset(self, epoch: int) -> int:
        """H(epoch) mod n: where the rotation of an epoch starts, so that no index leads every first view."""
        return _drawn(self.network, epoch) % len(self.members)

    def leader(self, epoch: int, view: int) -> int:
        """The index of the validator that proposes in `view` of `epoch` (CONSENSUS 10)."""
        return (view + self.leader_offset(epoch)) % len(self.members)


def parse_validators(network: bytes, value: Any) -> ValidatorSet:
    """A set from its wire form, `[[organisation, public key], ...]` in ascending order; FormError or SignatureError."""
    seats = take_array(value, "validators", most=VALIDATORS_MAX)
    members = []
    for seat in seats:
        organisation, public_key = take_array(seat, "validator", 2)
        members.append(
            Validator(
                take_ascii(organisation, "validator organisation", IDENTIFIER_BYTES),
                take_public_key(public_key, "validator public key"),
            )
        )
    if members != sorted(members):
        raise FormError(Code.NOT_CANONICAL, "expected validators in ascending order of organisation")
    return ValidatorSet(network, members)
