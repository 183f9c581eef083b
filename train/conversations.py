"""What is trained on: the conversations of a split, each with its persona's system prompt.

A run, or a `curated/` folder, is read as it lies there; anything else by `datasets.load_dataset`, if its rows have
`messages`, or the published `text` column of role and content. Only words are learnt: of content parts the text is
taken, and how many rows show or say something beside it is counted.
"""

import hashlib
import json
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from ruamel.yaml import YAML

from datagen.errors import DataError, UsageError
from datagen.spec import Persona

SIMULATOR = "damhwa-simulator"
_SHARD_COLUMNS = ["id", "persona", "messages", "provider", "media"]
_ROLES = ("system", "user", "assistant")
_COLUMNS = (*_SHARD_COLUMNS, "text")


@dataclass(frozen=True, slots=True)
class Conversation:
    """`messages`: `{"role", "content"}`, the system prompt first, then user and persona in turns."""

    id: str
    messages: tuple[dict[str, str], ...]
    persona: str = ""
    where: str = field(default="", compare=False)
    """For errors: dataset, split and row."""


@dataclass(frozen=True, slots=True)
class Split:
    """One split of one dataset. `fingerprint`: sha256 over ids and messages, in order."""

    place: str
    name: str
    conversations: tuple[Conversation, ...]
    fingerprint: str
    is_simulated: bool
    prompts: dict[str, str] = field(default_factory=dict)
    """Persona → system prompt, as the run was made with."""
    strangers: dict[str, int] = field(default_factory=dict)
    """Personas whose prompt nobody knows → their rows."""
    shown: int = 0
    """Rows with pictures or recordings, which a model of text does not see."""


def read_split(place: str, name: str, persona: Persona, config: str | None = None) -> Split:
    """The split `name` of a dataset. Rows that name no persona, or one that nobody knows, get `persona`'s prompt.

    Raises UsageError where there is no such dataset or split, or where it is empty; DataError for rows that are no
    conversation.
    """
    folder = find_curated(place)
    if folder is not None:
        rows: Iterable[dict[str, Any]] = _read_shards(folder, name)
        prompts = _read_prompts(folder.parent)
    else:
        rows, prompts = _load_dataset(place, name, config), {}
    known = {**prompts, persona.id: prompts.get(persona.id, persona.system_prompt)}
    found, is_simulated, strangers, shown = [], False, Counter[str](), 0
    for number, row in enumerate(rows, 1):
        found.append(read_row(row, f"{place}, split {name}, row {number}", known, persona))
        is_simulated |= row.get("provider") == SIMULATOR
        shown += shows_something(row)
        strangers[found[-1].persona] += found[-1].persona not in known
    if not found:
        hint = "build or curate it again, or give the stage other data"
        raise UsageError(f"the split '{name}' of {place} is empty or missing, expected conversations", hint)
    return Split(place, name, tuple(found), fingerprint(found), is_simulated, prompts, dict(+strangers), shown)


def find_curated(place: str) -> Path | None:
    """The folder with our splits of a run or of a `curated/` folder; None: `place` is something else.

    Raises UsageError for a run that was not curated yet.
    """
    for folder in (Path(place) / "curated", Path(place)):
        if (folder / "decisions.parquet").is_file():
            return folder
    if (Path(place) / "ledger.db").is_file():
        raise UsageError(f"{place} has no curated/ yet", f"curate it: `damhwa curate {place}`")
    return None


def fingerprint(conversations: Iterable[Conversation]) -> str:
    """sha256 over ids and messages, in order."""
    digest = hashlib.sha256()
    for each in conversations:
        digest.update(json.dumps([each.id, each.messages], ensure_ascii=False).encode())
    return digest.hexdigest()


def _read_shards(folder: Path, split: str) -> Iterator[dict[str, Any]]:
    for path in sorted((folder / split).glob("*.parquet")):
        try:
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(columns=_SHARD_COLUMNS):
                    yield from batch.to_pylist()
        except (pa.ArrowException, OSError) as exc:
            raise DataError(f"{path} cannot be read as Parquet: {exc}", "make it again with `damhwa curate`") from exc


def _read_prompts(run: Path) -> dict[str, str]:
    """Persona → system prompt, of the run's frozen spec; none where there is no spec."""
    spec = run / "spec.yaml"
    if not spec.is_file():
        return {}
    try:
        frozen = YAML(typ="safe").load(spec.read_text(encoding="utf-8"))
        return {each["id"]: Persona.model_validate(each).system_prompt for each in frozen["personas"]}
    except Exception as exc:  # whatever a hand or a crash made of it
        hint = "delete it and build again: the ledger holds the original"
        raise DataError(f"{spec} is not the frozen spec of a run: {exc}", hint) from exc


def _load_dataset(place: str, split: str, config: str | None) -> Iterable[dict[str, Any]]:
    if not Path(place).exists():
        # A name is never looked up on a hub: what is there under the name of a run is another's.
        hint = "build it (`damhwa build SPEC -o RUN`), or give a folder with `messages` rows"
        raise UsageError(f"there is no {place}, expected a run or a folder of data", hint)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EncodingWarning)  # what it imports opens files without one
        import datasets  # a second that a run's own files do not need
    datasets.disable_progress_bars()
    try:
        loaded = datasets.load_dataset(place, config, split=split)
    except Exception as exc:  # a dozen kinds: not there, no such split, no such configuration, broken files, no network
        known = f"configuration {config}, " if config else ""
        hint = f"give a run, or a folder with rows of `messages` in a split '{split}' ({split}.jsonl, {split}.parquet)"
        raise UsageError(f"{place} ({known}split {split}) cannot be loaded: {exc}", hint) from exc
    if not {"messages", "text"} & set(loaded.column_names):
        columns = ", ".join(loaded.column_names)
        raise UsageError(f"{place} has the columns {columns}, expected `messages` or `text` with role and content")
    # the others are never looked at: to read a picture or recording would be to decode it
    rows: Iterable[dict[str, Any]] = loaded.select_columns([name for name in loaded.column_names if name in _COLUMNS])
    return rows


def read_row(row: dict[str, Any], where: str, prompts: dict[str, str], persona: Persona) -> Conversation:
    """A row's `messages` or `text`, with a system prompt. Raises DataError where that is no conversation."""
    given = row.get("messages") or row.get("text") or ()
    try:
        messages = tuple({"role": each["role"], "content": _read_text(each["content"])} for each in given)
    except (TypeError, KeyError, AttributeError) as exc:
        raise DataError(f"{where} holds no messages of role and content", "expected a list of both") from exc
    _check_turns(messages, where)
    speaker = str(row.get("persona") or "")
    if messages[0]["role"] != "system":
        prompt = prompts.get(speaker, persona.system_prompt).strip()
        messages = ({"role": "system", "content": prompt}, *messages)
    content = json.dumps(messages, ensure_ascii=False)
    id_ = str(row.get("id") or f"sha256-{hashlib.sha256(content.encode()).hexdigest()[:16]}")
    return Conversation(id_, messages, speaker or persona.id, f"{where} ({id_})")


def _read_text(content: Any) -> Any:
    """Of content parts the text, a line each."""
    if not isinstance(content, list):
        return content
    return "\n".join(each["text"] for each in content if each.get("type") == "text" and each["text"])


def shows_something(row: dict[str, Any]) -> bool:
    """Whether a row has pictures or recordings: named in `media`, or as content parts."""
    contents = (each["content"] for each in row.get("messages") or row.get("text") or ())
    parts = (part for content in contents if isinstance(content, list) for part in content)
    return bool(row.get("media")) or any(part.get("type") != "text" for part in parts)


def _is_text(content: str) -> bool:
    try:
        content.encode()
    except UnicodeEncodeError:  # half of a character
        return False
    return True


def _check_turns(messages: Sequence[dict[str, Any]], where: str) -> None:
    for each in messages:
        if each["role"] not in _ROLES or not isinstance(each["content"], str):
            raise DataError(f"{where} has a message of role {each['role']!r}", "expected system, user and assistant")
        if not each["content"].strip() or not _is_text(each["content"]):
            what = f"{where} has a message of {each['role']} that is empty or no text"
            raise DataError(what, "mend the row, or leave it out")
    turns = [each["role"] for each in messages if each["role"] != "system"]
    if len(turns) < 2 or turns != ["user", "assistant"] * (len(turns) // 2):
        found = " ".join(turns[:8]) or "nothing"
        raise DataError(f"{where} has the turns {found}", "expected user and assistant in turn, user first")
    if any(each["role"] == "system" for each in messages[1:]):
        raise DataError(f"{where} has a system message in the middle", "expected it first, or none")
