"""Tables whose file rotted, was cut or lost its beginning: refused with the folder named, never read as something else."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from ledger.base.errors import Code, StorageError
from node.storage.lmdb_backend import LmdbBackend

NETWORK = bytes(range(32))
TABLES = ("records", "rows")


def rows() -> dict[bytes, bytes]:
    draw = random.Random(1)
    return {b"key %04d" % number: b"value %04d " % number + draw.randbytes(40) for number in range(300)}


def write(folder: Path, height: int = 7) -> Path:
    """Two tables, durable; the file they are in."""
    backend = LmdbBackend(folder, NETWORK, TABLES)
    backend.begin()
    for table in TABLES:
        backend.stage(table, rows().items())
    backend.write(height)
    backend.settle()
    backend.close()
    return folder / "data.mdb"


def read_all(folder: Path) -> dict[str, dict[bytes, bytes]]:
    backend = LmdbBackend(folder, NETWORK, TABLES)
    try:
        assert backend.height == 7
        return {table: dict(backend.read_range(table, b"", None, 10_000, reverse=False)) for table in TABLES}
    finally:
        backend.close()


def refusal(folder: Path) -> StorageError:
    with pytest.raises(StorageError) as caught:
        read_all(folder)
    assert caught.value.code is Code.DAMAGED
    assert str(folder) in caught.value.message
    assert "rebuilt from the chain" in caught.value.message
    return caught.value


def test_what_is_whole_reads_as_it_was_written(tmp_path: Path) -> None:
    write(tmp_path)
    assert read_all(tmp_path) == dict.fromkeys(TABLES, rows())


def test_a_flipped_bit_in_any_value_is_refused_by_its_key(tmp_path: Path) -> None:
    file = write(tmp_path)
    whole = file.read_bytes()
    draw = random.Random(2)
    for key in draw.sample(sorted(rows()), 40):
        bit = draw.randrange(8 * (len(rows()[key]) + 4))
        damaged, start = bytearray(whole), -1
        while (
            start := whole.find(rows()[key], start + 1)
        ) >= 0:  # splitting pages leaves copies that nobody reads
            damaged[start + bit // 8] ^= 1 << bit % 8
        file.write_bytes(bytes(damaged))
        assert key.hex() in refusal(tmp_path).message


def test_one_value_in_the_place_of_another_is_refused(tmp_path: Path) -> None:
    file = write(tmp_path)
    whole = file.read_bytes()
    first, second = (rows()[key] for key in sorted(rows())[5:7])
    at, other = whole.rindex(first), whole.rindex(second)
    swapped = bytearray(whole)
    size = len(first) + 4
    swapped[at : at + size], swapped[other : other + size] = (
        whole[other : other + size],
        whole[at : at + size],
    )
    file.write_bytes(bytes(swapped))
    refusal(tmp_path)


def test_a_single_read_is_checked_too(tmp_path: Path) -> None:
    file = write(tmp_path)
    key = b"key 0123"
    data = bytearray(file.read_bytes())
    while (at := data.find(rows()[key])) >= 0:
        data[at] ^= 1
    file.write_bytes(bytes(data))
    backend = LmdbBackend(tmp_path, NETWORK, TABLES)
    for table in TABLES:
        with pytest.raises(StorageError, match="not as it was written"):
            backend.get(table, key)
    assert backend.get("rows", b"key 0124") == rows()[b"key 0124"]
    backend.close()


def test_every_shortened_file_is_refused_before_it_is_touched(tmp_path: Path) -> None:
    file = write(tmp_path)
    whole = file.read_bytes()
    for size in range(3 * 4_096, len(whole), 1_777):
        file.write_bytes(whole[:size])
        refusal(tmp_path)


def test_tables_that_lost_their_height_or_network_are_not_taken_for_new_ones(tmp_path: Path) -> None:
    for name, value in ((b"height", (7).to_bytes(8, "big")), (b"network", NETWORK)):
        folder = tmp_path / name.decode()
        file = write(folder)
        file.write_bytes(file.read_bytes().replace(name + value, name[:-1] + b"?" + value))
        refusal(folder)


def test_an_empty_folder_is_begun_anew_and_another_networks_refused(tmp_path: Path) -> None:
    file = write(tmp_path)
    with pytest.raises(StorageError) as caught:
        LmdbBackend(tmp_path, bytes(32), TABLES)
    assert caught.value.code is Code.FOREIGN_DATA
    assert NETWORK.hex() in caught.value.message
    file.unlink()
    backend = LmdbBackend(tmp_path, NETWORK, TABLES)
    assert backend.height is None
    backend.close()
