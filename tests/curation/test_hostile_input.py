"""Files from the outside that once ended a whole `curate`: what is wrong in them costs that row, or that file."""

import gzip
import json
import os
import shutil
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.curate import CurateRequest, curate
from curation.row import read_dialogue
from curation.source import BATCH_BYTES, RawBatch, Unreadable, read_batches
from datagen.errors import DataError, UsageError
from datagen.record import Dialogue

TALK = [
    {"role": "user", "content": "나 오늘 버스 놓쳤어ㅠㅠ 진짜 짜증"},
    {"role": "assistant", "content": "*어깨를 토닥이며* 배차가 길지. 따뜻한 거 마시면서 기다려 봐."},
]


def read_row(**values: object) -> Dialogue:
    return read_dialogue({"messages": TALK, **values}, "a-1", "버스", "exa")


def curate_line(tmp_path: Path, line: str, name: bytes = b"a.jsonl") -> list[dict[str, object]]:
    """Curate one good dialogue and a line beside it; what was set aside."""
    folder = tmp_path / "data"
    folder.mkdir()
    with Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).open("wb") as file:
        file.write(json.dumps({"id": "good", "messages": TALK}).encode() + b"\n" + line.encode())
    assert curate(CurateRequest(folder, tmp_path / "out"))["accepted"] == 1
    unreadable: list[dict[str, object]] = pq.read_table(tmp_path / "out/curated/unreadable.parquet").to_pylist()
    return unreadable


def test_a_single_dialogue_is_no_cluster_that_hangs_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    curate_line(tmp_path, "{oops")
    assert "hang together" not in capsys.readouterr().err


@pytest.mark.parametrize("out", [".", "out"])
def test_what_is_kept_inside_the_source_is_not_taken_for_data(tmp_path: Path, out: str) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({"messages": TALK}), encoding="utf-8")
    request = CurateRequest(tmp_path, tmp_path / out)
    before = curate(request)
    line = '{"id": "a-000001", "verdict": "accept", "reviewer": "검수자 1", "at": "2026-03-01T00:00:00Z"}\n'
    (tmp_path / out / "reviews.jsonl").write_text(line, encoding="utf-8")
    assert curate(request) == before
    assert before["unreadable"] == 0


@pytest.mark.parametrize("covers", ["5", "null", '"x"', '{"a": 1}', "[[]]", "[" * 5_000, "garbage"])
def test_a_list_of_what_the_index_covers_that_is_none_costs_the_index_alone(tmp_path: Path, covers: str) -> None:
    curate_line(tmp_path, "{oops")
    (tmp_path / "out/.curation/index/covers.json").write_text(covers, encoding="utf-8")
    assert curate(CurateRequest(tmp_path / "data", tmp_path / "out"))["accepted"] == 1


def test_an_index_that_is_a_file_is_named(tmp_path: Path) -> None:
    curate_line(tmp_path, "{oops")
    index = tmp_path / "out/.curation/index"
    shutil.rmtree(index)
    index.write_text("", encoding="utf-8")
    with pytest.raises(DataError, match="index"):
        curate(CurateRequest(tmp_path / "data", tmp_path / "out"))


def test_the_folders_own_settings_may_be_given_by_another_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    curate_line(tmp_path, "{oops")
    settings = tmp_path / "out" / "curation.yaml"
    settings.write_text("licence: mit\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert curate(CurateRequest(Path("data"), Path("out"), settings=settings))["accepted"] == 1
    assert settings.read_text("utf-8") == "licence: mit\n"


def test_settings_for_a_folder_that_is_a_file_are_refused(tmp_path: Path) -> None:
    curate_line(tmp_path, "{oops")
    (tmp_path / "mine.yaml").write_text("licence: mit\n", encoding="utf-8")
    place = tmp_path / "data" / "a.jsonl"
    with pytest.raises(UsageError, match="cannot be written"):
        curate(CurateRequest(tmp_path / "data", place, settings=tmp_path / "mine.yaml"))


def test_a_run_without_its_ledger_is_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text("topics: []\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"there is no ledger\.db in it"):
        curate(CurateRequest(tmp_path))


@pytest.mark.parametrize("count", [True, -1, 2**31, 1.5, "9"])
def test_a_count_of_tokens_that_is_none_is_left_out(count: object) -> None:
    assert read_row(prompt_tokens=count).prompt_tokens is None


def test_a_cost_of_four_hundred_digits_is_no_cost() -> None:
    assert read_row(cost_usd=10**400).cost_usd is None


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (datetime.min, datetime.min.replace(tzinfo=UTC)),
        (datetime.max, datetime.max.replace(tzinfo=UTC)),
        (datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=9))), datetime(1970, 1, 1, tzinfo=UTC)),
        (pd.Timestamp(1_790_000_000_123_456_789), datetime(2026, 9, 21, 14, 13, 20, 123456, tzinfo=UTC)),
    ],
)
def test_a_row_is_read_whatever_time_it_has(moment: datetime, expected: datetime) -> None:
    assert read_row(created_at=moment).created_at == expected


def test_a_time_beyond_the_calendar_costs_its_row(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    columns = {
        "id": ["good", "bad"],
        "messages": [TALK, [{"role": "user", "content": "주말에 등산 갈까?"}, TALK[1]]],
        "created_at": pa.array([0, 2**62], pa.timestamp("us", "Asia/Seoul")),
    }
    pq.write_table(pa.table(columns), tmp_path / "data" / "a.parquet")
    summary = curate(CurateRequest(tmp_path / "data", tmp_path / "out"))
    assert (summary["accepted"], summary["unreadable"]) == (1, 1)


def test_a_role_of_half_a_character_is_told_as_such(tmp_path: Path) -> None:
    (row,) = curate_line(tmp_path, '{"id": "b", "messages": [{"role": "\\ud800", "content": "응"}]}')
    assert row["what"] == "turn 1 has the role '\ufffd', expected user or assistant"


def test_a_file_whose_name_is_no_text_is_read_like_any_other(tmp_path: Path) -> None:
    (row,) = curate_line(tmp_path, "{oops", b"caf\xe9.jsonl")
    assert row["file"] == "caf\ufffd.jsonl"
    assert row["row"] == 2


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        (json.dumps([{"messages": TALK}] * 2, indent=1).encode(), "a JSON list"),
        (json.dumps({"messages": TALK}).encode("utf-16"), "UTF-16"),
        (gzip.compress(json.dumps({"messages": TALK}).encode()), "a gzip archive"),
    ],
)
def test_a_file_of_another_kind_is_told_once_not_line_by_line(tmp_path: Path, raw: bytes, what: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(raw)
    (only,) = read_batches(path)
    assert isinstance(only, Unreadable)
    assert only.what == f"{what}, expected JSON Lines in UTF-8: one object a line"


def test_a_line_without_end_is_set_aside_without_being_held(tmp_path: Path) -> None:
    good = json.dumps({"messages": TALK}).encode()
    path = tmp_path / "a.jsonl"
    path.write_bytes(good + b"\n" + b"a" * (2 * BATCH_BYTES + 5) + b"\n" + good + b"\n" + good)
    items = list(read_batches(path))
    assert [item.first_row for item in items if isinstance(item, RawBatch)] == [1, 3]
    assert [(item.row, item.what) for item in items if isinstance(item, Unreadable)] == [
        (2, "the line has more than 16,000,000 bytes")
    ]


def test_large_rows_of_a_parquet_file_come_a_few_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    long = [{"role": "user", "content": "가" * 1_000_000}, TALK[1]]
    pq.write_table(pa.table({"messages": [long] * 20}), path, use_dictionary=False)
    batches = [item for item in read_batches(path) if isinstance(item, RawBatch)]
    assert max(len(batch.rows) for batch in batches) == 5
    assert sum(len(batch.rows) for batch in batches) == 20
