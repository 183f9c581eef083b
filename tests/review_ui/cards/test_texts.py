"""The text of dialogues: right to the end, whatever curation does to the files meanwhile."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datagen.errors import DataError
from datagen.store import SCHEMA
from review_ui.cards.texts import FILES_KEPT, Texts


def _write(folder: Path, name: str, ids: list[str]) -> Path:
    path = folder / ".curation" / "measured" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    turns = [{"role": "user", "content": "나 왔어"}, {"role": "assistant", "content": "어서 와!"}]
    filled: dict[str, object] = {
        each.name: "" if pa.types.is_string(each.type) else 2 for each in SCHEMA if not each.nullable
    }
    rows = [filled | {"id": id_, "messages": turns} for id_ in ids]
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), path, row_group_size=1)
    return path


def test_a_file_that_curation_measures_anew_is_read_to_its_end(tmp_path: Path) -> None:
    path = _write(tmp_path, "a.parquet", ["exa-1", "exa-2"])
    texts = Texts(tmp_path)
    assert texts.load([("a.parquet", 0)])[0].id == "exa-1"
    path.unlink()
    assert texts.load([("a.parquet", 1)])[0].id == "exa-2"
    texts.forget()
    with pytest.raises(DataError, match=r"a\.parquet cannot be read"):
        texts.load([("a.parquet", 1)])


def test_a_torn_file_is_told_and_read_again_when_it_is_whole(tmp_path: Path) -> None:
    path = _write(tmp_path, "a.parquet", ["exa-1", "exa-2"])
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    texts = Texts(tmp_path)
    with pytest.raises(DataError, match=r"a\.parquet cannot be read"):
        texts.load([("a.parquet", 0)])
    path.write_bytes(whole)
    assert texts.load([("a.parquet", 0)])[0].id == "exa-1"


def test_many_files_do_not_stay_open(tmp_path: Path) -> None:
    names = [f"{number:03}.parquet" for number in range(FILES_KEPT + 40)]
    for name in names:
        _write(tmp_path, name, [f"exa-{name}"])
    texts = Texts(tmp_path)
    found = texts.load([(name, 0) for name in names])
    assert [each.id for each in found] == [f"exa-{name}" for name in names]
    links = (link.resolve() for link in Path("/proc/self/fd").iterdir() if link.exists())
    assert 0 < sum(link.is_relative_to(tmp_path) for link in links) <= FILES_KEPT
    texts.forget()
