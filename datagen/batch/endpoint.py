"""What a batch asks of an endpoint: upload, create, look, download; each call made again where that can help.

Nothing is made twice. Where the answer to an upload or a creation was lost, the endpoint is searched for what may have
been made, by its name, before it is asked again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final, TypeVar

import httpx2
import openai

from datagen.batch.replies import BatchPage, BatchReply, FilePage, FileReply, Sight, read_reply, to_sight
from datagen.batch.waits import Waits
from datagen.errors import DataError, ProviderError
from datagen.provider import FIRST_PATIENCE_S, PATIENCE_S, Provider, StoppingError
from datagen.retry import BadReplyError, stop_error, understand

PATH: Final = "/v1/chat/completions"
NAME_KEY = "damhwa_batch"
"""Key in a batch's metadata; the value is the batch's name."""
PAGE = 100
"""Batches or files in one page of a listing: the most that OpenAI gives of batches."""
TRANSFER_S = 1800.0
"""Seconds for a file of 200 MB, all of it: 1 Mbit/s. One that stands still is given up after a request's time."""
NOT_THERE = frozenset({404, 405, 501})
KEEP_ON = "what was created goes on at the endpoint; run the same command again to go on"
LEAVE_OUT = "nothing was made; mend that and run the same command again, or leave --batch out"

Made = TypeVar("Made")


class AbsentError(Exception):
    """The endpoint does not have what was asked for."""


class UnmadeError(ProviderError):
    """The endpoint would not take a file or a batch: it is certain that nothing was made."""


@dataclass(slots=True)
class BatchEndpoint:
    """The first address of a provider, asked for batches. Raises ProviderError where it is no use to go on."""

    provider: Provider
    waits: Waits
    rng: Random = field(default_factory=Random)
    _has_answered: bool = False

    @property
    def base_url(self) -> str:
        return self.provider.endpoints[0].lane.base_url

    @property
    def host(self) -> str:
        return self.provider.endpoints[0].lane.host

    @property
    def _client(self) -> openai.AsyncOpenAI:
        return self.provider.endpoints[0].client

    async def check(self) -> None:
        """Raises ProviderError where the endpoint has no Batch API."""
        try:
            await self._retry(lambda: self._client.batches.with_raw_response.list(limit=1))
        except AbsentError as exc:
            message = f"{self.base_url} has no Batch API: {exc}"
            raise ProviderError(message, "leave --batch out, or give an endpoint that has it with --base-url") from exc

    async def upload(self, name: str, content: bytes) -> str:
        """Upload an input file, and give its id."""
        file = (_name_file(name), content, "application/jsonl")

        async def make() -> str:
            raw = await self._client.files.with_raw_response.create(file=file, purpose="batch")
            return read_reply(FileReply, raw).id

        return await self._make(make, lambda: self._search_files(name, len(content)), TRANSFER_S)

    async def find_file(self, name: str, size: int) -> str | None:
        """The id of an input file that was uploaded before, all of it; None where there is none."""
        return await self._find(lambda: self._search_files(name, size))

    async def create(self, name: str, file_id: str) -> str:
        """Create the batch of an uploaded file, and give its id."""

        async def make() -> str:
            raw = await self._client.batches.with_raw_response.create(
                input_file_id=file_id, endpoint=PATH, completion_window="24h", metadata={NAME_KEY: name}
            )
            return read_reply(BatchReply, raw).id

        return await self._make(make, lambda: self._search_batches(name))

    async def find_batch(self, name: str) -> str | None:
        """The id of a batch that was created before; None where there is none."""
        return await self._find(lambda: self._search_batches(name))

    async def look(self, batch_id: str) -> Sight | None:
        """How far a batch is; None where it is gone."""

        async def ask() -> Sight:
            return to_sight(read_reply(BatchReply, await self._client.batches.with_raw_response.retrieve(batch_id)))

        try:
            return await self._retry(ask)
        except AbsentError:
            return None

    async def download(self, file_id: str, path: Path) -> bool:
        """Write a file of the endpoint to the disk; False where it is gone."""

        async def fetch() -> None:
            async with self._client.files.with_streaming_response.content(file_id) as response:
                with _open_to_write(path) as write:
                    async for piece in response.iter_bytes():
                        write(piece)

        try:
            await self._retry(fetch, time_s=TRANSFER_S)
        except AbsentError:
            return False
        return True

    async def pause(self, seconds: float) -> None:
        """Sleep. Raises StoppingError as soon as the run stops."""
        try:
            await asyncio.wait_for(self.provider.stopping.wait(), seconds)
        except TimeoutError:
            return
        raise StoppingError

    async def _search_files(self, name: str, size: int) -> str | None:
        after: str | openai.Omit = openai.omit
        while True:
            raw = await self._client.files.with_raw_response.list(purpose="batch", limit=PAGE, after=after)
            page = read_reply(FilePage, raw)
            for file in page.data:
                if file.filename == _name_file(name) and file.bytes == size:
                    return file.id
            if not (page.data and page.has_more) or page.data[-1].id == after:
                return None
            after = page.data[-1].id

    async def _search_batches(self, name: str) -> str | None:
        after: str | openai.Omit = openai.omit
        while True:
            raw = await self._client.batches.with_raw_response.list(limit=PAGE, after=after)
            page = read_reply(BatchPage, raw)
            for batch in page.data:
                if (batch.metadata or {}).get(NAME_KEY) == name:
                    return batch.id
            if not (page.data and page.has_more) or page.data[-1].id == after:
                return None
            after = page.data[-1].id

    async def _find(self, search: Callable[[], Awaitable[Made]]) -> Made:
        try:
            return await self._retry(search)
        except AbsentError as exc:
            raise ProviderError(f"{self.base_url} lists no files or batches any more: {exc}", KEEP_ON) from exc

    async def _make(
        self, make: Callable[[], Awaitable[Made]], search: Callable[[], Awaitable[Made | None]], time_s: float = 0.0
    ) -> Made:
        """Make something once: after a failure that may have come when the work was done, search for it first."""
        may_be_made = False

        async def ask() -> Made:
            nonlocal may_be_made
            if may_be_made and (found := await search()) is not None:
                return found
            before, may_be_made = may_be_made, True
            try:
                return await make()
            except openai.APIStatusError as exc:
                may_be_made = before or not is_refusal(exc.status_code)
                raise

        try:
            return await self._retry(ask, time_s)
        except AbsentError as exc:
            refused = ProviderError(f"{self.base_url} refused a batch: {exc}", KEEP_ON)
            raise (refused if may_be_made else UnmadeError(refused.message, LEAVE_OUT)) from exc
        except ProviderError as exc:
            if may_be_made:
                raise
            raise UnmadeError(exc.message, exc.hint or LEAVE_OUT) from exc

    async def _retry(self, ask: Callable[[], Awaitable[Made]], time_s: float = 0.0) -> Made:
        """Raises AbsentError, ProviderError, StoppingError."""
        loop = asyncio.get_running_loop()
        started, failures = loop.time(), 0
        while True:
            try:
                async with asyncio.timeout(time_s or self.provider.settings.timeout_s):
                    answer = await ask()
            except (openai.APIError, httpx2.HTTPError, BadReplyError, TimeoutError) as exc:
                failures += 1
                await self._wait_out(exc, failures, loop.time() - started)
            else:
                self._has_answered, self.provider.waiting_for = True, None
                return answer

    async def _wait_out(self, exc: Exception, failures: int, tried_s: float) -> None:
        """Wait before the next try. Raises what ends the call."""
        if isinstance(exc, openai.APIStatusError) and exc.status_code in NOT_THERE:
            raise AbsentError(f"{exc.status_code} {exc.message}") from exc
        failure = understand(exc)
        if failure.verdict == "stop":
            raise stop_error(failure, self.base_url) from exc
        if failure.verdict == "reject":
            raise ProviderError(f"{self.base_url} refused a batch: {failure.detail}", failure.hint) from exc
        wait_s = failure.retry_after_s
        is_alive = self._has_answered or failure.is_refused_pace
        if tried_s >= (PATIENCE_S if is_alive else FIRST_PATIENCE_S):
            message = f"{self.base_url} gave no answer {failures} times: {failure.reason}: {failure.detail}"
            raise ProviderError(message, f"check --base-url and the network; {KEEP_ON}") from exc
        self.provider.waiting_for = failure
        await self.pause(self.waits.before_retry(failures, self.rng) if wait_s is None else wait_s)


def is_refusal(status: int) -> bool:
    """Whether an endpoint that answers so did nothing: it understood, and would not. 408 and 409 leave it open."""
    return 400 <= status < 500 and status not in (408, 409)


@contextmanager
def _open_to_write(path: Path) -> Iterator[Callable[[bytes], None]]:
    """A function that writes to a file. Raises DataError where the disk does not take it."""

    def explain(exc: OSError) -> DataError:
        hint = "check free space and permissions, then run the same command again: what is stored stays"
        return DataError(f"{path} could not be written: {exc.strerror}", hint)

    try:
        file = path.open("wb")
    except OSError as exc:
        raise explain(exc) from exc

    def write(piece: bytes) -> None:
        try:
            file.write(piece)
        except OSError as exc:
            raise explain(exc) from exc

    with file:
        yield write


def _name_file(name: str) -> str:
    return f"{name}.jsonl"
