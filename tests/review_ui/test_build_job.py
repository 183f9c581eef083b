"""Builds started from the service: the real command, offline, in a process of its own."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from datagen.errors import DataError, UsageError
from datagen.run_folder import find_holder, lock_run
from datagen.simulator.server import Simulator
from review_ui.build_job import LOG_NAME, TAIL_BYTES, BuildJob, BuildJobs, BuildRequest, Progress, read_tail

pytestmark = pytest.mark.slow

Edit = Callable[[Path, str, str], None]
StartSimulator = Callable[..., tuple[str, Simulator]]
SLOW = ("quota: 12", "quota: 1200")
"""A quota that takes the simulator longer than a test waits."""


@pytest.fixture
async def jobs() -> AsyncIterator[BuildJobs]:
    """Builds that end with the test, whatever becomes of it."""
    builds = BuildJobs()
    yield builds
    await builds.close((5, 5))


@pytest.fixture
def request_(spec: Path, tmp_path: Path) -> BuildRequest:
    return BuildRequest(spec, tmp_path / "run", offline=True)


async def collect(job: BuildJob) -> list[Progress]:
    return [progress async for progress in job.follow()]


async def reach(job: BuildJob, accepted: int) -> Progress:
    async for progress in job.follow():
        if progress.accepted >= accepted or progress.is_over:
            return progress
    raise AssertionError("the build told nothing")


def wait_until_free(run: Path) -> None:
    while find_holder(run) is not None:
        time.sleep(0.05)


async def test_a_build_runs_to_the_end_with_figures_that_grow(jobs: BuildJobs, request_: BuildRequest) -> None:
    seen = await collect(await jobs.start(request_))
    last = seen[-1]
    assert (last.state, last.exit_code, last.message) == ("done", 0, "")
    assert (last.quota, last.curated) == (20, 20)
    assert {topic.name: (topic.quota, topic.curated) for topic in last.topics} == {
        "일상 대화": (12, 12),
        "보고 싶다는 표현": (8, 8),
    }
    assert last.accepted >= 20
    assert last.requests >= last.accepted
    assert last.prompt_tokens > last.completion_tokens > 0
    assert last.cost_usd is not None
    assert seen[0].state == "running"
    for name in ("seconds", "accepted", "requests", "prompt_tokens"):
        values = [getattr(progress, name) for progress in seen]
        assert values == sorted(values), name
    assert "20 of 20" in (request_.run / LOG_NAME).read_text("utf-8")


async def test_a_stopped_build_is_resumed_by_the_next(jobs: BuildJobs, request_: BuildRequest, edit: Edit) -> None:
    edit(request_.spec, *SLOW)
    job = await jobs.start(request_)
    await reach(job, accepted=10)
    stopped = await job.stop()
    assert (stopped.state, stopped.exit_code) == ("stopped", 130)
    assert 10 <= stopped.accepted < 1208
    assert find_holder(request_.run) is None
    edit(request_.spec, SLOW[1], "quota: 12")
    finished = await (await jobs.start(request_)).wait()
    assert finished.state == "done"
    assert finished.requests >= stopped.requests
    assert finished.accepted >= stopped.accepted


async def test_all_who_follow_see_the_end_and_leave_nothing_behind(
    jobs: BuildJobs, request_: BuildRequest, edit: Edit
) -> None:
    edit(request_.spec, *SLOW)
    before = asyncio.all_tasks()
    job = await jobs.start(request_)
    followers = [asyncio.create_task(collect(job)) for _ in range(2)]
    impatient = job.follow()
    assert (await anext(impatient)).state == "running"
    await impatient.aclose()
    await reach(job, accepted=1)
    await job.stop()
    states = [[progress.state for progress in seen] for seen in await asyncio.gather(*followers)]
    assert all(each[0] == "running" and each[-2:] == ["stopping", "stopped"] for each in states)
    assert [progress.state for progress in await collect(job)] == ["stopped"]
    await asyncio.sleep(0)
    assert asyncio.all_tasks() <= before


async def test_who_is_slow_gets_the_latest_state_alone(jobs: BuildJobs, request_: BuildRequest) -> None:
    job = await jobs.start(request_)
    follower = job.follow()
    await anext(follower)
    await job.wait()
    assert [progress.state async for progress in follower] == ["done"]


async def test_a_wrong_spec_fails_with_what_the_command_says(
    jobs: BuildJobs, request_: BuildRequest, edit: Edit
) -> None:
    edit(request_.spec, "quota: 12", "quota: 많이")
    end = await (await jobs.start(request_)).wait()
    assert (end.state, end.exit_code) == ("failed", 2)
    assert f"{request_.spec}:13: `topics[1].quota` is '많이', expected a whole number" in end.message
    assert "error: 1 mistake in the spec" in end.message
    assert "Traceback" not in end.message


async def test_a_budget_that_is_spent_is_told(
    jobs: BuildJobs,
    spec: Path,
    tmp_path: Path,
    start_simulator: StartSimulator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url, _ = await asyncio.to_thread(start_simulator)
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    end = await (await jobs.start(BuildRequest(spec, tmp_path / "run", budget_usd=1e-6))).wait()
    assert (end.state, end.exit_code) == ("failed", 6)
    assert "error:" in end.message
    assert "$" in end.message


async def test_one_build_a_run_at_a_time(jobs: BuildJobs, request_: BuildRequest, edit: Edit) -> None:
    edit(request_.spec, *SLOW)
    outcomes = await asyncio.gather(*(jobs.start(request_) for _ in range(3)), return_exceptions=True)
    assert sorted(type(each).__name__ for each in outcomes) == ["BuildJob", "UsageError", "UsageError"]
    same = BuildRequest(request_.spec, request_.run.parent / "run" / ".." / "run", offline=True)
    with pytest.raises(UsageError, match="is being built already"):
        await jobs.start(same)


async def test_a_run_that_another_process_holds_is_not_started_and_its_log_stays(
    jobs: BuildJobs, request_: BuildRequest
) -> None:
    with lock_run(request_.run):
        (request_.run / LOG_NAME).write_text("12/20 accepted\n", encoding="utf-8")
        assert find_holder(request_.run) == os.getpid()
        with pytest.raises(UsageError, match=rf"in use by another process \(pid {os.getpid()}\)"):
            await jobs.start(request_)
    assert (request_.run / LOG_NAME).read_text("utf-8") == "12/20 accepted\n"
    assert find_holder(request_.run) is None


async def test_the_command_itself_says_that_a_run_is_held(jobs: BuildJobs, request_: BuildRequest) -> None:
    job = await jobs.start(request_)
    with lock_run(request_.run):  # taken while the command is still importing
        end = await job.wait()
    assert (end.state, end.exit_code) == ("failed", 2)
    assert f"in use by another process (pid {os.getpid()})" in end.message


async def test_a_build_that_does_not_answer_is_made_to_end(jobs: BuildJobs, request_: BuildRequest, edit: Edit) -> None:
    edit(request_.spec, *SLOW)
    job = await jobs.start(request_)
    await reach(job, accepted=1)
    os.kill(job.pid, signal.SIGSTOP)
    end = await job.stop(grace_s=(0.1, 0.1))
    assert (end.state, end.exit_code) == ("stopped", -signal.SIGKILL)
    assert find_holder(request_.run) is None


async def test_the_service_takes_its_builds_along_when_it_stops(request_: BuildRequest, edit: Edit) -> None:
    edit(request_.spec, *SLOW)
    jobs = BuildJobs()
    job = await jobs.start(request_)
    await reach(job, accepted=1)
    await jobs.close()
    assert job.progress.state == "stopped"
    assert find_holder(request_.run) is None
    with pytest.raises(UsageError, match="is stopping"):
        await jobs.start(request_)


KILLED_SERVICE = """
import asyncio, os, signal, sys
from pathlib import Path
from datagen.simulator.server import Simulator
from review_ui.build_job import BuildJobs, BuildRequest

async def serve():
    job = await BuildJobs().start(BuildRequest(Path(sys.argv[1]), Path(sys.argv[2]), offline=True))
    async for progress in job.follow():
        if progress.accepted:
            os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(serve())
"""


async def test_after_a_kill_of_the_service_its_build_is_seen_as_running_elsewhere(
    jobs: BuildJobs, request_: BuildRequest, edit: Edit
) -> None:
    edit(request_.spec, *SLOW)
    command = [sys.executable, "-c", KILLED_SERVICE, str(request_.spec), str(request_.run)]
    service = await asyncio.to_thread(subprocess.run, command, timeout=60, check=False)
    assert service.returncode == -signal.SIGKILL
    holder = find_holder(request_.run)
    assert holder
    try:
        with pytest.raises(UsageError, match=f"pid {holder}"):
            await jobs.start(request_)
    finally:
        os.kill(holder, signal.SIGINT)
    await asyncio.to_thread(wait_until_free, request_.run)


async def test_a_build_takes_its_packages_from_no_folder_that_the_service_is_in(
    jobs: BuildJobs, request_: BuildRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "damhwa.py").write_text("raise SystemExit('another damhwa')\n", encoding="utf-8")
    (tmp_path / "datagen").mkdir()
    monkeypatch.chdir(tmp_path)
    relative = BuildRequest(request_.spec.relative_to(tmp_path), Path("run"), offline=True)
    assert (await (await jobs.start(relative)).wait()).state == "done"


async def test_a_run_folder_that_cannot_be_made_is_told(jobs: BuildJobs, spec: Path) -> None:
    with pytest.raises(DataError, match="could not be written"):
        await jobs.start(BuildRequest(spec, spec / "run", offline=True))


def test_of_a_long_log_the_last_whole_lines_are_read(tmp_path: Path) -> None:
    log = tmp_path / LOG_NAME
    assert read_tail(log) == ""
    log.write_text("가나다라마바사\n" * TAIL_BYTES + "error: 끝\n", encoding="utf-8")
    lines = read_tail(log).split("\n")
    assert lines == ["가나다라마바사"] * 19 + ["error: 끝"]
