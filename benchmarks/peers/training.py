"""The same two stages trained by us and by TRL: the cost of the whole command, and whether the losses are the same.

The base is made once and handed to both. `benchmarks/training.py` compares losses within one process, masks too; here
each side is a process of its own and does all of its own work, reading and tokenising included.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.peers.environments import find_cause
from benchmarks.peers.figures import Column
from benchmarks.peers.generation import Contestant
from benchmarks.peers.peer import Peer
from benchmarks.peers.processes import run
from benchmarks.peers.report import Run, Scene

PEERS = (
    Peer(
        "trl",
        (
            "trl==1.16.0",
            "torch==2.13.0",
            "transformers==5.24.0",
            "peft==0.21.2",
            "accelerate==1.15.0",
            "datasets==5.2.0",
            "numpy==2.4.6",
        ),
        "train_with_trl",
    ),
)
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
            if contestant.peer is None:
                command = [sys.executable, "-m", "damhwa", "train", str(recipe), "--out", str(work / "model")]
            else:
                (work / "job.json").write_text(json.dumps(_place_job(job, work)), encoding="utf-8")
                module = f"benchmarks.peers.adapters.{contestant.peer.adapter}"
                command = [str(contestant.python), "-m", module, str(work / "job.json")]
            usage = run(command, work / "log", TIMEOUT_S, switches)
            trouble = f"did not end within {TIMEOUT_S} s" if usage.is_late else None
            if usage.code and not usage.is_late:
                trouble = f"exit {usage.code}: {find_cause(work / 'log')}"
            figures = {"wall_s": usage.wall_s, "cpu_s": usage.cpu_s, "peak_mb": usage.peak_mb}
            if trouble is None:
                losses = read_losses(work)
                figures["steps"] = len(losses)
                if contestant.peer is None:
                    ours = losses
                else:
                    figures["largest"] = 1e6 * find_largest_difference(ours, losses)
            runs.append(Run("stages", contestant.name, number, {} if trouble else figures, trouble))
            print(f"training {number} {contestant.name}: {figures} {trouble or ''}", file=sys.stderr, flush=True)
    return runs


def prepare_job(folder: Path, places: Sequence[str], switches: dict[str, str]) -> tuple[Path, dict[str, object]]:
    """Our recipe on a base in a folder, and the same as a job for TRL. The base is made here, outside of the rounds."""
    from ruamel.yaml import YAML

    from benchmarks.training import MARKED_TEMPLATE, read_all, write_recipe
    from train.recipe import load_recipe
    from train.stage import describe_arguments

    loaded = write_recipe(folder, [str(Path(place).resolve()) for place in places], EPOCHS)
    made = folder / "made"
    first = run(
        [sys.executable, "-m", "damhwa", "train", str(loaded.path), "--out", str(made)],
        folder / "base.log",
        TIMEOUT_S,
        switches,
    )
    if first.code:
        raise SystemExit(f"the base could not be made: {find_cause(folder / 'base.log')}")
    form = loaded.recipe.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    form["base"] = {key: value for key, value in form["base"].items() if key != "tiny"} | {"model": str(made / "base")}
    form["persona"] = str(Path("specs/personas/exa.yaml").resolve())
    path = folder / "on-folder.yaml"
    with path.open("w", encoding="utf-8") as file:
        YAML(typ="safe").dump(form, file)
    again = load_recipe(path)
    stages = []
    for number, (stage, place) in enumerate(zip(again.recipe.stages, places, strict=True)):
        rows = folder / f"rows-{number}.json"
        messages = [{"messages": list(each.messages)} for each in read_all([place], again, "train")]
        rows.write_text(json.dumps(messages, ensure_ascii=False), encoding="utf-8")
        arguments = describe_arguments(again.recipe, stage, folder)
        arguments |= {"remove_unused_columns": True, "eval_strategy": "no", "save_strategy": "no"}
        stages.append({"rows": str(rows), "arguments": arguments})
    lora = again.recipe.lora
    job: dict[str, object] = {
        "base": str(made / "base"),
        "template": MARKED_TEMPLATE,
        "lora": {"r": lora.r, "lora_alpha": lora.alpha, "lora_dropout": 0.0, "target_modules": list(lora.targets)},
        "seed": again.recipe.seed,
        "max_length": 2048,
        "stages": stages,
    }
    return path, job


def _place_job(job: dict[str, object], work: Path) -> dict[str, object]:
    stages = job["stages"]
    assert isinstance(stages, list)
    placed = [
        {**each, "arguments": {**each["arguments"], "output_dir": str(work / f"stage-{number}")}}
        for number, each in enumerate(stages)
    ]
    return {**job, "stages": placed, "output": str(work / "losses.json")}


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
