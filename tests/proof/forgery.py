"""What a dishonest prover can do with an honest ledger: build with a lie, or alter what was built."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ledger.base.encoding import decode, encode
from ledger.proof import build as building
from ledger.proof.anchor import Anchor, anchor_from_genesis
from ledger.proof.build import RecordingEvidence, build
from ledger.proof.replay import Opened
from ledger.proof.verify import Findings, verify
from ledger.trade.record import SubjectKey
from tests.world.past import Past
from tests.world.world import World

Path = tuple[int, ...]


def prove(world: World, *keys: SubjectKey) -> bytes:
    """An honest bundle of the world's last checkpoint."""
    return build(Past(world), keys)


def anchor_of(world: World) -> Anchor:
    return anchor_from_genesis(world.genesis)


def check(world: World, *keys: SubjectKey) -> Findings:
    """Build and verify."""
    return verify(prove(world, *keys), anchor_of(world))


def hiding(patch: pytest.MonkeyPatch, hidden: Callable[[Opened, SubjectKey], bool]) -> None:
    """From now on `build` lies: the records before an event for which `hidden` holds are not shown."""

    class Hiding(RecordingEvidence):
        def open(self, entry: bytes) -> Opened:
            found = super().open(entry)
            related = {key: known for key, known in found.related.items() if not hidden(found, key)}
            return found._replace(related=related)

    patch.setattr(building, "RecordingEvidence", Hiding)


# --- a bundle as a tree of values


def unpacked(data: bytes) -> Any:
    return decode(data, max_bytes=64_000_000)


def nodes(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every value inside, with the way to it."""
    yield path, value
    if type(value) is tuple:
        for place, member in enumerate(value):
            yield from nodes(member, (*path, place))


def replaced(value: Any, path: Path, new: Any) -> Any:
    """The value with another one at `path`."""
    if not path:
        return new
    place = path[0]
    return (*value[:place], replaced(value[place], path[1:], new), *value[place + 1 :])


def at(value: Any, path: Path) -> Any:
    for place in path:
        value = value[place]
    return value


def alterations(value: Any) -> Iterator[Any]:
    """What may be put in the place of a value: its members dropped, doubled, swapped; another value, another type."""
    kind = type(value)
    if kind is tuple:
        yield from ((), (None, *value), (*value, None), (*value, ()))
        for place in range(len(value)):
            yield (*value[:place], *value[place + 1 :])
            yield (*value[:place], value[place], *value[place:])
            if place + 1 < len(value):
                yield (*value[:place], value[place + 1], value[place], *value[place + 2 :])
        yield from ("", b"", None)
    elif kind is bool:
        yield from (not value, int(value), None)
    elif kind is int:
        yield from (value + 1, max(0, value - 1), value ^ 128, None, True, False, str(value))
    elif kind is bytes:
        yield from (value + b"\0", value[:-1], bytes(byte ^ 1 for byte in value), b"", value.hex(), None)
    elif kind is str:
        yield from (value + "x", value[:-1], value[::-1], "", value.encode(), None, ())
    else:
        yield from (0, "", (), b"", False)


def mutants(data: bytes, path: Path, node: Any) -> Iterator[bytes]:
    """All encodings of the bundle with that one node altered."""
    whole = unpacked(data)
    for new in alterations(node):
        made = encode(replaced(whole, path, new))
        if made != data:
            yield made
