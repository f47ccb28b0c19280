"""Requests drawn by schemathesis from an OpenAPI document, as it allows and as it forbids, and what is held of every answer."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable


def conformance() -> list[Any]:
    """The checks: no 5xx; only documented statuses, content types, headers and schemas."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from schemathesis.checks import not_a_server_error
        from schemathesis.specs.openapi import checks

    return [
        not_a_server_error, checks.status_code_conformance, checks.content_type_conformance,
        checks.response_headers_conformance, checks.response_schema_conformance,
    ]  # fmt: skip


def draw(
    document: dict[str, Any],
    tried: Callable[[Any], Any],
    *,
    examples: int,
    drawn: int,
    only: str | None = None,
    body: Callable[[Any], dict[str, Any]] = lambda _: {},
) -> None:
    """Try `examples` requests for each operation (or those of one path) and each way of drawing.

    `tried`: of an operation, what takes a case and a number. `body`: of an operation, what its cases are given.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import schemathesis
        from schemathesis import GenerationMode

        quiet = settings(
            max_examples=examples, database=None, deadline=None, suppress_health_check=list(HealthCheck)
        )
        results: Iterator[Any] = schemathesis.openapi.from_dict(document).get_all_operations()
        for operation in (result.ok() for result in results):
            if only is not None and operation.path != only:
                continue
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                try:
                    cases = operation.as_strategy(generation_mode=mode, **body(operation))
                    # The number: more examples than cases differ.
                    quiet(seed(drawn)(given(cases, st.integers(0, 2**32))(tried(operation))))()
                except Unsatisfiable as error:
                    # Of the other mode: an operation with nothing to be wrong about.
                    if mode is GenerationMode.POSITIVE:
                        raise LookupError(f"{operation.method} {operation.path}") from error
