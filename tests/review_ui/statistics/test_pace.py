"""Reviewers' pace: a median from buckets is nearly the true one."""

from collections import Counter
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from review_ui.statistics.pace import LONGEST_MS, SHORTEST_MS, bucket_of, median_ms, milliseconds_of

LOOKED_MS = st.floats(5.7, 21.7).map(lambda exponent: min(max(round(2**exponent), SHORTEST_MS), LONGEST_MS))


@given(st.lists(LOOKED_MS, min_size=1, max_size=60))
def test_the_median_is_within_five_percent_of_the_true_one(times: list[int]) -> None:
    assert median_ms(Counter(map(bucket_of, times))) == pytest.approx(median(times), rel=0.05)


@given(st.integers(0, 129))
def test_the_middle_of_a_bucket_lies_in_it(bucket: int) -> None:
    assert bucket_of(int(milliseconds_of(bucket))) == bucket or milliseconds_of(bucket) > LONGEST_MS


def test_eight_buckets_make_a_doubling() -> None:
    assert [bucket_of(each) for each in (50, 100, 200, 3200)] == [0, 8, 16, 48]


def test_times_out_of_reach_count_as_the_shortest_and_the_longest() -> None:
    assert bucket_of(-3) == bucket_of(0) == bucket_of(50) == 0
    assert bucket_of(86_400_000) == bucket_of(LONGEST_MS) == 129


def test_the_median_of_an_even_number_is_the_mean_of_the_middle_two() -> None:
    assert median_ms({0: 1, 80: 1}) == pytest.approx((milliseconds_of(0) + milliseconds_of(80)) / 2)
    assert median_ms({80: 3, 0: 1, 100: 0}) == milliseconds_of(80)


def test_without_times_there_is_no_median() -> None:
    assert median_ms({}) is None
    assert median_ms({4: 0}) is None
