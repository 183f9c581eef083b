"""The neutral judge of a generated row, against what the simulator writes and spoils."""

import random

import pytest

from benchmarks.peers.transcripts import Verdict, find_fault, judge_rows
from datagen.simulator.compose import Request, compose
from datagen.simulator.faults import MALFORMED, Draft
from datagen.transcript import render_transcript

TWO = "human1: 안녕!\ngpt1: *손을 흔들며* 왔구나.\nhuman2: 오늘 뭐 했어?\ngpt2: 책 읽었지."


def test_a_dialogue_of_the_length_that_was_asked_is_whole() -> None:
    assert find_fault(TWO, 2) is None
    assert find_fault(f"\n{TWO}\n그리고 산책도 했어.\n", 2) is None


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "0 utterances, not 4"),
        (TWO.rpartition("\n")[0], "3 utterances, not 4"),
        (f"{TWO}\nhuman3: 또 봐\ngpt3: 응", "6 utterances, not 4"),
        (TWO.replace("gpt1", "gpt2"), "gpt2 where gpt1 belongs"),
        (TWO.replace("gpt1", "human2"), "human2 where gpt1 belongs"),
        (f"네, 써 볼게요.\n{TWO}", "text before the first label"),
        (TWO.replace("책 읽었지.", ""), "an empty utterance"),
        (TWO.replace("책 읽었지.", "책 읽었지. human3: 정말?"), "a label within an utterance"),
        (f"{TWO}\nUser: 그런데 있잖아", "a label within an utterance"),
    ],
)
def test_what_is_not_whole_is_told_from_it(text: str, fault: str) -> None:
    assert find_fault(text, 2) == fault


def test_nothing_that_the_simulator_composes_is_malformed_and_all_that_it_spoils_is() -> None:
    rng = random.Random(1)
    for number in range(60):
        exchanges = 2 + number % 4
        messages = compose(Request("일상 대화", exchanges, "banmal", "엑사", "유저가 산책을 나왔다"), rng)
        assert find_fault(render_transcript(messages), exchanges) is None
        for name, spoil in MALFORMED.items():
            text, reason = spoil(Draft(messages, (2, 5), rng))
            # Cut off within its last utterance it reads whole; only the endpoint's word, "length", tells.
            assert find_fault(text, exchanges) is not None or (name, reason) == ("truncated", "length")


def test_a_row_is_whole_malformed_or_missing_and_what_comes_twice_is_surplus() -> None:
    rows: list[tuple[int, str | None]] = [(0, TWO), (1, "그냥 글"), (2, None), (3, " "), (0, "그냥 글"), (9, TWO)]
    assert judge_rows(rows, [2, 2, 2, 2, 2]) == Verdict(wanted=5, whole=1, malformed=1, missing=3, surplus=2)


def test_a_row_that_comes_malformed_and_then_whole_is_whole() -> None:
    assert judge_rows([(7, "그냥 글"), (7, TWO)], {7: 2}) == Verdict(
        wanted=1, whole=1, malformed=0, missing=0, surplus=1
    )
