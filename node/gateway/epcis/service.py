"""What the routes of the EPCIS interface share, and its life beside the gateway's (EPCIS.md §2).

    epcis = EpcisService(gateway, folder.index, identity, tokens)
    app = create_app(gateway, epcis)           the application opens and closes it; `stop` ends what waits

Reading asks for the reader's token, capturing for a capture token. The capture key signs as the organisation and nothing else;
without it (not in the folder, sealed, or not opened) everything but capturing works.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from starlette.requests import Request

from ledger.base.errors import Code, UnavailableError
from ledger.base.keys import SigningKey
from node.gateway.epcis.access import CaptureTokens
from node.gateway.epcis.store import FILE, LocalStore
from node.gateway.service import Gateway


class Identity(NamedTuple):
    """As whom this gateway signs."""

    organisation: str
    key: SigningKey | None
    """The organisation's capture key; None where it could not be opened."""


class EpcisService:
    """The EPCIS interface of one gateway."""

    def __init__(self, gateway: Gateway, folder: Path, identity: Identity, tokens: CaptureTokens) -> None:
        """`folder`: the node's `index/`."""
        self.gateway = gateway
        self.identity = identity
        self.tokens = tokens
        self.store = LocalStore(folder / FILE, ())

    async def open(self) -> None:
        """Open the store, take up what was left unfinished. StorageError."""
        await self.store.open()

    def stop(self) -> None:
        """End what waits for something to happen: the gateway stops."""

    async def close(self) -> None:
        """Give everything up; what is unfinished goes on at the next start."""
        await self.store.close()

    # ---- who may

    async def check_reader(self, request: Request) -> None:
        """Raise EntitlementError(unauthorised) unless the request bears the reader's token."""
        await self.gateway.check_reader(request)

    async def check_capturer(self, request: Request) -> str:
        """The name of the capture token that the request bears; EntitlementError unauthorised."""
        return self.tokens.check(request.headers.get("authorization"))

    async def check_known(self, request: Request) -> None:
        """Raise EntitlementError(unauthorised) unless the request bears the reader's or a capture token."""
        if self.tokens.bearer(request.headers.get("authorization")) is None:
            await self.check_reader(request)

    def signing_key(self) -> SigningKey:
        """The capture key. UnavailableError: this gateway has none."""
        if self.identity.key is None:
            raise UnavailableError(
                Code.UNAVAILABLE,
                "expected this gateway to hold its organisation's capture key, it does not; its log says why. "
                "Capture at another node, or sign and submit",
            )
        return self.identity.key
