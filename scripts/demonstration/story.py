"""The shipment, from the factory to the border, scene by scene (CUSTODY_RULES rows 2, 6, 7, 10, 12, 14, 19, 21, 22, 25, 29)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from client.events.documents import bind
from client.events.draft import Circumstances, Draft
from client.events.goods import make, pack, unpack
from client.events.handover import accept, offer
from client.events.notes import observe
from client.events.official import hold, permit, release
from client.spelling import Thing
from demonstration import cast
from demonstration.stage import Played, Stage
from ledger.trade.identifiers import Identifier, container, declaration
from ledger.trade.identifiers.alphabet import iso6346_check_digit
from ledger.trade.rules.outcomes import BOUND_TOO, Outcome

CASES: Final = cast.ITEMS // cast.ITEMS_PER_CASE
HOUR_MS: Final = 3_600_000
_HELD_CASE: Final = 7


def shipment() -> cast.Shipment:
    """The identifiers of the shipment."""
    body = "26NL000432A1B2C3J"
    first = (_HELD_CASE - 1) * cast.ITEMS_PER_CASE
    return cast.Shipment(
        container=container(cast.CONTAINER),
        declaration=declaration(body + iso6346_check_digit(body)),
        held_case=cast.case(_HELD_CASE),
        missing=(cast.item(first + 3), cast.item(first + 4)),
        witness=cast.item(412),
    )


class Scene(NamedTuple):
    """One step of the story: who acts, what is told of it, and what should come of it."""

    title: str
    told: str
    organisation: str
    play: Callable[[Stage], list[Played]]
    expected: tuple[Outcome, ...]
    """The outcomes of the first event's first subjects."""


def _things(*identifiers: Identifier) -> list[Thing]:
    return [Thing(identifier) for identifier in identifiers]


def _at(stage: Stage, organisation: str, **more: Sequence[str]) -> Circumstances:
    fields = {name: tuple(values) for name, values in more.items()}
    return Circumstances(stage.now_ms(), place=cast.place(organisation), **fields)  # type: ignore[arg-type]


def scenes() -> Iterator[Scene]:
    """The story in order."""
    yield from _at_the_factory(shipment())
    yield from _on_the_road(shipment())
    yield from _under_customs(shipment())


def _at_the_factory(goods: cast.Shipment) -> Iterator[Scene]:
    who = cast.MANUFACTURER

    def commission(stage: Stage) -> list[Played]:
        everything = _things(*(cast.item(number) for number in range(1, cast.ITEMS + 1)))
        return stage.submit(who, [make(_at(stage, who), everything)])

    def fill_cases(stage: Stage) -> list[Played]:
        return stage.submit(who, [_case(stage, number) for number in range(1, CASES + 1)])

    def _case(stage: Stage, number: int) -> Draft:
        first = (number - 1) * cast.ITEMS_PER_CASE
        inside = _things(*(cast.item(first + place) for place in range(1, cast.ITEMS_PER_CASE + 1)))
        return pack(_at(stage, who), cast.case(number), inside)

    def load(stage: Stage) -> list[Played]:
        cases = _things(*(cast.case(number) for number in range(1, CASES + 1)))
        sealed = _at(stage, who, new_seals=[cast.SEAL])
        return stage.submit(
            who,
            [pack(_at(stage, who), cast.PALLET, cases), pack(sealed, goods.container, _things(cast.PALLET))],
        )

    def declare(stage: Stage) -> list[Played]:
        return stage.submit(who, [bind(_at(stage, who), [goods.declaration], _things(goods.container))])

    yield Scene(
        "Commissioned", f"{cast.ITEMS:,} items get their serial numbers", who, commission, (Outcome.MADE,)
    )
    yield Scene(
        "Packed",
        f"into {CASES} cases of {cast.ITEMS_PER_CASE}",
        who,
        fill_cases,
        (Outcome.PARENT_BORN, Outcome.PACKED),
    )
    yield Scene(
        "Loaded", f"{CASES} cases on a pallet, the pallet into container {cast.CONTAINER}, seal {cast.SEAL}",
        who, load, (Outcome.PARENT_BORN, Outcome.PACKED),
    )  # fmt: skip
    yield Scene(
        "Declared", f"the container under {goods.declaration.text.rsplit(':', 1)[1]}", who, declare,
        (Outcome.BOUND_FOREIGN,),
    )  # fmt: skip


def _on_the_road(goods: cast.Shipment) -> Iterator[Scene]:
    box = _things(goods.container)

    def _offer(sender: str, receiver: str) -> Callable[[Stage], list[Played]]:
        def play(stage: Stage) -> list[Played]:
            return stage.submit(sender, [offer(_at(stage, sender), box, cast.party(receiver))])

        return play

    def collected(stage: Stage) -> list[Played]:
        return stage.submit(cast.FORWARDER, [accept(_at(stage, cast.FORWARDER), box)])

    def by_the_driver(stage: Stage) -> list[Played]:
        then = stage.now_ms() - 5 * HOUR_MS
        at = Circumstances(then, place=cast.place(cast.FORWARDER))
        return stage.submit(cast.CARRIER, [accept(at, box)], delegate=cast.DRIVER, device_since_ms=then)

    yield Scene(
        "Offered", "the manufacturer hands the container to the forwarder", cast.MANUFACTURER,
        _offer(cast.MANUFACTURER, cast.FORWARDER), (Outcome.OFFERED,),
    )  # fmt: skip
    yield Scene(
        "Accepted", "first handover, both sides signed", cast.FORWARDER, collected, (Outcome.ACCEPTED,)
    )
    yield Scene(
        "Offered", "the forwarder hands it to the carrier", cast.FORWARDER,
        _offer(cast.FORWARDER, cast.CARRIER), (Outcome.OFFERED,),
    )  # fmt: skip
    yield Scene(
        "Accepted offline", "second handover, by a driver: the device attested five hours before there was a network",
        cast.CARRIER, by_the_driver, (Outcome.ACCEPTED,),
    )  # fmt: skip


def _under_customs(goods: cast.Shipment) -> Iterator[Scene]:
    box, customs = _things(goods.container), cast.CUSTOMS

    def detain(stage: Stage) -> list[Played]:
        return stage.submit(customs, [hold(_at(stage, customs), box, case=cast.CASE, basis=cast.BASIS)])

    def allow_transit(stage: Stage) -> list[Played]:
        leg = (cast.party(cast.CARRIER), cast.party(cast.FORWARDER))
        until = stage.now_ms() + 48 * HOUR_MS
        drafted = permit(
            _at(stage, customs), box, case=cast.CASE, basis=cast.BASIS, legs=[leg], until_ms=until
        )
        return stage.submit(customs, [drafted])

    def send_on(stage: Stage) -> list[Played]:
        at = _at(stage, cast.CARRIER)
        return stage.submit(cast.CARRIER, [offer(at, box, cast.party(cast.FORWARDER))])

    def short_and_resealed(stage: Stage) -> list[Played]:
        at = _at(stage, cast.FORWARDER, other_seals=[cast.OTHER_SEAL])
        return stage.submit(cast.FORWARDER, [accept(at, box, missing=_things(*goods.missing))])

    def hold_one_case(stage: Stage) -> list[Played]:
        at = _at(stage, customs)
        resealed = _at(stage, customs, new_seals=[cast.CUSTOMS_SEAL])
        return stage.submit(
            customs,
            [
                observe(resealed, box, step="inspecting"),
                hold(at, _things(goods.held_case), case=f"{cast.CASE}-7", basis=cast.BASIS, measure="seize"),
                unpack(at, cast.PALLET, _things(goods.held_case)),
            ],
        )

    def let_go(stage: Stage) -> list[Played]:
        return stage.submit(customs, [release(_at(stage, customs), box, case=cast.CASE, basis=cast.BASIS)])

    def seen(stage: Stage) -> list[Played]:
        return stage.submit(customs, [observe(_at(stage, customs), box, step="inspecting")])

    yield Scene("Detained", "customs hold the container on arrival", customs, detain, (Outcome.HELD,))
    yield Scene(
        "Bonded transit", "customs permit one movement under hold, carrier to forwarder", customs, allow_transit,
        (Outcome.PERMITTED,),
    )  # fmt: skip
    yield Scene(
        "Offered", "the carrier hands over under the permit", cast.CARRIER, send_on, (Outcome.OFFERED,)
    )
    yield Scene(
        "Received with reservation", f"third handover: two items short, and the seal reads {cast.OTHER_SEAL}",
        cast.FORWARDER, short_and_resealed, (Outcome.ACCEPTED_WITH_RESERVATION, Outcome.MISSING, Outcome.MISSING),
    )  # fmt: skip
    yield Scene(
        "One case seized",
        f"customs open the container, seize case {_HELD_CASE}, take it off the pallet and put seal {cast.CUSTOMS_SEAL} on",
        customs,
        hold_one_case,
        (Outcome.INTERVENED,),
    )
    yield Scene("Released", "the rest may go", customs, let_go, (Outcome.RELEASED,))
    yield Scene(
        "Inspected", "customs look at the container as it leaves", customs, seen, (Outcome.INTERVENED,)
    )


def differs(scene: Scene, played: Sequence[Played]) -> str | None:
    """What came otherwise than the story says, in a sentence, or None."""
    for one in played:
        if one.refusal:
            return f"{scene.title}: expected an entry, it was refused with {one.refusal}"
    codes = tuple(Outcome(code % BOUND_TOO) for code in played[0].outcomes[: len(scene.expected)])
    if codes != scene.expected:
        wanted, got = (", ".join(code.name.lower() for code in both) for both in (scene.expected, codes))
        return f"{scene.title}: expected {wanted}, got {got}"
    return None
