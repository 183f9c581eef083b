"""The judge's reply is read as models write it, and its scores become findings and figures."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.finding import AtMost
from curation.opinions.in_form import make_key
from curation.opinions.judge import (
    CODE,
    DIMENSIONS,
    Judgements,
    JudgeProvider,
    JudgeSettings,
    Scores,
    describe_judgements,
    list_findings,
    read_scores,
)
from curation.opinions.judge_calls import is_drawn, read_rubric, write_prompt
from curation.settings import load_settings
from datagen.errors import SpecError
from datagen.prompt import Prompt
from datagen.record import Dialogue, Message
from tests.curation.opinions.opinion_world import GOOD, PERSONA

TEXT = json.dumps(GOOD, ensure_ascii=False)
SETTINGS = JudgeSettings(provider=JudgeProvider(model="gpt-4o"))


def score(*values: int, reason: str = "4번째 말이 겉돈다.") -> Scores:
    return Scores(**dict(zip(DIMENSIONS, values, strict=True)), reason=reason)


def write_settings(folder: Path, text: str) -> Path:
    path = folder / "curation.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "reply",
    [
        TEXT,
        f"```json\n{TEXT}\n```",
        f"대화를 읽어 보았습니다.\n\n{TEXT}\n\n도움이 되었길 바랍니다.",
        f"{{유저}}에게 다정한 대화네요. {TEXT}",
        json.dumps(GOOD, indent=2, ensure_ascii=False),
        json.dumps({"thoughts": "괜찮다", **GOOD}, ensure_ascii=False),
        TEXT.replace("4", '"4"'),
        TEXT.replace("5", "5.0"),
        TEXT.replace("짚는다.", "짚는다.\n다만 짧다."),
        '형식은 {"naturalness": 1, "persona": 1, "topic": 1, "emotion": 1, "reason": "…"} 이고 답은 ' + TEXT,
    ],
)
def test_scores_are_read_however_a_model_dresses_them(reply: str) -> None:
    scores = read_scores(reply)
    assert scores is not None
    assert [scores.score(name) for name in DIMENSIONS] == [5, 4, 5, 4]
    assert scores.reason.startswith("2번째 말이 {유저}의")


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "전반적으로 4점 정도입니다.",
        TEXT[:40],
        TEXT.replace("naturalness", "natural"),
        TEXT.replace("5", "6"),
        TEXT.replace("4", "0"),
        TEXT.replace("4", "3.5"),
        f"[{'{' * 5_000}",
        '{"a":' * 5_000,
        "[4, 5, 4, 4]",
    ],
)
def test_a_reply_that_is_not_in_form_has_no_scores(reply: str) -> None:
    assert read_scores(reply) is None


@given(st.text() | st.text(alphabet='{}[]":,\\naturlespico 12345\n', max_size=200))
def test_any_reply_is_read_without_an_error(reply: str) -> None:
    read_scores(reply)
    read_scores(reply + TEXT)


def test_a_low_score_is_noted_with_the_reason_and_sent_to_review() -> None:
    findings = list_findings(score(4, 2, 4, 3), SETTINGS, is_dropped=False, is_settled=False)
    assert [(each.rule, each.verdict, each.score) for each in findings] == [
        ("persona", "note", 2.0),
        ("disagreement", "note", 2.0),
    ]
    assert findings[0].evidence == "심사 페르소나 2점: 4번째 말이 겉돈다."
    assert findings[1].evidence == "필터는 통과했지만 심사 페르소나 2점: 4번째 말이 겉돈다."


def test_judge_and_filters_disagree_only_about_what_both_look_at() -> None:
    liked = score(5, 4, 5, 4)
    assert [each.rule for each in list_findings(liked, SETTINGS, True, False)] == ["disagreement"]
    assert list_findings(liked, SETTINGS, is_dropped=True, is_settled=True) == []
    assert list_findings(liked, SETTINGS, is_dropped=False, is_settled=False) == []
    middling = score(3, 4, 4, 4)
    assert list_findings(middling, SETTINGS, is_dropped=True, is_settled=False) == []
    poor = score(2, 4, 4, 4)
    assert [each.rule for each in list_findings(poor, SETTINGS, True, False)] == ["naturalness"]


def test_a_limit_that_drops_drops() -> None:
    settings = SETTINGS.model_copy(update={"topic": AtMost(drop=1, note=2)})
    findings = list_findings(score(4, 4, 1, 4, reason=" "), settings, False, False)
    assert (findings[0].rule, findings[0].verdict, findings[0].threshold) == ("topic", "drop", 1)
    assert findings[0].evidence == "심사 주제 1점: 이유를 밝히지 않음"


def test_a_long_reason_is_shortened() -> None:
    findings = list_findings(score(1, 4, 4, 4, reason="말이 " * 100), SETTINGS, False, False)
    assert len(findings[0].evidence) < 150
    assert findings[0].evidence.endswith("…")


def test_figures_tell_how_far_the_judge_agrees_with_itself() -> None:
    one, two, three = score(4, 4, 4, 4), score(4, 5, 2, 4), score(5, 4, 4, 4)
    figures = describe_judgements(Judgements([one, two, three], [(one, two), (one, one)], 1, 2))
    assert (figures["judged"], figures["unjudged"], figures["judged twice"]) == (3, 1, 2)
    assert figures["mean score"] == pytest.approx(
        {"naturalness": 13 / 3, "persona": 13 / 3, "topic": 10 / 3, "emotion": 4.0}
    )
    consistency = cast(dict[str, object], figures["consistency"])
    assert consistency["topic"] == {"equal": 0.5, "within one point": 0.5, "mean difference": 1.0}
    assert consistency["persona"] == {"equal": 0.5, "within one point": 1.0, "mean difference": 0.5}


def test_nothing_judged_has_figures_too() -> None:
    assert describe_judgements(Judgements([], [], 0, 0)) == {"judged": 0, "unjudged": 0, "judged twice": 0}


def make_dialogue(scenario: str) -> Dialogue:
    messages = (Message("user", "나 왔어!"), Message("assistant", "*손을 흔들며* 왔어? 비 많이 맞았네."))
    at = datetime(2026, 3, 1, tzinfo=UTC)
    ours = ("d", "exa-data", "일상 대화", "intellectual", "exa")
    return Dialogue(*ours, messages, scenario, "m", "p", "0" * 64, "a1", None, None, None, at)


def test_the_request_shows_the_persona_the_situation_and_numbered_turns() -> None:
    scenario = json.dumps({"situation": "유저가 비를 맞고 들어왔다"}, ensure_ascii=False)
    prompt = write_prompt(read_rubric(), make_dialogue(scenario), PERSONA)
    assert PERSONA.system_prompt in prompt.system
    assert "{{" not in prompt.system
    assert prompt.user == (
        "[주제] 일상 대화\n[상황] 유저가 비를 맞고 들어왔다\n\n[대화]\n"
        "1. 유저: 나 왔어!\n2. 엑사: *손을 흔들며* 왔어? 비 많이 맞았네."
    )


@pytest.mark.parametrize("scenario", ["", "{}", "[1]", "{", '{"situation": null}', "[" * 100_000])
def test_a_row_without_a_situation_is_asked_about_all_the_same(scenario: str) -> None:
    prompt = write_prompt(read_rubric(), make_dialogue(scenario), None)
    assert "[상황] (알려지지 않음)" in prompt.user
    assert "2. 페르소나: *손을 흔들며*" in prompt.user


def test_the_key_changes_with_all_that_decides_the_answer() -> None:
    keys = {
        make_key(CODE, Prompt(system, user), model, temperature, repetition)
        for system, user, model, temperature, repetition in (
            ("r", "d", "m", 0.0, 0),
            ("R", "d", "m", 0.0, 0),
            ("r", "D", "m", 0.0, 0),
            ("r", "d", "M", 0.0, 0),
            ("r", "d", "m", 1.0, 0),
            ("r", "d", "m", 0.0, 1),
        )
    }
    assert len(keys) == 6


def test_the_share_that_is_judged_twice_is_drawn_by_what_is_asked() -> None:
    prompts = [Prompt("r", f"대화 {number}") for number in range(2_000)]
    drawn = [is_drawn(prompt, 0.05) for prompt in prompts]
    assert 60 <= sum(drawn) <= 140
    assert drawn == [is_drawn(prompt, 0.05) for prompt in prompts]
    assert all(is_drawn(prompt, 1.0) for prompt in prompts)
    assert not any(is_drawn(prompt, 0.0) for prompt in prompts)


def test_a_judge_is_cold_and_brief_unless_told_otherwise() -> None:
    assert (SETTINGS.provider.temperature, SETTINGS.provider.max_completion_tokens) == (0.0, 1000)


@pytest.mark.parametrize(
    ("text", "line", "what", "hint"),
    [
        ("judge:\n  repeat: 0.1\n", 1, "`judge.provider` is missing", "add `provider: …`"),
        ("judge:\n  provider: {model: gpt-4o}\n  repaet: 0.1\n", 3, "unknown key `judge.repaet`", "`repeat`"),
        ("judge:\n  provider:\n    model: gpt-4o\n    rpmm: 3\n", 4, "unknown key `judge.provider.rpmm`", "`rpm`"),
        ("judge:\n  provider: {model: gpt-4o}\n  repeat: 2\n", 3, "`judge.repeat` is 2, expected a number", None),
        ("judge:\n  provider: {model: gpt-4o}\n  topic: {drop: 3, note: 2}\n", 3, "note 2 is below drop 3", None),
        ("judge:\n  provider: {model: gpt-4o}\n  rubric: 점수를 줘\n", 1, "the rubric does not mention", None),
        ("juge: {}\n", 1, "unknown key `juge`", "`judge`"),
    ],
)
def test_a_mistake_in_the_block_is_told_with_its_line(
    tmp_path: Path, text: str, line: int, what: str, hint: str | None
) -> None:
    with pytest.raises(SpecError) as caught:
        load_settings(write_settings(tmp_path, text))
    (problem,) = caught.value.problems
    assert problem.line == line
    assert what in problem.message
    assert hint is None or hint in (problem.hint or "")
