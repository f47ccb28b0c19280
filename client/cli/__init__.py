"""The `custody` command: finds the named command, runs it, and turns every error into one sentence and an exit code.

A command's module is imported only when it is named, so that `custody verify` loads neither HTTP nor the rest. Commands
of other distributions (the node's) come from the entry-point group `custody.commands`, under the same rule.

Exit codes: 0 done; 1 refused or not proven; 2 usage; 5 something cannot be read, written or reached; `verify` adds
3 stale, 4 gaps, 6 held, 7 contradicted (DESIGN §7). Data goes to standard output, everything else to standard error.
"""

from __future__ import annotations

from client.cli.main import main

__all__ = ["main"]
