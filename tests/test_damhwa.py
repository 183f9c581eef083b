"""The command as a user calls it: what it prints, what it returns, and the wheel that carries it."""

import json
import os
import subprocess
import sys
import venv
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest

from datagen.simulator.server import Simulator

ROOT = Path(__file__).parent.parent
StartSimulator = Callable[..., tuple[str, Simulator]]
Edit = Callable[[Path, str, str], None]


def run(*arguments: str | Path, cwd: Path | None = None) -> "subprocess.CompletedProcess[str]":
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")}
    command = [sys.executable, "-m", "damhwa", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, encoding="utf-8", timeout=120, env=environment, cwd=cwd, check=False
    )


def test_help_names_every_command() -> None:
    done = run("--help")
    assert done.returncode == 0
    verbs = ("check", "generate", "build", "curate", "status", "rejected", "explain", "export", "publish", "simulate")
    for verb in verbs:
        assert verb in done.stdout


def test_the_version_is_told() -> None:
    done = run("--version")
    assert (done.returncode, done.stdout) == (0, f"damhwa {version('damhwa')}\n")


def test_a_real_model_for_a_run_of_the_simulator_is_refused_with_what_to_do(spec: Path, tmp_path: Path) -> None:
    run("generate", spec, "-o", tmp_path / "run", "--offline")
    done = run("generate", spec, "-o", tmp_path / "run", "--base-url", "http://127.0.0.1:9/v1")
    assert done.returncode == 2
    assert "+  model: gpt-4o" in done.stderr
    assert "--offline goes on with a run that it began" in done.stderr


def test_a_review_of_a_folder_that_is_not_there_exits_2(tmp_path: Path) -> None:
    done = run("review", tmp_path / "none")
    assert done.returncode == 2
    assert "does not exist" in done.stderr


def test_check_prints_quotas_cost_and_assumptions(spec: Path) -> None:
    done = run("check", spec)
    assert done.returncode == 0
    assert "보고 싶다는 표현" in done.stdout
    assert "12 intellectual + 8 emotional" in done.stdout
    assert "Assumed" in done.stdout
    assert "$" in done.stdout


def test_check_json_is_for_programs(spec: Path) -> None:
    figures = json.loads(run("check", spec, "--json", "--sample", "3").stdout)
    assert figures["quota"] == 20
    assert figures["cost_usd"] == pytest.approx(sum(topic["cost_usd"] for topic in figures["topics"]))
    assert len(figures["samples"]) == 3
    assert figures["samples"][0]["messages"][0]["role"] == "system"


def test_check_shows_finished_prompts(spec: Path) -> None:
    printed = run("check", spec, "--sample", "3").stdout
    assert printed.count("──── system ────") == 3
    assert "- 주제: 일상 대화" in printed
    assert "{{" not in printed


def test_a_wrong_spec_exits_2_with_every_mistake_and_no_traceback(spec: Path, edit: Edit) -> None:
    edit(spec, "quota: 12", "quota: -1")
    edit(spec, "language: ko", "langauge: ko")
    done = run("check", spec)
    assert done.returncode == 2
    assert f"{spec}:13: `topics[1].quota` is -1, expected a number greater than 0" in done.stderr
    assert "hint: did you mean `language`?" in done.stderr
    assert "error: 3 mistakes in the spec" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("template", ["{{ persona.nmae }}", "{% for %}"])
def test_a_wrong_template_is_told(spec: Path, template: str) -> None:
    (spec.parent / "prompts").mkdir()
    (spec.parent / "prompts" / "system.md").write_text(template, encoding="utf-8")
    done = run("check", spec)
    assert done.returncode == 2
    assert "template" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("option", "value"),
    [("--concurrency", "0"), ("--budget-usd", "-1"), ("--base-url", "127.0.0.1:80"), ("--rpm", "0")],
)
def test_an_option_out_of_range_exits_2(spec: Path, tmp_path: Path, option: str, value: str) -> None:
    done = run("generate", spec, "-o", tmp_path / "run", option, value)
    assert done.returncode == 2
    assert option in done.stderr
    assert "Traceback" not in done.stderr


def test_a_data_authors_walk(spec: Path, tmp_path: Path, edit: Edit) -> None:
    folder = tmp_path / "run"
    first = run("generate", spec, "-o", folder, "--offline")
    assert first.returncode == 0, first.stderr
    assert first.stdout.startswith("20 of 20 dialogues in")
    figures = json.loads(run("status", folder, "--json").stdout)
    assert (figures["accepted"], figures["quota"], figures["unsealed"]) == (20, 20, 0)
    assert "보고 싶다는 표현" in run("status", folder).stdout
    new = "  - {name: 주말 등산, category: hobby, quota: 5, brief: 산 이야기., situations: [유저가 등산화를 샀다]}\n"
    edit(spec, "examples:", f"{new}examples:")
    second = run("generate", spec, "-o", folder, "--offline", "--json")
    assert second.returncode == 0, second.stderr
    assert json.loads(second.stdout)["added"] == 5


def test_the_rejected_drafts_can_be_read(spec: Path, tmp_path: Path, start_simulator: StartSimulator) -> None:
    url, simulator = start_simulator(malformed=0.4)
    done = run("generate", spec, "-o", tmp_path / "run", "--base-url", url)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in run("rejected", tmp_path / "run", "--json").stdout.splitlines()]
    assert len(lines) == simulator.counts["malformed"] > 0
    assert all(line["reason"] and line["scenario"]["situation"] for line in lines)
    assert f"· {lines[0]['reason']}:" in run("rejected", tmp_path / "run").stdout
    done = run("rejected", tmp_path / "run", "없는 주제")
    assert done.returncode == 2
    assert "its topics: 일상 대화, 보고 싶다는 표현" in done.stderr


def test_an_unknown_fault_lists_them_all() -> None:
    done = run("simulate", "--fault", "rate_limted=0.1")
    assert done.returncode == 2
    assert "rate_limited=0.0" in done.stderr


@pytest.mark.slow
def test_pandas_and_datasets_read_a_run(spec: Path, tmp_path: Path) -> None:
    assert run("generate", spec, "-o", tmp_path / "run", "--offline").returncode == 0
    code = (
        "import sys, pandas, datasets\n"
        "frame = pandas.read_parquet(sys.argv[1])\n"
        "rows = datasets.load_dataset('parquet', data_files=sys.argv[1] + '/*.parquet', split='train')\n"
        "assert len(frame) == len(rows) == 20\n"
        "assert frame.topic.value_counts().to_dict() == {'일상 대화': 12, '보고 싶다는 표현': 8}\n"
        "assert rows[0]['messages'][0]['role'] == 'user' and list(frame.messages[0][1]) == ['role', 'content']\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "run" / "dialogues")]
    environment = {**os.environ, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "1"}
    environment.pop("PYTHONWARNDEFAULTENCODING", None)
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", env=environment, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_the_wheel_runs_by_itself_in_an_empty_environment(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "build", "--wheel", "--outdir", str(tmp_path / "dist"), str(ROOT)]
    done = subprocess.run(build, capture_output=True, text=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env" / "bin" / "python"
    install = [python, "-m", "pip", "install", "--quiet", "--constraint", ROOT / "constraints.txt", wheel]
    subprocess.run(list(map(str, install)), check=True, capture_output=True)
    command = [
        str(tmp_path / "env" / "bin" / "damhwa"),
        "build",
        "gf-persona-data",
        "-o",
        "run",
        "--offline",
        "--json",
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, encoding="utf-8", cwd=tmp_path, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["accepted"] == 600
    assert (tmp_path / "run" / "curated" / "report.html").stat().st_size > 1_000_000
