"""The ledger: each attempt with its raw reply, and which attempt fills which slot. One SQLite file a run.

An attempt is on the disk before it counts: WAL with full sync, one transaction for all attempts that wait (`commit`).
That a slot is filled once is the database's own promise (a primary key), not a habit of the code.
"""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import astuple, dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from datagen.errors import DataError, UsageError
from datagen.ledger_duets import (
    DuetKey,
    SaidEntry,
    Utterance,
    end_duets,
    find_duet,
    insert_utterances,
    list_open_duets,
    list_utterances,
    read_last_duet,
    sum_open_duets,
)
from datagen.ledger_migrations import APPLICATION_ID, MIGRATIONS, Migration, migrate
from datagen.record import Dialogue, Message
from datagen.scenario import list_media

Outcome = Literal["accepted", "rejected", "failed"]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One draft: what was asked, what came back, what became of it."""

    seq: int
    topic: str
    slot: int
    tries: int
    """Drafts of this slot before this one."""
    persona: str
    scenario: str
    prompt_sha256: str
    endpoint: str
    outcome: Outcome
    reason: str | None
    detail: str | None
    reply: str | None
    finish_reason: str | None
    model: str | None
    provider: str | None
    prompt_tokens: int | None
    completion_tokens: int | None
    cached_tokens: int | None
    cost_usd: float | None
    requests: int
    """HTTP requests that this draft took, those that were refused or cut among them."""
    started_at: str
    finished_at: str
    """ISO 8601, UTC."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An attempt on its way into the ledger, with the messages that fill its slot if it was accepted."""

    attempt: Attempt
    messages: tuple[Message, ...] | None
    duet: int | None = None
    """The duet that it ends."""


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """A reply to something else than a draft: a judge's, a moderation's, an embedding's."""

    key: str
    """sha256 of all that was asked: content, rubric, model."""
    kind: str
    model: str
    reply: str
    prompt_tokens: int | None
    completion_tokens: int | None
    cost_usd: float | None
    asked_at: str


@dataclass(frozen=True, slots=True)
class TopicTally:
    """What the ledger holds of a topic."""

    accepted: int = 0
    rejected: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    cost_usd: float = 0.0
    unpriced: int = 0
    """Replies with an unknown price."""
    requests: int = 0
    under_way: int = 0
    """Duets that were begun and are not finished. Their tokens, cost and requests are in the sums above."""


@dataclass(frozen=True, slots=True)
class EndpointTally:
    """What the ledger holds of an endpoint: the drafts that it answered, or was the last to be asked for."""

    base_url: str
    answers: int
    failed: int
    """Drafts that got no answer at all."""
    mean_s: float | None
    """Seconds from a draft's start to its answer, waiting for the pace and for retries included."""


_COLUMNS = tuple(field.name for field in fields(Attempt))
_INSERT = f"INSERT INTO attempts ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"


class Ledger:
    """An open ledger. Every method raises DataError where the file is damaged or the disk does not take it."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection

    @classmethod
    def create_or_open(cls, path: Path, migrations: Sequence[Migration] = MIGRATIONS) -> "Ledger":
        """Open for writing; an older version is migrated. A damaged or foreign file is refused and left untouched."""
        if path.exists():
            _check_whole(path)
        connection = _connect(f"file:{_quote(path)}?mode=rwc", path)
        with _NamingErrors(path):
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            migrate(connection, path, migrations)
        return cls(path, connection)

    @classmethod
    def open_to_read(cls, path: Path) -> "Ledger":
        """Open for reading, also while another process writes. Raises UsageError where there is none.

        One of an older version is read as a copy in memory that is brought up to date: the file stays what it is.
        """
        if not path.is_file():
            hint = "give the folder of a run, as made by `damhwa generate … -o RUN`"
            raise UsageError(f"{path.parent} is no run: there is no {path.name} in it", hint)
        connection = _connect(f"file:{_quote(path)}?mode=ro", path)
        with _NamingErrors(path):
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            owner = connection.execute("PRAGMA application_id").fetchone()[0]
            if owner != APPLICATION_ID:
                hint = "bring the ledger back from a backup, or give the folder of a run"
                raise DataError(f"{path} is no ledger of a run", hint)
            if version == len(MIGRATIONS):
                return cls(path, connection)
            with closing(connection):
                copy = _connect(":memory:", path)
                connection.backup(copy)
            migrate(copy, path, MIGRATIONS)
        return cls(path, copy)

    @classmethod
    def bring_up_to_date(cls, path: Path) -> None:
        """Migrate a ledger of an older version; one of this version is not touched."""
        with closing(_connect(f"file:{_quote(path)}?mode=ro", path)) as connection, _NamingErrors(path):
            version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version < len(MIGRATIONS):
            cls.create_or_open(path).close()

    def close(self) -> None:
        self._connection.close()

    def read_setting(self, key: str) -> str | None:
        rows = self.read("SELECT value FROM run WHERE key = ?", key)
        return rows[0][0] if rows else None

    def write_settings(self, **settings: str) -> None:
        with _NamingErrors(self.path), self._connection:
            self._connection.executemany("INSERT OR REPLACE INTO run VALUES (?, ?)", settings.items())

    def commit(self, written: Sequence[Entry | SaidEntry]) -> None:
        """Write attempts and utterances in one durable transaction: all of them or, with an error raised, none."""
        with self.transaction() as transaction:
            insert_utterances(transaction, [entry for entry in written if isinstance(entry, SaidEntry)])
            insert_entries(transaction, [entry for entry in written if isinstance(entry, Entry)])

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """One durable transaction, for tables that have a module of their own (`datagen.batch.book`)."""
        with _NamingErrors(self.path), self._connection as transaction:
            yield transaction

    def last_seq(self) -> int:
        return int(self.read("SELECT coalesce(max(seq), 0) FROM attempts")[0][0])

    def filled_slots(self, topic: str) -> set[int]:
        return {number for (number,) in self.read("SELECT number FROM slots WHERE topic = ?", topic)}

    def tries_of_open_slots(self, topic: str) -> dict[int, int]:
        """Slot → drafts rejected so far, for slots that are not filled."""
        return dict(
            self.read(
                "SELECT slot, count(*) FROM attempts WHERE topic = ? AND outcome = 'rejected' AND NOT EXISTS"
                " (SELECT 1 FROM slots WHERE slots.topic = attempts.topic AND number = slot) GROUP BY slot",
                topic,
            )
        )

    def scenarios(self, topic: str) -> Iterator[str]:
        """The scenarios that were answered so far, as JSON."""
        with _NamingErrors(self.path):
            yield from (row[0] for row in self._connection.execute(_SCENARIOS, (topic,)))

    def tallies(self) -> dict[str, TopicTally]:
        """Topic → what was made and paid, duets that are under way included."""
        tallies = {topic: TopicTally(*numbers) for topic, *numbers in self.read(_TALLIES)}
        with _NamingErrors(self.path):
            for topic, count, sums in sum_open_duets(self._connection):
                tally = tallies.get(topic, TopicTally())
                names = ("prompt_tokens", "completion_tokens", "cached_tokens", "cost_usd", "unpriced", "requests")
                added = {name: getattr(tally, name) + more for name, more in zip(names, sums, strict=True)}
                tallies[topic] = replace(tally, under_way=count, **added)
        return tallies

    def last_duet(self) -> int:
        with _NamingErrors(self.path):
            return read_last_duet(self._connection)

    def open_duets(self, topic: str) -> list[DuetKey]:
        """The topic's duets that are under way."""
        with _NamingErrors(self.path):
            return list(list_open_duets(self._connection, topic))

    def utterances(self, duet: int) -> list[Utterance]:
        """Every request of a duet, in order."""
        with _NamingErrors(self.path):
            return list_utterances(self._connection, duet)

    def utterances_of_attempt(self, seq: int) -> list[Utterance]:
        """Every request of the duet that an attempt ended; none where it was no duet's."""
        with _NamingErrors(self.path):
            duet = find_duet(self._connection, seq)
            return [] if duet is None else list_utterances(self._connection, duet)

    def endpoints(self) -> list[EndpointTally]:
        """Who answered, the one with most answers first."""
        return [EndpointTally(*row) for row in self.read(_ENDPOINTS)]

    def rejections(self) -> dict[str, dict[str, int]]:
        """Topic → reason → count, the most frequent reason first."""
        counts: dict[str, dict[str, int]] = {}
        for topic, reason, count in self.read(_REASONS):
            counts.setdefault(topic, {})[reason] = count
        return counts

    def rejected(self, topic: str | None) -> Iterator[Attempt]:
        """The rejected attempts, oldest first."""
        where = "outcome = 'rejected'" + (" AND topic = ?" if topic else "")
        with _NamingErrors(self.path):
            columns = ", ".join(_COLUMNS)
            query = f"SELECT {columns} FROM attempts WHERE {where} ORDER BY seq"
            for row in self._connection.execute(query, (topic,) if topic else ()):
                yield Attempt(*row)

    def find_attempt(self, seq: int) -> Attempt | None:
        """One attempt by its number; None where there is none."""
        rows = self.read(f"SELECT {', '.join(_COLUMNS)} FROM attempts WHERE seq = ?", seq)
        return Attempt(*rows[0]) if rows else None

    def find_answers(self, keys: Sequence[str]) -> dict[str, str]:
        """Key → reply, of those of the keys that were answered before."""
        found: dict[str, str] = {}
        for at in range(0, len(keys), 500):
            some = keys[at : at + 500]
            found.update(
                self.read(f"SELECT key, reply FROM answers WHERE key IN ({', '.join('?' * len(some))})", *some)
            )
        return found

    def store_answers(self, answers: Sequence[StoredAnswer]) -> None:
        """Write answers in one durable transaction."""
        with _NamingErrors(self.path), self._connection as transaction:
            transaction.executemany(
                "INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?, ?, ?)", [astuple(each) for each in answers]
            )

    def forget_answers(self, keys: Sequence[str]) -> None:
        """Delete answers, so that they are asked for again."""
        with _NamingErrors(self.path), self._connection as transaction:
            transaction.executemany("DELETE FROM answers WHERE key = ?", [(key,) for key in keys])

    def time_span(self) -> tuple[str, str] | None:
        """When the first attempt started and the last one ended."""
        first, last = self.read("SELECT min(started_at), max(finished_at) FROM attempts")[0]
        return (first, last) if first else None

    def shards(self) -> dict[str, tuple[str, int | None]]:
        """Shard → its state (`writing` or `sealed`) and number of rows."""
        return {name: (state, rows) for name, state, rows in self.read("SELECT name, state, rows FROM shards")}

    def count_unsealed(self) -> int:
        return int(self.read("SELECT count(*) FROM slots WHERE shard IS NULL")[0][0])

    def begin_shard(self, name: str) -> None:
        with _NamingErrors(self.path), self._connection as transaction:
            transaction.execute("INSERT INTO shards (name, state) VALUES (?, 'writing')", (name,))

    def seal_shard(self, name: str, attempts: Sequence[int]) -> None:
        """Record that a whole shard with the dialogues of these attempts is in its place."""
        with _NamingErrors(self.path), self._connection as transaction:
            transaction.executemany("UPDATE slots SET shard = ? WHERE attempt = ?", [(name, seq) for seq in attempts])
            query = "UPDATE shards SET state = 'sealed', rows = ? WHERE name = ?"
            transaction.execute(query, (len(attempts), name))

    def forget_shard(self, name: str) -> None:
        with _NamingErrors(self.path), self._connection as transaction:
            transaction.execute("DELETE FROM shards WHERE name = ? AND state = 'writing'", (name,))

    def unseal_shard(self, name: str) -> None:
        """Forget a shard that is gone, so that its dialogues are written again."""
        with _NamingErrors(self.path), self._connection as transaction:
            transaction.execute("UPDATE slots SET shard = NULL WHERE shard = ?", (name,))
            transaction.execute("DELETE FROM shards WHERE name = ?", (name,))

    def unsealed_attempts(self, limit: int) -> list[int]:
        query = "SELECT attempt FROM slots WHERE shard IS NULL ORDER BY attempt LIMIT ?"
        return [seq for (seq,) in self.read(query, limit)]

    def dialogues(self, attempts: Sequence[int], categories: dict[str, str]) -> Iterator[Dialogue]:
        """The dialogues of these attempts, in their order. `categories` tells each topic's."""
        dataset, run = self.read_setting("dataset") or "", self.read_setting("run_id") or ""
        with _NamingErrors(self.path), closing(self._connection.cursor()) as cursor:
            for seq in attempts:
                topic, packed, *rest = cursor.execute(_DIALOGUE, (seq,)).fetchone()
                yield _to_dialogue(dataset, f"{run}-{seq:06d}", (topic, categories[topic]), packed, rest)

    def read(self, query: str, *values: object) -> list[Any]:
        """The rows of a query."""
        with _NamingErrors(self.path):
            return self._connection.execute(query, values).fetchall()


def insert_entries(transaction: sqlite3.Connection, entries: Sequence[Entry]) -> None:
    """Write attempts, and fill the slots of the accepted ones, as a part of a transaction."""
    transaction.executemany(_INSERT, [astuple(entry.attempt) for entry in entries])
    end_duets(transaction, [(each.attempt.seq, each.duet) for each in entries if each.duet is not None])
    transaction.executemany(
        "INSERT INTO slots (topic, number, attempt, messages) VALUES (?, ?, ?, ?)",
        [
            (entry.attempt.topic, entry.attempt.slot, entry.attempt.seq, _pack(entry.messages))
            for entry in entries
            if entry.messages is not None
        ],
    )


_SCENARIOS = "SELECT scenario FROM attempts WHERE topic = ? AND outcome != 'failed'"
_TALLIES = """
    SELECT topic, sum(outcome = 'accepted'), sum(outcome = 'rejected'), sum(outcome = 'failed'),
        coalesce(sum(prompt_tokens), 0), coalesce(sum(completion_tokens), 0), coalesce(sum(cached_tokens), 0),
        coalesce(sum(cost_usd), 0.0), sum(reply IS NOT NULL AND cost_usd IS NULL), sum(requests)
    FROM attempts GROUP BY topic
"""
_ENDPOINTS = """
    SELECT endpoint, count(reply), sum(outcome = 'failed'),
        86400 * avg(CASE WHEN reply IS NOT NULL THEN julianday(finished_at) - julianday(started_at) END)
    FROM attempts GROUP BY endpoint ORDER BY count(reply) DESC, endpoint
"""
_REASONS = """
    SELECT topic, reason, count(*) FROM attempts WHERE outcome = 'rejected' GROUP BY topic, reason
    ORDER BY topic, count(*) DESC, reason
"""
_DIALOGUE = """
    SELECT slots.topic, messages, persona, scenario, model, provider, prompt_sha256,
        prompt_tokens, completion_tokens, cost_usd, finished_at
    FROM slots JOIN attempts ON attempts.seq = slots.attempt WHERE slots.attempt = ?
"""


def _to_dialogue(dataset: str, attempt_id: str, topic: tuple[str, str], packed: str, rest: list[Any]) -> Dialogue:
    persona, scenario, model, provider, prompt_sha256, prompt_tokens, completion_tokens, cost_usd, finished_at = rest
    roles: tuple[Literal["user"], Literal["assistant"]] = ("user", "assistant")
    return Dialogue(
        id=f"{dataset}-{attempt_id}",
        dataset=dataset,
        topic=topic[0],
        category=topic[1],
        persona=persona,
        messages=tuple(Message(roles[index % 2], content) for index, content in enumerate(json.loads(packed))),
        scenario=scenario,
        model=model,
        provider=provider,
        prompt_sha256=prompt_sha256,
        attempt_id=attempt_id,
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        cost_usd=cost_usd,
        created_at=datetime.fromisoformat(finished_at).astimezone(UTC),
        media=list_media(scenario),
    )


def _pack(messages: tuple[Message, ...]) -> str:
    """The contents alone: roles alternate, `user` first, in every dialogue that was accepted."""
    return json.dumps([message.content for message in messages], ensure_ascii=False)


def _quote(path: Path) -> str:
    return str(path.resolve()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")


def _connect(uri: str, path: Path) -> sqlite3.Connection:
    with _NamingErrors(path):
        return sqlite3.connect(uri, uri=True, timeout=10, check_same_thread=False)


def _check_whole(path: Path) -> None:
    """Look the file over before anything writes to it."""
    with _NamingErrors(path), closing(_connect(f"file:{_quote(path)}?mode=ro", path)) as connection:
        found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        owner = connection.execute("PRAGMA application_id").fetchone()[0]
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if found != "ok":
        raise _damaged(path, found)
    if owner != APPLICATION_ID and tables:
        raise DataError(f"{path} is a database of something else", "give another run folder with -o")


def _damaged(path: Path, found: object) -> DataError:
    hint = "nothing was changed; bring it back from a backup, or start a new run folder (the Parquet shards stay good)"
    return DataError(f"{path} is damaged: {found}", hint)


class _NamingErrors:
    """Turns SQLite's errors into ours, by their kind, with the file's name."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, exc: BaseException | None, traceback: object) -> None:
        if not isinstance(exc, sqlite3.Error):
            return
        name = getattr(exc, "sqlite_errorname", "")
        if name.startswith(("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")):
            hint = "check free space and permissions, then run the same command again: what is stored stays"
            raise DataError(f"{self._path} could not be written: {exc}", hint) from exc
        if isinstance(exc, sqlite3.OperationalError) and name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            raise DataError(f"{self._path} is locked by another process", "end that process, then try again") from exc
        raise _damaged(self._path, exc) from exc
