"""What the figures of the review service are measured on: databases, the real `damhwa review`, and reviewers.

PostgreSQL runs in a cluster of its own with its defaults, fsync on. The service believes a proxy on loopback which user
asks, so that many reviewers come in by the door that a company's single sign-on uses.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import sqlalchemy as sa

from benchmarks.review_corpus import PERSONA_FILE
from curation.reviewing.connect import open_database
from curation.reviewing.place import VARIABLE
from curation.reviewing.tables import EVENTS

ROOT = Path(__file__).parent.parent
_PROGRAMS = Path("/usr/lib/postgresql")
_USER_HEADER = "X-Remote-User"


@contextmanager
def run_postgres() -> Iterator[str]:
    """The URL of an empty database of a server of its own."""
    programs = max(_PROGRAMS.glob("*/bin"), key=lambda path: int(path.parent.name))
    who: dict[str, Any] = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
    folder = Path(tempfile.mkdtemp(prefix="damhwa-pg-"))
    if who:
        shutil.chown(folder, "postgres", "postgres")
    make: list[str | Path] = [
        programs / "initdb",
        "-D",
        folder / "data",
        "-U",
        "damhwa",
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--locale=C",
    ]
    subprocess.run(make, check=True, stdout=subprocess.DEVNULL, cwd=folder, **who)
    control: list[str | Path] = [programs / "pg_ctl", "-D", folder / "data", "-w", "-l", folder / "log"]
    subprocess.run(
        [*control, "-o", f"-k {folder} -c listen_addresses=''", "start"], check=True, stdout=subprocess.DEVNULL, **who
    )
    try:
        yield f"postgresql+psycopg://damhwa@/postgres?host={folder}"
    finally:
        subprocess.run([*control, "-m", "fast", "stop"], check=True, stdout=subprocess.DEVNULL, **who)
        shutil.rmtree(folder)


@contextmanager
def lend_database(kind: str, folder: Path) -> Iterator[str]:
    """The URL of an empty database: `sqlite` beside the folder (a run's own would refuse another), or `postgresql`."""
    if kind == "postgresql":
        with run_postgres() as url:
            yield url
    else:
        path = folder.with_name("crowd.db")
        path.unlink(missing_ok=True)
        yield f"sqlite:///{path}"


@dataclass(slots=True)
class Server:
    """A `damhwa review` process. `ready_s`: seconds from its start to its first word of where it is."""

    process: subprocess.Popen[str]
    url: str
    ready_s: float

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@contextmanager
def serve(folder: Path, database: str, has_users: bool = True) -> Iterator[Server]:
    """The review service of a folder. `has_users`: a header says who asks; without it all are one."""
    command = [sys.executable, "-m", "damhwa", "review", str(folder), "--port", "0", "--persona", str(PERSONA_FILE)]
    if has_users:
        command += ["--trusted-proxy", "127.0.0.1", "--user-header", _USER_HEADER, "--default-role", "reviewer"]
    started = time.perf_counter()
    environment = os.environ | {VARIABLE: database}
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, encoding="utf-8", cwd=ROOT, env=environment
    ) as process:
        try:
            assert process.stderr is not None
            lines = []
            for line in process.stderr:
                lines.append(line)
                if found := re.search(r"http://[\w.:]+", line):
                    yield Server(process, found[0], time.perf_counter() - started)
                    break
            else:
                raise RuntimeError("".join(lines))
        finally:
            process.terminate()


@dataclass(slots=True)
class Record:
    """What the reviewers of a round saw, all together. Times are seconds as a client sees them."""

    claims: list[float] = field(default_factory=list)
    decisions: list[float] = field(default_factory=list)
    acknowledged: list[str] = field(default_factory=list)
    holders: dict[str, str] = field(default_factory=dict)
    doubles: int = 0
    refused: int = 0


class Reviewer:
    """Somebody who claims and decides over HTTP."""

    def __init__(self, name: str, mode: str, session: aiohttp.ClientSession, api: str, record: Record) -> None:
        self.name, self.mode, self.record = name, mode, record
        self._session, self._api = session, api
        self._headers = {_USER_HEADER: name}
        self._cards: list[dict[str, Any]] = []

    async def enter(self) -> None:
        async with self._session.get(f"{self._api}/me", headers=self._headers) as answer:
            answer.raise_for_status()
            self._headers["X-CSRF-Token"] = (await answer.json())["csrf"]
        async with self._session.get(f"{self._api}/runs", headers=self._headers) as answer:
            self._api += f"/runs/{(await answer.json())['runs'][0]['name']}"

    async def refill(self, count: int = 2) -> None:
        """Have `count` cards and one more in hand, as the page does."""
        if len(self._cards) >= count:
            return
        held = [each["id"] for each in self._cards]
        asked = {"mode": self.mode, "count": count, "left_out": held}
        started = time.perf_counter()
        async with self._session.post(f"{self._api}/claims", json=asked, headers=self._headers) as answer:
            answer.raise_for_status()
            cards = (await answer.json())["cards"]
        self.record.claims.append(time.perf_counter() - started)
        for card in cards:
            holder = self.record.holders.setdefault(card["id"], self.name)
            self.record.doubles += holder != self.name
        self._cards += cards

    async def decide(self, is_flag: bool) -> None:
        if not self._cards:
            return
        card = self._cards.pop(0)
        decision = {"key": uuid4().hex, "id": card["id"], "revision": card["revision"], "mode": self.mode}
        decision |= {"kind": "flag", "reason": "persona"} if is_flag else {"kind": "accept"}
        decision |= {"looked_ms": 1_000, "decided_at": time.time(), "screen": {"mode": self.mode}}
        self.record.holders.pop(card["id"], None)
        started = time.perf_counter()
        async with self._session.post(f"{self._api}/decisions", json=decision, headers=self._headers) as answer:
            if answer.status != 200:
                self.record.refused += 1
                return
            await answer.read()
        self.record.decisions.append(time.perf_counter() - started)
        self.record.acknowledged.append(decision["key"])


def count_lost(database: str, acknowledged: list[str]) -> int:
    """How many acknowledged decisions are not in the log exactly once."""
    opened = open_database(database)
    try:
        stored = opened.read(lambda connection: list(connection.execute(sa.select(EVENTS.c.key)).scalars()))
    finally:
        opened.close()
    times = Counter(stored)
    return sum(times[key] != 1 for key in acknowledged)


def percentile(values: list[float], share: float) -> float:
    """Milliseconds of seconds: the value that `share` (0..1) of them do not exceed."""
    return 1_000 * sorted(values)[min(len(values) - 1, int(share * len(values)))]
