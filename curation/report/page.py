"""report.html: one file with everything in it, that reads nothing from the network and runs no text of the data.

All text is escaped by the template engine. Besides, the page's own policy allows only the three scripts that we put in,
by their hashes, and no connection to anywhere: a slip in one place would still do nothing.
"""

import json
import math
from base64 import b64encode
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from curation.report.charts import STATUSES, draw_all, label_bin
from curation.report.document import Report
from curation.report.passages import show_pair, show_quote
from curation.report.words import WORDS


def render_report(report: Report) -> str:
    """The page of a report.json. Raises KeyError where a key of `document.Report` is missing."""
    environment = Environment(
        loader=PackageLoader("curation.report", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals |= {"t": say, "word": say_word, "show_quote": show_quote, "show_pair": show_pair}
    environment.globals |= {"label_bin": label_bin, "statuses": STATUSES}
    environment.filters |= {"n": _format_count, "pct": _format_share, "usd": _format_usd, "num": _format_number}
    charts = draw_all(report)
    scripts = [Markup(get_plotlyjs()), Markup(_read(environment, "page.js"))]
    return environment.get_template("report.html.j2").render(
        r=report,
        charts=charts,
        figures=_embed({"charts": charts, "words": _list_used(charts)}),
        plotly=scripts[0],
        script=scripts[1],
        style=Markup(_read(environment, "page.css")),
        hashes=[_hash(each) for each in scripts],
    )


def say(key: str, **values: object) -> Markup:
    """A text in both languages, one of which the style sheet shows; values are escaped."""
    korean, english = (Markup(each).format(**values) for each in WORDS[key])
    if korean == english:
        return korean
    return Markup('<span class="ko" lang="ko">{}</span><span class="en" lang="en">{}</span>').format(korean, english)


def say_word(name: str, prefix: str = "") -> Markup:
    """The word for a name out of the data; the name itself, escaped, where we have none."""
    return say(f"{prefix}{name}") if f"{prefix}{name}" in WORDS else Markup("{}").format(name)


def _read(environment: Environment, name: str) -> str:
    assert environment.loader is not None
    return environment.loader.get_source(environment, name)[0]


def _hash(script: str) -> str:
    return f"sha256-{b64encode(sha256(script.encode()).digest()).decode()}"


def _embed(document: object) -> Markup:
    """JSON that may stand inside a script element whatever text it holds."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def _list_used(value: Any) -> Mapping[str, tuple[str, str]]:
    """The words that charts ask for."""
    return {key: WORDS[key] for key in sorted(set(_find_keys(value)))}


def _find_keys(value: Any) -> Iterable[str]:
    if isinstance(value, dict):
        if "$t" in value:
            yield value["$t"]
        for each in value.values():
            yield from _find_keys(each)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for each in value:
            yield from _find_keys(each)


def _format_count(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}"


def _format_number(value: float) -> str:
    """Up to four significant digits, no trailing zeros."""
    if value == 0 or abs(value) >= 1_000:
        return f"{value:,.0f}"
    digits = max(0, 3 - math.floor(math.log10(abs(value))))
    text = f"{value:.{min(digits, 4)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _format_share(value: float | None) -> str:
    if value is None:
        return "–"
    if 0.9995 <= value < 1:
        return ">99.9%"  # all but all is not all
    return f"{value:.1%}" if 0 < value < 1 else f"{value:.0%}"


def _format_usd(value: float | None) -> str:
    """Cents where there are dollars, otherwise enough digits to tell two topics apart."""
    if value is None:
        return "–"
    return f"${value:,.2f}" if value >= 1 or value == 0 else f"${value:.4f}"
