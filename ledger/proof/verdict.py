"""findings -> the words an officer and a court read, and the exit code (DESIGN §7; PROOF.md §7).

The first line is a sentence with one of six words; there is never a bare green. Then the checks, each with what it rests
on; what was not checked; and what offline nobody can know. A verdict decides nothing; officers do.

    NOT PROVEN             the file does not prove what it claims                          exit 1 (unreadable: 5)
    CONTRADICTED           proven, and somebody with standing contradicts it               exit 7
    HELD                   proven, and an authority holds it                               exit 6
    STALE                  proven, as of longer ago than accepted or by former validators  exit 3
    CONSISTENT WITH GAPS   proven, with steps only one side signed, or unknown origin      exit 4
    CONSISTENT             proven, every step two-sided, origin attested                   exit 0

The first that holds, in this order, is the verdict of the file; each subject has its own.
"""

from __future__ import annotations

from enum import Enum
from typing import Any, Final, NamedTuple

from ledger.base.errors import CustodyError, FormError
from ledger.proof.anchor import Anchor, ForkError, is_of_an_ended_epoch
from ledger.proof.checks import (
    Check,
    bytes_check,
    contradiction_checks,
    document_checks,
    erasure_checks,
    handover_checks,
    hold_checks,
    origin_check,
    other_checks,
    span,
)
from ledger.proof.narrate import Narrator, display, instant
from ledger.proof.presented import Presented, compare
from ledger.proof.sources import Proven
from ledger.proof.verify import Findings, verify

DAY_MS: Final = 86_400_000
MAX_AGE_MS: Final = DAY_MS
CLOCK_AHEAD_MS: Final = 300_000


class Word(Enum):
    """The word of the first line, and its exit code."""

    NOT_PROVEN = ("NOT PROVEN", 1)
    CONTRADICTED = ("CONTRADICTED", 7)
    HELD = ("HELD", 6)
    STALE = ("STALE", 3)
    CONSISTENT_WITH_GAPS = ("CONSISTENT WITH GAPS", 4)
    CONSISTENT = ("CONSISTENT", 0)

    @property
    def word(self) -> str:
        """As printed."""
        return self.value[0]

    @property
    def exit_code(self) -> int:
        """Of `custody verify`."""
        return self.value[1]


_ORDER: Final = tuple(Word)
UNREADABLE_EXIT: Final = 5


class SubjectVerdict(NamedTuple):
    """The verdict on one subject asked for."""

    identifier: str
    status: Word
    headline: str
    checks: tuple[Check, ...]
    timeline: tuple[str, ...]
    custodian: str | None


class Verdict(NamedTuple):
    """The verdict on a file. `exit_code` is that of `custody verify`."""

    status: Word
    exit_code: int
    headline: str
    checks: tuple[Check, ...]
    subjects: tuple[SubjectVerdict, ...]
    height: int | None
    time_ms: int | None
    network: str | None

    def to_json(self) -> dict[str, Any]:
        """A JSON-ready object with every line."""
        return {
            "verdict": self.status.word,
            "exit_code": self.exit_code,
            "headline": self.headline,
            "height": self.height,
            "as_of": None if self.time_ms is None else instant(self.time_ms),
            "network": self.network,
            "checks": [check._asdict() for check in self.checks],
            "subjects": [
                {
                    "id": one.identifier,
                    "verdict": one.status.word,
                    "headline": one.headline,
                    "custodian": one.custodian,
                    "checks": [check._asdict() for check in one.checks],
                    "timeline": list(one.timeline),
                }
                for one in self.subjects
            ],
        }


def assess(
    data: bytes,
    anchor: Anchor,
    *,
    now_ms: int,
    max_age_ms: int = MAX_AGE_MS,
    presented: Presented | None = None,
) -> Verdict:
    """Verify a bundle and say what it is worth; never raises for what the bytes contain."""
    try:
        findings = verify(data, anchor)
    except FormError as error:
        return _unproven(error, UNREADABLE_EXIT)
    except CustodyError as error:
        return _unproven(error, Word.NOT_PROVEN.exit_code)
    return judge(findings, now_ms=now_ms, max_age_ms=max_age_ms, presented=presented)


def _unproven(error: CustodyError, exit_code: int) -> Verdict:
    what = (
        "this file cannot be read as a bundle" if exit_code == UNREADABLE_EXIT else "this file proves nothing"
    )
    headline = f"NOT PROVEN: {what}: {error.message}."
    if isinstance(error, ForkError):
        headline += " Keep the file, and run custody anchor add on it."
    check = Check("authentic", "bad", error.message)
    return Verdict(Word.NOT_PROVEN, exit_code, headline, (check,), (), None, None, None)


def judge(
    findings: Findings, *, now_ms: int, max_age_ms: int = MAX_AGE_MS, presented: Presented | None = None
) -> Verdict:
    """The verdict on verified findings at Unix time `now_ms`."""
    header = findings.checkpoint.header
    general, stale = _general_checks(findings, now_ms, max_age_ms)
    narrator = Narrator(findings)
    subjects = tuple(
        _judge_subject(findings, findings.nested.proven[key], narrator, presented, stale=stale)
        for key in findings.nested.asked
    )
    status = min((subject.status for subject in subjects), key=_ORDER.index)
    suffix = "" if presented is not None and presented.is_anything else "; physical match not checked"
    if len(subjects) == 1:
        headline = subjects[0].headline + suffix + "."
    else:
        worst = [subject for subject in subjects if subject.status == status]
        headline = f"{status.word}: {len(subjects)} subjects, {len(worst)} of them {status.word}, as of {instant(header.time_ms)}{suffix}."
    simulated = narrator.simulated()
    if simulated:
        headline += f" SIMULATED parties: {', '.join(simulated)}."
    return Verdict(
        status,
        status.exit_code,
        headline,
        general,
        subjects,
        header.height,
        header.time_ms,
        findings.checkpoint.header.network.hex(),
    )


def _general_checks(findings: Findings, now_ms: int, max_age_ms: int) -> tuple[tuple[Check, ...], str]:
    header, outcome = findings.checkpoint.header, findings.checkpoint.outcome
    anchor = findings.anchor
    validators = findings.known.epochs[header.epoch].validators
    signers = [validators[i].organisation for i in findings.checkpoint.certificate.signer_indices()]
    age_ms = now_ms - header.time_ms
    stale = age_ms > max_age_ms
    certified = (
        f"block {header.height} and its outcome are signed by {len(signers)} of {len(validators)} validators"
        f" ({', '.join(signers)}), known from the anchor {anchor.name!r} at height {anchor.height}"
    )
    is_ended = is_of_an_ended_epoch(anchor, findings.checkpoint)
    if age_ms < -CLOCK_AHEAD_MS:
        current = Check(
            "current", "gap", f"as of {instant(header.time_ms)}, which is ahead of this device's clock"
        )
    elif stale:
        current = Check(
            "current",
            "bad",
            f"as of {instant(header.time_ms)}, {span(age_ms)} ago; accepted were {span(max_age_ms)}",
        )
    else:
        current = Check("current", "ok", f"as of {instant(header.time_ms)}, {span(max(age_ms, 0))} ago")
    checks = (
        Check("authentic", "ok", "every part of the file is tied to the signed block by hashes; none is left over"),
        Check("certified", "ok", certified),
        _validators_check(findings, is_ended=is_ended),
        Check("complete", "ok", f"no event naming the subjects up to block {header.height} is missing"),
        current,
        bytes_check(findings),
        Check(
            "offline", "not checked",
            f"nothing after block {header.height} (event {outcome.event_log_size}) can be known without a network;"
            " what nobody reported is not on the ledger; a copied label carries a true identifier",
        ),
    )  # fmt: skip
    old = "the proof is older than accepted" if stale else ""
    return checks, "validators signed it whose epoch is over" if is_ended else old


def _validators_check(findings: Findings, *, is_ended: bool) -> Check:
    """What history of validators lies between the anchor and the block, and whether it was followed."""
    anchor, epoch = findings.anchor, findings.checkpoint.header.epoch
    last = anchor.epochs[epoch].last if is_ended else None
    if last is not None:
        return Check(
            "validators", "gap",
            f"validators of epoch {epoch} signed this, which the anchor knows to have ended with block {last.height} on"
            f" {instant(last.time_ms)}; whether their keys were stolen since was not checked: ask for a newer proof",
        )  # fmt: skip
    changes = epoch - anchor.epoch
    if changes <= 0:
        return Check(
            "validators", "ok", f"no change of validators to follow: the anchor knows those of epoch {epoch}"
        )
    times = "once" if changes == 1 else f"{changes} times"
    return Check(
        "validators", "ok",
        f"validators changed {times} between epoch {anchor.epoch}, which the anchor knows, and epoch {epoch}; each new set is"
        " introduced by a quorum of the one before; that these destroyed their keys was not checked",
    )  # fmt: skip


def _judge_subject(
    findings: Findings, proven: Proven, narrator: Narrator, presented: Presented | None, *, stale: str
) -> SubjectVerdict:
    replayed = proven.replayed
    checks = [
        origin_check(findings, proven, narrator),
        *handover_checks(proven, narrator),
        *hold_checks(proven, narrator),
        *contradiction_checks(findings, proven, narrator),
        *document_checks(proven),
        *other_checks(proven, narrator),
        *erasure_checks(findings, proven, narrator),
    ]
    differs = False
    if presented is not None:
        compared = compare(presented, replayed, narrator)
        checks += [Check(*line) for line in compared]
        differs = any(state == "bad" for _, state, _ in compared)
    contradicted = differs or any(check.name == "contradictions" and check.state == "bad" for check in checks)
    status = Word.CONSISTENT
    if any(check.state == "gap" for check in checks):
        status = Word.CONSISTENT_WITH_GAPS
    if stale:
        status = Word.STALE
    if any(check.name == "holds" and check.state == "bad" for check in checks):
        status = Word.HELD
    if contradicted:
        status = Word.CONTRADICTED
    key = replayed.key
    return SubjectVerdict(
        key.identifier,
        status,
        _headline(status, findings, proven, narrator, checks, stale),
        tuple(checks),
        narrator.timeline(replayed),
        replayed.custodian,
    )


def _headline(
    status: Word, findings: Findings, proven: Proven, narrator: Narrator, checks: list[Check], stale: str
) -> str:
    replayed = proven.replayed
    name = display(replayed.key)
    as_of = instant(findings.checkpoint.header.time_ms)
    why = next((check.sentence for check in checks if check.state == "bad"), None)
    if status == Word.CONSISTENT_WITH_GAPS:
        gaps = [check.sentence for check in checks if check.state == "gap"]
        why = gaps[0] + (f" (and {len(gaps) - 1} more)" if len(gaps) > 1 else "")
    if status == Word.STALE:
        why = stale
    holder = narrator.holder(replayed)
    core = f"{name}, {holder}, complete and agreed by a quorum as of {as_of}"
    return f"{status.word}: {core}" + (f"; {why}" if why else "")
