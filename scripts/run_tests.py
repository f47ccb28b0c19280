"""Run the project's checks, tier by tier, and say at the end what ran and what did not.

Started by `./scripts/test` inside the project's environment. Tiers are chosen by directory: what is not under one of
the named folders of `tests/` is a unit test. Every tier runs even after another failed, so one run tells everything.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTEST_NO_TESTS = 5
OLDEST_PYTHON = (3, 11)
# What decides roots and verdicts, and so has to come out the same under every interpreter.
PORTABLE_TESTS = (
    *(
        f"tests/{part}"
        for part in ("base", "members", "chain", "trade", "rules", "state", "proof", "vectors", "replay")
    ),
    "tests/story",
)


@dataclass(frozen=True)
class Tier:
    """A group of tests: where they are, how they run, and whether they count towards the coverage of `ledger`."""

    name: str
    folder: str
    covered: bool = True
    parallel: bool = True
    timeout_s: int = 120
    slow: bool = False
    foreign: bool = False
    """Needs other people's software: run by --interop only."""


SPECIAL_TIERS = (
    Tier("property", "tests/properties", timeout_s=240),
    Tier("vectors", "tests/vectors"),
    Tier("simulation", "tests/simulation", timeout_s=240),
    Tier("api", "tests/api", covered=False),
    Tier("process", "tests/process", covered=False, parallel=False, timeout_s=240, slow=True),
    Tier("other software", "tests/interop", covered=False, parallel=False, timeout_s=600, foreign=True),
)
TIERS = (Tier("unit and architecture", "tests"), *SPECIAL_TIERS)


@dataclass
class Result:
    """What one step did. `ok` is None when it did not run; `note` says why, or what it did."""

    name: str
    ok: bool | None
    note: str
    seconds: float = 0.0
    passed: int = 0
    failed: int = 0
    skips: list[str] = field(default_factory=list)


def _heading(text: str) -> None:
    print(f"\n=== {text} {'=' * max(3, 96 - len(text))}", flush=True)


def _run(command: Sequence[str], extra_environment: dict[str, str] | None = None) -> int:
    environment = {**os.environ, **(extra_environment or {})}
    return subprocess.run(
        command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, check=False
    ).returncode


def _check(name: str, tool: str, *arguments: str) -> Result:
    """Run a static check, a tool of the environment; its own output is the explanation."""
    _heading(name)
    start = time.monotonic()
    ok = _run([str(Path(sys.executable).parent / tool), *arguments]) == 0
    return Result(name, ok, tool, time.monotonic() - start)


def _static_checks() -> list[Result]:
    packages = [
        name for name in ("ledger", "node", "client", "tests", "scripts") if any((ROOT / name).rglob("*.py"))
    ]
    return [
        _check("lint", "ruff", "check", "."),
        _check("format", "ruff", "format", "--check", "--output-format", "concise", "."),
        _check("types", "mypy", *packages),
        _check("import contracts", "lint-imports", "--no-logo"),
        _check("sizes (a hint)", "python", "scripts/sizes.py"),
    ]


def _has_tests(tier: Tier) -> bool:
    special = {ROOT / other.folder for other in SPECIAL_TIERS}
    for path in (ROOT / tier.folder).rglob("test_*.py"):
        if tier in SPECIAL_TIERS or not special.intersection(path.parents):
            return True
    return False


def _pytest(
    name: str,
    arguments: Sequence[str],
    *,
    interpreter: Sequence[str] = (sys.executable,),
    environment: dict[str, str] | None = None,
    selective: bool = False,
) -> Result:
    """Run pytest and read its own account of it. Collecting nothing is a failure unless the caller selected tests."""
    _heading(name)
    start = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        code = _run([*interpreter, "-m", "pytest", "-q", f"--junitxml={report}", *arguments], environment)
        result = Result(name, code == 0, "", time.monotonic() - start)
        if report.exists():
            _read_report(report, result)
    if code == PYTEST_NO_TESTS:
        result.ok, result.note = (
            (None, "nothing selected") if selective else (False, "expected tests, collected none")
        )
    else:
        result.note = f"{result.passed} passed" + (f", {result.failed} failed" if result.failed else "")
        if code not in {0, 1}:
            result.note += f", pytest ended with {code}"
    return result


def _read_report(report: Path, result: Result) -> None:
    for case in ET.parse(report).getroot().iter("testcase"):  # noqa: S314  # our own pytest wrote it
        skipped = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            result.failed += 1
        elif skipped is not None and skipped.get("type") != "pytest.xfail":
            result.skips.append(f"{case.get('name')}: {skipped.get('message', 'no reason given')}")
        else:
            result.passed += 1


def _tier_arguments(tier: Tier, *, measure: bool) -> list[str]:
    arguments = [tier.folder, f"--timeout={tier.timeout_s}"]
    if tier not in SPECIAL_TIERS:
        arguments += [f"--ignore={other.folder}" for other in SPECIAL_TIERS]
    if tier.parallel:
        arguments += ["-n", str(min(os.cpu_count() or 1, 4)), "--dist", "worksteal"]
    if tier.covered and measure:
        arguments += ["--cov", "--cov-append", "--cov-report="]
    return arguments


def _coverage() -> Result:
    _heading("branch coverage of ledger")
    start = time.monotonic()
    ok = _run([sys.executable, "-m", "coverage", "report"]) == 0
    return Result("branch coverage of ledger", ok, "floor in pyproject.toml", time.monotonic() - start)


def _default_run(options: argparse.Namespace) -> list[Result]:
    results = _static_checks()
    measure = not options.k and not options.rest
    if measure:
        _run([sys.executable, "-m", "coverage", "erase"])
    selection = [*(["-k", options.k] if options.k else []), *options.rest]
    for tier in TIERS:
        if not _has_tests(tier):
            results.append(Result(tier.name, None, f"no tests in {tier.folder} yet"))
        elif tier.foreign:
            results.append(Result(tier.name, None, "run by --interop"))
        elif tier.slow and options.fast:
            results.append(Result(tier.name, None, "left out by --fast"))
        else:
            arguments = [*_tier_arguments(tier, measure=measure), *selection]
            results.append(_pytest(tier.name, arguments, selective=bool(selection)))
    if selection and not any(result.passed or result.failed or result.skips for result in results):
        results.append(Result("selection", ok=False, note=f"no test matches {' '.join(selection)}"))
    if measure and any(result.passed for result in results):
        results.append(_coverage())
    else:
        results.append(Result("branch coverage of ledger", None, "judged on a whole run only"))
    return results


def _optimised_run(options: argparse.Namespace) -> list[Result]:
    """Every tier with `python -O`, whose processes inherit it: nothing may rest on an assert of installed code.

    Asserts of tests and of what they share are compiled by pytest and stay (tests/architecture/test_asserts_stay.py).
    """
    selection = [*(["-k", options.k] if options.k else []), *options.rest]
    results = []
    for tier in TIERS:
        if tier.foreign or (tier.slow and options.fast):
            results.append(
                Result(tier.name, None, "run by --interop" if tier.foreign else "left out by --fast")
            )
            continue
        results.append(
            _pytest(
                f"{tier.name}, -O",
                [
                    *_tier_arguments(tier, measure=False),
                    "-W",
                    "ignore::pytest.PytestConfigWarning",
                    *selection,
                ],
                interpreter=(sys.executable, "-O"),
                environment={"PYTHONOPTIMIZE": "1"},
                selective=bool(selection),
            )
        )
    return results


def _other_pythons() -> dict[str, str]:
    """Every other CPython >= 3.11 of this machine: "3.12" → path of the interpreter."""
    folders = [Path(entry) for entry in os.environ.get("PATH", "").split(os.pathsep) if entry]
    for versions in (Path.home() / ".pyenv/versions", Path.home() / ".local/share/uv/python", Path("/opt")):
        folders += sorted(versions.glob("*/bin")) if versions.is_dir() else []
    found: dict[str, str] = {}
    mine = f"{sys.version_info.major}.{sys.version_info.minor}"
    for candidate in (path for folder in folders for path in sorted(folder.glob("python3.*"))):
        match = re.fullmatch(r"python3\.([0-9]+)", candidate.name)
        if match is None or (3, int(match[1])) < OLDEST_PYTHON or f"3.{match[1]}" in {mine, *found}:
            continue
        probe = "import sys, venv; print(sys.implementation.name, '%d.%d' % sys.version_info[:2], sys.version_info[3])"
        answer = subprocess.run([candidate, "-c", probe], capture_output=True, text=True, check=False)
        if answer.returncode == 0 and answer.stdout.split() == ["cpython", f"3.{match[1]}", "final"]:
            found[f"3.{match[1]}"] = str(candidate)
    return found


def _interop_run(options: argparse.Namespace) -> list[Result]:
    """Other people's software; and the tests of the pure core under conditions that must not matter, also other Pythons."""
    selection = [*(["-k", options.k] if options.k else []), *options.rest]
    foreign = [
        _pytest(tier.name, [*_tier_arguments(tier, measure=False), *selection], selective=bool(selection))
        for tier in TIERS
        if tier.foreign
    ]
    return foreign + _portable_run(options)


def _portable_run(options: argparse.Namespace) -> list[Result]:
    """The same tests of the pure core under conditions that must not matter, and under every other Python here."""
    folders = [folder for folder in PORTABLE_TESTS if any((ROOT / folder).rglob("test_*.py"))]
    if not folders:
        return [Result("portability of ledger", None, f"none of {', '.join(PORTABLE_TESTS)} has tests yet")]
    arguments = [*folders, *(["-k", options.k] if options.k else []), *options.rest]
    arguments += ["-n", str(min(os.cpu_count() or 1, 4)), "--dist", "worksteal"]
    selective = bool(options.k or options.rest)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    results = [
        _pytest(
            f"Python {version} -O, hash seed 1, locale C",
            arguments,
            interpreter=(sys.executable, "-O"),
            environment={"PYTHONHASHSEED": "1", "PYTHONOPTIMIZE": "1", "LC_ALL": "C"},
            selective=selective,
        )
    ]
    others = _other_pythons()
    for other, base in others.items():
        name = f"Python {other}, hash seed 2"
        venv = ROOT / f".venv-{other}"
        make = '. scripts/environment.sh && make_environment "$1" "$2"'
        if _run(["bash", "-c", make, "interop", str(venv), base]) != 0:
            results.append(Result(name, ok=False, note=f"no environment could be made with {base}"))
            continue
        python = str(venv / "bin" / "python")
        seed = {"PYTHONHASHSEED": "2"}
        results.append(_pytest(name, arguments, interpreter=(python,), environment=seed, selective=selective))
    if not others:
        results.append(Result("other Pythons", None, f"this machine has no CPython >= 3.11 but {version}"))
    return results


def _summarise(results: list[Result], started: float) -> int:
    _heading("what ran")
    words = {True: "ok", False: "FAILED", None: "not run"}
    for result in results:
        duration = f"{result.seconds:7.1f} s" if result.ok is not None else " " * 9
        print(f"  {words[result.ok]:8}{duration}  {result.name:38} {result.note}")
    skips = [f"{result.name}: {skip}" for result in results for skip in result.skips]
    if skips:
        print("\nskipped inside a tier:")
        for line in skips:
            print(f"  {line}")
    broken = [result.name for result in results if result.ok is False]
    ran = any(result.ok for result in results)
    print(f"\n{time.monotonic() - started:.0f} s in all. ", end="")
    print(
        f"Failed: {', '.join(broken)}."
        if broken
        else ("All that ran is in order." if ran else "Nothing ran.")
    )
    passed, failed = sum(result.passed for result in results), sum(result.failed for result in results)
    print(f"{passed} passed, {failed} failed, {len(skips)} skipped")
    return 0 if ran and not broken else 1


def main() -> int:
    """Parse the options, run what they ask for, return the exit code."""
    parser = argparse.ArgumentParser(
        prog="./scripts/test",
        description="Lint, types, import contracts and every tier of tests. Unknown options go to pytest; "
        "given paths, only those tests run.",
    )
    parser.add_argument("--fast", action="store_true", help="leave out the tests that start processes")
    parser.add_argument(
        "--interop",
        action="store_true",
        help="the second tier instead of the first: with other people's software (PostgreSQL, npm), and the pure core "
        "under -O, another locale and hash seed, and every other CPython >= 3.11 of this machine",
    )
    parser.add_argument(
        "--optimised", action="store_true", help="every tier under python -O, instead of the first tier"
    )
    parser.add_argument("--json", action="store_true", help="a last line of JSON that says what ran")
    parser.add_argument("-k", metavar="EXPRESSION", help="only tests whose names match, as in pytest")
    options, rest = parser.parse_known_args()
    options.rest = rest
    os.chdir(ROOT)
    started = time.monotonic()
    if any((ROOT / argument.split("::")[0]).exists() for argument in options.rest):
        selection = [*(["-k", options.k] if options.k else []), *options.rest]
        results = [_pytest("selected tests", selection)]
    elif options.optimised:
        results = _optimised_run(options)
    else:
        results = _interop_run(options) if options.interop else _default_run(options)
    code = _summarise(results, started)
    if options.json:
        print(json.dumps(_as_json(results, started)))
    return code


def _as_json(results: list[Result], started: float) -> dict[str, object]:
    steps = [
        {
            "name": one.name,
            "ok": one.ok,
            "passed": one.passed,
            "failed": one.failed,
            "skipped": len(one.skips),
        }
        for one in results
    ]
    return {
        "passed": sum(one.passed for one in results),
        "failed": sum(one.failed for one in results),
        "seconds": round(time.monotonic() - started),
        "steps": steps,
    }


if __name__ == "__main__":
    sys.exit(main())
