"""Debian's Chromium with a virtual authenticator (WebAuthn Level 3 §11), driven through its DevTools protocol."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Page, sync_playwright

from tests.interop.debian import of_package


def browser() -> str | None:
    """The path of Chromium; installed with the distribution's package where CI runs as root without it."""
    return of_package("chromium", lambda: shutil.which("chromium"))


class Authenticator:
    """A platform authenticator that a test holds in its hand: who touches it, whether they are verified, what it counts."""

    def __init__(self, page: Page) -> None:
        self._cdp = page.context.new_cdp_session(page)
        self._cdp.send("WebAuthn.enable")
        options = {
            "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
            "isUserVerified": True, "automaticPresenceSimulation": True,
        }  # fmt: skip
        self._id = self._cdp.send("WebAuthn.addVirtualAuthenticator", {"options": options})["authenticatorId"]

    def _send(self, method: str, **values: Any) -> Any:
        return self._cdp.send(f"WebAuthn.{method}", {"authenticatorId": self._id, **values})

    def verify_user(self, *, is_verified: bool) -> None:
        """Whether who touches it is verified from now on."""
        self._send("setUserVerified", isUserVerified=is_verified)

    @property
    def credential(self) -> dict[str, Any]:
        """The only credential on it."""
        (found,) = self._send("getCredentials")["credentials"]
        return dict(found)

    def set_counter(self, counter: int) -> None:
        """Put the credential back as a copy of it with another counter would be."""
        copy = {**self.credential, "signCount": counter}
        self._send("removeCredential", credentialId=copy["credentialId"])
        self._send("addCredential", credential=copy)


@contextmanager
def browsing(executable: str) -> Iterator[tuple[Page, Authenticator]]:
    """A page, and the authenticator of its browser."""
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        try:
            page = opened.new_context().new_page()
            page.set_default_timeout(60_000)
            yield page, Authenticator(page)
        finally:
            opened.close()
