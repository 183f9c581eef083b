"""Exports of dialogues with pictures and recordings: each format has them where its readers look, or says that not."""

import base64
import json
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from curation.curate import CurateRequest, curate
from curation.release.export import ExportSource, ExportSummary, describe_export, export
from curation.release.hub import Destination
from curation.release.parcel import pack
from curation.release.publish import publish
from curation.subject import PersonaSheet
from datagen.errors import DataError
from datagen.media import store_medium
from datagen.record import Dialogue
from datagen.store import read_dialogues, write_shard
from tests.curation.release.curated_folder import make_dialogue, make_run
from tests.pictures import make_png, make_wav

EXA = PersonaSheet("exa", "엑사", "banmal", system_prompt="너는 엑사야. 늘 반말로 밝게 말해.")
RED, BLUE, VOICE, ASKED = make_png(), make_png((20, 30, 200)), make_wav(), make_wav(400)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Of the two dialogues in test the first shows two pictures, is asked by voice and answers with one."""
    folder = make_run(tmp_path / "run")
    red, blue, voice, asked = (store_medium(folder, content) for content in (RED, BLUE, VOICE, ASKED))
    media = (blue.show_in(2), red.show_in(0), asked.show_in(2), voice.show_in(3))
    shown = replace(make_dialogue(0), media=media)
    write_shard(folder / "curated" / "test" / "0001.parquet", [shown, make_dialogue(1)])
    return folder


def _export(run: Path, out: Path, format_: str, **options: bool) -> ExportSummary:
    return export([ExportSource(run, {"exa": EXA})], out, format_, **options)


def _read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _read_first(run: Path) -> Dialogue:
    return next(iter(read_dialogues(run / "curated" / "test")))


def _load(out: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import datasets

        return datasets.load_dataset(str(out), cache_dir=str(out.parent / "cache"))


def test_messages_have_content_parts_where_something_is_shown_and_text_elsewhere(run: Path, tmp_path: Path) -> None:
    _export(run, tmp_path / "out", "messages", with_system_prompt=True)
    shown, plain = _read_lines(tmp_path / "out" / "test.jsonl")
    contents = [each["content"] for each in shown["messages"]]
    first = _read_first(run)
    url = f"data:image/png;base64,{base64.b64encode(RED).decode()}"
    assert contents[0] == EXA.system_prompt
    assert contents[1] == [
        {"type": "text", "text": first.messages[0].content},
        {"type": "image_url", "image_url": {"url": url}},
    ]
    assert contents[2] == first.messages[1].content
    assert [each["type"] for each in contents[3]] == ["text", "image_url", "input_audio"]
    assert contents[4][1]["input_audio"] == {"data": base64.b64encode(VOICE).decode(), "format": "wav"}
    assert all(isinstance(each["content"], str) for each in plain["messages"])
    flat = pq.read_table(tmp_path / "out" / "test.parquet").to_pylist()
    assert [each["content"] for each in flat[0]["messages"][1:]] == [each.content for each in first.messages]


def test_what_is_exported_as_messages_is_read_back_with_every_file(run: Path, tmp_path: Path) -> None:
    _export(run, tmp_path / "out", "messages")
    (tmp_path / "out" / "test.parquet").unlink()
    curate(CurateRequest(tmp_path / "out" / "test.jsonl", tmp_path / "again"))
    again = {each.id: each for split in ("train", "validation", "test") for each in _read(tmp_path / "again", split)}
    first = _read_first(run)
    assert again[first.id].messages == first.messages
    assert set(again[first.id].media) == set(first.media)
    assert (tmp_path / "again" / first.media[0].path).read_bytes() == BLUE


def _read(folder: Path, split: str) -> list[Dialogue]:
    return list(read_dialogues(folder / "curated" / split))


@pytest.mark.parametrize("format_", ["messages", "sharegpt"])
def test_rows_of_text_alone_are_the_same_bytes_beside_rows_with_pictures(
    run: Path, tmp_path: Path, format_: str
) -> None:
    _export(run, tmp_path / "shown", format_)
    write_shard(run / "curated" / "test" / "0001.parquet", [make_dialogue(0), make_dialogue(1)])
    _export(run, tmp_path / "plain", format_)
    assert (tmp_path / "shown/train.jsonl").read_bytes() == (tmp_path / "plain/train.jsonl").read_bytes()
    lines = [(tmp_path / name / "test.jsonl").read_bytes().splitlines() for name in ("shown", "plain")]
    assert lines[0][0] != lines[1][0]
    assert lines[0][1] == lines[1][1]


def test_sharegpt_has_a_tag_for_every_file_in_their_order(run: Path, tmp_path: Path) -> None:
    summary = _export(run, tmp_path / "out", "sharegpt")
    shown, plain = _read_lines(tmp_path / "out" / "test.jsonl")
    values = [each["value"] for each in shown["conversations"]]
    assert values[0].startswith("<image>나 오늘")
    assert values[2].startswith("<image><audio>고마워")
    assert "<audio>" not in values[3]
    assert [(tmp_path / "out" / path).read_bytes() for path in shown["images"]] == [RED, BLUE]
    assert [(tmp_path / "out" / path).read_bytes() for path in shown["audios"]] == [ASKED]
    assert set(plain) == {"conversations", "id", "topic"}
    assert (summary.media.rows, summary.media.left_out, summary.media.files) == (1, 1, 3)
    assert "1 dialogues lack pictures or recordings that they have: sharegpt has no place" in describe_export(summary)
    assert pq.read_table(tmp_path / "out" / "test.parquet")["images"].to_pylist() == [shown["images"], None]
    _export(run, tmp_path / "out", "published")
    assert not (tmp_path / "out" / "media").exists()


@pytest.mark.parametrize("format_", ["published", "preferences"])
def test_a_format_of_text_says_how_many_dialogues_lost_something(run: Path, tmp_path: Path, format_: str) -> None:
    summary = _export(run, tmp_path / "out", format_)
    assert (summary.media.rows, summary.media.left_out, summary.media.files) == (1, 1, 0)
    assert f"{format_} has no place for them" in describe_export(summary)
    assert "This format has the text alone." in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "out" / "export.json").read_bytes())["media"]["left_out"] == 1


def test_datasets_decodes_the_pictures_from_inside_the_parquet_files(run: Path, tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    import datasets

    summary = _export(run, tmp_path / "out", "datasets", with_system_prompt=True)
    assert sorted(path.name for path in (tmp_path / "out").glob("*.*")) == [
        "README.md",
        "export.json",
        "test.parquet",
        "train.parquet",
        "validation.parquet",
    ]
    loaded = _load(tmp_path / "out")["test"]
    assert loaded.features["images"] == datasets.List(datasets.Image())
    assert loaded.features["audios"] == datasets.List(datasets.Audio())
    decoded = loaded.remove_columns("audios")[0]["images"]
    assert [each.convert("RGB").getpixel((0, 0)) for each in decoded] == [(200, 30, 30), (20, 30, 200)]
    assert isinstance(decoded[0], image.Image)
    raw = loaded.cast_column("images", datasets.List(datasets.Image(decode=False)))
    raw = raw.cast_column("audios", datasets.List(datasets.Audio(decode=False)))
    assert [each["bytes"] for each in raw[0]["images"]] == [RED, BLUE]
    assert [each["bytes"] for each in raw[0]["audios"]] == [ASKED, VOICE]
    assert raw[1]["images"] == []
    parts = [[each["type"] for each in message["content"]] for message in raw[0]["messages"]]
    assert parts == [["text"], ["image", "text"], ["text"], ["image", "audio", "text"], ["audio", "text"]]
    assert raw[0]["messages"][1]["content"][1]["text"] == _read_first(run).messages[0].content
    assert (summary.media.rows, summary.media.left_out, summary.media.files) == (1, 0, 4)
    assert _export(run, tmp_path / "again", "datasets", with_system_prompt=True).fingerprint == summary.fingerprint


def test_recordings_decode_where_torchcodec_is_there(run: Path, tmp_path: Path) -> None:
    pytest.importorskip("torchcodec", reason="recordings are decoded by torchcodec, which is not installed")
    _export(run, tmp_path / "out", "datasets")
    first, second = _load(tmp_path / "out")["test"][0]["audios"]
    assert [each.get_all_samples().data.shape[-1] for each in (first, second)] == [400, 800]


@pytest.mark.parametrize("format_", ["messages", "sharegpt", "datasets"])
def test_a_file_that_is_gone_or_altered_stops_the_export_and_leaves_the_one_before(
    run: Path, tmp_path: Path, format_: str
) -> None:
    _export(run, tmp_path / "out", format_)
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").glob("*.*")}
    place = run / _read_first(run).media[1].path
    for damage in (lambda: place.write_bytes(BLUE), place.unlink):
        damage()
        with pytest.raises(DataError, match="a dialogue's image is not what it was"):
            _export(run, tmp_path / "out", format_)
        assert {path.name: path.read_bytes() for path in (tmp_path / "out").glob("*.*")} == before


def test_published_data_brings_its_files_and_counts_them(run: Path) -> None:
    first = _read_first(run)
    parcel = pack(run)
    assert {file.path for file in parcel.files} > {each.path for each in first.media}
    summary = publish(run, Destination("my-team/exa-data"), dry_run=True)
    assert summary.message.startswith("20 rows (train 16, validation 2, test 2), 4 pictures and recordings, sha256 ")
    assert parcel.is_stale(f"media/{'0' * 64}.png")
    assert not parcel.is_stale(first.media[0].path)
    assert not parcel.is_stale("media/logo.png")
    (run / first.media[0].path).unlink()
    with pytest.raises(DataError, match="is not there"):
        pack(run)


def test_a_picture_comes_out_of_the_hub_as_it_went_in(run: Path, tmp_path: Path) -> None:
    summary = _export(run, tmp_path / "out", "sharegpt")
    parcel = pack(tmp_path / "out")
    sent = {file.path: file.local.read_bytes() for file in parcel.files}
    assert [sent[path] for path in _read_lines(tmp_path / "out/test.jsonl")[0]["images"]] == [RED, BLUE]
    assert parcel.media == summary.media.files == 3


def test_datasets_loads_an_export_as_it_is_now_though_it_loaded_it_before(run: Path, tmp_path: Path) -> None:
    _export(run, tmp_path / "out", "messages")
    assert len(_load(tmp_path / "out")["test"]) == 2
    write_shard(run / "curated" / "test" / "0002.parquet", [make_dialogue(30)])
    _export(run, tmp_path / "out", "messages")
    assert len(_load(tmp_path / "out")["test"]) == 3
