"""The ledger's versions: one numbered function each, run in order inside one transaction.

A version once released is never edited; a change of the form is a new function at the end.
"""

import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

from datagen.errors import DataError

APPLICATION_ID = 0x44414D48
"""'DAMH' in the file's header: tells our ledger from any other SQLite file."""

Migration = Callable[[sqlite3.Connection], None]


def migrate_to_1(connection: sqlite3.Connection) -> None:
    """Attempts, slots, shards, and what the run is."""
    for statement in (
        "CREATE TABLE run (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
        """CREATE TABLE attempts (
            seq INTEGER PRIMARY KEY,
            topic TEXT NOT NULL,
            slot INTEGER NOT NULL,
            tries INTEGER NOT NULL,
            persona TEXT NOT NULL,
            scenario TEXT NOT NULL,
            prompt_sha256 TEXT NOT NULL,
            endpoint TEXT NOT NULL,
            outcome TEXT NOT NULL CHECK (outcome IN ('accepted', 'rejected', 'failed')),
            reason TEXT,
            detail TEXT,
            reply TEXT,
            finish_reason TEXT,
            model TEXT,
            provider TEXT,
            prompt_tokens INTEGER,
            completion_tokens INTEGER,
            cached_tokens INTEGER,
            cost_usd REAL,
            requests INTEGER NOT NULL,
            started_at TEXT NOT NULL,
            finished_at TEXT NOT NULL
        ) STRICT""",
        "CREATE INDEX attempts_by_topic ON attempts (topic, outcome, slot)",
        """CREATE TABLE slots (
            topic TEXT NOT NULL,
            number INTEGER NOT NULL,
            attempt INTEGER NOT NULL UNIQUE REFERENCES attempts (seq),
            messages TEXT NOT NULL,
            shard TEXT REFERENCES shards (name),
            PRIMARY KEY (topic, number)
        ) STRICT, WITHOUT ROWID""",
        "CREATE INDEX slots_unsealed ON slots (attempt) WHERE shard IS NULL",
        """CREATE TABLE shards (
            name TEXT PRIMARY KEY,
            state TEXT NOT NULL CHECK (state IN ('writing', 'sealed')),
            rows INTEGER
        ) STRICT, WITHOUT ROWID""",
    ):
        connection.execute(statement)


def migrate_to_2(connection: sqlite3.Connection) -> None:
    """Answers of judges, moderation and embeddings, by what was asked: none is paid for twice."""
    connection.execute(
        """CREATE TABLE answers (
            key TEXT PRIMARY KEY,
            kind TEXT NOT NULL,
            model TEXT NOT NULL,
            reply TEXT NOT NULL,
            prompt_tokens INTEGER,
            completion_tokens INTEGER,
            cost_usd REAL,
            asked_at TEXT NOT NULL
        ) STRICT, WITHOUT ROWID"""
    )


def migrate_to_3(connection: sqlite3.Connection) -> None:
    """Batches at an endpoint and the requests in them; at most one request for a slot is open."""
    for statement in (
        """CREATE TABLE batches (
            number INTEGER PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            endpoint TEXT NOT NULL,
            state TEXT NOT NULL CHECK (state IN ('packed', 'uploaded', 'created', 'closed')),
            size INTEGER NOT NULL,
            file_id TEXT,
            batch_id TEXT,
            status TEXT,
            completed INTEGER NOT NULL,
            failed INTEGER NOT NULL,
            packed_at TEXT NOT NULL,
            closed_at TEXT
        ) STRICT""",
        """CREATE TABLE batch_requests (
            batch INTEGER NOT NULL REFERENCES batches (number),
            line INTEGER NOT NULL,
            topic TEXT NOT NULL,
            slot INTEGER NOT NULL,
            tries INTEGER NOT NULL,
            scenario TEXT NOT NULL,
            planned TEXT NOT NULL,
            prompt_sha256 TEXT NOT NULL,
            characters INTEGER NOT NULL,
            attempt INTEGER REFERENCES attempts (seq),
            is_open INTEGER NOT NULL CHECK (is_open IN (0, 1)),
            PRIMARY KEY (batch, line)
        ) STRICT, WITHOUT ROWID""",
        "CREATE UNIQUE INDEX batch_requests_open ON batch_requests (topic, slot) WHERE is_open = 1",
    ):
        connection.execute(statement)


def migrate_to_4(connection: sqlite3.Connection) -> None:
    """Duets, an utterance a row; `attempt` is null while one is under way, and a slot has one such at most."""
    for statement in (
        """CREATE TABLE duets (
            id INTEGER PRIMARY KEY,
            topic TEXT NOT NULL,
            slot INTEGER NOT NULL,
            tries INTEGER NOT NULL,
            scenario TEXT NOT NULL,
            attempt INTEGER UNIQUE REFERENCES attempts (seq)
        ) STRICT""",
        "CREATE UNIQUE INDEX duets_under_way ON duets (topic, slot) WHERE attempt IS NULL",
        """CREATE TABLE utterances (
            duet INTEGER NOT NULL REFERENCES duets (id),
            number INTEGER NOT NULL,
            kind TEXT NOT NULL CHECK (kind IN ('user', 'persona', 'summary')),
            again INTEGER NOT NULL,
            prompt_sha256 TEXT NOT NULL,
            endpoint TEXT NOT NULL,
            outcome TEXT NOT NULL CHECK (outcome IN ('accepted', 'rejected', 'failed')),
            reason TEXT,
            detail TEXT,
            reply TEXT,
            text TEXT,
            finish_reason TEXT,
            model TEXT,
            provider TEXT,
            prompt_tokens INTEGER,
            completion_tokens INTEGER,
            cached_tokens INTEGER,
            cost_usd REAL,
            requests INTEGER NOT NULL,
            started_at TEXT NOT NULL,
            finished_at TEXT NOT NULL,
            UNIQUE (duet, number, kind, again)
        ) STRICT""",
        # one row at most of an utterance is in the dialogue
        "CREATE UNIQUE INDEX utterances_said ON utterances (duet, number, kind) WHERE outcome = 'accepted'",
    ):
        connection.execute(statement)


MIGRATIONS: tuple[Migration, ...] = (migrate_to_1, migrate_to_2, migrate_to_3, migrate_to_4)


def migrate(connection: sqlite3.Connection, path: Path, migrations: Sequence[Migration]) -> None:
    """Bring a ledger to the newest version. Raises DataError where it is newer than this program knows."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > len(migrations):
        hint = "install the newer damhwa that made it"
        raise DataError(f"{path} has version {version}, this damhwa knows {len(migrations)}", hint)
    if version == len(migrations):
        return
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        for number, step in enumerate(migrations[version:], start=version + 1):
            step(connection)
            connection.execute(f"PRAGMA user_version = {number}")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
