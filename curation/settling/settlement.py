"""Settlement: what becomes of every row, in one pass: who is kept, who fills the quotas, and in which split it lies.

The three decisions hang together. A row set aside for its split leaves its place in the quota to another; a row without
a place, or set aside, must not drop its near-copies, or a topic would starve beside the copies of what nobody uses. To
repeat the steps until they agree could take as many rounds as there are copies of one row. So each row is decided once
and for all, in the order remembered, then by rank:

1. similar to an accepted row (or to one that people flagged): duplicate;
2. no place left in its topic: passed over;
3. it would tie two splits together: passed over;
4. else it is accepted, takes a place, and joins the cluster of its neighbours.

Then the clusters are shared out among the splits, and the rows passed over are told apart: similar to an accepted row
after all: duplicate; similar to two splits: set aside; similar to a better one of the rest: duplicate; else reserve.
That depends on nothing but the accepted rows and their splits, so deciding again with its own memory changes nothing.

Rows that wait for people are treated as accepted all the way: they hold a place, drop their near-copies and are given a
split that is remembered. All that acceptance then changes is that the row is published, so it cannot leak; and if it
is flagged, its place is free again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from curation.settling.keepers import Flags, Keepers, Rank, choose_keepers
from curation.settling.neighbours import Floats, Ints, Mask, Neighbours
from curation.settling.places import Places
from curation.settling.share_out import Strata
from curation.settling.split_memory import Codes
from curation.settling.splits import GiantCluster, SplitPlan, SplitSettings, assign_splits
from curation.settling.ties import Tie, Ties, list_ties


class Status(IntEnum):
    """What became of a row. `word` is what files and people read."""

    ACCEPTED = 0
    WAITING = 1
    """As accepted, but published only once a person accepts it."""
    DUPLICATE = 2
    SET_ASIDE = 3
    RESERVE = 4
    """Good, but its topic is full, or no quota names it; used first when a place falls free."""
    DROPPED = 5
    """By a filter, or flagged by a person."""

    @property
    def word(self) -> str:
        return self.name.lower().replace("_", "-")


@dataclass(frozen=True, slots=True)
class Judged:
    """The rows and what was found out about each. All [n]."""

    neighbours: Neighbours
    strata: Strata
    rank: Rank
    """`reviewed` rows are also spared by flagged neighbours."""
    eligible: Mask
    """Dropped by no filter."""
    banned: Mask
    """Flagged by a person: dropped, and everything similar with it."""
    waiting: Mask
    """Held for people."""


@dataclass(frozen=True, slots=True)
class SettleSettings:
    """`quotas`: topic → rows to accept; None: all of any topic. `duplicate_threshold`: similarity that drops."""

    quotas: Mapping[str, int] | None
    duplicate_threshold: float
    splits: SplitSettings


@dataclass(frozen=True, slots=True)
class Settlement:
    """What became of each row [n], and what is left to do."""

    status: Codes
    """Numbers of Status."""
    split: Codes
    """Places in SPLITS for accepted and waiting rows, -1 for others. Remember them all (`extend_memory`)."""
    keeper: Ints
    """For duplicates the row that they are dropped for: accepted, waiting, reserve, or flagged; -1 for others."""
    similarity: Floats
    """To the keeper, else NaN."""
    pair: Ints
    """The number of the pair that joins a duplicate to its keeper; -1 for an exact copy, and for all that are none."""
    set_aside: tuple[Tie, ...]
    """Why each row with that status is; sorted by id."""
    giants: tuple[GiantCluster, ...]
    missing: dict[str, int]
    """Topic → rows that its quota still lacks."""
    unknown_topics: Sequence[str]
    """Topics that no quota names; their rows are reserve."""


def settle(judged: Judged, remembered: Codes, settings: SettleSettings) -> Settlement:
    """Decide about every row; `remembered` [n] is the split that each was ever in, or -1.

    Deterministic and independent of the order of rows and pairs. A remembered row never changes its split. Rows that
    are not eligible neither keep nor drop anybody.
    """
    neighbours = judged.neighbours
    eligible = judged.eligible & ~judged.banned
    order = judged.rank.order(neighbours, first=remembered >= 0)
    order = order[eligible[order]]
    places = Places(judged.strata.topics, settings.quotas)
    accepted = _accept(judged, order, remembered, places, settings)
    plan = assign_splits(neighbours, order[accepted.kept[order]], judged.strata, remembered, settings.splits)
    rest = eligible & ~accepted.kept & (accepted.keeper < 0)
    present = np.where(accepted.kept, plan.split, remembered)
    ties = list_ties(neighbours, present, rest & (remembered < 0), settings.splits.threshold)
    tied = np.zeros(len(rest), dtype=np.bool_)
    tied[[each.row for each in ties]] = True
    reserve = choose_keepers(neighbours, order[(rest & ~tied)[order]], settings.duplicate_threshold)
    return _report(judged, (accepted, reserve), plan, ties, places)


def _accept(judged: Judged, order: Ints, remembered: Codes, places: Places, settings: SettleSettings) -> Keepers:
    fresh = np.zeros(len(remembered), dtype=np.bool_)
    fresh[order] = remembered[order] < 0
    ties = Ties(judged.neighbours, remembered, settings.splits.threshold, fresh)
    is_fresh = fresh.tolist()

    def may_keep(row: int) -> bool:
        if not places.has_room(row) or (is_fresh[row] and not ties.admit(row)):
            return False
        places.take(row)
        return True

    flags = Flags(judged.banned, judged.rank.reviewed)
    return choose_keepers(judged.neighbours, order, settings.duplicate_threshold, flags, may_keep)


def _report(
    judged: Judged, keepers: tuple[Keepers, Keepers], plan: SplitPlan, ties: tuple[Tie, ...], places: Places
) -> Settlement:
    accepted, reserve = keepers
    status = np.full(len(judged.eligible), Status.DROPPED, dtype=np.int8)
    status[accepted.kept] = np.where(judged.waiting[accepted.kept], Status.WAITING, Status.ACCEPTED)
    status[reserve.kept] = Status.RESERVE
    status[(accepted.keeper >= 0) | (reserve.keeper >= 0)] = Status.DUPLICATE
    status[[each.row for each in ties]] = Status.SET_ASIDE
    second = reserve.keeper >= 0
    return Settlement(
        status,
        plan.split,
        np.where(second, reserve.keeper, accepted.keeper),
        np.where(second, reserve.similarity, accepted.similarity),
        np.where(second, reserve.pair, accepted.pair),
        ties,
        plan.giants,
        places.list_missing(),
        places.list_unknown(),
    )
