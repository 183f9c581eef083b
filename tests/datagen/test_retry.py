from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx2
import openai
import pytest

from datagen.retry import BadReplyError, read_retry_after, understand

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
REQUEST = httpx2.Request("POST", "http://127.0.0.1/v1/chat/completions")


def make_error(status: int, code: str = "", headers: dict[str, str] | None = None) -> openai.APIStatusError:
    response = httpx2.Response(status, request=REQUEST, headers=headers)
    return openai.APIStatusError("말썽", response=response, body={"code": code} if code else None)


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504, 529])
def test_what_may_pass_is_tried_again(status: int) -> None:
    assert understand(make_error(status), NOW).verdict == "again"


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_request_that_is_wrong_is_never_repeated(status: int) -> None:
    assert understand(make_error(status), NOW).verdict == "reject"


@pytest.mark.parametrize(("status", "code"), [(401, ""), (403, ""), (404, ""), (402, ""), (429, "insufficient_quota")])
def test_what_no_retry_mends_stops_the_run_and_says_what_to_do(status: int, code: str) -> None:
    failure = understand(make_error(status, code), NOW)
    assert failure.verdict == "stop"
    assert failure.hint


@pytest.mark.parametrize("code", ["content_filter", "content_policy_violation"])
def test_a_content_filter_rejects_the_scenario_alone(code: str) -> None:
    failure = understand(make_error(400, code), NOW)
    assert (failure.verdict, failure.reason) == ("reject", "content-filter")


@pytest.mark.parametrize(
    ("exc", "reason"),
    [
        (openai.APITimeoutError(REQUEST), "timeout"),
        (TimeoutError(), "timeout"),
        (openai.APIConnectionError(request=REQUEST), "connection"),
        (BadReplyError("<html>"), "bad-reply"),
    ],
)
def test_a_broken_line_is_tried_again(exc: Exception, reason: str) -> None:
    failure = understand(exc, NOW)
    assert (failure.verdict, failure.reason) == ("again", reason)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after-ms": "1234"}, 1.234),
        ({"Retry-After": "2"}, 2.0),
        ({"retry-after": "0.25"}, 0.25),
        ({"retry-after-ms": "100", "retry-after": "1"}, 0.1),
        ({"retry-after": format_datetime(NOW + timedelta(seconds=7), usegmt=True)}, 7.0),
        ({"retry-after": format_datetime(NOW - timedelta(seconds=7), usegmt=True)}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "nan"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read_in_all_its_forms(headers: dict[str, str], seconds: float | None) -> None:
    assert read_retry_after(headers, NOW) == seconds
