"""Whatever lies in a folder, each bad row is named, set aside, and costs nothing but itself."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.row import MAX_CHARACTERS, BadRowError, read_messages
from curation.source import RawBatch, Unreadable, list_rows, open_foreign, read_batches
from datagen.errors import UsageError

GOOD = [{"role": "user", "content": "나 오늘 면접 봤어"}, {"role": "assistant", "content": "*눈을 반짝이며* 어땠어?"}]


def turn(role: object, content: object = "응") -> dict[str, object]:
    return {"role": role, "content": content}


@pytest.mark.parametrize(
    ("messages", "what"),
    [
        (None, "`messages` is missing"),
        ([], "`messages` is an empty list"),
        ("안녕", "`messages` is '안녕'"),
        ([turn("user"), None], "turn 2 is missing"),
        ([turn("user"), turn("assistant", None)], "turn 2 has missing for its content"),
        ([turn("user"), turn("assistant", 3)], "turn 2 has 3 for its content"),
        ([turn("user"), turn("assistant", " \n")], "turn 2 says nothing"),
        ([turn("user"), turn("narrator")], "turn 2 has the role 'narrator'"),
        ([turn("user"), turn(None)], "turn 2 has the role missing"),
        ([turn("assistant"), turn("user")], "turn 1: it starts with the assistant"),
        ([turn("user"), turn("user")], "turn 2: two turns of user in a row"),
        ([turn("user"), turn("assistant"), turn("assistant")], "turn 3: two turns of assistant in a row"),
        ([turn("user"), turn("assistant"), turn("user")], "it ends with the user's turn 3"),
        ([turn("system", "너는 엑사야")], "there is no turn beside the system's"),
        ([turn("user", "가" * (MAX_CHARACTERS + 1)), turn("assistant")], "turn 1 has 50,001 characters"),
        ([turn("user"), turn("assistant")] * 5_000, "10,000 turns"),
    ],
)
def test_a_row_that_is_no_dialogue_is_told_why(messages: object, what: str) -> None:
    with pytest.raises(BadRowError) as caught:
        read_messages(messages)
    assert what in str(caught.value)


def test_the_roles_of_other_datasets_are_understood() -> None:
    raw = [turn("system", "너는 엑사야"), turn("human", "왔어?"), turn("gpt", "왔지!")]
    assert [message.role for message in read_messages(raw)] == ["user", "assistant"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["role", "content", "a"]), inner),
    max_leaves=12,
)


@given(json_values)
def test_any_value_is_a_dialogue_or_a_clear_error(value: object) -> None:
    try:
        messages = read_messages(value)
    except BadRowError:
        return
    assert [message.role for message in messages[:2]] == ["user", "assistant"]


def write_jsonl(path: Path, *lines: object) -> Path:
    text = "\n".join(line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) for line in lines)
    path.write_text(text, encoding="utf-8")
    return path


def list_outcomes(path: Path) -> list[tuple[int | None, str]]:
    """Row number and what became of it, of every row of a file."""
    outcomes: list[tuple[int | None, str]] = []
    for item in read_batches(path):
        if isinstance(item, Unreadable):
            outcomes.append((item.row, item.what))
        else:
            for number, values in list_rows(item):
                outcomes.append((number, values.what if isinstance(values, Unreadable) else type(values).__name__))
    return outcomes


def test_a_broken_line_costs_that_line(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "a.jsonl", {"messages": GOOD}, '{"messages": [', "", "[1, 2]", {"messages": GOOD})
    outcomes = list_outcomes(path)
    assert [number for number, _ in outcomes] == [1, 2, 3, 4, 5]
    assert outcomes[0][1] == outcomes[4][1] == "dict"
    assert outcomes[1][1].startswith("the line is no JSON")
    assert outcomes[2][1] == "NoneType"
    assert outcomes[3][1] == "no JSON object"


def test_bytes_that_are_no_text_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes('{"messages": "안녕"}\n'.encode("cp949") + json.dumps({"messages": GOOD}).encode())
    outcomes = list_outcomes(path)
    assert outcomes[0][1].startswith("the line is no JSON")
    assert outcomes[1] == (2, "dict")


def test_a_torn_parquet_costs_that_file(tmp_path: Path) -> None:
    whole = tmp_path / "whole.parquet"
    pq.write_table(pa.table({"messages": [GOOD] * 50}), whole)
    torn = tmp_path / "torn.parquet"
    torn.write_bytes(whole.read_bytes()[:-40])
    assert list_outcomes(torn)[0][1].startswith("the file is torn or no parquet")
    assert len(list_outcomes(whole)) == 50


def test_a_foreign_parquet_says_which_columns_it_has(tmp_path: Path) -> None:
    path = tmp_path / "prices.parquet"
    pq.write_table(pa.table({"price": [1, 2], "shop": ["가", "나"]}), path)
    assert list_outcomes(path) == [(None, "no `messages` or `text` column, only price, shop")]


def test_a_newer_schema_version_is_not_guessed_at(tmp_path: Path) -> None:
    path = tmp_path / "part-00001.parquet"
    table = pa.table({"messages": [GOOD]}).replace_schema_metadata({"damhwa.schema_version": "9"})
    pq.write_table(table, path)
    assert list_outcomes(path) == [(None, "schema version 9, this damhwa reads 1 and 2")]


def test_a_string_that_is_no_utf8_costs_that_row(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    good, bad = "나 왔어".encode(), b"\xff\xfe\xb0"
    offsets = pa.py_buffer(b"".join(n.to_bytes(4, "little") for n in (0, len(good), len(good) + len(bad))))
    ids = pa.StringArray.from_buffers(2, offsets, pa.py_buffer(good + bad))
    pq.write_table(pa.table({"id": ids, "messages": [GOOD, GOOD]}), path)
    outcomes = list_outcomes(path)
    assert outcomes[0] == (1, "dict")
    assert outcomes[1][1].startswith("a value cannot be read")


def test_a_folder_without_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"holds no \.parquet or \.jsonl file"):
        open_foreign(tmp_path, ())
    with pytest.raises(UsageError, match="does not exist"):
        open_foreign(tmp_path / "nowhere", ())


def test_rows_are_numbered_over_batches(tmp_path: Path) -> None:
    path = tmp_path / "many.parquet"
    pq.write_table(pa.table({"messages": [GOOD] * 1_200}), path)
    batches = [item for item in read_batches(path) if isinstance(item, RawBatch)]
    assert [batch.first_row for batch in batches] == [1, 501, 1_001]
