"""The registry as a block is about to leave it: today's entries, and what its items set so far (PROTOCOL.md §7.2).

Who may act is judged by the registry in force at the block (`Members`); what an act changes is read and written here, so
that two acts of one block see each other. Everything takes effect from the next height. A refused item, and the items that
a failed transaction takes with it, leave nothing behind: `mark` before, `roll_back` after.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from ledger.base import limits
from ledger.base.errors import Code, RuleError
from ledger.members.registry import Entry, Kind, Registry

Change = tuple[int, str, Any]
T = TypeVar("T")


class Author(NamedTuple):
    """Who acts on the registry, and where on the ledger."""

    network: bytes
    organisation: str
    public_key: bytes
    """The whole key; the registry knows a hybrid one by its id."""
    use: int
    """What the key is registered for (`members.Use`)."""
    height: int
    time_ms: int
    """Block time."""
    seats: tuple[str, ...] = ()
    """The organisations that validate in the epoch of the block."""


class RegistryDraft:
    """What one block's items set, over the registry before it."""

    __slots__ = ("_changes", "_derived", "_height", "_latest", "_registry", "_revisions")

    def __init__(self, registry: Registry, height: int) -> None:
        """`height`: of the block being executed; `registry`: as the block before it left it."""
        self._registry = registry
        self._height = height
        self._changes: list[Change] = []
        self._latest: dict[tuple[int, str], list[Any]] = {}
        """What was set under each name, the last last: a block may hold thousands of acts, and each looks others up."""
        self._revisions: dict[int, int] = {}
        """How often entries of each kind were set or taken back."""
        self._derived: dict[Callable[[RegistryDraft], Any], tuple[tuple[int, ...], Any]] = {}

    def get(self, kind: Kind, name: str) -> Any:
        """The data under (kind, name) as the block's items so far leave it, or None."""
        changed = self._latest.get((kind, name))
        if changed:
            return changed[-1]
        entry = self._registry.exact(kind, name)
        return None if entry is None else entry.at(self._height)

    def entry(self, kind: Kind, name: str) -> Entry | None:
        """The entry with all its periods as it was before this block, or None: whether a name was ever used."""
        return self._registry.exact(kind, name)

    def entries(self, kind: Kind) -> list[Entry]:
        """The entries of one kind with all their periods as they were before this block."""
        return self._registry.of_kind(kind)

    def derived(self, derive: Callable[[RegistryDraft], T], *kinds: Kind) -> T:
        """What `derive` makes of this draft, made anew only once an entry of one of these kinds, all it reads, was set."""
        revisions = tuple(self._revisions.get(kind, 0) for kind in kinds)
        known = self._derived.get(derive)
        if known is None or known[0] != revisions:
            known = self._derived[derive] = revisions, derive(self)
        found: T = known[1]
        return found

    def overlapping(self, digits: str) -> str | None:
        """A grant, even one that ended, which `digits` begin with or which begins with them; None if there is none.

        Whoever sets a grant asks first: a registry whose grants are not prefix-free cannot be.
        """
        for kind, name, _ in self._changes:
            if kind == Kind.GRANT and name != digits and (name.startswith(digits) or digits.startswith(name)):
                return name
        return self._registry.overlapping(digits)

    def all_of(self, kind: Kind) -> dict[str, Any]:
        """All data of one kind in force as the block's items so far leave it, by name in ascending order."""
        found = {entry.name: entry.at(self._height) for entry in self._registry.of_kind(kind)}
        found.update({name: data for changed, name, data in self._changes if changed == kind})
        return {name: found[name] for name in sorted(found) if found[name] is not None}

    def set(self, kind: Kind, name: str, data: Any) -> None:
        """Let (kind, name) stand for `data` from the next height; None ends it. RuleError limit: it changed too often."""
        known = self._registry.exact(kind, name)
        most = limits.KEY_PERIODS if kind == Kind.KEY else limits.REGISTRY_PERIODS
        if data is not None and known is not None and len(known.periods) >= most:
            raise RuleError(
                Code.LIMIT,
                f"expected an entry of the registry that changed less than {most} times, got "
                f"{name[:80]}, which may only end now",
            )
        self._changes.append((int(kind), name, data))
        self._latest.setdefault((int(kind), name), []).append(data)
        self._revisions[int(kind)] = self._revisions.get(int(kind), 0) + 1

    def mark(self) -> int:
        """Where things stand, for `roll_back`."""
        return len(self._changes)

    def roll_back(self, mark: int) -> None:
        """Forget everything that was set since `mark`."""
        while len(self._changes) > mark:
            kind, name, _ = self._changes.pop()
            self._latest[kind, name].pop()
            self._revisions[kind] += 1

    @property
    def changes(self) -> tuple[Change, ...]:
        """What was set: (kind, name, data) each once, as it was set last, in order of (kind, name)."""
        last = {(kind, name): data for kind, name, data in self._changes}
        return tuple((kind, name, last[kind, name]) for kind, name in sorted(last))
