"""The state tree against a plain dictionary, its proofs against altered ones, and undo."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.base import bucket, buckets, limits, merkle
from ledger.base.errors import Code, CustodyError, FormError, ProofError, RuleError, StorageError

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


# ---- entries that are kept elsewhere


class Elsewhere:
    """Entries of buckets in a dictionary, which the test changes as the owner of a tree does."""

    def __init__(self) -> None:
        self.all: dict[bytes, bytes] = {}
        self.reads: list[int] = []

    def read(self, index: int) -> Iterator[tuple[bytes, bytes]]:
        self.reads.append(index)
        return iter([(name, self.all[name]) for name in sorted(self.all) if name[0] == index])


def plain_root(entries: dict[bytes, bytes]) -> bytes:
    """The root of a tree with these entries, worked out from them alone."""
    return buckets.range_root(NETWORK, DEPTH, 0, 0, sorted(entries.items()))


STEPS = st.lists(
    st.one_of(
        st.dictionaries(st.integers(0, 60), st.integers(0, 3), max_size=12),
        st.integers(1, 3),  # so many updates are undone
    ),
    max_size=12,
)


@given(STEPS, st.integers(0, 4_000), st.integers(0, 80))
def test_a_tree_with_its_entries_elsewhere_is_the_plain_one(
    steps: list[dict[int, int] | int], cache_bytes: int, asked: int
) -> None:
    """Whatever is in memory of it, and after whatever was undone."""
    kept = Elsewhere()
    tree = buckets.BucketTree(NETWORK, DEPTH, kept, cache_bytes=cache_bytes)
    whole = buckets.BucketTree(NETWORK, DEPTH)
    done: list[tuple[buckets.Undo, buckets.Undo, dict[bytes, bytes]]] = []
    for step in steps:
        if isinstance(step, int):
            for _ in range(min(step, len(done))):
                undo, plain_undo, before = done.pop()
                kept.all = before
                tree.revert(undo)
                whole.revert(plain_undo)
        else:
            changes = {key(n, bucket=n % 4): value(v) for n, v in step.items()}
            done.append((tree.update(changes), whole.update(changes), kept.all))
            kept.all = kept.all | changes
        assert tree.root == whole.root == plain_root(kept.all)
        wanted = key(asked, bucket=asked % 4)
        assert tree.prove(wanted) == whole.prove(wanted)
        assert tree.find(wanted) == whole.find(wanted)
        assert tree.get(wanted) == kept.all.get(wanted)
    hashes = b"".join(tree.hash_of(index) for index in range(1 << DEPTH))
    again = buckets.BucketTree(NETWORK, DEPTH, kept, hashes, cache_bytes=cache_bytes)
    assert again.root == tree.root
    assert again.prove(key(asked, bucket=asked % 4)) == tree.prove(key(asked, bucket=asked % 4))


def test_memory_holds_the_buckets_used_last_and_no_more_than_asked_for() -> None:
    kept = Elsewhere()
    limit = 20 * (buckets.BUCKET_BYTES + 8 * buckets.ENTRY_BYTES)
    tree = buckets.BucketTree(NETWORK, DEPTH, kept, cache_bytes=limit)
    for n in range(1_000):
        changes = {key(n): value(n)}
        tree.update(changes)
        kept.all.update(changes)
        assert tree.cached_bytes <= limit + buckets.BUCKET_BYTES + 20 * buckets.ENTRY_BYTES
    assert tree.root == plain_root(kept.all)
    last = kept.reads[-1]
    read = len(kept.reads)
    tree.get(key(999))
    tree.get(bytes([last]) + key(0)[1:])
    assert len(kept.reads) == read


def test_a_start_reads_no_bucket_and_every_bucket_read_has_its_hash() -> None:
    kept = Elsewhere()
    kept.all = {key(n): value(n) for n in range(600)}
    whole = buckets.BucketTree(NETWORK, DEPTH)
    whole.load(kept.all.items())
    hashes = b"".join(whole.hash_of(index) for index in range(1 << DEPTH))
    tree = buckets.BucketTree(NETWORK, DEPTH, kept, hashes)
    assert (tree.root, kept.reads) == (whole.root, [])
    name = key(17)
    for wrong in ({**kept.all, name: value(1)}, {k: v for k, v in kept.all.items() if k != name}):
        kept.all, right = wrong, kept.all
        with pytest.raises(StorageError) as refused:
            tree.prove(name)
        assert refused.value.code == Code.DAMAGED
        kept.all = right
    assert tree.get(name) == value(17)
    with pytest.raises(FormError):
        buckets.BucketTree(NETWORK, DEPTH, kept, hashes[:-1])


# ---- one bucket


@given(st.lists(st.dictionaries(st.integers(0, 40), st.integers(0, 5), max_size=9), max_size=6))
def test_a_bucket_is_the_tree_over_its_entries(steps: list[dict[int, int]]) -> None:
    found, model = bucket.EMPTY, dict[bytes, bytes]()
    for step in steps:
        changes = {key(n): value(v) for n, v in step.items()}
        found = found.changed(changes)
        model |= changes
        entries = sorted(model.items())
        plain = merkle.MerkleTree([name + hashed for name, hashed in entries])
        assert (list(found), found.size, found.root) == (entries, len(entries), plain.root)
        assert found.root == bucket.Bucket.of(entries).root
        for index in range(len(entries)):
            assert found.inclusion_proof(index) == plain.inclusion_proof(index)
            assert found.place(entries[index][0]) == (index, True)


def test_a_change_in_a_full_bucket_hashes_one_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody may grind identifiers until thousands of them share a bucket: each later event costs what it would elsewhere."""
    full = bucket.EMPTY.changed({key(n, bucket=9): value(n) for n in range(limits.BUCKET_ENTRIES)})
    hashed = 0

    def counting(data: bytes) -> object:
        nonlocal hashed
        hashed += 1
        return hashlib.sha256(data)

    monkeypatch.setattr(bucket, "_sha256", counting)
    changed = full.changed({key(7, bucket=9): value(1)})
    assert hashed == 1 + 12  # the leaf, and one node on each level above 4,096 of them
    assert changed.root != full.root
    entries = list(full)
    for rest, added, most in ((entries[:-1], entries[-1], 1 + 12), (entries[1:], entries[0], 4_096)):
        smaller = bucket.Bucket.of(rest)
        hashed = 0
        assert smaller.changed(dict([added])).root == full.root
        assert hashed == most
