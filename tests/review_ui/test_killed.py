"""kill -9 at any moment: what was acknowledged is in the log, exactly once, and the service starts again."""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests
import sqlalchemy as sa

from curation.reviewing.connect import Database, open_database
from curation.reviewing.place import VARIABLE
from curation.reviewing.tables import EVENTS, RUNS, TALLIES
from review_ui.queue.sync import count_anew

pytestmark = pytest.mark.slow

KILLS = 3
CLIENTS = 4
LEAST = 15
"""Decisions that have to be acknowledged before each kill, so that it comes under load."""


@dataclass
class Told:
    """What the service acknowledged, key by key."""

    keys: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    grown: threading.Condition = field(default_factory=threading.Condition)

    def add(self, key: str) -> None:
        with self.grown:
            self.keys.append(key)
            self.grown.notify_all()

    def wait_for_more(self, least: int) -> None:
        with self.grown:
            until = len(self.keys) + least
            assert self.grown.wait_for(lambda: len(self.keys) >= until, 120), f"it stopped answering: {self.refused}"


@contextmanager
def _start(folder: Path, url: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "damhwa", "review", str(folder), "--port", "0"]
    environment = os.environ | {VARIABLE: url, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, encoding="utf-8", env=environment) as process:
        try:
            assert process.stderr is not None
            found = None
            for line in process.stderr:
                found = re.search(r"http://127\.0\.0\.1:\d+", line)
                if found:
                    break
            assert found is not None, "the service did not start"
            yield process, found[0]
        finally:
            process.kill()


def _work(base: str, run: str, told: Told, number: int) -> None:
    """Claim and decide until the service is gone; an own decision is sometimes sent again, as an outbox would."""
    chance = random.Random(number)
    session = requests.Session()
    try:
        session.headers["X-CSRF-Token"] = session.get(f"{base}/api/v1/me", timeout=60).json()["csrf"]
        while True:
            cards = _post(session, f"{base}/api/v1/runs/{run}/claims", {"mode": "audit", "count": 5})["cards"]
            for card in cards:
                decision = _make_decision(card, chance)
                _post(session, f"{base}/api/v1/runs/{run}/decisions", decision)
                told.add(decision["key"])
                if chance.random() < 0.3:
                    _post(session, f"{base}/api/v1/runs/{run}/decisions", decision)
    except requests.HTTPError as exc:
        told.refused.append(str(exc.response and exc.response.text))
    except requests.RequestException:
        return  # killed


def _make_decision(card: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    # no flags and much put off: a lot that passed or failed would leave the audit, and the queue run dry
    kind = chance.choice(["later", "later", "accept"])
    return {
        "key": uuid4().hex,
        "id": card["id"],
        "revision": card["revision"],
        "kind": kind,
        "mode": "audit",
        "looked_ms": 900,
        "decided_at": 1_772_400_000.0,
        "screen": {"mode": "audit"},
    }


def _post(session: requests.Session, url: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = session.post(url, json=body, timeout=60)
    answer.raise_for_status()
    found: dict[str, Any] = answer.json()
    return found


def _kill_under_load(folder: Path, url: str, told: Told, moment: float) -> None:
    with _start(folder, url) as (process, base):
        threads = [
            threading.Thread(target=_work, args=(base, folder.name, told, number), daemon=True)
            for number in range(CLIENTS)
        ]
        for each in threads:
            each.start()
        told.wait_for_more(LEAST)
        threading.Event().wait(moment)  # somewhere within a request
        process.send_signal(signal.SIGKILL)
        for each in threads:
            each.join(30)
        assert told.refused == []
        assert not any(each.is_alive() for each in threads)


@pytest.fixture
def folder(built_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built_run, tmp_path / "exa-data"))


def test_after_kill_9_every_acknowledged_decision_is_in_the_log_once(folder: Path, database_url: str) -> None:
    told, chance = Told(), random.Random(9)
    for _ in range(KILLS):
        _kill_under_load(folder, database_url, told, chance.random() * 0.05)
    with _start(folder, database_url):  # it starts again, whatever the last kill left
        pass
    database = open_database(database_url)
    stored = database.read(lambda connection: list(connection.execute(sa.select(EVENTS.c.key)).scalars()))
    counted = Counter(stored)
    assert len(told.keys) >= KILLS * LEAST
    assert [key for key in told.keys if counted[key] != 1] == []
    assert max(counted.values()) == 1
    # not acknowledged but stored: at most what was on its way at each kill
    assert len(stored) - len(told.keys) <= KILLS * CLIENTS
    _compare_tallies(database)
    database.close()


def _compare_tallies(database: Database) -> None:
    """The counters are those of a count from scratch."""
    query = sa.select(TALLIES.c.topic, TALLIES.c.name, TALLIES.c.count).where(TALLIES.c.count != 0)
    query = query.order_by(TALLIES.c.topic, TALLIES.c.name)

    def compare(connection: sa.Connection) -> None:
        kept = connection.execute(query).all()
        count_anew(connection, connection.execute(sa.select(RUNS.c.run)).scalar_one())
        assert connection.execute(query).all() == kept

    database.write(compare)
