"""`damhwa curate`: judge what a run or a folder holds, and write `curated/` with its report.

open → examine (all decisions) → conclude (all files, as a whole or not at all)
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from curation.engine import ONE_MACHINE, Engine
from curation.examination import MEMORY_FILE, Examination, Workplace, examine
from curation.opinions.desk import Desk
from curation.outputs import replace_folder
from curation.progress import show_asking, show_measuring, show_stages
from curation.settings import FILE_NAME, CurationSettings, load_settings
from curation.settling.split_memory import extend_memory, write_memory
from curation.source import is_run, open_foreign, open_run
from curation.summary import summarise, tell_warnings
from curation.write import write_curated
from datagen.console import err
from datagen.errors import DataError, UsageError
from datagen.ledger import Ledger
from datagen.run_folder import lock_run

REVIEW_SHARE = "review_share"
"""In a run's ledger: the share of each topic, 0..1, that `build` held for people."""


@dataclass(frozen=True, slots=True)
class CurateRequest:
    """What the command line said. `out`: where `curated/` goes; None: into the run itself."""

    source: Path
    out: Path | None = None
    personas: tuple[Path, ...] = ()
    settings: Path | None = None
    against: tuple[Path, ...] = ()
    engine: Literal["daft", "ray"] | None = None
    """Who measures and compares; None: worker processes of this one."""
    address: str | None = None
    """Of a running Ray cluster, as host:port; None: one is started on this machine."""


def curate(request: CurateRequest) -> dict[str, Any]:
    """Curate, and return the summary that `--json` prints.

    Raises UsageError where there is nothing to curate, DataError where nothing could be read or a split leaks.
    """
    for path in request.against:
        if not path.exists():
            raise UsageError(f"--against {path}: no such file", "give a Parquet or JSONL file, or a folder of them")
    if request.address is not None and request.engine != "ray":
        raise UsageError("--address is that of a Ray cluster", "give --engine ray with it")
    work = open_work(request)
    with lock_run(work.folder):
        with show_measuring() as tell, show_asking() as tell_asked, _open_engine(request) as engine:
            examination = examine(work, tell, Desk(work.folder, tell=tell_asked), engine)
        return conclude(examination)


@contextmanager
def _open_engine(request: CurateRequest) -> Iterator[Engine]:
    if request.engine is None:
        yield ONE_MACHINE
        return
    from curation.cluster.engine import open_engine

    with show_stages() as tell, open_engine(request.engine, request.address, tell) as engine:
        yield engine


def open_work(request: CurateRequest) -> Workplace:
    """What is curated, where to, and with which settings. Raises UsageError, SpecError."""
    has_run = is_run(request.source)
    if request.out is None and not has_run:
        if not request.source.exists():
            raise UsageError(f"{request.source} does not exist", "give a run, or a folder or file of dialogues")
        if (request.source / "spec.yaml").is_file():
            hint = "bring ledger.db back, or build again; the dialogues alone: `damhwa curate RUN/dialogues -o DIR`"
            raise UsageError(f"{request.source} is no whole run: there is no ledger.db in it", hint)
        hint = "give -o DIR: curated/, its cache and the memory of its splits are written there"
        raise UsageError(f"{request.source} is no run, and there is no place for what is made of it", hint)
    if has_run and request.personas:
        raise UsageError("--persona is for data that is no run", "the run's own personas are used; leave it out")
    if has_run:
        Ledger.bring_up_to_date(request.source / "ledger.db")
    source = open_run(request.source) if has_run else open_foreign(request.source, request.personas)
    folder = request.out or request.source
    settings = choose_settings(folder, request.settings)
    share = _read_review_share(request.source) if has_run else 0.0
    return Workplace(folder, source, settings, share, against=request.against)


def _read_review_share(run: Path) -> float:
    """What `build` was last told to hold for people: to curate again must not let it pass."""
    ledger = Ledger.open_to_read(run / "ledger.db")
    try:
        return float(ledger.read_setting(REVIEW_SHARE) or 0.0)
    finally:
        ledger.close()


def choose_settings(folder: Path, given: Path | None, beside: Path | None = None) -> CurationSettings:
    """Those of the given file, else of the one beside the spec, else those that the folder was last curated with.

    The chosen file is copied into the folder, so that the next `curate` goes by the same ones.
    """
    kept = folder / FILE_NAME
    if given is not None and not given.is_file():
        raise UsageError(f"--settings {given}: no such file", "copy specs/curation.yaml and edit it")
    if given is None and beside is not None and beside.is_file() and _differs(beside, kept):
        told = f"note: the settings of {beside} are used; {kept} holds other ones: give --settings {kept} for those"
        err.print(told, markup=False)
    chosen = next((path for path in (given, beside, kept) if path is not None and path.is_file()), None)
    settings = load_settings(chosen)
    if chosen is not None and not (kept.exists() and chosen.samefile(kept)):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(chosen, kept)
        except OSError as exc:
            raise UsageError(f"{kept} cannot be written: {exc.strerror}", "give another folder with -o") from exc
    return settings


def _differs(beside: Path, kept: Path) -> bool:
    return kept.is_file() and kept.read_bytes() != beside.read_bytes()


def conclude(examination: Examination) -> dict[str, Any]:
    """Write all that was decided, and return the summary.

    Raises DataError where rows of different splits are too similar: then everything stays as it was.
    """
    work, settlement = examination.work, examination.settlement
    _check_leakage(examination)
    memory = extend_memory(examination.remembered, examination.rows.ids, settlement.split)
    write_memory(work.folder / MEMORY_FILE, memory)
    with replace_folder(work.folder / "curated") as folder:
        counts = write_curated(examination, folder)
    summary = summarise(examination, counts)
    tell_warnings(examination)
    return summary


def _check_leakage(examination: Examination) -> None:
    leakage, threshold = examination.leakage, examination.work.settings.splits.threshold
    if leakage.count:
        assert leakage.rows is not None
        left, right = (examination.rows.ids[row] for row in leakage.rows)
        message = (
            f"the splits leak: {leakage.count:,} pairs of different splits are similar by {threshold:g} or more, "
            f"the most by {leakage.highest:.3f}: {left} and {right}"
        )
        hint = (
            f"both have had their split since before: look at them with `damhwa explain`, then flag one, or delete "
            f"{examination.work.folder / MEMORY_FILE} to draw all splits anew"
        )
        raise DataError(message, hint)
