"""Where the specs that come with the package lie: inside it when installed, beside it in a checkout."""

from pathlib import Path

_PACKAGE = Path(__file__).parent


def find_packaged(relative: str) -> Path | None:
    """The packaged spec file or folder of that name; None where there is none."""
    for folder in (_PACKAGE / "specs", _PACKAGE.parent / "specs"):
        if (path := folder / relative).exists():
            return path
    return None
