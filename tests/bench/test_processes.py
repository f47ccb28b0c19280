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


def test_a_bench_that_is_terminated_leaves_nothing_behind(tmp_path: Path) -> None:
    """Told while the replica that it measures runs as a process of its own, in a folder of its own."""
    (tmp_path / "work").mkdir()
    command = [sys.executable, "-m", "tests.bench", "state", "--alone", "--sizes", "100", "--seconds", "600"]
    bench = subprocess.Popen(
        [*command, "--output", tmp_path / "output"],
        cwd=PROJECT,
        env={**os.environ, "TMPDIR": str(tmp_path / "work")},
        stdout=subprocess.PIPE,
    )
    assert bench.stdout is not None
    assert b"put in place" in bench.stdout.readline()
    while not (replicas := _named(tmp_path / "work")):
        assert bench.poll() is None
        time.sleep(0.01)
    bench.terminate()
    bench.communicate()
    assert bench.returncode == 128 + signal.SIGTERM
    assert not any(_runs(each) for each in replicas)
    assert list((tmp_path / "work").iterdir()) == []


def _named(folder: Path) -> list[int]:
    """Processes that a folder was named to."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if str(folder).encode() in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except OSError:
            continue
    return found
