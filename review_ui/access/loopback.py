"""Without a log-in: on loopback whoever reaches the service owns the machine, and may everything.

What a web page elsewhere could make that person's browser do is shut out: the Host header has to be a loopback name (no
DNS rebinding), and a write needs the token that only our own pages can read. What a proxy passes on is refused: behind
it may be anybody.
"""

import ipaddress
import secrets

from aiohttp import web

from review_ui.access.origin import Place, read_host
from review_ui.access.proxy import FORWARDED
from review_ui.access.visit import Visit
from review_ui.api.call import ApiError, User


class LoopbackAccess:
    """Everybody is the one reviewer of this name."""

    def __init__(self, reviewer: str) -> None:
        self._visit = Visit(User(reviewer, "admin"), secrets.token_urlsafe(24))

    def locate(self, request: web.Request) -> Place:
        hosts = request.headers.getall("Host", [])
        place = read_host("http", hosts[0]) if len(hosts) == 1 else None
        if place is None:
            raise ApiError(400, "host", "the request names no host")
        if not is_loopback(place.host):
            raise ApiError(403, "host", f"this service does not answer for the host {place.host[:100]!r}")
        if any(name in request.headers for name in FORWARDED):
            told = "this came through a proxy, and nobody logs in here"
            raise ApiError(403, "proxy", told, "start with `damhwa review --accounts --trusted-proxy ADDRESS`")
        return place

    async def identify(self, request: web.Request) -> Visit | None:  # noqa: ARG002 - everybody is known
        return self._visit

    def close(self) -> None:
        pass


def is_loopback(host: str) -> bool:
    """Whether this name or address can only be reached from the machine itself."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
