"""A table read at leisure while it changes, and tables replaced by those of a snapshot."""

from __future__ import annotations

import random

import pytest

from ledger.base.errors import StorageError
from node.storage.state_store import INSTALLING, StateStore
from tests.storage.memory_backend import MemoryBackend

Contents = dict[bytes, bytes]


def change(store: StateStore, draw: random.Random, height: int) -> None:
    store.begin()
    for _ in range(draw.randrange(1, 8)):
        key = draw.randbytes(1)
        if draw.random() < 0.3:
            store.table("a").delete(key)
        else:
            store.table("a").put(key, draw.randbytes(3))
    store.table("b").put(b"x", draw.randbytes(2))
    store.commit(height)


def test_a_table_is_read_as_it_was_whatever_is_written_meanwhile() -> None:
    for seed in range(150):
        draw = random.Random(seed)
        backend = MemoryBackend()
        store = StateStore(backend, ("a", "b"))
        height = 0
        for _ in range(20):
            height += 1
            change(store, draw, height)
        store.flush(height)
        was: Contents = dict(backend.tables["a"])
        kept = store.keep("a")
        seen: Contents = {}
        while not kept.is_read:
            for key, value in kept.read(draw.randrange(1, 9)):
                assert key not in seen
                seen[key] = value
            if draw.random() < 0.6:
                height += 1
                change(store, draw, height)
                backend.full = draw.random() < 0.2
                try:
                    store.flush(height)
                except StorageError:
                    assert backend.full
        assert seen == was
        store.release(kept)


def filled(backend: MemoryBackend) -> StateStore:
    store = StateStore(backend, ("a", "b"))
    store.begin()
    for number in range(50):
        store.table("a").put(bytes((number,)), b"old")
    store.commit(7)
    store.flush(7)
    return store


def test_tables_are_replaced_wholly_or_are_marked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.storage.state_store.INSTALL_CHANGES", 8)
    new = [
        ("a", [(bytes((number,)), b"new") for number in range(start, start + 5)]) for start in (60, 70, 80)
    ]
    steps = sum(1 for _ in filled(MemoryBackend()).install(iter(new), 90))
    for stop in range(steps + 1):
        backend = MemoryBackend()
        installing = filled(backend).install(iter(new), 90)
        for _ in range(stop):
            next(installing)
        del installing
        again = StateStore(backend, ("a", "b"))
        assert again.is_half_installed == (stop > 0)
        assert backend.height == (INSTALLING if stop else 7)
        for _ in again.install(iter(new), 90):
            pass
        for opened in (again, StateStore(backend, ("a", "b"))):
            assert (opened.height, opened.durable_height, opened.is_half_installed) == (90, 90, False)
            assert dict(opened.table("a").range()) == {key: b"new" for _, pairs in new for key, _ in pairs}


def test_what_is_filled_in_is_durable_with_the_next_flush() -> None:
    backend = MemoryBackend()
    store = filled(backend)
    store.fill("b", [(b"past", b"1")])
    assert store.table("b").get_committed(b"past") == b"1"
    assert StateStore(backend, ("a", "b")).table("b").get(b"past") is None
    store.begin()
    store.commit(8)
    store.flush(8)
    assert StateStore(backend, ("a", "b")).table("b").get(b"past") == b"1"
