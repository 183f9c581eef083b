"""The same two stages trained by us and by TRL: the cost of the whole command, and whether the losses are the same.

The base is made once and handed to both. `benchmarks/training.py` compares losses within one process, masks too; here
each side is a process of its own and does all of its own work, reading and tokenising included.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from benchmarks.peers.environments import find_cause
from benchmarks.peers.figures import Column
from benchmarks.peers.generation import Contestant
from benchmarks.peers.peer import read_peer
from benchmarks.peers.processes import Usage, run
from benchmarks.peers.report import Run, Scene
from datagen.errors import DataError

PEERS = (read_peer("trl", "trl", "train_with_trl"),)
RUNS = ("runs/gf-persona-data", "runs/demo")
EPOCHS = 0.4
"""Of each stage: some 100 steps in all, enough for a difference to show and short enough for several rounds."""
TIMEOUT_S = 900
SCENES = (
    Scene(
        "stages",
        "Two stages of LoRA on a tiny base",
        (
            Column("wall_s", "wall s", 1, True),
            Column("cpu_s", "CPU s", 1, True),
            Column("peak_mb", "peak MB", 0, True),
            Column("steps", "steps"),
            Column("largest", "largest difference of a step's loss from ours, nats × 10⁻⁶", 2),
        ),
    ),
)
ABOUT = (
    "Supervised fine-tuning of the persona's turns, 0.4 epochs of each of two curated runs, on a base of 2 layers of "
    "64, float32 on the processor. Ours also checks every mask, evaluates, and writes manifest and figures."
)


@dataclass(frozen=True, slots=True)
class StageJob:
    """`rows`: a file of conversations. `arguments`: the Trainer's, as our own stage has them."""

    rows: str
    arguments: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Job:
    """What TRL's adapter is handed."""

    base: str
    template: str
    lora: dict[str, Any]
    seed: int
    max_length: int
    stages: list[StageJob]
    output: str = ""


def measure_training(
    folder: Path, contestants: Sequence[Contestant], places: Sequence[str], rounds: int, switches: dict[str, str]
) -> list[Run]:
    recipe, job = prepare_job(folder, places, switches)
    runs = []
    for number in range(1, rounds + 1):
        ours: list[float] = []
        for contestant in contestants:
            work = folder / f"{number}-{contestant.name}"
            work.mkdir()
            is_ours = contestant.peer is None
            usage = run(_command(contestant, work, recipe, job), work / "log", TIMEOUT_S, switches)
            trouble = _tell_trouble(usage, work)
            figures: dict[str, float] = {}
            if trouble is None:
                losses = read_losses(work)
                ours = losses if is_ours else ours
                figures = {"wall_s": usage.wall_s, "cpu_s": usage.cpu_s, "peak_mb": usage.peak_mb, "steps": len(losses)}
                figures |= {} if is_ours else {"largest": 1e6 * find_largest_difference(ours, losses)}
            runs.append(Run("stages", contestant.name, number, figures, trouble))
            print(f"training {number} {contestant.name}: {figures} {trouble or ''}", file=sys.stderr, flush=True)
    return runs


def _command(contestant: Contestant, work: Path, recipe: Path, job: Job) -> list[str]:
    if contestant.peer is None:
        return _train_command(recipe, work / "model")
    stages = [
        replace(stage, arguments={**stage.arguments, "output_dir": str(work / f"stage-{number}")})
        for number, stage in enumerate(job.stages)
    ]
    placed = replace(job, stages=stages, output=str(work / "losses.json"))
    (work / "job.json").write_text(json.dumps(asdict(placed)), encoding="utf-8")
    module = f"benchmarks.peers.adapters.{contestant.peer.adapter}"
    return [str(contestant.python), "-m", module, str(work / "job.json")]


def _train_command(recipe: Path, out: Path) -> list[str]:
    return [sys.executable, "-m", "damhwa", "train", str(recipe), "--out", str(out)]


def _tell_trouble(usage: Usage, work: Path) -> str | None:
    if usage.is_late:
        return f"did not end within {TIMEOUT_S} s"
    return f"exit {usage.code}: {find_cause(work / 'log')}" if usage.code else None


def prepare_job(folder: Path, places: Sequence[str], switches: dict[str, str]) -> tuple[Path, Job]:
    """Our recipe on a base in a folder, and the same as a job for TRL. The base is made here, outside of the rounds."""
    from benchmarks.training import MARKED_TEMPLATE, read_all, write_recipe
    from train.recipe import load_recipe
    from train.stage import describe_arguments

    made = folder / "made"
    tiny = write_recipe(folder, places, EPOCHS)
    first = run(_train_command(tiny.path, made), folder / "base.log", TIMEOUT_S, switches)
    if first.code:
        raise DataError(f"the base could not be made: {find_cause(folder / 'base.log')}", f"see {folder / 'base.log'}")
    loaded = load_recipe(_write_on_folder(tiny.path, made / "base"))
    stages = []
    for number, (stage, place) in enumerate(zip(loaded.recipe.stages, places, strict=True)):
        rows = folder / f"rows-{number}.json"
        messages = [{"messages": list(each.messages)} for each in read_all([place], loaded, "train")]
        rows.write_text(json.dumps(messages, ensure_ascii=False), encoding="utf-8")
        arguments = describe_arguments(loaded.recipe, stage, folder)
        arguments |= {"remove_unused_columns": True, "eval_strategy": "no", "save_strategy": "no"}
        stages.append(StageJob(str(rows), arguments))
    lora = loaded.recipe.lora
    adapter = {
        "r": lora.r,
        "lora_alpha": lora.alpha,
        "lora_dropout": lora.dropout,
        "target_modules": list(lora.targets),
    }
    base = str(made / "base")
    return loaded.path, Job(base, MARKED_TEMPLATE, adapter, loaded.recipe.seed, loaded.recipe.max_tokens, stages)


def _write_on_folder(recipe: Path, base: Path) -> Path:
    """The same recipe on a base that lies there already."""
    yaml = YAML(typ="safe")
    form = yaml.load(recipe.read_text(encoding="utf-8"))
    del form["base"]["tiny"]
    form["base"]["model"] = str(base)
    path = recipe.with_name("on-folder.yaml")
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(form, file)
    return path


def read_losses(work: Path) -> list[float]:
    """Of each step, stage after stage: from our logs, or from what TRL's adapter wrote."""
    if (work / "losses.json").exists():
        return [loss for stage in json.loads((work / "losses.json").read_text(encoding="utf-8")) for loss in stage]
    logs = sorted((work / "model").glob("*/log.jsonl"))
    rows = [json.loads(line) for log in logs for line in log.read_text(encoding="utf-8").splitlines()]
    return [row["loss"] for row in rows if "loss" in row]


def find_largest_difference(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Infinite where the numbers of steps differ."""
    if len(ours) != len(theirs):
        return float("inf")
    return max((abs(one - other) for one, other in zip(ours, theirs, strict=True)), default=0.0)
