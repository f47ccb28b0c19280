"""What must hold in every run, whatever the faults and up to f liars (CONSENSUS; collected while it runs)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.base.errors import Code, CustodyError
from ledger.base.keys import is_signature
from ledger.chain.block import PROTOCOL_NEWEST, Header, Outcome
from ledger.chain.evidence import Evidence, check_evidence, is_contradiction, parse_evidence
from ledger.chain.transaction import Transaction
from ledger.chain.validators import ValidatorSet
from ledger.chain.votes import Claim, Kind, Proposal, Vote
from ledger.consensus.messages import decode_message
from node.local.protocol import State, TransactionStatus

if TYPE_CHECKING:
    from tests.simulation.node import Node
    from tests.simulation.world import World

DOCUMENTED = frozenset({Code.DAMAGED, Code.DISK_FULL, Code.LOCKED, Code.DIVERGED})
"""What a node may say when it stops or does not start because of its disk."""

INSTALL_US = 300_000
"""How long an operator takes to install newer software."""


class Oracles:
    def __init__(self, world: World) -> None:
        self.world = world
        self.forks: list[str] = []
        self.lost: list[str] = []
        self.broken: list[str] = []
        """Whatever else must not be: contradictions signed, honest nodes dropped, errors nobody foresaw."""
        self.notes: list[str] = []
        self.chain: dict[int, tuple[bytes, bytes]] = {}
        self.heights: dict[int, int] = {}
        """By instance: the last height committed."""
        self.acknowledged: dict[bytes, TransactionStatus] = {}
        self.accusations = 0
        self.outdated = 0
        """How often software stopped, or did not start, in an epoch of a version it does not know."""
        self.expected: dict[int, list[tuple[Node, int, Claim, Claim]]] = {}
        """By culprit: who saw which contradiction, in which of its lives."""
        self.convicted: set[int] = set()
        """Validators that evidence on the ledger names."""
        self._said: dict[tuple[int, int, int], dict[Claim, None]] = {}
        self._heard: dict[tuple[int, ...], dict[Claim, None]] = {}
        self._known: set[bytes] = set()

    # ---- one block per height, one outcome, and order

    def committed(self, node: Node, header: Header, outcome: Outcome) -> None:
        if not node.is_honest:
            return
        height = header.height
        self.heights[node.instance] = height
        found = (header.hash, outcome.hash_in(self.world.network))
        known = self.chain.setdefault(height, found)
        if known != found:
            what = "blocks" if known[0] != found[0] else "outcomes"
            self.forks.append(f"two {what} at height {height}, one of them on node {node.instance}")

    # ---- no honest key signs a contradiction, after restarts as well

    def said(self, node: Node, data: bytes) -> None:
        if not self.world.is_honest(node.index):
            return
        claim = _claim(data)
        said = self._said.setdefault((node.index, claim.epoch, claim.view), {})
        if claim in said:
            return
        for earlier in said:
            if is_contradiction(earlier, claim):
                self.broken.append(f"honest node {node.instance} signed {earlier} and {claim}")
        said[claim] = None

    def executed(self, node: Node, transactions: list[Transaction]) -> None:
        """Evidence among what an honest node made final."""
        validator = node.validator
        if validator is not None and node.is_honest:
            for transaction in transactions:
                status = validator.mempool.status(transaction.id)
                if status.state is State.FINAL and not status.receipts[0].refusal:
                    evidence = parse_evidence(transaction.items[0])
                    validators = validator.executor.state.sets[evidence.first.epoch]
                    self.convicted.add(self.world.slot_of(validators[evidence.signer].organisation))

    # ---- whoever is seen to contradict itself is accused

    def heard(self, node: Node, slot: int, index: int, data: bytes) -> None:
        """A signed message reaches an honest validator, from a node of that slot, whose number in the epoch is `index`."""
        validator = node.validator
        if validator is None or not node.is_honest or self.world.is_honest(slot) or validator.key is None:
            return
        machine = validator.machine
        claim = _claim(data)
        if claim.epoch != validator.epoch.number or claim.view <= machine.final_view:
            return
        if claim.kind != Kind.FINALISE and not machine.view <= claim.view <= machine.view + 2:
            return
        if not self._is_signed_by(validator.epoch.validators, index, data):
            return
        heard = self._heard.setdefault((node.instance, node.run, slot, claim.epoch, claim.view), {})
        if claim in heard:
            return
        for earlier in heard:
            if is_contradiction(earlier, claim):
                self.expected.setdefault(slot, []).append((node, node.run, earlier, claim))
        heard[claim] = None

    def _is_signed_by(self, validators: ValidatorSet, index: int, data: bytes) -> bool:
        message = decode_message(data)
        if isinstance(message, Vote):
            signer, claim, signature = message.signer, message.claim, message.signature
        elif isinstance(message, Proposal):
            signer, claim, signature = index, message.claim, message.signature
        else:
            return False
        if signer != index or index >= len(validators):
            return False
        key = validators[index].public_key
        return is_signature(key, claim.signing_message(self.world.network), signature)

    def accused(self, node: Node, evidence: Evidence) -> None:
        if not node.is_honest:
            return
        self.accusations += 1
        validator = node.validator
        if validator is not None:
            culprit = check_evidence(validator.epoch.validators, evidence)
            if self.world.is_honest(self.world.slot_of(culprit.organisation)):
                self.broken.append(f"evidence against honest {culprit.organisation}: {evidence}")

    # ---- what nodes say of themselves and of each other

    def dropped(self, node: Node, peer: Node, reason: str) -> None:
        if node.is_honest and self.world.is_honest(peer.index):
            self.broken.append(f"honest node {node.instance} drops honest node {peer.instance}: {reason}")

    def alarmed(self, node: Node, message: str) -> None:
        self.noted(node, message)

    def noted(self, node: Node, message: str) -> None:
        self.notes.append(f"{self.world.loop.now_us / 1000:.1f} ms node {node.instance}: {message}")

    def stopped(self, node: Node, error: CustodyError) -> None:
        self.noted(node, f"stops: {error.code.value}: {error.message}")
        if not node.is_honest:
            return
        if error.code is Code.UNSUPPORTED_VERSION and node.protocol_newest < PROTOCOL_NEWEST:
            self.outdated += 1
            node.install(INSTALL_US)
            return
        if error.code is Code.DIVERGED and not node.machine.is_suspect:
            self.forks.append(f"honest node {node.instance} halts: {error.message}")
        elif error.code not in DOCUMENTED or not node.machine.had_faults:
            self.broken.append(f"honest node {node.instance} stops: {error.code.value}: {error.message}")

    def refused(self, node: Node, error: CustodyError) -> None:
        self.noted(node, f"does not start: {error.code.value}: {error.message}")
        if error.code is Code.UNSUPPORTED_VERSION and node.protocol_newest < PROTOCOL_NEWEST:
            self.outdated += 1
            node.install(INSTALL_US)
            return
        machine = node.machine
        is_explained = machine.is_suspect or machine.failing_syncs or error.code is Code.DISK_FULL
        if node.kind.is_honest and (error.code not in DOCUMENTED or not is_explained):
            self.broken.append(
                f"honest node {node.instance} does not start: {error.code.value}: {error.message}"
            )

    # ---- clients

    def answered(self, status: TransactionStatus) -> None:
        """A client was told what became of its transaction."""
        if status.state is not State.FINAL:
            return
        known = self.acknowledged.setdefault(status.transaction, status)
        if known != status:
            self.lost.append(f"two answers about {status.transaction.hex()}: {known}, {status}")

    # ---- at the end

    def check_chains(self) -> None:
        """Every honest node that is up has the blocks that anyone honest committed, and what was acknowledged."""
        for node in self.world.honest():
            validator = node.validator
            if validator is None or not node.is_up:
                continue
            top = validator.executor.final_header.height
            self._check_blocks(node, top)
            for known, status in self.acknowledged.items():
                found = validator.mempool.status(known)
                if found == status or status.height is None or status.height > top:
                    continue
                if (
                    not node.joins or found.state is not State.UNKNOWN
                ):  # one that joined still completes its past
                    self.lost.append(f"node {node.instance} says {found}, acknowledged was {status}")
        highest = max(self.chain, default=0)
        for known, status in self.acknowledged.items():
            if (status.height or 0) > highest:
                self.lost.append(
                    f"{known.hex()} was acknowledged at height {status.height}, which nobody has"
                )

    def _check_blocks(self, node: Node, top: int) -> None:
        validator = node.validator
        if validator is None:
            return
        for height, (block_hash, outcome_hash) in self.chain.items():
            if height > top:
                self.lost.append(f"node {node.instance} lacks the committed block of height {height}")
                return
            if height not in validator.executor.blocks:
                continue  # its body was let go of
            try:
                found = validator.chain.final_block(height)
            except CustodyError as error:
                self.lost.append(f"node {node.instance} does not know its block {height}: {error.message}")
                continue
            if found.header.hash != block_hash:
                self.forks.append(f"node {node.instance} has another block at height {height}")
            elif found.outcome.hash_in(self.world.network) != outcome_hash:
                self.forks.append(f"node {node.instance} has another outcome at height {height}")

    def evidence_missed(self) -> list[str]:
        """Contradictions seen that are not on the ledger, less those that a crash made the seer forget at once."""
        return [
            f"node {node.instance} saw validator {culprit} contradict itself: {first}, {second}"
            for culprit, seen in self.expected.items()
            if culprit not in self.convicted
            for node, run, first, second in seen[:1]
            if any(seer.is_honest and seer.is_up and seer.run == life for seer, life, _, _ in seen)
        ]


def _claim(data: bytes) -> Claim:
    message = decode_message(data)
    if isinstance(message, Vote | Proposal):
        return message.claim
    raise TypeError(type(message).__name__)
