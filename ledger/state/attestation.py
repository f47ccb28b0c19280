"""What a device attested to at capture executes once, and gaps in its counter show (DESIGN §4 Item; PROTOCOL.md §5, spaces 7 and 8).

Invariant: nothing is written of an attestation whose item is refused, so its counter is not spent.
"""

from __future__ import annotations

from ledger.base.errors import Code, EntitlementError, RuleError, SignatureError
from ledger.chain.transaction import Item, extract_hash_of, is_attested
from ledger.members.members import Members, Use
from ledger.state.item import Records
from ledger.state.links import Entry
from ledger.trade.record import EMPTY, Record, Space, Status, SubjectKey


def attested_records(
    network: bytes, records: Records, members: Members, item: Item, entry: Entry
) -> dict[SubjectKey, Record]:
    """Check a device's attestation; the records that make (device, counter) execute once and let gaps show."""
    attestation = item.attestation
    if attestation is None:
        return {}
    device = members.key(attestation.device_key)
    if device is None or device.use != Use.DEVICE or device.organisation != entry.organisation:
        raise EntitlementError(
            Code.UNKNOWN_KEY,
            f"expected a device key of {entry.organisation}, got {attestation.device_key.hex()[:16]}",
        )
    device.check_in_force(entry.time_ms)
    extract_digest = extract_hash_of(network, item)
    if not is_attested(network, entry.organisation, item.event_hash, extract_digest, attestation):
        raise SignatureError(
            Code.BAD_SIGNATURE, "expected an attestation that holds for this item, it does not"
        )
    name = attestation.device_key.hex()
    once = SubjectKey(Space.ATTESTED, name, str(attestation.counter))
    if records.record(once) != EMPTY:
        raise RuleError(
            Code.ATTESTATION_REPEATED,
            f"expected a new counter of this device, got {attestation.counter} again",
        )
    seen = SubjectKey(Space.DEVICE, name)
    known = records.record(seen)
    return {
        once: Record(status=Status.ENDED, moved=entry.sequence),
        seen: known._replace(
            status=Status.LIVE,
            custodian=entry.organisation,
            children=known.children + 1,
            levels=max(known.levels, attestation.counter),
            moved=entry.sequence,
        ),
    }
