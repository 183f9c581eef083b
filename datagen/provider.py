"""The one place that talks to a model: OpenAI-compatible endpoints, retries, the shared pace.

The client is `openai.AsyncOpenAI` over its aiohttp transport with its own retries off: retries are decided here, from
typed failures (`retry`), so that a Retry-After holds for all workers and every request is counted.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, NoReturn, TypeVar

import httpx2
import openai
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from datagen.answer import Answer, read_answer
from datagen.endpoints import Lane, can_go_elsewhere, choose_lane, describe_failures
from datagen.errors import ProviderError
from datagen.pace import Pace
from datagen.prompt import Prompt
from datagen.retry import BadReplyError, Failure, stop_error, suspect_reply_form, understand
from datagen.spec import ProviderSettings

PATIENCE_S = 300.0
"""Seconds of failing retries before a draft is given up, once an endpoint has answered anything."""
FIRST_PATIENCE_S = 10.0
"""The same before the first answer: a wrong address should be told soon."""

Reply = TypeVar("Reply")

_backoff = wait_random_exponential(multiplier=0.5, max=30)


class _UnansweredError(Exception):
    """A request that came to nothing, and why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.detail)
        self.failure = failure


class RejectedRequestError(_UnansweredError):
    """The endpoint will not answer this request, nor a repetition of it."""


class GaveUpError(_UnansweredError):
    """Retries went on for the whole patience without an answer."""


class _AgainError(_UnansweredError):
    """The request may be tried again: elsewhere at once, or, where nobody else is left to ask, after a wait."""

    def __init__(self, failure: Failure, elsewhere: bool) -> None:
        super().__init__(failure)
        self.elsewhere = elsewhere


class StoppingError(Exception):
    """The run is stopping; nothing was in flight for this call."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The connections of one address, and how it fares."""

    lane: Lane
    client: openai.AsyncOpenAI


@dataclass(slots=True)
class Call:
    """One draft on its way: what it cost in HTTP requests so far, and where it went last."""

    prompt: Prompt
    tokens: int
    """Estimated, for the pace."""
    requests: int = 0
    endpoint: str = ""

    path = "/chat/completions"
    accept = "application/json"

    def build_body(self, settings: ProviderSettings) -> dict[str, Any]:
        body = {
            "model": settings.model,
            "messages": self.prompt.messages,
            "temperature": settings.temperature,
            "max_completion_tokens": settings.max_completion_tokens,
        }
        return body if self.prompt.response_format is None else body | {"response_format": self.prompt.response_format}


@dataclass(slots=True)
class Post:
    """Any other request on its way (`/moderations`, `/embeddings`, `/audio/speech`)."""

    path: str
    body: dict[str, Any]
    tokens: int
    accept: str = "application/json"
    """Media type of the reply."""
    requests: int = 0
    endpoint: str = ""

    def build_body(self, _: ProviderSettings) -> dict[str, Any]:
        return self.body


@dataclass(slots=True)
class _Errand(Generic[Reply]):
    """A call under way, with all of its requests."""

    call: Call | Post
    read: Callable[[bytes, str], Reply]
    started: float
    spared_s: float = 0.0
    """Seconds that went by at endpoints from which it went elsewhere at once: no fault of the draft's."""
    failed_at: set[str] = field(default_factory=set)
    """Addresses that failed it since it last waited."""


@dataclass(slots=True)
class Provider:
    """Asks a model. Close it with `aclose`."""

    settings: ProviderSettings
    endpoints: tuple[Endpoint, ...]
    pace: Pace
    """Of all endpoints together; several have each their own beside it, a single one has this."""
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    waiting_for: Failure | None = None
    """The last failure that is being waited out; shown in the progress."""
    _answered_at: float | None = None
    _gate: asyncio.Lock = field(default_factory=asyncio.Lock)
    _retrying: AsyncRetrying = field(init=False)

    def __post_init__(self) -> None:
        self._retrying = AsyncRetrying(
            retry=retry_if_exception_type(_AgainError),
            wait=_wait_before_next,
            stop=self._is_out_of_patience,
            sleep=self._pause,
            reraise=True,
        )

    async def ask(self, call: Call) -> Answer:
        """Ask for a chat completion; see `post` for what it raises."""
        return await self.post(call, read_answer)

    async def post(self, call: Call | Post, read: Callable[[bytes, str], Reply]) -> Reply:
        """Ask, and ask again where that can help. `read` makes a reply of the body and the endpoint's host, or raises
        BadReplyError.

        Raises RejectedRequestError (this scenario cannot be asked), GaveUpError (no answer for the whole patience),
        ProviderError (the run must stop), StoppingError (the run is stopping and this call waits).
        """
        errand = _Errand(call, read, asyncio.get_running_loop().time())
        try:
            return await self._retrying(self._request, errand)
        except _AgainError as exc:
            if self._answered_at is None or self._answered_at < errand.started:
                raise self._explain_silence(errand, exc.failure) from exc
            raise GaveUpError(exc.failure) from exc

    async def aclose(self) -> None:
        for endpoint in self.endpoints:
            await endpoint.client.close()

    @property
    def lanes(self) -> tuple[Lane, ...]:
        return tuple(endpoint.lane for endpoint in self.endpoints)

    async def _request(self, errand: _Errand[Reply]) -> Reply:
        call = errand.call
        endpoint, ticket = await self._start(call.tokens, errand.failed_at)
        loop, lane = asyncio.get_running_loop(), endpoint.lane
        call.requests += 1
        call.endpoint = lane.base_url
        started = loop.time()
        try:
            answer = errand.read(await self._send(endpoint, call), lane.host)
            self._answered_at = loop.time()
            lane.answered(ticket, self._answered_at)
        except (openai.APIError, BadReplyError, TimeoutError) as exc:
            failure = understand(exc)
            if not lane.answers and isinstance(call, Call) and call.prompt.response_format:
                failure = suspect_reply_form(failure)
            self._note_failure(lane, ticket, failure, exc)
            self._fail(errand, lane, failure, started, exc)
        finally:
            lane.leave(ticket)
        self.waiting_for = None
        return answer

    async def _send(self, endpoint: Endpoint, call: Call | Post) -> bytes:
        settings = self.settings
        async with asyncio.timeout(settings.timeout_s):
            # `post` instead of `chat.completions.create`: the same request without the walk over its parameter types,
            # which took 40 % of the CPU of a dialogue (openai 3.54)
            response = await endpoint.client.post(
                call.path,
                cast_to=httpx2.Response,
                body=call.build_body(settings),
                options={"headers": {"Accept": call.accept}},
            )
        _announce(endpoint.lane.pace, response.headers)
        return response.content

    def _note_failure(self, lane: Lane, ticket: int, failure: Failure, exc: Exception) -> None:
        if failure.verdict == "reject":
            lane.declined(ticket)
            return
        if failure.is_refused_pace and isinstance(exc, openai.APIStatusError):
            _announce(lane.pace, exc.response.headers)
        lane.failed(ticket, asyncio.get_running_loop().time(), failure)

    def _fail(self, errand: _Errand[Any], lane: Lane, failure: Failure, started: float, exc: Exception) -> NoReturn:
        """Raise what follows from a failure."""
        if failure.verdict == "reject":
            raise RejectedRequestError(failure) from exc
        if all(each.refuses for each in self.lanes):
            raise self._explain_refusal(lane, failure) from exc
        now = asyncio.get_running_loop().time()
        errand.failed_at.add(lane.base_url)
        elsewhere = can_go_elsewhere(self.lanes, now, errand.failed_at)
        if elsewhere:
            errand.spared_s += now - started
        else:
            errand.failed_at.clear()
            self.waiting_for = failure
        raise _AgainError(failure, elsewhere) from exc

    def _explain_refusal(self, lane: Lane, failure: Failure) -> ProviderError:
        """The error where no endpoint will have us."""
        if len(self.endpoints) == 1:
            return stop_error(failure, lane.base_url)
        message = f"none of the {len(self.endpoints)} endpoints can be asked: {describe_failures(self.lanes)}"
        return ProviderError(message, failure.hint)

    def _explain_silence(self, errand: _Errand[Any], failure: Failure) -> ProviderError:
        """The error where nobody answers."""
        waited = asyncio.get_running_loop().time() - errand.started
        if len(self.endpoints) == 1:
            what = f"{errand.call.endpoint} gave no answer for {waited:.0f} s: {failure.reason}: {failure.detail}"
        else:
            failures = describe_failures(self.lanes)
            what = f"none of the {len(self.endpoints)} endpoints gave an answer for {waited:.0f} s: {failures}"
        hint = "check --base-url and the network, then run the same command again: what is stored stays"
        return ProviderError(what, hint)

    async def _start(self, tokens: int, failed_at: set[str]) -> tuple[Endpoint, int]:
        """Choose who is asked, once the pace lets it."""
        loop = asyncio.get_running_loop()
        async with self._gate:
            while True:
                now = loop.time()
                lane, wait_s = choose_lane(self.lanes, now, failed_at)
                wait_s = max(wait_s, self.pace.ready_at() - now)
                if wait_s <= 0:
                    break
                await self._pause(wait_s)
            if self.stopping.is_set():
                raise StoppingError
            if lane.pace is not self.pace:
                self.pace.start(now, tokens)
            endpoint = next(each for each in self.endpoints if each.lane is lane)
            return endpoint, lane.start(now, tokens)

    async def _pause(self, seconds: float) -> None:
        """Sleep, but wake up and give up as soon as the run stops."""
        try:
            await asyncio.wait_for(self.stopping.wait(), seconds)
        except TimeoutError:
            return
        raise StoppingError

    def _is_out_of_patience(self, state: RetryCallState) -> bool:
        exc = state.outcome.exception() if state.outcome else None
        if not isinstance(exc, _AgainError) or exc.elsewhere:
            return False
        patience = FIRST_PATIENCE_S if self._answered_at is None and not exc.failure.is_refused_pace else PATIENCE_S
        errand: _Errand[Any] = state.args[0]
        return asyncio.get_running_loop().time() - errand.started - errand.spared_s >= patience


def open_provider(settings: ProviderSettings, base_urls: tuple[str, ...], api_key: str, pace: Pace) -> Provider:
    """Connect to the endpoints, which share the load. `pace` holds for their sum."""
    paces = [pace] if len(base_urls) == 1 else [Pace() for _ in base_urls]
    lanes = [Lane(url, own) for url, own in zip(base_urls, paces, strict=True)]
    return Provider(settings, tuple(Endpoint(lane, _connect(lane.base_url, api_key, settings)) for lane in lanes), pace)


def _connect(base_url: str, api_key: str, settings: ProviderSettings) -> openai.AsyncOpenAI:
    limits = httpx2.Limits(max_connections=settings.concurrency, max_keepalive_connections=settings.concurrency)
    http_client = openai.DefaultAioHttpClient(limits=limits, timeout=settings.timeout_s)
    return openai.AsyncOpenAI(
        api_key=api_key, base_url=base_url, max_retries=0, timeout=settings.timeout_s, http_client=http_client
    )


def _wait_before_next(state: RetryCallState) -> float:
    """Elsewhere at once; what the endpoint asked for, to the millisecond and never less; else exponential with full
    jitter."""
    exc = state.outcome.exception() if state.outcome else None
    if isinstance(exc, _AgainError) and exc.elsewhere:
        return 0.0
    if isinstance(exc, _AgainError) and exc.failure.retry_after_s is not None:
        return exc.failure.retry_after_s
    return _backoff(state)


def _announce(pace: Pace, headers: Mapping[str, str]) -> None:
    """Tell the pace of the limits in an answer's headers."""
    if "x-ratelimit-limit-requests" in headers or "x-ratelimit-limit-tokens" in headers:
        pace.announced(_read_limit(headers, "requests"), _read_limit(headers, "tokens"))


def _read_limit(headers: Mapping[str, str], kind: str) -> float | None:
    try:
        return float(headers.get(f"x-ratelimit-limit-{kind}", ""))
    except ValueError:
        return None
