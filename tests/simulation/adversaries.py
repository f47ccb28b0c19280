"""Validators that lie. Each is an honest one with one thing done differently; up to f of them run at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.chain.block import Block
from ledger.chain.certificate import Certificate
from ledger.chain.votes import Claim, Kind, Proposal, Vote, notarise, nullify
from ledger.consensus.interface import Broadcast, Send, Serve
from ledger.consensus.messages import Blocks, Message, Range
from tests.simulation.validator import Batch, Validator

if TYPE_CHECKING:
    from tests.simulation.world import World


class Adversary(Validator):
    is_honest = False

    def sign(self, claim: Claim) -> Vote:
        key = self.world.keys[self.index]
        return Vote(claim, self.index, key.sign(claim.signing_message(self.world.validators.network)))

    def propose(self, proposal: Proposal, block: Block, parent_view: int) -> Proposal:
        """The proposal with another block or parent view, signed anew."""
        draft = Proposal(proposal.epoch, proposal.view, parent_view, block, b"")
        key = self.world.keys[self.index]
        return draft._replace(signature=key.sign(draft.claim.signing_message(self.world.validators.network)))

    def peers(self) -> list[int]:
        return [peer for peer in range(len(self.world.validators)) if peer != self.index]


class Silent(Adversary):
    """Never there."""

    def start(self) -> None:
        self.run += 1


class QuietLeader(Adversary):
    """Votes, and never proposes."""

    def emit(self, effect: Broadcast | Send) -> None:
        if not isinstance(effect.message, Proposal):
            super().emit(effect)


class Twin(Adversary):
    """Two nodes with one key, each honest by itself."""


class Withholder(Adversary):
    """Sends no certificate and answers nothing."""

    def emit(self, effect: Broadcast | Send) -> None:
        if not isinstance(effect.message, Certificate | Blocks | Range):
            super().emit(effect)

    def serve(self, effect: Serve) -> None:
        pass


class Selective(Adversary):
    """Sends each vote and proposal to some peers only."""

    def emit(self, effect: Broadcast | Send) -> None:
        if isinstance(effect, Broadcast) and isinstance(effect.message, Vote | Proposal):
            for peer in self.peers():
                if self.world.draw(0, 1):
                    super().emit(Send(peer, effect.message))
        else:
            super().emit(effect)


class Equivocator(Adversary):
    """Proposes one block to half of the peers and another to the rest, and votes accordingly."""

    def __init__(self, world: World, index: int, instance: int) -> None:
        super().__init__(world, index, instance)
        self.other: dict[bytes, bytes] = {}

    def second(self, message: Message) -> Message:
        if isinstance(message, Proposal) and message.block.header.proposer == self.index:
            header = message.block.header
            block = Block(header._replace(time_ms=header.time_ms + 1), message.block.batches)
            self.other[header.hash] = block.header.hash
            return self.propose(message, block, message.parent_view)
        if isinstance(message, Vote) and message.claim.kind == Kind.NOTARISE:
            block_hash = self.other.get(message.claim.block or b"")
            if block_hash is not None:
                return self.sign(notarise(message.claim.epoch, message.claim.view, block_hash))
        return message

    def emit(self, effect: Broadcast | Send) -> None:
        if isinstance(effect, Broadcast) and isinstance(effect.message, Vote | Proposal):
            second = self.second(effect.message)
            for place, peer in enumerate(self.peers()):
                super().emit(Send(peer, second if place % 2 else effect.message))
        else:
            super().emit(effect)


class StaleLeader(Adversary):
    """Proposes on an older notarised parent, with no nullification between, and votes for that."""

    def __init__(self, world: World, index: int, instance: int) -> None:
        super().__init__(world, index, instance)
        self.notarised: dict[int, Block] = {}
        self.forged: dict[int, bytes] = {}

    def _remember(self) -> None:
        if self.machine is not None:
            for view in self.machine._views:
                node = self.machine._tree.get(view.certified_block() or b"")
                if node is not None and view.number > 0:
                    self.notarised[view.number] = node.block

    def emit(self, effect: Broadcast | Send) -> None:
        self._remember()
        message = effect.message
        if (
            isinstance(effect, Broadcast)
            and isinstance(message, Proposal)
            and message.view not in self.forged
        ):
            older = [view for view in self.notarised if view < message.parent_view][-3:]
            if older and self.world.draw(0, 3):
                parent_view = older[self.world.draw(0, len(older) - 1)]
                parent = self.notarised[parent_view].header
                header = message.block.header._replace(
                    parent=parent.hash, height=parent.height + 1, proposer=self.index
                )
                message = self.propose(message, Block(header, message.block.batches), parent_view)
                self.forged[message.view] = header.hash
        if isinstance(message, Vote) and message.claim.kind == Kind.NOTARISE:
            forged = self.forged.get(message.claim.view)
            if forged is not None:
                message = self.sign(notarise(message.claim.epoch, message.claim.view, forged))
        super().emit(Broadcast(message) if isinstance(effect, Broadcast) else Send(effect.peer, message))


class WrongOutcome(Adversary):
    """Finalises outcomes of its own invention."""

    def emit(self, effect: Broadcast | Send) -> None:
        message = effect.message
        if isinstance(message, Vote) and message.claim.kind == Kind.FINALISE:
            message = self.sign(message.claim._replace(outcome=bytes(32)))
        super().emit(Broadcast(message) if isinstance(effect, Broadcast) else Send(effect.peer, message))


class DoubleVoter(Adversary):
    """Says everything else too: nullifies what it finalises, notarises and finalises a second block."""

    def emit(self, effect: Broadcast | Send) -> None:
        super().emit(effect)
        message = effect.message
        if isinstance(effect, Broadcast) and isinstance(message, Vote) and self.world.draw(0, 2) == 0:
            claim = message.claim
            if claim.kind == Kind.FINALISE and self.world.draw(0, 1):
                super().emit(Broadcast(self.sign(nullify(claim.epoch, claim.view))))
            elif claim.kind != Kind.NULLIFY:
                super().emit(Broadcast(self.sign(claim._replace(block=bytes(32)))))


class BatchWithholder(Adversary):
    """Pushes its batches to one peer only, and serves none; proposes them all the same."""

    def push(self, peer: int, batch: Batch) -> None:
        if peer == self.peers()[0]:
            super().push(peer, batch)

    def serve(self, effect: Serve) -> None:
        pass


KINDS: dict[str, type[Adversary]] = {
    "silent": Silent,
    "quiet leader": QuietLeader,
    "twin": Twin,
    "withholder": Withholder,
    "selective": Selective,
    "equivocator": Equivocator,
    "stale parent": StaleLeader,
    "wrong outcome": WrongOutcome,
    "double voter": DoubleVoter,
    "batch withholder": BatchWithholder,
}
