"""Decisions: what does not match is refused, what comes twice counts once, and the log is only ever added to."""

import json
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import sqlalchemy as sa

from curation.reviewing.connect import open_database
from curation.reviewing.tables import EVENTS, LOTS, PACES, SAMPLES
from curation.reviews import EDIT_REJECTED
from datagen.errors import DataError
from review_ui.queue.decide import RefusedError, Stored
from tests.review_ui.queue.lot_room import EDITED, NOW, TOPIC, Room, forbid_change, refuse

IDS = [f"exa-data-{number:04}" for number in range(1, 61)]


def test_a_decision_is_there_when_the_database_is_opened_again(database_url: str, room: Room) -> None:
    room.fill(IDS[:2])
    room.decide("검수자 1", IDS[0], "flag", note="사실이 아닌 말이 있음", turn=3)
    again = open_database(database_url)
    row = again.read(lambda connection: connection.execute(sa.select(EVENTS)).one())
    assert (row.reviewer, row.kind, row.reason, row.note, row.turn) == (
        "검수자 1",
        "flag",
        "fact",
        "사실이 아닌 말이 있음",
        3,
    )
    assert (row.mode, row.revision, row.looked_ms, row.at) == ("audit", 1, 2_400, NOW)
    state = again.read(lambda connection: connection.execute(sa.select(SAMPLES.c.verdict).order_by(SAMPLES.c.id)).all())
    assert [each.verdict for each in state] == ["flag", None]
    again.close()


def test_the_same_decision_sent_again_is_stored_once_and_answers_the_same(room: Room) -> None:
    room.fill(IDS[:1])
    decision = room.make_decision("검수자 1", IDS[0], "flag")
    first = room.database.write(lambda connection: room.desk.decide(connection, decision, NOW))
    second = room.database.write(lambda connection: room.desk.decide(connection, decision, NOW))
    assert (first.is_new, second.is_new) == (True, False)
    assert (first.event, first.state, first.verdict) == (second.event, second.state, second.verdict)
    assert len(room.list_events()) == 1
    assert room.count_tallies()["flag:fact"] == 1


def test_the_same_decision_sent_eight_times_at_once_is_stored_once(room: Room) -> None:
    room.fill(IDS[:1])
    decision, barrier = room.make_decision("검수자 1", IDS[0]), Barrier(8)

    def send(_: int) -> Stored:
        barrier.wait(30)
        return room.database.write(lambda connection: room.desk.decide(connection, decision, NOW))

    with ThreadPoolExecutor(8) as pool:
        stored = list(pool.map(send, range(8)))
    assert sorted(each.is_new for each in stored) == [False] * 7 + [True]
    assert len(room.list_events()) == 1
    assert room.count_tallies() == room.recount()


@pytest.mark.parametrize("changed", ["reviewer", "id", "kind", "revision"])
def test_a_key_that_was_used_for_another_decision_is_refused(room: Room, changed: str) -> None:
    room.fill(IDS[:2])
    room.decide("검수자 1", IDS[0], key="used-before")
    values: dict[str, object] = {"key": "used-before", "revision": 1}
    reviewer, id_, kind = "검수자 1", IDS[0], "accept"
    if changed == "reviewer":
        reviewer = "검수자 2"
    elif changed == "id":
        id_ = IDS[1]
    elif changed == "kind":
        kind = "flag"
    else:
        values["revision"] = 2
    assert refuse(room, reviewer, id_, kind, **values) == "key"


def test_what_is_not_there_is_refused(room: Room) -> None:
    room.fill(IDS[:1])
    assert refuse(room, "검수자 1", "없는-대화", revision=1) == "unknown"


def test_a_decision_about_a_text_that_changed_meanwhile_is_refused_and_told_the_revision(room: Room) -> None:
    room.fill(IDS[:1])
    room.decide("검수자 1", IDS[0], "edit")
    with pytest.raises(RefusedError, match="has revision 2, the screen showed 1") as caught:
        room.decide("검수자 2", IDS[0], revision=1)
    assert (caught.value.code, caught.value.revision) == ("stale", 2)
    assert refuse(room, "검수자 2", IDS[0], revision=3) == "stale"
    assert refuse(room, "검수자 1", IDS[0], "flag", revision=1) == "stale"


def test_the_two_modes_never_mix(room: Room) -> None:
    room.fill(IDS[:1])
    room.fill(IDS[1:2], "triage")
    room.fill(IDS[2:3], "none", is_lot=False)
    assert refuse(room, "검수자 1", IDS[0], mode="triage") == "mode"
    assert refuse(room, "검수자 1", IDS[1], mode="audit") == "mode"
    assert refuse(room, "검수자 1", IDS[2], mode="audit") == "mode"
    assert room.decide("검수자 1", IDS[2], "flag", mode="triage").verdict == "flag"


def test_triage_takes_what_a_judged_audit_left_and_it_counts_in_the_audit_no_more(blind_room: Room) -> None:
    room = blind_room
    room.fill(IDS[:3])
    room.decide("검수자 1", IDS[0])
    room.database.write(lambda connection: connection.execute(sa.update(LOTS).values(verdict="pass")))
    assert refuse(room, "검수자 2", IDS[0], mode="triage") == "mode"
    stored = room.decide("검수자 2", IDS[1], "flag", mode="triage")
    # triage has no second looks, so nobody would ever come to give one
    assert (stored.state, room.read(IDS[1]).pool) == ("done", "triage")
    tallies = room.count_tallies()
    assert (tallies["audit:1:good"], tallies["audit:1:open"]) == (1, 1)
    assert "audit:1:defect" not in tallies
    assert tallies == room.recount()


def test_an_edit_makes_a_revision_and_undoing_it_makes_another(room: Room) -> None:
    room.fill(IDS[:1])
    edited = room.decide("검수자 1", IDS[0], "edit", key="edited-once")
    assert (edited.revision, edited.state, edited.verdict) == (2, "done", "edit")
    undone = room.decide("검수자 1", IDS[0], "undo", undoes="edited-once")
    assert (undone.revision, undone.state, undone.verdict) == (3, "open", None)
    assert [each.made_revision for each in room.list_events()] == [2, 3]
    assert refuse(room, "검수자 1", IDS[0], revision=2) == "stale"
    assert room.decide("검수자 1", IDS[0], revision=3).verdict == "accept"


def test_who_flags_an_edited_text_goes_back_to_the_original_as_another_revision(room: Room) -> None:
    room.fill(IDS[:1])
    room.decide("검수자 1", IDS[0], "edit")
    assert room.decide("검수자 1", IDS[0], "flag", revision=2).revision == 3


def test_who_accepts_an_edited_text_keeps_the_edit(room: Room) -> None:
    room.fill(IDS[:1])
    room.decide("검수자 1", IDS[0], "edit")
    kept = room.decide("검수자 1", IDS[0], revision=2)
    assert (kept.revision, kept.verdict) == (2, "edit")
    assert room.list_events()[1].messages == EDITED


def test_a_blind_second_look_is_given_on_the_text_as_generated(blind_room: Room) -> None:
    room = blind_room
    room.fill(IDS[:1])
    room.decide("검수자 1", IDS[0], "edit")
    assert room.read(IDS[0]).revision == 2
    assert refuse(room, "검수자 1", IDS[0], revision=1) == "stale"
    stored = room.decide("검수자 2", IDS[0], revision=1)
    assert (stored.state, stored.verdict, stored.revision) == ("third", "edit", 2)
    assert room.read(IDS[0]).pair == "edit|accept"
    third = room.decide("검수자 3", IDS[0], revision=1)
    assert (third.state, third.verdict, third.revision) == ("done", "accept", 3)


def test_without_a_second_look_due_nobody_decides_on_an_outdated_text(room: Room) -> None:
    room.fill(IDS[:1])
    room.decide("검수자 1", IDS[0], "edit")
    assert refuse(room, "검수자 2", IDS[0], revision=1) == "stale"


def test_an_edit_that_the_filters_drop_counts_as_a_flag(room: Room) -> None:
    room.fill(IDS[:1])
    stored = room.decide("검수자 1", IDS[0], "edit", is_rejected=True, findings="[]")
    assert (stored.verdict, stored.revision, stored.state) == ("flag", 1, "done")
    row = room.read(IDS[0])
    assert (row.verdict, row.reason) == ("flag", EDIT_REJECTED)
    event = room.list_events()[0]
    assert (event.kind, event.reason, json.loads(event.messages)[0]["content"]) == ("edit", EDIT_REJECTED, "나 왔어")
    assert room.count_tallies() == room.recount()
    assert room.count_tallies()[f"flag:{EDIT_REJECTED}"] == 1


def test_of_several_decisions_all_are_stored_or_none(room: Room) -> None:
    room.fill(IDS[:3], "triage", cluster="c1")
    flags = [room.make_decision("검수자 1", id_, "flag", mode="triage", reason="duplicate") for id_ in IDS[:2]]
    stale = room.make_decision("검수자 1", IDS[2], mode="triage", revision=7)
    with pytest.raises(RefusedError):
        room.database.write(lambda connection: room.desk.decide_all(connection, [stale, *flags], NOW))
    assert room.list_events() == []
    good = room.make_decision("검수자 1", IDS[2], mode="triage")
    stored = room.database.write(lambda connection: room.desk.decide_all(connection, [good, *flags], NOW))
    assert [each.verdict for each in stored] == ["accept", "flag", "flag"]
    assert room.count_tallies() == room.recount()


def test_the_lot_is_judged_at_the_first_crossing_and_only_an_undo_reopens_it(room: Room) -> None:
    room.fill(IDS)
    query = sa.select(LOTS.c.verdict).where(LOTS.c.topic == TOPIC)

    def read_verdict() -> str | None:
        verdict: str | None = room.database.read(lambda connection: connection.execute(query).scalar_one())
        return verdict

    for id_ in IDS[:46]:
        room.decide("검수자 1", id_)
    assert read_verdict() is None
    room.decide("검수자 1", IDS[46], key="the-47th-good")
    assert read_verdict() == "pass"
    for id_ in IDS[47:50]:
        room.decide("검수자 1", id_, "flag")
    assert read_verdict() == "pass"
    room.decide("검수자 1", IDS[46], "undo", undoes="the-47th-good")
    assert read_verdict() is None


def test_two_reviewers_who_decide_at_once_about_one_dialogue_are_both_counted(blind_room: Room) -> None:
    room = blind_room
    ids = IDS[:12]
    room.fill(ids)
    barrier = Barrier(2)

    def work(reviewer: str) -> None:
        for id_ in ids:
            decision = room.make_decision(reviewer, id_, "flag" if reviewer == "검수자 2" else "accept", revision=1)
            barrier.wait(30)
            room.database.write(lambda connection, told=decision: room.desk.decide(connection, told, NOW))  # type: ignore[misc]

    with ThreadPoolExecutor(2) as pool:
        for each in [pool.submit(work, f"검수자 {number}") for number in (1, 2)]:
            each.result(60)
    assert len(room.list_events()) == 24
    tallies = room.count_tallies()
    assert (tallies["state:third"], tallies["verdict:flag"]) == (12, 12)
    assert tallies == room.recount()
    paces = room.database.read(lambda connection: connection.execute(sa.select(PACES.c.reviewer, PACES.c.count)).all())
    assert sorted(map(tuple, paces)) == [("검수자 1", 12), ("검수자 2", 12)]


def test_many_reviewers_deciding_at_once_in_two_topics_lose_no_count(room: Room) -> None:
    room.fill(IDS[:30], "triage")
    room.fill(IDS[30:], "triage", topic="보고 싶다는 표현")

    def work(number: int) -> None:
        mine = [*IDS[number::6]]
        pairs = [mine[at : at + 2] for at in range(0, len(mine), 2)]
        for pair in pairs:
            told = [room.make_decision(f"검수자 {number}", id_, "flag", mode="triage", revision=1) for id_ in pair]
            room.database.write(lambda connection, told=told: room.desk.decide_all(connection, told, NOW))  # type: ignore[misc]

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    assert room.count_tallies()["flag:fact"] == 60
    assert room.count_tallies() == room.recount()


def test_the_log_is_never_changed(blind_room: Room) -> None:
    room = blind_room
    room.fill(IDS[:3])
    forbid_change(room)
    room.decide("검수자 1", IDS[0], "edit", key="edited-once")
    room.decide("검수자 2", IDS[0], "flag", revision=1)
    room.decide("검수자 1", IDS[0], "undo", undoes="edited-once")
    room.decide("검수자 1", IDS[1], "later")
    room.decide("검수자 3", IDS[1])
    assert len(room.list_events()) == 5
    # the trigger does bite
    with pytest.raises(DataError, match="append only"):
        room.database.write(lambda connection: connection.execute(sa.update(EVENTS).values(note="고침")))
    with pytest.raises(DataError, match="append only"):
        room.database.write(lambda connection: connection.execute(sa.delete(EVENTS)))
