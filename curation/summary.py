"""What `curate` and `build` say at the end: figures for programs, a few lines for people."""

from collections import Counter
from typing import Any

from curation.examination import Examination
from curation.settling.settlement import Status
from datagen.console import err


def summarise(examination: Examination, counts: dict[str, int]) -> dict[str, Any]:
    """The figures, as `--json` prints them. `counts`: split → dialogues written."""
    work, rows = examination.work, examination.rows
    status = Counter(Status(each).word for each in examination.settlement.status[rows.is_readable].tolist())
    quotas = work.source.quotas
    leakage, contamination = examination.leakage, examination.contamination
    return {
        "dataset": work.source.dataset,
        "curated": str(work.folder / "curated"),
        "dialogues": int(rows.is_readable.sum()),
        "quota": sum(quota for _, quota in quotas.values()) if quotas else None,
        **{each.word: status[each.word] for each in Status},
        "splits": counts,
        "reasons": _count_reasons(examination),
        "missing": examination.settlement.missing,
        "unreadable": len(rows.unreadable),
        "leakage": {"highest": leakage.highest, "threshold": work.settings.splits.threshold},
        "contamination": contamination.describe(rows.ids) if contamination else None,
    }


def _count_reasons(examination: Examination) -> dict[str, int]:
    counts = Counter(examination.findings.first_codes().values())
    counts["duplicate"] = int((examination.settlement.status == Status.DUPLICATE).sum())
    counts["split-tie"] = int((examination.settlement.status == Status.SET_ASIDE).sum())
    return {reason: count for reason, count in counts.most_common() if count}


def describe_summary(summary: dict[str, Any]) -> str:
    """The figures in a few lines."""
    of_quota = f" of {summary['quota']:,}" if summary["quota"] is not None else ""
    splits = " · ".join(f"{name} {count:,}" for name, count in summary["splits"].items())
    lines = [f"{summary['accepted']:,}{of_quota} dialogues accepted in {summary['curated']} ({splits})"]
    others = {
        "wait for a verdict in reviews.jsonl": summary["waiting"],
        "in reserve": summary["reserve"],
        "dropped": summary["dropped"],
        "duplicates" if summary["duplicate"] != 1 else "duplicate": summary["duplicate"],
        "set aside": summary["set-aside"],
        "unreadable": summary["unreadable"],
    }
    told = " · ".join(f"{count:,} {name}" for name, count in others.items() if count)
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in summary["reasons"].items())
    if told:
        lines.append(f"of {summary['dialogues']:,} judged: {told}" + (f" ({reasons})" if reasons else ""))
    lines.append(_describe_leakage(summary["leakage"]))
    if (found := summary["contamination"]) is not None:
        lines.append(f"dropped for resembling one of {found['compared']:,} other dialogues: {found['similar']:,}")
    lines.append(f"report: {summary['curated']}/report.html")
    return "\n".join(lines)


def _describe_leakage(leakage: dict[str, Any]) -> str:
    limit = f"the limit is {leakage['threshold']:g}"
    if leakage["highest"] is None:
        return f"no pair across the splits is similar by {leakage['threshold']:g} or more"
    return f"most similar pair across the splits: {leakage['highest']:.3f} ({limit})"


def tell_warnings(examination: Examination) -> None:
    """Say on stderr what a person should look at."""
    rows, similar, settlement = examination.rows, examination.similar, examination.settlement
    if (large := similar.large) is not None:
        err.print(
            f"warning: one cluster of near-duplicates holds {large.size:,} of {large.total:,} dialogues "
            f"({large.share:.0%}), around {rows.ids[large.row]}: look at it with `damhwa explain` before you trust it",
            style="yellow",
            markup=False,
        )
    for each in settlement.giants:
        err.print(
            f"warning: {each.size:,} dialogues around {rows.ids[each.row]} hang together and all went to {each.split}",
            style="yellow",
            markup=False,
        )
    for unreadable in rows.unreadable[:5]:
        place = f"{unreadable.file}:{unreadable.row}" if unreadable.row is not None else unreadable.file
        err.print(f"unreadable: {place}: {unreadable.what}", style="yellow", markup=False)
    if len(rows.unreadable) > 5:
        err.print(f"… {len(rows.unreadable) - 5:,} more in curated/unreadable.parquet", style="yellow", markup=False)
    for topic in settlement.unknown_topics[:5]:
        err.print(f"note: no quota names the topic '{topic}'; its dialogues stay in reserve", markup=False)
    if examination.reviews.warning:
        err.print(f"warning: {examination.reviews.warning}", style="yellow", markup=False)
    for hit in examination.contamination.hits[:5] if examination.contamination else ():
        told = f"contaminated: {rows.ids[hit.row]} resembles {hit.other} by {hit.similarity:.2f}, and is dropped"
        err.print(told, style="yellow", markup=False)
