from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.bench.processes import PROJECT, ended, free_ports, started

_STARTER = """
import sys
from pathlib import Path
from tests.bench.processes import started
print(started([sys.executable, "-c", "import time; time.sleep(600)"], Path(sys.argv[1])).pid, flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends processes with their parent")
@pytest.mark.may_skip("only Linux ends processes with their parent")
def test_what_was_started_does_not_outlive_a_killed_starter(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _STARTER, str(tmp_path / "log")]
    starter = subprocess.Popen(command, cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert starter.stdout is not None
    child = int(starter.stdout.readline())
    os.kill(child, 0)
    starter.kill()
    starter.communicate()
    while _runs(child):
        time.sleep(0.01)


def _runs(process: int) -> bool:
    """Whether it is there and more than an entry that nobody has asked for yet."""
    try:
        return " Z " not in Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False


def test_processes_are_ended_even_those_that_do_not_listen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.bench.processes._STOP_S", 0.2)
    deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(1, flush=True); time.sleep(600)"
    log = tmp_path / "log"
    processes = [
        started([sys.executable, "-c", code], log) for code in (deaf, "import time; time.sleep(600)")
    ]
    while not log.read_bytes():
        time.sleep(0.01)
    ended(processes)
    assert [process.returncode for process in processes] == [-signal.SIGKILL, -signal.SIGTERM]


def test_free_ports_follow_each_other() -> None:
    ports = free_ports(8)
    assert list(ports) == list(range(ports[0], ports[0] + 8))
