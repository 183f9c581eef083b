"""personal-data answers for any text, hides the numbers that it quotes, and stays linear."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.filters import personal_data
from curation.finding import Observation
from curation.signs.identifiers.check_digit import is_made_up, is_resident_number, passes_luhn
from curation.subject import Subject
from datagen.record import Message, clean_text

DIGITS = [
    "010",
    "-",
    "1234",
    "9508",
    "17",
    "2047318",
    "12",
    "M482",
    "(",
    ")",
    "+82",
    "０１０",
    "٣٤٥",
    "1,234",
    ".",
    " ",
]
WORDS = [
    "공일공",
    "이팔",
    "에",
    "@",
    "naver",
    "com",
    "서울시",
    "강남구",
    "테헤란로",
    "국민은행",
    "동",
    "호",
    "번지",
    "여권",
    "\n",
]
PIECES = st.sampled_from(DIGITS + WORDS)
TEXTS = st.one_of(st.text(max_size=200), st.lists(PIECES, max_size=30).map("".join))


def observe(*turns: str) -> list[Observation]:
    messages = tuple(
        Message("user" if index % 2 == 0 else "assistant", clean_text(turn)) for index, turn in enumerate(turns)
    )
    return list(personal_data.measure(Subject.of(messages, None), personal_data.Settings()))


@given(st.lists(TEXTS, max_size=4))
def test_personal_data_answers_for_any_text(turns: list[str]) -> None:
    for each in observe(*turns):
        assert each.message is not None
        assert each.start is not None
        assert each.end is not None
        assert 0 <= each.start < each.end <= len(clean_text(turns[each.message]))
        assert 0 < each.score <= 1
        assert 0 < len(each.evidence) <= 120


@given(st.integers(1, 10**8 - 1).map(lambda number: f"{number:08}"))
def test_a_mobile_number_is_found_and_not_told(digits: str) -> None:
    number = f"010-{digits[:4]}-{digits[4:]}"
    if set(digits) <= {"0", "1"}:
        return
    found = observe(f"내 번호는{number}이야 저장해 둬")
    assert [(each.rule, each.start) for each in found] == [("phone", 5)]
    assert number not in found[0].evidence
    assert (found[0].score == 1) != (is_made_up([digits[:4], digits[4:]]) or is_made_up([digits]))


@pytest.mark.parametrize("piece", ["010-", "a@", "1.", "로 1", "공", "국민은행 1", "(at)"])
def test_a_megabyte_is_read_in_one_go(piece: str) -> None:
    assert len(observe(piece * (1_000_000 // len(piece)))) <= 10


@settings(max_examples=30)
@given(st.text("0123456789", min_size=12, max_size=12))
def test_exactly_one_last_digit_is_right(digits: str) -> None:
    assert sum(is_resident_number(digits + last) for last in "0123456789") == 1
    assert sum(passes_luhn(digits + last) for last in "0123456789") == 1


def test_a_message_full_of_numbers_tells_ten_of_them() -> None:
    numbers = [f"010-28{index:02}-19{index * 3 % 100:02}" for index in range(40)]
    found = observe(" ".join(numbers))
    assert len(found) == 10
    assert not re.search(r"010-28\d\d-19", " ".join(each.evidence for each in found))
