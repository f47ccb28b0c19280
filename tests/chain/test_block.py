from __future__ import annotations

from typing import Any

import pytest

from ledger.base.encoding import decode, encode
from ledger.base.errors import Code, FormError
from ledger.base.hashing import ZERO_HASH
from ledger.base.limits import BATCHES_PER_BLOCK
from ledger.base.merkle import EMPTY_ROOT
from ledger.chain.block import (
    PROTOCOL_NEWEST,
    Block,
    Header,
    Outcome,
    batches_hash,
    parse_block,
    parse_header,
    parse_outcome,
    transactions_root,
)
from tests.chain.consensus_samples import (
    BLOCK,
    DIGESTS,
    GENESIS,
    GENESIS_OUTCOME,
    HEADER,
    IDS,
    NETWORK,
    OUTCOME,
    digest,
)


def wire(value: Any) -> Any:
    return decode(encode(value), max_bytes=100_000)


def test_wire_forms_round_trip() -> None:
    assert parse_header(wire(HEADER)) == HEADER
    assert parse_block(wire(BLOCK)) == BLOCK
    assert parse_outcome(wire(OUTCOME)) == OUTCOME
    assert type(parse_header(wire(HEADER)).closes_epoch) is bool


def test_conformance_hashes() -> None:
    """Change only with the wire format, and then on purpose."""
    assert GENESIS.hash.hex() == "ab852e51d3f364e6d2309d73c9c85e47bcb874526d8ce079e0146e5f8a52c12a"
    assert HEADER.hash.hex() == "ff46cae48489b184420fb19c9443fd9e6a60f8fa68058c915f6a27845cf6cb33"
    assert (
        OUTCOME.hash_in(NETWORK).hex() == "990cc0aeb6b476ba88e98ab579036ee13f939a971a6070e17c312e107f8f27c7"
    )
    assert (
        encode(HEADER).hex()
        == "9a01c4202f782beca6c497e09ee1b67bd6a1202048f19e97f7e1364a58d415ce7b3ecd9e00c201c420ab852e51d3f364e6d2309d73c9c85e47bcb874526d8ce079e0146e5f8a52c12acf0000018bcfe5687b02c420b789e81b2e80c70fd60f9ff1a07a249e374547fabce129e1d73ce9620de585a3c42002881476fe32241ef23f651d86a224c7d68f7a851d0ef2e123c1b88d730a1946"
    )


CHANGES: dict[str, Any] = {
    "version": 2,
    "network": digest("another"),
    "epoch": 1,
    "closes_epoch": True,
    "height": 2,
    "parent": digest("another parent"),
    "time_ms": 1,
    "proposer": 3,
    "transactions_root": EMPTY_ROOT,
    "batches_hash": batches_hash(NETWORK, DIGESTS[:1]),
}


@pytest.mark.parametrize("name", Header._fields)
def test_every_field_of_a_header_is_part_of_its_identity(name: str) -> None:
    assert HEADER._replace(**{name: CHANGES[name]}).hash != HEADER.hash


@pytest.mark.parametrize("name", Outcome._fields)
def test_every_field_of_an_outcome_is_part_of_its_hash(name: str) -> None:
    other: Any = 7 if name == "event_log_size" else digest("another")
    assert OUTCOME._replace(**{name: other}).hash_in(NETWORK) != OUTCOME.hash_in(NETWORK)


def test_the_same_transactions_out_of_other_batches_are_another_block() -> None:
    regrouped = HEADER._replace(batches_hash=batches_hash(NETWORK, tuple(reversed(DIGESTS))))
    assert regrouped.transactions_root == HEADER.transactions_root
    assert regrouped.hash != HEADER.hash


def test_genesis_is_height_0_and_has_neither_parent_nor_batches() -> None:
    assert (GENESIS.height, GENESIS.epoch, GENESIS.parent) == (0, 0, ZERO_HASH)
    assert GENESIS.transactions_root == EMPTY_ROOT == transactions_root(())
    assert parse_block(wire(Block(GENESIS, ()))).header == GENESIS
    assert GENESIS_OUTCOME.parent_outcome_hash == ZERO_HASH
    assert GENESIS_OUTCOME.validators_hash == GENESIS_OUTCOME.next_validators_hash


def test_transactions_root_depends_on_order() -> None:
    assert transactions_root(IDS) != transactions_root(tuple(reversed(IDS)))


def test_digests_other_than_the_header_commits_to_are_refused() -> None:
    for digests in ((), DIGESTS[:1], tuple(reversed(DIGESTS)), (*DIGESTS, DIGESTS[0])):
        with pytest.raises(FormError):
            parse_block(wire(Block(HEADER, digests)))


def test_more_batches_than_a_block_may_have_are_refused() -> None:
    digests = tuple(digest(str(index)) for index in range(BATCHES_PER_BLOCK + 1))
    header = HEADER._replace(batches_hash=batches_hash(NETWORK, digests))
    with pytest.raises(FormError) as caught:
        parse_block(wire(Block(header, digests)))
    assert caught.value.code == Code.TOO_LARGE


def test_another_protocol_version_is_refused() -> None:
    with pytest.raises(FormError) as caught:
        parse_header(wire(HEADER._replace(version=PROTOCOL_NEWEST + 1)))
    assert caught.value.code == Code.UNSUPPORTED_VERSION


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("version", True), ("network", b"short"), ("network", "text"), ("epoch", -1), ("epoch", 2**63),
        ("closes_epoch", 1), ("height", None), ("height", -1), ("parent", bytes(31)), ("time_ms", b""),
        ("proposer", 31), ("transactions_root", None), ("batches_hash", bytes(33)),
    ],
)  # fmt: skip
def test_malformed_headers_are_refused(name: str, bad: object) -> None:
    with pytest.raises(FormError):
        parse_header(wire(HEADER._replace(**{name: bad})))  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [None, 1, (), tuple(HEADER)[:9], (*HEADER, 0)])
def test_other_shapes_are_refused(value: object) -> None:
    with pytest.raises(FormError):
        parse_header(value)
    with pytest.raises(FormError):
        parse_block(value)


@pytest.mark.parametrize("name", Outcome._fields)
def test_malformed_outcomes_are_refused(name: str) -> None:
    for bad in (None, -1, b"", "x", True, 2**63):
        with pytest.raises(FormError):
            parse_outcome(wire(OUTCOME._replace(**{name: bad})))  # type: ignore[arg-type]
