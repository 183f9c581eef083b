"""Sharing clusters out among the splits, evenly: over all rows, over each topic, over each persona within a topic.

Clusters come one after the other, and each goes where most is owed. What a split is owed is its share of the rows that
came so far less what it has, counted at all three levels and added up; that is the choice which adds least to the
squares of the three deviations. What a topic of ten rows cannot give (half a row to validation) is thus owed over all
topics and given by another one; what a cluster took too much is made good by the rows after it. So the large clusters
come first and single rows last, topic by topic and persona by persona.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import groupby

import numpy as np

from curation.settling.neighbours import Ints, Neighbours
from curation.settling.split_memory import SPLITS, Codes

_WEIGHTS = (8.0, 2.0, 1.0)
"""Of what is owed over all rows, in the topic, and for the persona in the topic. The first is the promise: with one
cluster of half of the data, 4 leaves train at 92.1 %, 8 at 91.3 %, 16 at 90.8 %, but at 16 a topic of a set of 890
with many pairs is off by 4 rows, at 8 by 2."""

_Owed = list[float]
"""What each split is owed, in rows; together 0."""


@dataclass(frozen=True, slots=True)
class Strata:
    """What the splits are to be even over. Both [n]."""

    topics: Sequence[str]
    personas: Sequence[str]

    def number(self) -> tuple[Ints, Ints]:
        """[n] The topic of each row, and the persona within its topic, as numbers in the order of their names."""
        both = list(zip(self.topics, self.personas, strict=True))
        topic_of = {name: number for number, name in enumerate(sorted(set(self.topics)))}
        persona_of = {names: number for number, names in enumerate(sorted(set(both)))}
        topics = np.fromiter((topic_of[each] for each in self.topics), dtype=np.int64, count=len(both))
        return topics, np.fromiter((persona_of[each] for each in both), dtype=np.int64, count=len(both))


class _Account:
    """What the splits are owed, after all rows so far."""

    def __init__(self, topic: Ints, persona: Ints, split: Codes, shares: tuple[float, float, float]) -> None:
        self._shares = shares
        self._splits = [code for code in range(len(SPLITS)) if shares[code] > 0]
        (self._all,) = self._open(np.zeros_like(topic), split, 1)
        self._topics = self._open(topic, split, int(topic.max(initial=-1)) + 1)
        self._personas = self._open(persona, split, int(persona.max(initial=-1)) + 1)

    def _open(self, stratum: Ints, split: Codes, strata: int) -> list[_Owed]:
        has = np.stack([np.bincount(stratum[split == code], minlength=strata) for code in range(len(SPLITS))], axis=1)
        owed: list[_Owed] = (has.sum(axis=1, keepdims=True) * np.array(self._shares) - has).tolist()
        return owed

    def place(self, rows: Sequence[tuple[int, int]]) -> int:
        """The split for a cluster of rows, each given by its topic and persona; it is booked at once."""
        strata = [(self._all, self._topics[topic], self._personas[persona]) for topic, persona in rows]
        for owed in (each for three in strata for each in three):
            for code, share in enumerate(self._shares):
                owed[code] += share
        first, second, third = _WEIGHTS
        size = len(rows)
        best = max(
            self._splits,
            key=lambda code: (
                first * self._all[code] * size + sum(second * each[1][code] + third * each[2][code] for each in strata)
            ),
        )
        for owed in (each for three in strata for each in three):
            owed[best] -= 1
        return best


def share_out(
    neighbours: Neighbours, cluster: Ints, strata: Strata, split: Codes, shares: tuple[float, float, float], seed: int
) -> None:
    """Give the rows of each cluster a split, in place. `cluster` and `split` [n]; rows of no cluster have -1 there.

    Rows that have a split already count for what is owed. `shares` are in the order of SPLITS; `seed` decides which
    rows of a topic go where.
    """
    topic, persona = strata.number()
    account = _Account(topic, persona, split, shares)
    free = np.flatnonzero(cluster >= 0)
    sizes = np.bincount(cluster[free], minlength=neighbours.groups)
    single = sizes[cluster[free]] == 1
    singles, grouped = free[single], free[~single]
    heads, head = np.unique(cluster[grouped], return_inverse=True)
    chance = _draw(neighbours, neighbours.first[heads], seed)[head]
    by_size = grouped[np.lexsort((neighbours.rank[grouped], cluster[grouped], chance, -sizes[cluster[grouped]]))]
    by_stratum = singles[np.lexsort((_draw(neighbours, singles, seed), persona[singles], topic[singles]))]
    topics, personas = topic.tolist(), persona.tolist()
    for _, rows in groupby(by_size.tolist(), key=cluster.tolist().__getitem__):
        together = list(rows)
        split[together] = account.place([(topics[row], personas[row]) for row in together])
    for row in by_stratum.tolist():
        split[row] = account.place([(topics[row], personas[row])])


def _draw(neighbours: Neighbours, rows: Ints, seed: int) -> Ints:
    """A number for each row that depends on its id and the seed alone, so that the order of time decides nothing."""
    key = seed.to_bytes(8, "little", signed=True)
    digests = b"".join(
        blake2b(neighbours.ids[row].encode("utf-8", "surrogatepass"), digest_size=8, key=key).digest()
        for row in rows.tolist()
    )
    return np.frombuffer(digests, dtype=np.int64)
