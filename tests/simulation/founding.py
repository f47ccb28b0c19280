"""The networks that are simulated, and what their members hand in: made once, used by every seed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from client.events import Circumstances, accept, make, observe, offer, reject, withdraw
from client.events.draft import Draft
from client.prepare import prepare
from client.spelling import party as a_party
from client.spelling import place, thing
from ledger.base.encoding import decode, encode
from ledger.base.keys import SigningKey
from ledger.chain.block import PROTOCOL_OLDEST
from ledger.chain.epoch import approve, make_change, prove_possession, with_approvals
from ledger.chain.genesis import HEARTBEAT_MS, LEADER_TIMEOUT_MS, Genesis, Seat
from ledger.chain.transaction import Kind, sign_transaction, transaction_from_bytes
from ledger.chain.validators import Validator, ValidatorSet
from ledger.members.constitution import ChangeKind
from ledger.members.governance import Act, proposal_id
from ledger.members.members import PROTOCOL
from ledger.trade.record import Space, SubjectKey
from node.config import Address, NodeConfig, PeerAddress, SnapshotConfig, transport_pin
from node.init import DEMONSTRATION, OrganisationPlan, gln, make_genesis, party
from node.local.protocol import OpenBytes, Submission
from tests.simulation.machine import GENESIS_MS

DEPTH = 8
NO_SNAPSHOTS = SnapshotConfig(0, 0, 0)
ITEMS = 60
EPOCHS = 4
"""For which every organisation has a key."""
_MORE = tuple(
    OrganisationPlan(f"member{number}", f"Member {number}", "NL", ("logistics",), (party(number),))
    for number in (5, 6, 7)
)
NEWCOMER = OrganisationPlan("newcomer", "Newcomer", "NL", ("logistics",), (party(9),), is_validator=False)
"""Has no seat at first: its node follows, until a change of epoch gives it one."""


def _key(what: str) -> SigningKey:
    return SigningKey.from_seed(hashlib.sha256(f"simulated {what}".encode()).digest())


@dataclass(frozen=True)
class Founding:
    """One network: its genesis and everybody's keys. Organisations in order have slots 0, 1, ..."""

    genesis: Genesis
    validators: ValidatorSet
    """Of the first epoch."""
    organisations: tuple[str, ...]
    transport: tuple[SigningKey, ...]
    configs: tuple[NodeConfig, ...]

    def change(self, epoch: int, slots: tuple[int, ...], protocol: int) -> Prepared:
        """The transaction that closes an epoch and seats these slots in the next, of that version, approved by all who may."""
        network = self.genesis.network
        delivered = []
        for slot in slots:
            key = epoch_key(self.organisations[slot], epoch + 1)
            pin = transport_pin(self.transport[slot].public_key)
            seat = Seat(self.organisations[slot], key.public_key, pin)
            delivered.append((seat, prove_possession(key, network, epoch, seat)))
        change = make_change(epoch, delivered, protocol=protocol)
        names = [member.organisation for member in self.validators]
        approvals = [approve(_key(f"approver {name}"), name, network, change) for name in names]
        transaction = sign_transaction(
            _key(f"approver {names[0]}"),
            network,
            names[0],
            (with_approvals(change, approvals),),
            nonce=bytes(16),
            expiry_ms=GENESIS_MS + 1_800_000,
            kind=Kind.EPOCH_CHANGE,
        )
        data = transaction.to_bytes()
        return Prepared(transaction_from_bytes(data, network).id, Submission(data, (), ()))

    def vote(self) -> tuple[Prepared, ...]:
        """A proposal to give a prefix to its first organisation, and the yes of every organisation with a vote."""
        names = [member.organisation for member in self.validators]
        change = (int(ChangeKind.GRANT), VOTED_PREFIX, names[0])
        proposal = (int(Act.PROPOSE), change, GENESIS_MS + 86_400_000, "simulated")
        known = proposal_id(self.genesis.network, names[0], proposal)
        ballots = [(name, (int(Act.BALLOT), known, True, None)) for name in names]
        return tuple(self._voted(name, item) for name, item in [(names[0], proposal), *ballots])

    def _voted(self, organisation: str, item: tuple[Any, ...]) -> Prepared:
        made = sign_transaction(
            _key(f"approver {organisation}"),
            self.genesis.network,
            organisation,
            decode(encode((item,)), max_bytes=10_000),
            nonce=hashlib.sha256(encode(item)).digest()[:16],
            expiry_ms=GENESIS_MS + 1_800_000,
            kind=Kind.GOVERNANCE,
        )
        data = made.to_bytes()
        return Prepared(transaction_from_bytes(data, self.genesis.network).id, Submission(data, (), ()))


VOTED_PREFIX = "9599999"


@cache
def epoch_key(organisation: str, epoch: int) -> SigningKey:
    """What an organisation's validator signs with in an epoch."""
    return _key(f"validator {organisation} {epoch}")


@cache
def found(
    count: int,
    heartbeat_ms: int = 0,
    snapshots: SnapshotConfig = NO_SNAPSHOTS,
    protocol: int = PROTOCOL_OLDEST,
) -> Founding:
    plans = sorted([*(*DEMONSTRATION, *_MORE)[:count], NEWCOMER], key=lambda plan: plan.identifier)
    names = tuple(plan.identifier for plan in plans)
    uses = ("sign", "device", "capture", "validator", "transport", "approver")
    drawn = {name: {use: _key(f"{use} {name}") for use in uses} for name in names}
    for name in names:
        drawn[name]["validator"] = epoch_key(name, 0)
    genesis = make_genesis(
        plans,
        {name: {use: key.public_key for use, key in keys.items()} for name, keys in drawn.items()},
        name="simulated",
        time_ms=GENESIS_MS,
        state_depth=DEPTH,
        parameters={
            HEARTBEAT_MS: heartbeat_ms,
            LEADER_TIMEOUT_MS: 150,
            "allow_persons": False,
        }
        | ({} if protocol == PROTOCOL_OLDEST else {PROTOCOL: protocol}),
    )
    here = Address("simulated", 1)
    transport = tuple(drawn[name]["transport"] for name in names)
    peers = tuple(PeerAddress(name, here, key.public_key) for name, key in zip(names, transport, strict=True))
    configs = tuple(
        NodeConfig(
            name,
            Path("genesis.custody"),
            here,
            here,
            tuple(p for p in peers if p.organisation != name),
            0,
            snapshots,
        )
        for name in names
    )
    members = [Validator(seat.organisation, seat.public_key) for seat in genesis.validators]
    return Founding(genesis, ValidatorSet(genesis.network, members), names, transport, configs)


def subject_of(item: int) -> SubjectKey:
    return SubjectKey(Space.THING, f"https://id.gs1.org/01/09521234000013/21/{item}")


@dataclass(frozen=True)
class Prepared:
    """A submission, and what is known of it beforehand."""

    id: bytes
    submission: Submission


class _Author:
    def __init__(self, network: bytes) -> None:
        self._network = network
        self._drawn = 0

    def _random(self, count: int) -> bytes:
        self._drawn += 1
        return hashlib.shake_128(b"author %d" % self._drawn).digest(count)

    def sign(self, organisation: str, draft: Draft, expiry_ms: int) -> Prepared:
        made = prepare(self._network, draft, random_bytes=self._random)
        transaction = sign_transaction(
            _key(f"sign {organisation}"),
            self._network,
            organisation,
            decode(encode((made.item,)), max_bytes=100_000),
            nonce=self._random(16),
            expiry_ms=expiry_ms,
        )
        data = transaction.to_bytes()
        salt, context, event = made.payload
        contexts = () if context is None else (context,)
        payload = OpenBytes(salt, None if context is None else 0, event)
        known = transaction_from_bytes(data, self._network).id
        return Prepared(known, Submission(data, contexts, (payload,)))


@cache
def _plots() -> tuple[tuple[tuple[str, Draft, int], ...], ...]:
    """What happens to each item, as (organisation, draft, expiry), before a network signs it: the same in all of them."""
    at = Circumstances(GENESIS_MS - 60_000, place=place(gln(11)))
    later_ms = GENESIS_MS + 1_800_000
    told = []
    for item in range(ITEMS):
        things = [thing(f"https://id.gs1.org/01/09521234000013/21/{item}")]
        to_carrier, to_forwarder = (a_party(party(number)) for number in (3, 2))
        lapse = GENESIS_MS + 3_000_000
        soon_ms = GENESIS_MS + 1_000 + 20 * item
        told.append(
            (
                ("maker", make(at, things), later_ms),
                ("maker", offer(at, things, to_carrier, lapses_ms=lapse), later_ms),
                ("maker", offer(at, things, to_forwarder, lapses_ms=lapse), later_ms),
                ("carrier", accept(at, things), later_ms)
                if item % 3
                else ("carrier", reject(at, things), later_ms),
                ("forwarder", accept(at, things), later_ms),
                ("maker", withdraw(at, things), later_ms)
                if item % 4
                else ("maker", observe(at, things), soon_ms),
                ("carrier", observe(at, things), soon_ms),
            )
        )
    return tuple(told)


@cache
def stories(network: bytes, *, real: bool) -> tuple[tuple[Prepared, ...], ...]:
    """What happens to each item, step by step; some steps contradict each other, some come too late.

    `real` only tells two caches apart: signatures are made by whatever stands under `ledger.base.keys`.
    """
    del real
    author = _Author(network)
    return tuple(tuple(author.sign(*step) for step in plot) for plot in _plots())
