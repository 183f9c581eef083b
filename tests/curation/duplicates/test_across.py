"""Two corpora: what of the other one is in this one."""

from pathlib import Path

import pytest

from curation.duplicates.across import find_across
from curation.duplicates.index import DuplicateIndex
from curation.duplicates.pairs import Kind
from curation.duplicates.settings import DuplicateSettings
from tests.curation.duplicates.dialogues import fold_all, make_corpus, measure_jaccard, to_array


def make_index(folded: list[list[str]]) -> DuplicateIndex:
    index = DuplicateIndex(Path("/nonexistent"), DuplicateSettings())
    index.add([to_array(folded)])
    return index


@pytest.mark.parametrize("seed", range(5))
def test_it_finds_what_one_index_of_both_would_find(seed: int) -> None:
    folded = fold_all(make_corpus(160, seed))
    ours, others = folded[:90], folded[90:]
    index = make_index(ours)
    found = find_across(index, [to_array(others[:40]), to_array(others[40:])], 0.4)
    first = {"\n".join(turns): row for row, turns in reversed(list(enumerate(ours)))}
    ours_once = sorted(first.values())
    truth = {
        (left, right)
        for left in ours_once
        for right in range(len(others))
        if "\n".join(others[right]) not in first and measure_jaccard(ours[left], others[right]) >= 0.4
    }
    near = {
        (left, right)
        for left, right, kind in zip(found.left.tolist(), found.right.tolist(), found.kind, strict=True)
        if kind == Kind.NEAR and "\n".join(others[right]) not in first
    }
    contained = set(zip(found.left.tolist(), found.right.tolist(), strict=True)) - near
    assert near <= truth
    assert len(truth - near - contained) <= 0.02 * len(truth)
    for left, right, similarity, kind in zip(found.left, found.right, found.similarity, found.kind, strict=True):
        if kind == Kind.NEAR:
            assert similarity == pytest.approx(measure_jaccard(ours[left], others[right]))
    assert index.rows == 90


def test_copies_are_found_whatever_their_number() -> None:
    folded = fold_all(make_corpus(20, 1))
    found = find_across(make_index(folded), [to_array([folded[3]] * 3)])
    row = make_index(folded).representatives()[3]
    assert {
        (left, similarity) for left, similarity in zip(found.left.tolist(), found.similarity.tolist(), strict=True)
    } >= {(row, 1.0)}
    assert [right for left, right in zip(found.left.tolist(), found.right.tolist(), strict=True) if left == row] == [
        0,
        1,
        2,
    ]


def test_nothing_is_like_nothing() -> None:
    folded = fold_all(make_corpus(20, 1))
    assert len(find_across(make_index([]), [to_array(folded)])) == 0
    assert len(find_across(make_index(folded), [])) == 0


def test_a_looser_threshold_than_the_index_knows_is_refused() -> None:
    with pytest.raises(ValueError, match="not looked for"):
        find_across(make_index([]), [], 0.2)
