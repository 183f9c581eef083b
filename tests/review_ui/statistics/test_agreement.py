"""Agreement: a published table, values worked out by hand, another implementation, and what holds for any counts."""

from itertools import product

import krippendorff
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from review_ui.statistics.agreement import VERDICTS, Agreement, Estimate, measure_agreement

CELLS = list(product(VERDICTS, VERDICTS))
COUNTS = st.lists(st.integers(0, 40), min_size=9, max_size=9).map(lambda counts: dict(zip(CELLS, counts, strict=True)))
ALMOST_ALL_ACCEPTED = {("accept", "accept"): 97, ("flag", "accept"): 2, ("accept", "edit"): 1}


def _read_value(estimate: Estimate | None) -> float:
    assert estimate is not None
    return estimate.value


def test_the_coefficients_of_a_published_table_are_met() -> None:
    """100 patients in three categories by two readers: Gwet, Handbook of Inter-Rater Reliability, 4th edition, 2014;
    figures as in the overview of the R package irrCAC (cont3x3abstractors); its intervals go by a variance formula."""
    measured = measure_agreement(
        {
            ("accept", "accept"): 13,
            ("flag", "flag"): 20,
            ("flag", "edit"): 7,
            ("edit", "flag"): 4,
            ("edit", "edit"): 56,
        }
    )
    assert measured.pairs == 100
    for estimate, value, low, high in (
        (measured.percent, 0.89, 0.828, 0.952),
        (measured.ac1, 0.8493305, 0.764, 0.935),
        (measured.alpha, 0.7972585, 0.680, 0.914),
    ):
        assert estimate is not None
        assert estimate.value == pytest.approx(value, abs=5e-8)
        assert (estimate.low, estimate.high) == pytest.approx((low, high), abs=0.02)


def test_ac1_is_what_a_hand_works_out() -> None:
    # 8 of 10 agree. Of 20 verdicts 14 accept, 4 flag, 2 edit: shares 0.7, 0.2, 0.1.
    # By chance (0.7 * 0.3 + 0.2 * 0.8 + 0.1 * 0.9) / 2 = 0.23, so AC1 = (0.8 - 0.23) / (1 - 0.23).
    measured = measure_agreement(
        {
            ("accept", "accept"): 6,
            ("flag", "flag"): 1,
            ("edit", "edit"): 1,
            ("accept", "flag"): 1,
            ("flag", "accept"): 1,
        }
    )
    assert _read_value(measured.percent) == pytest.approx(0.8)
    assert _read_value(measured.ac1) == pytest.approx(0.57 / 0.77)


def test_where_nearly_all_is_accepted_alpha_falls_to_nothing_and_ac1_does_not() -> None:
    measured = measure_agreement(ALMOST_ALL_ACCEPTED)
    assert _read_value(measured.percent) == 0.97
    assert _read_value(measured.alpha) == pytest.approx(0, abs=0.01)
    assert _read_value(measured.ac1) > 0.96


@given(COUNTS)
@settings(deadline=None)
def test_alpha_is_that_of_the_krippendorff_package(counts: dict[tuple[str, str], int]) -> None:
    given_verdicts = {verdict for pair, count in counts.items() if count for verdict in pair}
    assume(len(given_verdicts) > 1)
    rows = [[VERDICTS.index(pair[rater]) for pair, count in counts.items() for _ in range(count)] for rater in (0, 1)]
    expected = krippendorff.alpha(reliability_data=rows, level_of_measurement="nominal")
    assert _read_value(measure_agreement(counts).alpha) == pytest.approx(expected, abs=1e-9)


@given(COUNTS)
@settings(deadline=None)
def test_every_estimate_lies_in_its_interval_and_both_in_range(counts: dict[tuple[str, str], int]) -> None:
    measured = measure_agreement(counts)
    assert measured.pairs == sum(counts.values())
    for estimate, least in ((measured.percent, 0.0), (measured.ac1, -0.5), (measured.alpha, -1.0)):
        if estimate is not None:
            assert least - 1e-9 <= estimate.low <= estimate.value <= estimate.high <= 1 + 1e-9


@given(COUNTS)
@settings(deadline=None)
def test_who_of_a_pair_comes_first_does_not_matter(counts: dict[tuple[str, str], int]) -> None:
    assume(sum(counts.values()))
    one, other = measure_agreement(counts), measure_agreement({(b, a): count for (a, b), count in counts.items()})
    assert _read_value(one.percent) == pytest.approx(_read_value(other.percent))
    assert _read_value(one.ac1) == pytest.approx(_read_value(other.ac1))
    assert (one.alpha is None) == (other.alpha is None)
    if one.alpha and other.alpha:
        assert one.alpha.value == pytest.approx(other.alpha.value)


def test_without_pairs_nothing_is_measured() -> None:
    assert measure_agreement({}) == Agreement(0, None, None, None)
    assert measure_agreement({("accept", "flag"): 0}) == Agreement(0, None, None, None)


def test_alpha_is_undefined_where_all_verdicts_are_the_same() -> None:
    measured = measure_agreement({("accept", "accept"): 25})
    assert measured.alpha is None
    assert _read_value(measured.ac1) == 1


def test_a_few_pairs_that_all_agree_are_no_certainty() -> None:
    measured = measure_agreement({("accept", "accept"): 2, ("flag", "flag"): 1})
    for estimate in (measured.percent, measured.ac1, measured.alpha):
        assert estimate is not None
        assert (estimate.value, estimate.high) == (1, 1)
        assert estimate.low < 0.3
    all_of_thirty = measure_agreement({("accept", "accept"): 30}).percent
    assert all_of_thirty is not None
    assert all_of_thirty.low == pytest.approx(0.8843, abs=5e-5)  # 0.025 ** (1 / 30)


def test_a_few_pairs_that_all_differ_are_no_certainty_either() -> None:
    measured = measure_agreement({("accept", "flag"): 2, ("edit", "flag"): 1})
    assert measured.percent is not None
    assert (measured.percent.value, measured.percent.low) == (0, 0)
    assert measured.percent.high == pytest.approx(0.7076, abs=5e-5)  # 1 - 0.025 ** (1 / 3)
    assert measured.ac1 is not None
    assert measured.ac1.high > 0.4


def test_an_interval_is_the_same_each_time_and_narrows_with_more_pairs() -> None:
    few = measure_agreement(ALMOST_ALL_ACCEPTED)
    assert few == measure_agreement(ALMOST_ALL_ACCEPTED)
    many = measure_agreement({pair: 100 * count for pair, count in ALMOST_ALL_ACCEPTED.items()})
    assert few.ac1 is not None
    assert many.ac1 is not None
    assert many.ac1.high - many.ac1.low < (few.ac1.high - few.ac1.low) / 5


@pytest.mark.parametrize("pairs", [{("accept", "skip"): 1}, {("later", "accept"): 1}, {("accept", "accept"): -1}])
def test_verdicts_and_counts_that_cannot_be_are_refused(pairs: dict[tuple[str, str], int]) -> None:
    with pytest.raises(ValueError, match="verdicts are accept, flag, edit"):
        measure_agreement(pairs)
