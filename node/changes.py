"""Changing the validators of a running network, as its operators do it (CONSENSUS 29; node/OPERATING.md).

    deliver_key     each organisation of the next set makes its key for that epoch, and hands out a *seat file*:
                    public keys, and a signature that shows that it has the private one
    compose         somebody puts the seats together: a *change file*
    approve         approvers sign it, each with the key that genesis lists; the files may go round, or be merged
    carry           an approver sends it, as a transaction, through a validator; it is alone in the block that closes the epoch

Files hold public things only. Whoever checks a change checks all of it, so nobody has to trust who carried a file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from ledger.base.encoding import decode, encode
from ledger.base.errors import Code, CustodyError, FormError, SignatureError
from ledger.base.keys import (
    HYBRID_PUBLIC_KEY_BYTES,
    PUBLIC_KEY_BYTES,
    Signer,
    is_hybrid,
    is_signature,
    key_id,
)
from ledger.chain.approvers import Approvers
from ledger.chain.epoch import (
    EpochChange,
    approve,
    make_change,
    parse_change,
    possession_message,
    prove_possession,
    with_approvals,
)
from ledger.chain.genesis import Genesis, Seat
from ledger.chain.transaction import Kind, Transaction, sign_transaction
from node.config import transport_pin
from node.storage.keystore import Keystore, validator_key_name
from node.validator.transport_keys import COMING, TRANSPORT

APPROVER: Final = "approver"
EXPIRY_MS: Final = 600_000
"""How long a change that was sent may take to be ordered."""
_FILE_BYTES: Final = 1_000_000


class Delivered(NamedTuple):
    """A seat of the next set, as its organisation delivers it."""

    epoch: int
    """The epoch that the key is for."""
    seat: Seat
    transport_key: bytes
    """What peers put into their node.toml; the seat holds its pin."""
    possession: bytes

    def to_text(self) -> str:
        """The seat file: one JSON object."""
        shown = {
            "organisation": self.seat.organisation,
            "epoch": self.epoch,
            "public_key": self.seat.public_key.hex(),
            "transport_key": self.transport_key.hex(),
            "possession": self.possession.hex(),
        }
        return json.dumps(shown, indent=1) + "\n"


def deliver_key(
    keystore: Keystore, organisation: str, network: bytes, epoch: int, passphrase: bytes | None
) -> Delivered:
    """Make the validator key of a coming epoch, and a transport key where there is none; what is to be handed out.

    A key that is there already is shown again; where the next transport key was made, the seat pins that one. Raises StorageError, SignatureError (wrong passphrase).
    """
    if epoch < 1:
        raise FormError(Code.USAGE, "expected a coming epoch, 1 or later: the keys of epoch 0 are in genesis")
    key = _load_or_make(keystore, validator_key_name(epoch), "validator", passphrase)
    pinned = COMING if COMING in keystore.names() else TRANSPORT
    transport = _load_or_make(keystore, pinned, TRANSPORT, passphrase).public_key
    seat = Seat(organisation, key.public_key, transport_pin(transport))
    return Delivered(epoch, seat, transport, prove_possession(key, network, epoch - 1, seat))


def _load_or_make(keystore: Keystore, name: str, use: str, passphrase: bytes | None) -> Signer:
    if name in keystore.names():
        return keystore.load(name, passphrase, use=use)
    # Of the kind that this organisation approves with: a network that asks for hybrid keys takes no other.
    is_ours = APPROVER in keystore.names() and is_hybrid(keystore.inspect(APPROVER).public_key)
    return keystore.generate(name, use, passphrase, hybrid=is_ours and use != TRANSPORT)


def read_seat(path: Path, network: bytes) -> Delivered:
    """A seat file, its signature checked; FormError or SignatureError that names the file."""
    fields: Any
    try:
        fields = json.loads(path.read_bytes()[:_FILE_BYTES])
        organisation, epoch = fields["organisation"], fields["epoch"]
        key, transport, possession = (
            bytes.fromhex(fields[name]) for name in ("public_key", "transport_key", "possession")
        )
    except OSError as error:
        raise FormError(Code.USAGE, f"expected a seat file at {path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise FormError(Code.MALFORMED, f"{path}: expected a seat file of `epoch-key`: {error!r}") from None
    is_formed = isinstance(organisation, str) and type(epoch) is int and epoch > 0
    is_key = len(key) in (PUBLIC_KEY_BYTES, HYBRID_PUBLIC_KEY_BYTES)
    if not is_formed or not is_key or len(transport) != PUBLIC_KEY_BYTES:
        raise FormError(Code.MALFORMED, f"{path}: expected a seat file of `epoch-key`, got other values")
    seat = Seat(organisation, key, transport_pin(transport))
    if not is_signature(key, possession_message(network, epoch - 1, seat), possession):
        raise SignatureError(
            Code.BAD_SIGNATURE,
            f"{path}: expected the signature of the key it shows, for this network and epoch, it does not hold",
        )
    return Delivered(epoch, seat, transport, possession)


def compose(
    delivered: Sequence[Delivered], parameters: Iterable[tuple[str, int]], protocol: int
) -> EpochChange:
    """The change to these seats, all delivered for one epoch, and to this protocol version; FormError."""
    epochs = sorted({one.epoch for one in delivered})
    if len(epochs) != 1:
        raise FormError(Code.USAGE, f"expected seats delivered for one epoch, got {epochs or 'none'}")
    seats = [(one.seat, one.possession) for one in delivered]
    change = make_change(epochs[0] - 1, seats, parameters, protocol=protocol)
    return parse_change(decode(encode(change), max_bytes=_FILE_BYTES))


def read_change(path: Path) -> EpochChange:
    """A change file; FormError that names it."""
    try:
        data = path.read_bytes()[: _FILE_BYTES + 1]
    except OSError as error:
        raise FormError(Code.USAGE, f"expected a change file at {path}: {error.strerror}") from None
    try:
        return parse_change(decode(data, max_bytes=_FILE_BYTES))
    except CustodyError as error:
        raise FormError(error.code, f"{path}: {error.message}") from None


def merged(changes: Sequence[EpochChange]) -> EpochChange:
    """One change with the approvals of several copies of it; FormError if they are not copies of one."""
    first = changes[0]
    for other in changes[1:]:
        if other._replace(approvals=()) != first._replace(approvals=()):
            raise FormError(Code.USAGE, "expected copies of one change, got two changes")
    return with_approvals(first, [approval for change in changes for approval in change.approvals])


def approved(change: EpochChange, key: Signer, organisation: str, network: bytes) -> EpochChange:
    """The change with this approver's signature too."""
    return with_approvals(change, (approve(key, organisation, network, change),))


def carry(
    change: EpochChange,
    key: Signer,
    organisation: str,
    network: bytes,
    *,
    now_ms: int,
    random_bytes: Callable[[int], bytes],
) -> Transaction:
    """The transaction that carries a change, sent by an approver."""
    return sign_transaction(
        key,
        network,
        organisation,
        (decode(encode(change), max_bytes=_FILE_BYTES),),
        nonce=random_bytes(16),
        expiry_ms=now_ms + EXPIRY_MS,
        kind=Kind.EPOCH_CHANGE,
    )


def describe(change: EpochChange, genesis: Genesis) -> list[str]:
    """What a change says, for whoever is to approve it."""
    approvers = Approvers(genesis.network, genesis.registry(), 0)
    lines = [
        f"closes epoch {change.epoch}; validators of epoch {change.epoch + 1}, protocol version {change.protocol}:"
    ]
    lines += [
        f"  {seat.organisation:<16} key {key_id(seat.public_key).hex()}  transport pin {seat.tls_pin.hex()[:16]}"
        for seat in change.seats
    ]
    lines += [f"  {name} = {value}" for name, value in change.parameters]
    by = ", ".join(approval.organisation for approval in change.approvals) or "nobody yet"
    lines.append(
        f"approved by {by}; {approvers.needed(len(change.seats))} of {len(approvers.organisations)} approvers of genesis are needed"
    )
    return lines
