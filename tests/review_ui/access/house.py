"""A service with accounts, listening on loopback for as long as a block runs, and people who come to its door."""

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from curation.reviewing.connect import open_database
from review_ui.access.accounts import Accounts
from review_ui.access.log_in import AccountAccess, Trust
from review_ui.access.loopback import LoopbackAccess
from review_ui.access.tokens import Cost
from review_ui.access.visit import Access
from review_ui.app import build_app
from review_ui.http import listen
from review_ui.reviewed_run import ReviewedRun
from review_ui.service import Service

CHEAP = Cost(n=2**12, r=8, p=1)
"""Ten milliseconds a try."""


class Clock:
    """Stands still until a test moves it."""

    def __init__(self) -> None:
        self.now = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class House:
    """`url`: of the service."""

    url: str
    accounts: Accounts
    clock: Clock
    tokens: dict[str, str] = field(default_factory=dict)

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def add(self, name: str, role: str = "reviewer") -> str:
        self.tokens[name] = self.accounts.add(name, role)
        return self.tokens[name]

    def come(self) -> aiohttp.ClientSession:
        """A browser of one's own, as yet unknown."""
        return aiohttp.ClientSession(self.url, cookie_jar=aiohttp.CookieJar(unsafe=True))

    async def try_log_in(
        self, browser: aiohttp.ClientSession, name: str, token: str, **headers: str
    ) -> aiohttp.ClientResponse:
        form = {"name": name, "token": token, "next": "/api/v1/me"}
        async with browser.post("/log-in", data=form, headers=headers, allow_redirects=False) as answer:
            await answer.read()
            return answer

    @asynccontextmanager
    async def visit(self, name: str) -> AsyncIterator[aiohttp.ClientSession]:
        """A browser in which this reviewer has logged in; its writes carry the token."""
        async with self.come() as browser:
            assert (await self.try_log_in(browser, name, self.tokens[name])).status == 303
            async with browser.get("/api/v1/me") as me:
                browser.headers["X-CSRF-Token"] = (await me.json())["csrf"]
            yield browser

    async def send(self, text: bytes) -> bytes:
        """The answer to these very bytes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(text)
            await writer.drain()
            return await asyncio.wait_for(reader.read(), 60)
        finally:
            writer.close()


@asynccontextmanager
async def open_house(
    folder: Path, trust: Trust | None = None, runs: Mapping[str, ReviewedRun] | None = None, has_log_in: bool = True
) -> AsyncIterator[House]:
    clock = Clock()
    accounts = Accounts(open_database(f"sqlite:///{folder / 'accounts.db'}"), clock, CHEAP)
    access: Access = AccountAccess(accounts, trust or Trust(), clock) if has_log_in else LoopbackAccess("reviewer-a")
    app = build_app(Service(runs or {}, clock, accounts if has_log_in else None), access)
    url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()

    async def wait(given: str) -> None:
        url.set_result(given)
        await stop.wait()

    task = asyncio.create_task(listen(app, ("127.0.0.1", 0), wait))
    try:
        yield House(await url, accounts, clock)
    finally:
        stop.set()
        await task
        accounts.close()


def read_field(page: str, name: str) -> str:
    """The value of a hidden field."""
    found = re.search(rf'name="{name}" value="([^"]*)"', page)
    assert found is not None
    return found[1]
