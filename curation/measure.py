"""Ask every filter about every dialogue, once: the answers are kept beside the run, whole file by whole file.

A source file becomes a *measured* file: its readable dialogues with their observations, normal form and counts. It is
named by all that decides its content (the file's bytes, the filters' versions and measuring settings, the personas), so
a second `curate` finds it and measures nothing; limits are not among these, so a new threshold costs nothing.
"""

import gc
import hashlib
import json
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from multiprocessing import connection
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from curation.content_parts import MediaPlaces
from curation.filter import FilterSettings
from curation.filters import FILTERS
from curation.finding import Observation
from curation.normal_form import fold_all
from curation.row import BadRowError, read_dialogue
from curation.source import RawBatch, Source, Unreadable, list_rows, read_batches
from curation.subject import PersonaSheet, Subject
from datagen.errors import DataError
from datagen.record import Dialogue, clean_text
from datagen.store import SCHEMA, replace_durably, to_columns

FORMAT = 3
"""Raised when the measured files change in form, or when rows are read differently."""
POOL_FROM_BYTES = 4_000_000
"""Bytes of source data from which on processes are worth their start (0.7 s each for imports)."""

_OBSERVATION = pa.struct(
    [
        pa.field("code", pa.string()),
        pa.field("rule", pa.string()),
        pa.field("message", pa.int32()),
        pa.field("start", pa.int32()),
        pa.field("end", pa.int32()),
        pa.field("evidence", pa.string()),
        pa.field("score", pa.float64()),
    ]
)
MEASURED = pa.schema(
    [
        *SCHEMA,
        pa.field("folded", pa.list_(pa.string())),
        pa.field("characters", pa.int32()),
        pa.field("observations", pa.list_(_OBSERVATION)),
        pa.field("place", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class Ruler:
    """What a row is measured with; goes to the worker processes as it is."""

    dataset: str
    personas: dict[str, PersonaSheet]
    only_persona: str
    settings: dict[str, FilterSettings]
    """Filter code → its settings."""
    media: MediaPlaces | None = None
    """Where pictures and recordings are taken from and put; None: they lie where they belong."""

    @classmethod
    def of(cls, source: Source, settings: dict[str, FilterSettings], out: Path | None = None) -> "Ruler":
        """`out`: whose `media/` takes pictures and recordings; of a run that is its own folder they lie there."""
        is_own = source.quotas is not None and out is not None and out.resolve() == source.folder.resolve()
        media = None if out is None or is_own else MediaPlaces(source.folder, out)
        return cls(source.dataset, source.personas, source.only_persona, settings, media)

    @property
    def fingerprint(self) -> str:
        """Of all but the limits."""
        filters = {
            each.code: (each.version, self.settings[each.code].describe_measuring())
            for each in FILTERS
            if self.settings[each.code].enabled
        }
        personas = {name: asdict(sheet) for name, sheet in self.personas.items()}
        whole = [FORMAT, self.dataset, self.only_persona, personas, filters]
        return hashlib.sha256(json.dumps(whole, sort_keys=True, default=str).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class MeasuredFile:
    """One source file, measured."""

    path: Path
    rows: int
    unreadable: tuple[Unreadable, ...]


def measure_source(
    source: Source, ruler: Ruler, folder: Path, tell: Callable[[int], None] = lambda _: None
) -> list[MeasuredFile]:
    """Measure what is not measured yet into `folder`; `tell` is called with the number of rows that were.

    Files that no source file stands behind any more are deleted, and what a crash left half written.
    Raises DataError where the disk does not take it.
    """
    prepare_folder(folder)
    wanted = {path: name_measured(path, source.folder, ruler, folder) for path in source.files}
    missing = [path for path, target in wanted.items() if not is_whole(target)]
    with ExitStack() as stack:
        run = _open_runner(stack, ruler, sum(path.stat().st_size for path in missing if path.is_file()))
        for path in missing:
            measure_file(SourcePart(path, source.folder), wanted[path], run, tell)
    remove_others(folder, set(wanted.values()))
    return [open_measured(target) for target in wanted.values()]


def prepare_folder(folder: Path) -> None:
    """Raises DataError where it cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise DataError(f"{folder} is no folder to write to: {exc.strerror}", f"look at {folder.parent}") from exc


def remove_others(folder: Path, wanted: set[Path]) -> None:
    """Delete the measured files that are not wanted any more, and what a crash left half written."""
    for path in {*folder.glob("*.parquet"), *folder.glob(".*.writing")} - wanted:
        path.unlink()


Runner = Callable[[Iterable[RawBatch]], Iterator[tuple[pa.Table, list[Unreadable]]]]


def _open_runner(stack: ExitStack, ruler: Ruler, size: int) -> Runner:
    workers = os.cpu_count() or 1
    if size < POOL_FROM_BYTES or workers == 1:
        return lambda batches: (measure_batch(batch, ruler) for batch in batches)
    context = multiprocessing.get_context("spawn")
    pool = stack.enter_context(ProcessPoolExecutor(workers, context, _start_worker, (ruler,)))
    return lambda batches: _run_in_order(pool, batches, 2 * workers)


_ruler: Ruler | None = None
"""Of a worker process: given to it once, at its start."""


def _start_worker(ruler: Ruler) -> None:
    global _ruler
    _ruler = ruler
    # A batch makes many objects and hardly a cycle: looking for those more seldom saves a twentieth of the time.
    gc.set_threshold(50_000)
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    """A parent that was killed tells its workers nothing: they would wait for the next batch for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os._exit(1)


def _measure_in_worker(batch: RawBatch) -> tuple[pa.Table, list[Unreadable]]:
    assert _ruler is not None
    return measure_batch(batch, _ruler)


def _run_in_order(
    pool: ProcessPoolExecutor, batches: Iterable[RawBatch], in_flight: int
) -> Iterator[tuple[pa.Table, list[Unreadable]]]:
    waiting: deque[Future[tuple[pa.Table, list[Unreadable]]]] = deque()
    for batch in batches:
        waiting.append(_submit(pool, batch))
        if len(waiting) >= in_flight:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _submit(pool: ProcessPoolExecutor, batch: RawBatch) -> Future[tuple[pa.Table, list[Unreadable]]]:
    with _hold_interrupts():
        return pool.submit(_measure_in_worker, batch)


@contextmanager
def _hold_interrupts() -> Iterator[None]:
    """Ctrl-C reaches all processes of a terminal; this one answers it, after the block.

    Workers start within. They inherit the mask, and one whose start is cut short would end with a traceback.
    """
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    is_main = threading.current_thread() is threading.main_thread()
    held: list[int] = []
    # The mask is of this thread alone: another may take the signal, and Python would raise it here.
    before = signal.signal(signal.SIGINT, lambda number, _: held.append(number)) if is_main else None
    try:
        yield
    finally:
        if is_main:
            signal.signal(signal.SIGINT, before)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        if held:
            signal.raise_signal(signal.SIGINT)


def measure_batch(batch: RawBatch, ruler: Ruler) -> tuple[pa.Table, list[Unreadable]]:
    """The readable rows of a batch with what the filters observed, and the rows that are set aside."""
    dialogues: list[Dialogue] = []
    places: list[str] = []
    unreadable: list[Unreadable] = []
    stem = Path(batch.file).stem
    take = ruler.media.beside(batch.file).take if ruler.media else None
    for number, values in list_rows(batch):
        if values is None:
            continue
        if isinstance(values, Unreadable):
            unreadable.append(values)
            continue
        try:
            id_ = f"{stem}-{number:06d}"
            dialogues.append(read_dialogue(values, id_, ruler.dataset, ruler.only_persona, take))
            places.append(f"{batch.file}:{number}")
        except BadRowError as exc:
            raw = clean_text(json.dumps(values, ensure_ascii=False, default=str)[:500])
            unreadable.append(Unreadable(batch.file, number, str(exc), raw))
    return measure_dialogues(dialogues, places, ruler), unreadable


def measure_dialogues(dialogues: list[Dialogue], places: list[str], ruler: Ruler) -> pa.Table:
    """In the form of a measured file, a row a dialogue. `places`: where each was read, as `file:row`."""
    texts = [[message.content for message in dialogue.messages] for dialogue in dialogues]
    subjects = [Subject.of(each.messages, ruler.personas.get(each.persona), each.id, each.topic) for each in dialogues]
    beside = {
        "folded": [fold_all(each) for each in texts],
        "characters": [sum(map(len, each)) for each in texts],
        "observations": observe(subjects, ruler.settings),
        "place": places,
    }
    columns = to_columns(dialogues)
    columns += [pa.array(values, MEASURED.field(name).type) for name, values in beside.items()]
    return pa.table(columns, schema=MEASURED)


def observe(subjects: Sequence[Subject], settings: Mapping[str, FilterSettings]) -> list[list[dict[str, Any]]]:
    """What all enabled filters see in each dialogue, in the form in which it is kept.

    Filter by filter, not dialogue by dialogue: with the same code over and over a processor takes a fifth less time.
    """
    seen: list[list[dict[str, Any]]] = [[] for _ in subjects]
    for each in FILTERS:
        own = settings[each.code]
        if own.enabled:
            for subject, observations in zip(subjects, seen, strict=True):
                observations += [_to_row(each.code, observation) for observation in each.measure(subject, own)]
    return seen


def _to_row(code: str, seen: Observation) -> dict[str, Any]:
    return {
        "code": code,
        "rule": seen.rule,
        "message": seen.message,
        "start": seen.start,
        "end": seen.end,
        "evidence": seen.evidence,
        "score": float(seen.score),
    }


@dataclass(frozen=True, slots=True)
class SourcePart:
    """A source file, named from the folder `root`, or some row groups of it; None: all."""

    path: Path
    root: Path
    groups: range | None = None


def measure_file(part: SourcePart, target: Path, run: Runner, tell: Callable[[int], None] = lambda _: None) -> None:
    """Measure a source file, or a part of it, into `target`: whole or not at all. Raises DataError."""
    path, root = part.path, part.root
    temporary = target.with_name(f".{target.name}.writing")
    unreadable: list[Unreadable] = []

    def pick_batches() -> Iterator[RawBatch]:
        for item in read_batches(path, part.groups):
            if isinstance(item, Unreadable):
                unreadable.append(item)
            else:
                yield item

    try:
        with pq.ParquetWriter(temporary, MEASURED, compression="zstd", compression_level=1) as writer:
            for table, bad in run(pick_batches()):
                writer.write_table(table)
                unreadable += bad
                tell(table.num_rows)
            note_unreadable(writer, [replace(each, file=_name(each.file, root)) for each in unreadable])
        replace_durably(temporary, target)
    except OSError as exc:
        temporary.unlink(missing_ok=True)
        hint = "free some space and run the same command again; the dialogues are untouched"
        raise DataError(f"{target} could not be written: {exc.strerror or exc}", hint) from exc
    except BrokenProcessPool as exc:
        hint = "free some memory and run the same command again: files that are measured stay measured"
        raise DataError(f"a process that measured {path} was ended from outside", hint) from exc


def note_unreadable(writer: pq.ParquetWriter, unreadable: Iterable[Unreadable]) -> None:
    """Keep in a measured file what was set aside of its source."""
    known = json.dumps([asdict(each) for each in unreadable], ensure_ascii=False)
    writer.add_key_value_metadata({"damhwa.unreadable": known})


def _name(file: str, root: Path) -> str:
    path = Path(file)
    return str(path.relative_to(root)) if path.is_relative_to(root) else file


def name_measured(path: Path, root: Path, ruler: Ruler, folder: Path) -> Path:
    """Where a source file's measured file lies: named by all that decides its content."""
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256")
    except OSError as exc:  # named as unreadable when its turn comes
        digest = hashlib.sha256(str(exc).encode())
    digest.update(ruler.fingerprint.encode() + os.fsencode(_name(str(path), root)))
    return folder / f"{digest.hexdigest()[:32]}.parquet"


def is_whole(path: Path) -> bool:
    try:
        with pq.ParquetFile(path) as file:
            return bool(file.schema_arrow.names == MEASURED.names)
    except (OSError, pa.ArrowException):
        return False


def open_measured(path: Path) -> MeasuredFile:
    with pq.ParquetFile(path) as file:
        metadata = file.metadata.metadata or {}
        entries = json.loads(metadata.get(b"damhwa.unreadable", b"[]"))
        return MeasuredFile(path, file.metadata.num_rows, tuple(Unreadable(**entry) for entry in entries))
