"""Bands follow from the threshold, and keep what they promise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.duplicates.bands import Bands, choose_bands, draw_recall_curve
from curation.duplicates.rows import Rows, to_offsets
from curation.duplicates.signatures import sign


@given(st.floats(0.2, 0.99), st.floats(0.5, 0.9999))
def test_a_pair_at_the_threshold_is_found_with_the_probability_asked_for(threshold: float, probability: float) -> None:
    assert choose_bands(threshold, probability).find_probability(threshold) >= probability


def test_the_known_figures_hold() -> None:
    assert Bands(32, 4).find_probability(0.7) == pytest.approx(0.9998, abs=1e-4)
    assert Bands(32, 4).find_probability(0.5) == pytest.approx(0.873, abs=1e-3)
    assert Bands(42, 3).find_probability(0.5) == pytest.approx(0.996, abs=1e-3)


def test_no_band_fewer_would_do() -> None:
    chosen = choose_bands(0.5)
    assert Bands(chosen.bands - 1, chosen.rows).find_probability(0.5) < 0.99


@pytest.mark.parametrize(("threshold", "probability"), [(0, 0.99), (1.2, 0.99), (0.5, 0), (0.5, 1)])
def test_what_is_no_probability_is_refused(threshold: float, probability: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        choose_bands(threshold, probability)


def test_the_curve_rises_from_nothing_to_certainty() -> None:
    curve = draw_recall_curve(choose_bands(0.5))
    assert (curve[0], curve[-1]) == ((0.0, 0.0), (1.0, 1.0))
    assert [value for _, value in curve] == sorted(value for _, value in curve)


@pytest.mark.parametrize("similarity", [0.4, 0.5, 0.7])
def test_signatures_meet_as_often_as_the_curve_says(similarity: float) -> None:
    random, size, pairs, bands = np.random.default_rng(7), 90, 4000, Bands(20, 3)
    shared = round(2 * size * similarity / (1 + similarity))
    common = random.integers(0, 1 << 62, (pairs, shared))
    sets = [np.sort(np.hstack([common, random.integers(0, 1 << 62, (pairs, size - shared))]), axis=1) for _ in range(2)]
    left, right = (sign(Rows(to_offsets(np.full(pairs, size)), each.ravel()), bands).keys for each in sets)
    expected = bands.find_probability(shared / (2 * size - shared))
    assert (left == right).any(axis=0).mean() == pytest.approx(expected, abs=0.025)
