"""Input files: limits are kept, no request is lost or doubled, and an id leads back to its line alone."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from datagen.batch.request_file import Limits, RequestFile, read_id, write_id

PATH = "/v1/chat/completions"
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


def pack(bodies: list[dict[str, Any]], limits: Limits) -> list[RequestFile]:
    """As the generation does: what does not fit opens the next file."""
    files = [RequestFile("batch-0", limits)]
    for body in bodies:
        if not files[-1].add(PATH, body):
            files.append(RequestFile(f"batch-{len(files)}", limits))
            assert files[-1].add(PATH, body)
    return files


@given(st.lists(texts, max_size=30), st.integers(1, 8), st.integers(1, 1000))
def test_every_request_is_in_one_file_and_no_file_passes_the_limits(said: list[str], requests: int, size: int) -> None:
    limits = Limits(requests, size)
    files = pack([{"content": text} for text in said], limits)
    written: list[str] = []
    for file in files:
        content = file.content
        assert len(content) == file.size
        assert len(file) <= requests
        assert file.size <= size or len(file) == 1  # what is too large by itself goes alone
        lines = content.decode().split("\n")[:-1]
        assert len(lines) == len(file)
        for at, line in enumerate(map(json.loads, lines)):
            assert (line["method"], line["url"]) == ("POST", PATH)
            assert read_id(file.name, line["custom_id"]) == at
            written.append(line["body"]["content"])
    assert written == said


@given(texts, st.integers(0, 10**9 - 1))
def test_an_id_leads_back_to_its_line(name: str, line: int) -> None:
    assert read_id(name, write_id(name, line)) == line


@given(texts, texts, st.integers(0, 99))
def test_an_id_of_another_batch_is_none_of_ours(name: str, other: str, line: int) -> None:
    found = read_id(name, write_id(other, line))
    assert found is None if other != name else found == line


@given(texts)
def test_any_other_text_is_no_id(text: str) -> None:
    assert read_id("damhwa-1-a", text) is None
    for odd in ("damhwa-1-a-", "damhwa-1-a-01", "damhwa-1-a-١", "damhwa-1-a-1\n", "damhwa-1-a--1", "xdamhwa-1-a-1"):
        assert read_id("damhwa-1-a", odd) is None


def test_the_defaults_are_the_limits_of_openai() -> None:
    assert Limits() == Limits(50_000, 200_000_000)
