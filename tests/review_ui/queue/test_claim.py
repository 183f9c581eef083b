"""Claims and leases: nobody gets what somebody else looks at, and a second look is never one's own."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
import sqlalchemy as sa

from curation.reviewing.tables import CODES, LOTS, SAMPLES
from review_ui.queue.claim import Asked, Wanted, claim_one, count_waiting
from review_ui.queue.leases import LEASE_S, Lease, Who, leave, list_leases
from tests.review_ui.queue.lot_room import NOW, TOPIC, Room

IDS = [f"exa-data-{number:04}" for number in range(1, 41)]


def _judge(room: Room, topic: str = TOPIC) -> None:
    change = sa.update(LOTS).where(LOTS.c.topic == topic).values(verdict="pass")
    room.database.write(lambda connection: connection.execute(change))


def _ask(reviewer: str, mode: str = "audit", judged: tuple[str, ...] = (), at: float = NOW) -> Asked:
    return Asked(1, Who(reviewer, at), Wanted(mode), judged, 1)  # type: ignore[arg-type]


def test_twenty_reviewers_who_claim_at_once_never_get_the_same_dialogue(room: Room) -> None:
    room.fill(IDS)
    barrier = Barrier(20)

    def work(number: int) -> list[str]:
        barrier.wait(30)
        return [id_ for _ in range(3) for id_ in room.claim(f"검수자 {number}", size=2, left_out=())]

    with ThreadPoolExecutor(20) as pool:
        found = list(pool.map(work, range(20)))
    # whoever claims again gets what they hold already, so two each and no more
    held = [set(each) for each in found]
    counted = Counter(id_ for each in held for id_ in each)
    assert max(counted.values()) == 1
    assert sum(counted.values()) == 40
    rows = room.database.read(lambda connection: list_leases(connection, 1, NOW))
    assert {each.id for each in rows} == set(IDS)


def test_a_claim_gives_the_first_of_the_queue_and_what_one_holds_comes_again(room: Room) -> None:
    room.fill(IDS)
    assert room.claim("검수자 1", size=2) == IDS[:2]
    assert room.claim("검수자 1", size=2) == IDS[:2]
    assert room.claim("검수자 2") == [IDS[2]]


def test_a_screen_that_names_what_it_holds_gets_others(room: Room) -> None:
    room.fill(IDS)
    assert room.claim("검수자 1") == [IDS[0]]
    assert room.claim("검수자 1", left_out=[IDS[0]]) == [IDS[1]]
    assert room.claim("검수자 1", left_out=IDS) == []


def test_a_lease_ends_by_itself(room: Room) -> None:
    room.fill(IDS[:1])
    assert room.claim("검수자 1") == IDS[:1]
    assert room.claim("검수자 2", at=NOW + LEASE_S - 1) == []
    assert room.claim("검수자 2", at=NOW + LEASE_S + 1) == IDS[:1]
    assert room.read(IDS[0]).holder == "검수자 2"


def test_claiming_again_renews_the_lease(room: Room) -> None:
    room.fill(IDS[:1])
    room.claim("검수자 1")
    room.claim("검수자 1", at=NOW + LEASE_S - 1)
    assert room.claim("검수자 2", at=NOW + LEASE_S + 1) == []


def test_leaving_frees_ones_own_leases_and_nobody_elses(room: Room) -> None:
    room.fill(IDS)
    room.claim("검수자 1", size=3)
    room.claim("검수자 2", size=1)
    assert room.database.write(lambda connection: leave(connection, 1, "검수자 1", [IDS[0], IDS[3]])) == 1
    assert room.database.write(lambda connection: leave(connection, 1, "검수자 1")) == 2
    leases = room.database.read(lambda connection: list_leases(connection, 1, NOW))
    assert leases == [Lease(IDS[3], TOPIC, "audit", "검수자 2", NOW + LEASE_S)]


def test_a_decision_ends_ones_own_lease(room: Room) -> None:
    room.fill(IDS)
    room.claim("검수자 1", size=2)
    room.decide("검수자 1", IDS[0])
    assert room.read(IDS[0]).holder is None
    assert room.read(IDS[1]).holder == "검수자 1"


def test_a_decided_dialogue_is_not_offered_again(room: Room) -> None:
    room.fill(IDS[:2])
    room.decide("검수자 1", IDS[0])
    assert room.claim("검수자 1", size=5) == [IDS[1]]
    assert room.claim("검수자 2", size=5) == []


def test_what_was_put_off_comes_last(room: Room) -> None:
    room.fill(IDS[:3])
    room.decide("검수자 1", IDS[0], "later")
    assert room.claim("검수자 1", size=3) == [IDS[1], IDS[2], IDS[0]]


def test_a_second_look_comes_before_what_is_new_and_never_to_the_same_reviewer(blind_room: Room) -> None:
    blind_room.fill(IDS[:3])
    blind_room.decide("검수자 1", IDS[1])
    assert blind_room.read(IDS[1]).state == "second"
    assert blind_room.claim("검수자 1", size=5) == [IDS[0], IDS[2]]
    blind_room.database.write(lambda connection: leave(connection, 1, "검수자 1"))
    assert blind_room.claim("검수자 2", size=5) == [IDS[1], IDS[0], IDS[2]]


def test_a_reviewer_who_took_the_decision_back_is_not_the_second_either(blind_room: Room) -> None:
    blind_room.fill(IDS[:1])
    blind_room.decide("검수자 1", IDS[0], key="first-decision")
    blind_room.decide("검수자 2", IDS[0])
    blind_room.decide("검수자 1", IDS[0], "undo", undoes="first-decision")
    assert blind_room.read(IDS[0]).state == "second"
    assert blind_room.claim("검수자 1") == []
    assert blind_room.claim("검수자 3") == IDS[:1]


def test_disagreement_goes_to_a_third_before_all_else(blind_room: Room) -> None:
    blind_room.fill(IDS[:3])
    blind_room.decide("검수자 1", IDS[1])
    blind_room.decide("검수자 1", IDS[2])
    blind_room.decide("검수자 2", IDS[2], "flag")
    assert blind_room.read(IDS[2]).state == "third"
    assert blind_room.claim("검수자 2", size=3) == [IDS[1], IDS[0]]
    blind_room.database.write(lambda connection: leave(connection, 1, "검수자 2"))
    assert blind_room.claim("검수자 3", size=3) == [IDS[2], IDS[1], IDS[0]]


def test_disagreement_in_triage_goes_to_a_third_as_well(room: Room) -> None:
    room.fill(IDS[:2], "triage")
    room.decide("검수자 1", IDS[1], mode="triage")
    room.decide("검수자 2", IDS[1], "flag", mode="triage")
    assert room.claim("검수자 1", "triage", size=2) == IDS[:1]
    assert room.claim("검수자 3", "triage", size=2) == [IDS[1]]


def test_the_two_modes_have_queues_of_their_own(room: Room) -> None:
    room.fill(IDS[:2])
    room.fill(IDS[2:4], "triage", is_lot=False)
    room.fill(IDS[4:6], "none", is_lot=False)
    assert room.claim("검수자 1", "audit", size=5) == IDS[:2]
    assert room.claim("검수자 2", "triage", size=5) == IDS[2:4]


def test_a_judged_topic_leaves_the_audit_and_triage_takes_what_it_left(room: Room) -> None:
    room.fill(IDS[:3])
    room.fill(IDS[3:5], "triage")
    room.fill(IDS[5:7], topic="보고 싶다는 표현")
    room.decide("검수자 1", IDS[0])
    _judge(room)
    assert room.claim("검수자 1", "audit", size=5) == IDS[5:7]
    assert room.claim("검수자 1", "audit", size=5, topic=TOPIC) == []
    assert room.claim("검수자 2", "triage", size=5) == [*IDS[3:5], *IDS[1:3]]


def test_a_second_look_at_a_judged_topic_is_still_wanted(blind_room: Room) -> None:
    blind_room.fill(IDS[:2])
    blind_room.decide("검수자 1", IDS[0])
    _judge(blind_room)
    assert blind_room.claim("검수자 2", "audit", size=5) == [IDS[0]]


def test_filters_of_triage_narrow_the_queue_and_can_be_combined(room: Room) -> None:
    room.fill(IDS[:2], "triage", score=0.4, why="threshold")
    room.fill(IDS[2:4], "triage", persona="haneul", score=0.8)
    room.fill(IDS[4:6], "triage", topic="보고 싶다는 표현", model="claude-sonnet", score=0.6)
    number = room.read(IDS[3]).sample
    insert = sa.insert(CODES).values(run=1, code="speech-level", sample=number)
    room.database.write(lambda connection: connection.execute(insert))

    def see(**wishes: Any) -> list[str]:
        room.database.write(lambda connection: leave(connection, 1, "검수자 1"))
        return sorted(room.claim("검수자 1", "triage", size=10, **wishes))

    assert see() == IDS[:6]
    assert see(persona="haneul") == IDS[2:4]
    assert see(topic="보고 싶다는 표현") == IDS[4:6]
    assert see(model="claude-sonnet") == IDS[4:6]
    assert see(why="threshold") == IDS[:2]
    assert see(least=0.5) == IDS[2:6]
    assert see(most=0.6) == [*IDS[:2], *IDS[4:6]]
    assert see(least=0.5, most=0.7) == IDS[4:6]
    assert see(finding="speech-level") == [IDS[3]]
    assert see(finding="speech-level", persona="exa") == []
    assert see(ids=(IDS[1], IDS[5], "없는-대화")) == [IDS[1], IDS[5]]
    assert see(ids=()) == []


def test_a_topic_narrows_the_audit_and_nothing_else_does(room: Room) -> None:
    room.fill(IDS[:2])
    room.fill(IDS[2:4], topic="보고 싶다는 표현", persona="haneul")
    assert room.claim("검수자 1", topic="보고 싶다는 표현", size=5) == IDS[2:4]
    assert room.claim("검수자 2", persona="haneul", size=5) == IDS[:2]


def test_one_dialogue_can_be_asked_for_and_a_held_one_tells_its_holder(room: Room) -> None:
    room.fill(IDS[:3])
    room.fill(IDS[3:4], "triage")
    room.claim("검수자 2")
    room.claim("검수자 1", left_out=IDS[:2])
    number = room.read(IDS[2]).sample
    write = room.database.write
    assert write(lambda connection: claim_one(connection, _ask("검수자 1"), IDS[2])) == number
    held = write(lambda connection: claim_one(connection, _ask("검수자 1"), IDS[0]))
    assert held == Lease(IDS[0], TOPIC, "audit", "검수자 2", NOW + LEASE_S)
    assert write(lambda connection: claim_one(connection, _ask("검수자 1"), IDS[3])) is None
    assert write(lambda connection: claim_one(connection, _ask("검수자 1"), "없는-대화")) is None
    # in triage the audit's are not to be had, until their topic is judged
    assert write(lambda connection: claim_one(connection, _ask("검수자 1", "triage"), IDS[1])) is None
    found = write(lambda connection: claim_one(connection, _ask("검수자 1", "triage", (TOPIC,)), IDS[1]))
    assert found == room.read(IDS[1]).sample


def test_nobody_chooses_what_they_audit_but_everybody_comes_back_to_what_they_were_given(room: Room) -> None:
    room.fill(IDS[:4])
    write = room.database.write

    def ask(id_: str, at: float = NOW) -> object:
        return write(lambda connection: claim_one(connection, _ask("검수자 1", at=at), id_))

    assert ask(IDS[2]) is None
    assert room.read(IDS[2]).holder is None
    room.claim("검수자 1", size=2)
    write(lambda connection: leave(connection, 1, "검수자 1"))
    assert ask(IDS[0]) == room.read(IDS[0]).sample  # a page that was loaded anew, with a draft
    room.decide("검수자 1", IDS[0], "flag")
    room.decide("검수자 1", IDS[1], "later")
    assert [ask(IDS[0]), ask(IDS[1])] == [room.read(each).sample for each in IDS[:2]]
    # what somebody else has taken meanwhile is theirs
    room.claim("검수자 1", left_out=IDS[:2])
    write(lambda connection: leave(connection, 1, "검수자 1"))
    assert room.claim("검수자 2") == IDS[2:3]
    assert isinstance(ask(IDS[2]), Lease)
    assert ask(IDS[2], NOW + LEASE_S + 1) is None


def test_what_one_has_left_is_free_for_others_at_once(room: Room) -> None:
    room.fill(IDS[:1])
    room.claim("검수자 1")
    room.database.write(lambda connection: leave(connection, 1, "검수자 1"))
    assert room.database.read(lambda connection: list_leases(connection, 1, NOW)) == []
    assert room.claim("검수자 2") == IDS[:1]


def test_triage_never_shows_what_waits_for_a_blind_second_look(blind_room: Room) -> None:
    blind_room.fill(IDS[:2])
    blind_room.decide("검수자 2", IDS[0], "flag")
    _judge(blind_room)
    asked = _ask("검수자 1", "triage", (TOPIC,))
    write = blind_room.database.write
    assert write(lambda connection: claim_one(connection, asked, IDS[0])) is None
    assert write(lambda connection: claim_one(connection, asked, IDS[1])) == blind_room.read(IDS[1]).sample


@pytest.mark.parametrize("most", [3, 1_000])
def test_waiting_counts_what_is_left_for_this_reviewer_and_stops_at_the_most(room: Room, most: int) -> None:
    room.fill(IDS[:6])
    room.claim("검수자 2", size=1)
    room.claim("검수자 1", size=1)
    waiting = room.database.read(lambda connection: count_waiting(connection, _ask("검수자 1"), most))
    assert waiting == min(5, most)


def test_a_lease_of_somebody_whose_dialogue_was_decided_meanwhile_hides_it_from_nobody(room: Room) -> None:
    room.fill(IDS[:1])
    room.claim("검수자 1")
    room.decide("검수자 2", IDS[0], key="by-the-other")
    room.decide("검수자 2", IDS[0], "undo", undoes="by-the-other")
    assert room.claim("검수자 2", at=NOW + LEASE_S + 1) == IDS[:1]
    query = sa.select(sa.func.count()).where(SAMPLES.c.holder == "검수자 1")
    assert room.database.read(lambda connection: connection.execute(query).scalar_one()) == 0
