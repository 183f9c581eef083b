"""Chats on disk: JSON Lines that `damhwa curate` reads like any other dialogues. Rows are added, never edited."""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from datagen.errors import DataError, UsageError
from datagen.record import clean_text
from train.talk import Messages, Partner


@dataclass(frozen=True, slots=True)
class SavedChats:
    """The folder of saved chats. `send_to_review` curates it, and returns the command that shows the review page."""

    folder: Path
    send_to_review: Callable[[Path], str] | None = None

    @property
    def file(self) -> Path:
        return self.folder / "chats.jsonl"

    def save(self, partner: Partner, messages: Messages) -> str:
        """Add a chat durably, and return its id, which is that of its content: the same one is added once.

        Raises UsageError where nothing was said yet, DataError where the disk does not take it.
        """
        if not messages:
            raise UsageError("nothing was said yet", "say something first")
        said = [{"role": each["role"], "content": clean_text(each["content"])} for each in messages]
        row = {"messages": said, "topic": "채팅", "persona": partner.id, "model": partner.model}
        id_ = f"chat-{hashlib.sha256(json.dumps(row, ensure_ascii=False).encode()).hexdigest()[:16]}"
        row |= {"id": id_, "created_at": datetime.now(UTC).isoformat(timespec="seconds")}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with self.file.open("a+b") as file:
                file.seek(0)
                before = file.read()
                if f'"id": "{id_}"'.encode() not in before:
                    is_torn = before and not before.endswith(b"\n")  # by a crash in the middle of a row
                    file.write(b"\n" * bool(is_torn) + json.dumps(row, ensure_ascii=False).encode() + b"\n")
                    file.flush()
                    os.fsync(file.fileno())
        except OSError as exc:
            raise DataError(f"{self.file} cannot be written: {exc.strerror}", "give another folder: --chats") from exc
        return id_
