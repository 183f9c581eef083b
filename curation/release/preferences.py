"""Preference data from what was accepted, dropped, flagged and edited, in the conversational formats of TRL.

`kto`  prompt, completion, label. Wanted: the last answer of an accepted dialogue. Unwanted: the first answer that a
       finding dropped the dialogue for, or that a reviewer flagged, with what was said before it as the prompt. A
       dialogue dropped as a whole, or for the user's words, blames no answer, and gives no row; nor does a duplicate,
       found or flagged.
`dpo`  prompt, chosen, rejected. Each answer that a reviewer rewrote, where the user's words before it were left alone.
       A rewritten text that was dropped or flagged itself is nothing to choose.

A row that curation gave no split (it was dropped) gets one by its id, so that every split holds both labels.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

import pyarrow as pa
import pyarrow.parquet as pq

from curation.release.curated_set import CuratedSet
from curation.release.formats import MESSAGE_LIST, Row, list_messages
from curation.reviews import DROPS_ALONE, Reviews, list_turns
from curation.settling.split_memory import SPLITS
from datagen.errors import DataError
from datagen.record import Dialogue, Message

_LABELS = {"prompt": MESSAGE_LIST, "completion": MESSAGE_LIST, "label": pa.bool_()}
_PAIRS = {"prompt": MESSAGE_LIST, "chosen": MESSAGE_LIST, "rejected": MESSAGE_LIST}
_ABOUT = {"id": pa.string(), "topic": pa.string(), "reason": pa.string()}
KTO_SCHEMA = pa.schema(list((_LABELS | _ABOUT).items()))
DPO_SCHEMA = pa.schema(list((_PAIRS | _ABOUT).items()))


@dataclass(frozen=True, slots=True)
class Blame:
    """The answer for which a dialogue is unwanted. `message` counts from 0."""

    message: int
    reason: str
    split: str


@dataclass(frozen=True, slots=True)
class PreferenceSource:
    """What preference rows are made from. `originals` gives the dialogues as generated, anew at each call."""

    curated: CuratedSet
    originals: Callable[[], Iterable[Dialogue]]
    reviews: Reviews
    system_of: Callable[[str], str | None]
    """Persona id → system prompt; None where none is wanted."""
    blames: Mapping[str, Blame]
    splits: Mapping[str, str]
    """Of the reviewed dialogues that were not dropped."""
    blameless: int
    """Dialogues dropped for no answer in particular."""


def open_preferences(
    curated: CuratedSet,
    originals: Callable[[], Iterable[Dialogue]],
    reviews: Reviews,
    system_of: Callable[[str], str | None],
) -> PreferenceSource:
    """Read who is to blame for what. Raises DataError where `decisions` or `findings` are missing or torn."""
    dropped: dict[str, str] = {}
    splits: dict[str, str] = {}
    for row in _read(curated.folder / "decisions.parquet", ["id", "status", "split"]):
        id_ = str(row["id"])
        split = str(row["split"] or draw_split(id_))
        if row["status"] != "dropped":
            splits[id_] = split
        elif id_ not in reviews.by_id:
            dropped[id_] = split
    blames: dict[str, Blame] = {}
    for row in _read(curated.folder / "findings.parquet", ["id", "code", "message", "verdict"]):
        id_, message = str(row["id"]), row["message"]
        if row["verdict"] != "drop" or id_ not in dropped or not _is_answer(message):
            continue
        if id_ not in blames or message < blames[id_].message:
            blames[id_] = Blame(message, str(row["code"]), dropped[id_])
    blameless = len(dropped) - len(blames)
    for id_, review in reviews.by_id.items():
        if review.verdict == "flag" and review.reason not in DROPS_ALONE and _is_answer(review.turn):
            split = splits.get(id_) or draw_split(id_)
            blames[id_] = Blame(review.turn, review.reason or "flagged", split)
    return PreferenceSource(curated, originals, reviews, system_of, blames, splits, blameless)


def draw_split(id_: str) -> str:
    """A split for a dialogue that has none: 90, 5 and 5 of a hundred, by its id alone."""
    draw = int.from_bytes(hashlib.sha256(id_.encode()).digest()[:4], "big") % 100
    return SPLITS[0] if draw < 90 else SPLITS[1] if draw < 95 else SPLITS[2]


def list_labelled(source: PreferenceSource, split: str) -> Iterator[Row]:
    """Rows of `kto`, the wanted ones first."""
    for row in source.curated.read_rows(split):
        review = source.reviews.by_id.get(row.id)
        if review is None or review.verdict == "accept":
            about = {"id": row.id, "topic": row.topic, "reason": None}
            last = len(row.messages) - 1
            yield _label(row.messages, last, True, source.system_of(row.persona)) | about
    for dialogue in source.originals():
        blame = source.blames.get(dialogue.id)
        if blame is None or blame.split != split:
            continue
        edit = source.reviews.find_edit(dialogue.id)  # what was flagged then is the edited text
        messages = dialogue.messages if edit is None else list_turns(edit)
        if blame.message < len(messages):
            about = {"id": dialogue.id, "topic": dialogue.topic, "reason": blame.reason}
            yield _label(messages, blame.message, False, source.system_of(dialogue.persona)) | about


def list_pairs(source: PreferenceSource, split: str) -> Iterator[Row]:
    """Rows of `dpo`; none where no reviewer edited anything."""
    edits = {id_: edit for id_ in source.reviews.by_id if (edit := source.reviews.find_edit(id_)) is not None}
    if not edits:
        return
    for dialogue in source.originals():
        edit = edits.get(dialogue.id)
        is_flagged = edit is not None and source.reviews.by_id[edit.id].verdict == "flag"
        if edit is None or is_flagged or source.splits.get(dialogue.id) != split:
            continue
        edited = list_turns(edit)
        for message in find_rewritten(dialogue.messages, edited):
            yield {
                "prompt": list_messages(edited[:message], source.system_of(dialogue.persona)),
                "chosen": list_messages(edited[message : message + 1]),
                "rejected": list_messages(dialogue.messages[message : message + 1]),
                "id": dialogue.id,
                "topic": dialogue.topic,
                "reason": edit.reason,
            }


def find_rewritten(original: Sequence[Message], edited: Sequence[Message]) -> list[int]:
    """The answers that differ while the user's words before them are the same.

    Where turns were added or taken out, only what differs first: after it the turns no longer face each other.
    """
    found = []
    for index in range(1, min(len(original), len(edited)), 2):
        asked_same = original[index - 1] == edited[index - 1]
        if asked_same and original[index] != edited[index]:
            found.append(index)
        if len(original) != len(edited) and (found or not asked_same):
            break
    return found


def _label(messages: Sequence[Message], index: int, is_wanted: bool, system: str | None) -> Row:
    return {
        "prompt": list_messages(messages[:index], system),
        "completion": list_messages(messages[index : index + 1]),
        "label": is_wanted,
    }


def _is_answer(message: object) -> TypeGuard[int]:
    """Whether the index is an answer's: the user begins, so answers are odd."""
    return isinstance(message, int) and message % 2 == 1


def _read(path: Path, columns: list[str]) -> Iterator[dict[str, object]]:
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=2_000, columns=columns):
                if missing := set(columns) - set(batch.schema.names):
                    raise DataError(f"{path} has no column {', '.join(sorted(missing))}", "curate again")
                yield from batch.to_pylist()
    except (pa.ArrowException, OSError) as exc:
        raise DataError(f"{path} cannot be read: {exc}", "run `damhwa curate RUN` again: it writes it anew") from exc
