"""A process that has imported pytest and what tests stand on, and forks for every run: most of a short run is imports.

Nothing of the project is imported before the fork, so each run sees the sources as they are then. On standard input one
JSON object per run: the arguments for pytest and the environment; on standard output the child's process id, then, when it
is over, its exit code. The child leads a session of its own, so that whatever it started can be ended with it.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from typing import Any, Final, NoReturn

_IMPORTED: Final = (
    "asyncio", "cryptography.x509", "fastapi.openapi.utils", "httpcore", "httpx", "hypothesis.strategies", "lmdb", "msgpack",
    "nacl.bindings", "prometheus_client", "pytest", "sqlalchemy", "structlog",
)  # fmt: skip


def _run(order: dict[str, Any]) -> NoReturn:
    code = 1
    try:
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(nothing, descriptor)
        os.chdir(order["folder"])
        sys.path[:] = [
            order["folder"],
            *(path for path in sys.path if path not in {"", os.environ["PYTHONPATH"]}),
        ]
        for name in [name for name in sys.modules if name == "tests" or name.startswith("tests.")]:
            del sys.modules[name]
        os.environ.clear()
        os.environ.update(order["environment"])
        code = int(importlib.import_module("pytest").main(order["arguments"]))
    finally:
        os._exit(code)


def main() -> None:
    """Serve until standard input ends."""
    for name in _IMPORTED:
        importlib.import_module(name)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _run(json.loads(line))
        print(child, flush=True)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
