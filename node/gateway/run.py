"""From a node's folder to a listening gateway, until it is told to stop (DESIGN §6).

It may start before its validator, which it finds by itself, and again whenever that was away. SIGTERM or SIGINT ends it: streams
end at once, requests under way have `STOP_S`, and the process answers with exit code 0.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog
from fastapi import APIRouter

from ledger.base.errors import Code, CustodyError, StorageError
from ledger.base.keys import Signer
from node.config import Address, load_config, load_genesis
from node.gateway.access import TOKEN_FILE, make_token, read_token
from node.gateway.app import create_app
from node.gateway.epcis.access import tokens_in
from node.gateway.epcis.service import EpcisService, Identity
from node.gateway.people import People
from node.gateway.permissions import Role
from node.gateway.reads import Reads
from node.gateway.server import BACKLOG, GatewayServer, connection_class, server_config
from node.gateway.service import Gateway
from node.gateway.signed_requests import SignedRequests
from node.logs import set_up_logs
from node.storage.folder import NodeFolder
from node.storage.keystore import Keystore
from node.storage.read_log import ReadLog
from node.transport import acceptor

STOP_S: Final = 5
HTTP_PORT: Final = 80
OPERATOR_TOKEN: Final = "operator.token"  # noqa: S105 - a file's name
CAPTURE_KEY: Final = "capture"
"""Name and use of the key file."""


def run_gateway(folder: Path, passphrase: bytes | None = None, *, log_level: str = "info") -> None:
    """Serve the gateway of the node in `folder` until a signal ends it.

    `passphrase`: of a sealed capture key. Tokens are made where there are none. Where the index cannot be
    used, everything but the EPCIS interface is served, and the log says why. Raises FormError or StorageError for a folder
    that is not in order, of another network, or with a token that others may read; UnavailableError port_in_use.
    """
    config = load_config(folder)
    network = load_genesis(config).network
    opened = NodeFolder.open(folder, network, lock=False)
    make_token(opened.keys / TOKEN_FILE)
    token = read_token(opened.keys / TOKEN_FILE)
    log = set_up_logs(log_level, role="gateway", organisation=config.organisation)
    _silence_uvicorn()
    listener = listen(config.gateway)
    read_log = ReadLog(opened.files, network)

    def clock_ms() -> int:
        return time.time_ns() // 1_000_000 + config.clock_offset_ms

    reads = Reads(read_log, clock_ms)
    gateway = Gateway(network, token, opened.validator_socket, organisation=config.organisation, noted=reads)
    if (opened.keys / OPERATOR_TOKEN).exists():
        gateway.callers.admit({"operator": read_token(opened.keys / OPERATOR_TOKEN)}, Role.OPERATOR)
    identity = Identity(config.organisation, capture_key(opened.keys, passphrase))
    tokens = tokens_in(opened.keys)
    gateway.callers.signed = SignedRequests(
        gateway.registry,
        config.gateway_origins or (origin_of(config.gateway),),
        clock_ms,
        config.organisation,
    )
    if config.oidc is not None:
        gateway.callers.people = People(config.oidc, config.organisation, lambda: clock_ms() // 1_000)
    epcis = None
    try:
        epcis = EpcisService(
            gateway,
            opened.index,
            identity,
            tokens,
            index_url=config.index_url,
            clock_ms=clock_ms,
            webhook_allow=config.epcis.webhook_allow,
        )
    except StorageError as error:  # the index beside the chain is no reason for a node to stand still
        log.warning("no EPCIS", code=error.code.value, detail=error.message)
    persons = None
    if config.persons_origin is not None:
        persons = _persons(gateway, folder, identity, config.persons_origin, clock_ms)
    server = make_server(gateway, epcis, persons)
    log.info(
        "listening", address=str(config.gateway), network=network.hex(), reads=str(read_log.head),
        reads_cut_bytes=read_log.cut_bytes,
    )  # fmt: skip
    try:
        with suppress(KeyboardInterrupt):
            server.run(sockets=[listener])
    except SystemExit:  # how uvicorn says that the application did not start
        if epcis is None or epcis.failure is None:
            raise
        raise epcis.failure from None
    log.info("stopped", reads=str(read_log.head))


def _persons(
    gateway: Gateway, folder: Path, identity: Identity, origin: str, clock_ms: Callable[[], int]
) -> APIRouter | None:
    """Where persons approve acts; None, and a line in the log, without a capture key. StorageError usage without the extra."""
    if identity.key is None:
        structlog.get_logger("gateway").warning("no persons", detail="no capture key signs approvals")
        return None
    try:
        from node.gateway.persons.serving import serve_persons  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise StorageError(
            Code.USAGE,
            f"expected the extra for approval by persons ({error.name} is missing); pip install 'custody-ledger[persons]'",
        ) from None
    return serve_persons(gateway, folder, identity.organisation, identity.key, origin, clock_ms)


def origin_of(address: Address) -> str:
    """As which clients name a gateway that listens there, and stands behind nothing."""
    host = f"[{address.host}]" if ":" in address.host else address.host
    return f"http://{host}" if address.port == HTTP_PORT else f"http://{host}:{address.port}"


def make_server(
    gateway: Gateway, epcis: EpcisService | None, persons: APIRouter | None = None
) -> GatewayServer:
    """The server over a gateway, with or without the EPCIS interface; to be run with its listening sockets."""
    connections = connection_class(gateway.metrics.slow_readers.inc)

    def stop() -> None:
        gateway.stop()
        if epcis is not None:
            epcis.stop()

    return GatewayServer(server_config(create_app(gateway, epcis, persons), connections, stop_s=STOP_S), stop)


def capture_key(keys: Path, passphrase: bytes | None) -> Signer | None:
    """The key that signs what clients capture; without it the gateway serves everything else, and says so once."""
    try:
        return Keystore(keys).load(CAPTURE_KEY, passphrase, use=CAPTURE_KEY)
    except CustodyError as error:
        structlog.get_logger("gateway").warning("no capture", code=error.code.value, detail=error.message)
        return None


def listen(address: Address) -> socket.socket:
    """A listening socket with the gateway's backlog. UnavailableError: port_in_use, unavailable."""
    return acceptor.listen(address.host, address.port, backlog=BACKLOG)


def _silence_uvicorn() -> None:
    """What it would log stands in our own lines, as JSON and without addresses of requests."""
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers = [logging.NullHandler()]
        logger.propagate = False
        logger.setLevel(logging.CRITICAL)
