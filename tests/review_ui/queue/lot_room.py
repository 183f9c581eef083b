"""A room to decide in: a review database with the lots that a test asks for, and reviewers who decide in it."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
import sqlalchemy as sa

from curation.reviewing.connect import Database, open_database
from curation.reviewing.outcome import Facts, list_tallies
from curation.reviewing.tables import EVENTS, LOTS, RUNS, SAMPLES, TALLIES
from review_ui.queue.claim import Asked, Wanted, claim
from review_ui.queue.decide import Decision, Desk, RefusedError, Stored, encode_messages
from review_ui.queue.judged import list_judged
from review_ui.queue.leases import Who
from review_ui.queue.sync import count_anew

TOPIC = "일상 대화"
NOW = 1_772_400_000.0
"""2026-03-02 in Korea."""
EDITED = encode_messages([("user", "나 왔어"), ("assistant", "*손을 흔들며* 어서 와, 오늘 어땠어?")])


@dataclass
class Room:
    """`share`: of the audited dialogues that get a second look."""

    database: Database
    share: float = 0.0
    run: int = 1
    _keys: Iterator[int] = field(default_factory=lambda: count(1))

    def fill(self, ids: Sequence[str], pool: str = "audit", topic: str = TOPIC, **values: Any) -> None:
        """Put dialogues of a topic into a pool, in the order of their ids."""
        given: dict[str, Any] = {
            "run": self.run,
            "topic": topic,
            "persona": "exa",
            "model": "gpt-4o",
            "status": "accepted",
            "file": "a.parquet",
            "row": 0,
            "is_lot": True,
            "round": 1,
            "pool": pool,
            "why": "rest",
        }
        rows = [given | {"id": each, "rank": float(number)} | values for number, each in enumerate(ids)]
        lot = {"run": self.run, "topic": topic, "category": "intellectual", "quota": len(ids)}

        def write(connection: sa.Connection) -> None:
            found = connection.execute(sa.select(LOTS.c.topic).where(LOTS.c.run == self.run, LOTS.c.topic == topic))
            if found.one_or_none() is None:
                connection.execute(sa.insert(LOTS).values(lot))
            connection.execute(sa.insert(SAMPLES), rows)
            count_anew(connection, self.run)

        self.database.write(write)

    def decide(self, reviewer: str, id_: str, kind: str = "accept", **values: Any) -> Stored:
        """One decision with a key of its own, of what is on the screen now. `undoes`: a key."""
        decision = self.make_decision(reviewer, id_, kind, **values)
        return self.database.write(lambda connection: self.desk.decide(connection, decision, NOW))

    def make_decision(self, reviewer: str, id_: str, kind: str = "accept", **values: Any) -> Decision:
        given: dict[str, Any] = {
            "key": f"key-{next(self._keys):06}",
            "mode": "audit",
            "looked_ms": 2_400,
            "decided_at": NOW,
            "reason": "fact" if kind == "flag" else None,
            "messages": EDITED if kind == "edit" else None,
        }
        if "revision" not in values:
            values["revision"] = self.read(id_).revision
        return Decision(sample_id=id_, kind=kind, reviewer=reviewer, **(given | values))  # type: ignore[arg-type]

    @property
    def desk(self) -> Desk:
        return Desk(self.run, self.share)

    def claim(
        self,
        reviewer: str,
        mode: str = "audit",
        size: int = 1,
        at: float = NOW,
        left_out: Sequence[str] = (),
        **more: Any,
    ) -> list[str]:
        """Ids that somebody gets to see; `more` are wishes for triage."""

        def job(connection: sa.Connection) -> list[str]:
            wanted = Wanted(mode, **more)  # type: ignore[arg-type]
            judged = list_judged(connection, self.run)
            found = claim(connection, Asked(self.run, Who(reviewer, at), wanted, judged, size, left_out))
            query = sa.select(SAMPLES.c.sample, SAMPLES.c.id).where(SAMPLES.c.sample.in_(found))
            names = {row.sample: row.id for row in connection.execute(query)}
            return [names[each] for each in found]

        return self.database.write(job)

    def read(self, id_: str) -> Any:
        """The row of a sample."""
        query = sa.select(SAMPLES).where(SAMPLES.c.run == self.run, SAMPLES.c.id == id_)
        return self.database.read(lambda connection: connection.execute(query).one())

    def list_events(self) -> list[Any]:
        query = sa.select(EVENTS).order_by(EVENTS.c.event)
        return list(self.database.read(lambda connection: connection.execute(query).all()))

    def count_tallies(self) -> dict[str, int]:
        """What the counters say, without those at zero; of all topics."""
        query = sa.select(TALLIES.c.name, sa.func.sum(TALLIES.c.count)).where(TALLIES.c.run == self.run)
        rows = self.database.read(lambda connection: connection.execute(query.group_by(TALLIES.c.name)).all())
        return {name: int(total) for name, total in rows if total}

    def recount(self) -> dict[str, int]:
        """What the counters should say: every sample counted one by one."""
        columns = [SAMPLES.c[name] for name in Facts.__slots__]
        query = sa.select(*columns).where(SAMPLES.c.run == self.run)
        rows = self.database.read(lambda connection: connection.execute(query).all())
        return dict(Counter(name for row in rows for name in list_tallies(Facts(*row))))


@contextmanager
def open_room(url: str, share: float = 0.0) -> Iterator[Room]:
    """A room for as long as the block runs."""
    database = open_database(url)
    run = {"key": "k" * 32, "name": "exa-data", "folder": "runs/exa-data", "imported": ""}
    database.write(lambda connection: connection.execute(sa.insert(RUNS).values(run)))
    try:
        yield Room(database, share)
    finally:
        database.close()


def forbid_change(room: Room) -> None:
    """Let the database itself refuse to change or delete what is in the log."""
    if room.database.is_sqlite:
        for what in ("UPDATE", "DELETE"):
            statement = (
                f"CREATE TRIGGER no_{what} BEFORE {what} ON events BEGIN SELECT RAISE(ABORT, 'append only'); END"
            )
            room.database.write(lambda connection, text=statement: connection.exec_driver_sql(text))  # type: ignore[misc]
        return
    function = (
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'append only'; END $$"
    )
    trigger = "CREATE TRIGGER no_change BEFORE UPDATE OR DELETE ON events FOR EACH ROW EXECUTE FUNCTION refuse()"
    for statement in (function, trigger):
        room.database.write(lambda connection, text=statement: connection.exec_driver_sql(text))  # type: ignore[misc]


def refuse(room: Room, reviewer: str, id_: str, kind: str = "accept", **values: object) -> str:
    """The code with which a decision is refused; nothing changes by it."""
    before = room.list_events(), room.count_tallies()
    with pytest.raises(RefusedError) as caught:
        room.decide(reviewer, id_, kind, **values)
    assert (room.list_events(), room.count_tallies()) == before
    return caught.value.code
