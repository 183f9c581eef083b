"""The dataset card: read by `datasets` as a folder of splits, and by people."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from curation.report.build import build_report
from curation.report.card import escape_markdown, render_card
from curation.report.input import ReportInput
from curation.write import write_card
from datagen.record import Dialogue
from datagen.store import write_shard

LOAD = """
import sys, datasets
loaded = datasets.load_dataset(sys.argv[1])
print({split: list(rows["id"]) for split, rows in loaded.items()})
print(loaded["train"][0]["messages"][1]["content"])
"""


def read_header(card: str) -> dict[str, object]:
    _, header, _ = card.split("---\n", 2)
    loaded: dict[str, object] = YAML(typ="safe").load(StringIO(header))
    return loaded


def test_the_folder_loads_with_datasets(small: ReportInput, tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    folder = tmp_path / "curated"
    for split, ids in (("train", ["a1", "a2", "b1"]), ("validation", ["a3"])):
        write_shard(folder / split / "part-00000.parquet", small.load(ids))
    (folder / "README.md").write_text(render_card(build_report(small), "cc-by-4.0"), encoding="utf-8")
    write_shard(folder / "findings.parquet", small.load(["b3"]))  # beside the splits, and in none of them
    offline = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "home")}
    told = subprocess.run(
        [sys.executable, "-c", LOAD, folder], env=offline, capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert told.returncode == 0, told.stderr
    splits, reply = told.stdout.splitlines()
    assert splits == "{'train': ['a1', 'a2', 'b1'], 'validation': ['a3']}"
    assert reply.startswith("*어깨를 토닥이며* 고생했어!")


def test_datasets_loads_what_lies_there_though_it_has_loaded_a_folder_of_that_name(
    small: ReportInput, tmp_path: Path
) -> None:
    pytest.importorskip("datasets")
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "home")}
    told = []
    for run, ids in (("one", ["a1", "a2"]), ("two", ["b1", "a2"])):
        folder = tmp_path / run / "curated"
        write_shard(folder / "train" / "part-00000.parquet", small.load(ids))
        write_shard(folder / "validation" / "part-00000.parquet", small.load(["a3"]))
        write_card(folder, build_report(small), {"train": 2, "validation": 1}, None)
        command = [sys.executable, "-c", LOAD, str(folder)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, encoding="utf-8", check=True)
        told.append(done.stdout.splitlines()[0])
    assert told == [f"{{'train': {ids}, 'validation': ['a3']}}" for ids in (["a1", "a2"], ["b1", "a2"])]


def test_the_header_says_what_the_hub_asks(small: ReportInput) -> None:
    header = read_header(render_card(build_report(small), "cc-by-4.0"))
    assert header["license"] == "cc-by-4.0"
    assert header["language"] == ["ko"]
    assert header["pretty_name"] == "exa-data"
    assert header["size_categories"] == ["n<1K"]
    assert header["task_categories"] == ["text-generation"]
    assert header["configs"] == [
        {
            "config_name": "default",
            "data_files": [
                {"split": "train", "path": "train/*.parquet"},
                {"split": "validation", "path": "validation/*.parquet"},
            ],
        }
    ]


def test_a_card_without_a_licence_says_so(small: ReportInput) -> None:
    card = render_card(build_report(small), None)
    assert read_header(card)["license"] == "unknown"
    assert "이용 조건이 아직 정해지지 않았습니다" in card


def test_the_card_tells_the_figures(small: ReportInput) -> None:
    card = render_card(build_report(small), None)
    for line in (
        "목표 5건 가운데 4건을 채택했습니다.",
        "| train | 3 | 75.0% | 2 |",
        "| 일상 대화 | intellectual | 3 | 3 |",
        "가장 높아도 0.31, 한도 0.4보다 낮습니다.",
        "사람이 검수한 대화는 아직 없습니다.",
        "`gpt-4o`에 대화를 요청했습니다. 받은 초안은 모두 10건입니다.",
    ):
        assert line in card
    assert "모의 생성기" not in card
    reviewed = render_card(build_report(replace(small, reviews={"reviewed": 40, "accepted": 37, "flagged": 2})), None)
    assert "사람이 40건을 읽고 37건을 승인하고, 2건을 플래그하고, 0건을 고쳤습니다." in reviewed


def test_a_failed_leak_check_is_told(small: ReportInput) -> None:
    leak = {"highest": 0.61, "threshold": 0.4, "pair": ("a1", "a3"), "compared": 12}
    assert "**통과하지 못했습니다.**" in render_card(build_report(replace(small, leakage=leak)), None)  # type: ignore[arg-type]


def test_simulated_rows_are_announced_at_the_very_top(small: ReportInput) -> None:
    at = small.decisions.schema.get_field_index("provider")
    providers = ["openai"] * 7 + ["damhwa-simulator"]
    dropped = small.decisions.set_column(at, "provider", [providers])
    assert "모의 생성기" not in render_card(build_report(replace(small, decisions=dropped)), None)  # not in the dataset
    decisions = small.decisions.set_column(at, "provider", [providers[::-1]])
    body = render_card(build_report(replace(small, decisions=decisions)), None).split("---\n", 2)[2]
    assert body.lstrip().startswith("> **⚠️ 모의 생성기의 데이터입니다.** 대화 4건 가운데 1건은")


def test_a_foreign_folder_makes_no_claims_about_its_making(small: ReportInput) -> None:
    card = render_card(build_report(replace(small, quotas=None, drafts={}, rejected={})), None)
    assert "다른 곳에서 만든 대화 8건을 읽었습니다." in card
    assert "성인" not in card
    assert "synthetic" not in card


def test_names_of_the_data_cannot_break_the_card(
    make_input: Callable[..., ReportInput], make_dialogue: Callable[..., Dialogue], decide: Callable[..., object]
) -> None:
    name = 'a"b: [c]\n---\n# | <script>'
    dialogue = make_dialogue("x", name, "나 왔어", "어서 와!")
    data = make_input([dialogue], [decide(dialogue, split="train")], [], dataset=name)
    card = render_card(build_report(data), 'x"\ny: 1')
    header = read_header(card)
    assert (header["pretty_name"], header["license"]) == (name, 'x"\ny: 1')
    assert "y" not in header
    assert "<script>" not in card.split("---\n", 2)[2].replace("\\<script\\>", "")
    assert escape_markdown("a|b\n*c*") == "a\\|b \\*c\\*"
