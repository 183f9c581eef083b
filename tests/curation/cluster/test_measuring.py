"""Measuring by workers: the same rows as one machine measures, of whole files and of files in parts."""

import pickle
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.cluster.fleet import Fleet, Worker
from curation.cluster.measuring import BLOCK_ROWS, JoinParts, MeasurePart, Named, measure_on, plan_parts
from curation.measure import MeasuredFile, Ruler, SourcePart, measure_source, open_measured
from curation.settings import CurationSettings
from curation.source import Source, open_foreign
from datagen.errors import DataError, UsageError
from tests.curation.cluster.corpus import write_hard_folder
from tests.curation.cluster.here import Here


def make_ruler(source: Source) -> Ruler:
    return Ruler.of(source, dict(CurationSettings().filters))


def read(files: list[MeasuredFile]) -> list[tuple[str, pa.Table, list[dict[str, object]]]]:
    return [(each.path.name, pq.read_table(each.path), [asdict(bad) for bad in each.unreadable]) for each in files]


@pytest.fixture
def fleet() -> Fleet:
    return Here(2, is_cluster=False)


def write_grouped(path: Path, groups: list[int]) -> None:
    """A Parquet file of these row groups, whose second row is no dialogue."""
    messages = [{"role": "user", "content": "오늘 뭐 했어?"}, {"role": "assistant", "content": "도서관에 다녀왔어!"}]
    schema = pa.schema(
        [("id", pa.string()), ("messages", pa.list_(pa.struct([("role", pa.string()), ("content", pa.string())])))]
    )
    with pq.ParquetWriter(path, schema) as writer:
        first = 0
        for rows in groups:
            own = [[] if first + at == 1 else messages for at in range(rows)]
            ids = [f"row-{first + at}" for at in range(rows)]
            writer.write_table(pa.table({"id": ids, "messages": own}, schema))
            first += rows


def test_workers_measure_the_same_rows_into_files_of_the_same_names(fleet: Fleet, tmp_path: Path) -> None:
    source = open_foreign(write_hard_folder(tmp_path / "data", 60, 5), ())
    (tmp_path / "data" / "torn.parquet").write_bytes(b"PAR1 and no more")
    source = open_foreign(tmp_path / "data", ())
    alone = measure_source(source, make_ruler(source), tmp_path / "alone")
    counted: list[int] = []
    together = measure_on(fleet, source, make_ruler(source), tmp_path / "together", counted.append)
    assert read(together) == read(alone)
    assert sum(counted) == sum(file.rows for file in alone) > 60
    assert {path.name for path in (tmp_path / "together").iterdir()} == {file.path.name for file in alone}


def test_what_is_measured_is_not_measured_again_and_what_lost_its_source_goes(fleet: Fleet, tmp_path: Path) -> None:
    source = open_foreign(write_hard_folder(tmp_path / "data", 20, 3), ())
    first = measure_on(fleet, source, make_ruler(source), tmp_path / "measured")
    before = [file.path.stat().st_mtime_ns for file in first]
    source.files[2].unlink()
    counted: list[int] = []
    source = open_foreign(tmp_path / "data", ())
    again = measure_on(fleet, source, make_ruler(source), tmp_path / "measured", counted.append)
    assert [file.path for file in again] == [file.path for file in first[:2]]
    assert [file.path.stat().st_mtime_ns for file in again] == before[:2]
    assert sum(counted) == 0
    assert len(list((tmp_path / "measured").iterdir())) == 2


def test_a_file_in_parts_is_joined_to_what_it_is_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    write_grouped(path, [5, 3, 700, 2])
    source = open_foreign(path, ())
    (alone,) = measure_source(source, make_ruler(source), tmp_path / "alone")
    parts = tuple(SourcePart(path, tmp_path, groups) for groups in (range(1), range(1, 3), range(3, 4)))
    named = Named(tmp_path / alone.path.name, 0, parts)
    named.place(0).parent.mkdir(parents=True)
    for number, part in enumerate(parts):
        MeasurePart(part, make_ruler(source), named.place(number)).run()
    assert JoinParts(named, make_ruler(source)).run() == alone.rows == 709
    assert read([open_measured(named.target)]) == read([alone])


def test_a_file_that_is_torn_in_its_middle_is_read_up_to_there(fleet: Fleet, tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    write_grouped(path, [BLOCK_ROWS] * 3)
    with pq.ParquetFile(path) as file:
        at = file.metadata.row_group(1).column(1).data_page_offset
    content = bytearray(path.read_bytes())
    content[at : at + 40] = bytes(40)
    path.write_bytes(content)
    source = open_foreign(path, ())
    alone = measure_source(source, make_ruler(source), tmp_path / "alone")
    together = measure_on(fleet, source, make_ruler(source), tmp_path / "together")
    assert read(together) == read(alone)
    assert 0 < alone[0].rows < 2 * BLOCK_ROWS
    assert not (tmp_path / "together" / ".parts").exists()


def test_a_node_without_the_storage_stops_the_run_and_sets_no_file_aside(fleet: Fleet, tmp_path: Path) -> None:
    source = open_foreign(write_hard_folder(tmp_path / "data", 20, 3), ())
    source.files[1].unlink()
    with pytest.raises(DataError, match=r"does not see .*part-001\.jsonl"):
        measure_on(fleet, source, make_ruler(source), tmp_path / "measured")


def test_a_worker_of_another_version_refuses() -> None:
    done = pickle.loads(Worker().do(b"0.0.1\0" + pickle.dumps(None)))
    assert isinstance(done.error, UsageError)
    assert "the driver 0.0.1" in str(done.error)


def test_parts_are_blocks_of_row_groups_that_are_worth_a_task(tmp_path: Path) -> None:
    path = tmp_path / "data.parquet"
    write_grouped(path, [BLOCK_ROWS - 1, 1, BLOCK_ROWS + 7, 10])
    assert [part.groups for part in plan_parts(path, tmp_path)] == [range(2), range(2, 3), range(3, 4)]
    write_grouped(path, [BLOCK_ROWS - 1])
    assert [part.groups for part in plan_parts(path, tmp_path)] == [None]
