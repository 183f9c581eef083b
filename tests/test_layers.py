"""Imports run one way: train → datagen floor ← curation ← review_ui; the front door may import all, lazily.

Filters, duplicates, splits and report judge any data and import the floor alone. What reads specs and ledgers, and the
closed loop, which is generation and curation in turn, are named here with what they may use beyond it."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("datagen", "curation", "review_ui", "train")
FLOOR = {f"datagen.{name}" for name in ("record", "store", "errors", "console", "media", "media_type")}
MAY_IMPORT = {"datagen": set(), "curation": set(), "train": set(), "review_ui": {"curation"}}
FORMS = {"datagen.form_file", "datagen.spec", "datagen.packaged"}
"""How a user's YAML is read."""
ASKING = {
    f"datagen.{name}"
    for name in (
        "answer",
        "budget",
        "clock",
        "endpoint_options",
        "ledger",
        "pace",
        "prices",
        "prompt",
        "provider",
        "scenario",
    )
}
"""How a model is asked, paid for and remembered."""
BEYOND_THE_FLOOR = {
    "curation/source.py": FORMS,
    "curation/settings.py": FORMS,
    "curation/filters/word_file.py": FORMS,
    "curation/curate.py": {"datagen.ledger", "datagen.run_folder"},
    "curation/write.py": {"datagen.ledger"},
    "curation/explain.py": {"datagen.duet_telling", "datagen.ledger", "datagen.ledger_duets"},
    "curation/gate.py": {"datagen.scenario"},
    "curation/opinions/ask.py": {*ASKING, *FORMS, "datagen.retry"},
    "curation/opinions/desk.py": {*ASKING, *FORMS},
    "curation/opinions/gather.py": ASKING,
    "curation/opinions/in_form.py": ASKING,
    "curation/opinions/judge.py": FORMS,
    "curation/opinions/judge_calls.py": {*ASKING, *FORMS},
    "curation/opinions/moderation.py": FORMS,
    "curation/opinions/moderation_calls.py": {*ASKING, "datagen.retry"},
    "curation/opinions/semantic.py": FORMS,
    "curation/opinions/embeddings.py": {*ASKING, "datagen.retry"},
    "curation/baseline.py": {*ASKING, *FORMS, "datagen.draft", "datagen.start", "datagen.transcript"},
    "curation/build.py": {*ASKING, "datagen.start"},
    "curation/voicing/speak.py": {*ASKING, "datagen.retry"},
    "curation/voicing/voice.py": {*ASKING, *FORMS, "datagen.run_folder"},
    "review_ui/build_job.py": {"datagen.run_folder", "datagen.status"},
    "review_ui/authoring/open_specs.py": {"datagen.ledger", "datagen.spec_edit"},
    "review_ui/authoring/next_build.py": {
        *ASKING,
        *FORMS,
        "datagen.run_folder",
        "datagen.spec_file",
        "datagen.status",
    },
    "review_ui/authoring/workshop.py": {"datagen.run_folder"},
    "review_ui/api/author_forms.py": {"datagen.topic_forms"},
    "review_ui/api/routes.py": {"datagen.topic_forms"},
    "review_ui/api/specs.py": {"datagen.spec_edit", "datagen.topic_forms"},
    "review_ui/pages/spec_actions.py": {"datagen.spec_edit", "datagen.topic_forms"},
    "review_ui/pages/spec_form.py": {"datagen.form_file", "datagen.spec_edit", "datagen.topic_forms"},
    "train/recipe.py": FORMS,
    "train/conversations.py": FORMS,
    "train/preferences.py": FORMS,
    "train/talk.py": FORMS,
    "train/merge.py": FORMS,
    "train/train.py": {"datagen.run_folder", *FORMS},
    "train/lineage.py": {"datagen.duet_telling", "datagen.ledger", "datagen.spec"},
    "train/evaluate.py": {"datagen.endpoint_options", "datagen.spec"},
    "train/judging.py": {*ASKING, "datagen.spec"},
    "train/measures.py": {
        *FORMS,
        "curation.filter",
        "curation.filters",
        "curation.report.diversity",
        "curation.settings",
        "curation.source",
        "curation.speech.level",
        "curation.subject",
    },
}
NEVER_IN_THE_MAIN_JOB = {"torch", "transformers", "datasets", "daft", "ray", "pandas"}
CLUSTER = "curation/cluster"
"""Imported only when its engine is chosen: it may import daft and ray."""


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
            allowed |= name in BEYOND_THE_FLOOR.get(str(path.relative_to(ROOT)), ())
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
    for path in (*_list_modules("datagen"), *_list_modules("curation")):
        tops = {name.partition(".")[0] for name in _list_imports(ast.parse(path.read_text(encoding="utf-8")))}
        is_cluster = path.is_relative_to(ROOT / CLUSTER)
        assert not tops & (NEVER_IN_THE_MAIN_JOB - ({"daft", "ray"} if is_cluster else set())), path


def test_the_cluster_is_imported_by_the_verb_that_was_told_its_engine_and_by_nothing_else() -> None:
    for package in PACKAGES:
        for path in _list_modules(package):
            names = _list_imports(ast.parse(path.read_text(encoding="utf-8")))
            if not path.is_relative_to(ROOT / CLUSTER) and path != ROOT / "curation/curate.py":
                assert not any(name.startswith("curation.cluster") for name in names), path
    at_import = (node for node in ast.parse((ROOT / "curation/curate.py").read_text(encoding="utf-8")).body)
    assert not any(isinstance(node, ast.ImportFrom) and "cluster" in (node.module or "") for node in at_import)
