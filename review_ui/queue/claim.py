"""Give a reviewer the next dialogues: those that wait for a second or third look, then the first of the queue."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import sqlalchemy as sa

from curation.reviewing.tables import EVENTS, SAMPLES
from review_ui.queue.leases import Lease, Who, take
from review_ui.queue.line import Line, list_conditions

Mode = Literal["audit", "triage"]
_FILTERS = ("persona", "model", "why", "least", "most", "finding", "ids")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a reviewer wants to see. All but `mode` and `topic` belong to triage.

    `why`: a reason of `order`; `least`, `most`: of the score nearest a limit; `ids`: dialogues that a search in the
    text found; None: nothing was searched for.
    """

    mode: Mode
    topic: str | None = None
    persona: str | None = None
    finding: str | None = None
    model: str | None = None
    why: str | None = None
    least: float | None = None
    most: float | None = None
    ids: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """One request for dialogues of a run.

    `judged`: topics whose lot has its verdict: their audit is over, and triage may have what it left. `left_out`: ids
    that the screen holds, or has decided about and has yet to tell.
    """

    run: int
    who: Who
    wanted: Wanted
    judged: Sequence[str]
    count: int
    left_out: Collection[str] = ()


def claim(connection: sa.Connection, asked: Asked) -> list[int]:
    """Lease up to `count` samples; returns their numbers, first what is to be shown first."""
    found: list[int] = []
    values = _list_values(asked)
    for line in _list_lines(asked):
        if len(found) < asked.count:
            found += take(connection, asked.who, line, values, asked.count - len(found))
    return found


def claim_one(connection: sa.Connection, asked: Asked, id_: str) -> int | Lease | None:
    """Lease one dialogue by its id: its number, or the lease of whoever holds it; None: it is not to be had here.

    Nobody chooses what is audited: there, one comes back to what one was given, or decided about, and to nothing else.
    """
    own = [SAMPLES.c.run == asked.run, SAMPLES.c.id == id_]
    row = connection.execute(sa.select(SAMPLES).where(*own)).one_or_none()
    if row is None or not _is_in_queue(row, asked):
        return None
    if row.holder not in (None, asked.who.reviewer) and row.held_until >= asked.who.now:
        return Lease(row.id, row.topic, row.pool, row.holder, row.held_until)
    if asked.wanted.mode == "audit" and not _has_seen(connection, row, asked.who.reviewer):
        return None
    taken = take(connection, asked.who, Line(filters=("id",)), {"run": asked.run, "id": id_}, 1)
    return taken[0] if taken else None


def _is_in_queue(sample: Any, asked: Asked) -> bool:
    """Triage has of a judged lot what nobody decided: what waits for a second look has to be seen blindly."""
    if asked.wanted.mode == "audit":
        return bool(sample.pool == "audit")
    return sample.pool != "audit" or (sample.topic in asked.judged and sample.verdict is None)


def _has_seen(connection: sa.Connection, sample: Any, reviewer: str) -> bool:
    own = sa.select(EVENTS.c.event).where(EVENTS.c.sample == sample.sample, EVENTS.c.reviewer == reviewer)
    return sample.holder == reviewer or connection.execute(own.limit(1)).first() is not None


def count_waiting(connection: sa.Connection, asked: Asked, most: int = 1_000) -> int:
    """How many dialogues are left in what was asked for, one's own leases among them; counted up to `most`."""
    held = connection.execute(_HELD, {"run": asked.run, "me": asked.who.reviewer, "now": asked.who.now})
    values = _list_values(asked) | {"held": list(held.scalars()), "me": asked.who.reviewer}
    total = 0
    for line in _list_lines(asked):
        total += connection.execute(_count(line), values | line.place | {"limit": most - total}).scalar_one()
        if total >= most:
            break
    return total


_HELD = sa.select(SAMPLES.c.sample).where(
    SAMPLES.c.run == sa.bindparam("run"),
    SAMPLES.c.holder.is_not(None),
    SAMPLES.c.holder != sa.bindparam("me"),
    SAMPLES.c.held_until >= sa.bindparam("now"),
)
"""What others hold: seldom more than some hundreds, so that the count itself can keep to an index."""


@lru_cache(maxsize=512)
def _count(line: Line) -> sa.Select[Any]:
    not_held = SAMPLES.c.sample.not_in(sa.bindparam("held", expanding=True))
    rows = sa.select(sa.literal(1)).select_from(SAMPLES).where(*list_conditions(line), not_held)
    return sa.select(sa.func.count()).select_from(rows.limit(sa.bindparam("limit", type_=sa.Integer)).subquery())


def _list_lines(asked: Asked) -> Iterator[Line]:
    wanted = asked.wanted
    topic = () if wanted.topic is None else ("topic",)
    if wanted.mode == "audit":
        yield Line("audit", "third", topic, is_again=True)
        yield Line("audit", "second", topic, is_again=True)
        yield Line("audit", "open", topic, "outside" if asked.judged else None)
        return
    filters = topic + tuple(name for name in _FILTERS if getattr(wanted, name) is not None)
    yield Line("triage", "third", filters, is_again=True)
    yield Line("triage", "open", filters)
    if asked.judged:
        yield Line("audit", "open", filters, "inside")


def _list_values(asked: Asked) -> dict[str, Any]:
    """What the parameters of all lines stand for."""
    values: dict[str, Any] = {name: getattr(asked.wanted, name) for name in ("topic", *_FILTERS)}
    return values | {"run": asked.run, "judged": list(asked.judged), "left_out": list(asked.left_out)}
