"""Who is asked of several endpoints, on a clock of the test's own."""

import heapq
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.endpoints import (
    OUT_FIRST_S,
    OUT_MOST_S,
    REFUSED_S,
    TRIP_AFTER,
    Lane,
    can_go_elsewhere,
    choose_lane,
    describe_failures,
    describe_lanes,
    summarise_lanes,
)
from datagen.pace import Pace
from datagen.retry import Failure

DEAD = Failure("again", "connection", "refused")
BROKEN = Failure("again", "http-500", "500 말썽")
WRONG_KEY = Failure("stop", "401", "401 wrong key", hint="set the key")


def make_lanes(count: int = 2) -> list[Lane]:
    return [Lane(f"http://{name}/v1", Pace()) for name in "abcdefgh"[:count]]


def play(lanes: list[Lane], latencies: list[float], seconds: float, in_flight: int = 32) -> Counter[str]:
    """Requests of a fixed latency each, `in_flight` of them at any time; the answers by host."""
    answers: Counter[str] = Counter()
    flying: list[tuple[float, int, int]] = []
    now = 0.0
    while now < seconds:
        while len(flying) < in_flight:
            lane, wait_s = choose_lane(lanes, now)
            assert wait_s <= 0
            at = lanes.index(lane)
            heapq.heappush(flying, (now + latencies[at], at, lane.start(now, 0)))
        now, at, ticket = heapq.heappop(flying)
        lanes[at].answered(ticket, now)
        answers[lanes[at].host] += 1
    return answers


def fail(lane: Lane, now: float, failure: Failure = BROKEN, times: int = 1) -> None:
    for _ in range(times):
        lane.failed(lane.start(now, 0), now, failure)


def answer(lane: Lane, started: float, ended: float) -> None:
    lane.answered(lane.start(started, 0), ended)


def test_equal_endpoints_share_the_load_evenly() -> None:
    answers = play(make_lanes(3), [0.2, 0.2, 0.2], 20)
    assert max(answers.values()) < 1.25 * min(answers.values())


@pytest.mark.parametrize("in_flight", [2, 32])
def test_an_endpoint_ten_times_slower_gets_few_requests_and_no_worker_waits_for_it_in_vain(in_flight: int) -> None:
    answers = play(make_lanes(), [0.2, 2.0], 60, in_flight)
    assert answers["a"] > 0.9 * answers.total()
    assert answers["a"] > 0.8 * 60 * in_flight / 0.2  # of what the quick one would have done alone


def test_an_endpoint_that_becomes_quick_is_found_out_even_with_one_request_at_a_time() -> None:
    lanes = make_lanes()
    answer(lanes[0], 0.0, 1.0)
    answer(lanes[1], 0.0, 8.0)
    now, asked = 8.0, 0
    while now < 1_000:
        lane, _ = choose_lane(lanes, now)
        took = 1.0 if lane is lanes[0] else 0.1
        answer(lane, now, now + took)
        asked, now = asked + (lane is lanes[1]), now + took
        if asked > 20:
            break
    assert now < 300


def test_endpoints_that_are_alike_take_turns_however_little_is_asked() -> None:
    answers = play(make_lanes(3), [0.2, 0.21, 0.22], 20, in_flight=1)
    assert max(answers.values()) <= 1 + min(answers.values())


def test_an_endpoint_that_never_answered_is_asked_soon() -> None:
    lanes = make_lanes()
    answer(lanes[0], 0.0, 0.2)
    assert choose_lane(lanes, 0.2)[0] is lanes[1]


def test_an_endpoint_that_hangs_is_told_by_the_age_of_its_requests() -> None:
    lanes = make_lanes()
    for lane in lanes:
        answer(lane, 0.0, 0.2)
    lanes[1].start(1.0, 0)
    for _ in range(9):
        lanes[0].start(1.5, 0)
    assert choose_lane(lanes, 1.5)[0] is lanes[1]
    for _ in range(9):
        lanes[0].answered(next(iter(lanes[0]._flying)), 1.7)
        lanes[0].start(20.0, 0)
    assert choose_lane(lanes, 20.0)[0] is lanes[0]


def test_quick_errors_do_not_make_an_endpoint_look_quick() -> None:
    lanes = make_lanes()
    for lane in lanes:
        answer(lane, 0.0, 1.0)
    for at in range(20):
        fail(lanes[1], 1.0 + at, times=TRIP_AFTER - 1)
        answer(lanes[1], 1.0 + at, 1.01 + at)
        answer(lanes[0], 1.0 + at, 1.01 + at)
    assert lanes[1].error_share > 0.4
    for _ in range(6):
        choose_lane(lanes, 22.0)[0].start(22.0, 0)
    assert lanes[0].in_flight > lanes[1].in_flight


def test_failures_in_a_row_take_an_endpoint_out_and_a_success_between_does_not() -> None:
    lane = make_lanes(1)[0]
    for _ in range(10):
        fail(lane, 1.0, times=TRIP_AFTER - 1)
        answer(lane, 1.0, 1.1)
    assert lane.state() == "in"
    fail(lane, 2.0, times=TRIP_AFTER)
    assert lane.state() == "out"
    assert not lane.takes(2.0)


def test_it_is_tried_with_one_request_after_a_growing_time() -> None:
    lane = make_lanes(1)[0]
    now = 0.0
    fail(lane, now, times=TRIP_AFTER)
    waits = []
    for _ in range(10):
        assert lane.out_until is not None
        waits.append(lane.out_until - now)
        now = lane.out_until
        assert not lane.takes(now - 0.01)
        assert lane.takes(now)
        ticket = lane.start(now, 0)
        assert lane.state() == "on trial"
        assert not lane.takes(now), "a second request while the first one tries it"
        lane.failed(ticket, now, DEAD)
    assert waits[:3] == [OUT_FIRST_S, 2 * OUT_FIRST_S, 4 * OUT_FIRST_S]
    assert waits == sorted(waits)
    assert waits[-1] == OUT_MOST_S
    ticket = lane.start(lane.out_until or 0, 0)
    lane.answered(ticket, now + 100)
    assert lane.state() == "in"
    assert lane.failure is None
    fail(lane, now + 100, times=TRIP_AFTER)
    assert lane.out_until == now + 100 + OUT_FIRST_S


def test_requests_that_fail_together_take_it_out_once() -> None:
    lane = make_lanes(1)[0]
    tickets = [lane.start(0.0, 0) for _ in range(16)]
    for ticket in tickets:
        lane.failed(ticket, 120.0, Failure("again", "timeout", "no answer"))
    assert lane.out_until == 120.0 + OUT_FIRST_S


def test_a_hung_request_of_before_keeps_no_trial_from_starting() -> None:
    lane = make_lanes(1)[0]
    old = lane.start(0.0, 0)
    fail(lane, 1.0, times=TRIP_AFTER)
    assert lane.takes(1.0 + OUT_FIRST_S)
    lane.start(1.0 + OUT_FIRST_S, 0)
    lane.failed(old, 3.0, DEAD)
    assert lane.state() == "on trial"


def test_one_that_refuses_us_is_out_at_once_and_for_long() -> None:
    lanes = make_lanes()
    fail(lanes[0], 5.0, WRONG_KEY)
    assert lanes[0].refuses
    assert lanes[0].out_until == 5.0 + REFUSED_S
    assert choose_lane(lanes, 6.0)[0] is lanes[1]
    assert not lanes[1].refuses


def test_a_request_that_it_declines_says_that_it_is_alive() -> None:
    lane = make_lanes(1)[0]
    fail(lane, 0.0, times=TRIP_AFTER)
    lane.declined(lane.start(9.0, 0))
    assert lane.state() == "in"


def test_a_refused_pace_is_no_error_and_holds_that_endpoint_alone() -> None:
    lanes = make_lanes()
    fail(lanes[0], 1.0, Failure("again", "rate-limit", "429", 30.0), times=9)
    assert lanes[0].state() == "in"
    assert lanes[0].errors == 0
    for _ in range(50):
        lane, wait_s = choose_lane(lanes, 1.1)
        assert lane is lanes[1]
        assert wait_s <= 0
        lane.start(1.1, 0)


def test_where_all_are_held_the_first_to_be_free_is_waited_for() -> None:
    lanes = make_lanes()
    fail(lanes[0], 1.0, Failure("again", "rate-limit", "429", 30.0))
    fail(lanes[1], 1.0, Failure("again", "rate-limit", "429", 9.0))
    lane, wait_s = choose_lane(lanes, 2.0)
    assert (lane, wait_s) == (lanes[1], 8.0)


def test_a_quick_endpoint_is_waited_for_while_its_pace_spaces_requests_out() -> None:
    lanes = make_lanes()
    answer(lanes[0], 0.0, 0.2)
    answer(lanes[1], 0.0, 10.0)
    lanes[0].pace.announced(600, None)
    for _ in range(4):
        lanes[0].pace.start(10.0, 0)
    assert 10.0 < lanes[0].pace.ready_at() <= 10.25
    assert choose_lane(lanes, 10.0)[0] is lanes[0]


def test_where_all_are_out_the_one_that_is_tried_first_is_asked_all_the_same() -> None:
    lanes = make_lanes()
    fail(lanes[0], 1.0, times=TRIP_AFTER)
    fail(lanes[1], 0.5, times=TRIP_AFTER)
    assert choose_lane(lanes, 1.1)[0] is lanes[1]


def test_a_request_goes_where_it_did_not_fail_yet() -> None:
    lanes = make_lanes(3)
    assert choose_lane(lanes, 0.0, {"http://a/v1"})[0] is not lanes[0]
    assert can_go_elsewhere(lanes, 0.0, {"http://a/v1", "http://b/v1"})
    assert not can_go_elsewhere(lanes, 0.0, {lane.base_url for lane in lanes})
    fail(lanes[2], 0.0, times=TRIP_AFTER)
    assert not can_go_elsewhere(lanes, 0.0, {"http://a/v1", "http://b/v1"})


def test_they_are_told_with_share_seconds_errors_and_state() -> None:
    lanes = make_lanes()
    for _ in range(3):
        answer(lanes[0], 0.0, 0.5)
    answer(lanes[1], 0.0, 2.0)
    fail(lanes[1], 2.0, DEAD, times=TRIP_AFTER)
    assert describe_lanes(lanes) == [
        "a 3 answers (75%), 0.50 s",
        "b 1 answers (25%), 2.00 s, 3 errors, out: connection",
    ]
    assert describe_failures(lanes[1:]) == "http://b/v1: connection: refused"
    told = {"base_url": "http://b/v1", "answers": 1, "share": 0.25, "mean_s": 2.0, "errors": 3, "state": "out"}
    assert summarise_lanes(lanes)[1] == told


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["answer", "fail", "stop", "429", "hang"])), max_size=60))
def test_whatever_happens_somebody_is_chosen_and_nothing_stays_in_flight_that_ended(
    events: list[tuple[int, str]],
) -> None:
    lanes = make_lanes(3)
    now, hanging = 0.0, 0
    for at, what in events:
        lane = lanes[at]
        ticket = lane.start(now, 10)
        now += 0.3
        if what == "answer":
            lane.answered(ticket, now)
            assert lane.state() == "in"
        elif what == "hang":
            hanging += 1
        else:
            known = {"fail": DEAD, "stop": WRONG_KEY, "429": Failure("again", "rate-limit", "429", 1.0)}
            lane.failed(ticket, now, known[what])
        chosen, wait_s = choose_lane(lanes, now)
        assert chosen in lanes
        assert wait_s <= 30
        assert sum(each.in_flight for each in lanes) == hanging
