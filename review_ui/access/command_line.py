"""What `damhwa reviewers` does: each opens the accounts, changes them, and says on stderr what that means."""

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from rich.table import Table

from datagen.console import err
from review_ui.access.accounts import Accounts


def add(name: str, role: str) -> str:
    """A new account's token. Raises UsageError, DataError."""
    with closing(Accounts.open(time.time)) as accounts:
        token = accounts.add(name, role)
    err.print(f"the token of {name} ({role}), shown this once:", markup=False)
    return token


def renew(name: str) -> str:
    """An account's new token. Raises UsageError, DataError."""
    with closing(Accounts.open(time.time)) as accounts:
        token = accounts.renew(name)
    err.print(f"the new token of {name}, shown this once; the old one has ended:", markup=False)
    return token


def disable(name: str) -> None:
    """End an account. Raises UsageError, DataError."""
    with closing(Accounts.open(time.time)) as accounts:
        accounts.disable(name)
    err.print(f"{name} is logged out and cannot log in any more", markup=False)


def describe() -> list[dict[str, Any]]:
    """The accounts, for programs; no salts, no hashes."""
    with closing(Accounts.open(time.time)) as accounts:
        return [
            {key: value for key, value in asdict(each).items() if key not in ("salt", "hash", "generation")}
            for each in accounts.list()
        ]


def draw() -> Iterator[Table]:
    """The accounts, for people."""
    table = Table("name", "role", "added", "state", box=None, pad_edge=False)
    for each in describe():
        added = datetime.fromtimestamp(each["created_at"], UTC).date().isoformat()
        table.add_row(each["name"], each["role"], added, "active" if each["disabled_at"] is None else "disabled")
    yield table
