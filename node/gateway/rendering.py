"""What the ledger holds, as JSON for people and programs that do not speak its wire forms (API.md §4).

Names are those of the ledger's own types; hashes, keys and signatures are lower-case hexadecimal; times are Unix milliseconds
in `..._ms`, and beside block times also RFC 3339 text. Empty members of a record are left out, so what is shown is what is so.
Nothing here is proof: proofs are bundles and checkpoints in their own encoding.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from functools import lru_cache
from typing import Any, Final

from ledger.base import limits
from ledger.base.encoding import decode
from ledger.base.keys import key_id
from ledger.chain.block import Header
from ledger.chain.certificate import Certificate, Checkpoint
from ledger.chain.genesis import Genesis
from ledger.chain.transaction import Item, item_from_wire
from ledger.members.members import Use
from ledger.members.registry import Kind as RegistryKind
from ledger.state.links import Entry
from ledger.trade.record import EMPTY, Origin, Record, Space, Status, SubjectKey
from ledger.trade.rules.outcomes import BOUND_TOO, Outcome, is_applied, row_of
from ledger.trade.statement import Action, Flag, Openness, Role, Statement, Subject
from ledger.trade.vocabulary import Disposition, Step
from node.local.protocol import FinalBlock, HistoryRow, NodeStatus, RecordAt, State, TransactionStatus

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_encode: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_LAST_MS: Final = 253_402_300_799_999
_WORDS: Final = {State.PENDING: "accepted", State.FINAL: "final", State.REFUSED: "refused"}


def to_json(value: Any) -> bytes:
    """Compact JSON, UTF-8."""
    return _encode(value).encode()


def time_text(time_ms: int) -> str | None:
    """RFC 3339 in UTC, None for a time that no calendar has."""
    if not 0 <= time_ms <= _LAST_MS:
        return None
    moment = _EPOCH + timedelta(milliseconds=time_ms)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _word(kind: type[IntEnum], value: int) -> str:
    try:
        return kind(value).name.lower()
    except ValueError:
        return str(value)


# ---- transactions


@lru_cache(maxsize=1_024)
def outcome_json(code: int) -> dict[str, Any]:
    """An outcome code with its name, whether the event did to this subject what it says, and the row of the rules."""
    name = Outcome(code % BOUND_TOO).name.lower()
    if code >= BOUND_TOO:
        name += "_and_bound"
    return {"code": code, "name": name, "applied": is_applied(code), "row": row_of(code)}


def transaction_json(status: TransactionStatus) -> dict[str, Any]:
    """A transaction's standing: accepted, final with its receipts, or refused with code and sentence."""
    shown: dict[str, Any] = {"id": status.transaction.hex(), "status": _WORDS[status.state]}
    if status.state == State.REFUSED:
        return shown | {"code": status.code, "detail": status.message}
    if status.height is not None and status.time_ms is not None:
        shown |= {"height": status.height, "time_ms": status.time_ms, "time": time_text(status.time_ms)}
    if status.state == State.FINAL:
        shown["receipts"] = [
            {
                "place": receipt.place,
                "refusal": receipt.refusal or None,
                "entry": None if receipt.entry is None else receipt.entry.hex(),
                "outcomes": [outcome_json(code) for code in receipt.outcomes],
            }
            for receipt in status.receipts
        ]
    return shown


# ---- blocks


def header_json(header: Header) -> dict[str, Any]:
    """A block header with its hash."""
    return {
        "hash": header.hash.hex(),
        "version": header.version,
        "network": header.network.hex(),
        "epoch": header.epoch,
        "closes_epoch": header.closes_epoch,
        "height": header.height,
        "parent": header.parent.hex(),
        "time_ms": header.time_ms,
        "time": time_text(header.time_ms),
        "proposer": header.proposer,
        "transactions_root": header.transactions_root.hex(),
        "batches_hash": header.batches_hash.hex(),
    }


def certificate_json(certificate: Certificate) -> dict[str, Any]:
    """A certificate: what was signed, by which validators."""
    claim, size = certificate.claim, 64
    signatures = [
        certificate.signatures[at : at + size].hex() for at in range(0, len(certificate.signatures), size)
    ]
    return {
        "engine": certificate.engine,
        "kind": claim.kind.name.lower(),
        "epoch": claim.epoch,
        "view": claim.view,
        "block": None if claim.block is None else claim.block.hex(),
        "outcome": None if claim.outcome is None else claim.outcome.hex(),
        "signers": certificate.signer_indices(),
        "signatures": signatures,
    }


def _hex_fields(value: Any) -> dict[str, Any]:
    return {
        name: member.hex() if type(member) is bytes else member
        for name, member in zip(value._fields, value, strict=True)
    }


def checkpoint_json(checkpoint: Checkpoint) -> dict[str, Any]:
    """A checkpoint; for proofs take it as msgpack."""
    outcome = checkpoint.outcome
    return {
        "header": header_json(checkpoint.header),
        "outcome": {"hash": outcome.hash_in(checkpoint.header.network).hex()} | _hex_fields(outcome),
        "certificate": certificate_json(checkpoint.certificate),
    }


def block_json(block: FinalBlock) -> dict[str, Any]:
    """A final block: header, outcome, certificate if it was certified directly, transactions with their receipts."""
    return {
        "header": header_json(block.header),
        "outcome": {"hash": block.outcome.hash_in(block.header.network).hex()} | _hex_fields(block.outcome),
        "certificate": None if block.certificate is None else certificate_json(block.certificate),
        "transactions": [transaction_json(status) for status in block.receipts],
    }


def block_notice(block: FinalBlock) -> dict[str, Any]:
    """What followers hear of a block: enough to know whether to ask for more."""
    return {
        "height": block.header.height,
        "time_ms": block.header.time_ms,
        "time": time_text(block.header.time_ms),
        "hash": block.header.hash.hex(),
        "outcome": block.outcome.hash_in(block.header.network).hex(),
        "entries": block.outcome.event_log_size,
        "transactions": [
            {
                "id": status.transaction.hex(),
                "items": len(status.receipts),
                "refused": sum(1 for receipt in status.receipts if receipt.refusal),
            }
            for status in block.receipts
        ],
    }


# ---- subjects


def key_json(key: SubjectKey) -> dict[str, Any]:
    """What a record is about."""
    shown: dict[str, Any] = {"id": key.identifier, "space": _word(Space, key.space)}
    if key.holder:
        shown["holder"] = key.holder
    return shown


def _plain(value: Any) -> Any:
    """A record's member as JSON: named tuples as objects, bytes as hexadecimal."""
    if type(value) is bytes:
        return value.hex()
    if isinstance(value, tuple):
        fields = getattr(value, "_fields", None)
        if fields is None:
            return [_plain(member) for member in value]
        return {name: _plain(member) for name, member in zip(fields, value, strict=True)}
    return value


_ALWAYS: Final = frozenset({"status", "origin", "custodian", "links", "asides"})


def record_json(record: Record) -> dict[str, Any]:
    """The members of a record that say something."""
    shown = {
        name: _plain(member)
        for name, member, default in zip(Record._fields, record, EMPTY, strict=True)
        if name in _ALWAYS or member != default
    }
    shown["status"] = _word(Status, record.status)
    shown["origin"] = _word(Origin, record.origin)
    if record.inside:
        shown["inside"] = [{"authority": authority, "held": number} for authority, number in record.inside]
    if record.tally != EMPTY.tally:
        shown["tally"] = dict(zip(("consumed", "recorded", "unattested"), record.tally, strict=True))
    return shown


def record_at_json(key: SubjectKey, found: RecordAt) -> dict[str, Any]:
    """A subject's record and as of when."""
    return {
        "subject": key_json(key),
        "height": found.height,
        "time_ms": found.time_ms,
        "time": time_text(found.time_ms),
        "record": record_json(found.record),
    }


def _subject_json(subject: Subject) -> dict[str, Any]:
    shown: dict[str, Any] = {"role": _word(Role, subject.role), "id": subject.identifier}
    if subject.quantity is not None:
        shown["quantity"] = _plain(subject.quantity)
    return shown


def statement_json(statement: Statement) -> dict[str, Any]:
    """What an event says, in the ledger's words; members that say nothing are left out."""
    shown = {
        name: _plain(member)
        for name, member in zip(Statement._fields, statement, strict=True)
        if member is not None and member != ()
    }
    shown["action"] = _word(Action, statement.action)
    shown["handover"] = _word(Action, statement.handover) if statement.handover else None
    shown["step"] = _word(Step, statement.step) if statement.step else None
    shown["disposition"] = _word(Disposition, statement.disposition) if statement.disposition else None
    shown["flags"] = [flag.name.lower() for flag in Flag(statement.flags) if flag.name]
    shown["openness"] = _word(Openness, statement.openness)
    shown["time"] = time_text(statement.time_ms)
    return {name: member for name, member in shown.items() if member is not None and member != []}


def _entry_json(entry: Entry) -> dict[str, Any]:
    return {
        "sequence": entry.sequence,
        "height": entry.height,
        "time_ms": entry.time_ms,
        "time": time_text(entry.time_ms),
        "transaction": entry.transaction.hex(),
        "place": entry.place,
        "organisation": entry.organisation,
        "public_key": entry.public_key.hex(),
    }


def row_json(row: HistoryRow, key: SubjectKey) -> dict[str, Any]:
    """One link of a chain: what the item did to this subject, who signed it, when it was final, what it says."""
    shown: dict[str, Any] = {
        "position": row.position,
        "outcome": outcome_json(row.link.code),
        "custodian": row.link.custodian,
        "entry": {"hash": row.link.entry.hex()} | _entry_json(row.entry),
    }
    if row.item is not None:
        item: Item = item_from_wire(decode(row.item, max_bytes=limits.TRANSACTION_BYTES))
        shown["event"] = item.event_hash.hex()
        shown["attested"] = item.attestation is not None
        shown["statement"] = statement_json(item.statement)
        shown["subjects"] = len(item.subjects)
        shown["named_as"] = [_subject_json(s) for s in item.subjects if s.identifier == key.identifier]
    return shown


# ---- network and node


def genesis_json(genesis: Genesis) -> dict[str, Any]:
    """Who a network is: its id, validators, organisations, and how many keys each has. The file itself is the anchor."""
    keys: dict[str, list[dict[str, str]]] = {}
    for entry in genesis.entries:
        if entry.kind == RegistryKind.KEY:
            owner, use = entry.at(0)[:2]
            keys.setdefault(owner, []).append({"public_key": entry.name, "use": _word(Use, use)})
    return {
        "network": genesis.network.hex(),
        "name": genesis.name,
        "time_ms": genesis.time_ms,
        "time": time_text(genesis.time_ms),
        "validators": [
            {"organisation": seat.organisation, "public_key": key_id(seat.public_key).hex()}
            for seat in genesis.validators
        ],
        "organisations": [
            dict(zip(("name", "country", "roles", "simulated", "lei"), entry.at(0), strict=False))
            | {"id": entry.name, "keys": keys.get(entry.name, [])}
            for entry in genesis.entries
            if entry.kind == RegistryKind.ORGANISATION
        ],
    }


def status_json(status: NodeStatus) -> dict[str, Any]:
    """How the validator is doing, less what only its operator needs."""
    return {
        "network": status.network.hex(),
        "name": status.name,
        "organisation": status.organisation,
        "phase": status.phase,
        "height": status.height,
        "time_ms": status.time_ms,
        "time": time_text(status.time_ms),
        "checkpoint_height": status.checkpoint_height,
        "view": status.view,
        "leader": status.leader,
        "pending_transactions": status.pending_transactions,
        "pending_bytes": status.pending_bytes,
        "peers": [
            {"organisation": peer.organisation, "connected": peer.is_connected} for peer in status.peers
        ],
        "warnings": list(status.warnings),
    }
