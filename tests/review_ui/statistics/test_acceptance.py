"""The bound on the defect rate: figures of reference, coverage from its definition, and what it promises."""

import subprocess
import sys
from math import comb

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from review_ui.statistics.acceptance import Acceptance, bound_defects


@pytest.mark.parametrize(
    ("reviewed", "defects", "bound"),
    [(30, 0, 0.0950), (59, 0, 0.0495), (30, 2, 0.1953), (0, 0, 1.0), (7, 7, 1.0)],
)
def test_the_bound_is_that_of_clopper_and_pearson(reviewed: int, defects: int, bound: float) -> None:
    acceptance = bound_defects(reviewed, defects)
    assert acceptance == Acceptance(reviewed, defects, acceptance.bound)
    assert acceptance.bound == pytest.approx(bound, abs=5e-5)


def test_at_the_bound_so_few_defects_are_just_rare_enough() -> None:
    bound = bound_defects(200, 5, confidence=0.9).bound
    seen = sum(comb(200, defects) * bound**defects * (1 - bound) ** (200 - defects) for defects in range(6))
    assert seen == pytest.approx(0.1)


@pytest.mark.parametrize("lot", [40, 90])
def test_in_a_finite_lot_the_bound_misses_the_true_rate_less_often_still(lot: int) -> None:
    drawn = 30
    bounds = [bound_defects(drawn, found).bound for found in range(drawn + 1)]
    for defects in range(lot + 1):
        missed = [found for found in range(drawn + 1) if bounds[found] < defects / lot]
        ways = sum(comb(defects, found) * comb(lot - defects, drawn - found) for found in missed)
        assert ways / comb(lot, drawn) <= 0.05


@given(st.integers(1, 3000), st.data())
@settings(deadline=None)  # the first bound reads scipy
def test_one_more_defect_raises_the_bound_and_one_more_good_lowers_it(reviewed: int, data: st.DataObject) -> None:
    defects = data.draw(st.integers(0, reviewed - 1))
    bound = bound_defects(reviewed, defects).bound
    assert defects / reviewed < bound < bound_defects(reviewed, defects + 1).bound <= 1
    assert bound_defects(reviewed + 1, defects).bound < bound


@pytest.mark.parametrize(("reviewed", "defects"), [(3, 4), (3, -1)])
def test_counts_that_cannot_be_are_refused(reviewed: int, defects: int) -> None:
    with pytest.raises(ValueError, match=f"{defects} defects of {reviewed} reviewed"):
        bound_defects(reviewed, defects)


@pytest.mark.parametrize("confidence", [0.0, 1.0, 95.0])
def test_a_confidence_in_percent_is_refused(confidence: float) -> None:
    with pytest.raises(ValueError, match="not between 0 and 1"):
        bound_defects(30, 0, confidence)


def test_scipy_is_read_only_when_a_bound_is_asked_for() -> None:
    code = "import sys, review_ui.statistics.acceptance; sys.exit('scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
