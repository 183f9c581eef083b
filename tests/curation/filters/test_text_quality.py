"""What holds for script, language, repetition, length and unfinished on any dialogue, and near their limits."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.filter import Filter, decide
from curation.filters import language, length, repetition, script, unfinished
from curation.finding import Finding, Observation
from curation.signs.lone_jamo import find_lone_jamo
from curation.subject import PersonaSheet, Subject
from datagen.record import Message, Role, clean_text

FILTERS: tuple[Filter[Any], ...] = (
    script.FILTER,
    language.FILTER,
    repetition.FILTER,
    length.FILTER,
    unfinished.FILTER,
)
PERSONA = PersonaSheet("exa", "엑사", "banmal")
WORDS = [
    "안녕",
    "보고 싶어",
    "*밝게 웃으며* ",
    "*고개를 끄",
    "{유저}",
    "그리고",
    "나는",
    "를",
    "할 수",
    "love you so much",
    "saranghae",
]
ODDITIES = ["ㅋㅋㅋ", "ㅠㅠ", "ㅇㅋ", "녀ㅇ", "그래ㅓ", "뷁", "愛", "の", "очень", "π", "\ufffd", "ᄒᆞᆫ", "ìë"]
PIECES = [*WORDS, *ODDITIES, *"…!?,\n ()\"“”*'"]
TEXTS = st.text() | st.lists(st.sampled_from(PIECES), max_size=30).map("".join)


def make_subject(turns: list[str], first: int = 0) -> Subject:
    roles: tuple[Role, Role] = ("user", "assistant")
    messages = tuple(Message(roles[(index + first) % 2], clean_text(turn)) for index, turn in enumerate(turns))
    return Subject.of(messages, PERSONA)


def observe(filter_: Filter[Any], subject: Subject) -> list[Observation]:
    return list(filter_.measure(subject, filter_.settings()))


def judge(filter_: Filter[Any], *turns: str) -> list[Finding]:
    subject = make_subject(list(turns))
    return decide(filter_.code, filter_.settings(), observe(filter_, subject))


@pytest.mark.parametrize("filter_", FILTERS, ids=lambda each: each.code)
@settings(max_examples=60, deadline=None)
@given(turns=st.lists(TEXTS, max_size=8), first=st.integers(0, 1))
def test_it_answers_for_any_dialogue(filter_: Filter[Any], turns: list[str], first: int) -> None:
    subject = make_subject(turns, first)
    limits = filter_.settings().list_limits()
    for each in observe(filter_, subject):
        assert each.rule in limits
        assert each.evidence
        if each.start is not None:
            assert each.message is not None
            assert each.end is not None
            assert 0 <= each.start <= each.end <= len(subject.utterances[each.message].text)


@pytest.mark.parametrize("filter_", FILTERS, ids=lambda each: each.code)
def test_it_sees_the_same_twice(filter_: Filter[Any]) -> None:
    turns = [
        "나 왔어 ㅋㅋ",
        "어서 와, 너무 開心해! 그리고",
        "I was thinking about you all day",
        "나는 네 생각을 하고 있",
    ]
    assert observe(filter_, make_subject(turns)) == observe(filter_, make_subject(turns))


@pytest.mark.parametrize("filter_", FILTERS, ids=lambda each: each.code)
@pytest.mark.parametrize("piece", ["오늘 뭐 했어? 나는 책 읽었어. ", "ㅏㅇ", "ë½", "' \"", "사랑해 "])
def test_a_megabyte_is_read_in_one_go(filter_: Filter[Any], piece: str) -> None:
    observe(filter_, make_subject(["응", piece * (1_000_000 // len(piece))]))


@pytest.mark.timeout(60)
@pytest.mark.parametrize("filter_", FILTERS, ids=lambda each: each.code)
@pytest.mark.parametrize("turn", ["번째 말이야. 듣고 있어?", " 好 очень", " I really love you so much, you know"])
def test_ten_thousand_turns_are_read(filter_: Filter[Any], turn: str) -> None:
    observe(filter_, make_subject([f"{index}{turn}" for index in range(10_000)]))


@pytest.mark.parametrize("filter_", FILTERS, ids=lambda each: each.code)
def test_a_clean_dialogue_gives_nothing(filter_: Filter[Any]) -> None:
    turns = [
        "엑사야, 나 우산 또 잃어버렸어. 올해만 벌써 세 번째야 ㅠㅠ",
        "*눈을 동그랗게 뜨며* 헐, 세 번째라고? 우산들이 단체로 가출한 거 아니야? ㅎㅎ\n지금 비 맞고 있는 건 아니지?",
        "편의점까지 뛰어왔어. 비닐우산 하나가 8,000원이래ㅋㅋ",
        "*{유저}의 어깨를 톡톡 두드리며* 우산 마지막으로 본 데가 어디야? 계산대나 버스 좌석 같은 데 말이야~",
    ]
    assert observe(filter_, make_subject(turns)) == []


def test_a_looser_limit_keeps_what_the_default_drops() -> None:
    subject = make_subject(["오늘 어땠어?", "너무 開心해!"])
    observations = observe(script.FILTER, subject)
    loose = script.Settings.model_validate({"foreign": {"drop": 3, "note": 1}})
    assert [each.verdict for each in decide("script", loose, observations)] == ["note"]


def test_talk_of_a_language_explains_foreign_letters_only_from_there_on() -> None:
    before = judge(script.FILTER, "안녕", "好!", "중국어 공부해?", "응, 요즘 시작했어.")
    after = judge(script.FILTER, "중국어 공부해?", "응! 好는 좋다는 뜻이야.")
    assert [each.verdict for each in before] == ["drop"]
    assert [each.verdict for each in after] == ["note"]


@given(st.text(alphabet="ㅋㅎㅠㅜ", min_size=1, max_size=60))
def test_laughter_is_never_a_lone_letter(laughter: str) -> None:
    assert list(find_lone_jamo(f"진짜 {laughter} 웃겨{laughter}", frozenset(), frozenset())) == []


def test_a_slip_of_the_users_is_noted_and_the_personas_is_dropped() -> None:
    assert [each.verdict for each in judge(script.FILTER, "그래ㅓ서 뭐래?", "아무 말도 안 했어.")] == ["note"]
    assert [each.verdict for each in judge(script.FILTER, "뭐래?", "그래ㅓ서 아무 말도 안 했어.")] == ["drop"]


def test_a_dialogue_of_two_hundred_and_one_messages_is_too_long() -> None:
    turns = [f"{index}번째 말이야" for index in range(201)]
    assert [(each.rule, each.verdict) for each in judge(length.FILTER, *turns)] == [("too_many_turns", "drop")]
    assert [(each.rule, each.verdict) for each in judge(length.FILTER, *turns[:122])] == [("too_many_turns", "note")]
    assert not judge(length.FILTER, *turns[:120])  # the longest that a spec may ask for


@given(st.integers(2, 30))
def test_more_repeats_never_score_lower(times: int) -> None:
    def score(count: int) -> float:
        turns = [turn for index in range(count) for turn in (f"{index}번째로 물어볼게", "네, 알겠습니다.")]
        found = observe(repetition.FILTER, make_subject([*turns, "왜 그래?", "미안해, 잠깐 딴생각을 했어."]))
        told = {each.rule: each.score for each in found}
        # In a long dialogue it is the exchange that comes again, and worse by its number than any share.
        return told.get("rounds", told.get("repeated_lines", 0.0))

    assert score(times + 1) >= score(times)


def test_only_the_last_turn_is_dropped_for_stopping_short() -> None:
    assert [
        each.verdict for each in judge(unfinished.FILTER, "뭐 해?", "책 읽는데 네가 좋아하는", "응?", "아니야.")
    ] == ["note"]
    assert [each.verdict for each in judge(unfinished.FILTER, "뭐 해?", "책 읽는데 네가 좋아하는")] == ["drop"]
