"""Diversity: hand-computed values, and a slow BLEU to hold the fast one against."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.report import diversity
from curation.report.build import build_report
from curation.report.input import ReportInput
from datagen.record import Dialogue


def test_distinct_is_the_share_of_different_ngrams() -> None:
    texts = [["비가", "와", "비가", "와"], ["비가", "그쳤어"]]
    assert diversity.measure_distinct(texts, 1) == 3 / 6
    assert diversity.measure_distinct(texts, 2) == 3 / 4  # none runs over the end of a text
    assert diversity.measure_distinct([], 1) == 0


def _score_slowly(texts: Sequence[Sequence[str]], at: int) -> float:
    """BLEU-4 of one text with all others as references, straight from its definition (method 1 for zeros)."""
    own = texts[at]
    others = [text for place, text in enumerate(texts) if place != at]
    logs = []
    for size in range(1, 5):
        grams = Counter(zip(*(own[start:] for start in range(size)), strict=False))
        references = [Counter(zip(*(text[start:] for start in range(size)), strict=False)) for text in others]
        matched = sum(min(count, max(each[gram] for each in references)) for gram, count in grams.items())
        if total := grams.total():
            logs.append(math.log((matched or 0.1) / total))
    closest = min((abs(len(text) - len(own)), len(text)) for text in others)[1]
    return math.exp(sum(logs) / len(logs) + min(0, 1 - closest / len(own)))


@given(st.lists(st.lists(st.sampled_from("가나다라"), min_size=1, max_size=9), min_size=2, max_size=7))
def test_self_bleu_is_the_mean_bleu_against_all_others(texts: list[list[str]]) -> None:
    slow = sum(_score_slowly(texts, at) for at in range(len(texts))) / len(texts)
    assert diversity.measure_self_bleu(texts) == pytest.approx(slow, rel=1e-9)


def test_self_bleu_of_copies_is_one_and_of_one_text_nothing() -> None:
    text = ["오늘", "날씨가", "정말", "좋다", "그치"]
    assert diversity.measure_self_bleu([text, text, text]) == pytest.approx(1)
    assert diversity.measure_self_bleu([text]) == 0
    assert diversity.measure_self_bleu([[], []]) == 0


def test_near_duplicates_are_found_by_true_similarity() -> None:
    line = "주말에는 도서관에서 같이 책 읽을까? 창가 자리 좋더라"
    texts = [line, line.replace("창가", "구석"), "저녁은 뜨끈한 국밥이 최고지. 깍두기 많이 주는 집으로 가자", "ㅋㅋ"]
    assert diversity.measure_near_duplicates(texts, 0.5) == 0.5
    assert diversity.measure_near_duplicates(texts, 0.95) == 0
    assert diversity.measure_near_duplicates(["ㅋㅋ", "ㅋㅋ"], 0.5) == 0  # too short to have a 3-gram
    assert diversity.measure_near_duplicates([line], 0.5) == 0


def test_openings_count_as_kinds(make_dialogue: Callable[..., Dialogue]) -> None:
    openings = ["나 왔어 배고파", "나 왔어 졸려", "오늘 뭐 했어?", "있잖아 나 고민 있어"]
    dialogues = [
        make_dialogue(str(at), "일상 대화", text, "*손을 흔들며* 어서 와!") for at, text in enumerate(openings)
    ]
    measures = diversity.measure_diversity(dialogues, dialogues, 0.5)
    assert measures["opening_bits"] == 1.5  # one of two in four, two of one
    assert measures["opening_kinds"] == round(2**1.5, 1)
    assert (measures["reply_bits"], measures["reply_kinds"]) == (0, 1)  # the stage direction is no opening


def test_both_sides_are_measured_on_the_same_number(small: ReportInput, make_dialogue: Callable[..., Dialogue]) -> None:
    plain = [make_dialogue(f"p{at}", "일상 대화", "오늘 어땠어?", "좋았어! 너는?") for at in range(3)]
    told = build_report(replace(small, baseline=plain))["diversity"]
    assert told["this"] is not None
    assert told["baseline"] is not None
    assert told["this"]["dialogues"] == told["baseline"]["dialogues"] == 3
    assert told["baseline"]["near_duplicates"] == 1
    assert told["baseline"]["self_bleu"] > 0.9 > told["this"]["self_bleu"]
    assert told["baseline"]["compression_ratio"] > told["this"]["compression_ratio"]


def test_coverage_counts_values_against_the_spec(small: ReportInput) -> None:
    declared = {
        "일상 대화": {"situation": ["a1", "a2", "a3", "a9"], "장소": ["도서관", "카페"]},
        "보고 싶다는 표현": {"situation": ["b1", "b2"]},
    }
    coverage = build_report(replace(small, declared=declared))["diversity"]["coverage"]
    assert coverage is not None
    assert coverage["from_spec"]
    assert (coverage["dialogues"], coverage["combinations"]) == (4, 4)
    assert {row["name"]: (row["used"], row["available"]) for row in coverage["rows"]} == {
        "situation": (4, 6),
        "장소": (1, 2),
    }


def test_coverage_without_a_spec_is_of_all_rows(small: ReportInput) -> None:
    coverage = build_report(small)["diversity"]["coverage"]
    assert coverage is not None
    assert not coverage["from_spec"]
    assert {row["name"]: (row["used"], row["available"]) for row in coverage["rows"]} == {
        "situation": (4, 8),
        "opening": (2, 2),
        "장소": (2, 2),
    }


@pytest.mark.parametrize("scenario", ["", "{}", "null", "[1]", "{not json", '{"facets": 3, "opening": null}'])
def test_rows_without_a_scenario_have_no_coverage(
    scenario: str,
    make_input: Callable[..., ReportInput],
    make_dialogue: Callable[..., Dialogue],
    decide: Callable[..., object],
) -> None:
    dialogue = make_dialogue("x", "", "나 왔어", "어서 와!", scenario=scenario)
    assert build_report(make_input([dialogue], [decide(dialogue)], []))["diversity"]["coverage"] is None
