"""What OpenAPI says of the EPCIS interface (EPCIS.md; the official document is GS1's, this one says what this repository does).

Bodies are described as far as this repository makes them; what an event may hold is EPCIS's own schema.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from ledger.base.errors import Code
from node.gateway.answers import BUNDLE, EVENT_STREAM
from node.gateway.contract import SECURED, JsonSchema, binary
from node.gateway.epcis import problems
from node.gateway.epcis.documents import CONTEXT
from node.gateway.epcis.negotiation import JSON, JSON_LD, VERSION, XML
from node.gateway.epcis.paging import EXPIRES, PER, PER_PAGE, PER_PAGE_MOST, TOKEN
from node.gateway.epcis.problems import Exceptional
from node.gateway.epcis.subscriptions.schedule import FIELDS

_TEXT: Final[JsonSchema] = {"type": "string"}
_OBJECT: Final[JsonSchema] = {"type": "object"}

SCHEMAS: Final[dict[str, JsonSchema]] = {
    "EpcisProblem": {
        "type": "object",
        "required": ["type", "title", "status", "code", "detail"],
        "properties": {
            "type": {
                "type": "string",
                "enum": [problems.TYPE_PREFIX + exception.value for exception in Exceptional],
            },
            "title": _TEXT,
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "code": {"type": "string", "enum": [code.value for code in Code]},
            "detail": _TEXT,
            "request": _TEXT,
        },
    },
    "EpcisCollection": {
        "type": "object",
        "required": ["@context", "type", "member"],
        "properties": {
            "@context": _TEXT,
            "type": {"type": "string", "const": "Collection"},
            "member": {"type": "array", "items": _TEXT},
        },
    },
    "EpcisQueryDocument": {
        "type": "object",
        "required": ["@context", "type", "schemaVersion", "creationDate", "epcisBody"],
        "properties": {
            "@context": {"type": "array"},
            "type": {"type": "string", "const": "EPCISQueryDocument"},
            "schemaVersion": _TEXT,
            "creationDate": _TEXT,
            "epcisBody": _OBJECT,
        },
    },
    "EpcisNamedQuery": {
        "type": "object",
        "required": ["name", "query"],
        "properties": {"name": _TEXT, "query": _OBJECT},
    },
    "EpcisCaptureJob": {
        "type": "object",
        "required": [
            "captureID",
            "createdAt",
            "running",
            "success",
            "captureErrorBehaviour",
            "errors",
            "custody:capturedBy",
        ],
        "properties": {
            "captureID": _TEXT,
            "createdAt": _TEXT,
            "finishedAt": _TEXT,
            "running": {"type": "boolean"},
            "success": {"type": "boolean"},
            "captureErrorBehaviour": {"type": "string", "enum": ["rollback", "proceed"]},
            "errors": {"type": "array", "items": {"$ref": "#/components/schemas/EpcisProblem"}},
            "custody:capturedBy": _TEXT,
            "custody:transactions": {"type": "array", "items": _OBJECT},
            "custody:events": {"type": "array", "items": _OBJECT},
            "custody:notices": {"type": "array", "items": _OBJECT},
            "custody:document": _TEXT,
        },
    },
    "EpcisCaptureJobs": {"type": "array", "items": {"$ref": "#/components/schemas/EpcisCaptureJob"}},
    "EpcisNamedQueries": {"type": "array", "items": {"$ref": "#/components/schemas/EpcisNamedQuery"}},
    "EpcisWebhook": {
        "type": "object",
        "required": ["dest"],
        "properties": {
            "dest": _TEXT,
            "signatureToken": _TEXT,
            "stream": {"type": "boolean", "const": True},
            "schedule": {"type": "object", "properties": dict.fromkeys(FIELDS, _TEXT)},
            "reportIfEmpty": {"type": "boolean"},
            "initialRecordTime": _TEXT,
        },
    },
    "EpcisSubscription": {
        "type": "object",
        "required": ["subscriptionID", "queryName", "dest", "createdAt", "minRecordTime", "ledger:delivery"],
        "properties": {
            "subscriptionID": _TEXT,
            "queryName": _TEXT,
            "dest": _TEXT,
            "stream": {"type": "boolean", "const": True},
            "schedule": {"type": "object", "properties": dict.fromkeys(FIELDS, _TEXT)},
            "reportIfEmpty": {"type": "boolean"},
            "createdAt": _TEXT,
            "lastNotifiedAt": _TEXT,
            "initialRecordTime": _TEXT,
            "minRecordTime": _TEXT,
            "epcFormat": _TEXT,
            "ledger:delivery": _OBJECT,
        },
    },
    "EpcisSubscriptions": {"type": "array", "items": {"$ref": "#/components/schemas/EpcisSubscription"}},
}

CAPTURING: Final[JsonSchema] = {
    "type": "http",
    "scheme": "bearer",
    "description": "A token in this node's keys/capture.token or keys/capture-NAME.token.",
}
EVENT: Final[dict[str, Any]] = {
    "type": "ObjectEvent",
    "eventID": "urn:custody:event:c1a5298f939e87e8f962a5edfc206918f2b3c7a40d5e6b1a9c8d7e6f50413223",
    "eventTime": "2023-11-14T22:13:20.000Z",
    "eventTimeZoneOffset": "+00:00",
    "recordTime": "2023-11-14T22:14:01.000Z",
    "action": "OBSERVE",
    "bizStep": "shipping",
    "epcList": ["https://id.gs1.org/01/09521234000013/21/7"],
    "ledger:applied": True,
}
JOB: Final[dict[str, Any]] = {
    "captureID": "5f0c8a7be2d14c905f0c8a7be2d14c90",
    "createdAt": "2023-11-14T22:14:00.120Z",
    "finishedAt": "2023-11-14T22:14:01.080Z",
    "running": False,
    "success": True,
    "captureErrorBehaviour": "rollback",
    "errors": [],
    "custody:capturedBy": "capture",
    "custody:transactions": [
        {
            "id": "c1a5298f939e87e8f962a5edfc206918f2b3c7a40d5e6b1a9c8d7e6f50413223",
            "height": 41,
            "recordTime": "2023-11-14T22:14:01.000Z",
        }
    ],
    "custody:events": [
        {
            "place": "/epcisBody/eventList/0",
            "eventID": EVENT["eventID"],
            "applied": True,
            "outcomes": ["observed"],
        }
    ],
    "custody:notices": [],
}
QUERY: Final[dict[str, Any]] = {"name": "shipments", "query": {"EQ_bizStep": ["shipping"]}}
WEBHOOK: Final[dict[str, Any]] = {
    "dest": "https://receiver.example/hook",
    "signatureToken": "13df38d8275b13f0",
    "stream": True,
}
SUBSCRIPTION: Final[dict[str, Any]] = {
    "subscriptionID": "df5a33e3-5aa3-4403-ae01-99b83234e27b",
    "queryName": "shipments",
    "dest": "https://receiver.example/hook",
    "stream": True,
    "createdAt": "2023-11-14T22:10:00.000Z",
    "lastNotifiedAt": "2023-11-14T22:14:02.000Z",
    "initialRecordTime": "2023-11-14T22:10:00.000Z",
    "minRecordTime": "2023-11-14T22:14:01.000Z",
    "epcFormat": "Always_GS1_Digital_Link",
    "ledger:delivery": {"state": "active", "position": 412, "number": 17, "taken": 17, "failures": 0},
}
DOCUMENT: Final[dict[str, Any]] = {
    "@context": [CONTEXT, {"ledger": "https://custody-ledger.org/answer/"}],
    "type": "EPCISQueryDocument",
    "schemaVersion": "2.0",
    "creationDate": "2023-11-14T22:14:02.000Z",
    "ledger:height": 41,
    "epcisBody": {"queryResults": {"queryName": "SimpleEventQuery", "resultsBody": {"eventList": [EVENT]}}},
}

_SENTENCES: Final[dict[Exceptional, tuple[Code, str]]] = {
    Exceptional.VALIDATION: (Code.MALFORMED, "/epcisBody/eventList/0/action: expected ADD, OBSERVE or DELETE, got 'SELL'"),
    Exceptional.QUERY_VALIDATION: (Code.MALFORMED, "query: expected an object of query parameters, got a list"),
    Exceptional.QUERY_PARAMETER: (Code.MALFORMED, "perPage: expected a number from 1 on, got 'many'"),
    Exceptional.SUBSCRIPTION_CONTROLS: (Code.MALFORMED, "minute: expected 0 .. 59, got '61'"),
    Exceptional.SECURITY: (Code.UNAUTHORISED, "expected 'Authorization: Bearer <token>' with the reader's token, got none"),
    Exceptional.NO_SUCH_NAME: (Code.NOT_FOUND, "expected the name of a query that is kept here, got 'shipmints'"),
    Exceptional.NOT_ACCEPTABLE: (Code.NOT_ACCEPTABLE, f"expected GS1-EPCIS-Min to allow {VERSION}, got '3.0'"),
    Exceptional.ALREADY_EXISTS: (Code.REPEATED, "expected a new name, there is a query 'shipments'"),
    Exceptional.CAPTURE_LIMIT: (Code.TOO_LARGE, "expected at most 1000 events in a document, got 1200; send several"),
    Exceptional.QUERY_TOO_LARGE: (Code.TOO_LARGE, "maxEventCount: expected at most 10 events, more match"),
    Exceptional.QUERY_TOO_COMPLEX: (Code.LIMIT, "expected at most 64 parameters in a query, got 70"),
    Exceptional.URI_TOO_LONG: (Code.TOO_LARGE, "expected an address of at most 16384 bytes, got 20000"),
    Exceptional.UNSUPPORTED_MEDIA_TYPE: (Code.UNSUPPORTED_MEDIA_TYPE, "expected application/json, got 'text/csv'"),
    Exceptional.IMPLEMENTATION: (Code.UNAVAILABLE, "expected a running validator behind this gateway, it does not answer"),
}  # fmt: skip


def exceptions(*which: Exceptional) -> dict[int | str, dict[str, Any]]:
    """Which exceptions a route may answer with; those that all routes may are in."""
    found: dict[int | str, dict[str, Any]] = {}
    common = (Exceptional.SECURITY, Exceptional.NOT_ACCEPTABLE, Exceptional.IMPLEMENTATION)
    for exception in (*which, *common):
        code, sentence = _SENTENCES[exception]
        document = problems.problem(exception, code, sentence, request_id="5f0c8a7be2d14c90")
        at = found.setdefault(document["status"], {"description": document["title"], "content": {}})
        schema = {"$ref": "#/components/schemas/EpcisProblem"}
        media = at["content"].setdefault(problems.JSON, {"schema": schema, "examples": {}})
        media["examples"][exception.value] = {"value": document}
        at["content"] |= binary("", problems.XML)["content"]
    return found


def answered(
    description: str,
    schema: str,
    example: Any,
    *more: str,
    headers: Iterable[str] = (),
    status: int = 200,
) -> dict[int | str, dict[str, Any]]:
    """An answer in JSON and JSON-LD, and `more` media types; with the headers that every answer has."""
    shown = {"schema": {"$ref": f"#/components/schemas/{schema}"}, "example": example}
    content: dict[str, Any] = {JSON: shown, JSON_LD: shown}
    for media_type in more:
        content |= binary("", media_type)["content"]
    return {status: {"description": description, "content": content, "headers": _headers(headers)}}


def body(description: str, schema: str, example: Any) -> dict[str, Any]:
    """Part of `openapi_extra`: a body in JSON."""
    shown = {"schema": {"$ref": f"#/components/schemas/{schema}"}, "example": example}
    return {"requestBody": {"required": True, "description": description, "content": {JSON: shown}}}


def created(description: str, example: Any) -> dict[int | str, dict[str, Any]]:
    """An answer of status 201 with what was made."""
    shown = {"schema": _OBJECT, "example": example}
    return {201: {"description": description, "content": {JSON: shown}, "headers": _headers(("Location",))}}


def kept(description: str, media_type: str) -> dict[int | str, dict[str, Any]]:
    """Bytes as they were sent here."""
    return {
        200: {
            "description": description,
            "content": binary("", media_type)["content"],
            "headers": _headers(()),
        }
    }


def document(
    description: str, *, pages: bool = True, proves: bool = False, streams: bool = False
) -> dict[int | str, dict[str, Any]]:
    """An EPCISQueryDocument in every form; `proves`: or the bundle; `streams`: or documents as they come."""
    headers = ("Custody-Height", "Custody-Header-Hash", "Custody-Time", *(("Link", EXPIRES) if pages else ()))
    return answered(
        description,
        "EpcisQueryDocument",
        DOCUMENT,
        XML,
        *([BUNDLE] if proves else []),
        *([EVENT_STREAM] if streams else []),
        headers=headers,
    )


def done(description: str, *headers: str, status: int = 204) -> dict[int | str, dict[str, Any]]:
    """An answer without a body."""
    return {status: {"description": description, "content": {}, "headers": _headers(headers)}}


_SAID: Final = ("GS1-EPCIS-Version", "GS1-CBV-Version", "GS1-Extensions")


def _headers(names: Iterable[str]) -> dict[str, Any]:
    return {name: {"schema": _TEXT, "description": HEADERS[name]} for name in (*_SAID, *names)}


HEADERS: Final[dict[str, str]] = {
    "GS1-EPCIS-Version": "The EPCIS version of the answer.",
    "GS1-CBV-Version": "The CBV version of the answer.",
    "GS1-Extensions": "The namespaces that this repository adds.",
    "Allow": "The methods of the resource.",
    "Location": "The address of what was made.",
    "GS1-Capture-Error-Behaviour": "What becomes of the other events if one fails.",
    "Link": 'The next page, with `rel="next"`; relative to this address. Absent on the last one.',
    EXPIRES: "Until when the next page may be asked for.",
    "Custody-Height": "The height of the final block that the answer is valid at.",
    "Custody-Header-Hash": "The hash of that block's header.",
    "Custody-Time": "That block's time.",
}

_WISHES: Final[dict[str, str]] = {
    "GS1-EPCIS-Min": "The lowest EPCIS version that the client reads.",
    "GS1-EPCIS-Max": "The highest EPCIS version that the client reads.",
    "GS1-CBV-Min": "The lowest CBV version that the client reads.",
    "GS1-CBV-Max": "The highest CBV version that the client reads.",
    "GS1-EPC-Format": "How EPCs are spelt: Always_GS1_Digital_Link (default), Always_EPC_URN, No_Preference or Never_Translates.",
    "GS1-CBV-XML-Format": "How CBV words are spelt in XML: Always_Web_URI, Always_URN, No_Preference (default) or Never_Translates.",
}
_PAGING: Final[dict[str, str]] = {
    PER: f"At most so many members or events in an answer, {PER_PAGE} without it; {PER_PAGE_MOST} at most.",
    TOKEN: "From the Link of the page before. The other parameters stay the same.",
}


STREAMS: Final[dict[str, str]] = {
    "stream": "true: as events come. With text/event-stream this is meant where no schedule is given.",
    **dict.fromkeys(FIELDS, "When to report, UTC: numbers and ranges [a-b], with commas between them."),
    "reportIfEmpty": "true: report by the schedule also what is nothing.",
    "initialRecordTime": "Begin with the first event of this block time or a later one; without it, with the next.",
    "position": "Go on after this position of the event log, as Last-Event-ID does.",
}
"""Of server-sent events and WebSockets."""
QUERY_PARAMETERS: Final[dict[str, str]] = {
    "eventType": "Events of one of these types.",
    "EQ_action": "ADD, OBSERVE or DELETE.",
    "EQ_bizStep": "One of these business steps.",
    "MATCH_anyEPC": "Events that name one of these EPCs, or match a pattern, in any role.",
    "GE_eventTime": "Not before this time; LT_eventTime: before it. So with recordTime, which is block time.",
    "EQ_eventID": "One of these ids.",
    "EXISTS_errorDeclaration": "Only error declarations.",
    "orderBy": "eventTime, recordTime, or an extension field; orderDirection is DESC unless it says ASC.",
    "eventCountLimit": "Only so many first events, with orderBy. maxEventCount: refuse if more match.",
}
"""The commonest of SimpleEventQuery (EPCIS 2.0 §8.2.7.1); all others are taken too, and an unknown one is refused."""


def described(
    *,
    path: dict[str, str] | None = None,
    query: dict[str, str] | None = None,
    pages: bool = False,
    formats: bool = False,
) -> dict[str, Any]:
    """`openapi_extra` of a route: the token it needs, its path value, its query parameters, its headers."""
    wishes = list(_WISHES)[: None if formats else 4]
    parameters = [_parameter("path", name, said, required=True) for name, said in (path or {}).items()]
    parameters += [_parameter("header", name, _WISHES[name]) for name in wishes]
    parameters += [_parameter("query", name, said) for name, said in (_PAGING if pages else {}).items()]
    parameters += [_parameter("query", name, said) for name, said in (query or {}).items()]
    return {**SECURED, "parameters": parameters}


def header(name: str, description: str) -> dict[str, Any]:
    """A header that a request may have."""
    return _parameter("header", name, description)


def _parameter(where: str, name: str, description: str, *, required: bool = False) -> dict[str, Any]:
    return {"in": where, "name": name, "description": description, "required": required, "schema": _TEXT}
