"""Pictures and recordings that a row names and the disk does not bear out: gone, or other bytes than the row says.

A dialogue about a picture that nobody can look at teaches nothing: it is dropped, and the quota asks for another.
"""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

from curation.finding import Finding
from curation.rows import Rows, scan
from datagen.media import check_medium
from datagen.record import MediaKind, Medium

CODE = "media"
_NAMES: dict[MediaKind, str] = {"image": "사진", "audio": "녹음"}


def list_damaged(rows: Rows, folder: Path) -> Iterator[tuple[int, Finding]]:
    """A finding that drops for each such file of a row. Every file is read once; rows of text alone cost nothing."""
    check = cache(lambda medium: check_medium(folder, medium))
    for first, batch in scan(rows.files, ["media"]):
        column = batch.column("media")
        if column.null_count == len(column):
            continue
        for at, media in enumerate(column.to_pylist(), first):
            for medium in (Medium(**each) for each in media or ()):
                # the same picture stands in many rows: which of their messages shows it changes nothing
                wrong = check(Medium(0, medium.kind, medium.path, medium.sha256, medium.media_type, medium.size))
                if wrong is not None and rows.is_readable[at]:
                    evidence = f"{_NAMES[medium.kind]} 파일이 없거나 행에 적힌 것과 다름: {wrong}"
                    yield at, Finding(CODE, "damaged", medium.message, None, None, evidence, 1.0, 1.0, "drop")
