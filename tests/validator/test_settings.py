"""node.toml, the clock, and what gateway and validator say to each other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.base.encoding import encode
from ledger.base.errors import Code, CustodyError, FormError
from ledger.trade.record import Space, SubjectKey
from node.config import load_config, load_genesis, transport_pin
from node.init import create_network, gln
from node.local import protocol
from node.validator.clock import Clock
from node.validator.host import REAL


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return create_network(tmp_path_factory.mktemp("net") / "net", state_depth=8).folders["maker"]


def test_a_made_folder_is_in_order(folder: Path) -> None:
    config = load_config(folder)
    genesis = load_genesis(config)
    assert [peer.organisation for peer in config.peers] == ["carrier", "customs", "forwarder"]
    assert (config.validator.port, config.gateway.port) == (7103, 8103)
    pins = {seat.organisation: seat.tls_pin for seat in genesis.validators}
    assert all(transport_pin(peer.transport_key) == pins[peer.organisation] for peer in config.peers)
    assert genesis.parameter("heartbeat_ms") == 30_000
    assert {path.name for path in folder.iterdir()} >= {"keys", "chain", "votes", "payload", "state", "run"}
    assert all(path.stat().st_mode & 0o077 == 0 for path in (folder / "keys").iterdir())


def test_a_gateway_is_named_as_its_clients_name_it(folder: Path, tmp_path: Path) -> None:
    assert load_config(folder).gateway_origins == ()
    named = '[gateway]\norigins = ["https://gateway.example", "http://[::1]:8100"]'
    (tmp_path / "node.toml").write_text((folder / "node.toml").read_text().replace("[gateway]", named))
    assert load_config(tmp_path).gateway_origins == ("https://gateway.example", "http://[::1]:8100")


def test_a_network_is_never_made_over_another(folder: Path) -> None:
    with pytest.raises(CustodyError) as refused:
        create_network(folder.parent)
    assert refused.value.code is Code.USAGE


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('organisation = "maker"', 'organization = "maker"', "organisation"),
        ('organisation = "maker"', 'organisation = "maker"\ncolour = 1', "colour"),
        ('organisation = "maker"', 'organisation = "no body"', "organisation"),
        ('organisation = "carrier"', 'organisation = "car|rier"', "organisation"),
        ('listen = "127.0.0.1:7103"', 'listen = "127.0.0.1:70000"', "validator.listen"),
        ('listen = "127.0.0.1:7103"', "listen = 7103", "validator.listen"),
        ('organisation = "carrier"', 'organisation = "maker"', "peers"),
        ('transport_key = "', 'transport_key = "00', "transport_key"),
        ("[gateway]", "[gateway", "TOML"),
        ("[gateway]", '[epcis]\nwebhook_allow = ["10.1.0.1/16"]\n[gateway]', "epcis.webhook_allow"),
        ("[gateway]", '[epcis]\nwebhook_allow = "10.1.0.0/16"\n[gateway]', "epcis.webhook_allow"),
        ("[gateway]", "[epcis]\nwebhook_alow = []\n[gateway]", "epcis.webhook_alow"),
        ('genesis = "genesis.custody"', 'genesis = "elsewhere"', "genesis"),
        ("[gateway]", '[gateway]\norigins = "https://gateway.example"', "gateway.origins"),
        ("[gateway]", '[gateway]\norigins = ["https://gateway.example/"]', "gateway.origins"),
        ("[gateway]", '[gateway]\norigins = ["https://gateway.example:443"]', "gateway.origins"),
        ("[gateway]", '[gateway]\norigins = ["https://Gateway.example"]', "gateway.origins"),
        ("[gateway]", '[gateway]\norigins = ["https://one", "http://one"]', "gateway.origins"),
    ],
)
def test_a_wrong_setting_is_named(folder: Path, tmp_path: Path, old: str, new: str, named: str) -> None:
    settings = (folder / "node.toml").read_text()
    assert old in settings
    (tmp_path / "node.toml").write_text(settings.replace(old, new, 1))
    (tmp_path / "genesis.custody").write_bytes((folder / "genesis.custody").read_bytes())
    with pytest.raises(FormError) as refused:
        load_genesis(load_config(tmp_path))
    assert named in refused.value.message


def test_no_folder_and_no_genesis_are_said(tmp_path: Path) -> None:
    with pytest.raises(FormError) as refused:
        load_config(tmp_path)
    assert refused.value.code is Code.USAGE


def test_numbers_become_valid_glns() -> None:
    for number in (1, 42, 123_456_789):
        digits = [int(digit) for digit in gln(number)]
        assert len(digits) == 13
        assert (sum(digits[0::2]) + 3 * sum(digits[1::2])) % 10 == 0


# ---- clock


@pytest.mark.parametrize(("behind_ms", "side"), [(3_600_000, "behind"), (-3_600_000, "ahead of")])
def test_a_clock_is_off_only_if_more_than_f_peers_say_so(behind_ms: int, side: str) -> None:
    clock = Clock(-behind_ms, 1)
    right = clock.wall_ms() + behind_ms
    clock.saw(1, right)
    assert clock.warning() is None
    clock.saw(1, right)
    assert clock.warning() is None
    clock.saw(2, right)
    warning = clock.warning()
    assert warning is not None
    assert side in warning
    clock.saw(2, clock.wall_ms())
    assert clock.warning() is None


@pytest.mark.parametrize(
    ("ahead_ms", "means"),
    [
        (4_000, None),
        (6_000, "no block it proposes"),
        (29_000, "no block it proposes"),
        (31_000, "cannot vote"),
    ],
)
def test_a_clock_ahead_by_what_costs_its_proposals_is_said(ahead_ms: int, means: str | None) -> None:
    clock = Clock(ahead_ms, 1)
    for peer in (1, 2):
        clock.saw(peer, clock.wall_ms() - ahead_ms)
    warning = clock.warning()
    assert warning is None if means is None else warning is not None and means in warning


def test_a_block_proposed_again_says_nothing_of_the_clock() -> None:
    now = [1_000_000]
    clock = Clock(0, 1, replace(REAL, monotonic_ms=lambda: now[0], wall_ms=lambda: now[0]))
    for peer in (1, 2):
        clock.saw(peer, 1_000_000)
    now[0] += 60_000
    for peer in (1, 2):
        clock.saw(peer, 1_000_000)
    assert clock.warning() is None


def test_a_jump_of_the_clock_shows_before_anybody_proposes_again_and_so_does_setting_it_right() -> None:
    jump = [0]
    clock = Clock(0, 1, replace(REAL, monotonic_ms=lambda: 5, wall_ms=lambda: 1_000_000 + jump[0]))
    for peer in (1, 2):
        clock.saw(peer, 1_000_000)
    for jump[0], side in ((40_000, "ahead of"), (-40_000, "behind")):
        assert side in str(clock.warning())
    jump[0] = 0
    assert clock.warning() is None


def test_lying_peers_on_both_sides_say_nothing() -> None:
    clock = Clock(0, 1)
    clock.saw(1, clock.wall_ms() + 3_600_000)
    clock.saw(2, clock.wall_ms() - 3_600_000)
    assert clock.warning() is None


# ---- the local protocol

KEY = SubjectKey(Space.THING, "https://id.gs1.org/01/09521234000013/21/1")
REQUESTS: list[protocol.Request] = [
    protocol.Submit(
        (protocol.Submission(b"t", (b"c",), (protocol.OpenBytes(b"s", 0, b"e", ("maker",)),)),),
        protocol.WaitFor.FINAL,
    ),
    protocol.GetTransactions((bytes(32),)),
    protocol.Follow(7, 50),
    protocol.GetBlock(7),
    protocol.GetCheckpoint(None),
    protocol.GetCheckpoint(7),
    protocol.GetRecord(KEY),
    protocol.GetHistory(KEY, True, 1, 10),
    protocol.GetPayloads((bytes(32),)),
    protocol.Prove((KEY,), True),
    protocol.GetGenesis(),
    protocol.GetStatus(),
    protocol.GetMetrics(),
    protocol.GetRegistry(),
]


@pytest.mark.parametrize("request_made", REQUESTS, ids=lambda request: type(request).__name__)
def test_every_request_arrives_as_it_was_made(request_made: protocol.Request) -> None:
    number, arrived = protocol.decode_request(protocol.encode_request(9, request_made))
    assert number == 9
    assert arrived == request_made
    assert type(arrived) is type(request_made)


@given(st.binary(max_size=100))
def test_any_bytes_are_no_request(data: bytes) -> None:
    with pytest.raises(FormError):
        protocol.decode_request(data)


@given(
    st.integers(0, 20),
    st.recursive(
        st.none() | st.integers(0, 9) | st.binary(max_size=4) | st.text(max_size=4),
        lambda inner: st.lists(inner, max_size=4),
    ),
)
def test_any_value_is_a_request_or_an_error_to_answer_with(operation: int, value: Any) -> None:
    number, request = protocol.decode_request(encode((1, operation, value)))
    assert number == 1
    assert isinstance(request, FormError | protocol.Request)


def test_faults_and_status_arrive_as_they_were_made() -> None:
    assert protocol.decode_fault(protocol.encode_fault(3, Code.UNAVAILABLE, "why")) == (
        3,
        Code.UNAVAILABLE,
        "why",
    )
    status = protocol.NodeStatus(
        bytes(32), "net", "maker", "ready", 1, 2, 3, 4, "maker", 5, 6,
        (protocol.PeerStatus("carrier", "127.0.0.1:1", True),), ("warned",), 7, 8, 3, True, 2,
    )  # fmt: skip
    number, value = protocol.decode_answer(protocol.encode_answer(1, status))
    assert (number, protocol.parse_status(value)) == (1, status)
    with pytest.raises(FormError):
        protocol.parse_status((*value[:3], 1, *value[4:]))
