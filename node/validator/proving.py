"""When proofs can be made, and making them (DESIGN §4 Checkpoint; CONSENSUS 17).

The state tree is kept for one block, the one executed last, and a proof needs a checkpoint over exactly that state. When
nothing is under way the two agree and a proof is made at once. Under load the next block is usually executed before the
last one is certified; so while proofs are wanted, execution waits a moment for the certificate, proofs are made, and it
goes on. The wait is bounded: a block may become final through a later one only, which then must be executed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final, NamedTuple

from ledger.base.errors import Code, UnavailableError
from ledger.trade.record import SubjectKey
from node.storage.payload_store import PayloadStore
from node.validator.execution import Executor
from node.validator.history import StoredHistory, StoredRegistry

WAIT_S: Final = 0.03
"""How long execution waits for a certificate while proofs are wanted."""
SLICE_S: Final = 0.05
"""How long proofs are made in a row while a block waits to be executed."""
QUEUE: Final = 256


class _Wanted(NamedTuple):
    make: Callable[[], bytes]
    answer: asyncio.Future[bytes]


class Prover:
    """Makes bundles for those who ask, at moments when the state is certified."""

    def __init__(self, executor: Executor, payload: PayloadStore, resume: Callable[[], None]) -> None:
        """`resume` is called when execution, held up by `may_execute`, may go on."""
        self._executor = executor
        self._payload = payload
        self._resume = resume
        self._loop = asyncio.get_running_loop()
        self._wanted: deque[_Wanted] = deque()
        self._waiting_since: float | None = None
        self.made = 0

    def prove(self, keys: Sequence[SubjectKey], *, payloads: bool) -> asyncio.Future[bytes]:
        """The bundle over these subjects, in time; `payloads`: with the bytes of open events. Fails with a CustodyError."""
        return self._want(partial(self._bundle, tuple(keys), payloads))

    def prove_registry(self) -> asyncio.Future[bytes]:
        """The registry file (`ledger.proof.registry`), in time. Fails with a CustodyError."""
        return self._want(self._registry)

    def _want(self, make: Callable[[], bytes]) -> asyncio.Future[bytes]:
        answer: asyncio.Future[bytes] = self._loop.create_future()
        if len(self._wanted) >= QUEUE:
            answer.set_exception(
                UnavailableError(
                    Code.OVERLOADED, f"expected fewer than {QUEUE} proofs asked for at a time; try again"
                )
            )
            return answer
        self._wanted.append(_Wanted(make, answer))
        self._loop.call_soon(self.serve)
        return answer

    def serve(self) -> None:
        """Make what proofs are wanted, if this is a moment for it, for a while at most."""
        until = self._loop.time() + SLICE_S
        while self._wanted and self._can_prove():
            wanted = self._wanted.popleft()
            if not wanted.answer.done():
                self._make(wanted)
            if self._loop.time() >= until:
                break
        if self._wanted and self._can_prove():
            self._loop.call_soon(self.serve)

    def _can_prove(self) -> bool:
        return self._executor.checkpoint is None or self._executor.is_at_checkpoint

    def _make(self, wanted: _Wanted) -> None:
        try:
            data = wanted.make()
        except Exception as error:  # noqa: BLE001 - a proof that cannot be made must not stop a validator
            wanted.answer.set_exception(error)
            return
        self.made += 1
        wanted.answer.set_result(data)

    def _bundle(self, keys: Sequence[SubjectKey], payloads: bool) -> bytes:
        from ledger.proof.build import build  # noqa: PLC0415 - a validator that never proves need not load it

        return build(StoredHistory(self._executor, self._payload), keys, payloads=payloads)

    def _registry(self) -> bytes:
        from ledger.proof.registry import build_registry_file  # noqa: PLC0415 - as above

        return build_registry_file(StoredRegistry(self._executor))

    def may_execute(self) -> bool:
        """Whether the next block may be executed now; if not, `resume` will be called."""
        self.serve()
        if not self._wanted or self._can_prove():
            self._waiting_since = None
            return True
        now = self._loop.time()
        if self._waiting_since is None:
            self._waiting_since = now
            self._loop.call_later(WAIT_S, self._resume)
        if now - self._waiting_since < WAIT_S:
            return False
        self._waiting_since = None
        return True

    def stop(self) -> None:
        """Refuse what is still wanted."""
        for wanted in self._wanted:
            if not wanted.answer.done():
                wanted.answer.set_exception(
                    UnavailableError(Code.UNAVAILABLE, "expected a running validator, it is stopping")
                )
        self._wanted.clear()
