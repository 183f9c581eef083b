"""Progress of measuring on stderr: a counter on a terminal, a line every few seconds elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from datagen.console import err

LINE_EVERY_S = 5.0


@contextmanager
def show_measuring() -> Iterator[Callable[[int], None]]:
    """Give the function that counts dialogues; nothing is shown where it takes less than a line's time."""
    started = last = time.monotonic()
    count = 0

    def tell(rows: int) -> None:
        nonlocal count, last
        count += rows
        now = time.monotonic()
        if now - last >= LINE_EVERY_S:
            last = now
            err.print(f"{count:,} dialogues measured · {count / (now - started):,.0f} dialogues/s", markup=False)

    yield tell
