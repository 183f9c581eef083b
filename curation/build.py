"""`damhwa build`, the main job: generate ⇄ curate until every topic's quota is met by accepted dialogues.

    examine what there is → ask for what is missing, each draft judged as it comes → examine again → … → conclude

A fresh dialogue is asked about at the gate before it counts, so most of the loop closes within one round; a further one
makes up for what only the whole data set shows. All state lies in the run: wherever it is interrupted, it goes on.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from curation.baseline import ask_baseline
from curation.curate import REVIEW_SHARE, choose_settings, conclude
from curation.duplicates.live import LiveIndex
from curation.examination import Examination, Workplace, examine
from curation.gate import Gate
from curation.opinions.desk import Desk
from curation.progress import show_asking, show_measuring
from curation.rows import scan
from curation.settings import FILE_NAME, CurationSettings
from curation.settling.settlement import Status
from curation.source import open_run as open_source
from datagen.console import err
from datagen.endpoint_options import ProviderOptions
from datagen.errors import DamhwaError, InterruptedRunError, QuotaOutOfReachError
from datagen.start import OpenRun, open_run

ROUNDS_WITHOUT_PROGRESS = 3
"""Rounds that may end with as much missing as before, until the quota is called out of reach."""
BASELINE_OFFLINE = 100
"""Dialogues of a plain prompt asked of the simulator, where they cost nothing."""


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """What the command line said. `review_share` in 0..1; `baseline` None: 100 offline, else none."""

    provider: ProviderOptions
    settings: Path | None = None
    review_share: float = 0.0
    baseline: int | None = None


def build(spec: str, folder: Path, options: BuildOptions) -> dict[str, Any]:
    """Meet every quota with accepted dialogues, and return the summary that `--json` prints.

    Raises a DamhwaError of the kind that the exit code tells; but for an interruption, what there is was curated then.
    """
    with open_run(spec, folder, options.provider, is_curated=True) as run:
        settings = choose_settings(folder, options.settings, run.loaded.path.parent / FILE_NAME)
        run.ledger.write_settings(**{REVIEW_SHARE: repr(options.review_share)})
        loop = _Loop(run, settings, options.review_share, _open_desk(run, options.provider.offline))
        try:
            examination = loop.close()
        except InterruptedRunError:
            raise
        except DamhwaError:
            loop.conclude_what_there_is()
            raise
        count = options.baseline
        if count is None:
            count = BASELINE_OFFLINE if options.provider.offline else 0
        ask_baseline(run, count)
        return conclude(examination)


@dataclass(slots=True)
class _Loop:
    run: OpenRun
    settings: CurationSettings
    review_share: float
    desk: Desk

    def close(self) -> Examination:
        """Ask and examine until nothing is missing."""
        fewest, idle_rounds = None, 0
        self.run.seal()  # what is in no shard would not be seen here, and be bought again
        while True:
            examination = self._examine()
            missing = self._list_missing(examination)
            if examination is not None and not missing:
                return examination
            total = sum(missing.values())
            idle_rounds = 0 if fewest is None or total < fewest else idle_rounds + 1
            fewest = total if fewest is None else min(fewest, total)
            if idle_rounds >= ROUNDS_WITHOUT_PROGRESS:
                raise _explain_no_progress(self.run.folder, examination, missing)
            if examination is not None:
                err.print(f"{total:,} accepted dialogues are missing: asking for them", markup=False)
            quotas = {topic.name: topic.quota for topic in self.run.loaded.spec.topics}
            counted = {topic: quota - missing.get(topic, 0) for topic, quota in quotas.items()}
            self.run.fill(self._open_gate(examination, quotas), counted)

    def conclude_what_there_is(self) -> None:
        """Curate what was made before the run had to stop, with the opinions that there are."""
        self.desk.is_closed = True
        if (examination := self._examine()) is not None:
            conclude(examination)

    def _examine(self) -> Examination | None:
        source = open_source(self.run.folder)
        if not source.files:
            return None
        work = Workplace(self.run.folder, source, self.settings, self.review_share)
        with show_measuring() as tell, show_asking() as self.desk.tell:
            return examine(work, tell, self.desk)

    def _list_missing(self, examination: Examination | None) -> dict[str, int]:
        if examination is None:
            return {topic.name: topic.quota for topic in self.run.loaded.spec.topics}
        return examination.settlement.missing

    def _open_gate(self, examination: Examination | None, quotas: dict[str, int]) -> Gate:
        """A gate that knows what counts so far, and what people flagged: nothing like either will count again.

        A flagged duplicate too: one like it is in the data already.
        """
        source = open_source(self.run.folder)
        gate = Gate(self.settings, source.personas, quotas, LiveIndex(self.settings.duplicates))
        if examination is None:
            return gate
        rows, status = examination.rows, examination.settlement.status
        counts = np.isin(status, (Status.ACCEPTED, Status.WAITING, Status.RESERVE))
        flagged = set(examination.list_flagged())
        topics = rows.column("topic")
        for first, batch in scan(rows.files, ["folded"]):
            for row, folded in enumerate(batch.column("folded").to_pylist(), first):
                if counts[row]:
                    gate.remember(topics[row], folded)
                elif row in flagged:
                    gate.known.add(folded)
        return gate


def _open_desk(run: OpenRun, is_offline: bool) -> Desk:
    """With the run's own ledger and prices; offline, its simulator answers for every model."""
    return Desk(run.folder, run.ledger, run.access if is_offline else None, run.prices)


def _explain_no_progress(
    folder: Path, examination: Examination | None, missing: dict[str, int]
) -> QuotaOutOfReachError:
    lines = []
    reasons = examination.count_reasons() if examination else {}
    for topic, count in missing.items():
        told = ", ".join(f"{reason} {number}" for reason, number in reasons.get(topic, {}).items())
        lines.append(f"topic '{topic}' lacks {count}, and the last rounds brought none{f' ({told})' if told else ''}")
    hint = f"see {folder}/curated/report.html for what was dropped; give the topic more situations or a lower quota"
    return QuotaOutOfReachError("\n".join(lines), hint)
