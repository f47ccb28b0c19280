"""The `custody` command as its users meet it: separate processes, exit codes, nothing that reads like a crash."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import pytest

from client.cli.main import OWN, run
from client.prepare import prepare_document
from client.signing import PreparedFile, Submission, read_file
from ledger.base.errors import Code
from ledger.base.keyfile import write_unsealed_key
from ledger.epcis.original import name_of, original_of
from tests.client.capture.stage import event, write_document
from tests.client.fake_gateway import TOKEN, FakeGateway, served
from tests.client.ledger_files import CONTAINER, DECLARATION, ITEM, Ledger, shipped, write_files
from tests.conftest import PROJECT_ROOT

RUN = "import sys; sys.path.insert(0, sys.argv.pop(1)); from client.cli import main; main()"
UCR = "4NL123456789-A7"


class Done(NamedTuple):
    """What a command left behind."""

    returncode: int
    stdout: str
    stderr: str


class Shell:
    """Runs commands in a folder of their own: in this process, or `apart` in one of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.variables: dict[str, str] = {}

    def environment(self) -> dict[str, str]:
        kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        return kept | {"HOME": str(self.folder), "COLUMNS": "200"} | self.variables

    def __call__(self, *words: str, code: int | None = 0) -> Done:
        out, err = io.StringIO(), io.StringIO()
        with (
            contextlib.chdir(self.folder),
            mock.patch.dict(os.environ, self.environment(), clear=True),
            mock.patch("sys.stdin", io.StringIO()),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            done = Done(run(words), out.getvalue(), err.getvalue())
        return checked(words, done, code)

    def apart(self, *words: str, code: int | None = 0) -> Done:
        command = [sys.executable, "-c", RUN, str(PROJECT_ROOT), *words]
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        return checked(words, Done(done.returncode, done.stdout, done.stderr), code)


def checked(words: tuple[str, ...], done: Done, code: int | None) -> Done:
    """`done`, if it ended as expected and without what reads like a crash."""
    assert "Traceback" not in done.stderr, done.stderr
    assert code is None or done.returncode == code, (
        f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    )
    return done


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A shell in an empty folder."""
    return Shell(tmp_path)


@pytest.fixture
def member(shell: Shell) -> Iterator[tuple[Shell, FakeGateway]]:
    """The shell of a member whose settings, keys and gateway are in place."""
    ledger = Ledger()
    world = ledger.world
    with served(ledger) as gateway:
        (shell.folder / "genesis.custody").write_bytes(world.genesis.to_bytes())
        for name, key, use in (
            ("sign", world.keys["maker"], "sign"),
            ("device", world.devices["maker"], "device"),
        ):
            path = shell.folder / f"{name}.key"
            path.write_bytes(write_unsealed_key(key, use))
            path.chmod(0o600)
        token = shell.folder / "reader.token"
        token.write_text(TOKEN + "\n")
        token.chmod(0o600)
        (shell.folder / "custody.toml").write_text(
            f'gateway = "{gateway.url}"\ntoken_file = "reader.token"\norganisation = "maker"\nkey = "sign.key"\n'
            'device_key = "device.key"\nanchor = "genesis.custody"\nplace = "9521200000016"\n'
        )
        yield shell, gateway


# --- dispatch


def test_help_lists_every_command_and_loads_none(shell: Shell) -> None:
    done = shell.apart("--help")
    for name in (
        "init",
        "node",
        "keys",
        "record",
        "submit",
        "show",
        "trace",
        "prove",
        "verify",
        "anchor",
        "follow",
        "epcis",
        "scan",
    ):
        assert f"\n  {name} " in done.stdout
    assert shell.apart("--version").stdout.startswith("custody ")
    assert shell.apart(code=2).stdout == ""
    assert "Commands:" in shell.apart(code=2).stderr


@pytest.mark.parametrize(
    "words",
    [
        ("fly",),
        ("--fly",),
        ("--config",),
        ("verify",),
        ("record", "fly"),
        ("verify", "f", "--fly"),
        ("keys", "show"),
    ],
)
def test_usage_is_exit_code_2(shell: Shell, words: tuple[str, ...]) -> None:
    assert shell.apart(*words, code=2).stderr


def test_a_command_of_a_missing_extra_says_what_to_install(shell: Shell) -> None:
    program = RUN.replace("from client.cli", "sys.modules['node'] = None; from client.cli")
    command = [sys.executable, "-c", program, str(PROJECT_ROOT), "node", "status"]
    done = subprocess.run(command, cwd=shell.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 5
    assert "pip install 'custody-ledger[node]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_verify_loads_neither_http_nor_typer_and_opens_no_socket(shell: Shell, ledger: Ledger) -> None:
    bundle, genesis = write_files(shell.folder, ledger, ITEM)
    program = f"""
import json, sys
def forbid(event, arguments):
    if event.startswith(("socket.", "subprocess.", "os.system")):
        raise RuntimeError(event)
sys.addaudithook(forbid)
sys.path.insert(0, {str(PROJECT_ROOT)!r})
from client.cli.main import OWN, run
code = run(["verify", {str(bundle)!r}, "--anchor", {str(genesis)!r}, "--html", "page.html", "--brief"])
print(json.dumps([code, sorted(sys.modules)]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=shell.folder, capture_output=True, text=True, check=True
    )
    code, loaded = json.loads(done.stdout.splitlines()[-1])
    assert code == 3
    assert (
        set(loaded)
        & {"httpx", "typer", "rich", "pydantic", "cryptography", "asyncio", "ledger.consensus", "node"}
        == set()
    )


def test_a_reader_that_leaves_early_is_no_error(shell: Shell, ledger: Ledger) -> None:
    bundle, genesis = write_files(shell.folder, ledger, ITEM)
    command = [sys.executable, "-c", RUN, str(PROJECT_ROOT), "verify", str(bundle), "--anchor", str(genesis)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        process.wait()


# --- verify


def test_the_exit_code_is_the_verdict(shell: Shell, tmp_path: Path) -> None:
    ledger = shipped(Ledger(), held=True)
    bundle, genesis = write_files(tmp_path, ledger, CONTAINER)
    age = f"{(time.time_ns() // 1_000_000 - ledger.world.now_ms) // 86_400_000 + 2}d"
    words = ("verify", str(bundle), "--anchor", str(genesis), "--max-age", age)
    assert shell.apart(*words, code=6).stdout.startswith("HELD: container CSQU3054383")
    assert shell.apart(*words, "--seal", "NL-1", code=7).stdout.startswith("CONTRADICTED")
    found = json.loads(shell.apart(*words, "--json", "--html", "page.html", code=6).stdout)
    assert (found["verdict"], found["exit_code"]) == ("HELD", 6)
    assert "<h1>" in (shell.folder / "page.html").read_text()
    altered = bytearray(bundle.read_bytes())
    altered[len(altered) // 2] ^= 1
    bundle.write_bytes(bytes(altered))
    assert shell.apart(*words, code=None).returncode in (1, 5)


def test_stale_and_fresh(shell: Shell, ledger: Ledger) -> None:
    bundle, genesis = write_files(shell.folder, ledger, ITEM)
    assert shell.apart("verify", str(bundle), "--anchor", str(genesis), code=3).stdout.startswith("STALE")
    shell.variables["CUSTODY_ANCHOR"] = str(genesis)
    assert (
        "CONSISTENT WITH GAPS"
        in shell.apart("verify", str(bundle), "--max-age", "99999d", "--brief", code=4).stdout
    )


def test_what_cannot_be_read_is_exit_code_5(shell: Shell, ledger: Ledger) -> None:
    bundle, genesis = write_files(shell.folder, ledger, ITEM)
    (shell.folder / "junk").write_bytes(b"junk")
    shell("verify", "none", "--anchor", str(genesis), code=5)
    shell("verify", str(bundle), "--anchor", "none", code=5)
    shell("verify", str(bundle), "--anchor", "junk", code=5)
    shell("verify", "junk", "--anchor", str(genesis), code=5)
    shell("verify", str(shell.folder), "--anchor", str(genesis), code=5)
    shell("verify", str(bundle), "--anchor", str(genesis), "--html", "junk/page.html", code=5)
    assert "custody.toml" in shell("verify", str(bundle), code=2).stderr
    shell("verify", str(bundle), "--anchor", str(genesis), "--max-age", "soon", code=2)
    shell("verify", str(bundle), "--anchor", str(genesis), "--container", "CSQU3054384", code=2)


# --- keys and anchors


def test_keys_are_sealed_unless_asked_otherwise(shell: Shell) -> None:
    assert "expected a passphrase" in shell("keys", "create", "a.key", code=1).stderr
    shell.variables["CUSTODY_PASSPHRASE"] = "correct horse"
    made = json.loads(shell("keys", "create", "keys/a.key", "--json").stdout)
    assert made["protection"] == "sealed"
    assert "in the clear" in shell("keys", "create", "keys/b.key", "--use", "device", "--unencrypted").stderr
    shell("keys", "create", "keys/a.key", code=2)
    shell("keys", "create", "keys/c.key", "--use", "everything", code=2)
    listed = json.loads(shell("keys", "list", "--json").stdout)
    assert [(key["file"], key["protection"]) for key in listed] == [
        ("a.key", "sealed"),
        ("b.key", "IN THE CLEAR"),
    ]
    assert made["public_key"] in shell("keys", "show", "keys/a.key").stdout
    (shell.folder / "keys" / "a.key").chmod(0o644)
    assert "0600" in shell("keys", "show", "keys/a.key", code=5).stderr
    for done in (shell("keys", "list"), shell("keys", "show", "keys/b.key")):
        assert "correct horse" not in done.stdout + done.stderr


def test_a_folder_of_trust_grows_by_what_it_verifies(shell: Shell, ledger: Ledger) -> None:
    bundle, genesis = write_files(shell.folder, ledger, ITEM)
    network = ledger.world.network.hex()
    shell("anchor", "add", str(genesis), "--network", "ab" * 32, code=1)
    assert not (shell.folder / "anchor").exists()
    assert (
        json.loads(shell("anchor", "add", str(genesis), "--network", network, "--json").stdout)["height"] == 0
    )
    assert json.loads(shell("anchor", "add", str(bundle), "--json").stdout)["height"] == 8
    assert "nothing new" in shell("anchor", "add", str(bundle)).stderr
    assert len(json.loads(shell("anchor", "list", "--json").stdout)["checkpoints"]) == 1
    shell("anchor", "export", "small.custody")
    assert (
        json.loads(shell("anchor", "show", "--anchor", "small.custody", "--json").stdout)["network"]
        == network
    )
    shell("verify", str(bundle), "--anchor", "small.custody", code=3)
    (shell.folder / "junk").write_bytes(b"junk")
    shell("anchor", "add", "junk", code=5)
    shell("anchor", "add", "none", code=5)
    shell("anchor", "show", "--anchor", "none", code=5)


# --- record, submit, read


def test_an_event_is_shown_before_anything_is_signed(member: tuple[Shell, FakeGateway]) -> None:
    shell, gateway = member
    done = shell("record", "offer", "CSQU3054383", "--to", "forwarder", "--lapses", "7d", "--seal", "NL-1")
    assert "maker offers:\n  container CSQU3054383" in done.stdout
    assert "forwarder (https://id.gs1.org/417/9521200000023)" in done.stdout
    assert "nothing is signed" in done.stderr
    event = json.loads(shell("record", "make", "(01)09521234000013(21)1", "--event").stdout)
    assert event["bizStep"] == "commissioning"
    assert gateway.bodies == []


def test_a_shipment_from_the_command_line_to_a_proof(member: tuple[Shell, FakeGateway]) -> None:
    shell, gateway = member
    item, case = "(01)09521234000013(21)1", "(00)195212340000000010"
    (shell.folder / "more").write_text("(01)09521234000013(21)2\n\n(01)09521234000013(21)3\n")
    made = json.loads(shell("record", "make", item, "--from-file", "more", "--submit", "--json").stdout)
    assert [row["result"] for row in made["events"]] == ["applied"]
    shell("record", "pack", case, item, "--count", "1", "--submit")
    shell("record", "pack", "CSQU3054383", case, "--seal", "NL-1", "--submit")
    shell("record", "bind", "CSQU3054383", "--under", f"ucr:{UCR}", "--submit")
    assert "offered" in shell("record", "offer", "CSQU3054383", "--to", "forwarder", "--submit").stdout
    assert "applied" in shell("record", "observe", "CSQU3054383", "--step", "loading", "--submit").stdout
    shown = shell("show", "CSQU3054383")
    assert "maker" in shown.stdout
    assert "NL-1" in shown.stdout
    traced = json.loads(shell("trace", "CSQU3054383", "--json").stdout)
    assert len(traced) >= 4
    assert [link["position"] for link in traced] == list(range(1, len(traced) + 1))
    assert traced[0]["event"] in shell("trace", "CSQU3054383").stdout
    proven = json.loads(shell("prove", "--ucr", UCR, "--epc", item, "-o", "p.custody", "--json").stdout)
    assert proven["subjects"] == [ITEM, DECLARATION, CONTAINER] or set(proven["subjects"]) == {
        ITEM,
        DECLARATION,
        CONTAINER,
    }
    assert proven["headline"].startswith("CONSISTENT")
    shell("verify", "p.custody", "--max-age", "1h", code=4)
    assert len(gateway.bodies) == 6


def test_what_a_driver_attested_offline_is_signed_when_it_is_submitted(
    member: tuple[Shell, FakeGateway],
) -> None:
    shell, gateway = member
    words = ("record", "make", "(01)09521234000013(21)7", "--device", "device.key")
    shell(*words, "--later", "-o", "later.prepared")
    prepared = read_file((shell.folder / "later.prepared").read_bytes(), gateway.ledger.world.network)
    assert isinstance(prepared, PreparedFile)
    assert prepared.events[0].item.attestation is not None
    assert prepared.events[0].item.attestation.counter == 1
    assert "applied" in shell("submit", "later.prepared", "-o", "signed.submission").stdout
    again = shell("submit", "signed.submission", code=1)
    assert "refused" in again.stdout
    assert gateway.bodies[0] == gateway.bodies[1]
    shell("submit", "later.prepared", "--org", "carrier", code=1)


def test_the_device_that_the_settings_name_attests(member: tuple[Shell, FakeGateway]) -> None:
    shell, gateway = member
    shell("record", "make", "(01)09521234000013(21)8", "--later", "-o", "later.prepared")
    prepared = read_file((shell.folder / "later.prepared").read_bytes(), gateway.ledger.world.network)
    assert isinstance(prepared, PreparedFile)
    assert prepared.events[0].item.attestation is not None


def test_documents_of_others_are_submitted_with_their_bytes(member: tuple[Shell, FakeGateway]) -> None:
    shell, gateway = member
    events = [
        shell("record", "make", f"(01)09521234000013(21)8{n}", "--event").stdout.strip() for n in range(2)
    ]
    document = '{"type":"EPCISDocument","epcisBody":{"eventList":[ ' + " , ".join(events) + " ]}}"
    (shell.folder / "events.json").write_text(document)
    found = json.loads(shell("submit", "events.json", "--all-or-nothing", "--json").stdout)
    assert [row["result"] for row in found["events"]] == ["applied", "applied"]
    stored = {payload.event.decode() for payload in gateway.ledger.payloads.values()}
    assert stored == set(events)


@pytest.mark.parametrize("as_json", [False, True])
def test_a_capture_names_the_events_that_do_not_hold_and_counts_all(
    member: tuple[Shell, FakeGateway], as_json: bool
) -> None:
    shell, _ = member
    events = [event(1), '{"a":}', event(1, "destroying", "DELETE"), event(1, "accepting", "OBSERVE")]
    write_document(shell.folder / "events.json", events)
    options = ("--json",) if as_json else ()
    why = "expected a JSON value at offset 5, got b'}' [malformed]"
    done = shell("capture", "events.json", *options, code=1)
    if as_json:
        *told, counted = (json.loads(line) for line in done.stdout.splitlines())
        assert told == [
            {"place": 2, "result": "refused", "detail": why},
            {"place": 4, "result": "recorded", "detail": "contradiction"},
        ]
        assert counted == {"events": 4, "applied": 2, "recorded": 1, "refused": 1}
    else:
        assert done.stdout == f"refused   event 2: {why}\nrecorded  event 4: contradiction\n"
        assert done.stderr == "4 events: 2 applied, 1 recorded without effect, 1 refused\n"
    again = shell("capture", "events.json", *options, code=1)
    assert again.stdout == (done.stdout.splitlines(keepends=True)[-1] if as_json else "")


def test_a_mistake_is_corrected_from_the_file_it_was_recorded_in(member: tuple[Shell, FakeGateway]) -> None:
    shell, gateway = member
    shell.apart("record", "make", "(01)09521234000013(21)9", "-o", "made.submission", "--submit")
    made = read_file((shell.folder / "made.submission").read_bytes(), gateway.ledger.world.network)
    assert isinstance(made, Submission)
    done = shell("record", "correct", "made.submission", "--submit", "--json")
    assert json.loads(done.stdout)["events"][0]["outcomes"][0]["name"] == "corrected"
    assert made.prepared()[0].item.event_hash.hex() in done.stderr
    shell("record", "correct", "made.submission", "--number", "2", code=2)
    shell("record", "correct", "none", code=5)


def test_restricted_bytes_stay_in_the_file(member: tuple[Shell, FakeGateway]) -> None:
    shell, gateway = member
    words = ("record", "make", "(01)09521234000013(21)10", "--restricted", "--submit")
    shell(*words, code=2)
    shell(*words, "-o", "kept.submission")
    assert gateway.ledger.payloads == {}
    assert b"commissioning" in (shell.folder / "kept.submission").read_bytes()
    assert b"commissioning" not in gateway.bodies[0]
    assert (shell.folder / "kept.submission").stat().st_mode & 0o777 == 0o600


def test_what_a_ledger_refuses_is_exit_code_1(member: tuple[Shell, FakeGateway]) -> None:
    shell, _ = member
    done = shell("record", "hold", "CSQU3054383", "--case", "2026/1", "--submit", code=1)
    assert Code.NOT_ENTITLED.value in done.stdout
    shell("show", "(01)09521234000013(21)404", code=1)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("record", "offer", "CSQU3054384", "--to", "forwarder"), 2),
        (("record", "offer", "CSQU3054383"), 2),
        (("record", "offer", "CSQU3054383", "--to", "nobody"), 2),
        (("record", "offer", "CSQU3054383", "--to", "forwarder", "--lapses", "soon"), 2),
        (("record", "make", "something"), 2),
        (("record", "make"), 2),
        (("record", "make", "CSQU3054383", "--time", "yesterday"), 2),
        (("record", "make", "CSQU3054383", "--from-file", "none"), 5),
        (("record", "make", "CSQU3054383", "--later"), 2),
        (("record", "make", "CSQU3054383", "--later", "--submit", "-o", "f"), 2),
        (("record", "make", "CSQU3054383", "--submit", "--wait", "long"), 2),
        (("record", "make", "CSQU3054383", "--submit", "--key", "none"), 5),
        (("record", "make", "CSQU3054383", "--submit", "--key", "device.key"), 1),
        (("record", "make", "CSQU3054383", "--submit", "--gateway", "one:8100"), 2),
        (("record", "permit", "CSQU3054383", "--case", "1", "--until", "2d", "--leg", "maker"), 2),
        (("record", "confirm", "CSQU3054383", "--event-hash", "abc"), 2),
        (("submit", "none"), 5),
        (("submit", "custody.toml"), 5),
        (("submit", "genesis.custody"), 5),
        (("prove", "-o", "f"), 2),
        (("prove", "-o", "f", "--mrn", "24XX"), 2),
        (("show", "nothing at all"), 2),
    ],
)
def test_every_mistake_is_one_sentence(
    member: tuple[Shell, FakeGateway], words: tuple[str, ...], code: int
) -> None:
    shell, _ = member
    done = shell(*words, code=code)
    assert done.stderr
    if "Usage" not in done.stderr:
        assert done.stderr.splitlines()[-1].startswith("custody: ")


def test_settings_that_miss_are_named(shell: Shell) -> None:
    for words, name in (
        (("show", "CSQU3054383"), "CUSTODY_GATEWAY"),
        (("record", "make", "CSQU3054383", "-o", "f"), "CUSTODY_ORG"),
        (("record", "make", "CSQU3054383", "--org", "maker", "-o", "f"), "CUSTODY_ANCHOR"),
    ):
        assert name in shell(*words, code=2).stderr
    (shell.folder / "custody.toml").write_text("colour = 1")
    assert "custody.toml" in shell("show", "CSQU3054383", code=2).stderr


def test_a_missing_token_is_said_and_so_is_an_open_one(member: tuple[Shell, FakeGateway]) -> None:
    shell, _ = member
    (shell.folder / "reader.token").chmod(0o644)
    assert "0600" in shell("show", "CSQU3054383", code=5).stderr
    config = shell.folder / "custody.toml"
    config.write_text(config.read_text().replace('token_file = "reader.token"\n', ""))
    assert "expected a token" in shell("show", "CSQU3054383", code=1).stderr


def test_requests_are_signed_where_the_settings_say_so(member: tuple[Shell, FakeGateway]) -> None:
    shell, gateway = member
    config = shell.folder / "custody.toml"
    config.write_text("sign_requests = true\n" + config.read_text())
    (shell.folder / "reader.token").unlink()
    shell("record", "make", "(01)09521234000013(21)11", "--submit")
    shell("follow", "--from", "1", "--most", "3")
    shell("show", "(01)09521234000013(21)11")
    assert set(gateway.signed) == {gateway.ledger.world.keys["maker"].public_key}
    config.write_text(config.read_text().replace('key = "sign.key"\n', "", 1))
    assert "--key" in shell("show", "CSQU3054383", code=2).stderr


def test_blocks_are_followed(member: tuple[Shell, FakeGateway]) -> None:
    shell, _ = member
    done = shell("follow", "--from", "1", "--most", "3")
    assert [json.loads(line)["height"] for line in done.stdout.splitlines()] == [1, 2, 3]


def test_no_secret_is_ever_shown(member: tuple[Shell, FakeGateway]) -> None:
    shell, gateway = member
    seed = gateway.ledger.world.keys["maker"].seed
    runs = [
        shell("record", "make", "(01)09521234000013(21)11", "--submit"),
        shell("keys", "show", "sign.key"),
        shell("show", "CSQU3054383", code=1),
    ]
    for done in runs:
        for secret in (seed.hex(), TOKEN):
            assert secret not in done.stdout + done.stderr


def test_public_documents_go_through_the_command(
    member: tuple[Shell, FakeGateway], shared_data: Path
) -> None:
    shell, gateway = member
    source = min((shared_data / "epcis" / "gs1" / "JSON").rglob("*.json*"))
    shutil.copy(source, shell.folder / "theirs.json")
    expected = prepare_document(gateway.ledger.world.network, source.read_bytes())
    done = shell("submit", "theirs.json", "--json", code=None)
    assert len(json.loads(done.stdout)["events"]) == len(expected)
    assert {payload.event for payload in gateway.ledger.payloads.values()} == {
        one.payload.event for one in expected
    }


EVENT = b'{"type":"ObjectEvent","eventTime":"2026-01-01T00:00:00Z","epcList":["%b"],"action":"OBSERVE"}'
ITEMS = b"urn:epc:id:sgtin:9521234.000001.1", b"urn:epc:id:sgtin:9521234.000001.2"


def test_event_hashes_are_printed_one_a_line_in_the_order_of_the_document(shell: Shell) -> None:
    (shell.folder / "two.json").write_bytes(b"[%b, %b]" % (EVENT % ITEMS[0], EVENT % ITEMS[1]))
    strings = shell("epcis", "hash", "two.json", "--strings").stdout.splitlines()
    assert len(strings) == 2
    for number, line in enumerate(strings, 1):
        assert line.endswith(f"epcListepc=https://id.gs1.org/01/09521234000013/21/{number}action=OBSERVE")
    for mode in ("reference", "standard"):
        hashes = shell("epcis", "hash", "two.json", "--mode", mode).stdout.splitlines()
        assert hashes == [
            f"ni:///sha-256;{hashlib.sha256(line.encode()).hexdigest()}?ver=CBV2.0" for line in strings
        ]


def test_a_scan_is_named_and_followed_by_commands_that_run(member: tuple[Shell, FakeGateway]) -> None:
    shell, _ = member
    item = "010952123400001321" + "42<GS>10L7"
    (new,) = json.loads(shell("scan", item, "--json").stdout)
    assert new["subject"] == "https://id.gs1.org/01/09521234000013/21/42"
    assert (new["asked"], new["record"]) == (True, None)
    make = new["next"][0]["command"]
    assert make == "custody record make '(01)09521234000013(21)42' --lot L7"
    shell(*shlex.split(make)[1:], "--submit")
    done = shell("scan", "--hex", "F7" + "0" + "09521234000013" + "0254")
    assert "(01)09521234000013(21)42" in done.stdout
    assert "live, held by maker, says a gateway" in done.stdout
    lines = [
        line.partition("   # ")[0].strip() for line in done.stdout.splitlines() if "custody record" in line
    ]
    assert [line.removeprefix("next").split()[2] for line in lines] == ["offer", "pack", "observe"]
    words = {"MEMBER": "forwarder", "PARENT": "CSQU3054383"}
    for line in lines:
        command = [words.get(word, word) for word in shlex.split(line.removeprefix("next"))]
        assert "42" in shell(*command[1:]).stdout
    packed = {"record": {"status": "live", "parent": "urn:epc:id:bic:CSQU3054383"}}
    with mock.patch.object(FakeGateway, "get", return_value=packed):
        assert "live, inside CSQU3054383, says a gateway" in shell("scan", item).stdout


def test_a_scan_without_a_gateway_says_so(member: tuple[Shell, FakeGateway]) -> None:
    shell, _ = member
    done = shell("scan", "csqu 305438-3", "--offline")
    assert "urn:epc:id:bic:CSQU3054383" in done.stdout
    assert "no gateway was asked" in done.stderr
    (shell.folder / "reader.token").write_text("x" * 43)
    done = shell("scan", "csqu 305438-3")
    assert "custody record pack CSQU3054383 THING" in done.stdout
    assert "for the gateway did not answer: expected a token, got none [unauthorised]" in done.stderr
    assert shell("scan", code=2).stderr == "custody: expected a scan, or --hex EPC, got neither\n"
    assert "expected check digit 3" in shell("scan", "CSQU3054384", code=2).stderr


XML = b"""<?xml version="1.0"?>
<epcis:EPCISDocument xmlns:epcis="urn:epcglobal:epcis:xsd:2" schemaVersion="2.0" creationDate="2026-01-01T00:00:00Z"><EPCISBody>
<EventList><ObjectEvent><eventTime>2026-01-01T00:00:00Z</eventTime><eventTimeZoneOffset>+00:00</eventTimeZoneOffset>
<epcList><epc>urn:epc:id:sgtin:9521234.000001.42</epc></epcList><action>ADD</action>
<bizStep>urn:epcglobal:cbv:bizstep:commissioning</bizStep></ObjectEvent></EventList></EPCISBody></epcis:EPCISDocument>"""


def test_an_xml_document_is_submitted_as_events_that_name_it(member: tuple[Shell, FakeGateway]) -> None:
    shell, gateway = member
    (shell.folder / "made.xml").write_bytes(XML)
    assert shell("submit", "made.xml").stdout.startswith("applied   make         (01)09521234000013(21)42")
    (payload,) = gateway.ledger.payloads.values()
    assert original_of(payload.context) == name_of(XML)
    assert json.loads(payload.event)["bizStep"] == "commissioning"
    corrected = shell("record", "correct", "made.xml", "--event-hash", "ab" * 32, "--event").stdout
    assert json.loads(corrected)["epcList"] == ["urn:epc:id:sgtin:9521234.000001.42"]


def test_a_check_says_what_is_wrong_and_where(shell: Shell) -> None:
    (shell.folder / "made.xml").write_bytes(XML)
    done = shell("epcis", "check", "made.xml")
    assert (done.stdout, done.stderr) == ("", "made.xml: events: 1, refusing: 0, noted: 0\n")
    (shell.folder / "bad.xml").write_bytes(
        XML.replace(b":commissioning", b":guessing").replace(b"ADD", b"MAYBE")
    )
    done = shell("epcis", "check", "bad.xml", code=1)
    assert re.fullmatch(
        r"refused  /epcisBody/eventList/0/action: expected .*\n"
        r"noted    /epcisBody/eventList/0/bizStep: expected .*\n",
        done.stdout,
    )
    assert done.stderr == "bad.xml: events: 1, refusing: 1, noted: 1\n"
    found = json.loads(shell("epcis", "check", "bad.xml", "--json", code=1).stdout)
    assert (found["events"], [one["grade"] for one in found["findings"]]) == (1, ["refused", "noted"])
    (shell.folder / "bad.xml").write_bytes(b"[")
    assert "bad.xml: expected" in shell("epcis", "check", "bad.xml", code=5).stderr


def test_a_document_without_hashes_is_named(shell: Shell) -> None:
    (shell.folder / "none.json").write_bytes(b'{"eventTime": 1}')
    assert "none.json: expected an event with a type" in shell("epcis", "hash", "none.json", code=5).stderr
    (shell.folder / "none.json").write_bytes(b"<a")
    assert "none.json: line 1: expected" in shell("epcis", "hash", "none.json", code=5).stderr
    assert "Usage" in shell("epcis", "hash", "none.json", "--mode", "fast", code=2).stderr


def test_every_command_the_documents_show_exists(shell: Shell) -> None:
    text = (PROJECT_ROOT / "client" / "COMMANDS.md").read_text(encoding="utf-8")
    acts = {
        name
        for line in text.splitlines()
        if line.startswith("| `")
        for name in re.findall(r"`([a-z-]+)", line)
    }
    listed = shell("record", "--help").stdout
    assert acts - {"verify"} == set(re.findall(r"│ ([a-z][a-z-]+) ", listed))
    shown = set(re.findall(r"custody (?:record )?([a-z-]+)", text)) & (set(OWN) | acts)
    assert {"submit", "show", "trace", "follow", "prove", "verify", "anchor"} <= shown
