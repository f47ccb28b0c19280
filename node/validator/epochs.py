"""Who validates in the epoch this node is in, and with which key (CONSENSUS 29, 30; STORAGE.md §8).

A validator has a signing key for each epoch, `keys/validator-<epoch>.key`, made ahead by `custody node epoch-key`. The key of
an epoch that is over is destroyed as soon as the chain up to its last block is durable, and at every start again: whatever
leaks later cannot sign another past. Who else is let in is `roster`'s matter.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple, Protocol

from ledger.base.errors import Code, ConsensusError, CustodyError, StorageError
from ledger.base.keys import Signer, key_id
from ledger.chain.genesis import HEARTBEAT_MS, LEADER_TIMEOUT_MS, Genesis, Seat
from ledger.chain.validators import ValidatorSet
from ledger.consensus import Consensus, Setup, Start
from ledger.consensus.interface import Parameters
from ledger.consensus.messages import decode_record
from node.storage.filesystem import Lock
from node.storage.keystore import Keystore, epoch_of_key, validator_key_name
from node.storage.vote_log import VoteLog
from node.validator.execution import Executor

VALIDATOR_USE: Final = "validator"


class ValidatorKeys(Protocol):
    """The keys of one validator, one an epoch."""

    def load(self, epoch: int) -> Signer:
        """The key of an epoch. StorageError unknown_key if there is none."""

    def has_later(self, epoch: int) -> bool:
        """Whether there is a key of an epoch after this one."""

    def destroy_before(self, epoch: int) -> None:
        """Destroy the keys of all epochs before this one. StorageError."""

    def close(self) -> None:
        """Give up what is held."""


class StoredKeys:
    """The keys in a keystore; the one in use is locked against other processes, from whatever folder they come."""

    def __init__(self, keystore: Keystore, passphrase: bytes | None) -> None:
        self._keystore = keystore
        self._passphrase = passphrase
        self._lock: Lock | None = None

    def load(self, epoch: int) -> Signer:
        """The key of an epoch; StorageError unknown_key, bad_key, locked."""
        name = validator_key_name(epoch)
        try:
            key = self._keystore.load(name, self._passphrase, use=VALIDATOR_USE)
        except StorageError as error:
            if error.code is not Code.UNKNOWN_KEY:
                raise
            raise StorageError(
                error.code,
                f"expected the validator key of epoch {epoch} at {self._keystore.path(name)}, there is none: put back the key "
                "that was delivered for it; without it this organisation has no vote in this epoch",
            ) from None
        self.close()
        self._lock = self._keystore.lock(name)
        return key

    def has_later(self, epoch: int) -> bool:
        """Whether there is a key of an epoch after this one."""
        found = [epoch_of_key(name) for name in self._keystore.names()]
        return any(number is not None and number > epoch for number in found)

    def destroy_before(self, epoch: int) -> None:
        """Destroy the keys of all epochs before this one."""
        for name in self._keystore.names():
            found = epoch_of_key(name)
            if found is not None and found < epoch:
                self._keystore.destroy(name, self._passphrase)

    def close(self) -> None:
        """Give the lock up."""
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.release()


class Epoch(NamedTuple):
    """One epoch, as its first block will find it."""

    number: int
    seats: tuple[Seat, ...]
    validators: ValidatorSet
    parameters: Parameters
    protocol: int
    """The version of the protocol that its blocks bear."""

    def seat_of(self, organisation: str) -> Seat | None:
        """The seat of an organisation, if it has one."""
        return next((seat for seat in self.seats if seat.organisation == organisation), None)


def epoch_under_way(executor: Executor, genesis: Genesis) -> Epoch:
    """The epoch of the block after the one executed last."""
    state = executor.state
    members = state.members(state.tip.header.height + 1)
    seats = (
        genesis.validators if state.epoch == 0 else executor.tables.read_changes()[state.epoch - 1][1].seats
    )
    defaults = Parameters()
    parameters = Parameters(
        _number(members.parameter(LEADER_TIMEOUT_MS), defaults.leader_timeout_ms),
        _number(members.parameter(HEARTBEAT_MS), defaults.heartbeat_ms),
    )
    return Epoch(state.epoch, seats, state.sets[-1], parameters, members.protocol)


def check_known(epoch: Epoch, newest: int) -> None:
    """Raise ConsensusError if the epoch's protocol version is newer than `newest`, the last one that this software knows.

    Up to the block that closed the epoch before it took part like everybody: what it has is right, and durable.
    """
    if epoch.protocol > newest:
        raise ConsensusError(
            Code.UNSUPPORTED_VERSION,
            f"expected software that knows protocol version {epoch.protocol}, to which the validators changed with epoch "
            f"{epoch.number}, this one knows up to {newest}: install a newer version and start this node again, its data is right",
        )


def _number(value: Any, default: int) -> int:
    return value if type(value) is int else default


def own_key(epoch: Epoch, organisation: str, keys: ValidatorKeys) -> Signer | None:
    """The key this node signs with in the epoch, None if its organisation has no seat.

    None too where only keys of later epochs are left: one that lost its chain fetches it again from the beginning, and
    follows through the epochs whose keys it destroyed in time.

    StorageError unknown_key; bad_key if it is not the key that was delivered.
    """
    seat = epoch.seat_of(organisation)
    if seat is None:
        return None
    try:
        key = keys.load(epoch.number)
    except StorageError as error:
        if error.code is Code.UNKNOWN_KEY and keys.has_later(epoch.number):
            return None
        raise
    if key.public_key != seat.public_key:
        raise StorageError(
            Code.BAD_KEY,
            f"expected the validator key of {organisation} that the seats of epoch {epoch.number} list, "
            f"found another: {key_id(key.public_key).hex()[:16]}",
        )
    return key


def make_machine(
    executor: Executor, epoch: Epoch, key: Signer | None, votes: VoteLog, others: int
) -> Consensus:
    """The consensus of an epoch, standing where chain and vote log say. `others`: how many are let in beyond the set.

    StorageError if the log holds anything but votes.
    """
    checkpoint = None if executor.final_header.closes_epoch else executor.checkpoint
    try:
        records = tuple(decode_record(data) for data in votes.records)
    except CustodyError as error:
        raise StorageError(
            Code.DAMAGED, f"expected a vote log of votes, found something else: {error.message}"
        ) from None
    start = Start(
        executor.final_header,
        executor.final_outcome.hash_in(executor.network),
        None if checkpoint is None else checkpoint.certificate,
        tuple(executor.recent),
        records,
    )
    setup = Setup(
        epoch.validators,
        epoch.number,
        key,
        epoch.parameters,
        others=others,
        approvers=executor.approvers,
        protocol=epoch.protocol,
    )
    return Consensus(setup, start)
