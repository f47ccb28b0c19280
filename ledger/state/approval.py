"""A person approved an act: what stands on the ledger of it, and the acts that wait for it (PERSONS.md §2).

    item = [act hash, credential hash, key thumbprint, assertion hash]      of a transaction of kind APPROVAL; 32 bytes each

The act is an item of a transaction, known by its item hash, which binds every byte of it; the person's passkey signed that very
hash. Neither name, nor key, nor anything biometric is on the ledger: the credential stands as a hash for this network, the key
as its COSE thumbprint (RFC 9679), the assertion as a hash by which whoever keeps it can show it later.

Execution cannot see a person. It holds the organisation to its own policy: an act that the policy names is refused unless the
organisation's approval of it stands, signed by another key than the act's, given not longer ago than APPROVAL_LIVE_MS of block
time, and not used. So neither the key that acts nor the key of the gateway that saw the person can act alone. Using an approval
writes which entry used it; the record in the state proves to an offline verifier that each such act was approved.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from ledger.base import limits
from ledger.base.encoding import take_array, take_bytes
from ledger.base.errors import Code, EntitlementError, RuleError
from ledger.base.hashing import HASH_BYTES
from ledger.chain.transaction import Kind
from ledger.members.members import Members
from ledger.members.policy import CUSTODY_ACTS, ERASE, GOVERNANCE_ACTS, REGISTRATION_ACTS
from ledger.state.item import ItemChanges, Records, subjectless_changes
from ledger.state.links import Entry
from ledger.trade.record import EMPTY, Record, Space, Status, SubjectKey
from ledger.trade.statement import Action

ACTIONS: Final = dict(
    zip(
        (
            Action.HOLD,
            Action.RELEASE,
            Action.PERMIT,
            Action.CONFIRM,
            Action.DISMISS,
            Action.END,
            Action.CORRECT,
        ),
        CUSTODY_ACTS,
        strict=True,
    )
)
"""Actions of events that a policy may name."""


class Approval(NamedTuple):
    """One item of a transaction of kind APPROVAL."""

    act: bytes
    """The item hash of what was approved."""
    credential: bytes
    """Hash of the credential's id, for this network only."""
    thumbprint: bytes
    """COSE key thumbprint (RFC 9679, SHA-256) of the credential's public key."""
    assertion: bytes
    """Hash of the assertion that the approver's device made."""


class Standing(NamedTuple):
    """What the state keeps of an approval."""

    credential: str
    thumbprint: str
    assertion: str
    key: str
    """Of the approval's transaction, in hexadecimal."""
    given: int
    """Sequence of the approval's entry."""
    time_ms: int
    """Block time at which it was given."""
    used: int | None
    """Sequence of the act's entry."""

    def is_live(self, time_ms: int) -> bool:
        """Whether an act may still use it at that block time."""
        return self.used is None and time_ms <= self.time_ms + limits.APPROVAL_LIVE_MS


def approval_from_wire(value: Any) -> Approval:
    """An approval from a decoded array; FormError."""
    fields = take_array(value, "approval", len(Approval._fields))
    return Approval._make(
        take_bytes(field, name, HASH_BYTES) for field, name in zip(fields, Approval._fields, strict=True)
    )


def approval_key(act: bytes, organisation: str) -> SubjectKey:
    """Where the state keeps an organisation's approval of an act."""
    return SubjectKey(Space.APPROVAL, act.hex(), organisation)


def standing_of(record: Record) -> Standing | None:
    """The approval that a record of `Space.APPROVAL` says, None where there is none."""
    if record.status == Status.UNBORN or record.maker is None or len(record.seals) != 3:
        return None
    credential, thumbprint, assertion = record.seals
    used = record.passed if record.status == Status.CONSUMED else None
    return Standing(credential, thumbprint, assertion, record.maker, record.moved, record.children, used)


def apply_approval(network: bytes, records: Records, entry: Entry, raw: Any) -> ItemChanges:
    """Execute an approval; RuleError(not_applicable) while an earlier one of the same act stands, or once it was used.

    Not `repeated`, which is of whole transactions: who waits for one that is, waits for its first execution.
    """
    approval = approval_from_wire(raw)
    key = approval_key(approval.act, entry.organisation)
    before = standing_of(records.record(key))
    if before is not None and (before.used is not None or before.is_live(entry.time_ms)):
        raise RuleError(
            Code.NOT_APPLICABLE, "expected an act without an approval that stands or was used, it has one"
        )
    record = Record(
        status=Status.LIVE,
        maker=entry.public_key.hex(),
        custodian=entry.organisation,
        seals=(approval.credential.hex(), approval.thumbprint.hex(), approval.assertion.hex()),
        children=entry.time_ms,
        moved=entry.sequence,
    )
    return subjectless_changes(network, entry)._replace(records={key: record})


def policy_name(kind: int, raw: Any) -> str | None:
    """What a policy calls an item, None if no policy can name it. `raw` may be of any form: who executes it judges that."""
    if kind == Kind.ERASURE:
        return ERASE
    if type(raw) is not tuple or not raw or (type(raw[0]) is not int and kind != Kind.EVENTS):
        return None
    if kind == Kind.EVENTS:
        return ACTIONS.get(raw[0][1]) if type(raw[0]) is tuple and len(raw[0]) > 1 else None
    if kind == Kind.GOVERNANCE:
        return dict(enumerate(GOVERNANCE_ACTS)).get(raw[0])
    return REGISTRATION_ACTS.get(raw[0]) if kind == Kind.REGISTRATION else None


def use_approval(
    records: Records, members: Members, entry: Entry, act: str | None
) -> dict[SubjectKey, Record]:
    """The approval's record as used by `entry`, nothing where no policy asks for one.

    EntitlementError(not_approved) unless one stands that is live, unused, and of another key than the act's, which is neither
    revoked nor marked as compromised: who stole a gateway's key could lay in approvals for a day.
    """
    if act is None or act not in members.policy(entry.organisation):
        return {}
    key = approval_key(entry.item_hash, entry.organisation)
    record = records.record(key)
    standing = standing_of(record)
    reason = None
    if standing is None:
        reason = "none stands"
    elif not standing.is_live(entry.time_ms):
        reason = "it was used" if standing.used is not None else "it was given too long ago"
    elif standing.key == entry.public_key.hex():
        reason = "the act's own key gave it"
    elif not _is_trusted(members, standing.key):
        reason = "the key that gave it was revoked since, or marked as compromised"
    if reason is not None:
        raise EntitlementError(
            Code.NOT_APPROVED,
            f"expected a person's approval of this very act, as the policy of {entry.organisation} on {act!r} demands; {reason}",
        )
    return {key: record._replace(status=Status.CONSUMED, passed=entry.sequence)}


def _is_trusted(members: Members, name: str) -> bool:
    key = members.key(bytes.fromhex(name))
    return key is not None and key.compromised_since is None


def is_approved(record: Record, entry: Entry) -> bool:
    """Whether the record proves that the act with this entry was approved: what `use_approval` left behind."""
    standing = standing_of(record) if record != EMPTY else None
    return (
        standing is not None
        and standing.used == entry.sequence
        and standing.given < entry.sequence
        and standing.key != entry.public_key.hex()
        and entry.time_ms <= standing.time_ms + limits.APPROVAL_LIVE_MS
    )
