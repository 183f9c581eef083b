"""The normal form: what is the same line, what is not, and what holds for any text."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation.normal_form import fold, fold_all

SIGNS = " \n~!?.,…^;:-_()[]\"'“”‘’*♥♡☆→ㅋㅎㅠㅜ"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("안녕! 나 왔어~", "안녕 나왔어"),
        ("오늘 진짜 힘들었어ㅠㅠㅠ", "오늘 진짜 힘들었어."),
        ("ㅋㅋㅋㅋ 그게 뭐야", "그게 뭐야?? ㅎㅎ"),
        ("*어깨를 토닥이며* 고생했어", "어깨를 토닥이며 고생했어!"),
        ("{유저}, 밥은 먹었어?", "유저 밥은 먹었어^^"),
        ("Netflix 볼래?", "netflix 볼래…"),
        ("좋아 ♡", "좋아(^_^)"),
        ("ㅇㅋㅋㅋㅋ", "ㅇㅋ!"),
        (unicodedata.normalize("NFD", "사랑해"), "사랑해"),
        ("첫째 줄\n둘째 줄", "첫째 줄 둘째 줄"),
    ],
)
def test_the_same_line_has_one_form(one: str, other: str) -> None:
    assert fold(one) == fold(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ㅋㅋㅋ", "ㅠㅠ"),
        ("...", "?!"),
        ("ㅇㅋ", "ㅇㅇ"),
        ("ㅇㅋ", "ㅇㅎ"),
        ("응", "음"),
        ("3시에 봐", "4시에 봐"),
        ("안 먹었어", "먹었어"),
        ("^^", "ㅎㅎ"),
    ],
)
def test_different_lines_have_different_forms(one: str, other: str) -> None:
    assert fold(one) != fold(other)


@given(st.text() | st.text(alphabet=SIGNS + "가나ᄀ ᅡᆨㅇㄱA1é"))
def test_folding_twice_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@given(st.text())
def test_only_a_blank_text_folds_to_nothing(text: str) -> None:
    assert (fold(text) == "") == (text.strip() == "")


@given(st.text(alphabet="가나다라마바사아자차카타파하", min_size=1), st.lists(st.sampled_from(SIGNS), max_size=20))
def test_signs_between_syllables_do_not_matter(syllables: str, signs: list[str]) -> None:
    strewn = "".join(a + b for a, b in zip(syllables, [*signs, *[""] * len(syllables)], strict=False))
    assert fold(strewn) == syllables


@given(st.text(alphabet=SIGNS))
def test_a_text_of_signs_is_its_own_form(text: str) -> None:
    assert fold(text) == text.strip()


@given(st.lists(st.text(alphabet=SIGNS + "가나갂ㄱㅇAΣİ１·\0\u1100\u1161e\u0301"), max_size=5))
def test_many_texts_fold_as_each_alone(texts: list[str]) -> None:
    assert fold_all(texts) == [fold(each) for each in texts]
