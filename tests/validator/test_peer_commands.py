"""`custody node join`, `peers`, `reload`, `transport-key`: what they make, and what is refused with nothing changed."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ledger.base.errors import Code, UnavailableError
from node.cli import app
from node.config import FILE, GENESIS_FILE, load_config
from node.init import create_network
from node.storage.keystore import Keystore
from tests.validator.network import Network, until, with_network
from tests.validator.test_change_commands import custody_node

RUNNER = CliRunner()


class Beside:
    """A network on disk, and a newcomer beside it."""

    def __init__(self, root: Path) -> None:
        made = create_network(root / "net", state_depth=8)
        self.network = made.genesis.network
        self.member = made.folders["maker"]
        self.folder = root / "broker"
        self.peers = root / "peers.toml"
        self.run("peers", "-f", self.member, "-o", self.peers)

    def run(self, *words: object) -> tuple[int, str]:
        done = RUNNER.invoke(app, [str(word) for word in words])
        return done.exit_code, done.output

    def join(self, **other: object) -> tuple[int, str]:
        options = {
            "organisation": "broker", "genesis": self.member / GENESIS_FILE, "network": self.network.hex(),
            "peers": self.peers, "listen": "127.0.0.1:7200", "gateway": "127.0.0.1:8200",
        }  # fmt: skip
        words = [word for name, value in (options | other).items() for word in (f"--{name}", value)]
        return self.run("join", self.folder, *words, "--unsealed")


@pytest.fixture
def beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Beside:
    monkeypatch.chdir(tmp_path)
    return Beside(tmp_path)


def test_a_newcomer_gets_keys_settings_and_what_the_others_take_it_in_with(beside: Beside) -> None:
    code, said = beside.join()
    assert code == 0, said
    config = load_config(beside.folder)
    assert (config.organisation, str(config.validator)) == ("broker", "127.0.0.1:7200")
    assert [peer.organisation for peer in sorted(config.peers)] == [
        "carrier",
        "customs",
        "forwarder",
        "maker",
    ]
    keystore = Keystore(beside.folder / "keys")
    assert set(keystore.names()) >= {"approver", "authority", "capture", "device", "sign", "transport"}
    assert all(path.stat().st_mode & 0o077 == 0 for path in (beside.folder / "keys").iterdir())
    application = tomllib.loads(Path("application-broker.toml").read_text())
    assert application["id"] == "broker"
    assert application["authority"] == keystore.load("authority").public_key.hex()

    settings = beside.member / FILE
    settings.write_text(settings.read_text() + Path("peer-broker.toml").read_text())
    (taken,) = [peer for peer in load_config(beside.member).peers if peer.organisation == "broker"]
    assert taken.transport_key == keystore.load("transport").public_key


def test_joining_again_completes_and_changes_nothing(beside: Beside) -> None:
    assert beside.join()[0] == 0
    before = {path: path.read_bytes() for path in beside.folder.rglob("*") if path.is_file()}
    (beside.folder / "keys" / "device.key").unlink()
    assert beside.join()[0] == 0
    after = {path: path.read_bytes() for path in beside.folder.rglob("*") if path.is_file()}
    changed = {path.name for path in after if after[path] != before[path]}
    assert changed == {"device.key"}
    assert after.keys() == before.keys()
    code, said = beside.join(listen="127.0.0.1:7300")
    assert (code, "there is another" in said) == (2, True)


@pytest.mark.parametrize(
    ("option", "value", "named"),
    [
        ("network", "00" * 32, "[wrong_network]"),
        ("network", "abc", "64 hexadecimal digits"),
        ("organisation", "bro|ker", "organisation id"),
        ("genesis", "nowhere", "genesis at nowhere"),
        ("peers", "nowhere", "file of peers"),
        ("listen", "7200", "host:port"),
    ],
)
def test_what_cannot_be_joined_with_is_named_and_no_key_is_made(
    beside: Beside, option: str, value: str, named: str
) -> None:
    code, said = beside.join(**{option: value})
    assert (code, named in said) == (2, True), said
    assert not list(beside.folder.glob("keys/*"))


@pytest.mark.parametrize(
    "text",
    [
        "x = [", "", "peers = 1", "[[peers]]\norganisation = 1", '[[peers]]\norganisation = "maker"',
        '[[peers]]\norganisation = "a"\naddress = "x:1"\ntransport_key = "00\\"\\n[epcis]"', "\xff",
    ],
)  # fmt: skip
def test_a_file_of_peers_says_nothing_but_peers(beside: Beside, text: str) -> None:
    beside.peers.write_bytes(text.encode("latin-1"))
    code, said = beside.join()
    assert (code, "[malformed]" in said) == (2, True), said
    assert not (beside.folder / FILE).exists()


def test_more_peers_than_are_let_in_are_refused_and_so_is_a_key_twice(beside: Beside) -> None:
    settings = beside.member / FILE
    whole = settings.read_text()

    def table(number: int, key: str) -> str:
        return f'\n[[peers]]\norganisation = "p{number}"\naddress = "h:1"\ntransport_key = "{key}"\n'

    for more, code in ((253, 0), (254, 2)):
        settings.write_text(whole + "".join(table(number, os.urandom(32).hex()) for number in range(more)))
        assert beside.run("peers", "-f", beside.member)[0] == code
    settings.write_text(whole + table(1, "11" * 32) + table(2, "11" * 32))
    code, said = beside.run("peers", "-f", beside.member)
    assert (code, "got one twice" in said) == (2, True)


def test_a_next_transport_key_is_made_once_and_put_in_place(beside: Beside) -> None:
    first = Keystore(beside.member / "keys").load("transport").public_key
    assert beside.run("transport-key", "-f", beside.member)[0] == 2, "sealed or not is to be said"
    code, said = beside.run("transport-key", "-f", beside.member, "--unsealed")
    second = Keystore(beside.member / "keys").load("transport-next").public_key
    assert (code, second.hex() in said) == (0, True), said
    assert "no rotation under way" in beside.run("transport-key", "-f", beside.member, "--unsealed")[1]
    assert first.hex() in beside.run("peers", "-f", beside.member, "--own")[1]
    assert beside.run("transport-key", "-f", beside.member, "--in-place")[0] == 0
    assert second.hex() in beside.run("peers", "-f", beside.member, "--own")[1]
    assert beside.run("transport-key", "-f", beside.member, "--in-place")[0] == 2


def test_a_running_node_reads_its_peers_again_or_leaves_all_as_it_was(tmp_path: Path) -> None:
    async def scenario(network: Network) -> None:
        folder, node = network.made.folders["maker"], network.running["maker"]
        settings = folder / FILE
        whole = settings.read_text()

        async def reload() -> str:
            return "; ".join(await network.clients["maker"].reload())

        assert (await custody_node("reload", "-f", folder)) == (0, "nothing changed\n")
        links = node.mesh.counters.connects
        place = whole.index('\n[[peers]]\norganisation = "carrier"')
        end = whole.index("\n[[peers]]", place + 1)
        settings.write_text(whole[:place] + whole[end:])
        assert await reload() == "carrier is no peer any more"
        await until(lambda: len(node.mesh.connected) == 2)
        assert any("carrier" in warning for warning in (await network.clients["maker"].status()).warnings)

        stranger = f'\n[[peers]]\norganisation = "stranger"\naddress = "127.0.0.1:1"\ntransport_key = "{"22" * 32}"\n'
        settings.write_text(f"clock_offset_ms = 1\n{whole}{stranger}")
        said = await reload()
        assert "carrier at 127.0.0.1" in said
        assert "stranger at 127.0.0.1:1 is a peer now" in said
        assert "count from the next start on" in said
        await until(lambda: len(node.mesh.connected) == 3)
        assert node.mesh.counters.connects == links + 1, "the others noticed nothing"
        assert node.clock.warning() is None

        for wrong in (whole + "[[peers]]\n", whole.replace('"maker"', '"baker"', 1), "x = ["):
            settings.write_text(wrong)
            code, said = await custody_node("reload", "-f", folder)
            assert (code, "custody node: " in said) in ((1, True), (2, True)), said
            assert {peer.organisation for peer in node.company.config.peers} >= {"stranger", "carrier"}
        with pytest.raises(UnavailableError) as refused:
            await network.clients["maker"].reload()
        assert refused.value.code is Code.MALFORMED
        settings.write_text(whole)
        assert await reload() == "stranger is no peer any more"
        (status,) = await network.clients["maker"].submit((network.author().submission((1,)),))
        assert status.height == await network.same_height()

    with_network(tmp_path, scenario)
