"""What is trained on: our own splits, any folder that `datasets` reads, and each row's system prompt."""

import json
import shutil
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ruamel.yaml import YAML

from curation.release.export import ExportSource, export
from datagen.errors import DataError, UsageError
from datagen.media import store_medium
from datagen.spec import Persona
from tests.pictures import MP3, make_png
from train.conversations import read_row, read_split
from train.recipe import load_recipe

TALK = [
    {"role": "user", "content": "오늘 뭐 했어?"},
    {"role": "assistant", "content": "*책을 덮으며* 도서관에 있었지~"},
]


@pytest.fixture(scope="module")
def persona() -> Persona:
    return load_recipe("exagirl-2.4b").persona


def write_lines(folder: Path, rows: list[dict[str, object]]) -> str:
    folder.mkdir(exist_ok=True)
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (folder / "train.jsonl").write_text(text, encoding="utf-8")
    return str(folder)


def test_a_run_gives_its_curated_split_with_the_personas_prompt(built_run: Path, persona: Persona) -> None:
    split = read_split(str(built_run), "train", persona)
    ids = [
        each
        for file in sorted((built_run / "curated/train").glob("*.parquet"))
        for each in pq.read_table(file)["id"].to_pylist()
    ]
    assert [each.id for each in split.conversations] == ids
    frozen = YAML(typ="safe").load((built_run / "spec.yaml").read_text(encoding="utf-8"))["personas"][0]
    first = split.conversations[0].messages
    assert first[0] == {"role": "system", "content": frozen["system_prompt"].strip()}
    assert [each["role"] for each in first[1:3]] == ["user", "assistant"]
    assert split.is_simulated
    assert read_split(str(built_run / "curated"), "train", persona).fingerprint == split.fingerprint


def test_rows_of_several_personas_get_each_their_own_prompt(built_run: Path, tmp_path: Path, persona: Persona) -> None:
    run = tmp_path / "run"
    shutil.copytree(built_run, run)
    spec = run / "spec.yaml"
    frozen = YAML(typ="safe").load(spec.read_text(encoding="utf-8"))
    other = frozen["personas"][0] | {"id": "boram", "system_prompt": "너는 보람이다. 언제나 존댓말로 말한다."}
    with spec.open("w", encoding="utf-8") as file:
        YAML(typ="safe").dump(frozen | {"personas": [*frozen["personas"], other]}, file)
    path = next((run / "curated/train").glob("*.parquet"))
    table = pq.read_table(path)
    names = ["boram" if number % 2 else "exa" for number in range(len(table))]
    place = table.schema.get_field_index("persona")
    pq.write_table(table.set_column(place, table.schema.field(place), pa.array(names)), path)
    found = read_split(str(run), "train", persona).conversations
    prompts = {each.persona: each.messages[0]["content"] for each in found}
    assert prompts == {"exa": frozen["personas"][0]["system_prompt"].strip(), "boram": other["system_prompt"]}


@pytest.mark.parametrize("column", ["messages", "text"])
def test_any_folder_with_messages_or_the_published_text_is_read(tmp_path: Path, persona: Persona, column: str) -> None:
    place = write_lines(tmp_path / "theirs", [{column: TALK, "topic": "일상 대화"}])
    [row] = read_split(place, "train", persona).conversations
    assert row.messages == ({"role": "system", "content": persona.system_prompt.strip()}, *TALK)
    assert row.id.startswith("sha256-")


def test_a_system_message_of_the_row_stays(tmp_path: Path, persona: Persona) -> None:
    system = {"role": "system", "content": "너는 보람이다. 언제나 존댓말로 말한다."}
    place = write_lines(tmp_path / "theirs", [{"messages": [system, *TALK]}])
    assert read_split(place, "train", persona).conversations[0].messages == (system, *TALK)


@pytest.mark.parametrize(
    ("messages", "told"),
    [
        ([], "has the turns nothing"),
        (TALK[:1], "has the turns user"),
        (TALK[::-1], "has the turns assistant user"),
        ([*TALK, *TALK[:1]], "has the turns user assistant user"),
        ([{"role": "human", "content": "안녕"}, TALK[1]], "role 'human'"),
        ([TALK[0], {"role": "system", "content": "끼어들기"}, TALK[1]], "a system message in the middle"),
    ],
)
def test_a_row_that_is_no_conversation_is_told_with_its_place(
    tmp_path: Path, persona: Persona, messages: list[dict[str, str]], told: str
) -> None:
    place = write_lines(tmp_path / "theirs", [{"messages": TALK}, {"messages": messages}])
    with pytest.raises(DataError, match=f"split train, row 2 .*{told}"):
        read_split(place, "train", persona)


def test_what_is_missing_is_told(built_run: Path, tmp_path: Path, persona: Persona) -> None:
    run = tmp_path / "run"
    shutil.copytree(built_run, run)
    shutil.rmtree(run / "curated/validation")
    with pytest.raises(UsageError, match=r"the split 'validation' of .* is empty or missing"):
        read_split(str(run), "validation", persona)
    shutil.rmtree(run / "curated")
    with pytest.raises(UsageError, match="has no curated/ yet"):
        read_split(str(run), "train", persona)
    with pytest.raises(UsageError, match=r"there is no .*nowhere, expected a run or a folder"):
        read_split(str(tmp_path / "nowhere"), "train", persona)
    with pytest.raises(UsageError, match="has the columns question, expected `messages` or `text`"):
        read_split(write_lines(tmp_path / "theirs", [{"question": "왜?"}]), "train", persona)


def test_a_torn_shard_is_told(built_run: Path, tmp_path: Path, persona: Persona) -> None:
    run = tmp_path / "run"
    shutil.copytree(built_run, run)
    path = next((run / "curated/train").glob("*.parquet"))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        read_split(str(run), "train", persona)


@pytest.mark.parametrize("content", ["", " \n", "\ud83d"])
def test_an_empty_turn_or_half_a_character_is_refused(persona: Persona, content: str) -> None:
    row = {"messages": [TALK[0], {"role": "assistant", "content": content}]}
    with pytest.raises(DataError, match="here has a message of assistant that is empty or no text"):
        read_row(row, "here", {}, persona)


def test_rows_of_a_persona_whose_prompt_nobody_knows_are_counted(tmp_path: Path, persona: Persona) -> None:
    rows: list[dict[str, object]] = [{"messages": TALK, "persona": name} for name in ("minsu", "exa", "minsu")]
    split = read_split(write_lines(tmp_path / "theirs", rows), "train", persona)
    assert split.strangers == {"minsu": 2}


def test_a_row_with_pictures_is_its_words_and_counted(tmp_path: Path, persona: Persona) -> None:
    shown = [
        {"role": "user", "content": [{"type": "text", "text": "이 사진 봐"}, {"type": "image_url", "text": None}]},
        {"role": "assistant", "content": [{"type": "text", "text": "와, 예쁘다!"}]},
    ]
    told = [{"role": each["role"], "content": [{"type": "text", "text": each["content"]}]} for each in TALK]
    place = write_lines(tmp_path / "data", [{"id": "a", "messages": shown}, {"id": "b", "messages": told}])
    split = read_split(place, "train", persona)
    assert [[each["content"] for each in row.messages[1:]] for row in split.conversations] == [
        ["이 사진 봐", "와, 예쁘다!"],
        [each["content"] for each in TALK],
    ]
    assert split.shown == 1


def give_media(run: Path, *contents: bytes) -> pa.Table:
    """Give the first row of a curated folder's training split a file for each of its first messages."""
    path = next((run / "curated/train").glob("*.parquet"))
    table = pq.read_table(path)
    field = table.schema.field("media")
    media = [asdict(store_medium(run, content).show_in(number)) for number, content in enumerate(contents)]
    rows = pa.array([media, *[None] * (table.num_rows - 1)], field.type)
    pq.write_table(table.set_column(table.schema.get_field_index("media"), field, rows), path)
    return table


def test_of_a_run_the_rows_with_media_are_counted_and_nothing_else_changes(
    built_run: Path, tmp_path: Path, persona: Persona
) -> None:
    run = tmp_path / "run"
    shutil.copytree(built_run, run)
    plain = read_split(str(run), "train", persona)
    give_media(run, make_png())
    split = read_split(str(run), "train", persona)
    assert (plain.shown, split.shown) == (0, 1)
    assert split.fingerprint == plain.fingerprint


def test_an_export_with_the_files_inside_is_read_without_decoding_any(
    built_run: Path, tmp_path: Path, persona: Persona
) -> None:
    shutil.copytree(built_run / "curated", tmp_path / "run" / "curated")
    table = give_media(tmp_path / "run", make_png(), MP3)
    export([ExportSource(tmp_path / "run")], tmp_path / "out", "datasets")
    split = read_split(str(tmp_path / "out"), "train", persona)
    assert split.shown == 1
    assert [each.id for each in split.conversations] == table["id"].to_pylist()
