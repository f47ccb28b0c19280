"""What every test shares: Hypothesis profiles, the shared documents, and the rule that nothing skips in CI."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

PROJECT_ROOT = Path(__file__).resolve().parent.parent

# Before any of them is imported: asserts of what tests share stand like those of tests, also under -O.
pytest.register_assert_rewrite(
    *sorted(f"tests.{folder.name}" for folder in Path(__file__).parent.iterdir() if folder.is_dir())
)

IN_CI = os.environ.get("CI", "").lower() in {"1", "true", "yes"}

# Both profiles drop deadlines: a test never depends on how long it takes. CI draws the same examples on every run.
settings.register_profile(
    "ci", derandomize=True, deadline=None, database=None, print_blob=True, max_examples=100,
    suppress_health_check=[HealthCheck.too_slow],
)  # fmt: skip
settings.register_profile("dev", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile(
    "thorough", deadline=None, max_examples=2_000, suppress_health_check=list(HealthCheck)
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if IN_CI else "dev"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real documents: CUSTODY_TEST_DATA, else ../shared/data beside the project."""
    configured = os.environ.get("CUSTODY_TEST_DATA")
    folder = Path(configured) if configured else PROJECT_ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(
            f"no shared documents at {folder}; set CUSTODY_TEST_DATA to the folder that holds epcis/ and customs/"
        )
    return folder.resolve()


@pytest.fixture(autouse=True)
def _logs_as_they_were() -> Iterator[None]:
    """A command that was run within a test leaves no way of logging behind for the next one."""
    yield
    structlog = sys.modules.get("structlog")
    if structlog is not None and structlog.is_configured():
        structlog.reset_defaults()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a skip is a failure, unless the test carries `may_skip(reason)`."""
    report = yield
    if IN_CI and report.skipped and not hasattr(report, "wasxfail"):
        marker = item.get_closest_marker("may_skip")
        if marker is None or not marker.args:
            report.outcome = "failed"
            report.longrepr = f"skipped in CI, where nothing may be: {_skip_reason(report)}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a whole module that skips itself while it is collected."""
    report = yield
    if IN_CI and report.outcome == "skipped":
        report.outcome = "failed"
        report.longrepr = f"skipped in CI, where nothing may be: {_skip_reason(report)}"
    return report


def _skip_reason(report: pytest.TestReport | pytest.CollectReport) -> str:
    where = report.longrepr
    return where[2] if isinstance(where, tuple) else str(where)
