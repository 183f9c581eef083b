"""Which lots the audit has judged: their audit is over, and triage may have what it left."""

from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from curation.reviewing.tables import LOTS
from review_ui.queue import statements
from review_ui.statistics.sequential import LotVerdict, judge_lot


@dataclass(frozen=True, slots=True)
class AuditCounts:
    """Of a lot's audited part. `later`: undecided ones that somebody put off; `disputed`: two disagree about them."""

    good: int = 0
    defect: int = 0
    open: int = 0
    later: int = 0
    disputed: int = 0

    @property
    def reviewed(self) -> int:
        return self.good + self.defect

    def judge(self) -> LotVerdict:
        return judge_lot(self.good, self.defect, postponed=self.later + self.disputed)


def _gather(tallies: Iterable[tuple[str, int]], round_: int) -> AuditCounts:
    prefix = f"audit:{round_}:"
    return AuditCounts(**{name.removeprefix(prefix): count for name, count in tallies if name.startswith(prefix)})


def keep_verdict(connection: sa.Connection, run: int, topic: str, is_undo: bool) -> None:
    """Write down the verdict when the test first crosses a bound; only an undo may take it back."""
    of_topic = {"run": run, "topic": topic}
    round_, kept = connection.execute(statements.LOT, of_topic).one()
    if kept is not None and not is_undo:
        return
    tallies = ((name, count) for name, count in connection.execute(statements.AUDIT, of_topic))
    verdict = _gather(tallies, round_).judge().verdict
    now = None if verdict == "open" else verdict
    if now != kept:
        connection.execute(sa.update(LOTS).where(LOTS.c.run == run, LOTS.c.topic == topic).values(verdict=now))


def list_judged(connection: sa.Connection, run: int) -> list[str]:
    """The topics whose lot passed or failed."""
    return list(connection.execute(statements.JUDGED, {"run": run}).scalars())
