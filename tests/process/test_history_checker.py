"""The checker of histories finds each kind of broken promise that is planted in one, and nothing in a history that holds."""

from __future__ import annotations

from dataclasses import replace

from ledger.base.errors import Code
from tests.process.chaos.checker import Wrong, check
from tests.process.chaos.history import (
    Acknowledgement,
    BlockSeen,
    History,
    NodeView,
    Placed,
    Read,
    Receipt,
    Standing,
    Write,
)

ITEM, OTHER = "item", "other"
NODES = ("carrier", "customs", "forwarder", "maker")


def receipt(transaction: str) -> Receipt:
    return Receipt(None, f"entry {transaction}", (1,))


def acknowledged(transaction: str, called: int, returned: int, height: int, about: str = ITEM) -> Write:
    return Write(transaction, about, called, returned, Acknowledgement(height, receipt(transaction)))


def block(height: int, *transactions: str) -> BlockSeen:
    placed = tuple(Placed(one, receipt(one)) for one in transactions)
    return BlockSeen(f"block {height}", f"outcome {height}", placed)


def head(length: int) -> str:
    return f"head {length}"


def history() -> History:
    """Three writes about an item, one of them never acknowledged, one about another, and reads between them."""
    return History(
        [
            acknowledged("a", 0, 10, 1),
            acknowledged("b", 20, 40, 2),
            Write("c", ITEM, 30),
            acknowledged("x", 0, 50, 2, OTHER),
        ],
        [
            Read(ITEM, "carrier", 11, 12, 1, 1, head(1)),
            Read(ITEM, "customs", 25, 45, 2, 3, head(3)),
            Read(ITEM, "maker", 60, 61, 3, 3, head(3)),
        ],
    )


def nodes(*blocks: BlockSeen) -> dict[str, NodeView]:
    chain = blocks or (block(1, "a"), block(2, "c", "x", "b"), block(3))
    standings = {ITEM: Standing(3, head(3)), OTHER: Standing(1, "head x")}
    return {name: NodeView(chain, dict(standings)) for name in NODES}


def kinds(found: History, seen: dict[str, NodeView]) -> set[Wrong]:
    return {finding.kind for finding in check(found, seen)}


def test_a_history_that_holds_has_no_findings() -> None:
    assert check(history(), nodes()) == []


def test_a_copy_that_came_in_by_a_second_node_is_no_second_execution() -> None:
    seen = nodes(
        block(1, "a"),
        block(2, "c", "x", "b"),
        BlockSeen("block 3", "outcome 3", (Placed("a", Receipt(Code.REPEATED, None, ())),)),
    )
    assert check(history(), seen) == []


def test_an_acknowledgement_that_one_node_lost_is_found() -> None:
    seen = nodes()
    seen["forwarder"] = replace(seen["forwarder"], blocks=(block(1, "a"), block(2, "c", "x"), block(3)))
    found = check(history(), seen)
    assert any(one.kind is Wrong.LOST and one.says.startswith("forwarder lacks b") for one in found)


def test_an_acknowledgement_that_all_nodes_lost_is_found() -> None:
    assert Wrong.LOST in kinds(history(), nodes(block(1, "a"), block(2, "c", "x"), block(3)))


def test_a_write_executed_twice_is_found() -> None:
    assert Wrong.FORK in kinds(history(), nodes(block(1, "a"), block(2, "c", "x", "b"), block(3, "b")))


def test_a_receipt_or_height_other_than_promised_is_found() -> None:
    other = history()
    other.writes[1].acknowledgement = Acknowledgement(2, Receipt(None, "entry b", (2,)))
    assert kinds(other, nodes()) == {Wrong.RECEIPT}
    other.writes[1].acknowledgement = Acknowledgement(3, receipt("b"))
    assert kinds(other, nodes()) == {Wrong.RECEIPT}


def test_receipts_that_differ_between_nodes_are_found() -> None:
    seen = nodes()
    other = BlockSeen("block 3", "outcome 3", (Placed("z", receipt("z")),))
    seen["maker"] = replace(seen["maker"], blocks=(*seen["maker"].blocks[:2], other))
    assert kinds(history(), seen) == {Wrong.FORK}


def test_another_block_and_another_outcome_are_found() -> None:
    for first in (
        block(1, "a")._replace(hash="another"),
        block(1, "a")._replace(outcome="another"),
    ):
        seen = nodes()
        seen["maker"] = replace(seen["maker"], blocks=(first, *seen["maker"].blocks[1:]))
        assert kinds(history(), seen) == {Wrong.FORK}


def test_an_acknowledgement_that_comes_to_stand_behind_a_later_write_is_found() -> None:
    late = history()
    late.writes[1].called, late.writes[1].returned = (
        20,
        28,
    )  # acknowledged before c was submitted, stands behind it
    late.reads.clear()
    assert kinds(late, nodes()) == {Wrong.ORDER}


def test_a_write_that_nobody_acknowledged_may_not_stand_before_what_ended_before_it_began() -> None:
    late = history()
    late.writes[2].called = 41
    late.reads.clear()
    assert kinds(late, nodes()) == {Wrong.ORDER}


def test_a_read_without_what_was_acknowledged_before_it_is_found() -> None:
    stale = history()
    stale.reads.append(Read(ITEM, "maker", 70, 71, 1, 1, head(1)))
    assert kinds(stale, nodes()) == {Wrong.READ}


def test_a_read_that_shows_less_than_an_earlier_one_is_found() -> None:
    stale = history()
    stale.writes[1].returned = stale.writes[1].acknowledgement = None  # nothing was promised but by the reads
    stale.reads = [Read(ITEM, "customs", 50, 51, 2, 3, head(3)), Read(ITEM, "maker", 52, 53, 1, 1, head(1))]
    assert kinds(stale, nodes()) == {Wrong.READ}


def test_a_read_of_a_state_that_never_was_is_found() -> None:
    for read in (
        Read(ITEM, "maker", 60, 61, 2, 2, head(2)),  # within a block
        Read(ITEM, "maker", 60, 61, 3, 3, "another head"),
        Read(ITEM, "maker", 14, 15, 2, 3, head(3)),  # before c was submitted
    ):
        wrong = history()
        wrong.reads.append(read)
        assert kinds(wrong, nodes()) == {Wrong.READ}, read


def test_records_that_differ_between_nodes_or_from_the_blocks_are_found() -> None:
    seen = nodes()
    seen["maker"].standings[ITEM] = Standing(3, "another head")
    assert kinds(history(), seen) == {Wrong.FORK}
    seen["maker"].standings[ITEM] = Standing(2, head(2))
    assert kinds(history(), seen) == {Wrong.FORK, Wrong.READ}
