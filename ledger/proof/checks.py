"""The checks of a verdict, each one line with what it rests on (DESIGN §7; PROOF.md §7)."""

from __future__ import annotations

from typing import Final, NamedTuple

from ledger.proof.narrate import Narrator, instant
from ledger.proof.replay import Step
from ledger.proof.sources import Proven
from ledger.proof.verify import Findings
from ledger.state.erasure import Reason
from ledger.trade.record import Origin, Space, Status, SubjectKey
from ledger.trade.rules import EXTERNAL, Outcome, is_applied
from ledger.trade.rules.outcomes import BOUND_TOO

_REASONS: Final = {
    Reason.UNSTATED: "",
    Reason.PERSONAL_DATA: ", for a person's data",
    Reason.CONFIDENTIAL: ", as confidential",
    Reason.MISTAKE: ", as recorded by mistake",
    Reason.RETENTION: ", since it need not be kept any longer",
    Reason.ORDER: ", by order of a court or an authority",
}


class Check(NamedTuple):
    """One line of the verdict: what was checked, how it came out (ok, gap, bad, not checked), and the sentence."""

    name: str
    state: str
    sentence: str


def bytes_check(findings: Findings) -> Check:
    """Whether the authors' bytes shown agree with the ledger; what third parties report is not the goods' history."""
    steps = {
        step.link.entry: step
        for replayed in findings.nested.every()
        for step in replayed.steps
        if not step.aside
    }
    shown = [findings.payloads[entry] for entry in steps if entry in findings.payloads]
    total, wrong = len(steps), sum(not one.agree for one in shown)
    if wrong:
        return Check(
            "bytes", "bad", f"{wrong} of {len(shown)} events' bytes contradict what the ledger says of them"
        )
    gone = sum(entry in findings.erasures and entry not in findings.payloads for entry in steps)
    erased = f"; {gone} {'was' if gone == 1 else 'were'} erased, as the ledger says" if gone else ""
    if not shown:
        return Check(
            "bytes", "not checked", f"the authors' documents of the {total} events are not shown{erased}"
        )
    return Check(
        "bytes",
        "ok",
        f"{len(shown)} of {total} events' documents are shown and agree with the ledger{erased}",
    )


def erasure_checks(findings: Findings, proven: Proven, narrator: Narrator) -> list[Check]:
    """Events of the subject whose bytes their author erased: said, and held against nobody."""
    found = []
    for step in proven.replayed.steps:
        erasure = findings.erasures.get(step.link.entry)
        if erasure is None:
            continue
        said = (
            f"{narrator.name(erasure.organisation)} erased the document of its event of"
            f" {instant(step.opened.entry.time_ms)} on {instant(erasure.time_ms)} (event"
            f" {erasure.tombstone} of the ledger){_REASONS[erasure.reason]}; what it stated stands"
        )
        if step.link.entry in findings.payloads:
            said += "; whoever made this file kept a copy, and shows it"
        found.append(Check("erased", "ok", said))
    return found


def span(milliseconds: int) -> str:
    """A length of time in minutes, hours or days."""
    minutes = milliseconds // 60_000
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 2 * 1440 else f"{minutes // 1440} days"


def origin_check(findings: Findings, proven: Proven, narrator: Narrator) -> Check:
    """Where it comes from, and whether that is attested."""
    record = proven.replayed.record
    if proven.replayed.key.space != Space.THING:
        return Check("origin", "ok", narrator.origin_of(proven.replayed.key, record))
    if proven.transformation is not None:
        return _transformed_origin(findings, proven, narrator)
    if record.origin == Origin.ATTESTED:
        return Check("origin", "ok", narrator.maker(proven.replayed))
    if record.maker is not None:
        return Check(
            "origin", "gap", f"claimed to be made by {narrator.name(record.maker)}, prefix not granted to it"
        )
    if not _is_made_kind(proven.replayed.key):
        return Check(
            "origin", "ok", "a unit of transport: nobody attests its origin, its contents have their own"
        )
    return Check("origin", "gap", "first seen on the ledger already in circulation; origin unattested")


def _is_made_kind(key: SubjectKey) -> bool:
    """Whether an identifier names something with a maker (not a shipping container or logistic unit)."""
    return not key.identifier.startswith(("urn:epc:id:bic:", "https://id.gs1.org/00/"))


def _transformed_origin(findings: Findings, proven: Proven, narrator: Narrator) -> Check:
    key = proven.transformation
    made = findings.nested.proven.get(key) if key is not None else None
    maker = narrator.name(proven.replayed.record.maker)
    if made is None:
        return Check("origin", "gap", f"made by {maker} from inputs that are not shown")
    consumed, recorded, unattested = made.replayed.record.tally
    said = f"made by {maker} from {consumed + recorded} inputs, {unattested} of them unattested"
    if recorded:
        said += f", {recorded} recorded only"
    if made.unopened:
        said += f", {made.unopened} not opened here"
    contradicted = sum(bool(one.replayed.record.contradictions) for one in _sources(findings, proven))
    if contradicted:
        said += f", {contradicted} contradicted by somebody with standing"
    clean = not recorded and not unattested and not contradicted
    clean = clean and not made.unopened and proven.replayed.record.origin == Origin.ATTESTED
    return Check("origin", "ok" if clean else "gap", said)


def _base(code: int) -> Outcome:
    return Outcome(code % BOUND_TOO)


def handover_checks(proven: Proven, narrator: Narrator) -> list[Check]:
    """How custody passed, and every step that only one side signed."""
    counted = {"two-sided": 0, "delegated": 0}
    gaps: list[str] = []
    for step in proven.replayed.steps:
        if step.aside:
            continue  # a report of somebody without standing: it stands in the timeline and is counted
        code = _base(step.link.code)
        who, when = narrator.name(step.act.organisation), instant(step.opened.entry.time_ms)
        if code in (Outcome.ACCEPTED, Outcome.ACCEPTED_WITH_RESERVATION, Outcome.COMPLETED):
            counted["delegated" if step.act.delegation is not None else "two-sided"] += 1
            if code == Outcome.ACCEPTED_WITH_RESERVATION:
                gaps.append(f"received with reservation by {who} on {when}")
        elif code in (Outcome.TAKEN, Outcome.TAKEN_WITH_RESERVATION):
            if not _is_confirmed(proven, step):
                gaps.append(f"taken by {who} on {when} on an open offer, not confirmed by the sender")
        elif code == Outcome.CLAIMED_CUSTODY:
            gaps.append(
                f"ONE-SIDED: {who} claims to hold it since {when}, nobody handed it over on the ledger"
            )
        elif code == Outcome.LEFT_TO_EXTERNAL:
            gaps.append(f"left on {when} to {step.act.statement.counterparty}, who is no member")
        elif code == Outcome.MISSING:
            gaps.append(f"reported missing by {who} on {when}; stays with the sender")
        elif code in (Outcome.BREACH, Outcome.BREACH_CLAIMED_EARLIER):
            gaps.append(f"BREACH: {who} acted on {when} while an authority's hold stood")
        elif code == Outcome.CORRECTION_STANDS:
            gaps.append(f"corrected by {who} on {when}; the original's effect stands")
    gaps += [
        f"ONE-SIDED: {narrator.name(held.claimant)} claims {'what it is in' if place else 'it'},"
        f" {narrator.name(held.custodian)} did not sign"
        for place, held in proven.replayed.claims
    ]
    said = [f"{number} {kind}" for kind, number in counted.items() if number]
    nothing = "no two-sided handover" if gaps else "no handover yet"
    checks = [Check("handovers", "ok", ", ".join(said) + " handovers" if said else nothing)]
    return checks + [Check("handovers", "gap", gap) for gap in gaps]


def _is_confirmed(proven: Proven, taking: Step) -> bool:
    """Whether the offerer confirmed that very taking."""
    return any(
        _base(step.link.code) == Outcome.CONFIRMED
        and step.key == taking.key
        and step.opened.statement.cites == taking.opened.event_hash
        for step in proven.replayed.steps
    )


def hold_checks(proven: Proven, narrator: Narrator) -> list[Check]:
    """Authorities' holds on it, above it and inside, and the permits to move under them."""
    found: list[str] = []
    for place, record in enumerate((*proven.replayed.whole, *([proven.lot] if proven.lot else []))):
        where = "" if place == 0 else " (on what it is in or comes from)"
        for hold in record.holds:
            kind = "seized" if hold.seize else "held"
            found.append(
                f"{kind} by {narrator.name(hold.authority)} since {instant(hold.since_ms)}, case {hold.case},"
                f" under {hold.basis}{where}"
            )
    own = proven.replayed.record
    for authority, number in own.inside:
        if number > 0:
            found.append(f"{number} subjects inside are held by {narrator.name(authority)}")
    if not found:
        return [Check("holds", "ok", "no authority's hold stands")]
    checks = [Check("holds", "bad", line) for line in found]
    checks += [
        Check("permits", "ok", f"may move under a permit of {narrator.name(permit.authority)}, {permit.used} of"
              f" {len(permit.legs)} legs used, until {instant(permit.until_ms)}")
        for permit in own.permits
        if permit.generation == own.generation
    ]  # fmt: skip
    return checks


def _agrees(findings: Findings, step: Step) -> bool:
    shown = findings.payloads.get(step.link.entry)
    return shown is None or shown.agree


def _sources(findings: Findings, proven: Proven) -> list[Proven]:
    """What is replayed of the transformation that a subject comes from: its inputs, theirs, and so on."""
    found: dict[SubjectKey, Proven] = {}
    waiting = [proven]
    while waiting:
        one = waiting.pop()
        for key in (*one.inputs, *([one.transformation] if one.transformation is not None else ())):
            if key not in found and key in findings.nested.proven:
                found[key] = findings.nested.proven[key]
                waiting.append(found[key])
    return list(found.values())


def contradiction_checks(findings: Findings, proven: Proven, narrator: Narrator) -> list[Check]:
    """Open contradictions by those with standing, and bytes that contradict their extract."""
    replayed = proven.replayed
    said = []
    for stated in replayed.record.contradictions:
        step = next((s for s in replayed.steps if s.opened.entry.sequence == stated.sequence), None)
        said.append(narrator.contradiction(stated, step))
    said += [
        f"the bytes of {narrator.name(step.act.organisation)}'s event of {instant(step.opened.entry.time_ms)}"
        " contradict what it put on the ledger"
        for step in replayed.steps
        if not step.aside and not _agrees(findings, step)
    ]
    if proven.transformation is not None and any(
        not step.aside and not _agrees(findings, step)
        for source in _sources(findings, proven)
        for step in source.replayed.steps
    ):
        said.append("the bytes of an event of what it was made from contradict what stands on the ledger")
    checks = [Check("contradictions", "bad", line) for line in said]
    if any(record.contradictions for record in replayed.whole[1:]):
        above = "what it is in is contradicted by somebody with standing"
        checks.append(Check("contradictions", "gap", above))
    return checks or [Check("contradictions", "ok", "nobody with standing contradicts it")]


def document_checks(proven: Proven) -> list[Check]:
    """The documents it is declared under, now."""
    checks = []
    current = dict(proven.documents)
    for record in proven.replayed.whole:
        for binding in record.bindings:
            document = current[binding.document]
            if document.generation != binding.generation:
                continue
            verified = document.origin == Origin.ATTESTED
            note = "" if verified else ", unverified declarant"
            state = "ok" if verified else "gap"
            checks.append(
                Check("documents", state, f"declared under {binding.document} by {binding.declarant}{note}")
            )
    return checks


def other_checks(proven: Proven, narrator: Narrator) -> list[Check]:
    """Its status, third parties, quantities, keys, devices, and the length of lists."""
    replayed = proven.replayed
    checks = []
    record = replayed.record
    if record.status in (Status.ENDED, Status.CONSUMED) and proven.replayed.key.space == Space.THING:
        word = (
            "consumed in a transformation"
            if record.status == Status.CONSUMED
            else "ended: destroyed, decommissioned or sold"
        )
        checks.append(Check("status", "gap", f"this subject is {word}"))
    if record.asides.length:
        checks.append(
            Check("third parties", "ok", f"{record.asides.length} third-party reports, without effect")
        )
    if record.quantity is not None and record.quantity.unattested:
        checks.append(Check("quantity", "gap", f"{narrator.quantity(record)} on balance"))
    compromised = narrator.compromised(replayed)
    checks += [Check("keys", "gap", line) for line in compromised]
    approved = sum(step.approval is not None for step in replayed.steps)
    if approved:
        checks.append(
            Check(
                "persons",
                "ok",
                f"{approved} acts were approved by a person, by a passkey's assertion over that act",
            )
        )
    attested = sum(step.opened.attested for step in replayed.steps if is_applied(step.link.code))
    if attested:
        checks.append(Check("devices", "ok", f"{attested} events were attested by a device at capture"))
    if record.custodian is not None and record.custodian.startswith(EXTERNAL):
        checks.append(
            Check("custody", "gap", f"last left to {record.custodian[len(EXTERNAL) :]}, outside the ledger")
        )
    if proven.elements:
        checks.append(Check("members", "ok", f"{len(proven.elements)} subjects listed, the list is complete"))
    return checks
