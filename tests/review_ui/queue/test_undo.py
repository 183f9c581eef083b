"""Undo: of any of one's own decisions, as an event of its own."""

import sqlalchemy as sa

from curation.reviewing.tables import SAMPLES
from tests.review_ui.queue.lot_room import Room, refuse

IDS = ["exa-data-0001", "exa-data-0002"]


def test_ones_own_decision_can_be_undone_and_the_log_keeps_both(room: Room) -> None:
    room.fill(IDS[:1])
    before = room.count_tallies()
    first = room.decide("검수자 1", IDS[0], "flag", key="flagged-first")
    undone = room.decide("검수자 1", IDS[0], "undo", undoes="flagged-first")
    assert (undone.state, undone.verdict, undone.is_new) == ("open", None, True)
    events = room.list_events()
    assert [(each.kind, each.undoes) for each in events] == [("flag", None), ("undo", first.event)]
    assert room.count_tallies() == before
    assert room.claim("검수자 2") == IDS[:1]


def test_the_decision_of_somebody_else_cannot_be_undone(room: Room) -> None:
    room.fill(IDS[:2])
    room.decide("검수자 1", IDS[0], key="of-reviewer-1")
    assert refuse(room, "검수자 2", IDS[0], "undo", undoes="of-reviewer-1") == "undo"
    assert refuse(room, "검수자 1", IDS[1], "undo", undoes="of-reviewer-1") == "undo"
    assert refuse(room, "검수자 1", IDS[0], "undo", undoes="never-sent") == "undo"


def test_what_one_decided_can_be_undone_wherever_the_dialogue_is_by_now(room: Room) -> None:
    room.fill(IDS[:2])
    room.decide("검수자 1", IDS[0], "flag", key="flagged-in-audit")
    room.decide("검수자 1", IDS[1], key="accepted-in-audit")
    gone = sa.update(SAMPLES).where(SAMPLES.c.id == IDS[0]).values(pool="none", status="gone", is_lot=False)
    room.database.write(lambda connection: connection.execute(gone))
    assert room.decide("검수자 1", IDS[0], "undo", undoes="flagged-in-audit").verdict is None
    # from the page of the other mode, too; it stays in the audit
    room.decide("검수자 1", IDS[1], "undo", undoes="accepted-in-audit", mode="triage")
    assert (room.read(IDS[1]).pool, room.read(IDS[1]).state) == ("audit", "open")


def test_an_undo_cannot_be_undone(room: Room) -> None:
    room.fill(IDS[:1])
    room.decide("검수자 1", IDS[0], key="accepted-it")
    room.decide("검수자 1", IDS[0], "undo", undoes="accepted-it", key="took-it-back")
    assert refuse(room, "검수자 1", IDS[0], "undo", undoes="took-it-back") == "undo"


def test_undoing_twice_takes_nothing_more_back(room: Room) -> None:
    room.fill(IDS[:1])
    room.decide("검수자 1", IDS[0], key="accepted-it")
    room.decide("검수자 1", IDS[0], "flag", key="flagged-it")
    for _ in range(2):
        stored = room.decide("검수자 1", IDS[0], "undo", undoes="flagged-it")
    assert (stored.state, stored.verdict) == ("done", "accept")
    assert room.count_tallies() == room.recount()


def test_putting_off_can_be_undone(room: Room) -> None:
    room.fill(IDS[:2])
    room.decide("검수자 1", IDS[0], "later", key="put-off-1")
    assert room.count_tallies()["audit:1:later"] == 1
    room.decide("검수자 1", IDS[0], "undo", undoes="put-off-1")
    assert "audit:1:later" not in room.count_tallies()
    assert room.claim("검수자 1", size=2) == IDS[:2]
