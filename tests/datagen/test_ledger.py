import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from datagen.errors import DataError, UsageError
from datagen.ledger import Attempt, Entry, Ledger, StoredAnswer
from datagen.ledger_migrations import MIGRATIONS
from datagen.record import Message
from datagen.seal import seal_dialogues

NOW = "2026-11-23T09:00:00.000000+00:00"
TALK = (Message("user", "나 왔어"), Message("assistant", "*웃으며* 어서 와!"))


def make_entry(seq: int, slot: int, messages: tuple[Message, ...] | None = TALK, topic: str = "농담") -> Entry:
    attempt = Attempt(
        seq=seq,
        topic=topic,
        slot=slot,
        tries=0,
        persona="exa",
        scenario='{"persona": "exa", "situation": "비", "facets": {}, "opening": null, "exchanges": 2}',
        prompt_sha256="0" * 64,
        endpoint="http://127.0.0.1:1/v1",
        outcome="accepted" if messages else "rejected",
        reason=None if messages else "truncated",
        detail=None if messages else "잘림",
        reply="human1: …",
        finish_reason="stop",
        model="m",
        provider="p",
        prompt_tokens=10,
        completion_tokens=5,
        cached_tokens=0,
        cost_usd=0.5,
        requests=2,
        started_at=NOW,
        finished_at=NOW,
    )
    return Entry(attempt, messages)


def test_what_was_committed_is_there_after_reopening(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    ledger = Ledger.create_or_open(path)
    ledger.write_settings(dataset="d", run_id="abcd1234")
    ledger.commit([make_entry(1, 0), make_entry(2, 1, None)])
    ledger.close()
    ledger = Ledger.create_or_open(path)
    assert ledger.last_seq() == 2
    assert ledger.filled_slots("농담") == {0}
    assert ledger.tries_of_open_slots("농담") == {1: 1}
    assert ledger.rejections() == {"농담": {"truncated": 1}}
    (dialogue,) = ledger.dialogues([1], {"농담": "intellectual"})
    assert dialogue.messages == TALK
    assert (dialogue.id, dialogue.attempt_id) == ("d-abcd1234-000001", "abcd1234-000001")
    ledger.close()


def test_a_slot_is_never_filled_twice(tmp_path: Path) -> None:
    ledger = Ledger.create_or_open(tmp_path / "ledger.db")
    ledger.commit([make_entry(1, 0)])
    with pytest.raises(DataError):
        ledger.commit([make_entry(2, 7), make_entry(3, 0)])
    assert ledger.last_seq() == 1, "a group is written whole or not at all"
    ledger.close()


def test_it_can_be_read_while_it_is_written(tmp_path: Path) -> None:
    writer = Ledger.create_or_open(tmp_path / "ledger.db")
    reader = Ledger.open_to_read(tmp_path / "ledger.db")
    writer.commit([make_entry(1, 0)])
    assert reader.tallies()["농담"].accepted == 1
    reader.close()
    writer.close()


def test_an_older_version_is_migrated_by_its_numbered_steps(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    ledger = Ledger.create_or_open(path)
    ledger.commit([make_entry(1, 0)])
    ledger.close()

    def add_note(connection: sqlite3.Connection) -> None:
        connection.execute("ALTER TABLE attempts ADD COLUMN note TEXT")

    Ledger.create_or_open(path, (*MIGRATIONS, add_note)).close()
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS) + 1,)
    assert connection.execute("SELECT seq, note FROM attempts").fetchall() == [(1, None)]
    connection.close()
    with pytest.raises(DataError, match=f"has version {len(MIGRATIONS) + 1}, this damhwa knows {len(MIGRATIONS)}"):
        Ledger.create_or_open(path)


@pytest.mark.parametrize("version", range(1, len(MIGRATIONS)))
def test_an_older_ledger_is_read_and_not_touched(tmp_path: Path, version: int) -> None:
    path = tmp_path / "ledger.db"
    ledger = Ledger.create_or_open(path)
    ledger.commit([make_entry(1, 0)])
    ledger.close()
    added = {2: ("answers",), 3: ("batch_requests", "batches"), 4: ("utterances", "duets")}
    with closing(sqlite3.connect(path)) as connection:
        for table in (name for number in range(len(MIGRATIONS), version, -1) for name in added[number]):
            connection.execute(f"DROP TABLE {table}")
        connection.execute(f"PRAGMA user_version = {version}")
    before = path.read_bytes()
    reader = Ledger.open_to_read(path)
    assert reader.tallies()["농담"].accepted == 1
    reader.close()
    assert path.read_bytes() == before


def test_a_migration_that_fails_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    Ledger.create_or_open(path).close()

    def add_note(connection: sqlite3.Connection) -> None:
        connection.execute("ALTER TABLE attempts ADD COLUMN note TEXT")
        connection.execute("SELECT nonsense")

    with pytest.raises(DataError):
        Ledger.create_or_open(path, (*MIGRATIONS, add_note))
    ledger = Ledger.create_or_open(path)
    ledger.commit([make_entry(1, 0)])
    ledger.close()


@pytest.mark.parametrize(
    "content", [b"not a database at all, but a text of some length" * 40, b"SQLite format 3\x00" + b"\x01" * 4000]
)
def test_a_file_that_is_no_ledger_is_named_and_left_as_it_was(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "ledger.db"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"ledger\.db"):
        Ledger.create_or_open(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("start", "told"), [(Ledger.create_or_open, "something else"), (Ledger.open_to_read, "is no ledger of a run")]
)
def test_another_programs_database_is_not_taken_over(
    tmp_path: Path, start: Callable[[Path], Ledger], told: str
) -> None:
    path = tmp_path / "ledger.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE photos (name TEXT)")
    connection.commit()
    connection.close()
    with pytest.raises(DataError, match=told):
        start(path)


def test_reading_a_folder_that_is_no_run_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no run"):
        Ledger.open_to_read(tmp_path / "ledger.db")


def test_what_is_accepted_while_a_shard_is_written_waits_for_the_next_call(tmp_path: Path) -> None:
    ledger = Ledger.create_or_open(tmp_path / "ledger.db")
    ledger.write_settings(dataset="d", run_id="abcd1234")
    ledger.commit([make_entry(1, 0)])

    def write(method: Callable[..., None], *arguments: object) -> None:
        method(ledger, *arguments)
        seq = ledger.last_seq() + 1
        if seq < 20:
            ledger.commit([make_entry(seq, seq)])

    seal_dialogues(tmp_path / "ledger.db", tmp_path / "dialogues", {"농담": "intellectual"}, write)
    assert len(ledger.shards()) == 1
    assert ledger.count_unsealed() == 2
    ledger.close()


def test_an_answer_is_stored_once_and_found_by_what_was_asked(tmp_path: Path) -> None:
    ledger = Ledger.create_or_open(tmp_path / "ledger.db")
    answer = StoredAnswer(
        "a" * 64, "judge", "gpt-4o", '{"naturalness": 5}', 900, 40, 0.002, "2026-01-01T00:00:00+00:00"
    )
    ledger.store_answers([answer])
    ledger.store_answers([answer])
    assert ledger.find_answers([answer.key, "b" * 64]) == {answer.key: answer.reply}
    ledger.close()


def test_an_attempt_is_found_by_its_number(tmp_path: Path) -> None:
    ledger = Ledger.create_or_open(tmp_path / "ledger.db")
    entry = make_entry(1, 0)
    ledger.commit([entry])
    assert ledger.find_attempt(1) == entry.attempt
    assert ledger.find_attempt(2) is None
    ledger.close()
