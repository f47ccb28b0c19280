"""Text as XML holds it, and what XML cannot hold (EPCIS.md, Forms; XML 1.0 §2.2, §2.3)."""

from __future__ import annotations

import re
from typing import Final

_FORBIDDEN: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# Letters that every parser takes in a name, by the narrower tables of XML 1.0 before its fifth edition.
_NAME: Final = re.compile(
    "[A-Za-z_\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u0131\u0391-\u03a1\u03a3-\u03ce\u0410-\u044f\u4e00-\u9fa5]"
    "[A-Za-z0-9._\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u0131\u0391-\u03a1\u03a3-\u03ce\u0410-\u044f\u4e00-\u9fa5-]*"
)
_IN_TEXT: Final = {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;", ord("\r"): "&#13;"}
_IN_ATTRIBUTE: Final = _IN_TEXT | {ord('"'): "&quot;", ord("\n"): "&#10;", ord("\t"): "&#9;"}


class UnsayableError(Exception):
    """A value that this place in XML cannot hold."""


def in_text(text: str) -> str:
    """Text between tags. Raises UnsayableError for a character that XML does not have."""
    if _FORBIDDEN.search(text) is not None:
        raise UnsayableError
    return text.translate(_IN_TEXT)


def in_attribute(text: str) -> str:
    """Text between double quotes. Raises UnsayableError for a character that XML does not have."""
    if _FORBIDDEN.search(text) is not None:
        raise UnsayableError
    return text.translate(_IN_ATTRIBUTE)


def json_safe(text: str) -> str:
    """JSON text of characters that XML has: others can only stand in its strings, and are escaped as JSON does it."""
    return _FORBIDDEN.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def is_name(text: str) -> bool:
    """Whether this can be a prefix or a local name that is nobody's reserved one."""
    return _NAME.fullmatch(text) is not None and text[:3] not in {"xml", "XML"}
