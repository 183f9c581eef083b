"""`curation.yaml`: the packaged file says what the code does, and a wrong one is told with its line."""

from pathlib import Path

import pytest

from curation.settings import CurationSettings, load_settings
from datagen.errors import SpecError

ROOT = Path(__file__).parent.parent.parent


def test_the_packaged_file_says_every_default() -> None:
    assert load_settings(ROOT / "specs" / "curation.yaml").to_yaml() == CurationSettings().to_yaml()


def test_what_is_left_out_keeps_its_default(tmp_path: Path) -> None:
    path = tmp_path / "curation.yaml"
    path.write_text("filters: {length: {too-long: {drop: 900, note: 500}}}\n", encoding="utf-8")
    settings = load_settings(path)
    assert settings.filters["length"].list_limits()["too_long"].drop == 900
    assert settings.filters["emoji"] == CurationSettings().filters["emoji"]


def test_a_looser_limit_for_splits_than_for_duplicates_is_demanded(tmp_path: Path) -> None:
    path = tmp_path / "curation.yaml"
    path.write_text("splits: {threshold: 0.8}\n", encoding="utf-8")
    with pytest.raises(SpecError, match="near-copies that are kept would straddle the splits"):
        load_settings(path)


def test_every_setting_survives_being_written_and_read(tmp_path: Path) -> None:
    path = tmp_path / "curation.yaml"
    path.write_text(CurationSettings().to_yaml(), encoding="utf-8")
    assert load_settings(path) == CurationSettings()
