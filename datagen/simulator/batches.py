"""The simulator's `/v1/files` and `/v1/batches`: a batch goes through its states by the clock, and fails as told.

All of it lies in memory. Nothing runs in the background: what became of a batch is worked out when somebody looks.
"""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import ceil
from typing import Any

from aiohttp import BodyPartReader, web
from pydantic import BaseModel, ValidationError

from datagen.simulator.faults import Faults
from datagen.simulator.replies import answer_error, count_tokens, cut

MAX_REQUESTS = 50_000
MAX_BYTES = 200_000_000
VALIDATED_AT, FINALIZED_AT = 0.1, 0.8
"""Shares of a batch's time at which it is worked on, and its files are made."""
HALF = 0.5


class _CreateForm(BaseModel):
    input_file_id: str
    endpoint: str
    completion_window: str
    metadata: dict[str, str] | None = None


class _Line(BaseModel):
    custom_id: str
    method: str
    url: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class StoredFile:
    id: str
    filename: str
    purpose: str
    content: bytes
    created_at: float

    def describe(self) -> dict[str, Any]:
        about = {"id": self.id, "object": "file", "filename": self.filename, "purpose": self.purpose}
        return {**about, "bytes": len(self.content), "created_at": int(self.created_at), "status": "processed"}


@dataclass(slots=True)
class StoredBatch:
    id: str
    form: _CreateForm
    lines: list[_Line]
    fate: str
    """How it ends: completed, failed, expired, cancelled or vanished."""
    lasts_s: float
    started: float
    """By the monotonic clock."""
    created_at: float
    problems: list[dict[str, Any]] = field(default_factory=list)
    done_share: float = 1.0
    """Of the lines that are answered in the end."""
    is_settled: bool = False
    completed: int = 0
    failed: int = 0
    output_file_id: str | None = None
    error_file_id: str | None = None

    @property
    def share(self) -> float:
        """How far it is: 1 when it is over."""
        return min(1.0, (time.monotonic() - self.started) / self.lasts_s) if self.lasts_s else 1.0

    @property
    def is_gone(self) -> bool:
        return self.fate == "vanished" and self.share >= HALF

    @property
    def status(self) -> str:
        if self.share < VALIDATED_AT:
            return "validating"
        if self.fate == "failed" or self.share >= 1:
            return self.fate
        if self.fate == "cancelled" and self.share >= HALF:
            return "cancelling"
        return "in_progress" if self.share < FINALIZED_AT else "finalizing"

    @property
    def is_enqueued(self) -> bool:
        return self.share < 1 and self.fate != "failed"

    def describe(self) -> dict[str, Any]:
        under_way = self.status in ("in_progress", "finalizing", "cancelling")
        done = int(self.share * self.done_share * len(self.lines)) if under_way else self.completed
        return {
            "id": self.id,
            "object": "batch",
            "endpoint": self.form.endpoint,
            "input_file_id": self.form.input_file_id,
            "completion_window": self.form.completion_window,
            "status": self.status,
            "errors": {"object": "list", "data": self.problems} if self.problems else None,
            "output_file_id": self.output_file_id,
            "error_file_id": self.error_file_id,
            "created_at": int(self.created_at),
            "request_counts": {"total": len(self.lines), "completed": done, "failed": self.failed},
            "metadata": self.form.metadata,
        }


@dataclass(slots=True)
class Batches:
    """Files and batches of one simulator. `counts` is the simulator's, for `/stats`."""

    get_faults: Callable[[], Faults]
    answer: Callable[[dict[str, Any]], tuple[int, dict[str, Any]]]
    """The status and body of one chat request."""
    counts: Counter[str]
    seed: int
    files: dict[str, StoredFile] = field(default_factory=dict)
    batches: dict[str, StoredBatch] = field(default_factory=dict)
    _asked: Counter[str] = field(default_factory=Counter)
    _not_before: dict[str, float] = field(default_factory=dict)

    def add_routes(self, app: web.Application) -> None:
        app.router.add_post("/v1/files", self._upload)
        app.router.add_get("/v1/files", self._list_files)
        app.router.add_get("/v1/files/{id}", self._retrieve_file)
        app.router.add_delete("/v1/files/{id}", self._delete_file)
        app.router.add_get("/v1/files/{id}/content", self._download)
        app.router.add_post("/v1/batches", self._create)
        app.router.add_get("/v1/batches", self._list_batches)
        app.router.add_get("/v1/batches/{id}", self._retrieve_batch)
        app.router.add_post("/v1/batches/{id}/cancel", self._cancel)

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        fields: dict[str, tuple[str, bytes]] = {}
        async for part in await request.multipart():
            if isinstance(part, BodyPartReader) and part.name:
                fields[part.name] = (part.filename or "", bytes(await part.read()))
        if (refused := self._refuse(request)) is not None:
            return refused
        if fields.get("purpose", ("", b""))[1] != b"batch" or "file" not in fields:
            return answer_error(400, "invalid_request_error", "expected a file and purpose=batch")
        await self._stall("upload")
        file = self._store("batch", *fields["file"])
        self.counts["files"] += 1
        return await self._answer_made(request, file.describe(), "uploaded")

    async def _create(self, request: web.Request) -> web.StreamResponse:
        try:
            form = _CreateForm.model_validate_json(await request.read())
        except ValidationError as exc:
            return answer_error(400, "invalid_request_error", f"not a batch: {exc.errors()[0]['msg']}")
        if (refused := self._refuse(request)) is not None:
            return refused
        if form.input_file_id not in self.files:
            return answer_error(400, "invalid_request_error", f"no such file: {form.input_file_id}")
        await self._stall("create")
        batch = self._open_batch(form)
        self.counts["batches"] += 1
        self.counts["batch_requests"] += len(batch.lines)
        return await self._answer_made(request, batch.describe(), "created")

    def _open_batch(self, form: _CreateForm) -> StoredBatch:
        number, faults = len(self.batches) + 1, self.get_faults()
        self.counts["file_used_again"] += any(
            each.form.input_file_id == form.input_file_id for each in self.batches.values()
        )
        lines, problems = _validate(form, self.files[form.input_file_id].content)
        waiting = sum(_count_prompts(each.lines) for each in self.batches.values() if each.is_enqueued)
        if not problems and faults.batch_tokens is not None and waiting + _count_prompts(lines) > faults.batch_tokens:
            message = f"Enqueued token limit reached. Limit: {faults.batch_tokens:,} enqueued tokens."
            problems = [{"code": "token_limit_exceeded", "message": message, "line": None, "param": None}]
        fate = "failed" if problems else _draw_fate(faults, random.Random(f"{self.seed}/batch/{number}"))
        if fate == "failed" and not problems:
            problems = [{"code": "invalid_request", "message": "drawn to fail", "line": 1, "param": None}]
        batch = StoredBatch(
            f"batch_sim{number}", form, lines, fate, faults.batch_s, time.monotonic(), time.time(), problems
        )
        batch.done_share = HALF if fate in ("expired", "cancelled") else 1.0
        self.batches[batch.id] = batch
        return batch

    async def _retrieve_batch(self, request: web.Request) -> web.Response:
        self.counts["looks"] += 1
        if (refused := self._refuse(request)) is not None:
            return refused
        if (batch := self._find(request)) is None:
            return answer_error(404, "not_found", "No such batch.")
        return web.json_response(batch.describe())

    async def _cancel(self, request: web.Request) -> web.Response:
        if (batch := self._find(request)) is None:
            return answer_error(404, "not_found", "No such batch.")
        if batch.share < 1 and batch.fate != "failed":
            batch.fate, batch.done_share = "cancelled", batch.share
            batch.started = time.monotonic() - HALF * batch.lasts_s
        return web.json_response(batch.describe())

    async def _list_batches(self, request: web.Request) -> web.Response:
        if (refused := self._refuse(request)) is not None:
            return refused
        found = [self._settle(each) for each in self.batches.values() if not each.is_gone]
        return _answer_page(request, [each.describe() for each in reversed(found)])

    async def _list_files(self, request: web.Request) -> web.Response:
        if (refused := self._refuse(request)) is not None:
            return refused
        purpose = request.query.get("purpose")
        found = [each for each in self.files.values() if purpose in (None, each.purpose)]
        return _answer_page(request, [each.describe() for each in reversed(found)])

    async def _retrieve_file(self, request: web.Request) -> web.Response:
        file = self.files.get(request.match_info["id"])
        return answer_error(404, "not_found", "No such file.") if file is None else web.json_response(file.describe())

    async def _delete_file(self, request: web.Request) -> web.Response:
        if self.files.pop(request.match_info["id"], None) is None:
            return answer_error(404, "not_found", "No such file.")
        return web.json_response({"id": request.match_info["id"], "object": "file", "deleted": True})

    async def _download(self, request: web.Request) -> web.StreamResponse:
        if (refused := self._refuse(request)) is not None:
            return refused
        file = self.files.get(request.match_info["id"])
        if file is None:
            return answer_error(404, "not_found", "No such file.")
        self.counts["downloads"] += 1
        await self._stall("download")
        faults, rng = self.get_faults(), self._draw(f"download {file.id}")
        if rng.random() < faults.download_cut:
            self.counts["download_cut"] += 1
            return await cut(request, file.content)
        short = rng.random() < faults.download_short
        self.counts["download_short"] += short
        content = file.content[: len(file.content) // 2] if short else file.content
        return web.Response(body=content, content_type="application/octet-stream")

    def _find(self, request: web.Request) -> StoredBatch | None:
        batch = self.batches.get(request.match_info["id"])
        return None if batch is None or batch.is_gone else self._settle(batch)

    def _settle(self, batch: StoredBatch) -> StoredBatch:
        """Answer the lines of a batch that is over, once."""
        if batch.share < 1 or batch.is_settled:
            return batch
        batch.is_settled = True
        rng = random.Random(f"{self.seed}/{batch.id}")
        done = 0 if batch.fate in ("failed", "vanished") else ceil(batch.done_share * len(batch.lines))
        outputs: list[bytes] = []
        errors: list[bytes] = []
        for line in batch.lines[:done]:
            status, body = self.answer(line.body)
            response = {"status_code": status, "request_id": f"req-{line.custom_id}", "body": body}
            (outputs if status == 200 else errors).append(_write_line(line, response=response))
        batch.completed, batch.failed = len(outputs), len(errors)
        if batch.fate in ("expired", "cancelled"):
            error = {"code": f"batch_{batch.fate}", "message": f"This request was not run: the batch {batch.fate}."}
            errors += [_write_line(line, error=error) for line in batch.lines[done:]]
        rng.shuffle(outputs)
        outputs = list(self._mess_up(outputs, rng))
        if outputs:
            batch.output_file_id = self._store("batch_output", "output.jsonl", b"".join(outputs)).id
        if errors:
            batch.error_file_id = self._store("batch_output", "error.jsonl", b"".join(errors)).id
        return batch

    def _mess_up(self, lines: list[bytes], rng: random.Random) -> Iterator[bytes]:
        for line in lines:
            if rng.random() >= self.get_faults().batch_mess:
                yield line
                continue
            way = rng.choice(("unknown", "repeated", "missing", "garbage"))
            self.counts[f"mess {way}"] += 1
            if way == "unknown":
                yield from (line, line.replace(b'"custom_id":"', b'"custom_id":"else-', 1))
            elif way == "repeated":
                yield from (line, line)
            elif way == "garbage":
                yield line[: len(line) // 2] + b"\n"

    def _store(self, purpose: str, filename: str, content: bytes) -> StoredFile:
        file = StoredFile(f"file-sim{len(self.files) + 1}", filename, purpose, content, time.time())
        self.files[file.id] = file
        return file

    async def _answer_made(self, request: web.Request, made: dict[str, Any], stage: str) -> web.StreamResponse:
        """Tell what was made, unless the answer is drawn to be lost."""
        await self._stall(stage)
        if self._draw(f"answer {stage}").random() < self.get_faults().answer_lost:
            self.counts["answer_lost"] += 1
            return await cut(request, json.dumps(made).encode())
        return web.json_response(made)

    def _refuse(self, request: web.Request) -> web.Response | None:
        """A 429 or 500, as drawn, before anything is done."""
        call, faults, now = f"{request.method} {request.path}", self.get_faults(), time.monotonic()
        self.counts["before_retry_after"] += now < self._not_before.pop(call, 0.0)
        draw = self._draw(call).random()
        if draw < faults.rate_limited:
            self.counts["rate_limited"] += 1
            self._not_before[call] = now + faults.retry_after_s
            headers = {"Retry-After": f"{faults.retry_after_s:g}"}
            return answer_error(429, "rate_limit_exceeded", "Rate limit reached for requests.", headers)
        if draw < faults.rate_limited + faults.server_error:
            self.counts["refused"] += 1
            return answer_error(500, "server_error", "The server had an error while processing your request.")
        return None

    async def _stall(self, stage: str) -> None:
        faults = self.get_faults()
        if faults.batch_stall == stage:
            self.counts[f"stalled {stage}"] += 1
            await asyncio.sleep(faults.stall_s)

    def _draw(self, what: str) -> random.Random:
        self._asked[what] += 1
        return random.Random(f"{self.seed}/{what}/{self._asked[what]}")


def _validate(form: _CreateForm, content: bytes) -> tuple[list[_Line], list[dict[str, Any]]]:
    """The lines of an input file, and what is wrong with it, as OpenAI would say."""
    lines: list[_Line] = []
    problems: list[dict[str, Any]] = []
    seen: set[str] = set()
    for number, text in enumerate(content.splitlines(), start=1):
        try:
            line = _Line.model_validate_json(text)
        except ValidationError as exc:
            problems.append(_describe_problem("invalid_json_line", exc.errors()[0]["msg"], number))
            continue
        if line.custom_id in seen:
            problems.append(_describe_problem("duplicate_custom_id", line.custom_id, number))
        if line.url != form.endpoint or line.method != "POST":
            problems.append(_describe_problem("mismatched_endpoint", line.url, number))
        if lines and line.body.get("model") != lines[0].body.get("model"):
            problems.append(_describe_problem("mismatched_model", str(line.body.get("model")), number))
        seen.add(line.custom_id)
        lines.append(line)
    if not lines or len(lines) > MAX_REQUESTS or len(content) > MAX_BYTES:
        problems.append(_describe_problem("invalid_size", f"{len(lines)} requests, {len(content)} bytes", None))
    return lines, problems


def _describe_problem(code: str, message: str, line: int | None) -> dict[str, Any]:
    return {"code": code, "message": message, "line": line, "param": None}


def _draw_fate(faults: Faults, rng: random.Random) -> str:
    draw = rng.random()
    for fate in ("failed", "expired", "cancelled", "vanished"):
        share: float = getattr(faults, f"batch_{fate}")
        if draw < share:
            return fate
        draw -= share
    return "completed"


def _count_prompts(lines: list[_Line]) -> int:
    return sum(count_tokens(*(each["content"] for each in line.body["messages"])) for line in lines)


def _write_line(line: _Line, response: dict[str, Any] | None = None, error: dict[str, Any] | None = None) -> bytes:
    about = {"id": f"batch_req_{line.custom_id}", "custom_id": line.custom_id}
    text = json.dumps({**about, "response": response, "error": error}, ensure_ascii=False, separators=(",", ":"))
    return text.encode() + b"\n"


def _answer_page(request: web.Request, items: list[dict[str, Any]]) -> web.Response:
    limit, after = int(request.query.get("limit", "20")), request.query.get("after")
    ids = [item["id"] for item in items]
    start = ids.index(after) + 1 if after in ids else 0
    page = items[start : start + limit]
    return web.json_response({"object": "list", "data": page, "has_more": start + limit < len(items)})
