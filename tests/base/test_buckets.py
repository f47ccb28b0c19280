"""The state tree against a plain dictionary, its proofs against altered ones, and undo."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.base import buckets, limits
from ledger.base.errors import CustodyError, FormError, ProofError, RuleError

NETWORK = hashlib.sha256(b"network").digest()
DEPTH = 8


def key(number: int, *, bucket: int | None = None) -> bytes:
    hashed = hashlib.sha256(b"key %d" % number).digest()
    return hashed if bucket is None else bytes([bucket]) + hashed[1:]


def value(number: int) -> bytes:
    return hashlib.sha256(b"value %d" % number).digest()


NUMBERS = st.lists(st.integers(0, 60), max_size=30, unique=True)


@given(NUMBERS, NUMBERS, st.integers(0, 80))
def test_it_answers_and_proves_as_a_dictionary_would(first: list[int], second: list[int], asked: int) -> None:
    tree = buckets.BucketTree(NETWORK, DEPTH)
    tree.load((key(n, bucket=n % 3), value(n)) for n in first)
    tree.update({key(n, bucket=n % 3): value(n + 1) for n in second})
    model = {key(n, bucket=n % 3): value(n) for n in first} | {
        key(n, bucket=n % 3): value(n + 1) for n in second
    }
    wanted = key(asked, bucket=asked % 3)
    assert tree.get(wanted) == model.get(wanted)
    proof = tree.prove(wanted)
    assert buckets.verify_state(NETWORK, DEPTH, tree.root, wanted, proof) == model.get(wanted)


@given(NUMBERS, NUMBERS)
def test_the_root_depends_on_contents_only_and_undo_restores_it(first: list[int], second: list[int]) -> None:
    tree, other = buckets.BucketTree(NETWORK, DEPTH), buckets.BucketTree(NETWORK, DEPTH)
    tree.update({key(n): value(n) for n in first})
    before = tree.root
    undo = tree.update({key(n): value(n + 7) for n in second})
    other.update({key(n): value(n + 7) for n in second})
    other.update({key(n): value(n) for n in first if n not in second})
    assert tree.root == other.root
    tree.revert(undo)
    assert tree.root == before
    assert all(tree.get(key(n)) == value(n) for n in first)


@given(st.lists(st.integers(0, 40), min_size=1, max_size=20, unique=True), st.integers(0, 60), st.data())
def test_no_altered_proof_verifies(numbers: list[int], asked: int, data: st.DataObject) -> None:
    tree = buckets.BucketTree(NETWORK, DEPTH)
    tree.update({key(n, bucket=1): value(n) for n in numbers})
    wanted = key(asked, bucket=1)
    proof = tree.prove(wanted)
    truth = tree.get(wanted)
    shown = proof.neighbours
    altered = [
        proof._replace(size=proof.size + 1),
        proof._replace(size=proof.size - 1),
        proof._replace(siblings=proof.siblings[:-1]),
        proof._replace(siblings=(value(0), *proof.siblings[1:])),
        proof._replace(neighbours=()),
        proof._replace(neighbours=shown[:1]) if len(shown) > 1 else proof._replace(neighbours=shown * 2),
    ]
    place = data.draw(st.integers(0, len(shown) - 1))
    index, name, hashed, path = shown[place]
    replaced = (
        (index, name, value(99), path),
        (index + 1, name, hashed, path),
        (index, key(77, bucket=1), hashed, path),
    )
    altered += [proof._replace(neighbours=(*shown[:place], one, *shown[place + 1 :])) for one in replaced]
    for wrong in altered:
        try:
            found = buckets.verify_state(NETWORK, DEPTH, tree.root, wanted, wrong)
        except CustodyError:
            continue
        raise AssertionError(f"accepted {found!r} for {truth!r}")


def test_presence_cannot_be_shown_as_absence_by_its_neighbours() -> None:
    tree = buckets.BucketTree(NETWORK, DEPTH)
    keys = sorted(key(n, bucket=5) for n in range(9))
    tree.update(dict.fromkeys(keys, value(1)))
    left, right = tree.prove(keys[3]), tree.prove(keys[5])
    gap = left._replace(neighbours=(*left.neighbours, *right.neighbours))
    with pytest.raises(ProofError):
        buckets.verify_state(NETWORK, DEPTH, tree.root, keys[4], gap)
    ends = tree.prove(keys[0])
    with pytest.raises(ProofError):
        buckets.verify_state(NETWORK, DEPTH, tree.root, keys[4], ends)


def test_the_number_of_entries_is_bound() -> None:
    """RFC 6962 roots do not bind it: the third of three stands where the second of two would, with the same path."""
    tree = buckets.BucketTree(NETWORK, DEPTH)
    keys = sorted(key(n, bucket=5) for n in range(3))
    tree.update(dict.fromkeys(keys, value(1)))
    honest = tree.prove(keys[2])
    ((place, shown, hashed, path),) = honest.neighbours
    assert (place, honest.size) == (2, 3)
    forged = honest._replace(size=2, neighbours=((1, shown, hashed, path),))
    with pytest.raises(ProofError):
        buckets.verify_state(NETWORK, DEPTH, tree.root, keys[2], forged)


def test_another_network_or_depth_gives_another_root() -> None:
    tree, other = buckets.BucketTree(NETWORK, DEPTH), buckets.BucketTree(bytes(32), DEPTH)
    assert tree.root != other.root
    with pytest.raises(FormError):
        buckets.BucketTree(NETWORK, 17)


def test_a_full_bucket_refuses_one_more_and_changes_nothing() -> None:
    tree = buckets.BucketTree(NETWORK, DEPTH)
    tree.update({key(n, bucket=9): value(n) for n in range(limits.BUCKET_ENTRIES)})
    before = tree.root
    tree.update({key(0, bucket=9): value(1)})
    tree.update({key(0, bucket=9): value(0)})
    with pytest.raises(RuleError):
        tree.update({key(n, bucket=b): value(1) for b, n in ((8, 1), (9, 10**6))})
    assert tree.root == before
    assert tree.get(key(1, bucket=8)) is None
