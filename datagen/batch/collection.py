"""What came of a batch that is over: fetch its files, judge each line, store it before it counts, free the rest."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path

from datagen.batch.book import Book, Request
from datagen.batch.endpoint import BatchEndpoint
from datagen.batch.replies import Sight
from datagen.batch.result_file import OddLine, Result, ResultReader, is_whole
from datagen.budget import Budget, Spending
from datagen.clock import Clock
from datagen.draft import Draft, Verdict, judge_answer
from datagen.errors import ProviderError
from datagen.ledger import Entry
from datagen.outcome import Outcomes
from datagen.prices import PriceList
from datagen.retry import Failure
from datagen.spec import Spec
from datagen.till import price_answer

GROUP = 200
"""Lines judged and stored in one transaction: about 0.1 s of work."""
FETCHES = 3
"""Downloads of a file that comes in incomplete, until what there is is taken."""


@dataclass(slots=True)
class OpenBatch:
    """A batch that is followed. What is stored or given back leaves its `requests`."""

    number: int
    name: str
    started_at: datetime
    requests: dict[int, Request]
    estimates: dict[int, Spending]
    """Line → what is reserved for it in the budget."""
    batch_id: str = ""
    sight: Sight = field(default_factory=lambda: Sight("created"))
    is_seen_alive: bool = False
    """This command created it, or looked while it was worked on."""


@dataclass(slots=True)
class Collected:
    """What came of one batch."""

    replies: int = 0
    rejected: int = 0
    failed: int = 0
    returned: int = 0
    """Requests that were not run: their scenarios are asked again."""
    odd: Counter[str] = field(default_factory=Counter)
    """Lines that lead nowhere, by kind: garbage, unknown, repeated, missing; and files that are gone."""
    stop: Failure | None = None
    """A failure that no repetition mends."""


@dataclass(slots=True)
class Collector:
    """Collects batches, one after another."""

    book: Book
    endpoint: BatchEndpoint
    spec: Spec
    prices: PriceList
    budget: Budget
    outcomes: Outcomes
    clock: Clock
    scratch: Path
    """A file that may be overwritten."""

    async def collect(self, batch: OpenBatch) -> Collected:
        """Store what came of the batch, close it, and give the slots back of which nothing came."""
        await self._wait_for_file(batch)
        sight, collected = batch.sight, Collected()
        seen: set[int] = set()
        lines = await asyncio.to_thread(self.book.list_lines, batch.number)
        reader = ResultReader(batch.name, frozenset(lines), self.endpoint.host)
        is_all_there = True
        for file_id, expected in ((sight.output_file_id, sight.completed), (sight.error_file_id, 0)):
            if file_id is None or not batch.requests:
                continue
            if not await self._fetch(file_id, expected, reader):
                collected.odd["file gone"] += 1
                is_all_there = False
                continue
            for group in _cut(reader.read(self.scratch)):
                fresh = list(_pick_fresh(group, seen, collected.odd))
                await self._store(batch, fresh, collected)
        if sight.status == "completed" and is_all_there:
            lost = [Result(line, failure=_MISSING) for line in batch.requests if line not in seen]
            collected.odd["missing"] += len(lost)
            await self._store(batch, lost, collected)
        self.scratch.unlink(missing_ok=True)
        await self._close(batch, collected)
        return collected

    async def _fetch(self, file_id: str, expected_lines: int, reader: ResultReader) -> bool:
        """Download a file to the scratch file, anew while it is incomplete; False where it is gone.

        Raises ProviderError where it holds not one result of several: a login page in its place, say.
        """
        for attempt in range(1, FETCHES + 1):
            is_there = await self.endpoint.download(file_id, self.scratch)
            if is_there and is_whole(self.scratch, expected_lines):
                break
            if attempt < FETCHES:
                await self.endpoint.pause(self.endpoint.waits.before_retry(attempt, self.endpoint.rng))
        if is_there and expected_lines > 1 and not any(isinstance(each, Result) for each in reader.read(self.scratch)):
            message = f"{self.endpoint.base_url} says of {expected_lines:,} results that they are in {file_id}"
            hint = "run the same command again; if you delete that file there, its requests are asked anew"
            raise ProviderError(f"{message}, and not one is", hint)
        return is_there

    async def _wait_for_file(self, batch: OpenBatch) -> None:
        """Look again where a completed batch names no file yet: its results are paid for.

        Raises ProviderError where it never does.
        """
        for _ in range(FETCHES):
            sight = batch.sight
            is_named = sight.output_file_id is not None or sight.error_file_id is not None
            if sight.status != "completed" or not sight.completed or is_named:
                return
            await self.endpoint.pause(self.endpoint.waits.longest_look_s)
            batch.sight = await self.endpoint.look(batch.batch_id) or sight
        message = f"batch {batch.batch_id} has {batch.sight.completed:,} results and names no file of them"
        raise ProviderError(message, "run the same command again in a while: what was created stays there")

    async def _store(self, batch: OpenBatch, results: Iterable[Result], collected: Collected) -> None:
        entries: list[tuple[Request, Entry, Draft]] = []
        seq = self.book.ledger.last_seq()
        for result in results:
            request = batch.requests.get(result.line)
            if request is None:  # stored by an earlier call
                continue
            if result.failure is not None and result.failure.verdict == "stop":
                collected.stop = result.failure
            elif result.answer is not None or result.failure is not None:
                seq += 1
                draft = self._to_draft(batch, request, result)
                entries.append((request, draft.to_entry(seq, request.slot), draft))
        if not entries:
            return
        stored = [(request.line, entry) for request, entry, _ in entries]
        await asyncio.to_thread(self.book.commit, batch.number, stored)
        for request, entry, draft in entries:
            self._settle(batch, request, draft)
            self.outcomes.count(request.slot, entry)
            collected.replies += draft.answer is not None
            collected.rejected += entry.attempt.outcome == "rejected"
            collected.failed += entry.attempt.outcome == "failed"

    def _to_draft(self, batch: OpenBatch, request: Request, result: Result) -> Draft:
        answer, failure = result.answer, result.failure
        cost: float | None = None
        if answer is not None:
            verdict = judge_answer(answer, self.spec)
            cost = price_answer(self.prices, answer, self.spec.provider.model)
        else:
            assert failure is not None
            verdict = Verdict("rejected" if failure.verdict == "reject" else "failed", failure.reason, failure.detail)
        times = (batch.started_at, self.clock())
        return Draft(request.prompt_sha256, self.endpoint.base_url, 1, *times, answer, cost, verdict)

    def _settle(self, batch: OpenBatch, request: Request, draft: Draft) -> None:
        estimate = batch.estimates.pop(request.line)
        if draft.answer is not None:
            self.budget.settle(request.characters, draft.answer.tokens, draft.cost_usd, estimate)
        self.budget.release(estimate)
        del batch.requests[request.line]

    async def _close(self, batch: OpenBatch, collected: Collected) -> None:
        await asyncio.to_thread(self.book.close, batch.number, batch.sight.status, self.clock())
        for request in batch.requests.values():
            self.outcomes.queue.topics[request.slot.topic].give_back(request.slot)
            self.budget.release(batch.estimates.pop(request.line))
        collected.returned = len(batch.requests)
        batch.requests.clear()


_MISSING = Failure("again", "missing", "the endpoint's files have no line for this request")


def _cut(lines: Iterator[Result | OddLine]) -> Iterator[list[Result | OddLine]]:
    while group := list(islice(lines, GROUP)):
        yield group


def _pick_fresh(group: list[Result | OddLine], seen: set[int], odd: Counter[str]) -> Iterator[Result]:
    """The results of requests that had none before; the rest is counted as odd."""
    for found in group:
        if isinstance(found, OddLine):
            odd[found.kind] += 1
        elif found.line in seen:
            odd["repeated"] += 1
        else:
            seen.add(found.line)
            yield found
