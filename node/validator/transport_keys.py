"""This node's own transport key, and the one that is to take its place (WIRE_TRANSPORT.md §2; STORAGE.md §8).

    keys/transport.key          what this node proves to its peers
    keys/transport-next.key     made by `custody node transport-key`: proven instead as soon as the ledger lists it
    keys/transport-last.key     the one before, for the moment until it is destroyed

Both are there while peers accept both. When the ledger lists the next one and no longer the first, the first is destroyed
and the next takes its name. The files say how far that went, so a node that is cut off anywhere in between finishes it.
"""

from __future__ import annotations

from typing import Final

from ledger.base.errors import Code, StorageError
from ledger.base.keys import SigningKey
from node.storage.keystore import Keystore

TRANSPORT: Final = "transport"
COMING: Final = "transport-next"
_LAST: Final = "transport-last"


class TransportKeys:
    """One node's transport keys: the one it has, and the one that is to come, if any."""

    def __init__(
        self, current: SigningKey, keystore: Keystore | None = None, passphrase: bytes | None = None
    ) -> None:
        """Without a keystore they live in memory alone."""
        self.current = current
        self.coming: SigningKey | None = None
        self._keystore = keystore
        self._passphrase = passphrase

    @classmethod
    def stored(cls, keystore: Keystore, passphrase: bytes | None) -> TransportKeys:
        """Those in a keystore; what was under way is finished first. StorageError, SignatureError."""
        names = keystore.names()
        if TRANSPORT not in names and COMING in names:
            keystore.rename(COMING, TRANSPORT)
        keystore.destroy(_LAST)
        found = cls(keystore.load_plain(TRANSPORT, passphrase, use=TRANSPORT), keystore, passphrase)
        found.look_again()
        return found

    def look_again(self) -> None:
        """See whether a key is to come: one may have been made since."""
        store = self._keystore
        if store is not None and COMING in store.names():
            self.coming = store.load_plain(COMING, self._passphrase, use=TRANSPORT)

    def advance(self) -> None:
        """The one to come is the one: destroy the other."""
        if self.coming is None:
            return
        if self._keystore is not None:
            put_in_place(self._keystore)
        self.current, self.coming = self.coming, None


def put_in_place(keystore: Keystore) -> None:
    """Destroy the transport key, and let the next one take its name. StorageError usage if there is no next one."""
    if COMING not in keystore.names():
        raise StorageError(
            Code.USAGE, f"expected a next transport key at {keystore.path(COMING)}, there is none"
        )
    keystore.rename(TRANSPORT, _LAST)
    keystore.rename(COMING, TRANSPORT)
    keystore.destroy(_LAST)
