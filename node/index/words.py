"""Words of the CBV in their bare form, whatever their spelling, so that they compare (CBV 2.0 §7, §8; EPCIS.md, Index)."""

from __future__ import annotations

from typing import Final

_URN: Final = "urn:epcglobal:cbv:"
_WEB: Final = ("https://ref.gs1.org/cbv/", "https://ns.gs1.org/cbv/", "http://ns.gs1.org/cbv/")
_VOCABULARY: Final = ("https://gs1.org/voc/", "https://www.gs1.org/voc/", "http://gs1.org/voc/")
_URN_KINDS: Final = frozenset({"bizstep", "disp", "btt", "sdt", "er"})
_WEB_KINDS: Final = frozenset({"BizStep", "Disp", "BTT", "SDT", "ER"})
_EPCIS: Final = ("https://ref.gs1.org/epcis/", "https://ns.gs1.org/epcis/")


def bare(word: str) -> str:
    """A word of the CBV or the GS1 Web Vocabulary without what it stands under; another text unchanged."""
    if ":" not in word:
        return word
    if word.startswith(_URN):
        kind, _, rest = word[len(_URN) :].partition(":")
        return rest if kind in _URN_KINDS and rest else word
    for namespace in _WEB:
        if word.startswith(namespace):
            kind, _, rest = word[len(namespace) :].partition("-")
            return rest if kind in _WEB_KINDS and rest else word
    for namespace in _VOCABULARY:
        if word.startswith(namespace):
            return word[len(namespace) :] or word
    return word


def bare_type(name: str) -> str:
    """The short name of an event type of EPCIS; another text unchanged."""
    for namespace in _EPCIS:
        if name.startswith(namespace):
            return name[len(namespace) :] or name
    return name
