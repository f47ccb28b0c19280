"""kill -9 under load, on real files: everything a process said was durable is there, and it starts again."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from node.storage.folder import NodeFolder
from node.storage.stores import open_stores

ROOT = Path(__file__).resolve().parents[2]
NETWORK = bytes(range(32))
TABLES = ("records",)

PROGRAM = """
import sys
from pathlib import Path
from node.storage.block_store import StoredBlock
from node.storage.folder import NodeFolder
from node.storage.payload_store import Payload
from node.storage.stores import open_stores

folder = NodeFolder.open(Path(sys.argv[1]))
stores = open_stores(folder, ("records",))
height = stores.blocks.last_height or 0
while (stores.state.height or 0) < height:
    stores.state.begin()
    again = (stores.state.height or 0) + 1
    stores.state.table("records").put(b"last", again.to_bytes(8, "big"))
    stores.state.commit(again)
while True:
    height += 1
    key = height.to_bytes(32, "big")
    stores.payload.put(Payload(key, b"salt", b"event %d" % height))
    stores.pending.put(1, key, b"batch %d" % height * 50)
    stores.votes.append(b"vote %d" % height)
    stores.sync_before_sending()
    print(height, flush=True)
    stores.blocks.append(StoredBlock(height, b"header", b"outcome", b"", b"batch %d" % height * 50))
    stores.state.begin()
    stores.state.table("records").put(b"last", height.to_bytes(8, "big"))
    stores.state.commit(height)
    if height % 7 == 0:
        stores.blocks.sync()
        stores.state.flush(stores.blocks.synced_height)
        stores.pending.forget(1, [number.to_bytes(32, "big") for number in range(max(0, height - 20), height)])
        stores.pending.collect()
    if height % 50 == 0:
        stores.votes.replace([b"vote %d" % height])
"""


def run_until_killed(path: Path, lines: int) -> int:
    """The last height that the process said was durable."""
    command = [sys.executable, "-c", PROGRAM, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, text=True) as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(lines)]
        process.send_signal(signal.SIGKILL)
        said += process.stdout.readlines()
    return int([line for line in said if line.endswith("\n")][-1])


@pytest.mark.parametrize("lines", [1, 40, 333])
def test_what_was_promised_is_there_after_every_kill(tmp_path: Path, lines: int) -> None:
    NodeFolder.create(tmp_path, NETWORK)
    for _ in range(3):
        promised = run_until_killed(tmp_path, lines)
        folder = NodeFolder.open(tmp_path, NETWORK)
        stores = open_stores(folder, TABLES)
        assert b"vote %d" % promised in stores.votes.records
        payload = stores.payload.get(promised.to_bytes(32, "big"))
        assert payload is not None
        assert payload.event == b"event %d" % promised
        last = stores.blocks.last_height or 0
        for height in range(last + 1, promised + 1):
            assert stores.pending.get(1, height.to_bytes(32, "big")) is not None, (
                "not in a block: still pending"
            )
        stored = stores.state.table("records").get(b"last")
        assert int.from_bytes(stored or b"", "big") == (stores.state.height or 0) <= last
        stores.close()
        folder.close()
