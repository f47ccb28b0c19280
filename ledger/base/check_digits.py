"""The GS1 check digit (GS1 General Specifications §7.9.1): of identifiers in documents, and of those that name members."""

from __future__ import annotations


def gs1_check_digit(digits: str) -> str:
    """The GS1 check digit that belongs after `digits` (weights 3, 1, 3 ... from the right)."""
    total = 0
    weight = 3
    for digit in reversed(digits):
        total += weight * (ord(digit) - 48)
        weight = 4 - weight
    return chr(48 + -total % 10)


def has_gs1_check_digit(digits: str) -> bool:
    """Whether the last of `digits` is the GS1 check digit of the others."""
    return gs1_check_digit(digits[:-1]) == digits[-1]
