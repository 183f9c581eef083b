"""The verdicts of the review database, as reviews."""

import json
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from curation.reviewing.connect import Database, open_database
from curation.reviewing.outcome import Verdict
from curation.reviewing.tables import EVENTS, RUNS, SAMPLES
from curation.reviews import AS_GENERATED, Review, ReviewedMessage


def read_decided(url: str, key: str) -> list[Review]:
    """The verdicts that count of the run with this key. Raises DataError where the database is away."""
    database = open_database(url)
    try:
        return _read(database, key)
    finally:
        database.close()


def _read(database: Database, key: str) -> list[Review]:
    columns = (SAMPLES.c.id, SAMPLES.c.verdict, SAMPLES.c.reason, SAMPLES.c.revision, *_OF_EVENT)
    query = sa.select(*columns).select_from(SAMPLES).join(EVENTS, EVENTS.c.event == SAMPLES.c.event)
    query = query.join(RUNS, RUNS.c.run == SAMPLES.c.run).where(RUNS.c.key == key).order_by(EVENTS.c.event)
    return database.read(lambda connection: [_to_review(row) for row in connection.execute(query)])


_OF_EVENT = (EVENTS.c.event, EVENTS.c.note, EVENTS.c.turn, EVENTS.c.messages, EVENTS.c.reviewer, EVENTS.c.at)


def _to_review(row: Any) -> Review:
    verdict: Verdict = row.verdict
    turns = json.loads(row.messages) if verdict == "edit" else None
    return Review(
        id=row.id,
        verdict=verdict,
        reason=row.reason,
        note=row.note,
        turn=row.turn if verdict == "flag" else None,
        messages=tuple(ReviewedMessage(**turn) for turn in turns) if turns else None,
        reviewer=row.reviewer,
        at=datetime.fromtimestamp(row.at, UTC),
        revision=max(row.revision, AS_GENERATED + 1) if verdict == "edit" else None,
        event=row.event,
    )
