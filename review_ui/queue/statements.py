"""The statements of a decision, made once: SQLAlchemy takes longer to make one than the database to answer it.

Values come as parameters, so the text and the cache key of each are the same at every call.
"""

from functools import cache

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from curation.reviewing.tables import CODES, EVENTS, LOTS, SAMPLES, TALLIES

EVENT = sa.select(EVENTS).where(EVENTS.c.key == sa.bindparam("key"))
LOCK = (
    sa.select(SAMPLES).where(SAMPLES.c.run == sa.bindparam("run"), SAMPLES.c.id == sa.bindparam("id")).with_for_update()
)
ENTRIES = sa.select(
    EVENTS.c.messages.is_not(None), EVENTS.c.event, EVENTS.c.reviewer, EVENTS.c.kind, EVENTS.c.reason, EVENTS.c.undoes
).where(EVENTS.c.sample == sa.bindparam("of"))
STORE = sa.insert(EVENTS)
_SETTLED = (
    "state",
    "verdict",
    "reason",
    "pair",
    "event",
    "later",
    "revision",
    "pool",
    "holder",
    "held_until",
)
SETTLE = (
    sa.update(SAMPLES)
    .where(SAMPLES.c.sample == sa.bindparam("of"))
    .values({name: sa.bindparam(f"new_{name}") for name in _SETTLED})
)
LOT = sa.select(LOTS.c.round, LOTS.c.verdict).where(
    LOTS.c.run == sa.bindparam("run"), LOTS.c.topic == sa.bindparam("topic")
)
AUDIT = sa.select(TALLIES.c.name, TALLIES.c.count).where(
    TALLIES.c.run == sa.bindparam("run"),
    TALLIES.c.topic == sa.bindparam("topic"),
    TALLIES.c.name.startswith("audit:"),
)
JUDGED = (
    sa.select(LOTS.c.topic).where(LOTS.c.run == sa.bindparam("run"), LOTS.c.verdict.is_not(None)).order_by(LOTS.c.topic)
)


@cache
def add_to(table: sa.Table, dialect: str) -> sa.Insert:
    """Adds `count` to the row with these keys; a new row begins at it."""
    insert: sqlite.Insert | postgresql.Insert = (sqlite if dialect == "sqlite" else postgresql).insert(table)
    total = {"count": table.c.count + insert.excluded["count"]}
    return insert.on_conflict_do_update(index_elements=[*table.primary_key], set_=total)


def weigh_tables(connection: sa.Connection) -> None:
    """After much was written: PostgreSQL would plan by what it knew before, and walk a million rows for one.

    SQLite is left without such statistics: its plans by the form of an index alone are the right ones here.
    """
    if connection.dialect.name == "postgresql":
        for table in (SAMPLES, CODES):
            connection.execute(sa.text(f"ANALYZE {table.name}"))
