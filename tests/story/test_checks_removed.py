"""The check behind each attempt is what catches it: without that check, exactly that file passes.

Each attempt's file is judged by a scratch copy of `ledger` from which one check was removed; the others stay caught.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from demonstration.attacks import attempts
from ledger.base.encoding import encode
from tests.story.memory import MemoryStage
from tests.story.test_attempts import loot_of

ROOT = Path(__file__).resolve().parents[2]
Edit = tuple[str, str, str]

REMOVED: dict[str, tuple[Edit, ...]] = {
    "flipped-byte": (("proof/verify.py", "if found != parts.subjects_root:", "if False:"),),
    "event-left-out": (
        ("proof/replay.py", 'self._check_fold(main, Chain(0, EMPTY.links.head), final.links, "history")', "pass"),
        ("proof/replay.py", '_check_same(record, final, "the certified record at the checkpoint")', "pass"),
    ),
    "segment-left-out": (
        ("proof/replay.py", 'self._check_fold(links, first.moves, last.moves, f"moves of {key.identifier}")', "pass"),
        ("proof/replay.py", "if is_move(record, last):", "if False:"),
    ),
    "repacked-left-out": (
        ("proof/replay.py", 'self._check_fold(links, first.moves, last.moves, f"moves of {key.identifier}")', "pass"),
        ("proof/replay.py", "if is_move(record, last):", "if False:"),
    ),
    "unsigned-receipt": (("proof/verify.py", "if value != given:", "if False:"),),
    "two-blocks": (("chain/certificate.py", "if len(indices) != validators.quorum or", "if"),),
    "invented-outcome": (("chain/certificate.py", "if not verifier(validators[index]", "if not verifier and (validators[index]"),),
    "other-network": (
        (
            "proof/verify.py",
            "        if bundle.network != anchor.network:\n",
            (
                "        members = type(anchor.validators)(bundle.network, anchor.validators.members)\n"
                "        known = (anchor.epochs[0]._replace(validators=members),)\n"
                "        anchor = anchor._replace(network=bundle.network, epochs=known)\n"
                "        if bundle.network != anchor.network:\n"
            ),
        ),
    ),
    "second-commissioning": (("proof/checks.py", "for stated in replayed.record.contradictions:", "for stated in ():"),),
    "false-extract": (("proof/verify.py", "        derived = extract(", "        return True\n        derived = extract("),),
    "cloned-label": (("proof/presented.py", 'return name, "bad",', 'return name, "ok",'),),
    "stale": (("proof/verdict.py", "stale = age_ms > max_age_ms", "stale = False"),),
}  # fmt: skip
TOGETHER = {"segment-left-out": {"repacked-left-out"}, "repacked-left-out": {"segment-left-out"}}
"""The two are one check, once through a re-packed case."""

JUDGE = """
import json, sys
from ledger.base.encoding import decode
from ledger.chain.genesis import genesis_from_bytes
from ledger.proof.anchor import anchor_from_genesis
from ledger.proof.presented import Presented
from ledger.proof.verdict import assess
genesis, now_ms, files = decode(open(sys.argv[1], "rb").read(), max_bytes=10**8)
anchor = anchor_from_genesis(genesis_from_bytes(genesis))
codes = {}
for name, data, seal, container, max_age_ms in files:
    presented = Presented(seal=seal, container=container) if seal else None
    codes[name] = assess(data, anchor, now_ms=now_ms, max_age_ms=max_age_ms, presented=presented).exit_code
print(json.dumps(codes))
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, tuple[int, ...]]]:
    stage = MemoryStage()
    tried = attempts(loot_of(stage))
    rows = []
    for attempt in tried:
        options = dict(zip(attempt.arguments[::2], attempt.arguments[1::2], strict=True))
        container = "urn:epc:id:bic:" + options["--container"] if "--container" in options else ""
        max_age_ms = 1_000 if "--max-age" in options else 10**9
        rows.append((attempt.name, attempt.data, options.get("--seal", ""), container, max_age_ms))
    path = tmp_path_factory.mktemp("attempts") / "files"
    path.write_bytes(encode((stage.genesis.to_bytes(), stage.now_ms() + 5_000, tuple(rows))))
    return path, {attempt.name: attempt.codes for attempt in tried}


def judge(tree: Path, files: Path) -> dict[str, int]:
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    done = subprocess.run(
        [sys.executable, "-P", "-c", JUDGE, str(files)],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(json.loads(done.stdout))


def scratch(folder: Path, edits: tuple[Edit, ...]) -> Path:
    shutil.copytree(ROOT / "ledger", folder / "ledger", ignore=shutil.ignore_patterns("__pycache__", "spec"))
    for name, old, new in edits:
        path = folder / "ledger" / name
        text = path.read_text()
        assert text.count(old) == 1, f"{name}: expected {old!r} once"
        path.write_text(text.replace(old, new))
    return folder


def test_every_attempt_has_its_check(files: tuple[Path, dict[str, tuple[int, ...]]]) -> None:
    assert set(REMOVED) == set(files[1])


def test_an_untouched_copy_catches_all(
    tmp_path: Path, files: tuple[Path, dict[str, tuple[int, ...]]]
) -> None:
    path, expected = files
    found = judge(scratch(tmp_path, ()), path)
    assert {name: code in expected[name] for name, code in found.items()} == dict.fromkeys(expected, True)


@pytest.mark.parametrize("name", sorted(REMOVED))
def test_without_its_check_exactly_that_file_passes(
    tmp_path: Path, files: tuple[Path, dict[str, tuple[int, ...]]], name: str
) -> None:
    found = judge(scratch(tmp_path, REMOVED[name]), files[0])
    passed = {other for other, code in found.items() if code in {0, 4, 6}}
    assert name in passed
    assert passed <= {name} | TOGETHER.get(name, set())
