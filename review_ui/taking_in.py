"""`damhwa import-reviews`: verdicts given in Argilla or Label Studio, into the log of a run."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from curation.exchange.exchange import ImportOptions, import_reviews
from review_ui.queue.take_over import take_over
from review_ui.reviewed_run import ReviewedRun, ReviewOptions


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
    found = import_reviews(path, format_, ImportOptions(now, users))
    run = ReviewedRun.open(folder, ReviewOptions())
    try:
        taken = run.database.write(
            lambda connection: take_over(connection, run.desk, found.reviews, format_, now.timestamp())
        )
    finally:
        run.close()
    return TakenIn(taken.stored, taken.known, (*found.problems, *taken.refused))
