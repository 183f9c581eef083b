"""Openings that too many dialogues of a topic share: what no filter can see in one dialogue alone."""

from collections.abc import Iterator
from itertools import chain

import numpy as np
import pyarrow.compute as pc

from curation.filters.opening import OpeningSettings, find_overused
from curation.finding import Finding
from curation.rows import Rows, scan
from curation.settings import OPENING
from curation.settling.neighbours import Ints


def list_overused(rows: Rows, order: Ints, settings: OpeningSettings) -> Iterator[tuple[int, Finding]]:
    """A finding for each row whose opening was used enough before it. `order`: the rows that count, best first."""
    if not settings.enabled:
        return
    topics = rows.column("topic")
    for message in (0, 1):
        lines = _list_shared_openings(rows, message, settings.least)
        for row, seen in find_overused(topics, lines, settings, order.tolist()).items():
            if (judged := settings.overused.judge(seen.score)) is not None:
                place = (message, None, None)
                yield row, Finding(OPENING, "overused", *place, seen.evidence, seen.score, judged[1], judged[0])


def _list_shared_openings(rows: Rows, message: int, least: int) -> list[str]:
    """The folded turn `message` of every row; blank where no more than `least` rows have it, as with nearly all."""

    def scan_lines() -> Iterator[list[str]]:
        for _, batch in scan(rows.files, ["folded"]):
            yield pc.list_element(batch.column("folded"), message).to_pylist()

    keys = np.fromiter((hash(line) for lines in scan_lines() for line in lines), np.int64, len(rows))
    _, inverse, counts = np.unique(keys, return_inverse=True, return_counts=True)
    is_shared = (counts > least)[inverse].tolist()
    return [line if shared else "" for line, shared in zip(chain.from_iterable(scan_lines()), is_shared, strict=True)]
