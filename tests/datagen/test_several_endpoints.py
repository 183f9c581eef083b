"""Whole runs against several real servers, of which some are slow, dead, wrong, or hang."""

import asyncio
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from datagen.endpoint_options import SIMULATOR_MODEL, ProviderOptions
from datagen.errors import ProviderError
from datagen.simulator.faults import Faults
from datagen.simulator.server import Simulator
from datagen.start import generate
from datagen.status import draw_status, read_status
from datagen.store import read_dialogues
from tests.conftest import serve_in_thread

StartSimulator = Callable[..., tuple[str, Simulator]]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
StartServer = Callable[[Handler], str]
Edit = Callable[[Path, str, str], None]

QUOTAS = {"일상 대화": 112, "보고 싶다는 표현": 8}


@pytest.fixture
def large(spec: Path, edit: Edit) -> Path:
    """The spec with 120 dialogues."""
    edit(spec, "quota: 12", "quota: 112")
    return spec


def ask(*urls: str, **options: Any) -> ProviderOptions:
    return ProviderOptions(base_urls=urls, **options)


def count_topics(run: Path) -> dict[str, int]:
    return dict(Counter(dialogue.topic for dialogue in read_dialogues(run / "dialogues")))


def read_column(run: Path, expression: str) -> list[Any]:
    connection = sqlite3.connect(run / "ledger.db")
    rows = connection.execute(f"SELECT {expression} FROM attempts").fetchall()
    connection.close()
    return [row[0] for row in rows]


def fail_with(status: int, **headers: str) -> Handler:
    async def handle(_: web.Request) -> web.Response:
        body = {"error": {"message": "말썽", "type": "oops", "code": "oops"}}
        return web.json_response(body, status=status, headers=headers)

    return handle


def test_of_a_slow_and_a_fast_endpoint_the_fast_one_answers_most(
    large: Path, tmp_path: Path, start_simulator: StartSimulator
) -> None:
    (slow, one), (fast, two) = start_simulator(latency_s=0.6), start_simulator(latency_s=0.06)
    started = time.monotonic()
    summary = generate(str(large), tmp_path / "run", ask(slow, fast))
    assert time.monotonic() - started < 6  # half and half would take 60 × 0.6 s ÷ 4 = 9 s at the slow one
    assert count_topics(tmp_path / "run") == QUOTAS
    assert two.counts["paid"] > 4 * one.counts["paid"] > 0
    assert {each["base_url"]: each["answers"] for each in summary["endpoints"]} == {
        slow: one.counts["paid"],
        fast: two.counts["paid"],
    }


def test_the_ledger_says_who_answered_and_status_tells_it(
    large: Path, tmp_path: Path, start_simulator: StartSimulator
) -> None:
    (first, one), (second, two) = start_simulator(server_error=0.3), start_simulator(latency_s=0.02)
    generate(str(large), tmp_path / "run", ask(first, second))
    answered = Counter(read_column(tmp_path / "run", "endpoint"))
    assert answered == {first: one.counts["paid"], second: two.counts["paid"]}
    status = read_status(tmp_path / "run")
    assert {each["base_url"]: each["answers"] for each in status["endpoints"]} == answered
    assert sum(each["share"] for each in status["endpoints"]) == pytest.approx(1, abs=0.001)
    assert all(0 < each["mean_s"] < 5 for each in status["endpoints"])
    assert len(list(draw_status(status))) == 6
    only = {**status, "endpoints": status["endpoints"][:1]}
    ports = {**status, "model": SIMULATOR_MODEL}  # of calls with --offline, each a port of its own
    assert [len(list(draw_status(each))) for each in (only, ports)] == [5, 5]


def test_one_that_is_killed_in_the_middle_loses_nothing_and_is_taken_up_again(
    large: Path, tmp_path: Path, start_simulator: StartSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datagen.endpoints.OUT_FIRST_S", 0.2)
    stays, kept = start_simulator(latency_s=0.1)
    dies = Simulator(Faults(latency_s=0.05))
    first = dies.build_app()
    with ExitStack() as stack:
        url = stack.enter_context(serve_in_thread(first))
        port = int(url.rpartition(":")[2].partition("/")[0])
        failures: list[BaseException] = []

        def kill_and_bring_back() -> None:
            try:
                while dies.counts["paid"] < 15:
                    time.sleep(0.01)
                stack.close()
                time.sleep(0.6)
                back.enter_context(serve_in_thread(second.build_app(), port))
            except BaseException as exc:
                failures.append(exc)

        second = Simulator(Faults(latency_s=0.05))
        with ExitStack() as back:
            killer = threading.Thread(target=kill_and_bring_back)
            killer.start()
            summary = generate(str(large), tmp_path / "run", ask(stays, url, concurrency=4))
            killer.join()
    assert not failures
    assert count_topics(tmp_path / "run") == QUOTAS
    assert read_status(tmp_path / "run")["failed"] == 0
    assert dies.counts["paid"] >= 15
    assert second.counts["paid"] >= 10, "it was not taken up again"
    assert kept.counts["paid"] >= 10
    assert {each["state"] for each in summary["endpoints"]} == {"in"}
    assert summary["endpoints"][1]["errors"] >= 1


def test_one_that_always_answers_500_costs_a_few_requests_and_no_draft(
    large: Path, tmp_path: Path, start_simulator: StartSimulator, start_server: StartServer
) -> None:
    asked = 0
    answer = fail_with(500)

    async def handle(request: web.Request) -> web.StreamResponse:
        nonlocal asked
        asked += 1
        return await answer(request)

    url, simulator = start_simulator(latency_s=0.01)
    summary = generate(str(large), tmp_path / "run", ask(start_server(handle), url))
    assert count_topics(tmp_path / "run") == QUOTAS
    assert simulator.counts["paid"] == 120
    assert asked < 20
    assert read_status(tmp_path / "run")["failed"] == 0
    assert summary["endpoints"][0]["state"] != "in"


@pytest.mark.parametrize("status", [401, 403, 404])
def test_one_of_two_that_will_not_have_us_is_left_out(
    spec: Path, tmp_path: Path, start_simulator: StartSimulator, start_server: StartServer, status: int
) -> None:
    url, simulator = start_simulator()
    generate(str(spec), tmp_path / "run", ask(start_server(fail_with(status)), url))
    assert simulator.counts["paid"] == 20


def test_where_none_will_have_us_the_run_stops_and_names_them_all(
    spec: Path, tmp_path: Path, start_server: StartServer
) -> None:
    first, second = start_server(fail_with(401)), start_server(fail_with(404))
    with pytest.raises(ProviderError) as caught:
        generate(str(spec), tmp_path / "run", ask(first, second))
    assert f"{first}: 401: 401" in caught.value.message
    assert f"{second}: 404: 404" in caught.value.message
    assert caught.value.hint
    assert caught.value.exit_code == 3


def test_where_all_are_dead_the_run_stops_and_names_them_all(
    spec: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datagen.provider.FIRST_PATIENCE_S", 1.0)
    first, second = "http://127.0.0.1:9/v1", "http://127.0.0.1:11/v1"
    with pytest.raises(ProviderError, match="none of the 2 endpoints gave an answer") as caught:
        generate(str(spec), tmp_path / "run", ask(first, second))
    assert f"{first}: connection" in caught.value.message
    assert f"{second}: connection" in caught.value.message


def test_one_that_is_dead_from_the_start_costs_no_wait(
    spec: Path, tmp_path: Path, start_simulator: StartSimulator
) -> None:
    url, simulator = start_simulator()
    started = time.monotonic()
    generate(str(spec), tmp_path / "run", ask("http://127.0.0.1:9/v1", url))
    assert time.monotonic() - started < 5
    assert simulator.counts["paid"] == 20


def test_one_that_hangs_holds_its_requests_for_their_timeout_and_no_draft_gives_up(
    large: Path, tmp_path: Path, start_simulator: StartSimulator, start_server: StartServer, monkeypatch: Any
) -> None:
    monkeypatch.setattr("datagen.provider.PATIENCE_S", 0.5)
    monkeypatch.setattr("datagen.provider.FIRST_PATIENCE_S", 0.5)
    hung = 0

    async def hang(_: web.Request) -> web.Response:
        nonlocal hung
        hung += 1
        await asyncio.sleep(60)
        raise AssertionError("unreachable")

    url, simulator = start_simulator(latency_s=0.02)
    generate(str(large), tmp_path / "run", ask(start_server(hang), url, timeout_s=1.0))
    assert count_topics(tmp_path / "run") == QUOTAS
    assert simulator.counts["paid"] == 120
    assert hung <= 8
    assert read_status(tmp_path / "run")["failed"] == 0


def test_the_time_that_one_hung_is_not_taken_from_the_drafts_patience(
    spec: Path, tmp_path: Path, start_server: StartServer, monkeypatch: Any
) -> None:
    monkeypatch.setattr("datagen.provider.PATIENCE_S", 0.6)
    monkeypatch.setattr("datagen.provider.FIRST_PATIENCE_S", 0.6)
    answering, asked = Simulator(Faults()), 0

    async def hang(_: web.Request) -> web.Response:
        await asyncio.sleep(60)
        raise AssertionError("unreachable")

    async def stumble(request: web.Request) -> web.StreamResponse:
        nonlocal asked
        asked += 1
        return await fail_with(500)(request) if asked == 1 else await answering._complete(request)

    endpoints = start_server(hang), start_server(stumble)
    generate(str(spec), tmp_path / "run", ask(*endpoints, timeout_s=1.0, concurrency=1))
    assert count_topics(tmp_path / "run") == {"일상 대화": 12, "보고 싶다는 표현": 8}
    assert read_status(tmp_path / "run")["failed"] == 0


def test_a_429_of_one_does_not_slow_the_other(
    large: Path, tmp_path: Path, start_simulator: StartSimulator, start_server: StartServer
) -> None:
    url, simulator = start_simulator(latency_s=0.02)
    limited = start_server(fail_with(429, **{"Retry-After": "30"}))
    started = time.monotonic()
    generate(str(large), tmp_path / "run", ask(limited, url))
    assert time.monotonic() - started < 10
    assert simulator.counts["paid"] == 120


def test_the_users_own_limit_holds_for_the_sum(spec: Path, tmp_path: Path, start_simulator: StartSimulator) -> None:
    (first, one), (second, two) = start_simulator(latency_s=0.2), start_simulator(latency_s=0.2)
    started = time.monotonic()
    generate(str(spec), tmp_path / "run", ask(first, second, rpm=400))
    assert time.monotonic() - started > 19 * 0.15 - 0.3
    assert min(one.counts["paid"], two.counts["paid"]) >= 1


def test_a_request_that_fails_everywhere_is_given_up_and_the_run_goes_on(
    spec: Path, tmp_path: Path, start_server: StartServer, monkeypatch: Any
) -> None:
    monkeypatch.setattr("datagen.provider.PATIENCE_S", 0.5)
    monkeypatch.setattr("datagen.endpoints.TRIP_AFTER", 1_000)
    answering = Simulator(Faults())
    poisoned: list[str] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        prompt = (await request.json())["messages"][1]["content"]
        if not poisoned:
            poisoned.append(prompt)
        await asyncio.sleep(0.02)
        if prompt in poisoned:
            return await fail_with(500)(request)
        return await answering._complete(request)

    summary = generate(str(spec), tmp_path / "run", ask(start_server(handle), start_server(handle), concurrency=2))
    assert summary["accepted"] == 20
    assert read_status(tmp_path / "run")["failed"] == 1


def test_one_that_does_not_know_structured_replies_is_left_alone_while_another_answers(
    large: Path, tmp_path: Path, start_simulator: StartSimulator, start_server: StartServer, edit: Edit
) -> None:
    edit(large, "language: ko", "language: ko\nreply: json")

    async def refuse(_: web.Request) -> web.Response:
        await asyncio.sleep(0.2)  # the other one has answered by then
        return web.json_response({"error": {"message": "unknown field: response_format"}}, status=400)

    url, _ = start_simulator(latency_s=0.02)
    generate(str(large), tmp_path / "run", ask(start_server(refuse), url))
    assert count_topics(tmp_path / "run") == QUOTAS
    assert read_status(tmp_path / "run")["rejected"] == 0
