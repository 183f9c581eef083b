"""The index against brute force: every value is the true one, nearly all pairs are found, order does not matter."""

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.duplicates.index import DuplicateIndex
from curation.duplicates.pairs import Kind, Pairs
from curation.duplicates.settings import DuplicateSettings
from tests.curation.duplicates.dialogues import fold_all, list_grams, make_corpus, measure_jaccard, to_array

NOWHERE = Path("/nonexistent")
SEEDS = st.integers(0, 10**6)


def make_index(*parts: Sequence[Sequence[str]], settings: DuplicateSettings | None = None) -> DuplicateIndex:
    index = DuplicateIndex(NOWHERE, settings or DuplicateSettings())
    for part in parts:
        index.add([to_array(part)])
        index.forget()
    return index


def list_pairs(pairs: Pairs) -> dict[tuple[int, int], tuple[float, int]]:
    ends = zip(pairs.left.tolist(), pairs.right.tolist(), strict=True)
    return dict(zip(ends, zip(pairs.similarity.tolist(), pairs.kind.tolist(), strict=True), strict=True))


def find_by_brute_force(folded: Sequence[Sequence[str]], rows: Sequence[int], threshold: float) -> set[tuple[int, int]]:
    return {
        (left, right)
        for at, left in enumerate(rows)
        for right in rows[at + 1 :]
        if measure_jaccard(folded[left], folded[right]) >= threshold
    }


@given(SEEDS)
@settings(deadline=None, max_examples=25)
def test_every_similarity_is_the_true_one(seed: int) -> None:
    folded = fold_all(make_corpus(60, seed))
    for (left, right), (similarity, kind) in list_pairs(make_index(folded).pairs(0.4)).items():
        assert left < right
        jaccard = measure_jaccard(folded[left], folded[right])
        if kind == Kind.NEAR:
            assert similarity == pytest.approx(jaccard)
            assert similarity >= 0.4
        else:
            assert jaccard < 0.5
            assert similarity >= 0.75


def test_nearly_all_pairs_are_found() -> None:
    expected = found = 0
    for seed in range(8):
        folded = fold_all(make_corpus(150, seed))
        index = make_index(folded)
        rows = np.unique(index.representatives()).tolist()
        truth = find_by_brute_force(folded, rows, 0.5)
        near = {pair for pair, (_, kind) in list_pairs(index.pairs()).items() if kind == Kind.NEAR}
        assert near <= truth
        expected, found = expected + len(truth), found + len(near)
    assert expected > 300
    assert found / expected >= 0.99


@given(SEEDS)
@settings(deadline=None, max_examples=15)
def test_a_representative_is_the_first_of_its_normal_form(seed: int) -> None:
    folded = fold_all(make_corpus(80, seed))
    first: dict[str, int] = {}
    expected = [first.setdefault("\n".join(turns), row) for row, turns in enumerate(folded)]
    assert make_index(folded).representatives().tolist() == expected


@given(SEEDS)
@settings(deadline=None, max_examples=15)
def test_the_order_of_rows_does_not_matter(seed: int) -> None:
    folded = fold_all(make_corpus(80, seed))
    order = random.Random(seed).sample(range(len(folded)), len(folded))
    shuffled = [folded[row] for row in order]

    def tell(rows: list[list[str]]) -> set[tuple[frozenset[str], float, int]]:
        pairs = list_pairs(make_index(rows).pairs(0.4))
        return {
            (frozenset({"\n".join(rows[left]), "\n".join(rows[right])}), *rest) for (left, right), rest in pairs.items()
        }

    assert tell(folded) == tell(shuffled)


@given(SEEDS, st.integers(1, 79), st.integers(1, 79))
@settings(deadline=None, max_examples=15)
def test_added_in_parts_is_added_at_once(seed: int, one: int, other: int) -> None:
    folded = fold_all(make_corpus(80, seed))
    low, high = sorted((one, other))
    parts, whole = make_index(folded[:low], folded[low:high], folded[high:]), make_index(folded)
    assert parts.rows == whole.rows == 80
    assert parts.representatives().tolist() == whole.representatives().tolist()
    assert list_pairs(parts.pairs(0.4)) == list_pairs(whole.pairs(0.4))


def test_a_hundred_thousand_copies_are_one_group_and_no_pair() -> None:
    folded = fold_all(make_corpus(4, 1))
    index = make_index([folded[0]] * 100_000 + folded[1:])
    assert (index.representatives()[:100_000] == 0).all()
    assert len(index.pairs()) <= 6


def test_short_texts_are_compared_whole() -> None:
    folded = fold_all([["응", "네"], ["왜?", "ㅇㅋ"], ["응", "네"], ["ㅋㅋㅋ", "ㅠㅠ"], ["...?", "!!"], ["응", "네?"]])
    index = make_index(folded)
    assert index.representatives().tolist() == [0, 1, 0, 3, 4, 0]
    assert len(index.pairs(0.4)) == 0


def test_a_dialogue_cut_short_is_contained_in_the_whole() -> None:
    whole = fold_all(
        [
            [
                "나 오늘 면접 완전 망친 거 같아ㅠㅠ 머리가 하얘졌어",
                "*{유저}의 어깨를 토닥이며* 괜찮아, 다음엔 더 잘할 수 있을 거야.",
                "그래도 이번이 마지막 기회였는데 너무 아쉬워. 부모님 얼굴을 어떻게 보지",
                "*가만히 눈을 맞추며* 마지막이 어디 있어? 오늘은 푹 쉬고 내일 나랑 같이 복기해 보자.",
            ]
        ]
    )[0]
    index = make_index([whole, whole[:2]])
    assert list_pairs(index.pairs()) == {(0, 1): (1.0, Kind.CONTAINED)}


def test_a_dialogue_with_one_long_turn_replaced_is_contained() -> None:
    shared = ["요즘 잠이 너무 안 와 큰일이야", "자기 전에 폰을 거실에 두는 건 어때?", "그건 좀 힘들 것 같은데ㅋㅋ"]
    long = "*한참을 고민하다가* 그럼 알람을 여러 개 맞춰 두고 침대에선 음악만 듣자. 나도 예전에 그렇게 고쳤거든!"
    other = (
        "*어깨를 으쓱하며* 억지로 바꾸려고 하면 오래 못 가더라. 오늘은 딱 십 분만 일찍 누워 보는 거야, 어때 할 수 있지?"
    )
    left, right = fold_all([[*shared, long], [*shared, other]])
    assert measure_jaccard(left, right) < 0.5
    assert list_pairs(make_index([left, right]).pairs()) == {(0, 1): (0.75, Kind.CONTAINED)}


def test_two_dialogues_with_half_of_their_turns_in_common_are_no_duplicates() -> None:
    shared = ["오늘 저녁 뭐 먹을지 골라 줘", "*눈을 반짝이며* 당연히 떡볶이지!"]
    left = [*shared, "요즘 잠이 너무 안 와서 걱정이야", "자기 전에 폰을 거실에 두는 건 어때?"]
    right = [*shared, "경사하강법이 뭔지 쉽게 설명해 줘", "산에서 안개 낀 날 내려오는 거랑 똑같아!"]
    assert len(make_index(fold_all([left, right])).pairs()) == 0


def test_any_two_rows_can_be_compared() -> None:
    folded = fold_all(make_corpus(30, 3))
    index = make_index(folded[:10], folded[10:])
    left, right = np.divmod(np.arange(900), 30)
    jaccard, containment = index.compare(left, right)
    for a, b, of_union, of_smaller in zip(left, right, jaccard, containment, strict=True):
        one, other = list_grams(folded[a]), list_grams(folded[b])
        is_same = folded[a] == folded[b]
        assert of_union == pytest.approx(1.0 if is_same else measure_jaccard(folded[a], folded[b]))
        assert of_smaller == pytest.approx(1.0 if is_same else len(one & other) / min(len(one), len(other)))


def test_raw_five_grams_are_a_setting() -> None:
    raw = make_corpus(120, 5)
    index = make_index(raw, settings=DuplicateSettings(n=5, threshold=0.7, split_threshold=0.7, probability=0.999))
    rows = np.unique(index.representatives()).tolist()
    near = {pair for pair, (_, kind) in list_pairs(index.pairs()).items() if kind == Kind.NEAR}
    truth = {(a, b) for i, a in enumerate(rows) for b in rows[i + 1 :] if measure_jaccard(raw[a], raw[b], 5) >= 0.7}
    assert near == truth


def test_pairs_that_were_never_looked_for_are_refused() -> None:
    with pytest.raises(ValueError, match=r"below 0\.4"):
        make_index(fold_all(make_corpus(10, 1))).pairs(0.3)


def test_nothing_added_is_nothing_found() -> None:
    index = make_index([])
    assert (index.rows, len(index.pairs()), len(index.representatives())) == (0, 0, 0)


def test_a_failed_addition_leaves_the_index_as_it_was() -> None:
    folded = fold_all(make_corpus(40, 2))
    index = make_index(folded[:20])

    def fail() -> object:
        yield to_array(folded[20:30])
        raise OSError("disk gone")

    with pytest.raises(OSError, match="disk gone"):
        index.add(fail())  # type: ignore[arg-type]
    index.add([to_array(folded[20:])])
    assert list_pairs(index.pairs(0.4)) == list_pairs(make_index(folded).pairs(0.4))


def test_one_question_with_two_short_answers_is_no_duplicate() -> None:
    question = "오늘 회식에서 노래 시키면 어떻게 빠져나오지?"
    long = [
        question,
        "도망쳐ㅋㅋ",
        "진심으로 묻는 거야ㅠㅠ 나 노래 진짜 못해",
        "*웃음을 참으며* 그럼 박자만 맞추는 담당을 해!",
    ]
    folded = fold_all([[question, "불러!"], long])
    assert len(make_index(folded).pairs()) == 0
