"""What the ledger knows of batches: which requests are in which, how far each came, what is still open.

Every step is written before it is taken and again when its answer is there, so that whatever a kill leaves behind says
where to go on: `packed` may have been uploaded, `uploaded` may have been created, `created` may be over by now.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from datetime import datetime
from typing import Literal

from datagen.ledger import Entry, Ledger, insert_entries
from datagen.quota import Slot
from datagen.scenario import Scenario

State = Literal["packed", "uploaded", "created", "closed"]


@dataclass(frozen=True, slots=True)
class Request:
    """One request of a batch, on its `line` of the file (from 0)."""

    line: int
    slot: Slot
    prompt_sha256: str
    characters: int
    """Of the prompt."""


@dataclass(frozen=True, slots=True)
class Packed:
    """A batch that is about to be uploaded."""

    number: int
    name: str
    """Of its file, unlike any other's, and in the metadata of the batch: by it both are found again."""
    endpoint: str
    size: int
    """Bytes of its file."""
    packed_at: str
    """ISO 8601, UTC."""


@dataclass(frozen=True, slots=True)
class BatchRecord:
    """A batch as the ledger has it."""

    number: int
    name: str
    endpoint: str
    state: State
    size: int
    file_id: str | None
    batch_id: str | None
    status: str | None
    """The endpoint's last word."""
    requests: int
    open: int
    """Requests of which nothing is stored yet."""
    completed: int
    failed: int
    """Requests done at the endpoint, as it said last."""
    packed_at: str


@dataclass(frozen=True, slots=True)
class Book:
    """The batches of one ledger."""

    ledger: Ledger

    def list_open(self) -> list[BatchRecord]:
        """The batches that are not closed, oldest first."""
        return [BatchRecord(*row) for row in self.ledger.read(_OPEN)]

    def next_number(self) -> int:
        return int(self.ledger.read("SELECT coalesce(max(number), 0) + 1 FROM batches")[0][0])

    def pack(self, batch: Packed, requests: Sequence[Request]) -> None:
        """Note a batch that is about to be uploaded."""
        with self.ledger.transaction() as transaction:
            transaction.execute(
                "INSERT INTO batches (number, name, endpoint, state, size, completed, failed, packed_at)"
                " VALUES (?, ?, ?, 'packed', ?, 0, 0, ?)",
                astuple(batch),
            )
            transaction.executemany(_INSERT_REQUEST, [_to_row(batch.number, request) for request in requests])

    def note_file(self, number: int, file_id: str) -> None:
        with self.ledger.transaction() as transaction:
            query = "UPDATE batches SET state = 'uploaded', file_id = ? WHERE number = ?"
            transaction.execute(query, (file_id, number))

    def note_batch(self, number: int, batch_id: str) -> None:
        with self.ledger.transaction() as transaction:
            query = "UPDATE batches SET state = 'created', batch_id = ? WHERE number = ?"
            transaction.execute(query, (batch_id, number))

    def note_look(self, number: int, status: str, completed: int, failed: int) -> None:
        with self.ledger.transaction() as transaction:
            query = "UPDATE batches SET status = ?, completed = ?, failed = ? WHERE number = ?"
            transaction.execute(query, (status, completed, failed, number))

    def open_requests(self, number: int) -> list[Request]:
        """The requests of a batch of which nothing is stored yet."""
        return [
            Request(line, _read_slot(topic, slot, tries, scenario, planned), sha256, characters)
            for line, topic, slot, tries, scenario, planned, sha256, characters in self.ledger.read(_REQUESTS, number)
        ]

    def list_lines(self, number: int) -> set[int]:
        """Every line of the batch's file."""
        return {line for (line,) in self.ledger.read("SELECT line FROM batch_requests WHERE batch = ?", number)}

    def commit(self, number: int, entries: Sequence[tuple[int, Entry]]) -> None:
        """Store what came of some lines: attempts, filled slots and closed requests in one transaction."""
        with self.ledger.transaction() as transaction:
            insert_entries(transaction, [entry for _, entry in entries])
            _close_requests(transaction, number, entries)

    def close(self, number: int, status: str, at: datetime) -> None:
        """Note that nothing more will come of a batch. The slots of its open requests are free again."""
        with self.ledger.transaction() as transaction:
            transaction.execute("UPDATE batch_requests SET is_open = 0 WHERE batch = ? AND is_open = 1", (number,))
            query = "UPDATE batches SET state = 'closed', status = ?, closed_at = ? WHERE number = ?"
            transaction.execute(query, (status, at.isoformat(timespec="milliseconds"), number))

    def under_way(self, topic: str) -> dict[int, Scenario]:
        """Slot → what is asked for it in a batch that is open."""
        query = "SELECT slot, scenario FROM batch_requests WHERE topic = ? AND is_open = 1"
        return {slot: Scenario.from_json(topic, text) for slot, text in self.ledger.read(query, topic)}

    def count_under_way(self) -> dict[str, int]:
        """Topic → slots that wait for a batch."""
        return dict(self.ledger.read("SELECT topic, count(*) FROM batch_requests WHERE is_open = 1 GROUP BY topic"))


_OPEN = """
    SELECT number, name, endpoint, state, size, file_id, batch_id, status,
        (SELECT count(*) FROM batch_requests WHERE batch = number),
        (SELECT count(*) FROM batch_requests WHERE batch = number AND is_open = 1),
        completed, failed, packed_at
    FROM batches WHERE state != 'closed' ORDER BY number
"""
_REQUESTS = """
    SELECT line, topic, slot, tries, scenario, planned, prompt_sha256, characters
    FROM batch_requests WHERE batch = ? AND is_open = 1 ORDER BY line
"""
_INSERT_REQUEST = """
    INSERT INTO batch_requests
        (batch, line, topic, slot, tries, scenario, planned, prompt_sha256, characters, is_open)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 1)
"""


def _to_row(number: int, request: Request) -> tuple[object, ...]:
    slot = request.slot
    scenarios = (slot.scenario.to_json(), slot.planned.to_json())
    return (
        number,
        request.line,
        slot.topic,
        slot.number,
        slot.tries,
        *scenarios,
        request.prompt_sha256,
        request.characters,
    )


def _read_slot(topic: str, number: int, tries: int, scenario: str, planned: str) -> Slot:
    asked = Scenario.from_json(topic, scenario)
    return Slot(topic, number, asked if planned == scenario else Scenario.from_json(topic, planned), asked, tries)


def _close_requests(transaction: sqlite3.Connection, number: int, entries: Sequence[tuple[int, Entry]]) -> None:
    closed = transaction.executemany(
        "UPDATE batch_requests SET is_open = 0, attempt = ? WHERE batch = ? AND line = ? AND is_open = 1",
        [(entry.attempt.seq, number, line) for line, entry in entries],
    )
    assert closed.rowcount == len(entries), "a result was about to be stored twice"
