"""Write docs/licences.md from what is installed: every package that is pinned, with its licence and its home."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
HEAD = """# Licences of dependencies

Made by `make licences` from what the packages say of themselves. *core*: what every user installs; *train* and *dev*:
what training, and working on the code, add.
Damhwa itself is under Apache-2.0. Weights and what models write have licences of their own.

| package | version | licence | used by | home |
|---|---|---|---|---|
"""


def main() -> None:
    command = [str(Path(sys.executable).with_name("pip-licenses")), "--from=mixed", "--format=json", "--with-urls"]
    done = subprocess.run([*command, "--with-system"], capture_output=True, text=True, encoding="utf-8", check=True)
    found = {normalise(each["Name"]): each for each in json.loads(done.stdout)}
    rows = list(_list_rows(found))
    (ROOT / "docs" / "licences.md").write_text(HEAD + "\n".join(rows) + "\n", encoding="utf-8")


def _list_rows(found: dict[str, dict[str, str]]) -> Iterator[str]:
    core, train = read_names("base"), read_names("train")
    for name in sorted(read_names("dev") | {"torch"}):
        each = found.get(name)
        if each is None:
            raise SystemExit(f"{name} is pinned and not installed: make .venv/dev")
        used_by = "core" if name in core else "train" if name in train or name == "torch" else "dev"
        licence = re.sub(r"\s+", " ", each["License"])
        licence = "not told in its metadata" if licence == "UNKNOWN" else licence
        licence = licence if len(licence) <= 120 else f"{licence[:117]}…"
        yield f"| {each['Name']} | {each['Version']} | {licence} | {used_by} | {each['URL']} |"


def read_names(lock: str) -> set[str]:
    text = (ROOT / "requirements" / f"{lock}.lock").read_text(encoding="utf-8")
    return {normalise(name) for name in re.findall(r"^([A-Za-z0-9._-]+)==", text, re.MULTILINE)}


def normalise(name: str) -> str:
    """As PEP 503 has it."""
    return re.sub(r"[-_.]+", "-", name).lower()


if __name__ == "__main__":
    main()
