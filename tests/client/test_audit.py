"""`custody audit` of a gateway's chain: an honest one is clean, a lying one is named by height and by what it says."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from client.anchor import AnchorFolder
from client.auditing import block_from_bytes
from client.cli import audit as command
from client.cli.main import run
from ledger.base.encoding import encode
from ledger.base.errors import Code, FormError, UnavailableError
from ledger.chain.batch import take_apart
from ledger.state.audit import Audit
from ledger.state.audit_source import SuppliedBlock
from tests.state.test_audit import story
from tests.world.chain import ChainedWorld

WORLD = story()


def told(block: SuppliedBlock) -> bytes:
    """A block as a gateway tells it in the ledger's encoding."""
    heads, transactions = take_apart(block.batches)
    statuses: list[tuple[Any, ...]] = []
    receipts = list(block.receipts or ())
    for receipt in receipts:
        shown = (receipt.place, receipt.refusal, receipt.entry, receipt.outcomes)
        if receipt.place == 0:
            height, time_ms = block.header.height, block.header.time_ms
            statuses.append((receipt.transaction, 2, "", "", height, time_ms, [shown]))
        else:
            statuses[-1][-1].append(shown)
    return encode((block.header, block.outcome, block.certificate, transactions, statuses, heads))


class Told:
    """What the command needs of a gateway, with whatever lies it is given."""

    def __init__(self, world: ChainedWorld = WORLD) -> None:
        self.genesis_bytes = world.genesis.to_bytes()
        self.blocks = {block.header.height: told(block) for block in world.supplied}
        self.newest = encode(world.checkpoints[-1])
        self.asked: list[int] = []

    def genesis(self) -> bytes:
        return self.genesis_bytes

    def checkpoint(self) -> bytes:
        return self.newest

    def whole_block(self, height: int) -> bytes:
        self.asked.append(height)
        if height not in self.blocks:
            raise UnavailableError(Code.UNKNOWN_BLOCK, f"expected a height this node holds, got {height}")
        return self.blocks[height]


@pytest.fixture
def told_by(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Told], None]:
    monkeypatch.chdir(tmp_path)

    def use(gateway: Told) -> None:
        @contextmanager
        def opened(*_: object) -> Iterator[Told]:
            yield gateway

        monkeypatch.setattr(command, "gateway", opened)

    return use


@pytest.fixture
def genesis(tmp_path: Path) -> Path:
    path = tmp_path / "genesis.custody"
    path.write_bytes(WORLD.genesis.to_bytes())
    return path


def audited(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, Any]]:
    capsys.readouterr()
    exit_code = run(["audit", "--gateway", "http://127.0.0.1:1", "--json", *words])
    output = capsys.readouterr().out
    return exit_code, dict(json.loads(output)) if output else {}


def test_an_honest_gateways_chain_is_clean(
    told_by: Callable[[Told], None], genesis: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    told_by(Told())
    exit_code, said = audited(capsys, "--anchor", str(genesis), "--consistency", "2", "9")
    assert exit_code == 0, said
    assert (said["clean"], said["height"], said["certified_height"], said["anchored"]) == (True, 10, 10, True)
    assert said["events"] is None, "a gateway is not asked for bytes"
    assert said["consistency"]["proof"]
    assert said["outcome"] == WORLD.checkpoints[-1].outcome.hash_in(WORLD.network).hex()


def test_it_says_so_in_words_and_what_rests_on_nothing(
    told_by: Callable[[Told], None], capsys: pytest.CaptureFixture[str]
) -> None:
    told_by(Told())
    assert run(["audit", "--gateway", "http://127.0.0.1:1"]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("CLEAN up to block 10: ")
    assert "no anchor: compare the network id" in said.err


def lie(change: Callable[[SuppliedBlock], SuppliedBlock]) -> Callable[[Told], None]:
    def tell(gateway: Told) -> None:
        gateway.blocks[6] = told(change(WORLD.supplied[5]))

    return tell


def a_receipt(block: SuppliedBlock) -> SuppliedBlock:
    first, *rest = block.receipts or ()
    return block._replace(receipts=(first._replace(refusal=""), *rest))


def missing(gateway: Told) -> None:
    del gateway.blocks[6]


def another(gateway: Told) -> None:
    gateway.blocks[6] = gateway.blocks[7]


def rubbish(gateway: Told) -> None:
    gateway.blocks[6] = b"\xc1" + gateway.blocks[6]


def older(gateway: Told) -> None:
    gateway.newest = encode(WORLD.checkpoints[3])


LIES: dict[str, tuple[Callable[[Told], None], int, str]] = {
    "another block": (another, 1, "header.height"),
    "no block at all": (rubbish, 1, "form"),
    "a receipt": (lie(a_receipt), 1, "receipts"),
    "an outcome": (lie(lambda block: block._replace(outcome=block.outcome._replace(state_root=bytes(32)))), 1, "state_root"),
    "batches in another way": (lie(lambda block: block._replace(batches=block.batches[::-1])), 1, "form"),
}  # fmt: skip


@pytest.mark.parametrize("name", LIES)
def test_a_lying_gateway_is_named_by_the_height(
    name: str, told_by: Callable[[Told], None], genesis: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tell, expected, what = LIES[name]
    gateway = Told()
    tell(gateway)
    told_by(gateway)
    exit_code, said = audited(capsys, "--anchor", str(genesis))
    assert exit_code == expected
    assert said["clean"] is False
    assert said["difference"]["height"] == 6
    if name != "batches in another way":
        assert said["difference"]["what"] == what
    assert said["height"] == 5


def test_a_missing_block_cannot_be_had_and_the_audit_can_be_taken_up_again(
    told_by: Callable[[Told], None], genesis: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gateway = Told()
    missing(gateway)
    told_by(gateway)
    exit_code, said = audited(capsys, "--anchor", str(genesis))
    assert exit_code == 5
    assert said["difference"] is None
    assert said["stopped"].startswith("block 6: ")
    told_by(Told())
    exit_code, said = audited(capsys, "--anchor", str(genesis), "--from", str(said["resume"]))
    assert (exit_code, said["height"], said["from"]) == (0, 10, 6)


def test_another_network_is_refused_before_anything_is_fetched(
    told_by: Callable[[Told], None], genesis: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = ChainedWorld(name="another")
    other.commit()
    gateway = Told(other)
    told_by(gateway)
    assert run(["audit", "--gateway", "http://127.0.0.1:1", "--anchor", str(genesis)]) == 1
    assert WORLD.network.hex() in capsys.readouterr().err
    assert gateway.asked == []


@pytest.fixture
def pinned(tmp_path: Path, genesis: Path) -> Path:
    """An anchor folder that has seen block 8."""
    folder = AnchorFolder(tmp_path / "anchor")
    folder.begin(genesis.read_bytes())
    folder.pin(WORLD.checkpoints[7])
    return folder.path


def test_a_chain_that_ends_before_what_was_pinned_is_older(
    told_by: Callable[[Told], None], pinned: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gateway = Told()
    older(gateway)
    told_by(gateway)
    exit_code, said = audited(capsys, "--anchor", str(pinned))
    assert exit_code == 1
    assert (said["difference"]["height"], said["difference"]["what"]) == (5, "length")


def test_a_fork_that_a_dishonest_quorum_signed_is_told_from_what_was_pinned(
    told_by: Callable[[Told], None], pinned: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fork = ChainedWorld()
    for _ in range(10):
        fork.commit()
    assert fork.network == WORLD.network
    told_by(Told(fork))
    exit_code, said = audited(capsys, "--anchor", str(pinned))
    assert exit_code == 1
    assert (said["difference"]["height"], said["difference"]["what"]) == (8, "pinned")


@pytest.mark.parametrize(
    "words",
    [
        ["--consistency", "5", "2"],
        ["--consistency", "2", "11"],
        ["--folder", "."],
        ["--from", "0"],
    ],
)
def test_wrong_usage_is_refused(
    words: list[str], told_by: Callable[[Told], None], capsys: pytest.CaptureFixture[str]
) -> None:
    gateway = Told()
    told_by(gateway)
    assert run(["audit", "--gateway", "http://127.0.0.1:1", *words]) == 2
    assert capsys.readouterr().err
    assert gateway.asked == []


def test_blocks_are_taken_apart_as_they_were_put_together() -> None:
    for block in WORLD.supplied:
        assert block_from_bytes(told(block)) == block
    for cut in range(0, len(told(WORLD.supplied[5])), 7):
        with pytest.raises(FormError):
            block_from_bytes(told(WORLD.supplied[5])[:cut])


def test_no_flipped_bit_of_a_block_that_was_told_passes() -> None:
    """What is not read (where a transaction stands, which the block itself says) is the only thing that may differ."""
    audit = Audit(WORLD.genesis)
    for block in WORLD.supplied[:6]:
        assert audit.check(block) is None
    whole = WORLD.supplied[6]
    data = told(whole)
    draw = random.Random(6)
    named = set()
    for bit in draw.sample(range(8 * len(data)), 1_500):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        try:
            block = block_from_bytes(bytes(flipped))
        except FormError:
            named.add("form")
            continue
        if block == whole:
            continue
        found = audit.check(block)
        assert found is not None, f"bit {bit}"
        assert found.height == 7
        named.add(found.what)
    assert {"form", "header", "batches", "receipts", "certificate", "state_root"} <= named
    assert audit.check(whole) is None, "nothing of it stayed"
