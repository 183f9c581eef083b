"""What an endpoint's failure means: try again and when, give up this scenario, or stop the run.

Decided from types and status codes alone; the waiting itself is done by `provider`.
"""

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Literal

import aiohttp
import openai

from datagen.errors import ProviderError

RETRIED_STATUSES = frozenset({408, 409, 429})
"""Beside all of 5xx."""

LONGEST_WAIT_S = 900.0
"""Seconds. An endpoint that asks for more (a spent daily limit) is no use now; the run can be resumed later."""

Verdict = Literal["again", "reject", "stop"]


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed request, understood. `retry_after_s`: seconds the endpoint asked to wait, None if it did not say."""

    verdict: Verdict
    reason: str
    detail: str
    retry_after_s: float | None = None
    hint: str | None = None

    @property
    def is_refused_pace(self) -> bool:
        return self.reason == "rate-limit"


class BadReplyError(Exception):
    """A 200 whose body is no chat completion: a proxy's page, a cut body. The request may be tried again."""


def understand(exc: Exception, now: datetime | None = None) -> Failure:
    """Sort what a request raised. Raises nothing; what it does not know is raised again by the caller."""
    match exc:
        case openai.APIConnectionError() if (cause := _find_connection_error(exc)) is not None:
            return Failure("again", "connection", _shorten(str(cause)))
        case openai.APITimeoutError() | TimeoutError():
            return Failure("again", "timeout", "no answer within the request's time")
        case openai.APIConnectionError():
            return Failure("again", "connection", _shorten(repr(exc.__cause__ or exc)))
        case openai.APIStatusError():
            return _understand_status(exc, now or datetime.now(UTC))
        case _:
            return Failure("again", "bad-reply", _shorten(str(exc)))


def _find_connection_error(exc: BaseException) -> aiohttp.ClientOSError | None:
    """The refused or broken connection behind an error: the client's transport reports these as time-outs too."""
    cause = exc.__cause__ or exc.__context__
    while cause is not None and not isinstance(cause, aiohttp.ClientOSError):
        cause = cause.__cause__ or cause.__context__
    return cause


def _understand_status(exc: openai.APIStatusError, now: datetime) -> Failure:
    retry_after_s = read_retry_after(dict(exc.response.headers), now)
    return understand_status(exc.status_code, exc.code, exc.type, f"{exc.status_code} {exc.message}", retry_after_s)


def understand_status(
    status: int, code: str | None, kind: str | None, detail: str, retry_after_s: float | None = None
) -> Failure:
    """Sort an answer that is an error, by its status and the `code` and `type` in it."""
    detail = _shorten(detail)
    if "insufficient_quota" in (code, kind) or status == 402:
        hint = "the account's credit is used up: add credit, then run the same command"
        return Failure("stop", "no-credit", detail, hint=hint)
    if status in _STOPPING:
        return Failure("stop", str(status), detail, hint=_STOPPING[status])
    if status in RETRIED_STATUSES or status >= 500:
        reason = "rate-limit" if status == 429 else f"http-{status}"
        if retry_after_s is not None and retry_after_s > LONGEST_WAIT_S:
            hint = "run the same command again after that: what is stored stays"
            return Failure("stop", reason, f"{detail}, and asks to wait {retry_after_s:.0f} s", retry_after_s, hint)
        return Failure("again", reason, detail, retry_after_s)
    if (code or kind) in ("content_filter", "content_policy_violation"):
        return Failure("reject", "content-filter", detail)
    return Failure(
        "reject", f"http-{status}", detail, hint="the endpoint refuses the request as it is; see its message"
    )


def suspect_reply_form(failure: Failure) -> Failure:
    """Of an endpoint's first request with `response_format`: if it is refused as it is, all would be."""
    if failure.reason not in ("http-400", "http-422"):
        return failure
    hint = "if it does not know `response_format` with a JSON schema, leave `reply: json` out of the spec"
    return replace(failure, verdict="stop", hint=hint)


_STOPPING = {
    401: "the key is wrong or missing: set OPENAI_API_KEY, or name its variable with --api-key-env",
    403: "the key may not use this model or endpoint: check its permissions and region",
    404: "no such model or address there: check --model and --base-url (it usually ends in /v1)",
}


def read_retry_after(headers: dict[str, str], now: datetime) -> float | None:
    """Seconds to wait: `retry-after-ms`, else `retry-after` in seconds or as an HTTP date; None if absent or odd."""
    lower = {key.lower(): value.strip() for key, value in headers.items()}
    if (milliseconds := _read_number(lower.get("retry-after-ms"))) is not None:
        return milliseconds / 1000
    value = lower.get("retry-after")
    if (seconds := _read_number(value)) is not None:
        return seconds
    try:
        moment = parsedate_to_datetime(value) if value else None
    except ValueError:
        return None
    if moment is None:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - now).total_seconds())


def _read_number(text: str | None) -> float | None:
    return float(text) if text and re.fullmatch(r"\d{1,9}(?:\.\d+)?", text) else None


def stop_error(failure: Failure, endpoint: str) -> ProviderError:
    """The error that ends the run."""
    return ProviderError(f"{endpoint} answered {failure.detail}", failure.hint)


def _shorten(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 300 else f"{text[:299]}…"
