"""The sequential test: what decides it, how often it errs, and what follows."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from review_ui.statistics.sequential import NextStep, Plan, judge_lot, next_steps

GOOD = st.integers(0, 2000)
DEFECTS = st.integers(0, 200)
RANK = {"pass": 0, "open": 1, "fail": 2}


def test_forty_seven_clean_samples_pass_and_forty_six_do_not() -> None:
    assert judge_lot(46, 0).verdict == "open"
    assert judge_lot(46, 0).good_needed == 1
    passed = judge_lot(47, 0)
    assert (passed.verdict, passed.good_needed) == ("pass", None)


def test_three_defects_at_the_start_fail() -> None:
    assert judge_lot(0, 0).defects_to_fail == 3
    assert judge_lot(0, 2).verdict == "open"
    failed = judge_lot(0, 3)
    assert (failed.verdict, failed.good_needed, failed.defects_to_fail) == ("fail", None, 0)


def test_the_ratio_stands_between_its_bounds_while_the_test_is_open() -> None:
    verdict = judge_lot(28, 2)
    assert verdict.log_likelihood_ratio == pytest.approx(2 * 1.386294 - 28 * 0.063179, abs=1e-4)
    assert (verdict.pass_bound, verdict.fail_bound) == pytest.approx((-2.944439, 2.944439))
    assert judge_lot(47, 0).log_likelihood_ratio < verdict.pass_bound
    assert judge_lot(0, 3).log_likelihood_ratio > verdict.fail_bound


def test_a_pass_stays_open_while_samples_are_postponed_and_a_fail_does_not_wait() -> None:
    waiting = judge_lot(60, 0, postponed=2)
    assert (waiting.verdict, waiting.good_needed) == ("open", 2)
    assert judge_lot(62, 0).verdict == "pass"
    assert judge_lot(40, 0, postponed=2).good_needed == 7  # the two are among the seven
    assert judge_lot(0, 3, postponed=2).verdict == "fail"


@given(GOOD, DEFECTS)
def test_a_further_defect_never_turns_a_fail_and_a_further_good_one_never_a_pass(good: int, defects: int) -> None:
    verdict = RANK[judge_lot(good, defects).verdict]
    assert RANK[judge_lot(good, defects + 1).verdict] >= verdict
    assert RANK[judge_lot(good + 1, defects).verdict] <= verdict


@given(st.lists(st.booleans(), max_size=120))
def test_the_counts_alone_decide_whatever_the_order_the_samples_came_in(are_good: list[bool]) -> None:
    ratio = sum(np.log(0.92 / 0.98) if is_good else np.log(0.08 / 0.02) for is_good in are_good)
    expected = "pass" if ratio <= np.log(0.05 / 0.95) else "fail" if ratio >= np.log(0.95 / 0.05) else "open"
    verdict = judge_lot(sum(are_good), len(are_good) - sum(are_good))
    assert verdict.verdict == expected
    assert verdict.log_likelihood_ratio == pytest.approx(ratio, abs=1e-9)


@given(GOOD, DEFECTS, st.integers(0, 5))
def test_what_is_said_to_decide_an_open_lot_decides_it_and_one_less_does_not(
    good: int, defects: int, postponed: int
) -> None:
    verdict = judge_lot(good, defects, postponed=postponed)
    if verdict.verdict != "open":
        assert verdict.good_needed is None
        return
    assert verdict.good_needed is not None
    assert judge_lot(good + verdict.good_needed, defects).verdict == "pass"
    assert postponed or judge_lot(good + verdict.good_needed - 1, defects).verdict == "open"
    assert judge_lot(good, defects + verdict.defects_to_fail).verdict == "fail"
    assert judge_lot(good, defects + verdict.defects_to_fail - 1).verdict != "fail"


LOTS = 4000
LONGEST = 800
"""Samples a simulated lot has; more than any of them needs."""


def _tabulate(plan: Plan) -> npt.NDArray[np.int8]:
    """The rank of the verdict by (samples seen, defects among them), as judge_lot says it."""
    most = 60
    table = np.full((LONGEST + 1, most + 1), RANK["fail"], np.int8)
    for seen in range(LONGEST + 1):
        for defects in range(min(seen, most) + 1):
            table[seen, defects] = RANK[judge_lot(seen - defects, defects, plan).verdict]
    return table


def _simulate(rate: float, table: npt.NDArray[np.int8]) -> tuple[float, float, float]:
    """Shares of lots that pass and that fail, and the mean number of samples until then."""
    is_defect = np.random.default_rng(20_000_101).random((LOTS, LONGEST)) < rate
    defects = np.minimum(is_defect.cumsum(axis=1), table.shape[1] - 1)
    ranks = table[np.arange(1, LONGEST + 1), defects]
    is_decided = ranks != RANK["open"]
    assert is_decided.any(axis=1).all()
    first = is_decided.argmax(axis=1)
    verdicts = ranks[np.arange(LOTS), first]
    return (
        float((verdicts == RANK["pass"]).mean()),
        float((verdicts == RANK["fail"]).mean()),
        float((first + 1).mean()),
    )


def test_a_good_lot_fails_and_a_bad_one_passes_once_in_twenty_at_most_and_few_samples_tell() -> None:
    table = _tabulate(Plan())
    tolerance = 0.05 / 0.95 + 3 * (0.05 * 0.95 / LOTS) ** 0.5  # Wald's limit, and the luck of 4,000 lots
    passed, failed, mean = _simulate(0.02, table)
    assert 0.02 < failed <= tolerance
    assert passed == pytest.approx(1 - failed)
    assert 70 < mean < 95  # 77.5 by Wald's formula, which leaves out by how much the last sample overshoots
    passed, failed, mean = _simulate(0.08, table)
    assert 0.02 < passed <= tolerance
    assert failed == pytest.approx(1 - passed)
    assert 45 < mean < 65  # 50.2 by the formula; defects weigh much, so overshoot more


@pytest.mark.parametrize(
    ("good", "defects", "postponed", "lot", "steps"),
    [
        (47, 0, 0, 730, ("release",)),
        (10, 4, 0, 730, ("full-review", "regenerate")),
        (28, 2, 0, 730, ("continue",)),
        (30, 0, 0, 30, ("full-review",)),
        (48, 0, 2, 50, ("continue",)),
    ],
)
def test_a_step_follows_from_each_verdict(
    good: int, defects: int, postponed: int, lot: int, steps: tuple[NextStep, ...]
) -> None:
    assert next_steps(judge_lot(good, defects, postponed=postponed), good + defects, lot) == steps


def test_another_plan_moves_the_bounds() -> None:
    strict = Plan(p0=0.01, p1=0.05, alpha=0.01, beta=0.01)
    assert judge_lot(47, 0, strict).verdict == "open"
    assert judge_lot(112, 0, strict).verdict == "pass"


@pytest.mark.parametrize(("p0", "p1"), [(0.08, 0.02), (0.0, 0.08), (0.02, 1.0)])
def test_a_plan_whose_rates_are_no_test_is_refused(p0: float, p1: float) -> None:
    with pytest.raises(ValueError, match="0 < p0 < p1 < 1"):
        Plan(p0=p0, p1=p1)


@pytest.mark.parametrize(("alpha", "beta"), [(0.0, 0.05), (0.05, 0.0), (0.5, 0.5)])
def test_a_plan_whose_errors_are_no_test_is_refused(alpha: float, beta: float) -> None:
    with pytest.raises(ValueError, match="sum below 1"):
        Plan(alpha=alpha, beta=beta)


def test_negative_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="negative count"):
        judge_lot(-1, 0)
