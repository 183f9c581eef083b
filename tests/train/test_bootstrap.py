"""Intervals: as wide as they claim, narrower where prompts are shared, and about figures that can be told."""

import numpy as np
import pytest

from train.bootstrap import Ratio, compare, draw_weights, estimate


def test_a_ratio_is_of_sums_and_a_mean_of_values() -> None:
    weights = draw_weights(3, seed=1, draws=50)
    ratio = Ratio(np.array([1.0, 2.0, 6.0]), np.array([1.0, 1.0, 4.0]))
    found = estimate(ratio, weights)
    assert found is not None
    assert found.value == pytest.approx(9 / 6)
    mean = estimate(Ratio.of_mean([1, 0, 1]), weights)
    assert mean is not None
    assert mean.value == pytest.approx(2 / 3)


def test_perplexity_is_told_as_e_to_the_nats_per_token_and_compared_by_a_quotient() -> None:
    weights = draw_weights(2, seed=1, draws=50)
    first = Ratio(np.array([20.0, 40.0]), np.array([10.0, 10.0]), is_log=True)
    other = Ratio(np.array([10.0, 30.0]), np.array([10.0, 10.0]), is_log=True)
    found, change = estimate(first, weights), compare(other, first, weights)
    assert found is not None
    assert change is not None
    assert found.value == pytest.approx(np.exp(3))
    assert (change.value, change.low, change.high) == pytest.approx((np.exp(-1),) * 3)


def test_every_draw_has_as_many_prompts_as_there_are_and_the_seed_decides_them() -> None:
    weights = draw_weights(7, seed=5, draws=20)
    assert weights.shape == (20, 7)
    assert (weights.sum(axis=1) == 7).all()
    assert (weights == draw_weights(7, seed=5, draws=20)).all()
    assert (weights != draw_weights(7, seed=6, draws=20)).any()


def test_95_percent_intervals_hold_the_truth_about_95_times_in_a_hundred() -> None:
    randomness = np.random.default_rng(11)
    held = 0
    for seed in range(400):
        values = randomness.normal(3.0, 1.0, 60)
        found = estimate(Ratio.of_mean(list(values)), draw_weights(60, seed, draws=400))
        assert found is not None
        held += found.low <= 3.0 <= found.high
    assert 0.90 <= held / 400 <= 0.98


def test_what_is_hard_for_both_models_cancels_in_their_difference() -> None:
    randomness = np.random.default_rng(3)
    hardness = randomness.normal(0, 5, 50)
    one, other = Ratio.of_mean(list(hardness)), Ratio.of_mean(list(hardness + 1 + randomness.normal(0, 0.1, 50)))
    weights = draw_weights(50, seed=0, draws=2_000)
    alone, difference = estimate(other, weights), compare(other, one, weights)
    assert alone is not None
    assert difference is not None
    assert difference.value == pytest.approx(1, abs=0.05)
    assert difference.high - difference.low < 0.05 * (alone.high - alone.low)


def test_where_nothing_counts_there_is_no_figure_and_a_draw_without_any_is_left_out() -> None:
    weights = draw_weights(3, seed=2, draws=200)
    assert estimate(Ratio(np.zeros(3), np.zeros(3)), weights) is None
    found = estimate(Ratio(np.array([1.0, 0.0, 0.0]), np.array([1.0, 0.0, 0.0])), weights)
    assert found is not None
    assert (found.low, found.high) == (1.0, 1.0)
