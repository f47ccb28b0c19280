"""Check digits of what names an organisation: GLN (GS1 General Specifications §7.9.1) and LEI (ISO 17442-1; ISO/IEC 7064 MOD 97-10)."""

from __future__ import annotations

from typing import Any, Final

from ledger.base.check_digits import has_gs1_check_digit
from ledger.base.errors import Code, FormError

LEI_CHARACTERS: Final = 20
GLN_DIGITS: Final = 13
_GLN_PATH: Final = "https://id.gs1.org/417/"


def check_lei(lei: Any) -> None:
    """Raise FormError unless it is a Legal Entity Identifier with its own check digits."""
    is_formed = (
        type(lei) is str
        and len(lei) == LEI_CHARACTERS
        and all("0" <= one <= "9" or "A" <= one <= "Z" for one in lei)
        and all("0" <= one <= "9" for one in lei[-2:])
    )
    if not is_formed:
        raise FormError(
            Code.BAD_IDENTIFIER,
            "lei: expected 18 capital letters or digits and two check digits, got another form",
        )
    if int("".join(str(int(one, 36)) for one in lei)) % 97 != 1:
        raise FormError(Code.BAD_CHECK_DIGIT, f"lei: expected the check digits of {lei[:18]}, got {lei[18:]}")


def check_party(party: str) -> None:
    """Raise FormError bad_check_digit if a party is a GLN, alone or as a canonical identifier, that ends in a wrong digit."""
    digits = party.removeprefix(_GLN_PATH)
    if digits != party and not _is_gln(digits):
        raise FormError(
            Code.BAD_IDENTIFIER, f"party: expected a GLN of {GLN_DIGITS} digits, got {digits[:40]}"
        )
    if _is_gln(digits) and not has_gs1_check_digit(digits):
        raise FormError(
            Code.BAD_CHECK_DIGIT, f"party: expected the check digit of GLN {digits[:-1]}, got {digits[-1]}"
        )


def _is_gln(text: str) -> bool:
    return len(text) == GLN_DIGITS and all("0" <= one <= "9" for one in text)
