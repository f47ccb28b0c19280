"""Who and what the demonstration is about: four organisations, one shipment. All identifiers are examples.

GS1 company prefixes 952... are reserved by GS1 for examples, so nothing here can be mistaken for a real product.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from ledger.trade.identifiers import Identifier, canonical

MANUFACTURER: Final = "manufacturer"
FORWARDER: Final = "forwarder"
CARRIER: Final = "carrier"
CUSTOMS: Final = "customs"
ORGANISATIONS: Final = (MANUFACTURER, FORWARDER, CARRIER, CUSTOMS)
COUNTRIES: Final = {MANUFACTURER: "IN", FORWARDER: "IN", CARRIER: "NL", CUSTOMS: "NL"}
ROLES: Final = {
    MANUFACTURER: ("manufacturer", "validator"),
    FORWARDER: ("logistics", "validator"),
    CARRIER: ("logistics", "validator"),
    CUSTOMS: ("customs", "validator"),
}
PREFIX: Final = "9521234"
ITEMS: Final = 1_000
ITEMS_PER_CASE: Final = 50
CONTAINER: Final = "CSQU3054383"
SEAL: Final = "ML-4471"
OTHER_SEAL: Final = "ML-9002"
CUSTOMS_SEAL: Final = "NLC-3381"
CASE: Final = "2026-0117"
BASIS: Final = "UCC-art-198"
DRIVER: Final = "driver"
"""The carrier's delegate key for this one consignment; its device signs while there is no network."""


def with_check_digit(body: str) -> str:
    """A GS1 key from its digits without the check digit (GS1 General Specifications §7.9)."""
    total = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(body)))
    return body + str(-total % 10)


GTIN: Final = with_check_digit("0" + PREFIX + "00101")


def item(number: int) -> Identifier:
    """Item `number` of the shipment, from 1."""
    return canonical(f"https://id.gs1.org/01/{GTIN}/21/{number:05d}")


def case(number: int) -> Identifier:
    """Case `number`, from 1."""
    return canonical(f"https://id.gs1.org/00/{with_check_digit(f'1{PREFIX}{number:09d}')}")


PALLET: Final = canonical(f"https://id.gs1.org/00/{with_check_digit(f'3{PREFIX}{1:09d}')}")


def gln(organisation: str) -> str:
    """The 13 digits of an organisation's location number."""
    return with_check_digit(f"{PREFIX}{9_0000 + ORGANISATIONS.index(organisation):05d}")


def party(organisation: str) -> Identifier:
    """An organisation as EPCIS documents name it."""
    return canonical(f"https://id.gs1.org/417/{gln(organisation)}")


def place(organisation: str) -> Identifier:
    """The premises of an organisation."""
    return canonical(f"https://id.gs1.org/414/{gln(organisation)}")


class Shipment(NamedTuple):
    """The identifiers of the shipment that the story follows."""

    container: Identifier
    declaration: Identifier
    held_case: Identifier
    """The case that customs keep."""
    missing: tuple[Identifier, ...]
    """Two items that the last receiver did not find."""
    witness: Identifier
    """An ordinary item, proven alone at the border."""
