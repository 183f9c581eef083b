"""Recordings of what personas say: a table beside the rows, which are never edited, and the way into their `media`.

A recording belongs to a message for as long as the message says what was spoken: one that somebody edited has none.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curation.schemas import RECORDINGS
from curation.subject import blank_directions
from datagen.errors import DataError
from datagen.media import check_medium
from datagen.record import Dialogue, Medium
from datagen.store import SCHEMA, from_row, replace_durably, to_columns

FILE = "media/recordings.parquet"

_PLACEHOLDER = re.compile(r"\{([^{}\n]*)\}")


@dataclass(frozen=True, slots=True)
class Recording:
    """One utterance as it was spoken."""

    id: str
    """The dialogue's."""
    text: str
    model: str
    voice: str
    medium: Medium


@dataclass(frozen=True, slots=True)
class Recordings:
    """Dialogue's id → message → its recording."""

    by_id: Mapping[str, Mapping[int, Recording]] = field(default_factory=dict)

    @classmethod
    def of(cls, recordings: Iterable[Recording]) -> "Recordings":
        by_id: dict[str, dict[int, Recording]] = {}
        for each in recordings:
            by_id.setdefault(each.id, {})[each.medium.message] = each
        return cls(by_id)

    @classmethod
    def read(cls, folder: Path, ids: Collection[str] | None = None) -> "Recordings":
        """Those of a run, or of these dialogues of it; none where nothing was spoken.

        Raises DataError where the table cannot be read.
        """
        path = folder / FILE
        if not path.is_file():
            return cls()
        try:
            table = pq.read_table(path, columns=RECORDINGS.names)
            if ids is not None:
                table = table.filter(pc.is_in(table.column("id"), value_set=pa.array(ids, pa.string())))
            rows = table.to_pylist()
        except (OSError, pa.ArrowException, KeyError) as exc:
            hint = f"delete it and run `damhwa voice {folder}`: what was spoken is remembered, and not paid for again"
            raise DataError(f"{path} cannot be read: {exc}", hint) from exc
        return cls.of(map(_from_row, rows))

    def __bool__(self) -> bool:
        return bool(self.by_id)

    def __iter__(self) -> Iterator[Recording]:
        return (each for own in self.by_id.values() for each in own.values())

    def keep_whole(self, folder: Path) -> "Recordings":
        """Those whose files are there and what they were."""
        return Recordings.of(each for each in self if check_medium(folder, each.medium) is None)

    def add_to(self, dialogue: Dialogue) -> Dialogue:
        """The dialogue with the recordings of what it says, behind its pictures and message by message."""
        own = self.by_id.get(dialogue.id)
        if own is None:
            return dialogue
        fitting = {
            at: own[at].medium
            for at, message in enumerate(dialogue.messages)
            if at in own and own[at].text == spell_out(message.content)
        }
        media = [each for each in dialogue.media if each.kind == "image" or each.message not in fitting]
        return replace(dialogue, media=(*media, *fitting.values()))


def mute(dialogue: Dialogue) -> Dialogue:
    """The dialogue of a run without its recordings: its own rows have none."""
    return replace(dialogue, media=tuple(each for each in dialogue.media if each.kind != "audio"))


def _from_row(row: dict[str, object]) -> Recording:
    names = ("path", "sha256", "media_type", "size", "message")
    medium = Medium(kind="audio", **{name: row[name] for name in names})  # type: ignore[arg-type]
    return Recording(str(row["id"]), str(row["text"]), str(row["model"]), str(row["voice"]), medium)


def spell_out(text: str) -> str:
    """What of an utterance is spoken: no directions (`*밝게 웃으며*`), no brackets around placeholders, on one line.

    Empty where nothing is.
    """
    spoken = " ".join(_PLACEHOLDER.sub(r"\1", blank_directions(text)).split())
    return spoken if any(map(str.isalnum, spoken)) else ""


def write_recordings(folder: Path, recordings: Recordings) -> None:
    """Write the table, whole or not at all. Raises DataError where the disk does not take it."""
    path = folder / FILE
    rows = [
        {
            "id": each.id,
            "text": each.text,
            "model": each.model,
            "voice": each.voice,
            **{name: getattr(each.medium, name) for name in ("message", "path", "sha256", "media_type", "size")},
        }
        for each in recordings
    ]
    temporary = path.with_name(f".{path.name}.writing")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.Table.from_pylist(rows, schema=RECORDINGS), temporary, compression="zstd")
        replace_durably(temporary, path)
    except OSError as exc:
        raise DataError(f"{path} could not be written: {exc.strerror or exc}", "free some space and try again") from exc


def add_recordings(table: pa.Table, recordings: Recordings) -> pa.Table:
    """Rows of dialogues with their recordings; the very same table where none of them has any."""
    if not recordings or not any(id_ in recordings.by_id for id_ in table.column("id").to_pylist()):
        return table
    dialogues = [recordings.add_to(from_row(row)) for row in table.select(SCHEMA.names).to_pylist()]
    return pa.table(to_columns(dialogues), schema=SCHEMA)
