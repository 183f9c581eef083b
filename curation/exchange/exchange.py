"""Reviews to and from the tools that people have: a file out for Label Studio or Argilla, and their file back in.

export_reviews → cards → label_studio | argilla → files
import_reviews → label_studio | argilla → answers → reviews, and what could not be understood
"""

import difflib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from curation.exchange import argilla, label_studio
from curation.exchange.cards import Card, read_cards
from curation.exchange.foreign import ImportContext, ImportResult
from datagen.errors import DataError, UsageError


@dataclass(frozen=True, slots=True)
class Format:
    """One tool's form of files."""

    name: str
    render: Callable[[Sequence[Card], Mapping[str, str]], dict[str, str]]
    """File name → content. Takes reviewer → user id in the tool."""
    parse: Callable[[list[object], ImportContext], ImportResult]


FORMATS = (
    Format("label-studio", label_studio.render_files, label_studio.parse_tasks),
    Format("argilla", argilla.render_files, argilla.parse_records),
)


@dataclass(frozen=True, slots=True)
class ExchangeExport:
    """What was written."""

    files: tuple[Path, ...]
    dialogues: int
    reviews: int


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """What a file may leave open. `at`: for answers without a time; `users`: reviewer → user id in the tool."""

    at: datetime
    users: Mapping[str, str] = field(default_factory=dict)


def export_reviews(source: Path, out: Path, format_: str, users: Mapping[str, str] | None = None) -> ExchangeExport:
    """Write what a reviewer would look at in a curated folder, with the verdicts there are, into the folder `out`.

    `users`: reviewer → user id in Argilla, which takes responses of its own users alone; the others' verdicts go there
    as suggestions. Raises UsageError for an unknown format or a source that is not curated, DataError where a file
    cannot be read or written.
    """
    form = find_format(format_)
    cards = list(read_cards(source))
    files = []
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, content in form.render(cards, users or {}).items():
            (out / name).write_text(content, encoding="utf-8")
            files.append(out / name)
    except OSError as exc:
        raise DataError(
            f"{out} could not be written: {exc.strerror or exc}", "free some space, or give another folder"
        ) from exc
    return ExchangeExport(tuple(files), len(cards), sum(len(each.reviews) for each in cards))


def import_reviews(path: Path, format_: str, options: ImportOptions) -> ImportResult:
    """The reviews of a tool's file, in its order, and what could not be understood, as `file:place: what`.

    Raises UsageError for an unknown format or a missing file, DataError where the file is not JSON of that tool.
    """
    form = find_format(format_)
    names = {user: reviewer for reviewer, user in options.users.items()}
    return form.parse(_read_list(path), ImportContext(path, options.at, names))


def find_format(name: str) -> Format:
    """The format of that name. Raises UsageError, with the nearest one."""
    found = next((each for each in FORMATS if each.name == name), None)
    if found is None:
        known = [each.name for each in FORMATS]
        near = difflib.get_close_matches(name, known, 1, 0.5)
        hint = f"formats: {', '.join(known)}"
        raise UsageError(f"there is no exchange format '{name}'", f"did you mean '{near[0]}'? {hint}" if near else hint)
    return found


def _read_list(path: Path) -> list[object]:
    hint = "give the JSON file as the tool writes it: a list of tasks, or of records"
    try:
        value = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as exc:
        raise UsageError(f"{path}: no such file", hint) from exc
    except OSError as exc:
        raise DataError(f"{path} cannot be read: {exc.strerror}", "check its permissions") from exc
    except (ValueError, RecursionError) as exc:
        raise DataError(f"{path} is not JSON: {exc}", hint) from exc
    if not isinstance(value, list):
        raise DataError(f"{path} holds {type(value).__name__}, expected a list", hint)
    return value
