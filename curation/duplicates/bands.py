"""Bands and rows of MinHash LSH, derived from the threshold, and what they promise.

Two sets of similarity J agree in all r minima of a band with probability J^r, so they become a candidate in one of b
bands with probability 1 - (1 - J^r)^b (Leskovec, Rajaraman, Ullman, "Mining of Massive Datasets", 3.4).
"""

import math
from dataclasses import dataclass

_MOST_BANDS = 512

_CHANCE_HITS = (2.6e-3, 3.0e-5, 5.6e-7, 2.5e-8, 2.8e-9, 4.6e-10, 8.9e-11, 1.8e-11)
"""How likely two unrelated dialogues agree in a band of 1, 2, … 8 rows: the mean of J^r over 6 million pairs of
four-turn dialogues by people (`benchmarks/corpus.py`), 3-grams of the normal form."""
_ROWS_OF_DATA = 500_000
_COST_OF_A_MINIMUM = 0.04
_COST_OF_A_KEY = 0.03
_COST_OF_A_CANDIDATE = 0.1
"""Microseconds for a dialogue of 80 grams, or for a candidate, on one core; only their proportions matter."""


@dataclass(frozen=True, slots=True)
class Bands:
    """`bands` groups of `rows` minima each."""

    bands: int
    rows: int

    @property
    def minima(self) -> int:
        return self.bands * self.rows

    def find_probability(self, similarity: float) -> float:
        """The probability that a pair of this similarity becomes a candidate."""
        return 1.0 - (1.0 - similarity**self.rows) ** self.bands


def choose_bands(threshold: float, probability: float = 0.99) -> Bands:
    """The cheapest bands that make a pair at the threshold a candidate with at least this probability.

    More rows a band mean more minima to compute, fewer rows more unrelated candidates to refuse, and those grow with
    the square of the data: the cost is taken at 500,000 dialogues. Raises ValueError where threshold or probability
    do not lie between 0 and 1.
    """
    if not 0 < threshold <= 1 or not 0 < probability < 1:
        raise ValueError(f"threshold {threshold:g} and probability {probability:g} must lie between 0 and 1")
    choices = [Bands(_count_bands(threshold, rows, probability), rows) for rows in range(1, len(_CHANCE_HITS) + 1)]
    return min((each for each in choices if each.bands <= _MOST_BANDS), key=_estimate_cost)


def _count_bands(threshold: float, rows: int, probability: float) -> int:
    hit = threshold**rows
    if hit >= probability:
        return 1
    return math.ceil(math.log1p(-probability) / math.log1p(-hit))


def _estimate_cost(bands: Bands) -> float:
    """Microseconds for each dialogue."""
    candidates = bands.bands * _CHANCE_HITS[bands.rows - 1] * _ROWS_OF_DATA / 2
    return bands.minima * _COST_OF_A_MINIMUM + bands.bands * _COST_OF_A_KEY + candidates * _COST_OF_A_CANDIDATE


def draw_recall_curve(bands: Bands, points: int = 101) -> list[tuple[float, float]]:
    """(similarity, probability of being found) at even steps from 0 to 1."""
    steps = [step / (points - 1) for step in range(points)]
    return [(similarity, bands.find_probability(similarity)) for similarity in steps]
