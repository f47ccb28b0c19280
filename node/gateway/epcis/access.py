"""Who may capture: bearers of a capture token (EPCIS.md, Capture).

`keys/capture.token` is made with the node; its bearer is called "capture". An operator who wants to know which system captured
puts further tokens beside it, `keys/capture-NAME.token`, each 0600; its bearer is called NAME in the jobs. Removing a file and
starting the gateway again takes the right away.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from node.gateway.access import ReaderToken, make_token, read_token

TOKEN_FILE: Final = "capture.token"  # noqa: S105 - a file's name
_MORE: Final = "capture-*.token"
_FIRST: Final = "capture"


def tokens_in(keys: Path) -> dict[str, ReaderToken]:
    """All tokens in a node's keys folder that let capture, by name; the first is made where there is none. StorageError for one that is not in order."""
    make_token(keys / TOKEN_FILE)
    tokens = {_FIRST: read_token(keys / TOKEN_FILE)}
    for path in sorted(keys.glob(_MORE)):
        tokens[path.stem.removeprefix(f"{_FIRST}-")] = read_token(path)
    return tokens
