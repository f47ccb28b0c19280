"""What an event of many subjects costs grows with their number and no faster: counted in lines executed, not in time."""

from __future__ import annotations

import sys
from types import FrameType
from typing import Any, Self

from ledger.trade.statement import Action, Role
from tests.world.world import World, lot, serial, sscc

PREFIX = "9521234"
FEW, MANY = 40, 400


class Lines:
    """Counts lines of Python executed, each turn of a loop among them, while it is entered."""

    def __init__(self) -> None:
        self.count = 0
        self._before: Any = None

    def _seen(self, _frame: FrameType, event: str, _argument: Any) -> Any:
        self.count += event == "line"
        return self._seen

    def __enter__(self) -> Self:
        self._before = sys.gettrace()
        sys.settrace(self._seen)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(self._before)


def lines_of(world: World, who: str, action: Action, subjects: list[tuple[Any, ...]], **fields: Any) -> int:
    """Lines that executing one event alone in a block takes; it has to be applied."""
    transaction = world.sign(who, world.item(action, subjects, **fields))
    with Lines() as lines:
        execution = world.commit(transaction)
    assert not execution.receipts[0].refusal
    return lines.count


def life(count: int) -> dict[str, int]:
    """Lines of each event in the life of so many serials, from being made to being unpacked elsewhere."""
    world, box = World(), sscc(PREFIX, 1)
    things = [serial(PREFIX, 1, number) for number in range(count)]
    objects = [(Role.OBJECT, name) for name in things]
    packed = [(Role.PARENT, box), *((Role.CHILD, name) for name in things)]
    return {
        "make": lines_of(world, "maker", Action.MAKE, [*objects, (Role.LOT, lot(PREFIX, 1, "A"))]),
        "observe": lines_of(world, "forwarder", Action.OBSERVE, objects),
        "pack": lines_of(world, "maker", Action.PACK, packed),
        "offer": lines_of(world, "maker", Action.OFFER, [(Role.OBJECT, box)], to="forwarder"),
        "accept": lines_of(
            world, "forwarder", Action.ACCEPT,
            [(Role.OBJECT, box), *((Role.CONTENT, name) for name in things)],
        ),
        "bind": lines_of(
            world, "forwarder", Action.BIND,
            [(Role.OBJECT, box), *((Role.DOCUMENT, f"urn:custody:doc:bol:MAEU:{n}") for n in range(10))],
        ),
        "unpack": lines_of(world, "forwarder", Action.UNPACK, packed),
        "lots": lines_of(
            world, "maker", Action.MAKE, [(Role.OBJECT, lot(PREFIX, 2, str(n)), (5, 0, "")) for n in range(count)]
        ),
        "ship": lines_of(
            world, "maker", Action.OFFER, [(Role.OBJECT, lot(PREFIX, 2, str(n)), (1, 0, "")) for n in range(count)],
            to="forwarder",
        ),
        "end": lines_of(world, "forwarder", Action.END, objects),
    }  # fmt: skip


def test_an_event_of_many_subjects_costs_no_more_for_each_than_one_of_few() -> None:
    few, many = life(FEW), life(MANY)
    for name, lines in many.items():
        assert lines / MANY <= 1.05 * few[name] / FEW, name
