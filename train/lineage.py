"""`damhwa lineage`: from a model back to recipe, base and data, and from a row to the request that paid for it."""

import difflib
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel
from rich.markup import escape

from datagen.console import format_money
from datagen.duet_telling import summarise
from datagen.errors import DamhwaError, DataError, UsageError
from datagen.ledger import Ledger
from datagen.spec import Persona
from train.conversations import find_curated, read_split
from train.recipe import Recipe, Stage


class _Manifest(BaseModel, frozen=True):
    recipe: Recipe
    persona: Persona
    fingerprint: str
    versions: dict[str, str]
    stages: tuple[dict[str, Any], ...]
    trained_in: Path | None = None
    """Of a merged model, which may lie anywhere. Older ones lie in the folder where they were trained."""


def trace_model(model: Path) -> dict[str, Any]:
    """Recipe, base, licence and stages of a trained or merged model, and whether their data is still what it was.

    Raises UsageError where `model` is none of ours, DataError where its manifest is torn.
    """
    folder, manifest = _read_manifest(model)
    made = {"recipe": manifest.recipe.name, "fingerprint": manifest.fingerprint, "persona": manifest.persona.id}
    base = manifest.recipe.base.model_dump(exclude_none=True)
    pairs = zip(manifest.recipe.stages, manifest.stages, strict=False)  # fewer are done while it is trained
    stages = [{**done, "data_now": _compare(stage, done, manifest.persona)} for stage, done in pairs]
    return {"trained_in": str(folder), **made, "base": base, "stages": stages, "versions": manifest.versions}


def trace_row(model: Path, id_: str) -> dict[str, Any]:
    """The stage that was trained on a row, and the attempt that made it. `tokens` None: it was left out as too long.

    Raises UsageError for an id that no stage has (told with the nearest), a run that moved, and data without a ledger;
    DataError where a file is torn or the ledger is another run's.
    """
    folder, manifest = _read_manifest(model)
    known: list[str] = []
    for number, stage in enumerate(manifest.recipe.stages, 1):
        name = f"{number}-{stage.name}"
        if not (path := folder / name / "rows.parquet").is_file():
            continue  # while it is trained
        rows = _read_rows(path)
        ids = rows.column("id").to_pylist()
        if id_ in ids:
            row = rows.slice(ids.index(id_), 1).to_pylist()[0]
            return {**row, "stage": name, "run": stage.data, "attempt": _find_attempt(stage.data, id_)}
        known += ids
    if not known:
        raise UsageError(f"{folder} has no rows.parquet of a stage", "give the folder that `damhwa train` wrote")
    near = [each for each in known if id_ in each][:3] or difflib.get_close_matches(id_, known, 3) or known[:3]
    raise UsageError(f"no stage of {model} was trained on a row '{id_}'", f"the nearest: {', '.join(near)}")


def draw(facts: dict[str, Any], indent: str = "") -> Iterator[str]:
    """For a terminal: a fact a line, what belongs together under its name."""
    for name, value in facts.items():
        for each in value if isinstance(value, (list, tuple)) else [value]:
            if isinstance(each, dict):
                yield f"{indent}[bold]{name}[/]"
                yield from draw(each, f"{indent}  ")
            elif each is not None:
                yield f"{indent}[dim]{name}[/] {escape(format_money(each) if name == 'cost_usd' else str(each))}"


def _read_manifest(model: Path) -> tuple[Path, _Manifest]:
    """The folder of the training, and what it says of itself."""
    path = next((each for each in (model / "manifest.json", model / "lineage.json") if each.is_file()), None)
    if path is None:
        hint = "give a folder that `damhwa train` or `damhwa merge` wrote"
        raise UsageError(f"{model} is no model of ours: it has neither manifest.json nor lineage.json", hint)
    try:
        manifest = _Manifest.model_validate_json(path.read_bytes())
    except (OSError, ValueError) as exc:
        raise DataError(f"{path} is not what we wrote: {exc}", "train or merge again with the same recipe") from exc
    home = (model / manifest.trained_in).resolve() if manifest.trained_in else model.parent
    home = home if home.is_dir() else model.parent
    return model if path.name == "manifest.json" else home, manifest


def _compare(stage: Stage, done: dict[str, Any], persona: Persona) -> Literal["unchanged", "changed", "not there"]:
    try:
        found = read_split(stage.data, "train", persona, stage.config).fingerprint
    except DamhwaError:
        return "not there"
    return "unchanged" if found == done.get("fingerprint") else "changed"


def _find_attempt(data: str, id_: str) -> dict[str, Any]:
    """What the run's ledger says of the attempt that a row came from."""
    told = f"row {id_} was trained on, but"
    if not Path(data).exists():
        raise UsageError(
            f"{told} its run {data} is not there", "call from where the model was trained, or bring it back"
        )
    curated = find_curated(data)
    if curated is None or not (curated.parent / "ledger.db").is_file():
        raise UsageError(f"{told} {data} has no ledger: no run of ours made it", "ask whoever made that data")
    with closing(Ledger.open_to_read(curated.parent / "ledger.db")) as ledger:
        start, _, seq = id_.rpartition("-")
        is_own = start == f"{ledger.read_setting('dataset')}-{ledger.read_setting('run_id')}" and seq.isdigit()
        attempt = ledger.find_attempt(int(seq)) if is_own else None
        utterances = ledger.utterances_of_attempt(int(seq)) if is_own else []
    if attempt is None:
        raise DataError(f"{told} {ledger.path} does not know it: it is another run's", "bring the old run back")
    facts = {name: value for name, value in asdict(attempt).items() if name not in ("reply", "scenario")}
    return {**facts, "duet": summarise(utterances)} if utterances else facts


def _read_rows(path: Path) -> pa.Table:
    try:
        return pq.read_table(path)
    except (OSError, pa.ArrowException) as exc:
        raise DataError(f"{path} cannot be read: {exc}", "train the stage again") from exc
