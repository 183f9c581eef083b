"""The sequential test of a topic's lot: pass, fail, or review more.

Wald's sequential probability ratio test (Annals of Mathematical Statistics 16, 1945, 117-186; Sequential Analysis,
1947) asks after every verdict whether the sample speaks for a lot with 2 % of defects or for one with 8 %, and stops as
soon as it is sure enough: after 81 or 59 reviews on average, where a sample of fixed size takes 129.

It is a test up to the first crossing of a bound and no further: the caller keeps the verdict of that moment. Counts
that grow afterwards may fall back to `open` or cross again, and then the error rates below no longer hold.
"""

import math
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["pass", "fail", "open"]
NextStep = Literal["release", "full-review", "regenerate", "continue"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is tested, as rates in 0..1. Raises ValueError where no test could follow from it."""

    p0: float = 0.02
    """The defect rate of a lot that should pass."""
    p1: float = 0.08
    """The defect rate of a lot that should fail."""
    alpha: float = 0.05
    """How often a lot at `p0` may fail. Wald's bounds hold it to alpha / (1 - beta); by these defaults it is 3.2 %."""
    beta: float = 0.05
    """How often a lot at `p1` may pass; held to beta / (1 - alpha), and 4.9 % by these defaults."""

    def __post_init__(self) -> None:
        if not 0 < self.p0 < self.p1 < 1:
            raise ValueError(f"defect rates {self.p0} and {self.p1} are not 0 < p0 < p1 < 1")
        if not (self.alpha > 0 and self.beta > 0 and self.alpha + self.beta < 1):
            raise ValueError(f"error rates {self.alpha} and {self.beta} are not positive with a sum below 1")

    @property
    def pass_bound(self) -> float:
        """The log-likelihood ratio at or below which a lot passes."""
        return math.log(self.beta / (1 - self.alpha))

    @property
    def fail_bound(self) -> float:
        """The log-likelihood ratio at or above which a lot fails."""
        return math.log((1 - self.beta) / self.alpha)

    @property
    def good_weight(self) -> float:
        """What a good sample takes from the log-likelihood ratio."""
        return math.log((1 - self.p0) / (1 - self.p1))

    @property
    def defect_weight(self) -> float:
        """What a defect adds to the log-likelihood ratio."""
        return math.log(self.p1 / self.p0)


@dataclass(frozen=True, slots=True)
class LotVerdict:
    """Where the test of a lot stands: the log-likelihood ratio between its two bounds, and what would decide it."""

    verdict: Verdict
    log_likelihood_ratio: float
    pass_bound: float
    fail_bound: float
    good_needed: int | None
    """How many more good samples in a row would pass, the postponed ones among them; None when decided."""
    defects_to_fail: int
    """How many further defects in a row would fail; 0 for a lot that failed."""


def judge_lot(good: int, defects: int, plan: Plan | None = None, *, postponed: int = 0) -> LotVerdict:
    """Judge a lot by what random review found in it.

    While any drawn sample is `postponed`, a pass stays open: reviewers put off the hard ones, and a lot may not pass by
    leaving out its worst. A fail waits for nobody.

    Wald takes the lot for endless. Raises ValueError for negative counts.
    """
    if min(good, defects, postponed) < 0:
        raise ValueError(f"negative count: {good} good, {defects} defects, {postponed} postponed")
    plan = plan or Plan()
    # Whole numbers decide, so that "47 more would pass" and the verdict at 47 can never differ by a rounding.
    good_missing = max(0, _count_good_to_pass(defects, plan) - good)
    defects_missing = max(0, _count_defects_to_fail(good, plan) - defects)
    verdict: Verdict = "open"
    if defects_missing == 0:
        verdict = "fail"
    elif good_missing == 0 and postponed == 0:
        verdict = "pass"
    return LotVerdict(
        verdict=verdict,
        log_likelihood_ratio=defects * plan.defect_weight - good * plan.good_weight,
        pass_bound=plan.pass_bound,
        fail_bound=plan.fail_bound,
        good_needed=max(good_missing, postponed) if verdict == "open" else None,
        defects_to_fail=defects_missing,
    )


def _count_good_to_pass(defects: int, plan: Plan) -> int:
    return math.ceil((defects * plan.defect_weight - plan.pass_bound) / plan.good_weight)


def _count_defects_to_fail(good: int, plan: Plan) -> int:
    return math.ceil((good * plan.good_weight + plan.fail_bound) / plan.defect_weight)


def next_steps(verdict: LotVerdict, reviewed: int, lot: int) -> tuple[NextStep, ...]:
    """What may follow: `reviewed` of the `lot` samples that the audit can draw from have a verdict.

    A lot still open when nothing is left to audit is too small to be judged by sampling: all of it is reviewed. One
    whose rest is postponed goes on. Where two steps are offered, people choose.
    """
    if verdict.verdict == "pass":
        return ("release",)
    if verdict.verdict == "fail":
        return ("full-review", "regenerate")
    return ("full-review",) if reviewed >= lot else ("continue",)
