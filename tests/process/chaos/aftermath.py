"""After the faults: wait until the nodes agree on where they are, take down all they say, hold it against the history."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

from client.gateway import AsyncGateway
from client.protocol import Policy
from ledger.base.errors import CustodyError
from ledger.proof.anchor import anchor_from_genesis
from ledger.proof.verify import verify
from ledger.trade.record import Space, SubjectKey
from node.local.client import LocalClient
from node.local.protocol import FinalBlock, TransactionStatus
from tests.process.chaos.checker import Finding, Wrong, check, subject_chains
from tests.process.chaos.cluster import PARTS, Cluster
from tests.process.chaos.history import BlockSeen, History, NodeView, Placed, Receipt, Standing
from tests.process.chaos.load import sample

HEAL_S: Final = 90.0
"""How long healed nodes may take to be at one height with nothing pending; beyond it they are stuck."""
_BUNDLES: Final = 8
_UNFORESEEN: Final = re.compile(
    r'"status": 500|"event": "fault"|no error of this program|^Traceback|^Fatal|"event": "alarm"(?!.*block time)'
)
"""Besides errors: alarms of the consensus, as all nodes here are honest; only a wrong clock may make a block time invalid."""
_PATIENT: Final = Policy(patience_s=30.0)


async def settle(cluster: Cluster) -> int:
    """Wait until every node is at one height and none has anything pending; that height. AssertionError if stuck."""
    deadline = time.monotonic() + HEAL_S
    while True:
        cluster.check_alive()
        found = [await cluster.status(name) for name in cluster.names]
        heights = {None if one is None else one.height for one in found}
        idle = all(one is not None and one.pending_transactions == 0 for one in found)
        if idle and len(heights) == 1:
            (height,) = heights
            assert height is not None
            return height
        if time.monotonic() > deadline:
            said = [
                (n, f and (f.phase, f.height, f.view, f.pending_transactions))
                for n, f in zip(cluster.names, found, strict=True)
            ]
            raise AssertionError(
                f"stuck: expected the healed nodes to agree within {HEAL_S:g} s, they say {said}"
            )
        await asyncio.sleep(0.1)


async def view(client: LocalClient, height: int, subjects: Sequence[str]) -> NodeView:
    """All blocks of a node up to a height, and the subjects' records."""
    blocks: list[BlockSeen] = []
    stream = client.follow(1)
    try:
        async for block in stream:
            blocks.append(_seen(block))
            if block.header.height >= height:
                break
    finally:
        await stream.aclose()  # type: ignore[attr-defined]
    standings = {}
    for about in subjects:
        links = (await client.record(SubjectKey(Space.THING, about))).record.links
        standings[about] = Standing(links.length, links.head.hex())
    return NodeView(blocks, standings)


def _seen(block: FinalBlock) -> BlockSeen:
    placed = tuple(Placed(one.transaction.hex(), _receipt(one)) for one in block.receipts)
    return BlockSeen(block.header.hash.hex(), block.outcome.hash_in(block.header.network).hex(), placed)


def _receipt(status: TransactionStatus) -> Receipt:
    first = status.receipts[0]
    entry = None if first.entry is None else first.entry.hex()
    return Receipt(first.refusal or None, entry, tuple(first.outcomes))


async def verdict(cluster: Cluster, history: History, say: Callable[[str], Any]) -> list[Finding]:
    """Everything that is wrong once the nodes have healed: the history, and bundles of some subjects from every node."""
    height = await settle(cluster)
    say(f"all nodes at block {height}; checking {len(history.acknowledged)} acknowledgements at each of them")
    subjects = sorted({write.subject for write in history.writes})
    views = {}
    for name in cluster.names:
        client = cluster.local(name)
        try:
            views[name] = await view(client, height, subjects)
        finally:
            await client.close()
    findings = await asyncio.to_thread(check, history, views)
    chains = subject_chains(history, views[cluster.names[0]].blocks)
    for name in cluster.names:
        async with cluster.gateway(name, policy=_PATIENT) as gateway:
            for about in sample(subjects, _BUNDLES, height):
                findings += await _bundle(cluster, gateway, name, about, len(chains[about]))
    return findings + unforeseen(cluster)


def unforeseen(cluster: Cluster) -> list[Finding]:
    """What the nodes' logs say of errors that nobody foresaw; clients may have been served by trying again."""
    return [
        Finding(Wrong.FAULT, f"the {part} of {name} said: {line[-600:]}")
        for name in cluster.names
        for part in PARTS
        for line in cluster.said(name, part).splitlines()
        if _UNFORESEEN.search(line)
    ]


async def _bundle(
    cluster: Cluster, gateway: AsyncGateway, name: str, about: str, links: int
) -> list[Finding]:
    """A bundle must verify offline under genesis alone, and show the whole chain."""
    said = f"{name}'s bundle of {about}"
    try:
        proven = verify(await gateway.bundle([about]), anchor_from_genesis(cluster.made.genesis))
    except CustodyError as error:
        return [Finding(Wrong.LOST, f"{said} does not verify: {error}")]
    shown = proven.nested.proven[SubjectKey(Space.THING, about)].replayed.record.links.length
    return [] if shown == links else [Finding(Wrong.LOST, f"{said} shows {shown} links of {links}")]
