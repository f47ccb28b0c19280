"""`custody scan`: what a barcode, a tag or a number painted on a door names, and what may be recorded of it next."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from client.cli.main import USAGE, Stop
from client.cli.options import GATEWAY, JSON, ORGANISATION, gateway, settings
from client.cli.output import data, json_data, note
from client.scan.reading import Reading, read, read_tag
from client.scan.suggest import Known, Suggestion, suggestions, typed
from client.settings import Settings
from ledger.base.errors import Code, CustodyError
from ledger.trade.identifiers import canonical

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def scan(
    scans: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TEXT",
            help="What a scanner sent: a Digital Link, an element string with brackets, or without them where <GS>"
            " stands for a separator, an EPC URI, a container number, an MRN, a UCR.",
            show_default=False,
        ),
    ] = None,
    tags: Annotated[
        list[str] | None,
        typer.Option("--hex", metavar="EPC", help="The EPC of an RFID tag, in hexadecimal; repeatable."),
    ] = None,
    organisation: ORGANISATION = None,
    gateways: GATEWAY = None,
    offline: Annotated[bool, typer.Option("--offline", help="Ask no gateway.")] = False,
    as_json: JSON = False,
) -> None:
    """Say which subject a scan or tag names, and which event may be recorded next.

    With a gateway the suggestion follows from what it says of the subject; without one it says what is common.
    """
    readings = [read(text) for text in scans or ()] + [read_tag(text) for text in tags or ()]
    if not readings:
        raise Stop(USAGE, "expected a scan, or --hex EPC, got neither")
    found = settings()
    me = organisation or found.organisation
    is_asking = not offline and bool(gateways or found.gateways)
    known = _asked(found, gateways, readings) if is_asking else {}
    answers = [(one, known.get(one.identifier.text)) for one in readings]
    rows = [(one, fact, suggestions(one, fact, me)) for one, fact in answers]
    if as_json:
        json_data([_json(*row) for row in rows])
        return
    for row in rows:
        _say(*row)
    if not is_asking:
        note("no gateway was asked: what is suggested rests on the identifier alone")


def _asked(found: Settings, gateways: list[str] | None, readings: list[Reading]) -> dict[str, Known]:
    """What a gateway says of each subject; a gateway that cannot answer is said and is no error of a scan."""
    known: dict[str, Known] = {}
    try:
        with gateway(found, gateways) as client:
            for text in dict.fromkeys(reading.identifier.text for reading in readings):
                try:
                    answer = client.subject(text)
                except CustodyError as error:
                    if error.code != Code.UNKNOWN_SUBJECT:
                        raise
                    known[text] = Known(None)
                else:
                    known[text] = Known(answer.get("record", {}), int(answer.get("time_ms", 0)))
    except CustodyError as error:
        note(f"what is suggested rests on the identifier alone, for the gateway did not answer: {error}")
    return known


def _say(reading: Reading, known: Known | None, found: list[Suggestion]) -> None:
    identifier = reading.identifier
    data(typed(identifier))
    rows = {
        "is": f"{identifier.kind.value.replace('_', ' ')}, read as {reading.form}",
        "subject": identifier.text,
    }
    if reading.beside:
        rows["beside"] = " ".join(f"({code}){value}" for code, value in reading.beside)
    if known is not None:
        rows["ledger"] = _standing(known)
    for name, value in rows.items():
        data(f"  {name:<10}{value}")
    for place, suggestion in enumerate(found):
        data(f"  {'next' if place == 0 else '':<10}{suggestion.command}   # {suggestion.reason}")


def _standing(known: Known) -> str:
    if known.record is None:
        return "nothing is recorded of it"
    parent = known.record.get("parent")
    where = f"held by {known.record.get('custodian') or 'nobody'}"
    if isinstance(parent, str):
        where = f"inside {typed(canonical(parent))}"
    return f"{known.record.get('status')}, {where}, says a gateway"


def _json(reading: Reading, known: Known | None, found: list[Suggestion]) -> dict[str, Any]:
    return {
        "subject": reading.identifier.text,
        "kind": reading.identifier.kind.value,
        "typed": typed(reading.identifier),
        "form": reading.form,
        "beside": dict(reading.beside),
        "record": None if known is None else known.record,
        "asked": known is not None,
        "next": [suggestion._asdict() for suggestion in found],
    }
