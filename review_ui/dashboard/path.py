"""The audit's verdicts of one topic, in the order in which they were given, and what authors decided before."""

from dataclasses import dataclass

import sqlalchemy as sa

from curation.reviewing.tables import DISPOSITIONS, SAMPLES


@dataclass(frozen=True, slots=True)
class Past:
    """An author's decision about a lot. `at`: seconds since 1970; `count`: dialogues that it concerned."""

    topic: str
    round: int
    disposition: str
    reviewer: str
    at: float
    good: int
    defects: int
    count: int


def read_path(connection: sa.Connection, run: int, topic: str, round_: int) -> list[bool]:
    """Whether each audited dialogue was a defect; a few hundred at most, by the order of the verdicts that count."""
    query = sa.select(SAMPLES.c.verdict).where(
        SAMPLES.c.run == run,
        SAMPLES.c.pool == "audit",
        SAMPLES.c.state.in_(("second", "third", "done")),
        SAMPLES.c.topic == topic,
        SAMPLES.c.round == round_,
    )
    return [verdict != "accept" for verdict in connection.execute(query.order_by(SAMPLES.c.event)).scalars()]


def list_past(connection: sa.Connection, run: int, limit: int = 20) -> list[Past]:
    """What was decided about lots, the newest first."""
    query = sa.select(*(DISPOSITIONS.c[name] for name in Past.__slots__)).where(DISPOSITIONS.c.run == run)
    rows = connection.execute(query.order_by(DISPOSITIONS.c.at.desc()).limit(limit))
    return [Past(*row) for row in rows]
