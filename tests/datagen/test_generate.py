"""Whole runs through the real client over real HTTP, against the simulator or a scripted server."""

import asyncio
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from datagen.endpoint_options import ProviderOptions
from datagen.errors import (
    BudgetSpentError,
    DataError,
    InterruptedRunError,
    ProviderError,
    QuotaOutOfReachError,
    UsageError,
)
from datagen.ledger import Ledger
from datagen.simulator.server import Simulator
from datagen.start import generate
from datagen.status import read_rejected, read_status
from datagen.store import read_dialogues

StartSimulator = Callable[..., tuple[str, Simulator]]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
StartServer = Callable[[Handler], str]
Edit = Callable[[Path, str, str], None]

GOOD = "human1: 나 왔어\ngpt1: *웃으며* 어서 와!\nhuman2: 오늘 어땠어?\ngpt2: 네가 오니까 더 좋아졌어~"


def ask(*urls: str, **options: Any) -> ProviderOptions:
    return ProviderOptions(base_urls=urls, **options)


def complete(content: str | None = GOOD, **extra: Any) -> web.Response:
    message = {"role": "assistant", "content": content} | extra.pop("message", {})
    finish_reason = extra.pop("finish_reason", "stop")
    usage = {"prompt_tokens": 900, "completion_tokens": 100, "total_tokens": 1000}
    body = {"id": "x", "object": "chat.completion", "created": 0, "model": "m-1", "usage": usage}
    choices = [{"index": 0, "message": message, "finish_reason": finish_reason}]
    return web.json_response({**body, "choices": choices, **extra})


def fail(status: int, code: str = "oops", **headers: str) -> web.Response:
    body = {"error": {"message": "말썽", "type": code, "code": code}}
    return web.json_response(body, status=status, headers={name.replace("_", "-"): v for name, v in headers.items()})


def count_topics(run: Path) -> dict[str, int]:
    return dict(Counter(dialogue.topic for dialogue in read_dialogues(run / "dialogues")))


def test_a_run_meets_every_quota_exactly_and_its_rows_are_whole(
    spec: Path, tmp_path: Path, start_simulator: StartSimulator
) -> None:
    url, simulator = start_simulator()
    summary = generate(str(spec), tmp_path / "run", ask(url))
    assert (summary["accepted"], summary["quota"]) == (20, 20)
    dialogues = list(read_dialogues(tmp_path / "run" / "dialogues"))
    assert Counter(d.topic for d in dialogues) == {"일상 대화": 12, "보고 싶다는 표현": 8}
    assert len({d.id for d in dialogues}) == 20
    for dialogue in dialogues:
        assert [m.role for m in dialogue.messages] == ["user", "assistant"] * (dialogue.turns // 2)
        assert 2 <= dialogue.turns // 2 <= 5
        assert dialogue.provider == dialogue.model == "damhwa-simulator"
        assert dialogue.category == {"일상 대화": "intellectual", "보고 싶다는 표현": "emotional"}[dialogue.topic]
        assert dialogue.turns // 2 == json.loads(dialogue.scenario)["exchanges"]
        assert len(dialogue.prompt_sha256) == 64
        assert dialogue.id == f"test-data-{dialogue.attempt_id}"
    assert simulator.counts["requests"] == 20


def test_a_finished_run_asks_nothing_more(spec: Path, tmp_path: Path, start_simulator: StartSimulator) -> None:
    url, simulator = start_simulator()
    generate(str(spec), tmp_path / "run", ask(url))
    before = {path.name: path.read_bytes() for path in (tmp_path / "run" / "dialogues").iterdir()}
    assert generate(str(spec), tmp_path / "run", ask(url))["added"] == 0
    assert simulator.counts["requests"] == 20
    assert {path.name: path.read_bytes() for path in (tmp_path / "run" / "dialogues").iterdir()} == before


def test_a_larger_quota_a_new_topic_and_new_situations_go_on_in_the_same_run(
    spec: Path, tmp_path: Path, start_simulator: StartSimulator, edit: Edit
) -> None:
    url, simulator = start_simulator()
    generate(str(spec), tmp_path / "run", ask(url))
    edit(spec, "quota: 12", "quota: 15")
    edit(
        spec,
        "      - 유저가 출근길에 비를 맞았다",
        "      - 유저가 출근길에 비를 맞았다\n      - 유저가 우산을 잃어버렸다",
    )
    new = (
        "  - {name: 사랑 밀당, category: emotional, quota: 4, brief: 밀고 당기는 장난., situations: [답장이 늦었다]}\n"
    )
    edit(spec, "examples:", f"{new}examples:")
    assert generate(str(spec), tmp_path / "run", ask(url))["added"] == 7
    assert count_topics(tmp_path / "run") == {"일상 대화": 15, "보고 싶다는 표현": 8, "사랑 밀당": 4}
    assert simulator.counts["requests"] == 27
    asked = [(d.topic, d.scenario) for d in read_dialogues(tmp_path / "run" / "dialogues")]
    assert len(set(asked)) == len(asked)


def test_any_other_change_of_the_spec_is_refused_with_a_diff(
    spec: Path, tmp_path: Path, start_simulator: StartSimulator, edit: Edit
) -> None:
    url, _ = start_simulator()
    generate(str(spec), tmp_path / "run", ask(url))
    edit(spec, "가벼운 이야기", "무거운 이야기")
    with pytest.raises(UsageError, match=r"(?s)-.*가벼운 이야기.*\+.*무거운 이야기"):
        generate(str(spec), tmp_path / "run", ask(url))
    edit(spec, "무거운 이야기", "가벼운 이야기")
    with pytest.raises(UsageError, match="model"):
        generate(str(spec), tmp_path / "run", ask(url, model="gpt-5"))


def test_a_quota_below_what_was_accepted_is_refused(
    spec: Path, tmp_path: Path, start_simulator: StartSimulator, edit: Edit
) -> None:
    url, _ = start_simulator()
    generate(str(spec), tmp_path / "run", ask(url))
    edit(spec, "quota: 12", "quota: 11")
    with pytest.raises(UsageError, match="has 12 accepted dialogues"):
        generate(str(spec), tmp_path / "run", ask(url))


def test_rejected_drafts_are_kept_and_made_again(spec: Path, tmp_path: Path, start_simulator: StartSimulator) -> None:
    url, simulator = start_simulator(malformed=0.3, refusal=0.1)
    summary = generate(str(spec), tmp_path / "run", ask(url))
    assert summary["accepted"] == 20
    kept = list(read_rejected(tmp_path / "run", None))
    assert len(kept) == simulator.counts["malformed"] + simulator.counts["refusal"] > 0
    assert summary["replies"] == simulator.counts["paid"] == 20 + len(kept)
    assert all(attempt.reply is not None and attempt.detail for attempt in kept)
    assert len({(attempt.topic, attempt.scenario) for attempt in kept}) == len(kept)


def test_every_fault_at_once_costs_nothing_but_the_rejected_replies(
    spec: Path, tmp_path: Path, start_simulator: StartSimulator
) -> None:
    url, simulator = start_simulator(
        rate_limited=0.1, retry_after_s=0.3, server_error=0.05, cut=0.05, malformed=0.1, latency_s=0.02, jitter_s=0.01
    )
    summary = generate(str(spec), tmp_path / "run", ask(url))
    assert count_topics(tmp_path / "run") == {"일상 대화": 12, "보고 싶다는 표현": 8}
    assert simulator.counts["before_retry_after"] == 0
    assert simulator.counts["paid"] == summary["replies"] == 20 + simulator.counts["malformed"]
    assert summary["requests"] == simulator.counts["requests"]


def test_several_endpoints_share_the_load(spec: Path, tmp_path: Path, start_simulator: StartSimulator) -> None:
    (first, one), (second, two) = start_simulator(latency_s=0.05), start_simulator(latency_s=0.05)
    generate(str(spec), tmp_path / "run", ask(first, second))
    assert min(one.counts["requests"], two.counts["requests"]) >= 6


def test_concurrency_is_never_passed(spec: Path, tmp_path: Path, start_simulator: StartSimulator) -> None:
    url, simulator = start_simulator(latency_s=0.05)
    generate(str(spec), tmp_path / "run", ask(url, concurrency=3))
    assert simulator.counts["most_in_flight"] == 3


@pytest.mark.parametrize(
    ("status", "code", "hint"),
    [
        (401, "invalid_api_key", "api-key-env"),
        (403, "denied", "permissions"),
        (404, "model_not_found", "--model"),
        (429, "insufficient_quota", "credit"),
    ],
)
def test_what_no_retry_mends_stops_the_run_at_once(
    spec: Path, tmp_path: Path, start_server: StartServer, status: int, code: str, hint: str
) -> None:
    asked = 0

    async def handle(_: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        return fail(status, code)

    with pytest.raises(ProviderError, match=str(status)) as caught:
        generate(str(spec), tmp_path / "run", ask(start_server(handle)))
    assert hint in str(caught.value.hint)
    assert asked <= 8


def test_a_dead_endpoint_is_told_with_its_address(spec: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("datagen.provider.FIRST_PATIENCE_S", 1.0)
    with pytest.raises(ProviderError, match=r"http://127.0.0.1:9/v1 gave no answer .* connection"):
        generate(str(spec), tmp_path / "run", ask("http://127.0.0.1:9/v1"))


def test_a_content_filter_rejects_the_scenario_not_the_run(
    spec: Path, tmp_path: Path, start_server: StartServer
) -> None:
    seen: set[str] = set()

    async def handle(request: web.Request) -> web.Response:
        prompt = (await request.json())["messages"][1]["content"]
        if "비를 맞았다" in prompt:
            assert prompt not in seen
            seen.add(prompt)
            return fail(400, "content_filter")
        if "이어폰" in prompt and len(seen) % 2:
            return complete(None, finish_reason="content_filter")
        return complete()

    generate(str(spec), tmp_path / "run", ask(start_server(handle)))
    assert sum(count_topics(tmp_path / "run").values()) == 20
    assert {"content-filter"} == {attempt.reason for attempt in read_rejected(tmp_path / "run", None)}


def test_an_endpoints_own_refusal_is_a_rejection(spec: Path, tmp_path: Path, start_server: StartServer) -> None:
    asked = 0

    async def handle(_: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        return complete(None, message={"refusal": "I won't."}) if asked == 1 else complete()

    generate(str(spec), tmp_path / "run", ask(start_server(handle)))
    (attempt,) = read_rejected(tmp_path / "run", None)
    assert (attempt.reason, attempt.reply) == ("refusal", "I won't.")


@pytest.mark.parametrize("garbage", ["<html>점검 중</html>", "", "{}", '{"choices": []}', "[]", "null", "{" * 5000])
def test_a_200_that_is_no_completion_is_tried_again(
    spec: Path, tmp_path: Path, start_server: StartServer, garbage: str
) -> None:
    asked = 0

    async def handle(_: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        return web.Response(text=garbage, content_type="application/json") if asked == 2 else complete()

    generate(str(spec), tmp_path / "run", ask(start_server(handle)))
    assert sum(count_topics(tmp_path / "run").values()) == 20
    assert asked == 21


@pytest.mark.parametrize(
    "usage", [None, {}, "free", {"prompt_tokens": None}, {"prompt_tokens": -1, "completion_tokens": "x"}]
)
def test_a_reply_with_an_odd_bill_is_kept(spec: Path, tmp_path: Path, start_server: StartServer, usage: object) -> None:
    asked = 0

    async def handle(_: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        return complete(usage=usage)

    generate(str(spec), tmp_path / "run", ask(start_server(handle)))
    assert asked == 20


def test_one_workers_retry_after_makes_all_wait(spec: Path, tmp_path: Path, start_server: StartServer) -> None:
    arrivals: list[float] = []
    refused_at = 0.0

    async def handle(_: web.Request) -> web.Response:
        nonlocal refused_at
        arrivals.append(time.monotonic())
        if len(arrivals) == 5:
            refused_at = time.monotonic()
            return fail(429, "rate_limit_exceeded", retry_after_ms="700")
        await asyncio.sleep(0.1)
        return complete()

    generate(str(spec), tmp_path / "run", ask(start_server(handle), concurrency=4))
    later = [moment - refused_at for moment in arrivals if moment > refused_at]
    assert sum(wait < 0.7 for wait in later) <= 3  # the other workers' requests may have been on the wire already


def test_a_request_that_drips_is_ended_by_its_timeout(spec: Path, tmp_path: Path, start_server: StartServer) -> None:
    asked = 0

    async def handle(request: web.Request) -> web.StreamResponse:
        nonlocal asked
        asked += 1
        if asked > 1:
            return complete()
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(100):
            await response.write(b" ")
            await asyncio.sleep(0.1)
        return response

    started = time.monotonic()
    generate(str(spec), tmp_path / "run", ask(start_server(handle), timeout_s=1.0))
    assert time.monotonic() - started < 6


def test_a_topic_out_of_reach_is_named_while_the_others_finish(
    spec: Path, tmp_path: Path, start_server: StartServer
) -> None:
    async def handle(request: web.Request) -> web.Response:
        prompt = (await request.json())["messages"][1]["content"]
        return complete("죄송하지만 도와드릴 수 없습니다.") if "보고 싶다는 표현" in prompt else complete()

    with pytest.raises(QuotaOutOfReachError) as caught:
        generate(str(spec), tmp_path / "run", ask(start_server(handle)))
    assert "topic '보고 싶다는 표현' stopped at 0 of 8" in caught.value.message
    assert re.search(r"\(refusal \d+\)", caught.value.message)
    assert "damhwa rejected" in str(caught.value.hint)
    assert count_topics(tmp_path / "run") == {"일상 대화": 12}


def test_the_budget_is_never_passed_and_the_run_goes_on_with_a_new_one(
    spec: Path, tmp_path: Path, start_simulator: StartSimulator
) -> None:
    url, simulator = start_simulator(latency_s=0.02, jitter_s=0.02)
    with pytest.raises(BudgetSpentError, match="dialogues are stored"):
        generate(str(spec), tmp_path / "run", ask(url, budget_tokens=20_000))
    status = read_status(tmp_path / "run")
    assert 0 < status["accepted"] < 20
    assert 10_000 < status["prompt_tokens"] + status["completion_tokens"] <= 20_000
    generate(str(spec), tmp_path / "run", ask(url, budget_tokens=200_000))
    assert simulator.counts["paid"] == 20


def test_dollars_need_a_price(spec: Path, tmp_path: Path, start_simulator: StartSimulator) -> None:
    url, _ = start_simulator()
    with pytest.raises(UsageError, match="price of model 'exaone-x' is unknown"):
        generate(str(spec), tmp_path / "run", ask(url, model="exaone-x", budget_usd=1.0))
    (spec.parent / "prices.yaml").write_text("prices: {exaone-x: {prompt: 100, completion: 100}}", encoding="utf-8")
    with pytest.raises(BudgetSpentError):
        generate(str(spec), tmp_path / "run", ask(url, model="exaone-x", budget_usd=2.0))
    assert 0.5 < read_status(tmp_path / "run")["cost_usd"] <= 2.0


def test_a_cost_that_the_endpoint_reports_is_what_is_booked(
    spec: Path, tmp_path: Path, start_simulator: StartSimulator
) -> None:
    url, _ = start_simulator(price_prompt=10, price_completion=10)
    summary = generate(str(spec), tmp_path / "run", ask(url))
    tokens = summary["prompt_tokens"] + summary["completion_tokens"]
    assert summary["cost_usd"] == pytest.approx(tokens * 10 / 1e6, rel=1e-6)


def test_cached_tokens_are_priced_as_such_from_the_bill_to_the_ledger(
    spec: Path, tmp_path: Path, start_simulator: StartSimulator, edit: Edit
) -> None:
    edit(spec.parent / "personas" / "exa.yaml", "밝게 말해.", "밝게 말해. " * 300)
    prices = "prices: {damhwa-simulator: {prompt: 100, cached_prompt: 10, completion: 400}}"
    (spec.parent / "prices.yaml").write_text(prices, encoding="utf-8")
    url, _ = start_simulator()
    summary = generate(str(spec), tmp_path / "run", ask(url, concurrency=1))
    connection = sqlite3.connect(tmp_path / "run" / "ledger.db")
    query = "SELECT prompt_tokens, cached_tokens, completion_tokens, cost_usd FROM attempts ORDER BY seq"
    rows = connection.execute(query).fetchall()
    connection.close()
    assert rows[0][1] == 0
    assert all(cached >= 1024 and cached % 128 == 0 for _, cached, _, _ in rows[1:])
    for prompt, cached, completion, cost in rows:
        assert cost == pytest.approx(((prompt - cached) * 100 + cached * 10 + completion * 400) / 1e6)
    share = sum(cached for _, cached, _, _ in rows) / sum(prompt for prompt, _, _, _ in rows)
    status = read_status(tmp_path / "run")
    assert summary["cached_share"] == status["cached_share"] == pytest.approx(share, abs=1e-4)
    assert share > 0.5
    assert status["cost_usd"] == pytest.approx(sum(cost for *_, cost in rows), abs=1e-6)


def test_nothing_is_asked_without_a_key_an_address_or_offline(
    spec: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UsageError, match="no model to ask") as caught:
        generate(str(spec), tmp_path / "run", ProviderOptions())
    assert "--offline" in str(caught.value.hint)
    assert not (tmp_path / "run").exists()


def test_a_second_process_on_the_run_is_refused(spec: Path, tmp_path: Path, start_simulator: StartSimulator) -> None:
    url, _ = start_simulator(latency_s=0.5)
    command = [sys.executable, "-m", "damhwa", "generate", str(spec), "-o", str(tmp_path / "run"), "--base-url", url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        wait_for(lambda: (tmp_path / "run" / "ledger.db").exists())
        with pytest.raises(UsageError, match=f"in use by another process \\(pid {process.pid}\\)"):
            generate(str(spec), tmp_path / "run", ask(url))
        process.communicate(timeout=60)
        assert process.returncode == 0


def wait_for(condition: Callable[[], bool], timeout_s: float = 30) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def start_process(spec: Path, run: Path, url: str, **environment: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "damhwa", "generate", str(spec), "-o", str(run), "--base-url", url]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, **streams, text=True, encoding="utf-8", env={**os.environ, **environment})  # type: ignore[call-overload,no-any-return]


def test_ctrl_c_stores_what_is_in_flight_and_exits_130(
    spec: Path, tmp_path: Path, start_simulator: StartSimulator
) -> None:
    url, simulator = start_simulator(latency_s=0.4)
    with start_process(spec, tmp_path / "run", url) as process:
        wait_for(lambda: simulator.counts["requests"] >= 8)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "run the same command again" in err
    assert sum(count_topics(tmp_path / "run").values()) == simulator.counts["paid"] < 20
    generate(str(spec), tmp_path / "run", ask(url))
    assert simulator.counts["paid"] == 20


def test_a_second_ctrl_c_leaves_at_once(spec: Path, tmp_path: Path, start_simulator: StartSimulator) -> None:
    url, simulator = start_simulator(latency_s=20)
    with start_process(spec, tmp_path / "run", url) as process:
        wait_for(lambda: simulator.counts["requests"] >= 8)
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=5) == 130
        process.communicate()


@pytest.mark.slow
def test_kill_9_at_any_moment_loses_nothing_that_was_stored(
    spec: Path, tmp_path: Path, start_simulator: StartSimulator, edit: Edit
) -> None:
    edit(spec, "quota: 12", "quota: 120")
    edit(spec, "[설렘, 지침]", "[설렘, 지침, 느긋함, 불안, 뿌듯함, 심심함, 그리움, 홀가분함]")
    url, simulator = start_simulator(latency_s=0.08, jitter_s=0.06, malformed=0.1)
    run, lost = tmp_path / "run", 0
    stored: dict[int, tuple[Any, ...]] = {}
    for kill in range(6):
        with start_process(spec, run, url) as process:
            before = simulator.counts["paid"]
            wait_for(lambda before=before, kill=kill: simulator.counts["paid"] >= before + 3 + 4 * kill)  # type: ignore[misc]
            process.kill()
            process.communicate()
        attempts = read_attempts(run)
        assert stored.items() <= attempts.items()
        lost += simulator.counts["paid"] - before - (len(attempts) - len(stored))
        stored = attempts
    assert 0 <= lost <= 6 * 8  # the requests in flight at the kills
    generate(str(spec), run, ask(url))
    final = read_attempts(run)
    assert stored.items() <= final.items()
    assert count_topics(run) == {"일상 대화": 120, "보고 싶다는 표현": 8}
    assert len({row[:3] for row in final.values()}) == len(final), "a stored draft was asked again"


def read_attempts(run: Path) -> dict[int, tuple[Any, ...]]:
    connection = sqlite3.connect(run / "ledger.db")
    rows = connection.execute("SELECT seq, topic, slot, scenario, outcome, reply FROM attempts").fetchall()
    connection.close()
    return {seq: tuple(rest) for seq, *rest in rows}


def test_the_key_is_written_nowhere(spec: Path, tmp_path: Path, start_server: StartServer) -> None:
    key = "sk-" + "planted" * 4
    seen: set[str | None] = set()

    async def handle(request: web.Request) -> web.Response:
        seen.add(request.headers.get("Authorization"))
        return complete() if len(seen) < 3 else fail(401)

    with start_process(spec, tmp_path / "run", start_server(handle), OPENAI_API_KEY=key, OPENAI_LOG="debug") as process:
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert seen == {f"Bearer {key}"}
    assert key not in out + err
    for path in (tmp_path / "run").rglob("*"):
        if path.is_file():
            assert key.encode() not in path.read_bytes(), path


def test_a_full_disk_stops_the_run_with_exit_4(spec: Path, tmp_path: Path, start_simulator: StartSimulator) -> None:
    url, _ = start_simulator()
    limit = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000)); import signal; "
    limit += "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); sys.argv[0] = 'damhwa'; import damhwa; damhwa.main()"
    command = [sys.executable, "-c", limit, "generate", str(spec), "-o", str(tmp_path / "run"), "--base-url", url]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=60, check=False)
    assert done.returncode == 4, done.stderr
    assert "could not be written" in done.stderr
    assert "Traceback" not in done.stderr
    stored = read_attempts(tmp_path / "run")
    generate(str(spec), tmp_path / "run", ask(url))
    assert stored.items() <= read_attempts(tmp_path / "run").items()
    assert sum(count_topics(tmp_path / "run").values()) == 20


def test_a_damaged_ledger_is_named_and_left_untouched(
    spec: Path, tmp_path: Path, start_simulator: StartSimulator
) -> None:
    url, _ = start_simulator()
    generate(str(spec), tmp_path / "run", ask(url))
    path = tmp_path / "run" / "ledger.db"
    content = bytearray(path.read_bytes())
    content[4096:12288] = b"\xff" * 8192
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"ledger\.db is damaged"):
        generate(str(spec), tmp_path / "run", ask(url))
    assert path.read_bytes() == content


def test_a_shard_that_is_gone_or_half_written_is_written_again(
    spec: Path, tmp_path: Path, start_simulator: StartSimulator
) -> None:
    url, simulator = start_simulator()
    run = tmp_path / "run"
    generate(str(spec), run, ask(url))
    before = sorted(d.id for d in read_dialogues(run / "dialogues"))
    next((run / "dialogues").glob("*.parquet")).unlink()
    generate(str(spec), run, ask(url))
    assert sorted(d.id for d in read_dialogues(run / "dialogues")) == before
    ledger = Ledger.create_or_open(run / "ledger.db")
    (name,) = ledger.shards()
    ledger.unseal_shard(name)
    ledger.begin_shard(name)
    ledger.close()
    (run / "dialogues" / name).write_bytes(b"PAR1 half")
    generate(str(spec), run, ask(url))
    assert sorted(d.id for d in read_dialogues(run / "dialogues")) == before
    assert simulator.counts["requests"] == 20


def test_a_lost_ledger_does_not_take_the_dialogues_with_it(
    spec: Path, tmp_path: Path, start_simulator: StartSimulator
) -> None:
    url, _ = start_simulator()
    run = tmp_path / "run"
    generate(str(spec), run, ask(url))
    before = {d.id for d in read_dialogues(run / "dialogues")}
    for path in run.glob("ledger.db*"):
        path.unlink()
    generate(str(spec), run, ask(url))
    after = [d.id for d in read_dialogues(run / "dialogues")]
    assert before < set(after)
    assert len(after) == len(set(after)) == 40


def test_a_spec_copy_edited_by_hand_is_told(
    spec: Path, tmp_path: Path, start_simulator: StartSimulator, edit: Edit
) -> None:
    url, _ = start_simulator()
    generate(str(spec), tmp_path / "run", ask(url))
    edit(tmp_path / "run" / "spec.yaml", "quota: 12", "quota: 13")
    with pytest.raises(DataError, match=r"spec\.yaml was changed by hand"):
        generate(str(spec), tmp_path / "run", ask(url))


def test_an_interrupt_error_carries_its_exit_code() -> None:
    assert InterruptedRunError("").exit_code == 130


@pytest.mark.slow
def test_sealing_all_the_time_writes_every_dialogue_once(
    spec: Path, tmp_path: Path, start_simulator: StartSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datagen.generate.SEAL_EVERY_ROWS", 1)
    monkeypatch.setattr("datagen.generate.SEAL_LOOK_S", 0.001)
    url, _ = start_simulator(latency_s=0.01, jitter_s=0.01)
    for number in range(6):
        run = tmp_path / f"run-{number}"
        generate(str(spec), run, ask(url))
        ids = [dialogue.id for dialogue in read_dialogues(run / "dialogues")]
        assert len(ids) == len(set(ids)) == 20
        assert read_status(run)["unsealed"] == 0


def test_a_request_that_never_succeeds_does_not_hold_its_slot_for_ever(
    spec: Path, tmp_path: Path, start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datagen.provider.PATIENCE_S", 0.5)
    poisoned: list[str] = []

    async def handle(request: web.Request) -> web.Response:
        prompt = (await request.json())["messages"][1]["content"]
        if not poisoned:
            poisoned.append(prompt)
        await asyncio.sleep(0.05)
        return fail(500) if prompt in poisoned else complete()

    summary = generate(str(spec), tmp_path / "run", ask(start_server(handle), concurrency=2))
    assert summary["accepted"] == 20
    assert read_status(tmp_path / "run")["failed"] == 1
