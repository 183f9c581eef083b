"""README.md of a curated folder: the dataset card, whose header tells `datasets` which files are which split.

`load_dataset(<folder>)` reads the header; people read the rest. Korean first, then a summary in English.
"""

import json

from jinja2 import Environment, PackageLoader, StrictUndefined

from curation.release.shown import MediaCount
from curation.report.document import Report

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
"""The hub's size categories, by the first number of rows that is too many for each."""

_ESCAPED = "\\`*_{}[]<>#|~"


def render_card(
    report: Report, licence: str | None, media: MediaCount | None = None, fingerprint: str | None = None
) -> str:
    """The card of a report.json. `licence`: an identifier of the hub, as `cc-by-4.0`; None: not chosen yet.

    `media`: what the dialogues of the splits show and say; None: nothing. `fingerprint`: of the splits, for `datasets`:
    it keeps what it loaded under the folder's name and this header, so another content needs another header.
    """
    environment = Environment(
        loader=PackageLoader("curation.report", "page"),
        autoescape=False,  # Markdown; text of the data goes through `md`, that of the header through `yaml`
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {"md": escape_markdown, "yaml": quote_yaml, "n": "{:,}".format, "pct": "{:.1%}".format}
    rows = sum(row["dialogues"] for row in report["splits"])
    return environment.get_template("card.md.j2").render(
        r=report,
        licence=licence,
        media=media or MediaCount(),
        fingerprint=fingerprint,
        rows=rows,
        size=next((name for limit, name in _SIZES if rows < limit), "1M<n<10M"),
        models=[name for name in report["models"] if name],
    )


def escape_markdown(text: str) -> str:
    """The text as one line that no Markdown or HTML reads anything into, also inside a table."""
    line = " ".join(text.split())
    return "".join(f"\\{each}" if each in _ESCAPED else each for each in line)


def quote_yaml(text: str) -> str:
    """A double-quoted YAML scalar: JSON's strings are a part of YAML."""
    return json.dumps(text, ensure_ascii=False)
