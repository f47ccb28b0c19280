"""The `custody` command killed with SIGKILL in the middle of a file, again and again: nothing is lost, nothing is double.

When it is killed is decided by what the ledger has executed, never by time.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from client.capture.document import survey
from ledger.base.keyfile import write_unsealed_key
from tests.client.capture.stage import OneLedger, event, served, write_document
from tests.conftest import PROJECT_ROOT
from tests.world.world import World

EVENTS = 4_000
KILLS = (300, 1_000, 1_100, 2_900)
"""How many events are executed when it is killed; each before the submission that made it so many is answered."""
_RUN = "import sys; sys.path.insert(0, sys.argv.pop(1)); from client.cli import main; main()"


class Command:
    """A capture in a process of its own, in a folder with its settings."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.process: subprocess.Popen[str] | None = None
        (folder / "custody.toml").write_text(
            f'gateway = "{url}"\norganisation = "maker"\nkey = "sign.key"\nanchor = "genesis.custody"\n'
        )

    def start(self) -> subprocess.Popen[str]:
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                _RUN,
                str(PROJECT_ROOT),
                "capture",
                "events.json",
                "--json",
                "--per-transaction",
                "50",
            ],
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "HOME": str(self.folder)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        return self.process

    def kill(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)


def test_a_file_whose_capture_is_killed_is_on_the_ledger_once(tmp_path: Path) -> None:
    world = World()
    ledger = OneLedger(world.network)
    (tmp_path / "genesis.custody").write_bytes(world.genesis.to_bytes())
    (tmp_path / "sign.key").write_bytes(write_unsealed_key(world.keys["maker"], "sign"))
    (tmp_path / "sign.key").chmod(0o600)
    events = [event(number) for number in range(EVENTS)]
    path = write_document(tmp_path / "events.json", events)
    kills = list(KILLS)

    def taken() -> None:
        if kills and len(ledger.events) >= kills[0]:
            kills.pop(0)
            command.kill()

    with served(ledger, taken) as url:
        command = Command(tmp_path, url)
        for _ in KILLS:
            killed = command.start()
            killed.communicate()
            assert killed.returncode == -signal.SIGKILL
        before = set(ledger.executed)
        out, err = command.start().communicate()
    assert json.loads(out) == {"events": EVENTS, "applied": EVENTS, "recorded": 0, "refused": 0}
    assert "going on" in err
    assert before < set(ledger.executed)
    assert sorted(ledger.events) == sorted(one.encode() for one in events)
    assert ledger.handed_in < 2 * EVENTS // 50, "what is noted as done is not handed in again"
    assert survey(path).events == EVENTS
    assert (tmp_path / "events.json.custody-journal").stat().st_size < 1_000
