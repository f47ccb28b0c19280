"""Requests to addresses that a client chose, without lending the client this node's place in the network (EPCIS.md "Subscriptions").

A webhook's target is the subscriber's word. A host's name is resolved here, every address it has is judged, and the connection is
made to the address that was judged, so that no second answer of a name server can lead elsewhere (DNS rebinding). Addresses of
this machine, of private and shared networks, link-local ones with the metadata services of clouds, multicast and everything else
that is not the public internet are refused, unless the operator allows the network. Redirects are not followed, proxies of the
environment not used, and what a receiver answers is read up to a cap within one deadline and then forgotten.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from types import TracebackType
from typing import Any, Final, NamedTuple, Self
from urllib.parse import urlsplit

import httpcore

from ledger.base.errors import Code, FormError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

URL_CHARACTERS: Final = 2_048
ANSWER_BYTES: Final = 65_536
ANSWER_S: Final = 15.0
CONNECT_S: Final = 5.0
CONNECTIONS: Final = 64
RESOLVING: Final = 8
"""Names asked for at a time, on threads of their own: a slow name server holds up nothing but receivers."""
IDLE_CONNECTIONS: Final = 16
IDLE_S: Final = 15.0
_PORTS: Final = {"http": 80, "https": 443}
_NAT64: Final = ip_network("64:ff9b::/96")
_PUBLIC: Final = (ip_network("0.0.0.0/0"), ip_network("2000::/3"))
_NOT_PUBLIC: Final = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
        "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
        "224.0.0.0/3", "2001:2::/48", "2001:10::/28", "2001:20::/28", "2001:db8::/32", "3fff::/20",
        "168.63.129.16/32",  # public by its number, and the host's own service in a cloud
    )
)  # fmt: skip
"""IANA's special-purpose addresses, written out: what Python's own words for them cover differs by version."""


class Target(NamedTuple):
    """Where a webhook goes: the URL in the one spelling that is sent and signed, and its parts."""

    url: str
    scheme: str
    host: str
    port: int


class Answer(NamedTuple):
    """What a receiver said: its status and, of its headers, how long to wait."""

    status: int
    retry_after: str | None


class DeliveryError(Exception):
    """No answer was had; the sentence says why and names no address that the client did not give."""


def target_of(url: str) -> Target:
    """The parts of a webhook's address. FormError unless it is an http or https URL with a host and no credentials."""
    wrong = FormError(
        Code.MALFORMED,
        f"dest: expected an http or https URL with a host, of at most {URL_CHARACTERS} characters, "
        f"without user or fragment, got {url[:80]!a}",
    )
    if (
        len(url) > URL_CHARACTERS
        or not url.isascii()
        or any(not "!" <= character <= "~" for character in url)
    ):
        raise wrong
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise wrong from None
    if parts.scheme not in _PORTS or not parts.hostname or "@" in parts.netloc or parts.fragment or port == 0:
        raise wrong
    host = parts.hostname
    port = port or _PORTS[parts.scheme]
    authority = f"[{host}]" if ":" in host else host
    if port != _PORTS[parts.scheme]:
        authority += f":{port}"
    query = f"?{parts.query}" if parts.query else ""
    return Target(f"{parts.scheme}://{authority}{parts.path or '/'}{query}", parts.scheme, host, port)


class Policy:
    """Which addresses may be spoken to: the public internet, and networks that the operator allows."""

    def __init__(self, allowed: Iterable[Network] = ()) -> None:
        self._allowed = tuple(allowed)

    def is_allowed(self, address: Address) -> bool:
        """Whether a connection may be made. An IPv4 address inside an IPv6 one is judged as what it is."""
        inner = _inner(address)
        if any(_within(one, network) for one in (address, inner) for network in self._allowed):
            return True
        return all(_is_public(one) for one in {address, inner})

    def check_literal(self, target: Target) -> None:
        """Refuse early what names an address that may not be spoken to; names are judged when they are resolved."""
        try:
            address = ip_address(target.host)
        except ValueError:
            return
        if not self.is_allowed(address):
            raise FormError(Code.NOT_ENTITLED, f"dest: {refusal(target.host)}")


def refusal(host: str) -> str:
    """Why a host is not spoken to."""
    return (
        f"expected {host[:80]!a} to be an address of the public internet, it is one of this machine or of a private network; "
        "the operator can allow it: [epcis] webhook_allow"
    )


def _inner(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for: mapped, 6to4, Teredo, NAT64; else the address itself."""
    if not isinstance(address, IPv6Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None) or address


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv6Address) and (address.ipv4_mapped or address in _NAT64):
        return True  # its inner address is judged
    return any(_within(address, network) for network in _PUBLIC) and not (
        any(_within(address, network) for network in _NOT_PUBLIC)
        or address.is_private
        or address.is_reserved
        or address.is_multicast
    )


def _within(address: Address, network: Network) -> bool:
    return address.version == network.version and address in network


Resolve = Callable[[str, int], Sequence[str]]
"""A host and a port → the addresses it has, as texts; may take its time."""


def resolve(host: str, port: int) -> Sequence[str]:
    """The addresses of a host, by the operating system. OSError."""
    return [str(one[4][0]) for one in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


class _Judging(httpcore.AsyncNetworkBackend):
    """Connects to addresses that were judged, and to nothing else; TLS still asks for the host's name."""

    def __init__(self, policy: Policy, resolver: Resolve) -> None:
        self._policy = policy
        self._resolve = resolver
        self._backend = httpcore.AnyIOBackend()
        self._threads = ThreadPoolExecutor(RESOLVING, "resolve")

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> httpcore.AsyncNetworkStream:
        """Resolve, judge every address, connect to the first one that answers."""
        try:
            loop = asyncio.get_running_loop()
            texts = await loop.run_in_executor(self._threads, self._resolve, host, port)
            addresses = list(dict.fromkeys(ip_address(text.partition("%")[0]) for text in texts))
        except (OSError, ValueError):
            raise httpcore.ConnectError(f"expected {host!a} to have an address, none was found") from None
        if not addresses or not all(self._policy.is_allowed(address) for address in addresses):
            raise httpcore.ConnectError(refusal(host))
        error: Exception = httpcore.ConnectError("no address")
        for address in addresses[:4]:
            try:
                return await self._backend.connect_tcp(
                    str(address), port, timeout, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as failed:
                error = failed
        raise error

    async def connect_unix_socket(self, *_: Any, **__: Any) -> httpcore.AsyncNetworkStream:
        """Never."""
        raise httpcore.ConnectError("expected a host, got a local socket")

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)

    def close(self) -> None:
        """Resolve no more."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class Outbound:
    """Posts to receivers."""

    def __init__(
        self,
        policy: Policy,
        *,
        resolver: Resolve = resolve,
        answer_s: float = ANSWER_S,
        trust: ssl.SSLContext | None = None,
    ) -> None:
        """`answer_s`: for the whole of a request. `trust`: whose certificates are believed, the system's if not given."""
        self.policy = policy
        self._answer_s = answer_s
        self._backend = _Judging(policy, resolver)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=trust or ssl.create_default_context(),
            max_connections=CONNECTIONS,
            max_keepalive_connections=IDLE_CONNECTIONS,
            keepalive_expiry=IDLE_S,
            network_backend=self._backend,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def post(self, target: Target, headers: Sequence[tuple[str, str]], body: bytes) -> Answer:
        """Send once. DeliveryError where there is no whole head of an answer in time."""
        try:
            async with (
                asyncio.timeout(self._answer_s),
                self._pool.stream(
                    "POST",
                    target.url,
                    headers=[(name, value) for name, value in headers],
                    content=body,
                    extensions={"timeout": {"connect": CONNECT_S}},
                ) as response,
            ):
                await _passed_over(response)
        except TimeoutError:
            raise DeliveryError(f"expected an answer within {self._answer_s:g} s, there was none") from None
        except (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError) as error:
            raise DeliveryError(
                str(error)[:200] or f"the connection failed: {type(error).__name__}"
            ) from None
        except (OSError, ssl.SSLError) as error:
            raise DeliveryError(f"the connection failed: {type(error).__name__}") from None
        retry_after = next(
            (value.decode("latin-1") for name, value in response.headers if name.lower() == b"retry-after"),
            None,
        )
        return Answer(response.status, retry_after)

    async def close(self) -> None:
        """End all connections."""
        await self._pool.aclose()
        self._backend.close()


async def _passed_over(response: httpcore.Response) -> None:
    """Read a body to its end, so that the connection can be used again; no further than the cap."""
    read = 0
    async for part in response.aiter_stream():
        read += len(part)
        if read > ANSWER_BYTES:
            return
