"""Who is asking: the seam between requests and users, so that the app need not know how people log in."""

from dataclasses import dataclass
from typing import Protocol

from aiohttp import web

from review_ui.api.call import User


@dataclass(frozen=True, slots=True)
class Visit:
    """A request of somebody known. `csrf`: the token that every write of theirs has to carry."""

    user: User
    csrf: str


class Access(Protocol):
    """Tells who asks. `has_log_in`: whether there is something to log in to."""

    has_log_in: bool

    async def identify(self, request: web.Request) -> Visit | None:
        """Who asks; None: nobody known."""
        ...

    def is_own_host(self, host: str) -> bool:
        """Whether a Host header (with port) names this service."""
        ...
