"""A sample of what `python -m tests.storage.exhaustive` does wholly: damage is cut off, or refused with its place named."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from ledger.base.errors import StorageError
from node.storage import segment_format, segments
from node.storage.payload_store import PayloadStore
from node.storage.segment_format import HEADER_BYTES, RECORD_HEADER_BYTES, RecordHeader
from tests.storage.exhaustive import flips, prefixes, tears
from tests.storage.memory_backend import MemoryBackend
from tests.storage.specimens import (
    LEAST_BYTES,
    NETWORK,
    ROOM,
    SPECIMENS,
    Specimen,
    blocks,
    payloads,
    pending,
    votes,
)

each_specimen = pytest.mark.parametrize("make", SPECIMENS)
Make = Callable[[], Specimen]


@each_specimen
def test_a_specimen_is_large_and_reads_whole(make: Make) -> None:
    specimen = make()
    assert len(specimen.data) >= LEAST_BYTES
    assert specimen.read(specimen.disk()) == specimen.states[-1]


@each_specimen
def test_a_flipped_bit_is_never_silently_wrong(make: Make) -> None:
    specimen = make()
    draw = random.Random(f"flips of {specimen.name}")
    head = range(8 * HEADER_BYTES)
    heads = [
        8 * span.start + draw.randrange(8 * RECORD_HEADER_BYTES + 256)
        for span in specimen.spans
        for _ in range(4)
    ]
    start = specimen.spans[-1].group if specimen.spans else 0
    last = range(8 * start, 8 * len(specimen.data))
    bits = [*draw.sample(head, 60), *heads, *draw.sample(last, 60)]
    bits += draw.sample(range(8 * len(specimen.data)), 300)
    found = flips(specimen.name, [bit for bit in bits if bit < 8 * len(specimen.data)])
    assert found.findings == ()
    assert found.refused > 100


@each_specimen
def test_a_shortened_file_is_never_silently_wrong(make: Make) -> None:
    specimen = make()
    draw = random.Random(f"prefixes of {specimen.name}")
    ends = [span.end + step for span in specimen.spans for step in (-1, 0, 1)]
    sizes = [0, HEADER_BYTES - 1, HEADER_BYTES, len(specimen.data), *ends[:-1]]
    sizes += draw.sample(range(len(specimen.data)), 200)
    found = prefixes(specimen.name, sizes)
    assert found.findings == ()


@each_specimen
def test_torn_swapped_and_stale_sectors_of_the_last_group_are_cut(make: Make) -> None:
    specimen = make()
    if not specimen.is_last:
        assert specimen.last_group == len(specimen.data), "nothing of it was being written"
        return
    found = tears(specimen.name, 200, 1)
    assert found.findings == ()
    assert found.recovered == found.cases, "a power cut in the last group never refuses a start"


def test_a_payload_log_that_lost_what_its_index_knows_is_refused_or_read_right() -> None:
    """With an index, bodies are not read at opening, and a cut tail shows: nothing new may be written over it."""
    specimen = payloads()
    index = MemoryBackend()
    PayloadStore(specimen.disk(), index, NETWORK, segment_bytes=ROOM).write_index(least_bytes=0)
    draw = random.Random("indexed payloads")
    last = range(8 * specimen.last_group, 8 * len(specimen.data))
    refused: list[str] = []
    damaged: list[str] = []
    for bit in (*draw.sample(range(8 * len(specimen.data)), 300), *draw.sample(last, 50)):
        files = specimen.disk()
        files.names[specimen.path].content[bit // 8] ^= 1 << bit % 8
        try:
            store = PayloadStore(files, index, NETWORK, segment_bytes=ROOM)
        except StorageError as error:
            refused.append(error.message)
            continue
        assert bit not in last
        for key, value in specimen.states[-1].items():
            try:
                assert value in (store.get(key), store.get_context(key))
            except StorageError as error:
                damaged.append(error.message)
    assert len(refused) > 50
    assert len(damaged) > 200
    assert all(specimen.path in message for message in (*refused, *damaged))


@pytest.mark.parametrize("make", [blocks, votes, pending, payloads])
def test_the_check_sees_a_scanner_that_trusts_bodies(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def trusting(header: RecordHeader, data: bytes, at: int) -> bool:
        return at + segment_format.padded(header.length) <= len(data)

    monkeypatch.setattr(segment_format, "is_body", trusting)
    monkeypatch.setattr(segments, "is_body", trusting)
    specimen = make()
    body = 8 * (specimen.spans[3].end - 16)
    assert flips(specimen.name, range(body, body + 8)).wrong == 8


def test_the_check_sees_a_scanner_that_cuts_what_was_durable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segment_format.SegmentView, "has_later_group", lambda _view, _bad: False)
    assert prefixes("blocks", [80_000]).wrong == 0
    assert flips("blocks", range(80_000, 80_008)).wrong == 8


def test_the_check_sees_a_torn_group_that_is_taken_for_damage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(segment_format.SegmentView, "has_later_group", lambda _view, _bad: True)
    assert tears("votes", 50, 1).wrong > 0
