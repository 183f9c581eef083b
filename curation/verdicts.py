"""From observations to findings: the limits of the settings, laid on what was measured.

No dialogue is looked at again: a changed limit is decided in the time that it takes to read one column.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from curation.filter import FilterSettings
from curation.finding import Finding
from curation.measure import MeasuredFile
from curation.rows import scan
from curation.schemas import FINDINGS


@dataclass(frozen=True, slots=True)
class Findings:
    """All findings, each with the number of its row."""

    items: tuple[tuple[int, Finding], ...]

    def __add__(self, others: Iterable[tuple[int, Finding]]) -> "Findings":
        return Findings((*self.items, *others))

    def dropped(self, count: int, beside: Collection[str] = ()) -> npt.NDArray[np.bool_]:
        """Which of `count` rows have a finding that drops them, of another code than those in `beside`."""
        mask = np.zeros(count, dtype=np.bool_)
        drops = ((row, finding.code) for row, finding in self.items if finding.verdict == "drop")
        mask[[row for row, code in drops if code not in beside]] = True
        return mask

    def count_notes(self, count: int) -> npt.NDArray[np.int64]:
        """Notes of each of `count` rows."""
        rows = [row for row, finding in self.items if finding.verdict == "note"]
        return np.bincount(np.asarray(rows, dtype=np.int64), minlength=count)

    def first_codes(self) -> dict[int, str]:
        """Row → the code of the first finding that drops it, in the order in which filters are asked."""
        codes: dict[int, str] = {}
        for row, finding in self.items:
            if finding.verdict == "drop":
                codes.setdefault(row, finding.code)
        return codes

    def to_table(self, ids: Sequence[str], is_readable: npt.NDArray[np.bool_]) -> pa.Table:
        """In the form of `findings.parquet`, sorted by row; of rows that can be read alone."""
        items = sorted((item for item in self.items if is_readable[item[0]]), key=lambda item: item[0])
        columns: dict[str, list[object]] = {"id": [ids[row] for row, _ in items]}
        for name in FINDINGS.names[1:]:
            columns[name] = [getattr(finding, name) for _, finding in items]
        columns["rule"] = [finding.rule.replace("_", "-") for _, finding in items]  # as the settings spell it
        return pa.table(columns, schema=FINDINGS)


def decide_findings(files: Sequence[MeasuredFile], settings: Mapping[str, FilterSettings]) -> Findings:
    """The findings that the limits make of all observations."""
    limits = {(code, rule): limit for code, own in settings.items() for rule, limit in own.list_limits().items()}
    items = []
    for first, batch in scan(files, ["observations"]):
        column = batch.column("observations")
        parents = np.repeat(np.arange(len(column)), column.value_lengths().fill_null(0).to_numpy()) + first
        for row, seen in zip(parents.tolist(), column.flatten().to_pylist(), strict=True):
            code, score = seen.pop("code"), seen.pop("score")
            if (judged := limits[code, seen["rule"]].judge(score)) is not None:
                items.append((row, Finding(code=code, score=score, threshold=judged[1], verdict=judged[0], **seen)))
    return Findings(tuple(items))
