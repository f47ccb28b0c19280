"""apply(block) -> outcome, receipts: one block executed on the state of its parent (PROTOCOL.md §7.2).

Every transaction of a valid block is executed or fails; nothing in here makes a block invalid. A transaction fails as a
whole when its key, organisation, use, expiry or id is wrong; an item is *refused* (wrong form, no entitlement, a limit)
or gets an entry. In all-or-nothing mode one refused item takes the others with it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from ledger.base import merkle
from ledger.base.encoding import encoder
from ledger.base.errors import (
    Code,
    ConsensusError,
    CustodyError,
    EntitlementError,
    ProofError,
    RuleError,
    SignatureError,
    StorageError,
)
from ledger.base.hashing import ZERO_HASH, Tag
from ledger.base.keys import is_hybrid, key_id
from ledger.chain import evidence
from ledger.chain.block import HYBRID_SINCE, Header, Outcome
from ledger.chain.epoch import amendments_of, check_closing_block
from ledger.chain.genesis import ALLOW_PERSONS
from ledger.chain.proposed import ProposedValidators
from ledger.chain.transaction import Header as TransactionHeader
from ledger.chain.transaction import (
    Item,
    Kind,
    Mode,
    Transaction,
    check_expiry,
)
from ledger.chain.validators import ValidatorSet
from ledger.members.acts import (
    CUSTODY,
    GOVERNANCE,
    REGISTRATION,
    check_may,
    custody_act,
    governance_act,
    is_barred,
    registration_act,
    uses_for,
)
from ledger.members.draft import Author, Change, RegistryDraft
from ledger.members.governance import apply_governance
from ledger.members.members import PLAIN_USES, Key, Members, Use
from ledger.members.registration import apply_registration, check_stands
from ledger.state.approval import apply_approval, policy_name, use_approval
from ledger.state.attestation import attested_records
from ledger.state.erasure import apply_erasure, tombstone_from_wire
from ledger.state.firsts import Firsts
from ledger.state.item import ItemChanges, execute_item, subjectless_changes
from ledger.state.links import Entry
from ledger.state.mismatch import shown_item
from ledger.state.pending import Pending, Room
from ledger.state.state import BlockUndo, LedgerState, Tip
from ledger.trade.record import Record, SubjectKey
from ledger.trade.rules import Act, check_entitled
from ledger.trade.statement import Statement, Subject

_new: Final[Any] = tuple.__new__  # half the price of a call of the class, for what every item has
SIGNING_USES = uses_for(CUSTODY)
_ACTS = {
    Kind.EVENTS: CUSTODY,
    Kind.MISMATCH: ("mismatch",),
    Kind.EVIDENCE: ("evidence",),
    Kind.GOVERNANCE: GOVERNANCE,
    Kind.REGISTRATION: tuple(REGISTRATION.values()),
    Kind.ERASURE: ("erase",),
    Kind.APPROVAL: ("approve",),
}
"""What the items of a transaction may be, by its kind."""
SIGNERS = {kind: uses_for(acts) for kind, acts in _ACTS.items()}
"""Keys of which uses may sign a transaction, by its kind: those that may do at least one act of that kind."""


Parties = tuple[str | None, str | None, bool]
"""Of a statement: the organisations of counterparty and source, and whether its author is an authority with jurisdiction."""


class Receipt(NamedTuple):
    """What executing one item did. `refusal`: an error code, "" if it got an entry."""

    transaction: bytes
    place: int
    refusal: str
    entry: bytes | None
    outcomes: tuple[int, ...]  # one code per leg, in the order of the subjects


class Execution(NamedTuple):
    """A block executed: what to certify, what to store, and how to undo it."""

    outcome: Outcome
    receipts: tuple[Receipt, ...]
    rows: tuple[ItemChanges, ...]
    records: dict[SubjectKey, Record]
    encoded: dict[bytes, bytes]
    """By state key the same records as they are stored: what their hashes in the state tree are over."""
    versions: dict[bytes, bytes]
    """By hash the encoding of every record that a related root names, but for the empty one; may hold a few more."""
    amendments: tuple[Change, ...]
    """What its items, or closing an epoch, set in the registry, in force from the next height."""
    undo: BlockUndo


def apply_block(state: LedgerState, header: Header, transactions: Sequence[Transaction]) -> Execution:
    """Execute a block whose form was checked, certified by the set of its epoch (`state.sets`).

    The state moves on to the block; `state.undo(execution.undo)` takes it back. Raises ConsensusError for a block of another
    epoch than the state's, and what `check_closing_block` raises for one that closes its epoch and may not: neither is ever
    notarised by an honest validator.
    """
    closing, sets = _succession(state, header, transactions)
    draft = RegistryDraft(state.registry, header.height)
    block, room = Pending(state), Room(state)
    receipts: list[Receipt] = []
    members = state.members(header.height)
    ids: dict[bytes, int] = {}
    firsts, signers = Firsts(state, block, room, members), dict[tuple[bytes, str, int], _Signer]()
    for transaction in transactions:
        receipts += _apply_transaction(
            state, block, room, firsts, header, members, signers, draft, transaction, ids
        )
    amendments = (*closing, *draft.changes)
    registry = state.registry.amended(header.height, amendments) if amendments else state.registry
    log = state.log.extended([row.entry_hash for row in block.rows])
    stored = {key: state.stored(key, record) for key, record in block.changes.items()}
    outcome = Outcome(
        header_hash=header.hash,
        parent_outcome_hash=state.tip.outcome.hash_in(state.network),
        receipts_root=merkle.root(receipt_leaves(state.network, receipts)),
        event_log_root=log.root(),
        event_log_size=log.size,
        state_root=state.update_tree(stored.values()),
        registry_root=registry.root,
        validators_hash=sets[header.epoch].hash,
        next_validators_hash=sets[-1].hash,
    )
    undo = state.write(stored, log, ids, Tip(header, outcome), registry, sets)
    rows = tuple(block.rows)
    state.remember_rows(rows)
    encoded = {place: data for _, _, data, place in stored.values()}
    return Execution(outcome, tuple(receipts), rows, block.changes, encoded, block.versions, amendments, undo)


def _succession(
    state: LedgerState, header: Header, transactions: Sequence[Transaction]
) -> tuple[tuple[Change, ...], tuple[ValidatorSet, ...]]:
    """What closing its epoch sets in the registry, and the sets by epoch as the block leaves them."""
    if header.epoch != state.epoch:
        raise ConsensusError(
            Code.DIVERGED, f"expected a block of epoch {state.epoch}, got one of epoch {header.epoch}"
        )
    if not header.closes_epoch:
        return (), state.sets
    approvers = state.approvers(header.height)
    change, following = check_closing_block(header, transactions, state.sets[header.epoch], approvers)
    return amendments_of(state.registry, change), (*state.sets, following)


def receipt_leaves(network: bytes, receipts: Sequence[Receipt]) -> list[bytes]:
    """What the receipts root is over: a leaf of each receipt."""
    prefix, sha256, pack = Tag.RECEIPT + network, hashlib.sha256, encoder()
    return [sha256(prefix + pack(receipt)).digest() for receipt in receipts]


class _Work(NamedTuple):
    """What the items of one transaction are executed with."""

    state: LedgerState
    pending: Pending
    header: Header
    members: Members
    draft: RegistryDraft
    key: Key
    transaction: Transaction
    signed: tuple[int, int, str, bytes, bytes]
    """What their entries have in common: height, time, organisation, key id, no related root yet."""
    policy: tuple[str, ...]
    """Acts of the organisation that wait for a person's approval."""
    persons: bool
    """Whether this network has identifiers of persons."""
    allowed: dict[tuple[int, str | None, str | None, str | None], Parties]
    """By action, counterparty, source and place: what the key may do, and who that is. Items of a transaction say much alike."""


class _Signer(NamedTuple):
    """What a block knows of whoever signs a transaction of a kind; the same for all of theirs."""

    key: Key
    known_as: bytes
    """The key's id."""
    policy: tuple[str, ...]
    persons: bool


def _apply_transaction(
    state: LedgerState,
    pending: Pending,
    room: Room,
    firsts: Firsts,
    header: Header,
    members: Members,
    signers: dict[tuple[bytes, str, int], _Signer],
    draft: RegistryDraft,
    transaction: Transaction,
    ids: dict[bytes, int],
) -> list[Receipt]:
    signed = transaction.header
    try:
        key, known_as, policy, persons = _signer(state, header, members, transaction, ids, signers)
    except CustodyError as error:
        return [_refused(transaction, index, error.code) for index in range(signed.item_count)]
    ids[transaction.id] = signed.expiry_ms
    by = (header.height, header.time_ms, signed.organisation, known_as, ZERO_HASH)
    work = _Work(state, pending, header, members, draft, key, transaction, by, policy, persons, {})
    plain = signed.kind == Kind.EVENTS and not policy and key.delegation is None
    if plain:
        firsts.begin(transaction, by, (signed.organisation, key.use), partial(_asked, work))
    receipts: list[Receipt] = []
    is_whole = signed.mode == Mode.ALL_OR_NOTHING
    failed, begun, first = False, draft.mark(), pending.begin(may_roll_back=is_whole)
    for index in range(signed.item_count):
        before = draft.mark()
        try:
            row = firsts.execute(index, state.log.size + len(pending.rows)) if plain else None
            if row is None:
                row = _apply_item(work, index)
                room.take(row.records)
        except (StorageError, ConsensusError):
            raise  # of this machine, not of the item: others would give it an entry
        except CustodyError as error:
            draft.roll_back(before)
            receipts.append(_refused(transaction, index, error.code))
            failed = True
        else:
            pending.add(row)
            codes = tuple([code for _, code in row.outcomes])
            receipts.append(_new(Receipt, (transaction.id, index, "", row.entry_hash, codes)))
    if failed and is_whole:
        room.give_back(pending.roll_back(first))
        draft.roll_back(begun)
        return [
            receipt if receipt.refusal else _refused(transaction, receipt.place, Code.ROLLED_BACK)
            for receipt in receipts
        ]
    return receipts


def _refused(transaction: Transaction, index: int, code: Code) -> Receipt:
    return Receipt(transaction.id, index, code.value, None, ())


def _signer(
    state: LedgerState,
    header: Header,
    members: Members,
    transaction: Transaction,
    ids: dict[bytes, int],
    signers: dict[tuple[bytes, str, int], _Signer],
) -> _Signer:
    """The signer of a transaction that may be executed, else the error it fails with, as of `check_admissible`.

    Who stood with an earlier transaction of the block stands with this one; it must be new and in time by itself.
    """
    signed = transaction.header
    asked = signed.public_key, signed.organisation, signed.kind
    known = signers.get(asked)
    if known is not None and signed.kind != Kind.EPOCH_CHANGE:
        _check_new(state, transaction, ids)
        check_expiry(signed, header.time_ms)
        return known
    key = check_admissible(state, header, members, transaction, ids)
    policy, persons = members.policy(signed.organisation), bool(members.parameter(ALLOW_PERSONS))
    known = signers[asked] = _Signer(key, key_id(signed.public_key), policy, persons)
    return known


def _check_new(state: LedgerState, transaction: Transaction, ids: dict[bytes, int]) -> None:
    if transaction.id in ids or transaction.id in state.remembered:
        raise RuleError(Code.REPEATED, "expected a transaction that was not executed yet, got one again")


def check_admissible(
    state: LedgerState,
    header: Header,
    members: Members,
    transaction: Transaction,
    ids: dict[bytes, int],
) -> Key:
    """The registration of the transaction's key if it may be executed in this block; else the error it fails with.

    Evidence proves itself, so a validator may report it with the key it votes with: it holds no other. A change of epoch has
    no effect but in the block that it closes, which was judged as a whole.
    """
    _check_new(state, transaction, ids)
    return check_standing(members, transaction.header, header, state.sets[header.epoch])


def check_standing(
    members: Members, signed: TransactionHeader, header: Header, validators: ValidatorSet
) -> Key:
    """The registration of a transaction's key if it may be executed in the block with this header, repetition aside.

    `validators` is the set of the block's epoch.
    """
    if signed.kind == Kind.EPOCH_CHANGE:
        if not header.closes_epoch:
            raise RuleError(
                Code.WRONG_EPOCH,
                "expected a change of epoch alone in the block that closes it, got one elsewhere",
            )
        return Key(signed.organisation, Use.APPROVER, None, None)
    check_expiry(signed, header.time_ms)
    key = members.key(signed.public_key)
    seat = validators.index_of(signed.public_key) if signed.kind == Kind.EVIDENCE else None
    if seat is not None:
        key = Key(validators[seat].organisation, Use.SIGN, None, None)
    if key is None:
        raise members.no_key(signed.public_key)
    if key.organisation != signed.organisation:
        raise EntitlementError(
            Code.NOT_ENTITLED, f"expected a key of {signed.organisation}, got one of {key.organisation}"
        )
    if key.use not in SIGNERS[Kind(signed.kind)]:
        raise EntitlementError(Code.WRONG_USE, f"expected a signing key, got one for use {key.use}")
    key.check_in_force(header.time_ms)
    _check_not_suspended(members, signed.organisation, header.time_ms, _ACTS[Kind(signed.kind)])
    is_weak = not is_hybrid(signed.public_key) and key.use not in PLAIN_USES
    if is_weak and seat is None and members.asks_for_hybrid:
        raise SignatureError(
            Code.BAD_KEY, "expected a hybrid key, as this network asks for (signature_suite), got a plain one"
        )
    return key


def _check_not_suspended(members: Members, organisation: str, time_ms: int, acts: Sequence[str]) -> None:
    """Raise EntitlementError suspended where a suspension bars every one of these acts."""
    found = members.suspension(organisation, time_ms)
    if found is None or not all(is_barred(act, is_emergency=found.is_emergency) for act in acts):
        return
    ends = "it is reinstated" if found.until_ms is None else f"block time {found.until_ms}"
    raise EntitlementError(
        Code.SUSPENDED,
        f"expected a member in good standing to {acts[0] if len(acts) == 1 else 'act'}, {organisation} is suspended until {ends}",
    )


def _apply_item(work: _Work, index: int) -> ItemChanges:
    state, pending, header, transaction = work.state, work.pending, work.header, work.transaction
    signed, raw = transaction.header, transaction.items[index]
    sequence = state.log.size + len(pending.rows)
    entry = Entry(sequence, transaction.item_hashes[index], transaction.id, index, *work.signed)
    used = use_approval(pending, work.members, entry, policy_name(signed.kind, raw)) if work.policy else {}
    if signed.kind == Kind.EVENTS:
        changes = _apply_event(work, transaction.event(index), entry)
        changes.records.update(used)
        return changes
    if signed.kind == Kind.MISMATCH:
        return _apply_mismatch(work, raw, entry)
    if signed.kind == Kind.EVIDENCE:
        check_evidence_of(
            state.sets, evidence.parse_evidence(raw, knows_hybrid=header.version >= HYBRID_SINCE)
        )
    if signed.kind == Kind.ERASURE:
        tombstone = tombstone_from_wire(raw)
        original = _row(state, pending, tombstone.sequence)
        changes = apply_erasure(state.network, pending, tombstone, original, entry)
        changes.records.update(used)
        return changes
    if signed.kind == Kind.APPROVAL:
        return apply_approval(state.network, pending, entry, raw)
    if signed.kind in (Kind.GOVERNANCE, Kind.REGISTRATION):
        _amend(state, header, work.members, work.draft, work.key, signed, raw)
    return subjectless_changes(state.network, entry)._replace(records=used)


def _amend(
    state: LedgerState,
    header: Header,
    members: Members,
    draft: RegistryDraft,
    key: Key,
    signed: TransactionHeader,
    raw: Any,
) -> None:
    """Let one item of governance or registration set what it sets in the registry; a CustodyError refuses it."""
    act = act_name(Kind(signed.kind), raw)
    check_may(act, key.use)
    _check_not_suspended(members, signed.organisation, header.time_ms, (act,))
    seats = tuple(one.organisation for one in state.sets[header.epoch])
    author = Author(
        state.network,
        signed.organisation,
        signed.public_key,
        key.use,
        header.height,
        header.time_ms,
        seats,
    )
    check_stands(draft, author.public_key)
    if signed.kind == Kind.GOVERNANCE:
        proposed = ProposedValidators(
            header.epoch, state.sets[header.epoch], header.version, signed.public_key
        )
        apply_governance(draft, members, author, raw, proposed)
    else:
        apply_registration(draft, members, author, raw)


def check_amending(
    state: LedgerState, header: Header, members: Members, key: Key, transaction: Transaction
) -> None:
    """Raise what would refuse acts that amend the registry, in the block with this header; nothing is changed.

    Only of all-or-nothing transactions: of others every item has a receipt of its own.
    """
    signed = transaction.header
    if signed.kind in (Kind.GOVERNANCE, Kind.REGISTRATION) and signed.mode == Mode.ALL_OR_NOTHING:
        draft = RegistryDraft(state.registry, header.height)
        for raw in transaction.items:
            _amend(state, header, members, draft, key, signed, raw)


def act_name(kind: Kind, raw: Any) -> str:
    """The act that an item of governance or registration is; FormError for none."""
    first = raw[0] if type(raw) is tuple and raw else None
    return governance_act(first) if kind == Kind.GOVERNANCE else registration_act(first)


def parties_of(members: Members, statement: Statement, organisation: str) -> Parties:
    """What the registry makes of those that a statement names, and of who says it."""
    return (
        None if statement.counterparty is None else members.party(statement.counterparty),
        None if statement.source is None else members.party(statement.source),
        members.is_authority(organisation, statement.place),
    )


def act_of(members: Members, statement: Statement, event: bytes, entry: Entry, key: Key) -> Act:
    """The act that an item is: `event` is its event hash; parties are looked up in the registry."""
    parties = parties_of(members, statement, entry.organisation)
    return Act(statement, event, entry.organisation, key.delegation, entry.time_ms, entry.sequence, *parties)


def _asked(
    work: _Work, statement: Statement, subjects: tuple[Subject, ...], event: bytes, sequence: int
) -> Act:
    """The act of the transaction's signer that an event is; a CustodyError if it may not be."""
    organisation = work.transaction.header.organisation
    asked = (statement.action, statement.counterparty, statement.source, statement.place)
    parties = work.allowed.get(asked)
    if parties is None:
        parties = parties_of(work.members, statement, organisation)
        check_may(custody_act(statement.action), work.key.use, is_authority=parties[2])
        work.allowed[asked] = parties
    act = Act(statement, event, organisation, work.key.delegation, work.header.time_ms, sequence, *parties)
    check_entitled(act, subjects, allow_persons=work.persons)
    return act


def _apply_event(work: _Work, item: Item, entry: Entry) -> ItemChanges:
    network, pending, members = work.state.network, work.pending, work.members
    act = _asked(work, item.statement, item.subjects, item.event_hash, entry.sequence)
    attested = attested_records(network, pending, members, item, entry)
    changes = execute_item(network, pending, members, act, item, entry)
    changes.records.update(attested)
    return changes


def _apply_mismatch(work: _Work, raw: Any, entry: Entry) -> ItemChanges:
    """An event's bytes contradict its extract; any holder of the bytes may publish it (DESIGN §4 Bytes)."""
    state, pending = work.state, work.pending
    item = shown_item(state.network, pending, partial(_row, state, pending), raw)
    act = act_of(work.members, item.statement, item.event_hash, entry, work.key)
    return execute_item(state.network, pending, work.members, act, item, entry)


def _row(state: LedgerState, pending: Pending, sequence: int) -> ItemChanges | None:
    """What the item with that place in the event log did, of this block or before it."""
    place = sequence - state.log.size
    if place < 0:
        return state.entry_row(sequence)
    return pending.rows[place] if place < len(pending.rows) else None


def check_evidence_of(sets: Sequence[ValidatorSet], shown: evidence.Evidence) -> None:
    """Raise ProofError unless two claims of one validator contradict each other, by the set of the epoch they name."""
    epoch = shown.first.epoch
    if epoch >= len(sets):
        raise ProofError(
            Code.NOT_PROVEN, f"expected evidence of an epoch up to {len(sets) - 1}, got one of epoch {epoch}"
        )
    evidence.check_evidence(sets[epoch], shown)
