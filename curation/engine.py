"""Where the two heavy stages of an examination run: measuring, and the index of duplicates.

Everything after them works on columns, in this process. Another engine (`cluster.engine`) fills the same files with the
same rows, so what it measured or compared is as good as done for this one, and the other way round.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from curation.duplicates.index import DuplicateIndex
from curation.duplicates.settings import DuplicateSettings
from curation.kept_index import open_kept_index
from curation.measure import MeasuredFile, Ruler, measure_source
from curation.source import Source


@dataclass(frozen=True, slots=True)
class Engine:
    """Who measures, as `measure_source` does, and who keeps the index, as `open_kept_index` does."""

    measure: Callable[[Source, Ruler, Path, Callable[[int], None]], list[MeasuredFile]]
    index: Callable[[Path, DuplicateSettings, Sequence[MeasuredFile]], DuplicateIndex]


ONE_MACHINE = Engine(measure_source, open_kept_index)
