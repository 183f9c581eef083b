"""The README says what the code does: options, reasons, columns, exit codes, and the fields of a spec that it shows."""

import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import get_args

from typer.models import OptionInfo

import damhwa
from curation.filters import FILTERS
from curation.release.formats import FORMAT_NAMES
from curation.schemas import FINDINGS
from curation.settings import OPENING
from datagen import errors
from datagen.store import SCHEMA
from datagen.transcript import Reason
from datagen.utterance import UtteranceReason

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def list_options(command: Callable[..., None]) -> set[str]:
    """The long options of a command, as they are typed."""
    options = set()
    for name, parameter in inspect.signature(command, eval_str=True).parameters.items():
        (given,) = (each for each in parameter.annotation.__metadata__ if hasattr(each, "param_decls"))
        if isinstance(given, OptionInfo):
            # what is written first in Option(…) lies in `default` until typer reads the signature
            names = [str(given.default), *(given.param_decls or ())]
            declared = [each for each in names if each.startswith("--")]
            options.add(declared[0] if declared else "--" + name.replace("_", "-"))
    return options


COMMANDS = (
    damhwa.check,
    damhwa.generate,
    damhwa.build,
    damhwa.curate,
    damhwa.voice,
    damhwa.export,
    damhwa.publish,
    damhwa.simulate,
    damhwa.review,
    damhwa.import_reviews,
    damhwa.add_reviewer,
    damhwa.train,
    damhwa.convert,
    damhwa.merge,
    damhwa.evaluate,
    damhwa.chat,
    damhwa.lineage,
)

DETAIL = [ROOT / "docs" / name for name in ("training.md", "review-service.md")]
"""Where the README sends for the rest."""

OTHERS = {"--with", "--config_file", "--module", "--multi_gpu", "--num_processes", "--served-model-name"}
"""Options of other programs."""


def test_the_options_that_are_told_are_there() -> None:
    told = set(re.findall(r"`(--[a-z_-]+)", README)) | set(re.findall(r"\s(--[a-z_-]+)", README))
    assert list_options(damhwa.generate) | list_options(damhwa.build) <= told | {"--out"}
    told |= {each for page in DETAIL for each in re.findall(r"(?:\s|`)(--[a-z_-]+)", page.read_text(encoding="utf-8"))}
    assert told <= {option for command in COMMANDS for option in list_options(command)} | OTHERS


def test_every_filter_is_told() -> None:
    for code in (*(each.code for each in FILTERS), OPENING):
        assert f"`{code}`" in README


def test_every_file_of_a_curated_folder_is_told_with_its_columns() -> None:
    for name in FINDINGS.names:
        assert name in README
    for name in ("decisions", "findings", "clusters", "edits", "unreadable"):
        assert f"  {name}.parquet" in README


def test_every_format_of_an_export_is_told() -> None:
    for name in FORMAT_NAMES:
        assert f"| `{name}` |" in README


def test_every_reason_of_a_rejection_is_told() -> None:
    for reason in (*get_args(Reason), *get_args(UtteranceReason)):
        assert f"`{reason}`" in README


def test_every_column_is_told() -> None:
    for name in SCHEMA.names:
        assert f"`{name}`" in README


def test_every_exit_code_is_told() -> None:
    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.DamhwaError)]
    codes = {kind.exit_code for kind in kinds} - {errors.DamhwaError.exit_code}
    assert codes | {0} == {int(code) for code in re.findall(r"^\| (\d+) \|", README, re.MULTILINE)}


def test_every_file_that_is_linked_exists() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target
