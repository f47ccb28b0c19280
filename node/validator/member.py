"""What a validator is started with, read from an organisation's folder before anything is opened for writing (DESIGN §6)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ledger.chain.genesis import Genesis
from ledger.chain.validators import Validator as Seat
from ledger.chain.validators import ValidatorSet
from node.config import NodeConfig, load_config, load_genesis
from node.storage.folder import NodeFolder
from node.storage.keystore import Keystore
from node.validator.epochs import StoredKeys, ValidatorKeys
from node.validator.transport_keys import TransportKeys


@dataclass(frozen=True, slots=True)
class Member:
    """An organisation's folder, read and checked."""

    folder: NodeFolder
    config: NodeConfig
    genesis: Genesis
    validators: ValidatorSet
    """Of the first epoch."""
    keys: ValidatorKeys
    transport: TransportKeys


def open_member(path: Path, passphrase: bytes | None = None) -> Member:
    """Open an organisation's folder for its validator; raises CustodyError with the folder given up again."""
    config = load_config(path)
    genesis = load_genesis(config)
    folder = NodeFolder.open(path, genesis.network)
    try:
        keystore = Keystore(folder.keys)
        keystore.check()
        transport = TransportKeys.stored(keystore, passphrase)
    except BaseException:
        folder.close()
        raise
    members = [Seat(seat.organisation, seat.public_key) for seat in genesis.validators]
    keys = StoredKeys(keystore, passphrase)
    return Member(folder, config, genesis, ValidatorSet(genesis.network, members), keys, transport)
