"""A long dialogue that goes in circles is told of once for each circle; a long one that does not, never."""

from collections import Counter
from collections.abc import Callable, Iterable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from benchmarks.long_corpus import (
    PERSONAS,
    Talk,
    build_subject,
    chain_people,
    chain_simulated,
    draw_talk,
    draw_talks,
    slip_farewell,
    slip_question,
    slip_rounds,
    slip_saying,
)
from curation.filter import decide
from curation.filters.repetition import FILTER, Settings
from curation.finding import Finding
from curation.signs.circles import list_circles
from curation.signs.rounds import ALIKE, find_rounds, sort_by_kind
from curation.subject import Subject

CIRCLES = ("rounds", "said_again", "asked_again", "farewell")


def find(subject: Subject) -> list[Finding]:
    return decide(FILTER.code, Settings(), FILTER.measure(subject, Settings()))


@pytest.mark.parametrize(
    ("slip", "rule"),
    [
        (slip_rounds, "rounds"),
        (slip_question, "asked_again"),
        (slip_saying, "said_again"),
        (slip_farewell, "farewell"),
    ],
)
def test_a_circle_is_found_and_told_once(slip: Callable[[Talk], None], rule: str) -> None:
    missed, twice = [], []
    for seed in range(30):
        talk = draw_talk(seed)
        slip(talk)
        found = find(talk.build())
        missed += [seed] if not any(each.rule == rule and each.verdict == "drop" for each in found) else []
        twice += [seed] if len(found) > 1 else []
    assert missed == []
    assert len(twice) <= 2, twice


def test_an_exchange_that_goes_round_is_named_with_its_times() -> None:
    turns = draw_talk(1).turns[:10]
    subject = build_subject([*turns[:6], *turns[4:6], *turns[4:6], *turns[6:]], PERSONAS["banmal"])
    (found,) = list_circles(subject.utterances)
    assert (found.rule, found.score, found.messages) == ("rounds", 3, tuple(range(8, 20)))
    assert found.evidence.startswith("9번째 말부터 주고받는 말 4마디가 3번 되풀이됨: ")


def test_a_game_of_three_rounds_is_no_circle_and_four_are() -> None:
    turns = draw_talk(1).turns[:10]
    game = ["가위바위보 한 판 더!", "좋아, 가위바위보! 나는 또 바위 낼 거야."]
    three, four = (build_subject([*turns, *[game] * times], PERSONAS["banmal"]) for times in (3, 4))
    assert "rounds" not in {each.rule for each in list_circles(three.utterances)}
    assert "rounds" in {each.rule for each in list_circles(four.utterances)}


def test_a_goodbye_of_six_turns_is_none_too_many() -> None:
    talk = draw_talk(1)
    talk.turns += [["이제 잘게", "응, 잘 자!"], ["너도 좋은 꿈 꿔", "내일 봐."], ["응 내일 봐", "푹 쉬어!"]]
    assert find(talk.build()) == []


def test_affection_may_come_again() -> None:
    talk = draw_talk(1)
    for at in (2, 7, 12, 17):
        talk.turns[at] = ["보고 싶어 정말로", talk.turns[at][1]]
    assert list_circles(talk.build().utterances) == []


def test_a_short_dialogue_goes_in_no_circles() -> None:
    turn = ["오늘 저녁은 뭐 먹을까?", "떡볶이에 순대 어때, 매운 걸로!"]
    assert list_circles(build_subject([turn] * 7, PERSONAS["banmal"]).utterances) == []


@pytest.mark.parametrize("clean", [draw_talks, chain_people, chain_simulated])
def test_clean_long_dialogues_go_in_no_circles(clean: Callable[[int], Iterable[Subject]]) -> None:
    told = Counter(each.rule for subject in clean(100) for each in find(subject) if each.verdict == "drop")
    assert sum(told[rule] for rule in CIRCLES) == 0, told


def _compare_all(subject: Subject) -> list[int]:
    """The first of each kind, by comparing each with every first before it."""
    pairs = [frozenset(map("".join, zip(each.text, each.text[1:], strict=False))) for each in subject.utterances]
    kinds: list[int] = []
    for index, own in enumerate(pairs):
        roles = subject.utterances
        near = (
            first
            for first in dict.fromkeys(kinds)
            if roles[first].role == roles[index].role and len(own & pairs[first]) >= ALIKE * len(own | pairs[first])
        )
        kinds.append(min(near, default=index))
    return kinds


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(alphabet="가나다라마", min_size=2, max_size=8), min_size=4, max_size=24))
def test_kinds_are_those_that_comparing_all_would_find(texts: list[str]) -> None:
    pairs = [list(pair) for pair in zip(texts[::2], texts[1::2], strict=False)]
    subject = build_subject(pairs, PERSONAS["banmal"])
    assert sort_by_kind(subject.utterances) == _compare_all(subject)


@given(st.lists(st.integers(0, 2), max_size=60))
@example([0] * 40)
def test_rounds_are_apart_and_true(kinds: list[int]) -> None:
    seen: set[int] = set()
    for each in find_rounds(kinds, 3):
        own = range(each.start, each.end)
        assert seen.isdisjoint(own)
        seen.update(own)
        assert all(kinds[at] == kinds[at + each.period] for at in range(each.start, each.end - each.period))
        assert len(own) >= each.times * each.period
        assert each.times >= 3
