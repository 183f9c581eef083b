"""A line in front of a desk: a part of a queue, told without the values, so that its statement is made once.

The values (which topic, who asks, …) are parameters of the names used here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa

from curation.reviewing.tables import CODES, EVENTS, SAMPLES

Condition = sa.ColumnElement[bool]
_NARROW = {"ids", "id"}
"""Filters that leave few dialogues: these are looked up and sorted, the queue is not walked from its beginning."""


@dataclass(frozen=True, slots=True)
class Line:
    """`filters`: names of the conditions below. `judged`: only topics inside, or outside, of those that have their
    verdict. `is_again`: a second or third look, by somebody who has not decided yet. Without a pool: anywhere."""

    pool: str | None = None
    state: str | None = None
    filters: tuple[str, ...] = ()
    judged: Literal["inside", "outside"] | None = None
    is_again: bool = False

    @property
    def place(self) -> dict[str, str | None]:
        """Values of its own."""
        return {} if self.pool is None else {"pool": self.pool, "state": self.state}


def list_conditions(line: Line) -> Sequence[Condition]:
    # what is no bare column cannot be looked up by an index, so both databases take the filter's
    is_narrow = not _NARROW.isdisjoint(line.filters)
    conditions: list[Condition] = [SAMPLES.c.run == sa.bindparam("run")]
    if line.pool is not None:
        for column in (SAMPLES.c.pool, SAMPLES.c.state):
            conditions.append((sa.func.coalesce(column, "") if is_narrow else column) == sa.bindparam(column.name))
    conditions += [_FILTERS[name] for name in line.filters]
    judged: sa.BindParameter[list[str]] = sa.bindparam("judged", expanding=True)
    if line.judged == "outside":
        conditions.append(SAMPLES.c.topic.not_in(judged))
    elif line.judged == "inside":
        conditions.append(SAMPLES.c.topic.in_(judged))
    if line.is_again and line.pool == "audit":
        conditions.append(SAMPLES.c.is_lot)  # what was made again meanwhile needs no other look
    return [*conditions, ~sa.exists(_THEIRS)] if line.is_again else conditions


_FILTERS: Mapping[str, Condition] = {
    "id": SAMPLES.c.id == sa.bindparam("id"),
    "ids": SAMPLES.c.id.in_(sa.bindparam("ids", expanding=True)),
    "topic": SAMPLES.c.topic == sa.bindparam("topic"),
    "persona": SAMPLES.c.persona == sa.bindparam("persona"),
    "model": SAMPLES.c.model == sa.bindparam("model"),
    "why": SAMPLES.c.why == sa.bindparam("why"),
    "least": SAMPLES.c.score >= sa.bindparam("least"),
    "most": SAMPLES.c.score <= sa.bindparam("most"),
    "finding": SAMPLES.c.sample.in_(
        sa.select(CODES.c.sample).where(CODES.c.run == sa.bindparam("run"), CODES.c.code == sa.bindparam("finding"))
    ),
}
_THEIRS = sa.select(EVENTS.c.event).where(
    EVENTS.c.sample == SAMPLES.c.sample,
    EVENTS.c.reviewer == sa.bindparam("me"),
    EVENTS.c.kind.in_(("accept", "flag", "edit")),
)
"""What the one who asks has decided about a dialogue."""
