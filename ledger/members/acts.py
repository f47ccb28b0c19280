"""Which member may do which act, and with which key: one table (GOVERNANCE.md; RULES.md §1 "official acts").

An act is what one item of a transaction does: an event's action, a ballot, an enrolment. Its row says which uses of a key may sign
it, which roles an organisation needs for it, and which suspension of the organisation bars it. Everything here is a
function of the item and of the registry; what an act needs beyond that (a prefix's holder, one's own proposal) its rule says.

Custody rules refuse no member a statement about goods: what contradicts the state is recorded. So the roles that count are those
of *official acts*, which bind others: a customs authority or a regulator, with jurisdiction at the place stated.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from ledger.base.errors import Code, EntitlementError, FormError
from ledger.members.members import ROLES, Use

CUSTODY: Final = (
    "observe", "make", "transform", "pack", "unpack", "unpack_all", "offer", "accept", "withdraw_offer", "reject",
    "dispute", "commercial_hold", "hold", "release", "permit", "bind", "unbind", "unbind_all", "end", "confirm",
    "dismiss", "correct", "sample", "mismatch",
)  # fmt: skip
"""The act that an event is, by the number of its action (`trade.statement.Action`)."""
GOVERNANCE: Final = ("propose", "vote", "withdraw")
"""The act that an item of governance is, by its first field."""
REGISTRATION: Final[Mapping[int, str]] = MappingProxyType(
    {
        0: "enrol",
        1: "revoke",
        2: "compromised",
        3: "delegate",
        5: "licence",
        6: "end_licence",
        7: "policy",
    }
)
"""The act that an item of registration is, by its first field."""
AUTHORITIES: Final = ("customs", "regulator")
"""Roles of which an organisation needs one to have jurisdiction."""


class Bar(IntEnum):
    """Which suspensions of an organisation an act waits for the end of."""

    NEVER = 0  # it protects the others, or the organisation itself: evidence, revocation, erasure
    VOTED = 1  # one that the others voted; an emergency suspension, which fewer decide, silences nobody
    ANY = 2


class Right(NamedTuple):
    """Who may do an act."""

    uses: tuple[Use, ...]
    """What the key that signs must be registered for, one of these."""
    roles: tuple[str, ...] = ROLES
    """Of which roles the organisation must have one. All of them: every member may."""
    bar: Bar = Bar.ANY
    """Which suspensions of the organisation bar it."""

    @property
    def is_official(self) -> bool:
        """Whether it takes an authority."""
        return self.roles == AUTHORITIES


_MEMBER: Final = Right((Use.SIGN, Use.CAPTURE))
_HANDOVER: Final = Right((Use.SIGN, Use.CAPTURE, Use.DELEGATE))
_OFFICIAL: Final = Right((Use.SIGN, Use.CAPTURE), AUTHORITIES)
_VOTER: Final = Right((Use.APPROVER,), bar=Bar.VOTED)
_OWN: Final = Right((Use.SIGN,))

RIGHTS: Final[Mapping[str, Right]] = MappingProxyType(
    {
        "observe": _HANDOVER,
        "make": _MEMBER,
        "transform": _MEMBER,
        "pack": _MEMBER,
        "unpack": _MEMBER,
        "unpack_all": _MEMBER,
        "offer": _HANDOVER,
        "accept": _HANDOVER,
        "withdraw_offer": _HANDOVER,
        "reject": _HANDOVER,
        "dispute": _HANDOVER,
        "commercial_hold": _MEMBER,
        "hold": _OFFICIAL,
        "release": _OFFICIAL,
        "permit": _OFFICIAL,
        "bind": _HANDOVER,
        "unbind": _MEMBER,
        "unbind_all": _MEMBER,
        "end": _MEMBER,
        "confirm": _MEMBER,
        "dismiss": _OFFICIAL,
        "correct": _MEMBER,
        "sample": _MEMBER,
        "mismatch": _HANDOVER,
        "evidence": Right((Use.SIGN, Use.CAPTURE, Use.DELEGATE), bar=Bar.NEVER),
        "propose": _VOTER,
        "vote": _VOTER,
        "withdraw": _VOTER,
        "enrol": Right((Use.SIGN, Use.APPROVER, Use.AUTHORITY)),
        "revoke": Right((Use.SIGN, Use.APPROVER, Use.AUTHORITY), bar=Bar.NEVER),
        "compromised": Right((Use.APPROVER, Use.AUTHORITY), bar=Bar.NEVER),
        "delegate": _OWN,
        "licence": _OWN,
        "end_licence": _OWN,
        "policy": Right((Use.APPROVER,)),
        "erase": Right((Use.SIGN,), bar=Bar.NEVER),
        "approve": Right((Use.SIGN, Use.CAPTURE), bar=Bar.VOTED),
    }
)
"""Every act less the change of epoch, which approvals authorise and not a key (PROTOCOL.md §9)."""


OFFICIAL: Final = tuple(number for number, act in enumerate(CUSTODY) if RIGHTS[act].is_official)
"""The actions of events that are official acts."""


def custody_act(action: int) -> str:
    """The act that an event with this action is."""
    return CUSTODY[action]


def governance_act(first: object) -> str:
    """The act that an item of governance is, by its first field; FormError for none."""
    if type(first) is int and 0 <= first < len(GOVERNANCE):
        return GOVERNANCE[first]
    raise FormError(Code.MALFORMED, f"expected an item of governance ({_listed(GOVERNANCE)}), got another")


def registration_act(first: object) -> str:
    """The act that an item of registration is, by its first field; FormError for none."""
    if type(first) is int and first in REGISTRATION:
        return REGISTRATION[first]
    raise FormError(
        Code.MALFORMED,
        f"expected an item of registration ({_listed(tuple(REGISTRATION.values()))}), got another",
    )


def check_may(act: str, use: int, *, is_authority: bool = False) -> None:
    """Raise EntitlementError(not_entitled) unless a key registered for `use` may do `act`.

    `is_authority`: whether its organisation has jurisdiction at the place stated.
    """
    right = RIGHTS[act]
    if right.is_official and not is_authority:
        raise EntitlementError(
            Code.NOT_ENTITLED,
            f"expected an authority with jurisdiction at the place stated for this official act ({act})",
        )
    if use not in right.uses:
        raise EntitlementError(
            Code.NOT_ENTITLED,
            f"expected a key registered for {_listed(tuple(one.name.lower() for one in right.uses))} to {act}, "
            f"got one for {Use(use).name.lower()}",
        )


def is_barred(act: str, *, is_emergency: bool) -> bool:
    """Whether a suspension of its organisation, an emergency's or a voted one, bars an act."""
    bar = RIGHTS[act].bar
    return bar == Bar.ANY or (bar == Bar.VOTED and not is_emergency)


def check_jurisdiction(organisation: str, roles: tuple[str, ...]) -> None:
    """Raise EntitlementError(not_entitled) unless an organisation with these roles may be given jurisdiction."""
    if not any(role in AUTHORITIES for role in roles):
        raise EntitlementError(
            Code.NOT_ENTITLED,
            f"expected jurisdiction for an organisation in the role of {_listed(AUTHORITIES)}, "
            f"{organisation} is {_listed(roles) or 'none'}",
        )


def uses_for(acts: tuple[str, ...]) -> tuple[Use, ...]:
    """The uses of keys of which each may do at least one of the acts."""
    return tuple(use for use in Use if any(use in RIGHTS[act].uses for act in acts))


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names)
