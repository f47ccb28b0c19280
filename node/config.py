"""What a node is told at its start: `node.toml` in its folder (DESIGN §6).

    organisation = "maker"
    genesis = "genesis.custody"

    [validator]
    listen = "127.0.0.1:7100"

    [gateway]
    listen = "127.0.0.1:8100"
    origins = ["https://gateway.example"]   # as clients name it, behind a proxy; may be left out: http:// and where it listens

    [snapshots]                      # may be left out
    every_blocks = 10000             # how far apart; 0: none
    join_blocks_ahead = 20000        # a node without a chain fetches a snapshot when its peers are this far ahead; 0: never
    keep_bodies_blocks = 0           # of so many of the last blocks transactions are kept as they came; 0: of all

    [memory]                         # may be left out
    state_megabytes = 192            # of the state: what was used last, a third of it changes that are not on disk yet

    [index]                          # may be left out
    url = "postgresql:///custody"    # else index/index.db, SQLite; passwords belong into ~/.pgpass

    [persons]                        # may be left out: then nobody approves here
    origin = "https://approve.example"   # where browsers find this gateway; passkeys are bound to its host

    [oidc]                           # may be left out: people by access tokens of an identity provider (node/gateway/people.py)
    issuer = "https://login.example"
    audience = "custody"
    keys = "oidc.jwks.json"          # its JWK set, a file or an https address
    [oidc.roles]
    "custody-reader" = "reader"      # what the provider calls it = reader, operator or capturer

    [epcis]                          # may be left out
    webhook_allow = ["10.1.0.0/16"]  # networks of the operator's own that webhooks may go to, beside the public internet

    [[peers]]                        # every other validator, and who else is let in
    organisation = "carrier"
    address = "127.0.0.1:7102"
    transport_key = "64 hexadecimal digits"

Keys, not addresses, say who a peer is. One whose transport key its organisation's seat in the epoch pins, or the ledger lists,
speaks as a validator; any other may ask and is answered, no more: a node that is to join, or that was a validator once. Peers
are read again on SIGHUP and by `custody node reload`; everything else is read at the start.
Paths are relative to the folder. Unknown settings are refused by name: a misspelt one must not be silently without effect.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any, Final, NamedTuple

from ledger.base.errors import Code, FormError
from ledger.base.keys import PUBLIC_KEY_BYTES
from ledger.base.limits import PEERS_MAX
from ledger.chain.genesis import Genesis, genesis_from_bytes
from ledger.members.members import check_organisation_id

FILE: Final = "node.toml"
GENESIS_FILE: Final = "genesis.custody"
INDEX_FILE: Final = "index/index.db"
SNAPSHOT_EVERY: Final = 10_000
JOIN_AHEAD: Final = 20_000
STATE_MEGABYTES: Final = 192
STATE_MEGABYTES_LEAST: Final = 12
_ORIGIN: Final = re.compile(r"https?://([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[1-9][0-9]{0,4})?")
_DEFAULT_PORTS: Final = {"http:": ":80", "https": ":443"}
KEEP_BODIES_LEAST: Final = 256
"""Peers that are a little behind catch up block by block, and the last blocks' batches are asked for again."""
_SPKI_PREFIX: Final = bytes.fromhex("302a300506032b6570032100")
"""RFC 8410 §4: what stands before the 32 bytes of an Ed25519 key in its SubjectPublicKeyInfo."""


OIDC_ROLES: Final = ("reader", "operator", "capturer")
"""As what a person may come: the roles of this node's own tokens."""


class Address(NamedTuple):
    """Where somebody listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class PeerAddress(NamedTuple):
    """Another validator: whose it is, where it listens, and its transport key (32 bytes)."""

    organisation: str
    address: Address
    transport_key: bytes


class SnapshotConfig(NamedTuple):
    """How often snapshots are made, when one is fetched, and what is let go of; in blocks, 0: never."""

    every: int
    join_ahead: int
    keep_bodies: int


class EpcisConfig(NamedTuple):
    """What the EPCIS interface may do."""

    webhook_allow: tuple[IPv4Network | IPv6Network, ...]


class OidcConfig(NamedTuple):
    """The organisation's identity provider, for people (`node.gateway.people`)."""

    issuer: str
    audience: str
    keys: Path | str
    """Its JWK set: a file, or an https address."""
    roles_claim: str
    roles: dict[str, str]
    """What the provider calls a role, and which of `OIDC_ROLES` it is here."""


class NodeConfig(NamedTuple):
    """The settings of one node."""

    organisation: str
    genesis: Path
    validator: Address
    gateway: Address
    peers: tuple[PeerAddress, ...]
    clock_offset_ms: int
    """Added to the system's clock: for drills of what a wrong clock does. 0 in service."""
    snapshots: SnapshotConfig
    index_url: str = f"sqlite:///{INDEX_FILE}"
    """The database of the query index: sqlite:///file or postgresql://..."""
    epcis: EpcisConfig = EpcisConfig(())
    persons_origin: str | None = None
    """Where persons approve acts, as their browsers name it; None: nowhere."""
    oidc: OidcConfig | None = None
    gateway_origins: tuple[str, ...] = ()
    """As which clients that sign their requests name the gateway; none: as where it listens."""
    state_memory: int = STATE_MEGABYTES * 1_000_000
    """Bytes of the state that are held in memory, about."""


def transport_pin(public_key: bytes) -> bytes:
    """The pin of an Ed25519 transport key: SHA-256 of its SubjectPublicKeyInfo (RFC 7469 §2.4)."""
    return hashlib.sha256(_SPKI_PREFIX + public_key).digest()


def load_config(folder: Path) -> NodeConfig:
    """The settings in a node's folder; FormError usage or malformed with the setting named."""
    path = folder / FILE
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FormError(Code.USAGE, f"expected a node's folder at {folder}, found no {FILE} in it") from None
    except (OSError, ValueError, RecursionError) as error:  # also no UTF-8, an integer of too many digits
        raise FormError(Code.MALFORMED, f"expected TOML in {path}: {error}") from None
    reader = _Reader(path, settings)
    gateway = reader.section("gateway")
    config = NodeConfig(
        reader.text("organisation"),
        folder / reader.text("genesis", GENESIS_FILE),
        reader.section("validator").address("listen"),
        gateway.address("listen"),
        tuple(_peer(member) for member in reader.sections("peers")),
        reader.integer("clock_offset_ms", 0),
        _snapshots(reader.section("snapshots")),
        reader.section("index").text("url", f"sqlite:///{folder.resolve() / INDEX_FILE}"),
        EpcisConfig(reader.section("epcis").networks("webhook_allow")),
        reader.section("persons").text("origin") if "persons" in settings else None,
        _oidc(reader.section("oidc"), folder) if "oidc" in settings else None,
        gateway.origins("origins"),
        reader.section("memory").integer("state_megabytes", STATE_MEGABYTES, least=STATE_MEGABYTES_LEAST)
        * 1_000_000,
    )
    reader.finish()
    _check_peers(config)
    return config


def _oidc(reader: _Reader, folder: Path) -> OidcConfig:
    keys = reader.text("keys")
    if keys.startswith("http://"):
        raise reader.wrong("keys", "a file or an https address", keys)
    roles = reader.section("roles").texts(OIDC_ROLES)
    if not roles:
        raise reader.wrong(
            "roles", f"at least one name that the provider gives a role, as {OIDC_ROLES[0]}", roles
        )
    return OidcConfig(
        reader.text("issuer"),
        reader.text("audience"),
        keys if keys.startswith("https://") else folder / keys,
        reader.text("roles_claim", "roles"),
        roles,
    )


def _snapshots(reader: _Reader) -> SnapshotConfig:
    found = SnapshotConfig(
        reader.integer("every_blocks", SNAPSHOT_EVERY, least=0),
        reader.integer("join_blocks_ahead", JOIN_AHEAD, least=0),
        reader.integer("keep_bodies_blocks", 0, least=0),
    )
    if found.keep_bodies and (found.keep_bodies < KEEP_BODIES_LEAST or not found.every):
        raise reader.wrong(
            "keep_bodies_blocks",
            f"0, or {KEEP_BODIES_LEAST} and more together with snapshots",
            found.keep_bodies,
        )
    return found


def load_genesis(config: NodeConfig) -> Genesis:
    """The genesis that the settings name; FormError."""
    try:
        data = config.genesis.read_bytes()
    except OSError as error:
        raise FormError(
            Code.USAGE, f"expected the network's genesis at {config.genesis}: {error.strerror}"
        ) from None
    try:
        return genesis_from_bytes(data)
    except FormError as error:
        raise FormError(error.code, f"{config.genesis}: {error.message}") from None


def _check_peers(config: NodeConfig) -> None:
    """Who is a member and who holds a seat changes, so that is looked at when the registry is known (`validator.roster`)."""
    named = [config.organisation, *(peer.organisation for peer in config.peers)]
    keys = [peer.transport_key for peer in config.peers]
    if len(config.peers) > PEERS_MAX:
        raise FormError(Code.LIMIT, f"peers: expected at most {PEERS_MAX}, got {len(config.peers)}")
    for place, organisation in enumerate(named):
        check_organisation_id(organisation)
        if organisation in named[:place]:
            raise FormError(Code.USAGE, f"peers: expected every other node once, got {organisation} again")
    if len(set(keys)) != len(keys):
        raise FormError(Code.USAGE, "peers: expected another transport key of every node, got one twice")


def _peer(reader: _Reader) -> PeerAddress:
    digits = reader.text("transport_key")
    try:
        key = bytes.fromhex(digits)
    except ValueError:
        key = b""
    if len(key) != PUBLIC_KEY_BYTES:
        raise reader.wrong("transport_key", f"{2 * PUBLIC_KEY_BYTES} hexadecimal digits", digits)
    peer = PeerAddress(reader.text("organisation"), reader.address("address"), key)
    reader.finish()
    return peer


class _Reader:
    """One table of the settings; remembers what was asked for, so that the rest can be refused."""

    def __init__(self, path: Path, settings: dict[str, Any], where: str = "") -> None:
        self._path = path
        self._settings = settings
        self._where = where
        self._asked: set[str] = set()
        self._parts: list[_Reader] = []

    def wrong(self, name: str, expected: str, value: Any) -> FormError:
        """The error for a setting."""
        return FormError(
            Code.MALFORMED, f"{self._path}: {self._where}{name}: expected {expected}, got {value!r}"
        )

    def _take(self, name: str, default: Any) -> Any:
        self._asked.add(name)
        return self._settings.get(name, default)

    def text(self, name: str, default: str | None = None) -> str:
        """A non-empty text."""
        value = self._take(name, default)
        if not isinstance(value, str) or not value:
            raise self.wrong(name, "a text", value)
        return value

    def integer(self, name: str, default: int, *, least: int | None = None) -> int:
        """An integer, at least `least`."""
        value = self._take(name, default)
        if type(value) is not int or (least is not None and value < least):
            raise self.wrong(name, "an integer" if least is None else f"an integer from {least} on", value)
        return value

    def address(self, name: str) -> Address:
        """`host:port`."""
        value = self.text(name)
        host, _, port = value.rpartition(":")
        if (
            not host
            or not (port.isascii() and port.isdigit() and len(port) <= 5)
            or not 0 < int(port) < 65_536
        ):
            raise self.wrong(name, "host:port", value)
        return Address(host.strip("[]"), int(port))

    def origins(self, name: str) -> tuple[str, ...]:
        """Origins as browsers and clients write them, each host and port once; none without the setting."""
        value = self._take(name, [])
        if not isinstance(value, list) or not all(
            isinstance(text, str) and _ORIGIN.fullmatch(text) and not text.endswith(_DEFAULT_PORTS[text[:5]])
            for text in value
        ):
            raise self.wrong(
                name, 'origins in lower case as ["https://gateway.example"], no default port', value
            )
        if len({text.partition("://")[2] for text in value}) != len(value):
            raise self.wrong(name, "every host and port once", value)
        return tuple(value)

    def texts(self, values: tuple[str, ...]) -> dict[str, str]:
        """The whole table: any names, each for one of the values."""
        for name, value in self._settings.items():
            self._asked.add(name)
            if value not in values:
                raise self.wrong(name, f"one of {', '.join(values)}", value)
        return dict(self._settings)

    def networks(self, name: str) -> tuple[IPv4Network | IPv6Network, ...]:
        """Networks in CIDR notation, or single addresses."""
        value = self._take(name, [])
        try:
            if isinstance(value, list) and all(isinstance(text, str) for text in value):
                return tuple(ip_network(text) for text in value)
        except ValueError:
            pass
        raise self.wrong(name, 'networks as ["10.1.0.0/16"]', value)

    def section(self, name: str) -> _Reader:
        """A table."""
        value = self._take(name, {})
        if not isinstance(value, dict):
            raise self.wrong(name, "a table", value)
        part = _Reader(self._path, value, f"{self._where}{name}.")
        self._parts.append(part)
        return part

    def sections(self, name: str) -> list[_Reader]:
        """An array of tables."""
        value = self._take(name, [])
        if not isinstance(value, list) or not all(isinstance(member, dict) for member in value):
            raise self.wrong(name, "tables", value)
        return [_Reader(self._path, member, f"{self._where}{name}.") for member in value]

    def finish(self) -> None:
        """Refuse settings that nobody asked for."""
        unknown = sorted(set(self._settings) - self._asked)
        if unknown:
            raise self.wrong(unknown[0], "a known setting", self._settings[unknown[0]])
        for part in self._parts:
            part.finish()
