"""A run that was reviewed in SQLite goes on in another database: never silently without its reviews."""

import shutil
from pathlib import Path

import pytest
import sqlalchemy as sa

from curation.reviewing.place import FILE_NAME, VARIABLE
from curation.reviewing.read import read_all_reviews
from curation.reviewing.tables import SAMPLES
from datagen.errors import DataError, UsageError
from review_ui.queue.decide import Decision
from review_ui.reviewed_run import ReviewedRun, ReviewOptions
from review_ui.taking_in import take_in


@pytest.fixture
def reviewed(built_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run with one flagged dialogue, in its own database."""
    monkeypatch.delenv(VARIABLE, raising=False)
    folder = Path(shutil.copytree(built_run, tmp_path / "exa-data"))
    run = ReviewedRun.open(folder, ReviewOptions())
    query = sa.select(SAMPLES.c.id).where(SAMPLES.c.pool == "audit")
    id_ = run.database.read(lambda connection: connection.execute(query).scalars().first())
    assert id_ is not None
    flag = Decision("key-one-flag", id_, 1, "flag", "audit", "검수자 1", 3_000, 0.0, reason="fact", note="년도가 틀림")
    run.database.write(lambda connection: run.desk.decide(connection, flag, 1.0))
    run.close()
    return folder


def test_another_database_than_the_one_in_the_run_is_refused(
    reviewed: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, database_url)
    with pytest.raises(UsageError, match="holds this run's reviews"):
        read_all_reviews(reviewed)
    with pytest.raises(UsageError, match="holds this run's reviews"):
        ReviewedRun.open(reviewed, ReviewOptions())


def test_the_verdicts_move_to_another_database(
    reviewed: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = read_all_reviews(reviewed).by_id
    monkeypatch.setenv(VARIABLE, database_url)
    taken = take_in(reviewed, reviewed / FILE_NAME, "damhwa", {})
    after = read_all_reviews(reviewed).by_id
    assert (taken.stored, taken.problems) == (1, ())
    told = [(each.id, each.verdict, each.reason, each.note, each.reviewer) for each in after.values()]
    assert told == [(each.id, each.verdict, each.reason, each.note, each.reviewer) for each in before.values()]
    assert not (reviewed / FILE_NAME).exists()
    assert take_in(reviewed, reviewed / f"{FILE_NAME}.moved", "damhwa", {}).known == 1


def test_the_database_stays_in_its_place_where_the_other_one_is_away(
    reviewed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "postgresql+psycopg://nobody@127.0.0.1:1/none")
    with pytest.raises(DataError):
        take_in(reviewed, reviewed / FILE_NAME, "damhwa", {})
    monkeypatch.delenv(VARIABLE)
    assert len(read_all_reviews(reviewed).by_id) == 1
    with pytest.raises(UsageError, match="already"):
        take_in(reviewed, reviewed / FILE_NAME, "damhwa", {})
