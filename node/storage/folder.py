"""The folder of an organisation's node: where everything is, whose network it is of, and who may use it (DESIGN §6).

    node.toml   custody.toml   keys/   chain/   votes/   payload/   state/   index/   reads/   run/   network.id

`network.id` names the network in 64 hexadecimal digits; it is written last when a folder is made, so a half-made folder
has none. A folder of another network is refused with both named, and `run/lock` keeps a second process out.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from ledger.base.errors import Code, StorageError
from ledger.base.hashing import HASH_BYTES
from node.storage.filesystem import (
    FileSystem,
    Lock,
    RealFileSystem,
    read_whole,
    storage_error,
    write_atomically,
)

FOLDERS: Final = ("keys", "chain", "votes", "payload", "state", "index", "reads", "run")
NETWORK_FILE: Final = "network.id"
CONFIGURATION_FILE: Final = "node.toml"
_SEGMENT: Final = ".seg"


class NodeFolder:
    """An opened folder; `close` gives the lock up."""

    def __init__(
        self, path: Path, network: bytes, lock: Lock | None, files: FileSystem | None = None
    ) -> None:
        """`files`: the folder's files, if not those of the operating system at `path`."""
        self.path = path
        self.network = network
        self.files: FileSystem = RealFileSystem(path) if files is None else files
        self._lock = lock
        self.configuration = path / CONFIGURATION_FILE
        self.keys = path / "keys"
        self.state = path / "state"
        self.payload_index = path / "payload" / "index"
        self.index = path / "index"
        self.run = path / "run"
        self.validator_socket = self.run / "validator.sock"

    @classmethod
    def create(cls, path: Path, network: bytes) -> None:
        """Make the folder for `network` (its id, 32 bytes); an existing one of that network stays as it is.

        Raises StorageError: foreign_data for one of another network, disk_full, damaged.
        """
        files = RealFileSystem(path)
        found = _read_network(files)
        if found is not None:
            _check_network(path, network, found)
        try:
            for name in ("", *FOLDERS):
                files.make_folder(name)
            files.sync_folder("")
            RealFileSystem(path.parent).sync_folder("")
        except OSError as error:
            raise storage_error(error, f"making {path}") from error
        if found is None:
            write_atomically(files, NETWORK_FILE, network.hex().encode() + b"\n")

    @classmethod
    def open(cls, path: Path, network: bytes | None = None, *, lock: bool = True) -> NodeFolder:
        """Open the folder, checking its network when one is given.

        `lock=False` is for reading keys and configuration beside a running node. Raises StorageError: usage when there is
        no such folder, foreign_data, locked.
        """
        files = RealFileSystem(path)
        found = _read_network(files)
        if found is None:
            raise StorageError(
                Code.USAGE, f"expected a node's folder at {path}, found no {NETWORK_FILE} in it; make one"
            )
        if network is not None:
            _check_network(path, network, found)
        held: Lock | None = None
        if lock:
            try:
                held = files.lock("run/lock")
            except BlockingIOError:
                raise StorageError(
                    Code.LOCKED, f"expected no other process to use {path}, one does; stop it first"
                ) from None
            except OSError as error:
                raise storage_error(error, f"locking {path}") from error
        return cls(path, found, held)

    @property
    def has_chain_data(self) -> bool:
        """Whether blocks or pending entries were ever stored: then a vote log must be there (CONSENSUS 25)."""
        return any(name.endswith(_SEGMENT) for name in self.files.list_folder("chain"))

    def close(self) -> None:
        """Give the lock up."""
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.release()


def _read_network(files: RealFileSystem) -> bytes | None:
    try:
        if not files.exists(NETWORK_FILE):
            return None
    except OSError as error:
        raise storage_error(error, f"looking into {files.root}") from error
    data = read_whole(files, NETWORK_FILE, most=2 * HASH_BYTES + 1)
    try:
        network = bytes.fromhex(data.decode("ascii").strip())
    except ValueError:
        network = b""
    if len(network) != HASH_BYTES:
        raise StorageError(
            Code.DAMAGED, f"expected {2 * HASH_BYTES} hexadecimal digits in {files.root / NETWORK_FILE}"
        )
    return network


def _check_network(path: Path, network: bytes, found: bytes) -> None:
    if network != found:
        raise StorageError(
            Code.FOREIGN_DATA,
            f"expected {path} to be of network {network.hex()}, it is of network {found.hex()}; use another folder",
        )
