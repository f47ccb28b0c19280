"""A private key at rest, as bytes (STORAGE.md §8).

    ["custody key", 1, use, public key (32), protection, body]                       secret = seed (32)
    ["custody key", 2, use, public key (32 | 1,984), token | nil, protection, body]
        a hybrid key           token = nil                                            secret = both seeds (64)
        a key in a token       token = [library, token label, key id in it]           secret = lattice seed (0 | 32), PIN
    protection = nil                                                                  body = secret
               | ["argon2id", passes, memory in KiB, salt (16), nonce (24)]           body = sealed secret (16 more)

The secret is sealed with XChaCha20-Poly1305 under Argon2id(passphrase, salt) (RFC 9106; libsodium, one lane); everything
before the body is authenticated with it, so a use or public key cannot be exchanged. `open_key` also checks that the seed
gives the public key named. Salt and nonce come from the caller: this package draws nothing.

A token (PKCS#11) keeps the Ed25519 half and signs with it; the file says where it is and holds the PIN, so that one passphrase
opens whatever a node has. No token knows ML-DSA yet, so that half of a hybrid key stays in the file; alone it signs nothing.

No secret stands in an error or a representation. Files, modes and passphrase prompts are for node and client.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from nacl import bindings
from nacl.exceptions import CryptoError

from ledger.base import mldsa
from ledger.base.encoding import decode, encode, take_array, take_ascii, take_bytes, take_int
from ledger.base.errors import Code, FormError, SignatureError
from ledger.base.keys import (
    HYBRID_SEED_BYTES,
    PUBLIC_KEY_BYTES,
    SEED_BYTES,
    HybridKey,
    SigningKey,
    is_hybrid,
    take_public_key,
)
from ledger.base.limits import KEY_FILE_BYTES, KEY_MEMORY_KIB, KEY_PASSES, TOKEN_PIN_BYTES, TOKEN_TEXT_BYTES

SALT_BYTES: Final = 16
NONCE_BYTES: Final = 24
USE_CHARACTERS: Final = 32
PASSES: Final = 3
MEMORY_KIB: Final = 65_536
"""RFC 9106 §4, second recommendation: 3 passes over 64 MiB; about a tenth of a second."""
_MAGIC: Final = "custody key"
_PLAIN: Final = 1
_EXTENDED: Final = 2
_KDF: Final = "argon2id"
_TAG_BYTES: Final = 16


class Cost(NamedTuple):
    """What opening a key costs: Argon2id passes and memory in KiB."""

    passes: int = PASSES
    memory_kib: int = MEMORY_KIB


class TokenPlace(NamedTuple):
    """Where a key is that never leaves its token: the PKCS#11 library, the token's label, the key's CKA_ID."""

    library: str
    label: str
    identifier: bytes


class TokenKey:
    """A key in a token as its file describes it: what opening the token takes. It signs nothing by itself."""

    __slots__ = ("lattice_seed", "pin", "place", "public_key")

    def __init__(self, public_key: bytes, place: TokenPlace, pin: bytes, lattice_seed: bytes = b"") -> None:
        """`lattice_seed`: of a hybrid key, 32 bytes; SignatureError bad_key where it does not go with the public key."""
        expected = mldsa.LatticeKey(lattice_seed).public_key if lattice_seed else b""
        if public_key[PUBLIC_KEY_BYTES:] != expected:
            raise SignatureError(
                Code.BAD_KEY, "expected the lattice seed of the key in the token, got another"
            )
        self.public_key = public_key
        self.place = place
        self.pin = pin
        self.lattice_seed = lattice_seed

    def __repr__(self) -> str:
        return f"TokenKey({self.public_key.hex()[:16]}... in {self.place.label})"


StoredKey = SigningKey | HybridKey | TokenKey


class KeyFile(NamedTuple):
    """What may be told of a key file without its passphrase."""

    use: str
    public_key: bytes
    is_sealed: bool
    token: TokenPlace | None = None


def _prefix(use: str, public_key: bytes, token: TokenPlace | None, protection: Any) -> tuple[Any, ...]:
    """All of a file but its body. A plain key in a file is written as it always was."""
    if token is None and not is_hybrid(public_key):
        return (_MAGIC, _PLAIN, use, public_key, protection)
    return (_MAGIC, _EXTENDED, use, public_key, token, protection)


def _secret_of(key: StoredKey) -> bytes:
    return key.lattice_seed + key.pin if isinstance(key, TokenKey) else key.seed


def _derive(passphrase: bytes, salt: bytes, cost: Cost) -> bytes:
    memory_bytes = cost.memory_kib * 1024
    algorithm = bindings.crypto_pwhash_ALG_ARGON2ID13
    return bindings.crypto_pwhash_alg(32, passphrase, salt, cost.passes, memory_bytes, algorithm)


def seal_key(
    key: StoredKey, use: str, passphrase: bytes, *, salt: bytes, nonce: bytes, cost: Cost | None = None
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
        key.place if isinstance(key, TokenKey) else None,
        (_KDF, chosen.passes, chosen.memory_kib, salt, nonce),
    )
    sealed = bindings.crypto_aead_xchacha20poly1305_ietf_encrypt(
        _secret_of(key), encode(prefix), nonce, _derive(passphrase, salt, chosen)
    )
    return encode((*prefix, sealed))


def write_unsealed_key(key: StoredKey, use: str) -> bytes:
    """The file of `key` in the clear: for demonstrations and tests, only where asked for by name."""
    place = key.place if isinstance(key, TokenKey) else None
    prefix = _prefix(take_ascii(use, "use", USE_CHARACTERS), key.public_key, place, None)
    return encode((*prefix, _secret_of(key)))


def _parse(data: bytes) -> tuple[KeyFile, tuple[Cost, bytes, bytes] | None, bytes]:
    """What stands in a key file, all of it checked for form."""
    members = take_array(decode(data, max_bytes=KEY_FILE_BYTES), "key file", most=7)
    if not members or members[0] != _MAGIC:
        raise FormError(Code.MALFORMED, "expected a custody key file, got something else")
    version = take_int(members[1] if len(members) > 1 else None, "version")
    if version not in (_PLAIN, _EXTENDED):
        raise FormError(Code.UNSUPPORTED_VERSION, f"expected key file version 1 or 2, got {version}")
    take_array(members, "key file", 6 if version == _PLAIN else 7)
    use = take_ascii(members[2], "use", USE_CHARACTERS)
    if version == _PLAIN:
        public_key, token = take_bytes(members[3], "public key", PUBLIC_KEY_BYTES), None
    else:
        public_key, token = take_public_key(members[3], "public key"), _place(members[4])
        if token is None and not is_hybrid(public_key):
            raise FormError(
                Code.NOT_CANONICAL, "expected a plain key in a key file of version 1, got version 2"
            )
    protection = _protection(members[-2])
    sealed_by = 0 if protection is None else _TAG_BYTES
    secret = take_bytes(members[-1], "secret", most=HYBRID_SEED_BYTES + TOKEN_PIN_BYTES + _TAG_BYTES)
    seeds = SEED_BYTES if version == _PLAIN else HYBRID_SEED_BYTES
    if token is None and len(secret) != seeds + sealed_by:
        raise FormError(Code.MALFORMED, f"secret: expected {seeds + sealed_by} bytes, got {len(secret)}")
    return KeyFile(use, public_key, protection is not None, token), protection, secret


def _place(value: Any) -> TokenPlace | None:
    if value is None:
        return None
    library, label, identifier = take_array(value, "token", 3)
    if type(library) is not str or type(label) is not str or max(len(library), len(label)) > TOKEN_TEXT_BYTES:
        raise FormError(
            Code.MALFORMED, f"token: expected library and label of at most {TOKEN_TEXT_BYTES} characters"
        )
    return TokenPlace(library, label, take_bytes(identifier, "token key", most=TOKEN_PIN_BYTES))


def _protection(value: Any) -> tuple[Cost, bytes, bytes] | None:
    if value is None:
        return None
    kdf, passes, memory_kib, salt, nonce = take_array(value, "protection", 5)
    if kdf != _KDF:
        raise FormError(Code.UNSUPPORTED_VERSION, f"expected a key sealed with {_KDF}, got another way")
    cost = Cost(take_int(passes, "passes", 1, KEY_PASSES), take_int(memory_kib, "memory", 8, KEY_MEMORY_KIB))
    return cost, take_bytes(salt, "salt", SALT_BYTES), take_bytes(nonce, "nonce", NONCE_BYTES)


def inspect_key(data: bytes) -> KeyFile:
    """Use and public key of a key file, unauthenticated; FormError if it is none."""
    return _parse(data)[0]


def open_key(data: bytes, passphrase: bytes | None) -> tuple[str, StoredKey]:
    """Use and key of a file; `passphrase` is for sealed ones. A `TokenKey` has yet to be found in its token.

    Raises FormError for bytes that are no key file, SignatureError(bad_key) for a missing or wrong passphrase (or a file
    altered since it was sealed: the two cannot be told apart) and for a seed that does not give the public key.
    """
    file, protection, body = _parse(data)
    secret = body
    if protection is not None:
        cost, salt, nonce = protection
        if not passphrase:
            raise SignatureError(Code.BAD_KEY, f"expected the passphrase of the {file.use} key, got none")
        prefix = _prefix(file.use, file.public_key, file.token, (_KDF, *cost, salt, nonce))
        try:
            secret = bindings.crypto_aead_xchacha20poly1305_ietf_decrypt(
                body, encode(prefix), nonce, _derive(passphrase, salt, cost)
            )
        except CryptoError:
            raise SignatureError(
                Code.BAD_KEY, f"expected the passphrase of the {file.use} key; it does not open this file"
            ) from None
    if file.token is not None:
        seeds = mldsa.SEED_BYTES if is_hybrid(file.public_key) else 0
        return file.use, TokenKey(file.public_key, file.token, secret[seeds:], secret[:seeds])
    key = key_of_seed(secret)
    if key.public_key != file.public_key:
        raise SignatureError(
            Code.BAD_KEY, f"expected the {file.use} key's seed to give its public key, it does not"
        )
    return file.use, key


def key_of_seed(seed: bytes) -> SigningKey | HybridKey:
    """The key of a seed: plain of 32 bytes, hybrid of 64."""
    return HybridKey.from_seed(seed) if len(seed) == HYBRID_SEED_BYTES else SigningKey.from_seed(seed)
