"""Curation of a run and of foreign data, from the command to the files: over real Parquet, in real folders."""

import json
import random
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.curate import CurateRequest, curate
from curation.explain import explain
from curation.outputs import replace_folder
from datagen.errors import DataError, SpecError, UsageError
from datagen.ledger import Ledger
from datagen.ledger_migrations import MIGRATIONS
from datagen.record import Message
from datagen.simulator.compose import Request, compose
from datagen.simulator.slips import SLIPS, Slip

PERSONA = """\
id: exa
name: 엑사
age: 19
speech_level: banmal
system_prompt: 너는 엑사야. 늘 반말로 밝게 말해.
"""


def compose_many(count: int, seed: int = 0) -> list[tuple[Message, ...]]:
    rng = random.Random(seed)
    topics = ("일상 대화", "학술적 대화", "진로 고민", "정서적 위로", "철학적 질문", "하루 계획·루틴")
    return [compose(Request(topics[number % 6], 2 + number % 3, "banmal"), rng) for number in range(count)]


def to_row(messages: tuple[Message, ...], **values: object) -> dict[str, object]:
    turns = [{"role": each.role, "content": each.content} for each in messages]
    return {"topic": "일상 대화", "messages": turns, **values}


def write_rows(path: Path, rows: list[dict[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows), encoding="utf-8")


@pytest.fixture
def persona(tmp_path: Path) -> Path:
    path = tmp_path / "exa.yaml"
    path.write_text(PERSONA, encoding="utf-8")
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Sixty good dialogues, and one with each kind of slip."""
    rows = [to_row(messages, id=f"good-{number:02d}") for number, messages in enumerate(compose_many(60))]
    rng = random.Random(5)
    request = Request("일상 대화", 3, "banmal")
    for name, slip in SLIPS.items():
        if name != "near-copy":
            rows.append(to_row(slip(Slip(compose(request, rng), request, rng, None)), id=f"slip-{name}"))
    write_rows(tmp_path / "data" / "dialogues.jsonl", rows)
    return tmp_path / "data"


def run(data: Path, out: Path, persona: Path, **options: Any) -> dict[str, Any]:
    return curate(CurateRequest(data, out, (persona,), **options))


def read(out: Path, name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(out / "curated" / f"{name}.parquet").to_pylist()
    return rows


def read_splits(out: Path) -> dict[str, str]:
    """Id → split, of all that was accepted."""
    return {
        id_: folder.name
        for folder in (out / "curated").iterdir()
        if folder.is_dir()
        for path in folder.glob("*.parquet")
        for id_ in pq.read_table(path, columns=["id"]).column("id").to_pylist()
    }


def test_each_dialogue_gets_a_verdict_with_evidence(data: Path, tmp_path: Path, persona: Path) -> None:
    summary = run(data, tmp_path / "out", persona)
    decisions = {row["id"]: row for row in read(tmp_path / "out", "decisions")}
    assert len(decisions) == summary["dialogues"] == 69
    assert {id_ for id_, row in decisions.items() if row["status"] == "dropped"} == {
        f"slip-{name}" for name in SLIPS if name != "near-copy"
    }
    drops = [row for row in read(tmp_path / "out", "findings") if row["verdict"] == "drop"]
    assert {row["id"] for row in drops} == {id_ for id_ in decisions if id_.startswith("slip-")}
    assert all(row["evidence"] and row["score"] >= row["threshold"] for row in drops if row["code"] != "length")
    assert set(read_splits(tmp_path / "out").values()) == {"train", "validation", "test"}
    assert summary["accepted"] == len(read_splits(tmp_path / "out")) == 60


def test_a_changed_limit_decides_anew_without_measuring(data: Path, tmp_path: Path, persona: Path) -> None:
    out = tmp_path / "out"
    run(data, out, persona)
    (measured,) = (out / ".curation" / "measured").glob("*.parquet")
    before = measured.stat().st_mtime_ns
    settings = tmp_path / "mine.yaml"
    settings.write_text("filters:\n  emoji: {emoji: {drop: null, note: 1}}\n", encoding="utf-8")
    run(data, out, persona, settings=settings)
    assert measured.stat().st_mtime_ns == before
    decisions = {row["id"]: row["status"] for row in read(out, "decisions")}
    assert decisions["slip-emoji"] == "accepted"
    assert [row["verdict"] for row in read(out, "findings") if row["code"] == "emoji"] == ["note"]
    assert curate(CurateRequest(data, out, (persona,)))["accepted"] == 61  # the folder remembers its settings


def test_curating_again_changes_nothing(data: Path, tmp_path: Path, persona: Path) -> None:
    out = tmp_path / "out"
    run(data, out, persona)
    first = {path: path.read_bytes() for path in (out / "curated").rglob("*.parquet")}
    run(data, out, persona)
    assert {path: path.read_bytes() for path in (out / "curated").rglob("*.parquet")} == first


def test_added_data_moves_no_row_to_another_split(data: Path, tmp_path: Path, persona: Path) -> None:
    out = tmp_path / "out"
    run(data, out, persona)
    before = read_splits(out)
    rows = [to_row(messages, id=f"more-{number}") for number, messages in enumerate(compose_many(40, seed=9))]
    write_rows(data / "aaa-sorts-first.jsonl", rows)
    run(data, out, persona)
    after = read_splits(out)
    assert {id_: after[id_] for id_ in before} == before
    assert len(after) > len(before)


def test_copies_are_dropped_for_a_keeper_that_is_named(data: Path, tmp_path: Path, persona: Path) -> None:
    messages = compose_many(1)[0]
    near = (Message("user", messages[0].content + " 진짜로"), *messages[1:])
    rows = [to_row(messages, id="copy"), to_row(near, id="near")]
    write_rows(data / "copies.jsonl", rows)
    out = tmp_path / "out"
    run(data, out, persona)
    decisions = {row["id"]: row for row in read(out, "decisions")}
    trio = [decisions[id_] for id_ in ("good-00", "copy", "near")]
    (kept,) = [row for row in trio if row["status"] == "accepted"]
    others = [row for row in trio if row is not kept]
    assert all(row["status"] == "duplicate" and row["keeper"] == kept["id"] for row in others)
    clusters = {row["id"]: row for row in read(out, "clusters")}
    assert {clusters[row["id"]]["cluster"] for row in trio} == {"copy"}
    assert {clusters[row["id"]]["kind"] for row in others} <= {"exact", "near", "contained"}
    told = explain(out, others[0]["id"])
    assert kept["id"] in {neighbour.id for neighbour in told.neighbours}
    assert told.decision["similarity"] > 0.5


def test_bad_rows_are_set_aside_and_named(data: Path, tmp_path: Path, persona: Path) -> None:
    good = compose_many(1, seed=3)[0]
    write_rows(data / "bad.jsonl", [to_row(good, id="good-00"), {"messages": None}, to_row(good[1:], id="late")])
    (data / "torn.parquet").write_bytes(b"PAR1 and nothing else")
    out = tmp_path / "out"
    summary = run(data, out, persona)
    named = {(row["file"].rpartition("/")[2], row["row"]): row["what"] for row in read(out, "unreadable")}
    assert "no parquet" in named["torn.parquet", None]
    assert "missing" in named["bad.jsonl", 2]
    assert "starts with the assistant" in named["bad.jsonl", 3]
    assert summary["unreadable"] == 4
    assert any("the id good-00 was used before" in what for what in named.values())
    assert summary["accepted"] == 60


def test_nothing_readable_is_exit_4(tmp_path: Path, persona: Path) -> None:
    write_rows(tmp_path / "data" / "a.jsonl", [{"messages": []}, {"messages": "안녕"}])
    with pytest.raises(DataError) as caught:
        run(tmp_path / "data", tmp_path / "out", persona)
    assert "a.jsonl:1: `messages` is an empty list" in caught.value.message
    assert not (tmp_path / "out" / "curated").exists()


def test_the_published_column_is_read(tmp_path: Path, persona: Path) -> None:
    rows = [{"text": to_row(messages)["messages"], "topic": "일상 대화"} for messages in compose_many(20)]
    (tmp_path / "data").mkdir()
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "data" / "train.parquet")
    assert run(tmp_path / "data", tmp_path / "out", persona)["accepted"] == 20


def test_data_that_resembles_a_benchmark_is_dropped_and_named(data: Path, tmp_path: Path, persona: Path) -> None:
    write_rows(tmp_path / "bench.jsonl", [to_row(messages) for messages in compose_many(3)])
    found = run(data, tmp_path / "out", persona, against=(tmp_path / "bench.jsonl",))["contamination"]
    assert found["compared"] == 3
    assert {pair["id"] for pair in found["pairs"]} == {"good-00", "good-01", "good-02"}
    decisions = {row["id"]: (row["status"], row["reason"]) for row in read(tmp_path / "out", "decisions")}
    assert decisions["good-00"] == ("dropped", "contamination")
    assert not {"good-00", "good-01", "good-02"} & set(read_splits(tmp_path / "out"))


def test_rules_are_spelt_as_in_the_settings(data: Path, tmp_path: Path, persona: Path) -> None:
    run(data, tmp_path / "out", persona)
    rules = {row["rule"] for row in read(tmp_path / "out", "findings")}
    assert "off-level" in rules
    assert not any("_" in rule for rule in rules)


@pytest.mark.parametrize(
    ("text", "what", "hint"),
    [
        ("filters:\n  speach-level: {}\n", "unknown key `filters.speach-level`", "did you mean `speech-level`?"),
        ("filters:\n  emoji: {emoji: {drop: viele}}\n", "`filters.emoji.emoji.drop` is 'viele'", None),
        ("splits: {treshold: 0.4}\n", "unknown key `splits.treshold`", "did you mean `threshold`?"),
        ("filters:\n  emoji: {emoji: {drop: 1, note: 3}}\n", "note 3 is above drop 1", None),
    ],
)
def test_wrong_settings_are_told_with_their_line(
    data: Path, tmp_path: Path, persona: Path, text: str, what: str, hint: str | None
) -> None:
    settings = tmp_path / "curation.yaml"
    settings.write_text(text, encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        run(data, tmp_path / "out", persona, settings=settings)
    (problem,) = caught.value.problems
    assert what in problem.message
    assert problem.line == text.count("\n")
    assert hint is None or problem.hint == hint


def test_a_place_is_needed_for_what_is_made_of_foreign_data(data: Path, persona: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no run"):
        curate(CurateRequest(data, None, (persona,)))
    with pytest.raises(UsageError, match="does not exist"):
        curate(CurateRequest(tmp_path / "nowhere", None))


def fail_while_writing(folder: Path) -> None:
    (folder / "a").write_text("half", encoding="utf-8")
    raise OSError(28, "No space left on device")


def test_a_folder_is_replaced_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    place = tmp_path / "curated"
    with replace_folder(place) as folder:
        (folder / "a").write_text("old", encoding="utf-8")
    with pytest.raises(DataError, match="No space left"), replace_folder(place) as folder:
        fail_while_writing(folder)
    assert (place / "a").read_text(encoding="utf-8") == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["curated"]


def test_a_crash_between_the_two_renames_loses_nothing(tmp_path: Path) -> None:
    old = tmp_path / ".curated-old"
    old.mkdir()
    (old / "a").write_text("old", encoding="utf-8")
    (tmp_path / ".curated-new").mkdir()
    with pytest.raises(ValueError, match="stop"), replace_folder(tmp_path / "curated"):
        raise ValueError("stop")
    assert (tmp_path / "curated" / "a").read_text(encoding="utf-8") == "old"


def test_an_unknown_id_is_told_with_some_that_exist(data: Path, tmp_path: Path, persona: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(UsageError, match="is not curated"):
        explain(out, "good-01")
    run(data, out, persona)
    with pytest.raises(UsageError) as caught:
        explain(out, "good-1")
    assert "good-1" in (caught.value.hint or "")


def test_a_run_of_an_older_version_is_curated_as_it_is(built_run: Path, tmp_path: Path) -> None:
    shutil.copytree(built_run, tmp_path / "run")
    path = tmp_path / "run" / "ledger.db"
    path.unlink()
    Ledger.create_or_open(path, MIGRATIONS[:2]).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("ATTACH ? AS now", [str(built_run / "ledger.db")])
        tables = [name for (name,) in connection.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'")]
        for name in tables:
            columns = ", ".join(row[1] for row in connection.execute(f"PRAGMA main.table_info({name})"))
            connection.execute(f"INSERT INTO main.{name} ({columns}) SELECT {columns} FROM now.{name}")
        connection.commit()
    assert curate(CurateRequest(tmp_path / "run"))["accepted"] == 98
