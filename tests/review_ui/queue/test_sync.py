"""Taking over what curation decided: again and again, while decisions and pools stay as they are."""

import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from curation.reviewing.tables import CODES, LOTS, SAMPLES, TALLIES
from curation.settings import load_settings
from curation.source import open_run
from datagen.errors import DataError, UsageError
from review_ui.queue.sync import sync_run
from review_ui.reviewed_run import ReviewedRun, ReviewOptions
from tests.review_ui.queue.lot_room import NOW, Room

Row = dict[str, Any]


@pytest.fixture
def folder(built_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built_run, tmp_path / "exa-data"))


def _sync(room: Room, folder: Path) -> None:
    source, settings = open_run(folder), load_settings(None)
    room.run = room.database.write(lambda connection: sync_run(connection, folder, source, settings))


def _curate_anew(folder: Path, change: Callable[[Row], Row | None]) -> None:
    """`decisions.parquet` as another curation would write it; None: the dialogue is not there any more."""
    path = folder / "curated" / "decisions.parquet"
    table = pq.read_table(path)
    rows = [changed for row in table.to_pylist() if (changed := change(row)) is not None]
    new = path.with_suffix(".new")
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), new)
    os.replace(new, path)  # noqa: PTH105 - another file, as after a real curation


def _read_all(room: Room) -> list[Any]:
    tables = [sa.select(table).order_by(*table.primary_key) for table in (SAMPLES, LOTS, CODES, TALLIES)]
    return room.database.read(lambda connection: [connection.execute(query).all() for query in tables])


def _list_ids(room: Room, pool: str, status: str = "accepted") -> list[str]:
    query = sa.select(SAMPLES.c.id).where(SAMPLES.c.run == room.run, SAMPLES.c.pool == pool, SAMPLES.c.status == status)
    return room.database.read(lambda connection: list(connection.execute(query.order_by(SAMPLES.c.id)).scalars()))


def test_the_first_time_all_that_may_be_reviewed_is_taken_over(room: Room, folder: Path) -> None:
    _sync(room, folder)
    decisions = pq.read_table(folder / "curated" / "decisions.parquet").to_pylist()
    accepted = {row["id"] for row in decisions if row["status"] == "accepted"}
    assert {*_list_ids(room, "audit"), *_list_ids(room, "triage")} == accepted
    assert _list_ids(room, "triage", "dropped")
    tallies = room.count_tallies()
    assert (tallies["lot"], tallies["state:open"]) == (98, 98)
    assert tallies == room.recount()
    query = sa.select(LOTS.c.topic, LOTS.c.quota).where(LOTS.c.run == room.run)
    lots = dict(map(tuple, room.database.read(lambda connection: connection.execute(query).all())))
    assert lots == {"일상 대화": 90, "보고 싶다는 표현": 8}


def test_where_curation_said_nothing_new_nothing_is_written(room: Room, folder: Path) -> None:
    _sync(room, folder)
    before = _read_all(room)
    # not even what a second look at the same files would mend
    room.database.write(lambda connection: connection.execute(sa.update(LOTS).values(quota=1)))
    _sync(room, folder)
    after = _read_all(room)
    assert [after[0], after[2], after[3]] == [before[0], before[2], before[3]]
    assert {row.quota for row in after[1]} == {1}


def test_the_same_curation_made_anew_changes_no_sample(room: Room, folder: Path) -> None:
    _sync(room, folder)
    before = _read_all(room)
    _curate_anew(folder, lambda row: row)
    _sync(room, folder)
    assert _read_all(room) == before


def test_decisions_and_pools_outlive_a_curation_that_shrinks_the_lot(room: Room, folder: Path) -> None:
    _sync(room, folder)
    audited, triaged = _list_ids(room, "audit"), _list_ids(room, "triage")
    room.decide("검수자 1", audited[0], "flag")
    room.decide("검수자 1", triaged[0], mode="triage")
    # a smaller lot would audit a larger share of it: what was in triage stays there
    left_out = {audited[0], audited[1], *audited[40:]}
    _curate_anew(folder, lambda row: row | {"status": "dropped"} if row["id"] in left_out else row)
    _sync(room, folder)
    assert set(_list_ids(room, "audit")) == set(audited) - left_out
    assert set(_list_ids(room, "triage")) == set(triaged)
    flagged = room.read(audited[0])
    assert (flagged.pool, flagged.verdict, flagged.is_lot) == ("audit", "flag", False)
    assert room.read(audited[1]).pool == "none"
    assert room.count_tallies()["audit:1:defect"] == 1
    assert room.count_tallies() == room.recount()


def test_what_curation_lost_is_gone_and_its_decisions_are_kept(room: Room, folder: Path) -> None:
    _sync(room, folder)
    audited = _list_ids(room, "audit")
    room.decide("검수자 1", audited[0], key="before-it-went")
    _curate_anew(folder, lambda row: None if row["id"] in audited[:2] else row)
    _sync(room, folder)
    for id_ in audited[:2]:
        assert (room.read(id_).status, room.read(id_).pool, room.read(id_).is_lot) == ("gone", "none", False)
    assert room.read(audited[0]).verdict == "accept"
    assert [each.key for each in room.list_events()] == ["before-it-went"]
    assert not set(room.claim("검수자 2", size=200)) & set(audited[:2])
    assert room.count_tallies() == room.recount()


def test_what_comes_back_is_in_the_pool_in_which_it_was_decided(room: Room, folder: Path) -> None:
    _sync(room, folder)
    audited, triaged = _list_ids(room, "audit"), _list_ids(room, "triage")
    chosen = {audited[0], audited[1], triaged[0]}
    room.decide("검수자 1", audited[0], "flag")
    room.decide("검수자 1", triaged[0], mode="triage")
    before = room.count_tallies()
    kept = pq.read_table(folder / "curated" / "decisions.parquet")
    _curate_anew(folder, lambda row: None if row["id"] in chosen else row)
    _sync(room, folder)
    pq.write_table(kept, folder / "curated" / "decisions.parquet")
    _sync(room, folder)
    assert {id_: room.read(id_).pool for id_ in sorted(chosen)} == {
        id_: "triage" if id_ == triaged[0] else "audit" for id_ in sorted(chosen)
    }
    assert room.count_tallies() == before


def test_what_was_dropped_and_now_would_be_published_is_drawn_for_the_audit(room: Room, folder: Path) -> None:
    _sync(room, folder)
    fresh, decided = _list_ids(room, "audit")[:2]
    _curate_anew(folder, lambda row: row | {"status": "dropped"} if row["id"] in (fresh, decided) else row)
    room.database.write(lambda connection: connection.execute(sa.delete(SAMPLES)))
    _sync(room, folder)
    assert [room.read(each).pool for each in (fresh, decided)] == ["triage", "triage"]
    room.decide("검수자 1", decided, mode="triage")
    # other limits: both are in the lot now
    _curate_anew(folder, lambda row: row | {"status": "accepted"} if row["id"] in (fresh, decided) else row)
    _sync(room, folder)
    assert [room.read(each).pool for each in (fresh, decided)] == ["audit", "triage"]
    assert room.count_tallies() == room.recount()


def test_an_undecided_duplicate_leaves_triage(room: Room, folder: Path) -> None:
    _sync(room, folder)
    id_, other = _list_ids(room, "triage")[:2]
    clusters = folder / "curated" / "clusters.parquet"
    table = pq.read_table(clusters)
    rows = [{"id": each, "cluster": id_, "keeper": other, "kind": "near", "similarity": 0.9} for each in (id_, other)]
    pq.write_table(pa.concat_tables([table, pa.Table.from_pylist(rows, schema=table.schema)]), clusters)
    _curate_anew(folder, lambda row: row | {"status": "duplicate"} if row["id"] == id_ else row)
    _sync(room, folder)
    assert (room.read(id_).pool, room.read(other).pool, room.read(other).why) == ("none", "triage", "representative")
    assert id_ not in room.claim("검수자 1", "triage", size=200)
    assert room.count_tallies() == room.recount()


def test_a_decision_on_its_way_while_curation_is_taken_over_is_counted(room: Room, folder: Path) -> None:
    _sync(room, folder)
    id_ = _list_ids(room, "audit")[0]
    decision = room.make_decision("검수자 1", id_, "flag")
    _curate_anew(folder, lambda row: row)
    is_on_its_way, failures = threading.Event(), []

    def decide(connection: sa.Connection) -> None:
        room.desk.decide(connection, decision, NOW)
        is_on_its_way.set()
        time.sleep(0.3)  # the other one comes as far as it can

    def review() -> None:
        try:
            room.database.write(decide)
        except Exception as exc:  # told below, in the thread that can fail the test
            failures.append(exc)

    thread = threading.Thread(target=review)
    thread.start()
    assert is_on_its_way.wait(30)
    _sync(room, folder)
    thread.join(60)
    assert failures == []
    assert room.read(id_).verdict == "flag"
    assert room.count_tallies() == room.recount()


def test_services_that_start_at_once_take_a_run_over_once(room: Room, folder: Path) -> None:
    failures: list[Exception] = []
    barrier = threading.Barrier(4)
    source, settings = open_run(folder), load_settings(None)

    def start() -> None:
        barrier.wait(30)
        try:
            room.database.write(lambda connection: sync_run(connection, folder, source, settings))
        except Exception as exc:  # told below, in the thread that can fail the test
            failures.append(exc)

    threads = [threading.Thread(target=start) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    assert failures == []
    _sync(room, folder)
    assert room.count_tallies()["lot"] == 98


def test_a_folder_that_is_not_curated_is_told(room: Room, folder: Path) -> None:
    shutil.rmtree(folder / "curated")
    with pytest.raises(DataError, match="is not curated"):
        _sync(room, folder)


def test_a_torn_file_of_curated_is_told_and_leaves_the_database_as_it_was(room: Room, folder: Path) -> None:
    _sync(room, folder)
    before = _read_all(room)
    _curate_anew(folder, lambda row: row | {"status": "dropped"})
    (folder / "curated" / "findings.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(DataError, match=r"findings\.parquet cannot be read"):
        _sync(room, folder)
    assert _read_all(room) == before


def test_a_copy_of_a_run_in_the_same_database_is_told(
    built_run: Path, tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAMHWA_DATABASE", database_url)
    first, second = tmp_path / "first", tmp_path / "second"
    shutil.copytree(built_run, first)
    ReviewedRun.open(first, ReviewOptions()).close()
    shutil.copytree(first, second)
    with pytest.raises(UsageError, match="is a copy of"):
        ReviewedRun.open(second, ReviewOptions())
    shutil.rmtree(first)
    ReviewedRun.open(second, ReviewOptions()).close()  # then it was moved
