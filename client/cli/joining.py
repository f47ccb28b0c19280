"""Commands of one family: each declares what is its own, and the options that all of them take are declared once."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import typer

Build = TypeVar("Build", bound=Callable[..., Any])


def joined(
    app: typer.Typer,
    name: str,
    shared: Callable[..., None],
    finish: Callable[[dict[str, Any], Callable[..., Any], dict[str, Any]], None],
    *,
    given: int = 1,
) -> Callable[[Build], Build]:
    """Register a builder as the command `name`: its parameters behind those that `finish` gives it, and those of `shared`.

    Called, the command hands `finish` the values of the shared options by name, the builder, and its own values.
    """

    def register(build: Build) -> Build:
        own = list(inspect.signature(build, eval_str=True).parameters.values())[given:]
        common = list(inspect.signature(shared, eval_str=True).parameters.values())

        def command(**values: Any) -> None:
            finish({one.name: values.pop(one.name) for one in common}, build, values)

        parameters = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in (*own, *common)]
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {one.name: one.annotation for one in parameters}
        command.__doc__ = build.__doc__
        app.command(name)(command)
        return build

    return register
