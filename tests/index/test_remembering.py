"""What the index remembers of events is of words, not of those who say them: its memory is bounded whatever they bring along."""

from __future__ import annotations

import gc
import json
import weakref
from typing import Any

from ledger.trade.extract.context import Prefixes, prefixes_of
from node.index import facets
from node.index.facets import derive

EVENT: dict[str, Any] = {
    "type": "ObjectEvent",
    "bizStep": "w:bizstep-shipping",
    "readPoint": {"id": "w:place"},
    "bizTransactionList": [{"type": "po", "bizTransaction": "urn:x:1"}],
}


def test_no_context_is_kept_for_the_words_said_under_it() -> None:
    """One of 64 KB takes 600 KB once it is read, and every transaction may have another."""
    kept: list[weakref.ref[Prefixes]] = []
    for number in range(80):
        context = json.dumps({"w": f"urn:{number}:", "x": "urn:x:"}).encode()
        derive(json.dumps(EVENT).encode(), context)
        kept.append(weakref.ref(prefixes_of(context)))
    prefixes_of.cache_clear()
    gc.collect()
    assert [one for one in kept if one() is not None] == []


def test_no_long_text_is_remembered() -> None:
    facets._remembered_document.cache_clear()
    long = "urn:x:" + "a" * 100_000
    event = {
        "type": "ObjectEvent",
        "bizStep": long,
        "bizLocation": {"id": long},
        "bizTransactionList": [{"type": long, "bizTransaction": "urn:x:1"}, {"bizTransaction": long}],
    }
    assert len(derive(json.dumps(event).encode(), None).facets) == 5
    assert facets._remembered_document.cache_info().currsize == 0
