"""Figures of several rounds as a table's cells: medians, and ratios to ours."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Column:
    """`key`: of the figure. `decimals`: as it is written. `is_compared`: with how many times ours behind it."""

    key: str
    title: str
    decimals: int = 0
    is_compared: bool = False


Figures = Mapping[str, float]
"""What was measured in one run, by name."""


def take_median(runs: Sequence[Figures], key: str) -> float | None:
    """Over the runs that have the figure; None where none has it."""
    values = [run[key] for run in runs if key in run]
    return median(values) if values else None


def write_cell(column: Column, runs: Sequence[Figures], ours: Sequence[Figures]) -> str:
    """`ours` is empty in our own row, which is what the others are compared with."""
    value = take_median(runs, column.key)
    if value is None:
        return "–"
    told = f"{value:,.{column.decimals}f}"
    base = take_median(ours, column.key) if column.is_compared else None
    return f"{told} (×{value / base:.2f})" if base else told
