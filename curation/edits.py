"""Edited texts as rows: measured like every other, each in the place of the text that a reviewer changed.

So filters, duplicates, splits and the report look at the text that is published, and nothing else has to know of edits.
The text as generated stays in its own measured file and in the index of duplicates, which is kept and costly to change;
edited rows come behind it, and are compared anew at each call.
"""

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from curation.measure import MEASURED, Ruler, is_whole, measure_dialogues, open_measured
from curation.people import list_reviewed
from curation.reviews import REVIEWS_FILE, Review, Reviews, list_turns
from curation.rows import BATCH_ROWS, Rows
from curation.schemas import EDITS
from datagen.errors import DataError
from datagen.record import Dialogue, Medium, Message
from datagen.store import replace_durably

FOLDER = "edited"
"""Beside the measured files."""


def put_edits(rows: Rows, reviews: Reviews, ruler: Ruler, folder: Path) -> Rows:
    """The rows, with those that people edited replaced; measured into `folder` unless they are there already.

    Raises DataError where the disk does not take it.
    """
    edits = dict(sorted(_find_edits(rows, reviews)))
    if not edits:
        shutil.rmtree(folder, ignore_errors=True)
        return rows
    path = folder / f"{_fingerprint(edits, ruler)}.parquet"
    try:
        if not is_whole(path):
            _measure(path, rows, edits, ruler)
        for other in set(folder.iterdir()) - {path}:
            other.unlink()
    except OSError as exc:
        hint = "free some space and run the same command again; dialogues and reviews are untouched"
        raise DataError(f"{path} could not be written: {exc.strerror or exc}", hint) from exc
    return rows.replace(open_measured(path), list(edits))


def _find_edits(rows: Rows, reviews: Reviews) -> Iterator[tuple[int, Review]]:
    for row, review in list_reviewed(rows, reviews):
        if (edit := reviews.find_edit(review.id)) is not None:
            yield row, edit


def _measure(path: Path, rows: Rows, edits: dict[int, Review], ruler: Ruler) -> None:
    numbers = list(edits)
    temporary = path.with_name(f".{path.name}.writing")
    path.parent.mkdir(parents=True, exist_ok=True)
    with pq.ParquetWriter(temporary, MEASURED, compression="zstd", compression_level=1) as writer:
        for at in range(0, len(numbers), BATCH_ROWS):
            own = numbers[at : at + BATCH_ROWS]
            originals = zip(own, rows.load(own), strict=True)
            dialogues = [put_text(each, list_turns(edits[row])) for row, each in originals]
            places = [f"{REVIEWS_FILE}:{at + number}" for number in range(1, len(own) + 1)]
            writer.write_table(measure_dialogues(dialogues, places, ruler))
    replace_durably(temporary, path)


def put_text(dialogue: Dialogue, messages: tuple[Message, ...]) -> Dialogue:
    """The dialogue in other words: pictures stay in their messages, a recording of what is no longer said is gone."""
    before = dialogue.messages

    def stays(medium: Medium) -> bool:
        at = medium.message
        return at < len(messages) and (medium.kind == "image" or messages[at] == before[at])

    return replace(dialogue, messages=messages, media=tuple(each for each in dialogue.media if stays(each)))


def _fingerprint(edits: dict[int, Review], ruler: Ruler) -> str:
    """Of the rows that are replaced, of their new texts, and of all that measures them."""
    digest = hashlib.sha256(ruler.fingerprint.encode())
    for row, edit in edits.items():
        digest.update(f"{row}\0{edit.model_dump_json(include={'id', 'messages'})}\0".encode())
    return digest.hexdigest()[:32]


def list_edits(rows: Rows, reviews: Reviews) -> pa.Table:
    """In the form of `edits.parquet`: a row an edited text that was judged."""
    entries = []
    for row, original in rows.replaced.items():
        edit = reviews.find_edit(rows.ids[row])
        assert edit is not None  # it is what replaced the row
        before, after = rows.load([original, row])
        turns = list_changes(before, after)
        edited_id = f"{edit.id}@{edit.revision}"
        entries.append(
            {"id": edit.id, "edited_id": edited_id, "reviewer": edit.reviewer, "at": edit.at, "turns": turns}
        )
    return pa.Table.from_pylist(entries, schema=EDITS)


def list_changes(before: Dialogue, after: Dialogue) -> list[dict[str, object]]:
    """The messages that differ, each with its number from 0, the text as it was and as it is."""
    texts = [[message.content for message in each.messages] for each in (before, after)]
    longest = max(map(len, texts))
    pairs = zip(*(each + [None] * (longest - len(each)) for each in texts), strict=True)
    return [
        {"message": number, "original": was, "edited": is_} for number, (was, is_) in enumerate(pairs) if was != is_
    ]
