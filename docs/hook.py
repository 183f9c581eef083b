"""Adds to the site what is made from the code and what lies elsewhere in the repository. mkdocs calls it."""

import re
import sys
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))  # the hook is run by mkdocs from its own folder

from docs.reference import PAGES  # noqa: E402

_ELSEWHERE = {
    "figures/benchmarks.md": "benchmarks/README.md",
    "figures/peers.md": "benchmarks/RESULTS.md",
    "figures/training-log.md": "train/LOG.md",
    "changelog.md": "CHANGELOG.md",
    "contributing.md": "CONTRIBUTING.md",
}
"""Page → file of the repository."""
_LINK = re.compile(r"\[([^\]]*)\]\((?!https?:|#)([^)]+)\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    for name, write in PAGES.items():
        files.append(File.generated(config, f"reference/{name}.md", content=write()))
    for page, source in _ELSEWHERE.items():
        path = ROOT / source
        if path.is_file():
            files.append(File.generated(config, page, content=_unlink(path.read_text(encoding="utf-8"))))
    return files


def _unlink(text: str) -> str:
    """Links to files of the repository, which the site does not have, as plain names."""
    return _LINK.sub(lambda found: f"{found[1]} (`{found[2]}`)" if found[1] != found[2] else f"`{found[2]}`", text)
