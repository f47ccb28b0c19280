"""Whom this node knows, with which transport keys, and as whom it hears each of them (CONSENSUS 5, 29; WIRE_TRANSPORT.md §2).

Peers are those of `node.toml`. The transport keys of an organisation are *pinned* by its seat in the epoch and listed in
the registry (KEY, use TRANSPORT), enrolled and revoked there like every other key; several hold at once, so that they are
exchanged with overlap. A peer that proves a pinned or listed key speaks as the validator of its organisation. A seat's pin
counts no more once the registry says that the key behind it was revoked. `transport_key` in node.toml names a peer,
and lets in one of whom the ledger lists nothing, or nothing yet: it is answered, and nothing that it votes or brings counts.

Of a listed key only its period counts, not the dates of its certificate, which were checked when it was enrolled: a quorum
whose certificates ran out at once could never agree again on new ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ledger.chain.genesis import Seat
from ledger.members.members import Members, Use, key_from_data
from ledger.members.registry import Entry, Kind, Registry
from node.config import NodeConfig, PeerAddress, transport_pin
from node.transport.mesh import Peer
from node.validator.epochs import Epoch


class _Standing(NamedTuple):
    """What the registry says of the transport keys of all organisations."""

    listed: dict[str, tuple[bytes, ...]]
    """Those in force, by organisation."""
    ended: frozenset[bytes]
    """Pins of those that were listed and are no more, or are said to be in other hands."""


class Pins:
    """Which transport keys speak for which organisation at one height."""

    def __init__(self, seats: Iterable[Seat], registry: Registry, height: int) -> None:
        self._seated = {seat.organisation: seat.tls_pin for seat in seats}
        self._standing = _standing(registry.entries, height)
        self._members = Members(registry, height)
        self._registry = registry

    def is_pinned(self, organisation: str, key: bytes) -> bool:
        """Whether who proves this key speaks for the organisation."""
        if key in self._standing.listed.get(organisation, ()):
            return True
        pin = transport_pin(key)
        return self._seated.get(organisation) == pin and pin not in self._standing.ended

    def listed(self, organisation: str) -> tuple[bytes, ...]:
        """The transport keys of an organisation that the registry lists."""
        return self._standing.listed.get(organisation, ())

    def has_pins(self, organisation: str) -> bool:
        """Whether any key at all speaks for it."""
        seated = self._seated.get(organisation)
        is_seated = seated is not None and seated not in self._standing.ended
        return is_seated or bool(self._standing.listed.get(organisation))

    def of(self, peer: PeerAddress) -> tuple[tuple[bytes, ...], bool]:
        """The keys that a peer is let in with, and whether it speaks as the validator of its organisation with them."""
        organisation = peer.organisation
        if self.was_removed(organisation):
            return (), False
        keys = {*self._standing.listed.get(organisation, ())}
        has_seat = organisation in self._seated
        if self.is_pinned(organisation, peer.transport_key):
            keys.add(peer.transport_key)
        elif transport_pin(peer.transport_key) not in self._standing.ended and not (has_seat and keys):
            return tuple(sorted({*keys, peer.transport_key})), False
        return tuple(sorted(keys)), has_seat and bool(keys)

    def is_member(self, organisation: str) -> bool:
        """Whether the registry lists it."""
        return self._members.organisation(organisation) is not None

    def was_removed(self, organisation: str) -> bool:
        """Whether the registry listed it once and does no more."""
        entry = self._registry.exact(Kind.ORGANISATION, organisation)
        return entry is not None and not self.is_member(organisation)


def _standing(entries: Iterable[Entry], height: int) -> _Standing:
    listed: dict[str, tuple[bytes, ...]] = {}
    ended = []
    for entry in entries:
        begun = [period for period in entry.periods if period.since <= height]
        if entry.kind != Kind.KEY or not begun:
            continue
        key = key_from_data(begun[-1].data)
        if key.use != Use.TRANSPORT:
            continue
        public_key = bytes.fromhex(entry.name)
        if begun[-1].is_current(height) and key.compromised_since is None:
            listed[key.organisation] = (*listed.get(key.organisation, ()), public_key)
        else:
            ended.append(transport_pin(public_key))
    return _Standing(listed, frozenset(ended))


class Roster:
    """The peers by the numbers under which the consensus knows them in one epoch (its contract, 6).

    While an epoch lasts, who has a number beyond the set keeps it, and no other gets it.
    """

    def __init__(self, epoch: Epoch, config: NodeConfig, pins: Pins, before: Roster | None = None) -> None:
        """`before`: the roster so far, of the same epoch."""
        self.numbers: dict[bytes, int] = {} if before is None else dict(before.numbers)
        """Of those who are not validators, by the key that node.toml knows them by; also of some who are gone."""
        self.names = {place: member.organisation for place, member in enumerate(epoch.validators)}
        if before is not None:
            self.names = before.names | self.names
        self.index_of: dict[bytes, int] = {}
        """By the key that node.toml knows a peer by."""
        self.peers: list[Peer] = []
        """As the mesh wants them."""
        places = {member.organisation: place for place, member in enumerate(epoch.validators)}
        for peer in sorted(config.peers):
            keys, speaks = pins.of(peer)
            known, address = peer.transport_key, peer.address
            self.peers.append(Peer(known, address.host, address.port, peer.organisation, keys))
            if speaks:
                self.index_of[known] = places[peer.organisation]
                continue
            number = self.numbers.setdefault(known, len(epoch.validators) + len(self.numbers))
            self.index_of[known] = number
            self.names[number] = peer.organisation
        self.others = len(self.numbers)
        self.key_of = {index: key for key, index in self.index_of.items()}
        self.warnings = _warnings(epoch, config, pins)


def _warnings(epoch: Epoch, config: NodeConfig, pins: Pins) -> tuple[str, ...]:
    """What the operator should put right in node.toml."""
    named = {peer.organisation for peer in config.peers} | {config.organisation}
    missing = [seat.organisation for seat in epoch.seats if seat.organisation not in named]
    seated = {seat.organisation for seat in epoch.seats}
    mute = [
        peer.organisation for peer in config.peers if peer.organisation in seated and not pins.of(peer)[1]
    ]
    old = [
        peer.organisation
        for peer in config.peers
        if peer.organisation not in mute
        and pins.has_pins(peer.organisation)
        and not pins.is_pinned(peer.organisation, peer.transport_key)
    ]
    said = []
    if missing:
        said.append(
            f"peers: expected an address of every validator of epoch {epoch.number} in node.toml, got none of "
            f"{', '.join(missing)}; add it and run `custody node reload`"
        )
    if mute:
        said.append(
            f"peers: expected the transport keys that the seats of epoch {epoch.number} pin or the ledger lists, got others "
            f"of {', '.join(mute)}: what these say counts for nothing"
        )
    if old:
        said.append(
            f"peers: expected the transport keys that the ledger lists, got others of {', '.join(old)}; write those of its "
            f"registry into node.toml: {', '.join(key.hex() for name in old for key in pins.listed(name))}"
        )
    said += _strangers(config, pins)
    return tuple(said)


def _strangers(config: NodeConfig, pins: Pins) -> Sequence[str]:
    named = [config.organisation, *(peer.organisation for peer in config.peers)]
    removed = [name for name in named if pins.was_removed(name)]
    unknown = [name for name in named if name not in removed and not pins.is_member(name)]
    said = []
    if removed:
        said.append(
            f"peers: expected members of the network, {', '.join(removed)} was removed; take it out of node.toml"
        )
    if unknown:
        said.append(
            f"peers: expected members of the network, the ledger does not list {', '.join(unknown)} (yet)"
        )
    return said
