"""A persona that ends as somebody else is found in the window in which it does; one that stays itself is not."""

from collections.abc import Callable, Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from benchmarks.long_corpus import (
    PERSONAS,
    Talk,
    build_subject,
    chain_people,
    chain_simulated,
    draw_talk,
    draw_talks,
    slip_address,
    slip_directions,
    slip_length,
    slip_level,
    slip_self_form,
    slip_swap,
)
from curation.filter import decide
from curation.filters import persona_drift
from curation.filters.persona_drift import FILTER, Settings
from curation.finding import AtLeast, Finding, Observation
from curation.subject import PersonaSheet, SpeechLevel, Subject
from datagen.record import Message

SEEDS = range(30)


def find(subject: Subject, **limits: AtLeast | int) -> list[Finding]:
    own = Settings().model_copy(update=limits)
    return decide(FILTER.code, own, FILTER.measure(subject, own))


def draw(level: SpeechLevel, exchanges: int = 32) -> Talk:
    """The first talk in this level that is long enough, cut to so many exchanges, all with directions."""
    for seed in range(1_000):
        talk = draw_talk(seed, directed=1.0)
        if talk.level == level and len(talk.turns) >= exchanges:
            talk.turns, talk.begins = talk.turns[:exchanges], exchanges // 2
            return talk
    raise AssertionError("no talk is that long")


@pytest.mark.parametrize("level", ["banmal", "jondaetmal"])
@pytest.mark.parametrize(
    ("slip", "rule"),
    [
        (slip_level, "level"),
        (slip_directions, "directions"),
        (slip_address, "address"),
        (slip_length, "sentence_length"),
        (slip_self_form, "self_form"),
    ],
)
def test_a_drift_is_found_at_the_first_message_of_its_window(
    slip: Callable[[Talk], None], rule: str, level: SpeechLevel
) -> None:
    talk = draw(level)
    assert find(talk.build()) == []
    slip(talk)
    found = [each for each in find(talk.build()) if each.rule == rule]
    assert len(found) == 1
    assert found[0].verdict == "drop"
    assert found[0].message is not None
    assert found[0].message % 2 == 1
    assert abs(found[0].message // 2 - talk.begins) <= 4
    assert found[0].evidence.startswith(f"{found[0].message + 1}번째 말부터 ")


def test_a_last_quarter_in_the_other_level_is_found_though_it_hides_in_the_whole() -> None:
    talk = draw("jondaetmal")
    talk.begins = 26
    slip_level(talk)
    subject = talk.build()
    level = next(each for each in find(subject) if each.rule == "level")
    assert (level.verdict, level.message) == ("drop", 49)
    assert level.evidence == "50번째 말부터 존댓말이 반말로 바뀜: 문장의 73%가 반말 (처음에는 0%)"


def test_an_undeclared_level_is_read_off_the_first_window() -> None:
    talk = draw("banmal")
    slip_level(talk)
    messages = [Message(each.role, each.text) for each in talk.build().utterances]
    nobody = Subject.of(tuple(messages), None)
    unknown = Subject.of(tuple(messages), PersonaSheet("x", "아무개"))
    assert [each.rule for each in find(nobody)] == [each.rule for each in find(unknown)] == ["level"]


def test_a_persona_that_is_off_its_level_from_the_start_has_not_drifted() -> None:
    talk = draw("banmal")
    talk.begins = 0
    slip_level(talk)
    assert [each for each in find(talk.build()) if each.rule == "level"] == []


def test_a_habit_that_comes_back_is_not_lost() -> None:
    talk = draw("banmal")
    end = talk.turns[24:]
    talk.turns, talk.begins = talk.turns[:24], 8
    slip_directions(talk)
    talk.turns += end
    assert find(talk.build()) == []


def test_exclamation_marks_that_vanish_are_noted() -> None:
    talk = draw("banmal")
    for at, turn in enumerate(talk.turns):
        turn[1] = turn[1].replace("!", ".") + ("!" if at < 16 else "")
    found = find(talk.build())
    assert [(each.rule, each.verdict) for each in found] == [("marks", "note")]
    assert "느낌표 버릇이 사라짐: 처음에는 8번 가운데 8번, 여기서는 0번" in found[0].evidence


def test_two_words_for_oneself_are_one_in_jondaetmal() -> None:
    talk = draw("jondaetmal")
    for at, turn in enumerate(talk.turns):
        turn[1] += " 저는 그게 좋아요." if at < 16 else " 나는 그게 좋아요."
    assert [each for each in find(talk.build()) if each.rule == "self_form"] == []


def test_what_follows_a_swap_is_left_to_role_swap() -> None:
    talk = draw("banmal", 20)
    slip_swap(talk)
    assert find(talk.build()) == []


def test_of_fewer_than_two_windows_nothing_is_told() -> None:
    talk = draw("banmal", 20)
    talk.turns, talk.begins = talk.turns[:15], 5
    slip_level(talk)
    assert list(FILTER.measure(talk.build(), Settings())) == []


def test_a_window_of_three_turns_is_refused() -> None:
    with pytest.raises(ValidationError):
        Settings(window=3)


@pytest.mark.parametrize("clean", [draw_talks, chain_people, chain_simulated])
def test_of_clean_long_dialogues_none_is_dropped(clean: Callable[[int], Iterable[Subject]]) -> None:
    told = [each for subject in clean(100) for each in find(subject) if each.verdict == "drop"]
    assert told == []


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(alphabet="가나저 엑사{유저}는.!?*~ㅋㅎ\n요다", max_size=30), min_size=40, max_size=60))
def test_it_answers_for_any_dialogue(texts: list[str]) -> None:
    subject = build_subject([list(pair) for pair in zip(texts[::2], texts[1::2], strict=False)], PERSONAS["banmal"])
    seen: list[Observation] = list(persona_drift.measure(subject, Settings()))
    persona = {each.index for each in subject.persona_utterances}
    assert all(each.message in persona and each.score > 0 for each in seen)
    assert len({each.rule for each in seen}) == len(seen)
