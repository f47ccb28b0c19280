"""A device attests at capture: it signs now, and the transaction may follow days later (DESIGN §4 Attestation).

The device binds the organisation, the event, the whole extract, a counter and a time. Execution takes each
(device, counter) once, so a counter is spent on disk before it is signed: a crash in between leaves a gap, which a
verdict may show, and never a number used twice.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final

from ledger.base.errors import Code, StorageError
from ledger.base.keys import Signer
from ledger.chain.signing import Prepared
from ledger.chain.transaction import Attestation, attestation_message, extract_hash_of

SUFFIX: Final = ".counter"
_DIGITS: Final = 19


def counter_path(key: Path) -> Path:
    """Where the counter of the device whose key file is `key` stands."""
    return key.with_suffix(SUFFIX)


def next_counter(path: Path) -> int:
    """Spend the next number of a device's counter, durably; the first is 1. StorageError damaged, unavailable."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            spent = file.read(_DIGITS + 2).strip()
            if spent and not (spent.isdigit() and len(spent) <= _DIGITS):
                raise StorageError(
                    Code.DAMAGED,
                    f"expected the device's counter in {path}, got something else; restore or raise it",
                )
            number = int(spent or b"0") + 1
            # Padded, so that a torn write is never a shorter number.
            file.seek(0)
            file.write(str(number).rjust(_DIGITS, "0").encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise StorageError(Code.UNAVAILABLE, f"expected to count in {path}: {error.strerror}") from None
    return number


def attest(device: Signer, prepared: Prepared, organisation: str, *, counter: int, time_ms: int) -> Prepared:
    """The same prepared event with the device's attestation for `organisation`; nothing else of it changes."""
    message = attestation_message(
        prepared.network,
        organisation,
        prepared.item.event_hash,
        extract_hash_of(prepared.network, prepared.item),
        device.public_key,
        counter,
        time_ms,
    )
    attestation = Attestation(device.public_key, counter, time_ms, device.sign(message))
    return prepared._replace(item=prepared.item._replace(attestation=attestation))
