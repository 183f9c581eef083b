"""The API of builds over HTTP, with the real command, offline: start, follow, stop, resume, and the service's end."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from pydantic import BaseModel

from datagen.run_folder import find_holder, lock_run
from review_ui.event_stream import send_events
from tests.review_ui.authors.studio import SLOW, Json, Studio, ask, open_studio, parse_events, read_events

pytestmark = pytest.mark.slow

Edit = Callable[[Path, str, str], None]
ROOT = Path(__file__).parents[3]
BUILD = "/builds/test-run"
EVENTS = "/builds/test-run/events"


async def start(client: aiohttp.ClientSession) -> None:
    status, answer = await ask(client, "POST", "/builds", {"spec": "test-data"})
    assert (status, answer["state"]) == (200, "running"), answer


async def reach(client: aiohttp.ClientSession, accepted: int) -> Json:
    async with asyncio.timeout(60):
        while True:
            _, build = await ask(client, "GET", BUILD)
            if build["accepted"] >= accepted or not build["is_under_way"]:
                return build
            await asyncio.sleep(0.1)


async def test_a_build_is_followed_to_its_end_by_all_and_then_reviewed(
    client: aiohttp.ClientSession,
) -> None:
    _, before = await ask(client, "GET", BUILD)
    assert (before["state"], before["accepted"]) == ("none", 0)
    assert await read_events(client, EVENTS) == [before]
    await start(client)
    every = await asyncio.gather(
        read_events(client, EVENTS), read_events(client, EVENTS), read_events(client, EVENTS, **{"Last-Event-ID": "7"})
    )
    for events in every:
        assert (events[0]["state"], events[-1]["state"]) == ("running", "done")
        assert [each["state"] for each in events].count("done") == 1
    end = every[0][-1]
    assert (end["exit_code"], end["quota"], end["curated"]) == (0, 20, 20)
    assert {topic["name"]: topic["curated"] for topic in end["topics"]} == {"일상 대화": 12, "보고 싶다는 표현": 8}
    assert any("20 of 20" in line for line in end["lines"])
    _, runs = await ask(client, "GET", "/runs")
    assert [run["name"] for run in runs["runs"]] == ["test-run"]
    assert runs["runs"][0]["samples"] >= 20
    assert await read_events(client, EVENTS) == [end]


async def test_a_run_whose_first_build_nobody_watched_is_reviewed_too(client: aiohttp.ClientSession) -> None:
    await start(client)
    for _ in range(300):
        if (await ask(client, "GET", "/runs"))[1]["runs"]:
            return
        await asyncio.sleep(0.2)
    raise AssertionError("the run was not taken in")


async def test_one_build_of_a_run_at_a_time(studio: Studio, client: aiohttp.ClientSession, edit: Edit) -> None:
    edit(studio.spec, *SLOW)
    await start(client)
    status, answer = await ask(client, "POST", "/builds", {"spec": "test-data"})
    assert (status, answer["code"]) == (409, "busy")
    _, build = await ask(client, "GET", BUILD)
    assert f"pid {build['pid']}" in answer["message"]


async def test_a_run_that_another_process_holds_is_told_with_its_pid_and_not_stopped(
    studio: Studio, client: aiohttp.ClientSession
) -> None:
    with lock_run(studio.run):
        status, answer = await ask(client, "POST", "/builds", {"spec": "test-data"})
        assert (status, answer["code"]) == (409, "busy")
        assert f"pid {os.getpid()}" in answer["message"]
        _, listed = await ask(client, "GET", "/builds")
        assert [(each["run"], each["state"], each["pid"]) for each in listed["builds"]] == [
            ("test-run", "elsewhere", os.getpid())
        ]
        status, answer = await ask(client, "DELETE", BUILD)
        assert (status, answer["code"]) == (409, "elsewhere")
        stream = asyncio.create_task(read_events(client, EVENTS))
        await asyncio.sleep(0.5)
        assert not stream.done()
    assert [each["state"] for each in await stream][-1] == "none"


async def test_a_stopped_build_keeps_what_it_made_and_the_next_goes_on(
    studio: Studio, client: aiohttp.ClientSession, edit: Edit
) -> None:
    edit(studio.spec, *SLOW)
    await start(client)
    await reach(client, accepted=10)
    status, answer = await ask(client, "DELETE", BUILD)
    assert (status, answer["state"]) == (200, "stopping")
    stopped = (await read_events(client, EVENTS))[-1]
    assert (stopped["state"], stopped["exit_code"]) == ("stopped", 130)
    assert stopped["accepted"] >= 10
    status, again = await ask(client, "DELETE", BUILD)
    assert (status, again["state"]) == (200, "stopped")
    edit(studio.spec, SLOW[1], SLOW[0])
    await start(client)
    done = (await read_events(client, EVENTS))[-1]
    assert done["state"] == "done"
    assert done["requests"] >= stopped["requests"]
    assert done["accepted"] >= stopped["accepted"]


async def test_a_build_that_fails_says_why(studio: Studio, client: aiohttp.ClientSession, edit: Edit) -> None:
    edit(studio.spec, "quota: 12 ", "quota: 많이 ")
    await start(client)
    end = (await read_events(client, EVENTS))[-1]
    assert (end["state"], end["exit_code"]) == ("failed", 2)
    assert any("`topics[1].quota` is '많이', expected a whole number" in line for line in end["lines"])


@pytest.mark.parametrize("budget", [0, -1, "3", 1e12])
async def test_a_budget_is_a_number_above_zero(client: aiohttp.ClientSession, budget: object) -> None:
    status, _ = await ask(client, "POST", "/builds", {"spec": "test-data", "budget_usd": budget})
    assert status == 422


async def test_head_of_a_stream_has_its_headers_alone(client: aiohttp.ClientSession) -> None:
    async with client.head(f"/api/v1{EVENTS}") as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert await answer.read() == b""


async def test_the_services_end_stops_a_build_in_order_and_ends_its_streams(
    spec: Path, tmp_path: Path, edit: Edit
) -> None:
    edit(spec, *SLOW)
    async with open_studio(tmp_path, spec) as studio:
        client = studio.come()
        async with client.get("/api/v1/me") as me:
            client.headers["X-CSRF-Token"] = (await me.json())["csrf"]
        await start(client)
        await reach(client, accepted=5)
        stream = asyncio.create_task(read_events(client, EVENTS))
        await asyncio.sleep(0.5)
    events = await stream
    await client.close()
    assert [each["state"] for each in events][-2:] == ["stopping", "stopped"]
    assert events[-1]["exit_code"] == 130
    assert find_holder(studio.run) is None


class Tick(BaseModel):
    number: int


@pytest.fixture
def closed() -> asyncio.Event:
    """Set once the events' generator was closed."""
    return asyncio.Event()


@pytest.fixture
async def stream(closed: asyncio.Event) -> AsyncIterator[str]:
    """A server of one event and then silence, heartbeats every 20 ms, for 10 s, or as many as `?lasts=` says."""

    async def tick() -> AsyncGenerator[BaseModel, None]:
        try:
            yield Tick(number=1)
            await asyncio.Event().wait()
        finally:
            closed.set()

    async def answer(request: web.Request) -> web.StreamResponse:
        return await send_events(request, tick(), 0.02, float(request.query.get("lasts", "10")))

    app = web.Application()
    app.router.add_get("/", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    await runner.cleanup()


async def test_a_silent_stream_beats_and_ends_after_its_time(stream: str, closed: asyncio.Event) -> None:
    async with aiohttp.ClientSession() as client, client.get(f"{stream}?lasts=0.3") as answer:
        text = await answer.text()
    assert parse_events(text) == [{"number": 1}]
    assert text.startswith("retry: ")
    assert text.count(": \n\n") > 3
    assert closed.is_set()


async def test_one_who_leaves_leaves_nothing_behind(stream: str, closed: asyncio.Event) -> None:
    async with aiohttp.ClientSession() as client, client.get(stream) as answer:
        await answer.content.readuntil(b"data: ")
    await asyncio.wait_for(closed.wait(), 5)


def test_sigterm_of_the_service_stops_its_build_so_that_it_can_be_resumed(
    spec: Path, tmp_path: Path, edit: Edit
) -> None:
    edit(spec, *SLOW)
    run = tmp_path / "new-run"
    command = [sys.executable, "-m", "damhwa", "review", str(run), "--spec", str(spec), "--offline", "--port", "0"]
    environment = {**os.environ, "XDG_DATA_HOME": str(tmp_path / "data")}
    service = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, encoding="utf-8")
    try:
        assert service.stderr is not None
        found = re.search(r"http://\S+", line := service.stderr.readline())
        assert found is not None, line + service.stderr.read()
        asyncio.run(_start_and_reach(found[0]))
        holder = find_holder(run)
        assert holder not in (None, service.pid)
        service.send_signal(signal.SIGTERM)
        service.communicate(timeout=60)
    finally:
        service.kill()
        service.communicate()
    assert service.returncode == 0
    assert find_holder(run) is None
    assert "stopping: waiting for the requests in flight" in (run / ".build.log").read_text("utf-8")


async def _start_and_reach(url: str) -> None:
    async with aiohttp.ClientSession(url) as client:
        async with client.get("/") as page:
            assert page.status == 200
            assert "아직 검수할 대화가 없습니다." in await page.text()
        async with client.get("/dashboard") as page:
            assert page.status == 404
        async with client.get("/api/v1/me") as me:
            client.headers["X-CSRF-Token"] = (await me.json())["csrf"]
        status, _ = await ask(client, "POST", "/builds", {"spec": "test-data"})
        assert status == 200
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            _, build = await ask(client, "GET", "/builds/new-run")
            if build["accepted"] >= 5:
                return
            await asyncio.sleep(0.2)
    raise AssertionError(build)
