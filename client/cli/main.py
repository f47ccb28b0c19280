"""Dispatch of the `custody` command (see the package)."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from ledger.base.errors import Code, CustodyError, EntitlementError, FormError, StorageError, UnavailableError

if TYPE_CHECKING:
    from typing import NoReturn

GROUP: Final = "custody.commands"
REFUSED: Final = 1
USAGE: Final = 2
CANNOT_READ: Final = 5
INTERRUPTED: Final = 130

OWN: Final = {
    "keys": ("client.cli.keys", "make, list and show keys"),
    "authority": ("client.cli.authority", "enrol and revoke keys on the ledger, delegates, licences"),
    "record": ("client.cli.record", "build a custody event, show it, sign it, submit it"),
    "submit": ("client.cli.submit", "submit signed or prepared events, or EPCIS documents"),
    "capture": ("client.cli.capture", "submit a large file of EPCIS events, in parallel, resumable"),
    "approve": ("client.cli.approve", "have a person approve signed events before they are submitted"),
    "scan": ("client.cli.scan", "what a barcode, tag or number names, and what to record next"),
    "show": ("client.cli.show", "what the ledger holds of a subject now"),
    "trace": ("client.cli.trace", "the history of a subject"),
    "erase": ("client.cli.erase", "take back the bytes of own events, everywhere, for good"),
    "follow": ("client.cli.follow", "blocks as they become final"),
    "prove": ("client.cli.prove", "a file that proves the history of subjects"),
    "verify": ("client.cli.verify", "check such a file, without a network"),
    "audit": ("client.cli.audit", "execute a whole chain again, a node's own or a gateway's"),
    "epcis": ("client.cli.epcis", "EPCIS documents by themselves: check them, hash their events"),
    "govern": ("client.cli.govern", "propose changes of the network, vote, see every vote"),
    "anchor": ("client.cli.anchor", "what is trusted: add, list, show, export"),
}
FROM_NODE: Final = {
    "init": "make a network: folders, keys, genesis",
    "node": "run a node and see how it is doing",
}


class Stop(Exception):  # noqa: N818 - it ends a command and is no error of its own
    """Ends a command with a sentence on standard error and an exit code."""

    def __init__(self, exit_code: int, message: str) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.message = message


def main() -> NoReturn:
    """The entry point of the `custody` command."""
    sys.exit(run(sys.argv[1:]))


def run(words: Sequence[str]) -> int:
    """Run one command line; its exit code. Nothing a user does ends in a traceback."""
    try:
        return _dispatch(list(words))
    except Stop as stop:
        return _say(stop.message, stop.exit_code)
    except CustodyError as error:
        return _say(str(error), exit_code_of(error))
    except KeyboardInterrupt:
        return _say("interrupted", INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output left; Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _say(f"{where}{error.strerror or type(error).__name__}", CANNOT_READ)


def exit_code_of(error: CustodyError) -> int:
    """2 where the command line or what it names is wrong, 5 where something cannot be had, else 1."""
    if error.code == Code.USAGE or isinstance(error, FormError):
        return USAGE
    if isinstance(error, StorageError) or error.code in (
        Code.UNAVAILABLE,
        Code.OVERLOADED,
        Code.HISTORY_INCOMPLETE,
    ):
        return CANNOT_READ
    if isinstance(error, EntitlementError) or not isinstance(error, UnavailableError):
        return REFUSED
    return REFUSED


def _say(message: str, exit_code: int) -> int:
    sys.stderr.write(f"custody: {message}\n")
    return exit_code


def _dispatch(words: list[str]) -> int:
    while words and words[0].startswith("-"):
        option = words.pop(0)
        if option in ("--help", "-h"):
            sys.stdout.write(_help())
            return 0
        if option == "--version":
            from importlib.metadata import version

            sys.stdout.write(f"custody {version('custody-ledger')}\n")
            return 0
        if option != "--config" or not words:
            raise Stop(
                USAGE, f"expected --help, --version or --config FILE before the command, got {option[:64]!a}"
            )
        os.environ["CUSTODY_CONFIG"] = words.pop(0)
    if not words:
        sys.stderr.write(_help())
        return USAGE
    if words[0] in OWN:
        return _call(import_module(OWN[words[0]][0]).app, words[0], words[1:])
    return _call(_from_elsewhere(words[0]), words[0], words[1:])


def _from_elsewhere(name: str) -> Any:
    """The application of a command that another distribution or an extra brings."""
    from importlib.metadata import entry_points

    found = next(iter(entry_points(group=GROUP, name=name)), None)
    if found is None:
        if name in FROM_NODE:
            raise Stop(CANNOT_READ, _NEEDS_NODE.format(name=name))
        raise Stop(USAGE, f"expected one of {', '.join((*OWN, *FROM_NODE))}; got {name[:64]!a}")
    try:
        return found.load()
    except (ImportError, AttributeError) as error:
        reason = f" ({error.name} is missing)" if isinstance(error, ImportError) and error.name else ""
        raise Stop(CANNOT_READ, f"{_NEEDS_NODE.format(name=name)}{reason}") from None


_NEEDS_NODE: Final = (
    "expected the node extra for custody {name}, it is not installed; pip install 'custody-ledger[node]'"
)


def _call(app: Any, name: str, words: list[str]) -> int:
    """Run a typer app, or anything else that takes arguments and a program name; its exit code."""
    try:
        app(words, prog_name=f"custody {name}")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0 if end.code is None else USAGE
    return 0


def _help() -> str:
    rows = {name: text for name, (_, text) in OWN.items()} | FROM_NODE
    commands = "\n".join(f"  {name:<10}{text}" for name, text in rows.items())
    return (
        "Usage: custody [--config FILE] COMMAND ...\n\n"
        "Who held which item, agreed by a quorum, provable in one file without a network.\n\n"
        f"Commands:\n{commands}\n\n"
        "custody COMMAND --help tells more. Settings come from custody.toml and CUSTODY_* variables.\n"
    )
