"""What triage can be filtered by, with counts: findings, personas, models, reasons to be shown, scores.

Counting takes a pass over all samples, seconds for a million, and the values change only when curation is taken over.
So they are counted then, and kept beside the run.
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

import sqlalchemy as sa

from curation.reviewing.tables import CODES, RUNS, SAMPLES


@dataclass(frozen=True, slots=True)
class Facets:
    """Value → how many dialogues in triage have it, the most frequent first. `least`, `most`: of the scores."""

    findings: Mapping[str, int] = field(default_factory=dict)
    personas: Mapping[str, int] = field(default_factory=dict)
    models: Mapping[str, int] = field(default_factory=dict)
    whys: Mapping[str, int] = field(default_factory=dict)
    least: float | None = None
    most: float | None = None


def read_facets(connection: sa.Connection, run: int) -> Facets:
    """Those that were counted when curation was last taken over."""
    text = connection.execute(sa.select(RUNS.c.facets).where(RUNS.c.run == run)).scalar_one()
    return Facets(**json.loads(text))


def keep_facets(connection: sa.Connection, run: int) -> None:
    """Count them, and keep them beside the run."""
    text = json.dumps(asdict(_count_facets(connection, run)), ensure_ascii=False)
    connection.execute(sa.update(RUNS).where(RUNS.c.run == run).values(facets=text))


def _count_facets(connection: sa.Connection, run: int) -> Facets:
    columns = (SAMPLES.c.persona, SAMPLES.c.model, SAMPLES.c.why)
    scores = (sa.func.min(SAMPLES.c.score), sa.func.max(SAMPLES.c.score))
    # by pool too, and not only of triage: SQLite then reads the table in order instead of by an index
    query = sa.select(SAMPLES.c.pool, *columns, sa.func.count(), *scores).where(SAMPLES.c.run == run)
    rows = connection.execute(query.group_by(SAMPLES.c.pool, *columns)).all()
    counters: tuple[Counter[str], Counter[str], Counter[str]] = (Counter(), Counter(), Counter())
    ends: list[float] = []
    for pool, *values, count, least, most in rows:
        if pool == "triage":
            ends += [each for each in (least, most) if each is not None]
            for counter, value in zip(counters, values, strict=True):
                counter[value] += count
    personas, models, whys = map(_sort, counters)
    codes = sa.select(CODES.c.code, sa.func.count()).join(SAMPLES, SAMPLES.c.sample == CODES.c.sample)
    codes = codes.where(CODES.c.run == run, SAMPLES.c.pool == "triage").group_by(CODES.c.code)
    findings = _sort({row[0]: row[1] for row in connection.execute(codes)})
    return Facets(findings, personas, models, whys, min(ends, default=None), max(ends, default=None))


def _sort(counted: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counted.items(), key=lambda item: (-item[1], item[0])))
