"""Validators that lie. Each is the real one with one thing done differently; up to f of them run at once."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable
from typing import Any

from ledger.base.keys import Signer, SigningKey
from ledger.chain.batch import make_batch
from ledger.chain.block import Block
from ledger.chain.certificate import Certificate, make_certificate
from ledger.chain.transaction import sign_transaction, transaction_from_bytes
from ledger.chain.votes import Claim, Kind, Proposal, Vote, finalise, notarise, nullify
from ledger.consensus.interface import Broadcast, Send
from ledger.consensus.messages import (
    Announcement,
    Blocks,
    FetchCertificates,
    FetchRange,
    Message,
    Position,
    Range,
    Request,
    decode_message,
    encode_message,
)
from node.validator.batches import encode_frame
from node.validator.frames import BATCH_FRAME, CONSENSUS_FRAME
from tests.simulation.node import Node, SimulatedValidator


class Adversary(SimulatedValidator):
    is_honest = False

    def __init__(self, node: Node, *arguments: Any) -> None:
        super().__init__(node, *arguments)
        self.random = node.world.random

    # ---- everything it says goes through here

    def send(self, peer: int, data: bytes) -> None:
        self.emit(Send(peer, decode_message(data)))

    def broadcast(self, data: bytes) -> None:
        self.emit(Broadcast(decode_message(data)))

    def emit(self, effect: Broadcast | Send) -> None:
        """Let a message leave."""
        data = encode_message(effect.message)
        if isinstance(effect, Send):
            super().send(effect.peer, data)
        else:
            super().broadcast(data)

    def each(self, message: Callable[[int], Message]) -> None:
        """Say something of its own to each."""
        for place, peer in enumerate(self.peers()):
            Adversary.emit(self, Send(peer, message(place)))

    def peers(self) -> list[int]:
        return [peer for peer in range(len(self.epoch.validators)) if peer != self.me]

    @property
    def signing_key(self) -> Signer:
        """Of the epoch; without a seat it lies in vain."""
        return self.key or self.member.keys.load(self.epoch.number)

    def sign(self, claim: Claim) -> Vote:
        return Vote(claim, self.me, self.signing_key.sign(claim.signing_message(self.network)))

    def propose(self, proposal: Proposal, block: Block, parent_view: int) -> Proposal:
        """The proposal with another block or parent view, signed anew."""
        draft = Proposal(proposal.epoch, proposal.view, parent_view, block, b"")
        return draft._replace(signature=self.signing_key.sign(draft.claim.signing_message(self.network)))


class Silent(Adversary):
    """Hears everything and says nothing."""

    def emit(self, effect: Broadcast | Send) -> None:
        pass

    def serve(self, peer: int, request: Request) -> None:
        pass

    def before_step(self) -> None:
        self.node.may_leave = lambda other, kind, body: False
        super().before_step()


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

    def serve(self, peer: int, request: Request) -> None:
        pass


class Selective(Adversary):
    """Sends each vote and proposal to some peers only."""

    def emit(self, effect: Broadcast | Send) -> None:
        if isinstance(effect, Broadcast) and isinstance(effect.message, Vote | Proposal):
            for peer in self.peers():
                if self.random.random() < 0.5:
                    super().emit(Send(peer, effect.message))
        else:
            super().emit(effect)


class Equivocator(Adversary):
    """Proposes one block to half of the peers and another to the rest, and votes accordingly."""

    def __init__(self, node: Node, *arguments: Any) -> None:
        self.other: dict[bytes, bytes] = {}
        super().__init__(node, *arguments)

    def second(self, message: Message) -> Message:
        if isinstance(message, Proposal) and message.block.header.proposer == self.me:
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
            self.each(lambda place: second if place % 2 else effect.message)
        else:
            super().emit(effect)


class StaleLeader(Adversary):
    """Proposes on an older notarised parent, with no nullification between, and votes for that."""

    def __init__(self, node: Node, *arguments: Any) -> None:
        self.notarised: dict[int, Block] = {}
        self.forged: dict[int, bytes] = {}
        super().__init__(node, *arguments)

    def _remember(self) -> None:
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
            if older and self.random.randint(0, 3):
                parent_view = self.random.choice(older)
                parent = self.notarised[parent_view].header
                header = message.block.header._replace(
                    parent=parent.hash, height=parent.height + 1, proposer=self.me
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
        if isinstance(effect, Broadcast) and isinstance(message, Vote) and self.random.randint(0, 2) == 0:
            claim = message.claim
            if claim.kind == Kind.FINALISE and self.random.randint(0, 1):
                super().emit(Broadcast(self.sign(nullify(claim.epoch, claim.view))))
            elif claim.kind != Kind.NULLIFY:
                super().emit(Broadcast(self.sign(claim._replace(block=bytes(32)))))


class BatchWithholder(Adversary):
    """Pushes its batches to one peer only, and serves none; proposes them all the same."""

    def before_step(self) -> None:
        only = self.peers()[0]
        self.node.may_leave = lambda other, kind, body: kind != BATCH_FRAME or other.index == only
        super().before_step()

    def serve(self, peer: int, request: Request) -> None:
        pass


class Forger(Adversary):
    """Puts other names under its own signatures, and builds certificates, proposals and votes that nobody made."""

    def emit(self, effect: Broadcast | Send) -> None:
        super().emit(effect)
        message = effect.message
        if not isinstance(effect, Broadcast) or self.random.randint(0, 2):
            return
        forged: list[Message] = []
        if isinstance(message, Vote):
            claim = message.claim
            other = self.random.choice(self.peers())
            forged.append(message._replace(signer=other))
            forged.append(Vote(claim, other, self.random.randbytes(64)))
            block = self.random.choice((claim.block, bytes(32))) or bytes(32)
            forged.append(self._certificate(notarise(claim.epoch, claim.view, block)))
            forged.append(self._certificate(nullify(claim.epoch, claim.view + self.random.randint(0, 2))))
            forged.append(self._certificate(finalise(claim.epoch, claim.view, block, bytes(32))))
        elif isinstance(message, Certificate):
            forged.append(message._replace(signatures=message.signatures[64:] + message.signatures[:64]))
            if message.claim.kind != Kind.NULLIFY:
                forged.append(message._replace(claim=message.claim._replace(block=bytes(32))))
        elif isinstance(message, Proposal):
            header = message.block.header
            changes = (
                header._replace(time_ms=header.time_ms + 60_000),
                header._replace(height=header.height + 1),
                header._replace(parent=bytes(32)),
            )
            parent_view, batches = message.parent_view, message.block.batches
            forged += [self.propose(message, Block(changed, batches), parent_view) for changed in changes]
            forged.append(message._replace(view=message.view + 1))
        if forged:
            super().emit(Broadcast(self.random.choice(forged)))

    def _certificate(self, claim: Claim) -> Certificate:
        """A certificate whose signatures are all its own."""
        signature = self.signing_key.sign(claim.signing_message(self.network))
        validators = self.epoch.validators
        return make_certificate(validators, claim, dict.fromkeys(range(validators.quorum), signature))


class Outdated(Adversary):
    """Says old things again, its own and others'."""

    def __init__(self, node: Node, *arguments: Any) -> None:
        self.past: deque[tuple[int, bytes]] = deque(maxlen=400)
        super().__init__(node, *arguments)

    def _message_came(self, key: bytes, kind: int, body: bytes) -> None:
        self.past.append((kind, body))
        super()._message_came(key, kind, body)

    def emit(self, effect: Broadcast | Send) -> None:
        self.past.append((CONSENSUS_FRAME, encode_message(effect.message)))
        super().emit(effect)
        for _ in range(self.random.randint(0, 2)):
            kind, body = self.random.choice(self.past)
            self.mesh.send(self._key_of[self.random.choice(self.peers())], kind, body)


class Flooder(Adversary):
    """Sends far more than its share: batches nobody asked for, votes from the future, endless questions."""

    left = 400

    def before_step(self) -> None:
        super().before_step()
        for _ in range(min(self.left, self.random.randint(0, 6))):
            self.left -= 1
            peer = self.random.choice(self.peers())
            if self.random.randint(0, 7) == 0:
                self.mesh.broadcast(BATCH_FRAME, self._batch())
            else:
                Adversary.emit(self, Send(peer, self._nonsense()))

    def _nonsense(self) -> Message:
        random, machine = self.random, self.machine
        view = machine.view + random.choice((0, 1, 2, 3, 1_000_000))
        kind = random.randint(0, 5)
        if kind == 0:
            return self.sign(notarise(self.epoch.number, view, random.randbytes(32)))
        if kind == 1:
            return self.sign(finalise(self.epoch.number, view, random.randbytes(32), random.randbytes(32)))
        if kind == 2:
            return Announcement(tuple(random.randbytes(32) for _ in range(20)))
        if kind == 3:
            return Position(
                self.epoch.number, view, max(0, view - 1), machine.committed_height + random.randint(0, 1_000)
            )
        if kind == 4:
            return FetchRange(1)
        return FetchCertificates(
            self.epoch.number, tuple((Kind.NOTARISE, max(1, machine.view - back)) for back in range(20))
        )

    def _batch(self) -> bytes:
        """A well-formed batch of transactions that all fail in execution."""
        stranger = SigningKey.from_seed(hashlib.sha256(b"a stranger").digest())
        item = ((), (), self.random.randbytes(16), self.random.randbytes(32), None, None)
        made = [
            sign_transaction(
                stranger, self.network, "nobody", (item,), nonce=self.random.randbytes(16),
                expiry_ms=self.clock.wall_ms() + 100_000,
            ).to_bytes()
            for _ in range(3)
        ]  # fmt: skip
        transactions = [transaction_from_bytes(data, self.network) for data in made]
        return encode_frame(
            make_batch(self.network, self.me, self.random.randrange(1 << 40), transactions, made).data, ()
        )


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
    "forger": Forger,
    "outdated": Outdated,
    "flooder": Flooder,
}
