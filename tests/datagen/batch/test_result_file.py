"""Output and error files: whatever a line holds, it is read or told, and costs no other line."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datagen.batch.request_file import write_id
from datagen.batch.result_file import OddLine, Result, ResultReader, is_whole

READER = ResultReader("ours", frozenset(range(10)), "example.test")
GOOD = {"choices": [{"message": {"content": "안녕"}, "finish_reason": "stop"}], "model": "m", "usage": None}


def write(path: Path, *lines: object) -> Path:
    texts = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    path.write_bytes(b"".join(text + b"\n" for text in texts))
    return path


def answer(line: int, status: int = 200, body: object = GOOD) -> dict[str, Any]:
    response = {"status_code": status, "request_id": "r", "body": body}
    return {"id": "x", "custom_id": write_id("ours", line), "response": response, "error": None}


def fail(line: int, code: str) -> dict[str, Any]:
    return {"custom_id": write_id("ours", line), "response": None, "error": {"code": code, "message": "말썽"}}


def test_an_answer_leads_to_its_request_wherever_it_stands(tmp_path: Path) -> None:
    found = list(READER.read(write(tmp_path / "out", answer(7), answer(0))))
    assert [(each.line, each.answer.text) for each in found if isinstance(each, Result) and each.answer] == [
        (7, "안녕"),
        (0, "안녕"),
    ]


def test_an_answer_that_ends_in_half_an_emoji_is_no_garbage(tmp_path: Path) -> None:
    cut = {**GOOD, "choices": [{"message": {"content": "잘 자\ud83d"}, "finish_reason": "length"}]}
    (found,) = READER.read(write(tmp_path / "out", answer(4, body=cut)))
    assert isinstance(found, Result)
    assert found.answer is not None
    assert (found.line, found.answer.text) == (4, "잘 자\ufffd")


def test_an_error_whose_code_is_a_number_keeps_its_message(tmp_path: Path) -> None:
    error = {"message": "prompt too long", "type": "BadRequestError", "code": 400}
    whole = {**fail(2, "x"), "error": error}
    one, two = READER.read(write(tmp_path / "out", answer(1, 400, {"error": error}), whole))
    assert isinstance(one, Result)
    assert isinstance(two, Result)
    assert [each.failure and each.failure.detail for each in (one, two)] == [
        "400 prompt too long",
        "400 prompt too long",
    ]


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (b"<html>", "garbage"),
        (b'{"custom_id": "ours-1", "resp', "garbage"),
        (b"[]", "garbage"),
        (b"\xff\xfe", "garbage"),
        ({"custom_id": "theirs-1"}, "unknown"),
        ({"custom_id": "ours-10"}, "unknown"),
    ],
)
def test_a_line_that_leads_nowhere_is_told_and_costs_only_itself(tmp_path: Path, line: object, kind: str) -> None:
    first, second, third = READER.read(write(tmp_path / "out", answer(1), line, answer(2)))
    assert second == OddLine(kind)
    assert isinstance(first, Result)
    assert isinstance(third, Result)
    assert (first.line, third.line) == (1, 2)


@pytest.mark.parametrize(
    ("line", "verdict", "reason"),
    [
        (answer(1, 500, {"error": {"message": "oops", "code": "server_error"}}), "again", "http-500"),
        (answer(1, 429, {"error": {"message": "slow"}}), "again", "rate-limit"),
        (answer(1, 400, {"error": {"code": "content_filter"}}), "reject", "content-filter"),
        (answer(1, 400, "not even an object"), "reject", "http-400"),
        (answer(1, 404, {"error": {"code": "model_not_found"}}), "stop", "404"),
        (answer(1, 200, {"choices": []}), "again", "bad-reply"),
        (fail(1, "request_timeout"), "again", "request_timeout"),
        ({"custom_id": "ours-1"}, "again", "bad-reply"),
    ],
)
def test_a_failure_is_sorted_as_any_other(tmp_path: Path, line: object, verdict: str, reason: str) -> None:
    (found,) = READER.read(write(tmp_path / "err", line))
    assert isinstance(found, Result)
    assert found.failure is not None
    assert (found.answer, found.failure.verdict, found.failure.reason) == (None, verdict, reason)


@pytest.mark.parametrize("code", ["batch_expired", "batch_cancelled"])
def test_what_was_not_run_is_neither_answer_nor_failure(tmp_path: Path, code: str) -> None:
    assert list(READER.read(write(tmp_path / "err", fail(3, code)))) == [Result(3)]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.lists(
        st.binary(max_size=60)
        | st.fixed_dictionaries(
            {"custom_id": st.just("ours-1") | st.text(max_size=8)},
            optional={"response": json_values, "error": json_values},
        ),
        max_size=5,
    )
)
def test_any_line_at_all_is_read_or_told(tmp_path_factory: pytest.TempPathFactory, lines: list[object]) -> None:
    path = write(tmp_path_factory.mktemp("fuzz") / "out", *lines)
    assert all(isinstance(each, Result | OddLine) for each in READER.read(path))


def test_a_file_that_breaks_off_is_not_whole(tmp_path: Path) -> None:
    path = write(tmp_path / "out", answer(1), answer(2))
    whole = path.read_bytes()
    assert is_whole(path, 2)
    assert not is_whole(path, 3)
    path.write_bytes(whole[:-1])
    assert is_whole(path, 2)  # no line break at the end, but the line is there
    path.write_bytes(whole[:-20])
    assert not is_whole(path, 0)
    path.write_bytes(b"")
    assert is_whole(path, 0)
