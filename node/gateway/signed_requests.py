"""Requests that a member's software signs with a key on the ledger (RFC 9421; API.md §2.1, ACCESS.md §2).

A signature counts once, for five minutes, at the gateway it names, for as long as its key and organisation are in good standing. Nonces are
remembered in memory: after a start, what was signed before it is not taken, for nobody knows any more whether it came already.
Nothing is told about a key to anybody who did not sign with it.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ledger.base.errors import Code, EntitlementError, SignatureError, UnavailableError
from ledger.base.keys import PUBLIC_KEY_BYTES
from ledger.base.message_signature import DIGEST, INPUT, SIGNATURE, Shown, digest_field
from ledger.base.request_signature import MAX_AGE_S, check_request, shown_request
from ledger.members.acts import AUTHORITIES
from ledger.members.members import Key, Organisation, Use
from node.gateway.permissions import Caller, Role
from node.gateway.registry import InForce, RegistryView

FIELDS: Final = (INPUT, SIGNATURE)
USES: Final = (Use.SIGN, Use.CAPTURE, Use.APPROVER)
"""Of keys that sign requests: those that speak for an organisation and are on line."""
NONCES: Final = 4_096
"""Of one organisation within the time that they are remembered: some 7 requests a second, all the time."""


class Nonces:
    """Which requests were there already. Their number is bounded for each organisation, so none takes another's room."""

    def __init__(self, most: int = NONCES) -> None:
        self._most = most
        self._seen: dict[str, tuple[set[bytes], deque[tuple[int, bytes]]]] = {}

    def take(self, organisation: str, nonce: bytes, now_s: int) -> None:
        """Remember one. EntitlementError repeated, UnavailableError overloaded."""
        seen, ends = self._seen.setdefault(organisation, (set(), deque()))
        while ends and ends[0][0] < now_s:
            seen.discard(ends.popleft()[1])
        if nonce in seen:
            raise EntitlementError(
                Code.REPEATED, "expected a request signed anew, this one was here before; use each nonce once"
            )
        if len(ends) >= self._most:
            raise UnavailableError(
                Code.OVERLOADED,
                f"expected at most {self._most} signed requests of {organisation} in {2 * MAX_AGE_S} s; try again later",
            )
        seen.add(nonce)
        ends.append((now_s + 2 * MAX_AGE_S, nonce))


class SignedRequests:
    """Whose key signed a request."""

    def __init__(
        self,
        registry: RegistryView,
        origins: Sequence[str],
        clock_ms: Callable[[], int],
        organisation: str | None = None,
        *,
        nonces: Nonces | None = None,
    ) -> None:
        """`origins`: this gateway's, as scheme://host:port; `clock_ms`: Unix milliseconds; `organisation`: the node's."""
        self._registry = registry
        self._origins = tuple(origins)
        self._clock_ms = clock_ms
        self._own = organisation
        self._nonces = nonces or Nonces()
        self._since_s = clock_ms() // 1000

    async def caller(self, connection: HTTPConnection) -> Caller:
        """The organisation of the key that signed.

        EntitlementError unauthorised, repeated, suspended, not_entitled; SignatureError for a key that is not in good standing or of
        another use; UnavailableError overloaded, unavailable.
        """
        digest = _body_digest(connection)
        fields = {name: ", ".join(connection.headers.getlist(name)) for name in (*FIELDS, DIGEST)}
        if digest is None:
            del fields[DIGEST]
        try:
            shown = shown_request(fields, has_body=digest is not None)
            self._check_time(shown.created_s)
            found = await self._registry.in_force()
            key = found.members.key(shown.key_id)
            whole = shown.key_id if key is None else key.hybrid_key or shown.key_id
            check_request(
                shown, whole[:PUBLIC_KEY_BYTES], connection.scope.get("method", "GET"), self._target(connection), digest
            )  # fmt: skip
        except SignatureError as error:
            raise EntitlementError(Code.UNAUTHORISED, error.message) from None
        caller = self._standing(found, shown, key)
        self._nonces.take(caller[0].name, _once(shown), self._clock_ms() // 1000)
        if digest is not None:
            connection.state.signed_digest = digest
        return self._as_caller(*caller, shown)

    def _check_time(self, created_s: int) -> None:
        now_s = self._clock_ms() // 1000
        if abs(now_s - created_s) > MAX_AGE_S:
            raise EntitlementError(
                Code.UNAUTHORISED,
                f"expected a request signed within {MAX_AGE_S} s of this gateway's clock, which says {now_s}, got {created_s}",
            )
        if created_s < self._since_s:
            raise UnavailableError(
                Code.UNAVAILABLE,
                "expected a request signed since this gateway started, got an older one; sign it anew",
            )

    def _target(self, connection: HTTPConnection) -> str:
        """The address as the client knows it: one of this gateway's origins, and what was asked for of it."""
        scope = connection.scope
        host = connection.headers.get("host", "").lower()
        origin = next((one for one in self._origins if one.partition("://")[2] == host), None)
        if origin is None:
            raise EntitlementError(
                Code.UNAUTHORISED,
                f"expected a signed request to an origin of this gateway ([gateway] origins in node.toml), got one to {host[:80]!a}",
            )
        path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
        query = scope["query_string"].decode("latin-1")
        return f"{origin}{path}?{query}" if query else origin + path

    def _standing(self, found: InForce, shown: Shown, key: Key | None) -> tuple[Organisation, Key]:
        """Whose key it is, if it may sign requests now."""
        members = found.members
        if key is None:
            raise members.no_key(shown.key_id)
        time_ms = max(found.time_ms, self._clock_ms())
        key.check_in_force(time_ms)
        if key.use not in USES:
            raise SignatureError(
                Code.WRONG_USE,
                f"expected a key for {', '.join(use.name.lower() for use in USES)}, got one for {Use(key.use).name.lower()}",
            )
        organisation = members.organisation(key.organisation)
        if organisation is None:
            raise EntitlementError(
                Code.NOT_ENTITLED, f"expected a key of a member, {key.organisation} is none any more"
            )
        if members.suspension(key.organisation, time_ms) is not None:
            raise EntitlementError(
                Code.SUSPENDED, f"expected a member that may act, {key.organisation} is suspended"
            )
        return organisation._replace(name=key.organisation), key

    def _as_caller(self, organisation: Organisation, key: Key, shown: Shown) -> Caller:
        roles = {Role.MEMBER}
        if any(role in AUTHORITIES for role in organisation.roles):
            roles.add(Role.AUTHORITY)
        if "auditor" in organisation.roles:
            roles.add(Role.AUDITOR)
        if organisation.name == self._own:
            roles.add(Role.CAPTURER if key.use == Use.CAPTURE else Role.READER)
        return Caller(frozenset(roles), f"{organisation.name}:{shown.key_id.hex()[:16]}", organisation.name)


def _once(shown: Shown) -> bytes:
    return hashlib.sha256(shown.key_id + (shown.nonce or "").encode()).digest()[:16]


def _body_digest(connection: HTTPConnection) -> str | None:
    """The digest that a request with a body states, "" for none; None where there is no body."""
    headers = connection.headers
    if "transfer-encoding" not in headers and headers.get("content-length", "0").strip() == "0":
        return None
    return ", ".join(headers.getlist(DIGEST))


class SignedBodies:
    """ASGI middleware: a body whose digest was signed is compared with it as it comes, and its last part held back if it differs."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, with a look at every part of a signed body."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        hashed = hashlib.sha256()

        async def watched() -> Message:
            message = await receive()
            wanted = scope.get("state", {}).get("signed_digest")
            if wanted is not None and message["type"] == "http.request":
                hashed.update(message.get("body", b""))
                if not message.get("more_body", False) and digest_field(hashed.digest()) != wanted.strip():
                    raise EntitlementError(
                        Code.UNAUTHORISED, "expected the body whose digest was signed, got another"
                    )
            return message

        await self._app(scope, watched, send)
