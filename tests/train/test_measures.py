"""Measures of replies, against values counted by hand."""

from pathlib import Path

import numpy as np
import pytest

from curation.report.diversity import measure_distinct
from curation.settings import CurationSettings
from curation.subject import PersonaSheet
from datagen.spec import Persona
from train.bootstrap import draw_weights, estimate
from train.measures import BETTER, Said, load_rules, measure_replies, measure_variety

EXA = PersonaSheet("exa", "엑사", "banmal")
HAJUN = PersonaSheet("hajun", "하준", "jondaetmal")


def measure(*texts: str, persona: PersonaSheet | None = EXA, asked: str = "오늘 뭐 했어?") -> dict[str, float]:
    said = [Said(asked, each, persona) for each in texts]
    measures = measure_replies(said, CurationSettings(), ["[|user|]", "[|endofturn|]"])
    assert list(measures) == list(BETTER)
    with np.errstate(invalid="ignore"):
        return {name: float(each.tops.sum() / each.bottoms.sum()) for name, each in measures.items()}


def test_the_share_in_the_personas_speech_level() -> None:
    texts = ("*밝게 웃으며* 도서관에서 책 읽었어!", "저는 도서관에서 책을 읽었습니다.", "책 읽었어. 재미있었습니다.")
    assert measure(*texts)["speech_level"] == pytest.approx(1 / 3)
    assert measure(*texts, persona=HAJUN)["speech_level"] == pytest.approx(1 / 3)


@pytest.mark.parametrize("text", ["", "*웃으며*", "the the the", "도서관 책 오늘"])
def test_a_reply_without_any_speech_level_does_not_pass_for_one_in_it(text: str) -> None:
    assert measure(text)["speech_level"] == 0


def test_the_form_of_stage_directions_and_how_many_replies_have_one() -> None:
    texts = ("*손을 흔들며* 어서 와!", "*웃으며 어서 와!", "어서 와!", "*너를 바라보며* 어서 와!", "# 인사\n어서 와!")
    found = measure(*texts)
    assert found["direction_form"] == pytest.approx(1 / 4)  # the third has none that could be wrong
    assert found["direction_share"] == pytest.approx(2 / 5)


def test_what_the_user_wrote_is_not_held_against_the_model() -> None:
    found = measure("*웃으며* 난 책 읽었어!", asked="user: **야** *뭐 해 <br>")
    assert (found["direction_form"], found["role_leak"]) == (1, 0)


def test_leaked_labels_and_special_tokens() -> None:
    texts = ("그래, 좋아!\nuser: 뭐가?", "그래[|user|]뭐가?", "그래, 좋아!", "시간은 3:30이야.")
    assert measure(*texts)["role_leak"] == pytest.approx(2 / 4)


def test_talk_of_an_assistant() -> None:
    texts = ("저는 AI 언어 모델로서 감정이 없습니다.", "나는 AI라서 밥은 못 먹지만 같이 있어 줄게!")
    assert measure(*texts)["assistant_tell"] == pytest.approx(1 / 2)


def test_loops_and_what_is_said_again_in_a_reply() -> None:
    found = measure("사랑해 " * 30, "오늘은 같이 산책하러 가자.")
    assert found["loops"] == pytest.approx(1 / 2)
    assert found["seq_rep_4"] == pytest.approx(26 / (27 + 1))  # of 30 words 27 grams, all alike; of 4 words one


def test_variety_counts_words_over_all_replies() -> None:
    found = measure("응 그래 응", "응 좋아")
    assert found["distinct_1"] == pytest.approx(3 / 5)
    assert found["distinct_2"] == pytest.approx(3 / 3)
    assert found["characters"] == pytest.approx((6 + 4) / 2)


def test_the_interval_of_variety_lies_around_it_though_prompts_are_drawn_twice() -> None:
    randomness = np.random.default_rng(0)
    texts = [[f"말{each}" for each in randomness.zipf(1.6, 12)] for _ in range(60)]
    found = estimate(measure_variety(texts, 2), draw_weights(60, seed=0, draws=2_000))
    assert found is not None
    assert found.value == pytest.approx(measure_distinct(texts, 2))
    assert found.low < found.value < found.high
    plain = [measure_distinct([texts[at] for at in randomness.integers(0, 60, 60)], 2) for _ in range(200)]
    assert np.quantile(plain, 0.975) < found.value  # what a plain bootstrap would say: below the figure itself


def test_the_influence_of_a_text_is_what_leaving_it_out_changes() -> None:
    texts = [["응", "그래"], ["응", "응"], ["좋아"]]
    without = [measure_distinct(texts[:at] + texts[at + 1 :], 1) for at in range(3)]
    found = measure_variety(texts, 1)
    assert found.tops == pytest.approx(3 / 5 + 2 * (np.mean(without) - np.array(without)))


def test_where_nothing_is_said_variety_cannot_be_told() -> None:
    assert estimate(measure_variety([[], ["응"]], 2), draw_weights(2, seed=0, draws=10)) is None


def test_a_run_brings_its_own_personas_and_limits(built_run: Path, tmp_path: Path) -> None:
    other = Persona(id="hajun", name="하준", age=29, speech_level="jondaetmal", system_prompt="너는 하준이다.")
    assert set(load_rules(built_run, other).sheets) == {"exa", "hajun"}
    assert load_rules(built_run, other).sheets["exa"].speech_level == "banmal"
    assert load_rules(tmp_path, other).sheets["hajun"].name == "하준"
    strict = "filters:\n  assistant-tell: {enabled: true, phrase: {drop: 0.5}}\n"
    (tmp_path / "curation.yaml").write_text(strict, encoding="utf-8")
    rules = load_rules(tmp_path, other)
    said = [Said("고마워", "도움이 됐길 바라.", EXA)]
    settings = (rules.settings, CurationSettings())
    found = [measure_replies(said, each, [])["assistant_tell"].tops.sum() for each in settings]
    assert found == [1, 0]
