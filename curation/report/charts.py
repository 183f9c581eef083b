"""The charts as plotly figures in JSON, without colours and words of their own.

`{"$c": "accepted"}` stands for a colour of the page's theme, `{"$t": "quota"}` for a text in the reader's language: the
page's script puts them in and draws again when theme or language change.
"""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any, NotRequired, TypedDict

from curation.report.document import Distribution, Duplicates, Map, Report, TopicRow
from curation.report.figures import round_up

Json = dict[str, Any]
"""A part of a plotly figure: plotly's own format, which it checks itself."""

STATUSES = ("accepted", "reserve", "waiting", "dropped", "duplicate", "set_aside")

TOPICS_DRAWN = 60

_LABEL = 22  # characters of a topic that an axis has room for
_ROW = 24  # pixels a bar
_FRAME = 74


class Chart(TypedDict):
    """`height` in pixels. `groups`, of the map only: what its dots may be coloured by."""

    data: list[Json]
    layout: Json
    height: int
    groups: NotRequired[dict[str, list[Json]]]


def text(key: str) -> Json:
    return {"$t": key}


def colour(name: str) -> Json:
    return {"$c": name}


def escape_label(label: str) -> str:
    """Plotly reads tags in labels: no text of the data may hold one."""
    return escape(" ".join(label.split()), quote=False)


def draw_all(report: Report) -> dict[str, Chart]:
    """Every chart of the page by name; a chart without figures is left out."""
    topics = [row for row in report["topics"] if row["topic"] is not None][:TOPICS_DRAWN]
    overall = report["headline"]["spending"]
    charts = {"quotas": draw_quotas(topics)} if topics else {}
    passed = [row["spending"]["passed"] for row in topics]
    costs = [row["spending"]["cost_per_accepted_usd"] for row in topics]
    if any(value is not None for value in passed):
        charts["yield"] = _draw_dots(topics, passed, overall["passed"], ".0%", "accepted")
    if any(costs):
        charts["cost"] = _draw_dots(topics, costs, overall["cost_per_accepted_usd"], "$.4~f", "duplicate")
    for name in ("characters", "turns"):
        if (distribution := report[name]) is not None:
            charts[name] = draw_histogram(distribution, name)
    if report["duplicates"]["curve"]:
        charts["recall"] = draw_recall(report["duplicates"])
    if report["map"]["id"]:
        charts["map"] = draw_map(report["map"])
    return charts


def _list_labels(topics: Sequence[TopicRow]) -> Json:
    """A category axis by position, the first topic on top: two topics may be cut to the same label."""
    names = [row["topic"] or "" for row in topics]
    labels = [escape_label(name if len(name) <= _LABEL else f"{name[: _LABEL - 1]}…") for name in names]
    return {
        "tickvals": list(range(len(names))),
        "ticktext": [label or "–" for label in labels],
        "range": [len(names) - 0.4, -0.6],
        "showgrid": False,
        "zeroline": False,
        "automargin": True,
    }


def draw_quotas(topics: Sequence[TopicRow]) -> Chart:
    data = [_draw_status(topics, status) for status in STATUSES if any(_read(row, status) for row in topics)]
    quotas = [row["quota"] for row in topics]
    if any(quotas):
        marker = {"symbol": "line-ns", "size": 15, "line": {"width": 2.5, "color": colour("ink")}}
        data.append(
            {**_name_rows(topics, "quota"), "type": "scatter", "mode": "markers", "x": quotas, "marker": marker}
        )
    layout: Json = {
        "barmode": "stack",
        "bargap": 0.34,
        "yaxis": _list_labels(topics),
        "xaxis": {"rangemode": "tozero", "tickformat": ",d", "nticks": 6, "zeroline": False},
        "legend": {"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom", "traceorder": "normal"},
        "margin": {"t": 40, "b": 30},
    }
    return Chart(data=data, layout=layout, height=_ROW * len(topics) + _FRAME)


def _draw_status(topics: Sequence[TopicRow], status: str) -> Json:
    bars: Json = {"type": "bar", "orientation": "h", "x": [_read(row, status) for row in topics]}
    return {**_name_rows(topics, status), **bars, "marker": {"color": colour(status), "line": {"width": 0}}}


def _name_rows(topics: Sequence[TopicRow], key: str) -> Json:
    return {
        "name": text(key),
        "y": list(range(len(topics))),
        "customdata": [escape_label(row["topic"] or "") for row in topics],
        "hovertemplate": "%{customdata} · %{x}<extra>%{fullData.name}</extra>",
    }


def _read(row: TopicRow, status: str) -> int:
    return row["counts"][status]  # type: ignore[literal-required, no-any-return]


def _draw_dots(
    topics: Sequence[TopicRow], values: Sequence[float | None], overall: float | None, form: str, tone: str
) -> Chart:
    places = list(range(len(topics)))
    known = [(place, value) for place, value in zip(places, values, strict=True) if value is not None]
    stems: Json = {
        "type": "bar",
        "orientation": "h",
        "x": [value for _, value in known],
        "y": [place for place, _ in known],
        "width": 0.1,
        "marker": {"color": colour("rule")},
        "hoverinfo": "skip",
        "showlegend": False,
    }
    dots: Json = {
        "type": "scatter",
        "mode": "markers",
        "x": [value for _, value in known],
        "y": [place for place, _ in known],
        "customdata": [escape_label(topics[place]["topic"] or "") for place, _ in known],
        "marker": {"size": 9, "color": colour(tone)},
        "hovertemplate": f"%{{customdata}} · %{{x:{form}}}<extra></extra>",
        "showlegend": False,
    }
    layout: Json = {
        "yaxis": _list_labels(topics),
        "xaxis": {"rangemode": "tozero", "tickformat": form, "nticks": 5, "zeroline": False},
        "margin": {"t": 8, "b": 30},
        "shapes": [] if overall is None else [_draw_line(overall)],
    }
    if form.endswith("%"):
        layout["xaxis"]["range"] = [0, 1.03]
    return Chart(data=[stems, dots], layout=layout, height=_ROW * len(topics) + _FRAME - 32)


def _draw_line(x: float) -> Json:
    line = {"color": colour("muted"), "width": 1.5, "dash": "dot"}
    return {"type": "line", "xref": "x", "yref": "paper", "x0": x, "x1": x, "y0": 0, "y1": 1, "line": line}


def draw_histogram(distribution: Distribution, name: str) -> Chart:
    """Bars of a distribution; where each bin holds one whole number, only those that occur, named by it."""
    bins = [each for each in distribution["bins"] if each["count"]] if name == "turns" else distribution["bins"]
    labels = [label_bin(each["start"], each["end"]) for each in bins]
    bars: Json = {
        "type": "bar",
        "x": list(range(len(bins))),
        "y": [each["count"] for each in bins],
        "customdata": labels,
        "marker": {"color": colour("accent"), "line": {"width": 0}},
        "hovertemplate": "%{customdata} · %{y:,}<extra></extra>",
    }
    step = -(-len(bins) // 7)
    axis: Json = {"tickvals": list(range(0, len(bins), step)), "ticktext": labels[::step], "showgrid": False}
    if step > 1 or name == "characters":  # a continuous scale is read at its edges
        edges = [f"{each['start']:,.0f}" for each in bins]
        axis |= {"tickvals": [at - 0.5 for at in range(0, len(bins), step)], "ticktext": edges[::step]}
    layout: Json = {
        "xaxis": {**axis, "title": {"text": text(name)}, "tickangle": 0},
        "yaxis": _count_axis(each["count"] for each in bins),
        "bargap": 0.06 if name == "characters" else 0.4,
        "margin": {"t": 8, "b": 48, "l": 44},
    }
    return Chart(data=[bars], layout=layout, height=250)


def label_bin(start: float, end: float | None) -> str:
    """`4` for a bin of one whole number, `300–349` for a wider one, `650+` for an open one."""
    if end is None:
        return f"{start:,.0f}+"
    return f"{start:,.0f}" if end - start <= 1 else f"{start:,.0f}–{end - 1:,.0f}"


def _count_axis(counts: Iterable[int]) -> Json:
    """An axis of whole numbers in four steps or fewer; left alone, plotly divides three dialogues by two."""
    step = round_up(max(counts, default=1) / 4)
    return {"rangemode": "tozero", "dtick": step, "tick0": 0, "zeroline": False, "tickformat": ",d"}


def draw_recall(duplicates: Duplicates) -> Chart:
    most = [each["count"] for each in duplicates["similarities"]]
    bars: Json = {
        "type": "bar",
        "name": text("found"),
        "x": [(each["start"] + (each["end"] or 1)) / 2 for each in duplicates["similarities"]],
        "y": most,
        "width": 0.018,
        "yaxis": "y2",
        "marker": {"color": colour("duplicate"), "opacity": 0.55, "line": {"width": 0}},
        "hovertemplate": "%{x:.2f} · %{y:,}<extra>%{fullData.name}</extra>",
    }
    curve: Json = {
        "type": "scatter",
        "mode": "lines",
        "name": text("chance"),
        "x": [similarity for similarity, _ in duplicates["curve"]],
        "y": [chance for _, chance in duplicates["curve"]],
        "line": {"color": colour("accent"), "width": 2.5},
        "hovertemplate": "%{x:.2f} → %{y:.2%}<extra></extra>",
    }
    note: Json = {"text": text("threshold"), "x": duplicates["threshold"], "y": 1, "xref": "x", "yref": "paper"}
    note |= {"showarrow": False, "xanchor": "left", "yanchor": "top", "xshift": 4, "font": {"color": colour("muted")}}
    layout: Json = {
        "xaxis": {"title": {"text": text("similarity")}, "range": [0, 1.01], "zeroline": False, "nticks": 6},
        "yaxis": {"range": [0, 1.03], "tickformat": ".0%", "zeroline": False, "nticks": 5},
        "yaxis2": {**_count_axis(most), "overlaying": "y", "side": "right", "showgrid": False},
        "shapes": [_draw_line(duplicates["threshold"])],
        "annotations": [note],
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        "margin": {"t": 36, "b": 48, "l": 48, "r": 40},
    }
    if not duplicates["similarities"]:
        del layout["yaxis2"]
    return Chart(data=[bars, curve] if duplicates["similarities"] else [curve], layout=layout, height=300)


HUES = 20
"""Colours of topics in the page's style sheet, `hue0` and on; further topics share `hue_rest`."""


def draw_map(drawn: Map) -> Chart:
    """Dots without colours; `groups` tells the script how to part them into traces."""
    named = zip(drawn["id"], drawn["line"], strict=True)
    labels = [f"{escape_label(id_)}<br>{escape_label(line)}" for id_, line in named]
    dots: Json = {
        "type": "scatter",
        "mode": "markers",
        "x": drawn["x"],
        "y": drawn["y"],
        "customdata": labels,
        "hovertemplate": "%{customdata}<extra>%{fullData.name}</extra>",
        "marker": {"size": 6.5, "opacity": 0.82, "line": {"width": 0.5, "color": colour("surface")}},
    }
    hidden: Json = {"visible": False, "range": [-0.04, 1.04]}
    layout: Json = {
        "xaxis": hidden,
        "yaxis": {**hidden, "scaleanchor": "x", "scaleratio": 0.62},
        "legend": {"orientation": "h", "x": 0, "y": -0.02, "yanchor": "top", "itemsizing": "constant"},
        "margin": {"t": 4, "b": 4, "l": 4, "r": 4},
        "dragmode": "pan",
        "hovermode": "closest",
    }
    return Chart(data=[dots], layout=layout, height=640, groups=_group_dots(drawn))


def _group_dots(drawn: Map) -> dict[str, list[Json]]:
    """What to colour by → groups of dots: a name, a colour, and the dots' places in the columns."""
    found: dict[str, list[Json]] = {}
    statuses = [each.replace("-", "_") for each in drawn["status"]]
    splits = [each or "no_split" for each in drawn["split"]]
    topics = [number if number < HUES - 1 else -1 for number in drawn["topic"]]
    if len(drawn["topics"]) == HUES:
        topics = drawn["topic"]
    names = [escape_label(name) or text("no_name") for name in drawn["topics"][:HUES]]
    named = [(number, name, f"hue{number}") for number, name in enumerate(names)]
    found["topic"] = _part(topics, [*named, (-1, text("map_others"), "hue_rest")])
    usual = [(name, text(name), hue) for name, hue in (("train", "hue0"), ("validation", "hue3"), ("test", "hue2"))]
    others = sorted(set(splits) - {"train", "validation", "test", "no_split"})
    more = [(name, escape_label(name), f"hue{number % HUES}") for number, name in enumerate(others, 4)]
    found["split"] = _part(splits, [("no_split", text("no_split"), "hue_rest"), *usual, *more])
    found["status"] = _part(statuses, [(each, text(each), each) for each in STATUSES])
    return found


def _part(keys: Sequence[object], named: Sequence[tuple[object, Any, str]]) -> list[Json]:
    parts = []
    for key, name, tone in named:
        if dots := [at for at, each in enumerate(keys) if each == key]:
            parts.append({"name": name, "colour": colour(tone), "dots": dots})
    return parts
