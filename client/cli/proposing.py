"""`custody govern propose`: a command for each kind of change (GOVERNANCE.md §4)."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from client.cli.council import ID_SHOWN, KEY, Desk, proposal_json
from client.cli.joining import joined
from client.cli.options import (
    ANCHOR,
    DESCRIPTOR,
    GATEWAY,
    JSON,
    ORGANISATION,
    length_ms,
    now_ms,
    readable,
)
from client.cli.output import data, json_data, note
from ledger.base.errors import Code, FormError
from ledger.base.keys import PUBLIC_KEY_BYTES
from ledger.base.limits import PROPOSAL_BYTES
from ledger.members.constitution import ChangeKind

app = typer.Typer(
    add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True, help="Propose a change."
)

_LATER: Final = "14d"
REASON = Annotated[str, typer.Option("--reason", help="Why, in at most 256 bytes; it stays on the ledger.")]
EXPIRES = Annotated[str, typer.Option("--expires", help="How long it may be voted on, as 14d or 12h.")]
ORGANISATION_NAMED = Annotated[str, typer.Argument(help="The organisation.", show_default=False)]
GIVEN = Annotated[str, typer.Argument(help="What is given.", show_default=False)]
RECEIVER = Annotated[str | None, typer.Argument(help="To whom; nobody: it is taken.", show_default=False)]


def shared(
    organisation: ORGANISATION = None,
    key: KEY = None,
    reason: REASON = "",
    expires: EXPIRES = _LATER,
    descriptor: DESCRIPTOR = None,
    gateways: GATEWAY = None,
    anchor: ANCHOR = None,
    as_json: JSON = False,
) -> None:
    """Declare the options of every proposal."""


Change = tuple[Any, ...]


def _proposes(name: str) -> Callable[[Callable[..., Change]], Callable[..., Change]]:
    """Register `f(...)`, which gives a change, as the command that proposes it."""

    def finish(common: dict[str, Any], build: Callable[..., Change], own: dict[str, Any]) -> None:
        said = {field: common.pop(field) for field in ("reason", "expires", "as_json")}
        _propose(build(**own), Desk(**common), **said)

    return joined(app, name, shared, finish, given=0)


def _propose(change: Change, desk: Desk, *, reason: str, expires: str, as_json: bool) -> None:
    from client.governing import describe, needed, proposal_of, propose_item
    from ledger.members.governance import proposal_id

    note(f"{desk.organisation} proposes to {describe(change)}")
    item = propose_item(change, now_ms() + length_ms(expires), reason)
    made = proposal_id(desk.network, desk.organisation, item).hex()
    with desk.open() as client:
        height = desk.submit(client, item)
        after = desk.registry(client)
    if as_json:
        json_data(proposal_json(proposal_of(after.registry, made), after) | {"final": height})
        return
    votes, of = needed(after, int(change[0]))
    data(made)
    note(
        f"proposed at height {height}; it needs {votes} of {of} votes: custody govern vote {made[:ID_SHOWN]} yes"
    )


@_proposes("add")
def propose_add(
    application: Annotated[
        Path, typer.Argument(help="TOML: id, name, country, roles, parties, lei, authority, vote.")
    ],
) -> Change:
    """Propose a new organisation, as it applied: its authority's key, from which all its other keys follow."""
    return (int(ChangeKind.ADD_ORGANISATION), *_application(application))


@_proposes("remove")
def propose_remove(who: ORGANISATION_NAMED) -> Change:
    """Propose that an organisation is no member any more. It may hold no seat."""
    return int(ChangeKind.REMOVE_ORGANISATION), who


@_proposes("suspend")
def propose_suspend(
    who: ORGANISATION_NAMED,
    until: Annotated[
        str | None, typer.Option("--for", help="For how long, as 30d; else until reinstated.")
    ] = None,
) -> Change:
    """Propose to suspend an organisation: it may neither act nor vote."""
    return int(ChangeKind.SUSPEND), who, None if until is None else now_ms() + length_ms(until)


@_proposes("reinstate")
def propose_reinstate(who: ORGANISATION_NAMED) -> Change:
    """Propose to lift a suspension."""
    return int(ChangeKind.REINSTATE), who


@_proposes("emergency")
def propose_emergency(who: ORGANISATION_NAMED) -> Change:
    """Propose an emergency suspension: fewer votes, a week at most, ballots stay."""
    return int(ChangeKind.EMERGENCY), who


@_proposes("validators")
def propose_validators(
    change: Annotated[Path, typer.Argument(help="The change file of `custody node propose-change`.")],
) -> Change:
    """Propose the next validators, parameters or protocol version. `custody govern enact` carries it out once it is voted."""
    from ledger.base.encoding import decode
    from ledger.chain.epoch import parse_change

    parsed = parse_change(decode(readable(change, PROPOSAL_BYTES), max_bytes=PROPOSAL_BYTES))
    return int(ChangeKind.VALIDATORS), parsed._replace(approvals=())


@_proposes("grant")
def propose_grant(prefix: GIVEN, who: RECEIVER = None) -> Change:
    """Propose who holds a GS1 company prefix."""
    return int(ChangeKind.GRANT), prefix, who


@_proposes("party")
def propose_party(name: GIVEN, who: RECEIVER = None) -> Change:
    """Propose for whom a GLN or another party stands."""
    from client.spelling import party

    return int(ChangeKind.PARTY), party(name).text, who


@_proposes("issuer")
def propose_issuer(part: GIVEN, who: RECEIVER = None) -> Change:
    """Propose whose documents an issuer part names."""
    return int(ChangeKind.ISSUER), part, who


@_proposes("successor")
def propose_successor(authority: GIVEN, who: RECEIVER = None) -> Change:
    """Propose who succeeds an authority in its holds."""
    return int(ChangeKind.SUCCESSOR), authority, who


@_proposes("jurisdiction")
def propose_jurisdiction(
    who: ORGANISATION_NAMED,
    places: Annotated[
        list[str] | None, typer.Argument(help="Prefixes of places, * for everywhere; none: ended.")
    ] = None,
) -> Change:
    """Propose where a customs authority's acts count."""
    return int(ChangeKind.JURISDICTION), who, tuple(places) if places else None


@_proposes("recover")
def propose_recover(
    who: ORGANISATION_NAMED,
    authority: Annotated[
        str, typer.Argument(help="The new authority's public key, 64 hexadecimal digits.", show_default=False)
    ],
    end_keys: Annotated[
        bool, typer.Option("--end-keys", help="End every key that the lost authority vouched for.")
    ] = False,
) -> Change:
    """Propose another authority key for an organisation that lost its own."""
    return int(ChangeKind.RECOVER), who, _key_of(authority), end_keys


@_proposes("constitution")
def propose_constitution(
    shares: Annotated[list[str], typer.Argument(help="KIND=N/D, as add_organisation=3/4.")],
) -> Change:
    """Propose how many votes each kind of change needs. What is not named needs its floor."""
    return int(ChangeKind.CONSTITUTION), tuple(sorted(_share(text) for text in shares))


@_proposes("parameter")
def propose_parameter(
    name: Annotated[str, typer.Argument(help="The parameter.", show_default=False)],
    value: Annotated[str, typer.Argument(help="A number, or true or false.", show_default=False)],
) -> Change:
    """Propose a parameter of execution. Those of consensus change with the validators."""
    return int(ChangeKind.PARAMETER), name, _value(value)


@_proposes("approver")
def propose_approver(
    who: ORGANISATION_NAMED,
    has_vote: Annotated[
        bool, typer.Argument(help="true: it gets a vote; false: it loses it.", show_default=False)
    ],
) -> Change:
    """Propose who has a vote."""
    return int(ChangeKind.APPROVER), who, has_vote


# --- reading what people write


def _application(path: Path) -> tuple[Any, ...]:
    """What adds an organisation, from its application in TOML."""
    from client.spelling import party

    try:
        fields = tomllib.loads(readable(path, PROPOSAL_BYTES).decode("utf-8"))
    except (ValueError, RecursionError) as error:  # also no UTF-8, an integer of too many digits
        raise FormError(Code.USAGE, f"{path}: expected an application in TOML: {error}") from None
    texts = {name: fields.pop(name, None) for name in ("id", "name", "country", "authority")}
    lists = {name: fields.pop(name, []) for name in ("roles", "parties")}
    flags = {name: fields.pop(name, default) for name, default in (("vote", False), ("simulated", False))}
    lei = fields.pop("lei", None)
    for name, value in texts.items():
        if not isinstance(value, str) or not value:
            raise FormError(Code.USAGE, f"{path}: expected {name} as text")
    for name, value in lists.items():
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise FormError(Code.USAGE, f"{path}: expected {name} as a list of texts")
    for name, value in flags.items():
        if not isinstance(value, bool):
            raise FormError(Code.USAGE, f"{path}: expected {name} as true or false")
    if fields or not (lei is None or isinstance(lei, str)):
        raise FormError(
            Code.USAGE, f"{path}: expected no setting {', '.join(fields) or 'lei that is not text'}"
        )
    return (
        texts["id"], texts["name"], texts["country"], tuple(lists["roles"]),
        flags["simulated"], tuple(sorted(party(one).text for one in lists["parties"])), lei,
        _key_of(str(texts["authority"])), flags["vote"],
    )  # fmt: skip


def _key_of(text: str) -> bytes:
    try:
        key = bytes.fromhex(text.strip())
    except ValueError:
        key = b""
    if len(key) != PUBLIC_KEY_BYTES:
        raise FormError(Code.USAGE, f"expected a public key of 64 hexadecimal digits, got {text[:80]!a}")
    return key


def _share(text: str) -> tuple[int, int, int]:
    name, _, share = text.partition("=")
    numerator, _, denominator = share.partition("/")
    kind = ChangeKind.__members__.get(name.strip().upper())
    if kind is None or not (numerator.isdecimal() and denominator.isdecimal()):
        known = ", ".join(one.name.lower() for one in ChangeKind)
        raise FormError(Code.USAGE, f"expected KIND=N/D with a kind of {known}, got {text[:64]!a}")
    return int(kind), int(numerator), int(denominator)


def _value(text: str) -> int | bool:
    if text in ("true", "false"):
        return text == "true"
    if not text.isdecimal() or not text.isascii():
        raise FormError(Code.USAGE, f"expected a number, true or false, got {text[:32]!a}")
    return int(text)
