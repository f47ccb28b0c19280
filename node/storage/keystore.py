"""The private keys of a node or a member: one 0600 file each in the `keys/` folder (STORAGE.md §8, `ledger.base.keyfile`).

A key is written whole or not at all and never over another one. It is destroyed by overwriting it in place before its name
goes; what that reaches depends on the file system (STORAGE.md §6). A file that others may read is refused, not mended: who
could have copied it is for its owner to judge.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

from ledger.base.errors import Code, FormError, SignatureError, StorageError
from ledger.base.keyfile import (
    NONCE_BYTES,
    SALT_BYTES,
    Cost,
    KeyFile,
    StoredKey,
    TokenKey,
    inspect_key,
    key_of_seed,
    open_key,
    seal_key,
    write_unsealed_key,
)
from ledger.base.keys import HYBRID_SEED_BYTES, SEED_BYTES, HybridKey, Signer, SigningKey
from ledger.base.limits import KEY_FILE_BYTES
from node.storage.filesystem import FileSystem, Lock, RealFileSystem, storage_error, write_atomically
from node.storage.token import destroy_token_key, open_token_key

SUFFIX = ".key"
_SECRET = (SUFFIX, ".token")
_VALIDATOR = "validator-"


def validator_key_name(epoch: int) -> str:
    """The name of the key that a validator signs with in an epoch: it has another one in every epoch."""
    return f"{_VALIDATOR}{epoch}"


def epoch_of_key(name: str) -> int | None:
    """The epoch whose validator key has this name, None if it is another key's."""
    digits = name.removeprefix(_VALIDATOR)
    return int(digits) if name.startswith(_VALIDATOR) and digits.isdecimal() else None


def overwrite(files: FileSystem, path: str) -> None:
    """Make a small file's bytes unreadable, then remove it, durably; nothing if there is none. StorageError."""
    folder, _, _ = path.rpartition("/")
    try:
        if not files.exists(path):
            return
        file = files.open(path)
        try:
            file.write_at(0, bytes(file.size()))
            file.sync()
        finally:
            file.close()
        files.remove(path)
        files.sync_folder(folder)
    except OSError as error:
        raise storage_error(error, f"destroying {path}") from error


class Keystore:
    """The keys in one folder, by name: `validator-0`, `transport`, `capture` ..."""

    def __init__(self, folder: Path, *, random_bytes: Callable[[int], bytes] = os.urandom) -> None:
        self.folder = folder
        self._random_bytes = random_bytes

    def path(self, name: str) -> Path:
        """Where the key of that name is or would be."""
        if not name or not all(
            character.isascii() and (character.isalnum() or character in "-_") for character in name
        ):
            raise StorageError(
                Code.MALFORMED, f"expected a key name of letters, digits, - and _, got {name!r}"
            )
        return self.folder / f"{name}{SUFFIX}"

    def names(self) -> tuple[str, ...]:
        """The keys present."""
        if not self.folder.is_dir():
            return ()
        return tuple(sorted(entry.name[: -len(SUFFIX)] for entry in self.folder.glob(f"*{SUFFIX}")))

    def generate(
        self, name: str, use: str, passphrase: bytes | None, *, hybrid: bool = False, cost: Cost | None = None
    ) -> SigningKey | HybridKey:
        """Make a key, store it and answer it. `passphrase` None stores it in the clear: ask before doing so."""
        key = key_of_seed(self._random_bytes(HYBRID_SEED_BYTES if hybrid else SEED_BYTES))
        self.save(name, key, use, passphrase, cost=cost)
        return key

    def save(
        self, name: str, key: StoredKey, use: str, passphrase: bytes | None, *, cost: Cost | None = None
    ) -> None:
        """Store a key, sealed unless `passphrase` is None. StorageError when one of that name is there."""
        path = self.path(name)
        if passphrase is None:
            data = write_unsealed_key(key, use)
        else:
            salt, nonce = self._random_bytes(SALT_BYTES), self._random_bytes(NONCE_BYTES)
            data = seal_key(key, use, passphrase, salt=salt, nonce=nonce, cost=cost)
        if path.exists():
            raise StorageError(Code.USAGE, f"expected no key at {path}, there is one; move it away first")
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise storage_error(error, f"making {self.folder}") from error
        write_atomically(RealFileSystem(self.folder), path.name, data)

    def check(self) -> None:
        """Raise StorageError bad_key unless the folder and all that is secret in it are this user's and nobody else's to write or read.

        Asked at every start, of keys that this run will not open too: a key that leaked is one that leaked unnoticed.
        """
        if not self.folder.is_dir():
            return
        secret = sorted(path for ending in _SECRET for path in self.folder.glob(f"*{ending}"))
        for path, forbidden in ((self.folder, 0o022), *((path, 0o077) for path in secret)):
            status = path.stat()
            mode = stat.S_IMODE(status.st_mode)
            if status.st_uid != os.geteuid() or mode & forbidden:
                raise StorageError(
                    Code.BAD_KEY,
                    f"expected {path} to be this user's and closed to others, it is of user {status.st_uid} with mode "
                    f"{mode:04o}; if nobody else can have used it, run chown and chmod on it, else replace the keys",
                )

    def _read(self, name: str) -> bytes:
        path = self.path(name)
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            held = ", ".join(self.names()) or "none"
            raise StorageError(
                Code.UNKNOWN_KEY, f"expected a key at {path}, there is none (found: {held})"
            ) from None
        except OSError as error:
            raise storage_error(error, f"opening {path}") from error
        with os.fdopen(descriptor, "rb") as file:
            mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
            if mode & 0o077:
                raise StorageError(
                    Code.BAD_KEY,
                    f"expected {path} to be readable by its owner only (0600), its mode is {mode:04o}; "
                    "if nobody else can have read it, run chmod 600 on it, else replace the key",
                )
            return file.read(KEY_FILE_BYTES + 1)

    def destroy(self, name: str, passphrase: bytes | None = None) -> None:
        """Overwrite a stored key and remove it, durably, in its token first; nothing if there is none. StorageError.

        After a power cut in between, what is left is no key, and the next call removes it. The passphrase is for keys in a token.
        """
        try:
            is_elsewhere = self.inspect(name).token is not None
        except (StorageError, FormError):  # there is none, or what is left of one
            is_elsewhere = False
        if is_elsewhere:
            key = self._open(name, passphrase, None)
            if isinstance(key, TokenKey):
                destroy_token_key(key)
        overwrite(RealFileSystem(self.folder), self.path(name).name)

    def rename(self, name: str, to: str) -> None:
        """Give a stored key another name, durably; StorageError usage where that one is taken."""
        path = self.path(to)
        if path.exists():
            raise StorageError(Code.USAGE, f"expected no key at {path}, there is one; move it away first")
        files = RealFileSystem(self.folder)
        try:
            files.rename(self.path(name).name, path.name)
            files.sync_folder("")
        except OSError as error:
            raise storage_error(error, f"renaming {self.path(name)}") from error

    def lock(self, name: str) -> Lock:
        """Hold a stored key against other processes that use the same file, from whatever folder; StorageError locked."""
        path = self.path(name)
        try:
            return RealFileSystem(self.folder).lock(path.name)
        except BlockingIOError:
            raise StorageError(
                Code.LOCKED, f"expected no other process to use the key {path}, one does; stop it first"
            ) from None
        except OSError as error:
            raise storage_error(error, f"locking {path}") from error

    def inspect(self, name: str) -> KeyFile:
        """Use and public key of a stored key, without its passphrase."""
        return inspect_key(self._read(name))

    def load(self, name: str, passphrase: bytes | None = None, *, use: str | None = None) -> Signer:
        """The key of that name, plain, hybrid or in a token as its file says; checked to be for `use` if given.

        Raises StorageError (unknown_key, bad_key for its mode; unavailable for a token that is not there), FormError,
        SignatureError (bad_key, wrong_use); all name the file, none shows a secret.
        """
        key = self._open(name, passphrase, use)
        return open_token_key(key) if isinstance(key, TokenKey) else key

    def load_plain(self, name: str, passphrase: bytes | None = None, *, use: str | None = None) -> SigningKey:
        """As `load`, of a key whose seed is needed, as TLS does; SignatureError bad_key for any other."""
        key = self._open(name, passphrase, use)
        if not isinstance(key, SigningKey):
            raise SignatureError(
                Code.BAD_KEY,
                f"expected an Ed25519 key in the file {self.path(name)}, got a hybrid one or a token's",
            )
        return key

    def _open(self, name: str, passphrase: bytes | None, use: str | None) -> StoredKey:
        data = self._read(name)
        try:
            found, key = open_key(data, passphrase)
        except (FormError, SignatureError) as error:
            raise type(error)(error.code, f"{self.path(name)}: {error.message}") from None
        if use is not None and found != use:
            raise SignatureError(
                Code.WRONG_USE, f"expected a {use} key at {self.path(name)}, found a {found} key"
            )
        return key
