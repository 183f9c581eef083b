"""With accounts: who asks is told by a session's cookie, or by a proxy that is trusted to know.

The account is looked up at every request, so that a disabled reviewer is out at the next click. Hashing runs in threads
of its own, two at a time, and never in the way of those who work.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from aiohttp import web

from datagen.errors import UsageError
from review_ui.access.accounts import Account, Accounts, check_name
from review_ui.access.origin import Place
from review_ui.access.proxy import Proxies
from review_ui.access.sessions import COOKIE, Sessions, open_sessions
from review_ui.access.throttle import PER_ADDRESS, PER_NAME, Throttle, name_network
from review_ui.access.tokens import is_token, name_nobody
from review_ui.access.visit import Visit
from review_ui.api.call import ApiError, Role, User

HASHERS = 2
LOOKERS = 2
MAX_WAITING = 16
"""Log-ins that wait for a hasher, about two seconds' worth; more are sent away at once."""
WAIT_S = 3


@dataclass(frozen=True, slots=True)
class Trust:
    """What is believed of proxies. `default_role`: of users whom only the proxy knows; None: they are refused."""

    proxies: Proxies = field(default_factory=Proxies)
    default_role: Role | None = None


class AccountAccess:
    """Reviewers with accounts. Closes them with it."""

    def __init__(self, accounts: Accounts, trust: Trust, clock: Callable[[], float]) -> None:
        self.accounts = accounts
        self._trust = trust
        self._clock = clock
        self._sessions: Sessions = open_sessions(accounts.database)
        self._names, self._addresses = Throttle(PER_NAME), Throttle(PER_ADDRESS)
        self._hashers = ThreadPoolExecutor(HASHERS, thread_name_prefix="hash")
        self._lookers = ThreadPoolExecutor(LOOKERS, thread_name_prefix="account")
        self._waiting = 0

    def locate(self, request: web.Request) -> Place:
        place = self._trust.proxies.find_place(request)
        if place is None:
            raise ApiError(400, "host", "the request names no host")
        return place

    async def identify(self, request: web.Request) -> Visit | None:
        vouched = self._trust.proxies.find_user(request)
        if vouched is not None:
            return await self._admit(vouched)
        cookie = request.cookies.get(COOKIE, "")
        session = self._sessions.open(cookie, self._clock()) if cookie else None
        if session is None:
            return None
        account = await self._find(session.name)
        if account is None or not account.is_active or account.generation != session.generation:
            return None
        return Visit(User(account.name, account.role), self._sessions.derive_csrf(session.nonce), can_log_out=True)

    async def _admit(self, vouched: str) -> Visit:
        """Somebody whom a trusted proxy names."""
        try:
            name = check_name(vouched)
        except UsageError as exc:
            raise ApiError(403, "unknown-user", exc.message) from exc
        account = await self._find(name)
        role = account.role if account is not None else self._trust.default_role
        if role is None or (account is not None and not account.is_active):
            raise ApiError(403, "unknown-user", f"{name} is no reviewer here", "an admin can add you")
        return Visit(User(name, role), self._sessions.derive_csrf(f"proxy {name}"))

    async def _find(self, name: str) -> Account | None:
        return await asyncio.get_running_loop().run_in_executor(self._lookers, self.accounts.find, name)

    async def log_in(self, request: web.Request, name: str, token: str) -> str:
        """The cookie of a new session. Raises ApiError: 401 where name or token are wrong, 429 where it was too often.

        An unknown, a disabled and a known name take equally long, and are answered alike.
        """
        now, address = self._clock(), name_network(self._trust.proxies.find_address(request))
        key = name[:100]
        wait = max(self._names.wait_for(key, now), self._addresses.wait_for(address, now))
        if not wait and self._waiting >= HASHERS + MAX_WAITING:
            wait = WAIT_S
        if wait:
            raise ApiError(429, "too-many", "too many tries to log in", str(wait))
        for throttle, bucket in ((self._names, key), (self._addresses, address)):
            throttle.take(bucket, now)
        account = await self._check(name, token)
        if account is None:
            raise ApiError(401, "log-in", "the name or the token is wrong")
        for throttle, bucket in ((self._names, key), (self._addresses, address)):
            throttle.give_back(bucket, now)
        return self._sessions.seal(account.name, account.generation, now)

    async def _check(self, name: str, token: str) -> Account | None:
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._hashers, self._compare, name, token[:200])
        finally:
            self._waiting -= 1

    def _compare(self, name: str, token: str) -> Account | None:
        try:
            account = self.accounts.find(check_name(name.strip()))
        except UsageError:
            account = None
        salt, stored = (
            (account.salt, account.hash)
            if account is not None and account.is_active
            else name_nobody(self.accounts.cost)
        )
        return account if is_token(token, salt, stored) else None

    def log_out(self, request: web.Request) -> None:
        """End the session of this request."""
        session = self._sessions.open(request.cookies.get(COOKIE, ""), self._clock())
        if session is not None:
            self._sessions.end(session, self._clock())

    def close(self) -> None:
        self._hashers.shutdown(wait=True, cancel_futures=True)
        self._lookers.shutdown(wait=True)
        self.accounts.close()
