"""Hybrid keys: both halves must hold, neither passes for a plain one, and plain ones stay what they were."""

from __future__ import annotations

import subprocess
import sys

import pytest
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey

from ledger.base.errors import FormError, SignatureError
from ledger.base.hashing import ZERO_HASH, Tag, tagged_hash
from ledger.base.keys import (
    HYBRID_PUBLIC_KEY_BYTES,
    HYBRID_SIGNATURE_BYTES,
    HybridKey,
    SigningKey,
    is_signature,
    is_valid_public_key,
    key_id,
    take_public_key,
    take_signature,
)
from ledger.base.message_signature import content_digest
from ledger.epcis.message_signature import FIELDS, check_message, signature_fields

KEY = HybridKey.from_seed(bytes(range(64)))
OTHER = HybridKey.from_seed(bytes(range(1, 65)))
MESSAGE = bytes(range(32))
SIGNATURE = KEY.sign(MESSAGE)


def test_sizes_and_identity() -> None:
    assert len(KEY.public_key) == HYBRID_PUBLIC_KEY_BYTES == 1_984
    assert len(SIGNATURE) == HYBRID_SIGNATURE_BYTES == 3_373
    assert key_id(KEY.public_key) == tagged_hash(Tag.KEY_ID, ZERO_HASH, KEY.public_key)
    assert key_id(KEY.public_key[:32]) == KEY.public_key[:32]
    assert key_id(key_id(KEY.public_key)) == key_id(KEY.public_key)
    assert is_valid_public_key(KEY.public_key)
    assert not is_valid_public_key(bytes(32) + KEY.public_key[32:])
    assert not is_valid_public_key(KEY.public_key[:-1])


def test_what_is_signed_holds_and_only_that() -> None:
    assert is_signature(KEY.public_key, MESSAGE, SIGNATURE)
    assert not is_signature(KEY.public_key, MESSAGE[:-1], SIGNATURE)
    assert not is_signature(OTHER.public_key, MESSAGE, SIGNATURE)
    assert is_signature(KEY.public_key, MESSAGE, KEY.sign(MESSAGE))


@pytest.mark.parametrize("place", [0, 31, 40, 63, 64, 1_000, 3_372])
def test_either_half_broken_is_refused(place: int) -> None:
    broken = bytearray(SIGNATURE)
    broken[place] ^= 1
    assert not is_signature(KEY.public_key, MESSAGE, bytes(broken))


@pytest.mark.parametrize("place", [0, 31, 32, 1_983])
def test_a_key_with_either_half_exchanged_is_another(place: int) -> None:
    altered = bytearray(KEY.public_key)
    altered[place] ^= 1
    assert not is_signature(bytes(altered), MESSAGE, SIGNATURE)
    assert key_id(bytes(altered)) != key_id(KEY.public_key)


def test_who_broke_one_half_alone_signs_nothing() -> None:
    """The holder of one private half, with a half of their own or of an earlier signature beside it."""
    earlier = KEY.sign(b"something else".ljust(32))
    bound = tagged_hash(Tag.HYBRID, ZERO_HASH, key_id(KEY.public_key) + MESSAGE)
    classical = SigningKey.from_seed(KEY.seed[:32]).sign(bound)
    lattice = MLDSA65PrivateKey.from_seed_bytes(KEY.seed[32:]).sign(bound)
    stranger = MLDSA65PrivateKey.from_seed_bytes(bytes(32)).sign(bound)
    assert is_signature(KEY.public_key, MESSAGE, classical + lattice)
    assert not is_signature(KEY.public_key, MESSAGE, classical + earlier[64:])
    assert not is_signature(KEY.public_key, MESSAGE, classical + stranger)
    assert not is_signature(KEY.public_key, MESSAGE, earlier[:64] + lattice)
    assert not is_signature(KEY.public_key, MESSAGE, OTHER.sign(MESSAGE)[:64] + lattice)
    assert not is_signature(KEY.public_key, MESSAGE, classical)


def test_neither_half_of_a_signature_passes_for_a_plain_one_or_beside_another_half() -> None:
    assert not is_signature(KEY.public_key[:32], MESSAGE, SIGNATURE[:64])
    mixed = HybridKey(KEY.classical, OTHER._lattice)
    assert mixed.public_key[:32] == KEY.public_key[:32]
    assert not is_signature(mixed.public_key, MESSAGE, SIGNATURE[:64] + OTHER.sign(MESSAGE)[64:])
    plain = SigningKey.from_seed(KEY.seed[:32]).sign(MESSAGE)
    assert not is_signature(KEY.public_key, MESSAGE, plain + SIGNATURE[64:])


@pytest.mark.parametrize("length", [0, 63, 64, 65, 3_309, 3_372, 3_374])
def test_other_lengths_are_no_signatures(length: int) -> None:
    assert not is_signature(KEY.public_key, MESSAGE, (SIGNATURE * 2)[:length])
    assert not is_signature(KEY.public_key[:32], MESSAGE, SIGNATURE)


@pytest.mark.parametrize("length", [0, 31, 33, 64, 1_952, 1_983, 1_985])
def test_wire_forms_have_one_of_two_lengths(length: int) -> None:
    with pytest.raises(FormError, match="public_key: expected 32 bytes"):
        take_public_key(bytes(length), "public_key")
    with pytest.raises(FormError, match="signature: expected 64 bytes"):
        take_signature(bytes(length + 1), "signature")
    for wrong in (None, 3, "x" * HYBRID_PUBLIC_KEY_BYTES):
        with pytest.raises(FormError):
            take_public_key(wrong, "public_key")
    assert take_public_key(KEY.public_key, "public_key") == KEY.public_key
    assert take_signature(SIGNATURE, "signature") == SIGNATURE


def test_no_representation_shows_a_secret() -> None:
    for shown in (repr(KEY), repr(KEY._lattice)):
        assert KEY.seed[:32].hex()[:16] not in shown
        assert KEY.seed[32:].hex()[:16] not in shown


def test_seeds_of_other_lengths_are_refused() -> None:
    for length in (0, 32, 63, 65):
        with pytest.raises(SignatureError, match="expected a seed of 32 bytes"):
            HybridKey.from_seed(bytes(length))


def test_a_network_of_plain_keys_never_loads_what_hybrid_ones_need() -> None:
    program = (
        "import sys; from ledger.base.keys import *; key = SigningKey(bytes(32)); "
        "assert is_signature(key.public_key, b'm', key.sign(b'm')); assert 'cryptography' not in sys.modules; "
        "assert len(HybridKey.from_seed(bytes(64)).public_key) == 1984; assert 'cryptography' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_an_http_message_is_signed_by_the_classical_half_of_a_hybrid_key() -> None:
    fields = {**dict.fromkeys(FIELDS, "1"), "content-digest": content_digest(b"body")}
    signed = signature_fields(KEY, "POST", "https://example.org/hook", fields, 1)
    found = check_message("POST", "https://example.org/hook", {**fields, **signed}, b"body")
    assert found.public_key == KEY.public_key[:32]
