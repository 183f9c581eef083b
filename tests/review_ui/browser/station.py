"""A review service in a thread of its own, which can be stopped, started again at its address, slowed and made to lose
answers; and the log that it leaves in the database."""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from aiohttp import web

from curation.reviewing.connect import Database, open_database
from curation.reviewing.place import name_database
from curation.reviewing.tables import EVENTS, SAMPLES
from datagen.record import Message
from review_ui.access.accounts import Accounts
from review_ui.access.log_in import AccountAccess, Trust
from review_ui.access.loopback import LoopbackAccess
from review_ui.access.tokens import Cost
from review_ui.access.visit import Access
from review_ui.app import build_app
from review_ui.cards.texts import Texts
from review_ui.http import listen
from review_ui.queue.decide import Decision, Desk, Stored
from review_ui.reviewed_run import ReviewedRun, ReviewOptions
from review_ui.service import Service

REVIEWER = "검수자 1"
CHEAP = Cost(n=2**12, r=8, p=1)
"""Ten milliseconds a try."""
PATIENCE_S = 20.0


def choose_options(folder: Path, second_share: float = 0.0) -> ReviewOptions:
    """How a folder of `dialogues` is reviewed."""
    return ReviewOptions(second_share, personas=(folder.parent / "exa.yaml",))


@dataclass
class Station:
    """`has_log_in`: with accounts, else everybody is REVIEWER; `delay_s`: from what the API did to its answer;
    `to_lose`: how many decisions are still to be stored without an answer."""

    folder: Path
    options: ReviewOptions
    has_log_in: bool = False
    delay_s: float = 0.0
    to_lose: int = 0
    url: str = ""
    _thread: threading.Thread | None = None
    _loop: asyncio.AbstractEventLoop | None = None
    _stop: asyncio.Event = field(default_factory=asyncio.Event)

    def start(self) -> None:
        """Listen at a free port the first time, at the same one from then on."""
        at: Future[str] = Future()
        thread = threading.Thread(target=lambda: asyncio.run(self._serve(at)), daemon=True)
        thread.start()
        self.url = at.result(PATIENCE_S)
        self._thread = thread

    def stop(self) -> None:
        """As SIGTERM does: what is under way is finished."""
        if self._thread is not None and self._loop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(PATIENCE_S)
            self._thread = None

    async def _serve(self, at: "Future[str]") -> None:
        try:
            run = ReviewedRun.open(self.folder, self.options)
            app = build_app(Service({run.name: run}), self._open_access())
            app.middlewares.insert(0, self._disturb)
            port = int(self.url.rpartition(":")[2]) if self.url else 0
            self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()

            async def wait(url: str) -> None:
                at.set_result(url)
                await self._stop.wait()

            await listen(app, ("127.0.0.1", port), wait)
        except BaseException as exc:
            if at.done():
                raise
            at.set_exception(exc)

    def _open_access(self) -> Access:
        return AccountAccess(self.open_accounts(), Trust(), time.time) if self.has_log_in else LoopbackAccess(REVIEWER)

    def open_accounts(self) -> Accounts:
        return Accounts(open_database(f"sqlite:///{self.folder / 'accounts.db'}"), time.time, CHEAP)

    def add_reviewer(self, name: str) -> str:
        """Returns the token to log in with."""
        accounts = self.open_accounts()
        try:
            return accounts.add(name, "reviewer")
        finally:
            accounts.close()

    @web.middleware
    async def _disturb(self, request: web.Request, handler: Callable[[web.Request], Any]) -> web.StreamResponse:
        answer: web.StreamResponse = await handler(request)
        if request.path.startswith("/api/"):
            await asyncio.sleep(self.delay_s)
        if self.to_lose and request.method == "POST" and request.path.endswith("/decisions"):
            self.to_lose -= 1
            assert request.transport is not None
            request.transport.abort()
        return answer


@dataclass(frozen=True, slots=True)
class Ledger:
    """The review database of a folder, read beside the service."""

    database: Database

    @classmethod
    def open(cls, folder: Path) -> "Ledger":
        return cls(open_database(name_database(folder)))

    def list_events(self, *kinds: str) -> list[Any]:
        """The log, with the id of each dialogue; of these kinds, or all."""
        query = sa.select(EVENTS, SAMPLES.c.id).join(SAMPLES, SAMPLES.c.sample == EVENTS.c.sample)
        if kinds:
            query = query.where(EVENTS.c.kind.in_(kinds))
        return self._read(query.order_by(EVENTS.c.event))

    def list_samples(self, *conditions: sa.ColumnElement[bool]) -> list[Any]:
        return self._read(sa.select(SAMPLES).where(*conditions).order_by(SAMPLES.c.rank))

    def sample(self, id_: str) -> Any:
        return self.list_samples(SAMPLES.c.id == id_)[0]

    def decide(self, id_: str, reviewer: str, kind: Any, mode: str = "audit", **values: Any) -> Stored:
        """What somebody elsewhere decides."""
        decision = Decision(f"elsewhere-{id_}-{reviewer}", id_, 1, kind, mode, reviewer, 2_000, 0.0, **values)
        return self.database.write(lambda connection: Desk(1, 0).decide(connection, decision, 1.0))

    def put_first(self, id_: str) -> None:
        """The audit deals by itself: whoever wants to see one dialogue of it has to let its turn come."""
        change = sa.update(SAMPLES).where(SAMPLES.c.id == id_).values(rank=-1.0)
        self.database.write(lambda connection: connection.execute(change))

    def _read(self, query: sa.Select[Any]) -> list[Any]:
        return self.database.read(lambda connection: list(connection.execute(query).all()))


def load_turns(folder: Path, sample: Any) -> tuple[Message, ...]:
    """The text of a dialogue as it was generated."""
    return Texts(folder).load([(sample.file, sample.row)])[0].messages
