"""Questions to the index: so many at a time, in threads of their own, and what the index finds too much is an exception of EPCIS."""

from __future__ import annotations

import asyncio
import threading
from typing import Any, cast

import pytest

from ledger.base.errors import Code, UnavailableError
from node.gateway.epcis.grants import Grants
from node.gateway.epcis.paging import Tokens
from node.gateway.epcis.problems import EpcisError, Exceptional
from node.gateway.epcis.reading import QUESTIONS, THREADS, Reader
from node.gateway.registry import RegistryView
from node.index.index import Index
from node.index.query import QueryTooComplexError, QueryTooLargeError


def reader() -> Reader:
    return Reader(cast("Index", None), Tokens(), Grants(cast("RegistryView", None)))


def test_beyond_so_many_a_client_is_told_to_come_again_and_other_work_goes_on() -> None:
    async def act() -> None:
        one, go_on = reader(), threading.Event()
        names: set[str] = set()

        def question(_: Index) -> None:
            names.add(threading.current_thread().name)
            go_on.wait()

        asked = [asyncio.create_task(one.ask(question)) for _ in range(QUESTIONS)]
        await asyncio.sleep(0)
        with pytest.raises(UnavailableError) as caught:
            await one.ask(question)
        assert caught.value.code == Code.OVERLOADED
        assert await asyncio.to_thread(lambda: 1) == 1  # what captures ask goes on meanwhile
        go_on.set()
        await asyncio.gather(*asked)
        assert len(names) <= THREADS
        await one.ask(question)
        one.close()

    asyncio.run(act())


@pytest.mark.parametrize(
    ("error", "exception", "code"),
    [
        (QueryTooLargeError(Code.TOO_LARGE, "expected less"), Exceptional.QUERY_TOO_LARGE, Code.TOO_LARGE),
        (QueryTooComplexError(Code.LIMIT, "expected less"), Exceptional.QUERY_TOO_COMPLEX, Code.LIMIT),
    ],
)
def test_what_is_too_much_for_the_index_is_an_exception(
    error: Any, exception: Exceptional, code: Code
) -> None:
    async def act() -> None:
        one = reader()

        def question(_: Index) -> None:
            raise error

        for _ in range(2):
            with pytest.raises(EpcisError, match="expected less") as caught:
                await one.ask(question)
            assert (caught.value.exception, caught.value.code) == (exception, code)
        one.close()

    asyncio.run(act())
