"""The closed loop over real HTTP: quotas are met by what curation accepted, exactly, whatever the endpoint sends."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from aiohttp import web

from curation.build import BuildOptions, build
from curation.curate import CurateRequest, curate
from curation.reviews import REVIEWS_FILE, Review, append_review
from datagen.endpoint_options import ProviderOptions
from datagen.errors import BudgetSpentError, QuotaOutOfReachError
from datagen.ledger import Ledger
from datagen.record import Message
from datagen.simulator.server import Simulator
from datagen.transcript import render_transcript

StartSimulator = Callable[..., tuple[str, Simulator]]
StartServer = Callable[[Callable[[web.Request], Any]], str]
Edit = Callable[[Path, str, str], None]
QUOTAS = {"일상 대화": 12, "보고 싶다는 표현": 8}


def run(spec: Path, folder: Path, url: str, **options: Any) -> dict[str, Any]:
    provider = ProviderOptions(base_urls=(url,), **options.pop("provider", {}))
    return build(str(spec), folder, BuildOptions(provider, **options))


def read_decisions(folder: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(folder / "curated" / "decisions.parquet").to_pylist()
    return rows


def count_accepted(folder: Path) -> dict[str, int]:
    return dict(Counter(row["topic"] for row in read_decisions(folder) if row["status"] == "accepted"))


def flag(folder: Path, id_: str, reason: str = "persona") -> None:
    review = Review(id=id_, verdict="flag", reason=reason, reviewer="검수자 1", at=datetime.now(UTC))
    append_review(folder / REVIEWS_FILE, review)


def accept(folder: Path, id_: str) -> None:
    append_review(folder / REVIEWS_FILE, Review(id=id_, verdict="accept", reviewer="검수자 1", at=datetime.now(UTC)))


def test_quotas_are_met_by_accepted_dialogues(spec: Path, tmp_path: Path, start_simulator: StartSimulator) -> None:
    url, simulator = start_simulator(slip=0.5)
    summary = run(spec, tmp_path / "run", url)
    assert count_accepted(tmp_path / "run") == QUOTAS
    assert summary["accepted"] == 20
    assert summary["dropped"] + summary["duplicate"] > 0
    assert summary["reserve"] <= 1  # 3 % of 20
    assert simulator.counts["paid"] == summary["dialogues"]
    report = json.loads((tmp_path / "run" / "curated" / "report.json").read_text("utf-8"))
    assert report["headline"]["counts"]["accepted"] == 20


def test_the_same_command_asks_for_nothing_more(spec: Path, tmp_path: Path, start_simulator: StartSimulator) -> None:
    url, simulator = start_simulator(slip=0.3)
    run(spec, tmp_path / "run", url)
    before, paid = read_decisions(tmp_path / "run"), simulator.counts["requests"]
    run(spec, tmp_path / "run", url)
    assert simulator.counts["requests"] == paid
    assert read_decisions(tmp_path / "run") == before


def test_what_a_person_flags_is_made_again_and_never_comes_back(
    spec: Path, tmp_path: Path, start_simulator: StartSimulator
) -> None:
    url, _ = start_simulator()
    folder = tmp_path / "run"
    run(spec, folder, url)
    flagged = [row["id"] for row in read_decisions(folder) if row["status"] == "accepted"][:3]
    for id_ in flagged:
        flag(folder, id_)
    run(spec, folder, url)
    assert count_accepted(folder) == QUOTAS
    status = {row["id"]: (row["status"], row["reason"]) for row in read_decisions(folder)}
    assert {status[id_] for id_ in flagged} == {("dropped", "human")}


def read_messages(folder: Path, id_: str) -> list[dict[str, str]]:
    rows = [row for path in (folder / "dialogues").glob("*.parquet") for row in pq.read_table(path).to_pylist()]
    messages: list[dict[str, str]] = next(row["messages"] for row in rows if row["id"] == id_)
    return messages


async def answer_with(lines: list[dict[str, str]]) -> web.Response:
    messages = [Message("user" if each["role"] == "user" else "assistant", each["content"]) for each in lines]
    message = {"role": "assistant", "content": render_transcript(messages)}
    usage = {"prompt_tokens": 900, "completion_tokens": 90}
    return web.json_response(
        {"model": "parrot", "choices": [{"message": message, "finish_reason": "stop"}], "usage": usage}
    )


@pytest.mark.parametrize("reason", ["persona", "duplicate"])
def test_a_draft_like_a_flagged_dialogue_is_refused_at_the_gate(
    spec: Path, tmp_path: Path, start_simulator: StartSimulator, start_server: StartServer, reason: str
) -> None:
    url, _ = start_simulator()
    folder = tmp_path / "run"
    run(spec, folder, url)
    flagged = next(row["id"] for row in read_decisions(folder) if row["status"] == "accepted")
    flag(folder, flagged, reason)
    copy = read_messages(folder, flagged)
    copy[-1] = {**copy[-1], "content": copy[-1]["content"] + " 정말이야!"}

    async def repeat(_: web.Request) -> web.Response:
        return await answer_with(copy)

    with pytest.raises(QuotaOutOfReachError, match="near-duplicate"):
        run(spec, folder, start_server(repeat))
    # What the gate refused lies in the run all the same: curation bans it where the flag said more than "duplicate".
    assert sum(count_accepted(folder).values()) == (19 if reason == "persona" else 20)


def test_an_edit_that_the_filters_drop_opens_its_place_again(
    spec: Path, tmp_path: Path, start_simulator: StartSimulator
) -> None:
    url, simulator = start_simulator()
    folder = tmp_path / "run"
    run(spec, folder, url)
    edited = next(row["id"] for row in read_decisions(folder) if row["status"] == "accepted")
    messages = read_messages(folder, edited)
    messages[1] = {**messages[1], "content": "네, 그렇게 하시는 것이 좋겠습니다. 언제든지 말씀해 주십시오."}
    values = {
        "id": edited,
        "verdict": "edit",
        "messages": tuple(messages),
        "reviewer": "검수자 1",
        "at": datetime.now(UTC),
    }
    append_review(folder / REVIEWS_FILE, Review.model_validate(values))
    asked = simulator.counts["requests"]
    run(spec, folder, url)
    assert simulator.counts["requests"] > asked
    assert count_accepted(folder) == QUOTAS
    (decision,) = (row for row in read_decisions(folder) if row["id"] == edited)
    assert (decision["status"], decision["reason"]) == ("dropped", "speech-level")


def test_a_share_waits_for_people(spec: Path, tmp_path: Path, start_simulator: StartSimulator) -> None:
    url, simulator = start_simulator()
    folder = tmp_path / "run"
    summary = run(spec, folder, url, review_share=0.4)
    assert summary["waiting"] > 0
    assert summary["accepted"] + summary["waiting"] == 20
    waiting = [row["id"] for row in read_decisions(folder) if row["status"] == "waiting"]
    written = [
        id_ for path in (folder / "curated").glob("t*/*.parquet") for id_ in pq.read_table(path)["id"].to_pylist()
    ]
    assert not set(waiting) & set(written)
    for id_ in waiting:
        accept(folder, id_)
    asked = simulator.counts["requests"]
    assert run(spec, folder, url, review_share=0.4)["accepted"] == 20
    assert simulator.counts["requests"] == asked


def test_curating_again_does_not_let_pass_what_waits_for_people(
    spec: Path, tmp_path: Path, start_simulator: StartSimulator
) -> None:
    url, _ = start_simulator()
    folder = tmp_path / "run"
    waiting = run(spec, folder, url, review_share=0.4)["waiting"]
    assert waiting > 0
    assert curate(CurateRequest(folder))["waiting"] == waiting
    assert run(spec, folder, url)["waiting"] == 0  # whoever builds without a share wants none
    assert curate(CurateRequest(folder))["waiting"] == 0


def test_the_reserve_is_used_before_anybody_is_asked(
    spec: Path, tmp_path: Path, start_simulator: StartSimulator, edit: Edit
) -> None:
    url, simulator = start_simulator()
    folder = tmp_path / "run"
    run(spec, folder, url)
    edit(spec, "quota: 12", "quota: 9")
    lowered = run(spec, folder, url)
    assert (lowered["accepted"], lowered["reserve"]) == (17, 3)
    asked = simulator.counts["requests"]
    edit(spec, "quota: 9", "quota: 12")
    raised = run(spec, folder, url)
    assert (raised["accepted"], raised["reserve"]) == (20, 0)
    assert simulator.counts["requests"] == asked


def test_a_model_that_repeats_itself_puts_the_quota_out_of_reach(
    spec: Path, tmp_path: Path, start_server: StartServer
) -> None:
    url = start_server(answer_with_the_same_dialogue)
    with pytest.raises(QuotaOutOfReachError) as caught:
        run(spec, tmp_path / "run", url)
    assert "topic '일상 대화' stopped at" in caught.value.message
    assert "near-duplicate" in caught.value.message
    decisions = read_decisions(tmp_path / "run")
    assert Counter(row["status"] for row in decisions)["accepted"] == 1
    assert all(row["keeper"] for row in decisions if row["status"] == "duplicate")


async def answer_with_the_same_dialogue(_: web.Request) -> web.Response:
    lines = ("오늘 진짜 피곤하다", "*어깨를 토닥이며* 고생했어, 오늘은 푹 쉬어.", "고마워 엑사", "내일은 더 나을 거야!")
    return await answer_with(
        [{"role": ("user", "assistant")[at % 2], "content": each} for at, each in enumerate(lines)]
    )


def test_a_spent_budget_leaves_what_there_is_curated(
    spec: Path, tmp_path: Path, start_simulator: StartSimulator
) -> None:
    url, _ = start_simulator()
    with pytest.raises(BudgetSpentError):
        run(spec, tmp_path / "run", url, provider={"budget_tokens": 12_000, "concurrency": 2})
    accepted = count_accepted(tmp_path / "run")
    assert 0 < sum(accepted.values()) < 20
    run(spec, tmp_path / "run", url)
    assert count_accepted(tmp_path / "run") == QUOTAS


@pytest.mark.slow
def test_a_build_that_is_killed_goes_on(spec: Path, tmp_path: Path, start_simulator: StartSimulator) -> None:
    url, simulator = start_simulator(slip=0.3, latency_s=0.1)
    folder = tmp_path / "run"
    command = [sys.executable, "-m", "damhwa", "build", str(spec), "-o", str(folder), "--base-url", url]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")}
    rng = random.Random(11)
    for _ in range(4):
        process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        before = simulator.counts["paid"]
        deadline = time.monotonic() + 60
        while simulator.counts["paid"] < before + rng.randint(1, 6) and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert count_accepted(folder) == QUOTAS
    ledger = Ledger.open_to_read(folder / "ledger.db")
    stored = ledger.last_seq()
    ledger.close()
    assert simulator.counts["paid"] - stored <= 4 * 8  # what was in flight at a kill, 8 at most


def test_what_a_kill_left_in_the_ledger_alone_is_not_bought_again(
    spec: Path, tmp_path: Path, start_simulator: StartSimulator
) -> None:
    url, simulator = start_simulator()
    folder = tmp_path / "run"
    run(spec, folder, url)
    before, asked = read_decisions(folder), simulator.counts["requests"]
    ledger = Ledger.create_or_open(folder / "ledger.db")
    for name in ledger.shards():
        ledger.unseal_shard(name)
        (folder / "dialogues" / name).unlink()
    ledger.close()
    run(spec, folder, url)
    assert simulator.counts["requests"] == asked
    assert read_decisions(folder) == before


def test_bought_dialogues_count_when_the_spec_was_generated_before(
    spec: Path, tmp_path: Path, start_simulator: StartSimulator
) -> None:
    from datagen.start import generate

    url, simulator = start_simulator()
    generate(str(spec), tmp_path / "run", ProviderOptions(base_urls=(url,)))
    asked = simulator.counts["requests"]
    run(spec, tmp_path / "run", url)
    assert count_accepted(tmp_path / "run") == QUOTAS
    assert simulator.counts["requests"] - asked <= 2  # near-copies that the simulator happened to make
