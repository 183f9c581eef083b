"""A batch's output and error files, line by line: what became of which request.

Lines come in any order. What cannot be read, or belongs to no request of the batch, is told and costs only itself.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from datagen.answer import Answer, read_answer, read_json
from datagen.batch.request_file import read_id
from datagen.retry import BadReplyError, Failure, understand_status

NOT_RUN = frozenset({"batch_expired", "batch_cancelled"})
"""Errors of requests that were never started (OpenAI's reference, `BatchRequestOutput`): nothing was paid for them."""


class _Error(BaseModel):
    model_config = ConfigDict(coerce_numbers_to_str=True)  # vLLM's code is a number

    code: str | None = None
    type: str | None = None
    message: str | None = None


class _ErrorBody(BaseModel):
    error: _Error = _Error()


class _Response(BaseModel):
    status_code: int
    body: object = None


class _Line(BaseModel):
    custom_id: str
    response: _Response | None = None
    error: _Error | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What became of the request on `line` of the input: an answer, a failure, or neither, if it was not run."""

    line: int
    answer: Answer | None = None
    failure: Failure | None = None


@dataclass(frozen=True, slots=True)
class OddLine:
    """A line that leads to no request. `kind`: `garbage` or `unknown`."""

    kind: str


@dataclass(frozen=True, slots=True)
class ResultReader:
    """Reads the files of one batch. `host` names who answered, where an answer does not."""

    name: str
    lines: frozenset[int]
    """Of the input file."""
    host: str

    def read(self, path: Path) -> Iterator[Result | OddLine]:
        with path.open("rb") as file:
            for text in file:
                if text.strip():
                    yield self._read_line(text)

    def _read_line(self, text: bytes) -> Result | OddLine:
        try:
            found = read_json(_Line, text)
        except ValidationError:
            return OddLine("garbage")
        line = read_id(self.name, found.custom_id)
        if line is None or line not in self.lines:
            return OddLine("unknown")
        return self._judge(line, found)

    def _judge(self, line: int, found: _Line) -> Result:
        if found.error is not None:
            code, message = found.error.code or found.error.type or "error", found.error.message or ""
            failed = Failure("again", code, f"{code} {message}".strip())
            return Result(line) if code in NOT_RUN else Result(line, failure=failed)
        if found.response is None:
            return Result(line, failure=Failure("again", "bad-reply", "the line has neither response nor error"))
        body = json.dumps(found.response.body, ensure_ascii=False).encode(errors="replace")
        if found.response.status_code != 200:
            return Result(line, failure=_understand_error(found.response.status_code, body))
        try:
            return Result(line, answer=read_answer(body, self.host))
        except BadReplyError as exc:
            return Result(line, failure=Failure("again", "bad-reply", str(exc)))


def _understand_error(status: int, body: bytes) -> Failure:
    try:
        error = _ErrorBody.model_validate_json(body).error
    except ValidationError:
        error = _Error()
    return understand_status(status, error.code, error.type, f"{status} {error.message or ''}".strip())


def is_whole(path: Path, expected_lines: int) -> bool:
    """Whether a download has so many lines, at least, and does not break off within the last."""
    count, last = 0, b""
    with path.open("rb") as file:
        for last in file:
            count += bool(last.strip())
    return count >= expected_lines and (last.endswith(b"\n") or not last or _is_json(last))


def _is_json(text: bytes) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
