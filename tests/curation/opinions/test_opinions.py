"""What models say is asked over real HTTP, once, and is on the disk before it counts."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow.parquet as pq
import pytest
from aiohttp import web

from curation.build import BuildOptions, build
from curation.curate import CurateRequest, curate
from curation.opinions.desk import Desk
from curation.opinions.gather import Opinions, gather_opinions
from datagen.endpoint_options import ProviderOptions
from datagen.errors import BudgetSpentError, ProviderError, SpecError, UsageError
from datagen.ledger import Ledger
from datagen.simulator.server import Simulator
from tests.curation.opinions.opinion_world import (
    GOOD,
    TALKS,
    OpinionServer,
    complete,
    make_settings,
    open_material,
    refuse,
    write_talks,
)

POOR = {**GOOD, "naturalness": 2, "reason": "2번째 말이 앞말을 받지 않는다."}


@pytest.fixture
def server() -> OpinionServer:
    return OpinionServer()


@pytest.fixture
def url(server: OpinionServer) -> Iterator[str]:
    with server.serve() as url:
        yield url


def judge_at(url: str, repeat: float = 0, **provider: Any) -> dict[str, Any]:
    return {"judge": {"provider": {"model": "gpt-4o", "base_url": url, **provider}, "repeat": repeat}}


def gather(tmp_path: Path, blocks: dict[str, Any], desk: Desk | None = None, **material: Any) -> Opinions:
    desk = desk or Desk(tmp_path / "out")
    return gather_opinions(desk, make_settings(**blocks), open_material(tmp_path, **material))


def count_answers(folder: Path) -> int:
    ledger = Ledger.open_to_read(folder / "ledger.db")
    try:
        return int(ledger.read("SELECT count(*) FROM answers")[0][0])
    finally:
        ledger.close()


def test_every_dialogue_is_judged_once_and_a_second_call_asks_nothing(
    tmp_path: Path, server: OpinionServer, url: str
) -> None:
    first = gather(tmp_path, judge_at(url))
    assert server.counts["completions"] == len(TALKS) == count_answers(tmp_path / "out")
    assert first.scores.tolist() == [4.5] * len(TALKS)
    assert {body["temperature"] for body in server.asked} == {0.0}
    assert first.judge is not None
    assert (first.judge["judged"], first.judge["unjudged"]) == (5, 0)
    second = gather(tmp_path, judge_at("http://127.0.0.1:9/v1"))
    assert server.counts["completions"] == len(TALKS)
    assert second.scores.tolist() == first.scores.tolist()


def test_the_same_dialogue_in_two_rows_is_asked_about_once(tmp_path: Path, server: OpinionServer, url: str) -> None:
    opinions = gather(tmp_path, judge_at(url), talks=(TALKS[0], TALKS[1], TALKS[0]))
    assert server.counts["completions"] == 2
    assert opinions.scores.tolist() == [4.5] * 3


def test_nothing_is_asked_about_rows_that_cannot_be_read(tmp_path: Path, server: OpinionServer, url: str) -> None:
    folder = write_talks(tmp_path / "talks", TALKS[:2])
    lines = (folder / "talks.jsonl").read_text(encoding="utf-8")
    repeated = lines.replace("한 달", "두 달").splitlines()[0]
    (folder / "talks.jsonl").write_text(lines + repeated + '\n{"messages": []}\n', encoding="utf-8")
    (tmp_path / "curation.yaml").write_text(json.dumps(judge_at(url)), encoding="utf-8")
    summary = curate(CurateRequest(folder, tmp_path / "out", settings=tmp_path / "curation.yaml"))
    assert (summary["dialogues"], summary["unreadable"]) == (2, 2)
    assert server.counts["completions"] == 2


def test_another_model_or_rubric_is_asked_anew(tmp_path: Path, server: OpinionServer, url: str) -> None:
    gather(tmp_path, judge_at(url))
    gather(tmp_path, judge_at(url, model="gpt-4o-mini"))
    blocks = judge_at(url)
    blocks["judge"]["rubric"] = "naturalness, persona, topic, emotion을 매겨라. {{ persona }}"
    gather(tmp_path, blocks)
    assert server.counts["completions"] == 3 * len(TALKS)
    assert server.asked[-1]["messages"][0]["content"].endswith("늘 반말로 밝게 말해.")


def test_a_share_is_judged_twice_for_the_report(tmp_path: Path, server: OpinionServer, url: str) -> None:
    seen: set[str] = set()

    def waver(body: dict[str, Any]) -> web.Response:
        text = body["messages"][1]["content"]
        is_second = text in seen
        seen.add(text)
        return complete({**GOOD, "topic": 3} if is_second else GOOD)

    server.judge = waver
    opinions = gather(tmp_path, judge_at(url, repeat=1))
    assert server.counts["completions"] == 2 * len(TALKS)
    assert opinions.scores.tolist() == [4.5] * len(TALKS)
    assert opinions.judge is not None
    assert opinions.judge["judged twice"] == len(TALKS)
    consistency = cast(dict[str, object], opinions.judge["consistency"])
    assert consistency["topic"] == {"equal": 0.0, "within one point": 0.0, "mean difference": 2.0}
    assert consistency["persona"] == {"equal": 1.0, "within one point": 1.0, "mean difference": 0.0}


def test_a_reply_out_of_form_is_asked_for_once_more(tmp_path: Path, server: OpinionServer, url: str) -> None:
    server.first = [complete("전반적으로 자연스러운 대화예요. 4점!"), complete("{")]
    opinions = gather(tmp_path, judge_at(url))
    assert server.counts["completions"] == len(TALKS) + 2
    assert not np.isnan(opinions.scores).any()
    gather(tmp_path, judge_at(url))
    assert server.counts["completions"] == len(TALKS) + 2


def test_what_stays_out_of_form_is_counted_as_unjudged_and_not_asked_for_ever(
    tmp_path: Path, server: OpinionServer, url: str
) -> None:
    server.judge = lambda body: complete("음… 좋네요." if "면접" in body["messages"][1]["content"] else GOOD)
    opinions = gather(tmp_path, judge_at(url, repeat=1))
    assert server.counts["completions"] == 2 + 2 * (len(TALKS) - 1)
    assert np.isnan(opinions.scores).tolist() == [True] + [False] * 4
    assert opinions.judge is not None
    assert (opinions.judge["judged"], opinions.judge["unjudged"]) == (4, 1)
    gather(tmp_path, judge_at(url, repeat=1))
    assert server.counts["completions"] == 2 + 2 * (len(TALKS) - 1)


def test_a_busy_endpoint_is_asked_again_when_it_says_so(tmp_path: Path, server: OpinionServer, url: str) -> None:
    server.first = [refuse(429, retry_after="0.05"), refuse(429, retry_after="0.05"), complete(GOOD, choices=[])]
    opinions = gather(tmp_path, judge_at(url))
    assert server.counts["completions"] == len(TALKS) + 3
    assert not np.isnan(opinions.scores).any()


def test_a_wrong_key_stops_everything(tmp_path: Path, server: OpinionServer, url: str) -> None:
    server.judge = lambda _: refuse(401)
    with pytest.raises(ProviderError, match="말썽"):
        gather(tmp_path, judge_at(url))


def test_an_endpoint_that_refuses_every_request_is_an_error_not_a_note(
    tmp_path: Path, server: OpinionServer, url: str
) -> None:
    server.judge = lambda _: refuse(400, "unsupported_parameter")
    with pytest.raises(ProviderError, match="judge: the endpoint answered none of 5: http-400"):
        gather(tmp_path, judge_at(url))


def test_one_refused_dialogue_is_a_note(
    tmp_path: Path, server: OpinionServer, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    server.judge = lambda body: refuse(400) if "면접" in body["messages"][1]["content"] else complete(GOOD)
    for _ in range(2):  # the second time nothing new is answered at all, and that is no error either
        opinions = gather(tmp_path, judge_at(url))
        assert np.isnan(opinions.scores).tolist() == [True] + [False] * 4
        assert "judge: 1 got no answer, the first: http-400" in " ".join(capsys.readouterr().err.split())


def test_a_spent_budget_keeps_what_was_answered_and_the_next_call_goes_on(
    tmp_path: Path, server: OpinionServer, url: str
) -> None:
    with pytest.raises(BudgetSpentError, match="judge: the budget of 4,000 tokens is spent"):
        gather(tmp_path, judge_at(url, budget_tokens=4_000, concurrency=1))
    paid = server.counts["completions"]
    assert 0 < paid < len(TALKS)
    assert count_answers(tmp_path / "out") == paid
    opinions = gather(tmp_path, judge_at(url))
    assert server.counts["completions"] == len(TALKS)
    assert not np.isnan(opinions.scores).any()


def test_one_budget_holds_for_all_examinations_of_a_command(tmp_path: Path, server: OpinionServer, url: str) -> None:
    desk = Desk(tmp_path / "out")
    blocks = judge_at(url, budget_tokens=4_000, concurrency=1)  # enough for four
    gather(tmp_path, blocks, desk, talks=TALKS[:1])
    with pytest.raises(BudgetSpentError):
        gather(tmp_path, blocks, desk)
    assert server.counts["completions"] == len(TALKS) - 1


def test_a_closed_desk_tells_what_was_answered_and_asks_nothing(
    tmp_path: Path, server: OpinionServer, url: str
) -> None:
    gather(tmp_path, judge_at(url), talks=TALKS[:2])
    opinions = gather(tmp_path, judge_at(url), Desk(tmp_path / "out", is_closed=True))
    assert server.counts["completions"] == 2
    assert np.isnan(opinions.scores).tolist() == [False, False, True, True, True]


def test_an_answer_is_on_the_disk_before_it_counts(tmp_path: Path, server: OpinionServer, url: str) -> None:
    stored: list[int] = []
    desk = Desk(tmp_path / "out", tell=lambda _: stored.append(count_answers(tmp_path / "out")))
    gather(tmp_path, judge_at(url, concurrency=1), desk)
    assert server.counts["completions"] == len(TALKS)
    assert stored == [1, 2, 3, 4, 5]


KILLED = """
import sys
from pathlib import Path
from curation.curate import CurateRequest, curate
curate(CurateRequest(Path(sys.argv[1]), Path(sys.argv[2]), settings=Path(sys.argv[3])))
"""


def test_a_killed_process_has_paid_for_nothing_that_is_asked_again(
    tmp_path: Path, server: OpinionServer, url: str
) -> None:
    write_talks(tmp_path / "talks")
    settings = tmp_path / "curation.yaml"
    block = judge_at(url, concurrency=1)
    settings.write_text(json.dumps(block), encoding="utf-8")
    processes: list[subprocess.Popen[bytes]] = []

    def kill_at_the_fourth(_: dict[str, Any]) -> web.Response:
        if server.counts["completions"] == 4:
            processes[0].send_signal(signal.SIGKILL)
            processes[0].wait()
        return complete(GOOD)

    server.judge = kill_at_the_fourth
    command = [sys.executable, "-c", KILLED, str(tmp_path / "talks"), str(tmp_path / "out"), str(settings)]
    with subprocess.Popen(command, cwd=Path.cwd(), stderr=subprocess.DEVNULL) as process:
        processes.append(process)
    assert process.returncode == -signal.SIGKILL
    assert count_answers(tmp_path / "out") == 3
    server.judge = lambda _: complete(GOOD)
    summary = curate(CurateRequest(tmp_path / "talks", tmp_path / "out", settings=settings))
    assert summary["accepted"] == len(TALKS)
    assert server.counts["completions"] == 4 + 2


def test_without_a_block_nothing_is_asked_kept_or_imported(tmp_path: Path) -> None:
    write_talks(tmp_path / "talks")
    settings = tmp_path / "curation.yaml"
    settings.write_text("judge: {enabled: false, provider: {model: gpt-4o}}\n", encoding="utf-8")
    script = KILLED + "\nprint('openai' in sys.modules, 'sentence_transformers' in sys.modules)\n"
    command = [sys.executable, "-c", script, str(tmp_path / "talks"), str(tmp_path / "out"), str(settings)]
    done = subprocess.run(command, cwd=Path.cwd(), capture_output=True, text=True, encoding="utf-8", check=True)
    assert done.stdout.split() == ["False", "False"]
    assert not (tmp_path / "out" / "ledger.db").exists()


def test_no_endpoint_is_an_error_that_names_the_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UsageError, match="judge: no model to ask: OPENAI_API_KEY is not set"):
        gather(tmp_path, {"judge": {"provider": {"model": "gpt-4o"}}})
    with pytest.raises(UsageError, match="moderation: --base-url localhost: expected an address"):
        gather(tmp_path, {"moderation": {"provider": {"base_url": "localhost"}}})


def test_a_budget_in_dollars_needs_a_price(tmp_path: Path, url: str) -> None:
    with pytest.raises(UsageError, match="judge: the price of model 'exa-7b' is unknown"):
        gather(tmp_path, judge_at(url, model="exa-7b", budget_usd=1))
    (tmp_path / "out" / "prices.yaml").write_text("prices: {exa-7b: {prompt: 1, completion: 1}}\n", encoding="utf-8")
    gather(tmp_path, judge_at(url, model="exa-7b", budget_usd=1))


def test_the_judge_decides_which_of_two_near_copies_is_kept(tmp_path: Path, server: OpinionServer, url: str) -> None:
    longer = (*TALKS[0][:3], TALKS[0][3] + " 진짜로, 약속할게!")
    assert decide(tmp_path / "plain", (TALKS[0], longer), {}) == {"t0": "duplicate", "t1": "accepted"}
    fair = {**GOOD, "topic": 3}  # nothing to note, but half a point less
    server.judge = lambda body: complete(fair if "진짜로, 약속" in body["messages"][1]["content"] else GOOD)
    assert decide(tmp_path / "judged", (TALKS[0], longer), judge_at(url)) == {"t0": "accepted", "t1": "duplicate"}


def test_what_the_judge_says_lies_beside_the_dialogues(tmp_path: Path, server: OpinionServer, url: str) -> None:
    server.judge = lambda body: complete(POOR if "양자" in body["messages"][1]["content"] else GOOD)
    assert set(decide(tmp_path, TALKS, judge_at(url)).values()) == {"accepted"}
    findings = pq.read_table(tmp_path / "out" / "curated" / "findings.parquet").to_pylist()
    judged = [each for each in findings if each["code"] == "judge"]
    assert [(each["id"], each["rule"], each["verdict"]) for each in judged] == [
        ("t3", "naturalness", "note"),
        ("t3", "disagreement", "note"),
    ]
    report = json.loads((tmp_path / "out" / "curated" / "report.json").read_text(encoding="utf-8"))
    assert {"name": "judged", "value": "5"} in report["judge"]


def test_the_simulators_own_dialogues_need_no_endpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    opinions = gather(tmp_path, {"judge": {"provider": {"model": "gpt-4o"}}}, provider="damhwa-simulator")
    assert np.isnan(opinions.scores).all()
    assert "judge: no endpoint is known" in " ".join(capsys.readouterr().err.split())


def decide(folder: Path, talks: tuple[tuple[str, ...], ...], blocks: dict[str, Any]) -> dict[str, str]:
    write_talks(folder / "talks", talks)
    (folder / "curation.yaml").write_text(json.dumps(blocks), encoding="utf-8")
    curate(CurateRequest(folder / "talks", folder / "out", settings=folder / "curation.yaml"))
    decisions = pq.read_table(folder / "out" / "curated" / "decisions.parquet").to_pylist()
    return {each["id"]: each["status"] for each in decisions}


def test_a_judge_that_likes_what_a_filter_dropped_sends_it_to_review(tmp_path: Path, url: str) -> None:
    opinions = gather(tmp_path, judge_at(url), dropped=[1], settled=[2])
    assert [(row, finding.rule) for row, finding in opinions.findings] == [(1, "disagreement")]
    assert opinions.findings[0][1].evidence.startswith("필터는 걸렀지만 심사 평균은 4.5점: 2번째 말이 {유저}의")


BLOCKS = """
judge: {provider: {model: gpt-4o}, repeat: 0.5}
moderation: {}
semantic: {provider: {model: text-embedding-3-small}, threshold: 0.97}
"""


def test_an_offline_build_asks_its_simulator_and_meets_every_quota(
    spec: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (spec.parent / "curation.yaml").write_text(BLOCKS, encoding="utf-8")
    run = tmp_path / "run"
    summary = build(str(spec), run, BuildOptions(ProviderOptions(offline=True), baseline=0))
    assert summary["accepted"] == summary["quota"] == 20
    ledger = Ledger.open_to_read(run / "ledger.db")
    kinds = dict(ledger.read("SELECT kind, count(*) FROM answers GROUP BY kind"))
    models = {model for (model,) in ledger.read("SELECT DISTINCT model FROM answers")}
    ledger.close()
    assert kinds.keys() == {"judge", "moderation", "semantic"}
    assert kinds["judge"] > summary["dialogues"]
    assert models == {"damhwa-simulator"}
    report = json.loads((run / "curated" / "report.json").read_text(encoding="utf-8"))
    assert {"name": "judged", "value": str(summary["dialogues"])} in report["judge"]
    assert (run / "curated" / "semantic.parquet").is_file()
    page = (run / "curated" / "report.html").read_text(encoding="utf-8")
    assert "두 번 심사한 대화" in page
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    again = curate(CurateRequest(run))  # no simulator runs now: what it said is in the ledger
    assert again["accepted"] == 20
    kept = json.loads((run / "curated" / "report.json").read_text(encoding="utf-8"))
    assert kept["judge"] == report["judge"]


def test_a_build_whose_judge_runs_out_of_money_curates_what_there_is(
    spec: Path, tmp_path: Path, start_simulator: Callable[..., tuple[str, Simulator]]
) -> None:
    url, simulator = start_simulator()
    block = judge_at(url, budget_tokens=12_000, concurrency=2)
    (spec.parent / "curation.yaml").write_text(json.dumps(block), encoding="utf-8")
    options = BuildOptions(ProviderOptions(base_urls=(url,)))
    with pytest.raises(BudgetSpentError, match="judge: the budget"):
        build(str(spec), tmp_path / "run", options)
    asked = count_answers(tmp_path / "run")
    assert asked > 0
    report = json.loads((tmp_path / "run" / "curated" / "report.json").read_text(encoding="utf-8"))
    assert {"name": "judged", "value": str(asked)} in report["judge"]
    (spec.parent / "curation.yaml").write_text(json.dumps(judge_at(url)), encoding="utf-8")
    before = simulator.counts["requests"]
    summary = build(str(spec), tmp_path / "run", options)
    assert summary["accepted"] == summary["quota"] == 20
    assert simulator.counts["requests"] - before < summary["dialogues"]


def test_a_judge_of_the_simulator_is_read_whatever_it_spoils(
    tmp_path: Path, start_simulator: Callable[..., tuple[str, Simulator]]
) -> None:
    url, _ = start_simulator(malformed=0.5, rate_limited=0.2, retry_after_s=0.01)
    opinions = gather(tmp_path, judge_at(url, repeat=1))
    assert opinions.judge is not None
    assert opinions.judge["judged"] == int((~np.isnan(opinions.scores)).sum()) >= 3
    assert ((opinions.scores >= 1) & (opinions.scores <= 5) | np.isnan(opinions.scores)).all()


@pytest.mark.parametrize(
    ("text", "line", "what"),
    [
        ("moderation:\n  limit: {note: 0.9, drop: 0.5}\n", 2, "note 0.9 is above drop 0.5"),
        ("moderation:\n  categories:\n    sexual: {nite: 0.2}\n", 3, "unknown key `moderation.categories.sexual.nite`"),
        ("semantic:\n  threshold: 0.9\n", 1, "give either `provider`"),
        (
            "semantic:\n  folder: m\n  threshold: 1.5\n",
            3,
            "`semantic.threshold` is 1.5, expected a number of at most 1",
        ),
        (
            "duplicates: {threshold: 0.8}\n\nsemantic:\n  {folder: m, threshold: 0.7, drop: true}\n",
            3,
            "threshold 0.7 is below that of duplicates, 0.8",
        ),
    ],
)
def test_a_mistake_in_a_block_is_told_with_its_line(tmp_path: Path, text: str, line: int, what: str) -> None:
    write_talks(tmp_path / "talks")
    (tmp_path / "curation.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        curate(CurateRequest(tmp_path / "talks", tmp_path / "out", settings=tmp_path / "curation.yaml"))
    (problem,) = caught.value.problems
    assert problem.line == line
    assert what in problem.message
    assert not os.path.lexists(tmp_path / "out" / "curated")
