"""Agreement of two reviewers who judged the same samples blind: percent, Gwet's AC1 and Krippendorff's alpha.

Percent agreement flatters where nearly all is accepted, and alpha punishes there: two reviewers who agree on 97 of 100
samples may well have an alpha near 0, because with one verdict this common, chance agrees almost as often. AC1 was made
for that case. The three are shown together, each with an interval, since double reviews are few.

All are symmetric: it does not matter who of a pair comes first, nor whether the pairs are of the same two people.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

VERDICTS = ("accept", "flag", "edit")
RESAMPLES = 2_000
CONFIDENCE = 0.95

Tables = npt.NDArray[np.float64]
"""Tables of counts, (tables, 3, 3): the first reviewer's verdict, then the second's, in the order of VERDICTS."""
PerTable = npt.NDArray[np.float64]
Weigh = Callable[[Tables], PerTable]
"""All three coefficients are 1 - disagreeing * weight, with a weight of their own for what chance would do."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A coefficient and the ends of its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far `pairs` pairs of verdicts agree. An estimate is None where it is undefined."""

    pairs: int
    percent: Estimate | None
    """Share of pairs with one verdict, 0..1; None without pairs."""
    ac1: Estimate | None
    """Gwet's AC1, -0.5..1; None without pairs."""
    alpha: Estimate | None
    """Krippendorff's alpha, -1..1; None without pairs, and where all verdicts are the same: then there is no variation
    that agreement could be told from."""


def measure_agreement(pairs: Mapping[tuple[str, str], int], *, seed: int = 0) -> Agreement:
    """Measure from counts by (first reviewer's verdict, second reviewer's verdict), each 'accept', 'flag' or 'edit'.

    The intervals are percentiles of 2,000 multinomial resamples of the pairs (Efron and Tibshirani, An Introduction to
    the Bootstrap, 1993, chapter 13), the same for the same counts and `seed`. Resamples in which alpha is undefined are
    left out of its interval. A bootstrap cannot draw what never happened: from 3 pairs that agree it would tell an
    interval of no width. So where all pairs agree or none does, the far end comes from the exact two-sided bound on
    the percentage (Clopper and Pearson, 1934), with the weight of chance as it was observed.

    Raises ValueError for another verdict or a negative count.
    """
    table = _read_table(pairs)
    count = int(table.sum())
    if count == 0:
        return Agreement(0, None, None, None)
    resamples = np.random.default_rng(seed).multinomial(count, table.ravel() / count, size=RESAMPLES)
    tables = np.concatenate([table[None], resamples.reshape(-1, *table.shape)]).astype(np.float64)
    return Agreement(
        pairs=count,
        percent=_estimate(_weigh_alike, tables),
        ac1=_estimate(_weigh_as_gwet, tables),
        alpha=_estimate(_weigh_as_krippendorff, tables),
    )


def _read_table(pairs: Mapping[tuple[str, str], int]) -> npt.NDArray[np.int64]:
    table = np.zeros((len(VERDICTS), len(VERDICTS)), np.int64)
    for (first, second), count in pairs.items():
        if first not in VERDICTS or second not in VERDICTS or count < 0:
            raise ValueError(f"{count} pairs of {first!r} and {second!r}; verdicts are {', '.join(VERDICTS)}")
        table[VERDICTS.index(first), VERDICTS.index(second)] = count
    return table


def _estimate(weigh: Weigh, tables: Tables) -> Estimate | None:
    """The coefficient of the first table, with an interval from all others."""
    disagreeing = 1 - np.trace(tables, axis1=1, axis2=2) / tables.sum(axis=(1, 2))
    weights = weigh(tables)
    values = 1 - disagreeing * weights
    value = float(values[0])
    if np.isnan(value):
        return None
    tail = (1 - CONFIDENCE) / 2
    low, high = map(float, np.nanquantile(values[1:], [tail, 1 - tail]))
    # With this share of one outcome, seeing nothing else in all pairs is as rare as `tail`.
    nearly_all = tail ** (1 / float(tables[0].sum()))
    if disagreeing[0] == 0:
        low = max(-1.0, 1 - (1 - nearly_all) * float(weights[0]))
    elif disagreeing[0] == 1:
        high = max(high, 1 - nearly_all * float(weights[0]))
    return Estimate(value, min(low, value), max(high, value))


def _weigh_alike(tables: Tables) -> PerTable:
    """Percent agreement knows no chance."""
    return np.ones(len(tables))


def _share_verdicts(tables: Tables) -> npt.NDArray[np.float64]:
    """Each verdict's share of all that both reviewers gave, (tables, 3)."""
    given: PerTable = 2 * tables.sum(axis=(1, 2))
    shares: npt.NDArray[np.float64] = (tables.sum(axis=1) + tables.sum(axis=2)) / given[:, None]
    return shares


def _weigh_as_gwet(tables: Tables) -> PerTable:
    """Gwet, Computing inter-rater reliability and its variance in the presence of high agreement, British Journal of
    Mathematical and Statistical Psychology 61, 2008, 29-48: by chance, sum of share * (1 - share) / (categories - 1)
    agree. All three verdicts count as categories, also one that nobody gave: reviewers could have."""
    shares = _share_verdicts(tables)
    by_chance: PerTable = (shares * (1 - shares)).sum(axis=1) / (len(VERDICTS) - 1)
    return 1 / (1 - by_chance)


def _weigh_as_krippendorff(tables: Tables) -> PerTable:
    """Krippendorff, Content Analysis, 2nd edition, 2004, chapter 11, nominal, two observers, none missing: by chance,
    as many disagree as when all verdicts given were paired anew. NaN where all verdicts are the same."""
    given: PerTable = 2 * tables.sum(axis=(1, 2))
    paired_anew = (1 - (_share_verdicts(tables) ** 2).sum(axis=1)) * given / (given - 1)
    is_defined = np.count_nonzero(tables.sum(axis=1) + tables.sum(axis=2), axis=1) > 1
    weights = np.full(len(tables), np.nan)
    np.divide(1.0, paired_anew, out=weights, where=is_defined)
    return weights
