"""Leases: who looks at what, so that two people never decide about the same dialogue unless it is meant.

A lease is a holder and a time in the sample's own row: whoever takes one takes the row, so no two can. It ends by the
decision, by leaving, or by itself.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from curation.reviewing.tables import EVENTS, SAMPLES

LEASE_S = 600.0
"""Seconds. Ten minutes are enough for the longest dialogue and an edit; reading on renews it."""

Condition = sa.ColumnElement[bool]


@dataclass(frozen=True, slots=True)
class Who:
    """Who asks, and when (seconds since 1970)."""

    reviewer: str
    now: float
    lease_s: float = LEASE_S

    @property
    def until(self) -> float:
        return self.now + self.lease_s


@dataclass(frozen=True, slots=True)
class Lease:
    """A sample that is held."""

    id: str
    topic: str
    pool: str
    holder: str
    until: float


def is_free(who: Who) -> Condition:
    """Held by nobody, or by the one who asks."""
    return sa.or_(SAMPLES.c.held_until < who.now, SAMPLES.c.holder == who.reviewer)


def not_seen_by(reviewer: str) -> Condition:
    """Of a second or third look: by somebody who has not decided yet."""
    theirs = sa.select(EVENTS.c.event).where(
        EVENTS.c.sample == SAMPLES.c.sample,
        EVENTS.c.reviewer == reviewer,
        EVENTS.c.kind.in_(("accept", "flag", "edit")),
    )
    return ~sa.exists(theirs)


def take(
    connection: sa.Connection, who: Who, conditions: Sequence[Condition], count: int, left_out: Collection[str] = ()
) -> list[int]:
    """Lease up to `count` samples, the first of the queue that the conditions name; returns their numbers in order.

    Those that one holds already come again: a screen that knows them names them in `left_out`.
    """
    if count <= 0:
        return []
    wanted = [*conditions, is_free(who)]
    if left_out:
        wanted.append(SAMPLES.c.id.not_in(left_out))
    query = sa.select(SAMPLES.c.sample).where(*wanted).order_by(SAMPLES.c.later, SAMPLES.c.rank, SAMPLES.c.sample)
    query = query.limit(count).with_for_update(skip_locked=True)
    found = list(connection.execute(query).scalars())
    if found:
        change = sa.update(SAMPLES).where(SAMPLES.c.sample.in_(found))
        connection.execute(change.values(holder=who.reviewer, held_until=who.until))
    return found


def leave(connection: sa.Connection, run: int, reviewer: str, ids: Collection[str] | None = None) -> int:
    """Let go of somebody's leases, of all or of those ids; returns how many."""
    change = sa.update(SAMPLES).where(SAMPLES.c.run == run, SAMPLES.c.holder == reviewer)
    if ids is not None:
        change = change.where(SAMPLES.c.id.in_(ids))
    return connection.execute(change.values(holder=None, held_until=0.0)).rowcount


def list_leases(connection: sa.Connection, run: int, now: float, limit: int = 200) -> list[Lease]:
    """What is held at the moment, the longest first."""
    columns = (SAMPLES.c.id, SAMPLES.c.topic, SAMPLES.c.pool, SAMPLES.c.holder, SAMPLES.c.held_until)
    query = sa.select(*columns).where(SAMPLES.c.run == run, SAMPLES.c.holder.is_not(None), SAMPLES.c.held_until >= now)
    rows = connection.execute(query.order_by(SAMPLES.c.held_until).limit(limit))
    return [Lease(*row) for row in rows]
