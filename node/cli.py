"""`custody node ...`: running a node and asking how it is doing (DESIGN §6).

A node is two processes. `--role both` starts each of them as a child and ends when one of them does; a child notices that
its parent is gone by the end of its standard input, so that none is ever left behind.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import typer

from ledger.base.errors import CustodyError
from node import change_commands, erasures, peer_commands, read_commands, token_commands
from node.config import load_config
from node.gateway.persons import cli as persons_cli
from node.index import cli as index_cli
from node.terminal import FOLDER_OPTION, ended, read_passphrase

app = typer.Typer(add_completion=False, help="Run a node and ask how it is doing.", no_args_is_help=True)
app.add_typer(change_commands.app)
app.add_typer(token_commands.app)
app.add_typer(erasures.app)
app.add_typer(peer_commands.app)
app.add_typer(read_commands.app, name="reads")
app.add_typer(index_cli.app, name="index")
app.add_typer(persons_cli.app, name="persons")

_END_S: Final = 10
_SWITCH_S: Final = 0.0005
"""How long a gateway's event loop waits until the thread that indexes lets go of the interpreter, each time that it read or sent
something. With Python's own 5 ms it did a twentieth less, and its slowest answers came a fifth later (measured).
"""


class Role(StrEnum):
    """Which of a node's processes."""

    VALIDATOR = "validator"
    GATEWAY = "gateway"
    BOTH = "both"


@app.command()
def run(
    folder: Annotated[Path, FOLDER_OPTION] = Path(),
    role: Annotated[Role, typer.Option(help="Which process to be.")] = Role.BOTH,
    passphrase_file: Annotated[
        Path | None, typer.Option(help="File whose first line opens this node's keys.")
    ] = None,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
    with_parent: Annotated[bool, typer.Option("--with-parent", hidden=True)] = False,
) -> None:
    """Run this organisation's validator, gateway or both, until interrupted."""
    folder = folder.resolve()
    gc.disable()  # starting makes next to no garbage, and looking for it takes a fifth of the time (measured)
    try:
        if role is Role.BOTH:
            load_config(folder)  # what both would refuse is said once
            raise typer.Exit(_run_both(folder, passphrase_file, log_level))
        passphrase = None if passphrase_file is None else read_passphrase(passphrase_file)
        if role is Role.VALIDATOR:
            _run_validator(folder, passphrase, log_level, with_parent=with_parent)
        else:
            _run_gateway(folder, passphrase, log_level, with_parent=with_parent)
    except CustodyError as error:
        raise ended(error) from None


@app.command()
def status(
    folder: Annotated[Path, FOLDER_OPTION] = Path(),
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """How the validator of this folder is doing."""
    from node.local.client import LocalClient
    from node.local.protocol import NodeStatus
    from node.storage.folder import NodeFolder

    async def ask(path: Path) -> NodeStatus:
        async with LocalClient(path) as validator:
            return await validator.status()

    try:
        opened = NodeFolder.open(folder.resolve(), lock=False)
        found = asyncio.run(ask(opened.validator_socket))
    except CustodyError as error:
        raise ended(error) from None
    fields = {**found._asdict(), "network": found.network.hex()}
    fields["peers"] = [peer._asdict() for peer in found.peers]
    fields["warnings"] = list(found.warnings)
    if as_json:
        typer.echo(json.dumps(fields))
        return
    role = "validator" if found.is_validator else "follower"
    missing = [peer.organisation for peer in found.peers if not peer.is_connected]
    connected = len(found.peers) - len(missing)
    typer.echo(f"{found.organisation}: {found.phase}, network {found.name} ({found.network.hex()[:16]})")
    typer.echo(f"  {role} in epoch {found.epoch}, protocol version {found.protocol}")
    typer.echo(
        f"  block {found.height}, certified {found.checkpoint_height}, view {found.view}, leader {found.leader}"
    )
    without = f" (not {', '.join(missing)})" if missing else ""
    typer.echo(
        f"  {connected} of {len(found.peers)} peers connected{without}, {found.pending_transactions} pending"
    )
    for warning in found.warnings:
        typer.echo(f"  warning: {warning}")


def _when_parent_ends(stop: Callable[[], object]) -> None:
    """Call `stop` (from another thread) once standard input ends: whoever started this process is gone."""

    def watch() -> None:
        while os.read(sys.stdin.fileno(), 4_096):  # unbuffered: no lock is held when the interpreter ends
            pass
        stop()

    threading.Thread(target=watch, name="parent", daemon=True).start()


def _run_validator(folder: Path, passphrase: bytes | None, log_level: str, *, with_parent: bool) -> None:
    from node.logs import Log, set_up_logs
    from node.validator.member import Member, open_member
    from node.validator.running import run_validator

    def log_of(member: Member) -> Log:
        return set_up_logs(log_level, node=member.config.organisation, role="validator")

    async def serve() -> None:
        loop, stop, reload = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
        loop.add_signal_handler(signal.SIGHUP, reload.set)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        if with_parent:
            _when_parent_ends(partial(loop.call_soon_threadsafe, stop.set))
        await run_validator(lambda: open_member(folder, passphrase), log_of, stop, reload=reload)

    collect_rarely()
    asyncio.run(serve())


def collect_rarely(*, whole_after: int = 1_000) -> None:
    """Look for garbage in cycles rarely: nearly all there is here are tuples, which never form any.

    With Python's own thresholds a third of a busy validator's time went into walking over them (measured). `whole_after`: so
    many looks at what is young and survived, all there is is looked at. What is young is looked at as often as takes 3 to 5 ms:
    of ten times as much everything waited for 30 to 50.
    """
    gc.collect()
    gc.freeze()
    gc.enable()
    gc.set_threshold(10_000, 500, whole_after)


def _run_gateway(folder: Path, passphrase: bytes | None, log_level: str, *, with_parent: bool) -> None:
    from node.gateway.run import run_gateway

    # Requests that wait half a minute on their clients grow old meanwhile, and some leave cycles.
    collect_rarely(whole_after=10)
    sys.setswitchinterval(_SWITCH_S)

    def stop() -> None:
        signal.raise_signal(signal.SIGTERM)

    if with_parent:
        _when_parent_ends(stop)
    run_gateway(folder, passphrase, log_level=log_level)


def _run_both(folder: Path, passphrase_file: Path | None, log_level: str) -> int:
    """Start validator and gateway as children, pass on the wish to end, end when one of them does."""
    children: list[subprocess.Popen[bytes]] = []
    ended = threading.Event()

    def stop(_number: int, _frame: object) -> None:
        ended.set()

    def reload(_number: int, _frame: object) -> None:
        if children:
            children[0].send_signal(signal.SIGHUP)  # the validator's process: it has the peers

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    before[signal.SIGHUP] = signal.signal(signal.SIGHUP, reload)
    try:
        for role in (Role.VALIDATOR, Role.GATEWAY):
            command = [sys.executable, "-m", "node.cli", "run", "--folder", str(folder), "--role", role.value]
            command += ["--log-level", log_level, "--with-parent"]
            if passphrase_file is not None:
                command += ["--passphrase-file", str(passphrase_file)]
            children.append(subprocess.Popen(command, stdin=subprocess.PIPE))  # noqa: S603 - our own command
        while not ended.wait(0.2) and all(child.poll() is None for child in children):
            pass
        return max((child.poll() or 0 for child in children), default=0)
    finally:
        for child in reversed(children):
            child.terminate()
        for child in children:
            try:
                child.wait(_END_S)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        for number, handler in before.items():
            signal.signal(number, handler)


if __name__ == "__main__":
    app()
