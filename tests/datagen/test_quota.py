from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from datagen.quota import Slot, SlotQueue, TopicQueue, TopicState
from datagen.scenario import Dimensions


def make_dimensions(topic: str) -> Dimensions:
    situations = tuple(f"상황 {at}" for at in range(12))
    return Dimensions(1, topic, situations, ("exa",), ("장소",), (("도서관", "카페", "공원"),), (2, 3), (None,))


def make_queue(quota: int, filled: frozenset[int] = frozenset(), tries: dict[int, int] | None = None) -> TopicQueue:
    state = TopicState(quota, filled, tries or {}, frozenset(), len(filled))
    return TopicQueue.resume(make_dimensions("농담"), state, max_tries=3)


def take(queue: TopicQueue | SlotQueue) -> Slot:
    slot = queue.take()
    assert slot is not None
    return slot


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from(["농담", "위로", "학술"]), st.integers(1, 12), min_size=1), st.randoms())
def test_every_quota_is_met_exactly_whatever_is_rejected(quotas: dict[str, int], rng: "st.random.Random") -> None:  # type: ignore[name-defined]
    dimensions = [make_dimensions(topic) for topic in quotas]
    queue = SlotQueue.resume(dimensions, lambda topic: TopicState(quotas[topic], frozenset(), {}, frozenset(), 0), 3)
    flying: list[Slot] = []
    accepted: Counter[str] = Counter()
    filled: set[tuple[str, int]] = set()
    while not queue.is_done:
        while len(flying) < 5 and (slot := queue.take()) is not None:
            flying.append(slot)
        slot = flying.pop(rng.randrange(len(flying)))
        draw = rng.random()
        if draw < 0.5:
            queue.topics[slot.topic].accept()
            accepted[slot.topic] += 1
            assert (slot.topic, slot.number) not in filled
            filled.add((slot.topic, slot.number))
        elif draw < 0.8:
            queue.topics[slot.topic].reject(slot, "truncated")
        else:
            queue.topics[slot.topic].give_back(slot)
    assert not flying
    assert accepted == quotas


def test_nothing_is_asked_beyond_the_quota_while_drafts_are_under_way() -> None:
    queue = make_queue(3)
    assert all(queue.take() is not None for _ in range(3))
    assert queue.take() is None


def test_slots_that_are_rejected_together_do_not_ask_the_same_again() -> None:
    queue = make_queue(24)
    slots = [take(queue) for _ in range(24)]
    for slot in slots:
        queue.set_aside(slot)
    asked = [slot.scenario for slot in slots] + [take(queue).scenario for _ in slots]
    assert len(set(asked)) == 48


def test_a_resumed_topic_asks_only_for_its_open_slots() -> None:
    queue = make_queue(5, filled=frozenset({0, 2, 3}))
    assert [take(queue).number, take(queue).number] == [1, 4]
    assert queue.take() is None


def test_a_larger_quota_goes_on_behind_the_filled_slots() -> None:
    queue = make_queue(4, filled=frozenset({0, 1, 2}))
    assert take(queue).number == 3


def test_a_rejected_draft_is_asked_with_another_scenario() -> None:
    queue = make_queue(1)
    seen = []
    for _ in range(9):
        slot = take(queue)
        seen.append(slot.scenario)
        queue.reject(slot, "refusal")
    assert len(set(seen)) == 9
    assert [slot.situation for slot in seen[:3]] == [seen[0].situation] * 3
    assert seen[3].situation != seen[0].situation


def test_tries_of_an_earlier_call_are_remembered() -> None:
    fresh, resumed = make_queue(1), make_queue(1, tries={0: 2})
    slot = take(resumed)
    assert slot.tries == 2
    assert slot.scenario != take(fresh).scenario


def test_a_draft_that_failed_is_asked_again_as_it_was() -> None:
    queue = make_queue(2)
    slot = take(queue)
    queue.give_back(slot)
    assert take(queue) == slot


def test_more_than_95_rejects_of_the_last_100_put_a_topic_out_of_reach() -> None:
    queue = make_queue(40)
    for _ in range(5):
        take(queue)
        queue.accept()
    for _ in range(95):
        queue.reject(take(queue), "refusal")
    assert not queue.is_out_of_reach
    queue.reject(take(queue), "truncated")
    assert queue.is_out_of_reach
    assert queue.take() is None
    assert queue.explain_out_of_reach() == (
        "topic '농담' stopped at 5 of 40: 96 of its last 100 drafts were rejected (refusal 95, truncated 1)"
    )


def test_drafts_that_the_endpoint_refuses_as_requests_are_told_apart_from_bad_dialogues() -> None:
    queue = make_queue(40)
    for _ in range(9):
        queue.reject(take(queue), "http-400")
    assert queue.is_refused_as_requests()
    queue.reject(take(queue), "refusal")
    assert not queue.is_refused_as_requests()


def test_the_topic_farthest_behind_is_asked_first() -> None:
    quotas = {"농담": 2, "위로": 20}
    queue = SlotQueue.resume(
        [make_dimensions(topic) for topic in quotas],
        lambda topic: TopicState(quotas[topic], frozenset(), {}, frozenset(), 0),
        3,
    )
    order = [take(queue).topic for _ in range(11)]
    assert Counter(order) == {"위로": 10, "농담": 1}


def test_a_dialogue_that_does_not_count_opens_another_slot() -> None:
    queue = make_queue(quota=2)
    for _ in range(2):
        assert queue.take() is not None
    queue.accept()
    queue.drop("speech-level")
    third = queue.take()
    assert third is not None
    assert third.number == 2
    queue.accept()
    assert queue.is_met
    assert queue.take() is None


@settings(deadline=None)
@given(st.lists(st.booleans(), max_size=400), st.integers(1, 200))
def test_what_is_asked_beyond_the_quota_stays_below_the_surplus(counts: list[bool], quota: int) -> None:
    state = TopicState(quota, frozenset(), {}, frozenset(), 0)
    queue = TopicQueue.resume(make_dimensions("농담"), state, max_tries=3, surplus_share=0.03)
    for does_count in counts:
        while queue.take() is not None:
            assert queue.accepted + queue.in_flight <= quota + int(0.03 * quota)
        if not queue.in_flight:
            break
        queue.accept() if does_count else queue.drop("length")
    assert queue.accepted <= quota + int(0.03 * quota)


def test_a_topic_whose_dialogues_never_count_is_out_of_reach() -> None:
    queue = make_queue(quota=10)
    for _ in range(96):
        assert queue.take() is not None
        queue.drop("near-duplicate")
    assert queue.is_out_of_reach
    assert "96 of its last 96 drafts were rejected (near-duplicate 96)" in queue.explain_out_of_reach()
