"""Progress on stderr while a run is under way: a bar a topic on a terminal, a line every few seconds elsewhere."""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from datagen.console import err, format_money, format_seconds
from datagen.endpoints import Lane, describe_lanes
from datagen.retry import Failure
from datagen.tally import Tally

LINE_EVERY_S = 5.0
REDRAW_EVERY_S = 0.25
RATE_WINDOW_S = 10.0


class Progress:
    """Follows a tally. `waiting_for` tells the failure that is being waited out, if any; `lanes` who is asked."""

    def __init__(self, tally: Tally, waiting_for: Callable[[], Failure | None], lanes: Sequence[Lane] = ()) -> None:
        self._tally = tally
        self._waiting_for = waiting_for
        self._lanes = lanes if len(lanes) > 1 else ()
        self._started = time.monotonic()
        self._history: deque[tuple[float, int]] = deque([(self._started, 0)])

    @contextmanager
    def show(self) -> Iterator[None]:
        """Show the progress for as long as the block runs, inside a running event loop."""
        if err.is_terminal:
            with Live(console=err, auto_refresh=False, transient=True) as live:
                task = asyncio.create_task(self._redraw(live))
                try:
                    yield
                finally:
                    task.cancel()
                    live.update(self._draw(), refresh=True)
        else:
            task = asyncio.create_task(self._write_lines())
            try:
                yield
            finally:
                task.cancel()

    async def _redraw(self, live: Live) -> None:
        while True:
            live.update(self._draw(), refresh=True)
            await asyncio.sleep(REDRAW_EVERY_S)

    async def _write_lines(self) -> None:
        while True:
            await asyncio.sleep(LINE_EVERY_S)
            err.print(self.describe(), markup=False)
            if self._lanes:
                err.print(" · ".join(describe_lanes(self._lanes)), markup=False)

    def describe(self) -> str:
        """The state in one line."""
        tally, rate = self._tally, self._measure()
        parts = [
            f"{tally.accepted}/{tally.quota} accepted",
            tally.describe_losses(),
            f"{rate:.1f} requests/s",
            f"{tally.prompt_tokens + tally.completion_tokens:,} tokens",
            format_money(None if tally.unpriced else tally.cost_usd),
            f"{self._time_left()} left",
        ]
        if (failure := self._waiting_for()) is not None:
            parts.append(f"waiting: {failure.reason}")
        return " · ".join(parts)

    def _draw(self) -> Group:
        table = Table.grid(padding=(0, 1))
        for _ in range(2):
            table.add_column(no_wrap=True)
        table.add_column(justify="right")
        table.add_column(style="yellow", no_wrap=True)
        for name, topic in self._tally.topics.items():
            is_met = topic.accepted >= topic.quota
            bar = ProgressBar(total=topic.quota, completed=topic.accepted, width=28)
            count = Text(f"{topic.accepted}/{topic.quota}", style="green" if is_met else "")
            reasons = ", ".join(f"{reason} {number}" for reason, number in topic.reasons.most_common(3))
            table.add_row(Text(name), bar, count, Text(reasons))
        lines = [self.describe(), *describe_lanes(self._lanes)]
        return Group(table, Text("\n".join(lines), style="dim"))

    def _measure(self) -> float:
        """Requests a second over the last seconds."""
        now = time.monotonic()
        self._history.append((now, self._tally.requests))
        while len(self._history) > 2 and self._history[0][0] < now - RATE_WINDOW_S:
            self._history.popleft()
        then, requests = self._history[0]
        if now - then < 0.01:
            return 0.0
        return (self._tally.requests - requests) / (now - then)

    def _time_left(self) -> str:
        tally = self._tally
        added, missing = tally.accepted - tally.earlier, tally.quota - tally.accepted
        if not added:
            return "–"
        return format_seconds((time.monotonic() - self._started) / added * missing)
