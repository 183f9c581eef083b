"""The README says what the code does: options, reasons, columns, exit codes, and the fields of a spec that it shows."""

import inspect
import re
from pathlib import Path
from typing import get_args

import damhwa
from datagen import errors
from datagen.store import SCHEMA
from datagen.transcript import Reason

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_option_of_generate_is_told() -> None:
    told = set(re.findall(r"`(--[a-z-]+)", README)) | set(re.findall(r"\s(--[a-z-]+)", README))
    renamed = {"timeout_s": "--timeout", "as_json": "--json", "spec": None, "out": None}
    names = inspect.signature(damhwa.generate).parameters
    options = {renamed.get(name, "--" + name.replace("_", "-")) for name in names} - {None}
    assert options <= told
    assert told <= options | {"--sample", "--fault"}


def test_every_reason_of_a_rejection_is_told() -> None:
    for reason in get_args(Reason):
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
