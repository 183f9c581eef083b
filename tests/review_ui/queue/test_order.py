"""Who is reviewed when: the audit's share of a topic, and the order of triage."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.finding import AtLeast, AtMost
from curation.opinions.judge import DISAGREEMENT
from curation.reviewing.draw import SIZE, draw_turn
from review_ui.queue.order import AUDIT_LEAST, AUDIT_MOST, AUDIT_SHARE, Limits, Seen, is_audited, place_in_triage

LIMITS: Limits = {
    ("repetition", "repeated-share"): AtLeast(drop=0.4, note=0.2),
    ("judge", "naturalness"): AtMost(note=3.0),
    ("length", "too-short"): AtMost(drop=4),
}
DISPUTED = Seen("judge", DISAGREEMENT, 1.0, 1.0, "note")
NEAR = Seen("repetition", "repeated-share", 0.38, 0.2, "note")
NEARER = Seen("repetition", "repeated-share", 0.41, 0.4, "drop")
FAR = Seen("repetition", "repeated-share", 0.21, 0.2, "note")
WHOLE = Seen("length", "too-short", 4.0, 4.0, "drop")


def _count_audited(lot: int) -> int:
    return sum(is_audited(draw_turn(f"exa-data-{number:06}"), lot) for number in range(lot))


@pytest.mark.parametrize("lot", [1, 12, AUDIT_LEAST])
def test_a_small_lot_is_audited_as_a_whole(lot: int) -> None:
    assert _count_audited(lot) == lot


@pytest.mark.parametrize(
    ("lot", "expected"), [(90, AUDIT_LEAST), (400, 400 * AUDIT_SHARE), (4_000, AUDIT_MOST), (40_000, AUDIT_MOST)]
)
def test_a_larger_lot_is_audited_by_half_within_bounds(lot: int, expected: float) -> None:
    assert _count_audited(lot) == pytest.approx(expected, rel=0.15)


def test_who_has_the_lowest_turns_is_audited_whatever_the_size_of_the_lot() -> None:
    for lot in (60, 61, 119, 120, 121, 799, 800, 801, 10_000):
        audited = [turn for turn in range(0, SIZE, SIZE // 1_000) if is_audited(turn, lot)]
        assert audited == list(range(0, SIZE, SIZE // 1_000))[: len(audited)]


def test_triage_begins_with_what_a_persons_look_is_worth_most_for() -> None:
    places = [
        place_in_triage("accepted", [DISPUTED, FAR], LIMITS, False, SIZE - 1),
        place_in_triage("waiting", [], LIMITS, False, SIZE - 1),
        place_in_triage("dropped", [NEARER], LIMITS, False, SIZE - 1),
        place_in_triage("accepted", [NEAR], LIMITS, False, 0),
        place_in_triage("accepted", [], LIMITS, True, SIZE - 1),
        place_in_triage("accepted", [FAR], LIMITS, False, 0),
        place_in_triage("dropped", [WHOLE], LIMITS, True, 0),
    ]
    whys = ["disputed", "waiting", "threshold", "threshold", "representative", "rest", "dropped"]
    assert [place.why for place in places] == whys
    assert [place.rank for place in places] == sorted(place.rank for place in places)


@pytest.mark.parametrize("score", [3.0, 4.0, 5.0])
def test_a_whole_number_is_never_close_to_a_limit(score: float) -> None:
    seen = [Seen("length", "too-short", score, 4.0, "drop")]
    assert place_in_triage("dropped", seen, LIMITS, False, 0).why == "dropped"


def test_the_nearest_score_is_told_and_is_the_one_that_counts() -> None:
    place = place_in_triage("accepted", [FAR, NEAR, WHOLE], LIMITS, False, 0)
    assert (place.why, place.score) == ("threshold", 0.38)
    assert place_in_triage("accepted", [], LIMITS, False, 0).score is None


def test_a_rule_that_never_drops_is_measured_against_the_threshold_that_was_passed() -> None:
    seen = [Seen("judge", "naturalness", 2.9, 3.0, "note")]
    assert place_in_triage("accepted", seen, LIMITS, False, 0).why == "threshold"


@given(
    st.sampled_from(["accepted", "waiting", "dropped"]),
    st.lists(st.sampled_from([DISPUTED, NEAR, NEARER, FAR, WHOLE]), max_size=4),
    st.booleans(),
    st.integers(0, SIZE - 1),
)
def test_the_turn_decides_among_equals_and_never_moves_anything_to_another_group(
    status: str, seen: list[Seen], is_keeper: bool, turn: int
) -> None:
    place = place_in_triage(status, seen, LIMITS, is_keeper, turn)
    first = place_in_triage(status, seen, LIMITS, is_keeper, 0)
    assert place.why == first.why
    assert int(first.rank) == int(place.rank)
    assert first.rank <= place.rank
