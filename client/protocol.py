"""What a client says to gateways and makes of their answers, without any input or output (API.md).

A *flow* is a generator: it yields an `Exchange` to be carried out or a `Pause` to be waited, is sent the `Answer` (or
`Unreachable`), and returns the result. The sync and the async gateway in `client.gateway` only carry flows out, so what
is asked, when it is asked again, and of whom is decided once, here.

What may be repeated: every exchange. Reads change nothing; a submission is the same bytes each time, and a transaction's
id makes it one transaction however often and wherever it arrives. No transaction is ever signed anew.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final, NamedTuple, TypeVar

from ledger.base import limits
from ledger.base.errors import (
    Code,
    CustodyError,
    EntitlementError,
    FormError,
    RuleError,
    SignatureError,
    UnavailableError,
)

MSGPACK: Final = "application/msgpack"
BUNDLE: Final = "application/vnd.custody.bundle"
JSON: Final = "application/json"
JSON_BYTES: Final = 64_000_000
PROBLEM_PREFIX: Final = "urn:custody:"


class Wait(StrEnum):
    """How long a submission is waited for."""

    ACCEPTED = "accepted"
    """Taken by a validator; promises nothing."""
    FINAL = "final"
    """Executed in a block that a quorum signed."""


class Address(NamedTuple):
    """A gateway: its base URL, and the bearer token that its reads want."""

    url: str
    token: str | None = None


class Exchange(NamedTuple):
    """One HTTP exchange to carry out."""

    method: str
    url: str
    params: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    content: bytes | None
    most_bytes: int
    """Of the answer's body; more is refused unread."""
    timeout_s: float


class Pause(NamedTuple):
    """A time to wait."""

    seconds: float


class Answer(NamedTuple):
    """What came back. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Unreachable(NamedTuple):
    """Nothing came back, or not all of it."""

    reason: str


T = TypeVar("T")
Flow = Generator[Exchange | Pause, Answer | Unreachable | None, T]


class Policy(NamedTuple):
    """When a client asks again and when it gives up."""

    patience_s: float = 60.0
    """Of one call, all attempts and pauses together."""
    reach_s: float = 15.0
    """As long as no gateway can be reached at all."""
    attempt_s: float = 40.0
    """Of one exchange; above what a gateway waits for finality."""
    first_pause_s: float = 0.1
    longest_pause_s: float = 5.0


class Pool:
    """Gateways that serve the same ledger: who is asked next, and when."""

    def __init__(
        self,
        addresses: Sequence[Address],
        policy: Policy | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] = random.random,
    ) -> None:
        if not addresses:
            raise FormError(
                Code.USAGE, "expected at least one gateway; set CUSTODY_GATEWAY or name it in custody.toml"
            )
        for address in addresses:
            if not address.url.startswith(("http://", "https://")):
                raise FormError(
                    Code.USAGE, f"expected a gateway as http(s)://host:port, got {address.url[:96]!a}"
                )
        self.addresses = tuple(address._replace(url=address.url.rstrip("/")) for address in addresses)
        self.policy = policy or Policy()
        self._clock = clock
        self._draw = draw
        self._current = 0

    def ask(self, wanted: Wanted) -> Flow[Answer]:
        """The first answer that settles the request, asking other gateways and again while it pays to.

        Raises CustodyError: the problem a gateway answered with, or unavailable when patience is at an end.
        """
        started_s = self._clock()
        patience_s = min(self.policy.reach_s, self.policy.patience_s)
        pauses = tried = 0
        while True:
            left_s = started_s + self.policy.patience_s - self._clock()
            answer = yield self.exchange(wanted, min(self.policy.attempt_s, max(left_s, 1.0)))
            if isinstance(answer, Answer):
                patience_s = self.policy.patience_s
            outcome = _judged(answer)
            if isinstance(outcome, Answer):
                return outcome
            tried += 1
            self._current = (self._current + 1) % len(self.addresses)
            if tried % len(self.addresses) and outcome.retry_after_s is None:
                continue  # another gateway may answer at once
            pause_s = self._pause_s(pauses, outcome.retry_after_s)
            pauses += 1
            if self._clock() + pause_s >= started_s + patience_s:
                raise _given_up(wanted, tried, outcome)
            yield Pause(pause_s)

    def _pause_s(self, pauses: int, asked_s: float | None) -> float:
        """Full jitter under a doubling bound, and never less than a gateway asked for."""
        bound_s = min(self.policy.first_pause_s * 2.0 ** min(pauses, 16), self.policy.longest_pause_s)
        return (asked_s or 0.0) + bound_s * (0.5 + 0.5 * self._draw())

    def exchange(self, wanted: Wanted, timeout_s: float) -> Exchange:
        """The request as the current gateway is to get it."""
        address = self.addresses[self._current]
        headers = {"Accept": wanted.accept}
        if wanted.content is not None:
            headers["Content-Type"] = MSGPACK
        if address.token is not None and (wanted.content is None or wanted.takes_token):
            headers["Authorization"] = f"Bearer {address.token}"
        return Exchange(
            wanted.method,
            address.url + wanted.path,
            wanted.params,
            headers,
            wanted.content,
            wanted.most_bytes,
            timeout_s,
        )

    def turn(self) -> None:
        """Ask another gateway next time."""
        self._current = (self._current + 1) % len(self.addresses)

    def has_patience(self, started_s: float) -> bool:
        """Whether a call begun at `started_s` may go on."""
        return self._clock() - started_s < self.policy.patience_s

    def now_s(self) -> float:
        """The pool's clock."""
        return self._clock()


class Wanted(NamedTuple):
    """A request, whichever gateway gets it."""

    path: str
    params: tuple[tuple[str, str], ...] = ()
    accept: str = JSON
    method: str = "GET"
    content: bytes | None = None
    most_bytes: int = JSON_BYTES
    takes_token: bool = False
    """Of a request with a body: transactions authenticate themselves, and go without."""


class _Again(NamedTuple):
    """Not settled: worth another attempt."""

    error: CustodyError
    retry_after_s: float | None


def _judged(answer: Answer | Unreachable | None) -> Answer | _Again:
    """An answer that settles the request, or why to ask again; raises the problem where asking again is no use."""
    if not isinstance(answer, Answer):
        reason = "no answer" if answer is None else answer.reason
        return _Again(
            UnavailableError(Code.UNAVAILABLE, f"expected an answer of the gateway: {reason}"), None
        )
    if answer.status < 300:
        return answer
    error = problem_in(answer)
    if answer.status in (408, 425, 429) or answer.status >= 500:
        return _Again(error, _retry_after_s(answer))
    raise error


def check_may_return(answer: Answer) -> None:
    """Raise the problem in an answer where asking again is no use."""
    _judged(answer)


def _retry_after_s(answer: Answer) -> float | None:
    text = answer.headers.get("retry-after", "")
    is_whole = text.isascii() and text.isdigit() and len(text) <= 4
    return float(text) if is_whole else None


def _given_up(wanted: Wanted, tried: int, last: _Again) -> CustodyError:
    hint = "; submitting the same again is safe" if wanted.content is not None else ""
    return type(last.error)(last.error.code, f"{last.error.message} (asked {tried} times{hint})")


def problem_in(answer: Answer) -> CustodyError:
    """The error that an answer's problem document (RFC 9457) stands for."""
    code, detail = Code.UNAVAILABLE, ""
    try:
        document = json.loads(answer.body)
        code = Code(str(document["type"]).removeprefix(PROBLEM_PREFIX))
        detail = str(document["detail"])
    except (ValueError, KeyError, TypeError, RecursionError):
        detail = (
            detail
            or f"expected a problem document with status {answer.status}, got something else; is this a gateway?"
        )
    kind: type[CustodyError] = {401: EntitlementError, 403: EntitlementError, 404: UnavailableError}.get(
        answer.status, RuleError
    )
    if answer.status >= 500 or answer.status in (408, 425, 429):
        kind = UnavailableError
    elif answer.status in (400, 413, 415):
        kind = FormError
    elif code in (Code.BAD_SIGNATURE, Code.BAD_KEY, Code.WRONG_NETWORK):
        kind = SignatureError
    return kind(code, "".join(one if one.isprintable() else "?" for one in detail[:2_000]))


def json_in(answer: Answer) -> Any:
    """The JSON value of an answer; UnavailableError where it is none."""
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError):
        raise UnavailableError(
            Code.UNAVAILABLE, "expected JSON from the gateway, got something else; is this a gateway?"
        ) from None


class Receipt(NamedTuple):
    """What executing one item did: refused with a code, or an entry and one outcome for each leg."""

    place: int
    refusal: str | None
    entry: str | None
    outcomes: tuple[Mapping[str, Any], ...]

    def result(self) -> tuple[str, str]:
        """`applied`, `recorded` (without effect) or `refused`, and why: the names of the outcomes, or the code."""
        if self.refusal:
            return "refused", self.refusal
        # Of a gateway's JSON: what an outcome is was not looked at.
        said = [one if isinstance(one, dict) else {"name": one} for one in self.outcomes]
        names = dict.fromkeys(str(one.get("name", one)) for one in said)
        is_applied = all(one.get("applied", True) for one in said)
        return "applied" if is_applied else "recorded", ", ".join(names)


class Standing(NamedTuple):
    """Where a transaction is."""

    id: str
    status: str
    """`accepted`, `final` or `refused`."""
    height: int | None
    code: str | None
    detail: str | None
    receipts: tuple[Receipt, ...]

    @property
    def is_settled(self) -> bool:
        """Whether asking again changes nothing."""
        return self.status != Wait.ACCEPTED


def standing_from_json(value: Any) -> Standing:
    """A transaction's standing from the gateway's JSON; UnavailableError where it is another form."""
    try:
        receipts = tuple(
            Receipt(
                int(one["place"]),
                None if one.get("refusal") is None else str(one["refusal"]),
                None if one.get("entry") is None else str(one["entry"]),
                tuple(one.get("outcomes", ())),
            )
            for one in value.get("receipts", ())
        )
        return Standing(
            str(value["id"]),
            str(value["status"]),
            value.get("height"),
            value.get("code"),
            value.get("detail"),
            receipts,
        )
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError):
        raise UnavailableError(
            Code.UNAVAILABLE, "expected a transaction's standing from the gateway, got something else"
        ) from None


# --- flows


def submit(pool: Pool, body: bytes, wait: Wait) -> Flow[tuple[Standing, ...]]:
    """Submit a request body until each of its transactions stands as waited for, or patience ends.

    Submitting again is how finality is waited for: a transaction that is final already is answered with its receipts.
    """
    started_s = pool.now_s()
    wanted = Wanted("/v1/transactions", (("wait", wait.value),), method="POST", content=body)
    while True:
        answer = yield from pool.ask(wanted)
        document = json_in(answer)
        found = document.get("transactions") if isinstance(document, dict) else None
        standings = tuple(
            standing_from_json(one) for one in (found if isinstance(found, list) else [document])
        )
        if wait is Wait.ACCEPTED or all(one.is_settled for one in standings):
            return standings
        if not pool.has_patience(started_s):
            return standings
        yield Pause(pool.policy.first_pause_s)


def transaction(pool: Pool, identifier: str) -> Flow[Standing]:
    """A transaction's standing by its id (64 hexadecimal digits)."""
    answer = yield from pool.ask(Wanted(f"/v1/transactions/{identifier}"))
    return standing_from_json(json_in(answer))


def read_json(pool: Pool, path: str, *params: tuple[str, str]) -> Flow[Any]:
    """Any JSON resource."""
    answer = yield from pool.ask(Wanted(path, params))
    return json_in(answer)


def post_json(pool: Pool, path: str, body: bytes) -> Flow[Any]:
    """The JSON that answers a body in the ledger's encoding."""
    answer = yield from pool.ask(Wanted(path, method="POST", content=body, takes_token=True))
    return json_in(answer)


def bundle(pool: Pool, identifiers: Sequence[str], *params: tuple[str, str]) -> Flow[bytes]:
    """The bundle that proves the given subjects, as it is written to a file."""
    named = tuple(("id", identifier) for identifier in identifiers)
    wanted = Wanted("/v1/bundle", (*named, *params), BUNDLE, most_bytes=limits.BUNDLE_BYTES)
    answer = yield from pool.ask(wanted)
    return answer.body


def octets(pool: Pool, path: str) -> Flow[bytes]:
    """A resource in the ledger's own encoding."""
    answer = yield from pool.ask(Wanted(path, accept=MSGPACK, most_bytes=limits.BUNDLE_BYTES))
    return answer.body
