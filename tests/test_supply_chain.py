"""What is installed is what was tried: pinned, by hash, with licences that are told."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LOCKS = ("base", "train", "dev")
BEHIND_BUILDS = {"hatchling", "editables", "pluggy", "trove-classifiers", "tomlkit", "pip", "setuptools", "wheel"}
"""In a lock, and no dependency that constraints.txt would name: what builds and what pip-audit calls."""


def _normalise(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _read_pins(path: Path) -> dict[str, str]:
    found = re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    return {_normalise(name): version for name, version in found}


CONSTRAINTS = _read_pins(ROOT / "constraints.txt")


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_has_the_versions_of_the_constraints_and_a_hash_for_each(name: str) -> None:
    path = ROOT / "requirements" / f"{name}.lock"
    pins = _read_pins(path)
    assert len(pins) > 30
    assert {each: version for each, version in pins.items() if CONSTRAINTS.get(each, version) != version} == {}
    assert set(pins) - set(CONSTRAINTS) <= BEHIND_BUILDS
    for entry in re.split(r"\n(?=[A-Za-z])", path.read_text(encoding="utf-8")):
        if not entry.startswith("#"):
            assert "--hash=sha256:" in entry, entry


def test_every_pin_is_in_the_largest_lock_but_what_comes_with_torch() -> None:
    missing = set(CONSTRAINTS) - set(_read_pins(ROOT / "requirements" / "dev.lock"))
    assert missing <= {"torch", "sympy", "mpmath", "networkx"}


def test_every_pinned_package_has_its_licence_told_and_none_that_users_install_is_under_the_gpl() -> None:
    page = (ROOT / "docs" / "licences.md").read_text(encoding="utf-8")
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if line.startswith("| ")]
    told = {_normalise(name): (version, licence, used_by) for name, version, licence, used_by, _ in rows[1:]}
    assert set(_read_pins(ROOT / "requirements" / "dev.lock")) <= set(told)
    for name, (version, licence, used_by) in told.items():
        assert version.partition("+")[0] == CONSTRAINTS.get(name, version), name
        assert used_by == "dev" or not re.search(r"(?<!L)GPL", licence), f"{name}: {licence}"
