"""Who is asking: the seam between requests and users, so that the app need not know how people log in."""

from dataclasses import dataclass
from typing import Final, Protocol

from aiohttp import web

from review_ui.access.origin import Place
from review_ui.api.call import User


@dataclass(frozen=True, slots=True)
class Visit:
    """A request of somebody known. `csrf`: the token that every write of theirs has to carry.

    `can_log_out`: they logged in here; nobody did on loopback, and a proxy's users did elsewhere.
    """

    user: User
    csrf: str
    can_log_out: bool = False


class Access(Protocol):
    """Tells who asks."""

    def locate(self, request: web.Request) -> Place:
        """Where the browser thinks it is. Raises ApiError where that is no place, or not ours."""
        ...

    async def identify(self, request: web.Request) -> Visit | None:
        """Who asks; None: nobody known. Raises ApiError where somebody is known and not admitted."""
        ...

    def close(self) -> None: ...


ACCESS: Final[web.AppKey[Access]] = web.AppKey("access", Access)
VISIT: Final[web.RequestKey[Visit | None]] = web.RequestKey("visit", object)  # type: ignore[arg-type]
"""Where a request keeps its Visit, or None."""
