"""A verdict as text for a terminal, and as one page for a file: sentences an officer and a court can read (DESIGN §7).

The page is one self-contained HTML document: no script, no font, no picture and no address from elsewhere, so that it
opens and prints the same wherever it is kept. Results are words and marks; colour only repeats them. It says what was
proven, what was not checked, what nobody can know offline, and how anybody can repeat the verification.
"""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Final

from client.verify import Verified
from ledger.proof.checks import Check, span
from ledger.proof.narrate import display, instant
from ledger.proof.verdict import SubjectVerdict, Verdict, Word
from ledger.trade.record import Space, SubjectKey

_STATES: Final = {"ok": "in order", "gap": "gap", "bad": "ALERT", "not checked": "not checked"}
_MARKS: Final = {
    "ok": "\N{CHECK MARK}",
    "gap": "!",
    "bad": "\N{MULTIPLICATION X}",
    "not checked": "\N{EN DASH}",
}
_COLOURS: Final = {"ok": "32", "gap": "33", "bad": "1;31", "not checked": "2"}
_PHYSICAL: Final = ("presented by", "place", "container", "seal", "count")
MEANING: Final = {
    Word.CONSISTENT: "The record is proven, both sides signed every handover, and the origin is attested.",
    Word.CONSISTENT_WITH_GAPS: "The record is proven. Some steps rest on one party's word, or on no attested origin.",
    Word.STALE: "The record is proven as of the time stated, which is longer ago than was accepted. Ask for a newer file.",
    Word.HELD: "The record is proven, and an authority's hold stands.",
    Word.CONTRADICTED: "The record is proven, and a party with standing, or what was seen, contradicts it.",
    Word.NOT_PROVEN: "The file does not prove what it claims. Nothing in it may be relied upon.",
}
LIMITS: Final = (
    "A quorum of independent validators agreed on this record and its order, not on its truth. "
    "Compare goods, seals and number with it: a copied label carries a true identifier. Officers and courts decide."
)


def display_text(identifier: str) -> str:
    """An identifier as people know it."""
    return display(SubjectKey(Space.THING, identifier))


def split_headline(headline: str) -> tuple[str, str]:
    """The word of a first line, and its sentence."""
    word, separator, sentence = headline.partition(": ")
    return (word, sentence[:1].upper() + sentence[1:]) if separator else ("", headline)


def as_text(verified: Verified, *, colour: bool = False, timeline: bool = True) -> str:
    """The verdict for a terminal: the first line first, then every check, then the history."""
    verdict = verified.verdict
    lines = [_painted(verdict.headline, "1" if verdict.exit_code == 0 else "1;31", colour=colour), ""]
    for warning in warnings(verified):
        lines += [_painted(warning, "1;31", colour=colour), ""]
    lines += [_check_line(check, colour=colour) for check in verdict.checks]
    for subject in verdict.subjects:
        lines += ["", display_text(subject.identifier)]
        if len(verdict.subjects) > 1:
            lines.append(f"  {subject.headline}")
        lines += [_check_line(check, colour=colour) for check in subject.checks]
        if timeline and subject.timeline:
            lines += ["  History, by block time:", *(f"    {line}" for line in subject.timeline)]
    return "\n".join(lines) + "\n"


def warnings(verified: Verified) -> tuple[str, ...]:
    """What has to be said beside the verdict."""
    return tuple(
        f"WARNING: a quorum of this network signed two different blocks; the proof is in {path}"
        for path in verified.trusted.evidence
    )


def _check_line(check: Check, *, colour: bool) -> str:
    state = _painted(f"[{_STATES[check.state]}]".ljust(14), _COLOURS[check.state], colour=colour)
    return f"  {state}{check.name}: {_said(check)}"


def _said(check: Check) -> str:
    """A check's sentence, without its name in front."""
    return check.sentence.removeprefix(f"{check.name}: ").removeprefix(f"{check.name} ")


def _painted(text: str, code: str, *, colour: bool) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if colour else text


# --- the page


def as_page(verified: Verified) -> str:
    """The verdict as one printable HTML page."""
    verdict = verified.verdict
    word, sentence = split_headline(verdict.headline)
    style = Path(__file__).with_name("report.css").read_text(encoding="utf-8")
    body = [
        _header(_title(verdict)),
        _banner(verdict, word, sentence),
        *(f'<p class="warning" role="alert">{escape(warning)}</p>' for warning in warnings(verified)),
        *(_subject_section(subject, alone=len(verdict.subjects) == 1) for subject in verdict.subjects),
        _section("The file", _checks_table(verdict.checks, "Checks of the file as a whole")),
        _section("Particulars", _particulars(verified)),
        _signatures(),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light">\n'
        f"<title>{escape(word)}: {escape(_title(verdict))}</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(body)
        + "\n</main>\n</body>\n</html>\n"
    )


def _header(title: str) -> str:
    kind = '<p class="kind">Custody ledger &middot; offline verification</p>'
    return f"<header>{kind}<h1>Verification of {escape(title)}</h1></header>"


def _title(verdict: Verdict) -> str:
    if not verdict.subjects:
        return "a file"
    first = display_text(verdict.subjects[0].identifier)
    more = len(verdict.subjects) - 1
    return first if not more else f"{first} and {more} more"


def _banner(verdict: Verdict, word: str, sentence: str) -> str:
    kind = verdict.status.name.lower().replace("_", "-")
    return (
        f'<section class="verdict {kind}" aria-label="Verdict"><p class="word">{escape(word)}</p>'
        f'<p class="sentence">{escape(sentence)}</p><p class="meaning">{escape(MEANING[verdict.status])} {escape(LIMITS)}</p></section>'
    )


def _section(title: str, content: str, kind: str = "") -> str:
    return f'<section class="{kind}"><h2>{escape(title)}</h2>{content}</section>' if content else ""


def _subject_section(subject: SubjectVerdict, *, alone: bool) -> str:
    checks = tuple(check for check in subject.checks if check.name not in _PHYSICAL)
    physical = tuple(check for check in subject.checks if check.name in _PHYSICAL)
    word, sentence = split_headline(subject.headline)
    own = "" if alone else f'<p class="own"><strong>{escape(word)}.</strong> {escape(sentence)}</p>'
    content = own + _checks_table(checks, "What the record shows")
    if physical:
        content += _checks_table(physical, "What was seen, against the record")
    title = "The record" if alone else display_text(subject.identifier)
    return _section(title, content + _timeline(subject), "subject")


def _checks_table(checks: tuple[Check, ...], caption: str) -> str:
    rows = "".join(
        f'<tr class="{check.state.replace(" ", "-")}"><th scope="row">{escape(check.name)}</th>'
        f'<td class="state"><span aria-hidden="true">{_MARKS[check.state]}</span> {_STATES[check.state]}</td>'
        f"<td>{escape(_said(check))}</td></tr>"
        for check in checks
    )
    head = (
        '<tr><th scope="col">Check</th><th scope="col">Result</th><th scope="col">What it rests on</th></tr>'
    )
    return f'<table class="checks"><caption>{escape(caption)}</caption><thead>{head}</thead><tbody>{rows}</tbody></table>'


def _timeline(subject: SubjectVerdict) -> str:
    if not subject.timeline:
        return ""
    rows = []
    for line in subject.timeline:
        when, _, what = line.partition("  ")
        said, _, claimed = what.partition(" [says: ")
        claimed, _, note = claimed.partition("]")
        rows.append(
            f'<tr><th scope="row">{escape(when)}</th><td>{escape(said + note)}</td><td>{escape(claimed)}</td></tr>'
        )
    caption = "History, by the time of the block that holds each statement"
    head = (
        '<tr><th scope="col">Block time</th><th scope="col">Who states what</th>'
        '<th scope="col">Claimed time</th></tr>'
    )
    return f'<table class="timeline"><caption>{caption}</caption><thead>{head}</thead><tbody>{"".join(rows)}</tbody></table>'


def _particulars(verified: Verified) -> str:
    verdict, anchor = verified.verdict, verified.trusted.anchor
    seen = verified.presented
    said = {
        "Presented by": seen.by,
        "Place": seen.place,
        "Container": None if seen.container is None else display_text(seen.container),
        "Seal": seen.seal,
        "Number inside": None if seen.inside is None else str(seen.inside),
    }
    rows = {
        "File": f"{verified.file.name}, {verified.size} bytes",
        "SHA-256 of the file": verified.sha256,
        "Ledger": anchor.name,
        "Network": anchor.network.hex(),
        "Trusted from": f"height {anchor.height}, {instant(anchor.time_ms)}",
        "Record as of": "not known"
        if verdict.time_ms is None
        else f"block {verdict.height}, {instant(verdict.time_ms)}",
        "Verified at": f"{instant(verified.now_ms)} by the clock of the verifying machine",
        "Accepted age": span(verified.max_age_ms),
        **{f"Seen: {name.lower()}": value for name, value in said.items() if value is not None},
        "To repeat": f"custody verify {verified.file.name} --anchor GENESIS",
    }
    return (
        "<dl>"
        + "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in rows.items())
        + "</dl>"
    )


def _signatures() -> str:
    lines = "".join(f"<p><span></span>{label}</p>" for label in ("Officer", "Place and date", "Signature"))
    return f'<section class="signatures" aria-label="For the officer">{lines}</section>'
