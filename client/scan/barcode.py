"""GS1 element strings, as barcodes carry them -> (application identifier, value) pairs.

Which application identifiers there are, and how long the value of each is, comes from biip (GS1 General Specifications
§3). A value of variable length ends at a separator (FNC1, which scanners send as the ASCII character GS) or with the
message; biip would guess where one is missing, this does not.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ledger.base.errors import Code, FormError, UnavailableError

if TYPE_CHECKING:
    from biip.gs1_messages import GS1Message

Elements = tuple[tuple[str, str], ...]

SEPARATOR: Final = "\x1d"
# How keyboards, logs and people write the separator.
_SPELLED: Final = re.compile(r"<GS>|\{GS\}|<FNC1>|\{FNC1\}|␝", re.IGNORECASE)
_BRACKETED: Final = re.compile(r"\(([0-9]{2,4})\)([^()]+)")


def has_separator(text: str) -> bool:
    """Whether a scan holds a separator in any spelling."""
    return SEPARATOR in text or _SPELLED.search(text) is not None


def elements(text: str) -> Elements:
    """The elements of a scanned message without symbology identifier. FormError bad_identifier, UnavailableError."""
    message = _SPELLED.sub(SEPARATOR, text).strip(" \t\r\n").lstrip(SEPARATOR)
    found = _parsed(message)
    at = 0
    for element in found.element_strings:
        at += len(element.ai.ai) + len(element.value)
        if element.ai.separator_required and message[at : at + 1] not in ("", SEPARATOR):
            raise FormError(
                Code.BAD_IDENTIFIER,
                f"expected a separator (FNC1) or the end after ({element.ai.ai}){element.value}, got {message[at:][:32]!a}",
            )
        while message[at : at + 1] == SEPARATOR:
            at += 1
    return tuple((element.ai.ai, element.value) for element in found.element_strings)


def bracketed(text: str) -> Elements:
    """The elements of what is printed under a barcode, as (01)...(21)...: each value ends at the next bracket."""
    pairs = _BRACKETED.findall(text)
    if not pairs or "".join(f"({code}){value}" for code, value in pairs) != text:
        raise FormError(
            Code.BAD_IDENTIFIER, f"expected an element string as (01)...(21)..., got {text[:96]!a}"
        )
    return tuple((code, value.strip(" ")) for code, value in pairs)


def _parsed(message: str) -> GS1Message:
    try:
        from biip import ParseConfig, ParseError  # noqa: PLC0415 - an extra, which most clients do without
        from biip.gs1_messages import GS1Message  # noqa: PLC0415
    except ImportError:
        raise UnavailableError(
            Code.UNAVAILABLE,
            "expected the scan extra for barcodes without brackets, it is not installed; pip install 'custody-ledger[scan]'",
        ) from None
    # Some labels carry a date of zeros; what identifies is judged by `ledger.trade.identifiers`.
    config = ParseConfig(gs1_element_strings_verify_date=False)
    try:
        return GS1Message.parse(message, config=config)
    except ParseError as error:
        raise FormError(
            Code.BAD_IDENTIFIER, f"expected a GS1 element string, got {message[:96]!a}: {error}"
        ) from None
