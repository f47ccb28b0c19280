"""A world whose approvers propose and vote."""

from __future__ import annotations

from typing import Any

from ledger.base.keys import SigningKey
from ledger.chain.transaction import Kind as TransactionKind
from ledger.members.constitution import ChangeKind, Electorate, electorate_of
from ledger.members.draft import RegistryDraft
from ledger.members.governance import Act, Proposal, Status, proposal_id
from ledger.members.registry import Kind
from tests.world.world import World, gln, seed

DAY_MS = 86_400_000
FOUR = ("maker", "forwarder", "carrier", "customs")
FIVE = (*FOUR, "broker")


def authority(name: str) -> bytes:
    return SigningKey(seed(f"authority {name}")).public_key


def add(name: str = "broker", **other: Any) -> tuple[Any, ...]:
    """A change that adds an organisation; `other` replaces members by name."""
    fields = {
        "kind": int(ChangeKind.ADD_ORGANISATION), "id": name, "name": "Broker", "country": "NL", "roles": ("logistics",),
        "simulated": False, "parties": (gln(77),), "lei": None, "key": authority(name), "approver": False,
    }  # fmt: skip
    return tuple((fields | other).values())


class Council:
    """A world and what its approvers do in it."""

    def __init__(self, organisations: tuple[str, ...] = FOUR) -> None:
        self.world = World(organisations)

    def act(self, who: str, item: tuple[Any, ...]) -> str:
        """One act of governance, alone in a block; the code it was refused with, or ""."""
        world = self.world
        key = world.approvers[who]
        execution = world.commit(world.sign(who, item, kind=TransactionKind.GOVERNANCE, key=key))
        return execution.receipts[0].refusal

    def propose(self, change: tuple[Any, ...], by: str = "maker", reason: str = "", days: int = 30) -> bytes:
        item = (int(Act.PROPOSE), change, self.world.now_ms + days * DAY_MS, reason)
        assert self.act(by, item) == ""
        return proposal_id(self.world.network, by, item)

    def refused(self, change: tuple[Any, ...], by: str = "maker") -> str:
        before = self.world.state.registry.root
        code = self.act(by, (int(Act.PROPOSE), change, self.world.now_ms + DAY_MS, ""))
        assert self.world.state.registry.root == before or not code
        return code

    def vote(self, proposal: bytes, who: str, *, yes: bool = True, approval: bytes | None = None) -> str:
        return self.act(who, (int(Act.BALLOT), proposal, yes, approval))

    def pass_(self, change: tuple[Any, ...], voters: tuple[str, ...] = FOUR[:3]) -> bytes:
        proposal = self.propose(change)
        for who in voters:
            assert self.vote(proposal, who) == ""
        return proposal

    def proposal_of(self, who: str, item: tuple[Any, ...]) -> bytes:
        return proposal_id(self.world.network, who, item)

    @property
    def electorate(self) -> Electorate:
        state = self.world.state
        return electorate_of(RegistryDraft(state.registry, state.tip.header.height + 1), len(state.sets[-1]))

    def status(self, proposal: bytes) -> Status:
        return Status(Proposal(*self.data(Kind.PROPOSAL, proposal.hex())).status)

    def data(self, kind: Kind, name: str) -> Any:
        entry = self.world.state.registry.exact(kind, name)
        return None if entry is None else entry.at(self.world.state.tip.header.height + 1)
