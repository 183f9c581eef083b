"""What is judged: the dialogues of a run, or of any folder of Parquet and JSONL files.

Files are read in batches of raw rows; each row becomes a dialogue, or is set aside with file, row and what is wrong.
Nothing here trusts the data: a torn file costs that file, a bad row costs that row.
"""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
from ruamel.yaml import YAML

from curation.subject import PersonaSheet
from datagen.errors import SpecError, UsageError
from datagen.form_file import FormReader
from datagen.record import KNOWN_VERSIONS, clean_text
from datagen.spec import Persona
from datagen.store import SCHEMA

BATCH_ROWS = 500
BATCH_BYTES = 16_000_000
"""Of raw rows in one batch, about; only a single row may be larger, and of a JSONL file not even that."""
BASELINE_FOLDER = "baseline"
"""In a run: dialogues of a plain prompt, to compare with; no part of the data set."""
_SUFFIXES = (".parquet", ".jsonl", ".json")
_OURS = ("curated", ".curated-new", ".curated-old", ".curation")
_OURS_BESIDE = ("splits.parquet", "reviews.jsonl")
"""What `curate` keeps beside its `.curation`."""
_UNREADABLE_VALUE = (ValueError, OverflowError, pa.ArrowException)
"""Overflow: a time beyond the years 1 to 9999."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where dialogues come from, and what is known of them beforehand."""

    folder: Path
    files: tuple[Path, ...]
    dataset: str
    personas: dict[str, PersonaSheet] = field(default_factory=dict)
    only_persona: str = ""
    """The persona of rows that name none."""
    quotas: dict[str, tuple[str, int]] | None = None
    """Topic → category and quota; None where nothing was asked for."""
    declared: dict[str, dict[str, tuple[str, ...]]] | None = None
    """Topic → `situation`, `opening` or a facet's name → the values that the spec offers."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Something that was set aside. `row` counts from 1 (the line of a JSONL file); None: the file as a whole."""

    file: str
    row: int | None
    what: str
    raw: str = ""


@dataclass(frozen=True, slots=True)
class RawBatch:
    """Rows as they lie in a file: of a Parquet file a record batch, of a JSONL file its lines."""

    file: str
    first_row: int
    rows: pa.RecordBatch | list[bytes]


def open_run(folder: Path) -> Source:
    """The dialogues of a run, with the personas and quotas of its frozen `spec.yaml`.

    Raises UsageError where the folder is no run.
    """
    spec_file = folder / "spec.yaml"
    try:
        spec: dict[str, Any] = YAML(typ="safe").load(spec_file.read_text(encoding="utf-8"))
        personas = {each["id"]: _to_sheet(Persona.model_validate(each)) for each in spec["personas"]}
        quotas = {each["name"]: (each["category"], each["quota"]) for each in spec["topics"]}
        declared = _list_declared(spec)
    except FileNotFoundError as exc:
        hint = "give the folder of a run; for other data: `damhwa curate FOLDER -o DIR --persona FILE`"
        raise UsageError(f"{folder} is no run: there is no spec.yaml in it", hint) from exc
    except Exception as exc:  # whatever a hand or a crash made of it
        hint = "delete it and run `damhwa generate` or `damhwa build` again: the ledger holds the original"
        raise UsageError(f"{spec_file} is not the frozen spec of a run: {exc}", hint) from exc
    only = next(iter(personas)) if len(personas) == 1 else ""
    files = tuple(sorted((folder / "dialogues").glob("*.parquet")))
    return Source(folder, files, spec["dataset"], personas, only, quotas, declared)


def _list_declared(spec: dict[str, Any]) -> dict[str, dict[str, tuple[str, ...]]]:
    general = {name: tuple(values) for name, values in spec["facets"].items()}
    if spec["openings"]:
        general["opening"] = tuple(spec["openings"])
    return {
        topic["name"]: {
            **general,
            **{name: tuple(values) for name, values in topic["facets"].items()},
            "situation": tuple(topic["situations"]),
        }
        for topic in spec["topics"]
    }


def is_run(folder: Path) -> bool:
    return (folder / "spec.yaml").is_file() and (folder / "ledger.db").is_file()


def open_foreign(place: Path, persona_files: tuple[Path, ...]) -> Source:
    """Any folder of Parquet and JSONL files, or one such file.

    Raises UsageError where there is none, SpecError where a persona's file is wrong.
    """
    if place.is_file():
        files: tuple[Path, ...] = (place,)
    else:
        found = (path for path in place.rglob("*") if path.suffix in _SUFFIXES and path.is_file())
        files = tuple(sorted(path for path in found if not _is_ours(path, place)))
    if not files:
        what = "holds no .parquet or .jsonl file" if place.is_dir() else "does not exist"
        raise UsageError(f"{place} {what}", "give a run, or a folder with a `messages` or `text` column")
    personas = load_personas(persona_files)
    only = next(iter(personas)) if len(personas) == 1 else ""
    folder = place if place.is_dir() else place.parent
    name = clean_text(place.stem if place.is_file() else place.resolve().name)
    return Source(folder, files, name, personas, only)


def _is_ours(path: Path, place: Path) -> bool:
    """Whether a file is what an earlier `curate` wrote there, and no data."""
    is_beside = path.name in _OURS_BESIDE and (path.parent / ".curation").is_dir()
    return is_beside or bool(set(path.relative_to(place).parts) & set(_OURS))


def load_personas(files: tuple[Path, ...]) -> dict[str, PersonaSheet]:
    """Personas by id. Raises SpecError with every mistake in the files."""
    reader = FormReader()
    personas = [reader.validate(file, reader.read_yaml(file), Persona) for file in files]
    if reader.problems:
        raise SpecError(reader.problems, "the personas")
    return {persona.id: _to_sheet(persona) for persona in personas if persona is not None}


def _to_sheet(persona: Persona) -> PersonaSheet:
    return PersonaSheet(persona.id, persona.name, persona.speech_level, persona.user_placeholder, persona.system_prompt)


def read_batches(file: Path, groups: range | None = None) -> Iterator[RawBatch | Unreadable]:
    """The rows of one file in batches; whatever ends the file early comes as the last item.

    `groups`: the row groups of a Parquet file that are read; None: all.
    """
    try:
        yield from _read_parquet(file, groups) if file.suffix == ".parquet" else _read_lines(file)
    except (pa.ArrowException, OSError, ValueError) as exc:
        reason = " ".join(str(exc).split())[:300]
        yield Unreadable(_show(file), None, f"the file is torn or no {file.suffix[1:]}: {reason}")


def _read_parquet(file: Path, groups: range | None) -> Iterator[RawBatch | Unreadable]:
    with pq.ParquetFile(file) as parquet:
        version = (parquet.schema_arrow.metadata or {}).get(b"damhwa.schema_version")
        if version is not None and version not in (str(known).encode() for known in KNOWN_VERSIONS):
            found, known = version.decode(errors="replace"), " and ".join(map(str, KNOWN_VERSIONS))
            yield Unreadable(_show(file), None, f"schema version {found}, this damhwa reads {known}")
            return
        columns_known = [name for name in parquet.schema_arrow.names if name in SCHEMA.names or name == "text"]
        if not {"messages", "text"} & set(columns_known):
            columns = ", ".join(parquet.schema_arrow.names[:8])
            yield Unreadable(_show(file), None, f"no `messages` or `text` column, only {columns or 'nothing'}")
            return
        chosen = range(parquet.num_row_groups) if groups is None else groups
        row = 1 + sum(parquet.metadata.row_group(number).num_rows for number in range(chosen.start))
        size = _choose_batch_rows(parquet.metadata)
        for batch in parquet.iter_batches(batch_size=size, row_groups=list(chosen), columns=columns_known):
            yield RawBatch(_show(file), row, batch)
            row += batch.num_rows


def _choose_batch_rows(metadata: pq.FileMetaData) -> int:
    """So many rows that a usual batch stays below BATCH_BYTES, whatever the rows' size."""
    groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
    largest = max((group.total_byte_size / group.num_rows for group in groups if group.num_rows), default=1.0)
    return max(1, min(BATCH_ROWS, int(BATCH_BYTES / max(1.0, largest))))


def _read_lines(file: Path) -> Iterator[RawBatch | Unreadable]:
    lines: list[bytes] = []
    row, size = 1, 0
    if (other := _recognise(file)) is not None:
        yield Unreadable(_show(file), None, f"{other}, expected JSON Lines in UTF-8: one object a line")
        return
    with file.open("rb") as stream:
        while line := stream.readline(BATCH_BYTES):
            lines.append(line)
            size += len(line)
            is_cut = len(line) == BATCH_BYTES and not line.endswith(b"\n")
            if len(lines) < BATCH_ROWS and size < BATCH_BYTES:
                continue
            whole = lines[:-1] if is_cut else lines
            if whole:
                yield RawBatch(_show(file), row, whole)
            if is_cut:
                what = f"the line has more than {BATCH_BYTES:,} bytes"
                yield Unreadable(_show(file), row + len(whole), what, _shorten(line))
                _skip_line(stream)
            row, lines, size = row + len(lines), [], 0
    if lines:
        yield RawBatch(_show(file), row, lines)


def _recognise(file: Path) -> str | None:
    """What the file is instead of JSON Lines, where its beginning tells; None where it does not."""
    with file.open("rb") as stream:
        head = stream.read(64)
    known = {b"\x1f\x8b": "a gzip archive", b"PAR1": "a Parquet file", b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}
    is_list = head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"[")
    return "a JSON list" if is_list else next((name for magic, name in known.items() if head.startswith(magic)), None)


def _skip_line(stream: BinaryIO) -> None:
    while (rest := stream.readline(BATCH_BYTES)) and not rest.endswith(b"\n"):
        pass


def _show(file: Path) -> str:
    """The file's name as text, for a name need not be any."""
    return os.fsencode(file).decode("utf-8", errors="replace")


def list_rows(batch: RawBatch) -> Iterator[tuple[int, dict[str, Any] | Unreadable | None]]:
    """Each row with its number: its values, or why it has none; None for an empty line."""
    if isinstance(batch.rows, pa.RecordBatch):
        for number, values in enumerate(_to_pylist(batch.rows), batch.first_row):
            yield number, values if isinstance(values, dict) else Unreadable(batch.file, number, values)
        return
    for number, line in enumerate(batch.rows, batch.first_row):
        if not line.strip():
            yield number, None
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as exc:
            yield number, Unreadable(batch.file, number, f"the line is no JSON: {exc}", _shorten(line))
            continue
        is_object = isinstance(value, dict)
        yield number, value if is_object else Unreadable(batch.file, number, "no JSON object", _shorten(line))


def _to_pylist(batch: pa.RecordBatch) -> Iterator[dict[str, Any] | str]:
    try:
        yield from batch.to_pylist()
    except _UNREADABLE_VALUE:  # a string that is no UTF-8, or such: row by row, to lose that one alone
        for index in range(batch.num_rows):
            try:
                yield batch.slice(index, 1).to_pylist()[0]
            except _UNREADABLE_VALUE as exc:
                yield f"a value cannot be read: {exc}"


def _shorten(raw: bytes) -> str:
    return raw[:500].decode("utf-8", errors="replace").strip()
