"""`custody govern`, by four organisations with a gateway each: what they propose, vote and see, and what is refused in a sentence."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from client.governing import describe
from ledger.base.keyfile import write_unsealed_key
from ledger.base.keys import SigningKey
from ledger.chain.transaction import Kind
from ledger.members.constitution import ChangeKind
from ledger.members.registration import Act
from tests.client.fake_gateway import TOKEN, FakeGateway, served
from tests.client.ledger_files import Ledger, shipped
from tests.client.test_command import Shell
from tests.world.world import gln, seed

FOUR = ("maker", "forwarder", "carrier", "customs")
APPLICATION = f"""id = "broker"
name = "Broker"
country = "NL"
roles = ["logistics"]
parties = ["https://id.gs1.org/417/{gln(77)}"]
authority = "{SigningKey(seed("authority of a broker")).public_key.hex()}"
"""


@pytest.fixture
def members(tmp_path: Path) -> Iterator[tuple[dict[str, Shell], FakeGateway]]:
    """A shell for each of four organisations, each with its approver's key."""
    ledger = shipped(Ledger())
    with served(ledger) as gateway:
        shells = {}
        for who in FOUR:
            shell = shells[who] = Shell(tmp_path / who)
            shell.folder.mkdir()
            (shell.folder / "genesis.custody").write_bytes(ledger.world.genesis.to_bytes())
            private = {
                "reader.token": (TOKEN + "\n").encode(),
                "approver.key": write_unsealed_key(ledger.world.approvers[who], "approver"),
                "sign.key": write_unsealed_key(ledger.world.keys[who], "sign"),
            }
            for name, content in private.items():
                (shell.folder / name).write_bytes(content)
                (shell.folder / name).chmod(0o600)
            (shell.folder / "custody.toml").write_text(
                f'gateway = "{gateway.url}"\ntoken_file = "reader.token"\norganisation = "{who}"\n'
                'key = "sign.key"\nanchor = "genesis.custody"\n'
            )
            (shell.folder / "application.toml").write_text(APPLICATION)
        yield shells, gateway


def proposed(shell: Shell, *words: str) -> str:
    return str(json.loads(shell("govern", "propose", *words, "--json").stdout)["id"])


def shown(shell: Shell, proposal: str) -> dict[str, Any]:
    return dict(json.loads(shell("govern", "show", proposal, "--json").stdout)[0])


def test_an_organisation_is_proposed_voted_in_and_the_history_of_the_vote_is_a_file(
    members: tuple[dict[str, Shell], FakeGateway],
) -> None:
    shells, gateway = members
    made = proposed(shells["forwarder"], "add", "application.toml", "--reason", "a second shipper")
    before = shown(shells["customs"], made)
    assert (before["status"], before["needed"], before["of"], before["ballots"]) == ("open", 3, 4, [])
    assert "Broker (NL; logistics)" in before["change"]
    for who in ("forwarder", "carrier"):
        said = shells[who]("govern", "vote", made[:12], "yes")
        assert "of 3 needed" in said.stdout
        assert "votes yes on the proposal of forwarder to add broker" in said.stderr
    assert gateway.ledger.world.state.members(10**6).organisation("broker") is None
    assert "enacted" in shells["customs"]("govern", "vote", made, "yes").stdout
    assert gateway.ledger.world.state.members(10**6).organisation("broker") is not None
    shells["customs"]("govern", "fetch", "-o", "registry.custody")
    gateway.url = ""  # from here on nobody is asked
    facts = json.loads(shells["customs"]("govern", "log", "--registry", "registry.custody", "--json").stdout)
    assert [fact["what"] for fact in facts] == [
        "forwarder proposed", "forwarder voted yes", "carrier voted yes", "customs voted yes", "it was enacted",
    ]  # fmt: skip
    assert "a second shipper" in shells["customs"]("govern", "show", "--registry", "registry.custody").stdout


def test_a_registry_that_leaves_a_ballot_out_is_not_shown(
    members: tuple[dict[str, Shell], FakeGateway],
) -> None:
    shells, _ = members
    made = proposed(shells["maker"], "grant", "9527654", "carrier")
    shells["carrier"]("govern", "vote", made, "no")
    shells["customs"]("govern", "fetch", "-o", "registry.custody")
    path = shells["customs"].folder / "registry.custody"
    content = path.read_bytes()
    path.write_bytes(content.replace(b"|carrier", b"|carriex"))
    assert path.read_bytes() != content
    done = shells["customs"]("govern", "log", "--registry", "registry.custody", code=1)
    assert "not_proven" in done.stderr


def test_what_may_not_be_is_refused_and_changes_nothing(
    members: tuple[dict[str, Shell], FakeGateway],
) -> None:
    shells, _ = members
    maker = shells["maker"]
    made = proposed(maker, "grant", "9527654", "carrier")
    maker("govern", "vote", made, "yes")
    for words, code, said in (
        (("vote", made, "yes"), 1, "already_voted"),
        (("vote", made, "perhaps"), 2, "expected yes or no"),
        (("vote", "ffffffff", "yes"), 2, "names 0"),
        (("vote", "", "yes"), 2, "names 0"),
        (("propose", "remove", "nobody"), 1, "not_found"),
        (("propose", "constitution", "add_organisation=1/9"), 1, "limit"),
        (("propose", "constitution", "everything=1/2"), 2, "expected KIND=N/D"),
        (("propose", "recover", "carrier", "00"), 2, "64 hexadecimal digits"),
        (("propose", "parameter", "allow_persons", "maybe"), 2, "expected a number, true or false"),
        (("propose", "add", "sign.key"), 2, "expected an application in TOML"),
        (("vote", made, "yes", "--key", "sign.key"), 1, "wrong_use"),
        (("show", "--registry", "sign.key"), 2, ""),
    ):
        done = maker("govern", *words, code=code)
        assert said in done.stderr, (words, done.stderr)
        assert len(done.stderr.strip().splitlines()) <= 2, done.stderr
    assert len(shown(maker, made)["ballots"]) == 1
    denied = shells["carrier"]("govern", "withdraw", made, code=1)
    assert "not_entitled" in denied.stderr
    maker("govern", "withdraw", made)
    assert shown(maker, made)["status"] == "withdrawn"


def test_a_vote_under_policy_is_cast_once_a_person_approved_it(
    members: tuple[dict[str, Shell], FakeGateway], monkeypatch: pytest.MonkeyPatch
) -> None:
    shells, gateway = members
    world = gateway.ledger.world
    made = proposed(shells["maker"], "grant", "9527654", "carrier")
    policy = (int(Act.POLICY), ("vote",))
    world.commit(world.sign("carrier", policy, kind=Kind.REGISTRATION, key=world.approvers["carrier"]))
    said = shells["carrier"]("govern", "vote", made, "yes")
    assert "wants a person to approve this first" in said.stderr
    assert "http://localhost/approve#" in said.stderr
    assert [one["organisation"] for one in shown(shells["maker"], made)["ballots"]] == ["carrier"]
    monkeypatch.setattr(gateway, "ask", lambda _: {"acts": [{"act": "00", "lines": [], "link": "x"}]})
    other = proposed(shells["maker"], "grant", "9527655", "carrier")
    refused = shells["carrier"]("govern", "vote", other, "yes", code=1)
    assert "not_approved" in refused.stderr
    assert shown(shells["maker"], other)["ballots"] == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ((ChangeKind.REMOVE_ORGANISATION, "carrier"), "remove carrier"),
        ((ChangeKind.SUSPEND, "carrier", None), "suspend carrier until it is reinstated"),
        ((ChangeKind.SUSPEND, "carrier", 1_700_000_000_000), "suspend carrier until 2023-11-14"),
        ((ChangeKind.REINSTATE, "carrier"), "reinstate carrier"),
        ((ChangeKind.EMERGENCY, "carrier"), "at once"),
        ((ChangeKind.GRANT, "9527654", None), "take GS1 company prefix 9527654"),
        ((ChangeKind.GRANT, "9527654", "carrier"), "give GS1 company prefix 9527654 to carrier"),
        ((ChangeKind.JURISDICTION, "customs", ("*",)), "jurisdiction over everywhere"),
        ((ChangeKind.JURISDICTION, "customs", None), "end the jurisdiction of customs"),
        ((ChangeKind.SUCCESSOR, "customs", "carrier"), "let carrier succeed customs"),
        ((ChangeKind.RECOVER, "carrier", bytes(32), True), "new authority key"),
        ((ChangeKind.CONSTITUTION, ((0, 3, 4),)), "add_organisation 3/4"),
        ((ChangeKind.PARAMETER, "allow_persons", True), "set allow_persons to True"),
        ((ChangeKind.APPROVER, "carrier", False), "take the vote from carrier"),
    ],
)
def test_every_change_is_said_in_words(change: tuple[Any, ...], said: str) -> None:
    assert said in describe(change)


def test_every_kind_of_change_has_words() -> None:
    from client.governing import _WORDS

    assert set(_WORDS) == set(ChangeKind)
