"""`curate --engine`: what Daft and Ray write is row by row what one machine writes, whatever befalls the workers.

The command runs in a process of its own: Daft takes one runner a process, and Ray leaves its threads behind.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.curation.cluster.corpus import write_hard_folder

Start = Callable[..., "subprocess.Popen[bytes]"]
WORKERS = [("daft", "daft.execution.udf_worker"), ("ray", "ray::UDFActor")]
"""Engine, and what stands in the command line of its workers."""
WITHOUT_DAFT = """
import sys
sys.modules.update(daft=None, ray=None)
import importlib.util
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name in ("daft", "ray") else find(name, *rest)
from damhwa import main
main()
"""


@pytest.fixture
def start() -> Iterator[Start]:
    """Start a command; what still runs when the test ends is ended."""
    started: list[subprocess.Popen[bytes]] = []

    def start_one(command: list[str], **options: Any) -> subprocess.Popen[bytes]:
        started.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, **options))
        return started[-1]

    yield start_one
    for process in started:
        process.kill()
        process.communicate()


def call(data: Path, out: Path, *options: str) -> list[str]:
    return [sys.executable, "-m", "damhwa", "curate", str(data), "-o", str(out), "--json", *options]


def curate(data: Path, out: Path, *options: str) -> dict[str, Any]:
    done = subprocess.run(call(data, out, *options), capture_output=True, encoding="utf-8", timeout=240)
    assert done.returncode == 0, done.stderr
    summary: dict[str, Any] = json.loads(done.stdout)
    return summary


def read_curated(out: Path) -> dict[str, pa.Table]:
    """Every table in `curated/`, splits among them."""
    folder = out / "curated"
    return {str(path.relative_to(folder)): pq.read_table(path) for path in sorted(folder.rglob("*.parquet"))}


def read_figures(out: Path) -> dict[str, Any]:
    """The report, without what differs between any two runs."""
    report: dict[str, Any] = json.loads((out / "curated" / "report.json").read_text(encoding="utf-8"))
    return {name: value for name, value in report.items() if name not in ("created_at", "source")}


def assert_same(one: Path, other: Path) -> None:
    left, right = read_curated(one), read_curated(other)
    assert left.keys() == right.keys()
    for name, table in left.items():
        assert table.equals(right[name]), name
    assert read_figures(one) == read_figures(other)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_hard_folder(tmp_path_factory.mktemp("hard") / "data", 400, 60)


@pytest.fixture(scope="module")
def alone(data: Path) -> Path:
    """Curated by one machine."""
    out = data.parent / "alone"
    summary = curate(data, out)
    assert summary["dialogues"] > 400
    return out


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """So few that only measuring is shared out."""
    return write_hard_folder(tmp_path_factory.mktemp("few") / "data", 120, 24)


@pytest.mark.slow
def test_daft_writes_what_one_machine_writes(data: Path, alone: Path, tmp_path: Path) -> None:
    curate(data, tmp_path / "out", "--engine", "daft")
    tables = read_curated(alone)
    assert tables["clusters.parquet"].num_rows > 100
    assert {"train/part-00000.parquet", "test/part-00000.parquet"} < tables.keys()
    assert_same(alone, tmp_path / "out")


@pytest.mark.slow
def test_ray_writes_what_one_machine_writes_and_leaves_nothing_behind(
    start: Start, data: Path, alone: Path, tmp_path: Path
) -> None:
    process = start(call(data, tmp_path / "out", "--engine", "ray"))
    family = watch_family(process)
    assert process.returncode == 0
    assert_same(alone, tmp_path / "out")
    assert any(name == "raylet" for name in family.values())
    assert list_alive(family) == []


def watch_family(process: subprocess.Popen[bytes]) -> dict[psutil.Process, str]:
    """Wait for a process to end; all its descendants, with their names."""
    family: dict[psutil.Process, str] = {}
    while process.poll() is None:
        family.update(list_family(process.pid))
        time.sleep(0.2)
    return family


def list_family(pid: int) -> dict[psutil.Process, str]:
    try:
        return {each: each.name() for each in psutil.Process(pid).children(recursive=True)}
    except psutil.Error:
        return {}


def list_alive(family: dict[psutil.Process, str]) -> list[str]:
    """Those that have not ended after ten seconds."""
    _, alive = psutil.wait_procs(list(family), 10)
    return [family[each] for each in alive if each.is_running()]


def find_worker(process: subprocess.Popen[bytes], mark: str) -> psutil.Process:
    """A worker of the fleet, by what stands in its command line."""
    for _ in range(3000):
        assert process.poll() is None, "it ended before there was a worker"
        for each in list_family(process.pid):
            try:
                if mark in " ".join(each.cmdline()):
                    return each
            except psutil.Error:
                continue
        time.sleep(0.05)
    raise AssertionError("no worker came")


@pytest.mark.slow
@pytest.mark.parametrize(("engine", "mark"), WORKERS)
def test_a_worker_that_is_killed_while_it_measures_costs_nothing(
    start: Start, few: Path, tmp_path: Path, engine: str, mark: str
) -> None:
    out = tmp_path / "out"
    process = start(call(few, out, "--engine", engine))
    worker = find_worker(process, mark)
    while not list((out / ".curation" / "measured").glob("[!.]*.parquet")):
        time.sleep(0.02)
    worker.kill()
    assert process.wait(200) == 0
    curate(few, tmp_path / "alone")
    assert_same(tmp_path / "alone", out)


@pytest.mark.slow
@pytest.mark.parametrize(("engine", "mark"), WORKERS)
def test_interrupting_a_terminal_ends_the_engine_and_its_workers(
    start: Start, few: Path, tmp_path: Path, engine: str, mark: str
) -> None:
    command = call(few, tmp_path / "out", "--engine", engine)
    process = start(command, stderr=subprocess.PIPE, start_new_session=True)
    find_worker(process, mark)
    family = list_family(process.pid)
    os.killpg(process.pid, signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"Traceback" not in told
    assert list_alive(family) == []


def test_a_missing_extra_is_told_with_what_to_install(data: Path, tmp_path: Path) -> None:
    options = ["curate", str(data), "-o", str(tmp_path / "out"), "--engine", "daft"]
    done = subprocess.run([sys.executable, "-c", WITHOUT_DAFT, *options], capture_output=True, encoding="utf-8")
    assert done.returncode == 2
    assert "--engine daft needs daft" in done.stderr
    assert "pip install 'damhwa[cluster]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_address_without_an_engine_for_it_is_refused(data: Path, tmp_path: Path) -> None:
    done = subprocess.run(call(data, tmp_path, "--address", "127.0.0.1:6379"), capture_output=True, encoding="utf-8")
    assert done.returncode == 2
    assert "--engine ray" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("is_open", [False, True])
def test_an_address_where_no_cluster_answers_is_told_within_seconds(data: Path, tmp_path: Path, is_open: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        if not is_open:
            server.close()
        command = call(data, tmp_path / "out", "--engine", "ray", "--address", f"127.0.0.1:{port}")
        done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=60)
    assert done.returncode == 2
    assert f"--address 127.0.0.1:{port}: no Ray cluster answers there" in done.stderr
