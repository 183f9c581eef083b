"""`damhwa import-reviews`: verdicts given in Argilla or Label Studio, or in another database, into the log of a run."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from curation.exchange.exchange import ImportOptions, import_reviews
from curation.exchange.foreign import ImportResult
from curation.reviewing.decided import read_decided
from curation.reviewing.place import FILE_NAME, VARIABLE, name_own_database, read_key
from datagen.errors import UsageError
from review_ui.queue.take_over import take_over
from review_ui.reviewed_run import ReviewedRun, ReviewOptions

OWN = "damhwa"
"""The format of a run's own `reviews.db`, for moving it to another database."""


@dataclass(frozen=True, slots=True)
class TakenIn:
    """`stored`: verdicts that are new; `known`: that the log had; `problems`: what was left out, a sentence each."""

    stored: int
    known: int
    problems: tuple[str, ...]


def take_in(folder: Path, path: Path, format_: str, users: Mapping[str, str]) -> TakenIn:
    """Store the verdicts of a tool's file; the same file again changes nothing. `users`: reviewer → user id there.

    Raises UsageError, DataError where the folder is not curated, the file is none, or the database is away.
    """
    now = datetime.now(UTC)
    found = _read_own(folder, path) if format_ == OWN else import_reviews(path, format_, ImportOptions(now, users))
    with _set_aside(folder, path):
        run = ReviewedRun.open(folder, ReviewOptions())
        try:
            taken = run.database.write(
                lambda connection: take_over(connection, run.desk, found.reviews, format_, now.timestamp())
            )
        finally:
            run.close()
    return TakenIn(taken.stored, taken.known, (*found.problems, *taken.refused))


def _read_own(folder: Path, path: Path) -> ImportResult:
    """The verdicts of a SQLite review database of this run."""
    key = read_key(folder)
    if not path.is_file() or key is None:
        raise UsageError(f"{path} is no review database of {folder}", "give the reviews.db of the run")
    if _is_own(folder, path) and os.environ.get(VARIABLE) in (None, "", name_own_database(folder)):
        raise UsageError(f"{path} is where the run's reviews lie already", f"set {VARIABLE} to the database to move to")
    return ImportResult(tuple(read_decided(f"sqlite:///{path.resolve()}", key)), ())


def _is_own(folder: Path, path: Path) -> bool:
    return path.resolve() == (folder / FILE_NAME).resolve()


@contextmanager
def _set_aside(folder: Path, path: Path) -> Iterator[None]:
    """Move the run's own database aside while its verdicts are taken over elsewhere; back, if that fails."""
    if not _is_own(folder, path):
        yield
        return
    aside = path.with_name(f"{path.name}.moved")
    path.rename(aside)
    try:
        yield
    except BaseException:
        aside.rename(path)
        raise
