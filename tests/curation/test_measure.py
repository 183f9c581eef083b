"""Measured files and the processes that make them, where something goes wrong."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.curate import CurateRequest, curate
from curation.measure import POOL_FROM_BYTES
from datagen.errors import DataError
from datagen.simulator.compose import Request, compose

COMMAND = [sys.executable, "-m", "damhwa", "curate"]


def write_dialogues(path: Path, least_bytes: int) -> None:
    rng = random.Random(8)
    size = 0
    with path.open("w", encoding="utf-8") as file:
        while size <= least_bytes:
            messages = compose(Request("일상 대화", 3, "banmal"), rng)
            turns = [{"role": each.role, "content": each.content} for each in messages]
            size += file.write(json.dumps({"messages": turns}) + "\n")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    write_dialogues(tmp_path / "data" / "a.jsonl", 2_000)
    return tmp_path / "data"


@pytest.fixture
def large_data(tmp_path: Path) -> Path:
    """So much that processes are started for it."""
    (tmp_path / "data").mkdir()
    write_dialogues(tmp_path / "data" / "a.jsonl", POOL_FROM_BYTES)
    return tmp_path / "data"


def wait_for(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def list_workers(pid: int) -> list[int]:
    """Processes that it started to measure."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()
    except OSError:
        return []
    return [int(each) for each in children if "spawn_main" in _read_command(int(each))]


def _read_command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8")
    except OSError:
        return ""


def test_a_file_of_others_in_the_cache_is_measured_anew(data: Path, tmp_path: Path) -> None:
    before = curate(CurateRequest(data, tmp_path / "out"))
    (measured,) = (tmp_path / "out" / ".curation" / "measured").glob("*.parquet")
    pq.write_table(pa.table({"price": [1]}), measured)
    assert curate(CurateRequest(data, tmp_path / "out")) == before


def test_what_a_crash_left_half_written_is_cleared_away(data: Path, tmp_path: Path) -> None:
    torn = tmp_path / "out" / ".curation" / "measured" / ".0123.parquet.writing"
    torn.parent.mkdir(parents=True)
    torn.write_bytes(b"PAR1")
    curate(CurateRequest(data, tmp_path / "out"))
    assert not torn.exists()


def test_a_cache_that_is_a_file_is_named(data: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".curation").write_text("", encoding="utf-8")
    with pytest.raises(DataError, match="is no folder to write to"):
        curate(CurateRequest(data, tmp_path / "out"))


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks at processes by /proc")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_no_process_stays_behind_a_killed_curate(large_data: Path, tmp_path: Path, number: signal.Signals) -> None:
    process = subprocess.Popen([*COMMAND, str(large_data), "-o", str(tmp_path / "out")], stderr=subprocess.DEVNULL)
    wait_for(lambda: len(list_workers(process.pid)) > 0)
    workers = list_workers(process.pid)
    process.send_signal(number)
    process.wait()
    wait_for(lambda: not any("spawn_main" in _read_command(each) for each in workers))


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks at processes by /proc")
def test_interrupting_a_terminal_ends_curate_quietly(large_data: Path, tmp_path: Path) -> None:
    command = [*COMMAND, str(large_data), "-o", str(tmp_path / "out")]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, encoding="utf-8", start_new_session=True
    ) as process:
        wait_for(lambda: len(list_workers(process.pid)) > 0)
        os.killpg(process.pid, signal.SIGINT)
        _, told = process.communicate()
    assert process.returncode == 130
    assert "Traceback" not in told


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="looks at processes by /proc")
def test_a_worker_that_is_killed_is_told_of_without_a_traceback(large_data: Path, tmp_path: Path) -> None:
    command = [*COMMAND, str(large_data), "-o", str(tmp_path / "out")]
    measured = tmp_path / "out" / ".curation" / "measured"
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, encoding="utf-8") as process:
        wait_for(lambda: any(path.stat().st_size > 1_000 for path in measured.glob(".*.writing")))
        os.kill(list_workers(process.pid)[0], signal.SIGKILL)
        _, told = process.communicate()
    assert process.returncode == 4
    assert "was ended from outside" in told
