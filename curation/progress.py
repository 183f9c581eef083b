"""Progress of measuring and asking on stderr: a line every few seconds."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from datagen.console import err

LINE_EVERY_S = 5.0


def show_measuring() -> AbstractContextManager[Callable[[int], None]]:
    """Give the function that counts dialogues; nothing is shown where it takes less than a line's time."""
    return _show_count("{count:,} dialogues measured · {pace:,.0f} dialogues/s")


def show_asking() -> AbstractContextManager[Callable[[int], None]]:
    """The same for what models answered."""
    return _show_count("{count:,} answers of models · {pace:,.1f}/s")


def show_speaking() -> AbstractContextManager[Callable[[int], None]]:
    """The same for utterances that were spoken."""
    return _show_count("{count:,} utterances spoken · {pace:,.1f}/s")


@contextmanager
def show_stages() -> Iterator[Callable[[str, int, int], None]]:
    """Give the function that is told how many of a stage's tasks are done."""
    last = time.monotonic()

    def tell(stage: str, done: int, tasks: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= LINE_EVERY_S:
            last = now
            err.print(f"{stage}: {done:,} of {tasks:,} tasks", markup=False)

    yield tell


@contextmanager
def _show_count(line: str) -> Iterator[Callable[[int], None]]:
    started = last = time.monotonic()
    count = 0

    def tell(more: int) -> None:
        nonlocal count, last
        count += more
        now = time.monotonic()
        if now - last >= LINE_EVERY_S:
            last = now
            err.print(line.format(count=count, pace=count / (now - started)), markup=False)

    yield tell
