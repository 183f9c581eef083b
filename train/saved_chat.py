"""Chats on disk: JSON Lines that `damhwa curate` reads like any other dialogues.

A chat that went on since it was saved takes the place of its own beginning: beside it, curation would drop one of both
as a near-copy. Its id is that of its content, so that no verdict on the beginning counts for it.
"""

import fcntl
import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from datagen.errors import DataError, UsageError
from datagen.record import clean_text
from datagen.store import replace_durably
from train.talk import Messages, Partner


@dataclass(frozen=True, slots=True)
class SavedChats:
    """The folder of saved chats.

    `send_to_review` curates it, and returns the command that shows the chat of that id on the review page.
    """

    folder: Path
    send_to_review: Callable[[Path, str], str] | None = None

    @property
    def file(self) -> Path:
        return self.folder / "chats.jsonl"

    def save(self, partner: Partner, messages: Messages) -> str:
        """Write a chat durably, and return its id. The same one again changes nothing.

        Raises UsageError where nothing was said yet, DataError where the disk does not take it.
        """
        if not messages:
            raise UsageError("nothing was said yet", "say something first")
        said = [{"role": each["role"], "content": clean_text(each["content"])} for each in messages]
        row: dict[str, Any] = {"messages": said, "topic": "채팅", "persona": partner.id, "model": partner.model}
        id_ = f"chat-{hashlib.sha256(json.dumps(row, ensure_ascii=False).encode()).hexdigest()[:16]}"
        row |= {"id": id_, "created_at": datetime.now(UTC).isoformat(timespec="seconds")}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            folder = os.open(self.folder, os.O_RDONLY)
            try:
                fcntl.flock(folder, fcntl.LOCK_EX)  # another window may save just now
                self._put(row)
            finally:
                os.close(folder)
        except OSError as exc:
            raise DataError(f"{self.file} cannot be written: {exc.strerror}", "give another folder: --chats") from exc
        return id_

    def _put(self, row: dict[str, Any]) -> None:
        before = self.file.read_bytes().splitlines() if self.file.exists() else []
        line = json.dumps(row, ensure_ascii=False).encode()
        if any(f'"id": "{row["id"]}"'.encode() in each for each in before):
            return
        kept = [each for each in before if not _is_beginning(each, row["messages"])]
        temporary = self.file.with_name(".chats.writing")
        temporary.write_bytes(b"\n".join([*kept, line]) + b"\n")
        replace_durably(temporary, self.file)


def _is_beginning(line: bytes, messages: list[dict[str, str]]) -> bool:
    try:
        earlier = json.loads(line)["messages"]
        return len(earlier) < len(messages) and bool(messages[: len(earlier)] == earlier)
    except (ValueError, TypeError, KeyError):  # torn, or somebody else's: it stays
        return False
