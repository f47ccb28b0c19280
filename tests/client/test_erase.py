"""`custody erase`: what is listed, what is signed, what is refused, and what proofs say afterwards."""

from __future__ import annotations

import json

from tests.client.fake_gateway import FakeGateway
from tests.client.test_command import Shell, member, shell

__all__ = ["member", "shell"]

THING = "(01)09521234000013(21)1"


def hashes(shell: Shell) -> list[str]:
    return [one["event"] for one in json.loads(shell("erase", THING, "--json").stdout)]


def test_own_events_are_listed_and_erased_and_a_proof_says_so(member: tuple[Shell, FakeGateway]) -> None:
    shell, gateway = member
    shell("record", "make", THING, "--submit")
    shell("record", "observe", THING, "--step", "inspecting", "--submit")
    first, second = hashes(shell)
    assert first in shell("erase", THING).stdout
    done = shell("erase", THING, "--event", first, "--reason", "personal-data", "--json")
    assert json.loads(done.stdout) == {"erased": [first], "reason": "personal-data"}
    shell("prove", "--epc", THING, "-o", "p.custody")
    told = shell("verify", "p.custody", "--json", "--html", "p.html", code=None)
    checks = json.loads(told.stdout)["subjects"][0]["checks"]
    (said,) = [check["sentence"] for check in checks if check["name"] == "erased"]
    assert "maker erased the document of its event of" in said
    assert "for a person" in said
    assert "maker erased the document of its event of" in (shell.folder / "p.html").read_text()
    assert second != first
    assert gateway.bodies


def test_what_cannot_be_erased_is_said_and_nothing_is_sent(member: tuple[Shell, FakeGateway]) -> None:
    shell, gateway = member
    shell("record", "make", THING, "--submit")
    (only,) = hashes(shell)
    sent = len(gateway.bodies)
    assert "expected a --reason of" in shell("erase", THING, "--all", "--reason", "boredom", code=2).stderr
    assert "without --event it is listed" in shell("erase", THING, "--event", "00" * 32, code=2).stderr
    assert "carrier" in shell("erase", THING, "--all", "--org", "carrier", code=1).stderr
    assert len(gateway.bodies) == sent
    assert json.loads(shell("erase", THING, "--all", "--json").stdout)["erased"] == [only]
    assert "erased" in shell("erase", THING, "--event", only, code=1).stderr
