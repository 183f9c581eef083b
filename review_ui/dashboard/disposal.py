"""What an author decides about a topic's lot once the audit has judged it, and what follows for every dialogue of it.

release      The rest is accepted as it is: it leaves the queues. What a build holds back for people is accepted by the
             author's word, or it would never be published.
full-review  All that is undecided goes into triage, before everything else.
regenerate   All that nobody accepted is flagged, so that the next build makes it again. The topic's next lot starts
             with an audit of its own.

Verdicts given so go into the log like any other, under a key that follows from run, topic, round and id.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import sqlalchemy as sa

from curation.reviewing.draw import draw_turn
from curation.reviewing.outcome import Facts, list_tallies
from curation.reviewing.tables import DISPOSITIONS, EVENTS, LOTS, SAMPLES, TALLIES
from curation.reviews import LOT
from review_ui.dashboard.figures import TopicFigures
from review_ui.dashboard.reading import read_topics
from review_ui.queue.decide import add_counts
from review_ui.queue.order import Place, place_by_disposition

Disposition = Literal["release", "full-review", "regenerate"]
DISPOSITIONS_OFFERED: tuple[Disposition, ...] = ("release", "full-review", "regenerate")
NOTES = {"release": "합격한 주제라 나머지를 그대로 승인함", "regenerate": "불합격한 주제라 나머지를 다시 만듦"}
"""What the log and the finding in curation say."""
_CHUNK = 5_000


@dataclass(frozen=True, slots=True)
class Disposal:
    """What an author wants. `round`: of the lot that was on the screen; `at`: seconds since 1970."""

    topic: str
    disposition: Disposition
    round: int
    author: str
    at: float


@dataclass(frozen=True, slots=True)
class Disposed:
    """What came of it. `count`: dialogues that it concerned; `is_new` False: it was decided so before."""

    count: int
    is_new: bool


class DisposalRefusedError(Exception):
    """`code` for programs, the message for people."""

    def __init__(self, code: Literal["unknown", "stale", "not-offered"], message: str) -> None:
        super().__init__(message)
        self.code = code


def dispose(connection: sa.Connection, run: int, disposal: Disposal) -> Disposed:
    """Decide about a lot, in one transaction with all that follows. Raises DisposalRefusedError."""
    lot = (LOTS.c.run == run, LOTS.c.topic == disposal.topic)
    row = connection.execute(sa.select(LOTS.c.round).where(*lot).with_for_update()).one_or_none()
    if row is None:
        raise DisposalRefusedError("unknown", f"there is no topic '{disposal.topic}' here")
    known = _find_known(connection, run, disposal)
    if known is not None:
        return Disposed(known, False)
    if row.round != disposal.round:
        told = f"'{disposal.topic}' is in round {row.round}, the screen showed {disposal.round}"
        raise DisposalRefusedError("stale", told)
    figures = read_topics(connection, run, disposal.topic)[0]
    if disposal.disposition not in figures.steps:
        raise DisposalRefusedError("not-offered", _explain(figures, disposal))
    count = _Follow(connection, run, disposal).follow()
    _write(connection, run, disposal, figures, count)
    return Disposed(count, True)


def _find_known(connection: sa.Connection, run: int, disposal: Disposal) -> int | None:
    query = sa.select(DISPOSITIONS.c["count"]).where(
        DISPOSITIONS.c.run == run,
        DISPOSITIONS.c.topic == disposal.topic,
        DISPOSITIONS.c.round == disposal.round,
        DISPOSITIONS.c.disposition == disposal.disposition,
    )
    return connection.execute(query).scalar_one_or_none()


def _explain(figures: TopicFigures, disposal: Disposal) -> str:
    name, test, counts = figures.lot.topic, figures.audit.test, figures.counts
    if figures.lot.disposition is not None and disposal.disposition not in figures.steps:
        found = f"{figures.lot.disposed_by} decided '{figures.lot.disposition}' already"
    elif counts.waiting == 0:
        found = "nothing of it is undecided"
    elif test.verdict == "open":
        found = f"its audit is still open ({figures.audit.counts.reviewed} reviewed)"
    else:
        found = f"it says '{test.verdict}', after which there is {' or '.join(figures.steps)}"
    return f"'{disposal.disposition}' is not offered for the lot of '{name}': {found}"


def _write(connection: sa.Connection, run: int, disposal: Disposal, figures: TopicFigures, count: int) -> None:
    entry = {"run": run, "topic": disposal.topic, "round": disposal.round, "disposition": disposal.disposition}
    entry |= {"reviewer": disposal.author, "at": disposal.at, "count": count}
    entry |= {"good": figures.audit.counts.good, "defects": figures.audit.counts.defect}
    connection.execute(sa.insert(DISPOSITIONS).values(entry))
    values: dict[str, Any] = {"disposition": disposal.disposition, "disposed_by": disposal.author}
    values["disposed_at"] = disposal.at
    if disposal.disposition == "regenerate":
        values = dict.fromkeys(("verdict", "disposition", "disposed_by", "disposed_at")) | {"round": disposal.round + 1}
    change = sa.update(LOTS).where(LOTS.c.run == run, LOTS.c.topic == disposal.topic)
    connection.execute(change.values(values))


@dataclass(frozen=True, slots=True)
class _Follow:
    """Carries a disposal out, dialogue by dialogue."""

    connection: sa.Connection
    run: int
    disposal: Disposal

    def follow(self) -> int:
        """Returns how many dialogues it concerned."""
        rows = self._list_undecided()
        if self.disposal.disposition == "regenerate":
            self._decide(rows, "flag")
        elif self.disposal.disposition == "full-review":
            self._place(rows)
        else:
            self._decide([row for row in rows if row.status == "waiting"], "accept")
            self._place([row for row in rows if row.status != "waiting"])
        return len(rows)

    def _list_undecided(self) -> Sequence[Any]:
        query = sa.select(SAMPLES).where(
            SAMPLES.c.run == self.run,
            SAMPLES.c.pool.in_(("audit", "triage", "none")),
            SAMPLES.c.state == "open",
            SAMPLES.c.topic == self.disposal.topic,
            SAMPLES.c.is_lot,
        )
        return self.connection.execute(query.order_by(SAMPLES.c.sample).with_for_update()).all()

    def _place(self, rows: Sequence[Any]) -> None:
        """Into the pool and place that sync would give them from now on."""
        values: dict[str, Any] = {name: sa.bindparam(f"new_{name}") for name in ("pool", "rank", "why")}
        values |= {"holder": None, "held_until": 0.0}
        change = sa.update(SAMPLES).where(SAMPLES.c.sample == sa.bindparam("known")).values(values)
        changed, pools = [], Counter[tuple[Facts, str]]()
        for row in rows:
            before = Place(row.rank, row.why, row.score)
            pool, place = place_by_disposition(self.disposal.disposition, row.status, before, draw_turn(row.id))
            changed.append({"known": row.sample, "new_pool": pool, "new_rank": place.rank, "new_why": place.why})
            pools[_facts_of(row), pool] += 1
        for batch in _chunk(changed):
            self.connection.execute(change, batch)
        self._count((before, replace(before, pool=pool), count) for (before, pool), count in pools.items())

    def _decide(self, rows: Sequence[Any], kind: Literal["accept", "flag"]) -> None:
        """A verdict of the author's for each. They leave the audit's pool: it says nothing about what nobody saw."""
        event = sa.select(sa.func.max(EVENTS.c.event)).where(EVENTS.c.sample == SAMPLES.c.sample).scalar_subquery()
        values: dict[str, Any] = {"pool": "none", "state": "done", "verdict": kind, "reason": LOT}
        for batch in _chunk(rows):
            self.connection.execute(sa.insert(EVENTS), [self._make_event(row, kind) for row in batch])
            change = sa.update(SAMPLES).where(SAMPLES.c.sample.in_([row.sample for row in batch]))
            self.connection.execute(change.values(**values, event=event, holder=None, held_until=0.0))
        befores = Counter(map(_facts_of, rows))
        self._count((before, replace(before, **values), count) for before, count in befores.items())

    def _make_event(self, row: Any, kind: str) -> dict[str, Any]:
        about = self.disposal
        name = f"{self.run}/{about.topic}/{about.round}/{about.disposition}/{row.id}"
        return {
            "key": f"lot-{hashlib.blake2b(name.encode(), digest_size=20).hexdigest()}",
            "run": self.run,
            "sample": row.sample,
            "reviewer": about.author,
            "kind": kind,
            "mode": "triage",
            "revision": row.revision,
            "reason": LOT,
            "note": NOTES[about.disposition],
            "looked_ms": 0,
            "screen": "{}",
            "decided_at": about.at,
            "at": about.at,
            "source": LOT,
        }

    def _count(self, changes: Iterable[tuple[Facts, Facts, int]]) -> None:
        total: Counter[str] = Counter()
        for before, after, count in changes:
            for name in list_tallies(before):
                total[name] -= count
            for name in list_tallies(after):
                total[name] += count
        rows = [
            {"run": self.run, "topic": self.disposal.topic, "name": name, "count": count}
            for name, count in sorted(total.items())
            if count
        ]
        add_counts(self.connection, TALLIES, rows)


def _chunk(rows: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(rows), _CHUNK):
        yield rows[start : start + _CHUNK]


def _facts_of(row: Any) -> Facts:
    return Facts(*(getattr(row, name) for name in Facts.__slots__))
