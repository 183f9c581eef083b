"""Pairs to look at: around the threshold, from both sides."""

import numpy as np
import pytest

from curation.duplicates.pairs import Kind, Pairs, sample_pairs
from curation.duplicates.settings import DuplicateSettings


def make_pairs(similarities: list[float], kind: Kind = Kind.NEAR) -> Pairs:
    count = len(similarities)
    left = np.arange(count)
    return Pairs(left, left + count, np.array(similarities), np.full(count, kind, np.uint8))


def test_a_sample_has_pairs_of_both_sides_in_order() -> None:
    pairs = make_pairs([0.42, 0.95, 0.48, 0.51, 0.58, 0.44, 0.55])
    chosen = sample_pairs(pairs, 0.5, 4, seed=1)
    values = pairs.similarity[chosen].tolist()
    assert values == sorted(values)
    assert sum(value < 0.5 for value in values) == 2
    assert max(values) < 0.6


def test_a_side_that_has_too_few_leaves_its_place_to_the_other() -> None:
    assert len(sample_pairs(make_pairs([0.45, 0.51, 0.52, 0.53, 0.54]), 0.5, 4, seed=1)) == 4
    assert len(sample_pairs(make_pairs([0.41, 0.45, 0.46, 0.43, 0.54]), 0.5, 4, seed=1)) == 4
    assert len(sample_pairs(make_pairs([]), 0.5, 4, seed=1)) == 0


def test_the_same_seed_draws_the_same_sample_and_only_near_pairs() -> None:
    pairs = make_pairs([0.45 + step / 1000 for step in range(100)])
    assert sample_pairs(pairs, 0.5, 10, 7).tolist() == sample_pairs(pairs, 0.5, 10, 7).tolist()
    assert len(sample_pairs(make_pairs([0.5] * 20, Kind.CONTAINED), 0.5, 10, 7)) == 0


def test_splits_may_not_be_stricter_than_removal() -> None:
    with pytest.raises(ValueError, match="straddle"):
        DuplicateSettings(threshold=0.5, split_threshold=0.6)
    assert DuplicateSettings.model_validate({"split-threshold": 0.45}).split_threshold == 0.45
