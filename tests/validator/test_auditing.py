"""`custody audit --folder`: a node's own chain, beside the node or without it, as it is and with one thing altered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
import structlog

from client.cli.main import run
from ledger.base.encoding import decode, encode
from ledger.base.keys import Signer
from ledger.chain.block import Block
from ledger.chain.certificate import Certificate, make_certificate
from ledger.chain.votes import finalise
from node.init import MadeNetwork, create_network
from node.storage.block_store import BlockStore, StoredBlock
from node.storage.filesystem import RealFileSystem
from node.storage.keystore import Keystore
from node.storage.snapshots import SnapshotStore
from node.validator.snapshotting import Snapshotter
from tests.validator.test_execution import Node

BLOCKS = 6


class Signed(Node):
    """A node whose blocks a quorum really signs."""

    def certificate(self, block: Block) -> Certificate:
        outcome = self.executor.state.tip.outcome.hash_in(self.made.genesis.network)
        claim = finalise(0, block.header.height, block.header.hash, outcome)
        message = claim.signing_message(self.made.genesis.network)
        signatures = {place: key.sign(message) for place, key in enumerate(validator_keys(self.made))}
        return make_certificate(self.executor.validators, claim, signatures)


def validator_keys(made: MadeNetwork) -> list[Signer]:
    """The keys of the seats, in their order."""
    keys = []
    for seat in made.genesis.validators:
        folder = made.folders[seat.organisation] / "keys"
        (name,) = (path.stem for path in folder.glob("validator*.key"))
        keys.append(Keystore(folder).load(name))
    return keys


def grown(made: MadeNetwork) -> Node:
    """An open node with a few blocks and the bytes of their events."""
    node = Signed.open(made)
    node.executor.redo()
    for height in range(1, BLOCKS + 1):
        append(node, height)
    node.stores.payload.sync()
    return node


def append(node: Node, height: int) -> None:
    """One more block of two events."""
    submission = node.author().submission((3 * height, 3 * height + 1))
    node.mempool.submit(submission)
    batch, events, restricted = node.mempool.next_batch() or pytest.fail("expected a batch")
    for event, context in (*events, *restricted):
        node.stores.payload.put(event)
        if event.context_hash is not None and context is not None:
            node.stores.payload.put_context(event.context_hash, context)
    node.commit(node.block(node.executor.state.tip.header, batch), batch)
    node.stores.blocks.sync()


@pytest.fixture
def running(made: MadeNetwork) -> Iterator[Node]:
    node = grown(made)
    yield node
    node.close()


def audited(capsys: pytest.CaptureFixture[str], made: MadeNetwork, *words: str) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    folder = str(made.folders["maker"])
    anchor = str(made.folders["maker"] / "genesis.custody")
    exit_code = run(["audit", "--folder", folder, "--anchor", anchor, "--json", *words])
    output = capsys.readouterr()
    return exit_code, dict(json.loads(output.out)) if output.out else {"stopped": output.err}


def content(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_a_running_nodes_folder_is_audited_and_left_alone(
    made: MadeNetwork, running: Node, capsys: pytest.CaptureFixture[str]
) -> None:
    before = content(made.folders["maker"])
    exit_code, said = audited(capsys, made, "--consistency", "1", str(BLOCKS))
    assert exit_code == 0, said
    assert (said["height"], said["certified_height"]) == (BLOCKS, BLOCKS)
    assert said["outcome"] == running.executor.final_outcome.hash_in(made.genesis.network).hex()
    assert said["events"]["agree"] == said["entries"] == 2 * BLOCKS
    assert content(made.folders["maker"]) == before


def test_a_group_that_is_being_written_is_left_to_the_node(
    made: MadeNetwork, running: Node, capsys: pytest.CaptureFixture[str]
) -> None:
    path = made.folders["maker"] / "chain" / "blocks-00000000.seg"
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    exit_code, said = audited(capsys, made)
    assert (exit_code, said["height"]) == (0, BLOCKS - 1)
    assert path.read_bytes() == whole[:-100], "the cut is in the view, not on the disk"
    path.write_bytes(whole)


def rewritten(made: MadeNetwork, height: int, alter: Callable[[StoredBlock], StoredBlock]) -> None:
    """Put another block in the place of one, with checksums that hold."""
    files, network = RealFileSystem(made.folders["maker"]), made.genesis.network
    store = BlockStore(files, network)
    blocks = list(store.blocks(1, BLOCKS + 1))
    store.close()
    for path in (made.folders["maker"] / "chain").glob("blocks-*.seg"):
        path.unlink()
    again = BlockStore(files, network)
    for block in blocks:
        again.append(alter(block) if block.height == height else block)
    again.close()


def field(name: str, place: int, value: object) -> Callable[[StoredBlock], StoredBlock]:
    """Alter one member of a header or outcome."""

    def alter(block: StoredBlock) -> StoredBlock:
        data = block.header if name == "header" else block.outcome
        fields = list(decode(data, max_bytes=100_000))
        if name == "header":
            fields[0] = tuple(value if at == place else old for at, old in enumerate(fields[0]))
            return block._replace(header=encode(tuple(fields)))
        fields[place] = value
        return block._replace(outcome=encode(tuple(fields)))

    return alter


def a_body_byte(block: StoredBlock) -> StoredBlock:
    body = bytearray(block.body)
    body[-20] ^= 1
    return block._replace(body=bytes(body))


def a_signer(block: StoredBlock) -> StoredBlock:
    engine, claim, signers, signatures = decode(block.certificate, max_bytes=10_000)
    other = bytes((signers[0] ^ 0b1001,))
    return block._replace(certificate=encode((engine, claim, other, signatures)))


ALTERED: dict[str, tuple[Callable[[StoredBlock], StoredBlock], str]] = {
    "a header": (field("header", 7, 3), "header"),
    "a state root": (field("outcome", 5, bytes(32)), "state_root"),
    "a receipts root": (field("outcome", 2, bytes(32)), "receipts_root"),
    "a byte of the body": (a_body_byte, ""),
    "a signer": (a_signer, "certificate"),
    "a header that is none": (lambda block: block._replace(header=b"\x90"), "form"),
}


@pytest.mark.parametrize("name", ALTERED)
def test_one_thing_altered_is_named_with_its_height(
    name: str, made: MadeNetwork, capsys: pytest.CaptureFixture[str]
) -> None:
    grown(made).close()
    alter, what = ALTERED[name]
    rewritten(made, 4, alter)
    exit_code, said = audited(capsys, made)
    assert exit_code == 1
    assert said["difference"]["height"] == 4
    assert said["difference"]["what"].startswith(what), said
    assert said["height"] == 3


def test_rot_is_refused_with_the_height(made: MadeNetwork, capsys: pytest.CaptureFixture[str]) -> None:
    grown(made).close()
    path = made.folders["maker"] / "chain" / "blocks-00000000.seg"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    exit_code, said = audited(capsys, made)
    assert exit_code == 5
    assert "(block " in said["stopped"]
    assert "blocks-00000000.seg" in said["stopped"]


def test_erased_and_missing_bytes_are_counted_and_the_chain_stands(
    made: MadeNetwork, capsys: pytest.CaptureFixture[str]
) -> None:
    node = grown(made)
    first, second = (row[1][3] for row in map(rows_of(node), (0, 1)))
    assert node.stores.payload.erase(first)
    node.close()
    exit_code, said = audited(capsys, made)
    assert exit_code == 0
    assert said["events"] == {
        "agree": 2 * BLOCKS - 1, "erased": 1, "restricted": 0, "absent": 0, "damaged": 0, "mismatch": 0,
    }  # fmt: skip
    for path in (made.folders["maker"] / "payload").glob("payload-*.seg"):
        path.unlink()
    exit_code, said = audited(capsys, made)
    assert exit_code == 0
    assert said["events"]["absent"] == 2 * BLOCKS
    assert second != first


def test_a_folder_that_let_go_of_old_bodies_is_audited_from_its_snapshot(
    made: MadeNetwork, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Blocks 1 and 2 are pruned; a snapshot of block 3 stands beside."""
    files = RealFileSystem(made.folders["maker"])
    monkeypatch.setattr("tests.validator.test_auditing.BLOCKS", 3)
    node = grown(made)

    async def taken() -> None:
        snapshotter = Snapshotter(node.stores, node.executor, SnapshotStore(files), 3, structlog.get_logger())
        snapshotter.finalised(node.executor.checkpoint)
        while snapshotter.is_busy:  # noqa: ASYNC110 - it has no event to wait for
            await asyncio.sleep(0)

    asyncio.run(taken())
    for height in range(4, 7):
        append(node, height)
    node.close()
    pruned(made, below=3)
    exit_code, said = audited(capsys, made)
    assert exit_code == 0, said
    assert (said["snapshot"], said["height"], said["clean"]) == (3, 6, True)
    exit_code, said = audited(capsys, made, "--consistency", "4", "6")
    assert exit_code == 2
    for path in (made.folders["maker"] / "snapshots").glob("*state-0000000*"):
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        data[:4] = crc32(bytes(data[4:])).to_bytes(4, "big")
        path.write_bytes(bytes(data))
    exit_code, said = audited(capsys, made)
    assert exit_code == 1, "a lie with a checksum that holds"
    for path in (made.folders["maker"] / "snapshots").glob("*"):
        path.unlink()
    exit_code, said = audited(capsys, made)
    assert exit_code == 5
    assert "bodies below 3 are not kept" in said["stopped"]


def pruned(made: MadeNetwork, below: int) -> None:
    """Leave the bodies of blocks out as pruning does, whole segments at a time."""
    files, network = RealFileSystem(made.folders["maker"]), made.genesis.network
    store = BlockStore(files, network)
    blocks = list(store.blocks(1, (store.last_height or 0) + 1))
    store.close()
    for path in (made.folders["maker"] / "chain").glob("blocks-*.seg"):
        path.unlink()
    again = BlockStore(files, network, segment_bytes=2_000)
    for block in blocks:
        again.append(block)
    again.sync()
    again.prune_before(below)
    assert again.first_height == below
    again.close()


def rows_of(node: Node) -> Callable[[int], Any]:
    tables = node.executor.tables
    return lambda sequence: tables.bare_row(sequence, tables.final)


def test_a_folder_of_another_network_than_the_anchors_is_refused(
    made: MadeNetwork, running: Node, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = create_network(tmp_path / "other", state_depth=8)
    anchor = str(other.folders["maker"] / "genesis.custody")
    assert running.executor.final_header.height == BLOCKS
    assert run(["audit", "--folder", str(made.folders["maker"]), "--anchor", anchor]) == 1
    assert other.genesis.network.hex() in capsys.readouterr().err


def test_what_is_no_nodes_folder_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["audit", "--folder", str(tmp_path)]) in (2, 5)
    assert str(tmp_path) in capsys.readouterr().err
