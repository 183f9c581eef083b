"""The reference that is made from the code leaves nothing untold."""

from docs.reference import write_curation, write_rows


def test_every_column_of_a_row_has_a_meaning() -> None:
    rows = [line for line in write_rows().partition("## `curated/")[0].splitlines() if line.startswith("| `")]
    assert len(rows) > 15
    assert [row for row in rows if row.endswith("|  |")] == []


def test_every_file_beside_the_splits_says_what_a_row_of_it_is() -> None:
    parts = write_rows().split("\n## ")[2:-1]
    assert {part.split("\n")[0] for part in parts} >= {"`curated/decisions.parquet`", "`media/recordings.parquet`"}
    assert [part for part in parts if "| column |" in part.split("\n")[2]] == []


def test_the_blocks_of_the_curation_settings_are_told_by_their_keys() -> None:
    page = write_curation()
    for key in ("duplicates", "splits", "judge"):
        assert f"\n## `{key}`\n" in page
