"""What becomes of a lot: allowed only when the audit says so, once, and with all that follows from it."""

from typing import Any, get_args

import pytest
import sqlalchemy as sa

from curation.reviewing.tables import DISPOSITIONS, LOTS
from review_ui.dashboard.disposal import Disposal, DisposalRefusedError, Disposed, Disposition, dispose
from review_ui.dashboard.figures import TopicFigures
from review_ui.dashboard.reading import read_topics
from tests.review_ui.queue.lot_room import NOW, TOPIC, Room, forbid_change

AUDITED, REST, HELD = 60, 30, 3


def _dispose(room: Room, disposition: Disposition, round_: int = 1, topic: str = TOPIC) -> Disposed:
    disposal = Disposal(topic, disposition, round_, "작성자 1", NOW)
    return room.database.write(lambda connection: dispose(connection, room.run, disposal))


def _refuse(room: Room, disposition: Disposition, round_: int = 1, topic: str = TOPIC) -> str:
    before = (room.count_tallies(), len(room.list_events()))
    with pytest.raises(DisposalRefusedError) as raised:
        _dispose(room, disposition, round_, topic)
    assert (room.count_tallies(), len(room.list_events())) == before
    return raised.value.code


def _figures(room: Room) -> TopicFigures:
    return room.database.read(lambda connection: read_topics(connection, room.run, TOPIC))[0]


def _read_lot(room: Room) -> Any:
    return room.database.read(lambda connection: connection.execute(sa.select(LOTS)).one())


def _audit(room: Room, *, passes: bool) -> None:
    """A lot of 93: 60 in the audit, which has judged it, 30 beside it, and 3 that a build holds back."""
    room.fill([f"a{number:02}" for number in range(AUDITED)])
    room.fill([f"t{number:02}" for number in range(REST)], pool="triage")
    room.fill([f"h{number:02}" for number in range(HELD)], pool="triage", status="waiting", why="waiting")
    room.fill(["beside"], pool="triage", status="dropped", is_lot=False)
    if passes:
        for number in range(47):
            room.decide("검수자 1", f"a{number:02}")
        return
    room.decide("검수자 1", "a00")
    for number in range(1, 4):
        room.decide("검수자 1", f"a{number:02}", "flag")


def test_nothing_is_offered_while_the_audit_is_open(room: Room) -> None:
    room.fill([f"a{number:02}" for number in range(AUDITED)])
    room.decide("검수자 1", "a00")
    for disposition in get_args(Disposition):
        assert _refuse(room, disposition) == "not-offered"


def test_a_lot_that_passed_can_only_be_released_and_one_that_failed_cannot(room: Room) -> None:
    _audit(room, passes=True)
    assert _refuse(room, "full-review") == "not-offered"
    assert _refuse(room, "regenerate") == "not-offered"
    assert _refuse(room, "release", topic="없는 주제") == "unknown"


def test_a_released_lot_leaves_the_queues_and_what_a_build_held_back_is_accepted(room: Room) -> None:
    _audit(room, passes=True)
    assert _dispose(room, "release") == Disposed(13 + REST + HELD, True)
    assert room.claim("검수자 2", "triage", 50) == ["beside"]
    figures = _figures(room)
    assert (figures.counts.accepted, figures.counts.released, figures.counts.waiting) == (47 + HELD, 13 + REST, 0)
    assert figures.steps == ()
    assert room.read("t00").verdict is None
    events = [each for each in room.list_events() if each.source == "lot"]
    assert [(each.kind, each.reviewer, each.reason) for each in events] == [("accept", "작성자 1", "lot")] * HELD
    assert _refuse(room, "full-review") == "not-offered"


def test_a_full_review_puts_the_lot_before_everything_else_in_triage(room: Room) -> None:
    _audit(room, passes=False)
    room.fill(["disputed"], pool="triage", topic="농담", why="disputed")
    assert _dispose(room, "full-review").count == 56 + REST + HELD
    found = room.claim("검수자 2", "triage", 200)
    assert len(found) == 56 + REST + HELD + 2
    assert set(found[-2:]) == {"beside", "disputed"}
    assert room.read("a10").why == "full-review"
    assert room.claim("검수자 1", "audit", 10, topic=TOPIC) == []
    assert _figures(room).steps == ("regenerate",)


def test_a_regenerated_lot_is_flagged_but_for_what_somebody_accepted_and_starts_another(room: Room) -> None:
    _audit(room, passes=False)
    forbid_change(room)
    assert _dispose(room, "regenerate").count == 56 + REST + HELD
    assert room.read("a00").verdict == "accept"
    assert (room.read("t05").verdict, room.read("t05").reason) == ("flag", "lot")
    assert room.read("beside").verdict is None
    lot = _read_lot(room)
    assert (lot.round, lot.verdict, lot.disposition) == (2, None, None)
    figures = _figures(room)
    assert (figures.counts.flagged, figures.counts.waiting) == (3 + 56 + REST + HELD, 0)
    assert figures.reasons == {"fact": 3, "lot": 56 + REST + HELD}
    assert figures.audit.counts.reviewed == 0
    assert room.count_tallies()["audit:1:defect"] == 3, "a flag that nobody looked for is no finding of the audit"
    of_event = {each.event: each for each in room.list_events()}
    assert of_event[room.read("t05").event].sample == room.read("t05").sample


def test_a_full_review_that_turns_out_hopeless_can_still_be_made_again(room: Room) -> None:
    _audit(room, passes=False)
    _dispose(room, "full-review")
    assert _dispose(room, "regenerate").is_new
    query = sa.select(DISPOSITIONS.c.disposition, DISPOSITIONS.c.reviewer, DISPOSITIONS.c.good, DISPOSITIONS.c.defects)
    rows = room.database.read(lambda connection: connection.execute(query.order_by(DISPOSITIONS.c.disposition)).all())
    assert [tuple(row) for row in rows] == [("full-review", "작성자 1", 1, 3), ("regenerate", "작성자 1", 1, 3)]


@pytest.mark.parametrize("disposition", ["full-review", "regenerate"])
def test_counters_equal_a_count_of_all_samples_after_a_failed_lot(room: Room, disposition: Disposition) -> None:
    _audit(room, passes=False)
    _dispose(room, disposition)
    assert room.count_tallies() == room.recount()


def test_counters_equal_a_count_of_all_samples_after_a_release(room: Room) -> None:
    _audit(room, passes=True)
    _dispose(room, "release")
    assert room.count_tallies() == room.recount()


def test_the_same_decision_twice_counts_once(room: Room) -> None:
    _audit(room, passes=False)
    first = _dispose(room, "regenerate")
    events = len(room.list_events())
    assert _dispose(room, "regenerate") == Disposed(first.count, False)
    assert len(room.list_events()) == events
    assert _read_lot(room).round == 2


def test_a_decision_about_an_earlier_round_is_refused(room: Room) -> None:
    _audit(room, passes=False)
    _dispose(room, "regenerate")
    assert _refuse(room, "full-review", round_=1) == "stale"


def test_an_author_can_take_back_the_flag_of_one_dialogue(room: Room) -> None:
    _audit(room, passes=False)
    _dispose(room, "regenerate")
    event = next(each for each in room.list_events() if each.event == room.read("t05").event)
    room.decide("작성자 1", "t05", "undo", undoes=event.key, mode="triage")
    assert room.read("t05").verdict is None
    assert room.count_tallies() == room.recount()
