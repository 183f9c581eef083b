"""Open the review database: SQLite in the run's folder, or whatever DAMHWA_DATABASE names.

One SQLAlchemy Core layer for both. A SQLite transaction takes the write lock when it begins (no deadlocks by
upgrading), and is on the disk before it is acknowledged (WAL, full sync).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError
from sqlalchemy.pool import QueuePool

from curation.reviewing.migrations import migrate
from curation.reviewing.place import VARIABLE
from datagen.errors import DataError, UsageError

_ATTEMPTS = 5
"""PostgreSQL ends one of two transactions that wait for each other; the next try finds the way free."""
_BUSY_S = 30
"""Seconds that SQLite waits for another writer."""
_NETWORK = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
}
"""libpq's settings, seconds and milliseconds: by themselves the system's limits find out after many minutes that a
server's machine is gone. What the URL says instead counts."""

Result = TypeVar("Result")


class Database:
    """An open review database. `read` and `write` run a function in a transaction of its own."""

    def __init__(self, engine: sa.Engine) -> None:
        self.engine = engine
        self.is_sqlite = engine.dialect.name == "sqlite"
        self._file: tuple[int, int] | None = None

    def read(self, job: Callable[[sa.Connection], Result]) -> Result:
        """Run `job` on one consistent state of the database."""
        with self._report(), self.engine.connect() as connection, connection.begin():
            return job(connection)

    def write(self, job: Callable[[sa.Connection], Result]) -> Result:
        """Run `job` and commit: when this returns, a power cut cannot take it back. `job` may be run again.

        Raises DataError where the database is away or does not take it.
        """
        self.check_file()
        for attempt in range(_ATTEMPTS):
            try:
                result = self._write_once(job)
                self.check_file()
                return result
            except DBAPIError as exc:
                if attempt == _ATTEMPTS - 1 or not _is_conflict(exc):
                    raise _explain(self.engine, exc) from exc
        raise AssertionError("unreachable")

    def _write_once(self, job: Callable[[sa.Connection], Result]) -> Result:
        with self.engine.connect().execution_options(is_writing=True) as connection, connection.begin():
            return job(connection)

    def check_file(self) -> None:
        """A file that was deleted or replaced stays open, and would take decisions that nobody ever finds again.

        Raises DataError.
        """
        name = self.engine.url.database
        if not self.is_sqlite or not name or name == ":memory:":
            return
        try:
            stat = Path(name).stat()
        except OSError as exc:
            hint = "put it back where it was, or stop the service and start it again"
            raise DataError(f"the review database {name} is not there any more: {exc.strerror}", hint) from exc
        self._file = self._file or (stat.st_dev, stat.st_ino)
        if self._file != (stat.st_dev, stat.st_ino):
            told = f"the review database {name} was replaced by another file while it was open"
            raise DataError(told, "stop the service and start it again")

    @contextmanager
    def _report(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as exc:
            raise _explain(self.engine, exc) from exc

    def close(self) -> None:
        self.engine.dispose()


def open_database(url: str) -> Database:
    """Open a review database, and bring it to this version's form.

    Raises UsageError where the URL is none, DataError where the database is away, torn, or of a later version.
    """
    try:
        parsed = sa.make_url(url)
        engine = _create_engine(parsed)
    except (SQLAlchemyError, ModuleNotFoundError, ValueError) as exc:
        # the ValueError of a port that is no number quotes what stands there, which may be the password
        what = "its port is no number" if isinstance(exc, ValueError) else exc
        hint = (
            f"set {VARIABLE} to postgresql+psycopg://USER@HOST/NAME (pip install 'damhwa[postgres]') or sqlite:////PATH"
        )
        raise UsageError(f"{_mask(url)} is no database that can be opened: {what}", hint) from exc
    database = Database(engine)
    try:
        with database.engine.connect().execution_options(is_writing=True) as connection, connection.begin():
            migrate(connection)
        database.check_file()
    except SQLAlchemyError as exc:
        database.close()
        raise _explain(engine, exc) from exc
    except BaseException:
        database.close()
        raise
    return database


def _create_engine(url: sa.URL) -> sa.Engine:
    if url.get_backend_name() != "sqlite":
        network = {name: value for name, value in _NETWORK.items() if name not in url.query}
        return sa.create_engine(url, connect_args=network, pool_size=8, max_overflow=0, pool_pre_ping=True)
    engine = sa.create_engine(url, poolclass=QueuePool, pool_size=4, connect_args={"timeout": _BUSY_S})
    sa.event.listen(engine, "connect", _set_up_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_up_sqlite(connection: Any, _: object) -> None:
    connection.isolation_level = None  # so that the driver begins nothing by itself
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "temp_store=MEMORY", "cache_size=-65536"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: sa.Connection) -> None:
    is_writing = connection.get_execution_options().get("is_writing")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_writing else "BEGIN")


def _is_conflict(exc: DBAPIError) -> bool:
    """By PostgreSQL's codes a serialization failure, a deadlock, or a row that somebody else stored meanwhile (of a
    decision that is sent twice at once: the next try finds it); a connection that the server closed."""
    state = getattr(exc.orig, "sqlstate", None)
    return state in ("40001", "40P01", "23505") or (isinstance(exc, OperationalError) and exc.connection_invalidated)


def _explain(engine: sa.Engine, exc: Exception) -> DataError:
    cause = str(getattr(exc, "orig", None) or exc).strip().splitlines()
    hint = "start it, or free some space, and try again; what was acknowledged is safe"
    return DataError(f"the review database {_mask(str(engine.url))} failed: {cause[0] if cause else exc}", hint)


def _mask(url: str) -> str:
    """The URL without its password."""
    try:
        return sa.make_url(url).render_as_string(hide_password=True)
    except (SQLAlchemyError, ValueError):
        return url.partition("://")[0] + "://…"
