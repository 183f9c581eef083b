"""Runs by batches against the simulator, with short waits."""

import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from datagen.batch.request_file import Limits
from datagen.batch.waits import Waits
from datagen.endpoint_options import ProviderOptions
from datagen.start import open_run
from datagen.store import read_dialogues

FAST = Waits(first_look_s=0.02, longest_look_s=0.05, first_retry_s=0.01, longest_retry_s=0.05)
QUOTAS = {"일상 대화": 12, "보고 싶다는 표현": 8}


def generate(spec: Path, folder: Path, url: str, limits: Limits | None = None, **options: Any) -> dict[str, Any]:
    """As `damhwa generate --batch` does."""
    with open_run(str(spec), folder, ProviderOptions((url,), batch=True, **options)) as run:
        return replace(run, waits=FAST, limits=limits or Limits()).fill()


def count_topics(folder: Path) -> dict[str, int]:
    return dict(Counter(dialogue.topic for dialogue in read_dialogues(folder / "dialogues")))


def query(folder: Path, text: str) -> list[Any]:
    """Rows of the run's ledger, also while somebody writes it."""
    with closing(sqlite3.connect(f"file:{folder / 'ledger.db'}?mode=ro", uri=True)) as connection:
        return connection.execute(text).fetchall()
