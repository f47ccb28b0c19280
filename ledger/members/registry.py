"""The registry: one small sorted tree of everything about members that execution reads (DESIGN §4 Registry).

An entry is (kind, name) -> periods; a period is [since height, until height | nil, data]. Periods are only ever appended
and closed, and take effect from the height after the one that wrote them, so the registry of today proves who was
entitled to what at any earlier height. The tree is an RFC 6962 tree over the entries in ascending order of (kind, name),
so "there is no such entry" is proven by two neighbours. Names of grants are prefix-free digit strings: the only
candidate for an identifier is the greatest name not above its digits.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from enum import IntEnum
from itertools import pairwise
from typing import Any, NamedTuple, Protocol

from ledger.base import merkle
from ledger.base.encoding import encode
from ledger.base.errors import Code, FormError, ProofError
from ledger.base.hashing import Tag, tagged_hash


class Kind(IntEnum):
    """What an entry is about; the name's meaning follows."""

    ORGANISATION = 0  # organisation id -> [display name, country, roles, simulated (, LEI | nil)]
    KEY = 1  # key id in hex -> [organisation, use, compromised since | nil, delegation | nil (, certified: `members.Key`)]
    GRANT = 2  # GS1 company prefix digits -> organisation, or [organisation, true] once it licensed anybody
    PARTY = 3  # canonical party or 13-digit GLN -> organisation
    JURISDICTION = 4  # organisation id -> prefixes of canonical places, "*" for everywhere
    ISSUER = 5  # issuer part of documents -> organisation
    SUCCESSOR = 6  # organisation id of an authority -> its successor
    PARAMETER = 7  # parameter name -> value
    VALIDATOR = (
        8  # epoch key in hex -> [organisation, TLS pin]; those of genesis stand in its list of validators
    )
    LICENCE = 9  # "<prefix>|<organisation>" -> [the prefix's holder, until ms | nil]: who may make under it
    PROPOSAL = 10  # proposal id in hex -> [proposer, change, expires_ms, reason, status] (`ledger.members.governance`)
    SUSPENSION = 11  # organisation id -> [until_ms | nil, is emergency]: it may not act
    POLICY = 12  # organisation id -> names of its acts that a person must approve (`ledger.members.policy`)
    BALLOT = 13  # "<proposal id in hex>|<organisation>" -> [is yes, public key, approval | nil]
    APPROVER = 14  # organisation id -> whether it has a vote


class Period(NamedTuple):
    """`data` holds for heights since .. until - 1 (None: open end)."""

    since: int
    until: int | None
    data: Any

    def is_current(self, height: int) -> bool:
        """Whether it holds at `height`."""
        return self.since <= height and (self.until is None or height < self.until)


class Entry(NamedTuple):
    """One entry of the registry."""

    kind: int
    name: str
    periods: tuple[Period, ...]

    def at(self, height: int) -> Any:
        """The data in force at `height`, or None."""
        for period in self.periods:
            if period.is_current(height):
                return period.data
        return None

    def set_from(self, height: int, data: Any) -> Entry:
        """The entry with `data` in force from `height` on; None: nothing."""
        closed = tuple(
            period._replace(until=height) if period.is_current(height) else period for period in self.periods
        )
        opened = () if data is None else (Period(height, None, data),)
        return self._replace(periods=closed + opened)

    def ended(self, height: int) -> int | None:
        """The height from which on what once stood here does no longer, if it ended by `height`."""
        ends = [
            period.until for period in self.periods if period.until is not None and period.until <= height
        ]
        return max(ends, default=None)


Name = tuple[int, str]
"""(kind, name): what an entry is found by."""


class Source(Protocol):
    """Where entries are looked up: the registry itself, or the proofs in a bundle."""

    def exact(self, kind: int, name: str) -> Entry | None:
        """The entry under (kind, name), or None."""

    def prefix(self, kind: int, digits: str) -> Entry | None:
        """The entry whose name is a prefix of `digits`, or None."""


class RegistryProof(NamedTuple):
    """One entry, or the two neighbours of a gap: (index, entry, audit path) each, in a tree of `size` entries."""

    size: int
    shown: tuple[tuple[int, Entry, tuple[bytes, ...]], ...]


class Registry:
    """All entries, sorted; immutable."""

    def __init__(
        self,
        network: bytes,
        entries: Iterable[Entry],
        made: tuple[list[Name], merkle.MerkleTree] | None = None,
    ) -> None:
        """`made`: the names of these entries, which then are in order as they must be, and the tree over them."""
        self._network = network
        if made is None:
            self.entries = sorted(entries)
            self._names = [(entry.kind, entry.name) for entry in self.entries]
            _check_names(self._names)
            self._tree = merkle.MerkleTree([leaf(network, entry) for entry in self.entries])
        else:
            self.entries = list(entries)
            self._names, self._tree = made
        self.root = registry_root(network, self._tree.size, self._tree.root)

    def amended(self, height: int, changes: Iterable[tuple[int, str, Any]]) -> Registry:
        """The registry after a block at `height` that set each (kind, name) to its data, None to nothing, from height + 1.

        Hashes the entries that change, and what stands above those that move for a new one.
        """
        after: dict[Name, Entry] = {}
        for kind, name, data in changes:
            entry = self.exact(kind, name) or Entry(kind, name, ())
            if entry.at(height + 1) != data:
                after[kind, name] = entry.set_from(height + 1, data)
        return self._with(after)

    def _with(self, after: dict[Name, Entry]) -> Registry:
        """The registry with these entries, each in the place of the one of its name, or new."""
        replaced: dict[int, bytes] = {}
        added: list[tuple[Name, Entry, bytes]] = []
        entries = list(self.entries)
        for name in sorted(after):
            entry, position = after[name], bisect_left(self._names, name)
            hashed = merkle.leaf_hash(leaf(self._network, entry))
            if position < len(self._names) and self._names[position] == name:
                entries[position] = entry
                replaced[position] = hashed
            else:
                added.append((name, entry, hashed))
        names, tree = self._names, self._tree.replaced(replaced)
        if added:
            names, first = list(names), bisect_left(names, added[0][0])
            moved = tree.leaf_hashes(first)
            for name, entry, hashed in added:
                position = bisect_left(names, name)
                names.insert(position, name)
                entries.insert(position, entry)
                moved.insert(position - first, hashed)
            tree = tree.continued(first, moved)
        made = Registry(self._network, entries, (names, tree))
        for (kind, digits), _, _ in added:
            if kind == Kind.GRANT and (other := made.overlapping(digits)) is not None:
                raise _overlapping(digits, other)
        return made

    def of_kind(self, kind: int) -> list[Entry]:
        """All entries of one kind, by name in ascending order."""
        return self.entries[bisect_left(self._names, (kind, "")) : bisect_left(self._names, (kind + 1, ""))]

    def overlapping(self, digits: str) -> str | None:
        """A grant that was ever given, whose name begins with `digits` or the other way round; None if there is none."""
        position = bisect_left(self._names, (Kind.GRANT, digits))
        for kind, name in self._names[max(0, position - 1) : position + 2]:
            if kind == Kind.GRANT and name != digits and (name.startswith(digits) or digits.startswith(name)):
                return name
        return None

    def exact(self, kind: int, name: str) -> Entry | None:
        """The entry under (kind, name), or None."""
        position = bisect_left(self._names, (kind, name))
        if position < len(self._names) and self._names[position] == (kind, name):
            return self.entries[position]
        return None

    def prefix(self, kind: int, digits: str) -> Entry | None:
        """The entry whose name is a prefix of `digits`, or None."""
        position = bisect_right(self._names, (kind, digits)) - 1
        return (
            self.entries[position]
            if position >= 0 and is_prefix_entry(self.entries[position], kind, digits)
            else None
        )

    def prove_exact(self, kind: int, name: str) -> RegistryProof:
        """Proof of the entry under (kind, name), or of its absence."""
        position = bisect_left(self._names, (kind, name))
        if position < len(self._names) and self._names[position] == (kind, name):
            return self._proof((position,))
        return self._proof((position - 1, position))

    def prove_prefix(self, kind: int, digits: str) -> RegistryProof:
        """Proof of the entry whose name is a prefix of `digits`, or that there is none."""
        position = bisect_right(self._names, (kind, digits)) - 1
        if position >= 0 and is_prefix_entry(self.entries[position], kind, digits):
            return self._proof((position,))
        return self._proof((position, position + 1))

    def _proof(self, positions: tuple[int, ...]) -> RegistryProof:
        shown = [i for i in positions if 0 <= i < len(self.entries)]
        return RegistryProof(
            len(self.entries), tuple((i, self.entries[i], self._tree.inclusion_proof(i)) for i in shown)
        )


def _check_names(names: Sequence[Name]) -> None:
    for first, second in pairwise(names):
        if first == second:
            raise FormError(Code.MALFORMED, f"registry: expected each name once, got {first[1]!r} twice")
        if first[0] == second[0] == Kind.GRANT and second[1].startswith(first[1]):
            raise _overlapping(first[1], second[1])


def _overlapping(first: str, second: str) -> FormError:
    return FormError(Code.MALFORMED, f"registry: expected prefix-free grants, got {first} and {second}")


def is_prefix_entry(entry: Entry, kind: int, digits: str) -> bool:
    """Whether `entry` is the one of `kind` whose name `digits` begin with."""
    return entry.kind == kind and digits.startswith(entry.name)


def leaf(network: bytes, entry: Entry) -> bytes:
    """The leaf of one entry."""
    return tagged_hash(Tag.REGISTRY_LEAF, network, encode(entry))


def registry_root(network: bytes, size: int, tree_root: bytes) -> bytes:
    """The registry root binds the number of entries too, so that neighbours at the ends can be told."""
    return tagged_hash(Tag.REGISTRY_ROOT, network, encode((size, tree_root)))


def verify_registry(
    network: bytes, root: bytes, proof: RegistryProof, kind: int, name: str, *, prefix: bool
) -> Entry | None:
    """The entry that `proof` shows for an exact or a prefix look-up under `root`, None for absence; else ProofError."""
    refused = ProofError(
        Code.NOT_PROVEN, f"expected proof of registry entry {kind}:{name}, or of its absence"
    )
    if not proof.shown or len(proof.shown) > 2:
        raise refused
    for index, entry, path in proof.shown:
        value = merkle.root_from_inclusion(leaf(network, entry), index, proof.size, path)
        if registry_root(network, proof.size, value) != root:
            raise refused
    index, first, _ = proof.shown[0]
    if len(proof.shown) == 1:
        if is_prefix_entry(first, kind, name) if prefix else (first.kind, first.name) == (kind, name):
            return first
        at_start = index == 0 and (kind, name) < (first.kind, first.name)
        at_end = index == proof.size - 1 and (first.kind, first.name) < (kind, name)
        if at_start or at_end:
            return None
        raise refused
    next_index, second, _ = proof.shown[1]
    below = (first.kind, first.name) < (kind, name) < (second.kind, second.name)
    if next_index != index + 1 or not below or (prefix and is_prefix_entry(first, kind, name)):
        raise refused
    return None
