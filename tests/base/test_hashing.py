"""Tagged hashes: no two kinds of thing, and no two networks, share a preimage."""

from __future__ import annotations

import hashlib

from ledger.base.errors import Code, CustodyError, ProofError
from ledger.base.hashing import Tag, signing_message, tagged_hash

NETWORK = bytes(range(32))


def test_a_tagged_hash_is_sha256_over_padded_tag_network_and_data() -> None:
    expected = hashlib.sha256(b"entry" + bytes(11) + NETWORK + b"data").digest()
    assert tagged_hash(Tag.ENTRY, NETWORK, b"data") == expected
    assert signing_message(Tag.ENTRY, NETWORK, b"data") == expected


def test_tags_are_distinct_ascii_and_sixteen_bytes() -> None:
    assert all(len(tag) == 16 and tag.isascii() for tag in Tag)
    assert len(set(Tag)) == len(Tag.__members__)
    assert not any(one.rstrip(b"\0").startswith(b"\0") for one in Tag)


def test_tag_network_and_data_all_count() -> None:
    base = tagged_hash(Tag.ENTRY, NETWORK, b"data")
    others = {
        tagged_hash(Tag.LINK, NETWORK, b"data"),
        tagged_hash(Tag.ENTRY, bytes(32), b"data"),
        tagged_hash(Tag.ENTRY, NETWORK, b"datb"),
        tagged_hash(Tag.ENTRY, NETWORK, b""),
    }
    assert len(others) == 4
    assert base not in others


def test_an_error_says_its_sentence_and_its_code() -> None:
    error = ProofError(Code.NOT_PROVEN, "expected this, got that")
    assert isinstance(error, CustodyError)
    assert str(error) == "expected this, got that [not_proven]"
    assert (error.code, error.message) == ("not_proven", "expected this, got that")
