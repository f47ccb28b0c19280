"""Who may use which route: one table (API.md §2.1), enforced in one place (`Gateway.guard`) and written into ACCESS.md.

A caller has roles by what it shows: nothing, a token of this node or of its identity provider, or a signature by a key on the ledger. A route names the roles that may
use it. The chain is the same on every node, so members may read it at each other's gateways; events with their bytes, what a gateway captures, and standing queries are its organisation's own.
A route without a row is open to nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple

from ledger.base.errors import Code, EntitlementError


class Role(StrEnum):
    """As whom a request comes."""

    ANYONE = "anyone"
    NEIGHBOUR = "neighbour"
    OPERATOR = "operator"
    READER = "reader"
    CAPTURER = "capturer"
    MEMBER = "member"
    AUTHORITY = "authority"
    AUDITOR = "auditor"


MEANING: Final[Mapping[Role, str]] = MappingProxyType(
    {
        Role.ANYONE: "shows nothing",
        Role.NEIGHBOUR: "calls over the loopback interface",
        Role.OPERATOR: "bears `keys/operator.token`, or comes by the identity provider as one",
        Role.READER: "bears `keys/reader.token`, or comes by the identity provider as one",
        Role.CAPTURER: "bears `keys/capture.token` or `keys/capture-NAME.token`, or comes by the identity provider as one",
        Role.MEMBER: "signs requests with a key of a member, for sign, capture or approver; of the node's own member also "
        "reader, or with its capture key capturer",
        Role.AUTHORITY: "as member, of an organisation that is customs or regulator",
        Role.AUDITOR: "as member, of an organisation that is an auditor",
    }
)


class Caller(NamedTuple):
    """Who sent a request, as far as it shows."""

    roles: frozenset[Role]
    name: str | None = None
    """Of the token, the key or the person."""
    organisation: str | None = None
    """Whose key signed; this node's for its own tokens and persons."""

    @property
    def is_known(self) -> bool:
        """Whether it showed anything that holds."""
        return self.name is not None


class Row(NamedTuple):
    """One line of the table."""

    method: str
    path: str
    roles: frozenset[Role]
    is_read: bool
    """Whether what it answers says who trades with whom, or what will be asked by name, so that the log of reads keeps it."""


_CHAIN: Final = (Role.READER, Role.MEMBER, Role.AUTHORITY, Role.AUDITOR)
_NEAR: Final = (Role.NEIGHBOUR, Role.OPERATOR, Role.READER)
_BOTH: Final = (Role.READER, Role.CAPTURER)
_SORTS: Final = {
    "eventTypes": "eventType",
    "epcs": "epc",
    "bizSteps": "bizStep",
    "bizLocations": "bizLocation",
    "readPoints": "readPoint",
    "dispositions": "disposition",
}


def _row(text: str, *roles: Role, is_read: bool = False) -> Row:
    method, path = text.split()
    return Row(method, path, frozenset(roles), is_read)


def _read(text: str, *roles: Role) -> Row:
    return _row(text, *roles, is_read=True)


ROWS: Final = (
    _row("GET /docs", Role.ANYONE),
    _row("GET /openapi.json", Role.ANYONE),
    _row("GET /livez", *_NEAR),
    _row("GET /readyz", *_NEAR),
    _row("GET /metrics", *_NEAR),
    _row("GET /v1/status", Role.OPERATOR, Role.READER, Role.AUDITOR),
    _row("POST /v1/transactions", Role.ANYONE),
    _read("GET /v1/transactions/{id}", *_CHAIN),
    _read("GET /v1/subjects", *_CHAIN),
    _read("GET /v1/subjects/history", *_CHAIN),
    _read("GET /v1/bundle", *_CHAIN),
    _read("GET /v1/blocks/{height}", *_CHAIN),
    _read("GET /v1/follow", Role.READER, Role.AUTHORITY, Role.AUDITOR),
    _row("GET /v1/checkpoint", *_CHAIN),
    _row("GET /v1/genesis", *_CHAIN),
    _row("GET /v1/registry", *_CHAIN),
    _read("GET /v1/events/{hash}", *_CHAIN),
    _row("GET /approve", Role.ANYONE),
    _row("POST /v1/approvals", Role.READER),
    _row("GET /v1/approvals/{act}", Role.READER),
    _row("POST /v1/approvals/{act}/challenge", Role.ANYONE),
    _row("POST /v1/approvals/{act}/assertion", Role.ANYONE),
    _row("POST /v1/persons/challenge", Role.ANYONE),
    _row("POST /v1/persons", Role.ANYONE),
    _row("GET /epcis/", *_BOTH),
    _read("GET /epcis/capture", *_BOTH),
    _row("POST /epcis/capture", Role.CAPTURER),
    _read("GET /epcis/capture/{captureID}", *_BOTH),
    _read("GET /epcis/capture/{captureID}/document", Role.READER),
    _read("GET /epcis/events", Role.READER),
    _row("POST /epcis/events", Role.CAPTURER),
    _row("OPTIONS /epcis/events", *_BOTH),
    _read("GET /epcis/events/{eventID}", Role.READER),
    *(
        _read(f"GET /epcis/{names}{rest}", Role.READER)
        for names, one in _SORTS.items()
        for rest in ("", f"/{{{one}}}", f"/{{{one}}}/events")
    ),
    _row("GET /epcis/queries", Role.READER),
    _read("POST /epcis/queries", Role.READER),
    _row("GET /epcis/queries/{queryName}", Role.READER),
    _row("DELETE /epcis/queries/{queryName}", Role.READER),
    _read("GET /epcis/queries/{queryName}/events", Role.READER),
    _row("GET /epcis/queries/{queryName}/subscriptions", Role.READER),
    _read("POST /epcis/queries/{queryName}/subscriptions", Role.READER),
    _row("GET /epcis/queries/{queryName}/subscriptions/{subscriptionID}", Role.READER),
    _row("DELETE /epcis/queries/{queryName}/subscriptions/{subscriptionID}", Role.READER),
    _row("POST /epcis/queries/{queryName}/subscriptions/{subscriptionID}/resume", Role.READER),
    _row("DELETE /epcis/nextPageToken/{token}", Role.READER),
)
"""A method that a path of these does not name (OPTIONS, or one to be refused) is for all who may use the path at all."""
_BY_ROUTE: Final = {(row.method, row.path): row for row in ROWS}


def row_of(method: str, path: str) -> Row:
    """The row of a route, by its template (`{name:path}` is `{name}`)."""
    path = path.replace(":path}", "}")
    found = _BY_ROUTE.get((method, path))
    if found is not None:
        return found
    roles = frozenset(role for row in ROWS if row.path == path for role in row.roles)
    return Row(method, path, roles, is_read=False)


def check_permitted(caller: Caller, row: Row) -> None:
    """Raise EntitlementError unless the caller may use the route: unauthorised where it showed nothing, not_entitled otherwise."""
    if caller.roles & row.roles:
        return
    wanted = ", ".join(role for role in Role if role in row.roles) or "nobody"
    if not caller.is_known:
        file = "capture" if row.roles == {Role.CAPTURER} else "reader"
        raise EntitlementError(
            Code.UNAUTHORISED,
            f"expected 'Authorization: Bearer <token>' with the token in this node's keys/{file}.token "
            f"({wanted}), got none",
        )
    came = ", ".join(role for role in Role if role in caller.roles and role is not Role.ANYONE)
    raise EntitlementError(
        Code.NOT_ENTITLED, f"expected a caller in the role of {wanted} for this, got {caller.name} ({came})"
    )
