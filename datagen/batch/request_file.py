"""A batch's input file: one request a line, within the endpoint's limits, each with an id that leads back to it."""

import json
import re
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one file. OpenAI's reference of `POST /v1/batches` (2026): 50,000 requests, 200 MB, one model."""

    requests: int = 50_000
    size: int = 200_000_000
    """Bytes."""


@dataclass(slots=True)
class RequestFile:
    """A file that is being filled. `name` is unlike that of any other batch."""

    name: str
    limits: Limits
    size: int = 0
    _count: int = 0
    _content: BytesIO = field(default_factory=BytesIO)

    def __len__(self) -> int:
        return self._count

    def add(self, path: str, body: dict[str, Any]) -> bool:
        """Add a request to `path`; False, and nothing is added, where it would pass the limits.

        The first one is always added: if it is too large by itself, that is for the endpoint to say.
        """
        request = {"custom_id": write_id(self.name, len(self)), "method": "POST", "url": path, "body": body}
        line = json.dumps(request, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
        if self._count and (self._count >= self.limits.requests or self.size + len(line) > self.limits.size):
            return False
        self._content.write(line)
        self._count += 1
        self.size += len(line)
        return True

    @property
    def content(self) -> bytes:
        return self._content.getvalue()


def write_id(name: str, line: int) -> str:
    """The `custom_id` of a request: it names the batch too, so that a line of another one is told from ours."""
    return f"{name}-{line}"


def read_id(name: str, custom_id: str) -> int | None:
    """The line of a request of this batch; None where the id is none of it."""
    found = re.fullmatch(rf"{re.escape(name)}-(0|[1-9][0-9]{{0,8}})", custom_id)
    return int(found[1]) if found else None
