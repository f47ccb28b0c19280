"""The whole registry at a checkpoint, as one file that proves itself (PROOF.md §8).

    registry file = [version, network, closings, checkpoint, entries]

Every member, key, grant, proposal and ballot there ever was, with the heights each held from and to. The registry root in
the certified outcome binds the number of entries, so nothing can be left out: who was entitled to what at any height up to
the checkpoint, and how each vote went, follows from the file and a trust anchor alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

from ledger.base import limits
from ledger.base.encoding import decode, encode, take_array, take_bytes, take_int
from ledger.base.errors import Code, CustodyError, FormError, ProofError
from ledger.base.hashing import HASH_BYTES
from ledger.chain.certificate import Checkpoint, parse_checkpoint
from ledger.chain.closing import Closing, parse_closing
from ledger.members.members import entry_from_wire
from ledger.members.registry import Entry, Registry
from ledger.proof.anchor import Anchor, check_against

VERSION: Final = 1


class RegistryFile(NamedTuple):
    """The file. Field order is the wire's."""

    version: int
    network: bytes
    closings: tuple[Closing, ...]
    """How every epoch before the checkpoint's was closed."""
    checkpoint: Checkpoint
    entries: tuple[Entry, ...]
    """Ascending by kind and name."""

    def to_bytes(self) -> bytes:
        """The file's bytes."""
        return encode(self)


class VerifiedRegistry(NamedTuple):
    """What a registry file proves."""

    registry: Registry
    checkpoint: Checkpoint
    known: Anchor
    """The anchor, with the epochs that the file shows."""


class RegistryHistory(Protocol):
    """What the file is made of: a node's stores at a checkpoint (`ledger.proof.history.History` is one)."""

    network: bytes
    registry: Registry
    checkpoint: Checkpoint

    def closings(self, first: int) -> Sequence[Closing]:
        """How the epochs from `first` up to that of the checkpoint, without it, were closed, in order."""


def build_registry_file(history: RegistryHistory) -> bytes:
    """The registry as the block of the history's checkpoint left it. FormError too_large above BUNDLE_BYTES."""
    made = RegistryFile(
        VERSION,
        history.network,
        tuple(history.closings(0)),
        history.checkpoint,
        tuple(history.registry.entries),
    ).to_bytes()
    if len(made) > limits.BUNDLE_BYTES:
        raise FormError(
            Code.TOO_LARGE, f"expected a registry within {limits.BUNDLE_BYTES} bytes, it has {len(made)}"
        )
    return made


def registry_file_from_bytes(data: bytes) -> RegistryFile:
    """Parse a registry file; FormError if it is not one. Nothing is verified here."""
    fields = take_array(
        decode(data, max_bytes=limits.BUNDLE_BYTES), "registry file", len(RegistryFile._fields)
    )
    version = take_int(fields[0], "version")
    if version != VERSION:
        raise FormError(Code.UNSUPPORTED_VERSION, f"expected registry file version {VERSION}, got {version}")
    closings = take_array(fields[2], "closings", most=limits.CLOSINGS_PER_BUNDLE)
    made = RegistryFile(
        version,
        take_bytes(fields[1], "network", HASH_BYTES),
        tuple(parse_closing(closing) for closing in closings),
        parse_checkpoint(fields[3]),
        tuple(entry_from_wire(entry) for entry in take_array(fields[4], "entries")),
    )
    if made.to_bytes() != data:
        raise FormError(Code.NOT_CANONICAL, "expected each field of a registry file in its only form")
    return made


def verify_registry_file(anchor: Anchor, data: bytes) -> VerifiedRegistry:
    """What the file proves to somebody who trusts `anchor`; FormError, ProofError (foreign_anchor, incomplete, not_proven)."""
    shown = registry_file_from_bytes(data)
    if shown.network != anchor.network:
        raise ProofError(
            Code.FOREIGN_ANCHOR,
            f"expected a registry of network {anchor.network.hex()[:16]}, got one of {shown.network.hex()[:16]}",
        )
    known = check_against(anchor, shown.checkpoint, shown.closings)
    try:
        registry = Registry(shown.network, shown.entries)
    except CustodyError as error:
        raise ProofError(Code.NOT_PROVEN, error.message) from None
    if tuple(registry.entries) != shown.entries or registry.root != shown.checkpoint.outcome.registry_root:
        raise ProofError(
            Code.NOT_PROVEN,
            f"expected the registry that block {shown.checkpoint.header.height} certifies, got another",
        )
    return VerifiedRegistry(registry, shown.checkpoint, known)
