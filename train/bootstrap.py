"""Paired bootstrap intervals: how far a figure, or the difference of two models, may be chance of the prompts drawn.

Efron 1979, "Bootstrap Methods: Another Look at the Jackknife": prompts are drawn with replacement, and the middle 95 %
of what the figure then is are its interval (percentiles). All models get the same draws, so that what is hard for all
of them cancels in the differences.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

DRAWS = 10_000
LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class Ratio:
    """A measure of n prompts: sum(tops) / sum(bottoms), both float64 (n,). A share has ones for its bottoms.

    `is_log`: it is told as e to that power, as a perplexity is, and two of them are compared by their quotient.
    """

    tops: Floats
    bottoms: Floats
    is_log: bool = False

    @classmethod
    def of_mean(cls, values: Sequence[float]) -> "Ratio":
        return cls(np.asarray(values, dtype=np.float64), np.ones(len(values)))


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


def draw_weights(prompts: int, seed: int, draws: int = DRAWS) -> Floats:
    """(draws, prompts): how often each prompt was drawn."""
    shares = np.full(prompts, 1 / prompts)
    return np.random.default_rng(seed).multinomial(prompts, shares, draws).astype(np.float64)


def estimate(ratio: Ratio, weights: Floats) -> Interval | None:
    """The figure with its interval; None where there is nothing to divide by."""
    return _tell(_divide(ratio, np.ones((1, len(ratio.tops)))), _divide(ratio, weights), ratio.is_log)


def compare(ratio: Ratio, first: Ratio, weights: Floats) -> Interval | None:
    """How far `ratio` is above `first`: the difference, or the quotient of two that are logarithms."""
    all_once = np.ones((1, len(ratio.tops)))
    point = _divide(ratio, all_once) - _divide(first, all_once)
    return _tell(point, _divide(ratio, weights) - _divide(first, weights), ratio.is_log)


def _divide(ratio: Ratio, weights: Floats) -> Floats:
    """One figure per draw; NaN for a draw without any prompt that counts."""
    bottoms = weights @ ratio.bottoms
    figures: Floats = np.full(len(bottoms), np.nan)
    np.divide(weights @ ratio.tops, bottoms, out=figures, where=bottoms > 0)
    return figures


def _tell(point: Floats, drawn: Floats, is_log: bool) -> Interval | None:
    if np.isnan(point[0]):
        return None
    tail = 100 * (1 - LEVEL) / 2
    low, high = np.nanpercentile(drawn, [tail, 100 - tail])
    value = float(point[0])
    told = [float(np.exp(np.minimum(each, 700))) if is_log else float(each) for each in (value, low, high)]
    return Interval(*told)
