"""Quantities of lots: integers scaled by 10^scale in one unit, attested and unattested kept apart (CUSTODY_RULES, Lots).

What leaves a balance leaves attested first; what leaves beyond it is unattested wherever it goes. Nothing in
here reads state.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from ledger.base import limits
from ledger.trade.record import Amount, Quantity, Space, SubjectKey
from ledger.trade.rules.view import EXTERNAL
from ledger.trade.statement import Quantity as Stated

_DIGITS: Final = frozenset("0123456789")


class Movement(NamedTuple):
    """A quantity taken off a balance: how much of it is attested, what of it is not, and what remains."""

    attested: int
    unattested: int
    remaining: Quantity
    exceeds: bool
    """Whether more was taken than was there."""


def balance_key(lot: str, holder: str) -> SubjectKey:
    """The key of a lot's balance with a holder."""
    return SubjectKey(Space.BALANCE, lot, holder)


def inside(container: str, generation: int) -> str:
    """A container, in one of its generations, as a holder."""
    return f"{container}#{generation}"


def container_of(key: SubjectKey) -> tuple[str, int] | None:
    """The container, in which of its generations, that is the holder of a balance; None if a custodian is."""
    container, _, generation = key.holder.rpartition("#")
    if ":" not in container or container.startswith(EXTERNAL) or not _DIGITS.issuperset(generation):
        return None
    return container, int(generation)


def amount_of(stated: Stated) -> Amount:
    """A stated quantity as records keep it."""
    return Amount(stated.amount, stated.scale, stated.unit)


def scaled(amount: int, scale: int, target: int) -> int:
    """`amount` / 10^`scale` in units of 10^-`target`, which is not coarser."""
    return int(amount * 10 ** (target - scale))


def is_at_least(one: Amount, other: Stated) -> bool:
    """Whether `one` is of the same unit and not less than `other`."""
    scale = max(one.scale, other.scale)
    return one.unit == other.unit and (
        scaled(one.amount, one.scale, scale) >= scaled(other.amount, other.scale, scale)
    )


def debit(balance: Quantity | None, stated: Stated) -> Movement | None:
    """Take the stated quantity off a balance; None if the units differ or a number exceeds the cap."""
    held = balance or Quantity(0, 0, stated.scale, stated.unit)
    scale = max(held.scale, stated.scale)
    attested = scaled(held.attested, held.scale, scale)
    unattested = scaled(held.unattested, held.scale, scale)
    amount = scaled(stated.amount, stated.scale, scale)
    if held.unit != stated.unit or max(attested + unattested, amount) > limits.QUANTITY_MAX:
        return None
    taken = min(attested, amount)
    rest = amount - taken
    remaining = Quantity(attested - taken, unattested - min(unattested, rest), scale, held.unit)
    return Movement(taken, rest, remaining, rest > unattested)


def emptied(balance: Quantity) -> Movement:
    """Take everything off a balance."""
    nothing = Quantity(0, 0, balance.scale, balance.unit)
    return Movement(balance.attested, balance.unattested, nothing, exceeds=False)


def made(stated: Stated, *, attested: bool) -> Movement:
    """A quantity that comes from no balance."""
    nothing = Quantity(0, 0, stated.scale, stated.unit)
    return Movement(
        stated.amount if attested else 0, 0 if attested else stated.amount, nothing, exceeds=False
    )


def credit(balance: Quantity | None, moved: Movement) -> Quantity | None:
    """Add what moved to a balance; None if the units differ or the sum exceeds the cap."""
    came = moved.remaining
    held = balance or Quantity(0, 0, came.scale, came.unit)
    scale = max(held.scale, came.scale)
    total = Quantity(
        scaled(held.attested, held.scale, scale) + scaled(moved.attested, came.scale, scale),
        scaled(held.unattested, held.scale, scale) + scaled(moved.unattested, came.scale, scale),
        scale,
        held.unit,
    )
    fits = held.unit == came.unit and total.attested + total.unattested <= limits.QUANTITY_MAX
    return total if fits else None
