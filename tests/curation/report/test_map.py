"""The map: alike lies close, and any text has a place."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.report.map import place_texts

RAIN = "비 오는 날엔 우산을 꼭 챙겨야지. 장화도 신고 {} 가자. 빗소리 들으면서 걷는 것도 좋더라."
EXAM = "시험공부는 {}부터 하는 게 좋아. 문제집을 펴고 오답 노트를 만들면 점수가 오를 거야."


def test_dialogues_with_the_same_words_lie_together() -> None:
    places = ("도서관", "카페", "서점", "공원", "시장", "미술관", "학교", "운동장", "극장", "빵집", "병원", "우체국")
    texts = [RAIN.format(each) for each in places] + [EXAM.format(each) for each in places]
    found = place_texts(texts, seed=1)
    rain, exam = found[: len(places)], found[len(places) :]
    gap = np.linalg.norm(rain.mean(axis=0) - exam.mean(axis=0))
    spread = max(np.linalg.norm(each - each.mean(axis=0), axis=1).mean() for each in (rain, exam))
    assert gap > 2 * spread


def test_the_same_seed_draws_the_same_map() -> None:
    texts = [RAIN.format(at) for at in range(9)]
    assert np.array_equal(place_texts(texts, seed=4), place_texts(texts, seed=4))


@settings(deadline=None, max_examples=40)
@given(st.lists(st.text(max_size=30), max_size=12))
def test_every_text_has_a_place_in_the_frame(texts: list[str]) -> None:
    places = place_texts(texts, seed=0)
    assert places.shape == (len(texts), 2)
    assert np.isfinite(places).all()
    assert ((places >= -0.021) & (places <= 1.021)).all()


@pytest.mark.parametrize("text", ["나 왔어", "ㅋㅋ", "", "가"])
def test_copies_have_places_too(text: str) -> None:
    assert np.isfinite(place_texts([text] * 20, seed=0)).all()
