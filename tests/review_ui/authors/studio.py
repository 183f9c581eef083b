"""A review service with one spec that may be edited and built offline, listening on loopback while a block runs."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from curation.reviewing.connect import open_database
from review_ui.access.accounts import Accounts
from review_ui.access.log_in import AccountAccess, Trust
from review_ui.access.loopback import LoopbackAccess
from review_ui.access.visit import Access
from review_ui.app import build_app
from review_ui.authoring.open_specs import OpenSpec
from review_ui.authoring.workshop import Workshop
from review_ui.http import listen
from review_ui.reviewed_run import ReviewOptions
from review_ui.service import Service
from tests.review_ui.access.house import CHEAP, Clock, House

SLOW = ("quota: 12", "quota: 1200")
"""A quota that takes the simulator longer than a test waits."""
Json = dict[str, Any]


@dataclass
class Studio(House):
    """`spec`: the file; `run`: the folder that it builds; `stop`: set to end the service."""

    spec: Path = Path()
    run: Path = Path()
    service: Service | None = None

    @asynccontextmanager
    async def enter(self) -> AsyncIterator[aiohttp.ClientSession]:
        """A client of the one who needs no log-in."""
        async with self.come() as client:
            async with client.get("/api/v1/me") as me:
                client.headers["X-CSRF-Token"] = (await me.json())["csrf"]
            yield client


@asynccontextmanager
async def open_studio(folder: Path, spec: Path, has_log_in: bool = False) -> AsyncIterator[Studio]:
    run, clock = folder / "test-run", Clock()
    accounts = Accounts(open_database(f"sqlite:///{folder / 'accounts.db'}"), clock, CHEAP)
    access: Access = AccountAccess(accounts, Trust(), clock) if has_log_in else LoopbackAccess("author-a")
    workshop = Workshop([OpenSpec("test-data", spec, run)], is_offline=True)
    service = Service({}, clock, accounts if has_log_in else None, workshop, ReviewOptions())
    url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()

    async def wait(given: str) -> None:
        url.set_result(given)
        await stop.wait()

    task = asyncio.create_task(listen(build_app(service, access), ("127.0.0.1", 0), wait))
    try:
        yield Studio(await url, accounts, clock, spec=spec, run=run, service=service)
    finally:
        stop.set()
        await task
        accounts.close()


async def ask(client: aiohttp.ClientSession, method: str, path: str, body: Json | None = None) -> tuple[int, Json]:
    """Status and answer of the API."""
    async with client.request(method, f"/api/v1{path}", json=body) as answer:
        return answer.status, await answer.json()


async def read_events(client: aiohttp.ClientSession, path: str, **headers: str) -> list[Json]:
    """All events of a stream, to its end."""
    async with client.get(f"/api/v1{path}", headers=headers) as answer:
        assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        return parse_events(await answer.text())


def parse_events(text: str) -> list[Json]:
    lines = [line for line in text.split("\n") if line.startswith("data: ")]
    return [json.loads(line.removeprefix("data: ")) for line in lines]


def change(spec: Json, act: Callable[[list[Json]], object]) -> Json:
    """The edit that `act` makes of the topics that the API told."""
    topics = [{"original": topic["name"], **topic} for topic in spec["topics"]]
    act(topics)
    return {"fingerprint": spec["fingerprint"], "topics": topics}
