"""Verdicts from elsewhere: stored once, however often they are read, and with few questions to the database."""

from datetime import UTC, datetime

import sqlalchemy as sa

from curation.reviews import Review
from review_ui.queue.take_over import TakenOver, take_over
from tests.review_ui.queue.lot_room import NOW, Room

IDS = [f"exa-data-{number:04}" for number in range(1, 1_201)]


def _review(id_: str) -> Review:
    return Review(id=id_, verdict="accept", reviewer="검수자 9", at=datetime(2026, 3, 1, tzinfo=UTC))


def _take(room: Room, reviews: list[Review]) -> TakenOver:
    return room.database.write(lambda connection: take_over(connection, room.desk, reviews, "reviews.jsonl", NOW))


def test_a_verdict_that_stands_twice_is_stored_once_and_an_unknown_dialogue_is_told(room: Room) -> None:
    room.fill(IDS[:2], "triage")
    reviews = [_review(IDS[0]), _review(IDS[0]), _review("없는-대화"), _review(IDS[1])]
    taken = _take(room, reviews)
    assert (taken.stored, taken.known) == (2, 1)
    assert taken.refused == ("없는-대화: there is no such dialogue to review",)
    assert len(room.list_events()) == 2
    assert room.count_tallies() == room.recount()


def test_verdicts_that_are_there_cost_a_few_questions_each_time_curation_ran(room: Room) -> None:
    room.fill(IDS, "triage")
    reviews = [_review(each) for each in IDS]
    assert _take(room, reviews).stored == len(IDS)
    asked: list[str] = []
    sa.event.listen(room.database.engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    assert _take(room, reviews) == TakenOver(0, len(IDS), ())
    assert len(asked) < 10
