"""The filters of marks and phrases: they answer for any dialogue, and name a place that exists."""

import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curation.filter import Filter, decide
from curation.filters import assistant_tell, emoji, label_leak, name, stage_direction
from curation.filters.word_file import read_words
from curation.subject import PersonaSheet, Subject
from datagen.record import Message, Role, clean_text

MARKS: tuple[Filter[Any], ...] = (
    emoji.FILTER,
    stage_direction.FILTER,
    label_leak.FILTER,
    name.FILTER,
    assistant_tell.FILTER,
)
EXA = PersonaSheet("exa", "엑사", "banmal", system_prompt="정식 이름은 엑사걸(EXAGIRL)이다.")
PIECES = (
    *("*", "**", "***", "*웃으며*", "{유저}", "{이름}", "은(는)", "너를", "네 손", "지수야", "민준아,", "씨"),
    *("내 이름은", "나는", "이야.", "엑사:", "**User**:", "<|im_start|>", "[|user|]", "[", "](", "<b", ">", "`"),
    *("__", "~~", "#", "- ", "|", "\n", " ", "AI 언어 모델로서", "죄송하지만", "할 수 없습니다", "도움이 되셨나요?"),
    *("\u200d", "\ufe0f", "👩", "❤", "1\u20e3", '{"role": "', "안녕!", "ㅋㅋ", "\ud800", "\x00"),
)
LONG = (
    "* ",
    "*** ",
    "1* ",
    "*웃으며 ",
    "[가",
    "{가",
    "__가",
    "`가",
    "- ",
    " ",
    "\n",
    "❤",
    "나 지수야 ",
    "엑사: ",
    "죄송하지만 ",
)
TEXT = st.one_of(st.text(max_size=60), st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
PERSONA = st.one_of(
    st.none(),
    st.just(EXA),
    st.builds(PersonaSheet, id=st.just(""), name=TEXT, user_placeholder=TEXT, system_prompt=TEXT),
)


def ask(filter_: Filter[Any], turns: list[str], persona: PersonaSheet | None = EXA) -> tuple[Subject, list[Any]]:
    roles: tuple[Role, Role] = ("user", "assistant")
    subject = Subject.of(tuple(Message(roles[at % 2], turn) for at, turn in enumerate(turns)), persona)
    seen = list(filter_.measure(subject, filter_.settings()))
    decide(filter_.code, filter_.settings(), seen)
    return subject, seen


@pytest.mark.parametrize("filter_", MARKS, ids=lambda each: each.code)
@settings(max_examples=150, deadline=None)
@given(turns=st.lists(TEXT, max_size=6), persona=PERSONA)
def test_it_answers_for_any_dialogue(filter_: Filter[Any], turns: list[str], persona: PersonaSheet | None) -> None:
    subject, seen = ask(filter_, turns, persona)
    for each in seen:
        assert each.evidence
        assert each.message is not None
        assert 0 <= each.start < each.end <= len(subject.utterances[each.message].text)
        assert len(each.evidence) <= 160


@pytest.mark.parametrize("filter_", MARKS, ids=lambda each: each.code)
@settings(max_examples=80, deadline=None)
@given(turns=st.lists(TEXT, max_size=4), persona=PERSONA)
def test_it_says_the_same_twice(filter_: Filter[Any], turns: list[str], persona: PersonaSheet | None) -> None:
    turns = [clean_text(turn) for turn in turns]
    assert ask(filter_, turns, persona)[1] == ask(filter_, turns, persona)[1]


@pytest.mark.parametrize("filter_", MARKS, ids=lambda each: each.code)
@pytest.mark.parametrize("piece", LONG)
@pytest.mark.timeout(60)
def test_a_megabyte_of_one_thing_is_read_in_linear_time(filter_: Filter[Any], piece: str) -> None:
    """A quadratic search would need hours here; the suite's own time limit is the judge."""
    text = clean_text(piece * (330_000 // len(piece)))
    ask(filter_, [text, text])


@pytest.mark.parametrize("filter_", MARKS, ids=lambda each: each.code)
def test_ten_thousand_turns_are_read(filter_: Filter[Any]) -> None:
    subject, seen = ask(filter_, ["엑사야, 나 왔어", "*손을 흔들며* 어서 와!"] * 5_000)
    assert len(subject.utterances) == 10_000
    assert seen == []


@pytest.mark.parametrize(
    "phrase", read_words("assistant-tell", assistant_tell.Words).phrases, ids=lambda each: each.what
)
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_a_phrase_always_contains_its_key(phrase: assistant_tell.PhraseForm, data: st.DataObject) -> None:
    """A phrase whose key is absent from a dialogue is not looked for."""
    found = re.search(phrase.pattern, data.draw(st.from_regex(phrase.pattern)))
    assert found is not None
    assert phrase.key in found[0]


def test_names_are_of_two_syllables_and_end_in_a_way_that_only_a_call_can_follow() -> None:
    words = read_words("name", name.Words)
    assert words.given.isdisjoint(words.ambiguous)
    assert {each for each in words.given | words.ambiguous if len(each) != 2 or each.endswith("이")} == set()
