"""The bits of an EPC, as an RFID reader delivers them: read from the front, never beyond the end."""

from __future__ import annotations

import re
from typing import Final

from ledger.base.errors import Code, FormError

MOST_HEX_DIGITS: Final = 128  # 512 bits: more than the EPC bank of any tag in trade holds
_HEX: Final = re.compile(r"[0-9A-Fa-f]+")
_BETWEEN: Final = str.maketrans("", "", " :-")


def refused(expected: str, came: object) -> FormError:
    """The error for an EPC that is not what the Tag Data Standard says."""
    return FormError(Code.BAD_IDENTIFIER, f"expected {expected}, got {came}")


class Bits:
    """Reads a bit string from its front."""

    def __init__(self, value: int, length: int) -> None:
        self._value = value
        self._left = length

    @classmethod
    def from_hex(cls, text: str) -> Bits:
        """The bits of hexadecimal digits, with or without blanks, colons, hyphens and 0x. FormError bad_identifier."""
        digits = text.strip().removeprefix("0x").translate(_BETWEEN)
        if _HEX.fullmatch(digits) is None or len(digits) > MOST_HEX_DIGITS:
            raise refused(f"an EPC of at most {MOST_HEX_DIGITS} hexadecimal digits", ascii(text[:64]))
        return cls(int(digits, 16), 4 * len(digits))

    @property
    def left(self) -> int:
        """How many bits were not read yet."""
        return self._left

    def take(self, count: int) -> int:
        """The next bits as a number. FormError bad_identifier where fewer are left."""
        if count > self._left:
            raise refused(f"{count} more bits", f"an EPC that ends {count - self._left} bits early")
        self._left -= count
        taken = self._value >> self._left
        self._value &= (1 << self._left) - 1
        return taken

    def zeros(self, count: int, what: str) -> None:
        """Read bits that have to be zero."""
        if self.take(count):
            raise refused(f"zeros in {what}", "ones")
