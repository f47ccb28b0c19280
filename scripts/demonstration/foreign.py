"""Another network, run by the same validators: a true history there, and worth nothing here."""

from __future__ import annotations

from collections.abc import Sequence
from os import urandom

from client.events.draft import Circumstances
from client.events.goods import make
from client.prepare import prepare
from client.signing import sign
from client.spelling import Thing
from demonstration import cast
from ledger.base.buckets import StateProof
from ledger.base.errors import Code, UnavailableError
from ledger.base.keys import Signer
from ledger.chain.block import Header, batches_hash, transactions_root
from ledger.chain.certificate import Checkpoint, make_certificate
from ledger.chain.closing import Closing
from ledger.chain.genesis import Genesis
from ledger.chain.validators import Validator, ValidatorSet
from ledger.chain.votes import finalise
from ledger.proof.build import build
from ledger.proof.history import Payload
from ledger.state.block import Execution, apply_block
from ledger.state.item import ItemChanges
from ledger.state.links import Link
from ledger.state.state import genesis_state
from ledger.trade.identifiers import Identifier
from ledger.trade.record import Record, SubjectKey


class _Nothing:
    """Behind a ledger that begins here, nothing is stored."""

    def get(self, key: bytes) -> bytes | None:  # noqa: ARG002
        return None

    def entry_row(self, sequence: int) -> ItemChanges | None:  # noqa: ARG002
        return None


class _OneBlock:
    """The past of a ledger of one block."""

    def __init__(self, genesis: Genesis, execution: Execution, checkpoint: Checkpoint, state: object) -> None:
        self.network = genesis.network
        self.depth = genesis.state_depth
        self.registry = genesis.registry()
        self.checkpoint = checkpoint
        self._execution = execution
        self._state = state

    def closings(self, first: int) -> Sequence[Closing]:  # noqa: ARG002
        return ()

    def record(self, key: SubjectKey) -> Record:
        return self._state.record(key)  # type: ignore[attr-defined, no-any-return]

    def state_proof(self, key: SubjectKey) -> StateProof:
        return self._state.prove(key)  # type: ignore[attr-defined, no-any-return]

    def link(self, key: SubjectKey, position: int, *, aside: bool) -> Link:
        rows = self._execution.rows
        return next(
            new.link
            for row in rows
            for new in row.links
            if (new.key, new.aside, new.position) == (key, aside, position)
        )

    def move(self, key: SubjectKey, position: int) -> Link:
        rows = self._execution.rows
        return next(new.link for row in rows for new in row.links if (new.key, new.move) == (key, position))

    def row(self, entry_hash: bytes) -> ItemChanges:
        for row in self._execution.rows:
            if row.entry_hash == entry_hash:
                return row
        raise UnavailableError(Code.HISTORY_INCOMPLETE, "expected an entry of this block")

    def payload(self, event_hash: bytes) -> Payload | None:  # noqa: ARG002
        return None


def foreign_bundle(
    genesis: Genesis, validators: Sequence[Signer], maker: Signer, subject: Identifier
) -> bytes:
    """A bundle about `subject` on a network with another name and the same members and validators."""
    other = genesis._replace(name=f"{genesis.name}-elsewhere")
    network = other.network
    members = ValidatorSet(
        network, [Validator(seat.organisation, seat.public_key) for seat in other.validators]
    )
    state = genesis_state(other, _Nothing(), members)
    now_ms = other.time_ms + 60_000
    draft = make(Circumstances(now_ms, place=cast.place(cast.MANUFACTURER)), [Thing(subject)])
    submission = sign(
        maker, cast.MANUFACTURER, [prepare(network, draft, random_bytes=urandom)], now_ms=now_ms
    )
    transactions = [signed.transaction for signed in submission.signed]
    tip = state.tip.header
    header = Header(
        1, network, 0, closes_epoch=False, height=1, parent=tip.hash, time_ms=now_ms, proposer=0,
        transactions_root=transactions_root([one.id for one in transactions]), batches_hash=batches_hash(network, ()),
    )  # fmt: skip
    execution = apply_block(state, header, transactions)
    claim = finalise(0, 1, header.hash, execution.outcome.hash_in(network))
    signatures = {}
    for key in validators:
        index = members.index_of(key.public_key)
        if index is not None:
            signatures[index] = key.sign(claim.signing_message(network))
    checkpoint = Checkpoint(header, execution.outcome, make_certificate(members, claim, signatures))
    return build(_OneBlock(other, execution, checkpoint, state), [SubjectKey(0, subject.text)])
