"""What OpenAPI says of this interface: schemas, examples, and which problems each route may answer (API.md).

Written by hand beside the code that renders, and held to it by tests: models that validate on every answer would cost more
than rendering does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from ledger.base.errors import Code
from node.gateway.problems import MEDIA_TYPE, STATUS, TYPE_PREFIX, problem

JsonSchema = dict[str, Any]

SECURED: Final[dict[str, Any]] = {"security": [{"reader": []}]}
"""Of a route that needs the reader's token."""

_HEX: Final[JsonSchema] = {"type": "string", "pattern": "^[0-9a-f]*$"}
_HASH: Final[JsonSchema] = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_NUMBER: Final[JsonSchema] = {"type": "integer", "minimum": 0}
_TEXT: Final[JsonSchema] = {"type": "string"}
_TIME: Final[JsonSchema] = {"type": ["string", "null"], "format": "date-time"}
_FLAG: Final[JsonSchema] = {"type": "boolean"}


def _or_null(schema: JsonSchema) -> JsonSchema:
    return {"anyOf": [schema, {"type": "null"}]}


def _ref(name: str) -> JsonSchema:
    return {"$ref": f"#/components/schemas/{name}"}


def _list(schema: JsonSchema) -> JsonSchema:
    return {"type": "array", "items": schema}


def _object(
    required: Mapping[str, JsonSchema], optional: Mapping[str, JsonSchema] | None = None
) -> JsonSchema:
    return {"type": "object", "required": list(required), "properties": {**required, **(optional or {})}}


_MOMENT: Final = {"height": _NUMBER, "time_ms": {"type": "integer"}, "time": _TIME}

SCHEMAS: Final[dict[str, JsonSchema]] = {
    "Problem": _object(
        {
            "type": {"type": "string", "pattern": f"^{TYPE_PREFIX}[a-z_]+$"},
            "title": _TEXT,
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "code": {"type": "string", "enum": [code.value for code in Code]},
            "detail": _TEXT,
        },
        {"request": _TEXT},
    ),
    "Outcome": _object({"code": _NUMBER, "name": _TEXT, "applied": _FLAG, "row": _NUMBER}),
    "Receipt": _object(
        {
            "place": _NUMBER,
            "refusal": _or_null(_TEXT),
            "entry": _or_null(_HASH),
            "outcomes": _list(_ref("Outcome")),
        }
    ),
    "Transaction": _object(
        {"id": _HASH, "status": {"type": "string", "enum": ["accepted", "final", "refused"]}},
        _MOMENT | {"code": _TEXT, "detail": _TEXT, "receipts": _list(_ref("Receipt"))},
    ),
    "Submitted": _object({"transactions": _list(_ref("Transaction"))}),
    "Subject": _object({"id": _TEXT, "space": _TEXT}, {"holder": _TEXT}),
    "Chain": _object({"length": _NUMBER, "head": _HASH}),
    "Record": _object(
        {
            "status": {"type": "string", "enum": ["unborn", "live", "consumed", "ended"]},
            "origin": {"type": "string", "enum": ["none", "unattested", "attested"]},
            "custodian": _or_null(_TEXT),
            "links": _ref("Chain"),
            "asides": _ref("Chain"),
        }
    ),
    "RecordAt": _object({"subject": _ref("Subject"), **_MOMENT, "record": _ref("Record")}),
    "Entry": _object(
        {
            "hash": _HASH,
            "sequence": _NUMBER,
            **_MOMENT,
            "transaction": _HASH,
            "place": _NUMBER,
            "organisation": _TEXT,
            "public_key": _HASH,
        }
    ),
    "Link": _object(
        {
            "position": _NUMBER,
            "outcome": _ref("Outcome"),
            "custodian": _or_null(_TEXT),
            "entry": _ref("Entry"),
        },
        {
            "event": _HASH,
            "attested": _FLAG,
            "statement": {"type": "object"},
            "subjects": _NUMBER,
            "named_as": _list({"type": "object"}),
        },
    ),
    "History": _object(
        {"subject": _ref("Subject"), "aside": _FLAG, "links": _list(_ref("Link")), "next": _or_null(_NUMBER)}
    ),
    "Header": _object(
        {
            "hash": _HASH,
            "version": _NUMBER,
            "network": _HASH,
            "epoch": _NUMBER,
            "closes_epoch": _FLAG,
            "parent": _HASH,
            "proposer": _NUMBER,
            "transactions_root": _HASH,
            "batches_hash": _HASH,
            **_MOMENT,
        }
    ),
    "BlockOutcome": _object({"hash": _HASH, "state_root": _HASH, "event_log_size": _NUMBER}),
    "Certificate": _object(
        {
            "engine": _NUMBER,
            "kind": _TEXT,
            "epoch": _NUMBER,
            "view": _NUMBER,
            "block": _or_null(_HASH),
            "outcome": _or_null(_HASH),
            "signers": _list(_NUMBER),
            "signatures": _list(_HEX),
        }
    ),
    "Checkpoint": _object(
        {"header": _ref("Header"), "outcome": _ref("BlockOutcome"), "certificate": _ref("Certificate")}
    ),
    "Block": _object(
        {
            "header": _ref("Header"),
            "outcome": _ref("BlockOutcome"),
            "certificate": _or_null(_ref("Certificate")),
            "transactions": _list(_ref("Transaction")),
        }
    ),
    "Genesis": _object(
        {
            "network": _HASH,
            "name": _TEXT,
            "time_ms": _NUMBER,
            "time": _TIME,
            "validators": _list({"type": "object"}),
            "organisations": _list({"type": "object"}),
        }
    ),
    "Status": _object(
        {
            "network": _HASH,
            "name": _TEXT,
            "organisation": _TEXT,
            "phase": _TEXT,
            **_MOMENT,
            "checkpoint_height": _NUMBER,
            "view": _NUMBER,
            "leader": _TEXT,
            "pending_transactions": _NUMBER,
            "pending_bytes": _NUMBER,
            "peers": _list({"type": "object"}),
            "warnings": _list(_TEXT),
        }
    ),
    "Alive": _object({"status": {"type": "string", "const": "alive"}}),
    "Ready": _object({"status": {"type": "string", "const": "ready"}, "height": _NUMBER}),
}

# One sentence for each code, as it may read; the real ones name what came.
_SENTENCES: Final[Mapping[Code, str]] = {
    Code.MALFORMED: "transaction 0: expected a transaction of 3 members, got 2",
    Code.NOT_CANONICAL: "expected the shortest encoding of each integer and length",
    Code.TOO_DEEP: "expected fewer nested arrays",
    Code.TOO_LARGE: "expected a body of at most 8000000 bytes, got 8000001 or more; send several",
    Code.BAD_IDENTIFIER: "expected an identifier, got an empty text",
    Code.UNSUPPORTED_VERSION: "transaction 0: expected transaction version 1, got 2",
    Code.BAD_SIGNATURE: "transaction 0: expected a signature by the key that the transaction carries, it does not hold",
    Code.WRONG_NETWORK: "transaction 0: expected a transaction of network 3b1f0c5de2a94c77, got one of 91aa02c4d5e60718",
    Code.UNAUTHORISED: "expected 'Authorization: Bearer <token>' with the token in this node's keys/reader.token, got none",
    Code.NOT_ENTITLED: "expected a caller in the role of reader, member, authority, auditor for this, got capture (capturer)",
    Code.UNKNOWN_SUBJECT: "expected a subject that something was recorded of, got https://id.gs1.org/01/09521234000013/21/8",
    Code.UNKNOWN_TRANSACTION: "expected the id of a transaction known here, got 00…00; send it again",
    Code.NOT_FOUND: "expected an event whose bytes are at this node and may be read by carrier, 5f3c1c0f6b2d4a9e is none",
    Code.UNKNOWN_BLOCK: "expected a final block's height, at most 41, got 42",
    Code.PRUNED: "expected a height whose transactions this node still keeps (9001 .. 9950), got 42; ask a node that keeps them all",
    Code.NOT_ACCEPTABLE: "expected to be asked for application/json or application/msgpack, got 'text/csv'",
    Code.TIMED_OUT: "expected the whole body within 30 s, or sooner while others wait; got 512 bytes",
    Code.UNSUPPORTED_MEDIA_TYPE: "expected a body of type application/msgpack, got 'application/json'",
    Code.OVERLOADED: "expected fewer requests at a time, all places are taken; try again",
    Code.HISTORY_INCOMPLETE: "expected the whole history of the subject, this node joined at block 1000 and lacks what was before",
    Code.UNAVAILABLE: "expected a running validator, it does not answer; start it, or try again later",
}


def answer(
    description: str, schema: str, example: Any, *, media_type: str = "application/json"
) -> dict[str, Any]:
    """One answer of a route, for FastAPI's `responses`."""
    return {
        "description": description,
        "content": {media_type: {"schema": _ref(schema), "example": example}},
    }


def binary(description: str, media_type: str) -> dict[str, Any]:
    """An answer that is bytes."""
    return {
        "description": description,
        "content": {media_type: {"schema": {"type": "string", "format": "binary"}}},
    }


def problems(*codes: Code) -> dict[int | str, dict[str, Any]]:
    """The problems a route may answer, grouped by status, each code with an example."""
    grouped: dict[int | str, dict[str, Any]] = {}
    also = (
        (Code.NOT_ENTITLED,) if Code.UNAUTHORISED in codes else ()
    )  # where a caller is asked for, a known one may lack the role
    for code in (*codes, *also):
        status = STATUS[code]
        found = grouped.setdefault(
            status,
            {
                "description": problem(code, "")["title"],
                "content": {MEDIA_TYPE: {"schema": _ref("Problem"), "examples": {}}},
            },
        )
        example = problem(code, _SENTENCES[code], request_id="5f0c8a7be2d14c90")
        found["content"][MEDIA_TYPE]["examples"][code.value] = {"value": example}
    return grouped


def merged(*parts: Mapping[int | str, dict[str, Any]]) -> dict[int | str, dict[str, Any]]:
    """`responses` from several parts; contents and examples of the same status are joined."""
    whole: dict[int | str, dict[str, Any]] = {}
    for part in parts:
        for status, response in part.items():
            known = whole.setdefault(status, {"description": response["description"], "content": {}})
            for media_type, content in response["content"].items():
                at = known["content"].setdefault(media_type, content)
                if at is not content and "examples" in content:
                    at["examples"] = at["examples"] | content["examples"]
    return whole


def completed(document: dict[str, Any], routes: Iterable[BaseRoute]) -> dict[str, Any]:
    """FastAPI's document with our schemas, answers and bearer scheme, and without its own validation errors.

    The answers are put in anew from the routes, because FastAPI drops every null from examples.
    """
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    schemas.update(SCHEMAS)
    components["securitySchemes"] = {
        "reader": {
            "type": "http",
            "scheme": "bearer",
            "description": "The token in this node's keys/reader.token.",
        }
    }
    for route in routes:
        if isinstance(route, APIRoute) and route.include_in_schema:
            for method in route.methods or ():
                operation = document["paths"][route.path][method.lower()]
                operation["responses"] = {str(status): said for status, said in route.responses.items()}
    return document
