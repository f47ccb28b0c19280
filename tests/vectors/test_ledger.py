"""The vectors of encodings, trees, signatures, links and bundles, read as a second implementation would."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ledger.base import merkle
from ledger.base.buckets import StateProof, verify_state
from ledger.base.encoding import decode, encode
from ledger.base.errors import FormError
from ledger.base.keys import HybridKey, is_signature, is_valid_public_key, key_id
from ledger.chain.genesis import genesis_from_bytes
from ledger.proof.anchor import anchor_from_genesis
from ledger.proof.verdict import assess
from ledger.state.links import entry_from_wire, entry_hash, extended, link_from_wire
from ledger.trade.record import EMPTY, SubjectKey, record_from_wire


def vectors(name: str) -> Any:
    return json.loads((Path(__file__).parent / f"{name}.json").read_text(encoding="ascii"))


def test_encodings() -> None:
    found = vectors("encodings")
    for case in found["values"]:
        data = bytes.fromhex(case["bytes"])
        assert encode(decode(data, max_bytes=1_000)) == data, case["name"]
    for case in found["refused"]:
        with pytest.raises(FormError) as caught:
            decode(bytes.fromhex(case["bytes"]), max_bytes=1_000)
        assert caught.value.code == case["code"]


def test_trees() -> None:
    found = vectors("trees")
    for tree in found["log"]:
        root, size = bytes.fromhex(tree["root"]), tree["size"]
        leaves = [b"leaf %d" % number for number in range(size)]
        for index, path in enumerate(tree["inclusion"]):
            assert (
                merkle.root_from_inclusion(leaves[index], index, size, [bytes.fromhex(step) for step in path])
                == root
            )
        for case in tree["consistency"]:
            proof = [bytes.fromhex(step) for step in case["proof"]]
            merkle.check_consistency(case["from"], merkle.root(leaves[: case["from"]]), size, root, proof)
    state = found["state"]
    for case in state["proofs"]:
        neighbours = tuple(
            (place, bytes.fromhex(key), bytes.fromhex(value), tuple(bytes.fromhex(step) for step in path))
            for place, key, value, path in case["neighbours"]
        )
        shown = StateProof(case["size"], neighbours, tuple(bytes.fromhex(step) for step in case["siblings"]))
        network, root, key = (bytes.fromhex(text) for text in (found["network"], state["root"], case["key"]))
        value = verify_state(network, state["depth"], root, key, shown)
        assert (None if value is None else value.hex()) == case["value"]


def test_signatures() -> None:
    found = vectors("signatures")
    for case in found["keys"]:
        assert is_valid_public_key(bytes.fromhex(case["public_key"])) == case["valid"]
    for case in found["signatures"]:
        parts = (bytes.fromhex(case[name]) for name in ("public_key", "message", "signature"))
        assert is_signature(*parts) == case["holds"], case["name"]
    assert sum(case["holds"] for case in found["signatures"]) == 1


def test_hybrid_signatures() -> None:
    found = vectors("hybrid")
    key = HybridKey.from_seed(bytes.fromhex(found["seed"]))
    assert key.public_key.hex() == found["public_key"]
    assert key_id(key.public_key).hex() == found["key_id"]
    for case in found["signatures"]:
        parts = (bytes.fromhex(case[name]) for name in ("public_key", "message", "signature"))
        assert is_signature(*parts) == case["holds"], case["name"]
    assert [case["name"] for case in found["signatures"] if case["holds"]] == ["as signed"]


def test_links_and_records() -> None:
    found = vectors("bundles")
    network = bytes.fromhex(found["network"])
    chains: dict[tuple[SubjectKey, bool], Any] = {}
    for row in found["rows"]:
        entry = entry_from_wire(decode(bytes.fromhex(row["entry"]), max_bytes=1_000))
        assert entry_hash(network, entry).hex() == row["entry_hash"]
        assert entry.related_root.hex() == row["related_root"]
        for key, aside, position, _, encoded in row["links"]:
            place = (SubjectKey(*key), aside)
            link = link_from_wire(decode(bytes.fromhex(encoded), max_bytes=1_000))
            chains[place] = extended(network, chains.get(place, EMPTY.links), link)
            assert chains[place].length == position
        for key, encoded in row["records"]:
            record = record_from_wire(decode(bytes.fromhex(encoded), max_bytes=10_000))
            assert record.links == chains.get((SubjectKey(*key), False), EMPTY.links)
            assert record.asides == chains.get((SubjectKey(*key), True), EMPTY.asides)


def test_bundles() -> None:
    found = vectors("bundles")
    anchor = anchor_from_genesis(genesis_from_bytes(bytes.fromhex(found["genesis"])))
    assert anchor.network.hex() == found["network"]
    for case in found["bundles"]:
        verdict = assess(bytes.fromhex(case["bundle"]), anchor, now_ms=case["now_ms"])
        said = (verdict.status.word, verdict.exit_code, verdict.headline)
        assert said == (case["verdict"], case["exit_code"], case["headline"]), case["name"]
    assert {case["exit_code"] for case in found["bundles"]} == {1, 3, 4, 5, 6}
