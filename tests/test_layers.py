"""Imports run one way: train → datagen floor ← curation ← review_ui; the front door may import all, lazily."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("datagen", "curation", "review_ui", "train")
FLOOR = {"datagen.record", "datagen.store", "datagen.errors", "datagen.console"}
MAY_IMPORT = {"datagen": set(), "curation": set(), "train": set(), "review_ui": {"curation"}}
NEVER_IN_THE_MAIN_JOB = {"torch", "transformers", "datasets", "ray", "pandas"}


def _list_imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            yield node.module or ""


def _list_modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


@pytest.mark.parametrize("package", [name for name in PACKAGES if (ROOT / name).is_dir()])
def test_a_package_imports_only_what_lies_below_it(package: str) -> None:
    modules = _list_modules(package)
    assert modules
    for path in modules:
        for name in _list_imports(ast.parse(path.read_text(encoding="utf-8"))):
            top = name.partition(".")[0]
            allowed = top == package or top in MAY_IMPORT[package] or name in FLOOR or top not in (*PACKAGES, "damhwa")
            assert allowed, f"{path.relative_to(ROOT)} imports {name}"


def test_the_floor_imports_only_the_floor() -> None:
    for name in FLOOR:
        path = ROOT / f"{name.replace('.', '/')}.py"
        ours = {
            each for each in _list_imports(ast.parse(path.read_text(encoding="utf-8"))) if each.startswith(PACKAGES)
        }
        assert ours <= FLOOR, f"{name} imports {ours - FLOOR}"


def test_the_front_door_imports_no_package_but_the_errors_before_a_verb_is_called() -> None:
    tree = ast.parse((ROOT / "damhwa.py").read_text(encoding="utf-8"))
    at_import = {
        name for node in tree.body for name in _list_imports(ast.Module([node], [])) if isinstance(node, ast.ImportFrom)
    }
    assert {name for name in at_import if name.startswith(PACKAGES)} == {"datagen.errors"}


def test_the_main_job_imports_nothing_heavy() -> None:
    for path in _list_modules("datagen"):
        tops = {name.partition(".")[0] for name in _list_imports(ast.parse(path.read_text(encoding="utf-8")))}
        assert not tops & NEVER_IN_THE_MAIN_JOB, path
