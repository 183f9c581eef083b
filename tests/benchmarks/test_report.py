"""Medians, ratios and tables of RESULTS.md, and sections that are replaced one at a time."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.peers.duplicates import add_growth
from benchmarks.peers.figures import Column, take_median, write_cell
from benchmarks.peers.report import (
    ORDER,
    PREAMBLE,
    Run,
    Scene,
    Section,
    render_section,
    render_table,
    replace_section,
    write_results,
)

WALL = Column("wall_s", "wall s", 1, is_compared=True)
MISSING = Column("missing", "rows missing")


def make_section(title: str = "Generation", wall_s: float = 2.0) -> Section:
    runs = [Run("faults", "damhwa", number, {"wall_s": wall_s, "missing": 0}) for number in (1, 2, 3)]
    runs += [Run("faults", "failing", 1, {}, "exit 1: no model")]
    runs += [Run("faults", "other", 1, {"wall_s": 5.0, "missing": 3}), Run("faults", "other", 2, {}, "exit 1: no|pe")]
    versions = {"damhwa": "0.1.0", "other": "2.0", "failing": "3", "absent": "1.0"}
    scenes = (Scene("faults", "Under faults", (WALL, MISSING)),)
    reason = {"absent": "could not be installed: no such wheel"}
    return Section(title, "What was done.", "2026-01-02", "a machine", versions, 3, scenes, tuple(runs), reason)


def test_a_cell_is_the_median_and_how_many_times_ours() -> None:
    runs = [{"wall_s": each} for each in (9.0, 3.0, 4.0)]
    assert write_cell(WALL, runs, [{"wall_s": 2.0}, {"wall_s": 2.0}]) == "4.0 (×2.00)"
    assert write_cell(WALL, runs, []) == "4.0"
    assert write_cell(MISSING, [{"missing": 1234}], [{"missing": 1}]) == "1,234"


def test_a_figure_that_no_run_has_is_a_dash_and_a_run_without_it_does_not_count() -> None:
    assert write_cell(WALL, [{}], [{"wall_s": 2.0}]) == "–"
    assert take_median([{}, {"wall_s": 3.0}], "wall_s") == 3.0


def test_who_did_not_run_or_ended_badly_keeps_a_row_that_says_so() -> None:
    lines = render_table(make_section().scenes[0], make_section())
    assert lines == [
        "|  | wall s | rows missing | remarks |",
        "|---|---|---|---|",
        "| **damhwa** | 2.0 | 0 |  |",
        "| other | 5.0 (×2.50) | 3 | exit 1: no\\|pe (1 of 2) |",
        "| failing | – | – | did not run: exit 1: no model (1 of 1) |",
        "| absent | – | – | did not run: could not be installed: no such wheel |",
    ]


def test_a_section_tells_date_machine_versions_and_rounds() -> None:
    text = render_section(make_section())
    for part in ("2026-01-02", "a machine", "damhwa 0.1.0, other 2.0", "3 rounds in turn", "### Under faults"):
        assert part in text


def test_a_new_run_replaces_its_section_only(tmp_path: Path) -> None:
    out = tmp_path / "out"  # not there yet
    write_results(make_section("Training"), out)
    write_results(make_section("Generation"), out)
    before = (out / "RESULTS.md").read_text(encoding="utf-8")
    write_results(make_section("Generation", wall_s=2.5), out)
    after = (out / "RESULTS.md").read_text(encoding="utf-8")
    assert before.startswith(PREAMBLE)
    assert before.partition("## Training")[2] == after.partition("## Training")[2] != ""
    assert "(×2.50)" in before.partition("## Training")[0]
    assert "(×2.00)" in after.partition("## Training")[0]
    assert [line for line in after.splitlines() if line.startswith("## ")] == ["## Generation", "## Training"]
    stored = json.loads((out / "peers" / "results" / "generation.json").read_text(encoding="utf-8"))
    assert stored["runs"][0]["figures"]["wall_s"] == 2.5


@given(titles=st.lists(st.sampled_from(ORDER), min_size=1), again=st.sampled_from(ORDER))
def test_sections_stand_once_and_in_their_order_however_they_were_written(titles: list[str], again: str) -> None:
    document = ""
    for title in (*titles, again):
        document = replace_section(document, title, f"## {title}\n\n### A table\n\n| ## | {title} |\n")
    found = [line[3:] for line in document.splitlines() if line.startswith("## ")]
    assert found == [title for title in ORDER if title in {*titles, again}]
    assert replace_section(document, again, f"## {again}\n\n### A table\n\n| ## | {again} |\n") == document


def test_growth_is_told_against_the_median_of_the_smallest_size() -> None:
    runs = [Run("25", "a", number, {"wall_s": wall}) for number, wall in ((1, 1.0), (2, 2.0), (3, 9.0))]
    runs += [Run("100", "a", 1, {"wall_s": 9.0}), Run("100", "b", 1, {}, "exit 1: it failed")]
    grown = add_growth(runs, 25)
    assert [run.figures.get("growth") for run in grown] == [None, None, None, pytest.approx(4.5), None]
