"""What all reading paths share: questions to the index, and pages of events as answers (EPCIS.md "Query").

The index answers in threads of their own, so many at a time; beyond that a client is told to come again. What it says of a parameter is an
exception of EPCIS. Each answer says which block it is valid at, which may be behind the chain's newest by what the index has not taken in yet.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple, TypeVar
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response

from ledger.base.encoding import encode
from ledger.base.errors import Code, FormError, UnavailableError
from ledger.epcis.xml.writer import document_xml
from ledger.trade.extract.context import prefixes_of
from node.gateway.answers import PIECE_BYTES, LongAnswer
from node.gateway.epcis.answers import Respell, Shown, checkpoint_headers, shown
from node.gateway.epcis.documents import query_document, written
from node.gateway.epcis.grants import Grants
from node.gateway.epcis.negotiation import SAID, XML, Wish
from node.gateway.epcis.paging import PER, TOKEN, Mark, Tokens, next_headers, per_page_of, question_of
from node.gateway.epcis.problems import EpcisError, Exceptional
from node.gateway.rendering import time_text, to_json
from node.index.index import Answer, Index, IndexedEvent, Page, Position
from node.index.parameters import query_from_url
from node.index.query import EventQuery, QueryTooComplexError, QueryTooLargeError

SIMPLE_EVENT_QUERY: Final = "SimpleEventQuery"
QUESTIONS: Final = 64
THREADS: Final = 4
"""Of their own: questions that take long hold up each other, and never a capture."""
FIELDS_MOST: Final = 2_000
_EXTENSIONS_MOST: Final = 64
_PREFIXES: Final = "gs1-extensions"
"""The header that binds prefixes for a request's parameters."""
_PAGING: Final = frozenset({PER, TOKEN})
_T = TypeVar("_T")


class Found(NamedTuple):
    """Events with the declarations about them, and the position all of it is valid at."""

    events: tuple[IndexedEvent, ...]
    corrections: dict[int, tuple[IndexedEvent, ...]]
    position: Position

    def shown(self, respell: Respell) -> Shown:
        """They as they are answered."""
        return shown(self.events, self.corrections, self.position, respell)


class Reader:
    """Asks the index, and answers."""

    def __init__(self, index: Index, tokens: Tokens, grants: Grants) -> None:
        self._index = index
        self.tokens = tokens
        self.grants = grants
        self._left = QUESTIONS
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="epcis reading")

    def close(self) -> None:
        """Wait for what is being answered, before the index is closed."""
        self._threads.shutdown(cancel_futures=True)

    async def ask(self, question: Callable[[Index], _T]) -> _T:
        """The index's answer. UnavailableError overloaded; EpcisError for a query that is too much."""
        if self._left <= 0:
            raise UnavailableError(
                Code.OVERLOADED, f"expected fewer than {QUESTIONS} such questions at a time; try again"
            )
        self._left -= 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, question, self._index)
        except QueryTooLargeError as error:
            raise EpcisError(Exceptional.QUERY_TOO_LARGE, error.code, error.message) from None
        except QueryTooComplexError as error:
            raise EpcisError(Exceptional.QUERY_TOO_COMPLEX, Code.LIMIT, error.message) from None
        finally:
            self._left += 1

    async def page(
        self,
        request: Request,
        wish: Wish,
        query: EventQuery,
        *,
        name: str = SIMPLE_EVENT_QUERY,
        more: bytes = b"",
    ) -> Response:
        """One page of the events that `query` asks for. `more`: what the address does not say of the query."""
        parameters = parameters_of(request)
        prefixes = request.headers.get(_PREFIXES, "").encode("latin-1")
        asked = question_of(request.url.path, parameters, encode((prefixes, more)))
        tokens = [value for key, value in parameters if key == TOKEN]
        wanted = Page(per_page_of(parameters))
        if tokens:
            bound, after, sequence, answered = self.tokens.read(tokens[-1], asked)
            wanted = Page(wanted.limit, bound, (after, sequence), answered)

        respell = await self.grants.respelling(wish.epcs)

        def answer(index: Index) -> tuple[bytes, Answer]:
            found = index.events(query, wanted)
            whole = Found(found.events, index.corrections(found.events), found.position)
            return document_body(whole.shown(respell), wish, name=name), found

        body, found = await self.ask(answer)
        headers = checkpoint_headers(found.position)
        following = found.next
        if following is not None and following.bound is not None and following.after is not None:
            mark = Mark(following.bound, *following.after, following.answered)
            headers |= next_headers(request, parameters, *self.tokens.issue(asked, mark))
        return document_response(body, wish, headers)

    async def document(self, found: Found, wish: Wish) -> Response:
        """These events as an EPCISQueryDocument."""
        respell = await self.grants.respelling(wish.epcs)
        body = document_body(found.shown(respell), wish, name=SIMPLE_EVENT_QUERY)
        return document_response(body, wish, checkpoint_headers(found.position))


def document_response(body: bytes, wish: Wish, headers: Mapping[str, str]) -> Response:
    """The answer with an EPCISQueryDocument."""
    kind = LongAnswer if len(body) > PIECE_BYTES else Response
    return kind(body, media_type=wish.media_type, headers={**SAID, **headers})


def document_body(content: Shown, wish: Wish, *, name: str, subscription_id: str | None = None) -> bytes:
    """The bytes of an EPCISQueryDocument."""
    document = query_document(
        content.events,
        content.context,
        created=time_text(time.time_ns() // 1_000_000) or "",
        query_name=name,
        subscription_id=subscription_id,
        more=content.checkpoint,
    )
    return document_xml(document, wish.words) if wish.media_type == XML else written(document)


def collection_response(value: object, wish: Wish, headers: dict[str, str] | None = None) -> Response:
    """A small JSON answer with the headers that all have."""
    return Response(written(value), media_type=wish.media_type, headers={**SAID, **(headers or {})})


def parameters_of(request: Request) -> list[tuple[str, str]]:
    """The parameters of an address. EpcisError (QueryParameterException) for what is no text."""
    raw = request.scope["query_string"]
    try:
        return parse_qsl(
            raw.decode("ascii"),
            keep_blank_values=True,
            encoding="utf-8",
            errors="strict",
            max_num_fields=FIELDS_MOST,
        )
    except ValueError:
        raise EpcisError(
            Exceptional.QUERY_PARAMETER,
            Code.MALFORMED,
            f"expected at most {FIELDS_MOST} parameters, percent-encoded UTF-8, got other bytes in the query",
        ) from None


def query_of(request: Request, fixed: EventQuery | None = None) -> EventQuery:
    """The query that an address asks. `fixed`: what its path asks.

    EpcisError (QueryParameterException) names the parameter that is wrong.
    """
    parameters = [(name, value) for name, value in parameters_of(request) if name not in _PAGING]
    context = _extensions(request)
    try:
        return (fixed or EventQuery()).also(query_from_url(parameters, context))
    except FormError as error:
        raise EpcisError(Exceptional.QUERY_PARAMETER, error.code, error.message) from None


def _extensions(request: Request) -> bytes | None:
    """The context that GS1-Extensions stands for (`ex=https://example.org/,...`); EpcisError (NotAcceptableException)."""
    bound = {}
    for part in request.headers.get(_PREFIXES, "").split(",")[:_EXTENSIONS_MOST]:
        prefix, _, namespace = part.strip().partition("=")
        if prefix.isidentifier() and ":" in namespace and namespace.isascii():
            bound[prefix] = namespace.strip()
    context = to_json(bound) if bound else None
    try:
        prefixes_of(context)
    except FormError as error:
        raise EpcisError(
            Exceptional.NOT_ACCEPTABLE, Code.NOT_ACCEPTABLE, f"GS1-Extensions: {error.message}"
        ) from None
    return context
