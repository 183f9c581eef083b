"""The figures that come from whole columns: quotas, yield, cost, reasons, lengths, speech levels.

Everything is grouped by pyarrow and numpy; nothing here walks over the dialogues one by one.
"""

from collections import Counter
from collections.abc import Mapping
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curation.report.document import (
    Bin,
    Counts,
    Distribution,
    Headline,
    ReasonColumn,
    ReasonRow,
    Reasons,
    RuleRow,
    SpeechRow,
    Spending,
    SplitRow,
    TopicRow,
)
from curation.report.input import REJECTING, ReportInput

TOPICS_TOLD = 200
"""Topics that get a row of their own, the largest first; the others are added up."""

SIMULATOR = "damhwa-simulator"

_BINS = 24


def count_values(column: pa.ChunkedArray) -> dict[str, int]:
    """Value → rows, most frequent first; null as the empty string."""
    counted = [(each["values"].as_py() or "", each["counts"].as_py()) for each in pc.value_counts(column)]
    return dict(sorted(counted, key=lambda pair: (-pair[1], pair[0])))


def tell_topics(data: ReportInput) -> list[TopicRow]:
    """A row a topic: those of the spec in its order, then others, largest first."""
    statuses = _count_by(data.decisions, "topic", "status")
    quotas = data.quotas or {}
    sizes = {topic: sum(counts.values()) for topic, counts in statuses.items()}
    others = sorted(
        (topic for topic in {*sizes, *data.drafts} if topic not in quotas), key=lambda t: (-sizes.get(t, 0), t)
    )
    categories = _find_categories(data.decisions)
    costs = _sum_costs(data.decisions)
    order = [*quotas, *others]
    rows = []
    for topic in order[:TOPICS_TOLD]:
        category, quota = quotas.get(topic, (categories.get(topic, ""), None))
        counts = _to_counts(statuses.get(topic, {}))
        spending = _tell_spending(data.drafts.get(topic), costs.get(topic), counts)
        rows.append(
            TopicRow(
                topic=topic,
                category=category,
                quota=quota,
                dialogues=sizes.get(topic, 0),
                counts=counts,
                spending=spending,
            )
        )
    if rest := order[TOPICS_TOLD:]:
        rows.append(_add_rest(rest, statuses))
    return rows


def _add_rest(topics: list[str], statuses: Mapping[str, Mapping[str, int]]) -> TopicRow:
    total: Counter[str] = Counter()
    for topic in topics:
        total.update(statuses.get(topic, {}))
    counts = _to_counts(total)
    unknown = _tell_spending(None, None, counts)
    return TopicRow(topic=None, category="", quota=None, dialogues=total.total(), counts=counts, spending=unknown)


def _count_by(table: pa.Table, first: str, second: str) -> dict[str, dict[str, int]]:
    grouped = table.group_by([first, second]).aggregate([([], "count_all")])
    counts: dict[str, dict[str, int]] = {}
    for row in grouped.to_pylist():
        counts.setdefault(row[first] or "", {})[row[second] or ""] = row["count_all"]
    return counts


def _find_categories(decisions: pa.Table) -> dict[str, str]:
    grouped = decisions.group_by("topic").aggregate([("category", "min")]).to_pylist()
    return {row["topic"] or "": row["category_min"] or "" for row in grouped}


def _sum_costs(decisions: pa.Table) -> dict[str, float]:
    """Topic → what its dialogues cost; topics of which one price is unknown are left out."""
    known = decisions.group_by("topic").aggregate([("cost_usd", "sum"), ("cost_usd", "count"), ([], "count_all")])
    rows = known.to_pylist()
    return {row["topic"] or "": row["cost_usd_sum"] for row in rows if row["cost_usd_count"] == row["count_all"]}


def _to_counts(statuses: Mapping[str, int]) -> Counts:
    return Counts(
        accepted=statuses.get("accepted", 0),
        reserve=statuses.get("reserve", 0),
        waiting=statuses.get("waiting", 0),
        dropped=statuses.get("dropped", 0),
        duplicate=statuses.get("duplicate", 0),
        set_aside=statuses.get("set-aside", 0),
    )


def _tell_spending(paid: Mapping[str, float | None] | None, rows_usd: float | None, counts: Counts) -> Spending:
    drafts = tokens = None
    cost = rows_usd
    if paid is not None:
        drafts, tokens, cost = paid.get("drafts"), paid.get("tokens"), paid.get("cost_usd")
    tried = drafts if drafts else sum(_list_counts(counts))
    return Spending(
        drafts=None if drafts is None else int(drafts),
        tokens=None if tokens is None else int(tokens),
        cost_usd=None if cost is None else round(cost, 6),
        cost_per_accepted_usd=round(cost / counts["accepted"], 6) if cost is not None and counts["accepted"] else None,
        passed=round((counts["accepted"] + counts["reserve"] + counts["waiting"]) / tried, 4) if tried else None,
    )


def _list_counts(counts: Counts) -> list[int]:
    return [
        counts["accepted"],
        counts["reserve"],
        counts["waiting"],
        counts["dropped"],
        counts["duplicate"],
        counts["set_aside"],
    ]


def tell_headline(data: ReportInput, topics: list[TopicRow]) -> Headline:
    """The sums over all topics, also over those without a row of their own."""
    counts = _to_counts(count_values(data.decisions["status"]))
    paid: dict[str, float | None] | None = None
    if data.drafts:
        costs = [each.get("cost_usd") for each in data.drafts.values()]
        known = [each for each in costs if each is not None]
        paid = {
            "drafts": sum(each.get("drafts") or 0 for each in data.drafts.values()),
            "tokens": sum(each.get("tokens") or 0 for each in data.drafts.values()),
            "cost_usd": sum(known) if len(known) == len(costs) else None,
        }
    prices = data.decisions["cost_usd"]
    rows_usd = pc.sum(prices).as_py() if prices.null_count == 0 else None
    quotas = data.quotas
    accepted = {row["topic"]: row["counts"]["accepted"] for row in topics}
    return Headline(
        dialogues=data.decisions.num_rows,
        quota=None if quotas is None else sum(quota for _, quota in quotas.values()),
        topics=pc.count_distinct(data.decisions["topic"], mode="all").as_py() if quotas is None else len(quotas),
        topics_met=None
        if quotas is None
        else sum(accepted.get(topic, 0) >= quota for topic, (_, quota) in quotas.items()),
        counts=counts,
        spending=_tell_spending(paid, rows_usd, counts),
    )


def tell_splits(decisions: pa.Table) -> list[SplitRow]:
    accepted = decisions.filter(pc.equal(decisions["status"], "accepted"))
    split = accepted.filter(pc.is_valid(accepted["split"]))
    rows = split.group_by("split").aggregate([([], "count_all"), ("topic", "count_distinct")]).to_pylist()
    found = {row["split"]: row for row in rows}
    order = [name for name in ("train", "validation", "test") if name in found]
    order += sorted(found.keys() - set(order))
    return [
        SplitRow(
            split=name,
            dialogues=found[name]["count_all"],
            share=round(found[name]["count_all"] / split.num_rows, 4),
            topics=found[name]["topic_count_distinct"],
        )
        for name in order
    ]


def tell_reasons(data: ReportInput, topics: list[TopicRow]) -> Reasons:
    """Why drafts and dialogues were rejected, a row for each topic of `topics`."""
    rejecting = pc.is_in(data.decisions["status"], value_set=pa.array(REJECTING))
    by_topic = {"curation": _count_by(data.decisions.filter(rejecting), "topic", "reason")}
    by_topic["draft"] = {topic: dict(counts) for topic, counts in data.rejected.items()}
    columns: list[ReasonColumn] = []
    for stage in ("draft", "curation"):
        total: Counter[str] = Counter()
        for counts in by_topic[stage].values():
            total.update(counts)
        ordered = sorted(total.items(), key=lambda pair: (-pair[1], pair[0]))
        columns += [ReasonColumn(code=code, stage=stage) for code, count in ordered if count]
    rows = [
        ReasonRow(
            topic=row["topic"],
            counts=[by_topic[each["stage"]].get(row["topic"], {}).get(each["code"], 0) for each in columns],
        )
        for row in topics
        if row["topic"] is not None
    ]
    return Reasons(columns=columns, rows=rows)


def tell_rules(findings: pa.Table) -> list[RuleRow]:
    """Dialogues per rule, those with most drops first."""
    keys = ["code", "rule", "verdict"]
    rows = findings.group_by(keys).aggregate([("id", "count_distinct")]).to_pylist()
    counts: dict[tuple[str, str], dict[str, int]] = {}
    for row in rows:
        counts.setdefault((row["code"], row["rule"]), {})[row["verdict"]] = row["id_count_distinct"]
    told = [
        RuleRow(code=code, rule=rule, dropped=found.get("drop", 0), noted=found.get("note", 0))
        for (code, rule), found in counts.items()
    ]
    return sorted(told, key=lambda row: (-row["dropped"], -row["noted"], row["code"], row["rule"]))


def tell_speech(data: ReportInput) -> list[SpeechRow]:
    """A row a persona, the largest first: dialogues in which the persona left its speech level."""
    found = data.findings.filter(pc.equal(data.findings["code"], "speech-level"))
    dropped = pc.unique(found.filter(pc.equal(found["verdict"], "drop"))["id"])
    noted = pc.unique(found["id"])
    ids = data.decisions["id"]
    is_dropped = pc.is_in(ids, value_set=dropped)
    is_noted = pc.and_not(pc.is_in(ids, value_set=noted), is_dropped)
    table = pa.table({"persona": data.decisions["persona"], "dropped": is_dropped, "noted": is_noted})
    grouped = table.group_by("persona").aggregate([([], "count_all"), ("dropped", "sum"), ("noted", "sum")])
    rows = [
        SpeechRow(
            persona=row["persona"] or "",
            level=data.persona_levels.get(row["persona"] or ""),
            dialogues=row["count_all"],
            noted=row["noted_sum"],
            dropped=row["dropped_sum"],
        )
        for row in grouped.to_pylist()
    ]
    return sorted(rows, key=lambda row: (-row["dialogues"], row["persona"]))[:TOPICS_TOLD]


def describe(values: NDArray[np.int64], width: float | None = None) -> Distribution | None:
    """Quantiles and a histogram; None of nothing. `width` None: a round one, and what lies far out in one last bin."""
    if not len(values):
        return None
    median, p95, far = np.percentile(values, [50, 95, 99.5])
    low, high = float(values.min()), float(values.max())
    top = high if high <= 2 * far else far
    if width is None:
        width = round_up((top - low) / _BINS)
    first = low // width * width
    edges = first + width * np.arange(int((top - first) // width) + 2)
    *counts, beyond = np.histogram(values, [*edges, np.inf])[0]
    bins = [Bin(start=float(a), end=float(b), count=int(n)) for (a, b), n in zip(pairwise(edges), counts, strict=True)]
    if beyond:
        bins.append(Bin(start=float(edges[-1]), end=None, count=int(beyond)))
    return Distribution(
        count=len(values),
        minimum=low,
        median=round(float(median), 1),
        mean=round(float(values.mean()), 1),
        p95=round(float(p95), 1),
        maximum=high,
        bins=bins,
    )


def round_up(width: float) -> float:
    """The next of 1, 2, 5, 10, 20, 50, …"""
    scale: float = 10 ** np.floor(np.log10(max(width, 1)))
    return float(next(step * scale for step in (1, 2, 5, 10) if step * scale >= width))


def describe_turns(values: NDArray[np.int64]) -> Distribution | None:
    """As `describe`, with a bin for each number of turns where that is a picture."""
    return describe(values, 1 if len(values) and values.max() <= 60 else None)
