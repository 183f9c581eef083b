"""The index that workers make: array by array what one process makes, whatever the data and however it came."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curation.cluster.fleet import Fleet
from curation.cluster.indexing import fill_index
from curation.cluster.meetings import Range, _list_visits, plan_ranges
from curation.cluster.numbering import number_rows
from curation.duplicates.index import DuplicateIndex
from curation.duplicates.settings import DuplicateSettings
from curation.kept_index import add_files, open_kept_index
from curation.measure import MEASURED, MeasuredFile
from tests.curation.cluster.corpus import make_hard_corpus
from tests.curation.cluster.here import Here
from tests.curation.duplicates.dialogues import fold_all

SETTINGS = DuplicateSettings()


def write_measured(folder: Path, files: Sequence[Sequence[Sequence[str]]]) -> list[MeasuredFile]:
    """Measured files that hold nothing but the folded turns."""
    folder.mkdir(exist_ok=True)
    measured = []
    for number, dialogues in enumerate(files):
        path = folder / f"{number:04d}.parquet"
        pq.write_table(pa.table({"folded": pa.array(list(dialogues), MEASURED.field("folded").type)}), path)
        measured.append(MeasuredFile(path, len(dialogues), ()))
    return measured


def deal(dialogues: Sequence[Sequence[str]], files: int) -> list[Sequence[Sequence[str]]]:
    return [dialogues[number::files] for number in range(files)]


def read_all(index: DuplicateIndex) -> dict[str, np.ndarray]:
    pairs = index.pairs(SETTINGS.split_threshold)
    found = {name: getattr(pairs, name) for name in ("left", "right", "similarity", "kind")}
    digests = [np.load(folder / "digests.npy") for folder in index.list_segments()]
    return {**found, "same": index.representatives(), "digests": np.concatenate(digests)}


def assert_same(one: DuplicateIndex, other: DuplicateIndex) -> None:
    left, right = read_all(one), read_all(other)
    for name, values in left.items():
        np.testing.assert_array_equal(values, right[name], name)


@pytest.fixture
def fleet() -> Fleet:
    return Here(2, is_cluster=False)


@pytest.mark.parametrize("seed", [1, 2])
def test_several_additions_of_hard_data_give_the_same_index(fleet: Fleet, tmp_path: Path, seed: int) -> None:
    files = write_measured(tmp_path / "measured", deal(fold_all(make_hard_corpus(700, seed)), 80))
    alone, together = (DuplicateIndex.open(tmp_path / name, SETTINGS) for name in ("alone", "together"))
    add_files(alone, files)
    fill_index(fleet, together, files)
    assert_same(alone, together)
    assert len(alone.pairs()) > 700
    assert len(together.list_segments()) == 4
    assert not (tmp_path / "exchange").exists()


def test_what_is_added_to_a_known_index_is_compared_with_all_of_it(fleet: Fleet, tmp_path: Path) -> None:
    dialogues = fold_all(make_hard_corpus(600, 3))
    files = write_measured(tmp_path / "measured", deal(dialogues, 60))
    alone, together = (DuplicateIndex.open(tmp_path / name, SETTINGS) for name in ("alone", "together"))
    add_files(alone, files[:30])
    add_files(alone, files[30:])
    add_files(together, files[:30])  # one engine may go on with what the other began
    fill_index(fleet, together, files[30:])
    assert_same(alone, together)


dialogue = st.lists(st.text("가나다라마 ab", max_size=12), max_size=5)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(dialogue, min_size=1, max_size=6), min_size=1, max_size=30))
def test_whatever_the_dialogues_the_index_is_the_same(tmp_path: Path, files: list[list[list[str]]]) -> None:
    for name in ("measured", "alone", "together"):
        shutil.rmtree(tmp_path / name, ignore_errors=True)
    measured = write_measured(tmp_path / "measured", files)
    alone, together = (DuplicateIndex.open(tmp_path / name, SETTINGS) for name in ("alone", "together"))
    add_files(alone, measured)
    fill_index(Here(2, is_cluster=False), together, measured)
    assert_same(alone, together)


class Dying(Here):
    """Ends for good in the middle of a stage, as a driver does that is killed."""

    def __init__(self, stage: str) -> None:
        super().__init__(2, is_cluster=False)
        self._stage = stage
        self.tell = self._die

    def _die(self, stage: str, _done: int, _tasks: int) -> None:
        if stage == self._stage:
            raise KeyboardInterrupt


@pytest.mark.parametrize("stage", ["digests", "segments", "meetings", "pairs"])
def test_a_run_that_ended_in_any_stage_is_taken_up(fleet: Fleet, tmp_path: Path, stage: str) -> None:
    files = write_measured(tmp_path / "measured", deal(fold_all(make_hard_corpus(200, 4)), 60))
    alone = DuplicateIndex.open(tmp_path / "alone", SETTINGS)
    add_files(alone, files)
    with pytest.raises(KeyboardInterrupt):
        fill_index(Dying(stage), DuplicateIndex.open(tmp_path / "together", SETTINGS), files)
    done = {path: path.stat().st_mtime_ns for path in (tmp_path / "exchange").glob("*/digests/*.npy")}
    assert done
    kept = {}

    def look(_stage: str, _done: int, _tasks: int) -> None:
        kept.update({path: path.stat().st_mtime_ns for path in done if path.exists()})

    fleet.tell = look
    together = open_kept_index(tmp_path / "together", SETTINGS, files, lambda index, own: fill_index(fleet, index, own))
    assert_same(alone, together)
    assert kept == done


def test_an_exchange_of_other_data_is_not_taken_up(fleet: Fleet, tmp_path: Path) -> None:
    dialogues = fold_all(make_hard_corpus(100, 5))
    files = write_measured(tmp_path / "measured", deal(dialogues, 30))
    with pytest.raises(KeyboardInterrupt):
        fill_index(Dying("pairs"), DuplicateIndex.open(tmp_path / "together", SETTINGS), files)
    alone, together = (DuplicateIndex.open(tmp_path / name, SETTINGS) for name in ("alone", "together"))
    add_files(alone, files[1:])
    fill_index(fleet, together, files[1:])
    assert_same(alone, together)


def test_the_first_row_of_a_text_stands_for_it_and_is_numbered_in_its_order() -> None:
    def digest(*values: int) -> np.ndarray:
        return np.array([[value] * 16 for value in values], np.uint8).reshape(-1, 16)

    numbers = number_rows(digest(9, 3), [digest(3, 5, 5, 9), digest(1, 5, 1)])
    assert [each.tolist() for each in numbers] == [[1, 2, 2, 0], [3, 2, 3]]


@given(st.integers(1, 80), st.integers(0, 30_000_000))
def test_ranges_cover_every_key_of_every_piece_once(pieces: int, members: int) -> None:
    ranges = [each for task in plan_ranges(pieces, members) for each in task]
    for piece in range(pieces if members else 0):
        bounds = [each.bounds for each in ranges if each.piece == piece]
        assert [end for _, end in bounds[:-1]] == [start for start, _ in bounds[1:]]
        assert (bounds[0][0], bounds[-1][1]) == (0, 1 << 32)


def test_a_bucket_visits_each_segment_that_has_a_member_in_it() -> None:
    entries = np.array([(1 << 32) | 0, (1 << 32) | 5, (1 << 32) | 6, (2 << 32) | 5], np.uint64)
    starts, ends, owners = _list_visits(entries, np.array([0, 4, 6]))
    assert list(zip(starts.tolist(), ends.tolist(), owners.tolist(), strict=True)) == [
        (0, 1, 0),
        (0, 2, 1),
        (0, 3, 2),
        (3, 4, 1),
    ]
    assert Range(0, 1, 2).bounds == (1 << 31, 1 << 32)
