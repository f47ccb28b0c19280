"""The commands over a log of reads: they find, follow, and notice what a noted head does not fit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from typer.testing import CliRunner

from node.read_commands import app
from node.storage.filesystem import RealFileSystem
from node.storage.folder import NodeFolder
from node.storage.read_log import Read, ReadLog

NETWORK: Final = bytes(range(32))


def written(folder: Path, *names: str) -> None:
    NodeFolder.create(folder, NETWORK)
    log = ReadLog(RealFileSystem(folder), NETWORK)
    for number, name in enumerate(names):
        log.append(
            Read(1_000, name, ("reader",), "maker", "GET /v1/subjects", (("id", f"item {number}"),), 200, 9)
        )
    log.sync()
    log.close()


def ran(folder: Path, *words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, [*words, "--folder", str(folder)])
    return result.exit_code, result.output


def test_reads_are_found_by_subject_and_by_caller(tmp_path: Path) -> None:
    written(tmp_path, "anna", "bert", "anna")
    code, output = ran(tmp_path, "show", "--about", "item 1", "--json")
    assert (code, json.loads(output)["caller"]) == (0, "bert")
    code, output = ran(tmp_path, "show", "--by", "anna")
    assert (code, output.count("anna@maker")) == (0, 2)
    assert ran(tmp_path, "show", "--by", "nobody") == (0, "")


def test_a_noted_head_shows_that_the_end_was_cut_off(tmp_path: Path) -> None:
    whole, cut, other = tmp_path / "whole", tmp_path / "cut", tmp_path / "other"
    written(whole, "anna", "bert", "carl")
    written(cut, "anna", "bert")
    written(other, "anna", "bert", "somebody", "carl")
    code, noted = ran(whole, "head")
    assert code == 0
    assert ran(whole, "verify", "--head", noted.strip())[0] == 0
    _, earlier = ran(cut, "head")
    assert ran(whole, "verify", "--head", earlier.strip())[0] == 0
    for folder in (cut, other):
        assert ran(folder, "verify")[0] == 0
        code, output = ran(folder, "verify", "--head", noted.strip())
        assert (code, "noted head" in output) == (5, True)
    assert ran(whole, "verify", "--head", "nonsense")[0] == 2


def test_a_folder_without_a_gateway_is_named(tmp_path: Path) -> None:
    NodeFolder.create(tmp_path, NETWORK)
    (tmp_path / "reads").rmdir()
    code, output = ran(tmp_path, "verify")
    assert (code, "log of reads" in output) == (2, True)
