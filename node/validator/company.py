"""Whom this node is connected with at the moment, and which transport key it proves to them: changed while it runs.

Three things change it: a new epoch (other seats), a block that changes the registry (transport keys enrolled or revoked, members
added or removed), and the operator (`custody node reload`, SIGHUP: peers of `node.toml`, a transport key made since). Each time
everything follows anew from the settings, the seats and the registry of the last final block, so that no order matters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ledger.base.errors import Code, CustodyError, FormError
from ledger.base.keys import SigningKey
from ledger.members.registry import Registry
from node.config import NodeConfig, PeerAddress, load_config
from node.logs import Log
from node.transport.mesh import Peer
from node.validator.epochs import Epoch
from node.validator.host import Connections
from node.validator.roster import Pins, Roster
from node.validator.transport_keys import TransportKeys


class Company:
    """The peers of one running node."""

    def __init__(
        self,
        folder: Path,
        config: NodeConfig,
        transport: TransportKeys,
        log: Log,
    ) -> None:
        """`folder`: where node.toml is."""
        self._folder = folder
        self._log = log
        self._transport = transport
        self._epoch: Epoch | None = None
        self._said: tuple[str, ...] = ()
        self.connections: Connections | None = None
        """Which follow what changes, once they are there."""
        self.config = config
        """As read last."""
        self.key: SigningKey = transport.current
        """The transport key that this node proves."""
        self.roster: Roster
        self.pins: Pins

    @property
    def peers(self) -> Sequence[Peer]:
        """As the mesh wants them."""
        return self.roster.peers

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the operator should put right."""
        organisation, said = self.config.organisation, self.roster.warnings
        is_mute = self._epoch is not None and self._epoch.seat_of(organisation) is not None
        if is_mute and not self.pins.is_pinned(organisation, self.key.public_key):
            own = (
                f"transport: expected a key that the seat of {organisation} pins or the ledger lists, this node has "
                f"{self.key.public_key.hex()}: what it says counts for nothing with peers"
            )
            return (*said, own)
        return said

    def stand(self, epoch: Epoch, registry: Registry, height: int) -> None:
        """Follow from the seats of the epoch and the registry as it is from `height` on. StorageError."""
        before = self.roster if self._epoch is not None and self._epoch.number == epoch.number else None
        known = [] if self._epoch is None else self.roster.peers
        self._epoch = epoch
        self.pins = Pins(epoch.seats, registry, height)
        self.roster = Roster(epoch, self.config, self.pins, before)
        if self.connections is not None and known != self.roster.peers:
            self.connections.set_peers(self.roster.peers)
        self._choose_key()
        said = self.warnings
        for warning in said:
            if warning not in self._said:
                self._log.warning("peers", reason=warning)
        self._said = said

    def _choose_key(self) -> None:
        """Prove the coming key once peers accept it; let go of the other once they do not."""
        transport, organisation = self._transport, self.config.organisation
        coming = transport.coming
        key = transport.current
        if coming is not None and self.pins.is_pinned(organisation, coming.public_key):
            key = coming
            if not self.pins.is_pinned(organisation, transport.current.public_key):
                transport.advance()
                self._log.info("destroyed the transport key before this one", key=key.public_key.hex())
        if key.public_key == self.key.public_key:
            return
        self.key = key
        self._log.info("another transport key", key=key.public_key.hex())
        if self.connections is not None:
            self.connections.set_transport(key)

    def read_again(self) -> tuple[str, ...]:
        """Read the peers of node.toml and the keys that were made since; what changed, in sentences.

        `stand` has to follow. Raises FormError, StorageError; then everything stays as it was.
        """
        found = load_config(self._folder)
        before = self.config
        if found.organisation != before.organisation:
            raise FormError(
                Code.USAGE,
                f"organisation: expected {before.organisation} as at the start of this node, got {found.organisation}",
            )
        had_coming = self._transport.coming is not None
        self._transport.look_again()
        said = list(_differences(before.peers, found.peers))
        if found._replace(peers=()) != before._replace(peers=()):
            said.append(
                "other settings than peers differ from those of the start: they count from the next start on"
            )
        if self._transport.coming is not None and not had_coming:
            said.append(
                f"transport key {self._transport.coming.public_key.hex()} is proven as soon as the ledger lists it"
            )
        self.config = before._replace(peers=found.peers)
        return tuple(said)


def _differences(before: Sequence[PeerAddress], after: Sequence[PeerAddress]) -> list[str]:
    old, new = ({peer.organisation: peer for peer in peers} for peers in (before, after))
    said = [f"{name} at {new[name].address} is a peer now" for name in sorted(new) if name not in old]
    said += [f"{name} is no peer any more" for name in sorted(old) if name not in new]
    for name in sorted(new):
        if name in old and old[name] != new[name]:
            said.append(f"{name}: now at {new[name].address} with key {new[name].transport_key.hex()}")
    return said


def reload_and_tell(reload: Callable[[], tuple[str, ...]], log: Log) -> None:
    """What SIGHUP does: there is nobody to answer, so the log is told."""
    try:
        for sentence in reload():
            log.info("reloaded", what=sentence)
    except CustodyError as error:
        log.warning("expected settings that can be read again", code=error.code.value, reason=error.message)
