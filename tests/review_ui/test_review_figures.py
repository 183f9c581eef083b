"""The figures of the review service can still be taken: each section once, as small as it goes."""

from pathlib import Path

import pytest

from benchmarks.review_corpus import write_review_data
from benchmarks.review_crowd import Load, kill_under_load, watch_crowd
from benchmarks.review_queries import QUEUES, look_up, open_reviewed, review_queue
from curation.reviewing.place import VARIABLE


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_review_data(tmp_path / "run", 600)
    return tmp_path / "run"


def test_every_queue_is_timed_step_by_step(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    run = open_reviewed(folder)
    try:
        for wanted in (QUEUES["audit"], QUEUES["triage"], QUEUES["triage by finding"]):
            spent = review_queue(run, wanted, rounds=3)
            assert {step: len(times) for step, times in spent.by_step.items()} == dict.fromkeys(
                ("lease", "card", "waiting", "decision"), 3
            )
        assert len(look_up(run, rounds=1).by_step["search"]) == 3
    finally:
        run.close()


def test_a_small_crowd_and_a_kill_are_counted(folder: Path) -> None:
    database = f"sqlite:///{folder / 'reviews.db'}"
    record, lost = watch_crowd(folder, database, Load(reviewers=4, seconds=1.0, pause_s=0.2))
    assert (record.doubles, record.refused, lost) == (0, 0, 0)
    assert len(record.acknowledged) >= 10
    killed = kill_under_load(folder, database, kills=1, load=Load(reviewers=2, seconds=0.5, pause_s=0.0))
    assert killed.lost == 0
    assert len(killed.recovery_s) == 1
