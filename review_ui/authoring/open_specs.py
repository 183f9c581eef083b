"""Which spec files may be edited and built here: those that the command line named, each with the run that it builds.

A request names a spec by its dataset and a run by its folder's name; both are looked up, neither becomes a path.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from datagen.errors import DataError, UsageError
from datagen.ledger import Ledger
from datagen.spec_edit import read_spec


@dataclass(frozen=True, slots=True)
class OpenSpec:
    """A spec that authors may edit. `name`: its dataset when the service started; `run`: the folder that it builds."""

    name: str
    path: Path
    run: Path

    @property
    def run_name(self) -> str:
        return self.run.resolve().name


def open_specs(files: Sequence[Path], runs: Sequence[Path]) -> list[OpenSpec]:
    """Each spec with its run: the one of the same dataset, else the one folder that holds nothing yet.

    Raises UsageError where there is no such run, or several; SpecError where a file is no YAML.
    """
    datasets = {run: read_dataset(run) for run in runs}
    opened: list[OpenSpec] = []
    for file in files:
        name = read_spec(file).dataset
        if not name:
            raise UsageError(f"{file} names no dataset", "add `dataset: …` to it")
        if any(each.name == name for each in opened):
            raise UsageError(f"two of the specs build dataset '{name}'", "serve one of them here")
        taken = {each.run for each in opened}
        own = [run for run, dataset in datasets.items() if dataset == name]
        empty = [run for run, dataset in datasets.items() if dataset is None and run not in taken and is_empty(run)]
        opened.append(OpenSpec(name, file, _choose(file, name, own or empty)))
    return opened


def _choose(file: Path, name: str, runs: list[Path]) -> Path:
    if len(runs) == 1:
        return runs[0]
    if runs:
        told = f"{file}: several runs could be built from dataset '{name}': {', '.join(map(str, runs))}"
        raise UsageError(told, "serve one of them here")
    told = f"{file}: none of the runs is of dataset '{name}'"
    raise UsageError(told, "name its run too, or a new folder for it: `damhwa review RUN --spec SPEC`")


def read_dataset(run: Path) -> str | None:
    """The dataset that a run is of; None where it is no run (yet)."""
    try:
        ledger = Ledger.open_to_read(run / "ledger.db")
    except (UsageError, DataError):  # none, or one that a build will tell about
        return None
    try:
        return ledger.read_setting("dataset")
    finally:
        ledger.close()


def is_empty(run: Path) -> bool:
    """Whether a run can still be begun in this folder: there is none, or one without data."""
    return not (run / "curated").exists() and not (run / "dialogues").exists()


def is_curated(run: Path) -> bool:
    return (run / "curated" / "decisions.parquet").is_file()
