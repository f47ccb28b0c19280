"""A private key at rest, as bytes (STORAGE.md §8).

    ["custody key", 1, use, public key (32), protection, body]
    protection = nil                                             body = seed (32)
               | ["argon2id", passes, memory in KiB, salt (16), nonce (24)]
                                                                 body = sealed seed (48)

The seed is sealed with XChaCha20-Poly1305 under Argon2id(passphrase, salt) (RFC 9106; libsodium, one lane); everything
before the body is authenticated with it, so a use or public key cannot be exchanged. `open_key` also checks that the seed
gives the public key named. Salt and nonce come from the caller: this package draws nothing.

No secret stands in an error or a representation. Files, modes and passphrase prompts are for node and client.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from nacl import bindings
from nacl.exceptions import CryptoError

from ledger.base.encoding import decode, encode, take_array, take_ascii, take_bytes, take_int
from ledger.base.errors import Code, FormError, SignatureError
from ledger.base.keys import PUBLIC_KEY_BYTES, SEED_BYTES, SigningKey
from ledger.base.limits import KEY_FILE_BYTES, KEY_MEMORY_KIB, KEY_PASSES

SALT_BYTES: Final = 16
NONCE_BYTES: Final = 24
USE_CHARACTERS: Final = 32
PASSES: Final = 3
MEMORY_KIB: Final = 65_536
"""RFC 9106 §4, second recommendation: 3 passes over 64 MiB; about a tenth of a second."""
_MAGIC: Final = "custody key"
_VERSION: Final = 1
_KDF: Final = "argon2id"
_TAG_BYTES: Final = 16


class Cost(NamedTuple):
    """What opening a key costs: Argon2id passes and memory in KiB."""

    passes: int = PASSES
    memory_kib: int = MEMORY_KIB


class KeyFile(NamedTuple):
    """What may be told of a key file without its passphrase."""

    use: str
    public_key: bytes
    is_sealed: bool


def _prefix(use: str, public_key: bytes, protection: Any) -> tuple[Any, ...]:
    return (_MAGIC, _VERSION, use, public_key, protection)


def _derive(passphrase: bytes, salt: bytes, cost: Cost) -> bytes:
    memory_bytes = cost.memory_kib * 1024
    algorithm = bindings.crypto_pwhash_ALG_ARGON2ID13
    return bindings.crypto_pwhash_alg(32, passphrase, salt, cost.passes, memory_bytes, algorithm)


def seal_key(
    key: SigningKey, use: str, passphrase: bytes, *, salt: bytes, nonce: bytes, cost: Cost | None = None
) -> bytes:
    """The file of `key` for `use` (1 .. 32 printable ASCII characters), sealed with a passphrase (UTF-8, not empty).

    `salt` (16 bytes) and `nonce` (24 bytes) are random and used once.
    """
    if not passphrase:
        raise FormError(Code.MALFORMED, "expected a passphrase, got an empty one")
    take_bytes(salt, "salt", SALT_BYTES)
    take_bytes(nonce, "nonce", NONCE_BYTES)
    chosen = cost or Cost()
    prefix = _prefix(
        take_ascii(use, "use", USE_CHARACTERS),
        key.public_key,
        (_KDF, chosen.passes, chosen.memory_kib, salt, nonce),
    )
    sealed = bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(
        key.seed, encode(prefix), nonce, _derive(passphrase, salt, chosen)
    )
    return encode((*prefix, sealed))


def write_unsealed_key(key: SigningKey, use: str) -> bytes:
    """The file of `key` in the clear: for demonstrations and tests, only where asked for by name."""
    return encode((*_prefix(take_ascii(use, "use", USE_CHARACTERS), key.public_key, None), key.seed))


def _parse(data: bytes) -> tuple[KeyFile, tuple[Cost, bytes, bytes] | None, bytes]:
    """What stands in a key file, all of it checked for form."""
    members = take_array(decode(data, max_bytes=KEY_FILE_BYTES), "key file", 6)
    if members[0] != _MAGIC:
        raise FormError(Code.MALFORMED, "expected a custody key file, got something else")
    if take_int(members[1], "version") != _VERSION:
        raise FormError(Code.UNSUPPORTED_VERSION, f"expected key file version {_VERSION}, got {members[1]}")
    use = take_ascii(members[2], "use", USE_CHARACTERS)
    public_key = take_bytes(members[3], "public key", PUBLIC_KEY_BYTES)
    if members[4] is None:
        return KeyFile(use, public_key, is_sealed=False), None, take_bytes(members[5], "seed", SEED_BYTES)
    kdf, passes, memory_kib, salt, nonce = take_array(members[4], "protection", 5)
    if kdf != _KDF:
        raise FormError(Code.UNSUPPORTED_VERSION, f"expected a key sealed with {_KDF}, got another way")
    cost = Cost(take_int(passes, "passes", 1, KEY_PASSES), take_int(memory_kib, "memory", 8, KEY_MEMORY_KIB))
    protection = (cost, take_bytes(salt, "salt", SALT_BYTES), take_bytes(nonce, "nonce", NONCE_BYTES))
    sealed = take_bytes(members[5], "sealed seed", SEED_BYTES + _TAG_BYTES)
    return KeyFile(use, public_key, is_sealed=True), protection, sealed


def inspect_key(data: bytes) -> KeyFile:
    """Use and public key of a key file, unauthenticated; FormError if it is none."""
    return _parse(data)[0]


def open_key(data: bytes, passphrase: bytes | None) -> tuple[str, SigningKey]:
    """Use and key of a file; `passphrase` is for sealed ones.

    Raises FormError for bytes that are no key file, SignatureError(bad_key) for a missing or wrong passphrase (or a file
    altered since it was sealed: the two cannot be told apart) and for a seed that does not give the public key.
    """
    file, protection, body = _parse(data)
    seed = body
    if protection is not None:
        cost, salt, nonce = protection
        if not passphrase:
            raise SignatureError(Code.BAD_KEY, f"expected the passphrase of the {file.use} key, got none")
        prefix = _prefix(file.use, file.public_key, (_KDF, *cost, salt, nonce))
        try:
            seed = bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(
                body, encode(prefix), nonce, _derive(passphrase, salt, cost)
            )
        except CryptoError:
            raise SignatureError(
                Code.BAD_KEY, f"expected the passphrase of the {file.use} key; it does not open this file"
            ) from None
    key = SigningKey.from_seed(seed)
    if key.public_key != file.public_key:
        raise SignatureError(
            Code.BAD_KEY, f"expected the {file.use} key's seed to give its public key, it does not"
        )
    return file.use, key
