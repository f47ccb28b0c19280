"""Running a validator until it is asked to stop: joining at a snapshot first where it must, then taking part."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from node.logs import Log
from node.validator.company import reload_and_tell
from node.validator.host import REAL, Host
from node.validator.joining import is_joining, join
from node.validator.member import Member
from node.validator.validator import Validator

JOIN_AGAIN_S: Final = 60.0
"""How long a node that found no snapshot to join at takes part as it is before it looks for one again."""


async def run_validator(
    open_member: Callable[[], Member],
    make_log: Callable[[Member], Log],
    stop: asyncio.Event,
    host: Host = REAL,
    *,
    reload: asyncio.Event | None = None,
) -> None:
    """Run until `stop` is set or the validator fails; raises the CustodyError it failed with.

    `open_member` opens the folder, which is given up again in the end. Whenever `reload` is set, peers are read again.
    """
    join_after_s = 0.0
    wants_to_join = False
    while not stop.is_set():
        member = open_member()
        log = make_log(member)
        try:
            if wants_to_join or is_joining(member):
                join_after_s = 0.0 if await _join(member, log, stop, host) else JOIN_AGAIN_S
            if stop.is_set():
                member.folder.close()
                return
            validator = Validator(member, log, host, join_after_s=join_after_s)
        except BaseException:
            member.folder.close()
            raise
        wants_to_join = await _take_part(validator, stop, reload or asyncio.Event())


async def _join(member: Member, log: Log, stop: asyncio.Event, host: Host) -> bool:
    """Join, unless asked to stop meanwhile; whether there was a snapshot to join at, as far as is known."""
    joining = asyncio.create_task(join(member, log, host), name="joining")
    stopping = asyncio.create_task(stop.wait(), name="stopping")
    try:
        await asyncio.wait((joining, stopping), return_when=asyncio.FIRST_COMPLETED)
        return not joining.done() or joining.result()
    finally:
        for task in (joining, stopping):
            task.cancel()
        await asyncio.gather(joining, stopping, return_exceptions=True)


async def _reload(validator: Validator, reload: asyncio.Event) -> None:
    while True:
        await reload.wait()
        reload.clear()
        reload_and_tell(validator.reload, validator.log)


async def _take_part(validator: Validator, stop: asyncio.Event, reload: asyncio.Event) -> bool:
    """Run one validator; whether it ended because it must join at a snapshot."""
    stopping = asyncio.create_task(stop.wait(), name="stopping")
    ended = asyncio.create_task(validator.stopped.wait(), name="ended")
    reloading: asyncio.Task[None] | None = None
    try:
        await validator.start()
        reloading = asyncio.create_task(_reload(validator, reload), name="reload")
        await asyncio.wait((stopping, ended), return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (stopping, ended, reloading):
            if task is not None:
                task.cancel()
        await validator.close()
    if validator.failure is not None:
        raise validator.failure
    return validator.sync.must_join
