"""Exports: what was accepted comes out unchanged, in the shape that was asked for, whole or not at all."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from curation.release.curated_set import open_curated
from curation.release.export import ExportSource, ExportSummary, export
from curation.settling.split_memory import SPLITS
from curation.subject import PersonaSheet
from datagen.errors import DataError, UsageError
from datagen.record import Dialogue
from datagen.store import read_dialogues, write_shard
from tests.curation.release.curated_folder import change_reply, make_dialogue, make_run

EXA = PersonaSheet("exa", "엑사", "banmal", system_prompt="너는 엑사야. 늘 반말로 밝게 말해.")
SYSTEM = {"role": "system", "content": EXA.system_prompt}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_run(tmp_path / "runs" / "exa")


def _export(run: Path, out: Path, format_: str = "messages", **options: bool) -> ExportSummary:
    return export([ExportSource(run, {"exa": EXA})], out, format_, **options)


def _read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _read_split(run: Path, split: str) -> list[Dialogue]:
    return list(read_dialogues(run / "curated" / split))


def _list_turns(dialogue: Dialogue) -> list[dict[str, str]]:
    return [{"role": each.role, "content": each.content} for each in dialogue.messages]


@pytest.mark.parametrize("split", SPLITS)
def test_messages_are_the_accepted_dialogues_in_their_order(run: Path, tmp_path: Path, split: str) -> None:
    _export(run, tmp_path / "out")
    expected = [
        {"messages": _list_turns(each), "id": each.id, "topic": each.topic, "persona": "exa"}
        for each in _read_split(run, split)
    ]
    assert _read_lines(tmp_path / "out" / f"{split}.jsonl") == expected
    assert pq.read_table(tmp_path / "out" / f"{split}.parquet").to_pylist() == expected


def test_korean_line_breaks_and_quotes_are_written_as_people_read_them(run: Path, tmp_path: Path) -> None:
    _export(run, tmp_path / "out")
    text = (tmp_path / "out" / "train.jsonl").read_text(encoding="utf-8")
    assert '영화 \\"헤어질 결심\\" 봤어?' in text
    assert "비 오니까 김치찌개지!\\n두부 많이" in text
    assert "*{유저}의 어깨를 토닥이며*" in text
    assert "\\u" not in text


def test_sharegpt_speaks_of_human_and_gpt_and_has_the_system_prompt_beside_them(run: Path, tmp_path: Path) -> None:
    _export(run, tmp_path / "plain", "sharegpt")
    row = _read_lines(tmp_path / "plain" / "test.jsonl")[0]
    assert row["conversations"][0] == {"from": "human", "value": "나 오늘 면접 떨어졌어ㅠㅠ"}
    assert [turn["from"] for turn in row["conversations"]] == ["human", "gpt"] * 2
    assert set(row) == {"conversations", "id", "topic"}
    _export(run, tmp_path / "led", "sharegpt", with_system_prompt=True)
    assert _read_lines(tmp_path / "led" / "test.jsonl")[0] == row | {"system": EXA.system_prompt}


@pytest.mark.parametrize(("format_", "column"), [("messages", "messages"), ("published", "text")])
def test_the_system_prompt_leads_where_it_is_asked_for(run: Path, tmp_path: Path, format_: str, column: str) -> None:
    _export(run, tmp_path / "out", format_, with_system_prompt=True)
    place = tmp_path / "out" / ("exa-data" if format_ == "published" else "")
    for row, dialogue in zip(_read_lines(place / "train.jsonl"), _read_split(run, "train"), strict=True):
        assert row[column] == [SYSTEM, *_list_turns(dialogue)]


def test_a_persona_without_a_system_prompt_is_named_and_nothing_is_written(run: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"persona 'exa' of .* is not known"):
        export([ExportSource(run)], tmp_path / "out", "messages", with_system_prompt=True)
    with pytest.raises(UsageError, match="has no system prompt"):
        export(
            [ExportSource(run, {"exa": replace(EXA, system_prompt=" ")})],
            tmp_path / "out",
            "messages",
            with_system_prompt=True,
        )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["runs"]


def test_the_same_content_gives_the_same_bytes_and_other_content_another_fingerprint(run: Path, tmp_path: Path) -> None:
    first = _export(run, tmp_path / "one")
    again = _export(run, tmp_path / "two")
    assert again.fingerprint == first.fingerprint
    for path in (tmp_path / "one").iterdir():
        assert (tmp_path / "two" / path.name).read_bytes() == path.read_bytes()
    changed = change_reply(make_dialogue(0), 1, "*웃으며* 괜찮아, 다음이 있잖아!")
    write_shard(run / "curated" / "test" / "0001.parquet", [changed, make_dialogue(1)])
    assert _export(run, tmp_path / "three").fingerprint != first.fingerprint


def test_the_manifest_tells_format_counts_files_and_origin(run: Path, tmp_path: Path) -> None:
    summary = _export(run, tmp_path / "out")
    about = json.loads((tmp_path / "out" / "export.json").read_text(encoding="utf-8"))
    counts = {"train": 16, "validation": 2, "test": 2}
    assert about["rows"] == summary.counts == {"default": counts}
    assert about["sources"] == [{"dataset": "exa-data", "dialogues": counts}]
    assert about["fingerprint"] == summary.fingerprint
    assert {each["path"]: each["bytes"] for each in about["files"]} == {
        f"{split}.{kind}": (tmp_path / "out" / f"{split}.{kind}").stat().st_size
        for split in SPLITS
        for kind in ("jsonl", "parquet")
    }
    assert str(tmp_path) not in json.dumps(about)


def test_an_earlier_export_is_replaced_whole(run: Path, tmp_path: Path) -> None:
    _export(run, tmp_path / "out", "published")
    _export(run, tmp_path / "out", "sharegpt")
    assert not (tmp_path / "out" / "exa-data").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "runs"]


def test_a_folder_of_something_else_is_left_alone(run: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "초안.txt").write_text("1장 서론", encoding="utf-8")
    for out in (tmp_path / "thesis", run, run / "curated", tmp_path / "thesis" / "초안.txt"):
        with pytest.raises(UsageError, match=r"no earlier export|not a folder"):
            _export(run, out)
    assert [path.name for path in (tmp_path / "thesis").iterdir()] == ["초안.txt"]


def test_a_file_that_a_person_put_beside_an_export_is_not_lost(run: Path, tmp_path: Path) -> None:
    _export(run, tmp_path / "out")
    (tmp_path / "out" / "메모.md").write_text("2번 대화 다시 볼 것", encoding="utf-8")
    with pytest.raises(UsageError, match=r"메모\.md is not of the earlier export"):
        _export(run, tmp_path / "out")


def test_a_manifest_of_others_does_not_make_a_folder_ours(run: Path, tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "export.json").write_text("[1, 2]", encoding="utf-8")
    with pytest.raises(UsageError, match="no earlier export"):
        _export(run, tmp_path / "site")


def test_a_torn_shard_leaves_the_earlier_export_as_it_was(run: Path, tmp_path: Path) -> None:
    _export(run, tmp_path / "out")
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    shard = run / "curated" / "test" / "0001.parquet"
    content = bytearray(shard.read_bytes())
    content[4:200] = b"\0" * 196
    shard.write_bytes(content)
    with pytest.raises(DataError, match=r"test/0001\.parquet"):
        _export(run, tmp_path / "out", "sharegpt")
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "runs"]


def test_an_export_that_a_crash_left_aside_comes_back(run: Path, tmp_path: Path) -> None:
    _export(run, tmp_path / "out")
    (tmp_path / "out").rename(tmp_path / ".out-old")
    (tmp_path / ".out-old" / "메모.md").write_text("2번 대화 다시 볼 것", encoding="utf-8")
    (tmp_path / ".out-new").mkdir()
    with pytest.raises(UsageError, match=r"메모\.md is not of the earlier export"):
        _export(run, tmp_path / "out")
    (tmp_path / "out" / "메모.md").unlink()
    _export(run, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "runs"]


def test_the_folder_one_stands_in_can_be_exported_into(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert _export(run, Path()).out == tmp_path / "here"
    assert (tmp_path / "here" / "train.jsonl").is_file()


def test_an_unknown_format_is_told_with_the_nearest_name(run: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        _export(run, tmp_path / "out", "share-gpt")
    known = "formats: messages, sharegpt, datasets, published, preferences; to review: label-studio, argilla"
    assert caught.value.hint == f"did you mean 'sharegpt'? {known}"


def test_what_was_never_curated_is_told_with_the_command_to_run(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    for folder in (tmp_path / "run", tmp_path / "nowhere"):
        with pytest.raises(UsageError) as caught:
            _export(folder, tmp_path / "out")
        assert "damhwa curate" in str(caught.value.hint)


def test_a_run_whose_dialogues_all_wait_for_people_is_told_as_such(run: Path, tmp_path: Path) -> None:
    for split in ("train", "validation", "test"):
        shutil.rmtree(run / "curated" / split)
    with pytest.raises(UsageError, match="holds no accepted dialogue") as caught:
        export([ExportSource(run)], tmp_path / "out", "messages")
    assert "verdict" in str(caught.value.hint)


def test_a_split_without_dialogues_has_no_files(run: Path, tmp_path: Path) -> None:
    write_shard(run / "curated" / "test" / "0001.parquet", [])
    summary = _export(run, tmp_path / "out")
    assert summary.counts == {"default": {"train": 16, "validation": 2}}
    assert not list((tmp_path / "out").glob("test.*"))


def test_two_runs_of_one_dataset_cannot_share_an_export(run: Path, tmp_path: Path) -> None:
    other = make_run(tmp_path / "other")
    with pytest.raises(UsageError, match="two runs are of the dataset 'exa-data'"):
        export([ExportSource(run), ExportSource(other)], tmp_path / "out", "published")


def test_rows_of_the_simulator_are_announced_at_the_top_of_the_card(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", provider="damhwa-simulator")
    assert open_curated(run).is_simulated()
    _export(run, tmp_path / "out")
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "offline simulator" in card
    assert "license: cc-by-4.0" in card


@pytest.fixture
def hub_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    monkeypatch.setattr(datasets.config, "HF_DATASETS_OFFLINE", True)
    yield tmp_path / "cache"
    datasets.enable_progress_bars()


def test_datasets_loads_every_split_as_it_was(run: Path, tmp_path: Path, hub_cache: Path) -> None:
    from datasets import load_dataset

    _export(run, tmp_path / "out")
    loaded = load_dataset(str(tmp_path / "out"), cache_dir=str(hub_cache))
    assert list(loaded) == list(SPLITS)
    for split in SPLITS:
        dialogues = _read_split(run, split)
        assert loaded[split]["messages"][:] == [_list_turns(each) for each in dialogues]
        assert loaded[split]["id"][:] == [each.id for each in dialogues]


def test_published_has_the_features_of_the_existing_dataset_in_two_configurations(
    run: Path, tmp_path: Path, hub_cache: Path
) -> None:
    from datasets import Features, List, Value, load_dataset

    other = make_run(tmp_path / "gf", dataset="gf-persona-data", accepted=12)
    summary = export([ExportSource(run), ExportSource(other)], tmp_path / "out", "published")
    assert {name: sum(splits.values()) for name, splits in summary.counts.items()} == {
        "exa-data": 20,
        "gf-persona-data": 12,
    }
    features = Features({"text": List({"content": Value("string"), "role": Value("string")}), "topic": Value("string")})
    for name, run_ in (("exa-data", run), ("gf-persona-data", other)):
        loaded = load_dataset(str(tmp_path / "out"), name, split="train", cache_dir=str(hub_cache))
        assert loaded.features == features
        assert loaded["text"][:] == [_list_turns(each) for each in _read_split(run_, "train")]
        assert loaded["topic"][:] == [each.topic for each in _read_split(run_, "train")]
