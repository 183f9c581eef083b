"""report.json and report.html of an evaluation: one page with everything in it, that runs no script at all.

The plots are SVG in the page's own colours, so they follow light and dark, print, and weigh nothing: the report can be
committed beside the model. Text of models and data is escaped by the template engine, and the page's policy forbids
whatever could run or load.
"""

import json
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from datagen.errors import DataError
from datagen.store import replace_durably

SHARES = (
    "speech_level",
    "direction_form",
    "direction_share",
    "role_leak",
    "assistant_tell",
    "loops",
    "seq_rep_4",
    "stopped",
)
"""Measures that are told in per cent."""

_DIRECTION = re.compile(r"((?<!\*)\*(?!\*)[^*\n]+\*(?!\*))")


def write_report(folder: Path, report: dict[str, Any]) -> None:
    """Write both files, whole. Raises DataError where the disk does not take them: what was there stays."""
    text = json.dumps(report, ensure_ascii=False, indent=1, allow_nan=False)
    texts = {"report.json": text, "report.html": render_report(report)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / f".{name}").write_text(text, encoding="utf-8")
        for name in texts:
            replace_durably(folder / f".{name}", folder / name)
    except OSError as exc:
        raise DataError(f"the report cannot be written into {folder}: {exc}", "give another folder with -o") from exc
    finally:
        for name in texts:
            with suppress(OSError):
                (folder / f".{name}").unlink()


def render_report(report: dict[str, Any]) -> str:
    """The page of a report.json."""
    loader = PackageLoader("train", "templates")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"figure": format_figure, "change": format_change, "parts": _DIRECTION.split}
    by_name = {each["name"]: each for each in report["measures"]}
    page = environment.get_template("evaluation.html")
    return page.render(r=report, by_name=by_name, scale=make_scale, is_clear=is_clear, unit_of=name_unit)


def format_figure(value: float, name: str) -> str:
    if name in SHARES:
        return f"{value:.1%}" if 0 < value < 1 else f"{value:.0%}"
    if name.startswith("distinct"):
        return f"{value:.3f}"
    return f"{value:,.0f}" if value >= 1_000 else f"{value:,.1f}" if value >= 100 else f"{value:,.2f}"


def format_change(value: float, measure: dict[str, Any]) -> str:
    """A difference with its sign, of shares in percentage points; a quotient with ×."""
    if measure["is_quotient"]:
        return f"×{value:.2f}" if value >= 0.1 else f"×{value:.2g}"
    digits = 3 if measure["name"].startswith("distinct") else 1
    value *= 100 if measure["name"] in SHARES else 1
    return f"{value:+.{digits}f}" if round(value, digits) else "±0"


def name_unit(measure: dict[str, Any]) -> str:
    """Of a difference: percentage points, or nothing."""
    return "%p" if measure["name"] in SHARES else ""


def make_scale(measure: dict[str, Any]) -> tuple[float, float]:
    """Both ends of a measure's axis: of shares 0 to 1, else from 0 to a little above the highest interval."""
    if measure["name"] in SHARES:
        return 0.0, 1.0
    told = [each["high"] for each in [*measure["values"], measure["data"]] if each is not None]
    return 0.0, 1.06 * max(told, default=1.0) or 1.0


def is_clear(measure: dict[str, Any], at: int) -> str:
    """`good` or `bad` where a difference's interval leaves out "none"; else empty."""
    found, none = measure["differences"][at], 1.0 if measure["is_quotient"] else 0.0
    if found is None or not measure["better"] or found["low"] <= none <= found["high"]:
        return ""
    return "good" if (found["value"] > none) == (measure["better"] == "higher") else "bad"


def describe_report(report: dict[str, Any]) -> str:
    """The figures as lines for the terminal, with the interval of each difference to the first model."""
    lines = [f"{'':17}{''.join(f'{name[:24]:>26}' for name in report['models'])}{'data':>12}"]
    for measure in report["measures"]:
        cells = []
        for value, change in zip(measure["values"], measure["differences"], strict=True):
            told = "–" if value is None else format_figure(value["value"], measure["name"])
            low_high = (
                "" if change is None else " ~ ".join(format_change(change[end], measure) for end in ("low", "high"))
            )
            cells.append(f"{f'{told} ({low_high})' if low_high else told:>26}")
        data = "–" if measure["data"] is None else format_figure(measure["data"]["value"], measure["name"])
        lines.append(f"{measure['name']:17}{''.join(cells)}{data:>12}")
    note = f"in brackets: 95 % interval of the difference to {report['models'][0]}"
    simulated = ["the dialogues are the simulator's: for trying things out"] if report["data"]["is_simulated"] else []
    return "\n".join([*lines, note, *simulated])
