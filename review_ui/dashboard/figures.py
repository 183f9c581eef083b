"""The dashboard's figures, from counters alone: pure functions of what the tallies say."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

from curation.reviews import LOT
from review_ui.queue.judged import AuditCounts
from review_ui.statistics.acceptance import bound_defects
from review_ui.statistics.sequential import LotVerdict, NextStep, Verdict, next_steps


@dataclass(frozen=True, slots=True)
class Lot:
    """A row of the lots. `verdict`, `disposition`: None while there is none."""

    topic: str
    category: str
    quota: int | None
    round: int
    verdict: Verdict | None
    disposition: str | None
    disposed_by: str | None
    disposed_at: float | None


@dataclass(frozen=True, slots=True)
class Counts:
    """How many dialogues: `lot` = accepted + edited + flagged + released + waiting."""

    lot: int = 0
    accepted: int = 0
    edited: int = 0
    flagged: int = 0
    released: int = 0
    waiting: int = 0
    again: int = 0
    seconds: int = 0
    thirds: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(*(getattr(self, each.name) + getattr(other, each.name) for each in fields(Counts)))


@dataclass(frozen=True, slots=True)
class Audit:
    """The audit of a lot. `bound`: of the defect rate, 0..1, one-sided, 95 %; None without reviews."""

    counts: AuditCounts
    test: LotVerdict
    bound: float | None


@dataclass(frozen=True, slots=True)
class TopicFigures:
    """All of one topic. `steps`: what may follow now."""

    lot: Lot
    counts: Counts
    audit: Audit
    steps: tuple[NextStep, ...]
    reasons: Mapping[str, int]
    pairs: Mapping[tuple[str, str], int]

    @property
    def is_made_again(self) -> bool:
        """Nothing waits because an author had the lot made again, and its new dialogues are not there yet."""
        is_short = self.counts.flagged if self.lot.quota is None else self.counts.again
        return bool(self.reasons.get(LOT) and is_short and not self.counts.waiting)


def figure_topic(lot: Lot, tallies: Mapping[str, int]) -> TopicFigures:
    """A topic's figures; `tallies` by the names of `outcome.list_tallies`."""
    counts, audit = _count(lot, tallies), _figure_audit(lot, tallies)
    return TopicFigures(
        lot=lot,
        counts=counts,
        audit=audit,
        steps=list_steps(lot, counts, audit),
        reasons=_cut(tallies, "flag:"),
        pairs={_split_pair(pair): count for pair, count in _cut(tallies, "pair:").items()},
    )


def list_steps(lot: Lot, counts: Counts, audit: Audit) -> tuple[NextStep, ...]:
    """What may follow. Nothing where all of the lot is decided: every dialogue has its own verdict then.

    A full review may still turn out to be hopeless, so regenerating stays open to a lot that failed.
    """
    if lot.disposition == "full-review":
        return ("regenerate",) if audit.test.verdict == "fail" and counts.waiting else ()
    if lot.disposition is not None or counts.waiting == 0:
        return ()
    drawn = audit.counts.reviewed + audit.counts.open + audit.counts.disputed
    return next_steps(audit.test, audit.counts.reviewed, drawn)


def _count(lot: Lot, tallies: Mapping[str, int]) -> Counts:
    size, flagged = tallies.get("lot", 0), tallies.get("verdict:flag", 0)
    undecided = tallies.get("state:open", 0)
    is_released = lot.disposition == "release"
    return Counts(
        lot=size,
        accepted=tallies.get("verdict:accept", 0),
        edited=tallies.get("verdict:edit", 0),
        flagged=flagged,
        released=undecided if is_released else 0,
        waiting=0 if is_released else undecided,
        again=max(0, (lot.quota or 0) - (size - flagged)),
        seconds=tallies.get("state:second", 0),
        thirds=tallies.get("state:third", 0),
    )


def _figure_audit(lot: Lot, tallies: Mapping[str, int]) -> Audit:
    """By the verdict that was kept when the test first crossed a bound, whatever the counts say since."""
    counts = AuditCounts(**_cut(tallies, f"audit:{lot.round}:"))
    test = counts.judge()
    if lot.verdict is not None and lot.verdict != test.verdict:
        test = replace(test, verdict=lot.verdict, good_needed=None)
    bound = bound_defects(counts.reviewed, counts.defect).bound if counts.reviewed else None
    return Audit(counts, test, bound)


def _cut(tallies: Mapping[str, int], prefix: str) -> dict[str, int]:
    """The counters whose names begin so, without it; those that fell to 0 left out."""
    return {name[len(prefix) :]: count for name, count in tallies.items() if name.startswith(prefix) and count}


def _split_pair(pair: str) -> tuple[str, str]:
    first, _, second = pair.partition("|")
    return first, second
