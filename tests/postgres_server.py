"""A PostgreSQL server for the tests: a cluster of its own in a temporary folder, reached by a Unix socket alone.

It writes without fsync: the tests kill our process, never the machine. PostgreSQL refuses to run as root, so there it
runs as `postgres`, the user that Debian's package makes.
"""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

ADMIN = "damhwa"
START_S = 30.0
_SETTINGS = ("listen_addresses=", "fsync=off", "full_page_writes=off", "max_connections=200", "shared_buffers=32MB")
_MISSING = "PostgreSQL is not installed, and these tests run on a real server: `apt-get install postgresql`"


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A running server. `folder` holds its socket."""

    folder: Path
    _numbers: Iterator[int]

    @contextmanager
    def lend_database(self) -> Iterator[str]:
        """An empty database for as long as the block runs; gives its URL."""
        name = f"reviews_{next(self._numbers)}"
        self._execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")
        try:
            yield f"postgresql+psycopg://{ADMIN}@/{name}?host={self.folder}"
        finally:
            self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    def _execute(self, statement: str) -> None:
        with psycopg.connect(host=str(self.folder), user=ADMIN, dbname="postgres", autocommit=True) as connection:
            connection.execute(statement.encode())


@contextmanager
def run_postgres() -> Iterator[PostgresServer]:
    """Start a server, and stop it at the end. Fails the test where PostgreSQL is not installed."""
    programs = _find_programs()
    who: dict[str, Any] = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
    folder = Path(tempfile.mkdtemp(prefix="damhwa-pg-"))  # short: a socket's path has at most 107 bytes
    try:
        if who:
            shutil.chown(folder, "postgres", "postgres")
        data = folder / "data"
        make: list[str | Path] = [
            programs / "initdb",
            "-D",
            data,
            "-U",
            ADMIN,
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
            "--no-sync",
        ]
        subprocess.run(make, check=True, stdout=subprocess.DEVNULL, cwd=folder, **who)
        settings = [part for each in _SETTINGS for part in ("-c", each)]
        start: list[str | Path] = [programs / "postgres", "-D", data, "-k", folder, *settings]
        with (folder / "log").open("wb") as log, subprocess.Popen(start, stderr=log, cwd=folder, **who) as process:
            try:
                _wait_until_ready(folder, process)
                yield PostgresServer(folder, count(1))
            finally:
                process.send_signal(2)  # SIGINT: open connections are closed, and it ends at once
                process.wait(START_S)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _find_programs() -> Path:
    """The folder of the server's programs: of the newest version where Debian has several."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda each: int(each.parts[4]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    if on_path is None:
        pytest.fail(_MISSING, pytrace=False)
    return Path(on_path).resolve().parent


def _wait_until_ready(folder: Path, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until and process.poll() is None:
        try:
            psycopg.connect(host=str(folder), user=ADMIN, dbname="postgres").close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return
    log = (folder / "log").read_text(encoding="utf-8", errors="replace")
    pytest.fail(f"PostgreSQL did not start:\n{log}", pytrace=False)
