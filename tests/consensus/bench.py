"""One validator under test, and hands that play the other three (or six)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import TypeVar

from ledger.base.keys import is_signature
from ledger.base.merkle import EMPTY_ROOT
from ledger.chain.approvers import Approvers
from ledger.chain.block import (
    PROTOCOL_OLDEST,
    Block,
    Header,
    Outcome,
    batches_hash,
    genesis_header,
    transactions_root,
)
from ledger.chain.certificate import Certificate, make_certificate
from ledger.chain.validators import Validator, ValidatorSet
from ledger.chain.votes import Claim, Kind, Proposal, Vote, finalise, notarise, nullify
from ledger.consensus import Consensus, Setup, Start
from ledger.consensus.interface import (
    FOLLOWER,
    BatchHeld,
    Begin,
    Broadcast,
    Commit,
    Effect,
    Execute,
    Executed,
    Input,
    Parameters,
    Persist,
    Received,
    Send,
    Tick,
)
from ledger.consensus.messages import Message, Record
from tests.simulation.keys import StubKey, real_key, stub_verifier

NETWORK = hashlib.sha256(b"bench").digest()
GENESIS = genesis_header(NETWORK, 1_700_000_000_000, PROTOCOL_OLDEST)
WALL_MS = GENESIS.time_ms + 1_000
ANCHOR_OUTCOME = hashlib.sha256(b"anchor outcome").digest()
E = TypeVar("E")


def digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def transactions_of(name: str) -> tuple[bytes, ...]:
    return (digest(f"{name} 1"), digest(f"{name} 2"))


def verifier(public_key: bytes, message: bytes, signature: bytes) -> bool:
    """Stub signatures of validators, real ones of approvers."""
    return stub_verifier(public_key, message, signature) or is_signature(public_key, message, signature)


class Bench:
    """Plays inputs into one machine and keeps every effect."""

    def __init__(
        self,
        me: int = 0,
        *,
        count: int = 4,
        start: Start | None = None,
        parameters: Parameters | None = None,
        epoch: int = 0,
        approvers: Approvers | None = None,
        others: int = 0,
    ) -> None:
        """`me` FOLLOWER: not in the set."""
        self.keys = [StubKey(real_key(index).public_key) for index in range(count)]
        self.validators = ValidatorSet(
            NETWORK, [Validator(f"org{index}", self.keys[index].public_key) for index in range(count)]
        )
        self.me = me
        self.parameters = parameters or Parameters(heartbeat_ms=0)
        self.epoch = epoch
        self.approvers = approvers
        key = None if me == FOLLOWER else self.keys[me]
        self.setup = Setup(self.validators, epoch, key, self.parameters, verifier, others, self._approvers)
        self.now_ms = 1_000
        self.wall_ms = WALL_MS
        self.effects: list[Effect] = []
        self.log: list[Record] = []
        self.machine = Consensus(self.setup, start or Start(GENESIS, ANCHOR_OUTCOME))
        self.give(Begin())

    def _approvers(self, _height: int) -> Approvers | None:
        return self.approvers

    # ---- inputs

    def give(self, event: Input) -> list[Effect]:
        effects = self.machine.step(self.now_ms, self.wall_ms, event)
        for effect in effects:
            if isinstance(effect, Persist):
                self.log.extend(effect.records)
        self.effects.extend(effects)
        return effects

    def hear(self, peer: int, message: Message) -> list[Effect]:
        return self.give(Received(peer, message))

    def hold(self, *names: str, origin: int = 0) -> list[Effect]:
        effects = []
        for name in names:
            effects += self.give(BatchHeld(digest(name), origin, transactions_of(name), 650, 2))
        return effects

    def wait(self, duration_ms: int) -> list[Effect]:
        """Let time pass, with a tick every 5 ms."""
        effects: list[Effect] = []
        for _ in range(duration_ms // 5):
            self.now_ms += 5
            self.wall_ms += 5
            effects += self.give(Tick())
        return effects

    def execute(self, block: Block, parent_outcome: bytes = ANCHOR_OUTCOME) -> list[Effect]:
        return self.give(Executed(block.header.hash, outcome_of(block, parent_outcome)))

    def restart(self, start: Start | None = None, *, batches: Iterable[str] = ()) -> Bench:
        """A new machine over the same log."""
        base = start or Start(GENESIS, ANCHOR_OUTCOME)
        again = Bench(
            self.me,
            count=len(self.keys),
            parameters=self.parameters,
            epoch=self.epoch,
            approvers=self.approvers,
            start=Start(base.header, base.outcome_hash, base.certificate, base.recent, tuple(self.log)),
        )
        again.log = list(self.log) + again.log
        again.hold(*batches)
        return again

    # ---- what others say

    def vote(self, signer: int, claim: Claim) -> Vote:
        return Vote(claim, signer, self.keys[signer].sign(claim.signing_message(NETWORK)))

    def others(self, count: int | None = None) -> list[int]:
        """Other validators, enough for a quorum with this one unless told otherwise."""
        peers = [index for index in range(len(self.keys)) if index != self.me]
        return peers[: self.validators.quorum - 1 if count is None else count]

    def hear_votes(self, claim: Claim, count: int | None = None) -> list[Effect]:
        effects = []
        for peer in self.others(count):
            effects += self.hear(peer, self.vote(peer, claim))
        return effects

    def certificate(self, claim: Claim) -> Certificate:
        signers = range(len(self.keys))
        return make_certificate(self.validators, claim, {i: self.vote(i, claim).signature for i in signers})

    def block(
        self, view: int, parent: Header = GENESIS, names: tuple[str, ...] = ("a",), **changes: object
    ) -> Block:
        """A block as the leader of `view` would make it."""
        digests = tuple(digest(name) for name in names)
        header = Header(
            version=PROTOCOL_OLDEST,
            network=NETWORK,
            epoch=self.epoch,
            closes_epoch=False,
            height=parent.height + 1,
            parent=parent.hash,
            time_ms=max(self.wall_ms, parent.time_ms + 1),
            proposer=self.validators.leader(self.epoch, view),
            transactions_root=transactions_root([i for name in names for i in transactions_of(name)]),
            batches_hash=batches_hash(NETWORK, digests),
        )
        return Block(header._replace(**changes), digests)  # type: ignore[arg-type]

    def proposal(self, view: int, block: Block, parent_view: int | None = None) -> Proposal:
        parent_view = view - 1 if parent_view is None else parent_view
        draft = Proposal(self.epoch, view, parent_view, block, b"")
        key = self.keys[self.validators.leader(self.epoch, view)]
        return draft._replace(signature=key.sign(draft.claim.signing_message(NETWORK)))

    def propose(self, view: int, block: Block, parent_view: int | None = None) -> list[Effect]:
        """The leader of `view`, somebody else, proposes."""
        leader = self.validators.leader(self.epoch, view)
        assert leader != self.me
        return self.hear(leader, self.proposal(view, block, parent_view))

    def leads(self, view: int) -> bool:
        return self.validators.leader(self.epoch, view) == self.me

    # ---- shortcuts through whole views

    def notarise_view(self, view: int, block: Block, parent_view: int | None = None) -> list[Effect]:
        """The view's leader proposes the block and all others notarise it."""
        effects = [] if self.leads(view) else self.propose(view, block, parent_view)
        return effects + self.hear_votes(notarise(self.epoch, view, block.header.hash))

    def finalise_view(self, view: int, block: Block, parent_outcome: bytes = ANCHOR_OUTCOME) -> list[Effect]:
        return self.hear_votes(self.certificate_claim(view, block, parent_outcome))

    def certificate_claim(self, view: int, block: Block, parent_outcome: bytes = ANCHOR_OUTCOME) -> Claim:
        """The finalise claim that honest validators make of a block."""
        return finalise(
            self.epoch, view, block.header.hash, outcome_of(block, parent_outcome).hash_in(NETWORK)
        )

    def nullify_view(self, view: int) -> list[Effect]:
        return self.hear(self.others()[0], self.certificate(nullify(self.epoch, view)))


def outcome_of(block: Block, parent_outcome: bytes = ANCHOR_OUTCOME, state: str = "state") -> Outcome:
    return Outcome(
        block.header.hash,
        parent_outcome,
        EMPTY_ROOT,
        EMPTY_ROOT,
        0,
        digest(state),
        EMPTY_ROOT,
        bytes(32),
        bytes(32),
    )


def of_kind(effects: Iterable[Effect], kind: type[E]) -> list[E]:
    return [effect for effect in effects if isinstance(effect, kind)]


def messages(effects: Iterable[Effect], kind: type[E]) -> list[E]:
    """Messages of a kind among what is broadcast or sent."""
    return [e.message for e in effects if isinstance(e, Broadcast | Send) and isinstance(e.message, kind)]


def votes(effects: Iterable[Effect], kind: Kind) -> list[Claim]:
    """What is broadcast as votes of a kind."""
    return [vote.claim for vote in messages(effects, Vote) if vote.claim.kind == kind]


def commits(effects: Iterable[Effect]) -> list[Block]:
    return [commit.block for commit in of_kind(effects, Commit)]


def executions(effects: Iterable[Effect]) -> list[Block]:
    return [execute.block for execute in of_kind(effects, Execute)]


__all__ = [
    "ANCHOR_OUTCOME",
    "GENESIS",
    "NETWORK",
    "WALL_MS",
    "Bench",
    "commits",
    "digest",
    "executions",
    "messages",
    "of_kind",
    "outcome_of",
    "transactions_of",
    "votes",
]
