"""A validator's keys on a simulated disk: one an epoch, and gone for good once they are destroyed."""

from __future__ import annotations

from collections.abc import Mapping

from ledger.base.errors import Code, StorageError
from ledger.base.keys import SEED_BYTES, SigningKey
from node.storage.keystore import overwrite, validator_key_name
from tests.storage.memory_files import MemoryFileSystem


def key_path(epoch: int) -> str:
    return f"keys/{validator_key_name(epoch)}.key"


def deliver(disk: MemoryFileSystem, keys: Mapping[int, SigningKey]) -> None:
    """Put keys on the disk, durably."""
    for epoch, key in keys.items():
        file = disk.create(key_path(epoch))
        file.write_at(0, key.seed)
        file.sync()
    disk.sync_folder("keys")


class DiskKeys:
    """`node.validator.epochs.ValidatorKeys` of one run."""

    def __init__(self, disk: MemoryFileSystem) -> None:
        self._disk = disk

    def load(self, epoch: int) -> SigningKey:
        if not self._disk.exists(key_path(epoch)):
            raise StorageError(Code.UNKNOWN_KEY, f"expected the key of epoch {epoch}, there is none")
        return SigningKey.from_seed(self._disk.open(key_path(epoch)).read_at(0, SEED_BYTES))

    def has_later(self, epoch: int) -> bool:
        return any(self._disk.exists(key_path(later)) for later in range(epoch + 1, epoch + 10))

    def destroy_before(self, epoch: int) -> None:
        for earlier in range(epoch):
            overwrite(self._disk, key_path(earlier))

    def close(self) -> None:
        pass
