"""Acceptance of a topic: how many defects the reviewed sample still allows for.

"30 of 30 were good" says little by itself: with 9 defects in a hundred, such a sample is no rarity. So the dashboard
shows the highest defect rate that the sample is compatible with, and never a bare percentage. Only samples drawn at
random count: the verdicts of the audit queue, not those of triage.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Counts of reviewed samples and of those found defective, with the bound that follows."""

    reviewed: int
    defects: int
    bound: float
    """Upper bound on the defect rate, 0..1, at the asked confidence; 1.0 where nothing was reviewed."""


def bound_defects(reviewed: int, defects: int, confidence: float = 0.95) -> Acceptance:
    """The one-sided upper bound of Clopper and Pearson (Biometrika 26, 1934): the `confidence` quantile of
    Beta(defects + 1, reviewed - defects).

    Whatever the true rate, the bound lies below it in at most 1 - `confidence` of all samples. It takes the lot for
    endless; a sample drawn from a finite lot without putting back tells more, so there the bound is conservative. It
    holds for a sample whose size did not depend on what was found in it.

    Raises ValueError for counts that cannot be, or a confidence outside 0..1.
    """
    if not 0 <= defects <= reviewed:
        raise ValueError(f"{defects} defects of {reviewed} reviewed")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence {confidence} is not between 0 and 1")
    if defects == reviewed:
        return Acceptance(reviewed, defects, 1.0)
    from scipy.special import betaincinv  # a quarter of a second that the start of the service need not pay

    return Acceptance(reviewed, defects, float(betaincinv(defects + 1, reviewed - defects, confidence)))
