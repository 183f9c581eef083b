"""Bands and rows of MinHash LSH, derived from the threshold, and what they promise.

Two sets of similarity J agree in all r minima of a band with probability J^r, so they become a candidate in one of b
bands with probability 1 - (1 - J^r)^b (Leskovec, Rajaraman, Ullman, "Mining of Massive Datasets", 3.4).
"""

import math
from dataclasses import dataclass

_MOST_ROWS = 8
_MOST_BANDS = 512

_UNRELATED = ((0.003, 0.9699), (0.03, 0.03), (0.15, 1e-4), (0.3, 1e-6))
"""How similar unrelated dialogues of 4 human turns are, in 3-grams of the normal form: (J, share of pairs)."""
_ROWS_OF_DATA = 500_000
_COST_OF_A_MINIMUM = 0.02
_COST_OF_A_KEY = 0.1
_COST_OF_A_CANDIDATE = 0.1
"""Microseconds a dialogue (80 grams) or a candidate, measured on one core; only their proportions matter."""


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
    choices = [Bands(_count_bands(threshold, rows, probability), rows) for rows in range(1, _MOST_ROWS + 1)]
    return min((each for each in choices if each.bands <= _MOST_BANDS), key=_estimate_cost)


def _count_bands(threshold: float, rows: int, probability: float) -> int:
    hit = threshold**rows
    if hit >= probability:
        return 1
    return math.ceil(math.log1p(-probability) / math.log1p(-hit))


def _estimate_cost(bands: Bands) -> float:
    """Microseconds for each dialogue."""
    hits = sum(share * similarity**bands.rows for similarity, share in _UNRELATED)
    candidates = bands.bands * hits * _ROWS_OF_DATA / 2
    return bands.minima * _COST_OF_A_MINIMUM + bands.bands * _COST_OF_A_KEY + candidates * _COST_OF_A_CANDIDATE


def draw_recall_curve(bands: Bands, points: int = 101) -> list[tuple[float, float]]:
    """(similarity, probability of being found) at even steps from 0 to 1."""
    steps = [step / (points - 1) for step in range(points)]
    return [(similarity, bands.find_probability(similarity)) for similarity in steps]
