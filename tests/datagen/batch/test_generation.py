"""Whole runs by batches, through the real client over real HTTP, against the simulator's files and batches."""

import os
import signal
import sqlite3
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from threading import Thread
from typing import Any

import openai
import pytest
from aiohttp import web

from curation.build import BuildOptions, build
from datagen.batch.request_file import Limits
from datagen.check import describe_forecast, forecast
from datagen.endpoint_options import ProviderOptions
from datagen.errors import BudgetSpentError, InterruptedRunError, ProviderError, QuotaOutOfReachError, UsageError
from datagen.prices import Price, PriceList, Tokens
from datagen.simulator.faults import Faults
from datagen.simulator.server import Simulator
from datagen.spec_file import load_spec
from datagen.start import generate as generate_one_by_one
from datagen.start import open_run
from datagen.status import draw_status, read_rejected, read_status
from datagen.store import read_dialogues
from tests.conftest import serve_in_thread
from tests.datagen.batch.runs import FAST, QUOTAS, count_topics, generate, query

StartSimulator = Callable[..., tuple[str, Simulator]]
StartServer = Callable[[Callable[[web.Request], Awaitable[web.StreamResponse]]], str]
Edit = Callable[[Path, str, str], None]


def test_a_batch_meets_every_quota_exactly(spec: Path, tmp_path: Path, start_simulator: StartSimulator) -> None:
    url, simulator = start_simulator()
    summary = generate(spec, tmp_path / "run", url)
    assert (summary["accepted"], summary["quota"], summary["requests"]) == (20, 20, 20)
    assert count_topics(tmp_path / "run") == QUOTAS
    assert (simulator.counts["files"], simulator.counts["batches"], simulator.counts["paid"]) == (1, 1, 20)
    assert query(tmp_path / "run", "SELECT DISTINCT endpoint, requests FROM attempts") == [(url, 1)]
    assert query(tmp_path / "run", "SELECT count(*), count(DISTINCT attempt) FROM batch_requests") == [(20, 20)]
    assert generate(spec, tmp_path / "run", url)["added"] == 0
    assert simulator.counts["batches"] == 1


def test_it_asks_what_is_asked_one_by_one(spec: Path, tmp_path: Path, start_simulator: StartSimulator) -> None:
    url, _ = start_simulator()
    generate(spec, tmp_path / "batch", url)
    generate_one_by_one(str(spec), tmp_path / "single", ProviderOptions((url,)))
    asked = "SELECT topic, slot, tries, scenario, prompt_sha256 FROM attempts ORDER BY topic, slot"
    assert query(tmp_path / "batch", asked) == query(tmp_path / "single", asked)


def test_replies_as_json_come_in_batches_too(
    spec: Path, tmp_path: Path, start_simulator: StartSimulator, edit: Edit
) -> None:
    edit(spec, "language: ko", "language: ko\nreply: json")
    url, simulator = start_simulator()
    generate(spec, tmp_path / "run", url)
    assert count_topics(tmp_path / "run") == QUOTAS
    (batch,) = simulator.batches.batches.values()
    assert all(line.body["response_format"]["type"] == "json_schema" for line in batch.lines)
    assert all(
        "human1" not in reply and '"user"' in reply
        for (reply,) in query(tmp_path / "run", "SELECT reply FROM attempts")
    )


def test_what_waits_for_an_answer_to_the_utterance_before_cannot_be_asked_in_batches(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="duets"):
        generate(Path("long-data"), tmp_path / "run", "http://127.0.0.1:9/v1")


def test_rejected_drafts_go_into_the_next_batch(spec: Path, tmp_path: Path, start_simulator: StartSimulator) -> None:
    url, simulator = start_simulator(malformed=0.3, refusal=0.1, server_error=0.1)
    generate(spec, tmp_path / "run", url)
    assert count_topics(tmp_path / "run") == QUOTAS
    rejected = list(read_rejected(tmp_path / "run", None))
    assert len(rejected) == simulator.counts["malformed"] + simulator.counts["refusal"] > 0
    assert simulator.counts["paid"] == 20 + len(rejected)
    assert read_status(tmp_path / "run")["failed"] == simulator.counts["server_error"]
    assert simulator.counts["batches"] > 1


def test_every_fault_at_once_still_meets_the_quotas(
    spec: Path, tmp_path: Path, start_simulator: StartSimulator
) -> None:
    url, simulator = start_simulator(
        malformed=0.1,
        server_error=0.1,
        rate_limited=0.1,
        retry_after_s=0.05,
        batch_s=0.05,
        batch_expired=0.3,
        batch_mess=0.2,
        answer_lost=0.3,
        download_cut=0.3,
        download_short=0.2,
    )
    generate(spec, tmp_path / "run", url, Limits(requests=4))
    assert count_topics(tmp_path / "run") == QUOTAS
    assert simulator.counts["before_retry_after"] == 0
    assert simulator.counts["file_used_again"] == 0
    assert query(tmp_path / "run", "SELECT count(*) FROM batch_requests WHERE is_open = 1") == [(0,)]
    for fault in ("malformed", "answer_lost", "rate_limited", "download_cut"):
        assert simulator.counts[fault] > 0, fault


def test_slots_are_packed_into_as_many_files_as_the_limits_ask_for(
    spec: Path, tmp_path: Path, start_simulator: StartSimulator
) -> None:
    url, simulator = start_simulator(batch_s=0.3)
    generate(spec, tmp_path / "run", url, Limits(requests=6))
    assert sorted(len(batch.lines) for batch in simulator.batches.batches.values()) == [2, 6, 6, 6]
    inputs = [file for file in simulator.batches.files.values() if file.purpose == "batch"]
    size = max(len(file.content) for file in inputs) // 2
    generate(spec, tmp_path / "smaller", url, Limits(size=size))
    files = [file for file in simulator.batches.files.values() if file.purpose == "batch"][len(inputs) :]
    assert len(files) > 6
    assert all(len(file.content) <= size for file in files)


def test_where_the_answer_was_lost_nothing_is_uploaded_or_created_again(
    spec: Path, tmp_path: Path, start_simulator: StartSimulator
) -> None:
    url, simulator = start_simulator(answer_lost=1.0)
    generate(spec, tmp_path / "run", url)
    assert simulator.counts["answer_lost"] == 2
    assert (simulator.counts["files"], simulator.counts["batches"], simulator.counts["paid"]) == (1, 1, 20)


def test_what_was_made_is_found_on_any_page_of_a_listing(
    spec: Path, tmp_path: Path, start_simulator: StartSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datagen.batch.endpoint.PAGE", 2)
    url, simulator = start_simulator(answer_lost=1.0, batch_s=0.1)
    generate(spec, tmp_path / "run", url, Limits(requests=4))
    assert simulator.counts["batches"] == simulator.counts["files"] == 5
    assert simulator.counts["paid"] == 20


def test_an_expired_batch_keeps_its_results_and_the_rest_goes_on(
    spec: Path, tmp_path: Path, start_simulator: StartSimulator, capfd: pytest.CaptureFixture[str]
) -> None:
    url, simulator = start_simulator(batch_expired=1.0, batch_s=0.05)
    generate(spec, tmp_path / "run", url)
    assert count_topics(tmp_path / "run") == QUOTAS
    assert simulator.counts["paid"] == 20
    assert simulator.counts["paid_again"] == 0
    assert "batch 1 batch_sim1 expired: 10 replies, 10 not run, asked again" in capfd.readouterr().err


def test_a_batch_that_is_cancelled_while_it_is_watched_stops_the_run(
    spec: Path, tmp_path: Path, start_simulator: StartSimulator
) -> None:
    url, simulator = start_simulator(batch_cancelled=1.0, batch_s=0.3)
    with pytest.raises(ProviderError, match="batch_sim1 was cancelled at the endpoint"):
        generate(spec, tmp_path / "run", url)
    assert sum(count_topics(tmp_path / "run").values()) == 10
    simulator.faults = simulator.faults.model_copy(update={"batch_cancelled": 0.0})
    generate(spec, tmp_path / "run", url)
    assert count_topics(tmp_path / "run") == QUOTAS
    assert simulator.counts["paid"] == 20


def test_a_batch_that_validation_turns_away_is_told_with_its_reasons(
    spec: Path, tmp_path: Path, start_simulator: StartSimulator
) -> None:
    url, simulator = start_simulator(batch_failed=1.0)
    with pytest.raises(ProviderError, match="did not accept batch batch_sim1: invalid_request: drawn to fail"):
        generate(spec, tmp_path / "run", url)
    simulator.faults = simulator.faults.model_copy(update={"batch_failed": 0.0})
    generate(spec, tmp_path / "run", url)
    assert count_topics(tmp_path / "run") == QUOTAS


def test_a_full_queue_at_the_endpoint_is_met_with_smaller_batches(
    spec: Path, tmp_path: Path, start_simulator: StartSimulator
) -> None:
    url, simulator = start_simulator(batch_tokens=12_000, batch_s=0.05)
    generate(spec, tmp_path / "run", url)
    assert count_topics(tmp_path / "run") == QUOTAS
    assert simulator.counts["paid"] == 20
    accepted = [batch for batch in simulator.batches.batches.values() if batch.fate == "completed"]
    assert len(accepted) > 1


def test_a_queue_that_is_full_for_a_single_request_stops_the_run(
    spec: Path, tmp_path: Path, start_simulator: StartSimulator
) -> None:
    url, _ = start_simulator(batch_tokens=10)
    with pytest.raises(ProviderError, match="token_limit_exceeded"):
        generate(spec, tmp_path / "run", url)


def test_a_batch_that_vanishes_is_asked_for_again(
    spec: Path, tmp_path: Path, start_simulator: StartSimulator, capfd: pytest.CaptureFixture[str]
) -> None:
    url, simulator = start_simulator(batch_vanished=1.0, batch_s=0.2)
    with pytest.raises(ProviderError, match=r"the last 5 batches .* brought no reply"):
        generate(spec, tmp_path / "run", url)
    assert "batch 1 batch_sim1 vanished: 0 replies, 20 not run, asked again" in capfd.readouterr().err
    simulator.faults = simulator.faults.model_copy(update={"batch_vanished": 0.0})
    generate(spec, tmp_path / "run", url)
    assert count_topics(tmp_path / "run") == QUOTAS


def test_odd_lines_are_told_and_cost_only_themselves(
    spec: Path, tmp_path: Path, start_simulator: StartSimulator, capfd: pytest.CaptureFixture[str]
) -> None:
    url, simulator = start_simulator(batch_mess=0.5)
    generate(spec, tmp_path / "run", url)
    assert count_topics(tmp_path / "run") == QUOTAS
    lost = simulator.counts["mess missing"] + simulator.counts["mess garbage"]
    assert simulator.counts["paid"] == 20 + lost
    assert query(tmp_path / "run", "SELECT count(*) FROM attempts WHERE reason = 'missing'") == [(lost,)]
    told = capfd.readouterr().err
    for kind in ("unknown", "repeated", "garbage", "missing"):
        assert (f" {kind}" in told) == (simulator.counts[f"mess {kind}"] > 0 or (kind == "missing" and lost > 0))


def test_a_download_that_breaks_off_is_made_again(spec: Path, tmp_path: Path, start_simulator: StartSimulator) -> None:
    url, simulator = start_simulator(download_cut=0.7)
    generate(spec, tmp_path / "run", url, Limits(requests=5))
    assert simulator.counts["download_cut"] > 0
    assert (simulator.counts["paid"], simulator.counts["batches"]) == (20, 4)


@pytest.mark.parametrize("share", [0.5, 0.99, 0.0])
def test_a_file_that_ends_too_early_is_fetched_anew(spec: Path, tmp_path: Path, share: float) -> None:
    """As a proxy leaves it, with a length that fits."""
    simulator, downloads = Simulator(Faults()), 0

    @web.middleware
    async def stand_between(request: web.Request, handler: Any) -> web.StreamResponse:
        nonlocal downloads
        response: web.StreamResponse = await handler(request)
        if request.path.endswith("/content"):
            downloads += 1
            if downloads == 1:
                assert isinstance(response, web.Response)
                assert isinstance(response.body, bytes)
                return web.Response(body=response.body[: int(share * len(response.body))])
        return response

    app = simulator.build_app()
    app.middlewares.append(stand_between)
    with serve_in_thread(app) as url:
        generate(spec, tmp_path / "run", url)
    assert count_topics(tmp_path / "run") == QUOTAS
    assert (downloads, simulator.counts["paid"], simulator.counts["batches"]) == (2, 20, 1)


def test_lines_that_no_repetition_mends_stop_the_run_after_the_rest_is_stored(
    spec: Path, tmp_path: Path, start_simulator: StartSimulator
) -> None:
    url, simulator = start_simulator()
    answer, spent = simulator.batches.answer, {"error": {"message": "no credit", "code": "insufficient_quota"}}
    simulator.batches.answer = lambda body: answer(body) if simulator.counts["paid"] < 7 else (429, spent)
    with pytest.raises(ProviderError, match="no credit") as caught:
        generate(spec, tmp_path / "run", url)
    assert "add credit" in str(caught.value.hint)
    status = read_status(tmp_path / "run")
    assert (status["accepted"], status["failed"], status["batches"]) == (7, 0, [])
    simulator.batches.answer = answer
    generate(spec, tmp_path / "run", url)
    assert (simulator.counts["paid"], simulator.counts["paid_again"]) == (20, 0)


def test_a_content_filter_rejects_the_scenario_alone(
    spec: Path, tmp_path: Path, start_simulator: StartSimulator
) -> None:
    url, simulator = start_simulator()
    answer, filtered = simulator.batches.answer, {"error": {"message": "no", "code": "content_filter"}}
    simulator.batches.answer = lambda body: (400, filtered) if "이어폰" in str(body) else answer(body)
    generate(spec, tmp_path / "run", url, max_tries=1)  # the next try takes another situation
    assert count_topics(tmp_path / "run") == QUOTAS
    assert {attempt.reason for attempt in read_rejected(tmp_path / "run", None)} == {"content-filter"}


def test_the_budget_bounds_what_is_sent(spec: Path, tmp_path: Path, start_simulator: StartSimulator) -> None:
    url, simulator = start_simulator()
    with pytest.raises(BudgetSpentError, match="dialogues are stored") as caught:
        generate(spec, tmp_path / "run", url, budget_tokens=20_000)
    assert caught.value.exit_code == 6
    status = read_status(tmp_path / "run")
    assert 0 < status["accepted"] < 20
    assert 10_000 < status["prompt_tokens"] + status["completion_tokens"] <= 20_000
    assert simulator.counts["batches"] > 1  # what a reply needs less than the most is used for more
    generate(spec, tmp_path / "run", url, budget_tokens=300_000)
    assert simulator.counts["paid"] == 20


def test_a_batch_costs_half(spec: Path, tmp_path: Path, start_simulator: StartSimulator) -> None:
    url, _ = start_simulator()
    (spec.parent / "prices.yaml").write_text(
        "batch_share: 0.5\nprices: {gpt-4o: {prompt: 10, completion: 30}}", encoding="utf-8"
    )
    summary = generate(spec, tmp_path / "run", url)
    full = (summary["prompt_tokens"] * 10 + summary["completion_tokens"] * 30) / 1e6
    assert summary["cost_usd"] == pytest.approx(full / 2, rel=1e-6)
    assert read_status(tmp_path / "run")["cost_usd"] == pytest.approx(full / 2, rel=1e-6)
    rows = [dialogue.cost_usd for dialogue in read_dialogues(tmp_path / "run" / "dialogues")]
    assert sum(cost or 0.0 for cost in rows) == pytest.approx(full / 2, rel=1e-6)


def test_check_tells_what_batches_cost(spec: Path) -> None:
    loaded = load_spec(str(spec))
    told = describe_forecast(loaded, forecast(loaded))
    assert told["cost_usd"] > 0
    assert told["batch_cost_usd"] == pytest.approx(told["cost_usd"] / 2)


def test_the_share_holds_for_cached_tokens_too() -> None:
    prices = PriceList(prices={"m": Price(prompt=2, completion=8, cached_prompt=1)}, batch_share=0.25)
    tokens = Tokens(prompt=1000, completion=100, cached=400)
    full = prices.price(tokens, "m")
    assert full is not None
    assert prices.discount_batches().price(tokens, "m") == pytest.approx(full / 4)


def test_a_dollar_goes_twice_as_far_in_a_batch(spec: Path, tmp_path: Path, start_simulator: StartSimulator) -> None:
    url, _ = start_simulator()
    (spec.parent / "prices.yaml").write_text("prices: {gpt-4o: {prompt: 100, completion: 100}}", encoding="utf-8")
    with pytest.raises(BudgetSpentError):
        generate(spec, tmp_path / "run", url, budget_usd=1.0)
    status = read_status(tmp_path / "run")
    assert 0.5 < status["cost_usd"] <= 1.0
    tokens = status["prompt_tokens"] + status["completion_tokens"]
    assert tokens * 100 / 1e6 > 1.0


def test_an_endpoint_without_batches_is_told_before_anything_is_sent(
    spec: Path, tmp_path: Path, start_server: StartServer
) -> None:
    async def handle(_: web.Request) -> web.Response:
        return web.Response()

    with pytest.raises(ProviderError, match="has no Batch API: 404") as caught:
        generate(spec, tmp_path / "run", start_server(handle))
    assert "leave --batch out" in str(caught.value.hint)
    assert query(tmp_path / "run", "SELECT count(*) FROM batches") == [(0,)]


def test_a_batch_is_asked_of_one_address(spec: Path, tmp_path: Path) -> None:
    options = ProviderOptions(("http://127.0.0.1:9/v1", "http://127.0.0.1:8/v1"), batch=True)
    with pytest.raises(UsageError, match="asks one endpoint, not 2"):
        generate_one_by_one(str(spec), tmp_path / "run", options)


def leave_at_the_first_look(spec: Path, run: Path, url: str, simulator: Simulator) -> None:
    """Press Ctrl-C while the batch is worked on."""

    def press() -> None:
        while not simulator.counts["looks"]:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    thread = Thread(target=press)
    thread.start()
    with pytest.raises(InterruptedRunError, match="stopped at 0 of 20; 1 batch goes on at the endpoint"):
        generate(spec, run, url)
    thread.join()


@pytest.fixture
def left(spec: Path, tmp_path: Path, start_simulator: StartSimulator) -> tuple[Path, str, Simulator]:
    """A run whose batch is worked on at the endpoint, and that nobody follows."""
    url, simulator = start_simulator(batch_s=60)
    leave_at_the_first_look(spec, tmp_path / "run", url, simulator)
    return tmp_path / "run", url, simulator


def finish(simulator: Simulator) -> None:
    """Let time pass at the endpoint."""
    simulator.faults = simulator.faults.model_copy(update={"batch_s": 0.0})
    for batch in simulator.batches.batches.values():
        batch.lasts_s = 0.0


def test_a_run_that_was_left_goes_on_with_its_batch(spec: Path, left: tuple[Path, str, Simulator]) -> None:
    run, url, simulator = left
    finish(simulator)
    generate(spec, run, url)
    assert count_topics(run) == QUOTAS
    assert (simulator.counts["batches"], simulator.counts["files"], simulator.counts["paid"]) == (1, 1, 20)


def test_a_batch_of_an_earlier_call_that_is_not_known_is_not_paid_for_again(
    spec: Path, left: tuple[Path, str, Simulator]
) -> None:
    run, url, simulator = left
    hidden = dict(simulator.batches.batches)
    simulator.batches.batches.clear()  # as with the key of another account
    with pytest.raises(ProviderError, match="does not know batch batch_sim1, made by an earlier call") as caught:
        generate(spec, run, url)
    assert caught.value.hint is not None
    assert "--abandon-batches" in caught.value.hint
    simulator.batches.batches.update(hidden)
    finish(simulator)
    generate(spec, run, url)
    assert count_topics(run) == QUOTAS
    assert (simulator.counts["batches"], simulator.counts["paid"]) == (1, 20)


def test_status_tells_the_open_batches(left: tuple[Path, str, Simulator]) -> None:
    run, url, _ = left
    (batch,) = read_status(run)["batches"]
    assert (batch["id"], batch["endpoint"], batch["requests"], batch["done"]) == ("batch_sim1", url, 20, 0)
    assert batch["state"] in ("validating", "in_progress")
    told = [str(part) for part in draw_status(read_status(run))]
    assert any("batch batch_sim1" in part and "0 of 20 requests done" in part for part in told)


def test_what_is_under_way_is_not_asked_one_by_one(spec: Path, left: tuple[Path, str, Simulator]) -> None:
    run, url, simulator = left
    with pytest.raises(UsageError, match=r"20 requests of .* are under way in batches") as caught:
        generate_one_by_one(str(spec), run, ProviderOptions((url,)))
    assert "--batch" in str(caught.value.hint)
    assert simulator.counts["requests"] == 0


def test_a_quota_below_what_is_under_way_is_refused(spec: Path, left: tuple[Path, str, Simulator], edit: Edit) -> None:
    run, url, _ = left
    edit(spec, "quota: 12", "quota: 11")
    with pytest.raises(UsageError, match="0 accepted dialogues and 12 under way in batches, more than the new quota"):
        generate(spec, run, url)


def test_a_larger_quota_asks_for_the_difference_alone(
    spec: Path, left: tuple[Path, str, Simulator], edit: Edit
) -> None:
    run, url, simulator = left
    edit(spec, "quota: 12", "quota: 15")
    finish(simulator)
    generate(spec, run, url)
    assert count_topics(run) == {**QUOTAS, "일상 대화": 15}
    assert sorted(len(batch.lines) for batch in simulator.batches.batches.values()) == [3, 20]
    asked = query(run, "SELECT topic, scenario FROM attempts")
    assert len(set(asked)) == 23


def test_a_batch_at_another_address_is_not_left_behind(
    spec: Path, left: tuple[Path, str, Simulator], start_simulator: StartSimulator
) -> None:
    run, url, _ = left
    other, simulator = start_simulator()
    with pytest.raises(UsageError, match=f"batch 1 of .*, 20 requests, is at {url}"):
        generate(spec, run, other)
    assert simulator.counts["batches"] == 0


@pytest.mark.parametrize("is_batch", [True, False])
def test_a_batch_whose_address_is_gone_may_be_abandoned(
    spec: Path, left: tuple[Path, str, Simulator], start_simulator: StartSimulator, is_batch: bool
) -> None:
    run, _, _ = left
    other, simulator = start_simulator()
    options = ProviderOptions((other,), batch=is_batch, abandon_batches=True)
    with open_run(str(spec), run, options) as opened:
        assert replace(opened, waits=FAST).fill()["accepted"] == 20
    assert count_topics(run) == QUOTAS
    assert simulator.counts["batches"] == is_batch
    assert query(run, "SELECT state, status FROM batches WHERE number = 1") == [("closed", "abandoned")]


def test_a_batch_that_was_cancelled_while_nobody_watched_is_asked_for_anew(
    spec: Path, left: tuple[Path, str, Simulator]
) -> None:
    run, url, simulator = left
    with openai.OpenAI(api_key="none", base_url=url, max_retries=0) as client:
        assert client.batches.cancel("batch_sim1").status == "cancelling"
    finish(simulator)
    generate(spec, run, url)
    assert count_topics(run) == QUOTAS
    assert simulator.counts["batches"] == 2


def test_a_results_file_that_is_gone_is_told_and_its_requests_are_asked_again(
    spec: Path, left: tuple[Path, str, Simulator], capfd: pytest.CaptureFixture[str]
) -> None:
    run, url, simulator = left
    finish(simulator)
    with openai.OpenAI(api_key="none", base_url=url, max_retries=0) as client:
        output = client.batches.retrieve("batch_sim1").output_file_id
        assert output is not None
        client.files.delete(output)
    generate(spec, run, url)
    assert count_topics(run) == QUOTAS
    assert simulator.counts["batches"] == 2
    assert "batch 1 batch_sim1 completed: 0 replies, 20 not run, asked again · lines: 1 file gone" in (
        capfd.readouterr().err
    )


def test_a_batch_killed_when_all_was_stored_is_closed(
    spec: Path, tmp_path: Path, start_simulator: StartSimulator
) -> None:
    url, simulator = start_simulator()
    run = tmp_path / "run"
    generate(spec, run, url)
    with closing(sqlite3.connect(run / "ledger.db")) as connection, connection:
        connection.execute("UPDATE batches SET state = 'created', closed_at = NULL")
    assert generate(spec, run, url)["added"] == 0
    assert query(run, "SELECT state FROM batches") == [("closed",)]
    assert simulator.counts["batches"] == 1


def test_a_404_on_the_way_does_not_lose_a_batch(spec: Path, tmp_path: Path) -> None:
    simulator = Simulator(Faults(batch_s=0.2))

    @web.middleware
    async def stand_between(request: web.Request, handler: Any) -> web.StreamResponse:
        if request.path.startswith("/v1/batches/") and simulator.counts["looks"] == 1:
            simulator.counts["looks"] += 1
            return web.Response(status=404, text="<html>not found</html>")
        response: web.StreamResponse = await handler(request)
        return response

    app = simulator.build_app()
    app.middlewares.append(stand_between)
    with serve_in_thread(app) as url:
        generate(spec, tmp_path / "run", url)
    assert (simulator.counts["batches"], simulator.counts["paid"]) == (1, 20)


@pytest.mark.parametrize("path", ["/v1/batches", "/v1/files", "/v1/batches/batch_sim1"])
def test_an_answer_that_is_no_json_of_ours_is_asked_for_again(spec: Path, tmp_path: Path, path: str) -> None:
    simulator, garbled = Simulator(Faults()), 0

    @web.middleware
    async def stand_between(request: web.Request, handler: Any) -> web.StreamResponse:
        nonlocal garbled
        response: web.StreamResponse = await handler(request)
        if request.path == path and request.method in ("POST", "GET") and garbled < 2:
            garbled += 1
            return web.Response(text="<html>점검 중</html>", content_type="text/html")
        return response

    app = simulator.build_app()
    app.middlewares.append(stand_between)
    with serve_in_thread(app) as url:
        generate(spec, tmp_path / "run", url)
    assert garbled == 2
    assert (simulator.counts["batches"], simulator.counts["files"], simulator.counts["paid"]) == (1, 1, 20)


def test_a_topic_out_of_reach_is_named(spec: Path, tmp_path: Path, start_simulator: StartSimulator, edit: Edit) -> None:
    edit(spec, "quota: 8", "quota: 100")
    url, _ = start_simulator(refusal=1.0)
    with pytest.raises(QuotaOutOfReachError, match="topic '보고 싶다는 표현' stopped at 0 of 100"):
        generate(spec, tmp_path / "run", url)


def test_offline_works_end_to_end_and_starts_anew_after_an_end(spec: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with open_run(str(spec), run, ProviderOptions(offline=True, batch=True)) as opened:
        replace(opened, waits=FAST).fill()
    with closing(sqlite3.connect(run / "ledger.db")) as connection, connection:  # as if killed while it was waiting
        connection.execute("DELETE FROM slots")
        connection.execute("UPDATE batch_requests SET is_open = 1, attempt = NULL")
        connection.execute("DELETE FROM attempts")
        connection.execute("UPDATE batches SET state = 'created'")
    with open_run(str(spec), run, ProviderOptions(offline=True, batch=True)) as opened:
        assert replace(opened, waits=FAST).fill()["added"] == 20
    assert query(run, "SELECT status FROM batches ORDER BY number") == [("vanished",), ("completed",)]


@pytest.mark.slow
def test_build_meets_its_quotas_by_batches(spec: Path, tmp_path: Path) -> None:
    options = BuildOptions(ProviderOptions(offline=True, batch=True), baseline=0)
    summary = build(str(spec), tmp_path / "run", options)
    assert summary["accepted"] == 20
    assert query(
        tmp_path / "run", "SELECT count(*) FROM attempts WHERE seq NOT IN (SELECT attempt FROM batch_requests)"
    ) == [(0,)]
