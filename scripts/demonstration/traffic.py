"""Shipments that go on while the network changes: one after another from the manufacturer, each waited for until final."""

from __future__ import annotations

import threading
import time
from typing import Final, NamedTuple, Self

from client.events.draft import Circumstances
from client.events.goods import make
from client.gateway import Gateway
from client.prepare import prepare
from client.protocol import Address, Wait
from client.signing import sign
from client.spelling import Thing
from demonstration import cast
from demonstration.network import NetworkStage
from ledger.base.errors import CustodyError

_FIRST: Final = 50_001
_PAUSE_S: Final = 0.05


class Passed(NamedTuple):
    """What became of them."""

    final: int
    lost: int
    """Not final, refused, or answered with an error."""
    longest_ms: int
    """The longest that one took to be final."""
    last: int
    """Number of the item commissioned last."""


class Traffic:
    """Commissions items without a stop; a context manager, and `passed` afterwards."""

    def __init__(self, stage: NetworkStage) -> None:
        self._stage = stage
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, name="traffic", daemon=True)
        self._times_ms: list[float] = []
        self.errors: list[str] = []
        self._number = _FIRST - 1

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    @property
    def passed(self) -> Passed:
        """So far."""
        times = list(self._times_ms)
        return Passed(len(times), len(self.errors), round(max(times, default=0)), self._number)

    def _run(self) -> None:
        stage, who = self._stage, cast.MANUFACTURER
        key = stage.key(who, "sign")
        with Gateway([Address(stage.url(who), stage.token(who, "reader"))]) as gateway:
            while not self._end.wait(_PAUSE_S):
                self._number += 1
                at = Circumstances(stage.now_ms(), place=cast.place(who))
                draft = make(at, [Thing(cast.item(self._number))])
                submission = sign(key, who, [prepare(stage.genesis.network, draft)], now_ms=stage.now_ms())
                begun = time.monotonic()
                try:
                    (standing,) = gateway.submit(submission, Wait.FINAL)
                except CustodyError as error:
                    self.errors.append(str(error))
                    continue
                if standing.status != Wait.FINAL or any(one.refusal for one in standing.receipts):
                    self.errors.append(f"{standing.status} {standing.code}: {standing.detail}")
                    continue
                self._times_ms.append((time.monotonic() - begun) * 1_000)
