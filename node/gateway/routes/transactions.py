"""Handing in transactions and asking what became of them (API.md §5)."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from ledger.base.errors import Code, CustodyError, UnavailableError
from node.gateway import examples
from node.gateway.answers import MSGPACK, json_answer
from node.gateway.contract import SECURED, answer, merged, problems
from node.gateway.problems import RETRY_AFTER_S
from node.gateway.rendering import transaction_json
from node.gateway.service import Gateway, away, persistently
from node.gateway.submission import check_media_type, parse_submissions
from node.local.protocol import BusyError, State, Submission, TransactionStatus, WaitFor

TransactionId = Annotated[
    str,
    Path(
        description="The transaction's id: the hash of its header, 64 hexadecimal digits.",
        pattern="^[0-9a-f]{64}$",
        examples=["c1a5298f939e87e8f962a5edfc206918f2b3c7a40d5e6b1a9c8d7e6f50413223"],
    ),
]
Wait = Annotated[
    Literal["accepted", "final"],
    Query(
        description="When to answer: once the transactions are handed to the other validators, which promises nothing, "
        "or once they are final or refused."
    ),
]
_BODY: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "description": "Canonical msgpack: `[[transaction, [payload or nil for each item]], ...]`, where a payload is "
        "`[salt, context or nil, event]` and the transaction its canonical bytes (WIRE.md). At most 8,000,000 bytes.",
        "content": {MSGPACK: {"schema": {"type": "string", "format": "binary"}}},
    }
}


def router(gateway: Gateway) -> APIRouter:
    """POST /v1/transactions, GET /v1/transactions/{id}."""
    routes = APIRouter(tags=["transactions"])

    @routes.post(
        "/v1/transactions",
        summary="Hand in signed transactions",
        response_class=Response,
        openapi_extra=_BODY,
        responses=merged(
            {
                200: answer("What became of each, in order.", "Submitted", examples.SUBMITTED),
                202: answer("Not all are final yet; ask again by id.", "Submitted", examples.ACCEPTED),
            },
            problems(
                Code.MALFORMED, Code.NOT_CANONICAL, Code.TOO_DEEP, Code.UNSUPPORTED_VERSION, Code.TIMED_OUT,
                Code.TOO_LARGE, Code.UNSUPPORTED_MEDIA_TYPE, Code.BAD_SIGNATURE, Code.WRONG_NETWORK,
                Code.OVERLOADED, Code.UNAVAILABLE,
            ),
        ),
    )  # fmt: skip
    async def submit(request: Request, wait: Wait = "final") -> Response:
        """Transactions authenticate themselves, so no token is needed. A body with one transaction of the wrong form, of
        another network or with a bad signature is refused as a whole; what is refused later, or item by item, is said
        in its place. Sending the same transaction again is safe: it is answered with what became of it.
        """
        check_media_type(request.headers.get("content-type"))
        with gateway.intake.waiting(), gateway.intake.body() as body:
            data = await body.read(request)
            async with gateway.intake.turns.turn(len(data)):
                submissions, ids = parse_submissions(data, gateway.network)
            statuses = await _submit(gateway, submissions, ids, WaitFor[wait.upper()])
            gateway.intake.turns.judged(len(data), statuses)
        return _submitted(gateway, statuses)

    @routes.get(
        "/v1/transactions/{id}",
        summary="What became of a transaction",
        response_class=Response,
        openapi_extra=SECURED,
        responses=merged(
            {200: answer("Accepted, final with receipts, or refused.", "Transaction", examples.FINAL)},
            problems(
                Code.MALFORMED, Code.UNAUTHORISED, Code.UNKNOWN_TRANSACTION, Code.OVERLOADED, Code.UNAVAILABLE
            ),
        ),
    )  # fmt: skip
    async def transaction(id: TransactionId) -> Response:  # noqa: A002 - the parameter's name in the address
        """Unknown means: never seen by this node, or not ordered in time and forgotten. Handing it in again is safe."""
        (status,) = await gateway.ask(lambda: gateway.validator.transactions([bytes.fromhex(id)]))
        if status.state == State.UNKNOWN:
            raise UnavailableError(
                Code.UNKNOWN_TRANSACTION,
                f"expected the id of a transaction known here, got {id}; send it again",
            )
        return json_answer(transaction_json(status))

    return routes


async def _submit(
    gateway: Gateway, submissions: list[Submission], ids: list[bytes], wait: WaitFor
) -> tuple[TransactionStatus, ...]:
    """Hand in and wait; when finality takes longer than a client should wait, what is known by then."""
    try:
        async with gateway.finality():
            return await persistently(lambda: gateway.submitter.submit(submissions, wait))
    except TimeoutError:
        statuses = await gateway.ask(lambda: gateway.validator.transactions(ids))
    except CustodyError as error:
        raise (away(error) if error.code == Code.UNAVAILABLE else error) from None
    if any(status.state == State.UNKNOWN for status in statuses):
        raise UnavailableError(
            Code.UNAVAILABLE,
            "expected the validator to take the transactions in time, it did not; send the same body again",
        )
    return statuses


def _submitted(gateway: Gateway, statuses: tuple[TransactionStatus, ...]) -> Response:
    if all(status.code == Code.OVERLOADED for status in statuses):
        raise BusyError(
            statuses[0].message, max(status.retry_after_s or RETRY_AFTER_S for status in statuses)
        )
    shown = [transaction_json(status) for status in statuses]
    for one in shown:
        gateway.metrics.transactions.labels(one["status"]).inc()
    is_open = any(status.state == State.PENDING for status in statuses)
    return json_answer({"transactions": shown}, status=202 if is_open else 200)
