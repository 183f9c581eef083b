"""Leases: who looks at what, so that two people never decide about the same dialogue unless it is meant.

A lease is a holder and a time in the sample's own row: whoever takes one takes the row, so no two can. It ends by the
decision, by leaving, or by itself.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from curation.reviewing.tables import SAMPLES
from review_ui.queue.line import Line, list_conditions

LEASE_S = 600.0
"""Seconds. Ten minutes are enough for the longest dialogue and an edit; reading on renews it."""


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


def take(connection: sa.Connection, who: Who, line: Line, values: Mapping[str, Any], count: int) -> list[int]:
    """Lease up to `count` samples, the first of a line; returns their numbers in order. `values`: of its parameters.

    Those that one holds already come again: a screen that knows them names them as `left_out`, ids, among the values.
    """
    own = {"me": who.reviewer, "now": who.now, "count": count}
    found = list(
        connection.execute(_next(line, bool(values.get("left_out"))), {**values, **line.place, **own}).scalars()
    )
    if found:
        connection.execute(_HOLD, {"found": found, "new_holder": who.reviewer, "new_until": who.until})
    return found


@lru_cache(maxsize=512)
def _next(line: Line, has_left_out: bool) -> sa.Select[Any]:
    """The first of a line that nobody else holds."""
    free = sa.or_(SAMPLES.c.held_until < sa.bindparam("now"), SAMPLES.c.holder == sa.bindparam("me"))
    query = sa.select(SAMPLES.c.sample).where(*list_conditions(line), free)
    if has_left_out:
        query = query.where(SAMPLES.c.id.not_in(sa.bindparam("left_out", expanding=True)))
    query = query.order_by(SAMPLES.c.later, SAMPLES.c.rank, SAMPLES.c.sample)
    return query.limit(sa.bindparam("count", type_=sa.Integer)).with_for_update(skip_locked=True)


_HOLD = (
    sa.update(SAMPLES)
    .where(SAMPLES.c.sample.in_(sa.bindparam("found", expanding=True)))
    .values(holder=sa.bindparam("new_holder"), held_until=sa.bindparam("new_until"))
)


def leave(connection: sa.Connection, run: int, reviewer: str, ids: Collection[str] | None = None) -> int:
    """Let go of somebody's leases, of all or of those ids; returns how many.

    The holder's name stays until somebody else takes the dialogue or decides: they may come back to what they saw.
    """
    change = sa.update(SAMPLES).where(SAMPLES.c.run == run, SAMPLES.c.holder == reviewer, SAMPLES.c.held_until > 0)
    if ids is not None:
        change = change.where(SAMPLES.c.id.in_(ids))
    return connection.execute(change.values(held_until=0.0)).rowcount


def list_leases(connection: sa.Connection, run: int, now: float, limit: int = 200) -> list[Lease]:
    """What is held at the moment, the longest first."""
    columns = (SAMPLES.c.id, SAMPLES.c.topic, SAMPLES.c.pool, SAMPLES.c.holder, SAMPLES.c.held_until)
    query = sa.select(*columns).where(SAMPLES.c.run == run, SAMPLES.c.holder.is_not(None), SAMPLES.c.held_until >= now)
    rows = connection.execute(query.order_by(SAMPLES.c.held_until).limit(limit))
    return [Lease(*row) for row in rows]
