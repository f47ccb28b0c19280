"""Ed25519 as CONSENSUS 3 has it: RFC 8032's vectors, and the edges on which libraries differ."""

from __future__ import annotations

import pytest

from ledger.base.errors import SignatureError
from ledger.base.keys import (
    SigningKey,
    check_signature,
    is_canonical_point,
    is_signature,
    is_valid_public_key,
)

# RFC 8032 §7.1: seed, public key, message, signature.
RFC_8032 = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
SMALL_ORDER = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
]


@pytest.mark.parametrize(("seed", "public", "message", "signature"), RFC_8032)
def test_published_vectors(seed: str, public: str, message: str, signature: str) -> None:
    key = SigningKey.from_seed(bytes.fromhex(seed))
    assert key.public_key.hex() == public
    assert key.sign(bytes.fromhex(message)).hex() == signature
    check_signature(key.public_key, bytes.fromhex(message), bytes.fromhex(signature))


@pytest.mark.parametrize("encoded", SMALL_ORDER)
def test_points_of_small_order_are_neither_key_nor_commitment(encoded: str) -> None:
    point = bytes.fromhex(encoded)
    assert not is_canonical_point(point)
    assert not is_valid_public_key(point)
    # With A and R of small order and S = 0 the equation holds for any message in a library that does not look.
    assert not is_signature(point, b"anything", point + bytes(32))
    honest = SigningKey.from_seed(bytes(32))
    signature = honest.sign(b"m")
    assert not is_signature(honest.public_key, b"m", point + signature[32:])


def test_s_must_be_reduced() -> None:
    key = SigningKey.from_seed(bytes(32))
    signature = key.sign(b"m")
    s = int.from_bytes(signature[32:], "little")
    assert is_signature(key.public_key, b"m", signature)
    assert not is_signature(key.public_key, b"m", signature[:32] + (s + L).to_bytes(32, "little"))


@pytest.mark.parametrize("y", [P, P + 1, P + 18, 2**255 - 1])
def test_coordinates_must_be_reduced(y: int) -> None:
    point = y.to_bytes(32, "little")
    assert not is_canonical_point(point)
    assert not is_valid_public_key(point)
    assert not is_signature(point, b"m", bytes(64))


def test_any_flipped_bit_of_a_signature_breaks_it() -> None:
    key = SigningKey.from_seed(bytes(range(32)))
    signature = key.sign(b"message")
    for bit in range(512):
        altered = bytearray(signature)
        altered[bit // 8] ^= 1 << bit % 8
        assert not is_signature(key.public_key, b"message", bytes(altered))


def test_wrong_lengths_and_keys_are_refused_in_words() -> None:
    key = SigningKey.from_seed(bytes(32))
    for public, signature in ((key.public_key[:-1], key.sign(b"m")), (key.public_key, b"short")):
        assert not is_signature(public, b"m", signature)
    with pytest.raises(SignatureError, match="does not hold"):
        check_signature(key.public_key, b"other", key.sign(b"m"))
    with pytest.raises(SignatureError, match="32 bytes"):
        SigningKey.from_seed(b"short")
    assert not is_valid_public_key(b"short")


def test_a_key_never_shows_its_secret() -> None:
    key = SigningKey.from_seed(bytes(range(32)))
    assert key.seed == bytes(range(32))
    assert bytes(range(32)).hex() not in repr(key)
