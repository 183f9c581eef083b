"""The judge: both orders, ties, and nothing that is paid twice."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from aiohttp import web

from datagen.endpoint_options import Access
from datagen.errors import ProviderError
from datagen.spec import ProviderSettings
from train.judging import Match, judge_matches

SETTINGS = ProviderSettings(model="judge", temperature=0, concurrency=4)
MESSAGES = (
    {"role": "system", "content": "너는 엑사다. 언제나 반말로 말한다."},
    {"role": "user", "content": "나 오늘 발표하다가 머리가 하얘졌어."},
)
GOOD, BAD, ODD = "헐, 진짜 놀랐겠다. 고생했어!", "무엇을 도와드릴까요?", "그렇군요. [[읽을 수 없는 대답]]"


class Judge:
    """Answers by a rule: a function of the reply in the first place and the one in the second."""

    def __init__(self, choose: Callable[[str, str], str]) -> None:
        self.choose = choose
        self.asked: list[str] = []

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.json()
        text = body["messages"][1]["content"]
        self.asked.append(body["messages"][0]["content"] + text)
        left, right = text.split("[가]\n")[1].split("\n\n[나]\n")
        message = {"role": "assistant", "content": self.choose(left, right)}
        usage = {"prompt_tokens": 100, "completion_tokens": 9}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return web.json_response({"id": "1", "model": "judge", "choices": [choice], "usage": usage})


def say(better: str) -> str:
    return json.dumps({"better": better, "reason": "말투"}, ensure_ascii=False)


def prefer_good(left: str, right: str) -> str:
    return say("가" if left == GOOD else "나" if right == GOOD else "비김")


Serve = Callable[[Callable[[web.Request], object]], str]


def judge(url: str, path: Path, *pairs: tuple[str, str]) -> list[tuple[float, bool] | None]:
    matches = [Match(MESSAGES, first, other) for first, other in pairs]
    return judge_matches(matches, SETTINGS, Access((url,), "none"), path / "judge.db")


def test_a_reply_wins_where_both_orders_name_it(start_server: Serve, tmp_path: Path) -> None:
    judge_ = Judge(prefer_good)
    url = start_server(judge_.answer)
    assert judge(url, tmp_path, (BAD, GOOD), (GOOD, BAD), (BAD, ODD)) == [(1.0, True), (0.0, True), (0.5, True)]
    assert len(judge_.asked) == 4  # the first two pairs are the same two questions
    assert all("너는 엑사다" in each and "유저: 나 오늘 발표" in each for each in judge_.asked)


def test_a_judge_that_favours_a_place_makes_ties_that_are_told_apart(start_server: Serve, tmp_path: Path) -> None:
    url = start_server(Judge(lambda *_: say("가")).answer)
    assert judge(url, tmp_path, (BAD, GOOD)) == [(0.5, False)]
    half = start_server(Judge(lambda left, _: say("가") if left == GOOD else say("비김")).answer)
    assert judge(half, tmp_path, (ODD, GOOD)) == [(0.5, False)]


def test_what_was_answered_is_not_asked_again_even_without_an_endpoint(start_server: Serve, tmp_path: Path) -> None:
    judge_ = Judge(prefer_good)
    url = start_server(judge_.answer)
    first = judge(url, tmp_path, (BAD, GOOD))
    assert judge("http://127.0.0.1:1/v1", tmp_path, (BAD, GOOD)) == first
    assert judge(url, tmp_path, (BAD, GOOD), (ODD, GOOD)) == [(1.0, True), (1.0, True)]
    assert len(judge_.asked) == 4


def test_an_answer_out_of_form_leaves_a_pair_unjudged_and_the_last_word_counts(
    start_server: Serve, tmp_path: Path
) -> None:
    def choose(left: str, right: str) -> str:
        return (
            "둘 다 좋네요."
            if ODD in (left, right)
            else f"처음엔 {say('비김')}\n```json\n{prefer_good(left, right)}\n```"
        )

    url = start_server(Judge(choose).answer)
    assert judge(url, tmp_path, (ODD, GOOD), (BAD, GOOD)) == [None, (1.0, True)]


def test_two_equal_replies_are_a_tie_that_nobody_is_asked_about(start_server: Serve, tmp_path: Path) -> None:
    judge_ = Judge(prefer_good)
    assert judge(start_server(judge_.answer), tmp_path, (GOOD, f" {GOOD}\n")) == [(0.5, True)]
    assert judge_.asked == []


def test_a_refused_key_stops_and_what_was_answered_is_kept(start_server: Serve, tmp_path: Path) -> None:
    async def refuse(_: web.Request) -> web.Response:
        return web.json_response({"error": {"message": "bad key"}}, status=401)

    with pytest.raises(ProviderError):
        judge(start_server(refuse), tmp_path, (BAD, GOOD))
