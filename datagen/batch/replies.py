"""What an endpoint says of files and batches, read at the border; fields that we do not use are ignored."""

from dataclasses import dataclass
from typing import Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from datagen.retry import BadReplyError

OVER = frozenset({"completed", "failed", "expired", "cancelled", "vanished"})
"""The endpoint's own words, and ours for a batch that it no longer has."""

Form = TypeVar("Form", bound=BaseModel)


class FileReply(BaseModel):
    id: str
    filename: str | None = None
    bytes: int | None = None


class _Counts(BaseModel):
    completed: int | None = None
    failed: int | None = None


class _Error(BaseModel):
    model_config = ConfigDict(coerce_numbers_to_str=True)

    code: str | None = None
    message: str | None = None


class _Errors(BaseModel):
    data: list[_Error] | None = None


class BatchReply(BaseModel):
    id: str
    status: str
    input_file_id: str | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None
    errors: _Errors | None = None
    request_counts: _Counts | None = None
    metadata: dict[str, object] | None = None


class FilePage(BaseModel):
    data: list[FileReply]
    has_more: bool | None = None


class BatchPage(BaseModel):
    data: list[BatchReply]
    has_more: bool | None = None


class RawReply(Protocol):
    """The client's answer before it is read: the client itself makes an object of any JSON."""

    @property
    def content(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Sight:
    """A batch as the endpoint shows it."""

    status: str
    completed: int = 0
    failed: int = 0
    output_file_id: str | None = None
    error_file_id: str | None = None
    problems: tuple[tuple[str, str], ...] = ()
    """Code and message of what was wrong with it as a whole."""

    @property
    def is_over(self) -> bool:
        return self.status in OVER


def read_reply(form: type[Form], raw: RawReply) -> Form:
    """Raises BadReplyError where the answer is something else."""
    try:
        return form.model_validate_json(raw.content)
    except ValidationError as exc:
        start = raw.content[:120].decode("utf-8", errors="replace")
        raise BadReplyError(f"expected a {form.__name__}, got {start!r}") from exc


def to_sight(reply: BatchReply) -> Sight:
    counts = reply.request_counts or _Counts()
    errors = (reply.errors.data if reply.errors else None) or []
    return Sight(
        status=reply.status,
        completed=counts.completed or 0,
        failed=counts.failed or 0,
        output_file_id=reply.output_file_id,
        error_file_id=reply.error_file_id,
        problems=tuple((each.code or "error", each.message or "") for each in errors),
    )
