"""What must hold in every run, whatever the faults and up to f liars (CONSENSUS; collected while it runs)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.chain.evidence import Evidence, check_evidence, is_contradiction
from ledger.chain.votes import Claim, Kind, Proposal, Vote
from ledger.consensus.interface import Commit

if TYPE_CHECKING:
    from tests.simulation.validator import Validator
    from tests.simulation.world import World


class Oracles:
    def __init__(self, world: World) -> None:
        self.world = world
        self.forks: list[str] = []
        self.faults: list[str] = []
        self.evidence: dict[tuple[int, int, int], Evidence] = {}
        self.expected: dict[tuple[int, int, int], tuple[int, Claim, Claim]] = {}
        self._chain: dict[int, tuple[bytes, bytes]] = {}
        self._said: dict[tuple[int, int], list[Claim]] = {}
        self._heard: dict[tuple[int, int, int, int], list[Claim]] = {}
        self.batches: dict[bytes, int] = {}
        self.committed_us: dict[bytes, int] = {}
        self.blocks = 0

    # ---- one block per height, one outcome, and order

    def committed(self, validator: Validator, effect: Commit, outcome_hash: bytes) -> None:
        height = effect.block.header.height
        if not validator.is_honest:
            return
        if height != validator.height:
            self.forks.append(
                f"validator {validator.index} commits height {height} as its {validator.height}th block"
            )
        known = self._chain.setdefault(height, (effect.block_hash, outcome_hash))
        if known != (effect.block_hash, outcome_hash):
            self.forks.append(f"two blocks or outcomes at height {height}")
        for digest in effect.block.batches:
            self.batches.setdefault(digest, height)
            self.committed_us.setdefault(digest, self.world.now_us)

    # ---- no honest key signs a contradiction, after restarts as well

    def said(self, validator: Validator, message: Vote | Proposal) -> None:
        if not validator.is_honest:
            return
        claim = message.claim
        said = self._said.setdefault((validator.index, claim.view), [])
        if claim in said:
            return
        for earlier in said:
            if is_contradiction(earlier, claim):
                self.faults.append(f"honest validator {validator.index} signed {earlier} and {claim}")
        said.append(claim)

    # ---- whoever is seen to contradict itself is accused

    def heard(self, validator: Validator, peer: int, message: Vote | Proposal) -> None:
        """A signed message is about to reach an honest validator."""
        machine = validator.machine
        if machine is None or not validator.is_honest:
            return
        claim = message.claim
        if claim.view <= machine.final_view:
            return
        if claim.kind != Kind.FINALISE and not machine.view <= claim.view <= machine.view + 2:
            return
        key = (validator.instance, validator.run, peer, claim.view)
        heard = self._heard.setdefault(key, [])
        if claim in heard:
            return
        for earlier in heard:
            if is_contradiction(earlier, claim):
                self.expected.setdefault(
                    (validator.instance, peer, claim.view), (validator.run, earlier, claim)
                )
        heard.append(claim)

    def accused(self, validator: Validator, evidence: Evidence) -> None:
        culprit = check_evidence(self.world.validators, evidence, self.world.verifier)
        index = self.world.validators.index_of(culprit.public_key)
        assert index is not None
        if self.world.is_honest(index):
            self.faults.append(f"evidence against honest validator {index}: {evidence}")
        self.evidence[validator.instance, index, evidence.first.view] = evidence

    def dropped(self, validator: Validator, peer: int, reason: str) -> None:
        if validator.is_honest and self.world.is_honest(peer):
            self.faults.append(f"validator {validator.index} drops honest {peer}: {reason}")

    def halted(self, validator: Validator, message: str) -> None:
        if validator.is_honest:
            self.forks.append(f"honest validator {validator.index} halts: {message}")

    # ---- at the end

    def evidence_missed(self) -> list[str]:
        """Contradictions seen and never reported, less those that a crash made the seer forget at once."""
        runs = {validator.instance: validator.run for validator in self.world.instances()}
        return [
            f"validator instance {key[0]} saw validator {key[1]} contradict itself in view {key[2]}: {what[1:]}"
            for key, what in self.expected.items()
            if key not in self.evidence and runs[key[0]] == what[0]
        ]

    def lost(self) -> list[str]:
        """Every height committed by anyone honest is in the chain of every honest validator that is up."""
        missing = []
        for validator in self.world.honest():
            for height, (block_hash, _) in self._chain.items():
                chain = validator.disk.chain
                if validator.is_up and (len(chain) < height or chain[height - 1].block_hash != block_hash):
                    missing.append(
                        f"validator {validator.index} lacks the committed block of height {height}"
                    )
                    break
        return missing
