"""An event loop in virtual time, for many processes at once; one thread, no waiting, the same order in every run.

Whatever a process schedules (callbacks, timers, tasks) belongs to it: when it is killed, all of it is gone; while it is
busy (a slow disk, a pause of the whole process), all of it waits, and its clocks have moved on when it goes on. Time is in
whole microseconds and moves only when nobody has anything to do.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, cast


class PowerCut(BaseException):
    """Unwinds out of a process that was killed in the middle of what it does."""


class Handle:
    """A callback to come; `asyncio.TimerHandle` as far as anybody looks."""

    __slots__ = ("_loop", "_when_us", "arguments", "callback", "process")

    def __init__(
        self,
        loop: VirtualLoop,
        callback: Callable[..., object] | None,
        arguments: tuple[Any, ...],
        process: Process | None,
        when_us: int,
    ) -> None:
        self._loop = loop
        self.callback = callback
        self.arguments = arguments
        self.process = process
        self._when_us = when_us

    def cancel(self) -> None:
        self.callback = None
        self.arguments = ()

    def cancelled(self) -> bool:
        return self.callback is None

    def when(self) -> float:
        return self._when_us / 1e6


class Process:
    """One life of a program on a machine."""

    def __init__(self, loop: VirtualLoop, name: str) -> None:
        self.name = name
        self.is_alive = True
        self.busy_until_us = 0
        self.waiting: deque[Handle] = deque()
        self.tasks: dict[int, asyncio.Task[Any]] = {}
        self.on_kill: Callable[[], None] = lambda: None
        self._loop = loop
        self._made = 0

    @property
    def now_us(self) -> int:
        """The time as this process sees it: what it does takes as long as its disk does."""
        return max(self._loop.now_us, self.busy_until_us)

    def spend(self, duration_us: int) -> None:
        """Everything after this happens so much later."""
        self.busy_until_us = self.now_us + duration_us

    def kill(self) -> None:
        """It is gone, in the middle of whatever it did."""
        if not self.is_alive:
            return
        self.is_alive = False
        self.waiting.clear()
        tasks = list(self.tasks.values())
        self.tasks.clear()
        self.on_kill()
        current = asyncio.current_task(self._loop.as_loop)
        # What a coroutine still does while it is closed (cancel others, wake them) is the dead process' and never runs.
        before, self._loop.current = self._loop.current, self
        try:
            for task in tasks:
                if task is not current and not task.done():
                    task._log_destroy_pending = False  # type: ignore[attr-defined] # it is meant to be
                    coroutine = task.get_coro()
                    with suppress(BaseException):
                        if coroutine is not None:
                            coroutine.close()
        finally:
            self._loop.current = before

    def note(self, task: asyncio.Task[Any]) -> None:
        self._made += 1
        number = self._made
        self.tasks[number] = task
        task.add_done_callback(lambda _: self.tasks.pop(number, None))


class VirtualLoop:
    """See the module's docstring. `current` is the process whose callback runs, None for the simulator itself."""

    def __init__(self) -> None:
        self.now_us = 0
        self.current: Process | None = None
        self.errors: list[str] = []
        self.steps = 0
        self._ready: deque[Handle] = deque()
        self._timers: list[tuple[int, int, Handle]] = []
        self._sequence = 0

    @property
    def as_loop(self) -> asyncio.AbstractEventLoop:
        """What asyncio takes it for: it never asks for more than there is here."""
        return cast("asyncio.AbstractEventLoop", self)

    # ---- scheduling

    def time(self) -> float:
        process = self.current
        return (self.now_us if process is None else process.now_us) / 1e6

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Any = None) -> Any:
        handle = Handle(self, callback, args, self.current, self.now_us)
        self._ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: Any = None
    ) -> Any:
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Any = None,
    ) -> Any:
        return self.at(round(when * 1e6), self.current, callback, *args)

    def at(
        self, when_us: int, process: Process | None, callback: Callable[..., object], *args: Any
    ) -> Handle:
        """Call back at a time, as this process."""
        when_us = max(when_us, self.now_us)
        handle = Handle(self, callback, args, process, when_us)
        self._sequence += 1
        heapq.heappush(self._timers, (when_us, self._sequence, handle))
        return handle

    def after(self, delay_us: int, callback: Callable[..., object], *args: Any) -> Handle:
        """Call back after a while, as the simulator itself."""
        return self.at(self.now_us + delay_us, None, callback, *args)

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self.as_loop)

    def create_task(
        self, coro: Coroutine[Any, Any, Any], *, name: str | None = None, context: Any = None
    ) -> Any:
        task = asyncio.Task(coro, loop=self.as_loop, name=name, context=context)
        if self.current is not None:
            self.current.note(task)
        return task

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if not isinstance(context.get("exception"), PowerCut):
            self.errors.append(f"{context.get('message')}: {context.get('exception')!r}")

    # ---- running

    def run_as(self, process: Process, callback: Callable[..., object], *args: Any) -> None:
        """Run something as a process, now."""
        before, self.current = self.current, process
        try:
            callback(*args)
        except PowerCut:
            process.kill()
        finally:
            self.current = before

    def _run(self, handle: Handle) -> None:
        callback, process = handle.callback, handle.process
        if callback is None:
            return
        if process is None:
            self.current = None
            callback(*handle.arguments)
            return
        if not process.is_alive:
            return
        if process.busy_until_us > self.now_us:
            if not process.waiting:
                self.at(process.busy_until_us, None, self._resume, process)
            process.waiting.append(handle)
            return
        self.current = process
        self.steps += 1
        try:
            callback(*handle.arguments)
        except PowerCut:
            process.kill()
        finally:
            self.current = None

    def _resume(self, process: Process) -> None:
        """A process is no longer busy: what waited for it comes first, in order."""
        waiting, process.waiting = process.waiting, deque()
        if process.busy_until_us > self.now_us:  # it became busy again, from outside
            if waiting:
                process.waiting = waiting
                self.at(process.busy_until_us, None, self._resume, process)
            return
        self._ready.extendleft(reversed(waiting))

    def run_until(
        self, time_us: int, is_done: Callable[[], bool] | None = None, look_us: int = 20_000
    ) -> bool:
        """Run to a time, or until `is_done` (looked at now and then); whether it was done."""
        asyncio._set_running_loop(self.as_loop)
        try:
            return self._run_until(time_us, is_done, look_us)
        finally:
            asyncio._set_running_loop(None)

    def _run_until(self, time_us: int, is_done: Callable[[], bool] | None, look_us: int) -> bool:
        ready, timers, run = self._ready, self._timers, self._run
        look_at_us = self.now_us
        while True:
            while ready:
                run(ready.popleft())
            if is_done is not None and self.now_us >= look_at_us:
                if is_done():
                    return True
                look_at_us = self.now_us + look_us
            if not timers or timers[0][0] > time_us:
                self.now_us = max(self.now_us, time_us)
                return is_done is not None and is_done()
            when_us = timers[0][0]
            self.now_us = max(self.now_us, when_us)
            while timers and timers[0][0] == when_us:
                ready.append(heapq.heappop(timers)[2])
