"""`damhwa status` and `damhwa rejected`: what a run holds, also while it is under way."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.table import Table

from datagen.batch.book import BatchRecord, Book
from datagen.console import format_money, format_seconds, out
from datagen.endpoint_options import SIMULATOR_MODEL
from datagen.errors import UsageError
from datagen.ledger import Attempt, EndpointTally, Ledger, TopicTally
from datagen.run_folder import read_request

WIDE = 100
"""Columns from which on the table tells the category too: below, the reasons need its room."""


def read_status(folder: Path) -> dict[str, Any]:
    """The run's figures, as `status --json` prints them."""
    ledger = Ledger.open_to_read(folder / "ledger.db")
    try:
        request = read_request(ledger)
        tallies, reasons = ledger.tallies(), ledger.rejections()
        curated = _read_curated(folder)
        topics = [
            {**_describe_topic(topic, tallies.get(topic["name"]), reasons), "curated": curated.get(topic["name"])}
            for topic in request["topics"]
        ]
        totals = list(tallies.values())
        span = ledger.time_span()
        shards = ledger.shards()
        unsealed = ledger.count_unsealed()
        endpoints = ledger.endpoints()
        batches = [_describe_batch(record) for record in Book(ledger).list_open()]
    finally:
        ledger.close()
    prompt = sum(each.prompt_tokens for each in totals)
    return {
        "dataset": request["dataset"],
        "run": str(folder),
        "model": request["provider"]["model"],
        "quota": sum(topic["quota"] for topic in topics),
        "accepted": sum(topic["accepted"] for topic in topics),
        "curated": sum(counts.get("accepted", 0) for counts in curated.values()) if curated else None,
        "rejected": sum(each.rejected for each in totals),
        "failed": sum(each.failed for each in totals),
        "under_way": sum(each.under_way for each in totals),
        "requests": sum(each.requests for each in totals),
        "prompt_tokens": prompt,
        "cached_share": round(sum(each.cached_tokens for each in totals) / prompt, 4) if prompt else 0.0,
        "completion_tokens": sum(each.completion_tokens for each in totals),
        "cost_usd": None if any(each.unpriced for each in totals) else round(sum(each.cost_usd for each in totals), 6),
        "shards": sum(state == "sealed" for state, _ in shards.values()),
        "unsealed": unsealed,
        "first_at": span[0] if span else None,
        "last_at": span[1] if span else None,
        "endpoints": _describe_endpoints(endpoints),
        "batches": batches,
        "topics": topics,
    }


def _describe_endpoints(endpoints: list[EndpointTally]) -> list[dict[str, Any]]:
    answers = sum(each.answers for each in endpoints)
    return [
        {
            "base_url": each.base_url,
            "answers": each.answers,
            "share": round(each.answers / answers, 4) if answers else 0.0,
            "mean_s": None if each.mean_s is None else round(each.mean_s, 3),
            "failed": each.failed,
        }
        for each in endpoints
    ]


def _read_curated(folder: Path) -> dict[str, dict[str, int]]:
    """Topic → what became of its dialogues at the last curation → count; empty where the run was never curated."""
    try:
        report = json.loads((folder / "curated" / "report.json").read_text(encoding="utf-8"))
        return {each["topic"]: dict(each["counts"]) for each in report["topics"] if each["topic"]}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _describe_batch(record: BatchRecord) -> dict[str, Any]:
    """An open batch. `state`: the endpoint's last word, or how far the batch came on its way there."""
    return {
        "id": record.batch_id,
        "name": record.name,
        "endpoint": record.endpoint,
        "state": record.status or record.state,
        "requests": record.requests,
        "done": record.completed + record.failed,
        "since": record.packed_at,
    }


def _describe_topic(
    topic: dict[str, Any], tally: TopicTally | None, reasons: dict[str, dict[str, int]]
) -> dict[str, Any]:
    tally = tally or TopicTally()
    return {
        "name": topic["name"],
        "category": topic["category"],
        "quota": topic["quota"],
        "accepted": tally.accepted,
        "rejected": reasons.get(topic["name"], {}),
        "cost_usd": None if tally.unpriced else round(tally.cost_usd, 6),
    }


def draw_status(status: dict[str, Any]) -> Iterator[Table | str]:
    """The figures for reading."""
    yield f"[bold]{escape(status['dataset'])}[/] · {escape(status['run'])} · {escape(status['model'])}"
    table = Table(box=None, pad_edge=False, header_style="bold")
    is_wide = out.width >= WIDE
    for name in ("category", "topic") if is_wide else ("topic",):
        table.add_column(name, no_wrap=True)
    is_curated = status["curated"] is not None
    for name in ("valid", "accepted", "quota", "missing") if is_curated else ("accepted", "quota", "missing"):
        table.add_column(name, justify="right")
    table.add_column("rejected, not accepted" if is_curated else "rejected, by reason", overflow="fold")
    table.add_column("cost", justify="right")
    for topic in status["topics"]:
        accepted = (topic["curated"] or {}).get("accepted", 0) if is_curated else topic["accepted"]
        missing = topic["quota"] - accepted - (topic["curated"] or {}).get("waiting", 0)
        table.add_row(
            *([escape(topic["category"])] if is_wide else []),
            escape(topic["name"]),
            *([str(topic["accepted"])] if is_curated else []),
            str(accepted),
            str(topic["quota"]),
            f"[yellow]{missing}[/]" if missing > 0 else "[green]–[/]",
            ", ".join(f"{reason} {count}" for reason, count in _list_lost(topic).items()) or "–",
            format_money(topic["cost_usd"]),
        )
    yield table
    if len(status["endpoints"]) > 1 and status["model"] != SIMULATOR_MODEL:  # each --offline has a port of its own
        yield _draw_endpoints(status["endpoints"])
    begun = f"{status['under_way']:,} under way · " if status["under_way"] else ""
    yield f"{_describe_accepted(status)} · {begun}{status['rejected']:,} rejected"
    yield (
        f"{status['requests']:,} requests · {status['prompt_tokens']:,} + {status['completion_tokens']:,} tokens "
        f"({status['cached_share']:.0%} of the prompt from cache) · {format_money(status['cost_usd'])}"
    )
    waiting = f", {status['unsealed']:,} accepted ones not in Parquet yet" if status["unsealed"] else ""
    shards = f"{status['shards']} {'shard' if status['shards'] == 1 else 'shards'}"
    yield f"{shards} in dialogues/{waiting}{_describe_span(status)}"
    for batch in status["batches"]:
        since = datetime.fromisoformat(batch["since"])
        yield (
            f"batch {escape(batch['id'] or batch['name'])} {escape(batch['state'])} · {batch['done']:,} of "
            f"{batch['requests']:,} requests done · since {since:%Y-%m-%d %H:%M} UTC · {escape(batch['endpoint'])}"
        )


def _draw_endpoints(endpoints: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("endpoint", overflow="fold")
    for name in ("answers", "share", "seconds a draft", "drafts unanswered"):
        table.add_column(name, justify="right")
    for each in endpoints:
        mean = "–" if each["mean_s"] is None else f"{each['mean_s']:.2f}"
        cells = f"{each['answers']:,}", f"{each['share']:.0%}", mean, f"{each['failed']:,}" if each["failed"] else "–"
        table.add_row(escape(each["base_url"]), *cells)
    return table


def _list_lost(topic: dict[str, Any]) -> dict[str, int]:
    """Why drafts were rejected, and what became of the dialogues that curation did not accept."""
    others = {name.replace("_", "-"): count for name, count in (topic["curated"] or {}).items()}
    others.pop("accepted", None)
    return {**topic["rejected"], **{name: count for name, count in others.items() if count}}


def _describe_accepted(status: dict[str, Any]) -> str:
    if status["curated"] is None:
        return f"{status['accepted']:,} of {status['quota']:,} accepted"
    return f"{status['accepted']:,} valid, of which {status['curated']:,} of {status['quota']:,} accepted by curation"


def _describe_span(status: dict[str, Any]) -> str:
    if status["first_at"] is None:
        return ""
    first, last = (datetime.fromisoformat(status[key]) for key in ("first_at", "last_at"))
    return f" · {first:%Y-%m-%d %H:%M} to {last:%H:%M} UTC ({format_seconds((last - first).total_seconds())})"


def read_rejected(folder: Path, topic: str | None) -> Iterator[Attempt]:
    """The rejected drafts of a run or of one of its topics, oldest first. Raises UsageError for an unknown topic."""
    ledger = Ledger.open_to_read(folder / "ledger.db")
    try:
        names = [each["name"] for each in read_request(ledger)["topics"]]
        if topic is not None and topic not in names:
            raise UsageError(f"the run has no topic '{topic}'", f"its topics: {', '.join(names)}")
        yield from ledger.rejected(topic)
    finally:
        ledger.close()
