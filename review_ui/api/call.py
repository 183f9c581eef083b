"""How a route of the API is told: method, path, who may, what goes in, what comes out.

The app and openapi.json are both made from it, so neither can differ from the other.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, cast

from pydantic import BaseModel

from review_ui.cards.media import StoredFile
from review_ui.reviewed_run import ReviewedRun
from review_ui.service import Service

Role = Literal["reviewer", "author", "admin"]
ROLES: tuple[Role, ...] = ("reviewer", "author", "admin")
"""Each may what those before it may."""


@dataclass(frozen=True, slots=True)
class User:
    """Who asks."""

    name: str
    role: Role

    def may(self, role: Role) -> bool:
        return ROLES.index(self.role) >= ROLES.index(role)


@dataclass(frozen=True, slots=True)
class Call:
    """One request, read and checked."""

    service: Service
    user: User
    body: BaseModel | None = None
    path: dict[str, str] = field(default_factory=dict)
    query: BaseModel | None = None
    csrf: str = ""
    address: str = ""

    @property
    def run(self) -> ReviewedRun:
        """The run that the path names. Raises ApiError where there is none of that name."""
        name = self.path["run"]
        if name not in self.service.runs:
            known = ", ".join(self.service.runs)
            raise ApiError(404, "unknown-run", f"there is no run '{name}' here", f"there are: {known}")
        return self.service.runs[name]


class ApiError(Exception):
    """An answer that is no success; `status` is HTTP's."""

    def __init__(self, status: int, code: str, message: str, hint: str | None = None, **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.hint = hint
        self.more = more


Handler = Callable[[Call], Awaitable[BaseModel | StoredFile | AsyncGenerator[BaseModel, None]]]
"""Gives the answer, which may be a file, or of a stream its events."""


@dataclass(frozen=True, slots=True)
class Route:
    """One operation. `refusals`: the status codes that it answers beside the common ones (400, 401, 403, 413, 422).

    `is_stream`: it answers with server-sent events, each of the form `answer`. `answer` None: with a stored file.
    """

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    handler: Handler
    summary: str
    answer: type[BaseModel] | None
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    role: Role = "reviewer"
    refusals: Sequence[int] = ()
    is_stream: bool = False

    @property
    def is_write(self) -> bool:
        return self.method != "GET"


def body_of(call: Call, form: type[Any]) -> Any:
    """The body, of the form that the route declares."""
    assert isinstance(call.body, form)
    return cast(Any, call.body)
