"""People, by access tokens of their organisation's own identity provider (OpenID Connect Core 1.0 §2, RFC 9068, RFC 8725).

    [oidc]
    issuer = "https://login.example"                  who the token must be by
    audience = "custody"                              whom it must be for
    keys = "oidc.jwks.json"                           the provider's JWK set: a file, or an https address
    roles_claim = "roles"                             may be left out; a text, or a list of them
    [oidc.roles]
    "custody-reader" = "reader"                       what the provider calls it = the role here: reader, operator, capturer

The provider says who somebody is; what each role may do is said by the one table of routes. A token is believed if a listed key
signed it with an algorithm of the list below, and issuer, audience and times fit. Symmetric algorithms and none are never
taken: whoever knows the provider's public key would sign as it. A person's name in the log of reads is the provider's `sub`.

Keys are read again when the file changes, or, from an address, for a key that is not known, once a minute at most.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ledger.base.errors import Code, EntitlementError, FormError, UnavailableError
from node.config import OidcConfig
from node.gateway.permissions import Caller, Role

if TYPE_CHECKING:
    from joserfc.jwk import KeySet

ALGORITHMS: Final = (
    "Ed25519",
    "ES256",
    "ES384",
    "ES512",
    "PS256",
    "PS384",
    "PS512",
    "RS256",
    "RS384",
    "RS512",
)
TYPES: Final = (None, "JWT", "at+jwt", "application/at+jwt")
LEEWAY_S: Final = 60
TOKEN_CHARACTERS: Final = 16_384
SUBJECT_CHARACTERS: Final = 256
KEYS_BYTES: Final = 262_144
AGAIN_S: Final = 60
"""How often keys are fetched from an address for one that is not known."""
_FETCH_S: Final = 10


class People:
    """Who bears which token, and as what."""

    def __init__(self, config: OidcConfig, organisation: str, now_s: Callable[[], int]) -> None:
        """Reads the keys where they are a file; FormError if it is no JWK set, or the extra is missing."""
        try:
            import joserfc  # noqa: F401, PLC0415 - an extra, and only where people are let in
        except ImportError:
            raise FormError(
                Code.USAGE,
                "expected the extra oidc for [oidc] in node.toml, it is not installed; pip install 'custody-ledger[oidc]'",
            ) from None
        self._config = config
        self._organisation = organisation
        self._now_s = now_s
        self._keys: KeySet | None = None
        self._changed: float | None = None
        self._asked: float | None = None
        if isinstance(config.keys, Path):
            self._read_file(config.keys)

    @staticmethod
    def is_token(text: str) -> bool:
        """Whether a bearer token has the three parts of a signed JWT."""
        return text.count(".") == 2

    async def caller(self, token: str) -> Caller:
        """Who bears the token; EntitlementError unauthorised where it does not hold, UnavailableError without the keys."""
        if len(token) > TOKEN_CHARACTERS:
            raise _refused(f"at most {TOKEN_CHARACTERS} characters")
        claims = await self._claims(token)
        subject = claims["sub"]
        if (
            not isinstance(subject, str)
            or not 0 < len(subject) <= SUBJECT_CHARACTERS
            or not subject.isprintable()
        ):
            raise _refused("a sub of printable text")
        named = claims.get(self._config.roles_claim, ())
        named = (named,) if isinstance(named, str) else named
        known = self._config.roles
        roles = (
            frozenset(Role(known[one]) for one in named if isinstance(one, str) and one in known)
            if isinstance(named, (list, tuple))
            else frozenset()
        )
        return Caller(roles, f"person {subject}", self._organisation)

    async def _claims(self, token: str) -> dict[str, Any]:
        from joserfc import jwt  # noqa: PLC0415 - as above
        from joserfc.errors import JoseError  # noqa: PLC0415

        keys = await self._key_set(token)
        try:
            decoded = jwt.decode(token, keys, algorithms=list(ALGORITHMS))
            if decoded.header.get("typ") not in TYPES:
                raise _refused("an access token")
            jwt.JWTClaimsRegistry(
                now=self._now_s(),
                leeway=LEEWAY_S,
                iss={"essential": True, "value": self._config.issuer},
                aud={"essential": True, "value": self._config.audience},
                exp={"essential": True},
                sub={"essential": True},
            ).validate(decoded.claims)
        except (JoseError, ValueError, TypeError, RecursionError) as error:
            raise _refused(f"one that holds ({type(error).__name__})") from None
        return decoded.claims

    async def _key_set(self, token: str) -> KeySet:
        where = self._config.keys
        if isinstance(where, Path):
            self._read_file(where)
        elif self._keys is None or not self._knows(token):
            await self._fetch(where)
        if self._keys is None:
            raise UnavailableError(
                Code.UNAVAILABLE, "expected the keys of the identity provider, they cannot be had now"
            )
        return self._keys

    def _knows(self, token: str) -> bool:
        from joserfc import jws  # noqa: PLC0415 - as above
        from joserfc.errors import JoseError  # noqa: PLC0415

        try:
            kid = jws.extract_compact(token.encode("ascii")).headers().get("kid")
        except (JoseError, ValueError, RecursionError):
            return True  # it will be refused for what it is
        return self._keys is not None and any(key.kid == kid for key in self._keys.keys)

    def _read_file(self, path: Path) -> None:
        """Take the keys of the file over if it changed; one that cannot be read leaves those known."""
        try:
            changed = path.stat().st_mtime
            if changed == self._changed:
                return
            found = _key_set(path.read_bytes()[: KEYS_BYTES + 1])
        except OSError as error:
            if self._keys is None:
                raise FormError(
                    Code.USAGE, f"oidc.keys: expected a JWK set at {path}: {error.strerror}"
                ) from None
            return
        except FormError as error:
            if self._keys is None:
                raise FormError(error.code, f"{path}: {error.message}") from None
            return
        self._keys, self._changed = found, changed

    async def _fetch(self, address: str) -> None:
        now = time.monotonic()
        if self._asked is not None and now - self._asked < AGAIN_S:
            return
        self._asked = now
        try:
            self._keys = _key_set(await asyncio.to_thread(_fetched, address))
        except (UnavailableError, FormError):
            return  # those known go on; with none the caller is told


def _fetched(address: str) -> bytes:
    import httpx  # noqa: PLC0415 - as above

    try:
        with httpx.stream("GET", address, timeout=_FETCH_S, follow_redirects=False) as response:
            body = b""
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > KEYS_BYTES:
                    break
    except httpx.HTTPError as error:
        raise UnavailableError(
            Code.UNAVAILABLE, f"expected keys at {address}: {type(error).__name__}"
        ) from None
    if response.status_code != 200:
        raise UnavailableError(
            Code.UNAVAILABLE, f"expected keys at {address}, got status {response.status_code}"
        )
    return body


def _key_set(data: bytes) -> KeySet:
    """The public signature keys of a JWK set (RFC 7517 §5); FormError."""
    from joserfc.errors import JoseError  # noqa: PLC0415 - as above
    from joserfc.jwk import KeySet  # noqa: PLC0415

    try:
        if len(data) > KEYS_BYTES:
            raise ValueError
        members = json.loads(data)["keys"]
        usable = [
            one
            for one in members
            if one.get("kty") in ("RSA", "EC", "OKP") and one.get("use", "sig") == "sig"
        ]
        if not usable:
            raise ValueError
        return KeySet.import_key_set({"keys": usable})
    except (JoseError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise FormError(
            Code.MALFORMED,
            f"expected a JWK set of at most {KEYS_BYTES} bytes with a public key for signatures, got another form",
        ) from None


def _refused(expected: str) -> EntitlementError:
    return EntitlementError(
        Code.UNAUTHORISED,
        f"expected an access token of this gateway's identity provider, and {expected}, got another",
    )
