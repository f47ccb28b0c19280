"""What is known of a subject: its record, its chain, the bundle that proves it (API.md §6)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query
from starlette.responses import Response

from ledger.base.errors import Code, UnavailableError
from ledger.base.limits import IDENTIFIER_BYTES
from ledger.proof.build import possible_keys
from ledger.trade.identifiers import canonical, document
from ledger.trade.record import EMPTY, Space, SubjectKey
from ledger.trade.rules.table import key_of
from ledger.trade.statement import Role
from node.gateway import examples
from node.gateway.answers import BUNDLE, LongAnswer, json_answer
from node.gateway.contract import SECURED, answer, binary, merged, problems
from node.gateway.rendering import key_json, record_at_json, row_json
from node.gateway.service import Gateway
from node.local.protocol import HISTORY_ROWS, RecordAt

SUBJECTS_PER_BUNDLE: Final = 100
_LINKS: Final = 100
_POSITION_MAX: Final = 2**53

_SPELLINGS: Final = "An identifier in any spelling: EPC URN, GS1 Digital Link of any host, another URI; with `type`, a document's bare number."
Id = Annotated[
    str,
    Query(description=_SPELLINGS, min_length=1, max_length=4 * IDENTIFIER_BYTES, examples=[examples.ITEM]),
]
_Each = Annotated[str, Query(min_length=1, max_length=4 * IDENTIFIER_BYTES)]
Ids = Annotated[
    list[_Each],
    Query(
        alias="id",
        description=_SPELLINGS + f" Up to {SUBJECTS_PER_BUNDLE}; repeat the parameter.",
        min_length=1,
        max_length=SUBJECTS_PER_BUNDLE,
        examples=[[examples.ITEM]],
    ),
]
Type = Annotated[
    Literal["mrn", "ucr", "bol", "seal"] | None,
    Query(description="What sort of document `id` is the bare number of."),
]
Holder = Annotated[
    str | None,
    Query(
        description="Of a lot: the balance with this holder, an organisation or `container|generation`.",
        min_length=1,
        max_length=2 * IDENTIFIER_BYTES,
        pattern="^[!-~]+$",
    ),
]


def subject_keys(text: str, kind: str | None, holder: str | None = None) -> tuple[SubjectKey, ...]:
    """The records that an identifier in any spelling may name, that of its own sort first. FormError bad_identifier."""
    identifier = document(kind, text) if kind else canonical(text)
    if holder is not None:
        return (SubjectKey(Space.BALANCE, identifier.text, holder),)
    if kind is not None:
        return (key_of(Role.DOCUMENT, identifier.text),)
    return tuple(dict.fromkeys((key_of(Role.OBJECT, identifier.text), *possible_keys(identifier.text))))


async def known_records(gateway: Gateway, keys: Iterable[SubjectKey]) -> list[tuple[SubjectKey, RecordAt]]:
    """Those of the records that there are."""
    found = [(key, await gateway.validator.record(key)) for key in keys]
    return [(key, at) for key, at in found if at.record != EMPTY]


async def _record_of(gateway: Gateway, keys: tuple[SubjectKey, ...]) -> tuple[SubjectKey, RecordAt]:
    """The first of the records that there is; UnavailableError(unknown_subject) if there is none."""
    for key in keys:
        known = await known_records(gateway, (key,))
        if known:
            return known[0]
    raise UnavailableError(
        Code.UNKNOWN_SUBJECT, f"expected a subject that something was recorded of, got {keys[0].identifier}"
    )


async def proven(gateway: Gateway, named: list[tuple[SubjectKey, ...]], *, payloads: bool) -> bytes:
    """The bundle over every record kept under the identifiers; the prover says which of them has none."""
    chosen: list[SubjectKey] = []
    for keys in named:
        chosen += [key for key, _ in await known_records(gateway, keys)] or keys[:1]
    return await gateway.validator.prove(list(dict.fromkeys(chosen)), payloads=payloads)


def router(gateway: Gateway) -> APIRouter:
    """GET /v1/subjects, /v1/subjects/history, /v1/bundle."""
    routes = APIRouter(tags=["subjects"])
    reading = problems(
        Code.MALFORMED, Code.BAD_IDENTIFIER, Code.UNAUTHORISED, Code.UNKNOWN_SUBJECT, Code.OVERLOADED, Code.UNAVAILABLE
    )  # fmt: skip

    @routes.get(
        "/v1/subjects",
        summary="The record of a subject, as of the last final block",
        response_class=Response,
        openapi_extra=SECURED,
        responses=merged({200: answer("The record.", "RecordAt", examples.RECORD)}, reading),
    )
    async def record(id: Id, type: Type = None, holder: Holder = None) -> Response:  # noqa: A002 - names in the address
        """What custody is now. The answer is this node's word; for a proof ask for a bundle."""
        keys = subject_keys(id, type, holder)
        key, found = await gateway.ask(lambda: _record_of(gateway, keys))
        return json_answer(record_at_json(key, found))

    @routes.get(
        "/v1/subjects/history",
        summary="The chain of a subject: what was recorded of it, in order",
        response_class=Response,
        openapi_extra=SECURED,
        responses=merged(
            {200: answer("Links with their entries and statements.", "History", examples.HISTORY)},
            reading,
            problems(Code.HISTORY_INCOMPLETE),
        ),
    )
    async def history(
        id: Id,  # noqa: A002
        type: Type = None,  # noqa: A002
        holder: Holder = None,
        aside: Annotated[
            bool, Query(description="Reports by third parties instead of the chain itself.")
        ] = False,
        first: Annotated[
            int,
            Query(alias="from", description="Position of the first link, from 1.", ge=1, le=_POSITION_MAX),
        ] = 1,
        limit: Annotated[int, Query(description="At most so many links.", ge=1, le=HISTORY_ROWS)] = _LINKS,
    ) -> Response:
        """`next` is the position to go on from, null at the end of the chain."""
        keys = subject_keys(id, type, holder)
        key, at = await gateway.ask(lambda: _record_of(gateway, keys))
        rows = await gateway.ask(lambda: gateway.validator.history(key, aside=aside, first=first, most=limit))
        length = (at.record.asides if aside else at.record.links).length
        following = rows[-1].position + 1 if rows and rows[-1].position < length else None
        links = [row_json(row, key) for row in rows]
        return json_answer({"subject": key_json(key), "aside": aside, "links": links, "next": following})

    @routes.get(
        "/v1/bundle",
        summary="One file that proves the history of subjects, for verification without a network",
        response_class=Response,
        openapi_extra=SECURED,
        responses=merged(
            {200: binary("A bundle (PROOF.md).", BUNDLE)}, reading, problems(Code.HISTORY_INCOMPLETE)
        ),
    )
    async def bundle(
        ids: Ids,
        type: Type = None,  # noqa: A002
        payloads: Annotated[
            bool, Query(description="With the bytes of open events, as their authors wrote them.")
        ] = False,
    ) -> Response:
        """What it proves is about the record: a quorum agreed on the record and its order, not on its truth. A node
        that lacks part of a history answers 503 `history_incomplete`, never with less.
        """
        named = [subject_keys(text, type) for text in ids]
        data = await gateway.prove(lambda: proven(gateway, named, payloads=payloads))
        disposition = 'attachment; filename="bundle.custody"'
        return LongAnswer(data, media_type=BUNDLE, headers={"Content-Disposition": disposition})

    return routes
