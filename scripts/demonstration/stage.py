"""Where the story is played: something that takes signed events and gives records and bundles.

`NetworkStage` (network.py) is four real nodes; the tests play the same story on a ledger in memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from client.events.draft import Draft
from ledger.chain.genesis import Genesis
from ledger.proof.history import Payload
from ledger.trade.identifiers import Identifier


class Played(NamedTuple):
    """What became of one event: a refusal code ("" if none), and an outcome code per subject."""

    refusal: str
    outcomes: tuple[int, ...]
    event_hash: bytes


class Stage(Protocol):
    """A ledger to play on."""

    genesis: Genesis

    def now_ms(self) -> int:
        """Unix time in milliseconds, as the events' authors see it."""

    def submit(
        self,
        organisation: str,
        drafts: Sequence[Draft],
        *,
        delegate: str | None = None,
        device_since_ms: int | None = None,
        restricted: bool = False,
    ) -> list[Played]:
        """Sign as the organisation (or as its delegate of that name) and wait until final.

        With `device_since_ms` the organisation's device attested to the events at that time, offline.
        """

    def payload(self, event_hash: bytes) -> Payload:
        """The bytes of an event submitted here, as its author keeps them."""

    def bundle(self, subjects: Sequence[Identifier], *, payloads: bool = False) -> bytes:
        """The bundle that proves the subjects now."""
