"""What comes round again in a long dialogue: utterances nearly the same, and rows of them at one distance.

Utterances of one speaker that share three fifths of their letter pairs are of one kind; the dialogue then is a row of
kinds, and loops are read off it. Only kinds that share a rare pair are compared (prefix filtering, as in Bayardo, Ma
and Srikant, Scaling Up All Pairs Similarity Search, 2007), so that the time grows with the text, not with its square.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil

from curation.normal_form import fold_all
from curation.subject import Utterance

ALIKE = 0.6
"""Jaccard similarity of the letter pairs from which on two utterances are of one kind. "그래서 넌 어떻게 할 거야?" and
"근데 넌 어떻게 할 거야?" have 0.67."""
LONGEST_PERIOD = 8
"""Exchanges after which a loop begins anew at the latest."""


@dataclass(frozen=True, slots=True)
class Round:
    """The messages `start` to `end` (exclusive) are one stretch of `period` messages, gone through `times` times."""

    start: int
    end: int
    period: int
    times: int


def sort_by_kind(utterances: Sequence[Utterance]) -> list[int]:
    """For each utterance the first one of its kind: of the same speaker, and nearly the same."""
    forms = fold_all([each.speech for each in utterances])
    pairs = [frozenset(map("".join, pairwise(form))) or frozenset((form,)) for form in forms]
    frequency = Counter(pair for each in pairs for pair in each)
    known: dict[tuple[str, str], int] = {}
    first_of: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    kinds = []
    for index, (utterance, form, own) in enumerate(zip(utterances, forms, pairs, strict=True)):
        kind = known.get((utterance.role, form))
        if kind is None:
            # Two sets as alike as that share one of so many of their rarest members.
            rarest = sorted(own, key=lambda pair: (frequency[pair], pair))[: len(own) - ceil(ALIKE * len(own)) + 1]
            keys = [(utterance.role, pair) for pair in rarest]
            near = {other for key in keys for other in first_of[key] if _are_alike(own, pairs[other])}
            kind = min(near, default=index)
            known[utterance.role, form] = kind
            if kind == index:
                for key in keys:
                    first_of[key].append(index)
        kinds.append(kind)
    return kinds


def _are_alike(left: frozenset[str], right: frozenset[str]) -> bool:
    common = len(left & right)
    return common >= ALIKE * (len(left) + len(right) - common)


def find_rounds(kinds: Sequence[int], least_times: int) -> list[Round]:
    """The stretches that are gone through so many times and more, the longest first; none overlaps another."""
    found = []
    for period in range(2, 2 * LONGEST_PERIOD + 1, 2):
        run = 0
        for index in range(period, len(kinds) + 1):
            if index < len(kinds) and kinds[index] == kinds[index - period]:
                run += 1
                continue
            if run >= period * (least_times - 1):
                found.append(Round(index - run - period, index, period, run // period + 1))
            run = 0
    found.sort(key=lambda each: (each.start - each.end, each.period))
    taken: set[int] = set()
    apart = []
    for each in found:
        if taken.isdisjoint(range(each.start, each.end)):
            taken.update(range(each.start, each.end))
            apart.append(each)
    return apart
