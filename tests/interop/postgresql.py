"""A real PostgreSQL, started for a test session and gone with it.

It sorts texts as people do (ICU, English), as many an installation does: an index that leaned on that order would be found out.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlalchemy import MetaData

from node.index.tables import open_engine
from tests.interop.debian import of_package

USER = "postgres"
"""Whom the distribution's package runs the server as; as root nobody may."""
_ICU_SINCE = 15


def programs() -> Path | None:
    """The folder of initdb and pg_ctl; installed with the distribution's package where CI runs as root without them."""
    return of_package("postgresql", _found)


def _found() -> Path | None:
    packaged = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    on_path = shutil.which("initdb")
    if packaged:
        return packaged[-1].parent
    return None if on_path is None else Path(on_path).resolve().parent


class Server:
    """The server, while it is entered."""

    def __init__(self) -> None:
        found = programs()
        assert found is not None
        self._programs = found
        self._folder = Path(tempfile.mkdtemp(prefix="custody-postgresql-"))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self.url = f"postgresql://custody@127.0.0.1:{self._port}/postgres"

    def __enter__(self) -> Self:
        if os.geteuid() == 0:
            owner = pwd.getpwnam(USER)
            os.chown(self._folder, owner.pw_uid, owner.pw_gid)
        data = self._folder / "data"
        self._run(
            "initdb",
            "-D",
            data,
            "-U",
            "custody",
            "--auth=trust",
            "--encoding=UTF8",
            "--no-sync",
            *self._order(),
        )
        options = f"-p {self._port} -k {self._folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        self._run("pg_ctl", "-D", data, "-l", self._folder / "log", "-w", "-o", options, "start")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._run("pg_ctl", "-D", self._folder / "data", "-m", "immediate", "-w", "stop")
        shutil.rmtree(self._folder)

    def drop_all(self) -> None:
        """Remove every table."""
        engine = open_engine(self.url)
        tables = MetaData()
        tables.reflect(engine)
        tables.drop_all(engine)
        engine.dispose()

    def _order(self) -> list[str]:
        said = subprocess.run(
            [self._programs / "initdb", "--version"], capture_output=True, text=True, check=True
        ).stdout
        major = int(said.split()[2].split(".")[0])
        return (
            ["--locale-provider=icu", "--icu-locale=en", "--locale=C"]
            if major >= _ICU_SINCE
            else ["--locale=C"]
        )

    def _run(self, program: str, *arguments: str | Path) -> None:
        command = [self._programs / program, *arguments]
        if os.geteuid() == 0:
            command = ["runuser", "-u", USER, "--", *command]
        done = subprocess.run(
            command, cwd="/", capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
        )
        log = self._folder / "log"
        told = log.read_text() if done.returncode and log.exists() else ""
        assert done.returncode == 0, f"{program}: {done.stdout}{done.stderr}{told}"
