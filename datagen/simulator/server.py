"""An OpenAI-compatible server on loopback that composes dialogues offline and misbehaves as told.

It reads the scenario back out of the prompt and answers in the transcript format, or in JSON where a schema comes with
the request. Its rows say
`provider: damhwa-simulator`: they are for trying things out, not for training. `GET /stats` tells what it did.
"""

import asyncio
import hashlib
import json
import os
import random
import re
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from pydantic import ValidationError

from datagen.json_reply import render_json
from datagen.record import Message
from datagen.simulator.batches import Batches
from datagen.simulator.compose import Request, compose
from datagen.simulator.contradiction import find_contradictions, is_contradiction_prompt, spoil_contradictions
from datagen.simulator.duet import read_duet_prompt
from datagen.simulator.duet_stage import DuetStage
from datagen.simulator.faults import REFUSALS, Draft, Faults, dress, spoil
from datagen.simulator.grammar import read_all_grammars
from datagen.simulator.json_faults import dress_json, spoil_json
from datagen.simulator.opinion import embed, is_judge_prompt, judge, moderate, spoil_scores
from datagen.simulator.prefix_cache import PrefixCache
from datagen.simulator.replies import TOKENS_PER_CHARACTER, answer_error, count_tokens, cut
from datagen.simulator.requests import Asked, ChatRequest, SpeechRequest, TextsRequest
from datagen.simulator.slips import Slip, draw_slip
from datagen.simulator.speech import speak
from datagen.simulator.vision import BadPictureError, talk_about
from datagen.transcript import render_transcript

MODEL = "damhwa-simulator"


@dataclass(frozen=True, slots=True)
class _Reply:
    text: str
    finish_reason: str


@dataclass(slots=True)
class Simulator:
    """The server's state: faults, seed, and what was counted."""

    faults: Faults
    seed: int = 0
    exchanges: tuple[int, int] = (2, 5)
    """What counts as a whole dialogue, for the malformed ones."""
    counts: Counter[str] = field(default_factory=Counter)
    first_request_at: float | None = None
    """Unix time in seconds."""
    batches: Batches = field(init=False)
    _seen: Counter[bytes] = field(default_factory=Counter)
    _paid: set[bytes] = field(default_factory=set)
    """Requests that got a reply: one more for the same is `paid_again`."""
    _duets: DuetStage = field(init=False)
    _cache: PrefixCache = field(default_factory=lambda: PrefixCache(TOKENS_PER_CHARACTER))
    _composed: dict[str, tuple[Message, ...]] = field(default_factory=dict)
    """Topic → the last dialogue about it."""
    _not_before: dict[bytes, float] = field(default_factory=dict)
    _in_flight: int = 0
    _allowance: float | None = None
    _allowance_at: float = 0.0

    def __post_init__(self) -> None:
        self.batches = Batches(lambda: self.faults, self._answer_line, self.counts, self.seed)
        self._duets = DuetStage(self.seed, self.counts)

    def build_app(self) -> web.Application:
        app = web.Application(client_max_size=256 * 2**20)  # input files of batches have up to 200 MB
        app.router.add_post("/v1/chat/completions", self._complete)
        app.router.add_get("/v1/models", self._list_models)
        app.router.add_post("/v1/embeddings", self._embed)
        app.router.add_post("/v1/moderations", self._moderate)
        app.router.add_post("/v1/audio/speech", self._speak)
        app.router.add_get("/stats", self._tell)
        self.batches.add_routes(app)
        return app

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        try:
            asked = Asked.of(ChatRequest.model_validate_json(await request.read()))
        except ValidationError as exc:
            return answer_error(400, "invalid_request_error", f"not a chat request: {exc.errors()[0]['msg']}")
        except BadPictureError as exc:
            return answer_error(400, "invalid_image_url", str(exc))
        self.counts["requests"] += 1
        if asked.pictures:
            self.counts["pictures"] += len(asked.pictures)
        self.first_request_at = self.first_request_at or time.time()
        self._in_flight += 1
        self.counts["most_in_flight"] = max(self.counts["most_in_flight"], self._in_flight)
        try:
            return await self._answer(request, asked)
        finally:
            self._in_flight -= 1

    async def _answer(self, request: web.Request, asked: Asked) -> web.StreamResponse:
        key, rng = self._recognise(asked.key)
        if (refused := self._keep_pace(key)) is not None:
            return refused
        faults, cached = self.faults, self._cache.measure(asked.prompt)
        await asyncio.sleep(max(0.0, faults.latency_s + faults.jitter_s * rng.uniform(-1, 1)))
        fault = _draw_fault(faults, rng)
        self.counts[fault or "answered"] += 1
        if fault == "rate_limited":
            return self._answer_429(key, faults.retry_after_s, None)
        if fault == "server_error":
            return answer_error(500, "server_error", "The server had an error while processing your request.")
        if fault == "stall":
            await asyncio.sleep(faults.stall_s)
            return await cut(request, b"")
        reply = self._compose(asked, fault, rng)
        if fault != "cut":
            self._note_paid(key)
        self._cache.store(asked.prompt)
        body = self._to_completion(asked, reply, cached)
        if fault == "cut":
            return await cut(request, json.dumps(body).encode())
        if asked.is_streamed:
            return await self._stream(request, body)
        return web.json_response(body, headers=self._announce())

    def _answer_line(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """The status and body for one line of a batch: no connection, so none of the faults of one."""
        try:
            asked = Asked.of(ChatRequest.model_validate(body))
        except (ValidationError, BadPictureError) as exc:
            return 400, {"error": {"message": str(exc), "type": "invalid_request_error", "param": None, "code": None}}
        key, rng = self._recognise(asked.texts)
        fault = _draw_fault(self.faults, rng)
        if fault == "server_error":
            self.counts[fault] += 1
            message = "The server had an error while processing your request."
            return 500, {"error": {"message": message, "type": fault, "param": None, "code": fault}}
        fault = fault if fault in ("malformed", "refusal") else None
        self.counts[fault or "answered"] += 1
        self._note_paid(key)
        return 200, self._to_completion(asked, self._compose(asked, fault, rng), 0)

    def _note_paid(self, key: bytes) -> None:
        self.counts["paid"] += 1
        self.counts["paid_again"] += key in self._paid
        self._paid.add(key)

    def _recognise(self, texts: list[str]) -> tuple[bytes, random.Random]:
        """The request's fingerprint, and the chance that goes with it and with how often it came."""
        key = hashlib.sha256("\0".join(texts).encode()).digest()
        self._seen[key] += 1
        return key, random.Random(f"{self.seed}/{key.hex()}/{self._seen[key]}")

    def _keep_pace(self, key: bytes) -> web.Response | None:
        """A 429 where the enforced limit is passed."""
        arrived = time.monotonic()
        if arrived < self._not_before.pop(key, 0.0):
            self.counts["before_retry_after"] += 1
        wait_s = self._refuse_pace(arrived)
        return None if wait_s is None else self._answer_429(key, wait_s, "over_rpm")

    def _compose(self, asked: Asked, fault: str | None, rng: random.Random) -> _Reply:
        if fault == "refusal":
            return _Reply(rng.choice(REFUSALS), "stop")
        contents = asked.texts
        if is_judge_prompt(contents):
            scores = judge(contents, rng)
            return _Reply(spoil_scores(scores, rng) if fault == "malformed" else scores, "stop")
        if is_contradiction_prompt(contents):
            found = find_contradictions(contents)
            return _Reply(spoil_contradictions(found, rng) if fault == "malformed" else found, "stop")
        if (duet := read_duet_prompt(contents)) is not None:
            return _Reply(*self._duets.reply(duet, self.faults, fault == "malformed", rng))
        wanted = read_prompt(contents)
        messages = compose(wanted, rng)
        for picture in asked.pictures[:1]:
            messages = talk_about(messages, picture, wanted.speech_level, rng)
        if wanted.exchanges == 0:
            return _Reply(messages[-1].content, "stop")
        if fault == "malformed":
            return _Reply(*(spoil_json if asked.schema else spoil)(Draft(messages, self.exchanges, rng)))
        if rng.random() < self.faults.slip:
            name, messages = draw_slip(Slip(messages, wanted, rng, self._composed.get(wanted.topic)))
            self.counts[f"slip {name}"] += 1
        self._composed[wanted.topic] = messages
        render, wrap = (render_json, dress_json) if asked.schema else (render_transcript, dress)
        text = render(messages)
        return _Reply(wrap(text, rng) if rng.random() < self.faults.dressed else text, "stop")

    def _to_completion(self, asked: Asked, reply: _Reply, cached: int) -> dict[str, Any]:
        schema_tokens = count_tokens(asked.schema) if asked.schema else 0
        prompt = count_tokens(*asked.texts) + schema_tokens + asked.picture_tokens
        completion = count_tokens(reply.text)
        usage: dict[str, Any] = {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
            "prompt_tokens_details": {"cached_tokens": min(cached, prompt)},
        }
        if self.faults.price_prompt or self.faults.price_completion:
            usage["cost"] = (prompt * self.faults.price_prompt + completion * self.faults.price_completion) / 1e6
        message = {"role": "assistant", "content": reply.text, "refusal": None}
        return {
            "id": f"chatcmpl-sim-{self.counts['requests']}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": MODEL,
            "provider": MODEL,
            "choices": [{"index": 0, "message": message, "finish_reason": reply.finish_reason, "logprobs": None}],
            "usage": usage,
        }

    async def _stream(self, request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", **self._announce()})
        await response.prepare(request)
        head = {key: body[key] for key in ("id", "created", "model", "provider")} | {"object": "chat.completion.chunk"}
        choice = body["choices"][0]
        text = choice["message"]["content"]
        pieces = [{"content": text[at : at + 8]} for at in range(0, len(text), 8)]
        for delta in [{"role": "assistant", "content": ""}, *pieces]:
            chunk = {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
            await response.write(f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n".encode())
        last = {"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}
        chunk = {**head, "choices": [last], "usage": body["usage"]}
        await response.write(f"data: {json.dumps(chunk)}\n\ndata: [DONE]\n\n".encode())
        return response

    def _refuse_pace(self, now: float) -> float | None:
        """Seconds until the enforced limit lets the next request through; None if it lets this one."""
        if self.faults.rpm is None:
            return None
        rate = self.faults.rpm / 60
        before = rate if self._allowance is None else self._allowance
        self._allowance = min(max(1.0, rate), before + (now - self._allowance_at) * rate)
        self._allowance_at = now
        if self._allowance < 1:
            return (1 - self._allowance) / rate
        self._allowance -= 1
        return None

    def _answer_429(self, key: bytes, wait_s: float, counted_as: str | None) -> web.Response:
        if counted_as:
            self.counts[counted_as] += 1
        self._not_before[key] = time.monotonic() + wait_s
        headers = {"Retry-After": f"{wait_s:.3f}".rstrip("0").rstrip("."), **self._announce()}
        return answer_error(429, "rate_limit_exceeded", "Rate limit reached for requests.", headers)

    def _announce(self) -> dict[str, str]:
        if self.faults.rpm is None or not self.faults.announce:
            return {}
        remaining = int(self._allowance or 0)
        return {
            "x-ratelimit-limit-requests": str(self.faults.rpm),
            "x-ratelimit-remaining-requests": str(remaining),
            "x-ratelimit-reset-requests": f"{60 / self.faults.rpm:.3f}s",
        }

    async def _list_models(self, _: web.Request) -> web.Response:
        model = {"id": MODEL, "object": "model", "created": 0, "owned_by": MODEL}
        return web.json_response({"object": "list", "data": [model]})

    async def _embed(self, request: web.Request) -> web.Response:
        texts = await self._read_texts(request)
        if isinstance(texts, web.Response):
            return texts
        data = [{"object": "embedding", "index": at, "embedding": embed(text)} for at, text in enumerate(texts)]
        tokens = count_tokens(*texts)
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return web.json_response({"object": "list", "data": data, "model": MODEL, "usage": usage})

    async def _moderate(self, request: web.Request) -> web.Response:
        texts = await self._read_texts(request)
        if isinstance(texts, web.Response):
            return texts
        results = [moderate(text) for text in texts]
        return web.json_response({"id": f"modr-sim-{self.counts['texts']}", "model": MODEL, "results": results})

    async def _speak(self, request: web.Request) -> web.StreamResponse:
        try:
            asked = SpeechRequest.model_validate_json(await request.read())
        except ValidationError as exc:
            return answer_error(400, "invalid_request_error", f"not a request for speech: {exc.errors()[0]['msg']}")
        if asked.response_format != "wav":
            told = f"response_format {asked.response_format!r}: the simulator speaks wav alone"
            return answer_error(400, "invalid_request_error", told)
        self.counts["speech"] += 1
        key, rng = self._recognise([asked.model, asked.voice, asked.input])
        if (refused := self._keep_pace(key)) is not None:
            return refused
        await asyncio.sleep(max(0.0, self.faults.latency_s + self.faults.jitter_s * rng.uniform(-1, 1)))
        fault = _draw_fault(self.faults, rng)
        self.counts[fault or "spoken"] += 1
        if fault == "rate_limited":
            return self._answer_429(key, self.faults.retry_after_s, None)
        if fault == "server_error":
            return answer_error(500, "server_error", "The server had an error while processing your request.")
        if fault == "stall":
            await asyncio.sleep(self.faults.stall_s)
            return await cut(request, b"")
        recording = speak(asked.input, asked.voice)
        if fault == "cut":
            return await cut(request, recording)
        self.counts["spoken_characters"] += len(asked.input)
        if fault in ("malformed", "refusal"):
            recording = b"<html>upstream error</html>"
        return web.Response(body=recording, content_type="audio/wav", headers=self._announce())

    async def _read_texts(self, request: web.Request) -> list[str] | web.Response:
        """The texts of a request for embeddings or moderation, or why they are not looked at."""
        try:
            asked = TextsRequest.model_validate_json(await request.read())
        except ValidationError as exc:
            return answer_error(400, "invalid_request_error", f"not a request with texts: {exc.errors()[0]['msg']}")
        texts = [asked.input] if isinstance(asked.input, str) else asked.input
        self.counts[request.path.rpartition("/")[2]] += 1
        key, rng = self._recognise(texts)
        if (refused := self._keep_pace(key)) is not None:
            return refused
        fault = _draw_fault(self.faults, rng)
        if fault == "rate_limited":
            return self._answer_429(key, self.faults.retry_after_s, fault)
        if fault == "server_error":
            return answer_error(500, "server_error", "The server had an error while processing your request.")
        self.counts["texts"] += len(texts)
        return texts

    async def _tell(self, _: web.Request) -> web.Response:
        return web.json_response({**self.counts, "first_request_at": self.first_request_at, "pid": os.getpid()})


_FIELD = re.compile(r"^- (주제|상황|장소|길이|이름|말투): (.+)$", re.MULTILINE)
_PLACEHOLDER = re.compile(r"유저는 언제나 `([^`]+)`")


def read_prompt(contents: list[str]) -> Request:
    """What a prompt asks for. Without a length in it (somebody chats), `exchanges` is 0: one reply is wanted."""
    text = "\n".join(contents)
    fields = dict(_FIELD.findall(text))
    length = re.match(r"\d+", fields.get("길이", ""))
    placeholder = _PLACEHOLDER.search(text)
    return Request(
        topic=fields.get("주제", "").strip(),
        exchanges=int(length[0]) if length else 0,
        speech_level="jondaetmal" if fields.get("말투", "").startswith("존댓말") else "banmal",
        name=fields.get("이름", "엑사").strip(),
        situation=fields.get("상황", "").strip(),
        place=fields.get("장소", "").strip(),
        user_placeholder=placeholder[1] if placeholder else "{유저}",
    )


def _draw_fault(faults: Faults, rng: random.Random) -> str | None:
    draw = rng.random()
    for name in ("rate_limited", "server_error", "cut", "stall", "malformed", "refusal"):
        share = getattr(faults, name)
        if draw < share:
            return name
        draw -= share
    return None


async def serve(simulator: Simulator, port: int, until_stdin_closes: bool = False) -> None:
    """Serve on loopback until cancelled; say the address, on a line of its own, once requests are taken."""
    read_all_grammars()  # 0.2 s, before the first request instead of during it
    runner = web.AppRunner(simulator.build_app(), access_log=None, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    host, bound = runner.addresses[0][:2]
    print(f"http://{host}:{bound}/v1", flush=True)
    try:
        if until_stdin_closes:
            await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        else:
            await asyncio.Event().wait()
    finally:
        await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(serve(Simulator(Faults.model_validate_json(sys.argv[1])), int(sys.argv[2]), until_stdin_closes=True))
