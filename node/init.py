"""Making a network: keys, genesis and a folder for each organisation (DESIGN §6; PROTOCOL.md §2).

    made = create_network(root, DEMONSTRATION, name="demo", port_base=7100)
    made.folders["maker"]          node.toml custody.toml genesis.custody keys/ chain/ votes/ payload/ state/ index/ run/

Every organisation gets keys of its own by use, and an authority key, which signs the certificates of later ones; those
that validate get a validator, a transport and an approver key beside them. The genesis is the same file in every folder: its hash is the network's id and the trust anchor of every
proof. This is for networks whose members set up together, for tests and for demonstrations: it sees every private key.
"""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from ledger.base.errors import Code, StorageError
from ledger.base.keyfile import key_of_seed
from ledger.base.keys import HYBRID_SEED_BYTES, SEED_BYTES, HybridKey, SigningKey, key_id
from ledger.chain.block import PROTOCOL_NEWEST
from ledger.chain.genesis import (
    ALLOW_PERSONS,
    HEARTBEAT_MS,
    LEADER_TIMEOUT_MS,
    Genesis,
    Seat,
    check_genesis,
)
from ledger.members.certificate import authority_certificate
from ledger.members.constitution import CONSTITUTION, DEFAULT_RULES
from ledger.members.identity import check_lei, check_party
from ledger.members.members import PROTOCOL, SIGNATURE_SUITE, Use, key_data
from ledger.members.registry import Entry, Kind, Period
from node.config import FILE, GENESIS_FILE, transport_pin
from node.storage.filesystem import RealFileSystem, write_atomically
from node.storage.folder import NodeFolder
from node.storage.keystore import Keystore, validator_key_name

PORT_BASE: Final = 7_100
CLIENT_FILE: Final = "custody.toml"
"""Settings of the organisation's own commands, so that they need no options where its node runs."""
GATEWAY_PORTS: Final = 1_000
"""A gateway listens this many ports above its validator."""
AUTHORITY_FILE: Final = "ca.pem"
"""The certificate of the organisation's authority, for other tools; the ledger knows it by its key in genesis."""
_AUTHORITY_YEARS: Final = 30
STATE_DEPTH: Final = 18
_USES: Final = {"authority": Use.AUTHORITY, "sign": Use.SIGN, "device": Use.DEVICE, "capture": Use.CAPTURE}


class DelegatePlan(NamedTuple):
    """A one-time key that may sign handovers of one consignment for its organisation."""

    name: str
    """Also the name of its key file."""
    document: str
    """Canonical identifier of the consignment's document."""
    until_ms: int
    """Unix milliseconds of block time."""


@dataclass(frozen=True, slots=True)
class OrganisationPlan:
    """What a genesis says of one organisation. Identifiers are canonical (EXTRACT.md §2)."""

    identifier: str
    """1 .. 32 printable ASCII characters: the organisation's id on the ledger."""
    name: str
    country: str
    """ISO 3166-1 alpha-2."""
    roles: tuple[str, ...]
    parties: tuple[str, ...] = ()
    """Canonical parties that stand for it, such as https://id.gs1.org/417/<GLN>."""
    prefixes: tuple[str, ...] = ()
    """GS1 company prefixes it holds, digits; no one's prefix begins another's."""
    issuers: tuple[str, ...] = ()
    """Issuer parts of documents that are its own."""
    jurisdiction: tuple[str, ...] = ()
    """Prefixes of canonical places in which its official acts count; "*" for everywhere."""
    successor: str | None = None
    """The authority that took over its holds."""
    delegates: tuple[DelegatePlan, ...] = ()
    lei: str | None = None
    """Its Legal Entity Identifier (ISO 17442-1)."""
    is_simulated: bool = False
    """Said in every verdict that rests on it."""
    is_validator: bool = True


@dataclass(frozen=True, slots=True)
class MadeNetwork:
    """A network on disk."""

    genesis: Genesis
    folders: dict[str, Path]
    """By organisation, validating or not."""


def gln(number: int, *, prefix: str = "952") -> str:
    """A valid 13-digit GLN: the number within a company prefix (default: GS1's prefix for demonstrations)."""
    body = prefix + str(number).zfill(12 - len(prefix))
    total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(body))
    return f"{body}{-total % 10}"


def party(number: int) -> str:
    """A canonical party made from a number, for demonstrations."""
    return f"https://id.gs1.org/417/{gln(number)}"


DEMONSTRATION: Final = (
    OrganisationPlan(
        "maker", "Manufacturer (demonstration)", "NL", ("manufacturer",), (party(1),), ("9521234",)
    ),
    OrganisationPlan(
        "forwarder", "Forwarder (demonstration)", "BE", ("logistics",), (party(2),), ("9525678",)
    ),
    OrganisationPlan("carrier", "Carrier (demonstration)", "DE", ("logistics",), (party(3),), ("9529012",)),
    OrganisationPlan(
        "customs", "Customs (demonstration)", "NL", ("customs",), (party(4),), jurisdiction=("*",)
    ),
)


def create_network(
    root: Path,
    plans: Sequence[OrganisationPlan] = DEMONSTRATION,
    *,
    name: str = "custody",
    port_base: int = PORT_BASE,
    host: str = "127.0.0.1",
    state_depth: int = STATE_DEPTH,
    allow_persons: bool = False,
    leader_timeout_ms: int = 150,
    heartbeat_ms: int = 30_000,
    protocol: int = PROTOCOL_NEWEST,
    passphrase: bytes | None = None,
    hybrid: bool = False,
    time_ms: int | None = None,
    random_bytes: Callable[[int], bytes] = os.urandom,
) -> MadeNetwork:
    """Make the folders of a network under `root`, one per organisation, named by its id.

    Validator number i (in order of id) listens on `port_base` + i, its gateway `GATEWAY_PORTS` above. Keys are sealed unless
    `passphrase` is None; `hybrid`: of Ed25519 and ML-DSA-65 together, for all uses that may have such. Raises StorageError usage if a folder is already there, FormError for plans that contradict.
    """
    for plan in plans:
        if (root / plan.identifier).exists():
            raise StorageError(
                Code.USAGE,
                f"expected no folder at {root / plan.identifier}, there is one; choose another place",
            )
    keys = {plan.identifier: _draw_keys(plan, random_bytes, hybrid=hybrid) for plan in plans}
    genesis = make_genesis(
        plans,
        {who: {called: key.public_key for called, key in drawn.items()} for who, drawn in keys.items()},
        name=name,
        time_ms=time.time_ns() // 1_000_000 if time_ms is None else time_ms,
        state_depth=state_depth,
        parameters={
            ALLOW_PERSONS: allow_persons,
            LEADER_TIMEOUT_MS: leader_timeout_ms,
            HEARTBEAT_MS: heartbeat_ms,
            PROTOCOL: protocol,
            **({SIGNATURE_SUITE: 1} if hybrid else {}),
        },
    )
    folders = {}
    for plan in plans:
        folder = folders[plan.identifier] = root / plan.identifier
        NodeFolder.create(folder, genesis.network)
        keystore = Keystore(folder / "keys", random_bytes=random_bytes)
        for use, key in keys[plan.identifier].items():
            delegate = any(use == one.name for one in plan.delegates)
            called = validator_key_name(0) if use == "validator" else use
            keystore.save(called, key, "delegate" if delegate else use, passphrase)
        files = RealFileSystem(folder)
        write_atomically(files, GENESIS_FILE, genesis.to_bytes())
        write_atomically(
            files, AUTHORITY_FILE, _authority_file(plan, keys[plan.identifier], genesis, random_bytes)
        )
        transport = {
            who: drawn["transport"].public_key for who, drawn in keys.items() if "transport" in drawn
        }
        if plan.is_validator:
            settings = _settings(plan.identifier, transport, host, port_base)
            write_atomically(files, FILE, settings.encode())
        write_atomically(files, CLIENT_FILE, _client_settings(plan, transport, host, port_base).encode())
    return MadeNetwork(genesis, folders)


def make_genesis(
    plans: Sequence[OrganisationPlan],
    public_keys: dict[str, dict[str, bytes]],
    *,
    name: str,
    time_ms: int,
    state_depth: int,
    parameters: dict[str, Any],
) -> Genesis:
    """The genesis of these organisations with their public keys by use; checked, FormError.

    Those that validate have a vote, by the default rules unless `parameters` hold others, where there are votes at all.
    """
    settings = dict(parameters)
    if settings.get(PROTOCOL, 1) > 1:
        settings.setdefault(CONSTITUTION, DEFAULT_RULES)
    entries = [(Kind.PARAMETER, parameter, value) for parameter, value in settings.items()]
    if CONSTITUTION in settings:
        entries += [(Kind.APPROVER, plan.identifier, True) for plan in plans if plan.is_validator]
    seats = []
    for plan in sorted(plans, key=lambda plan: plan.identifier):
        known = public_keys[plan.identifier]
        entries += _entries_of(plan, known)
        if plan.is_validator:
            seats.append(Seat(plan.identifier, known["validator"], transport_pin(known["transport"])))
    made = sorted(Entry(int(kind), what, (Period(0, None, data),)) for kind, what, data in entries)
    genesis = Genesis(1, name, time_ms, state_depth, tuple(seats), tuple(made))
    check_genesis(genesis)
    return genesis


def _authority_file(
    plan: OrganisationPlan,
    keys: Mapping[str, SigningKey | HybridKey],
    genesis: Genesis,
    random_bytes: Callable[[int], bytes],
) -> bytes:
    serial = int.from_bytes(random_bytes(16), "big") | 1
    begin_ms = genesis.time_ms - genesis.time_ms % 1_000
    end_ms = begin_ms + _AUTHORITY_YEARS * 366 * 86_400_000
    certificate = authority_certificate(plan.identifier, keys["authority"], serial, begin_ms, end_ms)
    return ssl.DER_cert_to_PEM_cert(certificate).encode()


def _entries_of(plan: OrganisationPlan, known: dict[str, bytes]) -> list[tuple[Kind, str, Any]]:
    who = plan.identifier
    organisation: tuple[Any, ...] = (plan.name, plan.country, plan.roles, plan.is_simulated)
    if plan.lei is not None:
        check_lei(plan.lei)
        organisation = (*organisation, plan.lei)
    for party_id in plan.parties:
        check_party(party_id)
    entries: list[tuple[Kind, str, Any]] = [(Kind.ORGANISATION, who, organisation)]
    entries += [
        (Kind.KEY, key_id(known[name]).hex(), key_data(who, use, known[name]))
        for name, use in _USES.items()
        if name in known
    ]
    if plan.is_validator:
        entries.append(
            (Kind.KEY, key_id(known["approver"]).hex(), key_data(who, Use.APPROVER, known["approver"]))
        )
    entries += [
        (Kind.KEY, known[one.name].hex(), (who, int(Use.DELEGATE), None, (one.document, one.until_ms)))
        for one in plan.delegates
        if one.name in known
    ]
    entries += [(Kind.PARTY, identifier, who) for identifier in plan.parties]
    entries += [(Kind.GRANT, digits, who) for digits in plan.prefixes]
    entries += [(Kind.ISSUER, part, who) for part in plan.issuers]
    if plan.jurisdiction:
        entries.append((Kind.JURISDICTION, who, plan.jurisdiction))
    if plan.successor is not None:
        entries.append((Kind.SUCCESSOR, who, plan.successor))
    return entries


def _draw_keys(
    plan: OrganisationPlan, random_bytes: Callable[[int], bytes], *, hybrid: bool
) -> dict[str, SigningKey | HybridKey]:
    """One for each use; hybrid ones for all uses that may have such where asked for."""
    uses = [*_USES, *(one.name for one in plan.delegates)]
    if plan.is_validator:
        uses += ["validator", "transport", "approver"]
    plain = {"device", "transport", *(one.name for one in plan.delegates)}
    sizes = {use: HYBRID_SEED_BYTES if hybrid and use not in plain else SEED_BYTES for use in uses}
    return {use: key_of_seed(random_bytes(size)) for use, size in sizes.items()}


def _client_settings(plan: OrganisationPlan, transport: dict[str, bytes], host: str, port_base: int) -> str:
    """The custody.toml of a member; one without a node names the gateway it uses itself."""
    lines = [f'organisation = "{plan.identifier}"', 'key = "keys/sign.key"', f'anchor = "{GENESIS_FILE}"']
    if plan.is_validator:
        port = port_base + sorted(transport).index(plan.identifier) + GATEWAY_PORTS
        lines += [f'gateway = "http://{host}:{port}"', 'token_file = "keys/reader.token"']
    return "\n".join(lines) + "\n"


def _settings(organisation: str, transport: dict[str, bytes], host: str, port_base: int) -> str:
    """The node.toml of a validator."""
    ports = {who: port_base + place for place, who in enumerate(sorted(transport))}
    own = ports[organisation]
    lines = [
        f'organisation = "{organisation}"',
        f'genesis = "{GENESIS_FILE}"',
        "",
        "[validator]",
        f'listen = "{host}:{own}"',
        "",
        "[gateway]",
        f'listen = "{host}:{own + GATEWAY_PORTS}"',
    ]
    for who in sorted(transport):
        if who != organisation:
            lines += [
                "",
                "[[peers]]",
                f'organisation = "{who}"',
                f'address = "{host}:{ports[who]}"',
                f'transport_key = "{transport[who].hex()}"',
            ]
    return "\n".join(lines) + "\n"
