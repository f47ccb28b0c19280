"""Canonical bytes of every message; nothing else is accepted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.base.encoding import encode
from ledger.base.errors import FormError
from ledger.base.limits import (
    BATCHES_PER_ANNOUNCEMENT,
    BATCHES_PER_FETCH,
    BLOCKS_PER_FETCH,
    BLOCKS_PER_RANGE,
    CERTIFICATES_PER_FETCH,
)
from ledger.chain.votes import Kind
from ledger.consensus.messages import (
    Announcement,
    Blocks,
    FetchBatches,
    FetchBlocks,
    FetchCertificates,
    FetchRange,
    Message,
    Position,
    Range,
    decode_message,
    decode_record,
    encode_message,
)
from tests.chain.consensus_samples import BLOCK, FINAL, certificate, digest, proposal, vote

MESSAGES: list[Message] = [
    proposal(),
    vote(1, FINAL),
    certificate(FINAL),
    Announcement((digest("a"), digest("b"))),
    Position(0, 7, 5, 4),
    FetchBatches((digest("a"),)),
    FetchBlocks((digest("a"),)),
    FetchCertificates(0, ((Kind.NOTARISE, 3), (Kind.NULLIFY, 4))),
    FetchRange(17),
    Blocks((BLOCK,)),
    Range(((BLOCK, None), (BLOCK, certificate(FINAL)))),
]
SHA256_OF_BYTES = {
    "Proposal": "885fd4e9a57b5d844ec3a61cd76c6281df95d7fee3a051a35459b9f4bf3b2ed0",
    "Vote": "545135781f4468f426d3c2aff49959a84bf18bf80534becf9a6c883e1cdb7114",
    "Certificate": "4dbd7553ff2281ef32c320dfdc4e24941fa759c5ac434414674c7d248abab004",
    "Announcement": "91c1c997f1df9e6b20cb5da6b0f5f3f82d75b0fc7d1d5919e49e574117e06f70",
    "Position": "28444b461cc89fb3ed21f98d4518685cef1a24e05e2ed581058c6514e9800f4a",
    "FetchBatches": "ccb10319115ddd0b0813b5d4def274047dc351e7b0b37ad9f28edca6d75a51c5",
    "FetchBlocks": "ab3fcf687305bba41234858c9d3b0b34bd8d13713cc7d94c9919bab79499d990",
    "FetchCertificates": "def4dc761a308f6196836178bb62e1f057c487b3cc945b3c5cd3750772b980e6",
    "FetchRange": "57be8e9888a7751e6c5ae284e34e21604f026fd366529b08a42680777eab537b",
    "Blocks": "99eded3fef0e138cb17d03105f638349e369addbe5f7b99557e68c163170f36c",
    "Range": "b0e56621c7e93c0d539b24526da38590b59bc027d328ed72470cdcef2354f383",
}


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_messages_round_trip(message: Message) -> None:
    again = decode_message(encode_message(message))
    assert again == message
    assert type(again) is type(message)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_conformance_hashes(message: Message) -> None:
    """Change only with the wire format, and then on purpose."""
    assert digest(encode_message(message).hex()).hex() == SHA256_OF_BYTES[type(message).__name__]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_only_what_is_logged_is_a_record(message: Message) -> None:
    data = encode_message(message)
    if type(message).__name__ in {"Proposal", "Vote", "Certificate", "Blocks"}:
        assert decode_record(data) == message
    else:
        with pytest.raises(FormError):
            decode_record(data)


TOO_MANY = [
    Announcement((digest("a"),) * (BATCHES_PER_ANNOUNCEMENT + 1)),
    FetchBatches((digest("a"),) * (BATCHES_PER_FETCH + 1)),
    FetchBlocks((digest("a"),) * (BLOCKS_PER_FETCH + 1)),
    FetchCertificates(0, ((Kind.NOTARISE, 3),) * (CERTIFICATES_PER_FETCH + 1)),
    Blocks((BLOCK,) * (BLOCKS_PER_FETCH + 1)),
    Range(((BLOCK, None),) * (BLOCKS_PER_RANGE + 1)),
]


@pytest.mark.parametrize("message", TOO_MANY, ids=lambda message: type(message).__name__)
def test_lists_over_their_caps_are_refused(message: Message) -> None:
    with pytest.raises(FormError):
        decode_message(encode_message(message))


@pytest.mark.parametrize(
    "value",
    [
        None, 7, (), (1,), (0, ()), (12, ()), (True, ()), (4, ((b"short",),)), (4, (1,)), (5, (0, 1, 2)),
        (5, (0, 1, 2, -1)), (5, (0, 1, 2, True)), (8, (0, ((0, 3),))), (8, (0, ((1, 0),))), (8, (0, ((1,),))),
        (9, (-1,)), (9, ()), (10, ((1,),)), (11, (((),),)), (11, (((1, None),),)),
    ],
)  # fmt: skip
def test_malformed_messages_are_refused(value: object) -> None:
    with pytest.raises(FormError):
        decode_message(encode(value))


@given(st.binary(max_size=300))
def test_arbitrary_bytes_raise_nothing_but_the_documented_error(data: bytes) -> None:
    try:
        message = decode_message(data)
    except FormError:
        return
    assert encode_message(message) == data


@given(st.sampled_from(MESSAGES), st.data())
def test_changed_bytes_are_refused_or_mean_something_else(message: Message, data: st.DataObject) -> None:
    good = bytearray(encode_message(message))
    place = data.draw(st.integers(0, len(good) - 1))
    good[place] ^= data.draw(st.integers(1, 255))
    try:
        other = decode_message(bytes(good))
    except FormError:
        return
    assert encode_message(other) == bytes(good)
    assert other != message or type(other) is not type(message)
