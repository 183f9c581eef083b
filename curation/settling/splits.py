"""Train, validation and test: a split for every row of the data set, such that no near-copy of a row lies in another.

Rows that are similar, however loosely, form a cluster and go together. A row that has once been in a split stays
there: new rows follow the remembered rows that they are similar to, and one that is similar to two splits at once is
set aside, since wherever it went it would leak. A remembered row pins its neighbourhood even while it is out of the
data set (dropped, or surplus), so that it can come back. Two remembered rows of different splits that have become
similar (an edited dialogue, a lower threshold) both stay; `check_leakage` then finds them.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from curation.settling.neighbours import Ints, Mask, Neighbours
from curation.settling.share_out import Strata, share_out
from curation.settling.split_memory import SPLITS, Codes, Split
from curation.settling.ties import Tie, Ties, list_ties


class Shares(BaseModel):
    """Shares of the accepted rows, 0..1, together 1. Default: what is usual where the data are few."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    train: float = Field(default=0.9, gt=0, le=1)
    validation: float = Field(default=0.05, ge=0, lt=1)
    test: float = Field(default=0.05, ge=0, lt=1)

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        total = self.train + self.validation + self.test
        if abs(total - 1) > 1e-6:
            raise ValueError(f"train, validation and test add up to {total:g}, expected 1")
        return self

    @property
    def values(self) -> tuple[float, float, float]:
        """In the order of SPLITS."""
        return self.train, self.validation, self.test


class SplitSettings(BaseModel):
    """How the data set is split."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    shares: Shares = Shares()
    threshold: float = Field(default=0.4, gt=0, le=1)
    """Similarity from which on two rows may not lie in different splits; looser than the one for removal (0.5)."""
    seed: int = 0
    """Which rows of a topic go where; rows that already have a split keep it whatever the seed."""


@dataclass(frozen=True, slots=True)
class GiantCluster:
    """A cluster larger than train's share of the data: the other splits have to do with what is left."""

    row: int
    """The row with the smallest id in it."""
    size: int
    split: Split


@dataclass(frozen=True, slots=True)
class SplitPlan:
    """A split for every member."""

    split: Codes
    """[n] -1: no member, or set aside."""
    set_aside: tuple[Tie, ...]
    giants: tuple[GiantCluster, ...]


def assign_splits(
    neighbours: Neighbours, order: Ints, strata: Strata, remembered: Codes, settings: SplitSettings
) -> SplitPlan:
    """Give each of the rows in `order` a split, keeping the remembered ones; the members are the rows of `order`.

    Where new rows would tie two splits together, the earlier one in `order` stays and the later one is set aside.
    """
    count = len(neighbours.ids)
    ties = Ties(neighbours, remembered, settings.threshold, _mark(count, order[remembered[order] < 0]))
    fresh = [row for row in order.tolist() if remembered[row] < 0 and ties.admit(row)]
    members = _mark(count, order[remembered[order] >= 0])
    members[fresh] = True
    split = np.where(members, remembered, np.int8(-1))

    admitted = _mark(count, np.asarray(fresh, dtype=np.int64))
    cluster = neighbours.connect(settings.threshold, neighbours.mark_groups(admitted))[neighbours.group]
    pinned = ties.find_pins(cluster, admitted)
    split[admitted] = pinned[admitted]
    free = admitted & (pinned < 0)
    giant = np.bincount(cluster[free], minlength=neighbours.groups) > settings.shares.train * members.sum()
    split[free & giant[cluster]] = 0
    free &= split < 0
    share_out(neighbours, np.where(free, cluster, -1), strata, split, settings.shares.values, settings.seed)
    aside = _mark(count, order) & ~members
    set_aside = list_ties(neighbours, np.where(members, split, remembered), aside, settings.threshold)
    return SplitPlan(split, set_aside, _list_giants(neighbours, members, split, settings))


def _list_giants(
    neighbours: Neighbours, members: Mask, split: Codes, settings: SplitSettings
) -> tuple[GiantCluster, ...]:
    cluster = neighbours.connect(settings.threshold, neighbours.mark_groups(members))[neighbours.group]
    sizes = np.bincount(cluster[members], minlength=neighbours.groups)
    giants = []
    for number in np.flatnonzero((sizes > settings.shares.train * members.sum()) & (sizes > 1)).tolist():
        rows = np.flatnonzero(members & (cluster == number))
        first = rows[neighbours.rank[rows].argmin()]
        giants.append(GiantCluster(int(first), len(rows), SPLITS[split[first]]))
    return tuple(giants)


def _mark(count: int, rows: Ints) -> Mask:
    marked = np.zeros(count, dtype=np.bool_)
    marked[rows] = True
    return marked
