"""An in-memory ledger: no network, no consensus; each block is certified by the first q validators at once.

Everything goes through the real code: extracts into items, items into signed transactions, blocks through `apply_block`.
Salts, nonces and keys derive from counters, so a world is reproducible.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from ledger.base.encoding import decode, encode
from ledger.base.keys import HybridKey, Signer, SigningKey, key_id
from ledger.chain.batch import Batch
from ledger.chain.block import (
    PROTOCOL_NEWEST,
    PROTOCOL_OLDEST,
    Header,
    Outcome,
    batches_hash,
    transactions_root,
)
from ledger.chain.certificate import Checkpoint, make_certificate
from ledger.chain.closing import Closing
from ledger.chain.epoch import EpochChange, approve, make_change, prove_possession, with_approvals
from ledger.chain.genesis import ALLOW_PERSONS, Genesis, Seat, check_genesis
from ledger.chain.transaction import (
    Attestation,
    Item,
    Kind,
    Mode,
    Transaction,
    attestation_message,
    extract_hash_of,
    sign_transaction,
    transaction_from_wire,
)
from ledger.chain.validators import Validator, ValidatorSet
from ledger.chain.votes import finalise
from ledger.members.members import PROTOCOL, SIGNATURE_SUITE, Use, key_data
from ledger.members.registry import Entry as RegistryEntry
from ledger.members.registry import Kind as RegistryKind
from ledger.members.registry import Period
from ledger.state.block import Execution, apply_block
from ledger.state.item import ItemChanges
from ledger.state.state import genesis_state
from ledger.trade.record import Record, SubjectKey
from ledger.trade.statement import EXTRACTOR_VERSION, Measure, Permit, Quantity, Statement, Subject

START_MS = 1_700_000_000_000


def gln(number: int) -> str:
    """A valid 13-digit GLN from a number."""
    body = f"95212{number:07d}"
    total = sum(int(digit) * (1 if place % 2 == 0 else 3) for place, digit in enumerate(body))
    return body + str(-total % 10)


def party(number: int) -> str:
    """The canonical party of organisation number `number`."""
    return f"https://id.gs1.org/417/{gln(number)}"


def place(number: int) -> str:
    """A canonical place."""
    return f"https://id.gs1.org/414/{gln(number)}"


def gtin14(prefix: str, item: int) -> str:
    """A valid GTIN-14 with indicator 0 within a company prefix."""
    body = "0" + prefix + str(item).zfill(12 - len(prefix))
    total = sum(int(digit) * (3 if position % 2 == 0 else 1) for position, digit in enumerate(body))
    return body + str(-total % 10)


def serial(prefix: str, item: int, number: int) -> str:
    """A canonical serialised item."""
    return f"https://id.gs1.org/01/{gtin14(prefix, item)}/21/{number}"


def lot(prefix: str, item: int, batch: str) -> str:
    """A canonical lot."""
    return f"https://id.gs1.org/01/{gtin14(prefix, item)}/10/{batch}"


def sscc(prefix: str, number: int) -> str:
    """A canonical logistic unit within a company prefix."""
    body = "1" + prefix + str(number).zfill(16 - len(prefix))
    total = sum(int(digit) * (3 if position % 2 == 0 else 1) for position, digit in enumerate(body))
    return f"https://id.gs1.org/00/{body}{-total % 10}"


class Row(NamedTuple):
    """One executed item with where it stands."""

    changes: ItemChanges
    transaction: Transaction
    place: int


def seed(name: str) -> bytes:
    """A key seed from a name."""
    return hashlib.sha256(name.encode()).digest()


class World:
    """The ledger. `organisations` in order get party numbers 1, 2, ...; the first four validate.

    `certifying`: each has an authority key in genesis, which signs certificates. `hybrid`: how the names of those
    keys begin that are, "" for all that may be (and the network asks for them).
    """

    def __init__(
        self,
        organisations: Sequence[str] = ("maker", "forwarder", "carrier", "customs"),
        *,
        authorities: Iterable[str] = ("customs",),
        grants: dict[str, str] | None = None,
        issuers: dict[str, str] | None = None,
        delegates: dict[str, tuple[str, str, int]] | None = None,
        successors: dict[str, str] | None = None,
        simulated: Iterable[str] = (),
        gateways: Iterable[str] = (),
        parties: dict[str, str] | None = None,
        persons: bool = False,
        certifying: bool = False,
        hybrid: tuple[str, ...] = (),
        depth: int = 8,
        name: str = "test",
        protocol: int = PROTOCOL_NEWEST,
    ) -> None:
        self.organisations = tuple(organisations)
        self.grants = {"9521234": "maker"} if grants is None else grants
        self.hybrid = hybrid
        self.keys = {organisation: self.key(f"sign {organisation}") for organisation in organisations}
        self.devices = {
            organisation: SigningKey(seed(f"device {organisation}")) for organisation in organisations
        }
        self.approvers = {o: self.key(f"approver {o}") for o in self.organisations[:4]}
        self.delegates = {name: SigningKey(seed(f"delegate {name}")) for name in delegates or {}}
        self.gateways = {o: self.key(f"capture {o}") for o in gateways}
        self.authorities = {o: SigningKey(seed(f"authority {o}")) for o in organisations if certifying}
        seats = [(o, self.key(f"validator {o}")) for o in self.organisations[:4]]
        entries: list[tuple[int, str, Any]] = [(RegistryKind.PARAMETER, ALLOW_PERSONS, persons)]
        if protocol != PROTOCOL_OLDEST:  # which no parameter says
            entries.append((RegistryKind.PARAMETER, PROTOCOL, protocol))
        if "" in hybrid:
            entries.append((RegistryKind.PARAMETER, SIGNATURE_SUITE, 1))
        for number, organisation in enumerate(self.organisations, 1):
            roles = ("customs",) if organisation in authorities else ("logistics",)
            entries += [
                (
                    RegistryKind.ORGANISATION,
                    organisation,
                    (organisation.title(), "NL", roles, organisation in simulated),
                ),
                (
                    RegistryKind.KEY,
                    key_id(self.keys[organisation].public_key).hex(),
                    key_data(organisation, Use.SIGN, self.keys[organisation].public_key),
                ),
                (
                    RegistryKind.KEY,
                    self.devices[organisation].public_key.hex(),
                    (organisation, int(Use.DEVICE), None, None),
                ),
                (RegistryKind.PARTY, party(number), organisation),
            ]
        entries += [(RegistryKind.JURISDICTION, authority, ("*",)) for authority in authorities]
        entries += [
            (RegistryKind.GRANT, digits, organisation) for digits, organisation in self.grants.items()
        ]
        entries += [
            (RegistryKind.ISSUER, part, organisation) for part, organisation in (issuers or {}).items()
        ]
        entries += [
            (RegistryKind.PARTY, identifier, organisation)
            for identifier, organisation in (parties or {}).items()
        ]
        entries += [(RegistryKind.SUCCESSOR, old, new) for old, new in (successors or {}).items()]
        entries += [
            (RegistryKind.KEY, key_id(key.public_key).hex(), key_data(o, Use.APPROVER, key.public_key))
            for o, key in self.approvers.items()
        ]
        entries += [
            (RegistryKind.KEY, key_id(key.public_key).hex(), key_data(o, Use.CAPTURE, key.public_key))
            for o, key in self.gateways.items()
        ]
        entries += [
            (RegistryKind.KEY, key.public_key.hex(), (o, int(Use.AUTHORITY), None, None))
            for o, key in self.authorities.items()
        ]
        for key_name, (organisation, document, until_ms) in (delegates or {}).items():
            key = self.delegates[key_name]
            entries.append(
                (
                    RegistryKind.KEY,
                    key.public_key.hex(),
                    (organisation, int(Use.DELEGATE), None, (document, until_ms)),
                )
            )
        self.genesis = Genesis(
            1,
            name,
            START_MS,
            depth,
            tuple(Seat(o, key.public_key, seed(o)) for o, key in seats),
            tuple(sorted(RegistryEntry(int(k), n, (Period(0, None, data),)) for k, n, data in entries)),
        )
        check_genesis(self.genesis)
        self.network = self.genesis.network
        self.validators = ValidatorSet(self.network, [Validator(o, key.public_key) for o, key in seats])
        by_key = {key.public_key: key for _, key in seats}
        self.validator_keys: list[Signer] = [by_key[member.public_key] for member in self.validators]
        self.blobs: dict[bytes, bytes] = {}
        self.rows: list[Row] = []
        self.state = genesis_state(self.genesis, self, self.validators)
        self.closings: list[Closing] = []
        self.epoch_keys = [self.validator_keys]
        """The validators' keys of every epoch, in the order of its set."""
        self.checkpoints: list[Checkpoint] = []
        self.executions: list[Execution] = []
        self.blocks: list[tuple[Transaction, ...]] = []
        self._counter = 0

    # --- Backing
    def get(self, key: bytes) -> bytes | None:
        return self.blobs.get(key)

    def entry_row(self, sequence: int) -> ItemChanges | None:
        return self.rows[sequence].changes if sequence < len(self.rows) else None

    # --- making items
    def salt(self, length: int = 16) -> bytes:
        self._counter += 1
        return seed(f"salt {self._counter}")[:length]

    def party_of(self, organisation: str) -> str:
        return party(self.organisations.index(organisation) + 1)

    @property
    def now_ms(self) -> int:
        return self.state.tip.header.time_ms

    def item(self, action: int, subjects: Iterable[tuple[Any, ...]], **fields: Any) -> Item:
        """An item of (role, identifier[, quantity]) subjects; `to`/`source_of` name organisations."""
        receiver, sender = fields.pop("to", None), fields.pop("source_of", None)
        event = fields.pop("event_hash", None) or self.salt(32)
        statement = Statement(
            version=EXTRACTOR_VERSION,
            action=int(action),
            handover=fields.pop("handover", 0),
            time_ms=fields.pop("time_ms", self.now_ms),
            step=fields.pop("step", 0),
            disposition=fields.pop("disposition", 0),
            counterparty=self.party_of(receiver)
            if receiver is not None
            else fields.pop("counterparty", None),
            source=self.party_of(sender) if sender is not None else fields.pop("source", None),
            place=fields.pop("place", place(1)),
            documents=tuple(fields.pop("documents", ())),
            flags=int(fields.pop("flags", 0)),
            openness=1,
            cites=fields.pop("cites", None),
            measure=Measure(*fields["measure"]) if fields.get("measure") else None,
            permit=fields.pop("permit", None),
            lapse_ms=fields.pop("lapse_ms", None),
            seals=tuple(fields.pop("seals", ())),
            transformation=fields.pop("transformation", None),
        )
        fields.pop("measure", None)
        if fields:
            raise TypeError(f"unknown fields {sorted(fields)}")
        named = tuple(
            Subject(int(s[0]), s[1], Quantity(*s[2]) if len(s) > 2 and s[2] is not None else None)
            for s in subjects
        )
        return Item(statement, named, self.salt(), event, None, None)

    def attested(self, organisation: str, item: Item, counter: int) -> Item:
        """The item with an attestation by the organisation's device."""
        device = self.devices[organisation]
        message = attestation_message(
            self.network, organisation, item.event_hash, extract_hash_of(self.network, item),
            device.public_key, counter, item.statement.time_ms,
        )  # fmt: skip
        return item._replace(
            attestation=Attestation(device.public_key, counter, item.statement.time_ms, device.sign(message))
        )

    def sign(
        self, organisation: str, *items: Any, mode: Mode = Mode.EACH_ON_ITS_OWN, kind: Kind = Kind.EVENTS,
        key: Signer | None = None, expiry_ms: int | None = None,
    ) -> Transaction:  # fmt: skip
        wire = decode(encode(items), max_bytes=10_000_000)
        made = sign_transaction(
            key or self.keys[organisation], self.network, organisation, wire,
            nonce=self.salt(), expiry_ms=expiry_ms or self.now_ms + 1_800_000, kind=kind, mode=mode,
        )  # fmt: skip
        return transaction_from_wire(decode(made.to_bytes(), max_bytes=10_000_000), self.network)

    # --- committing
    def batches(self, transactions: Sequence[Transaction]) -> list[Batch]:
        """The batches of a block: none, for who only executes."""
        return []

    def header(
        self, *transactions: Transaction, advance_ms: int = 1_000, closes_epoch: bool = False
    ) -> Header:
        """The header of a next block with these transactions."""
        tip = self.state.tip.header
        return Header(
            self.state.protocol, self.network, self.state.epoch, closes_epoch, tip.height + 1, tip.hash, tip.time_ms + advance_ms, 0,
            transactions_root([t.id for t in transactions]), batches_hash(self.network, [batch.digest for batch in self.batches(transactions)]),
        )  # fmt: skip

    def commit(
        self, *transactions: Transaction, advance_ms: int = 1_000, closes_epoch: bool = False
    ) -> Execution:
        """Execute one block of these transactions and certify it."""
        header = self.header(*transactions, advance_ms=advance_ms, closes_epoch=closes_epoch)
        execution = apply_block(self.state, header, transactions)
        by_id = {t.id: t for t in transactions}
        self.rows += [Row(row, by_id[row.entry.transaction], row.entry.place) for row in execution.rows]
        self.executions.append(execution)
        self.blocks.append(transactions)
        self.checkpoints.append(self.certify(header, execution.outcome))
        return execution

    def certify(self, header: Header, outcome: Outcome, view: int = 0) -> Checkpoint:
        """The checkpoint over header and outcome by the validators of the header's epoch."""
        claim = finalise(header.epoch, view or header.height, header.hash, outcome.hash_in(self.network))
        message = claim.signing_message(self.network)
        signatures = {i: key.sign(message) for i, key in enumerate(self.epoch_keys[header.epoch])}
        certificate = make_certificate(self.state.sets[header.epoch], claim, signatures)
        return Checkpoint(header, outcome, certificate)

    def erase(self, organisation: str, sequence: int, reason: int = 0) -> str:
        """A tombstone over the event at that sequence, alone in a block; the refusal, "" if there is none."""
        item = self.rows[sequence].changes.item
        hashed = bytes(32) if item is None else item.event_hash
        execution = self.commit(self.sign(organisation, (sequence, hashed, reason), kind=Kind.ERASURE))
        return execution.receipts[0].refusal

    # --- changing the validators
    def change(
        self,
        organisations: Iterable[str] | None = None,
        parameters: Iterable[tuple[str, Any]] = (),
        protocol: int | None = None,
    ) -> EpochChange:
        """A change that closes this epoch, approved by all: the organisations validate next, each with a new key."""
        epoch = self.state.epoch
        names = [one.organisation for one in self.validators] if organisations is None else organisations
        delivered = []
        for name in names:
            key = self.epoch_key(name, epoch + 1)
            seat = Seat(name, key.public_key, seed(name))
            delivered.append((seat, prove_possession(key, self.network, epoch, seat)))
        version = self.state.protocol if protocol is None else protocol
        draft = make_change(epoch, delivered, parameters, protocol=version)
        approvals = [approve(key, name, self.network, draft) for name, key in self.approvers.items()]
        return with_approvals(draft, approvals)

    def key(self, name: str) -> SigningKey | HybridKey:
        """The key of that name, of the kind that this ledger has."""
        return (
            HybridKey.from_seed(seed(name) + seed(f"lattice {name}"))
            if name.startswith(self.hybrid)
            else SigningKey(seed(name))
        )

    def epoch_key(self, organisation: str, epoch: int) -> Signer:
        """The validator key of an organisation for one epoch."""
        return self.key(f"validator {organisation}" + (f" {epoch}" if epoch else ""))

    def carry(self, change: EpochChange, by: str | None = None) -> Transaction:
        """The transaction of an approver that carries a change."""
        sender = self.organisations[0] if by is None else by
        return self.sign(sender, change, kind=Kind.EPOCH_CHANGE, key=self.approvers[sender])

    def close_epoch(
        self,
        organisations: Iterable[str] | None = None,
        parameters: Iterable[tuple[str, Any]] = (),
        protocol: int | None = None,
    ) -> Execution:
        """Close this epoch with a block; the next one's validators go on."""
        change = self.change(organisations, parameters, protocol)
        execution = self.commit(self.carry(change), closes_epoch=True)
        self.validators = self.state.sets[-1]
        self.closings.append(Closing(self.checkpoints[-1], self.validators.members))
        self.validator_keys = [self.epoch_key(one.organisation, self.state.epoch) for one in self.validators]
        self.epoch_keys.append(self.validator_keys)
        return execution

    def do(
        self, organisation: str, action: int, subjects: Iterable[tuple[Any, ...]], **fields: Any
    ) -> tuple[int, ...]:
        """One event, alone in a block; the outcome codes of its legs. Raises KeyError with the code if it was refused."""
        key = fields.pop("key", None)
        execution = self.commit(self.sign(organisation, self.item(action, subjects, **fields), key=key))
        receipt = execution.receipts[0]
        if receipt.refusal:
            raise KeyError(receipt.refusal)
        return receipt.outcomes

    def record(self, key: SubjectKey) -> Record:
        return self.state.record(key)


__all__ = ["START_MS", "Permit", "Row", "World", "gln", "gtin14", "lot", "party", "place", "serial", "sscc"]
