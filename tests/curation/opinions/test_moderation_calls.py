"""Moderation over real HTTP: in batches, each turn once, and of each category the worst turn is told."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from curation.finding import Finding
from curation.opinions.desk import Desk
from curation.opinions.gather import gather_opinions
from datagen.errors import ProviderError
from datagen.simulator.server import Simulator
from tests.curation.opinions.opinion_world import (
    TALKS,
    OpinionServer,
    give_scores,
    make_settings,
    open_material,
    refuse,
)

TURNS = sum(len(talk) for talk in TALKS)
RUDE = ("야 너 진짜 멍청이 아니야?ㅋㅋ", "*입을 삐죽이며* 멍청이라니! 그래도 {유저}니까 봐줄게.")


@pytest.fixture
def server() -> OpinionServer:
    return OpinionServer()


@pytest.fixture
def url(server: OpinionServer) -> Iterator[str]:
    with server.serve() as url:
        yield url


def moderate(tmp_path: Path, url: str, **options: Any) -> list[tuple[int, Finding]]:
    talks = options.pop("talks", TALKS)
    block = {"provider": {"base_url": url, **options.pop("provider", {})}, **options}
    settings = make_settings(moderation=block)
    return gather_opinions(Desk(tmp_path / "out"), settings, open_material(tmp_path, talks)).findings


def score_by(words: dict[str, dict[str, float]]) -> Callable[[dict[str, Any]], web.Response]:
    """The scores of the first word that a text has."""

    def answer(body: dict[str, Any]) -> web.Response:
        return give_scores(
            [next((scores for word, scores in words.items() if word in text), {}) for text in body["input"]]
        )

    return answer


def test_turns_go_in_batches_and_a_second_call_asks_nothing(tmp_path: Path, server: OpinionServer, url: str) -> None:
    talks = [(f"{number}번 버스 왜 안 와ㅠㅠ", f"{number}분만 더 기다려 보자!") for number in range(40)]
    assert moderate(tmp_path, url, talks=talks) == []
    assert sorted(len(body["input"]) for body in server.asked) == [16, 32, 32]
    assert {body["model"] for body in server.asked} == {"omni-moderation-latest"}
    assert moderate(tmp_path, "http://127.0.0.1:9/v1", talks=talks) == []
    assert server.counts["moderations"] == 3


def test_a_turn_that_many_dialogues_share_is_asked_about_once(tmp_path: Path, server: OpinionServer, url: str) -> None:
    moderate(tmp_path, url, talks=[("나 왔어!", "어서 와!"), ("나 왔어!", "왔어? 밥은?"), ("나 왔어!", "어서 와!")])
    assert [body["input"] for body in server.asked] == [["나 왔어!", "어서 와!", "왔어? 밥은?"]]


def test_the_worst_turn_of_each_category_is_noted_with_its_place(
    tmp_path: Path, server: OpinionServer, url: str
) -> None:
    server.moderate = score_by(
        {"아니야?": {"harassment": 0.6, "violence": 0.49}, "봐줄게": {"harassment": 0.8, "made-up/by-vendor": 0.7}}
    )
    findings = moderate(tmp_path, url, talks=[TALKS[0], RUDE])
    assert [(row, each.rule, each.message, each.score, each.verdict) for row, each in findings] == [
        (1, "harassment", 1, 0.8, "note"),
        (1, "made-up/by-vendor", 1, 0.7, "note"),
    ]
    assert {each.code for _, each in findings} == {"moderation"}
    assert findings[0][1].evidence == "괴롭힘 0.80: “*입을 삐죽이며* 멍청이라니! 그래도 {유저}니까 봐줄게.”"


def test_a_category_may_have_a_limit_of_its_own(tmp_path: Path, server: OpinionServer, url: str) -> None:
    server.moderate = score_by({"아니야?": {"harassment": 0.6, "sexual": 0.3, "violence": 0.7}})
    categories = {"harassment": {}, "sexual": {"drop": 0.25}}
    findings = moderate(tmp_path, url, talks=[RUDE], categories=categories)
    assert [(each.rule, each.verdict, each.threshold) for _, each in findings] == [
        ("sexual", "drop", 0.25),
        ("violence", "note", 0.5),
    ]
    assert moderate(tmp_path, url, talks=[RUDE], limit={"note": 0.75})[:1] == []
    assert server.counts["moderations"] == 1  # a changed limit decides anew, and asks nothing


def test_a_limit_for_a_category_that_nobody_scores_is_told(
    tmp_path: Path, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    moderate(tmp_path, url, categories={"harrasment": {"note": 0.2}})
    told = " ".join(capsys.readouterr().err.split())
    assert "no reply has the category 'harrasment'; it has harassment, sexual, violence" in told


def test_a_long_turn_is_scored_in_pieces(tmp_path: Path, server: OpinionServer, url: str) -> None:
    server.moderate = score_by({"멍청이": {"harassment": 0.9}})
    long = "아 진짜 오늘 있었던 일 처음부터 다 말해 줄게. " * 400 + "그 사람이 나한테 멍청이래."
    findings = moderate(tmp_path, url, talks=[(long, "헐, 누가 그런 말을 해?")])
    assert max(len(text) for body in server.asked for text in body["input"]) == 8_000
    assert "".join(text for body in server.asked for text in body["input"]).startswith(long)
    assert [(each.rule, each.message) for _, each in findings] == [("harassment", 0)]


def test_a_reply_of_another_length_is_asked_for_again(tmp_path: Path, server: OpinionServer, url: str) -> None:
    server.first = [give_scores([{}]), web.json_response({"results": "nothing"}), refuse(429, retry_after="0.05")]
    assert moderate(tmp_path, url) == []
    assert server.counts["moderations"] == 4


def test_of_a_refused_batch_only_the_turn_at_fault_stays_without_scores(
    tmp_path: Path, server: OpinionServer, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = score_by({"관측": {"violence": 0.9}})

    def refuse_physics(body: dict[str, Any]) -> web.Response:
        return refuse(400, "too_long") if any("양자역학" in text for text in body["input"]) else answer(body)

    server.moderate = refuse_physics
    findings = moderate(tmp_path, url)
    assert server.counts["moderations"] == 1 + TURNS
    assert [(row, each.rule, each.message) for row, each in findings] == [(3, "violence", 3)]
    assert "moderation: 1 got no answer, the first: http-400" in " ".join(capsys.readouterr().err.split())


def test_an_endpoint_without_moderation_is_an_error_after_a_few_tries(
    tmp_path: Path, server: OpinionServer, url: str
) -> None:
    server.moderate = lambda _: refuse(400, "not_supported")
    with pytest.raises(ProviderError, match=f"moderation: the endpoint answered none of {TURNS}: http-400"):
        moderate(tmp_path, url)
    assert server.counts["moderations"] == 1 + 8


def test_the_simulator_shows_both_kinds(tmp_path: Path, start_simulator: Callable[..., tuple[str, Simulator]]) -> None:
    url, simulator = start_simulator(rate_limited=0.3, retry_after_s=0.01)
    findings = moderate(tmp_path, url, talks=[*TALKS, RUDE])
    assert [(row, each.rule, each.message) for row, each in findings] == [(len(TALKS), "harassment", 0)]
    assert simulator.counts["texts"] == TURNS + len(RUDE)
