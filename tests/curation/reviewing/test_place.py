"""The mark of a folder in the review database: made once, and refused where it is none."""

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from curation.reviewing.place import KEY_FILE, make_key, read_key
from datagen.errors import DataError


def test_a_mark_is_made_once(tmp_path: Path) -> None:
    assert read_key(tmp_path) is None
    key = make_key(tmp_path)
    assert (make_key(tmp_path), read_key(tmp_path)) == (key, key)


def test_services_that_start_together_make_one_mark_and_none_reads_a_torn_one(tmp_path: Path) -> None:
    for each in range(200):
        folder = tmp_path / str(each)
        folder.mkdir()
        barrier = threading.Barrier(8)

        def start(folder: Path = folder, barrier: threading.Barrier = barrier) -> str:
            barrier.wait(30)
            return make_key(folder)

        with ThreadPoolExecutor(8) as pool:
            marks = {mark.result() for mark in [pool.submit(start) for _ in range(8)]}
        assert marks == {read_key(folder)}
        assert [file.name for file in folder.iterdir()] == [KEY_FILE]


@pytest.mark.parametrize("torn", [b"", b"\n", b"\xff\xfe\x00", b"two words", b"a" * 100_000, "표시".encode()])
def test_a_torn_mark_is_told_and_never_taken_for_one(tmp_path: Path, torn: bytes) -> None:
    (tmp_path / KEY_FILE).write_bytes(torn)
    for read in (read_key, make_key):
        with pytest.raises(DataError, match=r"\.review-key holds no mark: "):
            read(tmp_path)
    assert (tmp_path / KEY_FILE).read_bytes() == torn
