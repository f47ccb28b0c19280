"""Who may capture: bearers of a capture token (EPCIS.md, Capture).

`keys/capture.token` is made with the node; its bearer is called "capture". An operator who wants to know which system captured
puts further tokens beside it, `keys/capture-NAME.token`, each 0600; its bearer is called NAME in the jobs. Removing a file and
starting the gateway again takes the right away.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from ledger.base.errors import Code, EntitlementError
from node.gateway.access import ReaderToken, make_token, read_token

TOKEN_FILE: Final = "capture.token"  # noqa: S105 - a file's name
_MORE: Final = "capture-*.token"
_FIRST: Final = "capture"


class CaptureTokens:
    """All tokens that let capture, by name."""

    def __init__(self, tokens: Mapping[str, ReaderToken]) -> None:
        self._tokens = dict(tokens)

    def bearer(self, authorization: str | None) -> str | None:
        """The name of the token that an Authorization header bears, None if it is none of these."""
        borne = [name for name, token in self._tokens.items() if token.is_borne_by(authorization)]
        return borne[0] if borne else None

    def check(self, authorization: str | None) -> str:
        """The bearer's name; EntitlementError unauthorised."""
        name = self.bearer(authorization)
        if name is None:
            came = "another token" if authorization else "none"
            raise EntitlementError(
                Code.UNAUTHORISED,
                f"expected 'Authorization: Bearer <token>' with the token in this node's keys/{TOKEN_FILE}, got {came}",
            )
        return name


def tokens_in(keys: Path) -> CaptureTokens:
    """The tokens in a node's keys folder; the first is made where there is none. StorageError for one that is not in order."""
    make_token(keys / TOKEN_FILE)
    tokens = {_FIRST: read_token(keys / TOKEN_FILE)}
    for path in sorted(keys.glob(_MORE)):
        tokens[path.stem.removeprefix(f"{_FIRST}-")] = read_token(path)
    return CaptureTokens(tokens)
