"""Without a log-in: on loopback whoever reaches the service owns the machine, and may everything.

What a web page elsewhere could make that person's browser do is shut out: the Host header has to be a loopback name (no
DNS rebinding), and a write needs the token that only our own pages can read.
"""

import ipaddress
import secrets

from aiohttp import web
from yarl import URL

from review_ui.access.visit import Visit
from review_ui.api.call import User


class LoopbackAccess:
    """Everybody is the one reviewer of this name."""

    has_log_in = False

    def __init__(self, reviewer: str) -> None:
        self._visit = Visit(User(reviewer, "admin"), secrets.token_urlsafe(24))

    async def identify(self, request: web.Request) -> Visit | None:  # noqa: ARG002 - everybody is known
        return self._visit

    def is_own_host(self, host: str) -> bool:
        name = URL(f"http://{host}").host or ""
        if name == "localhost":
            return True
        try:
            return ipaddress.ip_address(name).is_loopback
        except ValueError:
            return False
