"""Who is who on a network, read off its genesis: so that people may write `forwarder` for a party.

The ledger maps parties to organisations in execution, by the registry in force; this is the registry at height 0, used
for spelling only. What it says is always shown before it is signed.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from client.anchor import ANCHOR_FILE, GENESIS_FILE, MAGIC, anchor_from_bytes
from client.files import read_bytes
from client.spelling import party
from ledger.base.encoding import decode
from ledger.base.errors import Code, FormError, StorageError
from ledger.chain.genesis import GENESIS_BYTES, Genesis, genesis_from_bytes
from ledger.members.registry import Kind
from ledger.trade.identifiers import Identifier, canonical


class Directory(NamedTuple):
    """A network's id and, where its genesis is at hand, its members."""

    network: bytes
    genesis: Genesis | None

    def party(self, text: str) -> Identifier:
        """The party of a member's id, or a party in any spelling; FormError otherwise."""
        found = self.parties_of(text)
        if found:
            return canonical(found[0])
        if self.genesis is not None and text in self.members():
            raise FormError(
                Code.BAD_IDENTIFIER, f"expected {text} to have a party in the genesis; give its GLN instead"
            )
        if self.genesis is not None and ":" not in text and not text.strip().isdigit():
            raise FormError(
                Code.BAD_IDENTIFIER,
                f"expected a member ({', '.join(self.members())}), a GLN or a URI, got {text[:64]!a}",
            )
        return party(text)

    def parties_of(self, organisation: str) -> tuple[str, ...]:
        """The canonical parties that stand for a member, party GLNs first."""
        if self.genesis is None:
            return ()
        found = [e.name for e in self.genesis.entries if e.kind == Kind.PARTY and e.at(0) == organisation]
        return tuple(
            sorted((text for text in found if ":" in text), key=lambda text: ("/417/" not in text, text))
        )

    def members(self) -> tuple[str, ...]:
        """Organisation ids of the genesis, sorted."""
        if self.genesis is None:
            return ()
        return tuple(sorted(entry.name for entry in self.genesis.entries if entry.kind == Kind.ORGANISATION))

    def name_of(self, text: str) -> str | None:
        """The member that a canonical party stands for, None if that is not known here."""
        if self.genesis is None:
            return None
        for entry in self.genesis.entries:
            if entry.kind == Kind.PARTY and entry.name == text:
                found = entry.at(0)
                return found if isinstance(found, str) else None
        return None


def load_directory(path: Path) -> Directory:
    """The directory of the anchor at `path`, a file or a folder. StorageError or FormError when it cannot be read."""
    file = path
    if path.is_dir():
        file = next((path / name for name in (GENESIS_FILE, ANCHOR_FILE) if (path / name).is_file()), path)
    if file.is_dir():
        raise StorageError(Code.USAGE, f"expected a trust anchor in {path}, found none")
    data = read_bytes(file, GENESIS_BYTES)
    try:
        value = decode(data, max_bytes=GENESIS_BYTES)
        if type(value) is tuple and value and value[0] == MAGIC:
            return Directory(anchor_from_bytes(data).network, None)
        genesis = genesis_from_bytes(data)
    except FormError as error:
        raise FormError(error.code, f"{file}: {error.message}") from None
    return Directory(genesis.network, genesis)
