"""`kill -9` and Ctrl-C of a process at every stage of a batch: nothing is made twice, paid twice or lost."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from datagen.simulator.server import Simulator
from datagen.status import read_status
from tests.datagen.batch.runs import QUOTAS, count_topics, generate, query

StartSimulator = Callable[..., tuple[str, Simulator]]
Edit = Callable[[Path, str, str], None]


def start_process(spec: Path, run: Path, url: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "damhwa", "generate", str(spec), "-o", str(run), "--base-url", url, "--batch"]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, **streams, text=True, encoding="utf-8", env=dict(os.environ))  # type: ignore[call-overload,no-any-return]


def wait_for(condition: Callable[[], object], timeout_s: float = 60) -> None:
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def kill_when(condition: Callable[[], object], process: "subprocess.Popen[str]") -> None:
    with process:
        wait_for(lambda: condition() or process.poll() is not None)
        assert process.poll() is None, "it ended before it could be killed"
        process.kill()
        process.communicate()


def change(simulator: Simulator, **faults: object) -> None:
    simulator.faults = simulator.faults.model_copy(update=faults)


@pytest.mark.parametrize(
    ("stage", "state"),
    [
        ("upload", "packed"),
        ("uploaded", "packed"),
        ("create", "uploaded"),
        ("created", "uploaded"),
        ("download", "created"),
    ],
)
def test_kill_9_within_a_call_makes_nothing_twice(
    spec: Path, tmp_path: Path, start_simulator: StartSimulator, stage: str, state: str
) -> None:
    url, simulator = start_simulator(batch_stall=stage, stall_s=600)
    run = tmp_path / "run"
    kill_when(lambda: simulator.counts[f"stalled {stage}"], start_process(spec, run, url))
    assert query(run, "SELECT state FROM batches") == [(state,)]
    assert [batch["requests"] for batch in read_status(run)["batches"]] == [20]
    change(simulator, batch_stall=None)
    generate(spec, run, url)
    assert count_topics(run) == QUOTAS
    assert (simulator.counts["files"], simulator.counts["batches"]) == (1, 1)
    assert (simulator.counts["paid"], simulator.counts["paid_again"]) == (20, 0)


def test_kill_9_while_a_batch_is_worked_on_leaves_it_to_the_next_call(
    spec: Path, tmp_path: Path, start_simulator: StartSimulator
) -> None:
    url, simulator = start_simulator(batch_s=4)
    run = tmp_path / "run"
    for _ in range(2):
        simulator.counts["looks"] = 0
        kill_when(lambda: simulator.counts["looks"], start_process(spec, run, url))
        assert query(run, "SELECT state FROM batches") == [("created",)]
    generate(spec, run, url)
    assert count_topics(run) == QUOTAS
    assert (simulator.counts["files"], simulator.counts["batches"], simulator.counts["paid"]) == (1, 1, 20)


def test_kill_9_while_results_are_stored_keeps_them_and_stores_none_twice(
    spec: Path, tmp_path: Path, start_simulator: StartSimulator, edit: Edit
) -> None:
    edit(spec, "quota: 12", "quota: 1500")
    edit(spec, "[도서관, 카페, 지하철]", str([f"장소{number}" for number in range(200)]))
    url, simulator = start_simulator(batch_s=0)
    run = tmp_path / "run"

    def is_storing() -> bool:
        return (run / "dialogues").exists() or bool(simulator.counts["downloads"] and count_attempts(run))

    kill_when(is_storing, start_process(spec, run, url))
    stored = query(run, "SELECT seq, topic, slot, reply FROM attempts")
    assert 0 < len(stored) < 1508
    generate(spec, run, url)
    final = query(run, "SELECT seq, topic, slot, reply FROM attempts")
    assert set(stored) <= set(final)
    assert len({(topic, slot) for _, topic, slot, _ in final}) == len(final) == 1508
    assert count_topics(run) == {**QUOTAS, "일상 대화": 1500}
    assert (simulator.counts["batches"], simulator.counts["paid"]) == (1, 1508)


def count_attempts(run: Path) -> int:
    return int(query(run, "SELECT count(*) FROM attempts")[0][0])


@pytest.mark.slow
def test_kill_9_at_any_moment_under_faults_ends_with_exact_quotas(
    spec: Path, tmp_path: Path, start_simulator: StartSimulator
) -> None:
    url, simulator = start_simulator(malformed=0.3, answer_lost=0.3, batch_s=0.8, batch_expired=0.3)
    run = tmp_path / "run"
    for delay_s in (0.0, 0.3, 0.7, 1.1, 1.5, 2.0):
        with start_process(spec, run, url) as process:
            wait_for((run / "spec.yaml").exists)
            time.sleep(delay_s)
            process.kill()
            process.communicate()
        open_now = query(run, "SELECT count(*), count(DISTINCT topic || slot) FROM batch_requests WHERE is_open = 1")
        assert open_now[0][0] == open_now[0][1]
    change(simulator, batch_s=0.0)
    generate(spec, run, url)
    assert count_topics(run) == QUOTAS
    assert simulator.counts["file_used_again"] == simulator.counts["paid_again"] == 0
    assert simulator.counts["paid"] == len(query(run, "SELECT seq FROM attempts WHERE reply IS NOT NULL"))


def test_ctrl_c_leaves_the_batch_at_the_endpoint_and_exits_130(
    spec: Path, tmp_path: Path, start_simulator: StartSimulator
) -> None:
    url, simulator = start_simulator(batch_s=600)
    with start_process(spec, tmp_path / "run", url) as process:
        wait_for(lambda: simulator.counts["looks"])
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "1 batch goes on at the endpoint" in told
    assert "run the same command again to go on" in told
    assert "1 batch (created): 0/20 requests done · $0.00 · next look in 1 s" in told
    (batch,) = simulator.batches.batches.values()
    assert batch.status == "validating"


def test_a_full_disk_stops_the_run_with_exit_4_and_loses_nothing(
    spec: Path, tmp_path: Path, start_simulator: StartSimulator
) -> None:
    url, simulator = start_simulator()
    limit = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000)); import signal; "
    limit += "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); sys.argv[0] = 'damhwa'; import damhwa; damhwa.main()"
    options = ["--base-url", url, "--batch"]
    command = [sys.executable, "-c", limit, "generate", str(spec), "-o", str(tmp_path / "run"), *options]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=60, check=False)
    assert done.returncode == 4, done.stderr
    assert "could not be written" in done.stderr
    assert "Traceback" not in done.stderr
    generate(spec, tmp_path / "run", url)
    assert count_topics(tmp_path / "run") == QUOTAS
    assert simulator.counts["paid_again"] == 0
