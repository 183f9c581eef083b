"""Gram sets are what a plain loop over the text would collect, for any text."""

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.duplicates.grams import GramSets, make_gram_sets, read_turns
from tests.curation.duplicates.dialogues import LINES, fold_all, list_grams, to_array

TEXTS = st.text(
    st.one_of(st.sampled_from("가나다라마안녕ㅋab1😀"), st.characters(exclude_categories=["Cs"])), max_size=12
)
DIALOGUES = st.lists(st.lists(TEXTS, max_size=5), max_size=8)


def read(dialogues: pa.Array, n: int) -> GramSets:
    return make_gram_sets(read_turns(dialogues), n)


def encode(gram: str) -> int:
    code = 0
    for place in range(3):
        code = (code << 21) | (ord(gram[place]) + 1 if place < len(gram) else 0)
    return code


@given(DIALOGUES)
@settings(deadline=None)
def test_the_sets_are_those_of_a_plain_loop(dialogues: list[list[str]]) -> None:
    grams = read(to_array(dialogues), 3)
    rows = np.split(grams.sets.values, grams.sets.offsets[1:-1]) if dialogues else []
    assert [row.tolist() for row in rows] == [sorted(map(encode, list_grams(turns))) for turns in dialogues]


@given(DIALOGUES, st.integers(1, 7))
@settings(deadline=None)
def test_a_set_has_as_many_grams_as_there_are_different_ones(dialogues: list[list[str]], n: int) -> None:
    assert read(to_array(dialogues), n).sets.lengths.tolist() == [len(list_grams(turns, n)) for turns in dialogues]


@given(DIALOGUES)
@settings(deadline=None)
def test_a_gram_belongs_to_the_turn_that_brought_it(dialogues: list[list[str]]) -> None:
    grams = read(to_array(dialogues), 3)
    first = [
        min(number for number, turn in enumerate(turns) if gram in list_grams([turn]))
        for turns in dialogues
        for gram in sorted(list_grams(turns), key=encode)
    ]
    assert grams.turns.tolist() == first


def test_two_short_answers_have_no_gram_in_common() -> None:
    grams = read(to_array([["네"], ["응"], ["네"], ["네네"]]), 3)
    assert len(set(grams.sets.values.tolist())) == 3


def test_nothing_and_null_are_empty_sets() -> None:
    dialogues = pa.array([[], None, [None, ""], ["가나다"]], pa.list_(pa.string()))
    assert read(dialogues, 3).sets.lengths.tolist() == [0, 0, 0, 1]


def test_a_slice_of_a_batch_is_read_as_itself() -> None:
    folded = fold_all([[line, "응"] for line in LINES])
    whole = read(to_array(folded).slice(5, 7), 3)
    assert whole.sets.values.tolist() == read(to_array(folded[5:12]), 3).sets.values.tolist()


def test_a_megabyte_and_ten_thousand_turns_are_read() -> None:
    folded = [["가나다라마바사" * 50_000], ["오늘하루도고생많았어"] * 10_000]
    grams = read(to_array(folded), 3)
    assert grams.sets.lengths.tolist() == [7, 8]
