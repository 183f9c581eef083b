"""Read what the dashboard shows: lots, tallies, paces, leases. Never a sample by sample: a run may have a million."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from curation.reviewing.tables import LOTS, PACES, SAMPLES, TALLIES
from review_ui.dashboard.figures import Counts, Lot, TopicFigures, figure_topic
from review_ui.statistics.agreement import Agreement, measure_agreement
from review_ui.statistics.pace import median_ms, name_day


@dataclass(frozen=True, slots=True)
class Pace:
    """A reviewer's decisions. `today`: of this day, where the service runs; `median_ms`: of the last day with any."""

    name: str
    today: int
    count: int
    median_ms: float | None


@dataclass(frozen=True, slots=True)
class Dashboard:
    """All figures of a run. `quota`: None where no topic has one."""

    topics: Sequence[TopicFigures]
    totals: Counts
    quota: int | None
    agreement: Agreement
    paces: Sequence[Pace]
    leases: int


def read_dashboard(connection: sa.Connection, run: int, now: float) -> Dashboard:
    """The figures at `now`, seconds since 1970."""
    topics = read_topics(connection, run)
    pairs: Counter[tuple[str, str]] = Counter()
    for each in topics:
        pairs.update(each.pairs)
    quotas = [each.lot.quota for each in topics if each.lot.quota is not None]
    return Dashboard(
        topics=topics,
        totals=sum((each.counts for each in topics), Counts()),
        quota=sum(quotas) if quotas else None,
        agreement=measure_agreement(pairs),
        paces=_read_paces(connection, run, now),
        leases=_count_leases(connection, run, now),
    )


def read_topics(connection: sa.Connection, run: int, topic: str | None = None) -> list[TopicFigures]:
    """The figures of all topics, the largest first, or of one."""
    lots = sa.select(*(LOTS.c[name] for name in Lot.__slots__)).where(LOTS.c.run == run)
    counters = sa.select(TALLIES.c.topic, TALLIES.c.name, TALLIES.c.count).where(TALLIES.c.run == run)
    if topic is not None:
        lots, counters = lots.where(LOTS.c.topic == topic), counters.where(TALLIES.c.topic == topic)
    tallies: dict[str, dict[str, int]] = defaultdict(dict)
    for of_topic, name, count in connection.execute(counters):
        tallies[of_topic][name] = count
    rows = [Lot(*row) for row in connection.execute(lots)]
    rows.sort(key=lambda lot: (-(lot.quota or 0), lot.category, lot.topic))
    return [figure_topic(lot, tallies[lot.topic]) for lot in rows]


def _read_paces(connection: sa.Connection, run: int, now: float) -> list[Pace]:
    """The busiest today first."""
    total = sa.func.sum(PACES.c.count)
    days = sa.select(PACES.c.reviewer, PACES.c.day, total).where(PACES.c.run == run)
    by_day: dict[str, dict[str, int]] = defaultdict(dict)
    for reviewer, day, count in connection.execute(days.group_by(PACES.c.reviewer, PACES.c.day)):
        by_day[reviewer][day] = int(count)
    today = name_day(now)
    paces = [
        Pace(name, days.get(today, 0), sum(days.values()), _read_median(connection, run, name, max(days)))
        for name, days in by_day.items()
    ]
    return sorted(paces, key=lambda pace: (-pace.today, -pace.count, pace.name))


def _read_median(connection: sa.Connection, run: int, reviewer: str, day: str) -> float | None:
    query = sa.select(PACES.c.bucket, PACES.c.count.label("decisions"))
    query = query.where(PACES.c.run == run, PACES.c.reviewer == reviewer, PACES.c.day == day)
    return median_ms({row.bucket: row.decisions for row in connection.execute(query)})


def _count_leases(connection: sa.Connection, run: int, now: float) -> int:
    query = sa.select(sa.func.count()).select_from(SAMPLES)
    held = query.where(SAMPLES.c.run == run, SAMPLES.c.holder.is_not(None), SAMPLES.c.held_until >= now)
    return int(connection.execute(held).scalar_one())
