"""`custody record`: one command for every act of the custody rules, so that nobody writes EPCIS JSON by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from client import events
from client.cli.acting import Desk, act, event_hash
from client.cli.main import CANNOT_READ, USAGE, Stop
from client.cli.options import instant, length_ms, readable
from client.events import Draft
from client.events.goods import ENDS
from client.prepare import is_document, prepare_document
from client.signing import FILE_BYTES, PreparedFile, read_file
from client.spelling import subject
from ledger.base.errors import CustodyError
from ledger.chain.signing import Prepared
from ledger.trade.identifiers import Identifier

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="Build a custody event, show it, and sign, write or submit it. Identifiers may be URIs, element strings such as"
    " (01)...(21)..., container numbers, or gtin:, sscc:, mrn:, ucr:, bol:, seal: and a number; classes and lots take"
    " a quantity, as (01)...(10)L7=12.5KGM.",
)

THINGS = Annotated[list[str] | None, typer.Argument(help="What it is about.", show_default=False)]
PARENT = Annotated[str, typer.Argument(help="The container, pallet or case.")]
COUNT = Annotated[
    int | None, typer.Option("--count", min=0, help="How many are directly inside.", show_default=False)
]
CASE = Annotated[str, typer.Option("--case", help="The authority's case number.")]
BASIS = Annotated[str, typer.Option("--basis", help="The legal basis, without spaces.")]
MOUNTED = Annotated[bool, typer.Option("--mounted", help="Fixed to it for long, as a sensor.")]
HASH = Annotated[
    str, typer.Option("--event-hash", help="The hash of the event ruled upon, from custody trace.")
]
MEASURE = Annotated[str, typer.Option("--measure", help="detain or seize.")]
LAPSES = Annotated[
    str | None,
    typer.Option("--lapses", help="When the offer lapses: in 48h, 7d, or at a time.", show_default=False),
]


def _lapse_ms(desk: Desk, text: str | None) -> int | None:
    if text is None:
        return None
    return instant(text)[0] if "T" in text or "-" in text else desk.at.time_ms + length_ms(text)


@act(app, "make")
def make(
    desk: Desk,
    things: THINGS = None,
    lot: Annotated[
        str | None, typer.Option("--lot", help="The batch the serials belong to.", show_default=False)
    ] = None,
) -> Draft:
    """Commission items, lots or units (row 2)."""
    return events.make(desk.at, desk.things(things), lot=lot)


@act(app, "pack")
def pack(
    desk: Desk, parent: PARENT, things: THINGS = None, count: COUNT = None, mounted: MOUNTED = False
) -> Draft:
    """Put things into a parent (row 6)."""
    return events.pack(desk.at, subject(parent), desk.things(things), count=count, mounted=mounted)


@act(app, "unpack")
def unpack(desk: Desk, parent: PARENT, things: THINGS = None, mounted: MOUNTED = False) -> Draft:
    """Take the named things out of a parent (row 7)."""
    return events.unpack(desk.at, subject(parent), desk.things(things), mounted=mounted)


@act(app, "unpack-all")
def unpack_all(desk: Desk, parent: PARENT, mounted: MOUNTED = False) -> Draft:
    """Empty a parent, whatever is in it (row 8)."""
    return events.unpack_all(desk.at, subject(parent), mounted=mounted)


@act(app, "transform")
def transform(
    desk: Desk,
    used: Annotated[list[str] | None, typer.Option("--input", help="What is used up; repeatable.")] = None,
    made: Annotated[list[str] | None, typer.Option("--made", help="What is made; repeatable.")] = None,
    run: Annotated[
        str | None, typer.Option("--id", help="Joins several events of one run (URI).", show_default=False)
    ] = None,
) -> Draft:
    """Use inputs up and make outputs (row 5). --from-file adds inputs."""
    from client.spelling import thing

    outputs = [thing(text) for text in made or ()]
    return events.transform(desk.at, desk.things(used), outputs, transformation=run)


@act(app, "offer")
def offer(
    desk: Desk,
    things: THINGS = None,
    to: Annotated[
        str | None, typer.Option("--to", help="The receiver: a member or its GLN.", show_default=False)
    ] = None,
    to_anyone: Annotated[
        bool, typer.Option("--to-anyone", help="To whichever member takes it (row 11).")
    ] = False,
    lapses: LAPSES = None,
    count: COUNT = None,
) -> Draft:
    """Offer things, with all that is inside, to a receiver (rows 10 and 11)."""
    if (to is None) != to_anyone:
        raise Stop(USAGE, "expected either --to MEMBER or --to-anyone")
    lapse_ms, sender, named = _lapse_ms(desk, lapses), desk.me(), desk.things(things)
    if to is None:
        return events.open_offer(desk.at, named, sender=sender, lapses_ms=lapse_ms, count=count)
    return events.offer(desk.at, named, desk.party(to), sender=sender, lapses_ms=lapse_ms, count=count)


@act(app, "accept")
def accept(
    desk: Desk,
    things: THINGS = None,
    sender: Annotated[
        str | None, typer.Option("--from", help="Who handed it over.", show_default=False)
    ] = None,
    missing: Annotated[
        list[str] | None, typer.Option("--missing", help="What did not come; repeatable.")
    ] = None,
    contents: Annotated[
        list[str] | None, typer.Option("--content", help="What was found inside; repeatable.")
    ] = None,
    damaged: Annotated[bool, typer.Option("--damaged", help="It came damaged.")] = False,
    count: COUNT = None,
) -> Draft:
    """Receive things, with reservations where something is wrong (rows 9 and 12 to 15)."""
    from client.spelling import thing

    return events.accept(
        desk.at,
        desk.things(things),
        sender=None if sender is None else desk.party(sender),
        receiver=desk.me(),
        missing=[thing(text) for text in missing or ()],
        contents=[thing(text) for text in contents or ()],
        damaged=damaged,
        count=count,
    )


@act(app, "reject")
def reject(desk: Desk, things: THINGS = None) -> Draft:
    """Refuse an offer made to you (row 18)."""
    return events.reject(desk.at, desk.things(things))


@act(app, "dispute")
def dispute(desk: Desk, things: THINGS = None) -> Draft:
    """Contest a handover you were a side of (row 18)."""
    return events.dispute(desk.at, desk.things(things))


@act(app, "withdraw")
def withdraw(desk: Desk, things: THINGS = None) -> Draft:
    """Take an unanswered offer back, or void a taking not yet confirmed (row 17)."""
    return events.withdraw(desk.at, desk.things(things))


@act(app, "observe")
def observe(
    desk: Desk,
    things: THINGS = None,
    step: Annotated[
        str, typer.Option("--step", help="The CBV business step, as loading or inspecting.")
    ] = "inspecting",
    condition: Annotated[
        str | None, typer.Option("--disposition", help="The CBV disposition, as damaged.", show_default=False)
    ] = None,
    count: COUNT = None,
) -> Draft:
    """Report place, condition or seals (rows 19 and 24); without things, of the place."""
    at = desk.at if condition is None else desk.at._replace(disposition=condition)
    return events.observe(at, desk.things(things), step=step, count=count)


@act(app, "holding")
def holding(desk: Desk, things: THINGS = None) -> Draft:
    """Hold back your own goods, commercially (row 20)."""
    return events.holding(desk.at, desk.things(things))


@act(app, "hold")
def hold(
    desk: Desk, case: CASE, things: THINGS = None, basis: BASIS = "", measure: MEASURE = "detain"
) -> Draft:
    """Detain or seize, as an authority (row 21)."""
    return events.hold(desk.at, desk.things(things), case=case, basis=basis, measure=measure)


@act(app, "release")
def release(desk: Desk, case: CASE, things: THINGS = None, basis: BASIS = "") -> Draft:
    """Lift the hold of a case, as the authority that placed it (row 22)."""
    return events.release(desk.at, desk.things(things), case=case, basis=basis)


@act(app, "permit")
def permit(
    desk: Desk,
    case: CASE,
    until: Annotated[str, typer.Option("--until", help="Until when: in 48h, 7d, or at a time.")],
    leg: Annotated[
        list[str], typer.Option("--leg", help="SENDER,RECEIVER: members or GLNs; in order, repeatable.")
    ],
    things: THINGS = None,
    basis: BASIS = "",
) -> Draft:
    """Let held things move along ordered legs, as the authority that holds them (row 29)."""
    legs = [_leg(desk, text) for text in leg]
    until_ms = _lapse_ms(desk, until) or 0
    return events.permit(desk.at, desk.things(things), case=case, basis=basis, legs=legs, until_ms=until_ms)


def _leg(desk: Desk, text: str) -> tuple[Identifier, Identifier]:
    sender, separator, receiver = text.partition(",")
    if not separator:
        raise Stop(USAGE, f"expected --leg SENDER,RECEIVER, got {text[:64]!a}")
    return desk.party(sender.strip()), desk.party(receiver.strip())


@act(app, "bind")
def bind(
    desk: Desk,
    under: Annotated[
        list[str], typer.Option("--under", help="The document: mrn:, ucr:, bol:CARRIER:NUMBER; repeatable.")
    ],
    things: THINGS = None,
    to: Annotated[
        str | None, typer.Option("--to", help="Offer them to this party too.", show_default=False)
    ] = None,
) -> Draft:
    """Declare things under documents (row 25)."""
    documents = [subject(text) for text in under]
    return events.bind(desk.at, documents, desk.things(things), to=None if to is None else desk.party(to))


@act(app, "unbind")
def unbind(
    desk: Desk,
    under: Annotated[list[str], typer.Option("--under", help="The document; repeatable.")],
    things: THINGS = None,
) -> Draft:
    """Take things off documents; without things, all that are bound (row 25)."""
    return events.unbind(desk.at, [subject(text) for text in under], desk.things(things))


@act(app, "end")
def end(
    desk: Desk,
    things: THINGS = None,
    how: Annotated[str, typer.Option("--how", help=f"{', '.join(ENDS)}.")] = "destroying",
) -> Draft:
    """Destroy, decommission, sell or dispense (row 26)."""
    return events.end(desk.at, desk.things(things), how=how)


@act(app, "confirm")
def confirm(desk: Desk, ruled: HASH, things: THINGS = None) -> Draft:
    """Confirm a taking or a claim (row 27)."""
    return events.confirm(desk.at, desk.things(things), event_hash=event_hash(ruled))


@act(app, "dismiss")
def dismiss(desk: Desk, ruled: HASH, things: THINGS = None) -> Draft:
    """Dismiss a claim or a contradiction, as an authority (row 27)."""
    return events.dismiss(desk.at, desk.things(things), event_hash=event_hash(ruled))


@act(app, "sample")
def sample(
    desk: Desk,
    taken: Annotated[list[str], typer.Option("--sample", help="The identifier of a sample; repeatable.")],
    things: THINGS = None,
) -> Draft:
    """Take samples, each a new subject (row 24)."""
    from client.spelling import thing

    return events.sample(desk.at, desk.things(things), [thing(text) for text in taken])


@act(app, "correct")
def correct(
    desk: Desk,
    file: Annotated[Path, typer.Argument(help="The file the event was recorded in: a submission, or EPCIS.")],
    number: Annotated[int, typer.Option("--number", min=1, help="Which event of the file.")] = 1,
    original: Annotated[
        str | None,
        typer.Option("--event-hash", help="Its hash, where the file is EPCIS.", show_default=False),
    ] = None,
    reason: Annotated[
        str, typer.Option("--reason", help="incorrect_data or did_not_occur.")
    ] = "incorrect_data",
) -> Draft:
    """Declare an event of your own to be in error (row 1)."""
    content = readable(file, FILE_BYTES)
    try:
        is_epcis = is_document(content)
        recorded = _recorded(desk, content, is_epcis=is_epcis)
    except CustodyError as error:
        raise Stop(CANNOT_READ, f"{file}: {error}") from None
    if not 1 <= number <= len(recorded):
        raise Stop(USAGE, f"expected an event of 1 .. {len(recorded)} in {file}, got {number}")
    chosen = recorded[number - 1]
    cited = event_hash(original) if original is not None else None if is_epcis else chosen.item.event_hash
    _, context, event = chosen.payload
    return events.correct(desk.at, event, context, original=cited, reason=reason)


def _recorded(desk: Desk, content: bytes, *, is_epcis: bool) -> tuple[Prepared, ...]:
    network = desk.directory.network
    if is_epcis:
        return prepare_document(network, content)
    found = read_file(content, network)
    return found.events if isinstance(found, PreparedFile) else found.prepared()
