"""Where a webhook may go: never into the operator's own network by any spelling, any name, any later answer of a name server."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path

import httpcore
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from ledger.base.errors import Code, FormError
from node.gateway.epcis.subscriptions.outbound import DeliveryError, Outbound, Policy, target_of
from tests.gateway.epcis.webhook_stage import LOOPBACK, Behaviour, Got, Receiver, says

REFUSED = [
    "127.0.0.1", "127.255.0.1", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.5.4", "172.31.255.255", "192.168.1.1",
    "169.254.169.254", "168.63.129.16",  # metadata of clouds
    "100.64.0.1", "100.100.100.200",  # shared address space, and metadata in it
    "192.0.0.192", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.1.2.3", "240.0.0.1",
    "255.255.255.255",
    "::", "::1", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "fec0::1", "2001:db8::1", "100::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254",
    "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",  # NAT64 of 127.0.0.1 and 169.254.169.254
    "2002:7f00:1::", "2002:a00:1::1",  # 6to4
    "2001:0:7f00:1:0:0:f5ff:fffe",  # Teredo of 10.0.0.1
    "::127.0.0.1",
]  # fmt: skip
ALLOWED = [
    "8.8.8.8",
    "1.1.1.1",
    "93.184.216.34",
    "172.32.0.1",
    "100.128.0.1",
    "2606:4700::1111",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
]


@pytest.mark.parametrize("text", REFUSED)
def test_addresses_that_are_not_of_the_public_internet(text: str) -> None:
    assert not Policy().is_allowed(ip_address(text))


@pytest.mark.parametrize("text", ALLOWED)
def test_addresses_that_are(text: str) -> None:
    assert Policy().is_allowed(ip_address(text))


def test_what_the_operator_allows_and_no_more() -> None:
    policy = Policy([ip_network("10.1.0.0/16"), ip_network("fd00::/8"), ip_network("127.0.0.1")])
    for text in ("10.1.2.3", "fd12::1", "127.0.0.1", "::ffff:10.1.2.3", "8.8.8.8"):
        assert policy.is_allowed(ip_address(text))
    for text in ("10.2.0.1", "127.0.0.2", "::1", "fc00::1", "::ffff:10.2.0.1"):
        assert not policy.is_allowed(ip_address(text))


@given(st.ip_addresses())
def test_no_address_that_this_machine_could_route_at_home_is_public(address: object) -> None:
    """Against the standard library's own words for them."""
    found = ip_address(str(address))
    if Policy().is_allowed(found):
        assert not found.is_private
        assert not found.is_link_local
        assert not found.is_multicast


@pytest.mark.parametrize(
    "url",
    [
        "", "hook", "/hook", "//host/hook", "ftp://host/", "file:///etc/passwd", "gopher://host/", "http://", "http:///hook",
        "http://user@host/", "http://user:secret@host/", "http://host/#part", "http://host:0/", "http://host:65536/", "http://host:x/",
        "http://ho st/", "http://host/\n", "http://höst/", "http://[::1/", "http://host/" + "x" * 2048, "javascript:alert(1)",
    ],
)  # fmt: skip
def test_what_is_no_address_of_a_receiver(url: str) -> None:
    with pytest.raises(FormError, match="dest: expected"):
        target_of(url)


def test_an_address_is_signed_as_it_is_sent() -> None:
    assert target_of("https://Example.COM").url == "https://example.com/"
    assert target_of("HTTP://host:80?a=b").url == "http://host/?a=b"
    assert target_of("https://host:8443/x%20y?z").url == "https://host:8443/x%20y?z"
    assert target_of("https://[2606:4700::1111]:443/").url == "https://[2606:4700::1111]/"


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "169.254.169.254", "[::ffff:10.0.0.1]"])
def test_an_address_that_is_refused_is_refused_when_it_is_asked_for(host: str) -> None:
    with pytest.raises(FormError, match="webhook_allow") as caught:
        Policy().check_literal(target_of(f"http://{host}/"))
    assert caught.value.code == Code.NOT_ENTITLED


def post(url: str, policy: Policy, addresses: Sequence[str]) -> int | str:
    """Status or reason, by a name server that says `addresses`."""

    async def act() -> int | str:
        async with Outbound(policy, resolver=lambda host, port: addresses) as outbound:
            try:
                return (await outbound.post(target_of(url), [], b"")).status
            except DeliveryError as error:
                return str(error)

    return asyncio.run(act())


@pytest.mark.parametrize(
    "host", ["localhost", "2130706433", "0x7f.1", "0177.0.0.1", "127.1", "receiver.example"]
)
def test_names_and_odd_spellings_are_judged_by_what_they_resolve_to(host: str) -> None:
    """With the operating system's own resolver for all but the last."""

    async def act() -> None:
        resolver = {"receiver.example": lambda host, port: ["93.184.216.34", "10.0.0.1"]}.get(host)
        options = {} if resolver is None else {"resolver": resolver}
        async with Receiver() as receiver, Outbound(Policy(), **options) as outbound:  # type: ignore[arg-type]
            with pytest.raises(DeliveryError, match=r"expected .* to"):
                await outbound.post(target_of(f"http://{host}:{receiver.port}/"), [], b"")
            assert not receiver.got

    asyncio.run(act())


def test_the_connection_goes_to_the_address_that_was_judged() -> None:
    """A name server that answers otherwise the second time is not asked a second time."""

    async def act() -> None:
        answers = [["127.0.0.1"], ["127.0.0.2"], ["10.0.0.1"]]
        async with (
            Receiver() as receiver,
            Outbound(
                Policy([ip_network("127.0.0.1")]), resolver=lambda host, port: answers.pop(0)
            ) as outbound,
        ):
            target = target_of(f"http://rebinding.example:{receiver.port}/hook")
            assert (await outbound.post(target, [], b"1")).status == 204
            assert (await outbound.post(target, [], b"2")).status == 204  # the connection that there is
            assert len(answers) == 2
            assert [got.headers["host"] for got in receiver.got] == [f"rebinding.example:{receiver.port}"] * 2
        async with (
            Receiver() as receiver,
            Outbound(
                Policy([ip_network("127.0.0.1")]), resolver=lambda host, port: answers.pop(0)
            ) as outbound,
        ):
            with pytest.raises(DeliveryError, match="private network"):
                await outbound.post(target_of(f"http://rebinding.example:{receiver.port}/hook"), [], b"3")
            assert not receiver.got

    asyncio.run(act())


def test_a_socket_is_opened_to_an_address_that_was_judged_and_to_no_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else who connects would ask the name server once more."""
    opened = []

    async def connect_tcp(self: object, host: str, *_: object) -> httpcore.AsyncNetworkStream:
        opened.append(host)
        raise httpcore.ConnectError("not here")

    monkeypatch.setattr(httpcore.AnyIOBackend, "connect_tcp", connect_tcp)
    assert post("http://receiver.example/", Policy(), ["93.184.216.34", "2606:4700::1111"]) == "not here"
    assert opened == ["93.184.216.34", "2606:4700::1111"]


def test_names_without_an_address() -> None:
    assert "to have an address" in str(post("http://nowhere.example/", Policy(), ["no address"]))
    assert "private network" in str(post("http://nowhere.example/", Policy(), []))


def test_redirects_are_answers_and_proxies_of_the_environment_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def act() -> None:
        async with Receiver() as elsewhere, Receiver([says(302, f"Location: {elsewhere.url}")]) as receiver:
            monkeypatch.setenv("HTTP_PROXY", elsewhere.url)
            monkeypatch.setenv("ALL_PROXY", elsewhere.url)
            async with Outbound(LOOPBACK) as outbound:
                assert (await outbound.post(target_of(receiver.url), [], b"")).status == 302
            assert not elsewhere.got

    asyncio.run(act())


def test_an_answer_is_read_up_to_a_cap_and_within_its_time() -> None:
    async def act() -> None:
        async def drips(got: Got) -> bytes:
            await asyncio.sleep(60)
            return b""

        endless = (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"4000\r\n" + b"x" * 0x4000 + b"\r\n"
        )
        more = endless + (b"4000\r\n" + b"x" * 0x4000 + b"\r\n") * 10
        script: list[bytes | Behaviour] = [
            endless + b"0\r\n\r\n",
            more,
            endless,
            says(200, "Retry-After: 7"),
            drips,
        ]
        async with Receiver(script) as receiver, Outbound(LOOPBACK, answer_s=0.2) as outbound:
            target = target_of(receiver.url)
            assert (await outbound.post(target, [], b"")).status == 200
            assert (
                await outbound.post(target, [], b"")
            ).status == 200  # what is beyond the cap is not waited for
            with pytest.raises(DeliveryError, match=r"within 0\.2 s"):
                await outbound.post(target, [], b"")
            assert (await outbound.post(target, [], b"")).retry_after == "7"
            with pytest.raises(DeliveryError, match=r"within 0\.2 s"):
                await outbound.post(target, [], b"")

    asyncio.run(act())


def test_a_receiver_with_a_certificate_of_nobody_is_no_receiver(tmp_path: Path) -> None:
    async def act() -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        certificate(tmp_path)
        context.load_cert_chain(tmp_path / "cert.pem")
        trusting = ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))
        server = await asyncio.start_server(_accepts, "127.0.0.1", 0, ssl=context)
        port = server.sockets[0].getsockname()[1]
        async with server:
            for trust, host, is_good in (
                (None, "receiver.example", False),
                (trusting, "other.example", False),
                (trusting, "receiver.example", True),
            ):
                resolver = {"resolver": lambda host, port: ["127.0.0.1"]}
                async with Outbound(LOOPBACK, trust=trust, **resolver) as outbound:  # type: ignore[arg-type]
                    sent = outbound.post(target_of(f"https://{host}:{port}/"), [], b"")
                    if is_good:
                        assert (await sent).status == 204
                    else:
                        with pytest.raises(DeliveryError, match="CERTIFICATE_VERIFY_FAILED"):
                            await sent

    asyncio.run(act())


async def _accepts(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(says(204))
    await writer.drain()
    writer.close()


def certificate(folder: Path) -> None:
    """Key and certificate of receiver.example, signed by itself."""
    now = datetime.now(UTC)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "receiver.example")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("receiver.example")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + made.public_bytes(
        Encoding.PEM
    )
    (folder / "cert.pem").write_bytes(text)
