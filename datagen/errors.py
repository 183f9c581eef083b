"""The error tree: every failure a user can meet, with the exit code of the command that meets it.

DamhwaError                     1   never raised itself
├── UsageError                  2   a file or an option of the user is wrong
│   ├── SpecError               2   a spec is wrong: carries every problem found
│   └── FileChangedError        2   a file is not the one that was read: somebody else saved it meanwhile
├── ProviderError               3   the endpoint refused, died or does not know the model
├── DataError                   4   data on disk is not what it claims to be, or cannot be written
├── QuotaOutOfReachError        5   a topic's drafts are nearly all rejected
├── BudgetSpentError            6   the next request would pass the budget
└── InterruptedRunError       130   the user pressed Ctrl-C; the run can be resumed
"""

from collections.abc import Sequence
from dataclasses import dataclass, field


class DamhwaError(Exception):
    """A failure with something to say: `message` tells what happened, `hint` what to do about it."""

    exit_code = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(DamhwaError):
    exit_code = 2


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in a user's file. `line` is 1-based; None where the file as a whole is meant.

    `location`: keys and places (from 0) that lead to the value meant, for those who show it beside its field.
    """

    file: str
    line: int | None
    message: str
    hint: str | None = None
    location: tuple[int | str, ...] = field(default=(), compare=False)

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.message}"


class SpecError(UsageError):
    """A spec, or another YAML file of the user, that cannot be used, with every problem at once."""

    def __init__(self, problems: Sequence[Problem], where: str = "the spec") -> None:
        self.problems = tuple(problems)
        self.where = where
        super().__init__("\n".join(map(str, self.problems)))


class FileChangedError(UsageError):
    pass


class ProviderError(DamhwaError):
    exit_code = 3


class DataError(DamhwaError):
    exit_code = 4


class QuotaOutOfReachError(DamhwaError):
    exit_code = 5


class BudgetSpentError(DamhwaError):
    exit_code = 6


class InterruptedRunError(DamhwaError):
    exit_code = 130
