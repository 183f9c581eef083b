"""Progress on stderr while batches are under way: how many requests are done, and when the next look is."""

import asyncio

from datagen.batch.generation import BatchGeneration
from datagen.console import err, format_money
from datagen.progress import REDRAW_EVERY_S, Progress


class BatchProgress(Progress):
    """Follows a generation by batches. Where there is no terminal it writes a line a look and a step."""

    def __init__(self, generation: BatchGeneration) -> None:
        super().__init__(generation.outcomes.tally, lambda: generation.endpoint.provider.waiting_for)
        self._generation = generation

    async def _write_lines(self) -> None:
        told: tuple[int, str] | None = None
        while True:
            now = (self._generation.looks, self._generation.step)
            if now != told and (self._generation.step or self._generation.next_look_at is not None):
                told = now
                err.print(self.describe(), markup=False)
            await asyncio.sleep(REDRAW_EVERY_S)

    def describe(self) -> str:
        """The state in one line."""
        tally = self._tally
        parts = [
            f"{tally.accepted}/{tally.quota} accepted",
            tally.describe_losses(),
            self._describe_batches(),
            format_money(None if tally.unpriced else tally.cost_usd),
        ]
        if (look_at := self._generation.next_look_at) is not None:
            left_s = max(0.0, look_at - asyncio.get_running_loop().time())
            parts.append(f"next look in {left_s:.0f} s")
        if self._generation.step:
            parts.append(self._generation.step)
        if (failure := self._waiting_for()) is not None:
            parts.append(f"waiting: {failure.reason}")
        return " · ".join(parts)

    def _describe_batches(self) -> str:
        batches = self._generation.open
        if not batches:
            return "no batch under way"
        done = sum(batch.sight.completed + batch.sight.failed for batch in batches)
        asked = sum(len(batch.requests) for batch in batches)
        states = ", ".join(sorted({batch.sight.status for batch in batches}))
        return (
            f"{len(batches)} {'batch' if len(batches) == 1 else 'batches'} ({states}): {done:,}/{asked:,} requests done"
        )
