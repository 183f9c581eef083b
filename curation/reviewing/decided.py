"""The verdicts of the review database, as reviews."""

import json
from collections.abc import Iterator, Mapping
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
    counting = (SAMPLES.c.id, SAMPLES.c.verdict, SAMPLES.c.reason, SAMPLES.c.revision, EVENTS.c.revision.label("seen"))
    query = sa.select(*counting, *_OF_EVENT).join_from(SAMPLES, EVENTS, EVENTS.c.event == SAMPLES.c.event)
    query = query.join(RUNS, RUNS.c.run == SAMPLES.c.run).where(RUNS.c.key == key).order_by(EVENTS.c.event)
    made = sa.select(SAMPLES.c.id, EVENTS.c.made_revision, *_OF_EVENT).join_from(SAMPLES, EVENTS, _IS_ABOUT)
    made = made.join(RUNS, RUNS.c.run == SAMPLES.c.run).where(RUNS.c.key == key, SAMPLES.c.verdict == "flag")
    made = made.where(EVENTS.c.messages.is_not(None), EVENTS.c.made_revision.is_not(None))

    def read(connection: sa.Connection) -> list[Review]:
        edits = {(row.id, row.made_revision): row for row in connection.execute(made)}
        return [review for row in connection.execute(query) for review in _to_reviews(row, edits)]

    return database.read(read)


_OF_EVENT = (EVENTS.c.event, EVENTS.c.note, EVENTS.c.turn, EVENTS.c.messages, EVENTS.c.reviewer, EVENTS.c.at)
_IS_ABOUT = EVENTS.c.sample == SAMPLES.c.sample
Edits = Mapping[tuple[str, int], Any]
"""Id and revision → the event that made that text."""


def _to_reviews(row: Any, edits: Edits) -> Iterator[Review]:
    """The verdict; before it, where an edited text was flagged, the edit that made the text."""
    edit = edits.get((row.id, row.seen)) if row.verdict == "flag" else None
    if edit is not None:
        yield _to_review(edit, "edit", None, row.seen)
    judged = row.seen if edit is not None else AS_GENERATED
    yield _to_review(row, row.verdict, row.reason, row.revision if row.verdict == "edit" else judged)


def _to_review(row: Any, verdict: Verdict, reason: str | None, revision: int) -> Review:
    turns = json.loads(row.messages) if verdict == "edit" else None
    return Review(
        id=row.id,
        verdict=verdict,
        reason=reason,
        note=row.note,
        turn=row.turn if verdict == "flag" else None,
        messages=tuple(ReviewedMessage(**turn) for turn in turns) if turns else None,
        reviewer=row.reviewer,
        at=datetime.fromtimestamp(row.at, UTC),
        revision=max(revision, AS_GENERATED + 1) if verdict == "edit" else revision,
        event=row.event,
    )
