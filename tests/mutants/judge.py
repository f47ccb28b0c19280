"""A pytest plugin that writes down of what each test died, for `harness` to judge (`-p tests.mutants.judge`).

The file named by CUSTODY_JUDGE gets one JSON object: where the project's packages were imported from, and per phase of each
test its outcome with, for each error, the classes it is of and the file that raised it.
"""

from __future__ import annotations

import json
import os
import traceback
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

import ledger

_reports: list[dict[str, Any]] = []


def _causes(error: BaseException) -> list[dict[str, Any]]:
    """Class names, the most special first, and place of an error; of a group those of each member."""
    if isinstance(error, BaseExceptionGroup):
        return [cause for member in error.exceptions for cause in _causes(member)]
    frames = traceback.extract_tb(error.__traceback__)
    raised_in = frames[-1].filename if frames else ""
    return [{"classes": [kind.__name__ for kind in type(error).__mro__], "file": raised_in}]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note the outcome of one phase of one test."""
    report = yield
    error = None if call.excinfo is None else call.excinfo.value
    _reports.append(
        {
            "test": item.nodeid,
            "when": report.when,
            "outcome": report.outcome,
            "causes": [] if error is None else _causes(error),
            "message": "" if error is None else f"{type(error).__name__}: {error}"[:300],
        }
    )
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write everything down."""
    found = {
        "home": str(Path(ledger.__file__).parent.parent),
        "collected": session.testscollected,
        "reports": _reports,
    }
    Path(os.environ["CUSTODY_JUDGE"]).write_text(json.dumps(found), encoding="utf-8")
