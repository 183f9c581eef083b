"""Who writes whose part is found in long dialogues, and what people and the simulator write is left alone."""

from collections.abc import Callable, Iterable

import pytest

from benchmarks.long_corpus import (
    PERSONAS,
    build_subject,
    chain_people,
    chain_simulated,
    draw_talk,
    draw_talks,
    slip_asking,
    slip_placeholder,
    slip_swap,
)
from curation.filter import decide
from curation.filters import name
from curation.filters.role_swap import FILTER, Settings
from curation.finding import Finding
from curation.signs.swap import find_swap
from curation.subject import Subject


def find(subject: Subject) -> list[Finding]:
    return decide(FILTER.code, Settings(), FILTER.measure(subject, Settings()))


def test_speakers_that_change_places_are_told_of_once_at_the_first_message() -> None:
    for seed in range(30):
        talk = draw_talk(seed, directed=1.0)
        slip_swap(talk)
        (found,) = find(talk.build())
        assert (found.rule, found.verdict, found.message) == ("swapped", "drop", 2 * talk.begins)


@pytest.mark.parametrize(("slip", "rule"), [(slip_placeholder, "user_as_persona"), (slip_asking, "persona_as_user")])
def test_one_line_of_the_others_is_found_in_a_long_dialogue(slip: Callable[..., None], rule: str) -> None:
    for seed in range(30):
        talk = draw_talk(seed)
        slip(talk)
        (found,) = find(talk.build())
        place = 2 * talk.begins + (rule == "persona_as_user")
        assert (found.rule, found.verdict, found.message) == (rule, "drop", place)


@pytest.mark.parametrize("speaker", [0, 1])
def test_one_speaker_alone_that_changes_has_not_swapped(speaker: int) -> None:
    turns = [["오늘 뭐 해요?", "*웃으며* 너 기다렸지."] for _ in range(8)]
    turns += [["오늘 뭐 해요?", "*웃으며* 너 기다렸지."] for _ in range(8)]
    for turn in turns[8:]:
        turn[speaker] = ("*웃으며* 오늘 뭐 해?", "당신을 기다렸어요.")[speaker]
    assert find_swap(build_subject(turns, PERSONAS["banmal"])) is None


def test_a_users_own_name_that_everybody_knows_is_left_to_the_filter_of_names() -> None:
    turns = [["내 이름은 민준이야", "반가워!"], ["민준아, 뭐 해?", "책 읽고 있었어."]]
    subject = build_subject(turns, PERSONAS["banmal"])
    assert find(subject) == []
    assert [each.rule for each in name.FILTER.measure(subject, name.Settings())] == ["persona_called"]


@pytest.mark.parametrize("clean", [draw_talks, chain_people, chain_simulated])
def test_in_clean_long_dialogues_nobody_swaps(clean: Callable[[int], Iterable[Subject]]) -> None:
    assert [each for subject in clean(200) for each in find(subject)] == []
