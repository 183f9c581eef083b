"""Bodies as endpoints send them, odd ones among them: what was paid for is read wherever it can be."""

import json

import pytest

from curation.opinions.embeddings import read_embeddings
from curation.opinions.moderation_calls import read_moderation
from datagen.answer import read_answer
from datagen.prices import Tokens
from datagen.retry import BadReplyError

LINE = "human1: 오늘 뭐 했어?\\ngpt1: 그냥 집에서 쉬었지 "


def make_body(content: str, usage: str = '{"prompt_tokens": 12, "completion_tokens": 7}') -> bytes:
    """`content` as it stands in the JSON, escapes and all."""
    return f'{{"choices": [{{"message": {{"content": "{content}"}}}}], "model": "m", "usage": {usage}}}'.encode()


@pytest.mark.parametrize("half", ["\\ud83d", "\\uDE00", "\\ud83d\\ud83d"])
def test_half_an_emoji_is_replaced_and_the_rest_is_kept(half: str) -> None:
    answer = read_answer(make_body(LINE + half), "host")
    assert answer.text.startswith("human1: 오늘 뭐 했어?\ngpt1: 그냥 집에서 쉬었지 \ufffd")
    answer.text.encode()
    assert answer.tokens == Tokens(12, 7)


def test_a_whole_emoji_is_read_as_one() -> None:
    assert read_answer(make_body(LINE + "\\ud83d\\ude00"), "host").text.endswith("쉬었지 😀")


@pytest.mark.parametrize(
    "body", [b'{"choices": [{"message": {"content": "\\ud83d', b'"\\ud83d"', b"[" * 100_000 + b"\\ud8"]
)
def test_half_an_emoji_in_what_is_no_completion_is_still_none(body: bytes) -> None:
    with pytest.raises(BadReplyError, match="no chat completion"):
        read_answer(body, "host")


@pytest.mark.parametrize("usage", ['{"prompt_tokens": -1}', '{"prompt_tokens": 1e30}', '"free"', "[1]"])
def test_an_odd_bill_loses_no_reply(usage: str) -> None:
    answer = read_answer(make_body("안녕", usage), "host")
    assert (answer.text, answer.tokens) == ("안녕", None)


@pytest.mark.parametrize("count", [-1, 2**31, 10**30])
def test_an_odd_bill_loses_no_vector_and_no_scores(count: int) -> None:
    usage = {"prompt_tokens": count}
    vectors = json.dumps({"data": [{"index": 0, "embedding": [1.0, 0.0]}], "usage": usage})
    scores = json.dumps({"results": [{"category_scores": {"hate": 0.1}}], "usage": usage})
    assert read_embeddings(vectors.encode(), "host").tokens is None
    assert read_moderation(scores.encode(), "host").tokens == Tokens(0, 0)
