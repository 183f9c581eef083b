"""Where the reviews of a folder lie: in which database, and under which mark."""

import contextlib
import os
import re
import secrets
from pathlib import Path

from datagen.errors import DataError, UsageError

VARIABLE = "DAMHWA_DATABASE"
FILE_NAME = "reviews.db"
KEY_FILE = ".review-key"
_KEY = re.compile(rb"[A-Za-z0-9_-]{1,64}")


def name_own_database(folder: Path) -> str:
    """The URL of the SQLite database in the folder."""
    return f"sqlite:///{(folder / FILE_NAME).resolve()}"


def name_database(folder: Path) -> str:
    """The URL of the database of a folder's reviews: DAMHWA_DATABASE, else SQLite in the folder.

    Raises UsageError where there is one in the folder and the variable names another: its reviews would not be read.
    """
    own = name_own_database(folder)
    named = os.environ.get(VARIABLE) or own
    if named != own and (folder / FILE_NAME).is_file():
        found = f"{folder / FILE_NAME} holds this run's reviews, and {VARIABLE} names another database"
        move = f"`damhwa import-reviews {folder} {folder / FILE_NAME} --format damhwa`"
        raise UsageError(found, f"unset {VARIABLE} for this run, or move its verdicts there: {move}")
    return named


def find_database(folder: Path) -> str | None:
    """The URL of the database that may hold reviews of a folder; None: there is none yet."""
    return name_database(folder) if os.environ.get(VARIABLE) or (folder / FILE_NAME).is_file() else None


def read_key(folder: Path) -> str | None:
    """The folder's mark in the database, so that one that was moved is known again; None: it was never reviewed.

    Raises DataError where it cannot be read, or is no mark: an empty one would be that of every torn file.
    """
    try:
        key = (folder / KEY_FILE).read_bytes().strip()
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise DataError(f"{folder / KEY_FILE} cannot be read: {exc.strerror}", "check its permissions") from exc
    if not _KEY.fullmatch(key):
        hint = "bring back a copy: it names the run in the review database; or delete it, and the reviews begin anew"
        raise DataError(f"{folder / KEY_FILE} holds no mark: {key[:40]!r}", hint)
    return key.decode()


def make_key(folder: Path) -> str:
    """The folder's mark, made where it has none: whole, and once, however many services start on it together.

    Raises DataError where it cannot be written.
    """
    if (key := read_key(folder)) is not None:
        return key
    key = secrets.token_hex(16)
    own = folder / f"{KEY_FILE}.{key}"
    try:
        own.write_text(f"{key}\n", encoding="utf-8")
        # A link appears whole and never takes the place of another's, as an opened file or a renamed one would.
        with contextlib.suppress(FileExistsError):
            os.link(own, folder / KEY_FILE)
    except OSError as exc:
        hint = "the folder of a run has to be writable, on a file system that knows hard links"
        raise DataError(f"{folder / KEY_FILE} cannot be written: {exc.strerror}", hint) from exc
    finally:
        own.unlink(missing_ok=True)
    return read_key(folder) or key
