"""Thousands of variants of one text: bounded work, and each dropped row is similar to its own keeper."""

import random
from pathlib import Path

import numpy as np
import pytest

from curation.duplicates.completion import complete_pairs
from curation.duplicates.index import DuplicateIndex
from curation.duplicates.settings import DuplicateSettings
from tests.curation.duplicates.dialogues import (
    SYLLABLES,
    fold_all,
    make_corpus,
    make_dialogue,
    measure_jaccard,
    to_array,
)

TEMPLATE = (
    "엑사야 오늘 하루는 어땠어? 나는 진짜 정신없이 바빴거든",
    "*밝게 웃으며* 안녕, {유저}! 나는 도서관에서 새로 나온 인공지능 책을 읽고 있었어ㅎㅎ",
    "나중에 나한테도 그 책 내용 좀 알려줘, 궁금하다",
    "*안경을 고쳐 쓰며* 물론이지! 대신 오늘 있었던 일부터 천천히 들려주기다?",
)


def vary(source: random.Random) -> list[str]:
    turns = list(TEMPLATE)
    at = source.randrange(4)
    turns[at] += " " + "".join(source.choices(SYLLABLES, k=6))
    return turns


def build(rows: int, seed: int) -> tuple[list[list[str]], DuplicateIndex]:
    source = random.Random(seed)
    folded = fold_all([vary(source) for _ in range(rows)] + make_corpus(100, seed))
    index = DuplicateIndex(Path("/nonexistent"), DuplicateSettings())
    index.add([to_array(folded)])
    return folded, index


def test_the_pairs_of_a_template_grow_with_its_rows_and_not_with_their_square() -> None:
    few, many = (len(build(rows, 1)[1].pairs()) / rows for rows in (1000, 4000))
    assert max(few, many) <= 40


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_of_a_template_one_is_kept_and_each_other_is_similar_to_it(seed: int) -> None:
    folded, index = build(1500, seed)
    order = np.random.default_rng(seed).permutation(len(folded))
    pairs = complete_pairs(index, index.pairs(), order)
    keepers: dict[int, int] = {}
    beside: dict[int, list[int]] = {}
    for left, right in zip(pairs.left.tolist(), pairs.right.tolist(), strict=True):
        beside.setdefault(left, []).append(right)
        beside.setdefault(right, []).append(left)
    for row in index.representatives()[order].tolist():
        if row not in keepers:
            keepers[row] = next((other for other in beside.get(row, ()) if keepers.get(other) == other), row)
    of_template = {row: keeper for row, keeper in keepers.items() if row < 1500}
    assert len(set(of_template.values())) == 1
    for row, keeper in of_template.items():
        assert row == keeper or measure_jaccard(folded[row], folded[keeper]) >= 0.5


def test_a_greeting_that_all_share_hides_no_near_duplicate() -> None:
    source = random.Random(4)
    greeting = ["안녕 엑사야!", "*손을 흔들며* 안녕, {유저}! 오늘도 와 줘서 고마워ㅎㅎ 무슨 얘기 할까?"]
    rows = [[*greeting, *make_dialogue(source, 4)] for _ in range(1500)]
    copies = [[*turns[:-1], turns[-1] + " 그치?"] for turns in rows[:300]]
    index = DuplicateIndex(Path("/nonexistent"), DuplicateSettings())
    index.add([to_array(fold_all(rows + copies))])
    pairs = index.pairs()
    found = set(zip(pairs.left.tolist(), pairs.right.tolist(), strict=True))
    same = index.representatives()
    assert sum((row, 1500 + row) in found or same[1500 + row] == row for row in range(300)) >= 294
