"""From a node's folder to a listening gateway, until it is told to stop (DESIGN §6).

It may start before its validator, which it finds by itself, and again whenever that was away. SIGTERM or SIGINT ends it: streams
end at once, requests under way have `STOP_S`, and the process answers with exit code 0.
"""

from __future__ import annotations

import errno
import logging
import socket
from contextlib import suppress
from pathlib import Path
from typing import Final

from ledger.base.errors import Code, UnavailableError
from node.config import Address, load_config, load_genesis
from node.gateway.access import TOKEN_FILE, make_token, read_token
from node.gateway.app import create_app
from node.gateway.server import BACKLOG, GatewayServer, connection_class, server_config
from node.gateway.service import Gateway
from node.logs import set_up_logs
from node.storage.folder import NodeFolder

STOP_S: Final = 5


def run_gateway(folder: Path, *, log_level: str = "info") -> None:
    """Serve the gateway of the node in `folder` until a signal ends it.

    A reader's token is made where there is none. Raises FormError or StorageError for a folder that is not in order, of
    another network, or with a token that others may read; UnavailableError port_in_use.
    """
    config = load_config(folder)
    network = load_genesis(config).network
    opened = NodeFolder.open(folder, network, lock=False)
    make_token(opened.keys / TOKEN_FILE)
    token = read_token(opened.keys / TOKEN_FILE)
    log = set_up_logs(log_level, role="gateway", organisation=config.organisation)
    _silence_uvicorn()
    listener = listen(config.gateway)
    gateway = Gateway(network, token, opened.validator_socket)
    server = make_server(gateway)
    log.info("listening", address=str(config.gateway), network=network.hex())
    with suppress(KeyboardInterrupt):
        server.run(sockets=[listener])
    log.info("stopped")


def make_server(gateway: Gateway) -> GatewayServer:
    """The server over a gateway; to be run with its listening sockets."""
    connections = connection_class(gateway.metrics.slow_readers.inc)
    return GatewayServer(
        server_config(create_app(gateway), connections, stop_s=STOP_S), gateway.followers.stop
    )


def listen(address: Address) -> socket.socket:
    """A listening socket. UnavailableError: port_in_use, unavailable."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address.host, address.port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise UnavailableError(
                Code.PORT_IN_USE,
                f"expected to listen on {address}, another process does; choose another port in the gateway's settings",
            ) from None
        raise UnavailableError(
            Code.UNAVAILABLE, f"expected to listen on {address}: {error.strerror or error}"
        ) from None
    return listener


def _silence_uvicorn() -> None:
    """What it would log stands in our own lines, as JSON and without addresses of requests."""
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers = [logging.NullHandler()]
        logger.propagate = False
        logger.setLevel(logging.CRITICAL)
