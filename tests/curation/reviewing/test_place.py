"""The mark of a folder in the review database: made once, and refused where it is none."""

from pathlib import Path

import pytest

from curation.reviewing.place import KEY_FILE, make_key, read_key
from datagen.errors import DataError


def test_a_mark_is_made_once(tmp_path: Path) -> None:
    assert read_key(tmp_path) is None
    key = make_key(tmp_path)
    assert (make_key(tmp_path), read_key(tmp_path)) == (key, key)


@pytest.mark.parametrize("torn", [b"", b"\n", b"\xff\xfe\x00", b"two words", b"a" * 100_000, "표시".encode()])
def test_a_torn_mark_is_told_and_never_taken_for_one(tmp_path: Path, torn: bytes) -> None:
    (tmp_path / KEY_FILE).write_bytes(torn)
    for read in (read_key, make_key):
        with pytest.raises(DataError, match=r"\.review-key holds no mark: "):
            read(tmp_path)
    assert (tmp_path / KEY_FILE).read_bytes() == torn
