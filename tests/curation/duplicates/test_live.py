"""One draft at a time: the same answer as brute force, for near, contained and exact."""

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.duplicates.index import DuplicateIndex
from curation.duplicates.live import LiveIndex
from curation.duplicates.settings import DuplicateSettings
from tests.curation.duplicates.dialogues import (
    fold_all,
    make_copy,
    make_corpus,
    make_dialogue,
    measure_jaccard,
    to_array,
)

SETTINGS = DuplicateSettings()


@given(st.integers(0, 10**6))
@settings(deadline=None, max_examples=30)
def test_the_most_similar_dialogue_is_found(seed: int) -> None:
    folded = fold_all(make_corpus(80, seed))
    live = LiveIndex(SETTINGS)
    for turns in folded[:60]:
        live.add(turns)
    for turns in folded[60:]:
        best = max(measure_jaccard(turns, other) for other in folded[:60])
        found = live.find(turns)
        if best >= SETTINGS.threshold:
            assert found is not None
            assert found[1] >= best
        if found is not None and turns != folded[found[0]]:
            assert found[1] >= SETTINGS.threshold
            assert found[1] == pytest.approx(measure_jaccard(turns, folded[found[0]])) or found[1] >= 0.75


@given(st.integers(0, 10**6))
@settings(deadline=None, max_examples=15)
def test_it_agrees_with_the_index_on_disk(seed: int) -> None:
    source = random.Random(seed)
    known = make_corpus(40, seed)
    draft = fold_all([make_copy(source.choice(known), source)])[0]
    folded = fold_all(known)
    live = LiveIndex(SETTINGS)
    for turns in folded:
        live.add(turns)
    index = DuplicateIndex(Path("/nonexistent"), DuplicateSettings(probability=0.999999))
    index.add([to_array([*folded, draft])])
    pairs = index.pairs()
    similar = pairs.similarity[pairs.right == 40]
    found = live.find(draft)
    if index.representatives()[40] != 40:
        assert found == (index.representatives()[40], 1.0)
    elif len(similar):
        assert found is not None
        assert found[1] == pytest.approx(similar.max())
    else:
        assert found is None


def test_a_copy_in_another_spelling_is_exact() -> None:
    live = LiveIndex(SETTINGS)
    first, second = fold_all([["뭐 해?", "*웃으며* 책 읽어ㅎㅎ"], ["뭐해ㅋㅋ", "웃으며 책 읽어~"]])
    assert live.add(first) == 0
    assert live.find(second) == (0, 1.0)


def test_short_and_empty_drafts_are_like_nothing_but_themselves() -> None:
    live = LiveIndex(SETTINGS)
    live.add(["응", "네"])
    assert live.find(["응", "네"]) == (0, 1.0)
    assert live.find(["왜", "ㅇㅋ"]) is None
    assert live.find([]) is None
    assert live.find(["", ""]) is None


def test_a_line_said_in_every_dialogue_does_not_make_them_alike() -> None:
    live, source = LiveIndex(SETTINGS), random.Random(3)
    greeting = "안녕엑사야오늘도와줘서고마워"
    for _ in range(300):
        live.add([greeting, *fold_all([make_dialogue(source, 4)])[0]])
    assert live.find([greeting, "전혀다른이야기를꺼내보려고해", "무슨이야기인데그렇게뜸을들여"]) is None
