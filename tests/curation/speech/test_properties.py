"""Promises of the sentence judge: it answers for any text, its places hold, a megabyte too."""

import multiprocessing
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from curation.speech.ending import TABLE, load_endings
from curation.speech.level import judge_sentences

LABELS = Path(__file__).parent
KOREAN = st.text(
    st.sampled_from(
        "가나다라마바사아자야요니네지어해죠까군음함ㅋㅎㅠㅇ엌당용 \n.,!?~…'\"“”‘’「」()*^;aT3\ue000\u1100\u1161"
    ),
    max_size=80,
)
MEGABYTE = 350_000
"""Characters: Korean text of a megabyte in UTF-8."""


@settings(deadline=None, max_examples=150)
@given(st.one_of(KOREAN, st.text(max_size=60)))
def test_it_answers_for_any_text_with_places_that_hold(text: str) -> None:
    told = judge_sentences(text)
    borders = [border for each in told for border in (each.start, each.end)]
    assert borders == sorted(borders)
    assert all(0 <= each.start < each.end <= len(text) for each in told)
    assert all(text[each.start : each.end].strip() == text[each.start : each.end] for each in told)
    assert all(0 <= each.confidence <= 1 for each in told)
    assert all(each.by is not None for each in told if each.level is not None)


@settings(deadline=None, max_examples=50)
@given(KOREAN)
def test_it_says_the_same_twice(text: str) -> None:
    assert judge_sentences(text) == judge_sentences(text)


@pytest.mark.parametrize(
    "unit",
    [
        "오늘은 정말 좋은 날이었어요 ",
        "갔어. ",
        "“",
        "'",
        '"',
        "(",
        "ㅋ",
        "…",
        "그래 ㅋㅋ ",
        "가,",
        "아",
        "   ",
        "멋짐. ",
        "\n",
    ],
)
def test_a_megabyte_is_answered(unit: str) -> None:
    text = (unit * (MEGABYTE // len(unit) + 1))[:MEGABYTE]
    told = judge_sentences(text)
    assert all(each.end <= len(text) for each in told)


def test_morphology_answers_in_a_forked_process_too() -> None:
    here = judge_sentences("그게 더 반갑대.")
    assert here[0].by == "kiwi"
    with multiprocessing.get_context("fork").Pool(1) as pool:
        assert pool.apply_async(judge_sentences, ("그게 더 반갑대.",)).get(timeout=60) == here


def test_no_ending_stands_in_the_table_twice() -> None:
    table = YAML(typ="safe").load(TABLE.read_text(encoding="utf-8"))
    forms = [form for group in table["endings"] for form in group["forms"].split()]
    assert sorted({form for form in forms if forms.count(form) > 1}) == []


def test_every_form_of_the_table_is_composed() -> None:
    text = TABLE.read_text(encoding="utf-8")
    assert unicodedata.normalize("NFC", text) == text


def test_the_table_is_read_once() -> None:
    assert load_endings() is load_endings()


@pytest.mark.parametrize(
    ("name", "least_right", "least_decided"),
    [
        ("dev", 0.995, 0.99),
        ("spellings", 0.97, 0.9),
        ("held_out", 0.995, 0.98),
        ("held_out_2", 0.995, 0.98),
        ("held_out_3", 0.995, 0.99),
        ("held_out_4", 0.995, 0.99),
    ],
)
def test_labelled_sentences_are_told(name: str, least_right: float, least_decided: float) -> None:
    rows = [line.split("\t") for line in (LABELS / f"{name}.tsv").read_text(encoding="utf-8").splitlines()[1:]]
    levelled = [(text, level) for _, _, text, level in rows if level != "none"]
    told = [(pick_level(text), level) for text, level in levelled]
    decided = [(found, level) for found, level in told if found is not None]
    assert len(decided) / len(told) >= least_decided
    assert sum(found == level for found, level in decided) / len(decided) >= least_right


def pick_level(text: str) -> str | None:
    told = [each for each in judge_sentences(text) if each.level is not None]
    return max(told, key=lambda each: (each.confidence > 0.85, each.start)).level if told else None
