"""What proposals would change: checked when made, and again when they pass (GOVERNANCE.md §4).

    change = [kind, ...]      ->  plan(...)  ->  what it sets in the registry, or the one sentence why it does not apply

`plan` only reads. What passed long after it was made is planned anew, so nothing is set that does not fit the registry of then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from ledger.base import limits
from ledger.base.encoding import take_array, take_ascii, take_bool, take_int, take_optional_ascii
from ledger.base.errors import Code, FormError, RuleError
from ledger.base.keys import is_hybrid, is_valid_public_key, key_id, take_public_key
from ledger.members.acts import check_jurisdiction
from ledger.members.constitution import (
    APPROVERS_LEAST,
    CONSTITUTION,
    ChangeKind,
    Electorate,
    check_rules,
    take_rules,
)
from ledger.members.draft import Author, Change, RegistryDraft
from ledger.members.identity import check_lei, check_party
from ledger.members.members import (
    ROLES,
    SIGNATURE_SUITE,
    Suspension,
    Use,
    check_organisation_id,
    holder_of,
    key_from_data,
    take_text,
)
from ledger.members.registry import Kind

_ID: Final = 32
_PREFIX_DIGITS: Final = (4, 12)
_FLAGS: Final = ("allow_persons",)
"""Parameters that execution alone reads; those of consensus change with the validators."""


class Setting(NamedTuple):
    """What a change is planned against."""

    draft: RegistryDraft
    author: Author
    """Of the act that proposes it, or with whose ballot it passes."""
    electorate: Electorate


def plan(setting: Setting, change: Any) -> list[Change]:
    """What `change` sets in the registry, as it stands; a CustodyError where it is ill-formed or does not apply."""
    fields = take_array(change, "change", most=16)
    kind = take_int(fields[0] if fields else None, "kind of change", 0, max(ChangeKind))
    count, planned = _PLANS[ChangeKind(kind)]
    take_array(fields, f"change of kind {kind}", count)
    return planned(setting, fields)


# ---- members


def _add(setting: Setting, fields: tuple[Any, ...]) -> list[Change]:
    _, who, name, country, roles, is_simulated, parties, lei, key, has_vote = fields
    draft = setting.draft
    take_ascii(who, "organisation id", _ID)
    check_organisation_id(who)
    if draft.get(Kind.ORGANISATION, who) is not None or draft.entry(Kind.ORGANISATION, who) is not None:
        raise RuleError(Code.NOT_APPLICABLE, f"expected an organisation id that was never used, got {who}")
    take_text(name, "name")
    country = take_ascii(country, "country", 2, least=2)
    if any(not "A" <= one <= "Z" for one in country):
        raise FormError(Code.MALFORMED, f"country: expected two capital letters, got {country!a}")
    _check_roles(roles)
    take_bool(is_simulated, "is_simulated")
    if lei is not None:
        check_lei(lei)
    found = [
        _free_party(draft, one)
        for one in take_array(parties, "parties", most=limits.PARTIES_PER_ORGANISATION)
    ]
    _ascending(found, "parties")
    made: list[Change] = [
        (int(Kind.ORGANISATION), who, (name, country, roles, is_simulated, lei)),
        _authority(draft, who, key),
        *((int(Kind.PARTY), party, who) for party in found),
    ]
    if take_bool(has_vote, "is_approver"):
        _check_room(setting)
        made.append((int(Kind.APPROVER), who, True))
    return made


def _check_roles(roles: Any) -> None:
    for role in take_array(roles, "roles", most=len(ROLES)):
        if role not in ROLES:
            raise FormError(Code.MALFORMED, f"roles: expected each to be one of {', '.join(ROLES)}")
    _ascending(list(roles), "roles")


def _ascending(names: list[Any], field: str) -> None:
    if names != sorted(set(names)):
        raise FormError(Code.NOT_CANONICAL, f"{field}: expected each once, in ascending order")


def _free_party(draft: RegistryDraft, party: Any) -> str:
    party = take_ascii(party, "party", limits.IDENTIFIER_BYTES)
    check_party(party)
    holder = draft.get(Kind.PARTY, party)
    if holder is not None:
        raise RuleError(
            Code.NOT_APPLICABLE, f"expected a party that stands for nobody yet, {party} stands for {holder}"
        )
    return str(party)


def _authority(draft: RegistryDraft, who: str, key: Any) -> Change:
    """The entry of an authority's key that was never registered."""
    key = take_public_key(key, "authority key")
    name = key_id(key).hex()
    if not is_valid_public_key(key):
        raise FormError(Code.BAD_KEY, f"authority key: expected a valid key, got {name[:16]}")
    if draft.entry(Kind.KEY, name) is not None or draft.get(Kind.KEY, name) is not None:
        raise RuleError(
            Code.NOT_APPLICABLE, f"authority key: expected a key that was never registered, got {name[:16]}"
        )
    if not is_hybrid(key) and draft.get(Kind.PARAMETER, SIGNATURE_SUITE) == 1:
        raise FormError(
            Code.BAD_KEY, "authority key: expected a hybrid one, as this network asks for, got a plain one"
        )
    data: tuple[Any, ...] = (who, int(Use.AUTHORITY), None, None)
    return int(Kind.KEY), name, (*data, None, None, key) if is_hybrid(key) else data


def _member(setting: Setting, who: Any, field: str = "organisation") -> str:
    who = take_ascii(who, field, _ID)
    if setting.draft.get(Kind.ORGANISATION, who) is None:
        raise RuleError(Code.NOT_FOUND, f"{field}: expected a member, got {who}")
    return str(who)


def _remove(setting: Setting, fields: tuple[Any, ...]) -> list[Change]:
    who = _member(setting, fields[1])
    if who in setting.author.seats:
        raise RuleError(
            Code.LIMIT,
            f"expected an organisation without a seat, {who} validates; change the validators first",
        )
    _check_left(setting, who)
    draft = setting.draft
    ended: list[Change] = [(int(Kind.ORGANISATION), who, None)]
    about = (Kind.SUSPENSION, Kind.JURISDICTION, Kind.POLICY)
    ended += [(int(kind), who, None) for kind in about if draft.get(kind, who) is not None]
    ended += [(int(Kind.KEY), name, None) for name in _keys_of(draft, who)]
    for kind in (Kind.PARTY, Kind.GRANT, Kind.ISSUER, Kind.SUCCESSOR):
        ended += [
            (int(kind), name, None) for name, data in draft.all_of(kind).items() if holder_of(data) == who
        ]
    prefixes = {name for kind, name, _ in ended if kind == Kind.GRANT}
    ended += [
        (int(Kind.LICENCE), name, None)
        for name in draft.all_of(Kind.LICENCE)
        if name.partition("|")[0] in prefixes or name.partition("|")[2] == who
    ]
    if who in setting.electorate.organisations:
        ended.append((int(Kind.APPROVER), who, False))
    return ended


def _keys_of(draft: RegistryDraft, who: str) -> list[str]:
    return [name for name, data in draft.all_of(Kind.KEY).items() if key_from_data(data).organisation == who]


def _check_left(setting: Setting, who: str) -> None:
    """Raise RuleError where too few organisations with a vote would be left, or too few that may cast it."""
    voting = setting.electorate.organisations
    if who not in voting:
        return
    left = len(voting) - 1
    if left < APPROVERS_LEAST:
        raise RuleError(
            Code.LIMIT,
            f"expected at least {APPROVERS_LEAST} organisations with a vote to be left, without {who} it is {left}",
        )
    remaining = setting.electorate._replace(organisations=tuple(one for one in voting if one != who))
    _check_free(setting, remaining, ())


def _check_free(setting: Setting, electorate: Electorate, barred: tuple[str, ...]) -> None:
    """Raise RuleError where those who are not suspended could not pass what ordinary changes need."""
    free = [
        one
        for one in electorate.organisations
        if one not in barred
        and not _is_barred(setting.draft.get(Kind.SUSPENSION, one), setting.author.time_ms)
    ]
    needed = electorate.needed(ChangeKind.REINSTATE)
    if len(free) < needed:
        raise RuleError(
            Code.LIMIT,
            f"expected at least {needed} organisations to be left that may vote, or nothing could be decided any more, "
            f"it would be {len(free)}",
        )


def _is_barred(data: Any, time_ms: int) -> bool:
    return data is not None and not Suspension(*data).is_emergency and Suspension(*data).is_in_force(time_ms)


def _check_room(setting: Setting) -> None:
    if setting.electorate.size >= limits.APPROVERS_MAX:
        raise RuleError(
            Code.LIMIT,
            f"expected at most {limits.APPROVERS_MAX} organisations with a vote, there are as many",
        )


def _approver(setting: Setting, fields: tuple[Any, ...]) -> list[Change]:
    who, has_vote = _member(setting, fields[1]), take_bool(fields[2], "is_approver")
    if has_vote == (who in setting.electorate.organisations):
        raise RuleError(
            Code.NOT_APPLICABLE, f"expected a change, {who} has {'a' if has_vote else 'no'} vote already"
        )
    if has_vote:
        _check_room(setting)
    else:
        _check_left(setting, who)
    return [(int(Kind.APPROVER), who, has_vote)]


# ---- suspension


def _suspend(setting: Setting, fields: tuple[Any, ...]) -> list[Change]:
    who, until_ms = _member(setting, fields[1]), fields[2]
    if until_ms is not None and take_int(until_ms, "until_ms") <= setting.author.time_ms:
        raise RuleError(Code.EXPIRED, f"until_ms: expected a time to come, got {until_ms}")
    if who in setting.electorate.organisations:
        _check_free(setting, setting.electorate, (who,))
    return [(int(Kind.SUSPENSION), who, (until_ms, False))]


def _reinstate(setting: Setting, fields: tuple[Any, ...]) -> list[Change]:
    who = _member(setting, fields[1])
    if setting.draft.get(Kind.SUSPENSION, who) is None:
        raise RuleError(Code.NOT_APPLICABLE, f"expected an organisation that was suspended, {who} is not")
    return [(int(Kind.SUSPENSION), who, None)]


def _emergency(setting: Setting, fields: tuple[Any, ...]) -> list[Change]:
    who = _member(setting, fields[1])
    data = setting.draft.get(Kind.SUSPENSION, who)
    known = None if data is None else Suspension(*data)
    if known is not None and (known.is_emergency or known.is_in_force(setting.author.time_ms)):
        raise RuleError(
            Code.NOT_APPLICABLE,
            f"expected no suspension of {who} since it was last reinstated, there is one; only an ordinary vote may suspend "
            "it again",
        )
    return [(int(Kind.SUSPENSION), who, (setting.author.time_ms + limits.EMERGENCY_MS, True))]


# ---- what members hold


def _grant(setting: Setting, fields: tuple[Any, ...]) -> list[Change]:
    draft = setting.draft
    prefix = take_ascii(fields[1], "prefix", _PREFIX_DIGITS[1], least=_PREFIX_DIGITS[0])
    if any(not "0" <= one <= "9" for one in prefix):
        raise FormError(
            Code.BAD_IDENTIFIER, f"prefix: expected the digits of a GS1 company prefix, got {prefix!a}"
        )
    other = draft.overlapping(prefix)
    if other is not None:
        raise RuleError(
            Code.NOT_APPLICABLE,
            f"prefix: expected one that no other begins with or begins, got {prefix} beside {other}",
        )
    licences = [
        (int(Kind.LICENCE), name, None)
        for name in draft.all_of(Kind.LICENCE)
        if name.partition("|")[0] == prefix
    ]
    return [*_held(setting, Kind.GRANT, prefix, fields[2]), *licences]


def _party(setting: Setting, fields: tuple[Any, ...]) -> list[Change]:
    party = take_ascii(fields[1], "party", limits.IDENTIFIER_BYTES)
    check_party(party)
    return _held(setting, Kind.PARTY, party, fields[2])


def _issuer(setting: Setting, fields: tuple[Any, ...]) -> list[Change]:
    part = take_ascii(fields[1], "issuer part", limits.IDENTIFIER_BYTES)
    return _held(setting, Kind.ISSUER, part, fields[2])


def _successor(setting: Setting, fields: tuple[Any, ...]) -> list[Change]:
    authority = take_ascii(fields[1], "authority", _ID)
    if setting.draft.entry(Kind.ORGANISATION, authority) is None:  # it may have left since
        raise RuleError(Code.NOT_FOUND, f"authority: expected one that is or was a member, got {authority}")
    if fields[2] == authority:
        raise RuleError(Code.MALFORMED, f"successor: expected another organisation than {authority} itself")
    return _held(setting, Kind.SUCCESSOR, authority, fields[2])


def _held(setting: Setting, kind: Kind, name: str, holder: Any) -> list[Change]:
    """That `holder` holds what is named; None: nobody any more."""
    holder = take_optional_ascii(holder, "organisation", _ID)
    known = setting.draft.get(kind, name)
    if holder is not None:
        _member(setting, holder)
    if (known is not None and holder_of(known) == holder) or known is holder:
        raise RuleError(
            Code.NOT_APPLICABLE, f"expected a change of {name}, it is {holder or 'held by nobody'} already"
        )
    return [(int(kind), name, holder)]


def _jurisdiction(setting: Setting, fields: tuple[Any, ...]) -> list[Change]:
    who, places = _member(setting, fields[1]), fields[2]
    if places is not None:
        check_jurisdiction(who, setting.draft.get(Kind.ORGANISATION, who)[2])
        for place in take_array(places, "places", most=limits.PLACES_PER_JURISDICTION):
            take_ascii(place, "place", limits.IDENTIFIER_BYTES)
        _ascending(list(places), "places")
    return [(int(Kind.JURISDICTION), who, places)]


def _recover(setting: Setting, fields: tuple[Any, ...]) -> list[Change]:
    """A new authority's key in the place of a lost one; with it, if asked, all keys end that the lost one may have signed."""
    who, ends_all = _member(setting, fields[1]), take_bool(fields[3], "ends all keys")
    draft = setting.draft
    made = _authority(draft, who, fields[2])
    ended: list[Change] = [
        (int(Kind.KEY), known, None)
        for known in _keys_of(draft, who)
        if ends_all or key_from_data(draft.get(Kind.KEY, known)).use == Use.AUTHORITY
    ]
    return [*ended, made]


# ---- rules


def _constitution(setting: Setting, fields: tuple[Any, ...]) -> list[Change]:
    rules = take_rules(fields[1])
    check_rules(rules, setting.electorate)
    return [(int(Kind.PARAMETER), CONSTITUTION, rules)]


def _parameter(_setting: Setting, fields: tuple[Any, ...]) -> list[Change]:
    name, value = fields[1], fields[2]
    if name not in _FLAGS:
        raise FormError(Code.MALFORMED, f"parameter: expected one of {', '.join(_FLAGS)}, got another")
    return [(int(Kind.PARAMETER), name, take_bool(value, name))]


def _validators(_setting: Setting, _fields: tuple[Any, ...]) -> list[Change]:
    """Nothing is set: with the ballots' approvals any approver may close the epoch."""
    return []


_PLANS: Final[dict[ChangeKind, tuple[int, Callable[[Setting, tuple[Any, ...]], list[Change]]]]] = {
    ChangeKind.ADD_ORGANISATION: (10, _add),
    ChangeKind.REMOVE_ORGANISATION: (2, _remove),
    ChangeKind.SUSPEND: (3, _suspend),
    ChangeKind.REINSTATE: (2, _reinstate),
    ChangeKind.EMERGENCY: (2, _emergency),
    ChangeKind.VALIDATORS: (2, _validators),
    ChangeKind.GRANT: (3, _grant),
    ChangeKind.PARTY: (3, _party),
    ChangeKind.ISSUER: (3, _issuer),
    ChangeKind.JURISDICTION: (3, _jurisdiction),
    ChangeKind.SUCCESSOR: (3, _successor),
    ChangeKind.RECOVER: (4, _recover),
    ChangeKind.CONSTITUTION: (2, _constitution),
    ChangeKind.PARAMETER: (3, _parameter),
    ChangeKind.APPROVER: (3, _approver),
}
"""By kind of change: how many members its array has, and what it sets."""
