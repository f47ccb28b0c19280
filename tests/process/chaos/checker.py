"""Holds the nodes to what they told their clients. Everything found is a sentence; nothing found is an empty list.

Blocks give each subject one order of its writes, so no search is needed. A history is linearizable in that order iff

- what was acknowledged stands in the chain once, at that height, with that receipt, at every node;
- a write that was acknowledged before another was submitted stands before it;
- a read shows the subject as it was after exactly the blocks up to the height it names: every write acknowledged before
  the read was called, none submitted after it returned, and no fewer than a read that returned before it was called.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from ledger.base.errors import Code
from tests.process.chaos.history import BlockSeen, History, NodeView, Placed, Read, Write

_FOREVER: Final = 1 << 63


class Wrong(StrEnum):
    """Kinds of broken promise."""

    FORK = "fork"
    LOST = "lost"
    RECEIPT = "receipt"
    ORDER = "order"
    READ = "read"
    FAULT = "fault"
    """No broken promise, but an error that nobody foresaw, in a node's log."""


class Finding(NamedTuple):
    """One broken promise."""

    kind: Wrong
    says: str


class Ordered(NamedTuple):
    """A write in its subject's chain."""

    write: Write
    height: int


def check(history: History, nodes: Mapping[str, NodeView]) -> list[Finding]:
    """Every promise that was not kept. `nodes` are healed and at one height."""
    findings = list(_forks(nodes))
    for name, view in nodes.items():
        findings += _lost(history, name, view)
    reference = next(iter(nodes.values()))
    chains = subject_chains(history, reference.blocks)
    reads: dict[str, list[Read]] = {}
    for read in history.reads:
        reads.setdefault(read.subject, []).append(read)
    for subject, chain in chains.items():
        findings += _order(subject, chain)
        findings += _reads(subject, chain, reads.get(subject, []))
        findings += _standings(subject, len(chain), nodes)
    return findings


def _forks(nodes: Mapping[str, NodeView]) -> Iterator[Finding]:
    names = list(nodes)
    first = nodes[names[0]].blocks
    for name in names[1:]:
        blocks = nodes[name].blocks
        if len(blocks) != len(first):
            yield Finding(
                Wrong.FORK,
                f"{names[0]} ends at block {len(first)}, {name} at {len(blocks)}, after they healed",
            )
        for height, (one, other) in enumerate(zip(first, blocks, strict=False), 1):
            if one != other:
                what = (
                    "block"
                    if one.hash != other.hash
                    else "outcome"
                    if one.outcome != other.outcome
                    else "receipts"
                )
                yield Finding(Wrong.FORK, f"{names[0]} and {name} have another {what} at height {height}")


def executed(blocks: Sequence[BlockSeen]) -> Iterator[tuple[int, Placed]]:
    """Every transaction where it was executed; a copy that came in by a second node is told from it by its refusal."""
    for height, block in enumerate(blocks, 1):
        for placed in block.placed:
            if placed.receipt.refusal != Code.REPEATED:
                yield height, placed


def _lost(history: History, name: str, view: NodeView) -> Iterator[Finding]:
    found: dict[str, tuple[int, Placed]] = {}
    for height, placed in executed(view.blocks):
        if placed.transaction in found:
            yield Finding(
                Wrong.FORK,
                f"{name} executed {placed.transaction} at heights {found[placed.transaction][0]} and {height}",
            )
        found[placed.transaction] = (height, placed)
    for write in history.acknowledged:
        promised = write.acknowledgement
        assert promised is not None
        there = found.get(write.transaction)
        if there is None:
            yield Finding(
                Wrong.LOST, f"{name} lacks {write.transaction}, acknowledged at height {promised.height}"
            )
        elif (there[0], there[1].receipt) != promised:
            yield Finding(
                Wrong.RECEIPT,
                f"{name} has {write.transaction} at height {there[0]} with {there[1].receipt}, acknowledged was "
                f"height {promised.height} with {promised.receipt}",
            )


def subject_chains(history: History, blocks: Sequence[BlockSeen]) -> dict[str, list[Ordered]]:
    """Each subject's writes in the order of the chain. What was refused leaves no link."""
    by_transaction = {write.transaction: write for write in history.writes}
    chains: dict[str, list[Ordered]] = {write.subject: [] for write in history.writes}
    for height, placed in executed(blocks):
        write = by_transaction.get(placed.transaction)
        if write is not None and placed.receipt.refusal is None:
            chains[write.subject].append(Ordered(write, height))
    return chains


def _order(subject: str, chain: Sequence[Ordered]) -> Iterator[Finding]:
    """No write may have returned before one that stands ahead of it was called."""
    latest: Write | None = None
    for position, (write, _) in enumerate(chain, 1):
        returned = _FOREVER if write.returned is None else write.returned
        if latest is not None and returned < latest.called:
            yield Finding(
                Wrong.ORDER,
                f"{subject}: {write.transaction} at position {position} was acknowledged before {latest.transaction}, "
                "which stands ahead of it, was submitted",
            )
        if latest is None or write.called > latest.called:
            latest = write


def _reads(subject: str, chain: Sequence[Ordered], reads: Sequence[Read]) -> Iterator[Finding]:
    heads: dict[int, str] = {}
    longest: list[Read] = []
    for read in sorted(reads, key=lambda one: one.returned):
        said = f"{subject}: {read.node} answered {read.length} links as of height {read.height}"
        stood = sum(1 for _, height in chain if height <= read.height)
        if read.length != stood:
            yield Finding(Wrong.READ, f"{said}, at that height there were {stood}")
        if heads.setdefault(read.length, read.head) != read.head:
            yield Finding(Wrong.READ, f"{said} under another head than an answer of the same length")
        missed = next(
            (w for w, _ in chain[read.length :] if w.returned is not None and w.returned < read.called), None
        )
        if missed is not None:
            yield Finding(
                Wrong.READ, f"{said}, without {missed.transaction}, acknowledged before it was asked"
            )
        early = next((w for w, _ in chain[: read.length] if w.called > read.returned), None)
        if early is not None:
            yield Finding(Wrong.READ, f"{said}, with {early.transaction}, submitted after it answered")
        before = next((one for one in reversed(longest) if one.returned < read.called), None)
        if before is not None and before.length > read.length:
            yield Finding(Wrong.READ, f"{said}, after {before.node} had answered {before.length}")
        if not longest or read.length > longest[-1].length:
            longest.append(read)


def _standings(subject: str, length: int, nodes: Mapping[str, NodeView]) -> Iterator[Finding]:
    seen = {name: view.standings.get(subject) for name, view in nodes.items()}
    if len(set(seen.values())) > 1:
        yield Finding(Wrong.FORK, f"{subject}: the nodes end with different records, {seen}")
    for name, standing in seen.items():
        found = 0 if standing is None else standing.length
        if found != length:
            yield Finding(Wrong.READ, f"{subject}: {name} keeps {found} links, its blocks have {length}")
