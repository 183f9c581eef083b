"""Export: accepted dialogues in the shape that a trainer or another dataset wants, as JSONL and Parquet.

The same curated folders give the same bytes. `export.json` says what is in the folder and where it came from; the
card's `configs:` let `datasets.load_dataset(FOLDER)` find the Parquet files.
"""

import difflib
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from importlib import metadata
from pathlib import Path

import pyarrow as pa

from curation.outputs import recover_folder, replace_folder
from curation.release.card import Card, read_front_matter, render_card
from curation.release.curated_set import CuratedSet, open_curated
from curation.release.files import (
    CARD,
    MANIFEST,
    ROWS_PER_GROUP,
    SHOWN_ROWS_PER_GROUP,
    Table,
    WrittenFile,
    check_replaceable,
    copy_media,
    write_table,
)
from curation.release.formats import (
    FORMAT_NAMES,
    PREFERENCES,
    ROW_FORMATS,
    ExportedDialogue,
    Row,
    RowFormat,
)
from curation.release.preferences import (
    DPO_SCHEMA,
    KTO_SCHEMA,
    PreferenceSource,
    list_labelled,
    list_pairs,
    open_preferences,
)
from curation.release.shown import Carries, MediaCount, carry_nothing, count_media, list_carried, read_medium
from curation.reviewing.read import read_all_reviews
from curation.reviews import Reviews
from curation.settling.split_memory import SPLITS
from curation.source import is_run, load_personas, open_run
from curation.subject import PersonaSheet
from datagen.errors import DataError, UsageError
from datagen.record import SCHEMA_VERSION, Dialogue, Medium
from datagen.store import read_dialogues

_FORBIDDEN_IN_NAMES = '<>:/\\|?*"'
"""What `datasets` does not allow in a configuration's name."""


@dataclass(frozen=True, slots=True)
class ExportSource:
    """One curated folder (or the run around it), and what is known beside it."""

    folder: Path
    personas: Mapping[str, PersonaSheet] = field(default_factory=dict)
    reviews: Reviews = field(default_factory=lambda: Reviews({}))
    originals: Callable[[], Iterable[Dialogue]] | None = None
    """The dialogues as generated, for preferences; None: the run's `dialogues/`."""


@dataclass(frozen=True, slots=True)
class ExportSummary:
    """What was written. `fingerprint`: sha256 over the JSONL files, the same whenever the content is the same."""

    out: Path
    format: str
    fingerprint: str
    counts: dict[str, dict[str, int]]
    """Configuration → split → rows; `default` where there is only one configuration."""
    files: tuple[WrittenFile, ...]
    blameless: int = 0
    """Of preferences: dropped dialogues that gave no row, since no answer of theirs was to blame."""
    media: MediaCount = field(default_factory=MediaCount)


def open_export_source(folder: Path, persona_files: tuple[Path, ...]) -> ExportSource:
    """What `damhwa export` knows of a curated folder: of a run its personas; its reviews.

    Raises UsageError, SpecError for a persona file that is wrong, DataError for reviews that cannot be read.
    """
    personas = open_run(folder).personas if is_run(folder) else load_personas(persona_files)
    return ExportSource(folder, personas, read_all_reviews(folder))


def describe_export(summary: ExportSummary) -> str:
    """The summary in a few lines."""
    lines = [f"exported as {summary.format} to {summary.out}, sha256 {summary.fingerprint[:16]}"]
    for name, counts in summary.counts.items():
        lines.append(f"{name}: " + " · ".join(f"{split} {count:,}" for split, count in counts.items()))
    if summary.blameless:
        lines.append(f"{summary.blameless:,} dropped dialogues gave no row: no answer of theirs was to blame")
    if summary.media.files:
        lines.append(f"{summary.media.files:,} pictures and recordings, {summary.media.bytes:,} bytes")
    if summary.media.left_out:
        told = f"{summary.media.left_out:,} dialogues lack pictures or recordings that they have"
        lines.append(f"{told}: {summary.format} has no place for them")
    return "\n".join(lines)


def export(
    sources: Sequence[ExportSource], out: Path, format_: str, *, with_system_prompt: bool = False
) -> ExportSummary:
    """Write the folder `out`, whole or not at all; an earlier export in its place is replaced.

    Several sources become one configuration each, named by their dataset; so does a single one in `published`, where
    the names are part of the format. Raises UsageError for an unknown format, a missing `curated/`, a persona without
    a system prompt, or an `out` that holds something else; DataError for files that cannot be read or written.
    """
    check_format(format_)
    out = out if out.is_symlink() else out.resolve()
    recover_folder(out)
    check_replaceable(out)
    if not sources:
        raise UsageError("there is nothing to export", "give at least one run")
    if format_ == PREFERENCES and len(sources) > 1:
        raise UsageError(f"'{PREFERENCES}' is made from one run, not {len(sources)}", "export them one by one")
    curated = [open_curated(source.folder) for source in sources]
    preferences: PreferenceSource | None = None
    row_format: RowFormat | None = None
    if format_ == PREFERENCES:
        preferences = _open_preferences(sources[0], curated[0], with_system_prompt)
        tables = _list_preference_tables(preferences)
    else:
        row_format = next(each for each in ROW_FORMATS if each.name == format_)
        names = _name_configurations(curated, row_format)
        tables = _list_tables(list(zip(names, sources, curated, strict=True)), row_format, with_system_prompt)
    carries = row_format.carries if row_format else carry_nothing
    shown = [(each, each.read_media()) for each in curated]
    media = count_media([row for _, rows in shown for row in rows], carries)
    with replace_folder(out) as folder:
        files = tuple(file for table in tables for file in write_table(folder, table))
        if row_format is not None and row_format.has_files:
            files += tuple(_copy_media(folder, shown, carries))
        blameless = preferences.blameless if preferences else 0
        summary = ExportSummary(out, format_, _fingerprint(files), _count(files), files, blameless, media)
        _write_about(folder, summary, curated, with_system_prompt)
    return summary


def _copy_media(
    folder: Path, shown: Sequence[tuple[CuratedSet, list[tuple[Medium, ...]]]], carries: Carries
) -> Iterator[WrittenFile]:
    for curated, rows in shown:
        yield from copy_media(folder, curated.run, (each for row in rows for each in list_carried(row, carries)))


def check_format(name: str) -> None:
    """Raise UsageError, with the nearest name, unless there is such a format."""
    if name not in FORMAT_NAMES:
        near = difflib.get_close_matches(name, FORMAT_NAMES, 1, 0.5)
        known = f"formats: {', '.join(FORMAT_NAMES)}; to review: label-studio, argilla"
        raise UsageError(f"there is no format '{name}'", f"did you mean '{near[0]}'? {known}" if near else known)


def _list_tables(
    parts: Sequence[tuple[str | None, ExportSource, CuratedSet]], row_format: RowFormat, with_system: bool
) -> Iterator[Table]:
    has_media = any(curated.read_media() for _, _, curated in parts)
    schema = (has_media and row_format.shown) or row_format.schema
    if not with_system and "system" in schema.names:
        schema = schema.remove(schema.get_field_index("system"))
    per_group = SHOWN_ROWS_PER_GROUP if has_media else ROWS_PER_GROUP
    for name, source, curated in parts:
        for split in SPLITS:
            rows = _convert(curated, split, row_format, _find_system(source, with_system))
            yield Table(name, split, schema, rows, row_format.flatten, row_format.has_lines, per_group)


def _convert(
    curated: CuratedSet, split: str, row_format: RowFormat, system_of: Callable[[str], str | None]
) -> Iterator[Row]:
    read = partial(read_medium, curated.run)
    for row in curated.read_rows(split):
        system = system_of(row.persona)
        yield row_format.convert(
            ExportedDialogue(row.id, row.topic, row.persona, row.messages, system, row.media, read)
        )


def _find_system(source: ExportSource, is_wanted: bool) -> Callable[[str], str | None]:
    def find(persona: str) -> str | None:
        if not is_wanted:
            return None
        sheet = source.personas.get(persona)
        if sheet is None or not sheet.system_prompt.strip():
            what = "is not known" if sheet is None else "has no system prompt"
            known = ", ".join(sorted(source.personas)) or "none"
            hint = f"known personas: {known}; give the persona's file, or leave the system prompt out"
            raise UsageError(f"persona '{persona}' of {source.folder} {what}", hint)
        return sheet.system_prompt

    return find


def _name_configurations(curated: Sequence[CuratedSet], row_format: RowFormat) -> list[str | None]:
    if len(curated) == 1 and row_format.name != "published":
        return [None]
    names = [each.read_dataset() for each in curated]
    for name, each in zip(names, curated, strict=True):
        if not name or name.startswith(".") or set(name) & set(_FORBIDDEN_IN_NAMES):
            hint = f"the dataset's name becomes a configuration's; none of {_FORBIDDEN_IN_NAMES} may be in it"
            raise UsageError(f"{each.folder} has the dataset name '{name}'", hint)
        if names.count(name) > 1:
            raise UsageError(f"two runs are of the dataset '{name}'", "export them into folders of their own")
    return list(names)


def _open_preferences(source: ExportSource, curated: CuratedSet, with_system: bool) -> PreferenceSource:
    dialogues = curated.folder.parent / "dialogues"
    if source.originals is None and not dialogues.is_dir():
        hint = "preferences need the dropped dialogues too: give a run, or curate the original folder again"
        raise UsageError(f"there is no {dialogues}", hint)
    originals = source.originals or (lambda: read_dialogues(dialogues))
    return open_preferences(curated, originals, source.reviews, _find_system(source, with_system))


def _list_preference_tables(source: PreferenceSource) -> Iterator[Table]:
    for split in SPLITS:
        yield Table("kto", split, KTO_SCHEMA, list_labelled(source, split))
    for split in SPLITS:
        yield Table("dpo", split, DPO_SCHEMA, list_pairs(source, split))


def _fingerprint(files: Sequence[WrittenFile]) -> str:
    """Over the JSONL, where there is any: the bytes of a Parquet file change with the library that writes it."""
    digest = hashlib.sha256()
    lines = [file for file in files if file.path.endswith(".jsonl")]
    for file in lines or files:
        digest.update(f"{file.sha256}  {file.path}\n".encode())
    return digest.hexdigest()


def _count(files: Sequence[WrittenFile]) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for file in files:
        place = Path(file.path)
        if place.suffix == ".parquet":
            counts.setdefault(place.parent.name or "default", {})[place.stem] = file.rows
    return counts


def _write_about(folder: Path, summary: ExportSummary, curated: Sequence[CuratedSet], with_system: bool) -> None:
    if not summary.files:
        raise DataError("the export would be empty", "there is nothing of this kind in the run yet")
    origins = [{"dataset": each.read_dataset(), "dialogues": each.counts} for each in curated]
    is_simulated = any(each.is_simulated() for each in curated)
    about = {
        "format": summary.format,
        "fingerprint": summary.fingerprint,
        "with_system_prompt": with_system,
        "simulated": is_simulated,
        "rows": summary.counts,
        **({"media": asdict(summary.media)} if summary.media.rows else {}),
        "sources": origins,
        "files": [asdict(file) for file in summary.files],
        "versions": {"damhwa": _find_version(), "row_schema": SCHEMA_VERSION, "pyarrow": pa.__version__},
    }
    text = json.dumps(about, ensure_ascii=False, indent=2)
    (folder / MANIFEST).write_text(f"{text}\n", encoding="utf-8")
    card = Card(
        format=summary.format,
        datasets=tuple(str(each["dataset"]) for each in origins),
        counts=summary.counts,
        is_simulated=is_simulated,
        fingerprint=summary.fingerprint,
        front_matter=read_front_matter(curated[0].folder / CARD),
        media=summary.media,
    )
    (folder / CARD).write_text(render_card(card), encoding="utf-8")


def _find_version() -> str:
    try:
        return metadata.version("damhwa")
    except metadata.PackageNotFoundError:
        return "unknown"
