"""Duets in the ledger: every utterance and summary as it was paid for, of finished dialogues and of those under way.

A duet belongs to a slot. While no attempt stands beside it, it is under way, and the database lets a slot have one such
duet only and each of its utterances be stored once: whatever kills a run, it goes on after the last utterance. The
attempt that ends a duet carries the sums of its rows, so whoever adds up a run takes attempts and the duets under way.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from typing import Literal

Kind = Literal["user", "persona", "summary"]


@dataclass(frozen=True, slots=True)
class Utterance:
    """One request of a duet: what was asked, what came back, what became of it."""

    duet: int
    number: int
    """Messages of the dialogue before it; of a summary, those that it tells."""
    kind: Kind
    again: int
    """Requests for the same utterance before this one, whose replies were no good."""
    prompt_sha256: str
    endpoint: str
    outcome: Literal["accepted", "rejected", "failed"]
    reason: str | None
    detail: str | None
    reply: str | None
    text: str | None
    """What of the reply went into the dialogue; None where it was no good."""
    finish_reason: str | None
    model: str | None
    provider: str | None
    prompt_tokens: int | None
    completion_tokens: int | None
    cached_tokens: int | None
    cost_usd: float | None
    requests: int
    """HTTP requests that it took, those that were refused or cut among them."""
    started_at: str
    finished_at: str
    """ISO 8601, UTC."""


@dataclass(frozen=True, slots=True)
class DuetKey:
    """Whose utterances they are: written with the first of them."""

    id: int
    topic: str
    slot: int
    tries: int
    """Drafts of the slot before this dialogue."""
    scenario: str


@dataclass(frozen=True, slots=True)
class SaidEntry:
    """An utterance on its way into the ledger."""

    duet: DuetKey
    utterance: Utterance


_COLUMNS = tuple(field.name for field in fields(Utterance))
_INSERT = f"INSERT INTO utterances ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"
_SUMS = """
    coalesce(sum(prompt_tokens), 0), coalesce(sum(completion_tokens), 0), coalesce(sum(cached_tokens), 0),
    coalesce(sum(cost_usd), 0.0), coalesce(sum(reply IS NOT NULL AND cost_usd IS NULL), 0), coalesce(sum(requests), 0)
"""


def insert_utterances(connection: sqlite3.Connection, entries: Sequence[SaidEntry]) -> None:
    """Write utterances, and the duets that they are the first of."""
    connection.executemany(
        "INSERT INTO duets (id, topic, slot, tries, scenario) VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
        [astuple(entry.duet) for entry in entries],
    )
    connection.executemany(_INSERT, [astuple(entry.utterance) for entry in entries])


def end_duets(connection: sqlite3.Connection, ended: Sequence[tuple[int, int]]) -> None:
    """Put an attempt beside each duet: pairs of attempt and duet."""
    connection.executemany("UPDATE duets SET attempt = ? WHERE id = ?", ended)


def read_last_duet(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT coalesce(max(id), 0) FROM duets").fetchone()[0])


def list_open_duets(connection: sqlite3.Connection, topic: str) -> Iterator[DuetKey]:
    """The duets of a topic that are under way."""
    query = "SELECT id, topic, slot, tries, scenario FROM duets WHERE attempt IS NULL AND topic = ?"
    yield from (DuetKey(*row) for row in connection.execute(query, (topic,)))


def list_utterances(connection: sqlite3.Connection, duet: int) -> list[Utterance]:
    """All rows of a duet, in the order in which they were asked."""
    query = f"SELECT {', '.join(_COLUMNS)} FROM utterances WHERE duet = ? ORDER BY rowid"
    return [Utterance(*row) for row in connection.execute(query, (duet,))]


def find_duet(connection: sqlite3.Connection, attempt: int) -> int | None:
    """The duet that an attempt ended; None where it was no duet's."""
    row = connection.execute("SELECT id FROM duets WHERE attempt = ?", (attempt,)).fetchone()
    return None if row is None else int(row[0])


def sum_open_duets(connection: sqlite3.Connection) -> Iterator[tuple[str, int, tuple[float, ...]]]:
    """Topic, duets under way, and what they took so far, in the order of a tally's sums."""
    query = f"""
        SELECT topic, count(DISTINCT duets.id), {_SUMS} FROM duets JOIN utterances ON utterances.duet = duets.id
        WHERE attempt IS NULL GROUP BY topic
    """
    for topic, count, *sums in connection.execute(query):
        yield topic, count, tuple(sums)
