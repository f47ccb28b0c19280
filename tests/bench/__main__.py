"""`./scripts/bench`: what is measured of the ledger. Without another name first, beside CometBFT (`tests.bench.run`)."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Final

from tests.bench.command import end_when_told

_COMMANDS: Final = {
    "catchup": "catchup",
    "epcis": "epcis",
    "network": "network_scale",
    "profile": "profile",
    "state": "state_scale",
}
"""Modules by name."""


def main(arguments: Sequence[str]) -> int:
    """Go to the command that is named."""
    end_when_told()
    named = arguments[:1] if arguments and arguments[0] in _COMMANDS else ()
    module = import_module(f"tests.bench.{_COMMANDS[named[0]] if named else 'run'}")
    return int(module.main(arguments[len(named) :]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
