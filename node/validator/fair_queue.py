"""What waits to be put into batches: whose turn it is, and how much anybody may have waiting (WIRE_LOCAL.md §3).

By organisation: each has a lane of its own, in the order of handing in, and lanes are served by deficit round robin
(Shreedhar and Varghese, 1995): in a round each gets the same work done, however many or large the transactions of the others
are, and what it does not use is not saved up while it has nothing waiting.

Room is shared by a threshold that moves with what is free (Choudhury and Hahne, 1998): an organisation may have as much
waiting as is free besides. One that floods gets half of the room, two a third each, k leave 1/(k+1) to whoever comes next.

Invariants: no more than `most_bytes` wait; a lane is there if and only if something waits in it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Final, Generic, Protocol, TypeVar

QUANTUM: Final = 250
"""Work that a lane gets done in a round: one subject, or one transaction, is one."""


class Waiting(Protocol):
    """One transaction that waits."""

    @property
    def organisation(self) -> str:
        """Whose lane it waits in."""

    @property
    def work(self) -> int:
        """What it costs to order and execute, about."""

    @property
    def size(self) -> int:
        """Bytes of memory it takes, about."""


T = TypeVar("T", bound=Waiting)


class _Lane(Generic[T]):
    """What one organisation has waiting."""

    __slots__ = ("deficit", "size", "waiting", "work")

    def __init__(self) -> None:
        self.waiting: deque[T] = deque()
        self.deficit = QUANTUM
        self.size = 0
        self.work = 0


class FairQueue(Generic[T]):
    """Lanes in the order in which their turns come."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._lanes: dict[str, _Lane[T]] = {}
        self.size = 0
        """Bytes that wait."""

    def __len__(self) -> int:
        return sum(len(lane.waiting) for lane in self._lanes.values())

    def __bool__(self) -> bool:
        return bool(self._lanes)

    def __iter__(self) -> Iterator[T]:
        """All that wait, lane by lane."""
        for lane in self._lanes.values():
            yield from lane.waiting

    def has_room(self, organisation: str, size: int) -> bool:
        """Whether `size` more bytes of an organisation may wait."""
        lane = self._lanes.get(organisation)
        held = 0 if lane is None else lane.size
        return held + size <= self._most_bytes - self.size

    def is_tight(self, size: int) -> bool:
        """Whether there may be somebody who has no room for `size` more bytes."""
        return 2 * self.size + size > self._most_bytes

    def work_before(self, organisation: str) -> int:
        """About how much work is done before one more transaction of an organisation leaves: its own, and as much of others."""
        own = self._lanes.get(organisation)
        ahead = QUANTUM if own is None else own.work
        return ahead + sum(min(ahead, lane.work) for lane in self._lanes.values() if lane is not own)

    def append(self, one: T) -> None:
        """Let it wait in its lane; whether there is room is for the caller to ask before."""
        lane = self._lanes.setdefault(one.organisation, _Lane())
        lane.waiting.append(one)
        lane.size += one.size
        lane.work += one.work
        self.size += one.size

    def first(self) -> T | None:
        """The one whose turn it is, None if none waits."""
        while self._lanes:
            organisation, lane = next(iter(self._lanes.items()))
            if lane.deficit >= lane.waiting[0].work:
                return lane.waiting[0]
            lane.deficit += QUANTUM
            self._lanes[organisation] = self._lanes.pop(organisation)  # behind all others
        return None

    def pop(self) -> T:
        """Take out the one whose turn it is."""
        one = self.first()
        if one is None:
            raise IndexError("expected somebody to wait")
        lane = self._lanes[one.organisation]
        lane.waiting.popleft()
        lane.deficit -= one.work
        lane.size -= one.size
        lane.work -= one.work
        self.size -= one.size
        if not lane.waiting:
            del self._lanes[one.organisation]
        return one

    def clear(self) -> None:
        """Nothing waits any more."""
        self._lanes.clear()
        self.size = 0
