"""The same dialogues from the same simulator, by us and by each peer: under faults, at an enforced rate, after a kill.

Our command is given quotas; a peer the prompts that those quotas begin with. The simulator is a process of its own, new
for every run. Replies come undressed (no bold labels, no fences), so that the judge needs to know one form only.
"""

import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.generation import generate_command, read_stats, simulate, write_spec
from benchmarks.peers.adapters.job import Job, Prompt, read_prompts, read_rows, write_prompts
from benchmarks.peers.environments import find_cause
from benchmarks.peers.figures import Column
from benchmarks.peers.peer import Peer, read_peer
from benchmarks.peers.processes import Usage, run
from benchmarks.peers.report import Run, Scene
from benchmarks.peers.transcripts import Verdict, judge_rows
from datagen.prompt import PromptWriter
from datagen.scenario import list_dimensions, plan_scenarios
from datagen.spec_file import load_spec

PEERS = (
    read_peer("distilabel", "distilabel", "generate_with_distilabel"),
    read_peer("curator", "bespokelabs-curator", "generate_with_curator"),
    read_peer("data-designer", "data-designer", "generate_with_designer"),
)
CONCURRENCY = 32
LATENCY = {"latency_s": 0.2, "jitter_s": 0.05, "dressed": 0.0}
RETRY_AFTER_S = 1
RPM = 3000
FAULTS = {"rate_limited": 0.05, "retry_after_s": RETRY_AFTER_S, "server_error": 0.02, "malformed": 0.05}
TIMEOUT_S = 300
RESUME_TIMEOUT_S = 120
"""After a kill half is done and nothing fails: a run takes seconds."""

_COST = (
    Column("wall_s", "wall s", 1, True),
    Column("cpu_ms", "CPU ms a dialogue", 2, True),
    Column("peak_mb", "peak MB", 0, True),
)
_ROWS = (Column("missing", "rows missing"), Column("malformed", "rows malformed"))
SCENES = (
    Scene(
        "faults",
        "Faults: 5 % 429 (Retry-After 1 s), 2 % 500, 5 % malformed",
        (*_COST, *_ROWS, Column("surplus", "rows too many"), Column("paid", "replies paid")),
    ),
    Scene(
        "limit",
        "An enforced limit of 3,000 requests a minute",
        (*_COST, *_ROWS, Column("refused", "requests refused"), Column("refused_percent", "of all, %", 1)),
    ),
    Scene(
        "kill",
        "`kill -9` once half is paid, then the same command again",
        (
            Column("paid_again", "replies paid twice"),
            Column("missing", "rows lost"),
            Column("wall_s", "s to finish", 1),
        ),
    ),
)
ABOUT = (
    "{count} dialogues over the prompts of exa-data, {width} in flight, from the simulator on loopback (200 ± 50 ms). "
    "Rows are judged by a neutral check: the whole transcript, alternating, of the length that was asked."
)


@dataclass(frozen=True, slots=True)
class Contestant:
    """Who runs: us, or a peer by its own Python."""

    name: str
    peer: Peer | None = None
    python: Path | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """What all have in common: a folder, the spec for us, its prompts for the peers."""

    folder: Path
    spec: Path
    prompts: Path
    count: int
    switches: dict[str, str]


def prepare_work(folder: Path, count: int, switches: dict[str, str]) -> Work:
    spec = write_spec(folder, count)
    prompts = folder / "prompts.json"
    write_prompts(prompts, list_prompts(spec))
    return Work(folder, spec, prompts, count, switches)


def list_prompts(spec: Path) -> list[Prompt]:
    """The prompts that the spec's quotas begin with, topic by topic."""
    loaded = load_spec(spec)
    writer = PromptWriter(loaded)
    prompts: list[Prompt] = []
    for topic in loaded.spec.topics:
        scenarios = plan_scenarios(list_dimensions(loaded.spec, topic, ("exa",)))
        for slot, scenario in enumerate(islice(scenarios, topic.quota)):
            prompt = writer.write(scenario, slot, 0)
            prompts.append(Prompt(len(prompts), prompt.system, prompt.user, scenario.exchanges))
    return prompts


def measure_generation(work: Work, contestants: Sequence[Contestant], rounds: int) -> list[Run]:
    ways: dict[str, Callable[[Work, Contestant, Path], tuple[dict[str, float], str | None]]] = {
        "faults": _run_under_faults,
        "limit": _run_at_limit,
        "kill": _run_killed,
    }
    runs = []
    for number in range(1, rounds + 1):
        for scene, way in ways.items():
            for contestant in contestants:
                folder = work.folder / f"{scene}-{number}-{contestant.name}"
                folder.mkdir()
                figures, trouble = way(work, contestant, folder)
                runs.append(Run(scene, contestant.name, number, figures, trouble))
                print(f"{scene} {number} {contestant.name}: {figures} {trouble or ''}", file=sys.stderr, flush=True)
    return runs


def _run_under_faults(work: Work, contestant: Contestant, folder: Path) -> tuple[dict[str, float], str | None]:
    with simulate(**LATENCY, **FAULTS) as url:
        usage = run(_command(work, contestant, folder, url, None), folder / "log", TIMEOUT_S, work.switches)
        stats = read_stats(url)
    figures = _tell_cost(usage, work.count) | _tell_rows(_judge(work, contestant, folder))
    return figures | {"paid": stats.get("paid", 0), "requests": stats["requests"]}, _tell_trouble(usage, folder)


def _run_at_limit(work: Work, contestant: Contestant, folder: Path) -> tuple[dict[str, float], str | None]:
    with simulate(**LATENCY, rpm=RPM) as url:
        usage = run(_command(work, contestant, folder, url, RPM), folder / "log", TIMEOUT_S, work.switches)
        stats = read_stats(url)
    refused = stats.get("over_rpm", 0)
    figures = _tell_cost(usage, work.count) | _tell_rows(_judge(work, contestant, folder))
    figures |= {"refused": refused, "refused_percent": 100 * refused / max(1, stats.get("requests", 0))}
    return figures, _tell_trouble(usage, folder)


def _run_killed(work: Work, contestant: Contestant, folder: Path) -> tuple[dict[str, float], str | None]:
    with simulate(**LATENCY) as url:
        command = _command(work, contestant, folder, url, None)
        half = work.count / 2
        killed = run(
            command, folder / "log-1", TIMEOUT_S, work.switches, lambda: read_stats(url).get("paid", 0) >= half
        )
        if not killed.is_killed:
            return {}, _tell_trouble(killed, folder, "log-1") or "it ended before it could be killed"
        time.sleep(LATENCY["latency_s"] + 0.5)
        paid_before = read_stats(url)["paid"]
        usage = run(command, folder / "log", RESUME_TIMEOUT_S, work.switches)
        stats = read_stats(url)
    verdict = _judge(work, contestant, folder)
    figures = {"paid_before": paid_before, "paid": stats["paid"], "paid_again": stats["paid_again"]}
    return figures | {"wall_s": usage.wall_s} | _tell_rows(verdict), _tell_trouble(usage, folder)


def _command(work: Work, contestant: Contestant, folder: Path, url: str, rpm: int | None) -> list[str]:
    if contestant.peer is None:
        return generate_command(work.spec, folder / "run", url, "--concurrency", str(CONCURRENCY))
    job = Job(url, str(work.prompts), str(folder / "rows.jsonl"), str(folder / "work"), CONCURRENCY, rpm, RETRY_AFTER_S)
    job.write(folder / "job.json")
    module = f"benchmarks.peers.adapters.{contestant.peer.adapter}"
    return [str(contestant.python), "-m", module, str(folder / "job.json")]


def _judge(work: Work, contestant: Contestant, folder: Path) -> Verdict:
    if contestant.peer is None:
        return judge_run(folder / "run", work.spec)
    return judge_rows(read_rows(folder / "rows.jsonl"), [each.exchanges for each in read_prompts(work.prompts)])


def judge_run(folder: Path, spec: Path) -> Verdict:
    """Our own rows, as transcripts before the same judge; a topic beyond its quota counts as too many."""
    quotas = {topic.name: topic.quota for topic in load_spec(spec).spec.topics}
    numbers = {(topic, at): None for topic, quota in quotas.items() for at in range(quota)}
    places = {place: number for number, place in enumerate(numbers)}
    seen = dict.fromkeys(quotas, 0)
    rows: list[tuple[int, str | None]] = []
    wanted = dict.fromkeys(places.values(), 0)
    files = sorted(folder.glob("dialogues/*.parquet"))
    for row in (row for file in files for row in pq.read_table(file).to_pylist()):
        number = places.get((row["topic"], seen[row["topic"]]), -1)
        seen[row["topic"]] += 1
        lines = [
            f"{'gpt' if at % 2 else 'human'}{at // 2 + 1}: {message['content']}"
            for at, message in enumerate(row["messages"])
        ]
        rows.append((number, "\n".join(lines)))
        if number >= 0:
            wanted[number] = json.loads(row["scenario"])["exchanges"]
    return judge_rows(rows, wanted)


def _tell_cost(usage: Usage, count: int) -> dict[str, float]:
    return {"wall_s": usage.wall_s, "cpu_ms": 1000 * usage.cpu_s / count, "peak_mb": usage.peak_mb}


def _tell_rows(verdict: Verdict) -> dict[str, float]:
    return {"missing": verdict.missing, "malformed": verdict.malformed, "surplus": verdict.surplus}


def _tell_trouble(usage: Usage, folder: Path, log: str = "log") -> str | None:
    if usage.is_late:
        return f"did not end within {RESUME_TIMEOUT_S if (folder / 'log-1').exists() else TIMEOUT_S} s"
    if usage.code and not usage.is_killed:
        return f"exit {usage.code}: {find_cause(folder / log)}"
    return None
