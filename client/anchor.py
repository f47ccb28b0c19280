"""Trust anchors on disk: what a verifier believes before it sees a bundle (DESIGN §7; PROOF.md §1).

An anchor is given as one of
    a genesis file                                                        everybody's common start
    an anchor file   ["custody anchor", 2, network, name, state depth, epochs, height, header hash, outcome hash, time_ms]
                     epochs = [[members, [height, header hash, outcome hash, time_ms] of its last block | nil], ...]
    a folder         genesis.custody or anchor.custody, closings/<epoch>.custody, checkpoints/<height>.custody,
                     evidence/<height>-<hash>.custody

A folder only grows: a checkpoint is pinned once the anchor verifies it, with the changes of validators that lead to it, and
is never replaced or removed. A checkpoint that a quorum certified and that contradicts a pinned one, or comes after the end
of its epoch, is the proof that a quorum lied or that keys leaked: it is kept as evidence, both are named, and every verdict
from that anchor says so from then on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeVar

from client.files import read_bytes, write_once
from ledger.base.encoding import decode, encode, take_array, take_ascii, take_bytes, take_int
from ledger.base.errors import Code, CustodyError, FormError, ProofError, SignatureError, StorageError
from ledger.base.hashing import HASH_BYTES
from ledger.base.limits import BUNDLE_BYTES
from ledger.chain.certificate import Checkpoint, parse_checkpoint
from ledger.chain.closing import Closing, parse_closing
from ledger.chain.genesis import GENESIS_BYTES, genesis_from_bytes
from ledger.chain.validators import parse_validators
from ledger.proof.anchor import Anchor, Epoch, ForkError, LastBlock, anchor_from_genesis, followed, pinned
from ledger.proof.bundle import bundle_from_bytes

MAGIC: Final = "custody anchor"
VERSION: Final = 2
GENESIS_FILE: Final = "genesis.custody"
ANCHOR_FILE: Final = "anchor.custody"
CHECKPOINT_BYTES: Final = 65_536
_SUFFIX: Final = ".custody"
_HEIGHT_DIGITS: Final = 19
T = TypeVar("T")


class Trusted(NamedTuple):
    """An anchor as loaded, and what stands against it."""

    anchor: Anchor
    pinned_heights: tuple[int, ...]
    evidence: tuple[Path, ...]
    """Certified checkpoints that contradict pinned ones."""


def anchor_to_bytes(anchor: Anchor) -> bytes:
    """The anchor file of an anchor."""
    epochs = tuple((epoch.validators.members, epoch.last) for epoch in anchor.epochs)
    return encode((MAGIC, VERSION, *anchor._replace(epochs=epochs)))  # type: ignore[arg-type]


def anchor_from_bytes(data: bytes) -> Anchor:
    """The anchor in a genesis or anchor file; FormError where it is neither."""
    value = decode(data, max_bytes=GENESIS_BYTES)
    if type(value) is not tuple or not value or value[0] != MAGIC:
        return anchor_from_genesis(genesis_from_bytes(data))
    if len(value) < 2 or take_int(value[1], "version") != VERSION:
        raise FormError(Code.UNSUPPORTED_VERSION, f"expected an anchor of version {VERSION}, export it again")
    fields = take_array(value, "anchor", 2 + len(Anchor._fields))
    network = take_bytes(fields[2], "network", HASH_BYTES)
    epochs = tuple(_epoch(network, epoch) for epoch in take_array(fields[5], "epochs"))
    if not epochs or any(epoch.last is None for epoch in epochs[:-1]):
        raise FormError(
            Code.MALFORMED, "expected an anchor to know the last block of each epoch but the newest"
        )
    return Anchor(
        network,
        take_ascii(fields[3], "name", 64),
        take_int(fields[4], "state depth", 0, 64),
        epochs,
        take_int(fields[6], "height"),
        take_bytes(fields[7], "header hash", HASH_BYTES),
        take_bytes(fields[8], "outcome hash", HASH_BYTES),
        take_int(fields[9], "time_ms"),
    )


def _epoch(network: bytes, value: Any) -> Epoch:
    members, last = take_array(value, "epoch", 2)
    if last is not None:
        height, header_hash, outcome_hash, time_ms = take_array(last, "last block", 4)
        last = LastBlock(
            take_int(height, "height"),
            take_bytes(header_hash, "header hash", HASH_BYTES),
            take_bytes(outcome_hash, "outcome hash", HASH_BYTES),
            take_int(time_ms, "time_ms"),
        )
    return Epoch(parse_validators(network, members), last)


def load_anchor(path: Path) -> Trusted:
    """The anchor at `path`: a file, or a folder with its newest pinned checkpoint.

    Raises StorageError when it cannot be read or is damaged, FormError for bytes that are no anchor.
    """
    if not path.is_dir():
        return Trusted(_named(path, anchor_from_bytes, read_bytes(path, GENESIS_BYTES)), (), ())
    folder = AnchorFolder(path)
    return Trusted(folder.anchor(), folder.heights(), folder.evidence())


def _named(path: Path, read: Callable[[T], Anchor], value: T) -> Anchor:
    """What `read` makes of `value`, its errors naming the path."""
    try:
        return read(value)
    except CustodyError as error:
        raise type(error)(error.code, f"{path}: {error.message}") from None


class Added(NamedTuple):
    """What adding to a folder came to."""

    anchor: Anchor
    is_new: bool
    """Whether the folder grew."""


class AnchorFolder:
    """A folder of trust. Nothing in it is ever replaced or removed by this program."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def root(self) -> Anchor:
        """What the folder was begun with. StorageError usage when it was not begun."""
        for name in (GENESIS_FILE, ANCHOR_FILE):
            file = self.path / name
            if file.is_file():
                return _named(file, anchor_from_bytes, read_bytes(file, GENESIS_BYTES))
        raise StorageError(
            Code.USAGE,
            f"expected a trust anchor in {self.path}, found none; begin with custody anchor add GENESIS",
        )

    def anchor(self) -> Anchor:
        """The root with every change of validators and the newest checkpoint pinned since."""
        root, closings = self.root(), self.closings()
        anchor = _named(self.path, lambda known: followed(root, known), closings)
        for checkpoint in self.checkpoints()[-1:]:
            return _named(self.path, lambda newest: pinned(anchor, newest), checkpoint)
        return anchor

    def closings(self) -> tuple[Closing, ...]:
        """The closings kept, by epoch. StorageError damaged for a file that is none."""
        folder = self.path / "closings"
        found = []
        for file in sorted(folder.glob(f"*{_SUFFIX}")) if folder.is_dir() else ():
            try:
                found.append(
                    parse_closing(decode(read_bytes(file, CHECKPOINT_BYTES), max_bytes=CHECKPOINT_BYTES))
                )
            except (FormError, SignatureError) as error:
                raise StorageError(Code.DAMAGED, f"{file}: {error.message}") from None
        return tuple(found)

    def is_begun(self) -> bool:
        """Whether there is a root."""
        return any((self.path / name).is_file() for name in (GENESIS_FILE, ANCHOR_FILE))

    def heights(self) -> tuple[int, ...]:
        """Heights of pinned checkpoints, ascending."""
        folder = self.path / "checkpoints"
        names = (
            sorted(entry.name.removesuffix(_SUFFIX) for entry in folder.glob(f"*{_SUFFIX}"))
            if folder.is_dir()
            else []
        )
        return tuple(int(name) for name in names if name.isascii() and name.isdigit())

    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """Pinned checkpoints, by height. StorageError damaged for one that is no checkpoint."""
        found = []
        for height in self.heights():
            file = self._checkpoint_file(height)
            try:
                found.append(shown_in(read_bytes(file, CHECKPOINT_BYTES))[0])
            except FormError as error:
                raise StorageError(Code.DAMAGED, f"{file}: {error.message}") from None
        return tuple(found)

    def evidence(self) -> tuple[Path, ...]:
        """Files of certified checkpoints that contradict pinned ones."""
        folder = self.path / "evidence"
        return tuple(sorted(folder.glob(f"*{_SUFFIX}"))) if folder.is_dir() else ()

    def begin(self, data: bytes) -> Added:
        """Begin the folder with a genesis or anchor file; the same again changes nothing.

        Raises FormError for other bytes, ProofError foreign_anchor where the folder is of another network.
        """
        anchor = anchor_from_bytes(data)
        if self.is_begun():
            root = self.root()
            if root.network != anchor.network:
                raise ProofError(
                    Code.FOREIGN_ANCHOR,
                    f"expected an anchor of network {root.network.hex()[:16]} for {self.path}, "
                    f"got one of {anchor.network.hex()[:16]}; keep another folder for it",
                )
            return Added(root, is_new=False)
        is_genesis = decode(data, max_bytes=GENESIS_BYTES)[0] != MAGIC
        write_once(self.path / (GENESIS_FILE if is_genesis else ANCHOR_FILE), data)
        return Added(anchor, is_new=True)

    def pin(self, checkpoint: Checkpoint, closings: Sequence[Closing] = ()) -> Added:
        """Pin a checkpoint that the folder's anchor verifies, with the closings that lead to its epoch.

        One that contradicts what is pinned, or the end of an epoch, is kept as evidence and raised. Raises ProofError:
        foreign_anchor, incomplete (a closing lacks), not_proven.
        """
        anchor = self.anchor()
        header = checkpoint.header
        try:
            grown = pinned(anchor, checkpoint, closings)
        except ForkError as fork:
            file = self._keep_evidence(fork.checkpoint)
            raise ProofError(fork.code, f"{fork.message}; the proof is kept in {file}") from None
        known = next((one for one in self.checkpoints() if one.header.height == header.height), None)
        if known is not None and identity(known) != identity(checkpoint):
            file = self._keep_evidence(checkpoint)
            raise ProofError(
                Code.NOT_PROVEN,
                f"expected the pinned block {known.header.hash.hex()[:16]} at height {header.height}, a quorum also signed "
                f"{header.hash.hex()[:16]}: the ledger forked; the proof is kept in {file}",
            )
        for closing in closings:
            if closing.epoch >= anchor.epoch:
                name = f"{closing.epoch:0{_HEIGHT_DIGITS}}{_SUFFIX}"
                write_once(self.path / "closings" / name, encode(closing))
        if header.height > anchor.height:
            write_once(self._checkpoint_file(header.height), encode(checkpoint))
        return Added(load_anchor(self.path).anchor, is_new=grown != anchor)

    def _keep_evidence(self, checkpoint: Checkpoint) -> Path:
        header = checkpoint.header
        name = f"{header.height:0{_HEIGHT_DIGITS}}-{header.hash.hex()[:16]}{_SUFFIX}"
        file = self.path / "evidence" / name
        if not file.exists():
            write_once(file, encode(checkpoint))
        return file

    def _checkpoint_file(self, height: int) -> Path:
        return self.path / "checkpoints" / f"{height:0{_HEIGHT_DIGITS}}{_SUFFIX}"


def identity(checkpoint: Checkpoint) -> tuple[bytes, bytes]:
    """What two checkpoints of one height must agree on: block and outcome."""
    return checkpoint.header.hash, checkpoint.outcome.hash_in(checkpoint.header.network)


def shown_in(data: bytes) -> tuple[Checkpoint, tuple[Closing, ...]]:
    """The checkpoint in a checkpoint file or in a bundle, with its closings; FormError where it is neither.

    Nothing is verified.
    """
    value = decode(data, max_bytes=BUNDLE_BYTES)
    if type(value) is tuple and len(value) == len(Checkpoint._fields):
        return parse_checkpoint(value), ()
    bundle = bundle_from_bytes(data)
    return bundle.checkpoint, bundle.closings
