"""`custody govern`: propose a change of the network, vote on it, and see how every vote went (GOVERNANCE.md).

What is shown was verified first: the registry comes with its proof, and a node that leaves a ballot out is found out.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from client.cli.options import (
    ANCHOR,
    DESCRIPTOR,
    GATEWAY,
    JSON,
    ORGANISATION,
    OUTPUT,
    anchor_path,
    gateway,
    length_ms,
    now_ms,
    organisation_of,
    passphrases,
    readable,
    settings,
)
from client.cli.output import data, json_data, note, table
from client.files import write_over
from client.keys import load_key
from ledger.base.errors import Code, CustodyError, EntitlementError, FormError
from ledger.base.keys import PUBLIC_KEY_BYTES
from ledger.base.limits import BUNDLE_BYTES, PROPOSAL_BYTES

if TYPE_CHECKING:
    from client.gateway import Gateway
    from client.governing import Proposal
    from client.settings import Settings
    from ledger.base.keys import Signer
    from ledger.chain.transaction import Transaction
    from ledger.proof.registry import VerifiedRegistry

app = typer.Typer(
    add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True,
    help="Propose changes of the network, vote on them, see how every vote went.",
)  # fmt: skip
propose = typer.Typer(
    add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True, help="Propose a change."
)
app.add_typer(propose, name="propose")

_APPROVER: Final = "approver"
_ID_SHOWN: Final = 16
_LATER: Final = "14d"
KEY = Annotated[
    Path | None,
    typer.Option(
        "--key", help="The approver's key; else approver.key beside the signing key.", show_default=False
    ),
]
REASON = Annotated[str, typer.Option("--reason", help="Why, in at most 256 bytes; it stays on the ledger.")]
EXPIRES = Annotated[str, typer.Option("--expires", help="How long it may be voted on, as 14d or 12h.")]
ORGANISATION_NAMED = Annotated[str, typer.Argument(help="The organisation.", show_default=False)]
ID = Annotated[
    str, typer.Argument(help="The proposal's id, or the digits it begins with.", show_default=False)
]
FROM_FILE = Annotated[
    Path | None, typer.Option("--registry", help="A registry file instead of a gateway.", show_default=False)
]


class Desk:
    """Who acts, with which key, through which gateway."""

    def __init__(
        self,
        organisation: str | None,
        key: Path | None,
        descriptor: int | None,
        gateways: list[str] | None,
        anchor: Path | None,
    ) -> None:
        self.settings: Settings = settings()
        self._organisation = organisation
        self._key = key
        self._descriptor = descriptor
        self._gateways = gateways
        self._anchor = anchor

    @property
    def organisation(self) -> str:
        """Who acts."""
        return organisation_of(self.settings, self._organisation)

    def key(self) -> Signer:
        """The approver's key."""
        beside = None if self.settings.key is None else self.settings.key.with_name(f"{_APPROVER}.key")
        path = self._key or beside
        if path is None:
            raise FormError(Code.USAGE, "expected --key with the approver's key, got none")
        return load_key(path, passphrases(self._descriptor), use=_APPROVER)

    def registry(self, client: Gateway) -> VerifiedRegistry:
        """The registry now, verified."""
        return self.verified(client.registry())

    def verified(self, found: bytes) -> VerifiedRegistry:
        """What a registry file proves from the trust anchor."""
        from client.anchor import load_anchor
        from ledger.proof.registry import verify_registry_file

        trusted = load_anchor(anchor_path(self.settings, self._anchor))
        return verify_registry_file(trusted.anchor, found)

    def open(self) -> Any:
        """The gateway, as a context."""
        return gateway(self.settings, self._gateways)

    def submit(self, client: Gateway, network: bytes, item: Sequence[Any]) -> int:
        """Sign one item as an approver and hand it in; the height at which it is final.

        Where the organisation's policy wants a person's approval first, that is asked for and waited for.
        """
        from client.acts import done, request_body, sign_acts
        from client.cli.approve import APPROVED, asked
        from ledger.chain.transaction import Kind

        key = self.key()

        def signed() -> Transaction:
            return sign_acts(key, network, self.organisation, Kind.GOVERNANCE, [item], now_ms=now_ms())

        try:
            return done(client.hand_in([signed()])[0]).height or 0
        except CustodyError as error:
            if error.code != Code.NOT_APPROVED:
                raise
        again = (
            signed()
        )  # what was refused is remembered, and the approval is of the item, whoever signs it when
        note(f"{self.organisation} wants a person to approve this first; open the link and use the passkey")
        for told in asked(client, [request_body([again])], again.header.expiry_ms):
            if told["status"] != APPROVED:
                raise EntitlementError(
                    Code.NOT_APPROVED,
                    "expected a person's approval in time, it did not come; nothing was done",
                )
        return done(client.hand_in([again])[0]).height or 0


# --- propose


def _propose(change: Sequence[Any], desk: Desk, reason: str, expires: str, *, as_json: bool) -> None:
    from client.governing import describe, needed, proposals, propose_item

    note(f"{desk.organisation} proposes to {describe(change)}")
    with desk.open() as client:
        before = desk.registry(client)
        known = {one.id for one in proposals(before.registry)}
        item = propose_item(change, now_ms() + length_ms(expires), reason)
        height = desk.submit(client, before.known.network, item)
        after = desk.registry(client)
    made = next(
        (
            one
            for one in proposals(after.registry)
            if one.id not in known and one.proposer == desk.organisation and one.change[0] == change[0]
        ),
        None,
    )
    if made is None:
        raise FormError(
            Code.UNAVAILABLE, f"expected the proposal at height {height}, it is not shown yet; look again"
        )
    votes, of = needed(after, int(change[0]))
    if as_json:
        json_data(_proposal_json(made, after) | {"final": height})
        return
    data(made.id.hex())
    note(
        f"proposed at height {height}; it needs {votes} of {of} votes: custody govern vote {made.id.hex()[:_ID_SHOWN]} yes"
    )


@propose.command("add")
def propose_add(
    application: Annotated[Path, typer.Argument(help="TOML: id, name, country, roles, parties, lei, authority, vote.")],
    organisation: ORGANISATION = None, key: KEY = None, reason: REASON = "", expires: EXPIRES = _LATER,
    descriptor: DESCRIPTOR = None, gateways: GATEWAY = None, anchor: ANCHOR = None, as_json: JSON = False,
) -> None:  # fmt: skip
    """Propose a new organisation, as it applied: its authority's key, from which all its other keys follow."""
    _propose(
        _application(application),
        Desk(organisation, key, descriptor, gateways, anchor),
        reason,
        expires,
        as_json=as_json,
    )


def _simple(name: str, kind: str, help_text: str) -> None:
    """A proposal about one organisation and nothing else."""

    def command(
        who: ORGANISATION_NAMED,
        organisation: ORGANISATION = None, key: KEY = None, reason: REASON = "", expires: EXPIRES = _LATER,
        descriptor: DESCRIPTOR = None, gateways: GATEWAY = None, anchor: ANCHOR = None, as_json: JSON = False,
    ) -> None:  # fmt: skip
        from ledger.members.constitution import ChangeKind

        desk = Desk(organisation, key, descriptor, gateways, anchor)
        _propose((int(ChangeKind[kind]), who), desk, reason, expires, as_json=as_json)

    command.__doc__ = help_text
    propose.command(name)(command)


_simple(
    "remove",
    "REMOVE_ORGANISATION",
    "Propose that an organisation is no member any more. It may hold no seat.",
)
_simple("reinstate", "REINSTATE", "Propose to lift a suspension.")
_simple(
    "emergency", "EMERGENCY", "Propose an emergency suspension: fewer votes, a week at most, ballots stay."
)


@propose.command("suspend")
def propose_suspend(
    who: ORGANISATION_NAMED,
    until: Annotated[str | None, typer.Option("--for", help="For how long, as 30d; else until reinstated.")] = None,
    organisation: ORGANISATION = None, key: KEY = None, reason: REASON = "", expires: EXPIRES = _LATER,
    descriptor: DESCRIPTOR = None, gateways: GATEWAY = None, anchor: ANCHOR = None, as_json: JSON = False,
) -> None:  # fmt: skip
    """Propose to suspend an organisation: it may neither act nor vote."""
    from ledger.members.constitution import ChangeKind

    change = (int(ChangeKind.SUSPEND), who, None if until is None else now_ms() + length_ms(until))
    _propose(change, Desk(organisation, key, descriptor, gateways, anchor), reason, expires, as_json=as_json)


@propose.command("validators")
def propose_validators(
    change: Annotated[Path, typer.Argument(help="The change file of `custody node propose-change`.")],
    organisation: ORGANISATION = None, key: KEY = None, reason: REASON = "", expires: EXPIRES = _LATER,
    descriptor: DESCRIPTOR = None, gateways: GATEWAY = None, anchor: ANCHOR = None, as_json: JSON = False,
) -> None:  # fmt: skip
    """Propose the next validators, parameters or protocol version. `custody govern enact` carries it out once it is voted."""
    from ledger.base.encoding import decode
    from ledger.chain.epoch import parse_change
    from ledger.members.constitution import ChangeKind

    parsed = parse_change(decode(readable(change, PROPOSAL_BYTES), max_bytes=PROPOSAL_BYTES))
    wanted = (int(ChangeKind.VALIDATORS), parsed._replace(approvals=()))
    _propose(wanted, Desk(organisation, key, descriptor, gateways, anchor), reason, expires, as_json=as_json)


def _given(name: str, kind: str, help_text: str) -> None:
    """A proposal that gives something to an organisation, or takes it from whoever has it."""

    def command(
        what: Annotated[str, typer.Argument(help="What is given.", show_default=False)],
        who: Annotated[str | None, typer.Argument(help="To whom; nobody: it is taken.", show_default=False)] = None,
        organisation: ORGANISATION = None, key: KEY = None, reason: REASON = "", expires: EXPIRES = _LATER,
        descriptor: DESCRIPTOR = None, gateways: GATEWAY = None, anchor: ANCHOR = None, as_json: JSON = False,
    ) -> None:  # fmt: skip
        from client.spelling import party
        from ledger.members.constitution import ChangeKind

        named = party(what).text if kind == "PARTY" else what
        desk = Desk(organisation, key, descriptor, gateways, anchor)
        _propose((int(ChangeKind[kind]), named, who), desk, reason, expires, as_json=as_json)

    command.__doc__ = help_text
    propose.command(name)(command)


_given("grant", "GRANT", "Propose who holds a GS1 company prefix.")
_given("party", "PARTY", "Propose for whom a GLN or another party stands.")
_given("issuer", "ISSUER", "Propose whose documents an issuer part names.")
_given("successor", "SUCCESSOR", "Propose who succeeds an authority in its holds.")


@propose.command("jurisdiction")
def propose_jurisdiction(
    who: ORGANISATION_NAMED,
    places: Annotated[list[str] | None, typer.Argument(help="Prefixes of places, * for everywhere; none: ended.")] = None,
    organisation: ORGANISATION = None, key: KEY = None, reason: REASON = "", expires: EXPIRES = _LATER,
    descriptor: DESCRIPTOR = None, gateways: GATEWAY = None, anchor: ANCHOR = None, as_json: JSON = False,
) -> None:  # fmt: skip
    """Propose where a customs authority's acts count."""
    from ledger.members.constitution import ChangeKind

    change = (int(ChangeKind.JURISDICTION), who, tuple(places) if places else None)
    _propose(change, Desk(organisation, key, descriptor, gateways, anchor), reason, expires, as_json=as_json)


@propose.command("recover")
def propose_recover(
    who: ORGANISATION_NAMED,
    authority: Annotated[str, typer.Argument(help="The new authority's public key, 64 hexadecimal digits.")],
    end_keys: Annotated[
        bool, typer.Option("--end-keys", help="End every key that the lost authority vouched for.")
    ] = False,
    organisation: ORGANISATION = None, key: KEY = None, reason: REASON = "", expires: EXPIRES = _LATER,
    descriptor: DESCRIPTOR = None, gateways: GATEWAY = None, anchor: ANCHOR = None, as_json: JSON = False,
) -> None:  # fmt: skip
    """Propose another authority key for an organisation that lost its own."""
    from ledger.members.constitution import ChangeKind

    change = (int(ChangeKind.RECOVER), who, _key_of(authority), end_keys)
    _propose(change, Desk(organisation, key, descriptor, gateways, anchor), reason, expires, as_json=as_json)


@propose.command("constitution")
def propose_constitution(
    shares: Annotated[list[str], typer.Argument(help="KIND=N/D, as add_organisation=3/4.")],
    organisation: ORGANISATION = None, key: KEY = None, reason: REASON = "", expires: EXPIRES = _LATER,
    descriptor: DESCRIPTOR = None, gateways: GATEWAY = None, anchor: ANCHOR = None, as_json: JSON = False,
) -> None:  # fmt: skip
    """Propose how many votes each kind of change needs. What is not named needs its floor."""
    from ledger.members.constitution import ChangeKind

    rules = tuple(sorted(_share(text) for text in shares))
    change = (int(ChangeKind.CONSTITUTION), rules)
    _propose(change, Desk(organisation, key, descriptor, gateways, anchor), reason, expires, as_json=as_json)


@propose.command("parameter")
def propose_parameter(
    name: Annotated[str, typer.Argument(help="The parameter.", show_default=False)],
    value: Annotated[str, typer.Argument(help="A number, or true or false.", show_default=False)],
    organisation: ORGANISATION = None, key: KEY = None, reason: REASON = "", expires: EXPIRES = _LATER,
    descriptor: DESCRIPTOR = None, gateways: GATEWAY = None, anchor: ANCHOR = None, as_json: JSON = False,
) -> None:  # fmt: skip
    """Propose a parameter of execution. Those of consensus change with the validators."""
    from ledger.members.constitution import ChangeKind

    change = (int(ChangeKind.PARAMETER), name, _value(value))
    _propose(change, Desk(organisation, key, descriptor, gateways, anchor), reason, expires, as_json=as_json)


@propose.command("approver")
def propose_approver(
    who: ORGANISATION_NAMED,
    has_vote: Annotated[bool, typer.Argument(help="true: it gets a vote; false: it loses it.", show_default=False)],
    organisation: ORGANISATION = None, key: KEY = None, reason: REASON = "", expires: EXPIRES = _LATER,
    descriptor: DESCRIPTOR = None, gateways: GATEWAY = None, anchor: ANCHOR = None, as_json: JSON = False,
) -> None:  # fmt: skip
    """Propose who has a vote."""
    from ledger.members.constitution import ChangeKind

    change = (int(ChangeKind.APPROVER), who, has_vote)
    _propose(change, Desk(organisation, key, descriptor, gateways, anchor), reason, expires, as_json=as_json)


# --- vote


@app.command()
def vote(
    proposal: ID,
    choice: Annotated[str, typer.Argument(help="yes or no.", show_default=False)],
    organisation: ORGANISATION = None,
    key: KEY = None,
    descriptor: DESCRIPTOR = None,
    gateways: GATEWAY = None,
    anchor: ANCHOR = None,
    as_json: JSON = False,
) -> None:
    """Vote on a proposal, for good: one vote an organisation."""
    from client.governing import ballot_item, describe, needed, proposal_of
    from ledger.chain.epoch import approve, parse_change
    from ledger.members.constitution import ChangeKind

    if choice not in ("yes", "no"):
        raise FormError(Code.USAGE, f"expected yes or no, got {choice[:32]!a}")
    desk = Desk(organisation, key, descriptor, gateways, anchor)
    with desk.open() as client:
        before = desk.registry(client)
        found = proposal_of(before.registry, proposal)
        note(
            f"{desk.organisation} votes {choice} on the proposal of {found.proposer} to {describe(found.change)}"
        )
        approval = None
        if choice == "yes" and found.change[0] == ChangeKind.VALIDATORS:
            change = parse_change(found.change[1])
            approval = approve(desk.key(), desk.organisation, before.known.network, change).signature
        item = ballot_item(found.id, yes=choice == "yes", approval=approval)
        height = desk.submit(client, before.known.network, item)
        after = desk.registry(client)
    now = proposal_of(after.registry, found.id.hex())
    votes, of = needed(after, int(now.change[0]))
    if as_json:
        json_data(_proposal_json(now, after) | {"final": height})
        return
    word = now.word(after.checkpoint.header.time_ms)
    told = f" of {votes} needed ({of} have a vote)" if now.settled is None else ""
    data(f"final at height {height}; {len(now.votes(yes=True))} yes{told}: {word}")
    if word == "enacted" and now.change[0] == ChangeKind.VALIDATORS:
        note(f"next: custody govern enact {now.id.hex()[:_ID_SHOWN]}")


@app.command()
def withdraw(
    proposal: ID,
    organisation: ORGANISATION = None,
    key: KEY = None,
    descriptor: DESCRIPTOR = None,
    gateways: GATEWAY = None,
    anchor: ANCHOR = None,
) -> None:
    """Take one's own proposal back while it is open."""
    from client.governing import proposal_of, withdraw_item

    desk = Desk(organisation, key, descriptor, gateways, anchor)
    with desk.open() as client:
        found = desk.registry(client)
        chosen = proposal_of(found.registry, proposal)
        height = desk.submit(client, found.known.network, withdraw_item(chosen.id))
    data(f"withdrawn at height {height}")


@app.command()
def enact(
    proposal: ID,
    organisation: ORGANISATION = None,
    key: KEY = None,
    descriptor: DESCRIPTOR = None,
    gateways: GATEWAY = None,
    anchor: ANCHOR = None,
) -> None:
    """Close the epoch with the change of validators that was voted: its ballots carry the approvals."""
    from client.acts import done, sign_acts
    from client.governing import proposal_of
    from ledger.chain.proposed import collect
    from ledger.chain.transaction import Kind

    desk = Desk(organisation, key, descriptor, gateways, anchor)
    with desk.open() as client:
        found = desk.registry(client)
        chosen = proposal_of(found.registry, proposal)
        height = found.checkpoint.header.height + 1
        change = collect(found.known.network, found.registry, height, chosen.id, now_ms())
        made = sign_acts(
            desk.key(), found.known.network, desk.organisation, Kind.EPOCH_CHANGE, [change], now_ms=now_ms()
        )
        standing = done(client.hand_in([made])[0])
    data(f"epoch {change.epoch} ended at height {standing.height}, epoch {change.epoch + 1} has begun")


# --- see


@app.command()
def show(
    proposal: Annotated[
        str | None, typer.Argument(help="One proposal; else all.", show_default=False)
    ] = None,
    from_file: FROM_FILE = None,
    gateways: GATEWAY = None,
    anchor: ANCHOR = None,
    as_json: JSON = False,
) -> None:
    """Show what was proposed, who voted how, and how many votes are needed."""
    from client.governing import proposal_of, proposals

    desk = Desk(None, None, None, gateways, anchor)
    found = _registry(desk, from_file)
    if proposal is None:
        chosen: Sequence[Proposal] = proposals(found.registry)
    else:
        chosen = [proposal_of(found.registry, proposal)]
    if as_json:
        json_data([_proposal_json(one, found) for one in chosen])
        return
    if not chosen:
        data("nothing was ever proposed")
    for one in chosen:
        data("\n".join(_lines(one, found)) + "\n")
    note(_as_of(found))


@app.command()
def log(
    from_file: FROM_FILE = None, gateways: GATEWAY = None, anchor: ANCHOR = None, as_json: JSON = False
) -> None:
    """List every proposal, ballot and decision there ever was, by height."""
    from client.governing import describe, history

    found = _registry(Desk(None, None, None, gateways, anchor), from_file)
    facts = list(history(found.registry))
    if as_json:
        json_data([{"height": height, "what": what, "proposal": one.id.hex()} for height, what, one in facts])
        return
    rows = [
        (str(height), one.id.hex()[:_ID_SHOWN], what, describe(one.change)) for height, what, one in facts
    ]
    data(table(("HEIGHT", "PROPOSAL", "WHAT", "TO"), rows))
    note(_as_of(found))


@app.command()
def fetch(output: OUTPUT = Path("registry.custody"), gateways: GATEWAY = None, anchor: ANCHOR = None) -> None:
    """Write the registry file: every member, key, grant and vote there ever was, for use without a network."""
    desk = Desk(None, None, None, gateways, anchor)
    with desk.open() as client:
        content = client.registry()
    found = desk.verified(content)
    path = output or Path("registry.custody")
    write_over(path, content)
    data(f"{path}: {len(found.registry.entries)} entries, {len(content):,} bytes")
    note(_as_of(found))


def _registry(desk: Desk, path: Path | None) -> VerifiedRegistry:
    if path is not None:
        return desk.verified(readable(path, BUNDLE_BYTES))
    with desk.open() as client:
        return desk.registry(client)


def _as_of(found: VerifiedRegistry) -> str:
    from ledger.proof.narrate import instant

    header = found.checkpoint.header
    return f"proven as of block {header.height}, {instant(header.time_ms)}"


def _lines(one: Proposal, found: VerifiedRegistry) -> list[str]:
    from client.governing import describe, needed
    from ledger.proof.narrate import instant

    votes, of = needed(found, int(one.change[0]))
    time_ms = found.checkpoint.header.time_ms
    yes, no = one.votes(yes=True), one.votes(yes=False)
    lines = [
        f"{one.id.hex()}  {one.word(time_ms).upper()}",
        f"  {one.proposer} proposed at height {one.height} to {describe(one.change)}",
    ]
    lines += [f"  because: {one.reason}"] if one.reason else []
    cast = f"{', '.join(yes) or 'nobody'}; no: {', '.join(no) or 'nobody'}"
    if one.settled is None:
        lines.append(f"  yes {len(yes)} of {votes} needed ({of} have a vote): {cast}")
        lines.append(f"  open until {instant(one.expires_ms)}")
    else:
        lines.append(f"  settled at height {one.settled}; yes {len(yes)}: {cast}")
    return lines


def _proposal_json(one: Proposal, found: VerifiedRegistry) -> dict[str, Any]:
    from client.governing import describe, needed

    votes, of = needed(found, int(one.change[0]))
    return {
        "id": one.id.hex(),
        "status": one.word(found.checkpoint.header.time_ms),
        "proposer": one.proposer,
        "change": describe(one.change),
        "reason": one.reason,
        "height": one.height,
        "settled": one.settled,
        "expires_ms": one.expires_ms,
        "needed": votes if one.settled is None else None,
        "of": of if one.settled is None else None,
        "ballots": [
            {"organisation": cast.organisation, "yes": cast.is_yes, "height": cast.height}
            for cast in one.ballots
        ],
        "as_of": found.checkpoint.header.height,
    }


# --- reading what people write


def _application(path: Path) -> tuple[Any, ...]:
    """The change that adds an organisation, from its application in TOML."""
    from client.spelling import party
    from ledger.members.constitution import ChangeKind

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
        int(ChangeKind.ADD_ORGANISATION), texts["id"], texts["name"], texts["country"], tuple(lists["roles"]),
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
    from ledger.members.constitution import ChangeKind

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
