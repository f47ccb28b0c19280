"""Clients of others from npm, installed as `npm/package-lock.json` pins them, once for each lock.

The override in `package.json` is what epcis2.js needs to be installed: it names a package `fs` that was taken out of the registry.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.conftest import PROJECT_ROOT

FOLDER = Path(__file__).resolve().parent / "npm"
_INSTALLED = PROJECT_ROOT / ".tools" / "npm"


def has_node() -> bool:
    """Whether node and npm are there; installed with the distribution's packages where CI runs as root without them."""
    if _is_there():
        return True
    if os.environ.get("CI") and os.geteuid() == 0 and shutil.which("apt-get"):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in ("update", "install --yes --no-install-recommends nodejs npm"):
            print(f"apt-get {command}", file=sys.stderr)
            subprocess.run(
                ["apt-get", "-q", *command.split()], env=environment, stdout=sys.stderr, check=True
            )
    return _is_there()


def _is_there() -> bool:
    return all(shutil.which(program) for program in ("node", "npm"))


def installed() -> Path:
    """The folder `node_modules` with what the lock pins, no package's scripts run."""
    files = ("package.json", "package-lock.json")
    digest = hashlib.sha256(b"".join((FOLDER / name).read_bytes() for name in files)).hexdigest()
    folder = _INSTALLED / digest[:16]
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for name in files:
            shutil.copy(FOLDER / name, folder / name)
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
        )
        assert done.returncode == 0, f"npm ci: {done.stdout}{done.stderr}"
        (folder / "complete").touch()
    return folder / "node_modules"


def run_node(modules: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """node with those packages."""
    environment = {**os.environ, "NODE_PATH": str(modules), "NO_COLOR": "1"}
    environment.pop("FORCE_COLOR", None)
    return subprocess.run(
        ["node", *map(str, arguments)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        timeout=300,
    )
