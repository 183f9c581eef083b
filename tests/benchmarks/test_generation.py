"""What we generate comes before the same judge as what the peers do."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.generation import generate_command, write_spec
from benchmarks.peers.adapters.job import Job, read_job, read_rows, write_rows
from benchmarks.peers.generation import CONCURRENCY, judge_run, list_prompts, prepare_work
from benchmarks.peers.transcripts import Verdict
from datagen.simulator.server import Simulator, read_prompt


def test_our_own_run_is_judged_row_by_row_against_quota_and_length(
    tmp_path: Path, start_simulator: Callable[..., tuple[str, Simulator]]
) -> None:
    url, _ = start_simulator(malformed=0.3, dressed=0.0)
    spec = write_spec(tmp_path, 20)
    subprocess.run(generate_command(spec, tmp_path / "run", url), check=True, capture_output=True)
    assert judge_run(tmp_path / "run", spec) == Verdict(wanted=20, whole=20, malformed=0, missing=0, surplus=0)

    [shard] = (tmp_path / "run" / "dialogues").glob("*.parquet")
    table = pq.read_table(shard)
    rows = table.to_pylist()
    rows[0]["messages"] = rows[0]["messages"][:-1]
    pq.write_table(table.from_pylist([*rows[:-1], rows[1]], schema=table.schema), shard)
    same_topic = rows[1]["topic"] == rows[-1]["topic"]
    expected = Verdict(20, 19 if same_topic else 18, 1, 0 if same_topic else 1, 0 if same_topic else 1)
    assert judge_run(tmp_path / "run", spec) == expected


def test_the_peers_are_asked_what_our_quotas_begin_with(tmp_path: Path) -> None:
    work = prepare_work(tmp_path, 10, {})
    prompts = list_prompts(work.spec)
    assert [each.row for each in prompts] == list(range(10))
    for each in prompts:
        assert read_prompt([each.system, each.user]).exchanges == each.exchanges

    job = Job("http://127.0.0.1:1/v1", str(work.prompts), str(tmp_path / "rows"), "", CONCURRENCY, None, 1)
    job.write(tmp_path / "job.json")
    assert read_job(str(tmp_path / "job.json")) == (job, prompts)
    assert read_rows(tmp_path / "rows") == []
    write_rows(job, [(3, "human1: 안녕"), (4, None)])
    assert read_rows(tmp_path / "rows") == [(3, "human1: 안녕"), (4, None)]


def test_the_command_tells_what_it_cannot_do() -> None:
    command = [sys.executable, "-m", "benchmarks.peers", "generaton"]
    told = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    assert told.returncode == 2
    assert "no section generaton: expected generation, duplicates, training" in told.stderr
