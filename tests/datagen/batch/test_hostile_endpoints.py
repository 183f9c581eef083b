"""Batches at endpoints that refuse, forget, delay and deceive: nothing is paid for twice, and no run is stuck."""

import json
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from aiohttp import web

from datagen.console import out
from datagen.endpoint_options import ProviderOptions
from datagen.errors import ProviderError
from datagen.simulator.faults import Faults
from datagen.simulator.server import Simulator
from datagen.start import generate as generate_one_by_one
from datagen.status import draw_status, read_status
from tests.conftest import serve_in_thread
from tests.datagen.batch.runs import QUOTAS, count_topics, generate, query

Handle = Callable[[web.Request], Awaitable[web.StreamResponse]]
Between = Callable[[web.Request, Handle], Awaitable[web.StreamResponse]]


def stand_between(simulator: Simulator, between: Between) -> AbstractContextManager[str]:
    """Serve a simulator whose requests and answers pass through `between`."""
    app = simulator.build_app()

    @web.middleware
    async def pass_through(request: web.Request, handler: Handle) -> web.StreamResponse:
        return await between(request, handler)

    app.middlewares.append(pass_through)
    return serve_in_thread(app)


def read_json(response: web.StreamResponse) -> dict[str, object]:
    assert isinstance(response, web.Response)
    assert isinstance(response.body, bytes)
    body: dict[str, object] = json.loads(response.body)
    return body


@pytest.mark.parametrize("status", [400, 403, 404, 413])
@pytest.mark.parametrize("path", ["/v1/files", "/v1/batches"])
def test_a_batch_that_the_endpoint_will_not_take_does_not_bar_the_way_without_batches(
    spec: Path, tmp_path: Path, status: int, path: str
) -> None:
    simulator = Simulator(Faults())

    async def between(request: web.Request, handle: Handle) -> web.StreamResponse:
        if request.method == "POST" and request.path == path:
            return web.json_response({"error": {"message": "권한이 없습니다"}}, status=status)
        return await handle(request)

    with stand_between(simulator, between) as url:
        with pytest.raises(ProviderError) as caught:
            generate(spec, tmp_path / "run", url)
        assert caught.value.hint
        assert query(tmp_path / "run", "SELECT state, status FROM batches") == [("closed", "refused")]
        generate_one_by_one(str(spec), tmp_path / "run", ProviderOptions((url,)))
    assert count_topics(tmp_path / "run") == QUOTAS
    assert simulator.counts["paid"] == 20


def test_a_refusal_after_a_lost_answer_leaves_the_batch_open_as_it_may_have_been_made(
    spec: Path, tmp_path: Path
) -> None:
    simulator, created, is_blind = Simulator(Faults()), 0, True

    async def between(request: web.Request, handle: Handle) -> web.StreamResponse:
        nonlocal created
        if request.path == "/v1/batches" and request.method == "POST":
            created += 1
            if created > 1:
                return web.json_response({"error": {"message": "no"}}, status=400)
            await handle(request)
            return web.Response(status=502)
        if request.path == "/v1/batches" and is_blind:
            return web.json_response({"data": [], "has_more": False})
        return await handle(request)

    with stand_between(simulator, between) as url:
        with pytest.raises(ProviderError, match="refused a batch"):
            generate(spec, tmp_path / "run", url)
        assert query(tmp_path / "run", "SELECT state FROM batches") == [("uploaded",)]
        is_blind = False
        generate(spec, tmp_path / "run", url)
    assert count_topics(tmp_path / "run") == QUOTAS
    assert (simulator.counts["batches"], simulator.counts["paid"]) == (1, 20)


def test_an_address_that_answers_404_to_everything_is_an_error_of_ours_and_loses_no_batch(
    spec: Path, tmp_path: Path
) -> None:
    simulator, is_away = Simulator(Faults(batch_s=0.2)), True

    async def between(request: web.Request, handle: Handle) -> web.StreamResponse:
        if is_away and simulator.counts["looks"]:
            return web.Response(status=404, text="<html>nginx</html>")
        return await handle(request)

    with stand_between(simulator, between) as url:
        with pytest.raises(ProviderError, match="lists no files or batches any more: 404"):
            generate(spec, tmp_path / "run", url)
        is_away = False
        generate(spec, tmp_path / "run", url)
    assert (simulator.counts["batches"], simulator.counts["paid"]) == (1, 20)


@pytest.mark.parametrize("looks", [2, 99])
def test_a_completed_batch_that_names_no_file_yet_is_looked_at_again_and_not_paid_for_again(
    spec: Path, tmp_path: Path, looks: int
) -> None:
    simulator, early = Simulator(Faults()), 0

    async def between(request: web.Request, handle: Handle) -> web.StreamResponse:
        nonlocal early
        response = await handle(request)
        if request.path.startswith("/v1/batches/") and early < looks and read_json(response)["status"] == "completed":
            early += 1
            return web.json_response({**read_json(response), "output_file_id": None})
        return response

    with stand_between(simulator, between) as url:
        if looks > 3:
            with pytest.raises(ProviderError, match="has 20 results and names no file"):
                generate(spec, tmp_path / "run", url)
            early = looks
        generate(spec, tmp_path / "run", url)
    assert count_topics(tmp_path / "run") == QUOTAS
    assert (simulator.counts["batches"], simulator.counts["paid"]) == (1, 20)


def test_a_results_file_that_is_not_there_yet_is_fetched_again(spec: Path, tmp_path: Path) -> None:
    simulator, early = Simulator(Faults()), 0

    async def between(request: web.Request, handle: Handle) -> web.StreamResponse:
        nonlocal early
        if request.path.endswith("/content") and early < 2:
            early += 1
            return web.json_response({"error": {"message": "No such File object"}}, status=404)
        return await handle(request)

    with stand_between(simulator, between) as url:
        generate(spec, tmp_path / "run", url)
    assert (simulator.counts["batches"], simulator.counts["paid"]) == (1, 20)


def test_a_login_page_in_the_place_of_the_results_does_not_throw_them_away(spec: Path, tmp_path: Path) -> None:
    simulator, is_captive = Simulator(Faults()), True

    async def between(request: web.Request, handle: Handle) -> web.StreamResponse:
        if request.path.endswith("/content") and is_captive:
            return web.Response(text="<html>\n" * 50 + "로그인하세요", content_type="text/html")
        return await handle(request)

    with stand_between(simulator, between) as url:
        with pytest.raises(ProviderError, match=r"20 results .* not one is"):
            generate(spec, tmp_path / "run", url)
        is_captive = False
        generate(spec, tmp_path / "run", url)
    assert count_topics(tmp_path / "run") == QUOTAS
    assert (simulator.counts["batches"], simulator.counts["paid"]) == (1, 20)


def test_before_the_first_answer_an_endpoint_that_asks_to_wait_is_waited_for(
    spec: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datagen.batch.endpoint.FIRST_PATIENCE_S", 0.2)
    started = time.monotonic()

    async def between(request: web.Request, handle: Handle) -> web.StreamResponse:
        if time.monotonic() - started < 0.8:
            return web.json_response({"error": {"message": "slow down"}}, status=429, headers={"Retry-After": "0.3"})
        return await handle(request)

    with stand_between(Simulator(Faults()), between) as url:
        generate(spec, tmp_path / "run", url)
    assert count_topics(tmp_path / "run") == QUOTAS


def test_what_others_left_at_the_endpoint_and_pages_that_repeat_do_not_stand_in_the_way(
    spec: Path, tmp_path: Path
) -> None:
    simulator, is_first = Simulator(Faults()), True
    others = [
        {"id": "x", "status": "completed", "metadata": {"a": 1, "b": {"c": []}}, "request_counts": {"completed": None}},
        {"id": "y", "status": "completed", "filename": None},
    ]

    async def between(request: web.Request, handle: Handle) -> web.StreamResponse:
        nonlocal is_first
        if request.path == "/v1/files" and request.method == "POST" and is_first:
            is_first = False
            return web.Response(status=502)
        if request.path in ("/v1/files", "/v1/batches") and request.method == "GET":
            return web.json_response({"data": others, "has_more": True})  # whatever `after` says
        return await handle(request)

    with stand_between(simulator, between) as url:
        generate(spec, tmp_path / "run", url)
    assert count_topics(tmp_path / "run") == QUOTAS
    assert (simulator.counts["files"], simulator.counts["batches"]) == (1, 1)


def test_status_writes_an_endpoints_words_as_they_stand(spec: Path, tmp_path: Path) -> None:
    simulator, run, told = Simulator(Faults(batch_s=0.2)), tmp_path / "run", ""

    async def between(request: web.Request, handle: Handle) -> web.StreamResponse:
        nonlocal told
        response = await handle(request)
        if request.path.startswith("/v1/batches/") and simulator.counts["looks"] == 1:
            return web.json_response({**read_json(response), "status": "[/red]half [bold]done"})
        if request.path.startswith("/v1/batches/") and simulator.counts["looks"] == 2:
            with out.capture() as captured:
                for part in draw_status(read_status(run)):
                    out.print(part, soft_wrap=True)
            told = captured.get()
        return response

    with stand_between(simulator, between) as url:
        generate(spec, run, url)
    assert "batch batch_sim1 [/red]half [bold]done · " in told


@pytest.mark.parametrize(
    "bill",
    [
        {"prompt_tokens": 3_000_000_000},
        {"prompt_tokens": 10**30},
        {"cost": -3.0},
        {"cost": float("nan")},
        {"cost": float("inf")},
        {"prompt_tokens_details": {"cached_tokens": -5}},
        {"prompt_tokens_details": {"cached_tokens": 50_000}},
        {"prompt_tokens_details": {"cached_tokens": 10**30}},
    ],
)
def test_a_bill_that_cannot_be_is_not_booked_and_the_reply_is_kept(
    spec: Path, tmp_path: Path, start_simulator: Callable[..., tuple[str, Simulator]], bill: dict[str, object]
) -> None:
    url, simulator = start_simulator()
    answer = simulator.batches.answer

    def overcharge(body: dict[str, object]) -> tuple[int, dict[str, object]]:
        status, reply = answer(body)
        return status, {**reply, "usage": {"prompt_tokens": 100, "completion_tokens": 50, **bill}}

    simulator.batches.answer = overcharge
    generate(spec, tmp_path / "run", url, budget_usd=5.0)
    assert count_topics(tmp_path / "run") == QUOTAS
    status = read_status(tmp_path / "run")
    assert status["cost_usd"] is None or 0 <= status["cost_usd"] < 5
    assert 0 <= status["cached_share"] <= 1
    json.dumps(status, allow_nan=False)
