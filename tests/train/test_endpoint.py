"""An endpoint that streams, that is away, that refuses, and that breaks off in the middle of a reply."""

import socket
from collections.abc import Awaitable, Callable
from threading import Event
from typing import Any

import pytest
from aiohttp import web

from datagen.errors import ProviderError
from tests.train.chatting import COMFORT, chunk, stream
from train.endpoint import EndpointSpeaker
from train.talk import Sampling, TooLongError

SAID = [{"role": "system", "content": "너는 엑사다."}, {"role": "user", "content": "오늘 힘들었어"}]
Start = Callable[[Callable[[web.Request], Awaitable[Any]]], str]


def _refuse(status: int, message: str, code: str | None = None) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(_: web.Request) -> web.Response:
        return web.json_response({"error": {"message": message, "code": code}}, status=status)

    return handle


def _ask(url: str) -> list[str]:
    return list(EndpointSpeaker(url, "exagirl", Sampling()).stream(SAID, Event()))


def test_the_pieces_come_as_they_are_sent_and_the_request_says_what_was_chosen(start_server: Start) -> None:
    asked: list[Any] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        asked.append((await request.json(), request.headers["Authorization"]))
        response: web.StreamResponse = await stream(*COMFORT.split(" "))(request)
        return response

    speaker = EndpointSpeaker(start_server(handle), "exagirl", Sampling(0.5, 0.9, 77, seed=3), "비밀".encode().hex())
    assert [each for each in speaker.stream(SAID, Event()) if each] == COMFORT.split(" ")
    body, key = asked[0]
    assert body["messages"] == SAID
    assert body["stream"] is True
    assert (body["model"], body["max_tokens"], body["seed"]) == ("exagirl", 77, 3)
    assert (body["temperature"], body["top_p"]) == (0.5, 0.9)
    assert key == f"Bearer {speaker.api_key}"
    assert speaker.api_key not in repr(speaker)


def test_what_came_before_the_connection_was_cut_is_given_and_the_cut_is_told(start_server: Start) -> None:
    speaker = EndpointSpeaker(start_server(stream("고생", "했어", is_whole=False)), "m", Sampling())
    pieces = speaker.stream(SAID, Event())
    assert [next(pieces), next(pieces)] == ["고생", "했어"]
    with pytest.raises(ProviderError, match="broke the reply off"):
        next(pieces)


def test_a_stream_that_ends_without_an_end_of_the_reply_is_a_cut(start_server: Start) -> None:
    async def handle(_: web.Request) -> web.StreamResponse:
        return web.Response(body=chunk({"delta": {"content": "고생"}}), content_type="text/event-stream")

    with pytest.raises(ProviderError, match="broke the reply off"):
        _ask(start_server(handle))


def test_an_error_inside_the_stream_is_told(start_server: Start) -> None:
    async def handle(_: web.Request) -> web.StreamResponse:
        body = chunk({"delta": {"content": "고생"}}) + b'data: {"error": {"message": "CUDA out of memory"}}\n\n'
        return web.Response(body=body, content_type="text/event-stream")

    with pytest.raises(ProviderError, match="CUDA out of memory"):
        _ask(start_server(handle))


def test_what_is_no_stream_of_completions_is_told(start_server: Start) -> None:
    async def handle(_: web.Request) -> web.StreamResponse:
        return web.Response(text="data: <html>\n\n", content_type="text/event-stream")

    with pytest.raises(ProviderError, match="broke the reply off"):
        _ask(start_server(handle))


@pytest.mark.parametrize(
    "data",
    [
        b'{"choices": null}',
        b'{"choices": {"0": 1}}',
        b'{"choices": [5]}',
        b'{"choices": [{"index": 0, "delta": null}]}',
        b'{"choices": [{"index": 0, "delta": {"content": 5}, "finish_reason": "stop"}]}',
        b"[]",
        b"5",
        b"\xff\xfe",
    ],
)
def test_a_chunk_of_another_shape_is_told_and_ends_the_reply(start_server: Start, data: bytes) -> None:
    async def handle(_: web.Request) -> web.StreamResponse:
        return web.Response(body=b"data: " + data + b"\n\n", content_type="text/event-stream")

    with pytest.raises(ProviderError, match="broke the reply off: no chunk of a chat completion"):
        _ask(start_server(handle))


@pytest.mark.parametrize(("status", "hint"), [(401, "OPENAI_API_KEY"), (404, "--model"), (400, "own output")])
def test_a_refusal_is_told_with_what_to_do(start_server: Start, status: int, hint: str) -> None:
    with pytest.raises(ProviderError, match=f"answered {status} .*sorry") as caught:
        _ask(start_server(_refuse(status, "sorry")))
    assert hint in str(caught.value.hint)


def test_a_server_that_is_not_there_is_told(unused_port: int) -> None:
    with pytest.raises(ProviderError, match="cannot be reached") as caught:
        _ask(f"http://127.0.0.1:{unused_port}/v1")
    assert "--base-url" in str(caught.value.hint)


@pytest.mark.parametrize(
    "handler",
    [
        _refuse(400, "too much", "context_length_exceeded"),
        _refuse(400, "This model's maximum context length is 4096 tokens. However, you requested 5000."),
    ],
)
def test_a_context_that_is_full_is_told_apart(start_server: Start, handler: Any) -> None:
    with pytest.raises(TooLongError):
        _ask(start_server(handler))


def test_a_stopped_reply_leaves_the_connection(start_server: Start) -> None:
    stop = Event()
    pieces = EndpointSpeaker(start_server(stream(*"가나다라마바사", pause_s=0.02)), "m", Sampling()).stream(SAID, stop)
    assert next(pieces) == "가"
    stop.set()
    assert list(pieces) == []


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
