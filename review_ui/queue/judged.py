"""Which lots the audit has judged: their audit is over, and triage may have what it left."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from curation.reviewing.tables import LOTS, TALLIES
from review_ui.statistics.sequential import LotVerdict, judge_lot


@dataclass(frozen=True, slots=True)
class AuditCounts:
    """Of a lot's audited part. `later`: undecided ones that somebody put off."""

    good: int = 0
    defect: int = 0
    open: int = 0
    later: int = 0

    @property
    def reviewed(self) -> int:
        return self.good + self.defect

    def judge(self) -> LotVerdict:
        return judge_lot(self.good, self.defect, postponed=self.later)


def read_audits(connection: sa.Connection, run: int, topic: str | None = None) -> dict[str, AuditCounts]:
    """Topic → the counts of its present lot; of one topic, or of all."""
    lots = sa.select(LOTS.c.topic, LOTS.c.round).where(LOTS.c.run == run)
    tallies = sa.select(TALLIES.c.topic, TALLIES.c.name, TALLIES.c.count)
    tallies = tallies.where(TALLIES.c.run == run, TALLIES.c.name.startswith("audit:"))
    if topic is not None:
        lots, tallies = lots.where(LOTS.c.topic == topic), tallies.where(TALLIES.c.topic == topic)
    rounds: Mapping[str, int] = {row.topic: row.round for row in connection.execute(lots)}
    counts: dict[str, dict[str, int]] = defaultdict(dict)
    for name_of, name, count in connection.execute(tallies):
        _, round_, what = name.split(":")
        if rounds.get(name_of) == int(round_):
            counts[name_of][what] = count
    return {each: AuditCounts(**counts[each]) for each in rounds}


def keep_verdict(connection: sa.Connection, run: int, topic: str, is_undo: bool) -> None:
    """Write down the verdict when the test first crosses a bound; only an undo may take it back."""
    of_topic = (LOTS.c.run == run, LOTS.c.topic == topic)
    kept = connection.execute(sa.select(LOTS.c.verdict).where(*of_topic)).scalar_one()
    if kept is not None and not is_undo:
        return
    verdict = read_audits(connection, run, topic)[topic].judge().verdict
    now = None if verdict == "open" else verdict
    if now != kept:
        connection.execute(sa.update(LOTS).where(*of_topic).values(verdict=now))


def list_judged(connection: sa.Connection, run: int) -> list[str]:
    """The topics whose lot passed or failed."""
    query = sa.select(LOTS.c.topic).where(LOTS.c.run == run, LOTS.c.verdict.is_not(None))
    return list(connection.execute(query.order_by(LOTS.c.topic)).scalars())
