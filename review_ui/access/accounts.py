"""Accounts of reviewers: who may log in, as what, with which token. They outlive runs, and runs share them.

They lie in the table `reviewers` of the database that DAMHWA_DATABASE names, else in a SQLite file of the user's own.
"""

import os
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast, get_args

import sqlalchemy as sa

from curation.reviewing.connect import Database, open_database
from curation.reviewing.place import VARIABLE
from curation.reviewing.tables import REVIEWERS
from datagen.errors import DataError, UsageError
from review_ui.access.tokens import COST, Cost, draw_salt, draw_token, hash_token
from review_ui.api.call import ROLES, Role

FILE_NAME = "accounts.db"
MAX_NAME = 64
_HIDDEN: Final = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
"""Unicode categories that cannot be seen, or change the order of what can be: with them two names could look alike."""


@dataclass(frozen=True, slots=True)
class Account:
    """One reviewer. `disabled_at`: seconds since 1970; None: may log in. `generation`: sessions of an older one end."""

    name: str
    role: Role
    salt: str
    hash: str
    created_at: float
    disabled_at: float | None
    generation: int

    @property
    def is_active(self) -> bool:
        return self.disabled_at is None


class Accounts:
    """The table of accounts. `clock` gives seconds since 1970. Synchronous; may be called from several threads."""

    def __init__(self, database: Database, clock: Callable[[], float], cost: Cost = COST) -> None:
        self.database = database
        self.clock = clock
        self.cost = cost

    @classmethod
    def open(cls, clock: Callable[[], float]) -> "Accounts":
        """Raises UsageError, DataError where the database cannot be opened."""
        return cls(open_database(os.environ.get(VARIABLE) or _make_file()), clock)

    def add(self, name: str, role: str) -> str:
        """A new account; gives its token, stored nowhere. Raises UsageError where the name is none, or taken."""
        name, role = check_name(name), check_role(role)
        token, salt = draw_token(), draw_salt()
        row = {
            "name": name,
            "role": role,
            "salt": salt,
            "hash": hash_token(token, salt, self.cost),
            "created_at": self.clock(),
        }

        def insert(connection: sa.Connection) -> bool:
            if _select(connection, name) is not None:
                return False
            connection.execute(sa.insert(REVIEWERS).values(row))
            return True

        if not self.database.write(insert):
            raise UsageError(
                f"there is a reviewer {name} already", f"`damhwa reviewers token '{name}'` gives a new token"
            )
        return token

    def renew(self, name: str) -> str:
        """A new token, with which also a disabled reviewer is back; the old one and its sessions end at once.

        Raises UsageError where nobody has that name.
        """
        token, salt = draw_token(), draw_salt()
        self._update(name, {"salt": salt, "hash": hash_token(token, salt, self.cost), "disabled_at": None})
        return token

    def disable(self, name: str) -> None:
        """No log-in any more; sessions end at once. Raises UsageError where nobody has that name."""
        self._update(name, {"disabled_at": self.clock()})

    def _update(self, name: str, values: dict[str, object]) -> None:
        change = sa.update(REVIEWERS).where(REVIEWERS.c.name == unicodedata.normalize("NFC", name))
        change = change.values(generation=REVIEWERS.c.generation + 1, **values)
        if not self.database.write(lambda connection: connection.execute(change).rowcount):
            raise UsageError(f"there is no reviewer {name!r}", "`damhwa reviewers list` shows them")

    def find(self, name: str) -> Account | None:
        return self.database.read(lambda connection: _select(connection, name))

    def list(self) -> list[Account]:
        """All, in the order of their names."""
        query = sa.select(REVIEWERS).order_by(REVIEWERS.c.name)
        return self.database.read(lambda connection: [_read(row) for row in connection.execute(query)])

    def close(self) -> None:
        self.database.close()


def check_name(name: str) -> str:
    """The name in normal form (NFC). Raises UsageError where it is no name: 1–64 characters that can be seen."""
    name = unicodedata.normalize("NFC", name)
    hidden = [character for character in name if unicodedata.category(character) in _HIDDEN]
    if hidden or name != name.strip() or not 1 <= len(name) <= MAX_NAME:
        cause = f"it has U+{ord(hidden[0]):04X}, which cannot be seen" if hidden else f"it has {len(name)} characters"
        shown = repr(name[: MAX_NAME + 1])
        raise UsageError(
            f"{shown} is no name for a reviewer: {cause}", f"1 to {MAX_NAME} visible characters, no space at its ends"
        )
    return name


def check_role(role: str) -> Role:
    """Raises UsageError where there is no such role."""
    if role not in get_args(Role):
        raise UsageError(f"{role!r} is no role", f"one of {', '.join(ROLES)}")
    return cast(Role, role)


def _select(connection: sa.Connection, name: str) -> Account | None:
    query = sa.select(REVIEWERS).where(REVIEWERS.c.name == name)
    row = connection.execute(query).one_or_none()
    return None if row is None else _read(row)


def _read(row: sa.Row[tuple[object, ...]]) -> Account:
    return Account(**row._mapping)


def _make_file() -> str:
    """The URL of the user's own file. Only they may read it: it is made so before anything is written into it."""
    home = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    path = Path(home).resolve() / "damhwa" / FILE_NAME
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        path.chmod(0o600)
    except OSError as exc:
        hint = f"set XDG_DATA_HOME to a folder of yours, or {VARIABLE} to a database"
        raise DataError(f"the accounts cannot be kept in {path}: {exc.strerror}", hint) from exc
    return sa.URL.create("sqlite", database=str(path)).render_as_string()
