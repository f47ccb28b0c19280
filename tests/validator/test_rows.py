"""Rows in chunks against a plain dictionary, and moves found by counting against a list of them."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from ledger.base.encoding import encode
from ledger.base.hashing import HASH_BYTES
from ledger.trade.record import EMPTY
from ledger.trade.statement import Action, Role
from node.storage.state_store import StateStore
from node.validator.rows import CHUNK, LARGE_BYTES, VERSION_BYTES, Rows
from node.validator.tables import TABLES, Tables, link_key
from tests.storage.memory_backend import MemoryBackend
from tests.world.world import World, serial, sscc

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["block", "block", "undo", "commit", "past", "flush"]), st.integers(0, 2 * CHUNK + 9)
    ),
    max_size=25,
)


def body(sequence: int, version: int = 0) -> bytes:
    is_large = (sequence + version) % 7 == 0
    return b"%d of %d" % (sequence, version) * (1 + sequence % 3 + is_large * LARGE_BYTES)


@given(STEPS, st.integers(0, 3 * CHUNK))
def test_rows_are_what_a_dictionary_would_hold(steps: list[tuple[str, int]], base: int) -> None:
    """Blocks are executed, undone and made final while the past below `base` is filled in."""
    store = StateStore(MemoryBackend(), TABLES)
    tables = Tables(bytes(32), store)
    rows = Rows(store, base)
    final: dict[int, bytes] = {}
    above: list[dict[int, bytes]] = []
    filled, size, height = 0, base, 0
    for what, number in steps:
        if what == "block":
            block = {sequence: body(sequence, number) for sequence in range(size, size + number)}
            store.begin()
            rows.append(size, list(block.values()))
            above.append(block)
            size += number
        elif what == "undo" and above:
            store.undo()
            size -= len(above.pop())
        elif what == "commit" and above:
            height += 1
            store.commit(height)
            final |= above.pop(0)
        elif what == "past":
            past = {sequence: body(sequence) for sequence in range(filled, min(base, filled + number))}
            rows.fill(past.items())
            final |= past
            filled += len(past)
        elif what == "flush":
            store.flush(height or None)
        latest = final.copy()
        for block in above:
            latest |= block
        for sequence in range(max(base, size) + CHUNK):
            assert rows.get(sequence, tables.final) == final.get(sequence)
            assert rows.get(sequence, tables.latest) == latest.get(sequence)


def test_a_row_of_the_past_may_be_put_again() -> None:
    store = StateStore(MemoryBackend(), TABLES)
    rows = Rows(store, 100)
    rows.fill([(3, b"three"), (70, b"seventy")])
    rows.fill([(3, b"3")])
    get = Tables(bytes(32), store).final
    assert [rows.get(sequence, get) for sequence in (2, 3, 4, 70, 71)] == [None, b"3", None, b"seventy", None]


def test_a_chunk_of_large_rows_is_as_cheap_to_add_to_as_any_other() -> None:
    """A block writes what it adds and the small rows of its chunk, whatever stands in the chunk besides."""
    store = StateStore(MemoryBackend(), TABLES)
    rows = Rows(store, 0)
    large = [random.Random(sequence).randbytes(1_000_000) for sequence in range(8)]
    store.begin()
    rows.append(0, [b"small", *large])
    store.begin()
    rows.append(9, [b"one more"])
    assert sum(len(value or b"") for value in store.table("rows").changes().values()) < 1_000
    get = Tables(bytes(32), store).latest
    assert [rows.get(sequence, get) for sequence in range(11)] == [b"small", *large, b"one more", None]


def test_a_row_of_the_past_may_become_large_and_small_again() -> None:
    store = StateStore(MemoryBackend(), TABLES)
    rows = Rows(store, 100)
    get = Tables(bytes(32), store).final
    for row in (b"small", b"large" * LARGE_BYTES, b"small", b"larger" * LARGE_BYTES):
        rows.fill([(3, row), (4, b"beside")])
        assert [rows.get(sequence, get) for sequence in (2, 3, 4, 5)] == [None, row, b"beside", None]


@given(st.lists(st.booleans(), max_size=40), st.integers(1, 45))
def test_a_move_is_found_by_the_moves_counted_in_links(moves: list[bool], number: int) -> None:
    store = StateStore(MemoryBackend(), TABLES)
    tables = Tables(bytes(32), store)
    store.fill(
        "links",
        [
            (link_key(bytes(32), position, aside=False), encode((position, 0, None, sum(moves[:position]))))
            for position in range(1, len(moves) + 1)
        ],
    )
    places = [position for position, is_move in enumerate(moves, 1) if is_move]
    expected = places[number - 1] if number <= len(places) else None
    assert tables.move_place(bytes(32), number, tables.final) == expected


def test_a_row_is_read_back_with_every_record_that_its_item_read() -> None:
    """Small ones stand in the row, one above the limit under its hash; what is left out of an entry is worked out again."""
    world = World()
    store = StateStore(MemoryBackend(), TABLES)
    tables = Tables(world.network, store)
    box, things = sscc("9521234", 1), [serial("9521234", 1, number) for number in range(3)]
    objects = [(Role.OBJECT, name) for name in things]
    documents = [(Role.DOCUMENT, f"urn:custody:doc:bol:MAEU:{number:030}") for number in range(16)]
    acts = (
        world.item(Action.MAKE, objects),
        world.item(Action.PACK, [(Role.PARENT, box), *((Role.CHILD, name) for name in things)]),
        world.item(Action.BIND, [(Role.OBJECT, box), *documents]),
        world.item(Action.OBSERVE, [(Role.OBJECT, box)]),
        world.item(Action.OBSERVE, objects, step=1),
    )
    sizes = []
    for item in acts:
        execution = world.commit(world.sign("maker", item))
        (row,) = execution.rows
        store.begin()
        tables.write_execution(execution, world.state)
        found = tables.row(row.entry.sequence, tables.latest)
        assert found is not None
        assert found == row._replace(links=(), records={}, outcomes=())
        kept = tables.kept_row(row.entry.sequence, tables.latest)
        assert kept is not None
        sizes += [len(data) for _, _, data in kept[2] if data is not None]
        for leaf, (_, _, data) in zip(row.related, kept[2], strict=True):
            is_large = len(encode(leaf.record)) > VERSION_BYTES
            expected = leaf.record_hash if is_large else None if leaf.record == EMPTY else encode(leaf.record)
            assert data == expected
            assert (tables.latest("versions", leaf.record_hash) is not None) == is_large
    assert any(size > HASH_BYTES for size in sizes)
    assert HASH_BYTES in sizes
