"""Splits: disjoint, free of near-copies of one another, even, and remembered."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from curation.settling.leakage import check_leakage
from curation.settling.share_out import Strata
from curation.settling.split_memory import SPLITS, Split, extend_memory, read_memory, recall_splits, write_memory
from curation.settling.splits import SplitPlan, SplitSettings, assign_splits
from datagen.errors import DataError
from tests.curation.settling.similar_rows import PERSONAS, Row, World, make_chain, reorderings, unhurried, worlds

SETTINGS = SplitSettings()
THRESHOLD = SETTINGS.threshold
SHARES = np.array(SETTINGS.shares.values)
QUOTAS = (200, 100, 80, 60, 60, 60, 40, 40, 30, 30, 30, 30, 30, 20, 20, 20, 20, 10, 10)
"""Of the demo's topics."""


def split(world: World, memory: dict[str, Split], settings: SplitSettings = SETTINGS) -> SplitPlan:
    remembered = recall_splits([row.id for row in world.rows], memory)
    return assign_splits(world.find_neighbours(), world.find_order(), world.find_strata(), remembered, settings)


def tell(world: World, plan: SplitPlan) -> dict[str, int]:
    return {row.id: int(code) for row, code in zip(world.rows, plan.split, strict=True)}


memories = st.dictionaries(
    st.builds("{}-{:02d}".format, st.integers(0, 9), st.integers(0, 13)), st.sampled_from(SPLITS), max_size=40
)


@unhurried
@given(worlds(), memories)
def test_no_new_row_lies_beside_a_row_of_another_split(world: World, memory: dict[str, Split]) -> None:
    plan = split(world, memory)
    for one, row in enumerate(world.rows):
        for two, other in enumerate(world.rows):
            if world.compare(row, other) >= THRESHOLD and row.id not in memory and plan.split[one] >= 0:
                there = memory[other.id] if other.id in memory else SPLITS[plan.split[two]]
                assert (plan.split[two] < 0 and other.id not in memory) or there == SPLITS[plan.split[one]]


@unhurried
@given(worlds(), memories)
def test_a_remembered_row_never_moves_and_only_what_ties_two_splits_is_set_aside(
    world: World, memory: dict[str, Split]
) -> None:
    plan = split(world, memory)
    aside = {tie.row: tie for tie in plan.set_aside}
    members = set(world.find_order().tolist())
    for number, row in enumerate(world.rows):
        if number not in members:
            assert plan.split[number] == -1
        elif row.id in memory:
            assert SPLITS[plan.split[number]] == memory[row.id]
        else:
            assert (plan.split[number] < 0) == (number in aside)
    for tie in plan.set_aside:
        assert tie.splits[0] != tie.splits[1]
        for there, neighbour, similarity in zip(tie.splits, tie.neighbours, tie.similarity, strict=True):
            other = world.rows[neighbour]
            assert world.compare(world.rows[tie.row], other) == similarity >= THRESHOLD
            assert there == (memory[other.id] if other.id in memory else SPLITS[plan.split[neighbour]])


@unhurried
@given(worlds(), memories, st.data())
def test_splits_do_not_depend_on_the_order_of_the_input(
    world: World, memory: dict[str, Split], data: st.DataObject
) -> None:
    again = data.draw(reorderings(world))
    one, two = split(world, memory), split(again, memory)
    assert tell(world, one) == tell(again, two)
    assert [world.rows[tie.row].id for tie in one.set_aside] == [again.rows[tie.row].id for tie in two.set_aside]


@unhurried
@given(worlds(), st.data())
def test_additions_in_any_order_move_nothing(world: World, data: st.DataObject) -> None:
    memory: dict[str, Split] = {}
    rows = data.draw(st.permutations(world.rows))
    for size in range(1, len(rows) + 1, 3):
        part = World(tuple(rows[:size]), world.similar)
        plan = split(part, memory)
        known = extend_memory(memory, [row.id for row in part.rows], plan.split)
        assert memory.items() <= known.items()
        assert check_leakage(part.find_neighbours(), plan.split, THRESHOLD).count == 0
        memory = known
    assert tell(part, split(part, memory)) == tell(part, plan)


@unhurried
@given(worlds(), memories)
def test_leakage_counts_every_pair_across_splits_and_names_the_most_similar(
    world: World, memory: dict[str, Split]
) -> None:
    codes = recall_splits([row.id for row in world.rows], memory)
    found = check_leakage(world.find_neighbours(), codes, THRESHOLD)
    across = [
        (world.compare(row, other), min(row.id, other.id), max(row.id, other.id))
        for one, row in enumerate(world.rows)
        for two, other in enumerate(world.rows[:one])
        if codes[one] >= 0 and codes[two] >= 0 and codes[one] != codes[two] and world.compare(row, other) > 0
    ]
    assert found.count == sum(similarity >= THRESHOLD for similarity, *_ in across)
    if not across:
        assert (found.highest, found.rows) == (None, None)
        return
    highest, *ids = min(across, key=lambda pair: (-pair[0], pair[1:]))
    assert found.rows is not None
    assert (found.highest, [world.rows[row].id for row in found.rows]) == (highest, ids)


def measure_deviation(strata: list[str], plan: SplitPlan) -> float:
    """The most rows that any stratum's split is off its share."""
    off = 0.0
    for name in set(strata):
        rows = plan.split[np.array([each == name for each in strata])]
        off = max(off, float(np.abs(np.bincount(rows, minlength=3) - len(rows) * SHARES).max()))
    return off


@pytest.mark.parametrize("paired", [0, 200])
def test_the_shares_are_met_over_all_in_each_topic_and_for_each_persona(paired: int) -> None:
    rows = [
        Row(f"{topic:02d}-{number:03d}", f"{topic:02d}-{number:03d}", f"주제 {topic}", PERSONAS[number % 2])
        for topic, quota in enumerate(QUOTAS)
        for number in range(quota)
    ]
    similar = {(rows[at].text, rows[at + 1].text): 0.45 for at in range(0, paired * 2, 2)}
    world = World(tuple(rows), similar)
    plan = split(world, {})
    assert np.abs(np.bincount(plan.split) - 890 * SHARES).max() <= 2
    assert measure_deviation([row.topic for row in rows], plan) <= 2
    assert measure_deviation([row.topic + row.persona for row in rows], plan) <= 3


def test_topics_too_small_for_a_row_of_each_give_them_together() -> None:
    rows = tuple(Row(f"{number:03d}", f"{number:03d}", f"주제 {number // 10}") for number in range(400))
    plan = split(World(rows), {})
    assert np.bincount(plan.split).tolist() == [360, 20, 20]
    assert measure_deviation([row.topic for row in rows], plan) < 1


def test_rows_that_come_in_small_rounds_are_shared_out_as_evenly() -> None:
    memory: dict[str, Split] = {}
    rows = tuple(Row(f"{number:03d}", f"{number:03d}") for number in range(400))
    for size in range(10, 401, 10):
        world = World(rows[:size])
        plan = split(world, memory)
        memory = extend_memory(memory, [row.id for row in world.rows], plan.split)
    assert np.bincount(plan.split).tolist() == [360, 20, 20]


def test_what_a_large_cluster_takes_too_much_is_made_good_by_the_others() -> None:
    chain = make_chain(400)
    rows = tuple(Row(row.id, row.text, "농담" if at < 200 else "연애 고민") for at, row in enumerate(chain.rows))
    plan = split(World(rows, dict(list(chain.similar.items())[:199])), {})
    assert set(plan.split[:200].tolist()) == {0}
    assert np.abs(np.bincount(plan.split) / 400 - SHARES).max() < 0.016


def test_a_giant_cluster_goes_to_train_and_is_reported_every_time() -> None:
    world = World((*make_chain(19).rows, Row("z", "z")), make_chain(19).similar)
    plan = split(world, {})
    memory = extend_memory({}, [row.id for row in world.rows], plan.split)
    for each in (plan, split(world, memory)):
        assert set(each.split[:19].tolist()) == {0}
        assert [(world.rows[giant.row].id, giant.size, giant.split) for giant in each.giants] == [
            ("0000000", 19, "train")
        ]


def test_a_giant_cluster_goes_to_train_even_where_train_has_enough() -> None:
    chain = make_chain(20)
    world = World((*chain.rows, *(Row(f"z-{at:02d}", f"z-{at:02d}") for at in range(25))), chain.similar)
    settings = SplitSettings.model_validate({"shares": {"train": 0.4, "validation": 0.3, "test": 0.3}})
    plan = split(world, {f"z-{at:02d}": "train" for at in range(25)}, settings)
    assert set(plan.split.tolist()) == {0}
    assert [giant.size for giant in plan.giants] == [20]


@unhurried
@given(st.permutations(range(12)))
def test_a_chain_of_new_rows_between_two_splits_loses_one_link(lengths: list[int]) -> None:
    chain = make_chain(12)
    world = World(
        tuple(replace(row, length=length) for row, length in zip(chain.rows, lengths, strict=True)), chain.similar
    )
    plan = split(world, {"0000000": "train", "0000011": "test"})
    assert [{*tie.splits} for tie in plan.set_aside] == [{"train", "test"}]
    assert (plan.split < 0).sum() == 1
    assert check_leakage(world.find_neighbours(), plan.split, THRESHOLD).count == 0


def test_a_row_that_left_the_data_set_still_holds_its_neighbours() -> None:
    rows = (Row("1", "a", eligible=False), Row("2", "b"), Row("3", "c"))
    world = World(rows, {("a", "b"): 0.5, ("b", "c"): 0.5})
    assert split(world, {"1": "test"}).split.tolist() == [-1, 2, 2]
    plan = split(world, {"1": "test", "3": "train"})
    assert [(tie.row, tie.neighbours) for tie in plan.set_aside] == [(1, (2, 0))]


def test_two_remembered_rows_that_have_become_similar_stay_and_are_found() -> None:
    world = World((Row("1", "a"), Row("2", "b"), Row("3", "c")), {("a", "b"): 0.8, ("b", "c"): 0.41})
    plan = split(world, {"1": "train", "2": "test"})
    assert plan.split.tolist() == [0, 2, 2]
    leakage = check_leakage(world.find_neighbours(), plan.split, THRESHOLD)
    assert (leakage.highest, leakage.rows, leakage.count) == (0.8, (0, 1), 1)


def test_a_share_of_nothing_gets_nothing() -> None:
    settings = SplitSettings.model_validate({"shares": {"train": 0.9, "validation": 0.1, "test": 0}})
    rows = tuple(Row(f"{number:03d}", f"{number:03d}") for number in range(100))
    assert np.bincount(split(World(rows), {}, settings).split, minlength=3).tolist() == [90, 10, 0]


def test_another_seed_draws_other_rows() -> None:
    world = World(tuple(Row(f"{number:03d}", f"{number:03d}") for number in range(200)))
    one, two = (split(world, {}, SplitSettings(seed=seed)).split.tolist() for seed in (0, -7))
    assert one != two
    assert one == split(world, {}).split.tolist()


@pytest.mark.parametrize(
    "wrong",
    [
        {"shares": {"train": 0.9, "validation": 0.05, "test": 0.1}},
        {"shares": {"train": 0}},
        {"treshold": 0.4},
        {"threshold": "0.4"},
        {"threshold": 0},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SplitSettings.model_validate(wrong)


def test_the_memory_comes_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "splits.parquet"
    assert read_memory(path) == {}
    memory: dict[str, Split] = {"01나": "test", "01가": "train"}
    write_memory(path, memory)
    write_memory(path, {**memory, "02": "validation"})
    assert read_memory(path) == {**memory, "02": "validation"}
    assert [each.name for each in tmp_path.iterdir()] == ["splits.parquet"]


@pytest.mark.parametrize(
    ("columns", "what"),
    [
        ({"id": ["a", "a"], "split": ["train", "test"]}, "a in two splits"),
        ({"id": ["a"], "split": ["valid"]}, "'valid'"),
        ({"id": [None], "split": ["train"]}, "None"),
        ({"id": ["a"], "part": ["train"]}, "cannot be read"),
        ({"id": [["a"]], "split": ["train"]}, "cannot be read"),
    ],
)
def test_a_memory_that_is_none_is_named_and_not_taken_for_empty(
    tmp_path: Path, columns: dict[str, list[object]], what: str
) -> None:
    path = tmp_path / "splits.parquet"
    pq.write_table(pa.table(columns), path)
    with pytest.raises(DataError, match=what) as caught:
        read_memory(path)
    assert "put back a copy" in (caught.value.hint or "")
    assert str(path) in caught.value.message


def test_a_torn_memory_is_named(tmp_path: Path) -> None:
    path = tmp_path / "splits.parquet"
    write_memory(path, {"a": "train"})
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match="cannot be read"):
        read_memory(path)


def test_a_folder_that_takes_nothing_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="could not be written"):
        write_memory(tmp_path / "file" / "splits.parquet", {"a": "train"})


def test_strata_are_numbered_by_name() -> None:
    topics, personas = Strata(["나", "가", "나"], ["q", "q", "p"]).number()
    assert topics.tolist() == [1, 0, 1]
    assert personas.tolist() == [2, 0, 1]
