"""The form of the review database, by numbered steps: a database of an earlier version is brought up when it is opened.

A new database gets the tables as they are today and the last step's number. A step, once released, is never edited.
"""

from collections.abc import Callable

import sqlalchemy as sa

from curation.reviewing.tables import METADATA, SETTINGS
from datagen.errors import DataError

VERSION = "version"

Step = Callable[[sa.Connection], None]
STEPS: tuple[Step, ...] = ()
"""Step n brings version n to n + 1; the first version is 1."""
CURRENT = len(STEPS) + 1


def migrate(connection: sa.Connection) -> None:
    """Bring the database to the current version. Raises DataError where it is of a later one."""
    _lock(connection)
    if not sa.inspect(connection).has_table(SETTINGS.name):
        METADATA.create_all(connection)
        connection.execute(sa.insert(SETTINGS).values(name=VERSION, value=str(CURRENT)))
        return
    query = sa.select(SETTINGS.c.value).where(SETTINGS.c.name == VERSION)
    version = _read_number(connection.execute(query).scalar_one_or_none())
    if version > CURRENT:
        found = f"the review database has version {version}, this damhwa knows {CURRENT}"
        raise DataError(found, "use the damhwa that wrote it, or a newer one")
    for step in STEPS[version - 1 :]:
        step(connection)
    if version != CURRENT:
        connection.execute(sa.update(SETTINGS).where(SETTINGS.c.name == VERSION).values(value=str(CURRENT)))


def _read_number(value: str | None) -> int:
    if value is None or not value.isdecimal():
        found = "no version" if value is None else f"the version {value[:40]!r}"
        raise DataError(f"the review database has {found}: it is damaged, or another program's", "bring back a copy")
    return int(value)


def _lock(connection: sa.Connection) -> None:
    """One at a time: two services that start at once would both make the tables. SQLite's lock does it already."""
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(7203411)"))
