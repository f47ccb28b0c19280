"""`./scripts/demo` as a newcomer runs it: it comes out as told, leaves files that verify again, and no process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT / "scripts")}


def demo(output: Path, *arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "demonstration", "--json", "--output", str(output), *arguments],
        cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return dict(json.loads(done.stdout))


def processes_of(folder: Path) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if any(str(folder).encode() in word for word in words):
            found.append(b" ".join(words).decode())
    return found


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    output = tmp_path_factory.mktemp("demo") / "output"
    return output, demo(output)


def test_it_comes_out_as_told_and_leaves_no_process(story: tuple[Path, dict[str, Any]]) -> None:
    output, said = story
    assert said["verdict"] == "as told"
    assert processes_of(output) == []


def test_every_attempt_is_caught_and_says_by_what(story: tuple[Path, dict[str, Any]]) -> None:
    attempts = story[1]["attempts"]
    assert len(attempts) == 12
    for attempt in attempts:
        assert attempt["caught"] is True, attempt
        assert attempt["by"]
        assert attempt["exit_code"] in attempt["expected"]
        assert Path(attempt["file"]).is_file()


def test_the_files_left_behind_verify_again(story: tuple[Path, dict[str, Any]]) -> None:
    output, said = story
    for name, checked in said["border"].items():
        words = ["-c", "import sys; from client.cli import main; sys.exit(main())", "verify"]
        file, anchor = str(output / f"{name}.custody"), str(output / "genesis.custody")
        done = subprocess.run(
            [sys.executable, *words, file, "--anchor", anchor, "--brief"],
            cwd=ROOT, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert done.returncode == checked["exit_code"], done.stdout + done.stderr
        assert done.stdout.split(":")[0] in checked["headline"]
        assert "<html" in (output / f"{name}.html").read_text().lower()


def test_every_nodes_chain_audits_clean(story: tuple[Path, dict[str, Any]]) -> None:
    output, _ = story
    outcomes = []
    for folder in sorted(path.parent for path in (output / "network").glob("*/node.toml")):
        words = ["-c", "import sys; from client.cli import main; sys.exit(main())", "audit", "--json"]
        words += [
            "--folder",
            str(folder),
            "--anchor",
            str(output / "genesis.custody"),
            "--consistency",
            "3",
            "12",
        ]
        done = subprocess.run(
            [sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
        )
        assert done.returncode == 0, done.stdout + done.stderr
        said = json.loads(done.stdout)
        assert said["clean"]
        assert said["height"] > 12
        assert said["events"]["mismatch"] == said["events"]["damaged"] == 0
        outcomes.append((said["height"], said["outcome"]))
    assert len(outcomes) == 4
    assert len({height for height, _ in outcomes}) >= len(set(outcomes)), "one outcome at a height"


def test_real_documents_go_through_on_a_fresh_network(tmp_path: Path, shared_data: Path) -> None:
    folders = [str(shared_data / "epcis" / "gs1" / "JSON"), str(shared_data / "epcis" / "dpp")]
    said = demo(tmp_path / "output", "--input", *folders)
    assert "refused" not in said["counted"]
    assert said["counted"]["applied"] + said["counted"]["recorded"] == len(said["events"])
    assert all(one["exit_code"] != 1 and "SIMULATED" in one["headline"] for one in said["subjects"])


@pytest.mark.timeout(900)
def test_a_consortium_changes_under_way_and_loses_nothing(tmp_path: Path) -> None:
    output = tmp_path / "output"
    said = demo(Path(os.path.relpath(output, ROOT)), "--chapter", "consortium")  # as people name it: relative
    assert said["verdict"] == "as told"
    assert said["meanwhile"]["lost"] == 0
    assert said["meanwhile"]["final"] > 20
    assert set(said["bundles"]) == {"before", "between", "after", "container", "meanwhile"}
    assert all(one["exit_code"] in (0, 4) for one in said["bundles"].values())
    assert sum(fact["what"] == "it was enacted" for fact in said["votes"]) == 4
    assert any("refused: revoked" in step["outcome"] for step in said["steps"])
    assert processes_of(output) == []
