"""Geometry of the dashboard's charts, as numbers for inline SVG: bars of a topic, intervals, the curve of a test.

The page draws without a script and without inline styles, so whatever has a length is computed here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from review_ui.dashboard.figures import Counts
from review_ui.dashboard.path import Step
from review_ui.statistics.sequential import Plan

BAR_WIDTH = 300.0
CURVE_WIDTH, CURVE_HEIGHT = 420.0, 210.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 8.0, 12.0, 26.0, 34.0
_FEWEST_SHOWN = 60
"""Reviews that the curve has room for at least: 47 without a defect pass."""
_MARGIN = 0.6
"""Log-likelihood ratio that is shown beyond each bound."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a stacked bar, in units of BAR_WIDTH."""

    name: str
    x: float
    width: float


def stack(counts: Counts, quota: int | None) -> list[Segment]:
    """The bar of a topic: what is accepted, edited, released with its lot, waiting, and missing from the quota.

    Its whole length is the quota, or what there is where that is more; flagged dialogues have lost their place, and
    stand beside it only where nothing is to be made in their stead.
    """
    names = ("accepted", "edited", "released", "waiting", "again")
    values = {name: int(getattr(counts, name)) for name in names}
    if quota is None:
        values["flagged"] = counts.flagged
    return _lay_out(values)


def _lay_out(values: Mapping[str, int]) -> list[Segment]:
    total = sum(values.values())
    segments: list[Segment] = []
    x = 0.0
    for name, value in values.items():
        if value:
            width = BAR_WIDTH * value / total
            segments.append(Segment(name, round(x, 2), round(width, 2)))
            x += width
    return segments


@dataclass(frozen=True, slots=True)
class Curve:
    """The path of a sequential test. `points`: of an SVG polyline; `last`: where it stands; `defects`: its steps up."""

    points: str
    last: tuple[float, float]
    defects: Sequence[tuple[float, float]]
    pass_y: float
    fail_y: float
    zero_y: float
    ticks: Sequence[tuple[float, int]]
    """(x, number of reviews)."""


def draw_curve(steps: Sequence[Step], plan: Plan | None = None) -> Curve:
    """The log-likelihood ratio after each decision of an audit."""
    plan = plan or Plan()
    steps = [Step(0, 0), *steps]
    ratios = [each.defects * plan.defect_weight - each.good * plan.good_weight for each in steps]
    numbers = [each.good + each.defects for each in steps]
    reviews = max(_FEWEST_SHOWN, *numbers)
    low = min(plan.pass_bound, *ratios) - _MARGIN
    high = max(plan.fail_bound, *ratios) + _MARGIN

    def x_of(number: int) -> float:
        return round(_LEFT + number * (CURVE_WIDTH - _LEFT - _RIGHT) / reviews, 1)

    def y_of(ratio: float) -> float:
        return round(_TOP + (high - ratio) * (CURVE_HEIGHT - _TOP - _BOTTOM) / (high - low), 1)

    points = [(x_of(number), y_of(ratio)) for number, ratio in zip(numbers, ratios, strict=True)]
    step = next(each for each in (20, 50, 100, 200, 500, 1000, 10**9) if reviews / each <= 5)
    return Curve(
        points=" ".join(f"{x},{y}" for x, y in points),
        last=points[-1],
        defects=[
            point
            for point, (before, after) in zip(points[1:], pairwise(steps), strict=True)
            if after.defects > before.defects
        ],
        pass_y=y_of(plan.pass_bound),
        fail_y=y_of(plan.fail_bound),
        zero_y=y_of(0.0),
        ticks=[(x_of(number), number) for number in range(0, reviews + 1, step)],
    )


@dataclass(frozen=True, slots=True)
class Interval:
    """A value with its interval on a line of BAR_WIDTH that reaches from `least` to 1."""

    low: float
    value: float
    high: float
    zero: float


def draw_interval(low: float, value: float, high: float, least: float) -> Interval:
    """Where the ends and the value lie; the scale's ends keep a little room for the dot."""

    def place(number: float) -> float:
        return round(6 + (BAR_WIDTH - 12) * (min(max(number, least), 1.0) - least) / (1 - least), 1)

    return Interval(place(low), place(value), place(high), place(0.0))


def grade_heat(count: int, most: int, grades: int = 4) -> int:
    """0 for none, else 1 … `grades` by the share of the largest count."""
    return 0 if count == 0 else max(1, round(grades * count / most))
