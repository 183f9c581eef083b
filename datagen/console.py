"""What people see: stdout is data, stderr is everything else."""

import sys
from collections.abc import Sequence

from rich.console import Console

from datagen.errors import DamhwaError, Problem, SpecError

out = Console(highlight=False, soft_wrap=True, width=None if sys.stdout and sys.stdout.isatty() else 160)
"""Tables for people, on stdout; a pipe has no width, and gets room. What programs read is printed plainly."""

err = Console(stderr=True, highlight=False, soft_wrap=True)


def report_error(error: DamhwaError) -> None:
    """Print an error in the house form: what happened, and what to do about it."""
    if isinstance(error, SpecError):
        report_problems(error.problems, error.where)
        return
    err.print("[bold red]error:[/] ", end="")
    err.print(error.message, markup=False)
    _print_hint(error.hint)


def report_problems(problems: Sequence[Problem], where: str = "the spec") -> None:
    """Print the mistakes of a user's files, one `file:line: …` each."""
    for problem in problems:
        err.print(str(problem), markup=False)
        _print_hint(problem.hint, indent="  ")
    err.print(f"[bold red]error:[/] {len(problems)} {'mistake' if len(problems) == 1 else 'mistakes'} in {where}")


def _print_hint(hint: str | None, indent: str = "") -> None:
    if hint:
        err.print(f"{indent}[bold]hint:[/] ", end="")
        err.print(hint, markup=False)


def format_money(usd: float | None) -> str:
    """US dollars for reading: cents from a dollar on, four digits below; a dash where the price is unknown."""
    if usd is None:
        return "–"
    return f"${usd:,.2f}" if usd >= 1 or usd == 0 else f"${usd:.4f}"


def format_seconds(seconds: float) -> str:
    """A duration for reading: `4.2 s`, `3 min 05 s`, `2 h 07 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def format_count(count: int) -> str:
    """A large number for reading, three digits of it: `982`, `13.9 k`, `2.36 M`."""
    for size, unit in ((1_000_000, "M"), (1_000, "k")):
        if count >= size:
            value = count / size
            return f"{value:.{max(0, 3 - len(str(int(value))))}f} {unit}"
    return str(count)
