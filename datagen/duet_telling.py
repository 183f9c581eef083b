"""A duet's requests in words and figures, for `explain` and `lineage`."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from rich.markup import escape
from rich.table import Table

from datagen.console import format_money
from datagen.ledger_duets import Utterance

_TOLD = (
    "number",
    "kind",
    "again",
    "outcome",
    "reason",
    "detail",
    "endpoint",
    "model",
    "prompt_sha256",
    "prompt_tokens",
    "completion_tokens",
    "cached_tokens",
    "cost_usd",
    "requests",
    "finished_at",
)


def summarise(utterances: Sequence[Utterance]) -> dict[str, Any]:
    """How many of each kind, how many were asked for again, and what all of it took."""
    kinds = Counter(each.kind for each in utterances if each.outcome == "accepted")
    costs = [each.cost_usd for each in utterances if each.reply is not None]
    return {
        "user": kinds["user"],
        "persona": kinds["persona"],
        "summaries": kinds["summary"],
        "asked_again": sum(each.outcome != "accepted" for each in utterances),
        "prompt_tokens": sum(each.prompt_tokens or 0 for each in utterances),
        "cached_tokens": sum(each.cached_tokens or 0 for each in utterances),
        "completion_tokens": sum(each.completion_tokens or 0 for each in utterances),
        "cost_usd": None if None in costs else sum(cost or 0.0 for cost in costs),
    }


def describe(utterance: Utterance) -> dict[str, Any]:
    """One request, as `--json` prints it; its text only where the dialogue does not have it."""
    told = {name: getattr(utterance, name) for name in _TOLD}
    is_said = utterance.outcome == "accepted" and utterance.kind != "summary"
    return told if is_said else {**told, "reply": utterance.reply}


def tell_duet(utterances: Sequence[Utterance]) -> str:
    """In one line."""
    told = summarise(utterances)
    said = f"{told['user'] + told['persona']} utterances, {told['summaries']} summaries"
    again = f", {told['asked_again']} replies asked for again" if told["asked_again"] else ""
    cached = told["cached_tokens"] / told["prompt_tokens"] if told["prompt_tokens"] else 0.0
    return f"{said}{again} · {cached:.0%} of the prompts from cache"


def draw_utterances(utterances: Sequence[Utterance]) -> Iterator[Table]:
    """Every request, for reading."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("turn", "kind"):
        table.add_column(name, no_wrap=True)
    for name in ("prompt", "reply", "cost"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("outcome", overflow="fold")
    table.add_column("summary, or the reply that was no good", overflow="fold")
    for each in utterances:
        turn = f"1–{each.number}" if each.kind == "summary" else str(each.number + 1)
        outcome = each.outcome if each.reason is None else f"{each.reason}: {each.detail}"
        shown = each.reply if each.kind == "summary" or each.outcome != "accepted" else ""
        tokens = (f"{each.prompt_tokens or 0:,}", f"{each.completion_tokens or 0:,}")
        table.add_row(turn, each.kind, *tokens, format_money(each.cost_usd), escape(outcome), escape(shown or ""))
    yield table
