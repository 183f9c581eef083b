"""Other people's pictures and recordings: taken in whole, and nothing that a row says opens what it should not."""

import base64
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curation.content_parts import MediaPlaces
from curation.curate import CurateRequest, curate
from curation.edits import put_text
from curation.row import BadRowError, read_dialogue
from datagen.record import Dialogue, Message
from datagen.store import read_dialogues, to_columns
from tests.pictures import MP3, make_png, make_wav

ASKED = "이 사진 좀 봐, 우리 동네 벚꽃이야"
ANSWERED = "*사진을 들여다보며* 와, 벌써 다 폈네! 이번 주말에 같이 걸을까?"
PNG, WAV = make_png(), make_wav()
PLAIN = {
    "id": "plain",
    "messages": [
        {"role": "user", "content": "나 왔어"},
        {"role": "assistant", "content": "*손을 흔들며* 어서 와! 기다렸어."},
    ],
}


def encode(content: bytes) -> str:
    return base64.b64encode(content).decode()


def show(url: object) -> dict[str, Any]:
    return {"type": "image_url", "image_url": url}


def make_row(*parts: dict[str, Any], **values: object) -> dict[str, Any]:
    asked = [{"type": "text", "text": ASKED}, *parts]
    messages = [{"role": "user", "content": asked}, {"role": "assistant", "content": ANSWERED}]
    return {"messages": messages, **values}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A folder of foreign data with one picture and one recording beside the rows."""
    folder = tmp_path / "data"
    (folder / "files").mkdir(parents=True)
    (folder / "files" / "벚꽃.png").write_bytes(PNG)
    (folder / "files" / "voice.wav").write_bytes(WAV)
    return folder


def read(folder: Path, row: dict[str, Any]) -> Dialogue:
    take = MediaPlaces(folder, folder.parent / "out").beside(str(folder / "a.jsonl")).take
    return read_dialogue(row, "a-1", "data", "exa", take)


def curate_rows(folder: Path, *rows: dict[str, Any]) -> tuple[list[Dialogue], list[dict[str, Any]]]:
    """What is accepted, and what is set aside."""
    lines = (json.dumps(row, ensure_ascii=False) for row in rows)
    (folder / "a.jsonl").write_text("\n".join(lines), encoding="utf-8")
    out = folder.parent / "out"
    curate(CurateRequest(folder, out))
    return list(read_dialogues(out / "curated" / "train")), pq.read_table(
        out / "curated" / "unreadable.parquet"
    ).to_pylist()


@pytest.mark.parametrize(
    "part",
    [
        show({"url": f"data:image/png;base64,{encode(PNG)}"}),
        show({"url": f"data:image/jpeg;base64,{encode(PNG)}", "detail": "high"}),
        show(f"data:image/png;base64,{encode(PNG)}"),
        show({"url": "files/벚꽃.png"}),
        {"type": "image", "image": "files/벚꽃.png"},
        {"type": "image", "image": {"bytes": PNG, "path": None}},
    ],
)
def test_a_picture_comes_in_by_its_bytes_whatever_way_it_is_given(data: Path, part: dict[str, Any]) -> None:
    dialogue = read(data, make_row(part))
    (medium,) = dialogue.media
    assert (medium.message, medium.kind, medium.media_type) == (0, "image", "image/png")
    assert (data.parent / "out" / medium.path).read_bytes() == PNG
    assert dialogue.messages[0].content == ASKED


@pytest.mark.parametrize(
    ("part", "content"),
    [
        ({"type": "input_audio", "input_audio": {"data": encode(WAV), "format": "wav"}}, WAV),
        ({"type": "input_audio", "input_audio": {"data": encode(MP3), "format": "mp3"}}, MP3),
        ({"type": "audio_url", "audio_url": {"url": "files/voice.wav"}}, WAV),
        ({"type": "audio", "audio": "files/voice.wav"}, WAV),
    ],
)
def test_a_recording_comes_in_as_data_or_as_a_file(data: Path, part: dict[str, Any], content: bytes) -> None:
    (medium,) = read(data, make_row(part)).media
    assert medium.kind == "audio"
    assert (data.parent / "out" / medium.path).read_bytes() == content


def test_messages_are_counted_without_the_system_and_text_parts_are_lines(data: Path) -> None:
    row = make_row({"type": "text", "text": "예쁘지?"}, show({"url": "files/벚꽃.png"}))
    row["messages"].insert(0, {"role": "system", "content": [{"type": "text", "text": "너는 엑사야."}]})
    row["messages"][2] = {"role": "assistant", "content": [{"type": "text", "text": ANSWERED}]}
    dialogue = read(data, row)
    assert dialogue.messages == (Message("user", f"{ASKED}\n예쁘지?"), Message("assistant", ANSWERED))
    assert [each.message for each in dialogue.media] == [0]


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "http": (show({"url": "http://127.0.0.1:1/a.png"}), "addresses are never fetched: download it"),
    "https": (show({"url": "https://example.org/a.png"}), "addresses are never fetched"),
    "file": (show({"url": "file:///etc/passwd"}), "addresses are never fetched"),
    "up": (show({"url": "../../etc/passwd"}), "no file in the data's own folder"),
    "up-and-in": (show({"url": "files/../../secret.png"}), "no file in the data's own folder"),
    "absolute": (show({"url": "/etc/passwd"}), "no file in the data's own folder"),
    "link": (show({"url": "files/link.png"}), "no file in the data's own folder"),
    "folder": (show({"url": "files"}), "no file in the data's own folder"),
    "pipe": (show({"url": "files/pipe"}), "no file in the data's own folder"),
    "missing": (show({"url": "files/없음.png"}), "no file in the data's own folder"),
    "nul": (show({"url": "a\0b"}), "cannot be read"),
    "long": (show({"url": "a" * 5_000}), "cannot be read"),
    "huge": (show({"url": "files/huge.png"}), "has 20,000,001 bytes, expected at most 20,000,000"),
    "huge-data": (show({"url": "data:image/png;base64," + "A" * 40_000_001}), "expected at most 20,000,000 bytes"),
    "garbage": (show({"url": "data:image/png;base64,이건아님"}), "no base64"),
    "percent": (show({"url": "data:image/png,%89PNG"}), "without base64"),
    "text": (show({"url": f"data:image/png;base64,{encode(b'hello, world')}"}), "no picture and no recording"),
    "svg": (show({"url": f"data:image/svg+xml;base64,{encode(b'<svg/>')}"}), "no picture and no recording"),
    "torn": (show({"url": f"data:image/png;base64,{encode(PNG[:40])}"}), "cut off"),
    "voice-as-picture": (show({"url": "files/voice.wav"}), "is audio/wav, expected a picture"),
    "picture-as-voice": ({"type": "input_audio", "input_audio": {"data": encode(PNG)}}, "expected a recording"),
    "nothing": (show({}), "has neither data nor a path"),
    "number": (show(7), "has neither data nor a path"),
    "video": ({"type": "video", "video": "a.mp4"}, "a part of the type 'video', expected one of text, image_url"),
    "no-type": ({"text": "?"}, "a part of the type missing"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_file_of_the_data_is_told_and_stores_nothing(data: Path, name: str) -> None:
    (data.parent / "secret.png").write_bytes(PNG)
    (data / "files" / "link.png").symlink_to(data.parent / "secret.png")
    os.mkfifo(data / "files" / "pipe")
    with (data / "files" / "huge.png").open("wb") as file:
        file.truncate(20_000_001)
    part, expected = REFUSED[name]
    with pytest.raises(BadRowError, match=expected) as caught:
        read(data, make_row(show({"url": "files/벚꽃.png"}), part))
    assert str(caught.value).startswith("turn 1")
    assert not (data.parent / "out").exists()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
VALUES = JSON | st.sampled_from(["files/벚꽃.png", f"data:image/png;base64,{encode(PNG)}", "data:,", "\ud800.png", "."])
OBJECTS = st.dictionaries(st.sampled_from(["url", "path", "data", "bytes", "format"]), VALUES, max_size=3)
TYPES = st.sampled_from(["text", "image_url", "image", "input_audio", "audio_url", "audio"])
PARTS = st.dictionaries(TYPES | st.just("type"), VALUES | OBJECTS | TYPES, max_size=4) | JSON
MEDIA = st.dictionaries(
    st.sampled_from(["message", "kind", "path", "sha256", "media_type", "size"]),
    JSON | st.sampled_from([0, 0.5, True, "image", "0" * 64, f"media/{'0' * 64}.png", "image/png"]),
    min_size=5,
)


@given(parts=st.lists(PARTS, max_size=3), media=st.none() | st.lists(MEDIA | JSON, max_size=2) | JSON)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_a_row_holds_it_is_a_dialogue_or_a_bad_row(data: Path, parts: list[Any], media: Any) -> None:
    row = make_row(*parts, media=media)
    with suppress(BadRowError):
        dialogue = read(data, row)
        assert to_columns([dialogue])
        assert all((data.parent / "out" / each.path).is_file() for each in dialogue.media)


def test_a_picture_without_a_word_is_told(data: Path) -> None:
    row = make_row(show({"url": "files/벚꽃.png"}))
    row["messages"][0]["content"].pop(0)
    with pytest.raises(BadRowError, match="turn 1 shows something and says nothing"):
        read(data, row)


def test_a_bad_picture_costs_its_row_alone(data: Path) -> None:
    rows = [
        make_row(show({"url": "files/벚꽃.png"}), id="good"),
        make_row(show({"url": "../../etc/passwd"}), id="bad"),
        PLAIN,
    ]
    accepted, unreadable = curate_rows(data, *rows)
    assert {each.id: len(each.media) for each in accepted} == {"good": 1, "plain": 0}
    assert [(each["row"], each["what"]) for each in unreadable] == [
        (2, "turn 1: the picture '../../etc/passwd' is no file in the data's own folder")
    ]
    (stored,) = (data.parent / "out" / "media").iterdir()
    assert stored.read_bytes() == PNG
    card = (data.parent / "out" / "curated" / "README.md").read_text(encoding="utf-8")
    assert f"대화 1건에는 사진이나 녹음이 있습니다. 파일은 모두 1개({len(PNG)}바이트)" in card


def test_parts_in_parquet_are_read_like_those_in_lines(data: Path) -> None:
    part = {"type": "image_url", "text": None, "image_url": {"url": "files/벚꽃.png"}, "input_audio": None}
    voice = {
        "type": "input_audio",
        "text": None,
        "image_url": None,
        "input_audio": {"data": encode(WAV), "format": "wav"},
    }
    said = {"type": "text", "text": ASKED, "image_url": None, "input_audio": None}
    answered = {"type": "text", "text": ANSWERED, "image_url": None, "input_audio": None}
    messages = [{"role": "user", "content": [said, part, voice]}, {"role": "assistant", "content": [answered]}]
    pq.write_table(pa.table({"id": ["a"], "messages": [messages]}), data / "a.parquet")
    curate(CurateRequest(data, data.parent / "out"))
    (dialogue,) = read_dialogues(data.parent / "out" / "curated" / "train")
    assert [(each.kind, each.message) for each in dialogue.media] == [("image", 0), ("audio", 0)]


@pytest.mark.parametrize("part", ["curated", "curated/train"])
def test_data_of_ours_brings_its_files_along(data: Path, tmp_path: Path, part: str) -> None:
    curate_rows(data, make_row(show({"url": "files/벚꽃.png"}), id="a"))
    curate(CurateRequest(tmp_path / "out" / part, tmp_path / "again"))
    (dialogue,) = read_dialogues(tmp_path / "again" / "curated" / "train")
    assert (tmp_path / "again" / dialogue.media[0].path).read_bytes() == PNG


def test_a_file_of_ours_that_was_altered_costs_its_row(data: Path, tmp_path: Path) -> None:
    curate_rows(data, make_row(show({"url": "files/벚꽃.png"}), id="a"), PLAIN)
    (stored,) = (tmp_path / "out" / "media").iterdir()
    stored.write_bytes(make_png((1, 2, 3)))
    curate(CurateRequest(tmp_path / "out" / "curated" / "train", tmp_path / "again"))
    (bad,) = pq.read_table(tmp_path / "again" / "curated" / "unreadable.parquet").to_pylist()
    assert bad["what"].startswith("a file of `media`: media/")


@pytest.mark.parametrize("path", ["../../etc/passwd", "media/../../etc/passwd", "/etc/passwd", "media/{sha}.sh"])
def test_a_media_column_names_files_of_media_and_nothing_else(data: Path, path: str) -> None:
    sha256 = "0" * 64
    medium = {"message": 0, "kind": "image", "path": path.format(sha=sha256), "sha256": sha256}
    row = make_row(media=[medium | {"media_type": "image/png", "size": 7}])
    with pytest.raises(BadRowError, match="media"):
        read(data, row)


def test_an_edit_keeps_pictures_and_loses_the_recording_of_what_was_said_before(data: Path) -> None:
    row = make_row(show({"url": "files/벚꽃.png"}))
    row["messages"][1]["content"] = [
        {"type": "text", "text": ANSWERED},
        {"type": "audio", "audio": "files/voice.wav"},
    ]
    dialogue = read(data, row)
    edited = put_text(dialogue, (dialogue.messages[0], Message("assistant", "와, 예쁘다!")))
    assert [each.kind for each in edited.media] == ["image"]
    shown = put_text(dialogue, (Message("user", "이거 봐"), dialogue.messages[1]))
    assert shown.media == dialogue.media
    assert put_text(dialogue, dialogue.messages[:1]).media == dialogue.media[:1]
