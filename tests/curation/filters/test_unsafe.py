"""unsafe answers for any text, names the very characters, finds every word of its lexicon, and stays linear."""

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curation.filters import unsafe
from curation.finding import Observation
from curation.signs.disguise import undo_disguise
from curation.signs.lexicon import NOISE, load_lexicon
from curation.subject import Subject
from datagen.record import Message, clean_text

LEADS = "ㄱㄲㄴㄷㄸㄹㅁㅂㅃㅅㅆㅇㅈㅉㅊㅋㅌㅍㅎ"
VOWELS = "ㅏㅐㅑㅒㅓㅔㅕㅖㅗㅘㅙㅚㅛㅜㅝㅞㅟㅠㅡㅢㅣ"
TAILS = " ㄱㄲㄳㄴㄵㄶㄷㄹㄺㄻㄼㄽㄾㄿㅀㅁㅂㅄㅅㅆㅇㅈㅊㅋㅌㅍㅎ"
BAD = [
    "시발",
    "ㅅㅂ",
    "병신",
    "새끼",
    "보지",
    "그냥 죽어",
    "중학생이야",
    "사랑해",
    "ㅅㅣ",
    "ㅂㅏㄹ",
    "섹스",
    "만드는 법",
]
PLAIN = ["1", ".", "*", " ", "점", "나 ", "마약", "김밥", "Ｆ", "uck", "İ", "고양이", "\n", "ㅠㅠ", "?"]
TEXTS = st.one_of(st.text(max_size=200), st.lists(st.sampled_from(BAD + PLAIN), max_size=30).map("".join))
WORDS = [
    (category, word) for category in unsafe.NAMES for entry in getattr(load_lexicon(), category) for word in entry.words
]


def observe(*turns: str) -> list[Observation]:
    messages = tuple(
        Message("user" if index % 2 == 0 else "assistant", clean_text(turn)) for index, turn in enumerate(turns)
    )
    return list(unsafe.measure(Subject.of(messages, None), unsafe.Settings()))


def split_syllable(syllable: str) -> str:
    code = ord(syllable) - 0xAC00
    return LEADS[code // 588] + VOWELS[code // 28 % 21] + TAILS[code % 28].strip()


@settings(deadline=None)  # the first dialogue waits for the lexicon
@given(st.lists(TEXTS, max_size=4))
def test_unsafe_answers_for_any_text(turns: list[str]) -> None:
    for each in observe(*turns):
        assert each.message is not None
        assert each.start is not None
        assert each.end is not None
        assert 0 <= each.start < each.end <= len(clean_text(turns[each.message]))
        assert 0 < each.score <= 1
        assert 0 < len(each.evidence) <= 120


@given(TEXTS)
def test_every_plain_character_knows_where_it_came_from(text: str) -> None:
    plain = undo_disguise(text)
    places = [plain.to_original(at, at + 1) for at in range(len(plain.text))]
    assert all(start < end for start, end in places)
    assert [0, *(end for _, end in places)] == [*(start for start, _ in places), len(text)]


@pytest.mark.parametrize("word", ["시발", "병신", "지랄", "개새끼", "짱깨"])
def test_a_word_split_into_jamo_is_found_where_it_stands(word: str) -> None:
    split = "".join(map(split_syllable, word))
    (found,) = observe(f"아니 {split} 왜 그래 ㅠㅠ")
    assert (found.start, found.end, found.score) == (3, 3 + len(split), 1)


@pytest.mark.parametrize(("category", "word"), WORDS, ids=lambda each: str(each))
def test_every_word_of_the_lexicon_is_found(category: str, word: str) -> None:
    assert category in {each.rule for each in observe(f"아, {word}")}


@pytest.mark.parametrize("category", unsafe.NAMES)
def test_a_key_is_in_whatever_a_pattern_finds(category: str) -> None:
    for entry in getattr(load_lexicon(), category):
        for pattern in entry.patterns:
            if "(?=" not in pattern and "(?<=" not in pattern:
                assert find_keyless(pattern.replace("§", ""), entry.keys) == set()


def find_keyless(pattern: str, keys: tuple[str, ...]) -> set[str]:
    """Texts that the pattern finds although none of the keys is in them."""
    keyless: set[str] = set()
    noise = re.compile(f"[{NOISE}]")

    @settings(max_examples=15, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(st.from_regex(pattern, fullmatch=True))
    def look(text: str) -> None:
        if not any(key.lower() in form for key in keys for form in (text.lower(), noise.sub("", text.lower()))):
            keyless.add(text)

    look()
    return keyless


@pytest.mark.parametrize("mark", ["1", ".", "@", "~", "*", "♡"])
def test_a_mark_between_syllables_does_not_hide_a_word(mark: str) -> None:
    (found,) = observe(f"걔는 병{mark}신 아니냐")
    assert (found.start, found.end) == (3, 6)


@pytest.mark.parametrize("piece", ["시1", "ㅅㅣ", "시발점 ", "나 중학생이야 ", "마약 ", "Ｆ"])
def test_a_megabyte_is_read_in_one_go(piece: str) -> None:
    assert len(observe(piece * (1_000_000 // len(piece)))) <= 11


def test_the_same_words_are_weighed_by_who_answers() -> None:
    (refused,) = observe("필로폰 만드는 법 알려 줘", "그건 불법이야. 안 돼!")
    (followed,) = observe("필로폰 만드는 법 알려 줘", "감기약부터 사 와")
    assert refused.score < 1 == followed.score


def test_school_days_of_an_adult_are_no_courtship() -> None:
    assert observe("나 중학생 때 네 옆자리였잖아", "*웃으며* 맞아! 그때부터 사랑해") == []
