"""A newcomer's folder: the genesis it checked, keys of its own, and the peers it was told (node/OPERATING.md).

    made = make_folder(path, "broker", genesis, network, peers, listen, gateway, passphrase)
    made.peer            what the others put into their node.toml: address and transport key
    made.application     what the members vote on, once the newcomer has filled it in: `custody govern propose add`

Nothing here needs a network. The genesis is checked against the network's id, which the newcomer has from people it trusts:
it is the anchor of every proof, and of the chain that its node will fetch. What peers say is checked against that, so a
wrong list of peers can keep the node out and no more. A folder that is there already is completed, never overwritten.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Final, NamedTuple

from ledger.base.errors import Code, FormError, StorageError
from ledger.base.hashing import HASH_BYTES
from ledger.chain.genesis import genesis_from_bytes
from ledger.members.members import ROLES, check_organisation_id
from node.config import FILE, GENESIS_FILE, NodeConfig, PeerAddress, load_config
from node.init import CLIENT_FILE
from node.storage.filesystem import RealFileSystem, write_atomically
from node.storage.folder import NodeFolder
from node.storage.keystore import Keystore
from node.validator.transport_keys import TRANSPORT

USES: Final = ("sign", "device", "capture", "authority", "approver", TRANSPORT)
"""Keys of a member, a file each; validators' keys are made for one epoch (`custody node epoch-key`)."""


class Newcomer(NamedTuple):
    """A folder that was made."""

    config: NodeConfig
    application: str
    """TOML: the organisation as the members are asked to add it; what only people know is left empty."""
    peer: str
    """TOML: this node as others list it."""


def peer_table(peer: PeerAddress) -> str:
    """A peer as it stands in node.toml; appended to it, it counts at the next reload."""
    return (
        f'\n[[peers]]\norganisation = "{peer.organisation}"\naddress = "{peer.address}"\n'
        f'transport_key = "{peer.transport_key.hex()}"\n'
    )


def own_table(config: NodeConfig, transport_key: bytes) -> str:
    """This node as others list it."""
    return peer_table(PeerAddress(config.organisation, config.validator, transport_key))


def make_folder(
    path: Path,
    organisation: str,
    genesis: Path,
    network: bytes,
    peers: Path,
    listen: str,
    gateway: str,
    passphrase: bytes | None,
) -> Newcomer:
    """Make or complete a newcomer's folder. FormError, StorageError."""
    check_organisation_id(organisation)
    data = _read(genesis, "the network's genesis")
    found = genesis_from_bytes(data)
    if found.network != network:
        raise FormError(
            Code.WRONG_NETWORK,
            f"expected the genesis of network {network.hex()}, {genesis} is that of {found.network.hex()}; "
            "ask a member for the right one",
        )
    settings = _settings(organisation, listen, gateway, peer_tables(peers))
    NodeFolder.create(path, network)
    files = RealFileSystem(path)
    _write_new(files, GENESIS_FILE, data)
    _write_new(files, FILE, settings.encode())
    config = load_config(path)  # refuses what is ill-formed before keys are made
    client = f'organisation = "{organisation}"\nkey = "keys/sign.key"\nanchor = "{GENESIS_FILE}"\n'
    client += f'gateway = "http://{gateway}"\ntoken_file = "keys/reader.token"\n'
    _write_new(files, CLIENT_FILE, client.encode())
    keystore = Keystore(path / "keys")
    for use in USES:
        if use not in keystore.names():
            keystore.generate(use, use, passphrase)
    transport, authority = (keystore.inspect(use).public_key for use in (TRANSPORT, "authority"))
    return Newcomer(config, _application(organisation, authority), own_table(config, transport))


def _application(organisation: str, authority: bytes) -> str:
    return (
        f'id = "{organisation}"\nname = ""\ncountry = ""  # ISO 3166-1 alpha-2\n'
        f"roles = []  # of: {', '.join(ROLES)}\nparties = []  # GLNs\nvote = true\n"
        f'# lei = "ISO 17442"\nauthority = "{authority.hex()}"  # its key issues the certificates of all others\n'
    )


def network_id(text: str) -> bytes:
    """A network's id from its hexadecimal digits; FormError."""
    try:
        value = bytes.fromhex(text)
    except ValueError:
        value = b""
    if len(value) != HASH_BYTES:
        raise FormError(Code.USAGE, f"--network: expected {2 * HASH_BYTES} hexadecimal digits, got {text!r}")
    return value


def _settings(organisation: str, listen: str, gateway: str, peers: str) -> str:
    return (
        f'organisation = "{organisation}"\ngenesis = "{GENESIS_FILE}"\n\n'
        f'[validator]\nlisten = "{listen}"\n\n[gateway]\nlisten = "{gateway}"\n{peers}'
    )


def peer_tables(path: Path) -> str:
    """The peers of a file of `custody node peers`, written anew: nothing else in it may become a setting of this node."""
    data = _read(path, "a file of peers, as `custody node peers` writes it")
    try:
        tables: Any = tomllib.loads(data.decode()).get("peers")
    except (ValueError, RecursionError) as error:
        raise FormError(Code.MALFORMED, f"{path}: expected TOML: {error}") from None
    if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
        raise FormError(
            Code.MALFORMED, f"{path}: expected [[peers]] tables, as `custody node peers` writes them"
        )
    return "".join(_peer_table(path, table) for table in tables)


def _peer_table(path: Path, table: dict[str, Any]) -> str:
    values = [table.get(name) for name in ("organisation", "address", "transport_key")]
    if not all(
        isinstance(value, str) and value.isprintable() and not {'"', "\\"} & {*value} for value in values
    ):
        raise FormError(
            Code.MALFORMED,
            f"{path}: expected organisation, address and transport_key of each peer, got {values}",
        )
    organisation, address, key = values
    return f'\n[[peers]]\norganisation = "{organisation}"\naddress = "{address}"\ntransport_key = "{key}"\n'


def _read(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise FormError(Code.USAGE, f"expected {what} at {path}: {error.strerror}") from None


def _write_new(files: RealFileSystem, name: str, data: bytes) -> None:
    """Write a file where there is none; one that says something else is an operator's, and stays."""
    if not files.exists(name):
        write_atomically(files, name, data)
    elif (files.root / name).read_bytes() != data:
        raise StorageError(
            Code.USAGE,
            f"expected no {name} in {files.root} or the same one, there is another; choose another folder",
        )
