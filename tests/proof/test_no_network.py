"""Verifying opens no socket, no file, no process: an audit hook in a fresh interpreter forbids it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from ledger.trade.rules.view import thing
from ledger.trade.statement import Action, Role
from tests.proof.documents import Desk, event_of
from tests.world.world import World, serial, sscc

ITEM, CASE = serial("9521234", 1, 1), sscc("9521234", 1)
ROOT = Path(__file__).resolve().parents[2]
PROGRAM = """
import sys
from ledger.chain.genesis import genesis_from_bytes
from ledger.proof.anchor import anchor_from_genesis
from ledger.proof.verdict import assess

genesis, data = (open(name, "rb").read() for name in sys.argv[1:3])
allowed = ("object.", "sys._getframe", "compile", "exec", "import", "marshal.", "gc.", "code.")

def forbid(event, arguments):
    if event == "open" and str(arguments[0]).endswith((".py", ".pyc")):
        return
    if not event.startswith(allowed):
        raise RuntimeError(f"verification does {event}")

sys.addaudithook(forbid)
try:
    verdict = assess(data, anchor_from_genesis(genesis_from_bytes(genesis)), now_ms=int(sys.argv[3]))
    print(verdict.headline)
except RuntimeError as error:
    print(error)
"""


def test_an_audit_hook_sees_nothing(tmp_path: Path) -> None:
    world = World()
    desk = Desk(world)
    desk.put("maker", desk.item(event_of(ITEM)))
    world.do("maker", Action.PACK, [(Role.PARENT, CASE), (Role.CHILD, ITEM)])
    (tmp_path / "genesis").write_bytes(world.genesis.to_bytes())
    (tmp_path / "bundle").write_bytes(desk.prove(thing(ITEM)))
    command = [
        sys.executable,
        "-c",
        PROGRAM,
        str(tmp_path / "genesis"),
        str(tmp_path / "bundle"),
        str(world.now_ms),
    ]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("CONSISTENT: (01)09521234000013(21)1, held by maker")


def test_the_hook_would_see_a_socket(tmp_path: Path) -> None:
    program = PROGRAM.replace("verdict = assess", "import socket; socket.socket(); verdict = assess")
    (tmp_path / "nothing").write_bytes(World().genesis.to_bytes())
    command = [sys.executable, "-c", program, *(str(tmp_path / "nothing"),) * 2, "0"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.stdout == "verification does socket.__new__\n"
