"""Whole runs of duets over real HTTP: nothing that was said is lost or paid for twice, whatever stops a run."""

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web

from curation.build import BuildOptions, build
from curation.explain import explain
from datagen.check import draw_forecast, forecast, sample_prompts
from datagen.endpoint_options import ProviderOptions
from datagen.errors import BudgetSpentError, Problem, ProviderError, SpecError, UsageError
from datagen.scenario import Scenario, list_dimensions, plan_scenarios
from datagen.simulator.server import Simulator
from datagen.spec_file import load_spec
from datagen.start import generate
from datagen.status import read_rejected, read_status
from datagen.store import read_dialogues
from tests.datagen.duet_world import make_duet, read_rows

StartSimulator = Callable[..., tuple[str, Simulator]]
StartServer = Callable[[Callable[[web.Request], Awaitable[web.StreamResponse]]], str]
Edit = Callable[[Path, str, str], None]


def ask(url: str, **options: object) -> ProviderOptions:
    return ProviderOptions(base_urls=(url,), **options)  # type: ignore[arg-type]


def test_a_run_of_duets_meets_its_quotas_and_every_utterance_is_a_row(
    spec: Path, tmp_path: Path, start_simulator: StartSimulator
) -> None:
    url, simulator = start_simulator(malformed=0.1, price_prompt=1.0, price_completion=2.0)
    summary = generate(str(make_duet(spec)), tmp_path / "run", ask(url))
    dialogues = list(read_dialogues(tmp_path / "run" / "dialogues"))
    rows = read_rows(tmp_path / "run")
    assert Counter(d.topic for d in dialogues) == {"일상 대화": 2, "보고 싶다는 표현": 1}
    for dialogue in dialogues:
        assert [m.role for m in dialogue.messages] == ["user", "assistant"] * (dialogue.turns // 2)
        assert 3 <= dialogue.turns // 2 <= 5
        assert json.loads(dialogue.scenario)["user"] == "student"
        said = [row for row in rows if row["attempt"] == int(dialogue.attempt_id.rpartition("-")[2])]
        assert [row["text"] for row in said if row["text"]] == [m.content for m in dialogue.messages]
        assert dialogue.cost_usd == pytest.approx(sum(row["cost_usd"] for row in said))
        assert dialogue.prompt_tokens == sum(row["prompt_tokens"] for row in said)
    assert len(rows) == simulator.counts["paid"] == summary["replies"]
    assert summary["cost_usd"] == pytest.approx(sum(row["cost_usd"] for row in rows))
    status = read_status(tmp_path / "run")
    assert status["cost_usd"] == pytest.approx(summary["cost_usd"])
    assert (status["under_way"], status["requests"]) == (0, simulator.counts["requests"])


def test_a_full_context_is_summarised_and_the_summary_is_a_row_too(
    spec: Path, tmp_path: Path, start_simulator: StartSimulator, edit: Edit
) -> None:
    url, _ = start_simulator()
    edit(make_duet(spec, "{min: 16, max: 18}"), "mode: duet", "mode: duet\ncontext_tokens: 400")
    generate(str(spec), tmp_path / "run", ask(url))
    summaries = [row for row in read_rows(tmp_path / "run") if row["kind"] == "summary"]
    assert summaries
    assert all(row["number"] % 2 == 0 and "유저" in row["text"] for row in summaries)
    dialogue = next(iter(read_dialogues(tmp_path / "run" / "dialogues")))
    assert not any(row["text"] == m.content for row in summaries for m in dialogue.messages)


def test_a_spent_budget_stops_in_the_middle_and_the_next_call_goes_on(
    spec: Path, tmp_path: Path, start_simulator: StartSimulator
) -> None:
    url, simulator = start_simulator()
    make_duet(spec)
    with pytest.raises(BudgetSpentError):
        generate(str(spec), tmp_path / "run", ask(url, budget_tokens=12_000))
    status = read_status(tmp_path / "run")
    assert status["under_way"] >= 1
    before = read_rows(tmp_path / "run")
    assert status["prompt_tokens"] == sum(row["prompt_tokens"] for row in before) > 0
    assert status["requests"] == len(before)
    assert generate(str(spec), tmp_path / "run", ask(url))["accepted"] == 3
    assert simulator.counts["paid_again"] == 0
    assert len(read_rows(tmp_path / "run")) == simulator.counts["paid"]
    assert read_status(tmp_path / "run")["under_way"] == 0


def test_a_dead_endpoint_stops_the_run_and_another_goes_on_with_the_dialogue(
    spec: Path, tmp_path: Path, start_simulator: StartSimulator, start_server: StartServer
) -> None:
    said = iter(["나 왔어", "어서 와!", "오늘 힘들었어"])

    async def handle(_: web.Request) -> web.Response:
        text = next(said, None)
        if text is None:
            return web.json_response({"error": {"message": "gone", "code": "invalid_api_key"}}, status=401)
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        body = {"id": "x", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}
        return web.json_response(body)

    make_duet(spec)
    with pytest.raises(ProviderError):
        generate(str(spec), tmp_path / "run", ask(start_server(handle), concurrency=1))
    url, _ = start_simulator()
    generate(str(spec), tmp_path / "run", ask(url))
    texts = [[m.content for m in d.messages[:3]] for d in read_dialogues(tmp_path / "run" / "dialogues")]
    assert ["나 왔어", "어서 와!", "오늘 힘들었어"] in texts


@pytest.mark.slow
def test_kill_9_at_any_moment_costs_at_most_the_utterances_in_flight(
    spec: Path, tmp_path: Path, start_simulator: StartSimulator, edit: Edit
) -> None:
    url, simulator = start_simulator(latency_s=0.01)
    edit(make_duet(spec, "{min: 8, max: 9}"), "mode: duet", "mode: duet\ncontext_tokens: 300")
    command = [sys.executable, "-m", "damhwa", "generate", str(spec), "-o", str(tmp_path / "run"), "--base-url", url]
    kills = 0
    for more in (3, 9, 14):
        goal = simulator.counts["paid"] + more
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 30
        while simulator.counts["paid"] < goal and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()
        kills += 1
        before = read_rows(tmp_path / "run")
        assert len(before) >= goal - 2 * kills
    generate(str(spec), tmp_path / "run", ask(url))
    rows = read_rows(tmp_path / "run")
    known = [{**row, "attempt": None} for row in rows]
    assert all({**row, "attempt": None} in known for row in before), "what was stored is never changed"
    assert len(list(read_dialogues(tmp_path / "run" / "dialogues"))) == 3
    assert simulator.counts["paid"] - len(rows) == simulator.counts["paid_again"] <= 2 * kills
    assert len({(row["duet"], row["number"], row["kind"]) for row in rows}) == len(rows), "one row an utterance"


def test_ctrl_c_waits_for_the_utterances_in_flight_and_the_next_call_goes_on(
    spec: Path, tmp_path: Path, start_simulator: StartSimulator
) -> None:
    url, simulator = start_simulator(latency_s=0.05)
    make_duet(spec, "{min: 8, max: 9}")
    command = [sys.executable, "-m", "damhwa", "generate", str(spec), "-o", str(tmp_path / "run"), "--base-url", url]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 30
    while simulator.counts["paid"] < 5 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 130
    assert len(read_rows(tmp_path / "run")) == simulator.counts["paid"], "what was in flight is stored"
    assert read_status(tmp_path / "run")["under_way"] == 2
    assert generate(str(spec), tmp_path / "run", ask(url))["accepted"] == 3
    assert simulator.counts["paid_again"] == 0


def test_rejected_duets_are_shown_as_far_as_they_came(
    spec: Path, tmp_path: Path, start_simulator: StartSimulator
) -> None:
    url, _ = start_simulator(malformed=0.5)
    generate(str(make_duet(spec)), tmp_path / "run", ask(url))
    rejected = list(read_rejected(tmp_path / "run", None))
    assert rejected
    for attempt in rejected:
        assert attempt.detail is not None
        assert "asked 3 times" in attempt.detail
        assert attempt.reply is not None
        assert attempt.reply == "" or attempt.reply.startswith("human1: ")


def test_explain_tells_a_duets_requests(spec: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    build(str(make_duet(spec)), run, BuildOptions(ProviderOptions(offline=True), baseline=0))
    id_ = next(iter(read_dialogues(run / "dialogues"))).id
    told = explain(run, id_).to_json()["attempt"]
    assert told["duet"]["user"] == told["duet"]["persona"] >= 3
    assert len(told["utterances"]) == told["requests"]


def problems_of(spec: Path) -> list[Problem]:
    with pytest.raises(SpecError) as caught:
        load_spec(spec)
    return list(caught.value.problems)


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("users: [users/student.yaml]", "users: []", "mode is duet and there are no users"),
        ("mode: duet\n", "", "there are users and mode is not duet"),
        ("users/student.yaml", "users/studant.yaml", "user file users/studant.yaml does not exist"),
        ("[users/student.yaml]", "[users/*.yaml, users/student.yaml]", "user id 'student' stands twice"),
    ],
)
def test_mistakes_of_a_duet_are_told_with_their_line(spec: Path, edit: Edit, old: str, new: str, told: str) -> None:
    edit(make_duet(spec), old, new)
    (problem,) = problems_of(spec)
    assert told in problem.message
    assert problem.line is not None


def test_a_user_under_19_is_refused_in_its_own_file(spec: Path, edit: Edit) -> None:
    edit(make_duet(spec).parent / "users" / "student.yaml", "age: 20", "age: 17")
    (problem,) = problems_of(spec)
    assert problem.file.endswith("student.yaml")
    assert problem.line == 2


def test_duets_are_not_asked_for_in_batches(spec: Path, tmp_path: Path, start_simulator: StartSimulator) -> None:
    url, simulator = start_simulator()
    with pytest.raises(UsageError, match="duets"):
        generate(str(make_duet(spec)), tmp_path / "run", ask(url, batch=True))
    assert simulator.counts["requests"] == 0


def test_a_run_of_transcripts_freezes_what_it_always_did(spec: Path, tmp_path: Path) -> None:
    generate(str(spec), tmp_path / "run", ProviderOptions(offline=True))
    frozen = (tmp_path / "run" / "spec.yaml").read_text(encoding="utf-8")
    assert not any(f"\n{key}:" in frozen for key in ("mode", "users", "context_tokens"))


def test_users_are_spread_evenly_and_old_scenarios_still_parse() -> None:
    loaded = load_spec("long-data")
    topic = loaded.spec.topics[0]
    plan = plan_scenarios(list_dimensions(loaded.spec, topic, loaded.persona_ids, users=loaded.user_ids))
    scenarios = [next(plan) for _ in range(80)]
    assert set(Counter(each.user for each in scenarios).values()) == {10}
    assert set(Counter(each.persona for each in scenarios).values()) == {20}
    assert all(Scenario.from_json(topic.name, each.to_json()) == each for each in scenarios)
    old = '{"persona": "exa", "situation": "가", "facets": {"장소": "카페"}, "opening": null, "exchanges": 3}'
    assert Scenario.from_json("주제", old).user is None
    assert Scenario.from_json("주제", old).to_json() == old


def test_a_forecast_of_duets_counts_that_each_request_sends_the_dialogue_so_far(spec: Path, edit: Edit) -> None:
    make_duet(spec, "{min: 10, max: 10}", quota=8)
    short = forecast(load_spec(spec))[0]
    edit(spec, "{min: 10, max: 10}", "{min: 40, max: 40}")
    loaded = load_spec(spec)
    long = forecast(loaded)[0]
    assert long.completion_tokens == pytest.approx(4 * short.completion_tokens, rel=0.1)
    assert long.prompt_tokens > 5 * short.prompt_tokens
    assert 0.5 < long.cached_tokens / long.prompt_tokens < 1
    assert long.requests > 4 * short.requests * 0.95
    assert any("without one" in str(part) for part in draw_forecast(loaded, [long]))
    assert len(list(sample_prompts(loaded, 2))) == 4
