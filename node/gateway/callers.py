"""Who sent a request: by a token of this node or of its identity provider, or a signature (API.md §2.1).

Tokens are files in the node's keys/ folder, each 0600: `reader.token`, `operator.token` where there is one, and those of capturing.
What is shown and does not hold is refused even where less would do; showing two things at once is refused too.
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import HTTPConnection

from ledger.base.errors import Code, EntitlementError
from node.gateway.access import ReaderToken, is_loopback
from node.gateway.people import People
from node.gateway.permissions import Caller, Role
from node.gateway.signed_requests import FIELDS, SignedRequests


def standing_of(connection: HTTPConnection) -> frozenset[Role]:
    """The roles that a request has by where it comes from."""
    client = connection.client
    near = client is None or is_loopback(client.host)
    return frozenset({Role.ANYONE, Role.NEIGHBOUR} if near else {Role.ANYONE})


class Callers:
    """All ways of being known here."""

    def __init__(self, reader: ReaderToken, organisation: str | None = None) -> None:
        self._tokens: dict[str, tuple[ReaderToken, Role]] = {"reader": (reader, Role.READER)}
        self._organisation = organisation
        self.signed: SignedRequests | None = None
        self.people: People | None = None

    def admit(self, tokens: Mapping[str, ReaderToken], role: Role) -> None:
        """Let the bearers of further tokens in, by name."""
        self._tokens |= {name: (token, role) for name, token in tokens.items()}

    async def caller(self, connection: HTTPConnection) -> Caller:
        """Who sent it. EntitlementError or SignatureError for what was shown and does not hold."""
        standing = standing_of(connection)
        authorization = connection.headers.get("authorization")
        is_signed = any(name in connection.headers for name in FIELDS)
        if authorization is None and not is_signed:
            return Caller(standing)
        if authorization is not None and is_signed:
            raise EntitlementError(
                Code.UNAUTHORISED, "expected a token or a signature, got both; send the one that counts"
            )
        found = await (self._signed(connection) if authorization is None else self._bearer(authorization))
        return found._replace(roles=found.roles | standing)

    async def _signed(self, connection: HTTPConnection) -> Caller:
        if self.signed is None:
            raise EntitlementError(
                Code.UNAUTHORISED, "expected a token, this gateway takes no signed requests"
            )
        return await self.signed.caller(connection)

    async def _bearer(self, authorization: str) -> Caller:
        borne = [
            (name, role) for name, (token, role) in self._tokens.items() if token.is_borne_by(authorization)
        ]
        if borne:
            name, role = borne[0]
            return Caller(frozenset({role}), name, self._organisation)
        scheme, _, token = authorization.partition(" ")
        if self.people is not None and scheme.lower() == "bearer" and self.people.is_token(token.strip()):
            return await self.people.caller(token.strip())
        raise EntitlementError(
            Code.UNAUTHORISED,
            "expected 'Authorization: Bearer <token>' with the token in this node's keys/reader.token or keys/capture.token, got another token",
        )
