"""The course of one topic's audit, replayed from the log, and what authors decided about lots before."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from curation.reviewing.outcome import Entry, decide_outcome, name_audited
from curation.reviewing.tables import DISPOSITIONS, EVENTS, SAMPLES
from review_ui.queue.decide import to_entry


@dataclass(frozen=True, slots=True)
class Step:
    """The audit's counts after a decision."""

    good: int
    defects: int


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


def read_path(connection: sa.Connection, run: int, topic: str, round_: int) -> list[Step]:
    """The course of a lot's audit: a few hundred dialogues at most."""
    columns = (EVENTS.c.event, EVENTS.c.reviewer, EVENTS.c.kind, EVENTS.c.reason, EVENTS.c.undoes)
    told = (SAMPLES.c.sample, EVENTS.c.messages.is_not(None), *columns)
    query = sa.select(*told).join(EVENTS, EVENTS.c.sample == SAMPLES.c.sample)
    query = query.where(
        SAMPLES.c.run == run,
        SAMPLES.c.pool == "audit",
        SAMPLES.c.state.in_(("open", "second", "third", "done")),
        SAMPLES.c.topic == topic,
        SAMPLES.c.round == round_,
    )
    rows = connection.execute(query.order_by(EVENTS.c.event))
    return replay((sample, to_entry(Entry(*entry), bool(is_edited))) for sample, is_edited, *entry in rows)


def replay(events: Iterable[tuple[int, Entry]]) -> list[Step]:
    """The counts after each decision that changed them, from (sample, event) in the order of the log.

    A second look or an undo may take a verdict back, so counts can fall; the test was judged on them as they stood.
    """
    entries: dict[int, list[Entry]] = defaultdict(list)
    found: dict[int, str] = {}
    steps: list[Step] = []
    good = defects = 0
    for sample, entry in events:
        entries[sample].append(entry)
        outcome = decide_outcome(entries[sample], False)
        before, after = found.get(sample), name_audited(outcome.state, outcome.verdict)
        found[sample] = after
        good += (after == "good") - (before == "good")
        defects += (after == "defect") - (before == "defect")
        if Step(good, defects) != (steps[-1] if steps else Step(0, 0)):
            steps.append(Step(good, defects))
    return steps


def list_past(connection: sa.Connection, run: int, limit: int = 20) -> list[Past]:
    """What was decided about lots, the newest first."""
    query = sa.select(*(DISPOSITIONS.c[name] for name in Past.__slots__)).where(DISPOSITIONS.c.run == run)
    rows = connection.execute(query.order_by(DISPOSITIONS.c.at.desc()).limit(limit))
    return [Past(*row) for row in rows]
