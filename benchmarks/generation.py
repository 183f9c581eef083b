"""Measure generation against the simulator on loopback and print the table of benchmarks/README.md.

`python -m benchmarks.generation [SECTION …]`; without a section all of them, about 15 minutes. Every figure is of whole
processes: wall time, CPU (user + system) and peak memory as the kernel accounts them.
"""

import json
import os
import platform
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

from datagen.ledger import Ledger
from datagen.prompt import PromptWriter
from datagen.scenario import list_dimensions, plan_scenarios
from datagen.spec_file import load_spec

ROOT = Path(__file__).parent.parent
LATENCY_S, JITTER_S = 0.2, 0.05
ROUNDS = 3
TOPICS = ("일상 대화", "보고 싶다는 표현", "정서적 위로", "사랑 밀당", "연애 고민")


@dataclass(frozen=True, slots=True)
class Usage:
    """One finished process: seconds, and MB at the peak."""

    wall_s: float
    cpu_s: float
    peak_mb: float
    code: int


@contextmanager
def simulate(**faults: float) -> Iterator[str]:
    """A simulator in a process of its own."""
    command = [sys.executable, "-m", "datagen.simulator.server", json.dumps(faults), "0"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8", cwd=ROOT
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.stdin.close()


def read_stats(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url.replace("/v1", "/stats")) as reply:
        stats: dict[str, Any] = json.load(reply)
    return stats


def measure(command: list[str]) -> Usage:
    started = time.monotonic()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.monotonic() - started
    return Usage(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, process.returncode)


def write_spec(folder: Path, quota: int) -> Path:
    """exa-data cut down to five topics of equal quotas, `quota` dialogues in all."""
    loaded = load_spec("exa-data")
    spec = loaded.spec.model_dump(mode="json")
    chosen = [topic for topic in spec["topics"] if topic["name"] in TOPICS]
    for topic in chosen:
        topic["quota"] = quota // len(chosen)
    spec |= {"topics": chosen, "personas": [str(loaded.path.parent / "personas" / "exa.yaml")]}
    spec["examples"] = ["examples/*.txt"]
    (folder / "examples").mkdir(parents=True, exist_ok=True)
    for at, text in enumerate(loaded.examples["exa"]):
        (folder / "examples" / f"{at}.txt").write_text(text, encoding="utf-8")
    path = folder / "bench-data.yaml"
    path.write_text(json.dumps(spec, ensure_ascii=False), encoding="utf-8")  # JSON is YAML
    return path


def write_prompts(spec: Path, count: int) -> Path:
    loaded = load_spec(spec)
    writer = PromptWriter(loaded)
    prompts: list[Any] = []
    for topic in loaded.spec.topics:
        scenarios = plan_scenarios(list_dimensions(loaded.spec, topic, ("exa",)))
        share = count // len(loaded.spec.topics)
        prompts += [writer.write(scenario, slot, 0).messages for slot, scenario in enumerate(islice(scenarios, share))]
    path = spec.parent / "prompts.json"
    path.write_text(json.dumps(prompts, ensure_ascii=False), encoding="utf-8")
    return path


def generate_command(spec: Path, run: Path, url: str, *options: str) -> list[str]:
    return [sys.executable, "-m", "damhwa", "generate", str(spec), "-o", str(run), "--base-url", url, *options]


def measure_throughput(folder: Path) -> None:
    """Wall time, CPU and memory for 1,000 requests, ours and the baselines in turn."""
    spec = write_spec(folder, 1000)
    prompts = str(write_prompts(spec, 1000))
    for concurrency in (32, 256):
        rows: dict[str, list[Usage]] = {"damhwa": [], "asyncio": [], "threads": []}
        asking = []
        for number in range(ROUNDS):
            with simulate(latency_s=LATENCY_S, jitter_s=JITTER_S) as url:
                run = folder / f"run-{concurrency}-{number}"
                rows["damhwa"].append(measure(generate_command(spec, run, url, "--concurrency", str(concurrency))))
                asking.append(measure_asking(run))
            for way in ("asyncio", "threads"):
                if (way, concurrency) == ("threads", 256):
                    continue
                with simulate(latency_s=LATENCY_S, jitter_s=JITTER_S) as url:
                    command = [
                        sys.executable,
                        "-m",
                        "benchmarks.baselines",
                        way,
                        url,
                        "1000",
                        str(concurrency),
                        prompts,
                    ]
                    rows[way].append(measure(command))
        ideal = 1000 / concurrency * LATENCY_S
        print(
            f"\n1,000 requests, {concurrency} in flight, medians of {ROUNDS}; requests ÷ width × latency: {ideal:.2f} s"
        )
        print("| | wall s | CPU ms a dialogue | peak MB | exit |\n|---|---|---|---|---|")
        for name, usages in rows.items():
            if usages:
                wall, cpu, peak = (median(getattr(u, key) for u in usages) for key in ("wall_s", "cpu_s", "peak_mb"))
                print(f"| {name} | {wall:.2f} | {cpu:.2f} | {peak:.0f} | {max(u.code for u in usages)} |", flush=True)
        print(f"damhwa, from the first request to the last commit: {median(asking):.2f} s", flush=True)


def measure_asking(run: Path) -> float:
    """Seconds from the first request to the last commit, without the start of the process and the Parquet."""
    ledger = Ledger.open_to_read(run / "ledger.db")
    span = ledger.time_span()
    ledger.close()
    assert span is not None
    return (datetime.fromisoformat(span[1]) - datetime.fromisoformat(span[0])).total_seconds()


def measure_memory(folder: Path) -> None:
    """Peak memory for 1,000 and for 50,000 dialogues."""
    for count in (1_000, 50_000):
        with simulate() as url:
            usage = measure(
                generate_command(write_spec(folder, count), folder / f"run-{count}", url, "--concurrency", "32")
            )
        print(f"{count:,} dialogues: peak {usage.peak_mb:.0f} MB, {usage.wall_s:.0f} s, exit {usage.code}", flush=True)


def measure_start(folder: Path) -> None:
    """`damhwa --help`, and the time from start to the first request."""
    helps = [measure([sys.executable, "-m", "damhwa", "--help"]).wall_s for _ in range(7)]
    print(f"damhwa --help: {median(helps):.2f} s (median of 7)")
    spec, firsts = write_spec(folder, 5), []
    for number in range(5):
        with simulate() as url:
            started = time.time()
            measure(generate_command(spec, folder / f"start-{number}", url))
            firsts.append(read_stats(url)["first_request_at"] - started)
    print(f"first request after {median(firsts):.2f} s (median of 5)", flush=True)


def measure_faults(folder: Path) -> None:
    """Every fault at once: exact quotas, Retry-After kept, nothing paid for but the quota and the malformed."""
    faults = {"rate_limited": 0.05, "retry_after_s": 1.0, "server_error": 0.02, "malformed": 0.05, "cut": 0.01}
    with simulate(latency_s=LATENCY_S, jitter_s=JITTER_S, **faults) as url:
        usage = measure(generate_command(write_spec(folder, 1000), folder / "faults", url))
        stats = read_stats(url)
    accepted = Ledger.open_to_read(folder / "faults" / "ledger.db").tallies()
    print(
        f"faults: exit {usage.code}, accepted {[tally.accepted for tally in accepted.values()]}, {usage.wall_s:.0f} s; "
        f"{stats.get('before_retry_after', 0)} requests before their Retry-After; paid beyond the quota "
        f"{stats['paid'] - 1000}, malformed {stats.get('malformed', 0)}; 429 {stats.get('rate_limited', 0)}, "
        f"500 {stats.get('server_error', 0)}, cut {stats.get('cut', 0)}",
        flush=True,
    )


def measure_limit(folder: Path) -> None:
    """3,000 requests against a server that enforces 3,000 a minute, with the limit announced and without."""
    for announce in (1, 0):
        with simulate(latency_s=LATENCY_S, jitter_s=JITTER_S, rpm=3000, announce=announce) as url:
            run = folder / f"limit-{announce}"
            measure(generate_command(write_spec(folder, 3000), run, url))
            stats = read_stats(url)
        seconds = measure_asking(run)
        refused = stats.get("over_rpm", 0) / stats["requests"]
        allowed = 3000 / 60 * seconds
        print(
            f"3,000 RPM, limit {'announced' if announce else 'silent'}: {stats['paid'] / allowed:.1%} of what is "
            f"allowed in {seconds:.1f} s, {refused:.1%} refused",
            flush=True,
        )


def measure_kills(folder: Path) -> None:
    """20 runs killed at random moments and resumed: what was stored stays, what was in flight is all that is repaid."""
    rng, spec, run = random.Random(1), write_spec(folder, 2000), folder / "kills"
    stored: set[tuple[Any, ...]] = set()
    paid_twice = 0
    with simulate(latency_s=LATENCY_S, jitter_s=JITTER_S, malformed=0.05) as url:
        for _ in range(20):
            before = read_stats(url).get("paid", 0)
            process = subprocess.Popen(
                generate_command(spec, run, url), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            time.sleep(rng.uniform(1.3, 2.2))
            process.kill()
            process.wait()
            time.sleep(LATENCY_S + JITTER_S + 0.1)
            now = _read_attempts(run)
            assert stored <= now, "a stored attempt is gone"
            paid_twice += read_stats(url).get("paid", 0) - before - (len(now) - len(stored))
            stored = now
        usage = measure(generate_command(spec, run, url))
        final = _read_attempts(run)
    asked_again = len(final) - len({row[1:4] for row in final})
    print(
        f"20 kills: exit {usage.code}, stored attempts lost {len(stored - final)}, asked again {asked_again}, "
        f"replies paid twice {paid_twice} (at most {20 * 32} were in flight)",
        flush=True,
    )


def measure_reply_forms(folder: Path) -> None:
    """Rejected drafts per 1,000 replies, of transcripts and of structured replies.

    Against the endpoint of OPENAI_BASE_URL (100 dialogues each; OPENAI_API_KEY, and OPENAI_MODEL for its model), else
    against the simulator with 5 % malformed replies of either form (1,000 each), which decides the figure by itself.
    """
    real = os.environ.get("OPENAI_BASE_URL")
    for form in ("transcript", "json"):
        spec, run = write_spec(folder / form, 100 if real else 1000), folder / f"run-{form}"
        asked = json.loads(spec.read_text(encoding="utf-8")) | {"reply": form}
        spec.write_text(json.dumps(asked, ensure_ascii=False), encoding="utf-8")
        model = ("--model", os.environ["OPENAI_MODEL"]) if real and "OPENAI_MODEL" in os.environ else ()
        with nullcontext(real) if real else simulate(malformed=0.05, dressed=0.15) as url:
            usage = measure(generate_command(spec, run, url, *model))
        ledger = Ledger.open_to_read(run / "ledger.db")
        reasons: Counter[str] = Counter()
        for counts in ledger.rejections().values():
            reasons.update(counts)
        accepted = sum(tally.accepted for tally in ledger.tallies().values())
        ledger.close()
        told = ", ".join(f"{reason} {count}" for reason, count in reasons.most_common())
        share = 1000 * reasons.total() / max(1, accepted + reasons.total())
        where = real or "simulator, 5 % malformed"
        print(f"{form} ({where}): exit {usage.code}, {accepted} accepted, {share:.1f} rejects per 1,000")
        print(f"  {told}", flush=True)


def _read_attempts(run: Path) -> set[tuple[Any, ...]]:
    if not (run / "ledger.db").exists():
        return set()
    connection = sqlite3.connect(run / "ledger.db")
    rows = connection.execute("SELECT seq, topic, slot, scenario, outcome, reply FROM attempts").fetchall()
    connection.close()
    return set(rows)


SECTIONS: dict[str, Callable[[Path], None]] = {
    "throughput": measure_throughput,
    "start": measure_start,
    "faults": measure_faults,
    "limit": measure_limit,
    "kills": measure_kills,
    "json": measure_reply_forms,
    "memory": measure_memory,
}


def main(names: list[str]) -> None:
    machine = f"{platform.system()} {platform.machine()} · {os.cpu_count()} cores · Python {platform.python_version()}"
    print(f"{date.today()} · {machine}")
    for name in names or SECTIONS:
        with tempfile.TemporaryDirectory() as folder:
            SECTIONS[name](Path(folder))


if __name__ == "__main__":
    main(sys.argv[1:])
