"""One run under review: its folder, its place in the database, and what is kept in memory of it.

Everything here is synchronous and may be called from several threads.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import sqlalchemy as sa

from curation.reviewing.connect import Database, open_database
from curation.reviewing.place import name_database
from curation.reviews import REVIEWS_FILE, list_reviews
from curation.settings import FILE_NAME, CurationSettings, load_settings
from curation.source import Source, is_run, load_personas, open_run
from datagen.console import err
from datagen.errors import UsageError
from review_ui.cards.card import Shelf
from review_ui.cards.media import MediaShelf
from review_ui.cards.recheck import Recheck
from review_ui.cards.texts import Texts
from review_ui.queue.decide import SECOND_SHARE, Desk
from review_ui.queue.leases import LEASE_S
from review_ui.queue.order import Limits
from review_ui.queue.sync import fingerprint_curated, list_limits, sync_run
from review_ui.queue.take_over import TakenOver, take_over


@dataclass(frozen=True, slots=True)
class ReviewOptions:
    """How runs are reviewed. `second_share`: of audited dialogues that get a second look, 0..1; `lease_s`: seconds."""

    second_share: float = SECOND_SHARE
    lease_s: float = LEASE_S
    personas: tuple[Path, ...] = ()
    """Persona files for curated data that is no run."""
    patience_s: float = 40.0
    """Seconds for the database to answer: longer than SQLite waits for another writer."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one `curated/` holds; replaced as a whole when it was made anew."""

    fingerprint: str
    source: Source
    settings: CurationSettings
    limits: Limits
    shelf: Shelf
    media: MediaShelf

    @property
    def recheck(self) -> Recheck:
        return Recheck(self.settings, self.source.personas)


class ReviewedRun:
    """Open it with `ReviewedRun.open`, which takes over what curation decided."""

    def __init__(self, folder: Path, database: Database, options: ReviewOptions) -> None:
        self.folder = folder
        self.name = folder.resolve().name
        self.database = database
        self.options = options
        self.texts = Texts(folder)
        self._lock = Lock()
        self._snapshot: Snapshot | None = None
        self.number = 0

    @classmethod
    def open(cls, folder: Path, options: ReviewOptions) -> "ReviewedRun":
        """Raises UsageError, SpecError, DataError where the folder is not curated, or its database cannot be opened."""
        if not folder.exists():
            raise UsageError(f"{folder} does not exist", "give the folder of a run, or of other data that is curated")
        fingerprint_curated(folder)
        run = cls(folder, open_database(name_database(folder)), options)
        try:
            run.look()
        except BaseException:
            run.close()
            raise
        return run

    @property
    def desk(self) -> Desk:
        return Desk(self.number, self.options.second_share)

    def look(self) -> Snapshot:
        """What curation says now: read again, and taken over into the database, where `curated/` was made anew."""
        fingerprint = fingerprint_curated(self.folder)
        snapshot = self._snapshot
        if snapshot is not None and snapshot.fingerprint == fingerprint:
            return snapshot
        with self._lock:
            if self._snapshot is None or self._snapshot.fingerprint != fingerprint:
                self._snapshot = self._read(fingerprint)
            return self._snapshot

    def _read(self, fingerprint: str) -> Snapshot:
        kept = self.folder / FILE_NAME
        settings = load_settings(kept if kept.is_file() else None)
        source = self._open_source()
        written, torn = list_reviews(self.folder / REVIEWS_FILE)

        def take(connection: sa.Connection) -> TakenOver:
            self.number = sync_run(connection, self.folder, source, settings)
            return take_over(connection, self.desk, written, REVIEWS_FILE, time.time())

        taken = self.database.write(take)
        for told in (*([torn] if torn else ()), *taken.refused[:5]):
            err.print(f"warning: {REVIEWS_FILE}: {told}", style="yellow", markup=False)
        self.texts.forget()
        shelves = Shelf.open(self.folder), MediaShelf.open(self.folder)
        return Snapshot(fingerprint, source, settings, list_limits(settings), *shelves)

    def _open_source(self) -> Source:
        if is_run(self.folder):
            return open_run(self.folder)
        personas = load_personas(self.options.personas)
        only = next(iter(personas)) if len(personas) == 1 else ""
        return Source(self.folder, (), self.name, personas, only)

    def close(self) -> None:
        self.database.close()
