"""Codes and identifiers in words: the timeline of a subject, names, instants (PROOF.md §7).

Sentences say who states what, never that something is true; times of blocks are said as such, times claimed by authors
are said to be claimed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ledger.base.calendar import date_from_days
from ledger.members.members import Members, Use
from ledger.trade.record import Contradiction, Origin, Record, Space, SubjectKey
from ledger.trade.rules import EXTERNAL, Outcome
from ledger.trade.rules.outcomes import BOUND_TOO
from ledger.trade.rules.view import identify

if TYPE_CHECKING:
    from ledger.proof.replay import Replayed, Step
    from ledger.proof.verify import Findings

_MINUTE_MS: Final = 60_000
_LICENSED: Final = (Outcome.MADE_LICENSED, Outcome.ORIGIN_SET_LICENSED)

SENTENCES: Final[dict[int, str]] = {
    Outcome.CORRECTED: "{who} corrected its earlier statement; the effect is undone",
    Outcome.CORRECTION_STANDS: "{who} corrected its earlier statement; the effect stands",
    Outcome.CORRECTION_INERT: "{who} corrected a statement that it does not name",
    Outcome.MADE: "made by {who}, holder of the prefix grant",
    Outcome.MADE_UNATTESTED: "{who} states to have made it; the prefix is not granted to it",
    Outcome.ORIGIN_SET: "{who}, holder of the prefix grant, states to have made it",
    Outcome.MADE_LICENSED: "made by {who}, under licence of the holder of the prefix grant",
    Outcome.ORIGIN_SET_LICENSED: "{who}, under licence of the holder of the prefix grant, states to have made it",
    Outcome.RESTATED: "{who} stated again to have made it",
    Outcome.CONTESTED: "SECOND COMMISSIONING claimed by {who}",
    Outcome.CONSUMED: "consumed by {who} in a transformation",
    Outcome.INPUT_RECORDED: "{who} states to have used it as an input; recorded only",
    Outcome.TRANSFORMED: "{who} recorded inputs and outputs",
    Outcome.PACKED: "packed by {who}",
    Outcome.CONTENTS_ADDED: "{who} packed into it",
    Outcome.PARENT_BORN: "first used by {who} to pack into",
    Outcome.CYCLE: "{who} states a packing that would contain itself; recorded only",
    Outcome.TOO_DEEP: "{who} states a packing nested too deep; recorded only",
    Outcome.UNPACKED: "unpacked by {who}",
    Outcome.CONTENTS_REMOVED: "{who} took out of it",
    Outcome.FIRST_SEEN_UNPACKED: "first seen when {who} unpacked it",
    Outcome.CHILD_LEFT: "its contents changed by an event of {who} that does not name it",
    Outcome.UNPACKED_ALL: "emptied by {who}",
    Outcome.CONTENT_AGREES: "{who} found it inside, as recorded",
    Outcome.CONTENT_NOT_INSIDE: "{who} states to have found it inside; the ledger says it was not",
    Outcome.OFFERED: "offered by {who} to {receiver}",
    Outcome.LEFT_TO_EXTERNAL: "sent by {who} to {counterparty}, who is no member",
    Outcome.ALREADY_OFFERED: "{who} offered it again while an offer stands",
    Outcome.OFFERED_OPEN: "shipped by {who}, recipient not named",
    Outcome.ACCEPTED: "accepted by {who}: two-sided",
    Outcome.TAKEN: "taken by {who}, not named by the sender",
    Outcome.ACCEPTED_WITH_RESERVATION: "received with reservation by {who}: two-sided",
    Outcome.MISSING: "{who} states that it did not come; it stays with the sender",
    Outcome.TAKEN_WITH_RESERVATION: "taken with reservation by {who}, not named by the sender",
    Outcome.CLAIMED: "ONE-SIDED: {who} claims to hold it",
    Outcome.CLAIMED_CUSTODY: "ONE-SIDED: {who} claims custody; nobody held it on the ledger",
    Outcome.CLAIM_NOT_NOTED: "{who} claims it again",
    Outcome.COMPLETED: "{who} signed late: the claim is now two-sided",
    Outcome.COMPLETION_TOO_LATE: "{who} signs late, and is no longer the custodian it was claimed from; no effect",
    Outcome.WITHDRAWN: "offer withdrawn by {who}",
    Outcome.VOIDED: "{who} voided the unconfirmed taking; custody is back",
    Outcome.REJECTED: "rejected by {who}",
    Outcome.DISPUTED: "DISPUTED by {who}",
    Outcome.OBSERVED: "reported by {who}",
    Outcome.FIRST_SEEN: "first seen by {who}; origin unattested",
    Outcome.TRAVELS_INSIDE: "{who} names it with the container it travels in",
    Outcome.WITHIN: "{who} moved it within its own custody",
    Outcome.COMMERCIAL_HOLD: "held by {who}, commercial",
    Outcome.HELD: "HELD by {who}, case {case}, under {basis}",
    Outcome.ALREADY_HELD: "{who} holds it already under case {case}",
    Outcome.HOLDS_FULL: "{who} states a hold beyond the number kept; recorded only",
    Outcome.RELEASED: "released by {who}, case {case}",
    Outcome.NO_SUCH_HOLD: "{who} names a hold that does not stand",
    Outcome.BREACH: "BREACH: {who} acted while an authority's hold stood; no effect",
    Outcome.BREACH_CLAIMED_EARLIER: "BREACH: {who} claims to have acted before the hold; no effect",
    Outcome.INTERVENED: "inspected or resealed by {who}",
    Outcome.SAMPLED: "sampled by {who}",
    Outcome.SAMPLE_MADE: "drawn as a sample by {who}",
    Outcome.BOUND: "declared by {who}",
    Outcome.BOUND_UNVERIFIED: "declared by {who}, unverified declarant",
    Outcome.BOUND_FOREIGN: "declared by {who} under a document of somebody else",
    Outcome.BINDINGS_FULL: "{who} binds more documents than are kept; recorded only",
    Outcome.UNBOUND: "unbound from its document by {who}",
    Outcome.UNBOUND_ALL: "{who} ended all bindings of the document",
    Outcome.NOT_BOUND: "{who} unbinds what is not bound; recorded only",
    Outcome.ALREADY_BOUND: "{who} declares it again; the declaration that stands is kept",
    Outcome.ENDED: "ended by {who}: destroyed, decommissioned or sold",
    Outcome.CONFIRMED: "confirmed by {who}",
    Outcome.DISMISSED: "dismissed by {who}",
    Outcome.NOTHING_TO_RULE: "{who} rules on nothing that stands open",
    Outcome.CONTRADICTION: "claimed by {who}, against the record; no effect",
    Outcome.OFFER_STANDS: "{who} acted while an offer stands; no effect",
    Outcome.CONFIRMATION_WAITS: "{who} acted before its taking was confirmed; no effect",
    Outcome.NOT_TOGETHER: "{who} packs what it does not hold together; no effect",
    Outcome.PERMITTED: "{who} permits a movement under hold",
    Outcome.LOT_MOVED_OUT: "quantity moved out by {who}",
    Outcome.LOT_MOVED_IN: "quantity moved in by {who}",
    Outcome.LOT_MADE: "lot made by {who}",
    Outcome.LOT_REDUCED: "quantity used up by {who}",
    Outcome.NOT_BALANCED: "named by {who} without a quantity that can be balanced",
    Outcome.LOTS_FULL: "{who} packs more lots than are kept; recorded only",
    Outcome.LOT_EXCEEDED: "more than its balance moved or used up by {who}; the rest is unattested",
    Outcome.BYTES_MISMATCH: "{who} publishes that an event's bytes contradict what its author put on the ledger",
}


def instant(time_ms: int) -> str:
    """Unix milliseconds as `YYYY-MM-DD HH:MM UTC` (proleptic Gregorian; no library, so no locale and no bounds)."""
    minutes = time_ms // _MINUTE_MS
    days, minute = divmod(minutes, 1440)
    year, month, day = date_from_days(days)
    return f"{year:04d}-{month:02d}-{day:02d} {minute // 60:02d}:{minute % 60:02d} UTC"


def licensor_of(members: Members, step: Step) -> str | None:
    """Under whose licence a step made what it is about: who held the prefix then; None if it made nothing under any."""
    if step.aside or step.inside or step.link.code % BOUND_TOO not in _LICENSED:
        return None
    return members.at(step.opened.entry.height).grantee(identify(step.key.identifier).digits)


def display(key: SubjectKey) -> str:
    """An identifier as people know it: item (01)…(21)…, unit (00)…, container CSQU3054383."""
    text = key.identifier
    if text.startswith("https://id.gs1.org/"):
        parts = text[len("https://id.gs1.org/") :].split("/")
        text = "".join(f"({ai}){value}" for ai, value in zip(parts[::2], parts[1::2], strict=False))
    elif text.startswith("urn:epc:id:bic:"):
        text = f"container {text[15:]}"
    elif text.startswith("urn:custody:doc:"):
        text = text[16:].replace(":", " ", 1)
    if key.space == Space.BALANCE:
        return f"{text} with {key.holder}"
    return text


class Narrator:
    """Words for one file's findings."""

    def __init__(self, findings: Findings) -> None:
        self._members = findings.members
        self._findings = findings

    def name(self, organisation: str | None) -> str:
        """A custodian or organisation in words."""
        if organisation is None:
            return "nobody on the ledger"
        if organisation.startswith(EXTERNAL):
            return f"{organisation[len(EXTERNAL) :]} (no member)"
        return organisation

    def holder(self, replayed: Replayed) -> str:
        """Who holds it, for the first line."""
        if replayed.key.space != Space.THING:
            return "on the ledger"
        claimed = " (claimed)" if replayed.whole[-1].claimed else ""
        return f"held by {self.name(replayed.custodian)}{claimed}"

    def origin_of(self, key: SubjectKey, record: Record) -> str:
        """The origin of what is not a thing."""
        if key.space == Space.DOCUMENT:
            verified = (
                "its registered owner" if record.origin == Origin.ATTESTED else "an unverified declarant"
            )
            return f"first declared by {self.name(record.maker)}; belongs to {self.name(record.custodian)}, {verified}"
        if record.maker is None:
            return "first seen on the ledger"
        return f"stated first by {self.name(record.maker)}"

    def quantity(self, record: Record) -> str:
        """A lot balance in words."""
        held = record.quantity
        if held is None:
            return "no quantity"
        unit = held.unit or "pieces"
        return f"{_decimal(held.attested, held.scale)} attested, {_decimal(held.unattested, held.scale)} unattested {unit}"

    def simulated(self) -> tuple[str, ...]:
        """Organisations of the replays that are registered as simulated."""
        found = {
            step.opened.entry.organisation for one in self._findings.nested.every() for step in one.steps
        }
        return tuple(
            organisation
            for organisation in sorted(found)
            if (member := self._members.organisation(organisation)) is not None and member.simulated
        )

    def compromised(self, replayed: Replayed) -> tuple[str, ...]:
        """A sentence for each event signed by a key after it is known to have been compromised."""
        return tuple(
            f"{self.name(step.act.organisation)}'s key was compromised before its event of"
            f" {instant(step.opened.entry.time_ms)}"
            for step in replayed.steps
            if self._is_compromised(step.opened.entry.public_key, step)
        ) + tuple(
            f"the device of {self.name(step.act.organisation)} was compromised before it attested the event of"
            f" {instant(step.opened.entry.time_ms)}"
            for step in replayed.steps
            if step.opened.device_key is not None and self._is_compromised(step.opened.device_key, step)
        )

    def _is_compromised(self, key: bytes, step: Step) -> bool:
        """Whether, as is known at the checkpoint, the key was compromised when it signed."""
        since = self._members.compromised_since(key)
        return since is not None and step.opened.entry.height >= since

    def maker(self, replayed: Replayed) -> str:
        """Who made it by what right, where that is attested."""
        said = f"made by {self.name(replayed.record.maker)}"
        holders = [
            licensor for step in replayed.steps if (licensor := licensor_of(self._members, step)) is not None
        ]
        return (
            f"{said} under licence of {self.name(holders[-1])}"
            if holders
            else f"{said}, who holds the prefix grant"
        )

    def contradiction(self, stated: Contradiction, step: Step | None) -> str:
        """An open contradiction in words."""
        if step is None:
            return f"contradicted by {self.name(stated.organisation)} (row {stated.row})"
        return f"{self.sentence(step)}, {instant(step.opened.entry.time_ms)}"

    def sentence(self, step: Step) -> str:
        """What one link says."""
        statement = step.opened.statement
        measure = statement.measure
        said = SENTENCES[step.link.code % BOUND_TOO].format(
            who=self.name(step.act.organisation),
            receiver=self.name(step.act.receiver),
            counterparty=statement.counterparty,
            case=None if measure is None else measure.case,
            basis=None if measure is None else measure.basis,
        )
        if step.link.code >= BOUND_TOO:
            said += ", and declared under a document"
        if step.act.delegation is not None:
            said += " (by a delegate's key)"
        if step.signer.use == Use.CAPTURE:
            said += " (signed by its gateway)"
        if step.approval is not None:
            said += " (approved by a person)"
        if step.opened.attested:
            said += " (attested by a device at capture)"
        return said

    def timeline(self, replayed: Replayed) -> tuple[str, ...]:
        """Every step, dated by block time; a claimed time that differs by more than a minute is shown beside it."""
        lines = []
        for step in replayed.steps:
            entry, claimed = step.opened.entry, step.opened.statement.time_ms
            line = f"{instant(entry.time_ms)}  "
            if step.inside:
                line += f"in {display(step.key)}: "
            line += self.sentence(step)
            if abs(entry.time_ms - claimed) >= _MINUTE_MS:
                line += f" [says: {instant(claimed)}]"
            if step.link.entry in self._findings.erasures:
                line += " [document erased]"
            if step.aside:
                line += " [third party, without effect]"
            lines.append(line)
        return tuple(lines)


def _decimal(amount: int, scale: int) -> str:
    if not scale:
        return str(amount)
    digits = str(amount).zfill(scale + 1)
    return f"{digits[:-scale]}.{digits[-scale:]}"
