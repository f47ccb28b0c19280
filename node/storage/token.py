"""Keys in a PKCS#11 token: they are made there, sign there and never leave it (STORAGE.md §8; PKCS#11 3.0 §2.3.14).

The key file beside the others says where the key is (`ledger.base.keyfile.TokenPlace`), and opens like any other. A token
holds Ed25519 keys; the ML-DSA half of a hybrid one stays in the file. `python-pkcs11` is imported when the first token is
opened: `pip install 'custody-ledger[hsm]'`.

A session is opened once and kept as long as its key. What a token signed is verified before it is handed out: a vote with a
wrong signature would cost a validator its peers, and tokens fail in stranger ways than memory does.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import ModuleType
from typing import Any, Final

from ledger.base import mldsa
from ledger.base.errors import Code, FormError, SignatureError, StorageError
from ledger.base.keyfile import TokenKey, TokenPlace
from ledger.base.keys import PUBLIC_KEY_BYTES, HybridKey, Signer, is_signature, is_valid_public_key

IDENTIFIER_BYTES: Final = 16
_ED25519: Final = "1.3.101.112"
"""RFC 8410 §3."""
_OCTET_STRING: Final = b"\x04\x20"
"""The DER head of 32 bytes: some tokens answer CKA_EC_POINT so, some bare."""


class TokenSigner:
    """An Ed25519 key in a token."""

    def __init__(self, place: TokenPlace, public_key: bytes, private: Any, eddsa: Any) -> None:
        """`private`, `eddsa`: the key and the mechanism as `pkcs11` has them."""
        self.public_key = public_key
        self._place = place
        self._private = private
        self._eddsa = eddsa

    def sign(self, message: bytes) -> bytes:
        """The 64-byte signature over `message`; StorageError unavailable where the token does not give one that holds."""
        with _reported(self._place):
            signature = bytes(self._private.sign(message, mechanism=self._eddsa))
        if not is_signature(self.public_key, message, signature):
            raise StorageError(
                Code.UNAVAILABLE,
                f"expected a signature by key {self.public_key.hex()[:16]} of the token {self._place.label!a}, got one that "
                "does not hold",
            )
        return signature

    def __repr__(self) -> str:
        return f"TokenSigner({self.public_key.hex()[:16]}... in {self._place.label})"


def open_token_key(key: TokenKey) -> Signer:
    """The signer of a key in a token, hybrid if its file holds a lattice seed.

    StorageError unavailable where library, token or key is not there; SignatureError bad_key for a wrong PIN or another key.
    """
    pkcs11 = _library()
    expected = key.public_key[:PUBLIC_KEY_BYTES]
    with _reported(key.place):
        session = _session(pkcs11, key.place, key.pin)
        held = {"id": key.place.identifier, "key_type": pkcs11.KeyType.EC_EDWARDS}
        private = session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, **held)
        public = session.get_key(object_class=pkcs11.ObjectClass.PUBLIC_KEY, **held)
        found = _point(public[pkcs11.Attribute.EC_POINT])
    if found != expected:
        raise SignatureError(
            Code.BAD_KEY,
            f"expected key {expected.hex()[:16]} in the token {key.place.label!a}, found {found.hex()[:16]}",
        )
    signer = TokenSigner(key.place, expected, private, pkcs11.Mechanism.EDDSA)
    return HybridKey(signer, mldsa.LatticeKey(key.lattice_seed)) if key.lattice_seed else signer


def make_token_key(
    library: str,
    label: str,
    pin: bytes,
    *,
    hybrid: bool = False,
    random_bytes: Callable[[int], bytes] = os.urandom,
) -> TokenKey:
    """Make an Ed25519 key in the token with that label, never to be extracted; what its file has to hold.

    Errors as of `open_token_key`.
    """
    pkcs11 = _library()
    from pkcs11.util.ec import encode_named_curve_parameters  # noqa: PLC0415  # of an extra

    place = TokenPlace(library, label, random_bytes(IDENTIFIER_BYTES))
    with _reported(place):
        session = _session(pkcs11, place, pin, writing=True)
        curve = {pkcs11.Attribute.EC_PARAMS: encode_named_curve_parameters(_ED25519)}
        parameters = session.create_domain_parameters(pkcs11.KeyType.EC_EDWARDS, curve, local=True)
        public, _ = parameters.generate_keypair(
            mechanism=pkcs11.Mechanism.EC_EDWARDS_KEY_PAIR_GEN,
            id=place.identifier,
            label="custody",
            store=True,
            private_template={pkcs11.Attribute.EXTRACTABLE: False, pkcs11.Attribute.SENSITIVE: True},
        )
        made = _point(public[pkcs11.Attribute.EC_POINT])
        session.close()
    if not is_valid_public_key(made):
        raise SignatureError(
            Code.BAD_KEY, f"expected an Ed25519 key made by the token {label!a}, got another"
        )
    seed = random_bytes(mldsa.SEED_BYTES) if hybrid else b""
    lattice = mldsa.LatticeKey(seed).public_key if hybrid else b""
    return TokenKey(made + lattice, place, pin, seed)


def destroy_token_key(key: TokenKey) -> None:
    """Destroy a key in its token; nothing if it is gone already. Errors as of `open_token_key`."""
    pkcs11 = _library()
    with _reported(key.place):
        session = _session(pkcs11, key.place, key.pin, writing=True)
        held = list(session.get_objects({pkcs11.Attribute.ID: key.place.identifier}))
        for one in held:
            one.destroy()
        session.close()


def _library() -> ModuleType:
    try:
        import pkcs11  # noqa: PLC0415  # of an extra
    except ImportError:
        raise FormError(
            Code.USAGE,
            "expected python-pkcs11 for keys in a token, it is not installed: pip install 'custody-ledger[hsm]'",
        ) from None
    return pkcs11


def _session(pkcs11: ModuleType, place: TokenPlace, pin: bytes, *, writing: bool = False) -> Any:
    try:
        token = pkcs11.lib(place.library).get_token(token_label=place.label)
    finally:
        _forget_errors()
    try:
        return token.open(rw=writing, user_pin=pin.decode("utf-8", "replace"))
    except pkcs11.exceptions.UserAlreadyLoggedIn:  # by another session of this process, which knew the PIN
        return token.open(rw=writing)


def _forget_errors() -> None:
    """Empty OpenSSL's queue of errors: a library that shares OpenSSL with Python may leave some there as it is loaded (SoftHSM
    does), and `ssl` takes what it finds for the outcome of its own next call. A call that fails is what empties the queue.
    """
    with suppress(ssl.SSLError):
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=b"\0")


def _point(value: bytes) -> bytes:
    return value[2:] if value[:2] == _OCTET_STRING and len(value) == 2 + PUBLIC_KEY_BYTES else value


@contextmanager
def _reported(place: TokenPlace) -> Iterator[None]:
    """Say of whatever a token refuses which token it was; the PIN is in none of it."""
    pkcs11 = _library()
    refused = (pkcs11.exceptions.PinIncorrect, pkcs11.exceptions.PinInvalid, pkcs11.exceptions.PinLenRange)
    where = f"the token {place.label!a} ({place.library})"
    try:
        yield
    except refused:
        raise SignatureError(Code.BAD_KEY, f"expected the PIN of {where}, it refuses the one given") from None
    except (pkcs11.exceptions.PKCS11Error, RuntimeError, OSError) as error:
        name = type(error).__name__
        raise StorageError(Code.UNAVAILABLE, f"expected to use a key in {where}: {name}") from None
