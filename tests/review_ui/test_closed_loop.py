"""What reviewers decide comes back: the next build makes again what they flagged, and publishes what they edited."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from curation.build import BuildOptions, build
from curation.reviewing.read import read_all_reviews
from curation.reviewing.tables import EVENTS, SAMPLES
from curation.reviews import REVIEWS_FILE, Review, append_review
from datagen.endpoint_options import ProviderOptions
from review_ui.queue.decide import Decision, Stored, encode_messages
from review_ui.reviewed_run import ReviewedRun, ReviewOptions

QUOTAS = {"일상 대화": 12, "보고 싶다는 표현": 8}


@pytest.fixture
def folder(spec: Path, tmp_path: Path) -> Path:
    """A built run."""
    _build(spec, tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture
def run(folder: Path) -> Iterator[ReviewedRun]:
    opened = ReviewedRun.open(folder, ReviewOptions(second_share=0))
    yield opened
    opened.close()


def _build(spec: Path, folder: Path) -> None:
    build(str(spec), folder, BuildOptions(ProviderOptions(offline=True), baseline=0))


def _read(folder: Path, name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(folder / "curated" / name).to_pylist()
    return rows


def _pick(run: ReviewedRun, count: int) -> list[str]:
    query = sa.select(SAMPLES.c.id).where(SAMPLES.c.pool == "audit").order_by(SAMPLES.c.rank).limit(count)
    return run.database.read(lambda connection: list(connection.execute(query).scalars()))


def _decide(run: ReviewedRun, id_: str, kind: Any, **values: Any) -> Stored:
    decision = Decision(f"key-{kind}-{id_}", id_, 1, kind, "audit", "검수자 1", 2_000, 0.0, **values)
    return run.database.write(lambda connection: run.desk.decide(connection, decision, 1.0))


def _load(run: ReviewedRun, id_: str) -> list[tuple[str, str]]:
    query = sa.select(SAMPLES.c.file, SAMPLES.c.row).where(SAMPLES.c.id == id_)
    place = run.database.read(lambda connection: connection.execute(query).one())
    return [(each.role, each.content) for each in run.texts.load([(place.file, place.row)])[0].messages]


def test_what_was_flagged_is_made_again_and_never_comes_back(spec: Path, folder: Path, run: ReviewedRun) -> None:
    flagged = _pick(run, 3)
    for id_ in flagged:
        _decide(run, id_, "flag", reason="persona", note="엑사답지 않다", turn=1)
    _build(spec, folder)
    decisions = {row["id"]: row for row in _read(folder, "decisions.parquet")}
    accepted = Counter(row["topic"] for row in decisions.values() if row["status"] == "accepted")
    assert accepted == QUOTAS
    assert all(decisions[id_]["status"] == "dropped" for id_ in flagged)
    human = [row for row in _read(folder, "findings.parquet") if row["code"] == "human"]
    assert {row["id"] for row in human} == set(flagged)
    assert {(row["rule"], row["message"], row["evidence"]) for row in human} == {
        ("persona", 1, "persona · 엑사답지 않다")
    }


def test_an_edit_is_published_in_the_place_of_the_text(spec: Path, folder: Path, run: ReviewedRun) -> None:
    id_ = _pick(run, 1)[0]
    turns = _load(run, id_)
    turns[-1] = ("assistant", "*환하게 웃으며* 그래, 오늘은 여기까지 하고 내일 또 이야기하자!")
    stored = _decide(run, id_, "edit", messages=encode_messages(turns), turn=len(turns) - 1)
    assert (stored.revision, stored.verdict) == (2, "edit")
    _build(spec, folder)
    published = {row["id"]: row for name in ("train", "validation", "test") for row in _read(folder, name)}
    assert published[id_]["messages"][-1]["content"] == turns[-1][1]
    assert [row["id"] for row in _read(folder, "edits.parquet")] == [id_]


def test_an_edit_that_the_filters_drop_reopens_the_slot(spec: Path, folder: Path, run: ReviewedRun) -> None:
    id_ = _pick(run, 1)[0]
    turns = _load(run, id_)
    turns[-1] = ("assistant", "무엇을 도와드릴까요? 저는 AI 언어 모델이라 잘 모르겠습니다.")
    stored = _decide(run, id_, "edit", messages=encode_messages(turns), turn=len(turns) - 1, is_rejected=True)
    assert (stored.revision, stored.verdict) == (1, "flag")
    _build(spec, folder)
    decisions = {row["id"]: row for row in _read(folder, "decisions.parquet")}
    assert decisions[id_]["status"] == "dropped"
    assert Counter(row["topic"] for row in decisions.values() if row["status"] == "accepted") == QUOTAS


def test_after_a_build_the_new_dialogues_come_to_review(spec: Path, folder: Path, run: ReviewedRun) -> None:
    before = set(_pick(run, 100))
    flagged = _pick(run, 2)
    for id_ in flagged:
        _decide(run, id_, "flag", reason="fact")
    _build(spec, folder)
    run.look()
    query = sa.select(SAMPLES.c.id).where(SAMPLES.c.is_lot)
    lot = set(run.database.read(lambda connection: connection.execute(query).scalars().all()))
    assert len(lot) == sum(QUOTAS.values())
    assert not lot & set(flagged)
    assert len(lot - before) == 2


def test_verdicts_in_reviews_jsonl_are_in_the_log_once_and_leave_the_audit(folder: Path, run: ReviewedRun) -> None:
    id_ = _pick(run, 1)[0]
    review = Review(id=id_, verdict="accept", reviewer="검수자 2", at=datetime.now(UTC))
    append_review(folder / REVIEWS_FILE, review)
    for _ in range(2):
        again = ReviewedRun.open(folder, ReviewOptions())
        again.close()
    query = sa.select(EVENTS.c.reviewer, EVENTS.c.source, SAMPLES.c.pool, SAMPLES.c.verdict)
    query = query.join(SAMPLES, SAMPLES.c.sample == EVENTS.c.sample)
    found = run.database.read(lambda connection: connection.execute(query).all())
    assert [tuple(row) for row in found] == [("검수자 2", "reviews.jsonl", "triage", "accept")]


def test_a_flag_on_an_edited_text_is_about_that_text(folder: Path, run: ReviewedRun) -> None:
    id_ = _pick(run, 1)[0]
    turns = _load(run, id_)
    turns[-1] = ("assistant", "*고개를 끄덕이며* 응, 나는 2018년에 태어난 강아지를 키우고 있어.")
    _decide(run, id_, "edit", messages=encode_messages(turns), turn=len(turns) - 1)
    flag = Decision(
        "key-flag-edited", id_, 2, "flag", "audit", "검수자 1", 2_000, 0.0, reason="fact", turn=len(turns) - 1
    )
    run.database.write(lambda connection: run.desk.decide(connection, flag, 2.0))
    reviews = read_all_reviews(folder)
    edit = reviews.find_edit(id_)
    assert (reviews.by_id[id_].verdict, reviews.by_id[id_].revision) == ("flag", 2)
    assert edit is not None
    assert [(each.role, each.content) for each in edit.messages or ()] == turns
