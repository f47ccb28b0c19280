"""The custody extension terms of an event (EXTRACT.md §6).

Namespace `https://custody-ledger.org/ns/`, by convention under the prefix `custody`. A term of the namespace that is not
in the table is refused, and so is one where it has no meaning: nothing that an author signed about custody is ignored.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from ledger.base import limits
from ledger.base.encoding import take_ascii
from ledger.base.errors import Code, FormError
from ledger.base.hashing import HASH_BYTES
from ledger.trade.extract.context import Prefixes
from ledger.trade.extract.fields import Event, as_object, refused, time_ms
from ledger.trade.identifiers import canonical, seal_number
from ledger.trade.identifiers.alphabet import DIGITS
from ledger.trade.slices import Number
from ledger.trade.statement import Leg, Measure, Permit
from ledger.trade.vocabulary import EPCIS_NAMESPACE, EXTENSION_NAMESPACE

MEASURES: Final = ("detain", "seize", "release", "permit")
HANDOVERS: Final = ("reject", "dispute")
RULINGS: Final = ("confirm", "dismiss")
TERMS: Final = frozenset(
    {
        "measure", "case", "basis", "handover", "ruling", "cites", "original", "seal", "otherSeal", "reseal", "missing",
        "samples", "count", "lapses", "legs", "until",
    }
)  # fmt: skip
_LEG_TERMS: Final = frozenset({"from", "to"})
_HEX: Final = DIGITS | frozenset("abcdef")


class Extensions(NamedTuple):
    """The custody terms of one event, by their local names. Lists keep the author's order."""

    terms: dict[str, Any]
    prefixes: Prefixes

    def word(self, name: str, words: tuple[str, ...]) -> str | None:
        """One of a term's few words, None where the term is absent."""
        value = self.terms.get(name)
        if value is not None and value not in words:
            raise refused(f"custody:{name}", " or ".join(words), value)
        return None if value is None else f"{value}"

    def reference(self, name: str, *, needed: bool) -> str:
        """A reference (case, legal basis) of at most TEXT_BYTES visible ASCII characters, "" where it may be absent."""
        value = self.terms.get(name, "")
        if needed and value == "":
            raise refused(f"custody:{name}", "the reference of an official act", None)
        return take_ascii(value, f"custody:{name}", limits.TEXT_BYTES, least=0)

    def digest(self, name: str) -> bytes | None:
        """A hash in 64 lower-case hexadecimal digits, None where the term is absent."""
        value = self.terms.get(name)
        if value is None:
            return None
        if type(value) is not str or len(value) != 2 * HASH_BYTES or not _HEX.issuperset(value):
            raise refused(f"custody:{name}", "an event hash in 64 lower-case hexadecimal digits", value)
        return bytes.fromhex(value)

    def time(self, name: str) -> int | None:
        """A time as Unix milliseconds, None where the term is absent."""
        value = self.terms.get(name)
        if value is None:
            return None
        if type(value) is not str:
            raise refused(f"custody:{name}", "a time", value)
        at_ms = time_ms(value, f"custody:{name}")
        if at_ms < 0:
            raise refused(f"custody:{name}", "a time after 1970", value)
        return at_ms

    def counted(self) -> int | None:
        """The number of contents counted, None where the term is absent."""
        value = self.terms.get("count")
        if value is None:
            return None
        if type(value) is not Number or not DIGITS.issuperset(value.text):
            raise refused("custody:count", "a whole number", value)
        return int(value.text)

    def seals(self) -> tuple[tuple[str, ...], str | None]:
        """Seal numbers in one spelling and which of the seal terms says them."""
        said = [name for name in ("seal", "otherSeal", "reseal") if name in self.terms]
        if len(said) > 1:
            raise refused("custody:" + said[1], "one of seal, otherSeal and reseal", said)
        if not said:
            return (), None
        value = self.terms[said[0]]
        numbers = value if type(value) is list else [value]
        if not all(type(number) is str for number in numbers) or not 1 <= len(numbers) <= limits.SEALS:
            raise refused("custody:" + said[0], f"1 to {limits.SEALS} seal numbers", value)
        seals = tuple(seal_number(number) for number in numbers)
        if len(set(seals)) != len(seals):
            raise refused("custody:" + said[0], "each seal number once", value)
        return seals, said[0]

    def measure(self) -> Measure:
        """Case and legal basis of an official act."""
        return Measure(self.reference("case", needed=True), self.reference("basis", needed=False))

    def permit(self) -> Permit:
        """The terms of a permit: ordered legs, its end, and the seal it demands."""
        until_ms = self.time("until")
        legs = self.terms.get("legs")
        if until_ms is None or type(legs) is not list or not 1 <= len(legs) <= limits.PERMIT_LEGS:
            raise refused(
                "custody:legs", f"1 to {limits.PERMIT_LEGS} legs and custody:until in a permit", legs
            )
        seals, said = self.seals()
        if len(seals) > 1 or said in ("otherSeal", "reseal"):
            raise refused("custody:seal", "at most one seal in a permit", seals)
        return Permit(tuple(self._leg(leg) for leg in legs), until_ms, seals[0] if seals else None)

    def _leg(self, value: Any) -> Leg:
        leg = custody_terms(as_object(value, "custody:legs"), self.prefixes, _LEG_TERMS)
        sender, receiver = leg.get("from"), leg.get("to")
        if type(sender) is not str or type(receiver) is not str:
            raise refused("custody:legs", "custody:from and custody:to in each leg", value)
        expand = self.prefixes.expanded
        return Leg(canonical(expand(sender)).text, canonical(expand(receiver)).text)

    def allow(self, *names: str) -> None:
        """Refuse every term that has no meaning in this event."""
        for name in self.terms:
            if name not in names:
                raise FormError(
                    Code.MALFORMED,
                    f"custody:{name}: expected only where it has a meaning, got it in another event",
                )


def custody_terms(members: Event, prefixes: Prefixes, known: frozenset[str] = TERMS) -> dict[str, Any]:
    """The members of the custody namespace by local name; an EPCIS term under a longer name is refused."""
    terms: dict[str, Any] = {}
    for key, value in members.items():
        if ":" not in key:
            continue
        full = prefixes.expanded(key)
        if full.startswith(EPCIS_NAMESPACE):
            raise FormError(
                Code.CONTEXT_REDEFINES, f"expected EPCIS terms by their short names, got {key[:64]!a}"
            )
        if not full.startswith(EXTENSION_NAMESPACE):
            continue
        name = full[len(EXTENSION_NAMESPACE) :]
        if name not in known:
            raise refused(key[:64], "a custody term of this extractor version", name)
        if name in terms:
            raise FormError(Code.DUPLICATE_KEY, f"expected custody:{name} once, got it under two names")
        if value is not None:
            terms[name] = value
    return terms
