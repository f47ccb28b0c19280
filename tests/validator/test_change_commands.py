"""The commands by which operators change the validators, over a network that runs."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from node.cli import app
from tests.validator.network import Network, until, with_network
from tests.validator.test_epochs import FOUR

RUNNER = CliRunner()


async def custody_node(*words: object) -> tuple[int, str]:
    """Run a command beside the network; exit code and what it said."""
    done = await asyncio.to_thread(RUNNER.invoke, app, [str(word) for word in words])
    return done.exit_code, done.output


def test_keys_are_delivered_a_change_composed_approved_and_sent(tmp_path: Path) -> None:
    async def scenario(network: Network) -> None:
        folders = network.made.folders
        seats = []
        for name in FOUR:
            seats.append(tmp_path / f"{name}.json")
            code, said = await custody_node("epoch-key", "-f", folders[name], "-o", seats[-1])
            assert (code, "for epoch 1" in said) == (0, True), said
            again = seats[-1].read_bytes()
            assert (await custody_node("epoch-key", "-f", folders[name], "--epoch", 1, "-o", seats[-1]))[
                0
            ] == 0
            assert seats[-1].read_bytes() == again, "the key that was made is shown, not another one"

        change = tmp_path / "change.custody"
        code, said = await custody_node(
            "propose-change", "-f", folders["maker"], *seats, "-o", change, "--set", "leader_timeout_ms=170"
        )
        assert (code, "nobody yet; 3 of 4" in said) == (0, True), said
        code, said = await custody_node("submit-change", change, "-f", folders["maker"])
        assert (code, "[not_approved]" in said) == (1, True), said

        copies = []
        for name in FOUR[:3]:
            copies.append(tmp_path / f"change-{name}.custody")
            copies[-1].write_bytes(change.read_bytes())
            code, said = await custody_node("approve-change", copies[-1], "-f", folders[name])
            assert (code, f"approved by {name};" in said) == (0, True), said
        code, said = await custody_node("show-change", *copies, "-f", folders["customs"])
        assert (code, "approved by carrier, customs, forwarder;" in said) == (0, True), said
        code, said = await custody_node("submit-change", *copies, "-f", folders["customs"])
        assert (code, "epoch 1 has begun" in said) == (0, True), said
        await until(lambda: all(v.epoch.number == 1 for v in network.running.values()))
        assert {v.epoch.parameters.leader_timeout_ms for v in network.running.values()} == {170}
        code, said = await custody_node("status", "-f", folders["maker"])
        assert "validator in epoch 1" in said
        code, said = await custody_node("submit-change", *copies, "-f", folders["customs"])
        assert (code, "[wrong_epoch]" in said) == (1, True), said

    with_network(tmp_path, scenario)


@pytest.mark.parametrize(
    ("altered", "code", "named"),
    [
        ({"epoch": 2}, 1, "bad_signature"),
        ({"organisation": "customs"}, 1, "bad_signature"),
        ({"transport_key": "00" * 32}, 1, "bad_signature"),
        ({"public_key": "00"}, 2, "malformed"),
        ({"possession": None}, 2, "malformed"),
    ],
)
def test_a_seat_file_that_was_altered_is_refused(
    tmp_path: Path, altered: dict[str, object], code: int, named: str
) -> None:
    folder = Network(tmp_path).made.folders["maker"]
    seat = tmp_path / "seat.json"
    assert (
        RUNNER.invoke(app, ["epoch-key", "-f", str(folder), "--epoch", "1", "-o", str(seat)]).exit_code == 0
    )
    seat.write_text(json.dumps(json.loads(seat.read_text()) | altered))
    done = RUNNER.invoke(app, ["propose-change", str(seat), "-f", str(folder), "-o", str(tmp_path / "c")])
    assert (done.exit_code, f"[{named}]" in done.output, str(seat) in done.output) == (code, True, True), (
        done.output
    )
    assert not (tmp_path / "c").exists()


def test_wrong_use_of_the_commands_is_said(tmp_path: Path) -> None:
    folders = Network(tmp_path).made.folders
    folder = folders["maker"]
    cases = [
        (["epoch-key", "-f", folder], "the validator"),  # none runs here
        (["epoch-key", "-f", folder, "--epoch", 0], "1 or later"),
        (["show-change", tmp_path / "none", "-f", folder], "change file"),
        (["show-change", folder / "genesis.custody", "-f", folder], "genesis.custody"),
        (["propose-change", tmp_path / "none", "-f", folder], "seat file"),
        (["approve-change", tmp_path / "none", "-f", folder], "change file"),
    ]
    for words, named in cases:
        done = RUNNER.invoke(app, [str(word) for word in words])
        assert done.exit_code in (1, 2), done.output
        assert named in done.output
        assert "Traceback" not in done.output
