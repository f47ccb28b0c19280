"""Private keys at rest: one file each, owner-only, sealed with a passphrase (WIRE.md key file; `ledger.base.keyfile`).

A key is written whole or not at all and never over another. A file that others may read is refused, not mended: who
could have copied it is for its owner to judge. A passphrase comes from a terminal, the environment or a file descriptor;
it never stands in an argument, an error or a log.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final, NamedTuple

from client.files import write_once
from ledger.base.errors import Code, FormError, SignatureError, StorageError
from ledger.base.keyfile import (
    NONCE_BYTES,
    SALT_BYTES,
    Cost,
    KeyFile,
    TokenKey,
    inspect_key,
    key_of_seed,
    open_key,
    seal_key,
    write_unsealed_key,
)
from ledger.base.keys import HYBRID_SEED_BYTES, SEED_BYTES, HybridKey, Signer, SigningKey
from ledger.base.limits import KEY_FILE_BYTES

SUFFIX: Final = ".key"
TOKENS: Final = "custody.tokens"
"""Entry points that open keys in tokens, so that a client without one loads nothing for it."""
PASSPHRASE_VARIABLE: Final = "CUSTODY_PASSPHRASE"  # noqa: S105  # the name of a variable, no passphrase
SIGN: Final = "sign"
DEVICE: Final = "device"
USES: Final = (SIGN, DEVICE, "delegate", "approver", "capture", "authority")
_PASSPHRASE_BYTES: Final = 4_096

Ask = Callable[[str], str]
"""Asks a person, given the prompt; answers what was typed."""


class Passphrases(NamedTuple):
    """Where a passphrase comes from: a file descriptor, else the environment, else a person."""

    descriptor: int | None = None
    ask: Ask | None = None

    def read(self, purpose: str, *, twice: bool = False) -> bytes:
        """The passphrase for `purpose` ("to open keys/sign.key"), as UTF-8.

        `twice` asks a person again, for a new key. Raises SignatureError bad_key when there is nowhere to get one from,
        or what was typed twice differs.
        """
        if self.descriptor is not None:
            return _first_line(self.descriptor)
        given = os.environ.get(PASSPHRASE_VARIABLE)
        if given:
            return given.encode()
        if self.ask is None:
            raise SignatureError(
                Code.BAD_KEY,
                f"expected a passphrase {purpose}: set {PASSPHRASE_VARIABLE}, give --passphrase-fd, or use a terminal",
            )
        typed = self.ask(f"Passphrase {purpose}: ")
        if twice and self.ask("The same again: ") != typed:
            raise SignatureError(Code.BAD_KEY, "expected the same passphrase twice, got two different ones")
        if not typed:
            raise SignatureError(Code.BAD_KEY, "expected a passphrase, got an empty one")
        return typed.encode()


def _first_line(descriptor: int) -> bytes:
    try:
        with os.fdopen(os.dup(descriptor), "rb") as file:
            line = file.readline(_PASSPHRASE_BYTES).rstrip(b"\r\n")
    except OSError as error:
        raise SignatureError(
            Code.BAD_KEY, f"expected a passphrase on file descriptor {descriptor}: {error.strerror}"
        ) from None
    if not line:
        raise SignatureError(
            Code.BAD_KEY, f"expected a passphrase on file descriptor {descriptor}, got an empty line"
        )
    return line


def create_key(
    path: Path, use: str, passphrase: bytes | None, *, hybrid: bool = False, cost: Cost | None = None
) -> SigningKey | HybridKey:
    """Make a key for `use` and store it at `path`; `passphrase` None stores it in the clear, so ask before doing so.

    Raises StorageError when there is a file already or it cannot be written, FormError for an unknown use, and for a hybrid
    device key: devices have plain ones.
    """
    if use not in USES:
        raise FormError(Code.WRONG_USE, f"expected a key for one of {', '.join(USES)}, got {use[:64]!a}")
    if hybrid and use == DEVICE:
        raise FormError(Code.WRONG_USE, "expected a plain key for a device, got a hybrid one")
    key = key_of_seed(os.urandom(HYBRID_SEED_BYTES if hybrid else SEED_BYTES))
    data = (
        write_unsealed_key(key, use)
        if passphrase is None
        else seal_key(
            key, use, passphrase, salt=os.urandom(SALT_BYTES), nonce=os.urandom(NONCE_BYTES), cost=cost
        )
    )
    write_once(path, data)
    return key


def read_private(path: Path, most: int) -> bytes:
    """At most `most` + 1 bytes of a file that only its owner may read.

    Raises StorageError: unknown_key when there is none, bad_key for its mode, unavailable when it cannot be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise StorageError(Code.UNKNOWN_KEY, f"expected a file at {path}, there is none") from None
    except OSError as error:
        raise StorageError(Code.UNAVAILABLE, f"expected to read {path}: {error.strerror}") from None
    try:
        status = os.fstat(descriptor)
        mode = stat.S_IMODE(status.st_mode)
        if not stat.S_ISREG(status.st_mode):
            raise StorageError(Code.UNAVAILABLE, f"expected a file at {path}, it is none")
        if mode & 0o077:
            raise StorageError(
                Code.BAD_KEY,
                f"expected {path} to be readable by its owner only (0600), its mode is {mode:04o}; "
                "if nobody else can have read it, run chmod 600 on it, else replace the key",
            )
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            return file.read(most + 1)
    finally:
        os.close(descriptor)


def load_key(path: Path, passphrases: Passphrases, *, use: str | None = None) -> Signer:
    """The key stored at `path`, checked to be for `use` if given. The passphrase is asked for only where one is needed.

    Raises StorageError, FormError or SignatureError; all name the file, none shows a secret.
    """
    data = read_private(path, KEY_FILE_BYTES)
    try:
        about = inspect_key(data)
        if use is not None and about.use != use:
            raise SignatureError(Code.WRONG_USE, f"expected a {use} key, found a {about.use} key")
        passphrase = passphrases.read(f"to open {path}") if about.is_sealed else None
        key = open_key(data, passphrase)[1]
    except (FormError, SignatureError) as error:
        raise type(error)(error.code, f"{path}: {error.message}") from None
    return _in_token(key) if isinstance(key, TokenKey) else key


def _in_token(key: TokenKey) -> Signer:
    """The signer of a key that a token keeps: the node extra knows how to open one."""
    found = next(iter(entry_points(group=TOKENS, name="pkcs11")), None)
    if found is None:
        raise SignatureError(
            Code.BAD_KEY,
            f"expected the node and hsm extras for the key in the token {key.place.label!a}, they are not installed: "
            "pip install 'custody-ledger[node,hsm]'",
        )
    signer: Signer = found.load()(key)
    return signer


def inspect(path: Path) -> KeyFile:
    """Use, public key and protection of a stored key, without its passphrase. StorageError or FormError."""
    try:
        return inspect_key(read_private(path, KEY_FILE_BYTES))
    except FormError as error:
        raise FormError(error.code, f"{path}: {error.message}") from None


def key_files(folder: Path) -> tuple[Path, ...]:
    """The key files in a folder, by name."""
    return tuple(sorted(folder.glob(f"*{SUFFIX}"))) if folder.is_dir() else ()
