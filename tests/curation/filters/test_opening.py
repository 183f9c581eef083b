"""Overused openings: a table of topics, and what holds whatever the rows."""

import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from curation.filters.opening import OpeningSettings, count_allowed, find_overused

TABLE: dict[str, list[dict[str, Any]]] = YAML(typ="safe").load(
    (Path(__file__).parent / "golden" / "opening.yaml").read_text("utf-8")
)
SETTINGS = OpeningSettings()
ROWS = st.lists(
    st.tuples(st.sampled_from(["농담", "위로"]), st.sampled_from(["안녕", "안녕!", "나 왔어", "ㅋㅋ", "", "뭐 해?"])),
    max_size=60,
)


def find_in_topic(lines: list[str], dialogues: int) -> list[int]:
    others = [f"{number}번째 대화는 이렇게 시작해" for number in range(dialogues - len(lines))]
    openings = [*lines, *others]
    return sorted(find_overused(["일상 대화"] * len(openings), openings, SETTINGS, range(len(openings))))


def list_cases(kind: str) -> list[Any]:
    return [pytest.param(case, id=str(number)) for number, case in enumerate(TABLE[kind], 1)]


def test_the_table_has_cases_enough() -> None:
    assert min(len(TABLE["keep"]), len(TABLE["drop"])) >= 30


@pytest.mark.parametrize("case", list_cases("keep"))
def test_it_keeps(case: dict[str, Any]) -> None:
    assert find_in_topic(case["lines"], case.get("dialogues", 40)) == []


@pytest.mark.parametrize("case", list_cases("drop"))
def test_it_drops(case: dict[str, Any]) -> None:
    assert find_in_topic(case["lines"], case.get("dialogues", 40)) == case["overused"]


def test_topics_do_not_share_their_lines() -> None:
    topics = ["농담", "위로"] * 3
    assert find_overused(topics, ["안녕"] * 6, SETTINGS, range(6)) == {}
    assert list(find_overused(["농담"] * 6, ["안녕"] * 6, SETTINGS, range(6))) == [3, 4, 5]


def test_the_rank_decides_who_keeps_the_line() -> None:
    found = find_overused(["농담"] * 5, ["안녕"] * 5, SETTINGS, [4, 2, 0, 1, 3])
    assert {row: each.score for row, each in found.items()} == {1: 1, 3: 2}


def test_a_row_outside_the_order_counts_for_nothing() -> None:
    assert find_overused(["농담"] * 9, ["안녕"] * 9, SETTINGS, [8, 1, 4]) == {}


def test_it_says_how_many_share_the_line_and_how_many_may() -> None:
    found = find_overused(["농담"] * 4, ["나 왔어", "나 왔어!", "나왔어", "나 왔어 ㅎㅎ"], SETTINGS, range(4))
    assert (found[3].score, found[3].shared_by, found[3].allowed) == (1, 4, 3)
    assert "나 왔어 ㅎㅎ" in found[3].evidence


def test_composed_and_decomposed_hangul_are_one_line() -> None:
    lines = ["보고 싶어", unicodedata.normalize("NFD", "보고 싶어")] * 2
    assert list(find_overused(["일상"] * 4, lines, SETTINGS, range(4))) == [3]


@pytest.mark.parametrize(
    ("dialogues", "share", "allowed"),
    [(0, 0.02, 3), (149, 0.02, 3), (199, 0.02, 3), (200, 0.02, 4), (100, 0.07, 7), (100, 0.29, 29)],
)
def test_the_share_is_taken_exactly(dialogues: int, share: float, allowed: int) -> None:
    assert count_allowed(dialogues, OpeningSettings(max_share=share)) == allowed


@given(ROWS, st.randoms(use_true_random=False))
def test_the_numbers_of_the_rows_do_not_matter(rows: list[tuple[str, str]], random: Any) -> None:
    order = list(range(len(rows)))
    random.shuffle(order)
    moved = list(range(len(rows)))
    random.shuffle(moved)
    before = find_overused([row[0] for row in rows], [row[1] for row in rows], SETTINGS, order)
    shuffled = [rows[row] for row in moved]
    place = {row: index for index, row in enumerate(moved)}
    after = find_overused(
        [row[0] for row in shuffled], [row[1] for row in shuffled], SETTINGS, [place[row] for row in order]
    )
    assert {place[row]: each for row, each in before.items()} == after


@given(ROWS)
def test_what_is_kept_is_within_what_is_allowed(rows: list[tuple[str, str]]) -> None:
    topics, openings = [row[0] for row in rows], [row[1] for row in rows]
    overused = find_overused(topics, openings, SETTINGS, range(len(rows)))
    kept = [row for row in range(len(rows)) if row not in overused]
    assert find_overused(topics, openings, SETTINGS, kept) == {}
