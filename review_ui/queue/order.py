"""Who is reviewed when: two queues that never mix.

audit   A random part of each topic, in random order. It alone says how good a topic's dialogues are, so nothing else
        may decide who is in it, and nothing that curation thought is shown before the verdict.
triage  The rest, where a person's look is worth most first: what judge and filters disagree about, what waits for
        people, what lies closest to a limit, what stands for a cluster; then anything; last what filters dropped
        surely. Everything is shown.

Once an author has disposed of a lot, its undecided dialogues follow that: all into triage and first of all, or into
none, where the lot was released.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from curation.finding import Limit
from curation.opinions.judge import DISAGREEMENT
from curation.reviewing.draw import SIZE

AUDIT_LEAST = 60
"""Dialogues of a topic that are audited at least: 47 without a defect pass the sequential test."""
AUDIT_MOST = 400
"""Four times what the test needs on average where it needs most."""
AUDIT_SHARE = 0.5
NEAR = 0.25
"""Distance to a limit, relative to it, from which on nothing is close any more."""
_RANKS = {
    "full-review": -1.0,
    "disputed": 0.0,
    "waiting": 1.0,
    "threshold": 2.0,
    "representative": 3.0,
    "rest": 4.0,
    "dropped": 5.0,
}

Limits = dict[tuple[str, str], Limit]
"""Code and rule (as settings spell it) → its limit."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A finding, as far as the order needs it."""

    code: str
    rule: str
    score: float
    threshold: float
    verdict: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where a dialogue stands in its queue. `why`: a key of the ranks above; `score`: nearest to a limit."""

    rank: float
    why: str
    score: float | None = None


def is_audited(turn: int, lot: int) -> bool:
    """Whether a dialogue of a topic with `lot` dialogues is in the audit's pool; `turn` is what it drew."""
    size = min(lot, max(AUDIT_LEAST, min(AUDIT_MOST, lot * AUDIT_SHARE)))
    return turn < SIZE * size / lot


def place_by_disposition(disposition: str, status: str, place: Place, turn: int) -> tuple[str, Place]:
    """Pool and place of an undecided dialogue of a lot that an author disposed of; `place`: what triage would give it.

    In a released lot only what a build holds back for people is still shown to them: it is published by their word
    alone.
    """
    if disposition == "full-review":
        return "triage", Place(_RANKS["full-review"] + turn / SIZE, "full-review", place.score)
    return "triage" if status == "waiting" else "none", place


def place_in_triage(status: str, seen: Sequence[Seen], limits: Limits, is_keeper: bool, turn: int) -> Place:
    """The place of a dialogue in triage; `turn` decides among equals."""
    distance, nearest = _find_nearest(seen, limits)
    score = nearest.score if nearest else None
    if any(each.rule == DISAGREEMENT for each in seen):
        why = "disputed"
    elif status == "waiting":
        why = "waiting"
    elif distance < NEAR:
        why = "threshold"
    elif status == "dropped":
        why = "dropped"
    else:
        why = "representative" if is_keeper else "rest"
    within = distance / NEAR if why == "threshold" else turn / SIZE
    return Place(_RANKS[why] + min(within, 0.999), why, score)


def _find_nearest(seen: Sequence[Seen], limits: Limits) -> tuple[float, Seen | None]:
    """The smallest relative distance of a score to the line that decides, and whose it is.

    Counts and certainties are whole numbers and stand at their limit by nature, so those are never close.
    """
    best: tuple[float, Seen | None] = (1.0, None)
    for each in seen:
        line = find_line(each, limits)
        distance = 1.0 if each.score.is_integer() else abs(each.score - line) / max(abs(line), 1e-9)
        if best[1] is None or distance < best[0]:
            best = (distance, each)
    return best


def find_line(seen: Seen, limits: Limits) -> float:
    """The score that would drop, where the rule has one; else the threshold that was passed."""
    limit = limits.get((seen.code, seen.rule))
    return limit.drop if limit is not None and limit.drop is not None else seen.threshold
