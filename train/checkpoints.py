"""Checkpoints that are whole: each is sealed with the hashes of its files, and one that does not fit them is torn."""

import hashlib
import json
from pathlib import Path

SEAL = "whole.json"


def hash_file(path: Path) -> str:
    """sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def seal(checkpoint: Path) -> None:
    """Say that a checkpoint is whole: the last file that is written to it."""
    hashes = {str(path.relative_to(checkpoint)): hash_file(path) for path in _list_files(checkpoint)}
    temporary = checkpoint / f".{SEAL}"
    temporary.write_text(json.dumps(hashes, indent=1), encoding="utf-8")
    temporary.replace(checkpoint / SEAL)


def is_whole(checkpoint: Path) -> bool:
    """Whether the checkpoint was sealed, and every file is as it was then."""
    try:
        hashes = json.loads((checkpoint / SEAL).read_text(encoding="utf-8"))
        return all(hash_file(checkpoint / name) == value for name, value in hashes.items())
    except (OSError, ValueError, AttributeError):
        return False


def find_newest_whole(folder: Path) -> tuple[Path | None, list[str]]:
    """The newest whole checkpoint, and the names of newer ones that are torn."""
    torn: list[str] = []
    for checkpoint in sorted(folder.glob("checkpoint-*"), key=_read_step, reverse=True):
        if is_whole(checkpoint):
            return checkpoint, torn
        torn.append(checkpoint.name)
    return None, torn


def _read_step(checkpoint: Path) -> int:
    step = checkpoint.name.rpartition("-")[2]
    return int(step) if step.isdigit() else -1


def _list_files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.name not in (SEAL, f".{SEAL}"))
