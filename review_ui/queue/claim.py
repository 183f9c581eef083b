"""Give a reviewer the next dialogues: those that wait for a second or third look, then the first of the queue."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa

from curation.reviewing.tables import CODES, SAMPLES
from review_ui.queue.leases import Condition, Lease, Who, is_free, not_seen_by, take

Mode = Literal["audit", "triage"]


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
    for conditions in _list_queues(asked):
        found += take(connection, asked.who, conditions, asked.count - len(found), asked.left_out)
    return found


def claim_one(connection: sa.Connection, asked: Asked, id_: str) -> int | Lease | None:
    """Lease one dialogue by its id: its number, or the lease of whoever holds it; None: it is not in this queue."""
    own = [SAMPLES.c.run == asked.run, SAMPLES.c.id == id_]
    columns = (SAMPLES.c.id, SAMPLES.c.topic, SAMPLES.c.pool, SAMPLES.c.holder, SAMPLES.c.held_until)
    row = connection.execute(sa.select(*columns).where(*own)).one_or_none()
    if row is None or not _may_see(row.pool, row.topic, asked):
        return None
    taken = take(connection, asked.who, own, 1)
    if taken:
        return taken[0]
    return Lease(*row) if row.holder else None


def _may_see(pool: str, topic: str, asked: Asked) -> bool:
    if asked.wanted.mode == "audit":
        return pool == "audit"
    return pool != "audit" or topic in asked.judged


def count_waiting(connection: sa.Connection, asked: Asked, most: int = 1_000) -> int:
    """How many dialogues are left in what was asked for, one's own leases among them; counted up to `most`."""
    total = 0
    for conditions in _list_queues(asked):
        wanted = [*conditions, is_free(asked.who)]
        rows = sa.select(sa.literal(1)).select_from(SAMPLES).where(*wanted).limit(most - total).subquery()
        total += connection.execute(sa.select(sa.func.count()).select_from(rows)).scalar_one()
        if total >= most:
            break
    return total


def _list_queues(asked: Asked) -> Iterator[list[Condition]]:
    if asked.wanted.mode == "audit":
        again = not_seen_by(asked.who.reviewer)
        yield [*_in_queue(asked, "audit", "third"), again]
        yield [*_in_queue(asked, "audit", "second"), again]
        yield [*_in_queue(asked, "audit", "open"), *_outside(asked.judged)]
        return
    wanted = list(_list_wanted(asked))
    yield [*_in_queue(asked, "triage", "third"), not_seen_by(asked.who.reviewer), *wanted]
    yield [*_in_queue(asked, "triage", "open"), *wanted]
    if asked.judged:
        yield [*_in_queue(asked, "audit", "open"), SAMPLES.c.topic.in_(asked.judged), *wanted]


def _in_queue(asked: Asked, pool: str, state: str) -> list[Condition]:
    conditions: list[Condition] = [SAMPLES.c.run == asked.run, SAMPLES.c.pool == pool, SAMPLES.c.state == state]
    if asked.wanted.topic is not None:
        conditions.append(SAMPLES.c.topic == asked.wanted.topic)
    return conditions


def _outside(topics: Sequence[str]) -> list[Condition]:
    return [SAMPLES.c.topic.not_in(topics)] if topics else []


def _list_wanted(asked: Asked) -> Iterator[Condition]:
    wanted = asked.wanted
    for column, value in (
        (SAMPLES.c.persona, wanted.persona),
        (SAMPLES.c.model, wanted.model),
        (SAMPLES.c.why, wanted.why),
    ):
        if value is not None:
            yield column == value
    if wanted.least is not None:
        yield SAMPLES.c.score >= wanted.least
    if wanted.most is not None:
        yield SAMPLES.c.score <= wanted.most
    if wanted.finding is not None:
        found = sa.select(CODES.c.sample).where(CODES.c.run == asked.run, CODES.c.code == wanted.finding)
        yield SAMPLES.c.sample.in_(found)
    if wanted.ids is not None:
        yield SAMPLES.c.id.in_(wanted.ids)
