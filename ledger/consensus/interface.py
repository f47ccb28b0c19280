"""What goes into the consensus and what comes out: inputs, effects, and what it starts from.

The contract that goes with them is in the package's docstring.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from ledger.base.errors import ConsensusError
from ledger.base.keys import Signer, is_signature
from ledger.chain.approvers import Approvers
from ledger.chain.block import PROTOCOL_OLDEST, Block, Header, Outcome
from ledger.chain.certificate import Certificate, Verifier
from ledger.chain.evidence import Evidence
from ledger.chain.transaction import Transaction
from ledger.chain.validators import ValidatorSet
from ledger.consensus.messages import Message, Record, Request

# ---- what a validator starts from


@dataclass(frozen=True, slots=True)
class Parameters:
    """Genesis parameters of the consensus, the same on every validator."""

    leader_timeout_ms: int = 150
    """t_l (CONSENSUS 20); t_a is 1.5 t_l, t_r half of it, resends one t_l, answers at most one per peer and t_l/2."""
    heartbeat_ms: int = 30_000
    """An idle chain gets an empty block this long after the last one; 0: never."""


FOLLOWER: Final = -1
"""The own index of one who is not in the set: it hears, executes and commits, and says nothing that counts."""


@dataclass(frozen=True, slots=True)
class Setup:
    """Who this validator is, among whom, in which epoch, under which parameters."""

    validators: ValidatorSet
    epoch: int
    key: Signer | None
    """Of this epoch, or a stand-in in a simulation; None for a follower."""
    parameters: Parameters = field(default_factory=Parameters)
    verifier: Verifier = is_signature
    others: int = 0
    """How many are let in beyond the set (contract 6). They may be asked: who joins late finds few of an old set."""
    approvers: Callable[[int], Approvers | None] | None = None
    """(height of a block) -> who may approve that it closes the epoch, None as long as that is not final here; without it no
    block closes the epoch. Of one height it never answers two things."""
    protocol: int = PROTOCOL_OLDEST
    """The protocol version of the epoch, which its blocks bear."""


@dataclass(frozen=True, slots=True)
class Start:
    """Where the chain stands on disk: its last durably committed block, and the vote log.

    `certificate` is the finalisation of that block, None only for the epoch's anchor (genesis). `recent` holds the batch
    digests of up to 64 blocks, oldest first, the last entry that of `header`.
    """

    header: Header
    outcome_hash: bytes
    certificate: Certificate | None = None
    recent: tuple[tuple[bytes, ...], ...] = ()
    records: Iterable[Record] = ()


# ---- inputs


@dataclass(frozen=True, slots=True)
class Begin:
    """First input after construction."""


@dataclass(frozen=True, slots=True)
class Tick:
    """The timer fired."""


@dataclass(frozen=True, slots=True)
class Connected:
    """A connection to `peer` is up."""

    peer: int


@dataclass(frozen=True, slots=True)
class OthersChanged:
    """So many are let in beyond the set now (contract 6); who has a number keeps it."""

    others: int


@dataclass(frozen=True, slots=True)
class Received:
    """A well-formed message from `peer`, authenticated by the transport."""

    peer: int
    message: Message


@dataclass(frozen=True, slots=True)
class BatchHeld:
    """A batch is held: whole, checked and stored (contract, 2)."""

    digest: bytes
    origin: int
    transactions: tuple[bytes, ...]
    """Transaction ids in order, 32 bytes each."""
    size: int
    """Bytes that count against BLOCK_BYTES."""
    subjects: int
    """Subjects that count against SUBJECTS_PER_BLOCK."""
    change: Transaction | None = None
    """Its one transaction, if that is a change of epoch; what it holds is not checked."""


@dataclass(frozen=True, slots=True)
class Executed:
    """Executing the block gave this outcome."""

    block_hash: bytes
    outcome: Outcome
    took_ms: int = 0
    """How long it took: blocks proposed here are made no larger than can be executed in good time (CONSENSUS 11)."""


Input = Begin | Tick | Connected | OthersChanged | Received | BatchHeld | Executed

# ---- effects


@dataclass(frozen=True, slots=True)
class Persist:
    """Append to the vote log; synced before a vote or proposal that follows leaves."""

    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Send:
    """Send to one validator; may be lost."""

    peer: int
    message: Message


@dataclass(frozen=True, slots=True)
class Broadcast:
    """Send to every other validator; may be lost."""

    message: Message


@dataclass(frozen=True, slots=True)
class Execute:
    """Execute on top of the parent's state, undo-ably; answer with Executed."""

    block_hash: bytes
    block: Block


@dataclass(frozen=True, slots=True)
class Commit:
    """The block is final with this outcome."""

    block_hash: bytes
    block: Block
    outcome: Outcome
    certificate: Certificate | None


@dataclass(frozen=True, slots=True)
class EndEpoch:
    """The block committed before this closed the epoch. No effect follows, no step does anything."""


@dataclass(frozen=True, slots=True)
class SendClosing:
    """The peer speaks in an epoch that is over: send it the finalisation of that epoch's last block."""

    peer: int
    epoch: int


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Call with Tick at this monotonic time; replaces the timer before."""

    at_ms: int


@dataclass(frozen=True, slots=True)
class Serve:
    """Answer the peer's request from the stores."""

    peer: int
    request: Request


@dataclass(frozen=True, slots=True)
class Accuse:
    """A validator contradicted itself; carry this as a transaction."""

    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something an operator must know at once; one clear sentence."""

    message: str


@dataclass(frozen=True, slots=True)
class Drop:
    """Close the connection to a peer that sent something it cannot have meant honestly."""

    peer: int
    reason: str


@dataclass(frozen=True, slots=True)
class Halt:
    """Stop for good: this node contradicts what a quorum certified. No effect follows, no step does anything."""

    error: ConsensusError


Effect = (
    Persist
    | Send
    | Broadcast
    | Execute
    | Commit
    | EndEpoch
    | SendClosing
    | SetTimer
    | Serve
    | Accuse
    | Alarm
    | Drop
    | Halt
)
