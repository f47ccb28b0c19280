"""API.md says what the code does."""

from __future__ import annotations

import re

from ledger.base import limits
from ledger.base.errors import Code
from node.gateway import follow, server, service, submission
from node.gateway.problems import STATUS
from tests.api.test_openapi import DOCUMENT
from tests.conftest import PROJECT_ROOT

TEXT = (PROJECT_ROOT / "ledger" / "spec" / "API.md").read_text()


def test_the_table_of_problems_is_the_mapping() -> None:
    rows = re.findall(r"^\| ((?:\d{3} ?)+) \| [^|]* \| ([a-z_, ]+) \|$", TEXT, re.MULTILINE)
    written: dict[str, set[int]] = {}
    for statuses, codes in rows:
        for code in codes.split(", "):
            written[code] = {int(status) for status in statuses.split()}
    assert set(written) == {code.value for code in Code}
    for code, status in STATUS.items():
        assert status in written[code.value], code


def test_every_route_is_listed_once_and_with_its_token() -> None:
    listed = {}
    for names, token in re.findall(r"^\| `([^|]*)` \| [^|]* \| ([^|]*) \| [^|]* \|$", TEXT, re.MULTILINE):
        method = names.split(" ")[0]
        for path in re.findall(r"(/[^` ]*)", names):
            listed[method.lower(), path] = token
    described = {
        (method, path): "yes" if "security" in operation else "no"
        for path, methods in DOCUMENT["paths"].items()
        for method, operation in methods.items()
    }
    near = {("get", path) for path in ("/livez", "/readyz", "/metrics")}
    assert set(listed) == set(described) | {("get", "/openapi.json"), ("get", "/docs")}
    for route, token in described.items():
        assert listed[route] == ("§8" if route in near else token)


def test_the_limits_are_those_in_force() -> None:
    said = [
        f"{limits.SUBMISSION_BYTES:,} bytes, {limits.SUBMISSION_TRANSACTIONS:,} transactions",
        f"{submission.BODY_S} s; {submission.GRACE_S} s where memory is short",
        f"{submission.BODIES_BYTES // 1_000_000} MB",
        f"| {submission.WAITING:,} |",
        f"| {service.READS}, {service.PROOFS}, {follow.READERS} |",
        f"| {service.READ_S:g} s, a proof {service.PROOF_S:g} s |",
        f"{server.HEAD_BYTES // 1024} KiB within {server.HEAD_S} s",
        f"| {server.IDLE_S} s, {server.WRITE_S} s |",
        f"| {server.CONNECTIONS:,} |",
        f"after {submission.FINAL_S} s, or when the gateway stops",
        f"at least every {follow.HEARTBEAT_S:g} s",
    ]
    assert [text for text in said if text not in TEXT] == []
