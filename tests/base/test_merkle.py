"""RFC 6962 trees against a model written from the recursive definition, published vectors, and altered proofs."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.base import merkle
from ledger.base.errors import ProofError

LEAVES = st.lists(st.binary(max_size=8), min_size=1, max_size=40)


def naive_root(leaves: list[bytes]) -> bytes:
    """RFC 6962 §2.1, word by word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\x01" + naive_root(leaves[:split]) + naive_root(leaves[split:])).digest()


# The eight leaves and roots of the Certificate Transparency reference tests.
CT_LEAVES = [bytes.fromhex(text) for text in (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
)]  # fmt: skip
CT_ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


@pytest.mark.parametrize("size", range(1, 9))
def test_published_roots(size: int) -> None:
    assert merkle.root(CT_LEAVES[:size]).hex() == CT_ROOTS[size - 1]


def test_the_empty_tree() -> None:
    assert merkle.root([]) == merkle.EMPTY_ROOT == merkle.MerkleTree([]).root == merkle.LogFrontier().root()
    with pytest.raises(ProofError):
        merkle.MerkleTree([]).inclusion_proof(0)


@given(LEAVES)
def test_root_tree_and_frontier_agree_with_the_definition(leaves: list[bytes]) -> None:
    frontier = merkle.LogFrontier()
    for leaf in leaves:
        frontier = frontier.extended([leaf])
    again = merkle.LogFrontier(frontier.size, frontier.peaks)
    assert naive_root(leaves) == merkle.root(leaves) == merkle.MerkleTree(leaves).root == again.root()


@given(st.lists(LEAVES | st.just([]), max_size=5))
def test_a_log_extended_by_many_is_the_one_extended_by_each(parts: list[list[bytes]]) -> None:
    one_by_one, at_once = merkle.LogFrontier(), merkle.LogFrontier()
    appended: list[bytes] = []
    for leaves in parts:
        before = at_once
        at_once = at_once.extended(leaves)
        for leaf in leaves:
            one_by_one = one_by_one.extended([leaf])
        appended += leaves
        assert at_once.root() == naive_root(appended)
        assert (at_once.size, at_once.peaks) == (one_by_one.size, one_by_one.peaks)
        assert before.extended(leaves).root() == at_once.root()


@given(LEAVES, st.data())
def test_inclusion_holds_and_no_other_leaf_place_or_path_does(
    leaves: list[bytes], data: st.DataObject
) -> None:
    tree = merkle.MerkleTree(leaves)
    place = data.draw(st.integers(0, len(leaves) - 1))
    path = tree.inclusion_proof(place)
    assert merkle.root_from_inclusion(leaves[place], place, len(leaves), path) == tree.root
    assert merkle.root_from_inclusion(leaves[place] + b"x", place, len(leaves), path) != tree.root
    for wrong in (path[:-1], (*path, bytes(32))):
        if len(wrong) != len(path):
            with pytest.raises(ProofError):
                merkle.root_from_inclusion(leaves[place], place, len(leaves), wrong)
    for size, index in ((len(leaves), len(leaves)), (0, 0), (len(leaves), -1)):
        with pytest.raises(ProofError):
            merkle.root_from_inclusion(leaves[place], index, size, path)
    if path:
        at = data.draw(st.integers(0, len(path) - 1))
        altered = (*path[:at], hashlib.sha256(path[at]).digest(), *path[at + 1 :])
        assert merkle.root_from_inclusion(leaves[place], place, len(leaves), altered) != tree.root


@given(LEAVES, st.data())
def test_consistency_holds_and_nothing_else_does(leaves: list[bytes], data: st.DataObject) -> None:
    old = data.draw(st.integers(1, len(leaves)))
    proof = merkle.consistency_proof(leaves, old)
    old_root, new_root = naive_root(leaves[:old]), naive_root(leaves)
    merkle.check_consistency(old, old_root, len(leaves), new_root, proof)
    other = hashlib.sha256(b"other").digest()
    wrong = [
        (old, other, len(leaves), new_root, proof),
        (old, old_root, len(leaves), other, proof),
        (old, old_root, len(leaves), new_root, (*proof, other)),
        (0, old_root, len(leaves), new_root, proof),
        (len(leaves) + 1, old_root, len(leaves), new_root, proof),
    ]
    if proof:
        wrong.append((old, old_root, len(leaves), new_root, proof[:-1]))
        wrong.append((old, old_root, len(leaves), new_root, (other, *proof[1:])))
        wrong.append((old, old_root, len(leaves), new_root, ()))
    for arguments in wrong:
        with pytest.raises(ProofError):
            merkle.check_consistency(*arguments)


def test_a_log_that_was_rewritten_is_not_consistent() -> None:
    leaves = [bytes([number]) for number in range(11)]
    rewritten = [b"x", *leaves[1:]]
    with pytest.raises(ProofError):
        merkle.check_consistency(
            7, merkle.root(leaves[:7]), 11, merkle.root(rewritten), merkle.consistency_proof(rewritten, 7)
        )


def test_consistency_from_nothing_or_beyond_cannot_be_asked_for() -> None:
    for old in (0, 3):
        with pytest.raises(ProofError):
            merkle.consistency_proof([b"a", b"b"], old)


def test_a_frontier_has_as_many_peaks_as_its_size_has_ones() -> None:
    with pytest.raises(ProofError):
        merkle.LogFrontier(5, [bytes(32)])
