"""What `damhwa explain` shows of dialogues that others made, and where a file it reads is not what it was."""

import json
import os
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from rich.console import Console

from curation.curate import CurateRequest, curate
from curation.explain import draw_explanation, explain
from datagen.errors import DataError

TALKS = (
    ("나 오늘 버스 놓쳤어ㅠㅠ 진짜 짜증", "*어깨를 토닥이며* 배차가 길지. 따뜻한 거 마시면서 기다려 봐."),
    ("나 오늘 버스 놓쳤어ㅠㅠ 너무 짜증", "*어깨를 토닥이며* 배차가 길지. 따뜻한 거 마시면서 기다려 봐."),
    ("주말에 등산 갈까?", "*신나서* 좋아! 도시락은 내가 쌀게, 물만 챙겨 와."),
)


@pytest.fixture
def curated(tmp_path: Path) -> Path:
    """Two near-copies and another dialogue, with ids and scenarios as others may have them."""
    ids, scenarios = (
        ("[/]", "[/red]", "plain"),
        ("비 오는 날", {"facets": 5}, {"facets": {"[/]": "카페"}, "situation": "퇴근길"}),
    )
    rows = [
        {
            "id": id_,
            "scenario": scenario,
            "messages": [{"role": "user", "content": asked}, {"role": "assistant", "content": answered}],
        }
        for id_, scenario, (asked, answered) in zip(ids, scenarios, TALKS, strict=True)
    ]
    (tmp_path / "data").mkdir()
    text = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    (tmp_path / "data" / "a.jsonl").write_text(text, encoding="utf-8")
    curate(CurateRequest(tmp_path / "data", tmp_path / "out"))
    return tmp_path / "out"


def show(folder: Path, id_: str) -> str:
    explanation = explain(folder, id_)
    json.dumps(explanation.to_json())
    console = Console(file=StringIO(), width=100)
    for part in draw_explanation(explanation):
        console.print(part)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert isinstance(text, str)
    return text


def test_ids_that_look_like_markup_are_shown_as_they_are(curated: Path) -> None:
    assert "[/red]" in show(curated, "[/]")
    assert "[/]" in show(curated, "[/red]")
    assert "[/]" in show(curated, "plain")


def test_a_scenario_that_is_not_ours_is_passed_over(curated: Path) -> None:
    assert explain(curated, "[/]").to_json()["scenario"] == {}
    assert explain(curated, "[/red]").to_json()["scenario"] == {"facets": 5}
    assert "퇴근길" in show(curated, "plain")


@pytest.mark.parametrize("name", ["decisions", "findings", "clusters"])
@pytest.mark.parametrize("damage", ["torn", "foreign"])
def test_a_damaged_table_is_named(curated: Path, name: str, damage: str) -> None:
    path = curated / "curated" / f"{name}.parquet"
    if damage == "torn":
        path.write_bytes(path.read_bytes()[:-20])
    else:
        pq.write_table(pa.table({"price": [1]}), path)
    with pytest.raises(DataError, match=f"{name}.parquet"):
        explain(curated, "[/]")


def test_a_damaged_measured_file_is_named(curated: Path) -> None:
    (path,) = (curated / ".curation" / "measured").glob("*.parquet")
    path.write_bytes(b"PAR1 no more")
    with pytest.raises(DataError, match=r"\.curation"):
        explain(curated, "plain")


def test_a_closed_stdout_is_nothing_to_fail_at(curated: Path) -> None:
    command = ["sh", "-c", 'exec "$0" -m damhwa explain "$1" plain >&-', sys.executable, str(curated)]
    # libraries of others warn about encodings of their own when they are asked to
    quiet = {name: value for name, value in os.environ.items() if name != "PYTHONWARNDEFAULTENCODING"}
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, encoding="utf-8", env=quiet, check=False)
    assert (done.returncode, done.stderr) == (0, "")
