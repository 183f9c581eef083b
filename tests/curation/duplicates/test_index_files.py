"""The index on disk: what was saved is what is opened, and what is broken or foreign is named and not used."""

import json
import os
import resource
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from curation.duplicates.index import DuplicateIndex
from curation.duplicates.index_files import MANIFEST
from curation.duplicates.settings import DuplicateSettings
from datagen.errors import DataError
from tests.curation.duplicates.dialogues import fold_all, make_corpus, to_array

SETTINGS = DuplicateSettings()
FOLDED = fold_all(make_corpus(200, 11))


def save(folder: Path, *sizes: int) -> DuplicateIndex:
    index = DuplicateIndex.open(folder, SETTINGS)
    start = index.rows
    for size in sizes:
        index.add([to_array(FOLDED[start : start + size])])
        start += size
        index.save()
    return index


def tell(index: DuplicateIndex) -> tuple[object, ...]:
    pairs = index.pairs(0.4)
    values = (pairs.left, pairs.right, pairs.similarity, pairs.kind, index.representatives())
    return (index.rows, *(each.tolist() for each in values))


def test_an_index_is_opened_as_it_was_saved_and_added_to(tmp_path: Path) -> None:
    saved = save(tmp_path / "index", 100, 40)
    opened = DuplicateIndex.open(tmp_path / "index", SETTINGS)
    assert opened.reopened_because is None
    assert tell(opened) == tell(saved)
    opened.add([to_array(FOLDED[140:])])
    assert tell(opened) == tell(save(tmp_path / "other", 200))


def test_many_additions_are_joined_and_nothing_is_lost(tmp_path: Path) -> None:
    index = save(tmp_path / "index", *[10] * 20)
    assert len(list((tmp_path / "index").glob("segment-*"))) < 10
    assert tell(DuplicateIndex.open(tmp_path / "index", SETTINGS)) == tell(index) == tell(save(tmp_path / "one", 200))


def test_saving_twice_writes_nothing_new(tmp_path: Path) -> None:
    index = save(tmp_path, 50)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("segment-*/*")}
    index.save()
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("segment-*/*")} == before


def test_an_empty_folder_is_an_empty_index(tmp_path: Path) -> None:
    index = DuplicateIndex.open(tmp_path / "none", SETTINGS)
    assert (index.rows, index.reopened_because) == (0, None)


def cut_an_array(folder: Path) -> None:
    path = next(folder.glob("segment-*/gram_values.npy"))
    path.write_bytes(path.read_bytes()[:-5])


def drop_a_segment(folder: Path) -> None:
    shutil.rmtree(sorted(folder.glob("segment-*"))[0])


def cut_the_manifest(folder: Path) -> None:
    (folder / MANIFEST).write_text((folder / MANIFEST).read_text(encoding="utf-8")[:80], encoding="utf-8")


def raise_the_version(folder: Path) -> None:
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    (folder / MANIFEST).write_text(json.dumps(manifest | {"version": 99}), encoding="utf-8")


def put_another_array(folder: Path) -> None:
    path = next(folder.glob("segment-*/digests.npy"))
    size = path.stat().st_size
    path.write_bytes(b"PAR1" + bytes(size - 4))


def overwrite(name: str) -> Callable[[Path], None]:
    def harm(folder: Path) -> None:
        path = sorted(folder.glob(f"segment-*/{name}.npy"))[-1]
        content = path.read_bytes()
        path.write_bytes(content[:128] + b"\x7f" * (len(content) - 128))

    return harm


def write_a_list(folder: Path) -> None:
    (folder / MANIFEST).write_text("[1, 2]", encoding="utf-8")


@pytest.mark.parametrize(
    ("harm", "reason"),
    [
        (cut_an_array, "gram_values.npy has"),
        (drop_a_segment, "damaged"),
        (cut_the_manifest, "damaged"),
        (raise_the_version, "version 99"),
        (put_another_array, "damaged"),
        (overwrite("rows"), "a number in rows"),
        (overwrite("row_to_member"), "a number in row_to_member"),
        (overwrite("pair_key"), "a pair names"),
        (write_a_list, "damaged"),
    ],
)
def test_a_harmed_index_is_empty_and_says_why(tmp_path: Path, harm: Callable[[Path], None], reason: str) -> None:
    save(tmp_path, 60, 60)
    harm(tmp_path)
    index = DuplicateIndex.open(tmp_path, SETTINGS)
    assert index.rows == 0
    assert reason in str(index.reopened_because)
    assert tell(save(tmp_path, 200)) == tell(DuplicateIndex.open(tmp_path, SETTINGS))


def test_other_settings_need_another_index_and_their_names_are_told(tmp_path: Path) -> None:
    save(tmp_path, 50)
    index = DuplicateIndex.open(tmp_path, DuplicateSettings(split_threshold=0.45))
    assert (index.rows, index.reopened_because) == (0, "split-threshold was 0.4, is 0.45")
    assert DuplicateIndex.open(tmp_path, DuplicateSettings(max_cluster_share=0.2)).rows == 50


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("여기는 폴더가 아니에요", encoding="utf-8")
    index = DuplicateIndex(tmp_path / "file" / "index", SETTINGS)
    index.add([to_array(FOLDED[:20])])
    with pytest.raises(DataError, match="could not be written"):
        index.save()


@pytest.mark.skipif(sys.platform != "linux", reason="limits file sizes")
def test_a_disk_that_stays_full_is_not_filled_further_by_trying_again(tmp_path: Path) -> None:
    save(tmp_path, 20)
    before = sorted(tmp_path.rglob("*"))
    index = DuplicateIndex.open(tmp_path, SETTINGS)
    index.add([to_array(FOLDED[20:])])
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, limits[1]))
    try:
        with pytest.raises(DataError, match="could not be written"):
            index.save()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert sorted(tmp_path.rglob("*")) == before


def test_killed_at_any_file_operation_the_old_index_or_the_new_one_is_there(tmp_path: Path) -> None:
    save(tmp_path / "start", 100)
    old, new = tell(DuplicateIndex.open(tmp_path / "start", SETTINGS)), tell(save(tmp_path / "whole", 100, 100))
    seen = set()
    for step in range(1, 200):
        folder = tmp_path / f"killed-{step}"
        shutil.copytree(tmp_path / "start", folder)
        finished = save_and_die(folder, step)
        index = DuplicateIndex.open(folder, SETTINGS)
        assert index.reopened_because is None
        found = tell(index)
        assert found in (old, new)
        seen.add(found == new)
        index.add([to_array(FOLDED[index.rows :])])
        index.save()
        assert tell(DuplicateIndex.open(folder, SETTINGS))[0] == 200
        assert len(list(folder.glob("segment-*"))) == 2
        shutil.rmtree(folder)
        if finished:
            break
    assert finished
    assert seen == {True, False}


def save_and_die(folder: Path, step: int) -> bool:
    """Add and save in a child that is gone at the given file operation; True if it finished before."""
    index = DuplicateIndex.open(folder, SETTINGS)
    index.add([to_array(FOLDED[100:])])
    child = os.fork()
    if child == 0:
        left = step

        def count(event: str, _: object) -> None:
            nonlocal left
            if event in ("open", "os.rename", "os.mkdir", "os.remove", "os.rmdir"):
                left -= 1
                if left == 0:
                    os._exit(9)

        sys.addaudithook(count)
        index.save()
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) == 0


def test_rows_of_a_mapped_index_can_be_compared(tmp_path: Path) -> None:
    save(tmp_path, 100)
    jaccard, _ = DuplicateIndex.open(tmp_path, SETTINGS).compare(np.arange(100), np.arange(100))
    assert jaccard.tolist() == [1.0] * 100
